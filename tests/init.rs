//! A directory to begin with: what `strata init` writes, that it works as it is, and what it leaves alone.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod story;

use std::fs;

use story::{Story, golden};

/// What stands in every file, but for the schemas, which the program prints.
fn texts(story: &Story, below: &str) -> String {
    let mut text = String::new();
    for file in story.files().iter().filter(|file| file.starts_with(below) && !file.ends_with(".json")) {
        // A link that leads nowhere is there, too.
        let content = fs::read_to_string(story.path().join(file)).unwrap_or_default();
        text += &format!("### {file}\n{content}");
    }
    text
}

#[test]
fn a_new_root_works_as_it_is() {
    let story = Story::new();
    let mut told = story.transcript("init shop");
    told += &story.transcript("check shop -e development --root shop");
    golden("init/first.txt", told);
    golden("init/files.txt", texts(&story, "shop/"));
    for what in ["stack", "environment"] {
        let written = fs::read_to_string(story.path().join(format!("shop/schemas/{what}.json"))).unwrap();
        assert_eq!(written, story.run(&["schema", what]).1);
    }

    let (code, out, _) = story.run(&["up", "shop", "-e", "development", "--yes", "--root", "shop"]);
    assert_eq!(code, 0, "{out}");
    let planned = story.run(&["plan", "shop", "-e", "development", "--detailed-exitcode", "--root", "shop"]);
    assert_eq!(planned.0, 0, "{}", planned.1);
    let left = fs::read_to_string(story.path().join("shop/.gitignore")).unwrap();
    assert!(left.lines().any(|line| line == "/.strata/") && story.path().join("shop/.strata").is_dir());
}

#[test]
fn names_can_be_chosen() {
    let story = Story::new();
    golden("init/named.txt", story.transcript("init deep/er --stack till --env tests-7"));
    golden("init/named-files.txt", texts(&story, "deep/"));
    assert_eq!(story.run(&["check", "till", "-e", "tests-7", "--root", "deep/er"]).0, 0);
}

/// The stack of a directory with this name.
#[track_caller]
fn called(dir: &str, stack: &str) {
    let story = Story::new();
    assert_eq!(story.run(&["init", dir]).0, 0, "{dir}");
    let written = story.path().join(dir).join(format!("stacks/{stack}.yaml"));
    assert!(written.exists(), "{dir}: {:?}", story.files());
}

#[test]
fn a_stack_is_called_like_its_directory_as_far_as_it_can() {
    called("shop", "shop");
    called("shop/", "shop");
    called("My Shop (2)", "my-shop-2");
    called("2026-shop_of.mine", "shop-of-mine");
    called("läden", "l-den");
    called("über", "ber");
}

#[test]
fn the_directory_may_be_there() {
    let story = Story::new();
    story.file("shop/.git/config", "").file("shop/LICENSE", "mine\n");
    let inside = story.path().join("shop");
    let output = snapbox::cmd::Command::new(env!("CARGO_BIN_EXE_strata"))
        .args(["init", "."])
        .env_clear()
        .current_dir(&inside)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, ".: the stack shop and the environment development\nnext: strata up shop -e development\n");
    assert!(inside.join("stacks/shop.yaml").exists());
}

/// Refused, in these words, and with everything as it was.
#[track_caller]
fn refused(name: &str, story: &Story, line: &str) {
    let before = (story.files(), texts(story, ""));
    golden(&format!("init/{name}.txt"), story.transcript(line));
    assert_eq!((story.files(), texts(story, "")), before);
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left_half_done() {
    let story = Story::new();
    story.file("shop/README.md", "mine\n").file("shop/stacks/other.yaml", "mine\n").file("file", "mine\n");
    refused("in-the-way", &story, "init shop");
    refused("a-file", &story, "init file");
    refused("below-a-file", &story, "init file/shop");
    refused("twice", &story, "init new --root shop");

    std::os::unix::fs::symlink("nowhere", story.path().join("shop/.gitignore")).unwrap();
    refused("link", &story, "init shop");
}

#[test]
fn names_that_no_stack_can_have() {
    let story = Story::new();
    refused("no-name", &story, "init 2026");
    refused("no-name-dots", &story, "init nowhere/..");
    refused("bad-name", &story, "init shop --stack Shop");
    refused("taken", &story, "init default");
    let long = format!("init {} --env {}", "s".repeat(60), "e".repeat(60));
    refused("long-names", &story, &long);
    assert!(!story.path().join("s".repeat(60)).exists());
}
