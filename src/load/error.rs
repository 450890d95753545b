//! Why a stack could not be loaded: findings, and the text they point into.

use thiserror::Error;

use crate::finding::{Finding, Sources, Tally, settle};

/// What keeps a stack from being loaded; at least one finding.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("could not load the stack and its environment: {}", Tally::of(.findings))]
pub struct LoadError {
    /// What was found, errors first, then by file, line and column.
    pub findings: Vec<Finding>,
    /// The text of the files that findings point into.
    pub sources: Sources,
}

impl LoadError {
    /// An error of these findings.
    #[must_use]
    pub fn new(mut findings: Vec<Finding>) -> Self {
        settle(&mut findings);
        Self { findings, sources: Sources::default() }
    }

    /// Adds the text of a file.
    #[must_use]
    pub fn with_source(mut self, file: &str, text: String) -> Self {
        self.sources.insert(file, text);
        self
    }

    /// Both at once.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        self.findings.extend(other.findings);
        settle(&mut self.findings);
        self.sources.extend(other.sources);
        self
    }

    /// Both at once, where there is another.
    #[must_use]
    pub(crate) fn and_all(self, other: Option<Self>) -> Self {
        match other {
            Some(other) => self.and(other),
            None => self,
        }
    }
}

impl From<Finding> for LoadError {
    fn from(finding: Finding) -> Self {
        Self::new(vec![finding])
    }
}
