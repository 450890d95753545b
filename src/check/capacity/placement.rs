//! Which nodes a pod may go to, and what it asks of them, as the scheduler reads it: node selector and required node
//! affinity, taints and tolerations, and the larger of what containers ask together and what each first one asks.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::super::reach::{Labels, Selector};
use super::super::workloads::Workload;
use super::nodes::Node;

/// Whether a pod may go to a node, room aside; otherwise why not.
pub(in crate::check) fn admits(node: &Node, pod: &PodSpec) -> Result<(), String> {
    selects(node, pod)?;
    tolerates(node, pod)
}

/// Whether a node has the labels that a pod asks for.
fn selects(node: &Node, pod: &PodSpec) -> Result<(), String> {
    for (key, value) in pod.node_selector.iter().flatten() {
        if node.labels.get(key) != Some(value) {
            return Err(format!("lacks the label {key}={value}"));
        }
    }
    let affinity = pod.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    if let Some(required) = affinity.and_then(|node| node.required_during_scheduling_ignored_during_execution.as_ref())
        && !required.node_selector_terms.iter().any(|term| term_holds(term, node))
    {
        return Err("does not match the node affinity".to_owned());
    }
    Ok(())
}

/// Whether a pod puts up with what a node keeps others away by.
fn tolerates(node: &Node, pod: &PodSpec) -> Result<(), String> {
    let tolerations = pod.tolerations.as_deref().unwrap_or_default();
    for (key, value, effect) in &node.taints {
        if !tolerations.iter().any(|toleration| covers(toleration, key, value, effect)) {
            let value = if value.is_empty() { String::new() } else { format!("={value}") };
            return Err(format!("has the taint {key}{value}:{effect}"));
        }
    }
    Ok(())
}

fn term_holds(term: &NodeSelectorTerm, node: &Node) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    // A term of nothing matches nothing.
    let said = !expressions.is_empty() || !fields.is_empty();
    said && expressions.iter().all(|one| requirement_holds(one, node.labels.get(&one.key)))
        && fields.iter().all(|one| requirement_holds(one, (one.key == "metadata.name").then_some(&node.name)))
}

fn requirement_holds(requirement: &NodeSelectorRequirement, value: Option<&String>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let compared = || {
        let bound: i64 = values.first()?.parse().ok()?;
        Some(value?.parse::<i64>().ok()?.cmp(&bound))
    };
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|value| values.contains(value)),
        "NotIn" => value.is_none_or(|value| !values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => compared() == Some(std::cmp::Ordering::Greater),
        "Lt" => compared() == Some(std::cmp::Ordering::Less),
        _ => false,
    }
}

fn covers(toleration: &Toleration, key: &str, value: &str, effect: &str) -> bool {
    let of = |field: &Option<String>| field.as_deref().unwrap_or_default().to_owned();
    let (wanted, operator) = (of(&toleration.effect), of(&toleration.operator));
    if !wanted.is_empty() && wanted != effect {
        return false;
    }
    let key_fits = of(&toleration.key) == key;
    match operator.as_str() {
        // Without a key it tolerates every taint.
        "Exists" => key_fits || of(&toleration.key).is_empty(),
        _ => key_fits && of(&toleration.value) == value,
    }
}

/// What a pod asks for, by resource: CPU in thousandths of a core, memory in bytes, and one pod.
pub(crate) fn requests(pod: &PodSpec) -> BTreeMap<String, u64> {
    let mut sum: BTreeMap<String, u64> = BTreeMap::new();
    let mut most = BTreeMap::new();
    // First containers run one after the other, beside those among them that are kept.
    for first in pod.init_containers.iter().flatten() {
        if first.restart_policy.as_deref() == Some("Always") {
            add(&mut sum, &of_container(first));
        } else {
            let mut here = sum.clone();
            add(&mut here, &of_container(first));
            raise(&mut most, &here);
        }
    }
    for container in &pod.containers {
        add(&mut sum, &of_container(container));
    }
    raise(&mut sum, &most);
    // What is asked for the pod as a whole stands instead of what its containers ask together
    // (https://kubernetes.io/docs/concepts/workloads/pods/pod-level-resources/).
    if let Some(whole) = &pod.resources {
        let of_whole = |name: &String| matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-");
        for (name, amount) in whole.limits.iter().flatten().filter(|(name, _)| of_whole(name)) {
            sum.entry(name.clone()).or_insert_with(|| quantity(name, amount));
        }
        for (name, amount) in whole.requests.iter().flatten().filter(|(name, _)| of_whole(name)) {
            sum.insert(name.clone(), quantity(name, amount));
        }
    }
    let overhead = pod.overhead.iter().flatten().map(|(name, amount)| (name.clone(), quantity(name, amount))).collect();
    add(&mut sum, &overhead);
    sum.insert("pods".to_owned(), 1);
    sum
}

/// The same with the proxy that a mesh puts into the pod: what its annotations ask for it, or else what Istio's own
/// injection does (<https://istio.io/latest/docs/reference/config/annotations/>).
pub(super) fn requests_with_proxy(pod: &PodSpec, workload: &Workload<'_>) -> BTreeMap<String, u64> {
    let mut asks = requests(pod);
    if workload.labels.get("sidecar.istio.io/inject").is_some_and(|inject| inject == "true") {
        let figures =
            [("cpu", "sidecar.istio.io/proxyCPU", "100m"), ("memory", "sidecar.istio.io/proxyMemory", "128Mi")];
        for (resource, annotation, usual) in figures {
            let asked = workload.annotations.get(annotation).map_or(usual, String::as_str);
            let sum = asks.entry(resource.to_owned()).or_default();
            *sum = sum.saturating_add(quantity(resource, &Quantity(asked.to_owned())));
        }
    }
    asks
}

/// Adds amounts to amounts.
pub(crate) fn add(total: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    for (resource, amount) in more {
        let one = total.entry(resource.clone()).or_default();
        *one = one.saturating_add(*amount);
    }
}

fn raise(total: &mut BTreeMap<String, u64>, least: &BTreeMap<String, u64>) {
    for (resource, amount) in least {
        let one = total.entry(resource.clone()).or_default();
        *one = (*one).max(*amount);
    }
}

/// What a container asks for: its requests, and its limits where it names no request.
fn of_container(container: &Container) -> BTreeMap<String, u64> {
    let Some(resources) = &container.resources else { return BTreeMap::new() };
    let limits = resources.limits.iter().flatten();
    let requests = resources.requests.iter().flatten();
    limits.chain(requests).map(|(name, amount)| (name.clone(), quantity(name, amount))).collect()
}

/// An amount in the unit of its resource, rounded up: thousandths of a core for CPU, whole ones otherwise. What is no
/// amount, or less than nothing, asks for nothing; a cluster refuses it.
pub(crate) fn quantity(resource: &str, amount: &Quantity) -> u64 {
    let nano = structured_merge::quantity::Quantity::parse(&amount.0).map_or(0, |amount| amount.nano());
    let unit = if resource == "cpu" { 1_000_000 } else { 1_000_000_000 };
    u64::try_from(nano.max(0).unsigned_abs().div_ceil(unit)).unwrap_or(u64::MAX)
}

/// How pods of one kind keep apart on nodes: by a required anti-affinity, or by a spread that must be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) struct Apart {
    /// Whether no two may share a node.
    pub(in crate::check) alone: bool,
    /// The spread that must be kept.
    pub(in crate::check) even: Option<Even>,
    /// Whether that is counted for each revision of the pods by itself, so that a rollout's new pods begin anew.
    pub(in crate::check) by_revision: bool,
}

/// A spread over nodes that must be kept
/// (<https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::check) struct Even {
    /// How many more pods a node may have than the one with the fewest.
    pub(in crate::check) skew: u32,
    /// With fewer nodes than this, one without pods is thought to be among them.
    pub(in crate::check) least: usize,
    /// Whether nodes count that the pods may not go to for their labels, and for their taints.
    pub(in crate::check) others: (bool, bool),
}

const HOSTNAME: &str = "kubernetes.io/hostname";
/// The label by which the pods of a Deployment's revision are told apart.
const REVISION: &str = "pod-template-hash";

/// How pods keep apart on nodes.
pub(in crate::check) fn apart(pod: &PodSpec, labels: &Labels) -> Apart {
    let own = |selector: &Option<LabelSelector>| {
        selector.clone().is_some_and(|selector| Selector::from(selector).matches(labels))
    };
    let by_revision = |keys: &Option<Vec<String>>| keys.iter().flatten().any(|key| key == REVISION);
    let affinity = pod.affinity.as_ref().and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    let terms = affinity.and_then(|anti| anti.required_during_scheduling_ignored_during_execution.as_ref());
    let terms = terms.into_iter().flatten().filter(|term| term.topology_key == HOSTNAME && own(&term.label_selector));
    let terms: Vec<bool> = terms.map(|term| by_revision(&term.match_label_keys)).collect();
    let kept = pod.topology_spread_constraints.iter().flatten().filter(|spread| {
        spread.when_unsatisfiable == "DoNotSchedule" && spread.topology_key == HOSTNAME && own(&spread.label_selector)
    });
    let strictest = kept.min_by_key(|spread| spread.max_skew);
    let even = strictest.map(|spread| Even {
        skew: u32::try_from(spread.max_skew).unwrap_or(1).max(1),
        least: spread.min_domains.and_then(|least| usize::try_from(least).ok()).unwrap_or(1),
        others: (
            spread.node_affinity_policy.as_deref() == Some("Ignore"),
            spread.node_taints_policy.as_deref() != Some("Honor"),
        ),
    });
    Apart {
        alone: !terms.is_empty(),
        even,
        by_revision: terms.iter().all(|own| *own)
            && strictest.is_none_or(|spread| by_revision(&spread.match_label_keys)),
    }
}

impl Apart {
    /// The most of `count` pods that may share one of `nodes`.
    pub(in crate::check) fn most(&self, count: u32, nodes: usize) -> u32 {
        let nodes = u64::try_from(nodes).unwrap_or(u64::MAX).max(1);
        match self.even {
            _ if self.alone => 1,
            // With the most on one node, each of the others has that less the skew.
            Some(even) => {
                let most = u64::from(count).saturating_add((nodes - 1).saturating_mul(even.skew.into())) / nodes;
                u32::try_from(most).unwrap_or(u32::MAX).max(1)
            }
            None => u32::MAX,
        }
    }
}

impl Even {
    /// Whether a node counts as one that the pods could be on.
    pub(in crate::check) fn counts(&self, node: &Node, pod: &PodSpec) -> bool {
        let (by_labels, by_taints) = self.others;
        node.labels.contains_key(HOSTNAME)
            && (by_labels || selects(node, pod).is_ok())
            && (by_taints || tolerates(node, pod).is_ok())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn amounts_are_read_in_the_unit_of_their_resource() {
        for (resource, amount, expect) in [
            ("cpu", "500m", 500),
            ("cpu", "2", 2000),
            ("cpu", "1.5", 1500),
            ("cpu", "100u", 1),
            ("memory", "1Gi", 1 << 30),
            ("memory", "0.5Ki", 512),
            ("memory", "1500M", 1_500_000_000),
            ("memory", "128974848000m", 128_974_848),
            ("nvidia.com/gpu", "8", 8),
            ("pods", "110", 110),
            ("cpu", "2e1", 20_000),
            ("memory", "1Ei", 1 << 60),
            ("cpu", "many", 0),
            ("cpu", "-1", 0),
        ] {
            assert_eq!(quantity(resource, &Quantity(amount.to_owned())), expect, "{resource} {amount}");
        }
    }

    fn pod(more: Value) -> PodSpec {
        let mut pod = json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": "1"}}}]});
        for (key, value) in more.as_object().unwrap() {
            pod[key] = value.clone();
        }
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn first_containers_count_as_the_scheduler_counts_them() {
        let asks = |cpu: &str, kept: bool| {
            let mut one = json!({"name": "i", "resources": {"requests": {"cpu": cpu}}});
            if kept {
                one["restartPolicy"] = "Always".into();
            }
            one
        };
        for (first, expect) in [
            (json!([]), 1000),
            (json!([asks("500m", false), asks("3", false)]), 3000),
            (json!([asks("500m", true)]), 1500),
            (json!([asks("500m", true), asks("2", false)]), 2500),
        ] {
            assert_eq!(requests(&pod(json!({"initContainers": first})))["cpu"], expect, "{first}");
        }
        for (whole, cpu, memory) in [
            (json!({"requests": {"cpu": "3"}}), 3000, 1024),
            (json!({"limits": {"cpu": "3", "memory": "1Mi"}}), 1000, 1024),
            (json!({"requests": {"memory": "1Mi", "nvidia.com/gpu": "1"}}), 1000, 1 << 20),
        ] {
            let limits = json!({"limits": {"memory": "1Ki"}, "requests": {"cpu": "1"}});
            let asks = requests(&pod(json!({"containers": [{"name": "a", "resources": limits}], "resources": whole})));
            let expect = [("cpu", cpu), ("memory", memory), ("pods", 1)];
            assert_eq!(asks, expect.map(|(name, amount)| (name.to_owned(), amount)).into(), "{whole}");
        }
        let limited = json!({"containers": [{"name": "a", "resources": {"limits": {"memory": "1Ki"}}}]});
        assert_eq!(requests(&pod(limited)), BTreeMap::from([("memory".into(), 1024), ("pods".into(), 1)]));
    }

    #[track_caller]
    fn check(more: Value, expect: Result<(), &str>) {
        let labels = [("gpu", "true"), ("size", "8")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let taints = vec![("nvidia.com/gpu".to_owned(), "present".to_owned(), "NoSchedule".to_owned())];
        let node = Node {
            name: "gh200".into(),
            free: BTreeMap::new(),
            whole: BTreeMap::new(),
            labels,
            taints,
            large_pages: false,
        };
        let mut tolerating = json!({"tolerations": [{"operator": "Exists"}]});
        for (key, value) in more.as_object().unwrap() {
            tolerating[key] = value.clone();
        }
        assert_eq!(admits(&node, &pod(tolerating)), expect.map_err(str::to_owned), "{more}");
    }

    #[test]
    fn nodes_admit_what_the_scheduler_would_put_there() {
        check(json!({"nodeSelector": {"gpu": "true"}}), Ok(()));
        check(json!({"nodeSelector": {"gpu": "false"}}), Err("lacks the label gpu=false"));
        check(json!({"tolerations": []}), Err("has the taint nvidia.com/gpu=present:NoSchedule"));
        let tolerate = |one: Value| json!({"tolerations": [one]});
        check(tolerate(json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"})), Ok(()));
        check(tolerate(json!({"key": "nvidia.com/gpu", "value": "present"})), Ok(()));
        check(
            tolerate(json!({"key": "nvidia.com/gpu", "value": "absent"})),
            Err("has the taint nvidia.com/gpu=present:NoSchedule"),
        );
        check(
            tolerate(json!({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"})),
            Err("has the taint nvidia.com/gpu=present:NoSchedule"),
        );
        let affinity = |terms: Value| {
            let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
            json!({"affinity": {"nodeAffinity": required}})
        };
        let one = |key: &str, operator: &str, values: Value| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        let no = Err("does not match the node affinity");
        check(affinity(json!([one("gpu", "In", json!(["true"]))])), Ok(()));
        check(affinity(json!([one("gpu", "NotIn", json!(["true"])), one("size", "Gt", json!(["7"]))])), Ok(()));
        check(affinity(json!([one("size", "Lt", json!(["8"]))])), no);
        check(affinity(json!([one("gpu", "DoesNotExist", json!([])), {}])), no);
        check(
            affinity(json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gh200"]}]}])),
            Ok(()),
        );
    }

    #[test]
    fn pods_that_keep_apart_fill_nodes_evenly() {
        let own = Labels::from([("app".to_owned(), "cart".to_owned())]);
        let selects = |app: &str| json!({"matchLabels": {"app": app}});
        let host = "kubernetes.io/hostname";
        let spread = |changes: Value| {
            let mut one = json!({
                "maxSkew": 1, "topologyKey": host, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": selects("cart"),
            });
            one.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            json!({"topologySpreadConstraints": [one]})
        };
        let check = |more: Value, count: u32, nodes: usize, most: u32, by_revision: bool| {
            let apart = apart(&pod(more.clone()), &own);
            assert_eq!((apart.most(count, nodes), apart.by_revision), (most, by_revision), "{more}");
        };
        check(json!({}), 3, 2, u32::MAX, true);
        check(spread(json!({})), 3, 2, 2, false);
        check(spread(json!({})), 3, 18, 1, false);
        check(spread(json!({})), 3, 0, 3, false);
        check(spread(json!({"maxSkew": 2})), 4, 2, 3, false);
        check(spread(json!({"maxSkew": 2})), 3, 2, 2, false);
        check(spread(json!({"maxSkew": 3})), 3, 2, 3, false);
        check(spread(json!({"matchLabelKeys": [REVISION]})), 4, 2, 2, true);
        for free in [
            json!({"whenUnsatisfiable": "ScheduleAnyway"}),
            json!({"topologyKey": "topology.kubernetes.io/zone"}),
            json!({"labelSelector": selects("web")}),
        ] {
            check(spread(free), 3, 2, u32::MAX, true);
        }
        let anti = |more: Value| {
            let mut one = json!({"topologyKey": host, "labelSelector": selects("cart")});
            one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [one]}}})
        };
        check(anti(json!({})), 3, 2, 1, false);
        check(anti(json!({"matchLabelKeys": [REVISION]})), 3, 2, 1, true);
    }

    #[test]
    fn a_spread_counts_the_nodes_that_its_policies_say() {
        let node = |labels: Value, tainted: bool| Node {
            name: "a".to_owned(),
            free: BTreeMap::new(),
            whole: BTreeMap::new(),
            labels: serde_json::from_value(labels).unwrap(),
            taints: tainted
                .then(|| ("team".to_owned(), "ops".to_owned(), "NoSchedule".to_owned()))
                .into_iter()
                .collect(),
            large_pages: false,
        };
        let check = |policies: Value, expect: [bool; 4]| {
            let mut one = json!({
                "maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {},
            });
            one.as_object_mut().unwrap().extend(policies.as_object().unwrap().clone());
            let pod = pod(json!({"nodeSelector": {"gpu": "true"}, "topologySpreadConstraints": [one]}));
            let even = apart(&pod, &Labels::new()).even.unwrap();
            let nodes = [
                node(json!({HOSTNAME: "a", "gpu": "true"}), false),
                node(json!({HOSTNAME: "a", "gpu": "true"}), true),
                node(json!({HOSTNAME: "a"}), false),
                node(json!({"gpu": "true"}), false),
            ];
            assert_eq!(nodes.map(|node| even.counts(&node, &pod)), expect, "{policies}");
        };
        check(json!({}), [true, true, false, false]);
        check(json!({"nodeTaintsPolicy": "Honor"}), [true, false, false, false]);
        check(json!({"nodeAffinityPolicy": "Ignore"}), [true, true, true, false]);
        check(json!({"nodeAffinityPolicy": "Ignore", "nodeTaintsPolicy": "Honor"}), [true, false, true, false]);
    }
}
