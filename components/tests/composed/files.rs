//! The files decode, and nothing is lost when they are written again.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fleet::{ENVIRONMENTS, environment, sophia};

#[track_caller]
fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let json = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(json).unwrap(), value);
}

#[test]
fn the_files_decode_and_survive_a_round_trip() {
    survives(&sophia());
    for name in ENVIRONMENTS {
        let environment = environment(name);
        assert_eq!(environment.environment.as_str(), name);
        survives(&environment);
    }
}
