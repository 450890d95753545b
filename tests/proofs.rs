//! For each proof a stack that breaks it on purpose: `strata check` names the rule, the file and the line, and says
//! what to do.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

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

/// What `check` says of the good stack with one change in each file.
#[track_caller]
fn broken(name: &str, code: i32, stack: (&str, &str), environment: (&str, &str)) {
    let story = Story::new();
    story.file("stacks/shop.yaml", SHOP).file("environments/production.yaml", PRODUCTION);
    story.edit("stacks/shop.yaml", stack.0, stack.1).edit("environments/production.yaml", environment.0, environment.1);
    let transcript = story.transcript("check shop -e production");
    assert!(transcript.ends_with(&format!("--- exit {code}\n")), "{transcript}");
    golden(&format!("proofs/{name}.txt"), transcript);
}

/// The same, with a change of the stack alone.
#[track_caller]
fn stack(name: &str, code: i32, from: &str, to: &str) {
    broken(name, code, (from, to), ("image:", "image:"));
}

const MAIL: &str = "mail: {tier: back, port: 9001}";

#[test]
fn what_is_good_is_proven() {
    stack("good", 0, MAIL, MAIL);
}

#[test]
fn images() {
    stack("latest", 4, MAIL, "mail: {tier: back, port: 9001, image: \"registry.example/mail:latest\"}");
    broken("digest", 4, (MAIL, MAIL), ("tag: 1.0.0", "tag: 1.0.0, pin: digest"));
    stack("amd64-only", 4, MAIL, "mail: {tier: back, port: 9001, architectures: [amd64]}");
    stack("large-pages", 4, MAIL, "mail: {tier: back, port: 9001, image: \"qdrant/qdrant:v1.9.2\"}");
}

#[test]
fn secrets() {
    stack("secret", 4, MAIL, "mail: {tier: back, port: 9001, env: {SMTP_PASSWORD: hunter2}}");
}

#[test]
fn names() {
    let tiers = "  front: {ports: 9010-9019}";
    broken(
        "same-namespace",
        4,
        (tiers, "  front: {ports: 9010-9019, namespace: shop-front}"),
        ("image:", "namespaces: {shop: everything, shop-front: everything}\nimage:"),
    );
    stack("same-range", 4, tiers, "  front: {ports: 9010-9019, range_name: back}");
}

/// Nodes of many sizes, and pods of two: there is room enough in all, and no telling where.
#[test]
fn what_is_not_decided_is_said() {
    let nodes: String = (0..14)
        .map(|node| format!("        - {{name: n{node}, cpu: {}m, memory: 64Gi}}\n", 10_000 + 100 * node))
        .collect();
    let pods = |cpu: &str, replicas: u32| {
        format!(
            "replicas: {replicas}, resources: {{requests: {{cpu: {cpu}, memory: 1Mi}}, limits: {{cpu: {cpu}, memory: 1Mi}}}}"
        )
    };
    let mail = format!("mail: {{tier: back, port: 9001, {}}}", pods("4600m", 15));
    let both = format!("{mail}\n  post: {{tier: back, port: 9002, {}}}", pods("4900m", 13));
    let arm = "        - {name: arm, count: 2, cpu: 4, memory: 8Gi, gpus: 1, architecture: arm64, page_size: 64Ki}\n";
    broken("undecided", 0, (MAIL, &both), (arm, &nodes));
}

#[test]
fn ownership() {
    let stack = |name: &str, code: i32, rest: &str| {
        let web = "  web: {tier: front, port: 9010, depends_on: [cart]}\n";
        stack(name, code, web, &format!("{web}ownership:\n{rest}"));
    };
    stack("adoption", 4, "  adopt: [{object: Deployment/cart}, {object: Service/cart-mcp, from: [helm]}]\n");
    stack("field-rule", 0, "  fields: [{kind: Job, policy: leave}, {service: cart, path: .spec, policy: take}]\n");
    stack("field-path", 1, "  fields: [{path: spec.replicas, policy: leave}, {policy: keep}]\n");
}

#[test]
fn capacity() {
    stack("gpus", 4, MAIL, "mail: {tier: back, port: 9001, gpu: 1, replicas: 3}");
    let large = "resources: {requests: {cpu: 3, memory: 1Gi}, limits: {cpu: 3, memory: 1Gi}}";
    stack("rollout", 4, MAIL, &format!("mail: {{tier: back, port: 9001, replicas: 2, {large}}}"));
    stack("too-large", 4, MAIL, &format!("mail: {{tier: back, port: 9001, replicas: 3, {large}}}"));
    broken(
        "no-room-to-grow",
        0,
        (MAIL, "mail: {tier: back, port: 9001, autoscale: {min: 1, max: 40, cpu: 70}}"),
        ("image:", "autoscaling: true\nimage:"),
    );
}

#[test]
fn availability() {
    broken(
        "one-pod",
        4,
        (MAIL, "mail: {tier: back, port: 9001, critical: true}"),
        ("image:", "availability: 99.9%\nimage:"),
    );
    broken(
        "one-host",
        4,
        (MAIL, "mail: {tier: back, port: 9001, replicas: 2, availability: 99.95%}"),
        (
            "count: 2, cpu: 4, memory: 8Gi, gpus: 1, architecture: arm64, page_size: 64Ki}",
            "cpu: 8, memory: 16Gi}\navailability: 99.9%",
        ),
    );
}

#[test]
fn waivers() {
    let waived = |rule: &str, reason: &str| {
        format!(
            "mail: {{tier: back, port: 9001, architectures: [amd64]}}\nwaivers:\n  - {{rule: {rule}, service: mail, reason: {reason}}}"
        )
    };
    let mail = "  web: {tier: front, port: 9010, depends_on: [cart]}\n";
    let with = |rule: &str, reason: &str| {
        let text = waived(rule, reason);
        let (service, waivers) = text.split_once('\n').unwrap();
        format!("{mail}  other_{service}\n{waivers}\n")
            .replace("port: 9001", "port: 9002")
            .replace("service: mail", "service: other_mail")
    };
    stack("waived", 0, mail, &with("S-arch-001", "the emulator is fast enough for a few mails"));
    stack("waiver-unused", 4, mail, &with("S-arch-002", "the emulator is fast enough for a few mails"));
    stack("waiver-refused", 4, mail, &with("S-ports-002", "both listen on one port since ever"));
    stack("waiver-without-reason", 1, mail, &with("S-arch-001", "no"));
}

/// What others have taken of the nodes is not there for a second instance.
#[test]
fn a_live_cluster_counts_with_what_runs_there() {
    let story = Story::new();
    story.file("stacks/shop.yaml", SHOP).file("environments/production.yaml", PRODUCTION);
    story.edit("stacks/shop.yaml", MAIL, "mail: {tier: back, port: 9001, gpu: 1, replicas: 2}");
    let (code, _, err) = story.run(&["up", "shop", "-e", "production", "--yes", "--quiet"]);
    assert_eq!((code, err.as_str()), (0, ""));
    golden("proofs/live-own.txt", story.transcript("check shop -e production --live"));
    golden("proofs/live-others.txt", story.transcript("check shop -e production --instance second --live"));
    assert_eq!(story.run(&["check", "shop", "-e", "production", "--instance", "second"]).0, 0, "there would be room");
}
