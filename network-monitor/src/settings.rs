//! What is watched, and how often: a JSON file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

/// The settings of a monitor.
///
/// ```
/// use network_monitor::settings::Settings;
/// let settings = Settings::parse(r#"{
///     "interval_ms": 15000, "timeout_ms": 2000,
///     "targets": [{"name": "files", "host": "files-mcp.mcp-internal", "port": 11101, "path": "/health"}]
/// }"#)?;
/// assert_eq!(settings.targets[0].url(), "http://files-mcp.mcp-internal:11101/health");
/// # Ok::<(), network_monitor::settings::SettingsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How often each target is asked, in milliseconds; at least 1.
    pub interval_ms: u64,
    /// How long it may take to answer, in milliseconds; at least 1.
    pub timeout_ms: u64,
    /// What is watched.
    pub targets: Vec<Target>,
}

/// A service that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// What it is called; each name once.
    pub name: String,
    /// Its name in the domain name system, or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path that tells over HTTP whether it is well. Without one it is well if it can be connected to.
    #[serde(default)]
    pub path: Option<String>,
}

/// Settings that nothing can be watched by.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("reading the settings in {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no settings.
    #[error("understanding the settings")]
    Malformed(#[source] serde_json::Error),
    /// A time of nothing.
    #[error("`{0}` is 0: write how many milliseconds")]
    NoTime(&'static str),
    /// Two targets with one name.
    #[error("two targets are called `{0}`: give one another name")]
    Twice(String),
    /// A path that is none.
    #[error("target `{name}` has the path `{path}`: begin it with `/`, and write it without spaces")]
    Path {
        /// The target.
        name: String,
        /// Its path.
        path: String,
    },
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or as [`Self::parse`].
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let unreadable = |source| SettingsError::Unreadable { path: path.to_owned(), source };
        Self::parse(&std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is no settings, or nothing can be watched by them.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let settings: Self = serde_json::from_str(text).map_err(SettingsError::Malformed)?;
        for (name, time) in [("interval_ms", settings.interval_ms), ("timeout_ms", settings.timeout_ms)] {
            if time == 0 {
                return Err(SettingsError::NoTime(name));
            }
        }
        let mut names = BTreeSet::new();
        for target in &settings.targets {
            if !names.insert(&target.name) {
                return Err(SettingsError::Twice(target.name.clone()));
            }
            if let Some(path) = target.path.as_ref().filter(|path| !is_path(path)) {
                return Err(SettingsError::Path { name: target.name.clone(), path: path.clone() });
            }
        }
        Ok(settings)
    }

    /// How often each target is asked.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    /// How long a target may take to answer.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok()
}

impl Target {
    /// What is asked, as a URL: `tcp://` where no path is.
    #[must_use]
    pub fn url(&self) -> String {
        let Self { host, port, path, .. } = self;
        match path {
            Some(path) => format!("http://{host}:{port}{path}"),
            None => format!("tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    #[track_caller]
    fn refused(interval: u64, targets: &str, expect: &str) {
        let text = format!(r#"{{"interval_ms": {interval}, "timeout_ms": 1, "targets": [{targets}]}}"#);
        assert_eq!(Settings::parse(&text).unwrap_err().to_string(), expect);
    }

    #[test]
    fn what_nothing_can_be_watched_by_is_refused() {
        let a = r#"{"name": "a", "host": "h", "port": 1}"#;
        refused(0, a, "`interval_ms` is 0: write how many milliseconds");
        refused(1, &format!("{a}, {a}"), "two targets are called `a`: give one another name");
        for path in ["health", "", "/a b"] {
            let target = format!(r#"{{"name": "a", "host": "h", "port": 1, "path": "{path}"}}"#);
            let expect = format!("target `a` has the path `{path}`: begin it with `/`, and write it without spaces");
            refused(1, &target, &expect);
        }
        refused(1, r#"{"name": "a", "host": "h", "port": 1, "pat": "/"}"#, "understanding the settings");
        refused(1, r#"{"name": "a", "host": "h", "port": 65536}"#, "understanding the settings");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Settings::read(Path::new("no/such/file.json")).unwrap_err();
        assert_eq!(error.to_string(), "reading the settings in no/such/file.json");
    }
}
