//! Everything that is open around a stack, for people and for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::table::Table;
use crate::check::isolation::{Direction, Matrix};
use crate::check::reach::PortSet;

/// The form of a [`Document`] as JSON.
pub const FORMAT: &str = "strata.reach-matrix/v1";

/// A matrix, and of which stack and environment it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document {
    /// The form of this document.
    pub format: &'static str,
    /// The stack.
    pub stack: String,
    /// The environment.
    pub environment: String,
    /// What is open.
    #[serde(flatten)]
    pub matrix: Matrix,
}

impl Document {
    /// A matrix as a document.
    #[must_use]
    pub fn new(stack: String, environment: String, matrix: Matrix) -> Self {
        Self { format: FORMAT, stack, environment, matrix }
    }
}

/// The matrix as a JSON document.
#[must_use]
pub fn json(document: &Document) -> String {
    super::json_document(document)
}

/// The matrix for a terminal: a row for each pair, then one for each way from or to addresses.
#[must_use]
pub fn terminal(document: &Document) -> String {
    let Document { stack, environment, matrix, .. } = document;
    let names: BTreeMap<&str, &str> = matrix
        .pods
        .iter()
        .map(|pods| (pods.name.as_str(), pods.called.as_ref().unwrap_or(&pods.name).as_str()))
        .collect();
    let called = |name| names.get(name).copied().unwrap_or(name);
    // Columns that hold nothing at all are left out.
    let (refused, perhaps) = (
        matrix.pairs.iter().any(|pair| !pair.refused.is_empty()),
        matrix.pairs.iter().any(|pair| !pair.perhaps.is_empty()),
    );
    let columns = |mut cells: Vec<String>, more: [String; 2]| {
        let [no, maybe] = more;
        cells.extend(refused.then_some(no));
        cells.extend(perhaps.then_some(maybe));
        cells
    };
    let headings = ["FROM", "TO", "OPEN"].map(str::to_owned).into();
    let headings = columns(headings, ["REFUSED BY THE MESH", "PERHAPS OPEN"].map(str::to_owned));
    let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for pair in &matrix.pairs {
        let ends = [called(&pair.from), called(&pair.to)].map(str::to_owned);
        let [open, refused, perhaps] = [&pair.open, &pair.refused, &pair.perhaps].map(told);
        table.row(columns(ends.into_iter().chain([open]).collect(), [refused, perhaps]));
    }
    for outside in &matrix.addresses {
        let (pods, shown) = (called(&outside.pods).to_owned(), outside.shown.clone());
        let ends = match outside.direction {
            Direction::In => [shown, pods],
            Direction::Out => [pods, shown],
        };
        let none = [(); 2].map(|()| told(&PortSet::default()));
        table.row(columns(ends.into_iter().chain([told(&outside.ports)]).collect(), none));
    }
    let (own, all) = (matrix.pods.iter().filter(|pods| pods.own).count(), matrix.pods.len());
    format!(
        "{stack} in {environment}: {own} kinds of pods, and {} others they could meet; what is not listed is closed\n\n{table}",
        all - own
    )
}

fn told(ports: &PortSet) -> String {
    if ports.is_empty() { "-".to_owned() } else { ports.to_string() }
}
