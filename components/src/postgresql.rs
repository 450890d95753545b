//! PostgreSQL: a store of one pod, from the official image.

use crate::backup::Copying;
use crate::compose::Building;
use crate::context::Owner;
use crate::model::{Postgresql, UserId};
use crate::secret_file::SecretFile;
use crate::spec::ServiceSpec;
use crate::stateful::{Scratch, Store, runs, service, stateful_set, variable};

/// The image, where the stack names none: from the official ones, for amd64 and arm64. The release of Debian is named
/// too, because another one may sort text in another way, and indexes would no longer hold what they say
/// (<https://wiki.postgresql.org/wiki/Locale_data_changes>). It has no allocator of its own and asks the kernel for the
/// size of its pages: it runs where they have 64 KiB
/// (<https://dev.to/aws-heroes/postgresql-on-arm-default-page-size-matters-2n7a>).
pub(crate) const IMAGE: &str = "docker.io/library/postgres:17.11-trixie";
/// The user `postgres` of the images that are built on Debian, and its group; in those on Alpine it is 70
/// (`useradd` in <https://github.com/docker-library/postgres/blob/master/17/trixie/Dockerfile>, and `adduser` in its
/// neighbour). The entry point changes owners only where it runs as root.
pub(crate) const USER: UserId = UserId::known(999);
/// The name of its port.
const PORT: &str = "postgresql";
/// Where the volume is.
const DATA_PATH: &str = "/var/lib/postgresql/data";
/// The directory of the data there: one that is empty at first, which the root of a volume need not be.
const DATA_DIRECTORY: &str = "/var/lib/postgresql/data/pgdata";
/// Where it puts its socket; the rest of the image is not to be written to.
const SOCKETS: &str = "/var/run/postgresql";
/// Where workers of one query share memory: 64Mi unless a volume is there, which large queries outgrow.
const SHARED_MEMORY: &str = "/dev/shm";
/// The share of the pod's memory that each of its buffers and its shared memory may take up: one in so many
/// (<https://www.postgresql.org/docs/current/runtime-config-resource.html>).
const MEMORY_SHARE: u64 = 4;

impl Building<'_, '_> {
    /// The objects of a PostgreSQL, beside those that every service has.
    pub(crate) fn postgresql(&mut self, spec: &ServiceSpec, postgresql: &Postgresql) {
        let (context, owner) = (self.context, Owner::Service(spec));
        let store = store(spec, postgresql);
        self.add(owner, "service", service(context, spec, &store));
        self.add(owner, "stateful-set", stateful_set(context, spec, &postgresql.storage, &store));
        if let Some(backup) = &postgresql.backup {
            self.backup(spec, backup, &copying(spec, postgresql));
        }
    }
}

/// How copies are made: by its own programs, over the network.
fn copying(spec: &ServiceSpec, postgresql: &Postgresql) -> Copying {
    Copying {
        backup: include_str!("../templates/backup/postgresql-backup.sh"),
        restore: include_str!("../templates/backup/postgresql-restore.sh"),
        env: vec![
            variable("PGHOST", &spec.object_name()),
            variable("PGPORT", &spec.port.to_string()),
            variable("PGUSER", postgresql.user.as_str()),
            variable("PGDATABASE", postgresql.database.as_str()),
        ],
        secret: password(postgresql),
        by_store: false,
    }
}

fn password(postgresql: &Postgresql) -> SecretFile {
    SecretFile::new(&postgresql.password, "password")
}

fn store(spec: &ServiceSpec, postgresql: &Postgresql) -> Store {
    let Postgresql { user, database, max_connections, .. } = postgresql;
    let password = password(postgresql);
    let quarter = spec.resources.limits.memory.bytes() / MEMORY_SHARE / 1024;
    let setting = |text: String| ["-c".to_owned(), text];
    // While it sets itself up it answers on its socket alone, and is not ready.
    let ask = format!("pg_isready --quiet --host=127.0.0.1 --username={user} --dbname={database}");
    Store {
        port: PORT,
        args: ["postgres".to_owned()]
            .into_iter()
            .chain(setting(format!("shared_buffers={quarter}kB")))
            .chain(setting(format!("max_connections={max_connections}")))
            .collect(),
        env: vec![
            variable("PGDATA", DATA_DIRECTORY),
            variable("PGPORT", &spec.port.to_string()),
            variable("POSTGRES_DB", database.as_str()),
            variable("POSTGRES_USER", user.as_str()),
            // The image reads it where it sets itself up (<https://hub.docker.com/_/postgres>).
            variable("POSTGRES_PASSWORD_FILE", &password.path()),
        ],
        secret: Some(password),
        data_path: DATA_PATH,
        scratch: vec![
            Scratch { name: "sockets", path: SOCKETS, in_memory: None },
            Scratch { name: "shared-memory", path: SHARED_MEMORY, in_memory: Some(format!("{quarter}Ki")) },
        ],
        probe: runs(["sh", "-c", &ask]),
        // One that turns connections away recovers from a crash: stopping it would make it begin again.
        alive: Some(runs(["sh", "-c", &format!("{ask}; [ $? -le 1 ]")])),
        ..Store::default()
    }
}
