//! What a shell is offered, asked in the way that the scripts of `strata completions` ask.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod story;

use std::path::Path;

use snapbox::cmd::Command;
use story::Story;

/// What fish is offered for the last word, with what is said of each.
#[track_caller]
fn offered(story: &Story, line: &str) -> Vec<String> {
    let output = Command::new(Path::new(env!("CARGO_BIN_EXE_strata")))
        .arg("--")
        .args(line.split(' '))
        .env_clear()
        .env("STRATA_COMPLETE", "fish")
        .current_dir(story.path())
        .output()
        .unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()), "{line}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The same without what is said.
#[track_caller]
fn names(story: &Story, line: &str) -> Vec<String> {
    offered(story, line).into_iter().map(|one| one.split('\t').next().unwrap().to_owned()).collect()
}

fn shop() -> Story {
    let story = Story::new();
    story
        .file(
            "stacks/shop.yaml",
            "stack: shop\nnamespace: shop\ndescription: A shop.\nphases: [ground, front]\ntiers: {all: {ports: 9000-9009}}\n\
             services:\n  cart: {tier: all, port: 9000, purpose: What is bought}\n  mail: {tier: all, port: 9001}\n",
        )
        .file("stacks/store.yaml", "stack: store\n")
        .file(
            "environments/lab.yaml",
            "environment: lab\nclusters: {here: {embedded: {}}, far: {context: far-away}}\ndefault_cluster: here\n",
        );
    story
}

#[test]
fn names_of_the_files_are_offered() {
    let story = shop();
    assert_eq!(names(&story, "strata pl"), ["plan"]);
    assert_eq!(offered(&story, "strata plan s"), ["shop\tA shop.", "store"]);
    assert_eq!(names(&story, "strata plan shop --env "), ["lab"]);
    assert_eq!(names(&story, "strata plan shop -e "), ["lab"]);
    assert_eq!(offered(&story, "strata plan shop -e lab --target "), ["cart\tWhat is bought", "mail"]);
    assert_eq!(names(&story, "strata plan --target=m shop -e lab --target=m"), ["--target=mail"]);
    assert_eq!(names(&story, "strata plan shop -e lab --cluster "), ["context:far-away", "embedded"]);
    assert_eq!(names(&story, "strata reach shop -e lab c"), ["cart"]);
    assert_eq!(names(&story, "strata reach shop -e lab cart d"), ["dns"]);
    assert_eq!(names(&story, "strata plan shop -e lab -o m"), ["markdown"]);
    // From elsewhere, by the option that says where the files are.
    let elsewhere = Story::new();
    let root = story.path().to_str().unwrap();
    assert_eq!(names(&elsewhere, &format!("strata --root {root} plan s")), ["shop", "store"]);
}

#[test]
fn nothing_is_offered_and_nothing_said_where_files_are_broken() {
    for stack in ["stack: [", "\u{1b}[31m: x", "a: &a [*a, *a]", "services: [1, 2]", "services: {\"a\\nb\": {}}"] {
        let story = shop();
        story.file("stacks/shop.yaml", stack);
        assert_eq!(names(&story, "strata plan shop -e lab --target "), Vec::<String>::new(), "{stack}");
        assert_eq!(names(&story, "strata plan sh"), ["shop"]);
    }
    let nowhere = Story::new();
    assert_eq!(names(&nowhere, "strata plan shop -e lab --target "), Vec::<String>::new());
    assert_eq!(names(&nowhere, "strata --root gone plan shop -e "), Vec::<String>::new());
    nowhere.file("stacks", "no directory");
    assert_eq!(names(&nowhere, "strata status shop -e "), Vec::<String>::new());
}

#[test]
fn every_shell_has_a_script_that_asks() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, script, err) = shop().run(&["completions", shell]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(script.contains("STRATA_COMPLETE") && script.contains("strata"), "{script}");
    }
}
