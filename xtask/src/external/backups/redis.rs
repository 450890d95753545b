//! Redis' copies, on a server of this machine that is started as the store is.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use super::{Backup, Place, SECRET, free_port};
use crate::external::process::{output, succeeded};

/// What it holds first, a command a line.
const FILLED: &str = "SET plain one\nRPUSH list a b c\nHSET hash \"odd \\\" field\" \"\\x00\\xff\"\nZADD sorted 1.5 m\n\
                      SELECT 3\nSET other two\nFUNCTION LOAD \"#!lua name=kept\\nredis.register_function('f', function() return 1 end)\"\n";
/// What comes over it.
const CHANGED: &str = "SET plain two\nDEL list\nSET later 1\nSELECT 3\nFLUSHDB\nFUNCTION FLUSH\nSELECT 5\nSET more 1\n";
/// Everything there is to see.
const ASKED: &str = "DEBUG DIGEST\nINFO keyspace\nFUNCTION LIST WITHCODE\nGET plain\nEXISTS later\n";

pub(super) fn play(server: &Path, backup: &Backup<'_>) -> anyhow::Result<String> {
    let mut place = Place::new("redis")?;
    let port = free_port()?;
    let config = backup.config.context("the store has no files")?;
    let own = |name: &str| config[name].as_str().with_context(|| format!("the store has no file {name}"));
    // Another port and directory, and what this judge asks with.
    let here = |line: &str| match line.split_once(' ') {
        Some(("port", _)) => format!("port {port}\n"),
        Some(("dir", _)) => format!("dir {}\n", place.root.display()),
        _ => format!("{line}\n"),
    };
    let settings: String = own("redis.conf")?.lines().map(here).collect();
    let settings = place.write("redis.conf", &format!("{settings}enable-debug-command local\n"))?;
    let (start, password) = (place.write("start.sh", own("start.sh")?)?, place.write("secret", SECRET)?);
    let folder = server.parent().context("redis-server is nowhere")?.display();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap_or_default());
    let mut starting = place.command("sh");
    starting.arg(start).arg(settings).arg(password).env("PATH", &path);
    let client = |password: Option<&str>| {
        let mut client = Command::new("redis-cli");
        client.args(["-p", &port]).env("PATH", &path).env_remove("REDISCLI_AUTH");
        client.envs(password.map(|password| ("REDISCLI_AUTH", password)));
        client
    };
    let known = SECRET.trim_end();
    let pong = |password: Option<&str>| {
        output(client(password).arg("PING")).is_ok_and(|said| said.stdout.starts_with(b"PONG"))
    };
    place.start(starting, || pong(Some(known)))?;
    if pong(None) || pong(Some("another")) {
        bail!("Redis lets in who has no password");
    }
    let tell = |commands: &str| {
        let file = place.root.join("commands");
        std::fs::write(&file, commands)?;
        let said = succeeded(client(Some(known)).stdin(std::fs::File::open(file)?), "telling Redis")?;
        if said.lines().any(|line| line.starts_with("ERR ") || line.starts_with("(error)")) {
            bail!("Redis refuses:\n{said}");
        }
        Ok(said)
    };
    tell(FILLED)?;
    let here = [("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", port.as_str()), ("PATH", path.as_str())];
    backup.restored(&place, &here, || tell(ASKED), || tell(CHANGED).map(drop))
}
