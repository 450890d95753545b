//! The page that lists every rule says what the code says. `SNAPSHOTS=overwrite cargo test --test rules` writes it.

use std::path::Path;

use snapbox::assert::{Assert, DEFAULT_ACTION_ENV};
use snapbox::data::Data;
use strata::check::rules;

#[test]
fn the_page_of_rules_is_complete() {
    let mut page = String::from(
        "# Rules\n\nEvery finding names its rule. An id keeps its meaning for ever. Rules of `S-load` are about files, \
         types and references: an error ends the command with exit code 1. All others are proven by `strata check` and \
         by every command that begins with it: an error ends the command with exit code 4. Warnings and notes end \
         nothing.\n\nThis page is made of the program's own list; a test compares the two.\n",
    );
    for rule in rules::all() {
        page += &format!(
            "\n## {}: {}\n\nLevel: {}. {}\n\nWhat to do: {}\n",
            rule.id, rule.title, rule.level, rule.meaning, rule.remedy
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md");
    Assert::new().action_env(DEFAULT_ACTION_ENV).eq(Data::text(page).raw(), Data::read_from(&path, None).raw());
}
