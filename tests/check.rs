//! Proving a stack before anything is applied: what `strata check` says, and with which exit code.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod story;

use story::{Story, golden};

#[test]
fn sophia_is_proven_in_every_environment() {
    let story = Story::shipped();
    for environment in ["production", "staging", "development", "testing"] {
        golden(&format!("check/sophia-{environment}.txt"), story.transcript(&format!("check sophia -e {environment}")));
    }
}

#[test]
fn mcp_network_is_proven_in_every_environment() {
    let story = Story::shipped();
    for environment in ["production", "staging", "development", "testing"] {
        let said = story.transcript(&format!("check mcp-network -e {environment}"));
        golden(&format!("check/mcp-network-{environment}.txt"), said);
    }
}

#[test]
fn intelligence_is_proven_in_production_and_goes_nowhere_else() {
    let story = Story::shipped();
    for environment in ["production", "staging"] {
        let said = story.transcript(&format!("check intelligence -e {environment}"));
        golden(&format!("check/intelligence-{environment}.txt"), said);
    }
}

#[test]
fn the_port_registry_shows_what_is_free() {
    let story = Story::shipped();
    golden("check/ports.txt", story.transcript("check sophia -e staging --ports"));
    golden("check/ports.json", story.run(&["check", "sophia", "-e", "staging", "--ports", "-o", "json"]).1);
}

#[test]
fn findings_are_data_for_programs() {
    let story = Story::shipped();
    story.edit("stacks/sophia.yaml", "port: 9021", "port: 9005");
    let (code, out, err) = story.run(&["check", "sophia", "-e", "production", "-o", "json"]);
    assert_eq!((code, err.as_str()), (4, ""));
    golden("check/findings.json", out);

    story.edit("stacks/sophia.yaml", "port: 9005\n    purpose: Analysis", "prot: 9005\n    purpose: Analysis");
    let (code, out, err) = story.run(&["check", "sophia", "-e", "production", "-o", "json"]);
    assert_eq!((code, err.as_str()), (1, ""));
    golden("check/unreadable.json", out);
}

/// The documents that the fleet comes from put gong on a port that the registry gives to another service.
#[test]
fn a_stack_that_takes_a_registered_port_is_refused() {
    let story = Story::shipped();
    story.file(
        "stacks/pipeline.yaml",
        "stack: pipeline\nnamespace: sophia-sales\ntiers:\n  sales: {ports: 9005-9005}\nservices:\n  gong: {tier: sales, port: 9005}\n",
    );
    golden("check/registered-port.txt", story.transcript("check pipeline -e production"));
}
