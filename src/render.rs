//! Writing a rendered stack into a directory, so that rendering again leaves exactly the new files.
//!
//! A list in the directory says which files an earlier run wrote, each with its digest. Nothing else is ever
//! overwritten or deleted: not files of other people, nor a rendered file that somebody changed by hand.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::report::manifests::ManifestFile;

/// The name of the list.
pub const LIST: &str = ".strata-render";
/// What the names of rendered files end in.
const ENDINGS: [&str; 2] = [".yaml", ".json"];
/// Its first line.
const HEADER: &str =
    "# Files that `strata render` wrote, with their SHA-256. It deletes them when they are no longer rendered.";

/// Why a stack could not be written.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The system refused.
    #[error("could not {action} {}", .path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of that name is there, and is not ours.
    #[error("{} was not written by an earlier render: move it away, or render into another directory", .0.display())]
    Foreign(PathBuf),
    /// A file of ours was changed by hand and is to be deleted.
    #[error("{} is no longer rendered, but was changed since it was: delete it yourself, or keep it elsewhere", .0.display())]
    Changed(PathBuf),
    /// The list cannot be trusted.
    #[error("{} is no list of rendered files: delete it, if the directory holds nothing else", .0.display())]
    BadList(PathBuf),
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Files that are new or have changed.
    pub written: usize,
    /// Files that were the same already.
    pub unchanged: usize,
    /// Files of an earlier run that are no longer rendered.
    pub deleted: usize,
}

/// Writes `files` into `dir`, and deletes what an earlier run wrote there and this one does not.
///
/// Everything is checked before anything is written.
///
/// # Errors
///
/// When a file in the way is not ours, when one that is to be deleted was changed, or when the system refuses.
pub fn write(dir: &Path, files: &[ManifestFile]) -> Result<Written, RenderError> {
    let io_error = |action, path: &Path| {
        let path = path.to_owned();
        move |source| RenderError::Io { action, path, source }
    };
    fs::create_dir_all(dir).map_err(io_error("create the directory", dir))?;
    let earlier = read_list(dir)?;
    let new: BTreeMap<String, String> =
        files.iter().map(|file| (file.name.clone(), digest(file.text.as_bytes()))).collect();

    for file in files {
        if let Some(way) = blocked_way(dir, &file.name) {
            return Err(RenderError::Foreign(way));
        }
    }
    let mut stale = Vec::new();
    for (name, recorded) in &earlier {
        let path = dir.join(name);
        if new.contains_key(name) || !is_there(&path) {
            continue;
        }
        if let Some(way) = blocked_way(dir, name) {
            return Err(RenderError::Changed(way));
        }
        match read_plain(&path) {
            Some(bytes) if digest(&bytes) == *recorded => stale.push(path),
            _ => return Err(RenderError::Changed(path)),
        }
    }
    let mut to_write = Vec::new();
    for file in files {
        let path = dir.join(&file.name);
        let same = read_plain(&path).is_some_and(|bytes| bytes == file.text.as_bytes());
        let plain = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        if is_there(&path) && !same && !(plain && earlier.contains_key(&file.name)) {
            return Err(RenderError::Foreign(path));
        }
        if !same {
            to_write.push((path, file));
        }
    }

    // Should the run be cut off, the list must own both what was there and what has come.
    let both: BTreeMap<String, String> = earlier.into_iter().chain(new.clone()).collect();
    write_list(dir, &both)?;
    for (path, file) in &to_write {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io_error("create the directory", folder))?;
        }
        fs::write(path, &file.text).map_err(io_error("write", path))?;
    }
    for path in &stale {
        fs::remove_file(path).map_err(io_error("delete", path))?;
        // A directory goes with the last file in it; one that holds anything else refuses to.
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != dir) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    write_list(dir, &new)?;
    Ok(Written { written: to_write.len(), unchanged: files.len() - to_write.len(), deleted: stale.len() })
}

/// What stands between the directory and a file below it without being a directory itself, such as a link elsewhere.
fn blocked_way(dir: &Path, name: &str) -> Option<PathBuf> {
    let folders = name.match_indices('/').filter_map(|(at, _)| name.get(..at)).map(|folder| dir.join(folder));
    folders.into_iter().find(|way| fs::symlink_metadata(way).is_ok_and(|found| !found.is_dir()))
}

/// Whether anything of that name is there, a broken link included.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The bytes of a regular file; a symbolic link is none.
fn read_plain(path: &Path) -> Option<Vec<u8>> {
    fs::symlink_metadata(path).ok().filter(|found| found.is_file())?;
    fs::read(path).ok()
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read_list(dir: &Path) -> Result<BTreeMap<String, String>, RenderError> {
    let path = dir.join(LIST);
    if !is_there(&path) {
        return Ok(BTreeMap::new());
    }
    let bad = || RenderError::BadList(path.clone());
    let text = read_plain(&path).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        return Err(bad());
    }
    lines
        .map(|line| {
            let (sum, name) = line.split_once("  ").ok_or_else(bad)?;
            // A list is only text: it must not make us reach outside the directory.
            let inside = ENDINGS.iter().any(|ending| name.ends_with(ending))
                && !name.contains('\\')
                && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
            if inside { Ok((name.to_owned(), sum.to_owned())) } else { Err(bad()) }
        })
        .collect()
}

fn write_list(dir: &Path, files: &BTreeMap<String, String>) -> Result<(), RenderError> {
    let path = dir.join(LIST);
    let mut text = format!("{HEADER}\n");
    for (name, sum) in files {
        text.push_str(&format!("{sum}  {name}\n"));
    }
    fs::write(&path, text).map_err(|source| RenderError::Io { action: "write", path, source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

    use super::*;

    fn files(named: &[(&str, &str)]) -> Vec<ManifestFile> {
        named.iter().map(|(name, text)| ManifestFile { name: (*name).into(), text: (*text).into() }).collect()
    }

    fn listing(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn rendering_again_leaves_exactly_the_new_files() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let first = write(&out, &files(&[("a.yaml", "1"), ("b.yaml", "2")])).unwrap();
        assert_eq!(first, Written { written: 2, unchanged: 0, deleted: 0 });
        fs::write(out.join("mine.txt"), "keep").unwrap();
        let second = write(&out, &files(&[("a.yaml", "1"), ("c.yaml", "3")])).unwrap();
        assert_eq!(second, Written { written: 1, unchanged: 1, deleted: 1 });
        assert_eq!(listing(&out), [LIST, "a.yaml", "c.yaml", "mine.txt"]);
    }

    #[test]
    fn nothing_foreign_is_touched() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path();
        fs::write(out.join("a.yaml"), "mine").unwrap();
        assert!(matches!(write(out, &files(&[("a.yaml", "1")])), Err(RenderError::Foreign(_))));
        assert_eq!(listing(out), ["a.yaml"]);
        assert_eq!(fs::read_to_string(out.join("a.yaml")).unwrap(), "mine");

        write(out, &files(&[("b.yaml", "1")])).unwrap();
        fs::write(out.join("b.yaml"), "changed").unwrap();
        assert!(matches!(write(out, &files(&[("c.yaml", "1")])), Err(RenderError::Changed(_))));
        assert_eq!(listing(out), [LIST, "a.yaml", "b.yaml"]);
    }

    #[test]
    fn neither_a_link_nor_a_list_leads_outside() {
        let dir = tempfile::tempdir().unwrap();
        let (out, outside) = (dir.path().join("out"), dir.path().join("outside.yaml"));
        fs::create_dir(&out).unwrap();
        fs::write(&outside, "precious").unwrap();
        std::os::unix::fs::symlink(&outside, out.join("a.yaml")).unwrap();
        assert!(matches!(write(&out, &files(&[("a.yaml", "1")])), Err(RenderError::Foreign(_))));
        let sum = digest(b"precious");
        for name in ["../outside.yaml", "a/../../outside.yaml", "/outside.yaml", "a//outside.yaml"] {
            fs::write(out.join(LIST), format!("{HEADER}\n{sum}  {name}\n")).unwrap();
            assert!(matches!(write(&out, &files(&[("b.yaml", "1")])), Err(RenderError::BadList(_))), "{name}");
        }
        assert_eq!(fs::read_to_string(&outside).unwrap(), "precious");
    }

    #[test]
    fn directories_come_and_go_with_their_files() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        write(&out, &files(&[("a/b/c.yaml", "1"), ("a/d.yaml", "2"), ("e/f.yaml", "3")])).unwrap();
        fs::write(out.join("e/mine.txt"), "keep").unwrap();
        let again = write(&out, &files(&[("a/d.yaml", "2")])).unwrap();
        assert_eq!(again, Written { written: 0, unchanged: 1, deleted: 2 });
        assert_eq!(
            (listing(&out), listing(&out.join("a"))),
            (vec![LIST.into(), "a".into(), "e".into()], vec!["d.yaml".into()])
        );
        assert_eq!(listing(&out.join("e")), ["mine.txt"]);
    }

    #[test]
    fn a_linked_directory_is_neither_written_nor_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let (out, outside) = (dir.path().join("out"), dir.path().join("outside"));
        write(&out, &files(&[("a/b.yaml", "1")])).unwrap();
        fs::rename(out.join("a"), &outside).unwrap();
        std::os::unix::fs::symlink(&outside, out.join("a")).unwrap();
        assert!(matches!(write(&out, &files(&[("a/b.yaml", "2")])), Err(RenderError::Foreign(_))));
        assert!(matches!(write(&out, &files(&[])), Err(RenderError::Changed(_))));
        assert_eq!(fs::read_to_string(outside.join("b.yaml")).unwrap(), "1");
    }
}
