//! The stacks and environments that ship with the project, damaged at random: whatever becomes of them is proven or
//! refused, and what is refused is refused at a place that the file has.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod story;

use std::fs;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use strata::check::prove;
use strata::finding::{Finding, Sources};
use strata::load::{StackSource, YamlStack};
use strata::report::findings::terminal;

use story::Story;

/// What happens to a file.
#[derive(Debug, Clone)]
enum Damage {
    Delete(Index),
    Duplicate(Index),
    Swap(Index, Index),
    /// What stands behind the first colon of a line becomes something else.
    Change(Index, &'static str),
    /// The key of a line becomes something else.
    Rename(Index, &'static str),
    Indent(Index, &'static str),
    Insert(Index, Vec<u8>),
    CutOff(Index),
}

const VALUES: [&str; 24] = [
    "",
    "0",
    "-1",
    "65536",
    "99999999999999999999999999",
    "1e400",
    "0o17",
    "010",
    "1:20",
    "yes",
    "no",
    "~",
    "[]",
    "{}",
    "[[[[",
    "\"",
    "*a",
    "&a",
    "!!str x",
    "\"\\u202e\"",
    "../../x",
    "{{ x }}",
    "9019-9010",
    "|",
];
const KEYS: [&str; 7] = ["x", "<<", "on", "~", "[a]", "1", "services"];
const INDENTS: [&str; 3] = [" ", "\t", "        "];

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        at().prop_map(Damage::Delete),
        at().prop_map(Damage::Duplicate),
        (at(), at()).prop_map(|(one, other)| Damage::Swap(one, other)),
        (at(), select(VALUES.to_vec())).prop_map(|(at, value)| Damage::Change(at, value)),
        (at(), select(KEYS.to_vec())).prop_map(|(at, key)| Damage::Rename(at, key)),
        (at(), select(INDENTS.to_vec())).prop_map(|(at, indent)| Damage::Indent(at, indent)),
        (at(), prop::collection::vec(any::<u8>(), 1..5)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        (at(), "[-:,{}\\[\\]#&*!|>'\"%@` \t\r\n\u{0}\u{feff}\u{200b}]{1,4}")
            .prop_map(|(at, text)| Damage::Insert(at, text.into_bytes())),
        at().prop_map(Damage::CutOff),
    ]
}

fn spoiled(bytes: Vec<u8>, damage: &Damage) -> Vec<u8> {
    if let Damage::Insert(at, more) = damage {
        let at = at.index(bytes.len() + 1);
        return [&bytes[..at], more.as_slice(), &bytes[at..]].concat();
    }
    if let Damage::CutOff(at) = damage {
        return bytes[..at.index(bytes.len() + 1)].to_vec();
    }
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let count = lines.len();
    if count == 0 {
        return bytes;
    }
    let around = |line: &[u8], key: Option<&str>, value: Option<&str>| {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len() - 1);
        let start = line.iter().position(|byte| *byte != b' ').unwrap_or(0).min(colon);
        let key = key.map_or(&line[start..colon], str::as_bytes);
        let value = value.map_or_else(|| line[colon..].to_vec(), |value| format!(": {value}\n").into_bytes());
        [&line[..start], key, &value].concat()
    };
    match damage {
        Damage::Delete(at) => drop(lines.remove(at.index(count))),
        Damage::Duplicate(at) => lines.insert(at.index(count), lines[at.index(count)].clone()),
        Damage::Swap(one, other) => lines.swap(one.index(count), other.index(count)),
        Damage::Change(at, value) => {
            let at = at.index(count);
            lines[at] = around(&lines[at], None, Some(value));
        }
        Damage::Rename(at, key) => {
            let at = at.index(count);
            lines[at] = around(&lines[at], Some(key), None);
        }
        Damage::Indent(at, indent) => {
            let at = at.index(count);
            lines[at].splice(..0, indent.bytes());
        }
        Damage::Insert(..) | Damage::CutOff(_) => {}
    }
    lines.concat()
}

/// Rules about what is in no file, or in none that is read.
const OF_NO_FILE: [&str; 5] = ["S-load-001", "S-load-002", "S-reach-015", "S-stack-002", "S-load-045"];

/// Each finding stands at a line and a column that its file has, and can be shown.
fn placed(findings: &[Finding], sources: &Sources) -> Result<(), TestCaseError> {
    for finding in findings {
        let Some(at) = &finding.at else {
            let of_load = finding.rule.starts_with("S-load-");
            prop_assert!(!of_load || OF_NO_FILE.contains(&finding.rule.as_ref()), "no place: {finding:?}");
            continue;
        };
        for at in std::iter::once(at).chain(finding.related.iter().map(|related| &related.at)) {
            let text = sources.get(&at.file).unwrap_or_else(|| panic!("the text of {} is there", at.file));
            let line = text.split('\n').nth(at.line - 1);
            prop_assert!(line.is_some(), "no such line: {finding:?}");
            let length = line.unwrap().chars().count();
            prop_assert!((1..=length + 1).contains(&at.column), "no such column: {finding:?}");
        }
    }
    let shown = terminal(findings, sources, 100);
    prop_assert_eq!(shown.is_empty(), findings.is_empty());
    Ok(())
}

fn shipped(room: &str) -> Vec<String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(room);
    let names = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter_map(|name| name.strip_suffix(".yaml").map(str::to_owned)).collect();
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_damaged_is_proven_or_refused_at_its_place(
        stack in select(shipped("stacks")),
        environment in select(shipped("environments")),
        of_stack in any::<bool>(),
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let story = Story::shipped();
        let file = if of_stack { format!("stacks/{stack}.yaml") } else { format!("environments/{environment}.yaml") };
        let whole = fs::read(story.path().join(&file)).unwrap();
        story.file(&file, damages.iter().fold(whole, spoiled));
        match YamlStack(stack).load(story.path(), &environment) {
            Ok(loaded) => {
                let target = loaded.environment.default_cluster.to_string();
                let proven = prove(&loaded, &target, None);
                prop_assert!(proven.stops() || proven.desired.is_some());
                placed(&proven.findings, &loaded.sources())?;
            }
            Err(error) => {
                prop_assert!(!error.findings.is_empty());
                placed(&error.findings, &error.sources)?;
            }
        }
    }
}
