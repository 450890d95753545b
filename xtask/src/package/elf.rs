//! What a Linux program needs of the machine it runs on, read from its headers. The form is that of `man 5 elf`, 64 bits
//! wide, least byte first.

use anyhow::{Context, ensure};

/// A segment that names the loader.
const INTERPRETER: u32 = 3;
/// A segment with the table of what is linked when the program starts.
const DYNAMIC: u32 = 2;
/// A segment that is in memory when the program runs.
const LOADED: u32 = 1;
/// An entry of that table: where a library's name is, in the texts.
const NEEDED: u64 = 1;
/// An entry of that table: where in memory the texts are.
const TEXTS: u64 = 5;

/// A segment of the program.
struct Segment {
    kind: u32,
    offset: usize,
    address: u64,
    size: usize,
}

/// The loader and the libraries that a program needs; nothing where it needs none.
///
/// # Errors
/// When it is no ELF file of that form, or is cut off.
pub(super) fn needs(program: &[u8]) -> anyhow::Result<Vec<String>> {
    ensure!(program.starts_with(b"\x7fELF\x02\x01"), "it is no ELF file of 64 bits, least byte first");
    let table = usize::try_from(long(program, 32)?)?;
    let (entry, count) = (usize::from(short(program, 54)?), usize::from(short(program, 56)?));
    let mut segments = Vec::new();
    for number in 0..count {
        let at = table + number * entry;
        segments.push(Segment {
            kind: word(program, at)?,
            offset: usize::try_from(long(program, at + 8)?)?,
            address: long(program, at + 16)?,
            size: usize::try_from(long(program, at + 32)?)?,
        });
    }
    let mut needs = Vec::new();
    for segment in segments.iter().filter(|segment| segment.kind == INTERPRETER) {
        needs.push(format!("the loader {}", text(program, segment.offset)?));
    }
    for segment in segments.iter().filter(|segment| segment.kind == DYNAMIC) {
        let entries = (0..segment.size / 16)
            .map(|number| segment.offset + number * 16)
            .map(|at| Ok((long(program, at)?, long(program, at + 8)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let names: Vec<u64> = entries.iter().filter(|(tag, _)| *tag == NEEDED).map(|(_, value)| *value).collect();
        if names.is_empty() {
            continue;
        }
        let (_, texts) = entries.iter().find(|(tag, _)| *tag == TEXTS).context("libraries have no names")?;
        let home = segments.iter().find(|segment| segment.kind == LOADED && holds(segment, *texts));
        let home = home.context("the names of libraries are in no segment")?;
        for name in names {
            let at = home.offset + usize::try_from(texts - home.address + name)?;
            needs.push(format!("the library {}", text(program, at)?));
        }
    }
    Ok(needs)
}

/// Whether an address in memory is in a segment.
fn holds(segment: &Segment, address: u64) -> bool {
    address.checked_sub(segment.address).is_some_and(|within| within < segment.size as u64)
}

fn bytes<const N: usize>(program: &[u8], at: usize) -> anyhow::Result<[u8; N]> {
    program.get(at..).and_then(|rest| rest.first_chunk()).copied().context("it is cut off")
}

fn short(program: &[u8], at: usize) -> anyhow::Result<u16> {
    bytes(program, at).map(u16::from_le_bytes)
}

fn word(program: &[u8], at: usize) -> anyhow::Result<u32> {
    bytes(program, at).map(u32::from_le_bytes)
}

fn long(program: &[u8], at: usize) -> anyhow::Result<u64> {
    bytes(program, at).map(u64::from_le_bytes)
}

/// The text that begins here and ends with a zero.
fn text(program: &[u8], at: usize) -> anyhow::Result<String> {
    let rest = program.get(at..).context("it is cut off")?;
    let text = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// The headers of a program that needs a loader and libraries, or nothing at all.
#[cfg(test)]
pub(super) fn example(needs: &[&str]) -> Vec<u8> {
    const HEADER: usize = 64;
    const SEGMENT: usize = 56;
    let mut program = vec![0; HEADER + 3 * SEGMENT];
    program[..6].copy_from_slice(b"\x7fELF\x02\x01");
    program[32] = HEADER as u8;
    program[54] = SEGMENT as u8;
    let (loader, libraries) = needs.split_first().map_or((None, needs), |(loader, rest)| (Some(loader), rest));
    let texts = program.len();
    let mut names = Vec::new();
    for text in needs {
        names.push(program.len() - texts);
        program.extend(text.bytes().chain([0]));
    }
    let table = program.len();
    let base = 0x1000;
    for entry in names.iter().skip(1).map(|name| (NEEDED, *name as u64)).chain([(TEXTS, base + texts as u64)]) {
        program.extend([entry.0.to_le_bytes(), entry.1.to_le_bytes()].concat());
    }
    let size = program.len();
    let mut segments = vec![(LOADED, 0, base, size)];
    segments.extend(loader.map(|_| (INTERPRETER, texts, 0, 0)));
    segments.extend((!libraries.is_empty()).then_some((DYNAMIC, table, 0, size - table)));
    program[56] = segments.len() as u8;
    for (number, (kind, offset, address, size)) in segments.into_iter().enumerate() {
        let at = HEADER + number * SEGMENT;
        program[at..at + 4].copy_from_slice(&kind.to_le_bytes());
        program[at + 8..at + 16].copy_from_slice(&(offset as u64).to_le_bytes());
        program[at + 16..at + 24].copy_from_slice(&address.to_le_bytes());
        program[at + 32..at + 40].copy_from_slice(&(size as u64).to_le_bytes());
    }
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(program: &[u8], expect: &[&str]) {
        assert_eq!(needs(program).ok(), Some(expect.iter().map(|one| (*one).to_owned()).collect()));
    }

    #[test]
    fn loader_and_libraries_are_found() {
        found(&example(&[]), &[]);
        found(&example(&["/lib/ld.so"]), &["the loader /lib/ld.so"]);
        found(
            &example(&["/lib/ld.so", "libc.so.6", "libm.so.6"]),
            &["the loader /lib/ld.so", "the library libc.so.6", "the library libm.so.6"],
        );
    }

    #[test]
    fn this_test_says_what_it_needs() {
        // The toolchain's own choice, which differs: what is read must at least be readable.
        let program = std::env::current_exe().and_then(std::fs::read).unwrap_or_default();
        if cfg!(all(target_os = "linux", target_pointer_width = "64")) {
            assert!(needs(&program).is_ok());
        }
    }

    #[test]
    fn what_is_cut_off_is_no_program() {
        let whole = example(&["/lib/ld.so", "libc.so.6"]);
        for length in [0, 3, 40, 100, whole.len() - 20] {
            assert!(needs(whole.get(..length).unwrap_or_default()).is_err(), "{length}");
        }
    }
}
