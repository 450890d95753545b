//! What holds of the source tree itself: the rules of the house that a compiler does not check.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the tree has failed")]

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST: usize = 800;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Every source file below these folders, as a path relative to the root, with its text.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for folder in folders {
        sources(&root().join(folder), &mut found);
    }
    found.sort();
    found
        .into_iter()
        .map(|path| (path.strip_prefix(root()).unwrap().display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect()
}

#[track_caller]
fn none(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

/// The lines of a file that are code: neither comments nor part of its test module.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .take_while(|line| line.trim() != "#[cfg(test)]")
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<String> =
        files(&["."]).into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(file, _)| file).collect();
    none("a source file begins with //!", &silent);
}

#[test]
fn no_source_file_is_long() {
    let long: Vec<String> = files(&["."])
        .into_iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .map(|(file, lines)| format!("{file}: {lines} lines"))
        .collect();
    none("a source file has at most 800 lines", &long);
}

#[test]
fn pure_rooms_are_pure() {
    let pure = [
        "components/src",
        "merge/src",
        "src/check",
        "src/plan",
        "src/report",
        "src/history",
        "src/policies",
        "src/secrets",
    ];
    let banned = [
        "async ",
        ".await",
        "tokio",
        "kube::",
        "Instant::now",
        "SystemTime",
        "Timestamp::now",
        "RandomState",
        "rand::",
        "Uuid::new",
        "std::fs",
        "std::net",
        "std::env",
    ];
    let mut breaches = Vec::new();
    for (file, text) in files(&pure).into_iter().filter(|(file, _)| !file.ends_with("tests.rs")) {
        for (line, content) in code(&text) {
            breaches.extend(
                banned.iter().filter(|word| content.contains(**word)).map(|word| format!("{file}:{line}: {word}")),
            );
        }
    }
    none("no IO, clock, randomness or async in components, merge, check, plan, report, history and secrets", &breaches);
}

#[test]
fn only_the_command_line_prints_and_reads_the_environment() {
    let mut breaches = Vec::new();
    for (file, text) in files(&["src", "components/src", "merge/src", "embedded/src"]) {
        if file.starts_with("src/cli/") || file == "src/main.rs" {
            continue;
        }
        for (line, content) in code(&text) {
            let words = ["println!", "print!(", "eprint", "env::var", "env::args", "env::current_dir", "process::exit"];
            breaches.extend(
                words.iter().filter(|word| content.contains(**word)).map(|word| format!("{file}:{line}: {word}")),
            );
        }
    }
    none("only src/cli prints, reads the environment or ends the process", &breaches);
}

#[test]
fn no_room_is_a_heap() {
    let heaps = ["utils", "util", "common", "helpers", "helper", "misc", "core"];
    let mut breaches = Vec::new();
    for (file, _) in files(&["."]) {
        let stem = |part: &str| part.trim_end_matches(".rs").to_owned();
        if file.split('/').any(|part| heaps.contains(&stem(part).as_str())) {
            breaches.push(file);
        }
    }
    none("a room is named for what is in it", &breaches);
}

#[test]
fn nothing_is_left_unfinished() {
    let mut breaches = Vec::new();
    for (file, text) in files(&["."]) {
        if file == "tests/tree.rs" {
            continue;
        }
        for (at, line) in text.lines().enumerate() {
            for word in ["todo!(", "unimplemented!(", "#[ignore", "FIXME", "XXX"] {
                if line.contains(word) {
                    breaches.push(format!("{file}:{}: {word}", at + 1));
                }
            }
        }
    }
    none("no unfinished marks, no ignored tests", &breaches);
}
