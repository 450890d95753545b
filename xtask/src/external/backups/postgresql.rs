//! PostgreSQL's copies, on a server of this machine.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::{Backup, Place, SECRET, free_port};
use crate::external::process::{output, succeeded};

/// What it holds first: tables, schemas, functions, large objects and a sequence, some with names that have to be quoted.
const FILLED: &str = r#"
CREATE TABLE "odd ""name" (id serial PRIMARY KEY, text text);
INSERT INTO "odd ""name" (text) VALUES ('one'), (E'two\n\\.'), (NULL);
CREATE SCHEMA apart; CREATE VIEW apart.seen AS SELECT text FROM "odd ""name";
CREATE FUNCTION apart.double(one int) RETURNS int LANGUAGE sql AS 'SELECT one * 2';
SELECT lo_from_bytea(4711, 'large');
"#;
/// What comes over it: changes, losses, and what was not there.
const CHANGED: &str = r#"
DELETE FROM "odd ""name" WHERE id = 1; DROP SCHEMA apart CASCADE; SELECT lo_unlink(4711);
CREATE SCHEMA later; CREATE TABLE later.more AS SELECT 1 AS one; CREATE TABLE public.more (); SELECT lo_create(4712);
"#;
/// Everything there is to see.
const ASKED: &str = r#"
SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema' ORDER BY 1, 2;
SELECT viewname FROM pg_views WHERE schemaname = 'apart';
SELECT nspname, proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname !~ '^pg_'
  AND nspname <> 'information_schema' ORDER BY 1, 2;
SELECT oid, lo_get(oid) FROM pg_largeobject_metadata ORDER BY 1;
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1;
SELECT * FROM "odd ""name" ORDER BY id;
SELECT last_value FROM "odd ""name_id_seq";
"#;

pub(super) fn play(programs: &Path, backup: &Backup<'_>) -> anyhow::Result<String> {
    let mut place = Place::new("postgresql")?;
    let value = |name: &str| backup.variables.get(name).copied().with_context(|| format!("no variable {name}"));
    let (user, database, port) = (value("PGUSER")?, value("PGDATABASE")?, free_port()?);
    let (data, password) = (place.root.join("data"), place.write("secret", SECRET)?);
    let mut setting_up = place.command(programs.join("initdb"));
    setting_up.args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--username", user]).arg("--pwfile");
    succeeded(setting_up.arg(password).arg("--pgdata").arg(&data), "setting a PostgreSQL up")?;
    let mut server = place.command(programs.join("postgres"));
    server.arg("-D").arg(&data).args(["-p", &port, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"]);
    server.arg(&place.root);
    let ready = || {
        let mut asking = Command::new(programs.join("pg_isready"));
        asking.args(["--quiet", "--host=127.0.0.1", "--port", &port]);
        output(&mut asking).is_ok_and(|said| said.status.success())
    };
    place.start(server, ready)?;
    let ask = |database: &str, text: &str| {
        let mut asking = Command::new(programs.join("psql"));
        asking.args(["-XqAt", "--set=ON_ERROR_STOP=1", "--host=127.0.0.1", "--port", &port, "--username", user]);
        asking.args(["--dbname", database, "--command", text]).env("PGPASSWORD", SECRET.trim_end());
        succeeded(&mut asking, "asking PostgreSQL")
    };
    if database != "postgres" {
        ask("postgres", &format!("CREATE DATABASE \"{database}\""))?;
    }
    ask(database, FILLED)?;
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let here = [("PGHOST", "127.0.0.1"), ("PGPORT", port.as_str()), ("PATH", path.as_str())];
    // The table that is asked for is there throughout.
    backup.restored(&place, &here, || ask(database, ASKED), || ask(database, CHANGED).map(drop))
}
