//! The store's file as redb sees it: locked for as long as it is open, and left as a killed process would leave it when
//! it is let go.
//!
//! A file that redb was allowed to close in order is trusted when it is opened again, damage and all; one that was not
//! is verified from end to end first. So no file is ever closed in order, and there is one way to open a store.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::disk::DiskError;

/// A file that is ours.
#[derive(Debug)]
pub(super) struct StoreFile {
    /// Holds the lock.
    _locked: File,
    inner: FileBackend,
    closing: Closing,
}

/// Ends all writing to a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Closing(Arc<AtomicBool>);

impl StoreFile {
    /// Opens the file, or makes it, and locks it.
    pub(super) fn open(path: &Path) -> Result<(StoreFile, Closing), DiskError> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(DiskError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DiskError::Held),
            Err(TryLockError::Error(source)) => return Err(DiskError::Io(source)),
        }
        let same = file.try_clone().map_err(DiskError::Io)?;
        let inner = FileBackend::new(same).map_err(super::disk::opening)?;
        let closing = Closing::default();
        Ok((StoreFile { _locked: file, inner, closing: closing.clone() }, closing))
    }

    /// Is nothing in the file?
    pub(super) fn is_empty(&self) -> io::Result<bool> {
        Ok(self.inner.len()? == 0)
    }

    /// Takes everything out of the file.
    pub(super) fn empty(&self) -> io::Result<()> {
        self.inner.set_len(0)
    }

    fn writable(&self) -> io::Result<()> {
        if self.closing.0.load(Ordering::SeqCst) { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }
}

impl Closing {
    /// From now on nothing is written.
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl StorageBackend for StoreFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.writable()?;
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.writable()?;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.writable()?;
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }
}
