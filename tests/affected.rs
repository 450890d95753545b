//! What a change touches, told by real repositories: every stack in every environment composed at both ends, so that a
//! comment touches nothing and what only the proofs see touches whom it concerns. And what is read of a repository is
//! what git itself reads.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]
#![allow(clippy::disallowed_methods, reason = "repositories are made by git itself, which is also the judge")]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use strata::repository::{Repository, RepositoryError};

mod story;

use story::{Story, golden, seen};

const SHOP: &str = "stack: shop
namespace: shop
health_port: \"+100\"
tiers:
  all: {ports: 9000-9009}
services:
  cart: {tier: all, port: 9000}
";
const ENVIRONMENT: &str = "clusters:
  local: {embedded: {}}
default_cluster: local
image: {registry: registry.example/shop, tag: 1.0.0}
";

/// Runs git in a directory, alone with its own configuration; what it writes.
#[track_caller]
fn git(dir: &Path, words: &str) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=tests", "-c", "user.email=tests@example.invalid", "-c", "init.defaultBranch=main"])
        .args(["-c", "protocol.file.allow=always", "-c", "commit.gpgsign=false"])
        .args(words.split_whitespace())
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    assert!(output.status.success(), "git {words}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Two stacks and two environments, one of which does not admit the second stack; in a repository with one commit.
fn repository() -> Story {
    let story = Story::new();
    story.file("stacks/shop.yaml", SHOP);
    story.file("stacks/bank.yaml", SHOP.replace("shop", "bank").replace("90", "95").replace("cart", "vault"));
    story.file("environments/live.yaml", format!("environment: live\n{ENVIRONMENT}"));
    story.file("environments/try.yaml", format!("environment: try\nstacks: [shop]\n{ENVIRONMENT}"));
    story.file("README.md", "a shop and a bank\n");
    git(story.path(), "init -q");
    commit(&story);
    story
}

fn commit(story: &Story) {
    git(story.path(), "add -A");
    git(story.path(), "commit -q -m a");
}

fn affected(story: &Story, since: &str) -> Value {
    let (code, out, err) = story.run(&["affected", "--since", since, "-o", "json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    serde_json::from_str(&out).unwrap()
}

/// What is touched, as `stack/environment: reasons`, and what is gone.
fn touched(document: &Value) -> Vec<String> {
    let pair = |one: &Value| format!("{}/{}", one["stack"].as_str().unwrap(), one["environment"].as_str().unwrap());
    let why = |one: &Value| {
        let why: Vec<&str> = one["why"].as_array().unwrap().iter().map(|why| why.as_str().unwrap()).collect();
        why.join(" ")
    };
    let touched =
        document["matrix"]["include"].as_array().unwrap().iter().map(|one| format!("{}: {}", pair(one), why(one)));
    let gone = document["gone"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("-{}: {}", pair(one), one["why"].as_str().unwrap()));
    touched.chain(gone).collect()
}

#[track_caller]
fn check(change: impl FnOnce(&Story), expect: &[&str]) {
    let story = repository();
    change(&story);
    assert_eq!(touched(&affected(&story, "HEAD")), expect);
    // What is committed meanwhile makes no difference.
    commit(&story);
    assert_eq!(touched(&affected(&story, "HEAD~1")), expect);
    assert_eq!(touched(&affected(&story, "HEAD")), [""; 0]);
}

/// A change of one place of one file.
fn edit(file: &'static str, old: &'static str, new: &'static str) -> impl FnOnce(&Story) {
    move |story| {
        story.edit(file, old, new);
    }
}

#[test]
fn what_changes_nothing_touches_nothing() {
    check(edit("stacks/shop.yaml", "services:", "# What it sells.\n\nservices:"), &[]);
    check(edit("stacks/shop.yaml", "{tier: all, port: 9000}", "{port: 9000, tier: all}"), &[]);
    check(edit("README.md", "bank", "pub"), &[]);
}

#[test]
fn a_stack_touches_its_environments() {
    let both = ["shop/live: objects claims", "shop/try: objects claims"];
    check(edit("stacks/shop.yaml", "port: 9000", "port: 9001"), &both);
    check(edit("stacks/bank.yaml", "{tier: all,", "{tier: all, replicas: 2,"), &["bank/live: objects claims"]);
}

#[test]
fn an_environment_touches_its_stacks() {
    check(edit("environments/try.yaml", "1.0.0", "1.0.1"), &["shop/try: objects"]);
    check(edit("environments/live.yaml", "1.0.0", "1.0.1"), &["bank/live: objects", "shop/live: objects"]);
    let one = "services: {vault: {replicas: 2}}\nenvironment: live";
    check(edit("environments/live.yaml", "environment: live", one), &["bank/live: objects claims"]);
    let guarded = "live: {context: live, guard: {uid: 00000000-0000-0000-0000-000000000000}}\ndefault_cluster: live";
    let moved = ["bank/live: objects terms", "shop/live: objects terms"];
    check(edit("environments/live.yaml", "local: {embedded: {}}\ndefault_cluster: local", guarded), &moved);
}

#[test]
fn a_proof_of_another_stack_counts() {
    // The other stack takes a port of this one: what this comes to stays, and what is found of it does not.
    check(
        |story: &Story| {
            story.edit("stacks/bank.yaml", "port: 9500", "port: 9000");
            story.edit("stacks/bank.yaml", "9500-9509", "9000-9009");
        },
        &["bank/live: objects claims proofs", "shop/live: proofs"],
    );
}

#[test]
fn what_one_stack_tells_another_counts() {
    let story = repository();
    story.edit(
        "stacks/shop.yaml",
        "stack: shop\n",
        "stack: shop\noutputs: {url: {service: cart, value: url}, region: {literal: here}}\n",
    );
    story.edit("stacks/bank.yaml", "vault: {", "vault: {env_from: {CART: shop.region}, ");
    commit(&story);
    story.edit("stacks/shop.yaml", "literal: here", "literal: there");
    assert_eq!(touched(&affected(&story, "HEAD")), ["bank/live: objects", "shop/live: claims", "shop/try: claims"]);
}

#[test]
fn what_is_new_and_what_is_gone_are_told_apart() {
    let gone = ["-bank/live: stack"];
    check(|story: &Story| fs::remove_file(story.path().join("stacks/bank.yaml")).unwrap(), &gone);
    let renamed = |story: &Story| {
        fs::remove_file(story.path().join("stacks/bank.yaml")).unwrap();
        let text = SHOP.replace("shop", "pub").replace("90", "95");
        story.file("stacks/pub.yaml", text);
    };
    check(renamed, &["pub/live: new", "-bank/live: stack"]);
    check(
        |story: &Story| fs::remove_file(story.path().join("environments/try.yaml")).unwrap(),
        &["-shop/try: environment"],
    );
    check(
        edit("environments/try.yaml", "stacks: [shop]", "stacks: [bank]"),
        &["bank/try: new", "-shop/try: admission"],
    );
}

#[test]
fn what_cannot_be_read_is_touched() {
    let broken = edit("stacks/bank.yaml", "namespace: bank", "namespace: [");
    let story = repository();
    broken(&story);
    assert_eq!(touched(&affected(&story, "HEAD"))[0], "bank/live: unreadable");
    commit(&story);
    // It is mended, and what it was is not known.
    story.edit("stacks/bank.yaml", "namespace: [", "namespace: bank");
    let touched = touched(&affected(&story, "HEAD"));
    assert!(touched.contains(&"bank/live: unreadable".to_owned()), "{touched:?}");
    assert!(!touched.iter().any(|one| one.contains("objects")), "{touched:?}");
}

#[test]
fn it_is_told_to_people() {
    let story = repository();
    story.edit("stacks/shop.yaml", "port: 9000", "port: 9001");
    fs::remove_file(story.path().join("stacks/bank.yaml")).unwrap();
    let mut told = String::new();
    for words in [
        "affected --since main",
        "affected --since main -o json",
        "affected --since nowhere",
        "affected --since 12345",
        "affected --since main --root stacks",
    ] {
        told += &seen(words, story.run(&words.split(' ').collect::<Vec<_>>()));
        told.push('\n');
    }
    let id = git(story.path(), "rev-parse HEAD");
    golden("affected.txt", told.replace(&id, "[COMMIT]").replace(&id[..12], "[SHORT]"));
    let outside = Story::new();
    outside.file("stacks/shop.yaml", SHOP);
    let (code, _, err) = outside.run(&["affected", "--since", "main"]);
    assert_eq!((code, err.contains("is not in a git repository")), (1, true), "{err}");
}

#[test]
fn a_root_may_be_any_directory_of_the_repository() {
    let story = repository();
    git(story.path(), "mv stacks fleet-stacks");
    fs::create_dir_all(story.path().join("deep/fleet")).unwrap();
    git(story.path(), "mv fleet-stacks deep/fleet/stacks");
    git(story.path(), "mv environments deep/fleet/environments");
    commit(&story);
    story.edit("deep/fleet/environments/try.yaml", "1.0.0", "1.0.1");
    let (_, out, _) = story.run(&["affected", "--since", "HEAD", "-o", "json", "--root", "deep/fleet"]);
    assert_eq!(touched(&serde_json::from_str(&out).unwrap()), ["shop/try: objects"]);
}

/// Whether a revision is read as git reads it: its commit, and the files of a directory.
#[track_caller]
fn read_alike(dir: &Path, revision: &str, directory: &str) {
    let repository = Repository::open(dir).unwrap();
    let commit = repository.commit(revision).unwrap();
    assert_eq!(commit.to_string(), git(dir, &format!("rev-parse {revision}^{{commit}}")), "{revision}");
    let files = repository.files(&commit, directory).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let listed = git(dir, &format!("ls-tree --name-only {revision} {directory}/"));
    let prefix = format!("{directory}/");
    assert_eq!(names, listed.lines().map(|line| line.strip_prefix(&prefix).unwrap()).collect::<Vec<_>>());
    // Each file is read in the same way; the one that is kept as differences is looked at.
    for (name, bytes) in files.iter().filter(|(name, _)| !name.starts_with("more-")) {
        let size = git(dir, &format!("cat-file -s {revision}:{directory}/{name}"));
        let text = git(dir, &format!("cat-file -p {revision}:{directory}/{name}"));
        assert_eq!((bytes.len().to_string(), String::from_utf8_lossy(bytes).trim_end()), (size, text.as_str()));
    }
}

/// A history in which files change a little at a time, so that packs hold differences.
fn long_history(format: &str) -> Story {
    let story = Story::new();
    git(story.path(), &format!("init -q --object-format={format}"));
    let lines: Vec<String> = (0..400).map(|line| format!("line {line} of a long file, {}", line * 7919)).collect();
    for version in 0..16 {
        let mut text = lines.clone();
        text.insert(version * 10, format!("version {version}"));
        text.remove(399 - version);
        story.file("stacks/long.yaml", text.join("\n"));
        story.file(&format!("stacks/more-{version}.yaml"), format!("{version}\n"));
        commit(&story);
    }
    git(story.path(), "tag -a -m about v1 HEAD~5");
    git(story.path(), "tag light HEAD~6");
    git(story.path(), "branch topic/one HEAD~7");
    git(story.path(), "checkout -q -b side HEAD~3");
    story.file("stacks/side.yaml", "side\n");
    commit(&story);
    git(story.path(), "checkout -q main");
    git(story.path(), "merge -q --no-ff -m both side");
    story
}

#[test]
fn revisions_and_files_are_read_as_git_reads_them() {
    for format in ["sha1", "sha256"] {
        let story = long_history(format);
        let dir = story.path();
        let short = git(dir, "rev-parse --short=9 HEAD~4");
        let long = git(dir, "rev-parse HEAD~9");
        let revisions = [
            "HEAD",
            "main",
            "v1",
            "light",
            "topic/one",
            "refs/heads/side",
            "heads/side",
            "HEAD~10",
            "HEAD^2",
            "HEAD^2~2",
            "HEAD^",
            "HEAD^^",
            "v1~3",
            "HEAD^0",
            &short,
            &long,
        ];
        let all = || revisions.iter().for_each(|revision| read_alike(dir, revision, "stacks"));
        all();
        git(dir, "repack -q -a -d -f --depth=40 --window=60");
        git(dir, "pack-refs --all");
        all();
        // Some in a pack, some not.
        story.file("stacks/late.yaml", "late\n");
        commit(&story);
        read_alike(dir, "HEAD", "stacks");
        read_alike(dir, "HEAD~11", "stacks");
        // Differences from objects that are named by their ids.
        git(dir, "-c repack.usedeltabaseoffset=false repack -q -a -d -f --depth=40");
        read_alike(dir, "HEAD~11", "stacks");
        git(dir, "worktree add -q beside topic/one");
        read_alike(&dir.join("beside"), "HEAD", "stacks");
        read_alike(&dir.join("beside"), "main~2", "stacks");
    }
}

#[test]
fn clones_borrow_and_lack() {
    let story = long_history("sha1");
    let dir = story.path();
    git(dir, "clone -q --shared . borrowing");
    read_alike(&dir.join("borrowing"), "origin/main~3", "stacks");
    read_alike(&dir.join("borrowing"), "origin", "stacks");
    let url = format!("file://{}", dir.display());
    git(dir, &format!("clone -q --depth 2 {url} shallow"));
    read_alike(&dir.join("shallow"), "HEAD~1", "stacks");
    let shallow = Repository::open(&dir.join("shallow")).unwrap();
    let missing = shallow.commit("HEAD~2").unwrap_err();
    assert!(matches!(missing, RepositoryError::Missing(_)), "{missing}");
}

#[test]
fn what_is_damaged_is_an_error() {
    let story = repository();
    let dir = story.path();
    let blob = git(dir, "rev-parse HEAD:stacks/shop.yaml");
    let path = dir.join(".git/objects").join(&blob[..2]).join(&blob[2..]);
    let files = || {
        let repository = Repository::open(dir).unwrap();
        let commit = repository.commit("HEAD").unwrap();
        repository.files(&commit, "stacks")
    };
    assert_eq!(files().unwrap().len(), 2);
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(matches!(files(), Err(RepositoryError::Missing(id)) if id == blob));
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(files(), Err(RepositoryError::Broken { .. })), "{length}");
    }
    fs::remove_file(&path).unwrap();
    fs::write(&path, whole).unwrap();
    git(dir, "repack -q -a -d");
    let pack = fs::read_dir(dir.join(".git/objects/pack")).unwrap().map(|entry| entry.unwrap().path());
    let pack = pack.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "pack")).unwrap();
    let whole = fs::read(&pack).unwrap();
    fs::remove_file(&pack).unwrap();
    for length in [0, 12, 13, whole.len() / 2, whole.len() - 21] {
        fs::write(&pack, &whole[..length]).unwrap();
        let repository = Repository::open(dir).unwrap();
        let read = repository.commit("HEAD").and_then(|commit| repository.files(&commit, "stacks"));
        assert!(read.is_err(), "{length}");
    }
}
