//! Carries a document out, in a directory of its own.
//!
//! | fence | what is done |
//! |---|---|
//! | `console` | each line that begins with `$ ` is run; the lines below it are its answer |
//! | `diff` | in the file behind `+++`, the lines without a sign and with `-` become those without a sign and with `+` |
//! | `yaml` whose first line is a comment with a path | the file is written |
//! | others | nothing |
//!
//! A command must end well, unless the line goes on with `; echo $?`: then its code is part of the answer. A line with
//! nothing but `…` stands for any lines. What is another each time (durations, times of day, ports, names of pods) is
//! compared by its form.

#![allow(dead_code, reason = "each test that carries documents out uses what it needs")]

mod kubectl;
mod shell;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use shell::Shell;

/// Reads a document of the repository and does what it says, in a directory with these files of the repository.
///
/// # Panics
///
/// Where an answer is not what the document says. With `SNAPSHOTS=overwrite` the document is written anew.
#[track_caller]
pub(crate) fn carry_out(document: &str, files: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"));
    let mut shell = Shell::new();
    for file in files {
        shell.write(file, &fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap());
    }
    let (mut written, mut wrong, mut done) = (Vec::new(), Vec::new(), 0);
    let mut lines = text.lines().map(str::to_owned);
    while let Some(line) = lines.next() {
        let language = line.strip_prefix("```").map(str::to_owned);
        written.push(line);
        let Some(language) = language else { continue };
        let block: Vec<String> = lines.by_ref().take_while(|line| line != "```").collect();
        match language.as_str() {
            "console" => {
                for step in block.chunk_by(|_, next| !next.starts_with("$ ")) {
                    let command =
                        step[0].strip_prefix("$ ").unwrap_or_else(|| panic!("{document}: no prompt: {step:?}"));
                    let shown = &step[1..];
                    let said = shell.run(command, shown.len());
                    let said: Vec<String> = said.lines().map(str::to_owned).collect();
                    done += 1;
                    written.push(step[0].clone());
                    if same(shown, &said) {
                        written.extend_from_slice(shown);
                    } else {
                        wrong.push(format!("$ {command}\n{}\n", said.join("\n")));
                        written.extend(shortened(shown, &said));
                    }
                }
            }
            "diff" => shell.edit(&block),
            "yaml" => {
                if let Some(file) = block[0].strip_prefix("# ").filter(|first| first.ends_with(".yaml")) {
                    shell.write(file, &(block.join("\n") + "\n"));
                }
            }
            _ => {}
        }
        if language != "console" {
            written.extend(block);
        }
        written.push("```".to_owned());
    }
    assert!(done > 0, "{document} has nothing to carry out");
    if std::env::var_os("SNAPSHOTS").is_some_and(|action| action == "overwrite") {
        fs::write(&path, written.join("\n") + "\n").unwrap();
    } else {
        let how = "SNAPSHOTS=overwrite cargo test --test walkthroughs writes it anew";
        assert!(wrong.is_empty(), "{document} says otherwise than ({how}):\n{}", wrong.join("\n"));
    }
}

/// Whether this machine has kubectl; without it, a few of its requests are sent in its name.
pub(crate) fn has_kubectl() -> bool {
    kubectl::here().is_some()
}

/// Whether an answer is what a document shows of it.
fn same(shown: &[String], said: &[String]) -> bool {
    match shown.split_first() {
        None => said.is_empty(),
        Some((line, rest)) if line == "…" => (0..=said.len()).any(|skipped| same(rest, &said[skipped..])),
        Some((line, rest)) => {
            said.split_first().is_some_and(|(first, others)| form(line) == form(first) && same(rest, others))
        }
    }
}

/// An answer as long as it was shown: as many lines before and after what is left out.
fn shortened(shown: &[String], said: &[String]) -> Vec<String> {
    let (before, after) = (shown.iter().position(|line| line == "…"), shown.iter().rposition(|line| line == "…"));
    let (Some(before), Some(after)) = (before, after) else { return said.to_vec() };
    let after = shown.len() - after - 1;
    if before + after >= said.len() {
        return said.to_vec();
    }
    [&said[..before], &["…".to_owned()], &said[said.len() - after..]].concat()
}

/// A line with what is another each time in its form alone.
fn form(line: &str) -> String {
    static FORMS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        [
            (r"\d{4}-\d\d-\d\d[T ][0-9:.]+Z?", "<time>"),
            (r"\[ *\d+\.\d+ s\]", "[<after>]"),
            (r"\b\d+(\.\d+)?( s| ms|s|m)\b", "<duration>"),
            (r"127\.0\.0\.1:\d+", "<address>"),
            (r"-[0-9a-z]{8,10}-[0-9a-z]{5}\b", "-<pod>"),
            (" {2,}", "  "),
        ]
        .map(|(form, name)| (Regex::new(form).unwrap(), name))
        .into()
    });
    let text = FORMS.iter().fold(line.to_owned(), |text, (form, name)| form.replace_all(&text, *name).into_owned());
    text.trim_end().to_owned()
}
