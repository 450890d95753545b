//! Manifests without a cluster: as a stream, and as files that can be rendered again.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod story;

use std::fs;

use serde_json::Value;
use story::{Story, golden};

#[test]
fn the_stream_holds_the_same_bytes_every_time_and_reads_back() {
    let story = Story::shipped();
    let (code, first, err) = story.run(&["render", "sophia", "-e", "development"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(story.run(&["render", "sophia", "-e", "development"]).1, first);
    let documents: Vec<Value> = serde_saphyr::from_multiple(&first).unwrap();
    assert_eq!(documents.len(), first.matches("\n---\n").count() + 1);
    assert!(documents.iter().all(|object| object["kind"].is_string() && object["metadata"]["name"].is_string()));
}

#[test]
fn a_small_stack_as_files() {
    let story = small();
    golden("render/first.txt", story.transcript("render shop -e production --out-dir out"));
    let mut text = String::new();
    for file in story.files().iter().filter(|file| file.starts_with("out/") && file.ends_with(".yaml")) {
        text += &format!("# {file}\n{}", fs::read_to_string(story.path().join(file)).unwrap());
    }
    golden("render/files.yaml", text);
}

#[test]
fn rendering_again_touches_only_what_it_wrote() {
    let story = small();
    story.run(&["render", "shop", "-e", "production", "--out-dir", "out"]);
    story.file("out/mine.yaml", "mine\n");
    story.edit("stacks/shop.yaml", "  mail: {tier: all, port: 9001}\n", "");
    golden("render/again.txt", story.transcript("render shop -e production --out-dir out"));
    let rest: Vec<String> =
        story.files().into_iter().filter(|file| file.contains("mail") || file.contains("mine")).collect();
    assert_eq!(rest, ["out/mine.yaml"]);

    story.file("other/00-0-namespace-shop.yaml", "mine\n");
    golden("render/foreign.txt", story.transcript("render shop -e production --out-dir other"));
    assert_eq!(fs::read_to_string(story.path().join("other/00-0-namespace-shop.yaml")).unwrap(), "mine\n");
}

fn small() -> Story {
    let story = Story::new();
    story
        .file(
            "stacks/shop.yaml",
            "stack: shop\nnamespace: shop\ntiers: {all: {ports: 9000-9009}}\nservices:\n  cart: {tier: all, port: 9000, \
             env: {MODE: \"on\", RATE: \"1:20\"}}\n  mail: {tier: all, port: 9001}\n",
        )
        .file(
            "environments/production.yaml",
            "environment: production\nclusters: {local: {embedded: {}}}\ndefault_cluster: local\nimage: {registry: \
             registry.example/shop, tag: 1.0.0}\n",
        );
    story
}
