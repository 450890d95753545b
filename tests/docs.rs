//! The documentation held against the program: examples load, every field is described, links lead somewhere, and
//! what is said to be tested is.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;
use strata::check::prove;
use strata::cli::Cli;
use strata::load::Root;
use strata_components::model::schema;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The documents: those of the root and those in docs/, explanations and how-tos among them.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/explanation", "docs/how-to", "docs/reference"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                found.push(Path::new(folder).join(name).to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The text of every fenced block of a language.
fn blocks(file: &str, language: &str) -> Vec<String> {
    let text = read(file);
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            found.push(lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect());
        }
    }
    found
}

/// Fields by name, and whether each is required.
type Fields = BTreeMap<String, bool>;

/// The fields that the tables of a document name in their first column, by the heading they stand under; the second
/// column says what is required. Tables under one heading are numbered from the second on: `CPU and memory`,
/// `CPU and memory 2`.
fn fields(file: &str) -> BTreeMap<String, Fields> {
    let mut tables: BTreeMap<String, Fields> = BTreeMap::new();
    let (mut heading, mut number) = (String::new(), 0);
    for line in read(file).lines() {
        if let Some(text) = line.strip_prefix('#') {
            (heading, number) = (text.trim_start_matches('#').trim().to_owned(), 0);
        } else if line.starts_with("| field |") {
            number += 1;
        } else if let Some(rest) = line.strip_prefix("| `") {
            let name = if number > 1 { format!("{heading} {number}") } else { heading.clone() };
            let required = rest.split('|').nth(1).unwrap().trim() == "required";
            tables.entry(name).or_default().insert(rest.split('`').next().unwrap().to_owned(), required);
        }
    }
    tables
}

/// Every YAML block of the two documents, written as files of a root.
fn example_root() -> (tempfile::TempDir, Vec<String>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let mut names = BTreeMap::from([("stack", Vec::new()), ("environment", Vec::new())]);
    for (kind, folder, file) in
        [("stack", "stacks", "docs/stack-file.md"), ("environment", "environments", "docs/environment-file.md")]
    {
        fs::create_dir(dir.path().join(folder)).unwrap();
        for block in blocks(file, "yaml") {
            let name = block.lines().next().unwrap().strip_prefix(&format!("{kind}: ")).unwrap().to_owned();
            fs::write(dir.path().join(folder).join(format!("{name}.yaml")), block).unwrap();
            names.get_mut(kind).unwrap().push(name);
        }
    }
    (dir, names.remove("stack").unwrap(), names.remove("environment").unwrap())
}

#[track_caller]
fn sound(stack: &str, environment: &str, expect: &[&str]) {
    let (dir, ..) = example_root();
    let loaded = Root::open(dir.path()).unwrap().load(stack, environment).unwrap_or_else(|error| {
        panic!("{stack} in {environment}: {:#?}", error.findings);
    });
    let proven = prove(&loaded, "here", None);
    let found: Vec<&str> = proven.findings.iter().map(|finding| finding.rule.as_ref()).collect();
    assert_eq!(found, expect, "{:#?}", proven.findings);
    assert!(proven.desired.is_some());
}

#[test]
fn examples_are_all_there() {
    let (_dir, stacks, environments) = example_root();
    assert_eq!(
        (stacks, environments),
        (vec!["shop".to_owned(), "small".into()], vec!["local".to_owned(), "tiny".into()])
    );
}

#[test]
fn the_whole_example_is_sound() {
    sound("shop", "local", &[]);
}

#[test]
fn the_smallest_example_is_sound() {
    sound("small", "tiny", &[]);
}

/// Compares the fields of a document with those of the schema, heading by heading.
#[track_caller]
fn describes(file: &str, schema: &Value, sections: &[(&str, &str)]) {
    let documented = fields(file);
    let properties = |definition: &str| -> Fields {
        let schema = if definition.is_empty() { schema } else { &schema["$defs"][definition] };
        let required =
            |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
        let names = schema["properties"].as_object().unwrap_or_else(|| panic!("{definition}")).keys();
        names.map(|name| (name.clone(), required(name))).collect()
    };
    let expect: BTreeMap<String, Fields> =
        sections.iter().map(|(heading, definition)| ((*heading).to_owned(), properties(definition))).collect();
    assert_eq!(documented, expect);
    let objects: BTreeSet<&str> = schema["$defs"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, definition)| definition.get("properties").is_some())
        .map(|(name, _)| name.as_str())
        .collect();
    // What the other document describes is not described twice.
    let shared = BTreeSet::from([
        "Amounts",
        "BlueGreen",
        "NeededDefinition",
        "NeededNodes",
        "NeededService",
        "Needs",
        "Resources",
        "Rollout",
    ]);
    let told: BTreeSet<&str> =
        sections.iter().map(|(_, definition)| *definition).filter(|name| !name.is_empty()).collect();
    assert_eq!(objects.difference(&told).copied().collect::<BTreeSet<_>>().difference(&shared).next(), None);
}

#[test]
fn every_field_of_a_stack_is_described() {
    describes(
        "docs/stack-file.md",
        &schema::stack(),
        &[
            ("The stack", ""),
            ("A tier", "Tier"),
            ("A service", "Service"),
            ("Components", "Component"),
            ("Components 2", "Redis"),
            ("Components 3", "Postgresql"),
            ("Components 4", "Weaviate"),
            ("Components 5", "Storage"),
            ("Components 6", "SecretKey"),
            ("Components 7", "External"),
            ("HAProxy", "Haproxy"),
            ("HAProxy 2", "Front"),
            ("Backups", "Backup"),
            ("Consul", "Consul"),
            ("Consul 2", "Registration"),
            ("Network monitor", "NetworkMonitor"),
            ("Autoscaling", "Autoscale"),
            ("Rollout", "Rollout"),
            ("Rollout 2", "BlueGreen"),
            ("Jobs", "Job"),
            ("Needs", "Needs"),
            ("Needs 2", "NeededService"),
            ("Needs 3", "NeededDefinition"),
            ("Needs 4", "NeededNodes"),
            ("Gateway", "Gateway"),
            ("Device plugin", "DevicePlugin"),
            ("Device plugin 2", "DeviceGroup"),
            ("Outputs", "Output"),
            ("A waiver", "Waiver"),
            ("Ownership", "Ownership"),
            ("A field rule", "FieldRule"),
            ("An adoption", "Adoption"),
            ("Circuit breaker", "CircuitBreaker"),
            ("Rate limit", "RateLimit"),
            ("CPU and memory", "Resources"),
            ("CPU and memory 2", "Amounts"),
        ],
    );
}

#[test]
fn every_field_of_an_environment_is_described() {
    describes(
        "docs/environment-file.md",
        &schema::environment(),
        &[
            ("The environment", ""),
            ("Plans", "PlanPolicy"),
            ("A cluster", "Cluster"),
            ("Guard", "Guard"),
            ("Embedded cluster", "EmbeddedCluster"),
            ("Node group", "NodeGroup"),
            ("Taint", "Taint"),
            ("Image", "ImageSource"),
            ("Replicas", "ReplicaPolicy"),
            ("GPU", "GpuSettings"),
            ("GPU 2", "GpuRuntimeClass"),
            ("Gateway", "GatewaySettings"),
            ("Mesh", "Mesh"),
            ("Monitoring", "Monitoring"),
            ("Network", "Network"),
            ("Pods of the cluster", "Peer"),
            ("A change to one service", "ServiceOverride"),
            ("A change to an autoscaler", "AutoscaleOverride"),
        ],
    );
}

/// The targets of the links in a document: what stands between `](` and `)`, but for what is in backticks.
fn links(text: &str) -> Vec<String> {
    let outside: String = text.lines().map(|line| line.split('`').step_by(2).collect::<String>() + "\n").collect();
    let targets = outside.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

#[test]
fn links_lead_to_files() {
    let mut broken = Vec::new();
    for file in documents() {
        let folder = root().join(&file).parent().unwrap().to_owned();
        for target in
            links(&read(&file)).into_iter().filter(|target| !target.contains("://") && !target.starts_with('#'))
        {
            let path = target.split('#').next().unwrap();
            if !folder.join(path).exists() {
                broken.push(format!("{file}: {target}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The cells of every table row of a document that begins with a cell of its own, without the heads of tables.
fn rows(file: &str) -> Vec<Vec<String>> {
    let row = |line: &str| -> Option<Vec<String>> {
        let cells: Vec<String> =
            line.strip_prefix("| ")?.strip_suffix('|')?.split('|').map(|cell| cell.trim().to_owned()).collect();
        (cells.last()? != "tests").then_some(cells)
    };
    read(file).lines().filter_map(row).collect()
}

/// What stands in backticks.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Every source file of the workspace, in one text.
fn sources() -> String {
    fn collect(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, text);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut text = String::new();
    for folder in ["src", "tests", "components", "embedded", "merge", "network-monitor"] {
        collect(&root().join(folder), &mut text);
    }
    text
}

#[test]
fn every_row_of_the_fleet_is_told() {
    let named: Vec<String> =
        rows("docs/fleet-rows.md").into_iter().filter(|row| row.len() == 4).map(|row| row[0].clone()).collect();
    let expect: Vec<String> = [('A', 20), ('B', 9), ('C', 8), ('D', 7), ('E', 7)]
        .into_iter()
        .flat_map(|(area, last)| (1..=last).map(move |number| format!("{area}{number}")))
        .collect();
    assert_eq!(named, expect);
}

#[test]
fn what_is_said_to_be_there_is_there() {
    let sources = sources();
    let mut wrong = Vec::new();
    for row in rows("docs/fleet-rows.md") {
        let [.., command, tests] = row.as_slice() else { unreachable!("a row has a command and tests") };
        let (commands, tests) = (quoted(command), quoted(tests));
        if (command == "later") != (commands.is_empty() && tests.is_empty()) || commands.is_empty() != tests.is_empty()
        {
            wrong.push(format!("{row:?}: a row has commands and tests, or is later"));
        }
        for command in commands {
            if let Err(error) = Cli::try_parse_from(command.split(' ')) {
                wrong.push(format!("{command}: {error}"));
            }
        }
        for test in tests {
            let marked = |at: usize| sources[..at].rsplit("\n\n").next().is_some_and(|item| item.contains("test]"));
            // A story is a file of its own, told on each cluster there is.
            let story = root().join(format!("tests/cluster/{test}.rs")).is_file();
            if !story && !sources.match_indices(&format!("fn {test}(")).any(|(at, _)| marked(at)) {
                wrong.push(format!("{test}: there is no such test"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the documents show as typed at a prompt is what the program takes.
#[test]
fn commands_at_a_prompt_are_taken() {
    let mut wrong = Vec::new();
    for file in documents() {
        for block in blocks(&file, "console") {
            for line in block.lines() {
                let line = line.strip_prefix("$ ").unwrap_or(line);
                let typed = line.split([';', '&', '>']).next().unwrap().trim();
                let typed = typed
                    .strip_prefix("cargo run -- ")
                    .map(|rest| format!("strata {rest}"))
                    .unwrap_or(typed.to_owned());
                if typed.starts_with("strata ")
                    && let Err(error) = Cli::try_parse_from(typed.split_whitespace())
                {
                    wrong.push(format!("{file}: {typed}: {error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
