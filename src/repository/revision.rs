//! What a revision means: a name of a reference, an id or the beginning of one, and the way back from there.

use std::fs;

use super::object::Type;
use super::{Id, Repository, RepositoryError, broken};

/// Where the name of a reference is looked for, in this order (gitrevisions(7)).
const PLACES: [&str; 6] = ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/", "refs/remotes/"];
/// Digits that the beginning of an id has at least.
const SHORTEST: usize = 4;
/// References, or tags, that may lead on to another.
const LINKS: usize = 8;

impl Repository {
    /// The commit that a revision means: `HEAD`, a branch, a tag, `origin/main`, an id or its beginning, each with any
    /// number of `~N` and `^N` behind it, which go back N commits or to the Nth parent.
    ///
    /// # Errors
    ///
    /// Where there is no such commit, it could be several, or an object on the way is not there, as in a shallow clone.
    pub fn commit(&self, revision: &str) -> Result<Id, RepositoryError> {
        let unknown = || RepositoryError::Unknown(revision.to_owned());
        let end = revision.find(['~', '^']).unwrap_or(revision.len());
        let (name, mut steps) = revision.split_at(end);
        let named = if name.is_empty() || name == "@" { "HEAD" } else { name };
        let mut commit = match self.reference(named)? {
            Some(id) => id,
            None => self.by_digits(named)?.ok_or_else(unknown)?,
        };
        commit = self.peeled(&commit)?.ok_or_else(unknown)?;
        while let Some(way) = steps.chars().next() {
            steps = steps.get(1..).unwrap_or_default();
            if way == '^' && steps.starts_with("{commit}") {
                steps = steps.get("{commit}".len()..).unwrap_or_default();
                continue;
            }
            let end = steps.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(steps.len());
            let (digits, rest) = steps.split_at(end);
            steps = rest;
            let number: usize = if digits.is_empty() { 1 } else { digits.parse().map_err(|_| unknown())? };
            match way {
                '~' => {
                    for _ in 0..number {
                        commit = self.parents(&commit)?.into_iter().next().ok_or_else(unknown)?;
                    }
                }
                '^' if number == 0 => {}
                '^' => commit = self.parents(&commit)?.into_iter().nth(number - 1).ok_or_else(unknown)?,
                _ => return Err(unknown()),
            }
        }
        // A commit that is only named, as the parent of the last one of a shallow clone, cannot be read.
        self.object(&commit).map(|_| commit)
    }

    /// What a reference of this name leads to, if there is one.
    fn reference(&self, name: &str) -> Result<Option<Id>, RepositoryError> {
        let safe = name.split('/').all(|part| !matches!(part, "" | "." | "..")) && !name.contains(['\\', '\0', ':']);
        if !safe {
            return Ok(None);
        }
        for (at, place) in PLACES.iter().enumerate() {
            let ending = if at + 1 == PLACES.len() { "/HEAD" } else { "" };
            let full = format!("{place}{name}{ending}");
            // At the top there are files that are no references.
            if place.is_empty() && !name.starts_with("refs/") && !name.ends_with("HEAD") {
                continue;
            }
            if let Some(id) = self.followed(&full)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn followed(&self, name: &str) -> Result<Option<Id>, RepositoryError> {
        let mut name = name.to_owned();
        for _ in 0..LINKS {
            let loose = [&self.own, &self.shared].into_iter().find_map(|dir| fs::read_to_string(dir.join(&name)).ok());
            let Some(text) = loose else { return Ok(self.packed(&name)) };
            let line = text.lines().next().unwrap_or_default().trim();
            match line.strip_prefix("ref:") {
                None => return Ok(line.split_whitespace().next().and_then(Id::of_hex)),
                Some(next) => {
                    let next = next.trim();
                    let inside =
                        next.starts_with("refs/") && next.split('/').all(|part| !matches!(part, "" | "." | ".."));
                    if !inside {
                        return Err(broken(format!("reference {name}"), "it leads out of the repository"));
                    }
                    next.clone_into(&mut name);
                }
            }
        }
        Err(broken(format!("reference {name}"), "it leads on without end"))
    }

    fn packed(&self, name: &str) -> Option<Id> {
        let text = fs::read_to_string(self.shared.join("packed-refs")).ok()?;
        text.lines().find_map(|line| {
            let (id, other) = line.split_once(' ')?;
            (other == name).then(|| Id::of_hex(id))?
        })
    }

    /// The object whose id begins with these digits; where several do, the one of them that is a commit.
    fn by_digits(&self, text: &str) -> Result<Option<Id>, RepositoryError> {
        let digits = text.to_ascii_lowercase();
        if digits.len() < SHORTEST || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        if let Some(id) = Id::of_hex(&digits) {
            return Ok(Some(id));
        }
        let mut found = self.beginning(&digits)?;
        if found.len() > 1 {
            let mut commits = Vec::new();
            for id in &found {
                if self.object(id)?.0 == Type::Commit {
                    commits.push(id.clone());
                }
            }
            match commits.len() {
                1 => found = commits.into_iter().collect(),
                _ => return Err(RepositoryError::Ambiguous(text.to_owned())),
            }
        }
        Ok(found.into_iter().next())
    }

    /// The commit that an object is, or that a tag is about.
    fn peeled(&self, id: &Id) -> Result<Option<Id>, RepositoryError> {
        let mut id = id.clone();
        for _ in 0..LINKS {
            match self.object(&id)? {
                (Type::Commit, _) => return Ok(Some(id)),
                (Type::Tag, body) => {
                    let text = String::from_utf8_lossy(&body).into_owned();
                    let about = text.lines().next().and_then(|line| line.strip_prefix("object ")).and_then(Id::of_hex);
                    id = about.ok_or_else(|| broken(format!("tag {id}"), "it is about nothing"))?;
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }

    fn parents(&self, commit: &Id) -> Result<Vec<Id>, RepositoryError> {
        let (_, body) = self.object(commit)?;
        let text = String::from_utf8_lossy(&body).into_owned();
        let head = text.lines().take_while(|line| !line.is_empty());
        Ok(head.filter_map(|line| Id::of_hex(line.strip_prefix("parent ")?)).collect())
    }
}
