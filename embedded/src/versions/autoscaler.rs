//! HorizontalPodAutoscalers: `autoscaling/v1` knows a target for the processor alone. What else `v2` holds is carried
//! through it in annotations, which `v2` never shows.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/autoscaling/v1/conversion.go`.

use serde_json::{Map, Value, json};

use crate::object;

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CARRIED: [&str; 4] = [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR];

/// What the processor is to be used to, in percent, where `v1` names no metric at all.
const DEFAULT_UTILIZATION: u64 = 80;

/// The fields of a metric that is asked for, by the path in `v1` and in `v2`.
const WANTED: &[(&str, &[(&str, &str)])] = &[
    (
        "resource",
        &[
            ("name", "name"),
            ("targetAverageUtilization", "target/averageUtilization"),
            ("targetAverageValue", "target/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "name"),
            ("container", "container"),
            ("targetAverageUtilization", "target/averageUtilization"),
            ("targetAverageValue", "target/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("targetAverageValue", "target/averageValue"),
        ],
    ),
    (
        "object",
        &[
            ("target", "describedObject"),
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("targetValue", "target/value"),
            ("averageValue", "target/averageValue"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "metric/name"),
            ("metricSelector", "metric/selector"),
            ("targetValue", "target/value"),
            ("targetAverageValue", "target/averageValue"),
        ],
    ),
];

/// The fields of a metric as it is, likewise.
const MEASURED: &[(&str, &[(&str, &str)])] = &[
    (
        "resource",
        &[
            ("name", "name"),
            ("currentAverageUtilization", "current/averageUtilization"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "name"),
            ("container", "container"),
            ("currentAverageUtilization", "current/averageUtilization"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
    (
        "object",
        &[
            ("target", "describedObject"),
            ("metricName", "metric/name"),
            ("selector", "metric/selector"),
            ("currentValue", "current/value"),
            ("averageValue", "current/averageValue"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "metric/name"),
            ("metricSelector", "metric/selector"),
            ("currentValue", "current/value"),
            ("currentAverageValue", "current/averageValue"),
        ],
    ),
];

/// The percentage of the processor that a metric is about, if it is about that.
fn of_processor<'a>(metric: &'a Value, place: &str) -> Option<&'a Value> {
    let is = object::text(metric, "/type") == "Resource" && object::text(metric, "/resource/name") == "cpu";
    metric.pointer(&format!("/resource/{place}/averageUtilization")).filter(|_| is)
}

/// A `v2` autoscaler as `v1` has it.
pub(super) fn to_v1(autoscaler: &Value) -> Value {
    let mut v1 = autoscaler.clone();
    drop_carried(&mut v1);
    let wanted = object::items(autoscaler, "/spec/metrics");
    let measured = object::items(autoscaler, "/status/currentMetrics");
    let others: Vec<Value> = wanted
        .iter()
        .filter(|metric| of_processor(metric, "target").is_none())
        .map(|metric| metric_to_v1(metric, WANTED))
        .collect();
    if let Some(spec) = v1.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("metrics");
        spec.remove("behavior");
        if let Some(percent) = wanted.iter().find_map(|metric| of_processor(metric, "target")) {
            spec.insert("targetCPUUtilizationPercentage".to_owned(), percent.clone());
        }
    }
    if let Some(status) = v1.get_mut("status").and_then(Value::as_object_mut) {
        status.remove("currentMetrics");
        status.remove("conditions");
        status.entry("currentReplicas").or_insert_with(|| json!(0));
        if let Some(percent) = measured.iter().rev().find_map(|metric| of_processor(metric, "current")) {
            status.insert("currentCPUUtilizationPercentage".to_owned(), percent.clone());
        }
    }
    if !others.is_empty() {
        carry(&mut v1, METRICS, &json!(others));
    }
    if !measured.is_empty() {
        let measured: Vec<Value> = measured.iter().map(|metric| metric_to_v1(metric, MEASURED)).collect();
        carry(&mut v1, CURRENT_METRICS, &json!(measured));
    }
    if let Some(behavior) = autoscaler.pointer("/spec/behavior") {
        carry(&mut v1, BEHAVIOR, &recased(behavior, char::to_ascii_uppercase));
    }
    if let Some(conditions) = autoscaler.pointer("/status/conditions") {
        carry(&mut v1, CONDITIONS, conditions);
    }
    v1
}

/// A `v1` autoscaler as `v2` has it.
pub(super) fn to_v2(autoscaler: &Value) -> Value {
    let mut v2 = autoscaler.clone();
    let carried = |key: &str| -> Option<Value> { serde_json::from_str(object::annotation(autoscaler, key)?).ok() };
    let list = |key: &str, of| -> Option<Vec<Value>> {
        Some(carried(key)?.as_array()?.iter().map(|metric| metric_to_v2(metric, of)).collect())
    };
    let mut metrics = list(METRICS, WANTED).unwrap_or_default();
    if let Some(spec) = v2.get_mut("spec").and_then(Value::as_object_mut) {
        match spec.remove("targetCPUUtilizationPercentage") {
            Some(percent) => metrics.push(processor(percent)),
            None if metrics.is_empty() => metrics.push(processor(json!(DEFAULT_UTILIZATION))),
            None => {}
        }
        spec.insert("metrics".to_owned(), Value::Array(metrics));
        if let Some(behavior) = carried(BEHAVIOR) {
            spec.insert("behavior".to_owned(), recased(&behavior, char::to_ascii_lowercase));
        }
    }
    let measured = list(CURRENT_METRICS, MEASURED);
    if let Some(status) = v2.get_mut("status").and_then(Value::as_object_mut) {
        let percent = status.remove("currentCPUUtilizationPercentage").map(|percent| {
            vec![json!({
                "type": "Resource",
                "resource": {"name": "cpu", "current": {"averageUtilization": percent}},
            })]
        });
        let measured = measured.or(percent).map_or(Value::Null, Value::Array);
        status.insert("currentMetrics".to_owned(), measured);
        if let Some(conditions) = carried(CONDITIONS) {
            status.insert("conditions".to_owned(), conditions);
        }
    }
    drop_carried(&mut v2);
    v2
}

fn processor(percent: Value) -> Value {
    let target = json!({"type": "Utilization", "averageUtilization": percent});
    json!({"type": "Resource", "resource": {"name": "cpu", "target": target}})
}

/// The order in which the server's types write their fields.
const ORDER: &[&str] = &[
    "type",
    "status",
    "lastTransitionTime",
    "reason",
    "message",
    "kind",
    "name",
    "apiVersion",
    "target",
    "metricName",
    "metricSelector",
    "targetAverageUtilization",
    "targetValue",
    "targetAverageValue",
    "currentAverageUtilization",
    "currentValue",
    "currentAverageValue",
    "selector",
    "averageValue",
    "container",
    "ScaleUp",
    "ScaleDown",
    "StabilizationWindowSeconds",
    "SelectPolicy",
    "Policies",
    "Tolerance",
    "Type",
    "Value",
    "PeriodSeconds",
];

/// JSON with the fields in the server's order.
fn ordered(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_by_key(|key| ORDER.iter().position(|known| known == key).unwrap_or(ORDER.len()));
            let fields = keys.into_iter().filter_map(|key| Some((key, map.get(key)?)));
            let fields = fields.map(|(key, value)| format!("{}:{}", json!(key), ordered(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(ordered).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

fn carry(autoscaler: &mut Value, key: &str, value: &Value) {
    let metadata = object::metadata(autoscaler);
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    object::as_map(annotations).insert(key.to_owned(), json!(ordered(value)));
}

fn drop_carried(autoscaler: &mut Value) {
    let metadata = object::metadata(autoscaler);
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return };
    annotations.retain(|key, _| !CARRIED.contains(&key.as_str()));
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

fn metric_to_v1(metric: &Value, table: &[(&str, &[(&str, &str)])]) -> Value {
    let mut found = json!({"type": object::text(metric, "/type")});
    for (source, fields) in table {
        let Some(of) = metric.get(source) else { continue };
        for (v1, v2) in *fields {
            if let Some(value) = of.pointer(&format!("/{v2}")) {
                object::set(&mut found, &format!("/{source}/{v1}"), value.clone());
            }
        }
    }
    found
}

fn metric_to_v2(metric: &Value, table: &[(&str, &[(&str, &str)])]) -> Value {
    let mut found = json!({"type": object::text(metric, "/type")});
    for (source, fields) in table {
        let Some(of) = metric.get(source) else { continue };
        for (v1, v2) in *fields {
            if let Some(value) = of.get(v1) {
                object::set(&mut found, &format!("/{source}/{v2}"), value.clone());
            }
        }
        if std::ptr::eq(table, WANTED) {
            let target = |field: &str| found.pointer(&format!("/{source}/target/{field}")).is_some();
            let kind = match *source {
                "resource" | "containerResource" if target("averageUtilization") => "Utilization",
                "object" | "external" if !target("averageValue") => "Value",
                _ => "AverageValue",
            };
            object::set(&mut found, &format!("/{source}/target/type"), json!(kind));
        }
    }
    found
}

/// The same with the first letter of each key in the other case: the annotation holds Go's names.
fn recased(value: &Value, case: fn(&char) -> char) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| {
                let mut letters = key.chars();
                let first: String = letters.next().iter().map(case).collect();
                (first + letters.as_str(), recased(value, case))
            });
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| recased(item, case)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The `v1` form of a `v2` autoscaler, which leads back to it.
    #[track_caller]
    fn check(v2: &Value, v1: &Value) {
        assert_eq!(to_v1(v2), *v1);
        assert_eq!(to_v2(v1), *v2);
    }

    #[test]
    fn the_processor_alone_needs_no_annotation() {
        check(
            &json!({
                "metadata": {"name": "a"},
                "spec": {"maxReplicas": 3, "metrics": [processor(json!(50))]},
                "status": {"currentReplicas": 1, "currentMetrics": null},
            }),
            &json!({
                "metadata": {"name": "a"},
                "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 50},
                "status": {"currentReplicas": 1},
            }),
        );
    }

    #[test]
    fn the_rest_is_carried_in_annotations() {
        check(
            &json!({
                "metadata": {"name": "a"},
                "spec": {
                    "maxReplicas": 3,
                    "metrics": [
                        {"type": "Pods", "pods": {"metric": {"name": "q"}, "target": {"type": "AverageValue", "averageValue": "5"}}},
                        {"type": "Object", "object": {
                            "describedObject": {"kind": "Service", "name": "s"}, "metric": {"name": "r"},
                            "target": {"type": "Value", "value": "7"},
                        }},
                        processor(json!(60)),
                    ],
                    "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}},
                },
            }),
            &json!({
                "metadata": {"name": "a", "annotations": {
                    "autoscaling.alpha.kubernetes.io/metrics": "[{\"type\":\"Pods\",\"pods\":{\"metricName\":\"q\",\"targetAverageValue\":\"5\"}},{\"type\":\"Object\",\"object\":{\"target\":{\"kind\":\"Service\",\"name\":\"s\"},\"metricName\":\"r\",\"targetValue\":\"7\"}}]",
                    "autoscaling.alpha.kubernetes.io/behavior": "{\"ScaleUp\":{\"Policies\":[{\"Type\":\"Pods\",\"Value\":4,\"PeriodSeconds\":15}]}}",
                }},
                "spec": {"maxReplicas": 3, "targetCPUUtilizationPercentage": 60},
            }),
        );
    }

    #[test]
    fn without_a_metric_the_processor_is_meant() {
        let v2 = to_v2(&json!({"metadata": {"name": "a"}, "spec": {"maxReplicas": 3}}));
        assert_eq!(v2.pointer("/spec/metrics"), Some(&json!([processor(json!(80))])));
    }
}
