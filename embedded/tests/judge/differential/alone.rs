//! What holds of every sequence without a real server to ask: a write is answered with what a read then finds, a dry run
//! with what the write itself then says, an apply that is sent again changes nothing, and no answer is an accident.

use std::collections::BTreeMap;

use serde_json::Value;

use super::sequence::{History, Step, Steps, Verb};
use crate::exchange::{Answer, Exchange};
use crate::server::Place;

/// Runs a sequence and gives back how many requests were sent.
pub(super) async fn hold(steps: &Steps) -> usize {
    let mut place = Place::embedded().await;
    for exchange in steps.first().into_iter().chain(steps.ready()) {
        ask(&mut place, &exchange).await;
    }
    let mut history = History::default();
    let mut sent = 0;
    for step in &steps.steps {
        let exchange = step.exchange(&history);
        let writes = !exchange.send.starts_with("GET");
        // A deletion with a body says there whether it is to be a dry run.
        let dry = exchange.send.contains("dryRun=All") || step.verb == Verb::Delete && exchange.body.is_some();
        // A new object that names a version is refused when it is stored, which a dry run does not.
        let named = exchange.body.as_ref().is_some_and(|body| body.pointer("/metadata/resourceVersion").is_some());
        let dry = dry || named && step.verb == Verb::Create;
        let foretold = if writes && !dry { Some(ask(&mut place, &dry_run(&exchange)).await) } else { None };
        let answer = ask(&mut place, &exchange).await;
        sent += 1 + usize::from(foretold.is_some());
        sound(&exchange, &answer);
        if let Some(foretold) = foretold {
            assert_eq!(lasting(&foretold), lasting(&answer), "a dry run said something else: {exchange:?}");
        }
        if step.answers_object() && !dry && answer.code < 300 {
            sent += read_back(&mut place, step, &exchange, &answer).await;
        }
        history.note(step, &answer);
    }
    sent
}

async fn ask(place: &mut Place, exchange: &Exchange) -> Answer {
    let payload = exchange.payload(&BTreeMap::new());
    place.exchange(exchange, &payload).await
}

fn dry_run(exchange: &Exchange) -> Exchange {
    let mark = if exchange.send.contains('?') { '&' } else { '?' };
    Exchange { send: format!("{}{mark}dryRun=All", exchange.send), ..exchange.clone() }
}

/// An answer is an object or says what is wrong, in a form that clients can read. The server's own failures are none,
/// but for those that a real one has too.
fn sound(exchange: &Exchange, answer: &Answer) {
    let body = answer.body.as_ref().unwrap_or_else(|| panic!("no JSON in the answer to {exchange:?}: {answer:?}"));
    if answer.code >= 400 {
        assert_eq!(body["kind"], "Status", "{exchange:?}: {answer:?}");
        assert_eq!(body["code"], answer.code, "{exchange:?}: {answer:?}");
        assert!(!body["message"].as_str().unwrap_or_default().is_empty(), "{exchange:?}: {answer:?}");
    }
    assert_ne!(body["reason"], "InternalError", "{exchange:?}: {answer:?}");
}

/// What of an answer does not depend on whether it was stored.
fn lasting(answer: &Answer) -> Answer {
    let mut answer = answer.clone();
    if let Some(body) = &mut answer.body {
        same_uids(body);
    }
    if let Some(Value::Object(map)) = &mut answer.body {
        // A dry run knows the place of an object below the root of the store only, on a real server too.
        if let Some(Value::String(message)) = map.get_mut("message") {
            *message = message.replace("Key: /registry/", "Key: /");
        }
        for part in ["metadata", "details"] {
            if let Some(Value::Object(part)) = map.get_mut(part) {
                part.remove("uid");
                part.remove("resourceVersion");
            }
        }
    }
    answer
}

/// What a dry run makes has another identity, also where its labels and selectors tell it.
fn same_uids(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(same_uids),
        Value::Array(items) => items.iter_mut().for_each(same_uids),
        Value::String(text) if text.starts_with("<uid ") => *text = "<uid>".to_owned(),
        _ => {}
    }
}

async fn read_back(place: &mut Place, step: &Step, exchange: &Exchange, answer: &Answer) -> usize {
    let name = answer.body.as_ref().and_then(|body| body.pointer("/metadata/name")).and_then(Value::as_str).unwrap();
    let read = Exchange { send: format!("GET {}/{name}", step.kind().collection), ..Exchange::default() };
    let found = ask(place, &read).await;
    if found.code == 200 {
        assert_eq!(found.body, answer.body, "a read found something else after {exchange:?}");
    } else {
        let deleted = answer.body.as_ref().is_some_and(|body| body.pointer("/metadata/deletionTimestamp").is_some());
        assert!(deleted, "{exchange:?} was not stored: {found:?}");
    }
    if !matches!(step.verb, Verb::ApplyWhole | Verb::ApplyPart) || found.code != 200 {
        return 1;
    }
    let again = ask(place, exchange).await;
    let versioned = exchange.body.as_ref().is_some_and(|body| body.pointer("/metadata/resourceVersion").is_some());
    // An object that nobody owns is given its first owner by the second apply, if the first one owned nothing.
    let owned = found.body.as_ref().is_some_and(|body| body.pointer("/metadata/managedFields").is_some());
    if !versioned && owned {
        assert_eq!(again.body, answer.body, "an apply that was sent again changed something: {exchange:?}");
    }
    2
}
