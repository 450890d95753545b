//! A stack in Rust is worth a stack file: the fleet of the example is, to the byte, the fleet of stacks/sophia.yaml.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeSet;
use std::path::Path;

use strata::check::prove;
use strata::components::compose::compose;
use strata::load::{Root, StackSource, YamlStack};

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
