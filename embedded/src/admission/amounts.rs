//! Amounts by the name of a resource: `requests`, `limits`, what a quota allows. Adding and comparing them, and what a
//! whole pod asks for.
//!
//! Source: `k8s.io/component-helpers/resource`, `k8s.io/apiserver/pkg/quota/v1`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use structured_merge::quantity::Quantity;

use crate::object;

/// How much of what.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// The amounts in a map field. What cannot be read counts as nothing: it is refused elsewhere.
pub(super) fn read(value: &Value, pointer: &str) -> Amounts {
    object::entries(value, pointer)
        .filter_map(|(name, amount)| {
            let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
            Some((name.clone(), Quantity::parse(&text).ok()?))
        })
        .collect()
}

/// As an object holds them.
pub(super) fn write(amounts: &Amounts) -> Value {
    amounts
        .iter()
        .map(|(name, amount)| (name.clone(), json!(amount.to_string())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// Adds `more` to `sum`.
pub(super) fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        sum.entry(name.clone()).and_modify(|sum| *sum = sum.plus(*amount)).or_insert(*amount);
    }
}

/// Raises `most` to `other` where that is more.
fn raise(most: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let known = most.entry(name.clone()).or_insert(*amount);
        if known.nano() < amount.nano() {
            *known = *amount;
        }
    }
}

/// Those of these names.
pub(super) fn only(amounts: &Amounts, names: impl Fn(&str) -> bool) -> Amounts {
    amounts.iter().filter(|(name, _)| names(name)).map(|(name, amount)| (name.clone(), *amount)).collect()
}

/// As a message shows them: `cpu=1,pods=2`.
pub(super) fn shown(amounts: &Amounts) -> String {
    let texts: Vec<String> = amounts.iter().map(|(name, amount)| format!("{name}={amount}")).collect();
    texts.join(",")
}

/// What a pod asks for (`requests`) or may take (`limits`): its containers together with those that run beside them
/// from the start, or its largest init container; what is said of the whole pod stands above that.
pub(super) fn of_pod(pod: &Value, list: &str) -> Amounts {
    let pointer = format!("/resources/{list}");
    let mut sum = Amounts::new();
    for container in object::items(pod, "/spec/containers") {
        add(&mut sum, &read(container, &pointer));
    }
    let (mut beside, mut before) = (Amounts::new(), Amounts::new());
    for container in object::items(pod, "/spec/initContainers") {
        let own = read(container, &pointer);
        let mut while_it_runs = own.clone();
        if object::text(container, "/restartPolicy") == "Always" {
            add(&mut sum, &own);
            add(&mut beside, &own);
            while_it_runs = beside.clone();
        } else {
            add(&mut while_it_runs, &beside);
        }
        raise(&mut before, &while_it_runs);
    }
    raise(&mut sum, &before);
    let whole = read(pod, &format!("/spec/resources/{list}"));
    sum.extend(only(&whole, |name| matches!(name, "cpu" | "memory")));
    sum
}

/// The same with what the pod's runtime takes.
pub(super) fn of_pod_and_overhead(pod: &Value, list: &str) -> Amounts {
    let mut sum = of_pod(pod, list);
    for (name, amount) in read(pod, "/spec/overhead") {
        // A limit is raised only where there is one.
        if list == "requests" {
            add(&mut sum, &Amounts::from([(name, amount)]));
        } else if let Some(limit) = sum.get_mut(&name).filter(|limit| limit.nano() != 0) {
            *limit = limit.plus(amount);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spec: Value, expected: &str) {
        let pod = json!({"spec": spec});
        assert_eq!(shown(&of_pod_and_overhead(&pod, "requests")), expected, "{spec}");
    }

    #[test]
    fn what_a_pod_asks_for() {
        let asks = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let beside = |cpu: &str| json!({"restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}});
        check(json!({"containers": [asks("500m"), asks("1")]}), "cpu=1500m");
        check(json!({"containers": [asks("500m")], "initContainers": [asks("2"), asks("1")]}), "cpu=2");
        check(json!({"containers": [asks("500m")], "initContainers": [beside("2"), asks("1")]}), "cpu=3");
        check(json!({"containers": [asks("5")], "initContainers": [asks("1"), beside("2")]}), "cpu=7");
        check(json!({"containers": [asks("5")], "resources": {"requests": {"cpu": "1"}}}), "cpu=1");
        check(json!({"containers": [asks("5")], "overhead": {"cpu": "1", "memory": "1Mi"}}), "cpu=6,memory=1Mi");
    }
}
