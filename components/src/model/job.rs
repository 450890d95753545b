//! A job: something that is run to its end before a service starts, such as a migration of its database.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Duration;
use super::env_var::EnvName;
use super::image::ImageReference;
use super::number::number_type;
use super::text::{text_type, words};

text_type! {
    /// The name of a job among those of its service, such as `migrate`. Its pods carry it behind the service's own.
    JobName, what: "job name",
    expected: "lower-case letters and digits, words joined by `-`, a letter first, at most 40 characters",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max: 40, valid: |text| words(text, '-')
}

number_type! {
    /// How often a job is tried again after it has failed.
    Retries: u32, what: "number of retries", min: 0, max: 100
}

impl Default for Retries {
    /// None: what has changed half of a database is for people to look at.
    fn default() -> Self {
        Self(0)
    }
}

/// When a job that has been run is run again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rerun {
    /// When the job itself has changed: its image, its command, its variables.
    #[default]
    OnChange,
    /// Also whenever the pods of its service are rolled out anew.
    OnRollout,
}

/// What is run to its end before the pods of a service are started or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The program and its arguments.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// Its image, where that is not the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageReference>,
    /// Environment variables beside those of the service; of two of one name, the job's holds. No secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<EnvName, String>,
    /// How long it may take with all its retries; ten minutes unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Duration>,
    /// How often it is tried again after it has failed.
    #[serde(default)]
    pub retries: Retries,
    /// When it is run again.
    #[serde(default)]
    pub rerun: Rerun,
}

impl Job {
    /// A job that runs this command, and nothing else said.
    #[must_use]
    pub fn new(command: Vec<String>) -> Self {
        Self { command, image: None, env: BTreeMap::new(), limit: None, retries: Retries(0), rerun: Rerun::OnChange }
    }

    /// How long it may take.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit.unwrap_or(Duration::from_secs(600))
    }
}
