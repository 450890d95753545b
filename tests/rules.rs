//! The pages about rules say what the code says. `SNAPSHOTS=overwrite cargo test --test rules` writes them.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use snapbox::assert::{Assert, DEFAULT_ACTION_ENV};
use snapbox::data::Data;
use strata::check::rules;
use strata::check::waivers::can_be_waived;
use strata::finding::{Level, Rule};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

#[track_caller]
fn same(file: &str, page: String) {
    let path = docs().join(file);
    Assert::new().action_env(DEFAULT_ACTION_ENV).eq(Data::text(page).raw(), Data::read_from(&path, None).raw());
}

fn of_load(rule: &Rule) -> bool {
    rule.id.starts_with("S-load-")
}

/// What follows from a finding of the rule.
fn consequence(rule: &Rule) -> &'static str {
    match rule.level {
        Level::Error if of_load(rule) => "every command ends with exit code 1",
        Level::Error => "every command that would go on ends with exit code 4",
        Level::Warning => "nothing is stopped, but it should be looked at",
        Level::Note => "nothing is stopped; it is worth knowing",
    }
}

#[test]
fn every_rule_has_a_page() {
    let mut expect: BTreeSet<String> = BTreeSet::new();
    for rule in rules::all() {
        let waiver = if can_be_waived(rule.id) {
            "\nThe rule can be waived: a [waiver](../stack-file.md#a-waiver) in the stack makes its findings notes that \
             show the reason.\n"
        } else {
            ""
        };
        let page = format!(
            "# {}: {}\n\nLevel: {} ({}).\n\n{}\n\n## What to do\n\n{}\n{waiver}",
            rule.id,
            rule.title,
            rule.level,
            consequence(&rule),
            rule.meaning,
            rule.remedy
        );
        same(&format!("rules/{}.md", rule.id), page);
        expect.insert(format!("{}.md", rule.id));
    }
    let there =
        fs::read_dir(docs().join("rules")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), expect, "pages of rules that are gone");
}

#[test]
fn the_index_of_rules_is_complete() {
    let mut page = String::from(
        "# Rules\n\nEvery finding names its rule. An id keeps its meaning for ever. Rules of `S-load` are about files, \
         types and references: an error ends the command with exit code 1. All others are proven by `strata check` and \
         by every command that begins with it: an error ends the command with exit code 4. Warnings and notes end \
         nothing.\n\nThis page, and a page for each rule, are made of the program's own list; a test compares them.\n\n\
         | rule | level | waiver | what it finds |\n|---|---|---|---|\n",
    );
    for rule in rules::all() {
        let waiver = if can_be_waived(rule.id) { "yes" } else { "" };
        page += &format!("| [{0}](rules/{0}.md) | {1} | {waiver} | {2} |\n", rule.id, rule.level, rule.title);
    }
    same("rules.md", page);
}

/// Rules about what no file says, so that no finding has a place in one: files that are not opened or not read, words of the
/// command line, and the rights that a live cluster grants.
const OF_NO_FILE: [&str; 8] =
    ["S-load-001", "S-load-002", "S-load-030", "S-load-031", "S-load-032", "S-load-033", "S-reach-015", "S-stack-002"];

/// The outputs of `check` that tests compare, by the name of their file.
fn compared() -> BTreeMap<String, String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut programs = String::new();
    for file in [
        "bad_input.rs",
        "check.rs",
        "policies.rs",
        "proofs/across.rs",
        "proofs/files.rs",
        "proofs/live.rs",
        "proofs/programs.rs",
    ] {
        programs += &fs::read_to_string(tests.join(file)).unwrap();
    }
    let mut compared = BTreeMap::new();
    for room in ["bad_input", "check", "policies", "proofs"] {
        for entry in fs::read_dir(tests.join("golden").join(room)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            // One that no test names is compared with nothing.
            if programs.contains(&format!("\"{name}\"")) || programs.contains(&format!("/{name}.txt\"")) {
                compared.insert(format!("{room}/{name}"), fs::read_to_string(path).unwrap());
            }
        }
    }
    compared
}

/// What is said of a rule in an output: each finding with its lines, up to the next.
fn findings<'a>(rule: &Rule, output: &'a str) -> Vec<&'a str> {
    let heading = format!("{}[{}]: ", rule.level, rule.id);
    output.split("\n\n").filter(|part| part.lines().any(|line| line.starts_with(&heading))).collect()
}

#[test]
fn every_rule_is_broken_on_purpose() {
    let compared = compared();
    let mut lacking = Vec::new();
    for rule in rules::all() {
        let said: Vec<&str> = compared.values().flat_map(|output| findings(&rule, output)).collect();
        let placed = said.iter().any(|finding| finding.contains("--> "));
        if said.is_empty() {
            lacking.push(format!("{}: no stack in tests/ breaks it", rule.id));
        } else if placed == OF_NO_FILE.contains(&rule.id) {
            lacking.push(format!("{}: {} finding names a file and a line", rule.id, if placed { "a" } else { "no" }));
        }
        let mute = said.iter().find(|finding| !finding.contains("= help: "));
        if let Some(finding) = mute {
            lacking.push(format!("{}: a finding does not say what to do: {finding}", rule.id));
        }
    }
    assert_eq!(lacking, Vec::<String>::new());
}
