//! The differential test: random sequences of requests, sent to the embedded cluster and to a real API server, whose
//! answers must be the same. A difference is shrunk and printed as a sequence in the exchange format, ready to be kept.
//! What must hold on the embedded cluster alone is asked of the same sequences, wherever they run.

mod alone;
mod kinds;
mod parts;
mod sequence;

use std::collections::{BTreeMap, BTreeSet};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use self::sequence::{History, Steps, steps};
use crate::exchange::{Exchange, File, Sequence};
use crate::replay::difference;
use crate::server::{Place, Real, runtime};
use crate::{asked, say, text};

/// How many sequences an ordinary run sends, and where it begins.
const SEQUENCES: u64 = 40;
const SEED: u64 = 1;
/// How often a sequence that differs is made simpler at most.
const SHRINKING: usize = 60;
/// A run goes on after a difference, and tells each kind of difference once, up to so many.
const MOST_DIFFERENCES: usize = 60;
/// How many of the lines that differ tell one kind of difference from another.
const SHAPE: usize = 8;

#[test]
fn random_sequences_are_answered_as_a_real_server_answers_them() {
    let (seed, count) = bounds();
    match Real::get() {
        Ok(real) => {
            let found = runtime().block_on(compare(real, seed, count));
            say(&format!("sent {count} random sequences (seed {seed}) to Kubernetes {} too", real.version()));
            assert!(found.is_empty(), "{} kinds of difference, shown above: {}", found.len(), found.join(", "));
        }
        Err(missing) => say(&format!("random sequences are not compared with a real server: {missing}")),
    }
}

#[test]
fn random_sequences_keep_what_must_hold() {
    let (seed, count) = bounds();
    let requests = runtime().block_on(async {
        let mut requests = 0;
        for case in 0..count {
            requests += alone::hold(&sequence(seed + case)).await;
        }
        requests
    });
    say(&format!("sent {count} random sequences, {requests} requests, to the embedded cluster alone"));
}

fn bounds() -> (u64, u64) {
    let number = |variable, usual| asked(variable).map_or(usual, |text| text.parse().unwrap());
    (number("KUBE_EMBEDDED_SEED", SEED), number("KUBE_EMBEDDED_SEQUENCES", SEQUENCES))
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// The sequence of a seed.
fn sequence(seed: u64) -> Steps {
    steps().new_tree(&mut runner(seed)).unwrap().current()
}

/// Two answers that differ, with all that led to them.
struct Difference {
    /// Which resource and verb it is about, and what is said differently: the same for differences of one kind.
    shape: String,
    /// The requests as a sequence of the exchange format, and how the answers to the last one differ.
    text: String,
}

async fn compare(real: &Real, seed: u64, count: u64) -> Vec<String> {
    let client = real.client().await;
    let mut shapes = BTreeSet::new();
    let mut found = Vec::new();
    for case in 0..count {
        let mut tree = steps().new_tree(&mut runner(seed + case)).unwrap();
        let Some(mut smallest) = first_difference(real, &client, &tree.current()).await else { continue };
        if !shapes.insert(smallest.shape.clone()) {
            continue;
        }
        for _ in 0..SHRINKING {
            if !tree.simplify() {
                break;
            }
            loop {
                let simpler = first_difference(real, &client, &tree.current()).await;
                match simpler.filter(|simpler| simpler.shape == smallest.shape || !shapes.contains(&simpler.shape)) {
                    Some(smaller) => {
                        smallest = smaller;
                        break;
                    }
                    None if tree.complicate() => {}
                    None => break,
                }
            }
        }
        shapes.insert(smallest.shape);
        say(&format!("seed {}\n{}", seed + case, smallest.text));
        found.push(format!("seed {}", seed + case));
        if found.len() >= MOST_DIFFERENCES {
            break;
        }
    }
    found
}

/// Sends a sequence to both; the first answers that differ.
async fn first_difference(real: &Real, client: &kube::Client, steps: &Steps) -> Option<Difference> {
    let mut there = real.place(client).await;
    let mut here = Place::embedded().await;
    let difference = difference_between(&mut there, &mut here, steps).await;
    if let Some(first) = steps.first() {
        // Definitions are the cluster's: it is slow with many of them.
        let name = first.body.as_ref().and_then(|body| body.pointer("/metadata/name")).and_then(Value::as_str);
        let path = first.send.trim_start_matches("POST ");
        let gone = Exchange { send: format!("DELETE {path}/{}", name.unwrap()), ..Exchange::default() };
        there.exchange(&gone, "").await;
    }
    difference
}

async fn difference_between(there: &mut Place, here: &mut Place, steps: &Steps) -> Option<Difference> {
    let mut exchanges = Vec::new();
    for exchange in steps.first().into_iter().chain(steps.ready()) {
        let payload = exchange.payload(&BTreeMap::new());
        there.exchange(&exchange, &payload).await;
        here.exchange(&exchange, &payload).await;
        exchanges.push(exchange);
    }
    let mut history = History::default();
    for step in &steps.steps {
        let mut exchange = step.exchange(&history);
        let payload = exchange.payload(&BTreeMap::new());
        let expected = there.exchange(&exchange, &payload).await;
        let found = here.exchange(&exchange, &payload).await;
        history.note(step, &expected);
        exchange.answer = Some(expected.clone());
        let last = exchange.clone();
        exchanges.push(exchange);
        if found != expected {
            let lines = difference(&last, "", &expected, &found);
            let changed = lines.lines().filter(|line| line.starts_with(['+', '-'])).take(SHAPE);
            let shape = format!("{:?} {}\n{}", step.verb, step.kind().collection, changed.collect::<String>());
            let text = format!("{}\n{}", shown(exchanges), difference(&last, &payload, &expected, &found));
            return Some(Difference { shape, text });
        }
    }
    None
}

/// The requests as a sequence of the exchange format, without the answers: they are recorded when it is kept.
fn shown(exchanges: Vec<Exchange>) -> String {
    let exchanges = exchanges.into_iter().map(|exchange| Exchange { answer: None, ..exchange }).collect();
    let sequence = Sequence { name: "found by random sequences".to_owned(), exchanges };
    let file = File { about: String::new(), server: None, objects: BTreeMap::new(), sequences: vec![sequence] };
    let value: Value = serde_json::to_value(file).unwrap();
    text::yaml(&value["sequences"])
}
