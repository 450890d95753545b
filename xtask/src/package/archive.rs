//! An archive that depends on nothing but its contents: sorted, of one time, owned by nobody. The forms are those of
//! POSIX.1-1988 (ustar) and RFC 1952 (gzip).

use anyhow::ensure;

/// A block of an archive, in bytes.
const BLOCK: usize = 512;
/// The time that every file was last changed at: the first of January 1980, before which some programs know no time.
const TIME: u64 = 315_532_800;

/// A file of an archive.
#[derive(Clone)]
pub(super) struct File {
    /// Below the archive's one directory, with `/` between the parts.
    pub(super) path: String,
    /// Whether it can be run.
    pub(super) program: bool,
    /// What is in it.
    pub(super) bytes: Vec<u8>,
}

/// The files, sorted, in one directory.
///
/// # Errors
/// When a path is too long for the form, or a file too large.
pub(super) fn tar(directory: &str, mut files: Vec<File>) -> anyhow::Result<Vec<u8>> {
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let mut archive = Vec::new();
    for File { path, program, bytes } in files {
        let mode = if program { 0o755 } else { 0o644 };
        archive.extend(header(&format!("{directory}/{path}"), mode, bytes.len())?);
        archive.extend(&bytes);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks end it.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    Ok(archive)
}

/// The block before a file's bytes.
fn header(path: &str, mode: u64, size: usize) -> anyhow::Result<Vec<u8>> {
    ensure!(path.len() <= 100, "the path {path} is too long for an archive");
    let size = u64::try_from(size)?;
    ensure!(size < 1 << 33, "{path} is too large for an archive");
    let mut block = Vec::with_capacity(BLOCK);
    let mut field = |text: &str, width: usize| {
        block.extend_from_slice(text.as_bytes());
        block.resize(block.len() + width - text.len(), 0);
    };
    let octal = |value: u64, digits: usize| format!("{value:0digits$o}");
    field(path, 100);
    field(&octal(mode, 7), 8);
    field(&octal(0, 7), 8);
    field(&octal(0, 7), 8);
    field(&octal(size, 11), 12);
    field(&octal(TIME, 11), 12);
    // The sum is taken with blanks in its place.
    field("        ", 8);
    field("0", 1);
    field("", 100);
    field("ustar\x0000", 8);
    field("root", 32);
    field("root", 32);
    field(&octal(0, 7), 8);
    field(&octal(0, 7), 8);
    field("", 155 + 12);
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let place = block.iter_mut().skip(148).take(8);
    for (byte, digit) in place.zip(format!("{sum:06o}\0 ").bytes()) {
        *byte = digit;
    }
    Ok(block)
}

/// The bytes, compressed as far as it goes.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    // Deflate, no name, no time, compressed most, of a system that is not told.
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    file.extend(miniz_oxide::deflate::compress_to_vec(bytes, 9));
    file.extend(checksum(bytes).to_le_bytes());
    // The form keeps the length's lowest 32 bits.
    file.extend((bytes.len() as u32).to_le_bytes());
    file
}

/// The checksum of gzip: CRC-32 as RFC 1952 has it.
fn checksum(bytes: &[u8]) -> u32 {
    let table: [u32; 256] = std::array::from_fn(|byte| {
        (0..8).fold(byte as u32, |rest, _| if rest & 1 == 1 { 0xedb8_8320 ^ (rest >> 1) } else { rest >> 1 })
    });
    !bytes.iter().fold(!0, |sum, byte| {
        let [low, ..] = sum.to_le_bytes();
        table.get(usize::from(low ^ byte)).unwrap_or(&0) ^ (sum >> 8)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]
mod tests {
    use super::*;

    fn file(path: &str, program: bool, bytes: &[u8]) -> File {
        File { path: path.to_owned(), program, bytes: bytes.to_vec() }
    }

    #[test]
    fn the_order_of_files_makes_no_difference() {
        let files = [file("b/c", false, b"text"), file("a", true, &[7; 513])];
        let turned = [files[1].clone(), files[0].clone()];
        assert_eq!(tar("d", files.to_vec()).unwrap(), tar("d", turned.to_vec()).unwrap());
    }

    #[test]
    fn a_file_stands_in_whole_blocks_behind_its_header() {
        let archive = tar("d", vec![file("a", true, b"text")]).unwrap();
        assert_eq!(archive.len(), 4 * BLOCK);
        let text = |from: usize, to: usize| String::from_utf8(archive[from..to].to_vec()).unwrap();
        assert_eq!(text(0, 4), "d/a\0");
        assert_eq!(text(100, 108), "0000755\0");
        assert_eq!(text(124, 148), "00000000004\x0002263523000\0");
        assert_eq!(text(257, 265), "ustar\x0000");
        assert_eq!(text(512, 517), "text\0");
        // The sum of the header with blanks in place of the sum.
        let mut header = archive[..BLOCK].to_vec();
        header[148..156].fill(b' ');
        let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
        assert_eq!(text(148, 156), format!("{sum:06o}\0 "));
    }

    #[test]
    fn a_path_that_is_too_long_is_refused() {
        assert!(tar("d", vec![file(&"a".repeat(99), false, b"")]).is_err());
        assert!(tar("d", vec![file(&"a".repeat(98), false, b"")]).is_ok());
    }

    /// The figure that every description of this checksum gives.
    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }

    #[test]
    fn what_is_compressed_comes_back() {
        let bytes = [b"strata ".repeat(1000), vec![0; 999]].concat();
        let packed = gzip(&bytes);
        let (body, tail) = packed[10..].split_at(packed.len() - 18);
        assert_eq!(miniz_oxide::inflate::decompress_to_vec(body).unwrap(), bytes);
        assert_eq!(tail, [checksum(&bytes).to_le_bytes(), 7999u32.to_le_bytes()].concat());
    }
}
