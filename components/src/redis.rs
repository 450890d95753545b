//! Redis: a store of one pod that appends every write to a file on its volume.

use crate::backup::Copying;
use crate::compose::Building;
use crate::context::Owner;
use crate::model::{Memory, Redis, UserId};
use crate::secret_file::SecretFile;
use crate::spec::ServiceSpec;
use crate::stateful::{Store, config_map, runs, service, stateful_set, variable};

/// The image, where the stack names none: from the official ones, for amd64 and arm64; its build for arm64 takes pages of
/// up to 64 KiB (`lg-page` in <https://github.com/redis/docker-library-redis/blob/release/8.2/debian/Dockerfile>). Its entry
/// point changes owners only where it runs as root.
pub(crate) const IMAGE: &str = "docker.io/library/redis:8.2.9";
/// The user `redis` of that image, and its group (`useradd` in the same file).
pub(crate) const USER: UserId = UserId::known(999);
/// The name of its port.
const PORT: &str = "redis";
/// Where the image keeps data.
const DATA_PATH: &str = "/data";
/// Where its configuration is mounted.
const CONFIG_PATH: &str = "/etc/redis";
/// The name of the file there.
const CONFIG_FILE: &str = "redis.conf";
/// The name of the script beside it that starts Redis.
const START_FILE: &str = "start.sh";

impl Building<'_, '_> {
    /// The objects of a Redis, beside those that every service has.
    pub(crate) fn redis(&mut self, spec: &ServiceSpec, redis: &Redis) {
        let (context, owner) = (self.context, Owner::Service(spec));
        let store = store(spec, redis);
        self.add(owner, "service", service(context, spec, &store));
        self.add_any(owner, "config", config_map(spec, &store));
        self.add(owner, "stateful-set", stateful_set(context, spec, &redis.storage, &store));
        if let Some(backup) = &redis.backup {
            self.backup(spec, backup, &copying(spec, redis));
        }
    }
}

/// How copies are made: as for another Redis that follows this one.
fn copying(spec: &ServiceSpec, redis: &Redis) -> Copying {
    Copying {
        backup: include_str!("../templates/backup/redis-backup.sh"),
        restore: include_str!("../templates/backup/redis-restore.sh"),
        env: vec![variable("REDIS_HOST", &spec.object_name()), variable("REDIS_PORT", &spec.port.to_string())],
        secret: password(redis),
        by_store: false,
    }
}

fn password(redis: &Redis) -> SecretFile {
    SecretFile::new(&redis.password, "password")
}

fn store(spec: &ServiceSpec, redis: &Redis) -> Store {
    let password = password(redis);
    // The image's own client reads a password from this variable.
    let ask = |answer| {
        let client = format!("REDISCLI_AUTH=\"$(cat {})\" redis-cli -p {}", password.path(), spec.port);
        runs(["sh", "-c", &format!("{client} ping | grep -Eq '{answer}'")])
    };
    let (probe, alive) = (ask("PONG"), ask("PONG|LOADING"));
    let start = include_str!("../templates/redis/start.sh").to_owned();
    Store {
        port: PORT,
        command: Some(vec!["sh".to_owned(), format!("{CONFIG_PATH}/{START_FILE}")]),
        args: vec![format!("{CONFIG_PATH}/{CONFIG_FILE}"), password.path()],
        secret: Some(password),
        data_path: DATA_PATH,
        config_path: CONFIG_PATH,
        config: [(CONFIG_FILE.to_owned(), configuration(spec, redis)), (START_FILE.to_owned(), start)].into(),
        probe,
        // What it has kept may take long to read: stopping it would make it begin again.
        alive: Some(alive),
        ..Store::default()
    }
}

/// The configuration file (<https://redis.io/docs/latest/operate/oss_and_stack/management/config/>).
fn configuration(spec: &ServiceSpec, redis: &Redis) -> String {
    let most = redis.max_memory.map_or_else(|| spec.resources.limits.memory.bytes() / 4 * 3, Memory::bytes);
    format!(
        "port {}\ndir {DATA_PATH}\nappendonly yes\nmaxmemory {most}\nmaxmemory-policy {}\n",
        spec.port,
        redis.eviction.as_str()
    )
}
