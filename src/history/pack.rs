//! Records as bytes: compressed, in parts of a bounded size, and with a digest of each part, so that what is read back is
//! what was written.

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec_with_limit;
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::plan::sha256;

/// Bytes of a part at the most: written as Base64 into an object of a cluster it stays well under what such an object may
/// hold, which is 1 MiB.
pub const PART_BYTES: usize = 512 << 10;
/// Bytes that a record may come to when it is unpacked.
const MAX_BYTES: usize = 512 << 20;
/// How hard it is tried to make it small, of ten.
const LEVEL: u8 = 6;

/// A value in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The bytes of each part; at least one part.
    pub parts: Vec<Vec<u8>>,
    /// The digest of each part.
    pub digests: Vec<String>,
}

/// Why parts are not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnpackError {
    /// A part is not there.
    #[error("part {part} of {parts} is missing")]
    Missing {
        /// Which, from 1.
        part: usize,
        /// How many there should be.
        parts: usize,
    },
    /// A part holds something else than was written.
    #[error("part {part} of {parts} was altered: its digest is not that which its head names")]
    Altered {
        /// Which, from 1.
        part: usize,
        /// How many there are.
        parts: usize,
    },
    /// The parts are what was written, and this program can make nothing of it.
    #[error("what it holds cannot be read: {0}")]
    Malformed(String),
}

/// Packs a value into parts of at most `bytes` bytes, which is at least one.
///
/// ```
/// use strata::history::pack::{UnpackError, pack, unpack};
/// let text = "0123456789".repeat(100);
/// let packed = pack(&text, 8);
/// assert!(packed.parts.len() > 1 && packed.parts.iter().all(|part| part.len() <= 8));
/// let mut parts: Vec<Option<Vec<u8>>> = packed.parts.into_iter().map(Some).collect();
/// assert_eq!(unpack(&parts, &packed.digests), Ok(text));
/// parts[1] = None;
/// let missing = UnpackError::Missing { part: 2, parts: parts.len() };
/// assert_eq!(unpack::<String>(&parts, &packed.digests), Err(missing));
/// ```
#[must_use]
pub fn pack(value: &impl Serialize, bytes: usize) -> Packed {
    // Plain data with string keys: serialising it cannot fail.
    let compressed = compress_to_vec(&serde_json::to_vec(value).unwrap_or_default(), LEVEL);
    let parts: Vec<Vec<u8>> = compressed.chunks(bytes.max(1)).map(<[u8]>::to_vec).collect();
    let digests = parts.iter().map(|part| sha256(part)).collect();
    Packed { parts, digests }
}

/// The value that was packed into these parts.
///
/// # Errors
///
/// Where a part is missing or was altered, or holds what is no such value.
pub fn unpack<T: DeserializeOwned>(parts: &[Option<Vec<u8>>], digests: &[String]) -> Result<T, UnpackError> {
    let mut compressed = Vec::new();
    let all = digests.len();
    for (at, digest) in digests.iter().enumerate() {
        let part = at + 1;
        match parts.get(at).and_then(Option::as_ref) {
            None => return Err(UnpackError::Missing { part, parts: all }),
            Some(bytes) if sha256(bytes) != *digest => return Err(UnpackError::Altered { part, parts: all }),
            Some(bytes) => compressed.extend(bytes),
        }
    }
    let text = decompress_to_vec_with_limit(&compressed, MAX_BYTES)
        .map_err(|error| UnpackError::Malformed(format!("{:?}", error.status)))?;
    serde_json::from_slice(&text).map_err(|error| UnpackError::Malformed(error.to_string()))
}
