//! A pack: many objects in one file, some of them as differences from others, with an index beside it
//! (gitformat-pack(5), versions 2 of both).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::object::{Object, Type};
use super::{Id, MAX_BYTES, RepositoryError, broken};

/// What an index of version 2 begins with.
const MAGIC: [u8; 8] = [0xff, b't', b'O', b'c', 0, 0, 0, 2];
/// Entries of the table that says how many ids begin with each byte or a lesser one.
const FANOUT: usize = 256;
/// Differences that may rest on one another.
const CHAIN: usize = 4096;

/// A pack with its index.
pub(super) struct Pack {
    path: PathBuf,
    index: Vec<u8>,
    count: usize,
    width: usize,
    /// Bytes of the pack, without its digest at the end.
    end: u64,
}

/// What an entry of a pack holds.
enum Entry {
    Whole(Type, Vec<u8>),
    /// A difference from what lies at another place of the same pack.
    FromOffset(u64, Vec<u8>),
    /// A difference from an object that may lie anywhere.
    FromId(Id, Vec<u8>),
}

impl Pack {
    pub(super) fn open(index: &Path, width: usize) -> Result<Self, RepositoryError> {
        let io = |source| RepositoryError::Io { path: index.to_owned(), source };
        let bytes = std::fs::read(index).map_err(io)?;
        let path = index.with_extension("pack");
        let length = std::fs::metadata(&path).map_err(|source| RepositoryError::Io { path: path.clone(), source })?;
        let end = length.len().saturating_sub(width as u64);
        let mut pack = Self { path, index: bytes, count: 0, width, end };
        if !pack.index.starts_with(&MAGIC) {
            return Err(pack.broken("its index is of an unknown version"));
        }
        pack.count = pack.number(MAGIC.len() + 4 * (FANOUT - 1)).ok_or_else(|| pack.broken("its index is cut off"))?;
        // Ids, checksums and offsets.
        let least = MAGIC.len() + 4 * FANOUT + pack.count * (width + 8);
        if pack.index.len() < least {
            return Err(pack.broken("its index is cut off"));
        }
        Ok(pack)
    }

    fn broken(&self, why: &str) -> RepositoryError {
        broken(self.path.display().to_string(), why)
    }

    /// A number of four bytes in the index.
    fn number(&self, at: usize) -> Option<usize> {
        let bytes = self.index.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    }

    fn id(&self, at: usize) -> Option<&[u8]> {
        let begin = MAGIC.len() + 4 * FANOUT + at * self.width;
        self.index.get(begin..begin + self.width)
    }

    /// The place of the first id that is not less than these bytes.
    fn place(&self, of: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.id(middle).is_some_and(|id| id < of) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The ids that begin with these digits, of which there are two at least.
    pub(super) fn beginning(&self, digits: &str) -> Vec<Id> {
        let whole = (0..digits.len() / 2).filter_map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok());
        let bytes: Vec<u8> = whole.collect();
        let from = self.place(&bytes);
        let ids = (from..self.count).filter_map(|at| self.id(at)).take_while(|id| id.starts_with(&bytes));
        ids.map(|id| Id(id.to_vec())).filter(|id| id.to_string().starts_with(digits)).collect()
    }

    /// Where an object lies in the pack; `None` where it is not in it.
    pub(super) fn offset(&self, id: &Id) -> Option<u64> {
        let at = self.place(&id.0);
        (self.id(at)? == id.0).then_some(())?;
        let offsets = MAGIC.len() + 4 * FANOUT + self.count * (self.width + 4);
        let offset = self.number(offsets + 4 * at)?;
        // Beyond two gigabytes it is a number of eight bytes in a table of its own.
        match offset & 0x8000_0000 {
            0 => u64::try_from(offset).ok(),
            _ => {
                let begin = offsets + 4 * self.count + 8 * (offset & 0x7fff_ffff);
                Some(u64::from_be_bytes(self.index.get(begin..begin + 8)?.try_into().ok()?))
            }
        }
    }

    /// The object at a place; `find` gives those that it rests on and that lie elsewhere.
    pub(super) fn object(
        &self,
        at: u64,
        find: &dyn Fn(&Id) -> Result<Option<Object>, RepositoryError>,
    ) -> Result<Object, RepositoryError> {
        let (mut at, mut differences) = (at, Vec::new());
        let (kind, mut body) = loop {
            match self.entry(at)? {
                Entry::Whole(kind, body) => break (kind, body),
                Entry::FromOffset(base, difference) => {
                    differences.push(difference);
                    at = base;
                }
                Entry::FromId(base, difference) => {
                    differences.push(difference);
                    match self.offset(&base) {
                        Some(base) => at = base,
                        None => break find(&base)?.ok_or_else(|| RepositoryError::Missing(base.to_string()))?,
                    }
                }
            }
            if differences.len() > CHAIN {
                return Err(self.broken("differences rest on one another without end"));
            }
        };
        for difference in differences.iter().rev() {
            body = applied(&body, difference).ok_or_else(|| self.broken("a difference does not fit"))?;
        }
        Ok((kind, body))
    }

    fn entry(&self, at: u64) -> Result<Entry, RepositoryError> {
        let io = |source| RepositoryError::Io { path: self.path.clone(), source };
        let cut = || self.broken("an entry is cut off");
        let mut file = File::open(&self.path).map_err(io)?;
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        let mut head = Vec::new();
        (&mut file).take(64 + self.width as u64).read_to_end(&mut head).map_err(io)?;
        let mut bytes = head.iter().copied();
        let mut used = 1;
        let first = bytes.next().ok_or_else(cut)?;
        let (code, mut size, mut shift) = ((first >> 4) & 7, usize::from(first & 15), 4);
        let mut byte = first;
        while byte & 0x80 != 0 {
            byte = bytes.next().ok_or_else(cut)?;
            used += 1;
            let part = usize::from(byte & 0x7f).checked_shl(shift).ok_or_else(cut)?;
            size |= part;
            shift += 7;
        }
        if size > MAX_BYTES {
            return Err(self.broken("an object is too large"));
        }
        let mut base = None;
        match code {
            6 => {
                let mut byte = bytes.next().ok_or_else(cut)?;
                used += 1;
                let mut back = u64::from(byte & 0x7f);
                while byte & 0x80 != 0 {
                    byte = bytes.next().ok_or_else(cut)?;
                    used += 1;
                    back = back.checked_add(1).and_then(|back| back.checked_mul(128)).ok_or_else(cut)?;
                    back |= u64::from(byte & 0x7f);
                }
                // It lies before what rests on it.
                let place = at.checked_sub(back).filter(|place| *place < at).ok_or_else(cut)?;
                base = Some(Ok(place));
            }
            7 => {
                let id = head.get(used..used + self.width).ok_or_else(cut)?.to_vec();
                used += self.width;
                base = Some(Err(Id(id)));
            }
            _ => {}
        }
        file.seek(SeekFrom::Start(at + used as u64)).map_err(io)?;
        // How long it is compressed is said nowhere; hardly ever longer than by itself.
        let most = (size + size / 8 + 1024) as u64;
        let mut packed = Vec::new();
        let left = self.end.saturating_sub(at + used as u64);
        file.take(most.min(left)).read_to_end(&mut packed).map_err(io)?;
        let plain =
            decompress_to_vec_zlib_with_limit(&packed, MAX_BYTES).map_err(|error| self.broken(&error.to_string()))?;
        if plain.len() != size {
            return Err(self.broken("an entry is not as long as it says"));
        }
        Ok(match (code, base) {
            (1, _) => Entry::Whole(Type::Commit, plain),
            (2, _) => Entry::Whole(Type::Tree, plain),
            (3, _) => Entry::Whole(Type::Blob, plain),
            (4, _) => Entry::Whole(Type::Tag, plain),
            (_, Some(Ok(place))) => Entry::FromOffset(place, plain),
            (_, Some(Err(id))) => Entry::FromId(id, plain),
            _ => return Err(self.broken("an entry is of no known type")),
        })
    }
}

/// What a difference makes of its base; `None` where the two do not fit.
fn applied(base: &[u8], difference: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = difference.iter().copied();
    let size = |bytes: &mut dyn Iterator<Item = u8>| -> Option<usize> {
        let (mut size, mut shift) = (0_usize, 0);
        loop {
            let byte = bytes.next()?;
            size |= usize::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(size);
            }
            shift += 7;
        }
    };
    let (from, to) = (size(&mut bytes)?, size(&mut bytes)?);
    if from != base.len() || to > MAX_BYTES {
        return None;
    }
    let mut made = Vec::with_capacity(to);
    while let Some(command) = bytes.next() {
        if command & 0x80 == 0 {
            // As many bytes as it says, of which there is one at least.
            let before = made.len();
            made.extend(bytes.by_ref().take(usize::from(command)));
            (command != 0 && made.len() - before == usize::from(command)).then_some(())?;
            continue;
        }
        // A part of the base: where it begins and how long it is, in the bytes that the command announces.
        let (mut begin, mut length) = (0_usize, 0_usize);
        for bit in 0..7 {
            if command & (1 << bit) != 0 {
                let byte = usize::from(bytes.next()?);
                if bit < 4 { begin |= byte << (8 * bit) } else { length |= byte << (8 * (bit - 4)) }
            }
        }
        let length = if length == 0 { 0x1_0000 } else { length };
        made.extend_from_slice(base.get(begin..begin.checked_add(length)?)?);
    }
    (made.len() == to).then_some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(difference: &[u8], expect: Option<&[u8]>) {
        assert_eq!(applied(b"abcdefgh", difference).as_deref(), expect);
    }

    #[test]
    fn differences_copy_and_add() {
        check(&[8, 3, 0x91, 2, 3], Some(b"cde"));
        check(&[8, 5, 2, b'x', b'y', 0x90, 3], Some(b"xyabc"));
        check(&[8, 0], Some(b""));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        check(&[7, 3, 0x90, 3], None);
        check(&[8, 3, 0x91, 7, 3], None);
        check(&[8, 4, 0x90, 3], None);
        check(&[8, 2, 2, b'x'], None);
        check(&[8, 1, 0], None);
        check(&[0x80], None);
        check(&[], None);
    }
}
