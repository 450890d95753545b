//! The durable file: one redb database with every object and the last version. Knows when the file is held by another
//! process or torn; knows nothing of what the objects mean.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Bytes;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageError, TableDefinition};

use super::image::{Change, Key, Object, Objects};

const OBJECTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("objects");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
const REVISION: &str = "revision";
const FORMAT: &str = "format";
/// The layout of the tables; a store of another layout is refused.
const FORMAT_NOW: u64 = 1;
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

/// An open durable store.
pub(crate) struct Disk {
    database: Database,
}

impl Disk {
    /// Opens the file, or makes it, and reads everything in it.
    pub(crate) fn open(path: &Path) -> Result<(Disk, Objects, u64), DiskError> {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(DiskError::Io)?;
        }
        let mut database = Database::create(path).map_err(opening)?;
        if !database.check_integrity().map_err(opening)? {
            tracing::warn!(store = %path.display(), "the store was not closed in order and has been repaired");
        }
        let disk = Disk { database };
        let (objects, revision) = disk.load()?;
        Ok((disk, objects, revision))
    }

    fn load(&self) -> Result<(Objects, u64), DiskError> {
        let write = self.database.begin_write().map_err(torn)?;
        {
            let mut numbers = write.open_table(NUMBERS).map_err(torn)?;
            write.open_table(OBJECTS).map_err(torn)?;
            let format = numbers.get(FORMAT).map_err(torn)?.map(|n| n.value());
            match format {
                Some(FORMAT_NOW) => {}
                Some(found) => return Err(DiskError::Format { found }),
                None => {
                    numbers.insert(FORMAT, FORMAT_NOW).map_err(torn)?;
                }
            }
        }
        write.commit().map_err(torn)?;
        let read = self.database.begin_read().map_err(torn)?;
        let revision = read.open_table(NUMBERS).map_err(torn)?.get(REVISION).map_err(torn)?.map_or(0, |n| n.value());
        let mut objects = Objects::new();
        for row in read.open_table(OBJECTS).map_err(torn)?.iter().map_err(torn)? {
            let (key, json) = row.map_err(torn)?;
            let (key, object) = decode(key.value(), json.value())?;
            objects.insert(key, Arc::new(object));
        }
        Ok((objects, revision))
    }

    /// Makes changes durable: when this returns they survive the end of the process.
    pub(crate) fn commit(&self, changes: &[Change], revision: u64) -> Result<(), redb::Error> {
        let write = self.database.begin_write()?;
        {
            let mut objects = write.open_table(OBJECTS)?;
            for change in changes {
                let key = encode(&change.key);
                match &change.after {
                    Some(after) => objects.insert(key.as_str(), &*after.json)?,
                    None => objects.remove(key.as_str())?,
                };
            }
            write.open_table(NUMBERS)?.insert(REVISION, revision)?;
        }
        write.commit()?;
        Ok(())
    }
}

fn encode(key: &Key) -> String {
    format!("{}{SEPARATOR}{}{SEPARATOR}{}", key.resource, key.namespace, key.name)
}

fn decode(key: &str, json: &[u8]) -> Result<(Key, Object), DiskError> {
    let mut parts = key.split(SEPARATOR);
    let (Some(resource), Some(namespace), Some(name), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(DiskError::Torn(format!("a key cannot be read: {key:?}")));
    };
    let value: serde_json::Value = serde_json::from_slice(json)
        .map_err(|error| DiskError::Torn(format!("object {namespace}/{name} of {resource} cannot be read: {error}")))?;
    let revision = crate::object::text(&value, "/metadata/resourceVersion")
        .parse()
        .map_err(|_| DiskError::Torn(format!("object {namespace}/{name} of {resource} has no resourceVersion")))?;
    Ok((Key::new(resource, namespace, name), Object { value, json: Bytes::copy_from_slice(json), revision }))
}

fn opening(error: DatabaseError) -> DiskError {
    match error {
        DatabaseError::DatabaseAlreadyOpen => DiskError::Held,
        DatabaseError::Storage(StorageError::Io(source)) if source.kind() != std::io::ErrorKind::InvalidData => {
            DiskError::Io(source)
        }
        other => DiskError::Torn(other.to_string()),
    }
}

fn torn(error: impl Into<redb::Error>) -> DiskError {
    match error.into() {
        redb::Error::Io(source) => DiskError::Io(source),
        other => DiskError::Torn(other.to_string()),
    }
}

/// The file that says who holds the store: beside it, with `.holder` added.
pub(crate) fn holder_path(store: &Path) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(".holder");
    PathBuf::from(path)
}
