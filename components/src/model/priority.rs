//! How much a service matters when nodes are short: who is placed first, and who makes room.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The priority of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Makes room for the others.
    #[default]
    Low,
    /// Before low, after high.
    Medium,
    /// Placed first; makes the others give way when nodes are short.
    High,
}

impl Priority {
    /// All priorities, the highest first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// The value of the Kubernetes PriorityClass. All lie above 0, where pods without a class are, and far below
    /// 2,000,000,000, where the system's own classes begin.
    #[must_use]
    pub const fn value(self) -> i32 {
        match self {
            Self::High => 1_000_000,
            Self::Medium => 100_000,
            Self::Low => 10_000,
        }
    }

    /// The word, as the stack file and the labels have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
