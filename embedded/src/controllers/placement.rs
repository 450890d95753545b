//! Which node a pod can go to: resources, selectors, affinity, taints and spread. Looks at snapshots; writes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::pods;
use crate::object;
use crate::rules::quantity::Quantity;
use crate::selector::LabelSelector;
use crate::store::Object;

/// A node with what is taken on it, in billionths of each resource.
pub(super) struct Node {
    object: Arc<Object>,
    free: BTreeMap<String, i128>,
    pods: Vec<Arc<Object>>,
}

const NANO: i128 = 1_000_000_000;

impl Node {
    /// A node and the pods that are on it.
    pub(super) fn new(object: Arc<Object>, all: &[Arc<Object>]) -> Node {
        let name = object::name(&object.value).to_owned();
        let on =
            |pod: &&Arc<Object>| object::text(&pod.value, "/spec/nodeName") == name && !pods::has_ended(&pod.value);
        let pods: Vec<Arc<Object>> = all.iter().filter(on).cloned().collect();
        let mut free: BTreeMap<String, i128> = object::entries(&object.value, "/status/allocatable")
            .map(|(name, amount)| (name.clone(), nano(amount)))
            .collect();
        for pod in &pods {
            for (name, amount) in requests(&pod.value) {
                *free.entry(name).or_default() -= amount;
            }
        }
        Node { object, free, pods }
    }

    fn name(&self) -> &str {
        object::name(&self.object.value)
    }

    fn label(&self, key: &str) -> Option<&str> {
        object::label(&self.object.value, key)
    }

    /// The first reasons why the pod cannot go here; none where it can.
    fn refusals(&self, pod: &Value) -> Vec<String> {
        if object::truth(&self.object.value, "/spec/unschedulable") {
            return vec!["node(s) were unschedulable".to_owned()];
        }
        if let Some(taint) = self.taints(pod, &["NoSchedule", "NoExecute"]).first() {
            let value = object::text(taint, "/value");
            return vec![format!("node(s) had untolerated taint {{{}: {value}}}", object::text(taint, "/key"))];
        }
        if !self.selected(pod) {
            return vec!["node(s) didn't match Pod's node affinity/selector".to_owned()];
        }
        let mut lacking = Vec::new();
        for (name, amount) in requests(pod) {
            let free = self.free.get(&name).copied().unwrap_or(0);
            if amount > 0 && free < amount {
                lacking.push(if name == "pods" { "Too many pods".to_owned() } else { format!("Insufficient {name}") });
            }
        }
        lacking
    }

    fn taints(&self, pod: &Value, effects: &[&str]) -> Vec<&Value> {
        let tolerated = |taint: &Value| {
            object::items(pod, "/spec/tolerations").iter().any(|t| {
                let (key, effect) = (object::text(t, "/key"), object::text(t, "/effect"));
                let exists = object::text(t, "/operator") == "Exists";
                (effect.is_empty() || effect == object::text(taint, "/effect"))
                    && ((key.is_empty() && exists) || key == object::text(taint, "/key"))
                    && (exists || object::text(t, "/value") == object::text(taint, "/value"))
            })
        };
        let taints = object::items(&self.object.value, "/spec/taints").iter();
        taints.filter(|t| effects.contains(&object::text(t, "/effect")) && !tolerated(t)).collect()
    }

    fn selected(&self, pod: &Value) -> bool {
        if object::entries(pod, "/spec/nodeSelector").any(|(key, value)| self.label(key) != value.as_str()) {
            return false;
        }
        let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        let terms = object::items(pod, required);
        terms.is_empty() || terms.iter().any(|term| self.matches_term(term))
    }

    fn matches_term(&self, term: &Value) -> bool {
        let by = |list: &str, get: &dyn Fn(&str) -> Option<String>| {
            let expressions = object::items(term, list);
            LabelSelector::of_expressions(expressions).is_some_and(|s| s.matches_by(get))
        };
        by("/matchExpressions", &|key| self.label(key).map(str::to_owned))
            && by("/matchFields", &|key| (key == "metadata.name").then(|| self.name().to_owned()))
    }
}

fn nano(value: &Value) -> i128 {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Quantity::parse(&text).map_or(0, Quantity::nano)
}

/// What a pod asks for: its containers together, or its largest init container; and one place for a pod.
fn requests(pod: &Value) -> BTreeMap<String, i128> {
    let mut total: BTreeMap<String, i128> = BTreeMap::from([("pods".to_owned(), NANO)]);
    for container in object::items(pod, "/spec/containers") {
        for (name, amount) in object::entries(container, "/resources/requests") {
            *total.entry(name.clone()).or_default() += nano(amount);
        }
    }
    for container in object::items(pod, "/spec/initContainers") {
        for (name, amount) in object::entries(container, "/resources/requests") {
            let known = total.entry(name.clone()).or_default();
            *known = (*known).max(nano(amount));
        }
    }
    total
}

/// The best node for a pod, or why there is none.
pub(super) fn choose(pod: &Value, nodes: &[Node], all: &[Arc<Object>]) -> Result<String, String> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(i128, &Node)> = None;
    for node in nodes {
        let mut refusals = node.refusals(pod);
        if refusals.is_empty() && !spread_allows(pod, node, nodes) {
            refusals.push("node(s) didn't match pod topology spread constraints".to_owned());
        }
        if refusals.is_empty() && anti_affinity_forbids(pod, node, nodes) {
            refusals.push("node(s) didn't match pod anti-affinity rules".to_owned());
        }
        if !refusals.is_empty() {
            for refusal in refusals {
                *reasons.entry(refusal).or_default() += 1;
            }
            continue;
        }
        let score = score(pod, node, all);
        if best.is_none_or(|(known, _)| score > known) {
            best = Some((score, node));
        }
    }
    if let Some((_, node)) = best {
        return Ok(node.name().to_owned());
    }
    if nodes.is_empty() {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let mut texts: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    texts.sort();
    Err(format!("0/{} nodes are available: {}.", nodes.len(), texts.join(", ")))
}

/// Fewer pods that match the pod's own spread rules or owner, then more free processor time, is better.
fn score(pod: &Value, node: &Node, _: &[Arc<Object>]) -> i128 {
    let selectors: Vec<LabelSelector> = object::items(pod, "/spec/topologySpreadConstraints")
        .iter()
        .filter_map(|constraint| LabelSelector::of(constraint.get("labelSelector")))
        .collect();
    let owner = object::controller(pod).map(|owner| object::text(owner, "/uid"));
    let alike = node.pods.iter().filter(|other| {
        selectors.iter().any(|selector| selector.matches(&other.value))
            || (owner.is_some() && object::controller(&other.value).map(|o| object::text(o, "/uid")) == owner)
    });
    let soft = i128::try_from(node.taints(pod, &["PreferNoSchedule"]).len()).unwrap_or(0);
    let alike = i128::try_from(alike.count()).unwrap_or(0);
    let free = node.free.get("cpu").copied().unwrap_or(0) / NANO;
    free - 1_000_000 * alike - 1_000_000_000 * soft
}

fn spread_allows(pod: &Value, node: &Node, nodes: &[Node]) -> bool {
    for constraint in object::items(pod, "/spec/topologySpreadConstraints") {
        if object::text(constraint, "/whenUnsatisfiable") != "DoNotSchedule" {
            continue;
        }
        let key = object::text(constraint, "/topologyKey");
        let Some(domain) = node.label(key) else { return false };
        let Some(selector) = LabelSelector::of(constraint.get("labelSelector")) else { continue };
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for other in nodes.iter().filter(|other| other.selected(pod)) {
            let Some(domain) = other.label(key) else { continue };
            let count = counts.entry(domain).or_default();
            let alike = other.pods.iter().filter(|p| {
                object::namespace(&p.value) == object::namespace(pod)
                    && !object::is_deleting(&p.value)
                    && selector.matches(&p.value)
            });
            *count += i64::try_from(alike.count()).unwrap_or(0);
        }
        let least = counts.values().min().copied().unwrap_or(0);
        let own = i64::from(selector.matches(pod));
        let skew = object::number(constraint, "/maxSkew").unwrap_or(1);
        if counts.get(domain).copied().unwrap_or(0) + own - least > skew {
            return false;
        }
    }
    true
}

fn anti_affinity_forbids(pod: &Value, node: &Node, nodes: &[Node]) -> bool {
    let terms = object::items(pod, "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    terms.iter().any(|term| {
        let key = object::text(term, "/topologyKey");
        let Some(domain) = node.label(key) else { return false };
        let Some(selector) = LabelSelector::of(term.get("labelSelector")) else { return false };
        nodes.iter().filter(|other| other.label(key) == Some(domain)).any(|other| {
            let alike =
                |p: &Arc<Object>| object::namespace(&p.value) == object::namespace(pod) && selector.matches(&p.value);
            other.pods.iter().any(alike)
        })
    })
}

/// The pods of lower priority whose going would let the pod in, on the node that loses least.
pub(super) fn victims(pod: &Value, nodes: &[Node], all: &[Arc<Object>]) -> Option<Vec<Arc<Object>>> {
    if object::text(pod, "/spec/preemptionPolicy") == "Never" {
        return None;
    }
    let priority = |pod: &Value| object::number(pod, "/spec/priority").unwrap_or(0);
    let mut best: Option<Vec<Arc<Object>>> = None;
    for node in nodes {
        let mut lower: Vec<Arc<Object>> =
            node.pods.iter().filter(|other| priority(&other.value) < priority(pod)).cloned().collect();
        lower.sort_by_key(|other| priority(&other.value));
        let mut gone: Vec<Arc<Object>> = Vec::new();
        for victim in lower {
            gone.push(victim);
            let left: Vec<Arc<Object>> = all
                .iter()
                .filter(|other| !gone.iter().any(|g| object::uid(&g.value) == object::uid(&other.value)))
                .cloned()
                .collect();
            let without: Vec<Node> = nodes.iter().map(|node| Node::new(Arc::clone(&node.object), &left)).collect();
            if choose(pod, &without, &left).is_ok() {
                if best.as_ref().is_none_or(|known| gone.len() < known.len()) {
                    best = Some(gone.clone());
                }
                break;
            }
        }
    }
    best
}
