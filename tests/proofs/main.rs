//! For each proof a stack that breaks it on purpose: `strata check` names the rule, the file and the line, and says
//! what to do.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod across;
mod files;
mod live;
mod programs;
#[path = "../story/mod.rs"]
mod story;

use story::{Story, golden};

const SHOP: &str = "stack: shop
namespace: shop
tiers:
  back: {ports: 9000-9009}
  front: {ports: 9010-9019}
services:
  cart: {tier: back, port: 9000}
  mail: {tier: back, port: 9001}
  web: {tier: front, port: 9010, depends_on: [cart]}
";
const PRODUCTION: &str = "environment: production
clusters:
  local:
    embedded:
      nodes:
        - {name: arm, count: 2, cpu: 4, memory: 8Gi, gpus: 1, architecture: arm64, page_size: 64Ki}
default_cluster: local
image: {registry: registry.example/shop, tag: 1.0.0}
";

/// A line of the good stack, and one of the good environment, that others take the place of.
const MAIL: &str = "mail: {tier: back, port: 9001}";
const IMAGE: &str = "image:";

/// The good stack and environment with one change in each file.
fn changed(stack: (&str, &str), environment: (&str, &str)) -> Story {
    let story = Story::new();
    story.file("stacks/shop.yaml", SHOP).file("environments/production.yaml", PRODUCTION);
    story.edit("stacks/shop.yaml", stack.0, stack.1).edit("environments/production.yaml", environment.0, environment.1);
    story
}

/// What `check` says of the stack of a story.
#[track_caller]
fn said(name: &str, code: i32, story: &Story, line: &str) {
    let transcript = story.transcript(line);
    assert!(transcript.ends_with(&format!("--- exit {code}\n")), "{transcript}");
    golden(&format!("proofs/{name}.txt"), transcript);
}

/// What `check` says of the good stack with one change in each file.
#[track_caller]
fn broken(name: &str, code: i32, stack: (&str, &str), environment: (&str, &str)) {
    said(name, code, &changed(stack, environment), "check shop -e production");
}

/// The same, with a change of the stack alone.
#[track_caller]
fn stack(name: &str, code: i32, from: &str, to: &str) {
    broken(name, code, (from, to), (IMAGE, IMAGE));
}
