//! Reads the files of this repository for the other tests.

use std::fs;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use strata_components::compose::compose;
use strata_components::desired::Desired;
use strata_components::model::{Environment, Stack};

pub(crate) const ENVIRONMENTS: [&str; 4] = ["production", "staging", "development", "testing"];

pub(crate) fn read<T: DeserializeOwned>(path: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let text = fs::read_to_string(&path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn sophia() -> Stack {
    read("stacks/sophia.yaml")
}

pub(crate) fn environment(name: &str) -> Environment {
    read(&format!("environments/{name}.yaml"))
}

pub(crate) fn composed(environment_name: &str) -> Desired {
    compose(&sophia(), &environment(environment_name), "local", None).unwrap()
}
