//! The workflows held against the program: what they call exists, and what they are allowed is little.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::fs;
use std::path::Path;

use clap::Parser;
use serde_json::Value;
use strata::cli::Cli;

/// The workflows, by the names of their files.
fn workflows() -> Vec<(String, Value)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows");
    let mut all: Vec<(String, Value)> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap())
        })
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// Every job of every workflow, with its file and its name.
fn jobs() -> Vec<(String, Value)> {
    let jobs = workflows().into_iter().flat_map(|(file, workflow)| {
        let jobs = workflow["jobs"].as_object().unwrap().clone();
        jobs.into_iter().map(move |(name, job)| (format!("{file} {name}"), job)).collect::<Vec<_>>()
    });
    jobs.collect()
}

/// Every step of every job.
fn steps() -> Vec<(String, Value)> {
    let steps = |(name, job): (String, Value)| {
        let steps = job["steps"].as_array().cloned().unwrap_or_default();
        steps.into_iter().map(move |step| (name.clone(), step)).collect::<Vec<_>>()
    };
    jobs().into_iter().flat_map(steps).collect()
}

/// The calls of the program in a script, each as its words. What a variable holds is some word.
fn calls(script: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for line in script.replace("\\\n", " ").lines() {
        for command in line.split(['|', ';', '(', ')']).flat_map(|part| part.split("&&")) {
            let command = command.split('>').next().unwrap();
            let mut words =
                command.split_whitespace().skip_while(|word| matches!(*word, "if" | "then" | "!" | "\"$")).peekable();
            let Some(first) = words.peek() else { continue };
            if first.rsplit('/').next() != Some("strata") {
                continue;
            }
            let plain = |word: &str| {
                let word = word.trim_matches(['"', '\'']);
                if word.contains('$') { "word".to_owned() } else { word.to_owned() }
            };
            calls.push(
                words.map(|word| if word.ends_with("/strata") { "strata".to_owned() } else { plain(word) }).collect(),
            );
        }
    }
    calls
}

#[test]
fn calls_are_found_in_scripts() {
    let script = "PATH=\"$PWD/bin:$PATH\"\nchmod +x bin/strata && strata check \"$A\" -e \"$B\" || code=$?\n\
                  x=\"$(bin/strata show plan)\"\nprintf '%s' \"$K\" | strata sign plan --key - > /dev/null";
    let expect = ["strata check word -e word", "bin/strata show plan", "strata sign plan --key -"];
    let found: Vec<String> = calls(script).iter().map(|words| words.join(" ")).collect();
    assert_eq!(found, expect.map(|line| line.replace("bin/", "")));
}

#[test]
fn what_workflows_call_exists() {
    let mut found = 0;
    for (job, step) in steps() {
        for mut words in calls(text(&step, "run").unwrap_or_default()) {
            words.retain(|word| word != "code=word");
            found += 1;
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{job}: {}: {error}", words.join(" "));
            }
        }
    }
    assert!(found >= 10, "{found}");
}

#[test]
fn actions_are_pinned_by_the_digest_of_a_commit() {
    let mut used = 0;
    for (job, step) in steps() {
        let Some(action) = text(&step, "uses") else { continue };
        used += 1;
        let (_, pin) = action.split_once('@').unwrap();
        assert!(pin.len() == 40 && pin.bytes().all(|byte| byte.is_ascii_hexdigit()), "{job}: {action}");
        if action.starts_with("actions/checkout@") {
            assert_eq!(step["with"]["persist-credentials"], false, "{job}");
        }
    }
    assert!(used >= 10, "{used}");
}

#[test]
fn nothing_that_others_wrote_becomes_a_command() {
    for (job, step) in steps() {
        let script = text(&step, "run").unwrap_or_default();
        assert!(!script.contains("${{"), "{job}: an expression stands in a script:\n{script}");
    }
    for (file, workflow) in workflows() {
        let triggers: Vec<&str> = match &workflow["on"] {
            Value::Object(on) => on.keys().map(String::as_str).collect(),
            other => panic!("{file}: {other}"),
        };
        for dangerous in ["pull_request_target", "workflow_run", "issue_comment"] {
            assert!(!triggers.contains(&dangerous), "{file}: {dangerous}");
        }
    }
}

#[test]
fn jobs_are_allowed_little() {
    for (file, workflow) in workflows() {
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{file}");
        assert!(workflow["concurrency"]["group"].is_string(), "{file}");
    }
    let mut writes = Vec::new();
    for (name, job) in jobs() {
        assert!(job["timeout-minutes"].is_number(), "{name}");
        for (what, level) in job["permissions"].as_object().unwrap_or_else(|| panic!("{name} says nothing")) {
            if level == "write" {
                writes.push(format!("{name}: {what}"));
                // Who may write runs nothing of the repository and holds no secret.
                let text = job.to_string();
                assert!(!text.contains("actions/checkout") && !text.contains("secrets."), "{name}");
            }
        }
    }
    writes.sort();
    let expect = [
        "drift.yml tell: issues",
        "plan.yml comment: pull-requests",
        "release.yml publish: attestations",
        "release.yml publish: contents",
        "release.yml publish: id-token",
    ];
    assert_eq!(writes, expect);
}
