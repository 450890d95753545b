//! Replays what is kept on the embedded cluster, and takes answers anew from a real server.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::exchange::{Answer, Exchange, File, Sequence};
use crate::server::{Place, Real, runtime};
use crate::text;

/// How much was replayed or recorded.
#[derive(Debug, Default)]
pub(crate) struct Count {
    pub(crate) files: usize,
    pub(crate) sequences: usize,
    pub(crate) exchanges: usize,
    pub(crate) known: usize,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { files, sequences, exchanges, known } = self;
        write!(f, "{exchanges} exchanges in {sequences} sequences of {files} files, {known} known to differ")
    }
}

/// Takes the answers of the files whose names begin so anew.
pub(crate) fn record(real: &Real, beginning: &str) -> Count {
    let mut count = Count::default();
    runtime().block_on(async {
        let client = real.client().await;
        for (path, mut file) in File::all() {
            if !stem(&path).starts_with(beginning) {
                continue;
            }
            file.server = Some(real.version().to_owned());
            for sequence in &mut file.sequences {
                let mut place = real.place(&client).await;
                for exchange in &mut sequence.exchanges {
                    let payload = exchange.payload(&file.objects);
                    exchange.answer = Some(place.exchange(exchange, &payload).await);
                    count.exchanges += 1;
                }
                count.sequences += 1;
            }
            count.files += 1;
            file.write(&path);
        }
    });
    count
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

/// Replays every file; fails with everything that differs.
pub(crate) fn replay() -> Count {
    let mut count = Count::default();
    let mut faults = Vec::new();
    runtime().block_on(async {
        for (path, file) in File::all() {
            assert!(file.server.is_some(), "{} does not say which server answered", path.display());
            for sequence in &file.sequences {
                let name = format!("{}: {}", stem(&path), sequence.name);
                replay_one(&name, &file.objects, sequence, &mut count, &mut faults).await;
                count.sequences += 1;
            }
            count.files += 1;
        }
    });
    let number = faults.len();
    assert!(faults.is_empty(), "{}\n{number} answers differ", faults.join("\n"));
    count
}

async fn replay_one(
    name: &str,
    objects: &BTreeMap<String, Value>,
    sequence: &Sequence,
    count: &mut Count,
    faults: &mut Vec<String>,
) {
    let mut place = Place::embedded().await;
    for exchange in &sequence.exchanges {
        let payload = exchange.payload(objects);
        let expected = exchange.answer.as_ref().unwrap_or_else(|| panic!("{name}: an answer is missing"));
        let found = place.exchange(exchange, &payload).await;
        count.exchanges += 1;
        match &exchange.differs {
            None if found == *expected => {}
            None => faults.push(format!("{name}\n{}", difference(exchange, &payload, expected, &found))),
            Some(_) if found != *expected => count.known += 1,
            Some(reason) => faults.push(format!("{name}\n{}: no longer differs ({reason})", exchange.send)),
        }
    }
}

/// A request, and how two answers to it differ.
pub(crate) fn difference(exchange: &Exchange, payload: &str, expected: &Answer, found: &Answer) -> String {
    let shown = |answer: &Answer| text::yaml(&serde_json::to_value(answer).unwrap());
    let body = if payload.is_empty() { String::new() } else { format!("\n  {payload}") };
    format!("{}{body}\n{}", exchange.send, text::difference(&shown(expected), &shown(found)))
}
