//! What references from one stack to another can break. Each finding names both files.

use super::story::{Story, golden};
use super::{IMAGE, MAIL, changed, said};

const PLATFORM: &str = "stack: platform
namespace: platform
tiers: {all: {ports: 9100-9109}}
services:
  store: {tier: all, port: 9100}
  mailer: {tier: all, port: 25, component: {external: {host: mail.example.com}}}
outputs:
  store_url: {service: store, value: url, description: Where the store answers}
  mail_host: {service: mailer, value: host}
  region: {literal: eu-central}
";

/// The good stack with more about the mail service, beside another stack.
fn beside(more: &str, platform: &str) -> Story {
    let story = changed((MAIL, &format!("mail: {{tier: back, port: 9001, {more}}}")), (IMAGE, IMAGE));
    story.file("stacks/platform.yaml", platform);
    story
}

#[track_caller]
fn check(name: &str, code: i32, more: &str, platform: &str) {
    said(name, code, &beside(more, platform), "check shop -e production");
}

#[test]
fn what_is_there_can_be_referred_to() {
    let all = "depends_on: [platform/store, platform/mailer], env_from: {STORE: platform.store_url, MAIL: platform.mail_host, REGION: platform.region}";
    check("across", 0, all, PLATFORM);
}

#[test]
fn references_that_lead_nowhere() {
    check("no-such-stack", 1, "depends_on: [platfrom/store], env_from: {STORE: platfrom.store_url}", PLATFORM);
    check("no-such-service", 1, "depends_on: [platform/stor]", PLATFORM);
    check("no-such-output", 1, "env_from: {STORE: platform.store_uri, OWN: region}", PLATFORM);
    let no_outputs = PLATFORM.split("outputs:").next().unwrap();
    check("no-outputs", 1, "env_from: {STORE: platform.store_url}", no_outputs);
}

#[test]
fn stacks_that_do_not_stand_here() {
    let refers = "depends_on: [platform/store], env_from: {STORE: platform.store_url}";
    let story = beside(refers, PLATFORM);
    story.edit("environments/production.yaml", IMAGE, "stacks: [shop]\nimage:");
    said("other-not-admitted", 4, &story, "check shop -e production");
    let elsewhere = PLATFORM.replace("tiers:", "environments: [staging]\ntiers:");
    check("other-elsewhere", 4, refers, &elsewhere);
}

#[test]
fn stacks_that_wait_for_each_other() {
    let platform = PLATFORM.replace("port: 9100}", "port: 9100, depends_on: [ledger/book]}");
    let story = beside("depends_on: [platform/store]", &platform);
    let ledger = "stack: ledger\nnamespace: ledger\ntiers: {all: {ports: 9200-9209, depends_on: [shop/cart]}}\nservices: {book: {tier: all, port: 9200}}\n";
    story.file("stacks/ledger.yaml", ledger);
    said("stack-cycle", 4, &story, "check shop -e production");
}

#[test]
fn outputs() {
    check("no-way-there", 0, "env_from: {STORE: platform.store_url, REGION: platform.region}", PLATFORM);
    check("twice-set", 4, "env: {REGION: here}, env_from: {REGION: platform.region}", PLATFORM);
    let own = |name: &str, code: i32, output: &str, of: &str| {
        let story = changed((MAIL, MAIL), (IMAGE, IMAGE));
        let outputs = format!("outputs: {{{output}: {of}}}\nservices:\n");
        story.edit("stacks/shop.yaml", "services:\n", &outputs);
        said(name, code, &story, "check shop -e production");
        story
    };
    own("secret-output", 4, "db_password", "{literal: hunter2}");
    own("output-of-nobody", 1, "url", "{service: kart, value: url}");
    own("output-without-value", 1, "url", "{service: cart}");
    let story = changed((MAIL, MAIL), (IMAGE, IMAGE));
    story.file("stacks/platform.yaml", PLATFORM.replace("mailer, value: host", "mailer, value: url"));
    said("no-such-value", 4, &story, "check platform -e production");
}

/// Each of two stacks fits by itself, and both together do not.
#[test]
fn stacks_that_share_nodes() {
    let gpu = "mail: {tier: back, port: 9001, gpu: 1, replicas: 2}";
    let story = changed((MAIL, gpu), (IMAGE, IMAGE));
    story.file(
        "stacks/platform.yaml",
        PLATFORM.replace("store: {tier: all, port: 9100}", "store: {tier: all, port: 9100, gpu: 1}"),
    );
    for stack in ["shop", "platform"] {
        assert_eq!(story.run(&["check", stack, "-e", "production"]).0, 0, "{stack} fits");
    }
    said("together", 4, &story, "check --all -e production");
    golden("proofs/together.json", story.run(&["check", "--all", "-e", "production", "-o", "json"]).1);
    story.edit("stacks/shop.yaml", gpu, MAIL);
    said("together-fits", 0, &story, "check --all -e production");
    story.edit("stacks/shop.yaml", "tier: front", "tier: frnt");
    said("together-unread", 1, &story, "check --all -e production");
    story.edit("environments/production.yaml", IMAGE, "stacks: [gone]\nimage:");
    said("together-none", 1, &story, "check --all -e production");
}
