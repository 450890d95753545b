//! How much of an instance's history is kept.

use super::number::number_type;

number_type! {
    /// How many runs a history keeps.
    HistoryLength: u16, what: "length of a history", min: 1, max: 500
}

impl Default for HistoryLength {
    /// Twenty runs.
    fn default() -> Self {
        Self(20)
    }
}
