//! A stack in Rust is worth a stack file: the fleet of the example is, to the byte, the fleet of stacks/sophia.yaml.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::path::Path;

use story::Story;
use strata::check::prove;
use strata::components::compose::compose;
use strata::load::{Root, StackSource, YamlStack};

mod story;

#[path = "../examples/fleet.rs"]
#[allow(dead_code, reason = "only the example itself runs its main")]
mod fleet;

/// The root of this repository, with its stacks and environments.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_example_is_the_stack_of_the_file() {
    let yaml = YamlStack("sophia".to_owned()).load(root(), "development").unwrap();
    assert_eq!(fleet::sophia().unwrap(), yaml.stack);
}

#[test]
fn it_composes_to_the_same_bytes_everywhere_and_proves_as_well() {
    let environments = Root::open(root()).unwrap().environments();
    assert_eq!(environments, ["development", "production", "staging", "testing"]);
    for environment in &environments {
        let rust = fleet::sophia().unwrap().load(root(), environment).unwrap();
        let yaml = YamlStack("sophia".to_owned()).load(root(), environment).unwrap();
        for suffix in [None, Some("run-7")] {
            let bytes = |loaded: &strata::load::Loaded| {
                let desired = compose(&loaded.stack, &loaded.environment, "local", suffix).unwrap();
                serde_json::to_string(&desired).unwrap()
            };
            assert_eq!(bytes(&rust), bytes(&yaml), "{environment} {suffix:?}");
        }
        // A stack file gives findings a line, and their order; a program gives neither.
        let found = |loaded| {
            let findings = prove(loaded, "local", None).findings.into_iter();
            findings.map(|finding| (finding.rule, finding.message)).collect::<BTreeSet<_>>()
        };
        assert_eq!(found(&rust), found(&yaml), "{environment}");
    }
}

/// Runs the program of the example, and the one that reads the file; returns what both of them answered.
#[track_caller]
fn both(story: &Story, line: &str) -> (i32, String, String) {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let rust = story.run_program(&story::example("fleet"), &arguments);
    assert_eq!(rust, story.run(&arguments), "{line}");
    rust
}

#[test]
fn both_programs_render_and_draw_the_same_bytes() {
    let story = Story::shipped();
    for environment in ["development", "production", "staging", "testing"] {
        let (code, manifests, _) = both(&story, &format!("render sophia --env {environment} --quiet"));
        assert_eq!((code, manifests.matches("\nkind: Deployment\n").count()), (0, 35));
        assert_eq!(both(&story, &format!("graph sophia --env {environment} --quiet")).0, 0);
    }
}

#[test]
fn both_programs_make_the_same_plan_and_what_one_brings_up_is_nothing_new_to_the_other() {
    let story = Story::shipped();
    // The first run makes the cluster.
    assert_eq!(story.run(&["status", "sophia", "--env", "development", "--quiet"]).0, 0);
    for output in ["terminal", "json"] {
        let line = format!("plan sophia --env development --quiet --detailed-exitcode --output {output}");
        assert_eq!(both(&story, &line).0, 2);
    }
    let (code, ..) =
        story.run_program(&story::example("fleet"), &["up", "sophia", "--env", "development", "--yes", "--quiet"]);
    assert_eq!(code, 0);
    assert_eq!(both(&story, "plan sophia --env development --quiet --detailed-exitcode").0, 0);
}
