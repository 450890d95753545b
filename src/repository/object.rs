//! Objects by their ids, wherever they are.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::pack::Pack;
use super::{Id, MAX_BYTES, Repository, RepositoryError, broken};

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Type {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "commit" => Self::Commit,
            "tree" => Self::Tree,
            "blob" => Self::Blob,
            "tag" => Self::Tag,
            _ => return None,
        })
    }
}

/// An object: what it is, and what it holds.
pub(super) type Object = (Type, Vec<u8>);

impl Repository {
    /// An object that has to be there.
    pub(super) fn object(&self, id: &Id) -> Result<Object, RepositoryError> {
        self.find(id)?.ok_or_else(|| RepositoryError::Missing(id.to_string()))
    }

    /// An object, if it is there.
    pub(super) fn find(&self, id: &Id) -> Result<Option<Object>, RepositoryError> {
        let text = id.to_string();
        let (folder, file) = text.split_at(2);
        for store in &self.stores {
            if let Some(bytes) = read(&store.join(folder).join(file))? {
                return loose(&text, &bytes).map(Some);
            }
        }
        self.with_packs(|packs| {
            for pack in packs {
                if let Some(at) = pack.offset(id) {
                    return pack.object(at, &|base| self.find(base)).map(Some);
                }
            }
            Ok(None)
        })
    }

    /// The ids that begin with these digits.
    pub(super) fn beginning(&self, digits: &str) -> Result<BTreeSet<Id>, RepositoryError> {
        let mut found = BTreeSet::new();
        let (folder, rest) = digits.split_at(2);
        for store in &self.stores {
            for entry in fs::read_dir(store.join(folder)).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with(rest) {
                    found.extend(Id::of_hex(&format!("{folder}{name}")));
                }
            }
        }
        self.with_packs(|packs| {
            found.extend(packs.iter().flat_map(|pack| pack.beginning(digits)));
            Ok(found)
        })
    }

    /// Does something with all packs, which are opened once.
    fn with_packs<T>(
        &self,
        work: impl FnOnce(&[Arc<Pack>]) -> Result<T, RepositoryError>,
    ) -> Result<T, RepositoryError> {
        let mut opened = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        let packs = match opened.as_ref() {
            Some(packs) => packs.clone(),
            None => {
                let mut packs = Vec::new();
                for store in &self.stores {
                    for entry in fs::read_dir(store.join("pack")).into_iter().flatten().flatten() {
                        let path = entry.path();
                        if path.extension().is_some_and(|ending| ending == "idx") {
                            packs.push(Arc::new(Pack::open(&path, self.width)?));
                        }
                    }
                }
                opened.insert(packs).clone()
            }
        };
        // An object of one pack may rest on one of another.
        drop(opened);
        work(&packs)
    }
}

/// The bytes of a file; `None` where it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, RepositoryError> {
    let io = |source| RepositoryError::Io { path: path.to_owned(), source };
    let file = match fs::File::open(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        opened => opened.map_err(io)?,
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() > MAX_BYTES {
        return Err(broken(path.display().to_string(), "it is too large"));
    }
    Ok(Some(bytes))
}

/// A loose object: `type size`, a null byte and what it holds, all compressed.
fn loose(id: &str, bytes: &[u8]) -> Result<Object, RepositoryError> {
    let broken = |why: &str| broken(format!("object {id}"), why);
    let plain = decompress_to_vec_zlib_with_limit(bytes, MAX_BYTES).map_err(|error| broken(&error.to_string()))?;
    let end = plain.iter().position(|byte| *byte == 0).ok_or_else(|| broken("it has no header"))?;
    let (head, rest) = plain.split_at(end);
    let head = std::str::from_utf8(head).map_err(|_| broken("its header is no text"))?;
    let (word, size) = head.split_once(' ').ok_or_else(|| broken("its header says nothing"))?;
    let kind = Type::of_word(word).ok_or_else(|| broken("it is of no known type"))?;
    let body = rest.get(1..).unwrap_or_default().to_vec();
    if size.parse() != Ok(body.len()) {
        return Err(broken("it is not as long as it says"));
    }
    Ok((kind, body))
}
