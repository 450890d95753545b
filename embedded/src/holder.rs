//! The small file beside a store that says who holds it: process, address and token, readable by its user alone. Whether
//! the store is held is decided by the lock on the store, never by this file.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Who holds a store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Where it serves the cluster, `http://127.0.0.1:PORT`; none when it does not.
    pub address: Option<String>,
    /// What a client must show there as its bearer token.
    pub token: Option<String>,
}

impl fmt::Debug for Holder {
    /// Everything but the token, which must reach no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, address, token } = self;
        let token = token.as_ref().map(|_| "(secret)");
        f.debug_struct("Holder").field("pid", pid).field("address", address).field("token", &token).finish()
    }
}

/// The holder's file, removed when the store is let go.
#[derive(Debug)]
pub(crate) struct HolderFile {
    path: PathBuf,
}

impl HolderFile {
    /// Writes the file for this process.
    pub(crate) fn write(path: PathBuf, address: Option<String>, token: Option<String>) -> std::io::Result<HolderFile> {
        let holder = Holder { pid: std::process::id(), address, token };
        let file = HolderFile { path };
        file.replace(&holder)?;
        Ok(file)
    }

    /// Says where the cluster is served from now on.
    pub(crate) fn serving(&self, address: String, token: String) -> std::io::Result<()> {
        self.replace(&Holder { pid: std::process::id(), address: Some(address), token: Some(token) })
    }

    /// Written beside and moved into place, so that a reader sees the whole of it.
    fn replace(&self, holder: &Holder) -> std::io::Result<()> {
        let text = serde_json::to_vec(holder).map_err(std::io::Error::other)?;
        let mut beside = self.path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&beside, &self.path)
    }
}

impl Drop for HolderFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "the holder's file could not be removed");
        }
    }
}

/// Reads the file; none where there is none or it cannot be read.
pub(crate) fn read(path: &Path) -> Option<Holder> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_not_in_what_is_printed_of_a_holder() {
        let holder =
            Holder { pid: 7, address: Some("http://127.0.0.1:1".to_owned()), token: Some("canary".to_owned()) };
        let expect = r#"Holder { pid: 7, address: Some("http://127.0.0.1:1"), token: Some("(secret)") }"#;
        assert_eq!(format!("{holder:?}"), expect);
    }
}
