//! Reading a git repository from its own files: what a revision means, and the files of a commit. No other program is
//! asked, nothing is written, and nothing is fetched.
//!
//! Objects are found loose and in packs, also those of another repository that this one borrows from. What is not read:
//! references kept in another way than as files, and objects that a partial clone has left on its server.

mod object;
mod pack;
mod revision;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use thiserror::Error;

use pack::Pack;

/// Bytes of one object at the most, once unpacked.
const MAX_BYTES: usize = 64 << 20;
/// How many repositories may borrow from another in turn.
const BORROWED: usize = 5;

/// Why something cannot be read of a repository.
#[derive(Debug, Error)]
pub enum RepositoryError {
    /// There is none.
    #[error("{} is not in a git repository", .0.display())]
    None(PathBuf),
    /// A revision that is no commit here.
    #[error("there is no revision {0} in the repository")]
    Unknown(String),
    /// A short id that several objects have.
    #[error("the revision {0} could be any of several objects")]
    Ambiguous(String),
    /// An object that is named and is not there.
    #[error("the repository does not hold object {0}")]
    Missing(String),
    /// An object or a pack that is not as it should be.
    #[error("{what} cannot be read: {why}")]
    Broken {
        /// What is broken.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the repository that the system does not give.
    #[error("reading {}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

fn broken(what: impl Into<String>, why: impl Into<String>) -> RepositoryError {
    RepositoryError::Broken { what: what.into(), why: why.into() }
}

/// The id of an object: 20 bytes, or 32 in a repository of the newer format.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(Vec<u8>);

impl Id {
    /// Reads hexadecimal digits; `None` where they are not those of an id.
    fn of_hex(text: &str) -> Option<Self> {
        if !matches!(text.len(), 40 | 64) {
            return None;
        }
        let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        (0..text.len()).step_by(2).map(digit).collect::<Option<Vec<u8>>>().map(Self)
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// A git repository.
pub struct Repository {
    /// The directory of its files; none of a bare one.
    work: PathBuf,
    /// What is this worktree's own.
    own: PathBuf,
    /// What all worktrees share.
    shared: PathBuf,
    /// Directories of objects, the first its own.
    stores: Vec<PathBuf>,
    packs: Mutex<Option<Vec<Arc<Pack>>>>,
    /// Bytes of an id.
    width: usize,
}

impl Repository {
    /// The repository that a directory stands in.
    ///
    /// # Errors
    ///
    /// Where it stands in none.
    pub fn open(dir: &Path) -> Result<Self, RepositoryError> {
        let io = |source| RepositoryError::Io { path: dir.to_owned(), source };
        let dir = fs::canonicalize(dir).map_err(io)?;
        let found = dir.ancestors().map(|place| (place, place.join(".git"))).find(|(_, git)| git.exists());
        let (work, git) = found.ok_or_else(|| RepositoryError::None(dir.clone()))?;
        let line = |path: &Path| Some(fs::read_to_string(path).ok()?.lines().next()?.trim().to_owned());
        let own = if git.is_dir() {
            git
        } else {
            let link = line(&git).and_then(|line| Some(line.strip_prefix("gitdir:")?.trim().to_owned()));
            work.join(link.ok_or_else(|| broken(".git", "it leads nowhere"))?)
        };
        // A worktree has a HEAD of its own, and shares the rest.
        let shared = line(&own.join("commondir")).map_or_else(|| own.clone(), |path| own.join(path));
        let mut stores = vec![shared.join("objects")];
        let mut at = 0;
        while let Some(store) = stores.get(at).cloned().filter(|_| at < BORROWED) {
            let alternates = fs::read_to_string(store.join("info/alternates")).unwrap_or_default();
            let others = alternates.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            stores.extend(others.map(|other| store.join(other)));
            at += 1;
        }
        let config = fs::read_to_string(shared.join("config")).unwrap_or_default().to_ascii_lowercase();
        let wide = config.lines().any(|line| line.replace(' ', "").trim() == "objectformat=sha256");
        let width = if wide { 32 } else { 20 };
        Ok(Self { work: work.to_owned(), own, shared, stores, packs: Mutex::new(None), width })
    }

    /// The directory of its files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.work
    }
}
