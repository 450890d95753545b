//! Whole findings for wrong input, and proof that no input panics.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strata_components::model::{Autoscale, Environment, HealthPort, Port, PortRange, Priority, ServiceName, Stack};

use super::decode::decode;
use super::source::Source;
use super::tree::parse;
use crate::finding::{Finding, Sources};
use crate::report::findings::terminal;

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fleet {
    /// What it is called.
    name: String,
    /// Whether it is on.
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    ratio: Option<f64>,
    #[serde(default)]
    servers: BTreeMap<ServiceName, Server>,
    #[serde(default)]
    store: Option<Store>,
}

/// Where things are kept.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Store {
    /// Nowhere for long.
    Memory,
    /// In a file.
    File { path: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Server {
    port: Port,
    #[serde(default)]
    health: Option<HealthPort>,
    #[serde(default)]
    range: Option<PortRange>,
    #[serde(default)]
    priority: Priority,
    #[serde(default)]
    needs: Vec<ServiceName>,
    #[serde(default)]
    autoscale: Option<Autoscale>,
}

fn shown(text: &str, findings: &[Finding]) -> String {
    let mut sources = Sources::default();
    sources.insert("f.yaml", text);
    let styled = terminal(findings, &sources, 120);
    anstream::adapter::strip_str(&styled).to_string()
}

/// Decodes a fleet and compares all that is found.
#[track_caller]
fn check(text: &str, expect: &str) {
    let found = match decode::<Fleet>(Source::new("f.yaml", text)) {
        Ok(decoded) => format!("{:?}", decoded.value),
        Err(findings) => shown(text, &findings),
    };
    assert_eq!(found.trim_end(), expect.trim_matches('\n'), "\n--- found:\n{found}");
}

/// The same in one line a finding: rule, line and column, message, and what to do.
#[track_caller]
fn check_brief(text: &str, expect: &[&str]) {
    let findings = decode::<Fleet>(Source::new("f.yaml", text)).err().unwrap_or_default();
    let brief: Vec<String> = findings
        .iter()
        .map(|f| {
            let at = f.at.as_ref().map_or(String::new(), |at| format!("{}:{}", at.line, at.column));
            let help = f.help.as_ref().map_or(String::new(), |help| format!(" [{help}]"));
            format!("{} {at} {}{help}", f.rule, f.message)
        })
        .collect();
    assert_eq!(brief, expect, "\n--- found:\n{}", brief.join("\n"));
}

#[test]
fn good_input_is_taken_whatever_its_style() {
    let plain = decode::<Fleet>(Source::new(
        "f.yaml",
        "---\nname: a # comment\nenabled: true\nratio: 1\nservers:\n  one:\n    port: 80\n    health: same\n    needs:\n    - two\n  \
         two: {port: 81, health: \"+100\", range: 1-9, priority: high}\nstore: memory\n",
    ))
    .unwrap();
    let flow = decode::<Fleet>(Source::new(
        "f.yaml",
        "{\"name\": a, enabled: true, ratio: 1.0, store: memory, servers: {one: {port: &p 80, health: same, needs: [two]},\r\n\
         two: {port: 81, health: '+100', range: \"1-9\", priority: high}}}\r\n",
    ))
    .unwrap();
    assert_eq!(plain.value, flow.value);
    assert_eq!(plain.value.store, Some(Store::Memory));
    let at = plain.spans.value("servers.one.needs[0]").unwrap();
    assert_eq!((at.line, at.column, at.length), (10, 7, 3));
    let key = plain.spans.key("servers.two").unwrap();
    assert_eq!((key.line, key.column, key.length), (11, 3, 3));
    assert_eq!(plain.spans.near("servers.one.priority").unwrap().line, 6);
}

#[test]
fn every_finding_is_said_at_once_with_its_line() {
    check(
        "name: 12\nenabeld: yes\nservers:\n  one: {port: 70000, priority: hihg}\n  Two: {}\n  one: {port: 1}\n",
        r#"
error[S-load-022]: name: found 12, expected text
 --> f.yaml:1:7
  |
1 | name: 12
  |       ^^
  |
  = help: put it in quotes: "12"

error[S-load-020]: unknown field `enabeld`
 --> f.yaml:2:1
  |
2 | enabeld: yes
  | ^^^^^^^
  |
  = help: did you mean `enabled`?

error[S-load-023]: servers.one.port: found 70000, expected a port: a whole number from 1 to 65535
 --> f.yaml:4:15
  |
4 |   one: {port: 70000, priority: hihg}
  |               ^^^^^
  |
  = help: the nearest that is allowed is 65535

error[S-load-023]: servers.one.priority: found text "hihg", expected one of low, medium, high
 --> f.yaml:4:32
  |
4 |   one: {port: 70000, priority: hihg}
  |                                ^^^^
  |
  = help: did you mean `high`?

error[S-load-021]: servers.Two has no `port`
 --> f.yaml:5:3
  |
5 |   Two: {}
  |   ^^^
  |
  = help: add `port`, a port: a whole number from 1 to 65535

error[S-load-023]: servers.Two: `Two` is no service name, expected lower-case letters and digits, words joined by `_`, a letter first, at most 59 characters
 --> f.yaml:5:3
  |
5 |   Two: {}
  |   ^^^
  |
  = help: write `two`

error[S-load-009]: the key `one` stands twice
 --> f.yaml:6:3
  |
4 |   one: {port: 70000, priority: hihg}
  |   --- first time here
5 |   Two: {}
6 |   one: {port: 1}
  |   ^^^ second time here
  |
  = help: remove one of the two, or rename it"#,
    );
}

#[test]
fn types_are_told_apart() {
    check_brief("name: [a]", &["S-load-022 1:1 name: found a list, expected text [write text]"]);
    check_brief("name: {a: b}", &["S-load-022 1:1 name: found a mapping, expected text [write text]"]);
    check_brief("name:", &["S-load-022 1:1 name: found nothing, expected text [write a value, or remove the key]"]);
    check_brief("name: true", &["S-load-022 1:7 name: found true, expected text [put it in quotes: \"true\"]"]);
    check_brief("name: 1.10", &["S-load-022 1:7 name: found 1.10, expected text [put it in quotes: \"1.10\"]"]);
    check_brief(
        "- a",
        &["S-load-022 1:1 found a list, expected a mapping of keys to values [write a mapping of keys to values]"],
    );
    check_brief(
        "just text",
        &[
            "S-load-022 1:1 found text \"just text\", expected a mapping of keys to values [write a mapping of keys to values]",
        ],
    );
    check_brief(
        "name: a\nenabled: \"true\"\nratio: \"0.5\"\nservers: {one: {port: \"80\", needs: two}}",
        &[
            "S-load-022 2:10 enabled: found text \"true\", expected true or false [take the quotes away: true]",
            "S-load-022 3:8 ratio: found text \"0.5\", expected a number [take the quotes away: 0.5]",
            "S-load-022 4:23 servers.one.port: found text \"80\", expected a port: a whole number from 1 to 65535 \
             [take the quotes away: 80]",
            "S-load-022 4:36 servers.one.needs: found text \"two\", expected a list [a list of one entry is written [two]]",
        ],
    );
    check_brief(
        "name: a\nservers: {one: {port: 0}, two: {port: -1}, three: {port: 80.5}, four: {port: 1, range: 9}}",
        &[
            "S-load-023 2:23 servers.one.port: found 0, expected a port: a whole number from 1 to 65535 [the \
             nearest that is allowed is 1]",
            "S-load-023 2:39 servers.two.port: found -1, expected a port: a whole number from 1 to 65535 [the \
             nearest that is allowed is 1]",
            "S-load-022 2:58 servers.three.port: found 80.5, expected a port: a whole number from 1 to 65535 [write a port]",
            "S-load-022 2:88 servers.four.range: found 9, expected a range of ports, both ends inclusive, the lower \
             first, such as `9000-9019` [write a range of ports]",
        ],
    );
}

#[test]
fn leftovers_of_yaml_1_1_are_never_guessed() {
    check_brief(
        "name: no\nenabled: yes\nservers:\n  one: {port: 0o10}\n  two: {port: 010}\n  three: {port: 1_000}\n  four: {port: 1:20}\n",
        &[
            "S-load-017 1:7 name: found `no`, which is text in YAML 1.2 and false in YAML 1.1; expected text \
             [put it in quotes: \"no\"]",
            "S-load-017 2:10 enabled: found `yes`, which is text in YAML 1.2 and true in YAML 1.1; expected true or \
             false [write true]",
            "S-load-017 4:15 servers.one.port: found `0o10`, which reads as an octal number; expected a port: a whole \
             number from 1 to 65535 [write it in plain decimal: 8]",
            "S-load-017 5:15 servers.two.port: found `010`, which reads as a decimal number in YAML 1.2 and an octal \
             one in YAML 1.1; expected a port: a whole number from 1 to 65535 [write a port]",
            "S-load-017 6:17 servers.three.port: found `1_000`, which reads as a number with underscores in YAML 1.1 \
             and as text in YAML 1.2; expected a port: a whole number from 1 to 65535 [write it in plain decimal: 1000]",
            "S-load-017 7:16 servers.four.port: found `1:20`, which reads as a number to the base 60 in YAML 1.1 and \
             as text in YAML 1.2; expected a port: a whole number from 1 to 65535 [write a port]",
        ],
    );
    check_brief(
        "name: a\nservers: {one: {port: 1, health: +100}, on: {port: 2}}",
        &[
            "S-load-017 2:34 servers.one.health: found `+100`, which reads as a number without its sign; expected `same`, \
             a distance in quotes such as \"+100\", or a port from 1024 to 65535 [put it in quotes: \"+100\"]",
            "S-load-017 2:41 servers.on: found the key `on`, which is text in YAML 1.2 and true in YAML 1.1 \
             [put it in quotes: \"on\"]",
        ],
    );
}

#[test]
fn alternatives_are_named() {
    check_brief("name: a\nstore: {file: {path: x}}", &[]);
    check_brief(
        "name: a\nstore: memroy",
        &["S-load-023 2:8 store: found text \"memroy\", expected a mapping of keys to values, or `memory` \
           [did you mean `memory`?]"],
    );
    check_brief(
        "name: a\nstore: {fiel: {path: x}}",
        &["S-load-020 2:9 unknown field `fiel` in store [did you mean `file`?]"],
    );
    check_brief(
        "name: a\nservers: {one: {port: 1, autoscale: {min: 1, max: 2}}}",
        &["S-load-021 2:26 servers.one.autoscale has none of cpu, memory, expected one [add one of them]"],
    );
}

#[test]
fn what_only_the_type_can_tell_has_its_place_too() {
    check_brief(
        "name: a\nservers: {one: {port: 1, range: 9-1}}",
        &[
            "S-load-024 2:33 servers.one.range: `9-1` is no port range: expected two ports joined by `-`, the lower first, \
           such as `9000-9019` [change the value as the message says]",
        ],
    );
}

#[test]
fn what_yaml_has_and_we_do_not_is_refused_with_a_way_out() {
    check_brief(
        "a: &a {port: 1}\nname: x\nservers:\n  one:\n    <<: *a\n    port: 2\n",
        &[
            "S-load-020 1:1 unknown field `a` [fields here: enabled, name, ratio, servers, store]",
            "S-load-014 5:5 found a merge key `<<`; merge keys are not supported [write the fields out, or set them once \
             where they apply to all, such as at the tier]",
        ],
    );
    check_brief(
        "name: !!str 12",
        &[
            "S-load-015 1:13 found the tag `!!str`; tags are not supported [remove the tag; text \
        that looks like another type belongs in quotes]",
            "S-load-022 1:13 name: found 12, expected text [put it in quotes: \"12\"]",
        ],
    );
    check_brief(
        "name: *nmae\nenabled: true\n",
        &[
            "S-load-013 1:7 the alias `*nmae` has no anchor before it [write the value out]",
            "S-load-022 1:7 name: found nothing, expected text [write a value, or remove the key]",
        ],
    );
    check_brief(
        "name: a\n---\nname: b\n",
        &["S-load-007 2:1 found a second document, expected one in a file [move it to a \
        file of its own]"],
    );
    check_brief(
        "{a: b}: c\n? [x]\n: d\n: e\n",
        &[
            "S-load-021 1:1 f.yaml has no `name` [add `name`, text (What it is called)]",
            "S-load-016 1:1 found a key that is a list or a mapping [write the key as text; text that begins with `[` or `{` \
         needs quotes]",
            "S-load-016 2:3 found a key that is a list or a mapping [write the key as text; text that begins with `[` or `{` \
         needs quotes]",
            "S-load-016 4:1 found a key that is nothing [write the key as text; text such as `null` needs quotes]",
        ],
    );
    for empty in ["", "# nothing\n", "---\n", "\n\n"] {
        check_brief(
            empty,
            &["S-load-008 1:1 f.yaml is empty [`strata schema stack` and `strata schema environment` say what \
            belongs in it]"],
        );
    }
}

#[test]
fn syntax_errors_say_where_and_what_to_look_for() {
    check_brief(
        "name: a\n\tenabled: true\n",
        &["S-load-006 2:1 found a tab, expected spaces [YAML indents with spaces: \
        replace the tab]"],
    );
    check_brief(
        "name: [a, b\n",
        &["S-load-005 1:7 brackets do not match here [each `[` needs its `]`, each `{` its `}`, \
        and a comma between entries]"],
    );
    check_brief("name: \"a\n", &["S-load-005 1:9 quoted text is never closed [add the closing quote]"]);
    check_brief(
        "name: a: b\n",
        &["S-load-005 1:8 found a second colon where one value was expected [text that holds `: ` \
        needs quotes, a nested key a line of its own, and each bracket above this line its end]"],
    );
    check_brief(
        "name: @a\n",
        &["S-load-005 1:7 found `@` where no value can begin with it [put the whole value in quotes]"],
    );
    check_brief(
        "name: \"\\q\"\n",
        &["S-load-005 1:7 found an escape that YAML does not know [in double quotes a backslash \
        begins an escape: write `\\\\` for a backslash, or use single quotes]"],
    );
    check_brief(
        "name: a\n enabled: true\n",
        &["S-load-005 2:9 found a second colon where one value was expected [text \
        that holds `: ` needs quotes, a nested key a line of its own, and each bracket above this line its end]"],
    );
    check_brief(
        "%YAML 1.1\n---\nname: a\n",
        &["S-load-005 1:1 found a directive [remove the line that begins with `%`]"],
    );
}

#[test]
fn bombs_do_not_go_off() {
    let deep = "[".repeat(10_000);
    check_brief(
        &deep,
        &["S-load-010 1:65 values are nested more than 64 levels deep [check for brackets that are never \
        closed]"],
    );
    let deep = (0..200).fold(String::new(), |text, level| text + &" ".repeat(level) + "a:\n");
    check_brief(
        &deep,
        &["S-load-010 65:65 values are nested more than 64 levels deep [check for brackets that are never \
        closed]"],
    );
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let below = format!("*a{}", level - 1);
        laughs += &format!("a{level}: &a{level} [{}]\n", [below.as_str(); 10].join(", "));
    }
    check_brief(
        &laughs,
        &["S-load-012 5:40 anchors and aliases repeat more than 100000 values [write the values out, or \
        set them once where they apply to all, such as at the tier]"],
    );
    let chain = (1..100).fold("a0: &a0 [x]\n".to_owned(), |text, n| text + &format!("a{n}: &a{n} [*a{}]\n", n - 1));
    check_brief(
        &chain,
        &["S-load-010 63:12 values are nested more than 64 levels deep [check for brackets that are never \
        closed]"],
    );
    check_brief(
        "name: &a [*a]\n",
        &[
            "S-load-022 1:1 name: found a list, expected text [write text]",
            "S-load-013 1:11 the alias `*a` stands inside the value that it repeats [write the value out]",
        ],
    );
}

#[test]
fn a_file_that_is_something_else_does_not_flood_the_terminal() {
    let text: String = (0..100_000).map(|n| format!("field{}: 1\n", n / 2)).collect();
    let findings = decode::<Fleet>(Source::new("f.yaml", text)).unwrap_err();
    assert_eq!(findings.len(), 100);
    assert_eq!(
        findings.last().unwrap().help.as_deref(),
        Some("there is more: only the first 100 findings of this file are shown")
    );
}

/// Every location lies in the text, and every finding can be shown.
fn whole(text: &str, findings: &[Finding]) {
    for at in findings.iter().filter_map(|finding| finding.at.as_ref()) {
        assert!(at.line >= 1 && at.column >= 1 && at.length >= 1, "{at:?}");
        assert!(at.line <= text.split('\n').count(), "{at:?} in {text:?}");
    }
    let _ = shown(text, findings);
}

fn survives(bytes: &[u8]) {
    match Source::from_bytes("f.yaml", bytes.to_vec()) {
        Ok(source) => {
            let text = source.text.clone();
            if let Err(findings) = decode::<Stack>(source.clone()) {
                assert!(!findings.is_empty());
                whole(&text, &findings);
            }
            if let Err(findings) = decode::<Environment>(source) {
                whole(&text, &findings);
            }
        }
        Err(error) => assert!(!error.findings.is_empty()),
    }
}

const SOPHIA: &str = include_str!("../../stacks/sophia.yaml");
const PRODUCTION: &str = include_str!("../../environments/production.yaml");

#[test]
fn the_files_that_ship_are_read_without_a_finding() {
    let stack = decode::<Stack>(Source::new("stacks/sophia.yaml", SOPHIA)).map_err(|f| shown(SOPHIA, &f));
    assert_eq!(stack.map(|stack| stack.value.services.len()), Ok(35));
    let environment = decode::<Environment>(Source::new("f.yaml", PRODUCTION)).map_err(|f| shown(PRODUCTION, &f));
    assert_eq!(environment.map(|environment| environment.value.environment.to_string()), Ok("production".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn arbitrary_yaml_does_not_panic(text in "[-a-c:{}\\[\\],&*#!|>'\"%@`?~<\n \t0-2.+_\u{e9}]{0,80}") {
        survives(text.as_bytes());
        let source = Source::new("f.yaml", text.clone());
        let (_, findings) = parse(&source);
        whole(&text, &findings);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// A file in which a few bytes were changed is read or refused, and nothing worse.
    #[test]
    fn mutated_files_do_not_panic(
        environment in any::<bool>(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3usize), 1..4),
    ) {
        let mut bytes = if environment { PRODUCTION.as_bytes().to_vec() } else { SOPHIA.as_bytes().to_vec() };
        for (position, byte, edit) in edits {
            let at = position.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, byte % 128),
            }
        }
        survives(&bytes);
    }
}
