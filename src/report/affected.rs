//! What a change touches, for people and for a matrix of jobs.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::clean::clean;
use super::table::Table;
use crate::affected::{Absence, Affected, Gone, Reason, Touched};

/// The format of the document, and its version.
pub const AFFECTED_FORMAT: &str = "strata.affected/v1";

/// What `strata affected -o json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AffectedDocument {
    /// [`AFFECTED_FORMAT`].
    pub format: &'static str,
    /// What the files are compared with; absent where all pairs were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// The pairs to be planned, as a matrix of jobs takes them.
    pub matrix: Matrix,
    /// The pairs that are gone, sorted.
    pub gone: Vec<Gone>,
    /// How many pairs are not touched.
    pub untouched: usize,
}

/// What files are compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Since {
    /// The revision, as it was given.
    pub revision: String,
    /// The commit that it means.
    pub commit: String,
}

/// A matrix of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Matrix {
    /// One job each.
    pub include: Vec<Touched>,
}

impl AffectedDocument {
    /// The document about what is affected since a revision, or of everything.
    #[must_use]
    pub fn new(affected: Affected, since: Option<Since>) -> Self {
        let Affected { touched, gone, untouched } = affected;
        Self { format: AFFECTED_FORMAT, since, matrix: Matrix { include: touched }, gone, untouched }
    }
}

/// The pairs by name alone, on one line: `{"include":[{"environment":"production","stack":"sophia"}]}`.
#[must_use]
pub fn matrix(document: &AffectedDocument) -> String {
    let pair = |one: &Touched| json!({"stack": one.stack, "environment": one.environment});
    let include: Vec<Value> = document.matrix.include.iter().map(pair).collect();
    format!("{}\n", json!({"include": include}))
}

/// The JSON Schema of [`AffectedDocument`].
#[must_use]
pub fn json_schema() -> Value {
    schemars::schema_for!(AffectedDocument).to_value()
}

/// The document for people.
#[must_use]
pub fn terminal(document: &AffectedDocument) -> String {
    let AffectedDocument { format: _, since, matrix, gone, untouched } = document;
    let short = since.as_ref().map_or("", |since| since.commit.get(..12).unwrap_or(&since.commit));
    let mut text = String::new();
    if !matrix.include.is_empty() {
        let mut table = Table::new(&["STACK", "ENVIRONMENT", "OBJECTS", "WHY"]);
        for Touched { stack, environment, why, objects } in &matrix.include {
            let why: Vec<&str> = why.iter().map(|reason| in_words(*reason)).collect();
            table.row([stack, environment, &objects.to_string(), &why.join(", ")]);
        }
        let _ = writeln!(text, "{table}");
    }
    for Gone { stack, environment, why } in gone {
        let why = match why {
            Absence::Stack => "the stack is gone",
            Absence::Environment => "the environment is gone",
            Absence::Admission => "they do not admit each other any more",
        };
        let (stack, environment) = (clean(stack), clean(environment));
        let _ = writeln!(
            text,
            "gone: {stack} in {environment}: {why}; what runs of it stays until `strata destroy {stack} -e \
             {environment}` with the files of {short}"
        );
    }
    if !gone.is_empty() {
        text.push('\n');
    }
    let touched = matrix.include.len();
    let _ = match since {
        None => writeln!(text, "{touched} in all"),
        Some(Since { revision, .. }) => {
            writeln!(text, "{touched} touched since {} ({short}), {untouched} not", clean(revision))
        }
    };
    text
}

fn in_words(reason: Reason) -> &'static str {
    match reason {
        Reason::New => "new",
        Reason::Objects => "objects",
        Reason::Claims => "claims",
        Reason::Terms => "cluster",
        Reason::Policies => "policies",
        Reason::Proofs => "proofs",
        Reason::Unreadable => "unreadable",
        Reason::Program => "its stack is a program",
        Reason::Asked => "asked for",
    }
}
