//! The image that the Containerfile describes is one of this program: it starts what cargo builds, says the port that the
//! program listens on by itself, and has nothing beside it.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]
#![allow(clippy::disallowed_methods, reason = "the program is asked for its help")]

use std::path::Path;
use std::process::Command;

/// The instructions of a stage: each with its words.
fn stage(from: &str) -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("../Containerfile").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let instructions: Vec<_> = lines.filter_map(|line| line.split_once(' ')).collect();
    let begins = instructions.iter().position(|(word, rest)| *word == "FROM" && rest.starts_with(from)).unwrap();
    let stage = instructions.iter().skip(begins);
    stage.enumerate().take_while(|(at, (word, _))| *at == 0 || *word != "FROM").map(|(_, one)| *one).collect()
}

#[test]
fn the_image_is_this_program_and_nothing_else() {
    let program = Path::new(env!("CARGO_BIN_EXE_network-monitor"));
    let name = program.file_stem().unwrap().to_str().unwrap();
    let help = Command::new(program).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, port) = help.split_once("[default: 127.0.0.1:").unwrap();
    let port = port.split(']').next().unwrap();

    let copy = format!("--from=build /source/target/release/{name} /{name}");
    let entry = format!("[\"/{name}\"]");
    let expect = [
        ("FROM", "scratch"),
        ("COPY", copy.as_str()),
        ("USER", "65532:65532"),
        ("EXPOSE", port),
        ("ENTRYPOINT", entry.as_str()),
    ];
    assert_eq!(stage("scratch"), expect);
}

#[test]
fn it_is_built_by_a_compiler_of_one_version_that_the_sources_take() {
    let build = stage("docker.io/library/rust:");
    let compiler = build[0].1.strip_prefix("docker.io/library/rust:").unwrap().strip_suffix(" AS build").unwrap();
    let (version, alpine) = compiler.split_once("-alpine").unwrap();
    let numbers = |text: &str| text.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    assert_eq!((numbers(version).len(), numbers(alpine).len()), (3, 2), "{compiler}");
    assert!(numbers(version) >= numbers(env!("CARGO_PKG_RUST_VERSION")), "{compiler}");
    let run = format!("cargo build --release --locked --package {}", env!("CARGO_PKG_NAME"));
    assert_eq!(build.last(), Some(&("RUN", run.as_str())));
}
