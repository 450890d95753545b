//! Input that is wrong in every way we know of: each is refused with its place and with what to do, nothing panics,
//! and nothing is applied.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod story;

use story::{Story, golden};

const SHOP: &str = "stack: shop
namespace: shop
phases: [base, front]
tiers:
  back: {ports: 9000-9009}
  front: {ports: 9010-9019}
services:
  cart: {tier: back, port: 9000}
  mail: {tier: back, port: 9001}
  web: {tier: front, port: 9010, depends_on: [cart]}
";
const PRODUCTION: &str = "environment: production
clusters: {local: {embedded: {}}}
default_cluster: local
image: {registry: registry.example/shop, tag: 1.0.0}
";

/// `check` says what the golden file says, with this exit code; `up` ends with the same code and leaves nothing.
#[track_caller]
fn refused(name: &str, code: i32, stack: impl AsRef<[u8]>, environment: &str) {
    let story = Story::new();
    story.file("stacks/shop.yaml", stack).file("environments/production.yaml", environment);
    let before = story.files();
    let transcript = story.transcript("check shop -e production");
    assert!(transcript.ends_with(&format!("--- exit {code}\n")), "{transcript}");
    golden(&format!("bad_input/{name}.txt"), transcript);
    let (up, ..) = story.run(&["up", "shop", "-e", "production", "--yes"]);
    assert_eq!((up, story.files()), (code, before), "up after {name}");
}

/// The good stack with one change.
#[track_caller]
fn changed(name: &str, code: i32, from: &str, to: &str) {
    assert_eq!(SHOP.matches(from).count(), 1, "{from}");
    refused(name, code, SHOP.replace(from, to), PRODUCTION);
}

#[test]
fn the_good_input_is_good() {
    let story = Story::new();
    story.file("stacks/shop.yaml", SHOP).file("environments/production.yaml", PRODUCTION);
    assert_eq!(
        story.run(&["check", "shop", "-e", "production"]),
        (0, "shop in production: 3 services in 2 phases, 3 pods, 0 GPUs; no findings\ncritical path: cart → web, 2m at the most\n".into(), String::new())
    );
}

#[test]
fn syntax_and_bytes() {
    changed("syntax", 1, "phases: [base, front]", "phases: [base, front");
    changed("tab", 1, "  back: {", "\tback: {");
    changed("nul", 1, "namespace: shop", "namespace: sh\0op");
    changed("bidirectional", 1, "namespace: shop", "namespace: shop # \u{202e}pohs");
    changed("escape", 1, "namespace: shop", "namespace: shop # \u{1b}[2J");
    changed("zero-width", 1, "  mail:", "  ma\u{200b}il:");
    refused("not-utf8", 1, [SHOP.as_bytes(), b"# caf\xe9\n"].concat(), PRODUCTION);
    refused("too-large", 1, format!("{SHOP}#{}", "x".repeat(16 * 1024 * 1024)), PRODUCTION);
    refused("too-many-values", 1, format!("{SHOP}x: [{}0]\n", "0,\n".repeat(1_000_000)), PRODUCTION);
    refused("deep", 1, format!("{SHOP}x: {}", "[".repeat(10_000)), PRODUCTION);
    refused("empty", 1, "# nothing yet\n", PRODUCTION);
    refused("two-documents", 1, format!("{SHOP}---\n{SHOP}"), PRODUCTION);
    let bomb = (1..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, n| {
        text + &format!("a{n}: &a{n} [{}]\n", [format!("*a{}", n - 1).as_str(); 10].join(", "))
    });
    refused("alias-bomb", 1, bomb, PRODUCTION);
}

/// Files of one mistake over and over are refused as any other, and by the first hundred findings.
#[test]
fn a_mistake_a_hundred_thousand_times() {
    let times = |line: fn(u32) -> String| (0..100_000).map(line).collect::<String>();
    for (text, rule) in [
        (times(|_| "- !!str x\n".to_owned()), "S-load-015"),
        (times(|n| format!("- *b{n}\n")) + &times(|n| format!("- &a{n} x\n")), "S-load-013"),
        (times(|n| format!("  ? [{n}]\n  : x\n")), "S-load-016"),
        (times(|_| "  <<: x\n".to_owned()), "S-load-014"),
        (times(|_| "  a: x\n".to_owned()), "S-load-009"),
        (times(|n| format!("x{n}: x\n")), "S-load-020"),
        (times(|n| format!("# {n}\u{200b}\n")), "S-load-004"),
    ] {
        let story = Story::new();
        story.file("stacks/shop.yaml", format!("x:\n{text}")).file("environments/production.yaml", PRODUCTION);
        let (code, out, _) = story.run(&["check", "shop", "-e", "production"]);
        // Some of the hundred may be about the fields that are missing.
        let found = |what: &str| out.matches(what).count();
        assert_eq!((code, found("error["), found(&format!("error[{rule}]")) > 90), (1, 100, true), "{rule}");
        assert!(out.contains("only the first 100 findings of this file are shown"), "{rule}");
    }
}

#[test]
fn byte_order_mark_and_line_feeds_of_other_systems_are_fine() {
    let story = Story::new();
    story
        .file("stacks/shop.yaml", format!("\u{feff}{}", SHOP.replace('\n', "\r\n")))
        .file("environments/production.yaml", PRODUCTION);
    assert_eq!(story.run(&["check", "shop", "-e", "production"]).0, 0);
}

#[test]
fn needs_that_are_no_needs() {
    let needs = "9001, needs: {service: [], services: [{name: Postgres, within: soon}], definitions: [{name: certificates}], \
                 nodes: [{label: gpu==1, count: 0}]}}";
    changed("needs", 1, "9001}", needs);
}

#[test]
fn types_and_fields() {
    changed("unknown-field", 1, "mail: {tier: back, port", "mail: {teir: back, port");
    changed("duplicate-key", 1, "  web: {", "  cart: {");
    changed("wrong-type", 1, "port: 9001}", "port: \"9001\"}");
    changed("port-0", 1, "port: 9001}", "port: 0}");
    changed("port-65536", 1, "port: 9001}", "port: 65536}");
    changed("on", 1, "mail: {tier: back,", "mail: {tier: back, critical: on,");
    changed("octal", 1, "port: 9001}", "port: 0o21451}");
    changed("no", 1, "[base, front]", "[base, front, no]");
    changed("leading-zero", 1, "port: 9001}", "port: 09001}");
    changed("huge-number", 1, "port: 9001}", "port: 9999999999999999999999999999999999999999999999}");
    changed("endless-number", 1, "port: 9001}", "port: 1e999}");
    changed("key-is-a-number", 1, "  mail: {", "  9001: {");
    changed("key-is-true", 1, "  mail: {", "  true: {");
    changed("key-is-nothing", 1, "  mail: {", "  ~: {");
    changed("alias-in-itself", 1, "[cart]}", "&own [*own]}");
    changed("merge-key", 1, "  mail: {tier: back, port: 9001}", "  mail: {<<: {tier: back}, port: 9001}");
    changed("alias", 1, "port: 9001}", "port: *post}");
    changed("tag", 1, "port: 9001}", "port: !!int 9001}");
    changed("key-not-text", 1, "port: 9001}", "port: 9001, [a]: b}");
    changed("backward-range", 1, "9010-9019", "9019-9010");
    changed("everything-at-once", 1, "  mail: {tier: back, port: 9001}", "  Mail: {tier: 7, prot: no}\n  cart: []");
}

#[test]
fn references() {
    changed("unknown-service", 1, "[cart]", "[crat]");
    changed("unknown-tier", 1, "mail: {tier: back", "mail: {tier: bakc");
    changed("unknown-phase", 1, "[cart]}", "[cart], phase: fornt}");
    refused("unknown-override", 1, SHOP, &format!("{PRODUCTION}services: {{crat: {{replicas: 2}}}}\n"));
    refused("unknown-cluster", 1, SHOP, &PRODUCTION.replace("default_cluster: local", "default_cluster: lokal"));
    refused("unknown-namespace", 1, SHOP, &format!("{PRODUCTION}namespaces: {{shpo: store}}\n"));
    changed("name-in-use", 1, "port: 9001}", "port: 9001, was: cart}");
    refused("not-admitted", 1, SHOP, &format!("{PRODUCTION}stacks: [other]\n"));
    refused("other-name", 1, SHOP.replace("stack: shop", "stack: store"), PRODUCTION);
}

#[test]
fn ports_order_and_size() {
    changed("outside-tier", 4, "port: 9001}", "port: 9011}");
    changed("duplicate-port", 4, "port: 9001}", "port: 9000}");
    changed("overlapping-tiers", 4, "9010-9019", "9009-9019");
    changed("cycle", 4, "cart: {tier: back, port: 9000}", "cart: {tier: back, port: 9000, depends_on: [web]}");
    changed("pinned-too-early", 4, "[cart]}", "[cart], phase: base}");
    changed("minimum-above-maximum", 4, "port: 9001}", "port: 9001, autoscale: {min: 3, max: 2, cpu: 70}}");
    changed("port-too-high", 4, "port: 9001}", "port: 9001, health_port: \"+60000\"}");
    changed(
        "two-gateways",
        4,
        "mail: {tier: back, port: 9001}",
        "mail: {tier: back, port: 9001, gateway: {}}\n  chat: {tier: back, port: 9002, gateway: {}}",
    );
}

#[test]
fn names_that_do_not_exist() {
    let story = Story::new();
    story.file("stacks/shop.yaml", SHOP).file("environments/production.yaml", PRODUCTION);
    golden("bad_input/missing-stack.txt", story.transcript("check shpo -e production"));
    golden("bad_input/missing-environment.txt", story.transcript("check shop -e prod"));
    golden("bad_input/outside.txt", story.transcript("check ../shop.yaml -e production"));
    golden("bad_input/no-file.txt", story.transcript("check ./stacks -e production"));
    golden("bad_input/no-root.txt", story.transcript("check shop -e production --root nowhere"));
}

/// A link does not lead out of the root, neither for the stack that is asked for nor for one beside it.
#[test]
fn links_that_leave_the_root() {
    let elsewhere = Story::new();
    elsewhere.file("secret.yaml", SHOP);
    let story = Story::new();
    story.file("stacks/shop.yaml", SHOP).file("environments/production.yaml", PRODUCTION);
    std::os::unix::fs::symlink(elsewhere.path().join("secret.yaml"), story.path().join("stacks/link.yaml")).unwrap();
    golden("bad_input/link.txt", story.transcript("check link -e production"));
    golden("bad_input/link-beside.txt", story.transcript("check shop -e production"));
}

/// What is no regular file is not opened: a pipe would never end, and a device might not either.
#[test]
fn what_is_no_file() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    let refused = |name: &str, spoil: fn(&std::path::Path)| {
        let story = Story::new();
        story.file("stacks/shop.yaml", SHOP).file("environments/production.yaml", PRODUCTION);
        spoil(story.path());
        let before = story.files();
        golden(&format!("bad_input/{name}.txt"), story.transcript("check shop -e production"));
        assert_eq!(story.files(), before, "{name}");
    };
    fn instead(path: &std::path::Path) -> &std::path::Path {
        std::fs::remove_file(path).unwrap();
        path
    }
    refused("directory", |root| std::fs::create_dir(instead(&root.join("stacks/shop.yaml"))).unwrap());
    refused("socket", |root| {
        drop(UnixListener::bind(instead(&root.join("environments/production.yaml"))).unwrap());
    });
    refused("pipe", |root| {
        let path = root.join("stacks/shop.yaml");
        assert!(snapbox::cmd::Command::new("mkfifo").arg(instead(&path)).output().unwrap().status.success());
    });
    refused("pipe-beside", |root| {
        assert!(
            snapbox::cmd::Command::new("mkfifo").arg(root.join("stacks/other.yaml")).output().unwrap().status.success()
        );
    });
    refused("link-in-a-circle", |root| symlink("shop.yaml", instead(&root.join("stacks/shop.yaml"))).unwrap());
    refused("no-directory", |root| {
        std::fs::remove_dir_all(root.join("environments")).unwrap();
        std::fs::write(root.join("environments"), "").unwrap();
    });
}

/// A mistake in one file does not hide those in the other.
#[test]
fn both_files_at_once() {
    let both = |name: &str, stack: (&str, &str), environment: (&str, &str)| {
        refused(name, 1, SHOP.replace(stack.0, stack.1), &PRODUCTION.replace(environment.0, environment.1));
    };
    both("both-form", ("port: 9001", "prot: 9001"), ("tag: 1.0.0", "tag: [1.0.0]"));
    both("both-stack-refers", ("[cart]", "[crat]"), ("tag: 1.0.0", "tag: [1.0.0]"));
    both("both-environment-refers", ("port: 9001", "prot: 9001"), ("default_cluster: local", "default_cluster: lokal"));
}

#[test]
fn another_stack_that_cannot_be_read() {
    let story = Story::new();
    story.file("stacks/shop.yaml", SHOP).file("environments/production.yaml", PRODUCTION);
    story.file("stacks/other.yaml", SHOP.replace("stack: shop", "stack: other").replace("port: 9001", "prot: 9001"));
    golden("bad_input/unreadable-beside.txt", story.transcript("check shop -e production"));
}
