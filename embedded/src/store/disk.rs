//! The durable file: one redb database with the last version of every object, and every version that the window of
//! recent changes still needs. Knows when the file is held by another process or torn; knows nothing of what the objects
//! mean.

use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition};

use super::file::{Closing, StoreFile};
use super::image::{Change, Key};

/// An object's key and its JSON, by the version that the change made; empty where it was deleted.
const CHANGES: TableDefinition<'_, u64, (&str, &[u8])> = TableDefinition::new("changes");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// The last version.
const REVISION: &str = "revision";
/// Every change after this version is there.
const WINDOW: &str = "window";
const FORMAT: &str = "format";
/// The layout of the tables; a store of another layout is refused.
const FORMAT_NOW: u64 = 2;
/// Between the parts of a key; no name can hold it.
const SEPARATOR: char = '\u{1f}';

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    /// Another process has it open.
    #[error("the store is open in another process")]
    Held,
    /// What is in it cannot be read.
    #[error("the store is damaged: {0}")]
    Torn(String),
    /// It was written by another version of this program.
    #[error("the store has format {found}, this program reads format {FORMAT_NOW}")]
    Format { found: u64 },
    /// The file system refused.
    #[error("the store's file cannot be used")]
    Io(#[source] std::io::Error),
}

/// What a store held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Oldest first.
    pub(crate) rows: Vec<Row>,
    pub(crate) revision: u64,
    /// Every change after this version is among the rows.
    pub(crate) window: u64,
}

/// One change of one object, as it is stored.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    /// Empty where the object was deleted.
    pub(crate) json: Vec<u8>,
}

/// What one commit makes durable.
pub(crate) struct Commit<'a> {
    pub(crate) changes: &'a [Change],
    /// The last version.
    pub(crate) revision: u64,
    /// Every change after this version is kept.
    pub(crate) window: u64,
    /// Versions that are needed no longer.
    pub(crate) forgotten: &'a [u64],
}

/// An open durable store.
pub(crate) struct Disk {
    database: Database,
    closing: Closing,
}

impl Disk {
    /// Opens the file, or makes it, and reads everything in it.
    pub(crate) fn open(path: &Path) -> Result<(Disk, Loaded), DiskError> {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(DiskError::Io)?;
        }
        if path.try_exists().map_err(DiskError::Io)? {
            let file = StoreFile::open(path)?;
            return if file.0.is_empty().map_err(DiskError::Io)? {
                Err(DiskError::Torn("it is empty".to_owned()))
            } else {
                Disk::of(file)
            };
        }
        // Made whole beside its place first: a store is never found half made, and an empty file is no store.
        let beside = beside(path, ".new");
        let file = StoreFile::open(&beside)?;
        file.0.empty().map_err(DiskError::Io)?;
        let made = Disk::of(file)?;
        match std::fs::hard_link(&beside, path) {
            Ok(()) => {
                std::fs::remove_file(&beside).map_err(DiskError::Io)?;
                Ok(made)
            }
            // Another process has made one meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(DiskError::Held),
            Err(error) => Err(DiskError::Io(error)),
        }
    }

    fn of((file, closing): (StoreFile, Closing)) -> Result<(Disk, Loaded), DiskError> {
        let disk = Disk { database: verified(file)?, closing };
        let loaded = disk.load()?;
        Ok((disk, loaded))
    }

    fn load(&self) -> Result<Loaded, DiskError> {
        let write = self.database.begin_write().map_err(torn)?;
        {
            let mut numbers = write.open_table(NUMBERS).map_err(torn)?;
            let format = numbers.get(FORMAT).map_err(torn)?.map(|n| n.value());
            match format {
                Some(FORMAT_NOW) => {}
                Some(found) => return Err(DiskError::Format { found }),
                None => {
                    numbers.insert(FORMAT, FORMAT_NOW).map_err(torn)?;
                }
            }
            write.open_table(CHANGES).map_err(torn)?;
        }
        write.commit().map_err(torn)?;
        let read = self.database.begin_read().map_err(torn)?;
        let numbers = read.open_table(NUMBERS).map_err(torn)?;
        let number = |name: &str| Ok(numbers.get(name).map_err(torn)?.map_or(0, |n| n.value()));
        let (revision, window) = (number(REVISION)?, number(WINDOW)?);
        let mut rows = Vec::new();
        for row in read.open_table(CHANGES).map_err(torn)?.iter().map_err(torn)? {
            let (at, row) = row.map_err(torn)?;
            let (key, json) = row.value();
            rows.push(Row { revision: at.value(), key: decode(key)?, json: json.to_vec() });
        }
        if rows.last().is_some_and(|last| last.revision > revision) || window > revision {
            return Err(DiskError::Torn(format!("it says that its last version is {revision}, and holds later ones")));
        }
        Ok(Loaded { rows, revision, window })
    }

    /// Makes changes durable: when this returns they survive the end of the process.
    ///
    /// A database file remembers its last two commits, and goes back to the older one where the newer is damaged, which
    /// it takes for one that was under way. So everything is committed twice before it is acknowledged: going back by
    /// one commit then loses nothing, and damage to what both hold is found.
    pub(crate) fn commit(&self, commit: &Commit<'_>) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut changes = write.open_table(CHANGES)?;
            for change in commit.changes {
                let json = change.after.as_ref().map(|after| after.json()).unwrap_or_default();
                changes.insert(change.revision, (encode(&change.key).as_str(), &*json))?;
            }
            for revision in commit.forgotten {
                changes.remove(revision)?;
            }
            let mut numbers = write.open_table(NUMBERS)?;
            numbers.insert(REVISION, commit.revision)?;
            numbers.insert(WINDOW, commit.window)?;
        }
        write.commit()?;
        let again = self.database.begin_write()?;
        again.open_table(NUMBERS)?.insert(REVISION, commit.revision)?;
        again.commit()?;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.closing.begin();
    }
}

/// Opens a database that nobody has closed in order: it is read from end to end, and what is damaged is found.
fn verified(file: StoreFile) -> Result<Database, DiskError> {
    Database::builder().create_with_backend(file).map_err(opening)
}

fn encode(key: &Key) -> String {
    format!("{}{SEPARATOR}{}{SEPARATOR}{}", key.resource, key.namespace, key.name)
}

fn decode(key: &str) -> Result<Key, DiskError> {
    let mut parts = key.split(SEPARATOR);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(resource), Some(namespace), Some(name), None) => Ok(Key::new(resource, namespace, name)),
        _ => Err(DiskError::Torn(format!("a key cannot be read: {key:?}"))),
    }
}

pub(super) fn opening(error: DatabaseError) -> DiskError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => DiskError::Held,
        DatabaseError::Storage(StorageError::Io(source)) => unusable(source),
        other => DiskError::Torn(other.to_string()),
    }
}

fn torn(error: impl Into<redb::Error>) -> DiskError {
    match error.into() {
        redb::Error::Io(source) => unusable(source),
        other => DiskError::Torn(other.to_string()),
    }
}

/// A file that is too short for what it says it holds is damaged; anything else is the file system's refusal.
fn unusable(source: std::io::Error) -> DiskError {
    match source.kind() {
        std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => DiskError::Torn(source.to_string()),
        _ => DiskError::Io(source),
    }
}

/// The file that says who holds the store: beside it, with `.holder` added.
pub(crate) fn holder_path(store: &Path) -> PathBuf {
    beside(store, ".holder")
}

fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}
