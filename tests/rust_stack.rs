//! A stack in Rust is worth a stack file: the fleet of the example is, to the byte, the fleet of stacks/sophia.yaml.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]
#![allow(clippy::disallowed_methods, reason = "what two programs print is compared by running both")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

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

/// The binary of the example, which cargo builds with the tests, unless it is told to build but one of them.
fn example() -> PathBuf {
    let strata = Path::new(env!("CARGO_BIN_EXE_strata"));
    let fleet = strata.with_file_name("examples").join(format!("fleet{}", std::env::consts::EXE_SUFFIX));
    assert!(fleet.exists(), "{} is not built: run `cargo build --example fleet`", fleet.display());
    fleet
}

/// What a program prints, and its exit code.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    code: Option<i32>,
    output: String,
    status: String,
}

/// Runs a program with nothing of this machine but this repository's files.
fn told(program: &Path, arguments: &[&str]) -> Told {
    let output = Command::new(program).args(arguments).current_dir(root()).env_clear().output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code(), output: text(output.stdout), status: text(output.stderr) }
}

#[track_caller]
fn both_say_the_same(arguments: &[&str]) -> Told {
    let rust = told(&example(), arguments);
    let yaml = told(Path::new(env!("CARGO_BIN_EXE_strata")), arguments);
    assert_eq!(rust, yaml, "{arguments:?}");
    rust
}

#[test]
fn both_programs_render_the_same_bytes() {
    for environment in ["development", "production", "staging", "testing"] {
        let rendered = both_say_the_same(&["--quiet", "render", "sophia", "--env", environment]);
        assert_eq!(rendered.code, Some(0), "{rendered:?}");
        assert_eq!(rendered.output.matches("\nkind: Deployment\n").count(), 35);
        assert_eq!(both_say_the_same(&["--quiet", "graph", "sophia", "--env", environment]).code, Some(0));
    }
}
