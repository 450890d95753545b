//! The picture of a terminal in the README: a root is made, brought up and changed, and what the program then says, in
//! its own colours, is drawn. Nothing in it is another each time.

#![allow(clippy::disallowed_methods, reason = "this chore is there to run the program")]

mod colours;
mod svg;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::external::process::succeeded;
use crate::report;

/// Where the picture stands.
const PICTURE: &str = "docs/terminal.svg";
/// What is shown.
const SHOWN: &str = "plan shop -e development";
/// What is changed after the first `up`: in which file, what, into what.
const CHANGES: [(&str, &str, &str); 3] = [
    ("stacks/shop.yaml", "    replicas: 2\n", "    replicas: 3\n"),
    ("stacks/shop.yaml", "      LOG_LEVEL: info\n", "      LOG_LEVEL: debug\n"),
    ("environments/development.yaml", "  tag: 1.0.0\n", "  tag: 1.1.0\n"),
];

/// Draw the picture of a terminal that the README shows
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Say whether the picture is still what the program says, and draw nothing
    #[arg(long)]
    check: bool,
}

/// Runs the program, draws what it says.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    succeeded(Command::new("cargo").args(["build", "--quiet", "--package", "strata"]), "building the program")?;
    let work = fs::canonicalize("target")?.join("picture");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir(&work)?;
    let strata = fs::canonicalize(format!("target/debug/strata{}", std::env::consts::EXE_SUFFIX))?;
    said(&strata, &work, "init shop")?;
    let root = work.join("shop");
    said(&strata, &root, "up shop -e development --yes")?;
    for (file, from, to) in CHANGES {
        let path = root.join(file);
        let text = fs::read_to_string(&path)?;
        ensure!(text.matches(from).count() == 1, "{from:?} does not stand in {file} once");
        fs::write(&path, text.replace(from, to))?;
    }
    let said = said(&strata, &root, SHOWN)?;
    let picture = svg::draw("shop", &colours::spans(&format!("$ strata {SHOWN}\n{}", said.trim_end()))?);
    if args.check {
        let there = fs::read_to_string(PICTURE).with_context(|| format!("reading {PICTURE}"))?;
        ensure!(there == picture, "{PICTURE} is not what the program says: draw it anew with `cargo xtask picture`");
        return report(&format!("{PICTURE} is what the program says"));
    }
    fs::write(PICTURE, picture).with_context(|| format!("writing {PICTURE}"))?;
    report(&format!("{PICTURE} is drawn"))
}

/// What the program writes to the standard output of a terminal that shows colours.
fn said(strata: &Path, root: &Path, line: &str) -> anyhow::Result<String> {
    let mut command = Command::new(strata);
    command.args(line.split(' ')).current_dir(root).env_clear().env("CLICOLOR_FORCE", "1");
    let output = command.output().with_context(|| format!("starting {}", strata.display()))?;
    let text = String::from_utf8(output.stdout).with_context(|| format!("strata {line} gave no text"))?;
    ensure!(output.status.success(), "strata {line} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(text)
}
