//! Whether the scripts of backups do what they are for: a real store is filled, copied, changed and restored, and holds what
//! it held; Weaviate's, of which no registry has the program, speak to a server that answers as its interface is
//! documented.
//!
//! What runs are the rendered scripts with the variables of the rendered pods, but for addresses and paths of this
//! machine. The passwords try to be more than text.

mod postgresql;
mod redis;
mod weaviate;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use super::process::{output, succeeded};
use super::rendered::Object;
use super::tools::Tool;

/// What is given as password: a quote, an escape, a separator, what a shell would expand, and a line's end, which is none
/// of it.
const SECRET: &str = "a\"b\\c:'d' $HOME `id` #e %s {é} 0\n";
/// How long a store may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// What gives up the rights of root; by its whole name, because busybox has one that cannot.
const SETPRIV: &str = "/usr/bin/setpriv";
/// Nobody's number: a user with no rights.
const NOBODY: &str = "65534";

/// The stores of this machine.
pub(super) struct Stores {
    /// The directory of PostgreSQL's programs.
    pub(super) postgresql: Tool<PathBuf>,
    /// Redis' server.
    pub(super) redis: Tool<PathBuf>,
    /// The programs that Weaviate's image has, in one: busybox.
    pub(super) busybox: Tool<PathBuf>,
}

/// The copies of one store, as they are rendered.
struct Backup<'a> {
    /// The name of its objects.
    name: &'a str,
    scripts: &'a Value,
    /// The variables of the pod that makes a copy.
    variables: BTreeMap<&'a str, &'a str>,
    /// The files that the store reads its settings from, where it has any.
    config: Option<&'a Value>,
}

/// Plays every backup among the objects.
///
/// # Errors
/// When a script fails where it should not, or a store does not hold what it held.
pub(super) fn judge(stores: &Stores, objects: &[Object]) -> anyhow::Result<Vec<String>> {
    let mut said = Vec::new();
    for backup in objects.iter().filter_map(|map| Backup::of(map, objects)) {
        let name = backup.name;
        let (kind, played) = if backup.variables.contains_key("PGHOST") {
            ("PostgreSQL", on(&stores.postgresql, |programs| postgresql::play(programs, &backup))?)
        } else if backup.variables.contains_key("REDIS_HOST") {
            ("Redis", on(&stores.redis, |server| redis::play(server, &backup))?)
        } else if backup.variables.contains_key("WEAVIATE_HOST") {
            ("Weaviate", on(&stores.busybox, |busybox| weaviate::play(busybox, &backup))?)
        } else {
            bail!("nothing is known of the store behind {name}");
        };
        said.push(format!("{name} of {kind}: {played}"));
    }
    Ok(said)
}

/// What came of it, or why it was not looked at.
fn on(tool: &Tool<PathBuf>, play: impl FnOnce(&Path) -> anyhow::Result<String>) -> anyhow::Result<String> {
    tool.as_ref().map_or_else(|why| Ok(format!("not looked at, {why}")), |tool| play(tool))
}

impl<'a> Backup<'a> {
    /// Nothing, where the object is no ConfigMap with both scripts.
    fn of(map: &'a Object, objects: &'a [Object]) -> Option<Self> {
        let (name, scripts) = (map.text("/metadata/name"), &map.value["data"]);
        if map.kind() != "ConfigMap" || scripts["backup.sh"].is_null() || scripts["restore.sh"].is_null() {
            return None;
        }
        let of_kind = |kind: &'static str| objects.iter().filter(move |object| object.kind() == kind);
        let job = of_kind("CronJob").find(|job| job.text("/metadata/name") == name)?;
        let container = job.value.pointer("/spec/jobTemplate/spec/template/spec/containers/0")?;
        let variables = container["env"].as_array().into_iter().flatten();
        let variables = variables.filter_map(|one| Some((one["name"].as_str()?, one["value"].as_str()?))).collect();
        let config = format!("{}-config", name.strip_suffix("-backup")?);
        let config = of_kind("ConfigMap").find(|map| map.text("/metadata/name") == config);
        Some(Self { name, scripts, variables, config: config.map(|map| &map.value["data"]) })
    }

    /// One of the scripts, ready to run in `place`: with the variables of its pod, and these in place of what is the
    /// cluster's.
    fn script(&self, script: &str, place: &Place, variables: &[(&str, &str)]) -> anyhow::Result<Command> {
        let file = place.write(script, self.scripts[script].as_str().context("there is no such script")?)?;
        let mut command = place.command("sh");
        command.arg(file).env_clear().envs(std::env::vars_os().filter(|(name, _)| name == "PATH"));
        command.envs(&self.variables).env("COPIES", place.copies()?).env("SECRET_FILE", place.write("secret", SECRET)?);
        command.env("TMPDIR", &place.root).envs(variables.iter().copied());
        Ok(command)
    }

    /// Makes a copy, restores it after `change`, and says whether `state` is what it was, and was not after the change.
    fn restored(
        &self,
        place: &Place,
        variables: &[(&str, &str)],
        state: impl Fn() -> anyhow::Result<String>,
        change: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<String> {
        let before = state()?;
        let keep = [variables, &[("KEEP", "1")]].concat();
        succeeded(&mut self.script("backup.sh", place, &keep)?, "making a copy")?;
        change()?;
        let changed = state()?;
        succeeded(&mut self.script("restore.sh", place, variables)?, "restoring a copy")?;
        let after = state()?;
        if changed == before || after != before {
            bail!("{}: it held\n{before}\nthen\n{changed}\nand after the restore\n{after}", self.name);
        }
        let copies = fs::read_dir(place.copies()?)?.count();
        if copies != 1 {
            bail!("{}: one copy was made, and {copies} files are there", self.name);
        }
        // What is no copy is refused, and changes nothing.
        let wrong = [variables, &[("COPY", "none")]].concat();
        if output(&mut self.script("restore.sh", place, &wrong)?)?.status.success() || state()? != before {
            bail!("{}: a copy that is not there was restored", self.name);
        }
        Ok("copied, changed, restored, and as it was".to_owned())
    }
}

/// A directory of its own for a store, which goes with it, and the programs that run there.
struct Place {
    root: PathBuf,
    running: Vec<Child>,
    /// Whether this is root, which stores refuse to run as.
    root_here: bool,
}

impl Place {
    fn new(name: &str) -> anyhow::Result<Self> {
        let root = std::env::temp_dir().join(format!("strata-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join("copies"))?;
        let root_here = succeeded(Command::new("id").arg("-u"), "asking who this is")?.trim() == "0";
        let place = Self { root, running: Vec::new(), root_here };
        place.hand_over()?;
        Ok(place)
    }

    fn copies(&self) -> anyhow::Result<String> {
        Ok(self.root.join("copies").to_str().context("no name in UTF-8")?.to_owned())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let file = self.root.join(name);
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        self.hand_over()?;
        Ok(file)
    }

    /// Gives everything in it to the user that programs run as.
    fn hand_over(&self) -> anyhow::Result<()> {
        if self.root_here {
            let mut chown = Command::new("chown");
            succeeded(chown.args(["-R", &format!("{NOBODY}:{NOBODY}")]).arg(&self.root), "giving files away")?;
        }
        Ok(())
    }

    /// A program that runs there without the rights of root.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = if self.root_here {
            let mut command = Command::new(SETPRIV);
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.root);
        command
    }

    /// Starts a program that stays until this place goes, and waits until `answers`.
    fn start(&mut self, mut command: Command, answers: impl Fn() -> bool) -> anyhow::Result<()> {
        let log = self.root.join("log");
        let file = fs::File::create(&log)?;
        let child = command.stdout(file.try_clone()?).stderr(file).spawn().context("starting a store")?;
        self.running.push(child);
        let begun = Instant::now();
        while !answers() {
            let ended = self.running.last_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)));
            if ended || begun.elapsed() > PATIENCE {
                bail!("a store does not start:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for child in &mut self.running {
            drop(child.kill());
            drop(child.wait());
        }
        drop(fs::remove_dir_all(&self.root));
    }
}

/// A port of this machine that nobody has now.
fn free_port() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?.port().to_string())
}
