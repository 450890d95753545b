//! Where the browser comes from: the machine, or Debian's package.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};

/// The names that it goes by.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/// The browser. Where there is none it is installed, if this is a Debian machine and we may; what was done is said.
///
/// # Errors
/// When it is not here and cannot be installed: a page that nobody has tried out counts as a page that does not work.
pub(super) fn program() -> anyhow::Result<PathBuf> {
    if let Some(found) = found() {
        return Ok(found);
    }
    if !is_root() || !runs(Command::new("apt-get").arg("--version")) {
        bail!(
            "Chromium is not here (looked for {}), and only root can install it, on a machine with apt-get: install it and \
             run this again",
            NAMES.join(", ")
        );
    }
    crate::report("Chromium is not here: installing Debian's package chromium")?;
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", "chromium", "fonts-dejavu-core"])?;
    crate::report("apt-get has installed chromium and fonts-dejavu-core")?;
    found().context("apt-get has installed chromium, and it is still not found")
}

/// Whether we are root: a browser of root's runs without its sandbox.
pub(super) fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn found() -> Option<PathBuf> {
    NAMES.into_iter().find(|name| runs(Command::new(name).arg("--version"))).map(PathBuf::from)
}

fn runs(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn apt_get(arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet").args(arguments);
    let output = command.output().context("starting apt-get")?;
    if !output.status.success() {
        bail!("apt-get {} failed:\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
