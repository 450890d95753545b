//! Weaviate: a store of vectors of one pod, which answers HTTP and gRPC and lets nobody in without a key.

use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::backup::{COPIES_PATH, Copying};
use crate::compose::Building;
use crate::context::Owner;
use crate::model::{UserId, Weaviate};
use crate::secret_file::SecretFile;
use crate::spec::ServiceSpec;
use crate::stateful::{Store, service, stateful_set, variable};

/// The image, where the stack names none: from the official ones, for amd64 and arm64. It is one static program in Go,
/// whose segments are laid out for pages of up to 64 KiB and which asks the kernel for their size
/// (`FlagRound` in <https://github.com/golang/go/blob/master/src/cmd/link/internal/arm64/obj.go>).
pub(crate) const IMAGE: &str = "cr.weaviate.io/semitechnologies/weaviate:1.38.11";
/// The image names no user, and would run as root: its program needs none, and writes to its volume alone
/// (no `USER` in <https://github.com/weaviate/weaviate/blob/v1.38.11/Dockerfile>, and `/bin/weaviate` is its entry point).
pub(crate) const USER: UserId = UserId::known(1000);
/// The name of its port.
const PORT: &str = "http";
/// Where the volume is.
const DATA_PATH: &str = "/var/lib/weaviate";
/// The program that the image starts.
const PROGRAM: &str = "/bin/weaviate";
/// The variable with its keys.
const KEYS: &str = "AUTHENTICATION_APIKEY_ALLOWED_KEYS";
/// Whom a key stands for.
const CLIENTS: &str = "clients";

impl Building<'_, '_> {
    /// The objects of a Weaviate, beside those that every service has.
    pub(crate) fn weaviate(&mut self, spec: &ServiceSpec, weaviate: &Weaviate) {
        let (context, owner) = (self.context, Owner::Service(spec));
        let store = store(spec, weaviate);
        self.add(owner, "service", service(context, spec, &store));
        self.add(owner, "stateful-set", stateful_set(context, spec, &weaviate.storage, &store));
        if let Some(backup) = &weaviate.backup {
            self.backup(spec, backup, &copying(spec, weaviate));
        }
    }
}

/// How copies are made: it writes them itself when it is told to
/// (<https://docs.weaviate.io/deploy/configuration/backups>).
fn copying(spec: &ServiceSpec, weaviate: &Weaviate) -> Copying {
    Copying {
        backup: concat!(
            include_str!("../templates/backup/weaviate-ask.sh"),
            include_str!("../templates/backup/weaviate-backup.sh")
        ),
        restore: concat!(
            include_str!("../templates/backup/weaviate-ask.sh"),
            include_str!("../templates/backup/weaviate-restore.sh")
        ),
        env: vec![variable("WEAVIATE_HOST", &spec.object_name()), variable("WEAVIATE_PORT", &spec.port.to_string())],
        secret: key(weaviate),
        by_store: true,
    }
}

fn key(weaviate: &Weaviate) -> SecretFile {
    SecretFile::new(&weaviate.api_key, "api-key")
}

/// Its settings (<https://docs.weaviate.io/deploy/configuration/env-vars>).
fn store(spec: &ServiceSpec, weaviate: &Weaviate) -> Store {
    let grpc = spec.further_ports.iter().map(|(_, port)| variable("GRPC_PORT", &port.to_string()));
    // What is collected early does not run into the limit.
    let most = spec.resources.limits.memory.bytes() / 10 * 9;
    let fixed = [
        variable("PERSISTENCE_DATA_PATH", DATA_PATH),
        variable("DEFAULT_VECTORIZER_MODULE", "none"),
        variable("AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "false"),
        variable("AUTHENTICATION_APIKEY_ENABLED", "true"),
        variable("AUTHENTICATION_APIKEY_USERS", CLIENTS),
        // The node of a cluster of one, by the name that its pod always has.
        variable("CLUSTER_HOSTNAME", &format!("{}-0", spec.object_name())),
        variable("RAFT_BOOTSTRAP_EXPECT", "1"),
        // No policy lets it out.
        variable("DISABLE_TELEMETRY", "true"),
        variable("GOMEMLIMIT", &most.to_string()),
    ];
    let copies = weaviate.backup.iter().flat_map(|_| {
        [variable("ENABLE_MODULES", "backup-filesystem"), variable("BACKUP_FILESYSTEM_PATH", COPIES_PATH)]
    });
    let args = ["--host", "0.0.0.0", "--port", &spec.port.to_string(), "--scheme", "http"].map(str::to_owned);
    let key = key(weaviate);
    // It reads keys from this variable alone. `sh` of the image has it from the file, and becomes the image's own program.
    let start = format!("set -eu; {KEYS}=\"$(cat {})\"; export {KEYS}; exec {PROGRAM} \"$@\"", key.path());
    Store {
        port: PORT,
        command: Some(["sh", "-c", &start, PROGRAM].map(str::to_owned).to_vec()),
        args: args.to_vec(),
        env: grpc.chain(fixed).chain(copies).collect(),
        secret: Some(key),
        copies_path: weaviate.backup.as_ref().map(|_| COPIES_PATH),
        data_path: DATA_PATH,
        probe: asks("/v1/.well-known/ready"),
        alive: Some(asks("/v1/.well-known/live")),
        ..Store::default()
    }
}

/// A probe of a path that it answers without a key (<https://docs.weaviate.io/deploy/configuration/status>).
fn asks(path: &str) -> Probe {
    let port = IntOrString::String(PORT.to_owned());
    Probe {
        http_get: Some(HTTPGetAction { path: Some(path.to_owned()), port, ..HTTPGetAction::default() }),
        ..Probe::default()
    }
}
