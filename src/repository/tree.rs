//! The files of a commit.

use super::object::Type;
use super::{Id, Repository, RepositoryError, broken};

/// The mode of a directory in a tree.
const DIRECTORY: &str = "40000";
/// What the mode of a regular file begins with.
const FILE: &str = "100";

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    mode: String,
    name: String,
    id: Id,
}

impl Repository {
    /// The regular files right inside a directory of a commit (`stacks`, relative to the work tree, with `/` between its
    /// parts), each with its name and what it holds, in the order of names. None where there is no such directory.
    ///
    /// # Errors
    ///
    /// Where an object cannot be read.
    pub fn files(&self, commit: &Id, directory: &str) -> Result<Vec<(String, Vec<u8>)>, RepositoryError> {
        let mut tree = self.tree_of(commit)?;
        for part in directory.split('/').filter(|part| !part.is_empty()) {
            let found = self.entries(&tree)?.into_iter().find(|entry| entry.mode == DIRECTORY && entry.name == part);
            let Some(found) = found else { return Ok(Vec::new()) };
            tree = found.id;
        }
        let files = self.entries(&tree)?.into_iter().filter(|entry| entry.mode.starts_with(FILE));
        let blob = |entry: Entry| match self.object(&entry.id)? {
            (Type::Blob, bytes) => Ok((entry.name, bytes)),
            _ => Err(broken(format!("object {}", entry.id), "it is no file")),
        };
        files.map(blob).collect()
    }

    fn tree_of(&self, commit: &Id) -> Result<Id, RepositoryError> {
        let what = || format!("commit {commit}");
        let (Type::Commit, body) = self.object(commit)? else { return Err(broken(what(), "it is no commit")) };
        let text = String::from_utf8_lossy(&body);
        let tree = text.lines().next().and_then(|line| line.strip_prefix("tree "));
        tree.and_then(Id::of_hex).ok_or_else(|| broken(what(), "it names no tree"))
    }

    fn entries(&self, tree: &Id) -> Result<Vec<Entry>, RepositoryError> {
        let cut = || broken(format!("tree {tree}"), "it is cut off");
        let (Type::Tree, body) = self.object(tree)? else {
            return Err(broken(format!("object {tree}"), "it is no tree"));
        };
        let mut rest = body.as_slice();
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == 0).ok_or_else(cut)?;
            let (head, tail) = rest.split_at(end);
            let head = String::from_utf8_lossy(head).into_owned();
            let (mode, name) = head.split_once(' ').ok_or_else(cut)?;
            let id = tail.get(1..=self.width).ok_or_else(cut)?;
            entries.push(Entry { mode: mode.to_owned(), name: name.to_owned(), id: Id(id.to_vec()) });
            rest = tail.get(1 + self.width..).unwrap_or_default();
        }
        Ok(entries)
    }
}
