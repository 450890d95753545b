//! The stack and environment files of this repository: they decode, and they hold the figures they should.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use strata_components::model::{Environment, Stack};

fn read<T: DeserializeOwned>(path: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let text = fs::read_to_string(&path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let json = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(json).unwrap(), value);
}

#[test]
fn the_files_decode_and_survive_a_round_trip() {
    survives(&read::<Stack>("stacks/sophia.yaml"));
    for name in ["production", "staging", "development", "testing"] {
        let environment: Environment = read(&format!("environments/{name}.yaml"));
        assert_eq!(environment.environment.as_str(), name);
        survives(&environment);
    }
}
