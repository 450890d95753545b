//! Which writes webhooks and policies are asked about: tables of criteria and of writes.

use serde_json::json;
use strata_components::desired::KUBERNETES;

use super::*;

/// What is written in each case: a Deployment `shop/web` in `apps/v1`, which is served as `v1beta1` too.
struct Case {
    of: (&'static str, &'static str, &'static str),
    namespace: Option<Value>,
    live: Option<Value>,
    applied: Value,
}

fn case() -> Case {
    Case { of: ("apps", "Deployment", "deployments"), namespace: None, live: None, applied: labelled(json!({})) }
}

fn labelled(labels: Value) -> Value {
    json!({"metadata": {"labels": labels}})
}

fn web(group: &str, kind: &str) -> ResourceId {
    ResourceId {
        provider: KUBERNETES.into(),
        target: "local".into(),
        kind: Kind { group: group.into(), version: "v1".into(), kind: kind.into() },
        namespace: Some("shop".into()),
        name: "web".into(),
    }
}

/// A Deployment without labels that is created.
fn plain(id: &ResourceId) -> Write<'_> {
    Write {
        id,
        plural: "deployments",
        namespaced: true,
        versions: Vec::new(),
        creates: true,
        labels: MayHave::default(),
        of_namespace: None,
    }
}

/// What calls a webhook with these criteria beyond a rule for everything.
#[track_caller]
fn check(criteria: Value, case: Case, expect: bool) {
    let rule = json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]});
    let mut hook = json!({"name": "h", "rules": [rule]});
    let mut constraints = json!({"resourceRules": [rule]});
    for (key, value) in criteria.as_object().into_iter().flatten() {
        hook[key] = value.clone();
        constraints[if key == "rules" { "resourceRules" } else { key }] = value.clone();
    }
    let (group, kind, plural) = case.of;
    let namespaced = kind != "Namespace" && kind != "PriorityClass";
    let id = ResourceId { namespace: namespaced.then(|| "shop".to_owned()), ..web(group, kind) };
    let write = || Write {
        id: &id,
        plural,
        namespaced,
        versions: vec!["v1", "v1beta1"],
        creates: case.live.is_none(),
        labels: match kind {
            "Namespace" => MayHave::of_namespace("web", case.live.as_ref(), Some(&case.applied)),
            _ => MayHave::of(case.live.as_ref(), Some(&case.applied)),
        },
        of_namespace: case.namespace.as_ref().map(|one| MayHave::of_namespace("shop", Some(one), None)),
    };
    let policy = json!({"metadata": {"name": "p"}, "spec": {"matchConstraints": constraints}});
    for known in [webhooks_of(&json!({"webhooks": [hook]})), bound(&policy, None)] {
        let told = Webhooks::Known(known).may_change(write);
        assert_eq!(told.is_some(), expect, "{told:?}");
    }
}

fn rule(field: &str, value: &str) -> Value {
    let mut rule = json!({
        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"],
    });
    rule[field] = if field == "scope" { value.into() } else { json!([value]) };
    json!({"rules": [rule]})
}

#[test]
fn rules_say_what_they_are_about() {
    check(rule("apiGroups", "apps"), case(), true);
    check(rule("apiGroups", "batch"), case(), false);
    check(rule("apiVersions", "v1beta1"), case(), true);
    check(rule("apiVersions", "v2"), case(), false);
    let mut exact = rule("apiVersions", "v1beta1");
    exact["matchPolicy"] = "Exact".into();
    check(exact, case(), false);
    for (resource, expect) in [("*", true), ("*/*", true), ("deployments/*", true), ("deployments/scale", false)] {
        check(rule("resources", resource), case(), expect);
    }
    check(rule("operations", "UPDATE"), case(), false);
    check(rule("operations", "UPDATE"), Case { live: Some(labelled(json!({}))), ..case() }, true);
    check(rule("operations", "DELETE"), case(), false);
    check(rule("scope", "Namespaced"), case(), true);
    check(rule("scope", "Cluster"), case(), false);
}

#[test]
fn an_object_is_selected_by_labels_it_has_before_or_after() {
    let wants = || json!({"objectSelector": {"matchLabels": {"inject": "yes"}}});
    let (yes, no) = (|| labelled(json!({"inject": "yes"})), || labelled(json!({"inject": "no"})));
    check(wants(), case(), false);
    check(wants(), Case { applied: yes(), ..case() }, true);
    check(wants(), Case { live: Some(yes()), applied: no(), ..case() }, true);
    check(wants(), Case { live: Some(yes()), ..case() }, true);
    check(wants(), Case { live: Some(no()), applied: no(), ..case() }, false);
    let without = || json!({"objectSelector": {"matchExpressions": [{"key": "inject", "operator": "DoesNotExist"}]}});
    check(without(), case(), true);
    check(without(), Case { applied: yes(), ..case() }, false);
    // Ours may have been the one who set it.
    check(without(), Case { live: Some(yes()), ..case() }, true);
}

#[test]
fn a_namespace_is_selected_by_its_labels() {
    let wants = || json!({"namespaceSelector": {"matchLabels": {"mesh": "on"}}});
    let named = || json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}});
    let (on, off) = (|| labelled(json!({"mesh": "on"})), || labelled(json!({})));
    check(wants(), case(), true);
    check(wants(), Case { namespace: Some(on()), ..case() }, true);
    check(wants(), Case { namespace: Some(off()), ..case() }, false);
    check(named(), Case { namespace: Some(off()), ..case() }, true);
    let space = || Case { of: ("", "Namespace", "namespaces"), ..case() };
    check(wants(), space(), false);
    check(wants(), Case { applied: on(), ..space() }, true);
    check(named(), space(), false);
    check(wants(), Case { of: ("scheduling.k8s.io", "PriorityClass", "priorityclasses"), ..case() }, true);
}

#[test]
fn what_only_an_expression_decides_could_match() {
    check(json!({"matchConditions": [{"name": "never", "expression": "false"}]}), case(), true);
}

#[test]
fn admission_is_never_asked_about_itself() {
    let of = ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", WEBHOOKS);
    check(json!({}), Case { of, ..case() }, false);
}

#[test]
fn a_policy_is_in_force_where_it_is_bound() {
    let policy = json!({"metadata": {"name": "p"}, "spec": {"matchConstraints": {"resourceRules": []}}});
    let binding = |of: &str, more: Value| json!({"spec": {"policyName": of, "matchResources": more}});
    assert_eq!(bound(&policy, Some(&[])), []);
    assert_eq!(bound(&policy, Some(&[binding("q", json!({}))])), []);
    assert_eq!(bound(&policy, Some(&[binding("p", json!({})), binding("p", json!({}))])).len(), 2);
    let narrowed = binding("p", json!({"objectSelector": {"matchLabels": {"a": "b"}}}));
    let excluding = rule("apiGroups", "apps")["rules"].clone();
    let excluding = binding("p", json!({"excludeResourceRules": excluding}));
    let id = web("apps", "Deployment");
    for (binding, expect) in [(binding("p", json!({})), true), (narrowed, false), (excluding, false)] {
        let told = Webhooks::Known(bound(&policy, Some(&[binding]))).may_change(|| plain(&id));
        let expect = expect.then(|| "admission may change it on its way in: policy p".to_owned());
        assert_eq!(told, expect);
    }
}

#[test]
fn what_cannot_be_read_may_change_everything() {
    let (id, unknown) = (web("apps", "Deployment"), Webhooks::Unknown("forbidden".to_owned()));
    assert_eq!(unknown.may_change(|| plain(&id)).as_deref(), Some("forbidden"));
    assert_eq!(Webhooks::Known(Vec::new()).may_change(|| plain(&id)), None);
}
