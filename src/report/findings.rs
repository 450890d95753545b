//! Findings as people and programs read them: with the lines they are about for a terminal, and as JSON.

use annotate_snippets::{AnnotationKind, Group, Level as Heading, Origin, Renderer, Snippet};
use serde::Serialize;

use super::clean::{clean, is_deceptive};
use crate::check::summary::{Fleet, Summary};
use crate::finding::{Finding, Level, Location, Related, Sources, Tally};

/// Findings for a terminal of that many columns, in colours that [`anstream`] takes out where they are not wanted.
///
/// Every finding shows its rule, what was found and expected, the lines it is about, and what to do.
#[must_use]
pub fn terminal(findings: &[Finding], sources: &Sources, width: usize) -> String {
    let renderer = Renderer::styled().hyperlink(false).term_width(width);
    let mut text = String::new();
    let hidden: Vec<&Location> = findings.iter().filter(|f| f.concealed).filter_map(|f| f.at.as_ref()).collect();
    let nothing = Sources::default();
    for finding in findings {
        let finding = cleaned(finding);
        let sources = if hidden.iter().any(|line| shows(&finding, line)) { &nothing } else { sources };
        text.push_str(&renderer.render(&[group(&finding, sources)]));
        text.push_str("\n\n");
    }
    text
}

/// Whether the lines that explain a finding would show this one.
fn shows(finding: &Finding, hidden: &Location) -> bool {
    let places = finding.at.iter().chain(finding.related.iter().map(|related| &related.at));
    let lines: Vec<usize> = places.filter(|at| at.file == hidden.file).map(|at| at.line).collect();
    let (first, last) = (lines.iter().min(), lines.iter().max());
    first.zip(last).is_some_and(|(first, last)| (first..=last).contains(&&hidden.line))
}

fn group<'a>(finding: &Finding, sources: &Sources) -> Group<'a> {
    let level = match finding.level {
        Level::Error => Heading::ERROR,
        Level::Warning => Heading::WARNING,
        Level::Note => Heading::NOTE,
    };
    let mut group =
        level.primary_title(finding.message.clone()).id(finding.rule.clone()).elements(snippets(finding, sources));
    if let Some(at) = finding.at.as_ref().filter(|at| sources.get(&at.file).is_none()) {
        let origin = Origin::path(at.file.clone()).line(at.line).char_column(at.column);
        group = group.element(origin);
    }
    if finding.at.is_none()
        && let Some(path) = &finding.path
    {
        group = group.element(Heading::NOTE.message(format!("at {path} in the stack's program")));
    }
    if let Some(reason) = &finding.waived {
        group = group.element(Heading::NOTE.message(format!("waived: {reason}")));
    }
    if let Some(help) = &finding.help {
        group = group.element(Heading::HELP.message(help.clone()));
    }
    group
}

/// One snippet for each file that a finding has places in, the file of the finding itself first.
fn snippets<'a>(finding: &Finding, sources: &Sources) -> Vec<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let Some(at) = &finding.at else { return Vec::new() };
    let mut places: Vec<(&Location, Option<&str>, AnnotationKind)> =
        vec![(at, finding.label.as_deref(), AnnotationKind::Primary)];
    places.extend(finding.related.iter().map(|r| (&r.at, Some(r.text.as_str()), AnnotationKind::Context)));
    let mut files: Vec<&str> = Vec::new();
    for (location, ..) in &places {
        if !files.contains(&location.file.as_str()) && sources.get(&location.file).is_some() {
            files.push(&location.file);
        }
    }
    files
        .into_iter()
        .map(|file| {
            let here: Vec<_> = places.iter().filter(|(location, ..)| location.file == file).collect();
            let first = here.iter().map(|(location, ..)| location.line).min().unwrap_or(1);
            let last = here.iter().map(|(location, ..)| location.line).max().unwrap_or(1);
            let lines: Vec<String> = sources
                .get(file)
                .unwrap_or_default()
                .split('\n')
                .skip(first.saturating_sub(1))
                .take(last - first + 1)
                .map(visible)
                .collect();
            let annotations: Vec<_> = here
                .iter()
                .map(|(location, label, kind)| {
                    let above: usize = lines.iter().take(location.line - first).map(|line| line.len() + 1).sum();
                    let line = lines.get(location.line - first).map(String::as_str).unwrap_or_default();
                    let from = offset(line, location.column.saturating_sub(1));
                    let to = offset(line, location.column.saturating_sub(1) + location.length).max(from);
                    kind.span(above + from..above + to).label(label.map(|label| clean(label).into_owned()))
                })
                .collect();
            Snippet::source(lines.join("\n")).line_start(first).path(clean(file).into_owned()).annotations(annotations)
        })
        .collect()
}

/// The byte offset of a character, or the end of the line.
fn offset(line: &str, characters: usize) -> usize {
    line.char_indices().nth(characters).map_or(line.len(), |(offset, _)| offset)
}

/// A line of a file with a mark in place of each character that acts or deceives, so that columns stay.
fn visible(line: &str) -> String {
    let line = line.strip_suffix('\r').unwrap_or(line);
    line.chars().map(|c| if c != '\t' && is_deceptive(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

fn cleaned(finding: &Finding) -> Finding {
    let Finding { rule, level, message, at, label, related, path, help, waived, concealed } = finding;
    let owned = |text: &String| clean(text).into_owned();
    let place = |at: &Location| Location { file: owned(&at.file), ..at.clone() };
    Finding {
        rule: rule.clone(),
        level: *level,
        message: owned(message),
        at: at.as_ref().map(place),
        label: label.as_ref().map(owned),
        related: related.iter().map(|r| Related { at: place(&r.at), text: owned(&r.text) }).collect(),
        path: path.as_ref().map(owned),
        help: help.as_ref().map(owned),
        waived: waived.as_ref().map(owned),
        concealed: *concealed,
    }
}

/// What `-o json` prints for findings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingsReport {
    /// The form of this document.
    pub format: &'static str,
    /// What was proven, in figures; absent where the files cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// How many there are of each level.
    pub tally: Tally,
    /// The findings, errors first, then by file, line and column.
    pub findings: Vec<Finding>,
}

/// The form of the JSON that [`json`] writes.
pub const FORMAT: &str = "strata.findings/v1";

/// Findings as a JSON document, indented, with a line feed at its end; with what they were found in, where that is known.
#[must_use]
pub fn json(findings: &[Finding], summary: Option<&Summary>) -> String {
    let report = FindingsReport {
        format: FORMAT,
        summary: summary.cloned(),
        tally: Tally::of(findings),
        findings: findings.iter().map(cleaned).collect(),
    };
    super::json_document(&report)
}

/// The findings of several stacks as one document, each with the figures of its stack.
#[must_use]
pub fn json_of_all<'a>(parts: impl IntoIterator<Item = (&'a Summary, &'a [Finding])>) -> String {
    let parts: Vec<FindingsReport> = parts
        .into_iter()
        .map(|(summary, findings)| FindingsReport {
            format: FORMAT,
            summary: Some(summary.clone()),
            tally: Tally::of(findings),
            findings: findings.iter().map(cleaned).collect(),
        })
        .collect();
    super::json_document(&parts)
}

/// What was proven, in a line, and in another what the start of the fleet waits for.
#[must_use]
pub fn closing(summary: &Summary, findings: &[Finding]) -> String {
    let Summary { stack, environment, fleet } = summary;
    let count = |number: u64, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let (what, path) = match fleet {
        None => ("cannot be composed".to_owned(), String::new()),
        Some(Fleet { services, phases, pods, gpus, critical_path }) => {
            let services = format!("{} in {}", count(*services, "service"), count(*phases, "phase"));
            let path = critical_path.as_ref().map_or_else(String::new, |path| format!("critical path: {path}\n"));
            (format!("{services}, {}, {}", count(*pods, "pod"), count(*gpus, "GPU")), path)
        }
    };
    format!("{stack} in {environment}: {what}; {}\n{path}", Tally::of(findings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Rule;

    const RULE: Rule = Rule { id: "S-test-001", level: Level::Error, title: "t", meaning: "m", remedy: "r" };

    fn location(file: &str, line: usize, column: usize, length: usize) -> Location {
        Location { file: file.into(), line, column, length }
    }

    #[track_caller]
    fn check(finding: Finding, expect: &str) {
        let mut sources = Sources::default();
        sources.insert("stacks/a.yaml", "stack: a\nservices:\n  näme: {port: 1}\r\n  evil: \u{1b}[31m\n  last: 1");
        sources.insert("environments/e.yaml", "environment: e\n");
        let text = terminal(&[finding], &sources, 100);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(plain.trim_end(), expect.trim_matches('\n'));
    }

    #[test]
    fn a_finding_shows_its_line_and_what_to_do() {
        check(
            Finding::new(&RULE, "port 1 is taken")
                .at(location("stacks/a.yaml", 3, 16, 1))
                .help("take another".to_owned()),
            r"
error[S-test-001]: port 1 is taken
 --> stacks/a.yaml:3:16
  |
3 |   näme: {port: 1}
  |                ^
  |
  = help: take another",
        );
    }

    #[test]
    fn other_places_are_shown_with_what_is_there() {
        check(
            Finding::new(&RULE, "two")
                .at(location("stacks/a.yaml", 5, 3, 4))
                .label("here")
                .related(location("stacks/a.yaml", 1, 1, 5), "and here")
                .related(location("environments/e.yaml", 1, 14, 1), "in this environment"),
            r"
error[S-test-001]: two
 --> stacks/a.yaml:5:3
  |
1 | stack: a
  | ----- and here
...
5 |   last: 1
  |   ^^^^ here
  |
 ::: environments/e.yaml:1:14
  |
1 | environment: e
  |              - in this environment",
        );
    }

    #[test]
    fn nothing_from_a_file_acts_on_the_terminal() {
        check(
            Finding::new(&RULE, "odd \u{1b}[2J").at(location("stacks/a.yaml", 4, 9, 5)),
            "
error[S-test-001]: odd \\u{1b}[2J
 --> stacks/a.yaml:4:9
  |
4 |   evil: \u{fffd}[31m
  |         ^^^^^",
        );
    }

    #[test]
    fn a_finding_without_a_file_names_its_place_in_the_model() {
        check(
            Finding::new(&RULE, "bad").path("services.a.port"),
            "
error[S-test-001]: bad
 |
 = note: at services.a.port in the stack's program",
        );
    }

    #[test]
    fn json_is_stable_and_clean() {
        let finding = Finding::new(&RULE, "odd \u{9b}").at(location("stacks/a.yaml", 4, 9, 5));
        assert_eq!(
            json(&[finding], None),
            r#"{
  "format": "strata.findings/v1",
  "tally": {
    "errors": 1,
    "warnings": 0,
    "notes": 0
  },
  "findings": [
    {
      "rule": "S-test-001",
      "level": "error",
      "message": "odd \\u{9b}",
      "at": {
        "file": "stacks/a.yaml",
        "line": 4,
        "column": 9,
        "length": 5
      }
    }
  ]
}
"#
        );
    }
}
