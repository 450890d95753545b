//! What the server refuses in a HorizontalPodAutoscaler. Wording as in
//! `k8s.io/kubernetes/pkg/apis/autoscaling/validation`.

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use super::{naming, resource_names};
use crate::failure::Cause;
use crate::object;

const SOURCES: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];
/// The longest window of stabilisation, in seconds.
const LONGEST_WINDOW: i64 = 3600;
/// The longest period of a policy, in seconds.
const LONGEST_PERIOD: i64 = 1800;

/// An autoscaler, in `autoscaling/v2`.
pub(super) fn autoscaler(value: &Value, causes: &mut Vec<Cause>) {
    let least = object::number(value, "/spec/minReplicas");
    let most = object::number(value, "/spec/maxReplicas").unwrap_or(0);
    if let Some(least) = least.filter(|least| *least < 1) {
        causes.push(Cause::invalid("spec.minReplicas", &json!(least), "must be greater than or equal to 1"));
    }
    if most == 0 {
        causes.push(Cause::required("spec.maxReplicas", "must be set and greater than 0"));
    } else if most < 1 {
        causes.push(Cause::invalid("spec.maxReplicas", &json!(most), "must be greater than or equal to 1"));
    }
    if least.is_some_and(|least| most < least) {
        causes.push(Cause::invalid("spec.maxReplicas", &json!(most), "must be greater than or equal to `minReplicas`"));
    }
    let target = value.pointer("/spec/scaleTargetRef").unwrap_or(&Value::Null);
    reference(target, "spec.scaleTargetRef", causes);
    // Only these two kinds have no group.
    let core = ["Pod", "ReplicationController"].contains(&object::text(target, "/kind"));
    let version = object::text(target, "/apiVersion");
    if !core && !version.contains('/') {
        let why = "apiVersion must specify API group";
        causes.push(Cause::invalid("spec.scaleTargetRef.apiVersion", &json!(version), why));
    }
    let metrics = object::items(value, "/spec/metrics");
    for (at, metric) in metrics.iter().enumerate() {
        self::metric(metric, &format!("spec.metrics[{at}]"), causes);
    }
    let reaches_zero = metrics.iter().any(|metric| matches!(object::text(metric, "/type"), "Object" | "External"));
    if least == Some(0) && !reaches_zero {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        causes.push(Cause::forbidden("spec.metrics", why));
    }
    for direction in ["scaleUp", "scaleDown"] {
        if let Some(rules) = value.pointer(&format!("/spec/behavior/{direction}")) {
            self::rules(rules, &format!("spec.behavior.{direction}"), causes);
        }
    }
}

/// A reference to an object of any version.
fn reference(value: &Value, place: &str, causes: &mut Vec<Cause>) {
    for field in ["kind", "name"] {
        segment(object::text(value, &format!("/{field}")), &format!("{place}.{field}"), "", causes);
    }
}

/// A text that must be there, and fit into a path.
fn segment(text: &str, field: &str, why: &str, causes: &mut Vec<Cause>) {
    if text.is_empty() {
        causes.push(Cause::required(field, why));
    }
    for fault in naming::path_segment(text) {
        causes.push(Cause::invalid(field, &json!(text), &fault));
    }
}

fn metric(metric: &Value, place: &str, causes: &mut Vec<Cause>) {
    let kind = object::text(metric, "/type");
    let known = SOURCES.contains(&kind);
    let unknown = || Cause::unsupported(format!("{place}.type"), &json!(kind), &SOURCES);
    if kind.is_empty() {
        causes.push(Cause::required(format!("{place}.type"), "must specify a metric source type"));
    }
    if !known {
        causes.push(unknown());
    }
    let sources = ["object", "external", "pods", "resource", "containerResource"];
    let mut there: Vec<&str> = sources.into_iter().filter(|source| metric.get(source).is_some()).collect();
    // Only the first is looked into.
    if let Some((first, source)) = there.first().and_then(|first| Some((*first, metric.get(*first)?))) {
        self::source(first, source, &format!("{place}.{first}"), causes);
    }
    let mut letters = kind.chars();
    let expected = letters.next().map(|first| format!("{}{}", first.to_ascii_lowercase(), letters.as_str()));
    let expected = expected.unwrap_or_default();
    if !known {
        causes.push(unknown());
    } else if metric.get(&expected).is_none() {
        let why = "must populate information for the given metric source";
        causes.push(Cause::required(format!("{place}.{expected}"), why));
    }
    if there.len() != 1 {
        there.retain(|source| !known || *source != expected);
        there.sort_unstable();
        for source in there {
            let why = "must populate the given metric source only";
            causes.push(Cause::forbidden(format!("{place}.{source}"), why));
        }
    }
}

fn source(kind: &str, source: &Value, place: &str, causes: &mut Vec<Cause>) {
    let has = |field: &str| source.pointer(&format!("/target/{field}")).is_some();
    let field = |field: &str| format!("{place}.target.{field}");
    match kind {
        "resource" | "containerResource" => {
            let name = object::text(source, "/name");
            if name.is_empty() {
                causes.push(Cause::required(format!("{place}.name"), "must specify a resource name"));
            } else if kind == "containerResource" {
                resource_names::check_of_a_container(name, &format!("{place}.name"), causes);
            }
            if kind == "containerResource" {
                let container = object::text(source, "/container");
                if container.is_empty() {
                    causes.push(Cause::required(format!("{place}.container"), "must specify a container"));
                } else {
                    for fault in naming::label(container) {
                        causes.push(Cause::invalid(format!("{place}.container"), &json!(container), &fault));
                    }
                }
            }
        }
        _ => {
            if kind == "object" {
                let described = source.get("describedObject").unwrap_or(&Value::Null);
                reference(described, &format!("{place}.describedObject"), causes);
            }
            let name = object::text(source, "/metric/name");
            segment(name, &format!("{place}.metric.name"), "must specify a metric name", causes);
        }
    }
    target(source, place, causes);
    match kind {
        "resource" | "containerResource" => {
            if !has("averageUtilization") && !has("averageValue") {
                let why = "must set either a target raw value or a target utilization";
                causes.push(Cause::required(field("averageUtilization"), why));
            }
            if has("averageUtilization") && has("averageValue") {
                let why = "may not set both a target raw value and a target utilization";
                causes.push(Cause::forbidden(field("averageValue"), why));
            }
        }
        "pods" if !has("averageValue") => {
            causes.push(Cause::required(field("averageValue"), "must specify a positive target averageValue"));
        }
        "pods" => {}
        _ if !has("value") && !has("averageValue") => {
            let why = match kind {
                "object" => "must set either a target value or averageValue",
                _ => "must set either a target value for metric or a per-pod target",
            };
            causes.push(Cause::required(field("averageValue"), why));
        }
        "external" if has("value") && has("averageValue") => {
            let why = "may not set both a target value for metric and a per-pod target";
            causes.push(Cause::forbidden(field("value"), why));
        }
        _ => {}
    }
}

/// What a metric is to come to.
fn target(source: &Value, place: &str, causes: &mut Vec<Cause>) {
    let target = source.get("target").unwrap_or(&Value::Null);
    let place = format!("{place}.target");
    let kind = object::text(target, "/type");
    if kind.is_empty() {
        causes.push(Cause::required(format!("{place}.type"), "must specify a metric target type"));
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let why = "must be either Utilization, Value, or AverageValue";
        causes.push(Cause::invalid(format!("{place}.type"), &json!(kind), why));
    }
    for field in ["value", "averageValue"] {
        let amount = object::text(target, &format!("/{field}"));
        if Quantity::parse(amount).is_ok_and(|amount| amount.nano() <= 0) {
            causes.push(Cause::invalid(format!("{place}.{field}"), &json!(amount), "must be positive"));
        }
    }
    if let Some(percent) = object::number(target, "/averageUtilization").filter(|percent| *percent < 1) {
        let field = format!("{place}.averageUtilization");
        causes.push(Cause::invalid(field, &json!(percent), "must be greater than 0"));
    }
}

/// How fast it goes up or down.
fn rules(rules: &Value, place: &str, causes: &mut Vec<Cause>) {
    let window = format!("{place}.stabilizationWindowSeconds");
    match object::number(rules, "/stabilizationWindowSeconds") {
        Some(seconds) if seconds < 0 => {
            causes.push(Cause::invalid(window, &json!(seconds), "must be greater than or equal to zero"));
        }
        Some(seconds) if seconds > LONGEST_WINDOW => {
            let why = format!("must be less than or equal to {LONGEST_WINDOW}");
            causes.push(Cause::invalid(window, &json!(seconds), &why));
        }
        _ => {}
    }
    super::validate_pod_parts::one_of(rules, "selectPolicy", place, &["Disabled", "Max", "Min"], causes);
    let policies = object::items(rules, "/policies");
    if policies.is_empty() {
        causes.push(Cause::required(format!("{place}.policies"), "must specify at least one Policy"));
    }
    for (at, policy) in policies.iter().enumerate() {
        let field = |name: &str| format!("{place}.policies[{at}].{name}");
        let kind = object::text(policy, "/type");
        if !matches!(kind, "Pods" | "Percent") {
            causes.push(Cause::unsupported(field("type"), &json!(kind), &["Percent", "Pods"]));
        }
        for name in ["value", "periodSeconds"] {
            if let number @ ..=0 = object::number(policy, &format!("/{name}")).unwrap_or(0) {
                causes.push(Cause::invalid(field(name), &json!(number), "must be greater than zero"));
            }
        }
        if let Some(seconds) = object::number(policy, "/periodSeconds").filter(|seconds| *seconds > LONGEST_PERIOD) {
            let why = format!("must be less than or equal to {LONGEST_PERIOD}");
            causes.push(Cause::invalid(field("periodSeconds"), &json!(seconds), &why));
        }
    }
    let tolerance = object::text(rules, "/tolerance");
    if Quantity::parse(tolerance).is_ok_and(|tolerance| tolerance.nano() < 0) {
        let why = "must be greater than or equal to 0";
        causes.push(Cause::invalid(format!("{place}.tolerance"), &json!(tolerance), why));
    }
}
