//! Defaults of the kinds that configure admission: limit ranges, webhooks and policies.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/core/v1/defaults.go` and `…/admissionregistration/v1/defaults.go`, seen from
//! kube-apiserver 1.36.

use serde_json::{Value, json};

use crate::object;

/// Sets what a body of one of these kinds does not say.
pub(super) fn apply(kind: &str, value: &mut Value) {
    let list = |value: &mut Value, pointer: &str, each: fn(&mut Value)| {
        value.pointer_mut(pointer).and_then(Value::as_array_mut).into_iter().flatten().for_each(each);
    };
    match kind {
        "LimitRange" => list(value, "/spec/limits", limit),
        "MutatingWebhookConfiguration" => {
            list(value, "/webhooks", webhook);
            list(value, "/webhooks", |webhook| default(webhook, "reinvocationPolicy", json!("Never")));
        }
        "ValidatingWebhookConfiguration" => list(value, "/webhooks", webhook),
        "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy" => {
            let Some(spec) = value.get_mut("spec") else { return };
            default(spec, "failurePolicy", json!("Fail"));
            if let Some(constraints) = spec.get_mut("matchConstraints") {
                selection(constraints);
                list(constraints, "/resourceRules", rule);
                list(constraints, "/excludeResourceRules", rule);
            }
        }
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => {
            if let Some(matched) = value.pointer_mut("/spec/matchResources") {
                selection(matched);
                list(matched, "/resourceRules", rule);
                list(matched, "/excludeResourceRules", rule);
            }
        }
        _ => {}
    }
}

fn default(value: &mut Value, field: &str, to: Value) {
    object::default_to(object::as_map(value), field, to);
}

/// A container's limit: the most there may be, where nothing is said; asked for, what is the limit or the least.
fn limit(limit: &mut Value) {
    if object::text(limit, "/type") != "Container" {
        return;
    }
    for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
        let given: Vec<(String, Value)> =
            object::entries(limit, &format!("/{from}")).map(|(name, amount)| (name.clone(), amount.clone())).collect();
        for (name, amount) in given {
            object::default_to(object::map_mut(limit, to), &name, amount);
        }
    }
}

fn webhook(webhook: &mut Value) {
    default(webhook, "failurePolicy", json!("Fail"));
    selection(webhook);
    default(webhook, "timeoutSeconds", json!(10));
    if let Some(service) = webhook.pointer_mut("/clientConfig/service") {
        default(service, "port", json!(443));
    }
    webhook.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten().for_each(rule);
}

/// Which objects are meant: every one, whichever version of its kind a request names.
fn selection(value: &mut Value) {
    default(value, "matchPolicy", json!("Equivalent"));
    default(value, "namespaceSelector", json!({}));
    default(value, "objectSelector", json!({}));
}

fn rule(rule: &mut Value) {
    default(rule, "scope", json!("*"));
}
