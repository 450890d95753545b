//! A comment as a whole, and comments about names and values that would rather be something else, read back by a parser of
//! Markdown.

#![allow(clippy::unwrap_used, reason = "a test whose plan cannot be read has failed")]

use proptest::collection::vec;
use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag};
use serde_json::{Value, json};

use super::*;
use crate::finding::{Finding, Level, Location};
use crate::plan::{Cause, Policy, Previews};

/// A plan with these steps, in one phase that applies and one that deletes.
pub(crate) fn plan_of(steps: Vec<Value>) -> Plan {
    let (deletes, applies): (Vec<Value>, Vec<Value>) = steps.into_iter().partition(|step| step["action"] == "delete");
    let mut summary = json!({"create": 0, "update": 0, "adopt": 0, "delete": 0, "unchanged": 0, "blocked": 0});
    for step in applies.iter().chain(&deletes) {
        let action = step["action"].as_str().unwrap();
        summary[action] = (summary[action].as_u64().unwrap_or(0) + 1).into();
    }
    let phase = |order: &str, steps| json!({"order": order, "number": 1, "name": "core-ai", "steps": steps});
    serde_json::from_value(json!({
        "format": "strata.plan/v2", "instance": {"stack": "shop", "environment": "staging"},
        "target": {"name": "station", "identity": "u", "version": "v1.36.2"}, "field_manager": "strata-shop",
        "inputs": "", "policy": Policy::default(), "phases": [phase("apply", applies), phase("delete", deletes)],
        "kept": [], "unlisted": [], "namespaces": [], "previews": Previews::default(), "summary": summary, "digest": "",
    }))
    .unwrap()
}

/// What policies have to say: of a step, of the whole, and of what is accepted.
pub(crate) fn findings() -> Vec<Finding> {
    let at = |file: &str, line| Location { file: file.to_owned(), line, column: 3, length: 4 };
    let waived = Finding::of_rule("SHOP-keep-001", Level::Note, "phase 1 would delete basket");
    vec![
        Finding::of_rule("SHOP-size-001", Level::Error, "Deployment shop/cart: 3 pods would become 1")
            .at(at("stacks/shop.yaml", 21))
            .related(at("policies/shop.yaml", 9), "what must be true")
            .help("Go down in two steps".to_owned()),
        Finding::of_rule("SHOP-busy-001", Level::Warning, "4 objects change").path("policies.SHOP-busy-001"),
        Finding { waived: Some("The shop closes down".to_owned()), ..waived },
    ]
}

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

#[test]
fn a_comment_says_first_what_to_look_at() {
    let image = json!([{"cause": "stack", "path": ".spec.template.spec.containers[name=server].image",
        "before": "registry.example/cart:1", "after": "registry.example/cart:2"}]);
    let text = json!([{"cause": "drift", "path": ".data.words", "before": "one\ntwo\n", "after": "one\n```\nthree\n",
        "owner": {"manager": "kubectl", "this": false}}]);
    let plan = plan_of(vec![
        step("update", "ConfigMap", "words", None, text),
        step("update", "Deployment", "cart", Some("cart"), image),
        step("create", "Service", "cart", Some("cart"), json!([])),
        step("delete", "Service", "basket", Some("basket"), json!([])),
        step("unchanged", "Service", "till", Some("till"), json!([])),
    ]);
    let plan = plan.for_readers(None, findings());
    let found = markdown(&plan);
    assert!(found.starts_with("<!-- strata plan shop-staging -->\n### shop in staging"), "{found}");
    snapbox::assert_data_eq!(found, snapbox::file!["../../../tests/golden/report/plan.md"].raw());
}

#[test]
fn nothing_to_do_is_said_in_a_line() {
    let found = markdown(&plan_of(vec![step("unchanged", "Service", "till", Some("till"), json!([]))]));
    assert_eq!(found.lines().skip(3).collect::<Vec<_>>(), ["**No changes.**", ""]);
}

/// What Markdown makes of a text: everything that is read as text or code, and everything that is not.
fn read(text: &str) -> (String, Vec<String>) {
    let (mut words, mut others) = (String::new(), Vec::new());
    for event in
        Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS)
    {
        match event {
            Event::Text(text) | Event::Code(text) => words.push_str(&text),
            Event::Html(html) | Event::InlineHtml(html) => others.push(html.trim_end().to_owned()),
            Event::Start(
                tag @ (Tag::Link { .. }
                | Tag::Image { .. }
                | Tag::Strikethrough
                | Tag::Emphasis
                | Tag::BlockQuote(_)
                | Tag::FootnoteDefinition(_)),
            ) => others.push(format!("{tag:?}")),
            Event::TaskListMarker(_) | Event::Rule => others.push(format!("{event:?}")),
            _ => {}
        }
    }
    (words, others)
}

/// Names and values that would rather be something else.
fn hostile() -> impl Strategy<Value = String> {
    let bits = prop::sample::select(vec![
        "`",
        "```",
        "~~~",
        "<script>",
        "</details>",
        "<!-- strata plan",
        "-->",
        "@somebody",
        "#1",
        "[x](http://e.example)",
        "![x](y)",
        "https://e.example",
        "www.e.example",
        "a@b.example",
        "*x*",
        "_x_",
        "|",
        "\n",
        "\n\n",
        "\n# x\n",
        "- ",
        "\\",
        "&lt;",
        "</code>",
        "\u{202e}",
        "\t",
        "1. ",
        "> ",
        "x",
        "ß",
        " ",
    ]);
    vec(bits, 0..12).prop_map(|bits| bits.concat())
}

fn hostile_plan() -> impl Strategy<Value = Plan> {
    let one = (
        hostile(),
        hostile(),
        hostile(),
        hostile(),
        prop::sample::select(vec!["update", "create", "blocked", "delete"]),
    );
    vec(one, 1..4).prop_map(|all| {
        let steps = all.into_iter().map(|(name, service, before, after, action)| {
            let causes = json!([{"cause": "stack", "path": name.clone(), "before": before, "after": after}]);
            step(action, "ConfigMap", &name, Some(&service), causes)
        });
        let mut plan = plan_of(steps.collect());
        let said = plan.steps().map(|step| {
            let (name, service) = (step.id.name.clone(), step.service.clone().unwrap_or_default());
            let found =
                Finding::of_rule(service.clone(), Level::Warning, name.clone()).path(service.clone()).help(name);
            Finding { waived: Some(service), ..found }
        });
        plan.findings = said.collect();
        plan.target.name.clone_from(&plan.phases[0].steps.first().map(|step| step.id.name.clone()).unwrap_or_default());
        plan
    })
}

proptest! {
    #[test]
    fn what_comes_from_others_is_text(plan in hostile_plan()) {
        let comment = markdown(&plan);
        let (words, others) = read(&comment);
        for one in others {
            let ours = one == "<!-- -->" || one == "</details>" || one.is_empty()
                || one.starts_with("<details><summary><code>") && one.ends_with("</summary>") && one.matches('<').count() == 5
                || one.starts_with("<!-- strata plan ") && one.ends_with(" -->") && one.matches("--").count() == 2;
            prop_assert!(ours, "{one:?} in {comment}");
        }
        for step in plan.steps() {
            let Cause::Stack { before: Some(Value::String(before)), after: Some(Value::String(after)), .. } = &step.causes[0]
            else {
                unreachable!()
            };
            // Where both are longer, what is different may be marked within them.
            if !before.contains(['\n', '\t']) && !before.is_empty() && before.len().max(after.len()) <= 24 {
                prop_assert!(words.contains(&*clean(before)), "{before:?} in {words:?} of {comment}");
            }
        }
        prop_assert!(comment.starts_with(&marker(&plan.instance.name())), "{comment}");
    }
}

#[test]
fn a_comment_is_never_too_long_and_says_what_it_lacks() {
    let long =
        |bytes: usize| json!([{"cause": "stack", "path": ".data.x", "before": "", "after": "ß ".repeat(bytes / 3)}]);
    let many = (0..40).map(|at| step("update", "ConfigMap", "x", Some(&format!("service_{at}")), long(6_000)));
    let found = markdown(&plan_of(many.collect()));
    assert!(found.chars().count() <= LONGEST, "{}", found.chars().count());
    assert!(found.ends_with("`strata show` tells the whole of a saved plan.\n"), "{}", &found[found.len() - 300..]);
    assert!(found.contains("**Cut:** 25 parts are left out here"), "{}", &found[found.len() - 300..]);
    // What stands after a part that is too long is still there.
    let found = markdown(&plan_of(vec![
        step("update", "ConfigMap", "x", Some("a"), long(300_000)),
        step("update", "ConfigMap", "x", Some("b"), long(30)),
    ]));
    assert!(found.contains("<code>b</code>") && found.contains("1 part is left out here"), "{found}");
    let named = markdown(&plan_of(vec![step("blocked", "ConfigMap", &"x".repeat(100_000), None, json!([]))]));
    assert!(named.chars().count() <= LONGEST, "{}", named.chars().count());
}
