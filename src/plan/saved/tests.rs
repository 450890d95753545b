//! Saved plans: what is written is read back, and nothing else is taken for one.

use std::fmt::Write;

use serde_json::{Value, json};

use super::*;
use crate::plan::tests::{changed, with_one};
use crate::plan::{Policy, digest};

/// A plan with a field that changes.
fn plan() -> Plan {
    with_one(|_| {}, changed("strata-s", true, false), &Policy::default())
}

fn text() -> String {
    SavedPlan::new(plan()).to_text().expect("it can be saved")
}

/// The text with the digest that belongs to it.
fn sealed_anew(text: &str) -> String {
    let body = &text[..text.len() - (BEFORE_DIGEST.len() + DIGEST_LENGTH + AFTER_DIGEST.len())];
    format!("{body}{BEFORE_DIGEST}{}{AFTER_DIGEST}", sha256(body.as_bytes()))
}

/// An error with what caused it.
fn told(bytes: &[u8]) -> String {
    match SavedPlan::from_bytes(bytes) {
        Ok(_) => "taken".to_owned(),
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                write!(text, ": {error}").expect("memory is there");
                source = error.source();
            }
            text
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    let saved = SavedPlan::from_bytes(text().as_bytes()).expect("it was just written");
    assert_eq!(saved.plan, plan());
    assert_eq!(saved.to_text().expect("it can be saved"), text());
    let value: Value = serde_json::from_str(&text()).expect("it is JSON");
    assert_eq!((&value["format"], &value["version"]), (&json!(SAVED_FORMAT), &json!(SAVED_VERSION)));
}

#[test]
fn no_bit_can_be_altered() {
    let mut bytes = text().into_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            bytes[at] ^= 1 << bit;
            assert!(SavedPlan::from_bytes(&bytes).is_err(), "bit {bit} of byte {at}: {:?}", text().as_bytes()[at]);
            bytes[at] ^= 1 << bit;
        }
    }
    assert_eq!(told(&bytes), "taken");
}

#[test]
fn no_end_can_be_cut_off_and_nothing_put_behind_it() {
    let text = text();
    for length in 0..text.len() {
        let told = told(&text.as_bytes()[..length]);
        let cut = "it ends before its digest: it was cut off or altered";
        assert_eq!(told, if length == 0 { "it is empty" } else { cut }, "{length}");
    }
    for more in ["\n", " ", "x", "\0"] {
        assert_eq!(told((text.clone() + more).as_bytes()), "it ends before its digest: it was cut off or altered");
    }
}

#[test]
fn what_is_no_saved_plan_is_told_as_what_it_is() {
    let check = |text: &[u8], expect: &str| assert_eq!(told(text), expect);
    check(b"", "it is empty");
    check(b"stack: sophia\n", "it is not a saved plan");
    check(b"{\"format\": \"strata.saved-plan\", \"version\": 1}", "it is not a saved plan");
    check(b"\xff\xfe", "it is not text (UTF-8): invalid utf-8 sequence of 1 bytes from index 0");
    let printed = crate::report::json_document(&plan());
    check(printed.as_bytes(), "it is a plan as `plan -o json` prints it, and not a saved one");
    check(
        format!("{HEAD}  \"version\": 1{}", "[".repeat(100_000)).as_bytes(),
        "it ends before its digest: it was cut off or altered",
    );
}

#[test]
fn a_right_digest_is_not_enough() {
    let check = |from: &str, to: &str, expect: &str| {
        let text = text();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        assert_eq!(told(sealed_anew(&text.replace(from, to)).as_bytes()), expect);
    };
    check(
        "\"version\": 1,\n  \"written_by\": \"strata 0.1.0\"",
        "\"version\": 2,\n  \"written_by\": \"strata 9.0.0\"",
        "its format has version 2, and this program reads version 1; it was written by strata 9.0.0",
    );
    check("\"version\": 1,", "\"version\": 0,", "its format has version 0, which is no longer read");
    check(
        "\"plan\": {\n    \"format\": \"strata.plan/v2\"",
        "\"plan\": {\n    \"format\": \"strata.plan/v3\"",
        "the plan in it has the format strata.plan/v3, and this program reads strata.plan/v2",
    );
    check(
        "\"plan\": {",
        "\"plan\": {\n    \"more\": true,",
        "it is not written as this program writes it, although its digest is right",
    );
    check("\"plan\": {", "\"plan\":  {", "it is not written as this program writes it, although its digest is right");
    let deep = format!("\"before\": {}{}", "[".repeat(1000), "]".repeat(1000));
    let text = sealed_anew(&text().replace("\"before\": \"1\"", &deep));
    assert!(
        told(text.as_bytes()).starts_with("it holds no plan: recursion limit exceeded"),
        "{}",
        told(text.as_bytes())
    );
    let none =
        sealed_anew(&format!("{HEAD}  \"version\": 1{BEFORE_DIGEST}{}{AFTER_DIGEST}", "0".repeat(DIGEST_LENGTH)));
    assert!(told(none.as_bytes()).starts_with("it holds no plan: missing field"), "{}", told(none.as_bytes()));
}

#[test]
fn a_key_that_stands_twice_hides_nothing() {
    let text = text();
    let check = |from: &str, to: &str, expect: &str| {
        assert!(text.contains(from), "{from} in {text}");
        let told = told(sealed_anew(&text.replace(from, to)).as_bytes());
        assert!(told.starts_with(expect), "{told}");
    };
    check("\"before\": \"1\"", "\"before\": \"0\", \"before\": \"1\"", "it holds no plan: duplicate field `before`");
    let unusual = "it is not written as this program writes it, although its digest is right";
    check("\"metadata\": {", "\"metadata\": {}, \"metadata\": {", unusual);
}

#[test]
fn what_is_too_large_is_not_looked_at() {
    assert_eq!(told(&vec![0; MAX_BYTES + 1]), "it is larger than the 512 MiB that a saved plan may have");
}

#[test]
fn a_plan_that_would_not_be_read_back_is_not_saved() {
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    let mut plan = plan();
    plan.phases[1].steps[0].manifest = Some(deep);
    plan.digest = String::new();
    plan.digest = digest(&plan);
    let error = SavedPlan::new(plan).to_text().expect_err("it is too deep");
    assert!(matches!(error, SavedPlanError::Malformed(_)), "{error}");
}

#[test]
fn a_secret_is_not_put_into_a_file() {
    let mut plan = plan();
    plan.phases[1].steps[0].manifest = Some(json!({"kind": "Secret", "data": {"password": "Y2FuYXJ5"}}));
    let error = SavedPlan::new(plan).to_text().expect_err("it holds a secret").to_string();
    assert_eq!(error, "it would hold what is secret: ConfigMap ns/a at .data.password");
}
