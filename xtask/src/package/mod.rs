//! What a release is made of, for one kind of machine: an archive with the program, its manual and completions, a bill of
//! materials, and their digests. The same sources, compiler and tools give the same bytes.
//!
//! A program that is too large, that needs anything of the machine it runs on, or that is of another version, is none to
//! release.

#![allow(clippy::disallowed_methods, reason = "this chore is there to run other programs")]

mod archive;
mod elf;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::external::process::succeeded;
use crate::report;
use archive::File;

/// The largest that the program may be, in bytes.
const LARGEST: usize = 20_000_000;
/// The tool that writes the bill of materials, as `cargo install` takes it.
const CYCLONEDX: &str = "cargo-cyclonedx@0.5.9";
/// What goes with the program as it is: where it stands, and what it is called in the archive.
const BESIDE: [(&str, &str); 4] =
    [("CHANGELOG.md", "CHANGELOG.md"), ("LICENSE", "LICENSE"), ("README.md", "README.md"), ("merge/NOTICE", "NOTICE")];
/// Where the manual stands, a page a command.
const MANUAL: &str = "docs/man";
/// The shells that completions are packed for, and what each calls the file.
const SHELLS: [(&str, &str); 3] = [("bash", "strata.bash"), ("fish", "strata.fish"), ("zsh", "_strata")];

/// Build the program for a release, and pack it
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Kind of machine; this one's unless given
    #[arg(long, value_name = "TRIPLE")]
    target: Option<String>,
    /// Pack a program that is built already
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// The tag of the release, which must be the version with a v before it
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Leave out the bill of materials, which needs cargo-cyclonedx
    #[arg(long)]
    no_sbom: bool,
    /// Where to write
    #[arg(long, value_name = "DIR", default_value = "target/package")]
    out_dir: PathBuf,
}

/// Builds, judges, packs.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    if let Some(tag) = args.tag.as_deref() {
        ensure!(tag == format!("v{version}"), "the tag is {tag}, and the version is {version}");
    }
    let target = match &args.target {
        Some(target) => target.clone(),
        None => host()?,
    };
    let program = match &args.program {
        Some(program) => program.clone(),
        None => build(&target)?,
    };
    let bytes = fs::read(&program).with_context(|| format!("reading {}", program.display()))?;
    judge(&bytes, target.contains("linux")).with_context(|| format!("{} is not released", program.display()))?;
    let said = said(&program, &["--version"])?;
    ensure!(said.trim() == format!("strata {version}"), "the program is {}, and {version} is released", said.trim());

    let name = format!("strata-{version}-{target}");
    let archive = archive::gzip(&archive::tar(&name, files(&program, bytes)?)?);
    let mut made = vec![(format!("{name}.tar.gz"), archive)];
    if !args.no_sbom {
        made.push((format!("{name}.cdx.json"), bill(&target)?));
    }
    let mut sums = String::new();
    for (file, bytes) in &made {
        writeln!(sums, "{}  {file}", hex(&Sha256::digest(bytes)))?;
    }
    made.push((format!("{name}.sha256"), sums.into_bytes()));
    fs::create_dir_all(&args.out_dir).with_context(|| format!("making {}", args.out_dir.display()))?;
    for (file, bytes) in made {
        let path = args.out_dir.join(file);
        fs::write(&path, &bytes).with_context(|| format!("writing {}", path.display()))?;
        report(&format!("{}: {} bytes", path.display(), bytes.len()))?;
    }
    Ok(())
}

/// This machine's own triple.
fn host() -> anyhow::Result<String> {
    let said = succeeded(Command::new("rustc").arg("-vV"), "asking rustc for its host")?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc does not say its host")?;
    Ok(host.to_owned())
}

/// Builds the program, everything linked in, without a path of this machine in it. Returns where it is.
fn build(target: &str) -> anyhow::Result<PathBuf> {
    let root = std::env::current_dir()?;
    let mut flags = vec![format!("--remap-path-prefix={}=strata", root.display())];
    if let Some(home) = home() {
        flags.push(format!("--remap-path-prefix={}=cargo", home.display()));
    }
    if target.contains("linux") {
        flags.push("-Ctarget-feature=+crt-static".to_owned());
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--package", "strata", "--bin", "strata", "--target", target]);
    cargo.args(["--message-format", "json-render-diagnostics", "--quiet"]);
    // The flags of a target are not those of build scripts, which run here.
    cargo.env(format!("CARGO_TARGET_{}_RUSTFLAGS", target.to_uppercase().replace('-', "_")), flags.join(" "));
    let messages = succeeded(&mut cargo, "building the program")?;
    let built = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executables: Vec<String> =
        built.filter_map(|message| message.get("executable")?.as_str().map(str::to_owned)).collect();
    match executables.as_slice() {
        [program] => Ok(program.into()),
        others => bail!("one program was to be built, and {} were", others.len()),
    }
}

/// Where cargo keeps the sources of dependencies.
fn home() -> Option<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".cargo")))
}

/// That a program can be released.
///
/// # Errors
/// When it cannot, with the reason.
fn judge(program: &[u8], linux: bool) -> anyhow::Result<()> {
    ensure!(program.len() <= LARGEST, "it has {} bytes, and {LARGEST} are the most", program.len());
    if linux {
        let needs = elf::needs(program).context("looking for what it needs of the machine")?;
        ensure!(needs.is_empty(), "it needs {} of the machine", needs.join(", "));
    }
    Ok(())
}

/// What the program says on standard output.
fn said(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("starting {}", program.display()))?;
    ensure!(output.status.success(), "{} {arguments:?} failed", program.display());
    String::from_utf8(output.stdout).context("what the program says is no text")
}

/// What is in the archive.
fn files(program: &Path, bytes: Vec<u8>) -> anyhow::Result<Vec<File>> {
    let mut files = vec![File { path: "strata".to_owned(), program: true, bytes }];
    for (path, name) in BESIDE {
        let bytes = fs::read(path).with_context(|| format!("reading {path}"))?;
        files.push(File { path: name.to_owned(), program: false, bytes });
    }
    for entry in fs::read_dir(MANUAL).with_context(|| format!("reading {MANUAL}"))? {
        let page = entry?.path();
        let name =
            page.file_name().and_then(|name| name.to_str()).context("a page of the manual has a strange name")?;
        let bytes = fs::read(&page).with_context(|| format!("reading {}", page.display()))?;
        files.push(File { path: format!("man/man1/{name}"), program: false, bytes });
    }
    let here = fs::canonicalize(program).with_context(|| format!("looking for {}", program.display()))?;
    for (shell, name) in SHELLS {
        let script = installed(&said(program, &["completions", shell])?, &here)?;
        files.push(File { path: format!("completions/{name}"), program: false, bytes: script.into_bytes() });
    }
    Ok(files)
}

/// A script that asks the program where it was built, asking the one that is installed instead, by its name.
fn installed(script: &str, here: &Path) -> anyhow::Result<String> {
    let path = here.to_str().context("the program's path is no text")?;
    ensure!(script.contains(path), "the completions no longer ask {path}");
    Ok(script.replace(path, "strata"))
}

/// The bill of materials: every crate that is linked in, in CycloneDX.
fn bill(target: &str) -> anyhow::Result<Vec<u8>> {
    let name = "strata.package";
    let mut cargo = Command::new("cargo");
    cargo.args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--target", target]);
    cargo.args(["--no-build-deps", "--override-filename", name]);
    let install = format!("`cargo install {CYCLONEDX} --locked` brings the tool, --no-sbom does without it");
    succeeded(&mut cargo, "writing the bill of materials").context(install)?;
    let file = |directory: &str| Path::new(directory).join(format!("{name}.json"));
    let text = fs::read_to_string(file("."))?;
    // One is written for each member of the workspace; the program's names them all.
    for directory in [".", "components", "control-plane", "embedded", "merge", "xtask"] {
        fs::remove_file(file(directory))?;
    }
    // A number, a time and a directory of its own would make every bill another.
    let text = text.replace(&std::env::current_dir()?.display().to_string(), "strata");
    let mut bill: Value = serde_json::from_str(&text).context("reading the bill of materials")?;
    if let Some(bill) = bill.as_object_mut() {
        bill.remove("serialNumber");
        bill.get_mut("metadata").and_then(Value::as_object_mut).and_then(|metadata| metadata.remove("timestamp"));
    }
    Ok(format!("{bill:#}\n").into_bytes())
}

/// Bytes in hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(program: &[u8], linux: bool, why: &str) {
        let error = judge(program, linux).map_err(|error| format!("{error:#}"));
        assert_eq!(error, Err(why.to_owned()));
    }

    #[test]
    fn what_is_too_large_is_not_released() {
        assert!(judge(&vec![0; LARGEST], false).is_ok());
        refused(&vec![0; LARGEST + 1], false, "it has 20000001 bytes, and 20000000 are the most");
    }

    #[test]
    fn what_needs_the_machine_is_not_released() {
        assert!(judge(&elf::example(&[]), true).is_ok());
        let needs = "it needs the loader /lib64/ld.so, the library libc.so.6 of the machine";
        refused(&elf::example(&["/lib64/ld.so", "libc.so.6"]), true, needs);
        refused(
            b"MZ",
            true,
            "looking for what it needs of the machine: it is no ELF file of 64 bits, least byte first",
        );
    }

    #[test]
    fn completions_ask_the_program_that_is_installed() {
        let here = Path::new("/built/strata");
        assert_eq!(installed("\"/built/strata\" -- x", here).ok().as_deref(), Some("\"strata\" -- x"));
        assert!(installed("\"/elsewhere/strata\" -- x", here).is_err());
    }

    #[test]
    fn digests_are_written_in_hexadecimal() {
        assert_eq!(hex(&[0, 0x0f, 0xff]), "000fff");
    }
}
