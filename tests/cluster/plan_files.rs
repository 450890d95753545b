//! Files for plans that are none, or cannot be: each is refused with the reason, and nothing is left half written. In the
//! embedded cluster, because no other is asked.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::support::{ENVIRONMENT, NAME, STACK};
use crate::story::Story;

const WHERE: &str = "plan-files";

fn story() -> Story {
    let story = Story::new();
    story.file(&format!("stacks/{WHERE}.yaml"), STACK.replace(NAME, WHERE));
    story.file("environments/testing.yaml", ENVIRONMENT);
    story
}

/// Runs a command about the stack; its exit code, and what it wrote to standard error.
fn run(story: &Story, command: &str, more: &[&str]) -> (i32, String) {
    let (code, _, err) = story.run(&[&[command, WHERE, "-e", "testing", "--quiet"], more].concat());
    (code, err)
}

/// What is said of a file for a plan that is to be carried out, with what to do next.
#[track_caller]
fn check_read(story: &Story, file: &str, reason: &str, next: &str) {
    let next = if next.is_empty() { String::new() } else { format!("next: {next}\n") };
    let told = format!("error: reading the saved plan {file}\n  because {reason}\n{next}");
    assert_eq!(run(story, "up", &["--yes", "--plan", file]), (1, told));
}

/// What is said of a file that a plan is to be saved as; nothing comes, goes or changes.
#[track_caller]
fn check_write(story: &Story, file: &str, reason: &str) {
    let before = held(story);
    let told = format!("error: saving the plan as {file}\n  because {reason}\n");
    assert_eq!(run(story, "plan", &["--save", file]), (1, told));
    assert_eq!(held(story), before, "{file}");
}

/// The files of the story but for its cluster, each with its size.
fn held(story: &Story) -> Vec<(String, u64)> {
    let files = story.files().into_iter().filter(|file| !file.starts_with(".strata/"));
    files
        .map(|file| (fs::metadata(story.path().join(&file)).unwrap().len(), file))
        .map(|(size, file)| (file, size))
        .collect()
}

/// A FIFO that nobody reads or writes: who opens it waits for ever.
fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// A saved plan with something replaced and a digest that fits.
fn sealed_anew(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from}");
    let (body, _) = text.rsplit_once(",\n  \"digest\": ").unwrap();
    let body = body.replace(from, to);
    let digest: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{body},\n  \"digest\": \"sha256:{digest}\"\n}}\n")
}

#[test]
fn what_is_no_plan_is_not_carried_out() {
    const NEW: &str = "save a new plan with `strata plan --save FILE`";
    const NEWER: &str = "use the program that wrote it, or save a new plan with this one";
    let story = story();
    assert_eq!(run(&story, "plan", &["--save", "good.plan"]), (0, String::new()));
    let good = fs::read_to_string(story.path().join("good.plan")).unwrap();
    fifo(&story.path().join("pipe"));
    story.file("empty", "");
    File::create(story.path().join("large")).unwrap().set_len(100 << 20).unwrap();
    story.file("short", &good[..good.len() / 2]);
    story.file("longer", format!("{good}\n"));
    story.file("altered", good.replace("\"force_conflicts\": false", "\"force_conflicts\": true"));
    story.file("newer", sealed_anew(&good, "\"version\": 1,", "\"version\": 2,"));
    story.file("printed", story.run(&["plan", WHERE, "-e", "testing", "-o", "json"]).1);
    story.file("not-text", b"\xff\xfe");

    check_read(&story, "pipe", "it is no file", "");
    check_read(&story, "stacks", "it is no file", "");
    check_read(&story, "/dev/full", "it is no file", "");
    check_read(&story, "nowhere", "No such file or directory (os error 2)", "");
    check_read(&story, "empty", "it is empty", NEW);
    check_read(&story, "large", "it is not a saved plan", NEW);
    check_read(&story, "short", "it ends before its digest: it was cut off or altered", NEW);
    check_read(&story, "longer", "it ends before its digest: it was cut off or altered", NEW);
    check_read(&story, "altered", "its digest is not that of its text: it was altered", NEW);
    check_read(&story, "printed", "it is a plan as `plan -o json` prints it, and not a saved one", NEW);
    let not_text = "it is not text (UTF-8)\n  because invalid utf-8 sequence of 1 bytes from index 0";
    check_read(&story, "not-text", not_text, NEW);
    let newer = "its format has version 2, and this program reads version 1; it was written by strata 0.1.0";
    check_read(&story, "newer", newer, NEWER);
}

#[test]
fn a_plan_for_another_cluster_or_instance_is_not_carried_out() {
    let story = story();
    assert_eq!(run(&story, "plan", &["--save", "good.plan"]), (0, String::new()));
    let elsewhere = run(&story, "up", &["--yes", "--plan", "good.plan", "--instance", "pr-7"]);
    let told = "error: the saved plan is of plan-files-testing, and not of plan-files-testing-pr-7\n\
                next: name the stack, environment and instance it was made for\n";
    assert_eq!(elsewhere, (1, told.to_owned()));

    let identity = |text: &str| {
        let (_, rest) = text.split_once("\"identity\": \"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let of_file = |name: &str| identity(&fs::read_to_string(story.path().join(name)).unwrap());
    assert_eq!(story.run(&["cluster", "reset", "-e", "testing", "--yes", "--quiet"]).0, 0);
    let anew = run(&story, "up", &["--yes", "--plan", "good.plan"]);
    assert_eq!(run(&story, "plan", &["--save", "new.plan"]), (0, String::new()));
    let told = format!(
        "error: the saved plan was made for cluster local ({}), and not for local ({})\n\
         next: another cluster answers by that name, or it was made anew: look at a new plan, and save that\n",
        of_file("good.plan"),
        of_file("new.plan"),
    );
    assert_eq!(anew, (1, told));
    // Nothing was done there: what was to be created is to be created still.
    assert_eq!(run(&story, "up", &["--yes", "--plan", "new.plan"]), (0, String::new()));
}

#[test]
fn what_is_there_is_replaced_by_a_whole_plan_or_stays() {
    let story = story();
    story.file("old.plan", "an older one");
    story.file("kept.plan", "not to be written");
    fs::set_permissions(story.path().join("kept.plan"), Permissions::from_mode(0o444)).unwrap();
    fifo(&story.path().join("pipe"));
    symlink("old.plan", story.path().join("link")).unwrap();
    check_write(&story, "/dev/full", "it is there already and is no file");
    check_write(&story, "pipe", "it is there already and is no file");
    check_write(&story, "stacks", "it is there already and is no file");
    check_write(&story, "link", "it is a symbolic link, which is not followed");
    check_write(&story, "kept.plan", "it is there already and is read-only");
    check_write(&story, "nowhere/new.plan", "No such file or directory (os error 2)");
    check_write(&story, "old.plan/new.plan", "Not a directory (os error 20)");
    check_write(&story, &"x".repeat(256), "File name too long (os error 36)");
    story.file("theirs.plan", "of somebody else");
    // Only a privileged user can give a file away.
    if chown(story.path().join("theirs.plan"), Some(12_345), None).is_ok() {
        check_write(&story, "theirs.plan", "it is there already and belongs to another user");
    }
    let long = "y".repeat(255);
    for file in ["old.plan", &long] {
        assert_eq!(run(&story, "plan", &["--save", file]), (0, String::new()));
        assert_eq!(fs::metadata(story.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(run(&story, "up", &["--yes", "--plan", "old.plan"]), (0, String::new()));
}

#[test]
fn a_saved_plan_is_shown_as_the_page_that_it_was_printed_as() {
    let story = story();
    let whole = ["plan", WHERE, "-e", "testing", "--quiet", "--save", "seen.plan", "-o", "html"];
    let (code, printed, err) = story.run(&whole);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        printed.contains("id=\"reach\"") && printed.contains("id=\"ports\"") && printed.contains("id=\"capacity\"")
    );
    assert_eq!(story.run(&["show", "seen.plan", "-o", "html"]), (0, printed, String::new()));
}

#[test]
fn a_full_disk_behind_the_output_is_an_error() {
    let story = story();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_strata"));
    command.args(["plan", WHERE, "-e", "testing", "--quiet"]).env_clear().current_dir(story.path());
    let output = command.stdout(Stdio::from(full)).output().unwrap();
    let told = "error: writing to standard output: No space left on device (os error 28)\n";
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()), (Some(1), told));
}
