//! Whether HAProxy and Consul take the configurations that a stack gives them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use super::process::{output, strata, succeeded};
use super::rendered::Object;

/// HAProxy, with the libraries it was fetched with.
pub(super) struct Haproxy {
    /// The program.
    pub(super) program: PathBuf,
    /// The directory of libraries that came with it, where it is not the machine's own.
    pub(super) libraries: Option<PathBuf>,
    /// Its version.
    pub(super) version: String,
}

impl Haproxy {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }

    /// Asks it for its version, and keeps that.
    ///
    /// # Errors
    /// When it does not run here, or does not say it.
    pub(super) fn known(mut self) -> anyhow::Result<Self> {
        let text = succeeded(self.command().arg("-v"), "asking HAProxy for its version")?;
        let version = text.split_whitespace().nth(2).context("HAProxy does not say its version")?;
        self.version = version.to_owned();
        Ok(self)
    }

    /// Has it check every configuration among `objects`; says how many it took, and how many sections they have.
    ///
    /// # Errors
    /// When it refuses one, or warns.
    pub(super) fn check(&self, out: &Path, objects: &[Object]) -> anyhow::Result<String> {
        let place = out.join("haproxy");
        fs::create_dir_all(&place)?;
        let (mut files, mut fronts) = (0, 0);
        for (name, text) in configurations(objects, "haproxy.cfg") {
            let file = place.join(format!("{name}.cfg"));
            fs::write(&file, text)?;
            let said = output(self.command().args(["-c", "-f"]).arg(&file))?;
            let warned = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
            if !said.status.success() || warned.contains("[WARNING]") || warned.contains("[ALERT]") {
                bail!("haproxy -c refuses {name}:\n{warned}");
            }
            files += 1;
            fronts += text.lines().filter(|line| line.starts_with("frontend ")).count();
        }
        Ok(match files {
            0 => "haproxy: no configurations here".to_owned(),
            files => format!("haproxy takes {files} configurations with {fronts} fronts"),
        })
    }

    /// Has it check the configuration of a stack whose names are as long as they may be, and whose texts try to be more
    /// than texts.
    ///
    /// # Errors
    /// When that stack cannot be rendered, or HAProxy refuses what comes of it.
    pub(super) fn provoked(&self, work: &Path) -> anyhow::Result<String> {
        let root = work.join("provoked");
        for folder in ["stacks", "environments"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::write(root.join("stacks/provoked.yaml"), provoking())?;
        fs::write(root.join("environments/here.yaml"), HERE)?;
        let out = root.join("rendered");
        let (root, place) = (root.to_str().context("no name in UTF-8")?, out.to_str().context("no name in UTF-8")?);
        let arguments = ["--root", root, "render", "provoked", "-e", "here", "--out-dir", place];
        strata(&arguments, "strata render of a stack with provoking names")?;
        let objects = super::rendered::read(&out)?;
        self.check(work, &objects).map(|said| format!("{said}, whatever names and values hold"))
    }
}

/// The configuration files called `file` among ConfigMaps, each with the name of its own.
fn configurations<'a>(objects: &'a [Object], file: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let maps = objects.iter().filter(|object| object.kind() == "ConfigMap");
    maps.filter_map(move |map| Some((map.text("/metadata/name"), map.value["data"][file].as_str()?)))
}

/// An environment for one stack.
const HERE: &str = "environment: here
clusters: {local: {embedded: {}}}
default_cluster: local
image: {registry: registry.example/provoked, tag: 1.0.0}
";

/// Texts that would mean something to HAProxy, if they were more than texts.
const TEXTS: [&str; 9] = [
    "x\n    stats admin if TRUE\nbackend evil\n    server a 203.0.113.1:80",
    "\" stats admin if TRUE \"",
    "a # b ' c",
    "back\\slash \\\" \\x00 \\",
    "$HOME \"${PATH}\" ${HOSTNAME[*]}",
    "{{#each fronts}} {{{name}}} {{/each}}",
    "%[env(HOME)] %{+Q}o",
    "\u{0}\u{1}\u{7f}\u{85}\u{2028} naïve \u{1f980}",
    "   ",
];

/// A stack with a service for each of those texts, and three ways to balance.
fn provoking() -> String {
    let name = |at: usize| format!("{}{at}", "n".repeat(58));
    let service = |(at, text): (usize, &&str)| {
        let sessions = at % 2 == 0;
        let health = if at % 3 == 0 { "same" } else { "+100" };
        let text = Value::from(*text);
        (
            name(at),
            serde_json::json!({
                "tier": "all", "port": 10000 + at, "purpose": text, "sessions": sessions, "health_port": health,
                "health_path": "/a.b~c-d_e//", "env": {"TEXT": text},
            }),
        )
    };
    let mut services: serde_json::Map<String, Value> = TEXTS.iter().enumerate().map(service).collect();
    let behind: Vec<String> = services.keys().cloned().collect();
    services.insert(
        // What it is configured with has `-config` in its name, and 63 characters at most.
        "b".repeat(56),
        serde_json::json!({
            "tier": "all", "port": 10099, "purpose": TEXTS[0], "depends_on": behind,
            "component": {"haproxy": {"idle": "24h", "services": {
                name(0): {"balance": "least-connections", "backup": name(1)},
                name(1): {"balance": "weighted", "weights": {name(1): 256, name(2): 1}, "backup": name(0)},
            }}},
        }),
    );
    serde_json::json!({
        "stack": "provoked", "namespace": "n".repeat(63), "health_port": "same", "tiers": {"all": {"ports": "10000-10199"}},
        "services": services,
    })
    .to_string()
    // What a reader of the file cannot see has to be written out in it.
    .replace('\u{7f}', "\\u007f")
    .replace('\u{85}', "\\u0085")
    .replace('\u{2028}', "\\u2028")
}

/// Has Consul validate every configuration among `objects`.
///
/// # Errors
/// When it refuses one.
pub(super) fn consul(program: &Path, out: &Path, objects: &[Object]) -> anyhow::Result<String> {
    let place = out.join("consul");
    fs::create_dir_all(&place)?;
    let mut files = 0;
    for (name, text) in configurations(objects, "server.json") {
        let file = place.join(format!("{name}.json"));
        fs::write(&file, text)?;
        succeeded(Command::new(program).arg("validate").arg(&file), "consul validate")?;
        files += 1;
    }
    Ok(match files {
        0 => "consul: no configurations here".to_owned(),
        files => format!("consul takes {files} configurations"),
    })
}
