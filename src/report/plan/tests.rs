//! Plans as whole texts, and what holds of any plan, whatever stands in it.

#![allow(clippy::unwrap_used, reason = "a test whose plan cannot be read has failed")]

use proptest::prelude::*;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::report::clean::is_deceptive;
use crate::report::markdown::tests::plan_of;
use crate::report::page::NARROWEST;

fn step(action: &str, kind: &str, name: &str, service: Option<&str>, more: Value) -> Value {
    let mut step = json!({
        "id": {"provider": "kubernetes", "target": "t", "group": "", "version": "v1", "kind": kind,
            "namespace": "shop", "name": name},
        "address": "shop/x", "action": action, "causes": [], "stage": 0,
    });
    if let Some(service) = service {
        step["service"] = service.into();
        step["tier"] = "core".into();
    }
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

fn change(path: &str, before: Value, after: Value) -> Value {
    json!({"cause": "stack", "path": path, "before": before, "after": after, "owner": {"manager": "strata-shop", "this": true}})
}

/// A plan with a little of everything.
fn shop() -> Plan {
    let proxy = |most: u32, check: &str| {
        let servers: Vec<String> = (0..40).map(|n| format!("  server cart-{n} 10.0.0.{n}:9000 check\n")).collect();
        format!("global\n  maxconn {most}\ndefaults\n  mode http\nbackend cart\n{}  {check}\n", servers.concat())
    };
    let drift = json!({"cause": "drift", "path": ".data.limit", "before": "10", "after": "20",
        "owner": {"manager": "night-shift", "time": "2026-01-02T03:04:05Z", "this": false}});
    let gone = json!({"cause": "drift", "path": ".metadata.labels.tier", "after": "core"});
    let server = |image: &str| {
        json!({"image": image, "resources": {"requests": {"cpu": "100m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "64Mi", "nvidia.com/gpu": "1"}}})
    };
    let deployment = |image: &str| json!({"kind": "Deployment", "spec": {"replicas": 2, "template": {"spec": {"containers": [server(image)]}}}});
    let image = change(
        ".spec.template.spec.containers[name=\"server\"].image",
        json!("registry.example/shop/cart:1.0.0"),
        json!("registry.example/shop/cart:1.1.0-rc.1"),
    );
    let rule = json!([{"from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "till"}}}], "ports": [{"port": 9000}]}]);
    let rules = json!({"cause": "stack", "path": ".spec.ingress", "after": rule});
    plan_of(vec![
        step("update", "ConfigMap", "words", None, json!({"causes": [drift, gone]})),
        step(
            "update",
            "ConfigMap",
            "proxy",
            None,
            json!({"causes": [
                change(".data.haproxy.cfg", json!(proxy(100, "option httpchk")), json!(proxy(200, "option tcp-check"))),
                change(".data.evil", json!("plain"), json!("\u{1b}[2Jred \u{202e}drow \u{200b}nothing")),
                change(".data.number", json!(3), json!("3")),
            ]}),
        ),
        step(
            "update",
            "Deployment",
            "cart",
            Some("cart"),
            json!({"causes": [image], "manifest": deployment("x"),
            "uid": "u-1", "resource_version": "17", "waits_for": ["till"], "ready_within": "2m",
            "readiness": {"available": 2}}),
        ),
        step(
            "create",
            "Deployment",
            "till",
            Some("till"),
            json!({"causes": [{"cause": "absent"}],
            "manifest": deployment("registry.example/shop/till:3")}),
        ),
        step("update", "NetworkPolicy", "till", Some("till"), json!({"causes": [rules]})),
        step("blocked", "Service", "till", Some("till"), json!({"causes": [{"cause": "not_ours"}]})),
        step("unchanged", "ServiceAccount", "till", Some("till"), json!({})),
        step("delete", "Service", "basket", Some("basket"), json!({"causes": [{"cause": "left_stack"}]})),
    ])
}

fn plain(plan: &Plan, width: Option<usize>, detail: Detail) -> String {
    let text = terminal(plan, &View { width, detail, ..View::default() });
    anstream::adapter::strip_str(&text).to_string()
}

#[test]
fn a_plan_tells_what_changes_and_why() {
    let text = plain(&shop(), None, Detail::Changes);
    snapbox::assert_data_eq!(text, snapbox::file!["../../../tests/golden/report/plan.txt"].raw());
}

#[test]
fn a_narrow_terminal_breaks_lines_under_themselves() {
    let text = plain(&shop(), Some(60), Detail::Changes);
    snapbox::assert_data_eq!(text, snapbox::file!["../../../tests/golden/report/plan-60-columns.txt"].raw());
}

#[test]
fn a_summary_names_no_field() {
    let text = plain(&shop(), Some(80), Detail::Summary);
    snapbox::assert_data_eq!(text, snapbox::file!["../../../tests/golden/report/plan-summary.txt"].raw());
}

#[test]
fn details_are_everything() {
    let text = plain(&shop(), Some(100), Detail::Whole);
    snapbox::assert_data_eq!(text, snapbox::file!["../../../tests/golden/report/plan-details.txt"].raw());
}

#[test]
fn nothing_to_do_is_said_in_a_line() {
    let plan = plan_of(vec![step("unchanged", "Service", "till", None, json!({}))]);
    let said =
        "shop in staging, on cluster station, Kubernetes v1.36.2\n\nNo changes: 1 object is as the stack says.\n";
    assert_eq!(plain(&plan, None, Detail::Changes), said);
}

#[test]
fn a_secret_is_not_told_though_its_line_is_broken() {
    let secret = "correct-horse-battery-staple";
    let known = Known::default();
    known.note(secret.as_bytes());
    let causes =
        json!([change(".data.note", json!(format!("it was {secret} once upon a time, and so on")), json!("x\ny"))]);
    let plan = plan_of(vec![step("update", "ConfigMap", "words", None, json!({"causes": causes}))]);
    let text = terminal(&plan, &View { width: Some(20), detail: Detail::Whole, known });
    let joined: String = text.split_whitespace().collect();
    assert!(!joined.contains("horse") && joined.contains("(secret)"), "{text}");
}

/// Two thousand objects are told in a moment; how long it takes is for benchmarks, that it ends is for this.
#[test]
fn a_large_plan_is_told_whole() {
    let image = change(
        ".spec.template.spec.containers[name=\"server\"].image",
        json!("example/cart:1"),
        json!("example/cart:2"),
    );
    let steps = (0..2000).map(|n| {
        let (name, service) = (format!("cart-{n}"), format!("service-{}", n / 4));
        step("update", "Deployment", &name, Some(&service), json!({"causes": [image]}))
    });
    let text = plain(&plan_of(steps.collect()), Some(80), Detail::Changes);
    assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("~ Deployment")).count(), 2000);
}

/// Texts that would like to be something else.
const ODD: &str =
    r"(?s)([a-z]{1,9}|[ \n]|[\[\]{}+~-]|[\u{1b}\u{7}\u{9b}\u{202e}\u{200b}\t\r]|日本|é|👩‍🚀|☺️|[/.:]|.){0,24}";

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => ODD.prop_map(|text| text), 1 => "[a-z]{60,200}", 1 => "[ab\n]{0,400}"]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => text().prop_map(Value::from),
        1 => any::<i32>().prop_map(Value::from),
        1 => proptest::collection::btree_map(text(), text(), 0..6).prop_map(|map| json!(map)),
        1 => proptest::collection::vec(text(), 0..6).prop_map(|list| json!(list)),
    ]
}

fn any_step() -> impl Strategy<Value = Value> {
    let action = prop_oneof![
        Just("create"),
        Just("update"),
        Just("replace"),
        Just("adopt"),
        Just("move"),
        Just("delete"),
        Just("forget"),
        Just("unchanged"),
        Just("blocked"),
    ];
    let field = (any::<bool>(), text(), proptest::option::of(value()), proptest::option::of(value())).prop_map(
        |(drift, path, before, after)| {
            json!({"cause": if drift { "drift" } else { "stack" }, "path": path, "before": before, "after": after})
        },
    );
    let reason = text().prop_map(|reason| json!({"cause": "refused", "reason": reason}));
    let causes = proptest::collection::vec(prop_oneof![3 => field, 1 => reason], 0..4);
    let manifest = proptest::option::of(value().prop_map(|data| json!({"kind": "ConfigMap", "data": data})));
    (action, text(), proptest::option::of(text()), causes, manifest).prop_map(
        |(action, name, service, causes, manifest)| {
            step(action, "ConfigMap", &name, service.as_deref(), json!({"causes": causes, "manifest": manifest}))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in a plan: no row is wider than the terminal, no character acts or deceives, the same plan gives the
    /// same text, and colours say nothing that words do not.
    #[test]
    fn any_plan_fits_and_is_harmless(steps in proptest::collection::vec(any_step(), 0..6), width in 0_usize..120) {
        let plan = plan_of(steps);
        for detail in [Detail::Summary, Detail::Changes, Detail::Whole] {
            let view = View { width: Some(width), detail, ..View::default() };
            let coloured = terminal(&plan, &view);
            prop_assert_eq!(&terminal(&plan, &view), &coloured);
            let text = anstream::adapter::strip_str(&coloured).to_string();
            for row in text.lines() {
                prop_assert!(row.width() <= width.max(NARROWEST), "{row:?}");
            }
            prop_assert!(!text.chars().any(|c| c != '\n' && is_deceptive(c)), "{text:?}");
        }
    }

    /// Every object that changes and every field of it is told, each under its sign; in full, every object is named.
    #[test]
    fn every_change_is_told(steps in proptest::collection::vec(any_step(), 0..6)) {
        use crate::report::clean::clean;
        let plan = plan_of(steps);
        let (text, whole) = (plain(&plan, None, Detail::Changes), plain(&plan, None, Detail::Whole));
        for step in plan.steps() {
            let named = format!("{} {}", sign(step.action).0, clean(&step.id.to_string()));
            prop_assert!(whole.contains(&named), "{named} in {whole}");
            if step.action == Action::Unchanged {
                continue;
            }
            prop_assert!(text.contains(&named), "{named} in {text}");
            for cause in &step.causes {
                let told = match cause {
                    Cause::Stack { path, .. } | Cause::Drift { path, .. } => format!("{}:", clean(path)),
                    other => clean(&why(other).unwrap_or_default()).into_owned(),
                };
                prop_assert!(text.contains(&told), "{told} in {text}");
            }
        }
    }
}
