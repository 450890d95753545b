//! What the scheduler has to know of a pod, read once from its object: what it asks for, where it may go, and which
//! other pods it wants near or far.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use structured_merge::quantity::Quantity;

use crate::object;
use crate::selector::LabelSelector;
use crate::store::Object;

/// Namespace and name of a pod.
pub(crate) type PodKey = (String, String);

/// Billionths of each resource; one whole `pods` for the pod itself.
pub(crate) type Amounts = BTreeMap<String, i128>;

/// What a container that asks for no processor or memory is counted with when nodes are compared, in billionths.
///
/// Source: `k8s.io/kubernetes/pkg/scheduler/util/pod_resources.go`.
const USUAL_CPU: i128 = NANO / 10;
const USUAL_MEMORY: i128 = 200 * 1024 * 1024 * NANO;
pub(super) const NANO: i128 = 1_000_000_000;

/// A pod as the scheduler sees it.
#[derive(Debug)]
pub(crate) struct PodFacts {
    pub(crate) object: Arc<Object>,
    pub(crate) key: PodKey,
    /// The uid of the workload that controls it.
    pub(crate) owner: Option<String>,
    labels: BTreeMap<String, String>,
    deleting: bool,
    pub(crate) priority: i64,
    /// What it asks for.
    pub(crate) requests: Amounts,
    /// Processor and memory as they count when nodes are compared.
    pub(crate) weight: (i128, i128),
    /// Protocol, address and number of each port it takes of its node.
    pub(crate) ports: Vec<(String, String, i64)>,
    pub(crate) affinity: Affinity,
    pub(crate) anti_affinity: Affinity,
    pub(crate) spread: Vec<Spread>,
}

/// Pods it wants near, or far.
#[derive(Debug, Default)]
pub(crate) struct Affinity {
    pub(crate) required: Vec<Term>,
    pub(crate) preferred: Vec<(i64, Term)>,
}

/// Which pods, and how near.
#[derive(Debug)]
pub(crate) struct Term {
    selector: Option<LabelSelector>,
    namespaces: Vec<String>,
    by_labels: Option<LabelSelector>,
    pub(crate) topology: String,
}

impl Term {
    /// Is the other pod meant? `labels_of` gives a namespace's object.
    pub(crate) fn means(&self, other: &PodFacts, namespaces: &BTreeMap<String, Value>) -> bool {
        let namespace = &other.key.0;
        let there = self.namespaces.contains(namespace)
            || self
                .by_labels
                .as_ref()
                .is_some_and(|selector| namespaces.get(namespace).is_some_and(|value| selector.matches(value)));
        there && self.selector.as_ref().is_some_and(|selector| other.matches(selector))
    }
}

/// One topology spread constraint.
#[derive(Debug)]
pub(crate) struct Spread {
    pub(crate) topology: String,
    pub(crate) skew: i64,
    pub(crate) least_domains: i64,
    /// `DoNotSchedule`?
    pub(crate) hard: bool,
    /// Which pods are counted.
    pub(crate) selector: Option<LabelSelector>,
    /// Do nodes count that the pod's selector and affinity keep it from?
    pub(crate) ignores_affinity: bool,
    /// Do nodes not count whose taints the pod does not tolerate?
    pub(crate) honours_taints: bool,
    /// Count the pods of the pod's own owner: the constraints a pod has that states none.
    pub(crate) by_owner: bool,
}

impl Spread {
    /// Does the other pod count?
    pub(crate) fn counts(&self, pod: &PodFacts, other: &PodFacts) -> bool {
        other.key.0 == pod.key.0 && !other.deleting && self.selector.as_ref().is_some_and(|s| other.matches(s))
    }
}

impl PodFacts {
    /// Reads a pod.
    pub(crate) fn of(object: Arc<Object>) -> PodFacts {
        let pod = &object.value;
        let requests = requests(pod);
        let weight = weight(pod);
        PodFacts {
            key: (object::namespace(pod).to_owned(), object::name(pod).to_owned()),
            owner: object::controller(pod).map(|owner| object::text(owner, "/uid").to_owned()),
            labels: object::entries(pod, "/metadata/labels")
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
            deleting: object::is_deleting(pod),
            priority: object::number(pod, "/spec/priority").unwrap_or(0),
            ports: ports(pod),
            affinity: affinity(pod, "podAffinity"),
            anti_affinity: affinity(pod, "podAntiAffinity"),
            spread: spread(pod),
            requests,
            weight,
            object,
        }
    }

    /// The pod's object.
    pub(crate) fn value(&self) -> &Value {
        &self.object.value
    }

    /// Do its labels match?
    pub(crate) fn matches(&self, selector: &LabelSelector) -> bool {
        selector.matches_by(|key| self.labels.get(key).map(String::as_str))
    }

    /// Does the pod tolerate the taint?
    pub(crate) fn tolerates(&self, taint: &Value) -> bool {
        object::items(self.value(), "/spec/tolerations").iter().any(|t| tolerates(t, taint))
    }
}

/// Does this toleration cover the taint?
pub(crate) fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (object::text(toleration, "/key"), object::text(toleration, "/effect"));
    let exists = object::text(toleration, "/operator") == "Exists";
    (effect.is_empty() || effect == object::text(taint, "/effect"))
        && ((key.is_empty() && exists) || (!key.is_empty() && key == object::text(taint, "/key")))
        && (exists || object::text(toleration, "/value") == object::text(taint, "/value"))
}

/// Billionths of a quantity; nothing where it is none.
pub(crate) fn nano(value: &Value) -> i128 {
    match value.as_str() {
        Some(text) => Quantity::parse(text),
        None => Quantity::parse(&value.to_string()),
    }
    .map_or(0, Quantity::nano)
}

fn amounts(container: &Value) -> Amounts {
    object::entries(container, "/resources/requests").map(|(name, amount)| (name.clone(), nano(amount))).collect()
}

/// What a pod asks for: the most it needs at a time. Init containers run one after the other, those that are started
/// again (sidecars) stay beside what follows them; the overhead of its runtime comes on top.
///
/// Source: `k8s.io/component-helpers/resource/helpers.go`.
fn requests(pod: &Value) -> Amounts {
    let mut total: Amounts = BTreeMap::new();
    let add = |to: &mut Amounts, more: &Amounts| {
        for (name, amount) in more {
            *to.entry(name.clone()).or_default() += amount;
        }
    };
    for container in object::items(pod, "/spec/containers") {
        add(&mut total, &amounts(container));
    }
    let (mut sidecars, mut highest) = (Amounts::new(), Amounts::new());
    for container in object::items(pod, "/spec/initContainers") {
        let own = amounts(container);
        let mut now = sidecars.clone();
        add(&mut now, &own);
        if object::text(container, "/restartPolicy") == "Always" {
            add(&mut sidecars, &own);
            add(&mut total, &own);
        }
        for (name, amount) in now {
            let known = highest.entry(name).or_default();
            *known = (*known).max(amount);
        }
    }
    for (name, amount) in highest {
        let known = total.entry(name).or_default();
        *known = (*known).max(amount);
    }
    // What is asked for the pod as a whole stands in place of its containers' sum.
    for (name, amount) in object::entries(pod, "/spec/resources/requests") {
        total.insert(name.clone(), nano(amount));
    }
    for (name, amount) in object::entries(pod, "/spec/overhead") {
        *total.entry(name.clone()).or_default() += nano(amount);
    }
    total.insert("pods".to_owned(), NANO);
    total
}

fn weight(pod: &Value) -> (i128, i128) {
    let mut sum = (0, 0);
    for container in object::items(pod, "/spec/containers") {
        let asked = |name: &str| container.pointer("/resources/requests").and_then(|r| r.get(name)).map(nano);
        sum.0 += asked("cpu").unwrap_or(USUAL_CPU);
        sum.1 += asked("memory").unwrap_or(USUAL_MEMORY);
    }
    sum
}

fn ports(pod: &Value) -> Vec<(String, String, i64)> {
    let containers = object::items(pod, "/spec/containers").iter();
    let sidecars = object::items(pod, "/spec/initContainers").iter();
    let sidecars = sidecars.filter(|container| object::text(container, "/restartPolicy") == "Always");
    let ports = containers.chain(sidecars).flat_map(|container| object::items(container, "/ports"));
    let taken = ports.filter_map(|port| {
        let number = object::number(port, "/hostPort").filter(|number| *number > 0)?;
        let or = |field: &str, usual: &str| match object::text(port, field) {
            "" => usual.to_owned(),
            text => text.to_owned(),
        };
        Some((or("/protocol", "TCP"), or("/hostIP", "0.0.0.0"), number))
    });
    taken.collect()
}

fn affinity(pod: &Value, kind: &str) -> Affinity {
    let Some(value) = pod.pointer(&format!("/spec/affinity/{kind}")) else { return Affinity::default() };
    let required = object::items(value, "/requiredDuringSchedulingIgnoredDuringExecution").iter();
    let preferred = object::items(value, "/preferredDuringSchedulingIgnoredDuringExecution").iter();
    Affinity {
        required: required.map(|t| term(pod, t)).collect(),
        preferred: preferred
            .filter_map(|w| Some((object::number(w, "/weight")?, term(pod, w.get("podAffinityTerm")?))))
            .collect(),
    }
}

fn term(pod: &Value, term: &Value) -> Term {
    let mut selector = LabelSelector::of(term.get("labelSelector"));
    for (list, equal) in [("/matchLabelKeys", true), ("/mismatchLabelKeys", false)] {
        own_labels(pod, term, list, &mut selector, equal);
    }
    let mut namespaces: Vec<String> =
        object::items(term, "/namespaces").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let by_labels = LabelSelector::of(term.get("namespaceSelector"));
    if namespaces.is_empty() && by_labels.is_none() {
        namespaces.push(object::namespace(pod).to_owned());
    }
    Term { selector, namespaces, by_labels, topology: object::text(term, "/topologyKey").to_owned() }
}

/// Adds what the pod itself carries under the labels that the list names.
fn own_labels(pod: &Value, from: &Value, list: &str, selector: &mut Option<LabelSelector>, equal: bool) {
    let Some(selector) = selector else { return };
    for key in object::items(from, list).iter().filter_map(Value::as_str) {
        if let Some(value) = object::label(pod, key) {
            selector.and(key, value, equal);
        }
    }
}

/// The pod's constraints; one that states none is spread over nodes and zones by its owner, where that is to be had.
///
/// Source: `systemDefaultConstraints` in `k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread`.
fn spread(pod: &Value) -> Vec<Spread> {
    let stated = object::items(pod, "/spec/topologySpreadConstraints");
    if stated.is_empty() {
        let usual = [("kubernetes.io/hostname", 3), ("topology.kubernetes.io/zone", 5)];
        let usual = usual.map(|(topology, skew)| Spread {
            topology: topology.to_owned(),
            skew,
            least_domains: 1,
            hard: false,
            selector: None,
            ignores_affinity: false,
            honours_taints: false,
            by_owner: true,
        });
        return usual.into();
    }
    let read = |constraint: &Value| {
        let mut selector = LabelSelector::of(constraint.get("labelSelector"));
        own_labels(pod, constraint, "/matchLabelKeys", &mut selector, true);
        Spread {
            topology: object::text(constraint, "/topologyKey").to_owned(),
            skew: object::number(constraint, "/maxSkew").unwrap_or(1),
            least_domains: object::number(constraint, "/minDomains").unwrap_or(1),
            hard: object::text(constraint, "/whenUnsatisfiable") == "DoNotSchedule",
            selector,
            ignores_affinity: object::text(constraint, "/nodeAffinityPolicy") == "Ignore",
            honours_taints: object::text(constraint, "/nodeTaintsPolicy") == "Honor",
            by_owner: false,
        }
    };
    stated.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check_requests(spec: Value, expected: &[(&str, i128)]) {
        let found = requests(&json!({"spec": spec}));
        let mut wanted: Amounts = expected.iter().map(|(name, amount)| ((*name).to_owned(), amount * NANO)).collect();
        wanted.insert("pods".to_owned(), NANO);
        assert_eq!(found, wanted, "{spec}");
    }

    fn cpu(name: &str, amount: i64) -> Value {
        json!({"name": name, "resources": {"requests": {"cpu": amount}}})
    }

    #[test]
    fn a_pod_asks_for_the_most_it_needs_at_a_time() {
        let sidecar = |amount: i64| {
            let mut container = cpu("s", amount);
            container["restartPolicy"] = json!("Always");
            container
        };
        check_requests(json!({"containers": [cpu("a", 1), cpu("b", 2)]}), &[("cpu", 3)]);
        check_requests(json!({"containers": [cpu("a", 1)], "initContainers": [cpu("i", 5)]}), &[("cpu", 5)]);
        check_requests(json!({"containers": [cpu("a", 4)], "initContainers": [cpu("i", 3)]}), &[("cpu", 4)]);
        check_requests(json!({"containers": [cpu("a", 1)], "initContainers": [sidecar(2)]}), &[("cpu", 3)]);
        check_requests(
            json!({"containers": [cpu("a", 1)], "initContainers": [sidecar(2), cpu("i", 4)]}),
            &[("cpu", 6)],
        );
        check_requests(
            json!({"containers": [cpu("a", 1)], "initContainers": [cpu("i", 4), sidecar(2)]}),
            &[("cpu", 4)],
        );
        check_requests(json!({"containers": [cpu("a", 1)], "overhead": {"cpu": "1"}}), &[("cpu", 2)]);
        check_requests(json!({"containers": [cpu("a", 1)], "resources": {"requests": {"cpu": "7"}}}), &[("cpu", 7)]);
    }

    #[track_caller]
    fn check_toleration(toleration: Value, expected: bool) {
        let taint = json!({"key": "gpu", "value": "a", "effect": "NoSchedule"});
        assert_eq!(tolerates(&toleration, &taint), expected, "{toleration}");
    }

    #[test]
    fn tolerations() {
        check_toleration(json!({"key": "gpu", "operator": "Equal", "value": "a", "effect": "NoSchedule"}), true);
        check_toleration(json!({"key": "gpu", "value": "a"}), true);
        check_toleration(json!({"key": "gpu", "value": "b"}), false);
        check_toleration(json!({"key": "gpu", "operator": "Exists"}), true);
        check_toleration(json!({"operator": "Exists"}), true);
        check_toleration(json!({"operator": "Exists", "effect": "NoExecute"}), false);
        check_toleration(json!({"key": "other", "operator": "Exists"}), false);
    }
}
