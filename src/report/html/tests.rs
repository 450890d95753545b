//! The page as a whole, and pages of names and values that would rather be something else, read back by a parser of HTML.

#![allow(clippy::unwrap_used, reason = "a test whose plan cannot be read has failed")]

use std::collections::BTreeMap;

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::report::clean::clean;
use crate::report::markdown::tests::{findings, plan_of};

fn step(action: &str, kind: &str, name: &str, service: Option<&str>, causes: Value) -> Value {
    let mut step = json!({
        "id": {"provider": "kubernetes", "target": "t", "group": "", "version": "v1", "kind": kind,
            "namespace": "shop", "name": name},
        "address": "shop/x", "action": action, "causes": causes, "stage": 0,
    });
    if let Some(service) = service {
        step["service"] = service.into();
        step["tier"] = "core".into();
    }
    step
}

fn overview(names: [&str; 3]) -> Overview {
    let [one, other, text] = names;
    serde_json::from_value(json!({
        "ports": [{"tier": "core", "title": text, "first": 9000, "last": 9019,
            "taken": [{"port": 9003, "health_port": 9103, "service": one, "purpose": text}]}],
        "peers": [{"name": one, "own": true}, {"name": other, "own": false}],
        "connections": [{"from": 0, "to": 1, "open": "TCP 9003"}, {"from": 1, "to": 0, "perhaps": "TCP 1", "refused": "UDP 2"}],
        "addresses": [{"peer": 0, "out": true, "ports": "TCP 443", "addresses": text}],
        "nodes": [{"node": text, "resources": [
            {"resource": "cpu", "whole": 16_000, "before": 500, "after": 1500},
            {"resource": text, "whole": 8, "before": 8, "after": 8}]}],
    }))
    .unwrap()
}

/// What a browser makes of a page.
#[derive(Debug, Default)]
struct Read {
    /// Tags in order.
    tags: Vec<String>,
    /// Names of attributes, each with its values.
    attributes: BTreeMap<String, Vec<String>>,
    /// Text between tags, by the class of the nearest tag before it that has one.
    texts: BTreeMap<String, Vec<String>>,
    /// What stands in the style and in the script.
    raw: BTreeMap<String, String>,
}

fn read(page: &str) -> Read {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut read = Read::default();
    let (mut class, mut tag) = (String::new(), String::new());
    for token in Tokenizer::new_with_emitter(page, emitter) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        match token.unwrap() {
            Token::StartTag(start) => {
                tag = text(&start.name);
                read.tags.push(tag.clone());
                for (name, value) in &start.attributes {
                    let (name, value) = (text(name), text(value));
                    if name == "class" {
                        class.clone_from(&value);
                    }
                    read.attributes.entry(name).or_default().push(value);
                }
            }
            Token::String(found) if ["style", "script"].contains(&tag.as_str()) => {
                read.raw.entry(tag.clone()).or_default().push_str(&text(&found));
            }
            Token::String(found) => read.texts.entry(class.clone()).or_default().push(text(&found)),
            Token::EndTag(_) => tag.clear(),
            Token::Comment(_) => panic!("no page has comments"),
            Token::Doctype(_) => {}
            Token::Error(error) => panic!("{error:?}"),
        }
    }
    read
}

fn page(names: &[String]) -> String {
    let at = |at: usize| names[at % names.len()].as_str();
    let field = json!([{"cause": "stack", "path": format!(".data.{}", at(0)), "before": at(1), "after": at(2)},
        {"cause": "drift", "path": ".spec", "before": {"a": at(3)}, "owner": {"manager": at(4), "this": false}},
        {"cause": "guarded", "reason": at(5)}]);
    let mut made = step("create", at(6), at(1), Some(at(2)), json!([{"cause": "absent"}]));
    made["manifest"] = json!({"kind": at(0), "metadata": {"name": at(1)}, "data": {"key": at(2)}});
    made["waits_for"] = json!([at(7), at(3)]);
    let mut changed = step("update", "ConfigMap", at(3), Some(at(4)), field);
    changed["confirmation"] = json!({"unconfirmed": at(5)});
    changed["tier"] = at(6).into();
    let mut plan = plan_of(vec![
        made,
        changed,
        step("delete", "Service", at(5), None, json!([])),
        step("unchanged", "Service", at(6), Some(at(7)), json!([])),
    ]);
    plan.instance.stack = at(0).to_owned();
    plan.target.version = format!("v{}", at(1));
    plan.kept = serde_json::from_value(json!([{"id": plan.phases[0].steps[0].id, "reason": at(2)}])).unwrap();
    let found = Finding::of_rule(at(0).to_owned(), Level::Error, at(1)).path(at(2)).help(at(3).to_owned());
    let found = Finding { waived: Some(at(4).to_owned()), ..found };
    html(&plan.for_readers(Some(overview([at(2), at(4), at(0)])), vec![found])).unwrap()
}

#[test]
fn a_page_says_first_what_to_look_at() {
    let image = json!([{"cause": "stack", "path": ".spec.template.spec.containers[name=server].image",
        "before": "registry.example/cart:1.4.0", "after": "registry.example/cart:1.5.0"}]);
    let text = json!([{"cause": "drift", "path": ".data.words", "before": "one\ntwo\n", "after": "one\nthree\n",
        "owner": {"manager": "kubectl", "this": false}}]);
    let mut cart = step("update", "Deployment", "cart", Some("cart"), image);
    cart["waits_for"] = json!(["store"]);
    let mut store = step("create", "Service", "store", Some("store"), json!([{"cause": "absent"}]));
    store["manifest"] = json!({"kind": "Service", "spec": {"ports": [{"port": 9003}]}});
    let mut plan = plan_of(vec![
        step("update", "ConfigMap", "words", None, text),
        cart,
        store,
        step("delete", "Service", "basket", Some("basket"), json!([{"cause": "left_stack"}])),
        step("unchanged", "Service", "till", Some("till"), json!([])),
    ]);
    (plan.overview, plan.findings) = (Some(overview(["cart", "dns", "Core AI"])), findings());
    let found = html(&plan).unwrap();
    let found = found.replace(STYLE, "(style)").replace(SCRIPT, "(script)");
    let found = found.replace(&hash(STYLE).replace('\'', "&#39;"), "(its digest)");
    let found = found.replace(&hash(SCRIPT).replace('\'', "&#39;"), "(its digest)");
    snapbox::assert_data_eq!(found, snapbox::file!["../../../tests/golden/report/plan.html"].raw());
}

#[test]
fn style_and_script_are_admitted_by_their_digests_and_nothing_else_is() {
    let found = read(&page(&["plain".to_owned()]));
    let csp = "default-src 'none'; style-src {style}; script-src {script}; base-uri 'none'; form-action 'none'";
    let csp = csp.replace("{style}", &hash(&found.raw["style"])).replace("{script}", &hash(&found.raw["script"]));
    assert!(found.attributes["content"].contains(&csp), "{:?}", found.attributes["content"]);
    for (name, values) in &found.attributes {
        assert!(!name.starts_with("on") && name != "style" && name != "src", "{name}: {values:?}");
    }
    assert!(found.attributes["href"].iter().all(|link| link.starts_with('#')), "{:?}", found.attributes["href"]);
}

#[test]
fn links_lead_to_what_is_there() {
    let found = read(&page(&["one".to_owned(), "two".to_owned(), "three".to_owned(), "four".to_owned()]));
    let ids = &found.attributes["id"];
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "an id stands twice");
    for link in &found.attributes["href"] {
        assert!(ids.iter().any(|id| format!("#{id}") == *link), "{link}");
    }
}

/// Names as hostile as they come.
fn hostile() -> impl Strategy<Value = String> {
    const BAD: [&str; 16] = [
        "<script>alert(1)</script>",
        "</script><script>alert(1)",
        "</style><style>*{display:none}",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "{{digest}}",
        "{{{script}}}",
        "]]><svg onload=alert(1)>",
        "<!--",
        "&lt;b&gt;",
        "javascript:alert(1)",
        "\0",
        "a\u{202e}b\u{200b}c",
        "\u{fffe}",
        "x\r\ny",
        "</pre></details></section>",
    ];
    prop_oneof![prop::sample::select(&BAD[..]).prop_map(str::to_owned), any::<String>(), "[ -~]{0,30}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    /// The page has the very tags and attributes that it has with harmless names of which as many are alike, but for rows
    /// and marks of a difference, which depend on what differs.
    #[test]
    fn names_and_values_are_text_and_nothing_else(names in vec(hostile(), 8)) {
        let mut seen: Vec<&String> = Vec::new();
        let plain: Vec<String> = names
            .iter()
            .map(|name| {
                let at = seen.iter().position(|other| *other == name).unwrap_or_else(|| { seen.push(name); seen.len() - 1 });
                format!("name{at}")
            })
            .collect();
        let (found, harmless) = (read(&page(&names)), read(&page(&plain)));
        let fixed = |read: &Read| {
            let loose = ["div", "p", "del", "ins", "span", "b"];
            let mut tags: Vec<_> = read.tags.iter().filter(|tag| !loose.contains(&tag.as_str())).cloned().collect();
            tags.sort();
            tags
        };
        // What has no name at all has no place of its own either.
        if names.iter().all(|name| !name.is_empty()) {
            prop_assert_eq!(fixed(&found), fixed(&harmless));
        }
        let names_of = |read: &Read| read.attributes.keys().cloned().collect::<Vec<_>>();
        prop_assert_eq!(names_of(&found), names_of(&harmless));
        prop_assert_eq!(&found.raw, &harmless.raw);
        prop_assert!(found.attributes["href"].iter().all(|link| link.starts_with('#')));
        let told = found.texts["name"].concat();
        for name in [1, 3, 5, 6].map(|at| &names[at]).iter().filter(|name| !name.contains(['\n', '\t'])) {
            prop_assert!(told.contains(&format!("shop/{}", clean(name))), "{:?} in {:?}", name, told);
        }
        let deceives = found.texts.values().flatten().any(|text| text.contains(['\0', '\u{202e}', '\u{200b}', '\r']));
        prop_assert!(!deceives);
    }
}
