//! A finding: something in a file, or in what follows from it, that a person should know or must change.
//!
//! Findings are data. Which rules exist is said beside the code that applies them ([`crate::load::rules`],
//! [`crate::check::rules`]); how findings look is said in [`crate::report::findings`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It stops every command that would go on from here.
    Error,
    /// It should be looked at; nothing is stopped.
    Warning,
    /// It is worth knowing.
    Note,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// A rule that findings come from. Each has an id that never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// `S-<area>-<number>`, such as `S-ports-012`.
    pub id: &'static str,
    /// How much a finding of this rule matters.
    pub level: Level,
    /// The rule in a few words, as a heading.
    pub title: &'static str,
    /// What it means and why it matters.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// A stretch of one line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Location {
    /// The file, relative to the root, with `/` between its parts.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// How many characters it covers on that line; at least 1.
    pub length: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A second place that explains a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Related {
    /// Where.
    pub at: Location,
    /// What is there.
    pub text: String,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The rule's id.
    pub rule: Cow<'static, str>,
    /// How much it matters.
    pub level: Level,
    /// What was found and what was expected, in one line without a full stop.
    pub message: String,
    /// Where; absent for a stack that does not come from a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// A few words for the place itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Other places that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// The same place in the words of the model, such as `services.ai_memory.port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Why it is accepted, where the stack waives the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<String>,
    /// Whether the line it points to holds what must not be shown.
    #[serde(skip)]
    pub concealed: bool,
}

impl Finding {
    /// A finding of a rule, with nothing but its message yet.
    #[must_use]
    pub fn new(rule: &Rule, message: impl Into<String>) -> Self {
        Self::of_rule(rule.id, rule.level, message)
    }

    /// The same, of a rule that is known by its id alone.
    #[must_use]
    pub fn of_rule(rule: impl Into<Cow<'static, str>>, level: Level, message: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            level,
            message: message.into(),
            at: None,
            label: None,
            related: Vec::new(),
            path: None,
            help: None,
            waived: None,
            concealed: false,
        }
    }

    /// Says where it is.
    #[must_use]
    pub fn at(mut self, location: impl Into<Option<Location>>) -> Self {
        self.at = location.into();
        self
    }

    /// Puts a few words at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn related(mut self, location: impl Into<Option<Location>>, text: impl Into<String>) -> Self {
        if let Some(at) = location.into() {
            self.related.push(Related { at, text: text.into() });
        }
        self
    }

    /// Says where it is in the words of the model.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    /// Keeps the line that it points to from being shown.
    #[must_use]
    pub fn conceal(mut self) -> Self {
        self.concealed = true;
        self
    }

    fn order(&self) -> (Level, bool, Option<&Location>, &str, &str) {
        (self.level, self.at.is_none(), self.at.as_ref(), &self.rule, &self.message)
    }
}

/// Sorts findings (errors first, then by file, line and column) and drops those said twice.
pub fn settle(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| a.order().cmp(&b.order()));
    findings.dedup();
}

/// How many findings there are of each level.
///
/// ```
/// use strata::finding::Tally;
/// assert_eq!(Tally { errors: 2, warnings: 1, notes: 0 }.to_string(), "2 errors, 1 warning");
/// assert_eq!(Tally::default().to_string(), "no findings");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
}

impl Tally {
    /// Counts.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        let count = |level| findings.iter().filter(|finding| finding.level == level).count();
        Self { errors: count(Level::Error), warnings: count(Level::Warning), notes: count(Level::Note) }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [(self.errors, "error"), (self.warnings, "warning"), (self.notes, "note")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
            .collect();
        if parts.is_empty() { f.write_str("no findings") } else { f.write_str(&parts.join(", ")) }
    }
}

/// The text of the files that findings point into, by the name that [`Location::file`] gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources(BTreeMap<String, String>);

impl Sources {
    /// Keeps a file's text.
    pub fn insert(&mut self, file: impl Into<String>, text: impl Into<String>) {
        self.0.insert(file.into(), text.into());
    }

    /// The text of a file.
    #[must_use]
    pub fn get(&self, file: &str) -> Option<&str> {
        self.0.get(file).map(String::as_str)
    }

    /// Takes over the files of another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule { id: "S-test-001", level: Level::Error, title: "t", meaning: "m", remedy: "r" };
    const NOTE: Rule = Rule { id: "S-test-002", level: Level::Note, title: "t", meaning: "m", remedy: "r" };

    fn location(line: usize) -> Location {
        Location { file: "stacks/a.yaml".into(), line, column: 1, length: 1 }
    }

    #[test]
    fn settling_puts_errors_first_in_the_order_of_the_file_and_says_nothing_twice() {
        let mut findings = vec![
            Finding::new(&NOTE, "note").at(location(1)),
            Finding::new(&RULE, "no place"),
            Finding::new(&RULE, "late").at(location(9)),
            Finding::new(&RULE, "early").at(location(2)),
            Finding::new(&RULE, "late").at(location(9)),
        ];
        settle(&mut findings);
        let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages, ["early", "late", "no place", "note"]);
        assert_eq!(Tally::of(&findings), Tally { errors: 3, warnings: 0, notes: 1 });
    }
}
