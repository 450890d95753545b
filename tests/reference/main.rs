//! The reference in docs/reference/ and the manual in docs/man/ say what the code says, and the examples of help texts are
//! lines that can be typed. `SNAPSHOTS=overwrite cargo test --test reference` writes the pages.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod fields;
#[path = "../story/mod.rs"]
mod story;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory, Parser};
use serde_json::Value;
use snapbox::assert::{Assert, DEFAULT_ACTION_ENV};
use snapbox::data::Data;
use story::{Story, golden};
use strata::cli::Cli;
use strata::cli::examples::{self, Example};
use strata::components::model::schema;
use strata::plan::PLAN_FORMAT;
use strata::report::events::{self, EVENTS_FORMAT};
use strata::{exit, plan};

fn docs(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(below)
}

#[track_caller]
fn same(path: &Path, page: String) {
    Assert::new().action_env(DEFAULT_ACTION_ENV).eq(Data::text(page).raw(), Data::read_from(path, None).raw());
}

/// The program's command, with what clap adds to it; help is not told of.
fn command() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// Every command below, with its words behind the program's name.
fn every<'a>(command: &'a Command, above: &str, found: &mut Vec<(String, &'a Command)>) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        let words = format!("{above} {}", below.get_name()).trim().to_owned();
        found.push((words.clone(), below));
        every(below, &words, found);
    }
}

fn commands(command: &Command) -> Vec<(String, &Command)> {
    let mut found = Vec::new();
    every(command, "", &mut found);
    found
}

/// Text as a page has it in one paragraph or cell; what looks like a tag is none.
fn plain(text: impl ToString) -> String {
    text.to_string().replace('<', "&lt;").replace('|', "\\|").replace('\n', " ").trim().to_owned()
}

/// An argument as it is typed: `-e`, `--env ENV`.
fn typed(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let takes_value = arg.get_action().takes_values();
    let value = value.filter(|_| takes_value);
    match (arg.get_short(), arg.get_long(), value) {
        (None, None, value) => format!("`{}`", value.unwrap_or_default()),
        (short, long, value) => {
            let short = short.map(|short| format!("-{short}"));
            let long = long.map(|long| format!("--{long}"));
            let names: Vec<String> = short.into_iter().chain(long).collect();
            let value = value.map(|value| format!(" {value}")).unwrap_or_default();
            format!("`{}{value}`", names.join(", "))
        }
    }
}

/// What an argument means, with what it can be and what it is without.
fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help()).map(plain).unwrap_or_default();
    let mut text = if help.ends_with(['.', '?']) || help.is_empty() { help } else { format!("{help}.") };
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set() && arg.get_action().takes_values())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({})", value.get_name(), plain(help)),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        let _ = write!(text, " One of {}.", values.join(", "));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        let _ = write!(text, " Without it {}.", defaults.join(", "));
    }
    text
}

/// The arguments of a command that are its own, as a table.
fn arguments<'a>(of: impl Iterator<Item = &'a Arg>) -> String {
    let rows: Vec<String> = of
        .filter(|arg| !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version")
        .map(|arg| {
            let required = if arg.is_required_set() { "required" } else { "" };
            format!("| {} | {required} | {} |\n", typed(arg), meaning(arg))
        })
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        format!("\n| argument | | meaning |\n|---|---|---|\n{}", rows.concat())
    }
}

#[test]
fn the_page_of_commands_is_what_the_program_takes() {
    let command = command();
    let mut page = format!(
        "# Commands\n\n{}. Every command shows the same with `--help`. This page is made of the program's own \
         definitions; a test compares them.\n\n",
        command.get_about().unwrap()
    );
    let all = commands(&command);
    page += "| command | does |\n|---|---|\n";
    for (words, of) in &all {
        let anchor = format!("strata-{}", words.replace(' ', "-"));
        let _ = writeln!(page, "| [`strata {words}`](#{anchor}) | {} |", plain(of.get_about().unwrap()));
    }
    page += "\n## Everywhere\n\nThese stand before or behind any command.\n";
    page += &arguments(command.get_arguments().filter(|arg| arg.is_global_set()));
    page += "\n[Exit codes](../exit-codes.md) are the same everywhere.\n";
    for (words, of) in &all {
        let _ = write!(page, "\n## strata {words}\n\n{}.\n", of.get_about().unwrap());
        let mut of_usage = (*of).clone();
        let usage = of_usage.render_usage().to_string().replace("Usage: ", "");
        let _ = write!(page, "\n```text\n{}\n```\n", usage.trim());
        page += &arguments(of.get_arguments().filter(|arg| !arg.is_global_set()));
        let help = of.get_after_help().map(ToString::to_string).unwrap_or_default();
        for paragraph in help.split("\n\n").filter(|part| !part.starts_with("Examples:") && !part.is_empty()) {
            let _ = write!(page, "\n{}\n", paragraph.replace('<', "&lt;"));
        }
        let lines: Vec<String> =
            examples::of(words).iter().map(|Example { says, line }| format!("# {says}\n{line}\n")).collect();
        if !lines.is_empty() {
            let _ = write!(page, "\n```sh\n{}```\n", lines.join(""));
        }
    }
    same(&docs("reference/commands.md"), page);
}

/// The page of a file, a plan or an event.
#[track_caller]
fn made_of_schema(file: &str, title: &str, opening: &str, schema: &Value, tag: Option<&str>) {
    let made = "This page is made of the JSON Schema that the program publishes; a test compares them.";
    same(&docs(&format!("reference/{file}")), fields::page(title, &format!("{opening}\n\n{made}"), schema, tag));
}

#[test]
fn the_pages_of_files_are_what_the_decoder_takes() {
    let opening = "The exact form of every member of a stack file. What they are for, and when to use which, is told in \
                   [the stack file](../stack-file.md).";
    made_of_schema("stack-file.md", "The form of a stack file", opening, &schema::stack(), None);
    let opening = "The exact form of every member of an environment file. What they are for, and when to use which, is \
                   told in [the environment file](../environment-file.md).";
    made_of_schema("environment-file.md", "The form of an environment file", opening, &schema::environment(), None);
}

#[test]
fn the_pages_of_plans_and_events_are_what_the_program_says() {
    let opening = format!(
        "What `strata plan -o json` and `strata show -o json` print, and the member `plan` of a saved plan: \
         `{PLAN_FORMAT}`. A step of each action, from real runs, is in [examples](plan-examples.md); what may change \
         within a version is told in [JSON](json.md)."
    );
    made_of_schema("plan.md", "The form of a plan", &opening, &plan::json_schema().to_value(), None);
    let opening = format!(
        "A line of what `up`, `destroy` and `rollback` print with `-o json`: `{EVENTS_FORMAT}`. In which order they come \
         is told in [events](../events.md)."
    );
    made_of_schema("events.md", "The form of an event", &opening, &events::json_schema(), Some("event"));
}

/// What is different of a schema without its prose.
fn bare(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            // A property may be called so too, and is no text then.
            members.retain(|name, value| name != "description" || !value.is_string());
            members.values_mut().for_each(|value| *value = bare(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| *value = bare(value.take())),
        _ => {}
    }
    schema
}

/// Whoever reads plans rests on their form: another form is another version, and gets a file of its own. What may change
/// within one is in docs/reference/json.md.
#[test]
fn the_schema_of_plans_is_what_was_published_as_this_version() {
    let file = format!("tests/golden/schema/{}.json", PLAN_FORMAT.replace('/', "-"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let now = plan::json_schema().to_value();
    let published = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let published = published.unwrap_or_else(|| panic!("write `strata schema plan` to {}", path.display()));
    let (before, after) = (bare(published), bare(now.clone()));
    let mut breaches = Vec::new();
    broken("", &before, &after, &mut breaches);
    assert!(
        breaches.is_empty(),
        "raise PLAN_FORMAT and write `strata schema plan` to a file of that name, because readers rest on:\n{}",
        breaches.join("\n")
    );
    // Nothing that readers rest on has changed, so that the file may be written anew.
    if after != before {
        same(&path, serde_json::to_string_pretty(&now).unwrap() + "\n");
    }
}

/// What of a form a reader rests on and is otherwise: everything but members that have come and may be absent.
fn broken(at: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for name in names {
                let here = format!("{at}/{name}");
                match (before.get(name), after.get(name)) {
                    (Some(before), Some(after)) => broken(&here, before, after, found),
                    (None, Some(_)) if at.ends_with("/properties") || at == "/$defs" => {}
                    _ => found.push(here),
                }
            }
        }
        (before, after) if before == after => {}
        _ => found.push(at.to_owned()),
    }
}

#[test]
fn the_page_of_exit_codes_names_each() {
    let rows: Vec<String> = exit::ALL.iter().map(|(code, means)| format!("| {code} | {means} |")).collect();
    let page = fs::read_to_string(docs("exit-codes.md")).unwrap();
    let told: Vec<&str> = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| code")).collect();
    assert_eq!(told, rows);
}

/// The words of a line as a shell takes them, up to where another program begins.
fn words(line: &str) -> Vec<&str> {
    let line = line.trim_start_matches("source <(").trim_end_matches(')');
    line.split_whitespace().take_while(|word| !["|", ">", "&&"].contains(word)).collect()
}

#[test]
fn every_command_has_examples_that_can_be_typed() {
    let command = command();
    let mut wrong = Vec::new();
    let mut told: BTreeSet<&str> = examples::EXAMPLES.iter().map(|(words, _)| *words).collect();
    for (words, of) in commands(&command) {
        told.remove(words.as_str());
        if of.has_subcommands() {
            continue;
        }
        if examples::of(&words).is_empty() {
            wrong.push(format!("strata {words}: no examples; add them to src/cli/examples.rs"));
        }
        let help = of.clone().render_long_help().to_string();
        for Example { says, line } in examples::of(&words) {
            if !help.contains(line) || !help.contains(says) {
                wrong.push(format!("strata {words}: its help does not show `{line}`"));
            }
            let typed = self::words(line);
            if !typed.join(" ").starts_with(&format!("strata {words}")) {
                wrong.push(format!("{line}: is about another command than {words}"));
            }
            if let Err(error) = Cli::try_parse_from(&typed) {
                wrong.push(format!("{line}: {error}"));
            }
        }
    }
    wrong.extend(told.into_iter().map(|words| format!("{words}: there is no such command")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Examples of these do nothing without a terminal, a real cluster, a repository, or something that an earlier run left;
/// stories are told of them.
const NEED_MORE: [&str; 13] = [
    "up",
    "destroy",
    "status",
    "history",
    "unlock",
    "diff",
    "rollback",
    "show",
    "sign",
    "affected",
    "cluster serve",
    "cluster reset",
    "cluster kubeconfig",
];

#[test]
fn examples_do_what_they_say() {
    let story = Story::shipped();
    for (words, examples) in examples::EXAMPLES.iter().filter(|(words, _)| !NEED_MORE.contains(words)) {
        for Example { line, .. } in *examples {
            let typed = self::words(line);
            let (code, out, err) = story.run(&typed[1..]);
            assert_eq!(code, i32::from(exit::OK), "{line}\n{out}{err}");
            assert!(!out.is_empty() || !err.is_empty(), "{words}: {line} says nothing");
        }
    }
}

#[test]
fn without_a_command_it_says_where_to_begin() {
    let story = Story::new();
    golden("usage/begin-nowhere.txt", story.transcript(""));
    golden("usage/begin.txt", Story::shipped().transcript(""));
    golden("usage/unknown-command.txt", story.transcript("plna sophia -e testing"));
    golden("usage/unknown-option.txt", story.transcript("plan sophia -e testing --targt ai_memory"));
    golden("usage/no-environment.txt", Story::shipped().transcript("plan sophia"));
    golden("usage/nothing-named.txt", Story::shipped().transcript("check"));
    golden("usage/nothing-here.txt", story.transcript("check"));
}

#[test]
fn the_manual_is_of_this_program() {
    let command = command();
    let folder = docs("man");
    let mut expect = BTreeSet::new();
    let all = commands(&command);
    for (words, of) in [(String::new(), &command)].into_iter().chain(all.iter().map(|(words, of)| (words.clone(), *of)))
    {
        let name = format!("strata {words}").trim().replace(' ', "-");
        // The name of a command is known for as long as the program runs.
        let page_name: &'static str = Box::leak(name.clone().into_boxed_str());
        let of = of.clone().name(page_name).version(env!("CARGO_PKG_VERSION"));
        let mut page = Vec::new();
        // A date would make another page of the same program.
        clap_mangen::Man::new(of)
            .date("")
            .source(concat!("strata ", env!("CARGO_PKG_VERSION")))
            .manual("strata")
            .render(&mut page)
            .unwrap();
        // Of an empty date nothing is left, not even its place.
        let text = String::from_utf8(page).unwrap();
        let text = text.replacen(&format!(".TH {name} 1  "), &format!(".TH {name} 1 \"\" "), 1);
        same(&folder.join(format!("{name}.1")), text);
        expect.insert(format!("{name}.1"));
    }
    let there = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), expect, "pages of commands that are gone");
}
