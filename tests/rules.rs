//! The pages about rules say what the code says. `SNAPSHOTS=overwrite cargo test --test rules` writes them.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::collections::BTreeSet;
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
