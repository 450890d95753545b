//! The scheduler's picture of the cluster: every node with the pods on it and what they take, kept up with each change.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::facts::{Amounts, PodFacts, PodKey, nano};
use crate::controllers::pods;
use crate::object;
use crate::selector::LabelSelector;
use crate::store::{Change, Object};

/// A node with what is on it.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// The node; none where pods name one that is not there.
    pub(crate) object: Option<Arc<Object>>,
    pub(crate) name: String,
    pub(crate) allocatable: Amounts,
    pub(crate) pods: BTreeMap<PodKey, Arc<PodFacts>>,
    taken: Amounts,
    /// Processor and memory as they count when nodes are compared.
    pub(crate) weight: (i128, i128),
}

impl Machine {
    fn empty(name: &str) -> Machine {
        Machine {
            object: None,
            name: name.to_owned(),
            allocatable: Amounts::new(),
            pods: BTreeMap::new(),
            taken: Amounts::new(),
            weight: (0, 0),
        }
    }

    /// The node's object; nothing in it where it is not there.
    pub(crate) fn value(&self) -> &Value {
        self.object.as_ref().map_or(&Value::Null, |object| &object.value)
    }

    /// The value of one of its labels.
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        object::label(self.value(), key)
    }

    /// How much of a resource is taken, in billionths.
    pub(crate) fn taken(&self, resource: &str) -> i128 {
        self.taken.get(resource).copied().unwrap_or(0)
    }

    /// How much of a resource pods can have, in billionths.
    pub(crate) fn allocatable(&self, resource: &str) -> i128 {
        self.allocatable.get(resource).copied().unwrap_or(0)
    }

    /// Puts a pod on it.
    pub(crate) fn add(&mut self, pod: &Arc<PodFacts>) {
        for (name, amount) in &pod.requests {
            *self.taken.entry(name.clone()).or_default() += amount;
        }
        self.weight = (self.weight.0 + pod.weight.0, self.weight.1 + pod.weight.1);
        self.pods.insert(pod.key.clone(), Arc::clone(pod));
    }

    /// Takes a pod off it.
    pub(crate) fn remove(&mut self, key: &PodKey) -> Option<Arc<PodFacts>> {
        let pod = self.pods.remove(key)?;
        for (name, amount) in &pod.requests {
            *self.taken.entry(name.clone()).or_default() -= amount;
        }
        self.weight = (self.weight.0 - pod.weight.0, self.weight.1 - pod.weight.1);
        Some(pod)
    }

    /// The taints with one of these effects that the pod does not tolerate.
    pub(crate) fn untolerated<'a>(&'a self, pod: &'a PodFacts, effects: &'a [&str]) -> impl Iterator<Item = &'a Value> {
        let taints = object::items(self.value(), "/spec/taints").iter();
        taints.filter(move |taint| effects.contains(&object::text(taint, "/effect")) && !pod.tolerates(taint))
    }

    /// Do the pod's node selector and required node affinity allow it?
    pub(crate) fn selected_by(&self, pod: &Value) -> bool {
        if object::entries(pod, "/spec/nodeSelector").any(|(key, value)| self.label(key) != value.as_str()) {
            return false;
        }
        match pod.pointer(REQUIRED_TERMS) {
            Some(Value::Array(terms)) => terms.iter().any(|term| self.matches_term(term)),
            _ => true,
        }
    }

    /// Does the node match a node selector term? An empty one matches nothing.
    pub(crate) fn matches_term(&self, term: &Value) -> bool {
        let (labels, fields) = (object::items(term, "/matchExpressions"), object::items(term, "/matchFields"));
        if labels.is_empty() && fields.is_empty() {
            return false;
        }
        let labels = LabelSelector::of_expressions(labels).is_some_and(|s| s.matches_by(|key| self.label(key)));
        let field = |key: &str| (key == "metadata.name").then_some(self.name.as_str());
        labels && LabelSelector::of_expressions(fields).is_some_and(|s| s.matches_by(field))
    }
}

/// Where a pod's required node affinity stands.
pub(crate) const REQUIRED_TERMS: &str =
    "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";

/// The picture.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    machines: BTreeMap<String, Machine>,
    placed: HashMap<PodKey, String>,
    /// Pods that wait for room on a node that was made for them.
    nominated: BTreeMap<PodKey, (String, Arc<PodFacts>)>,
    /// Placed pods that keep others away, or want them near.
    pub(super) choosy: BTreeMap<PodKey, (String, Arc<PodFacts>)>,
    pub(super) namespaces: BTreeMap<String, Value>,
    /// How many pods of one owner are on each node.
    siblings: HashMap<String, BTreeMap<String, i64>>,
}

impl Picture {
    /// The nodes that are there, by name.
    pub(crate) fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.machines.values().filter(|machine| machine.object.is_some())
    }

    /// One node.
    pub(crate) fn machine(&self, name: &str) -> Option<&Machine> {
        self.machines.get(name)
    }

    /// The pods that wait for room on this node and go before a pod of this priority.
    pub(super) fn nominated_before(&self, node: &str, pod: &PodFacts) -> impl Iterator<Item = &Arc<PodFacts>> {
        self.nominated_on(node).filter(move |other| other.priority >= pod.priority && other.key != pod.key)
    }

    /// The pods that wait for room on this node.
    pub(super) fn nominated_on(&self, node: &str) -> impl Iterator<Item = &Arc<PodFacts>> {
        self.nominated.values().filter(move |(on, _)| on == node).map(|(_, pod)| pod)
    }

    /// How many pods of the same owner are on each node.
    pub(super) fn siblings(&self, pod: &PodFacts) -> Option<&BTreeMap<String, i64>> {
        self.siblings.get(pod.owner.as_deref()?)
    }

    /// Are there any nominated pods at all?
    pub(super) fn has_nominated(&self) -> bool {
        !self.nominated.is_empty()
    }

    /// Takes in a change of a node.
    pub(crate) fn node(&mut self, name: &str, after: Option<&Arc<Object>>) {
        let machine = self.machines.entry(name.to_owned()).or_insert_with(|| Machine::empty(name));
        machine.object = after.cloned();
        machine.allocatable = object::entries(machine.value(), "/status/allocatable")
            .map(|(name, amount)| (name.clone(), nano(amount)))
            .collect();
        if after.is_none() && machine.pods.is_empty() {
            self.machines.remove(name);
        }
    }

    /// Takes in a change of a namespace.
    pub(crate) fn namespace(&mut self, name: &str, after: Option<&Value>) {
        match after {
            Some(value) => self.namespaces.insert(name.to_owned(), value.clone()),
            None => self.namespaces.remove(name),
        };
    }

    /// Takes in a change of a pod.
    pub(crate) fn pod(&mut self, change: &Change) {
        let key: PodKey = (change.key.namespace.to_string(), change.key.name.to_string());
        if let Some(node) = self.placed.remove(&key)
            && let Some(machine) = self.machines.get_mut(&node)
        {
            let owner = machine.remove(&key).and_then(|pod| pod.owner.clone());
            if let Some(counts) = owner.as_ref().and_then(|owner| self.siblings.get_mut(owner)) {
                *counts.entry(node.clone()).or_default() -= 1;
                counts.retain(|_, count| *count > 0);
            }
            if let Some(owner) = owner.filter(|owner| self.siblings.get(owner).is_some_and(BTreeMap::is_empty)) {
                self.siblings.remove(&owner);
            }
            if machine.object.is_none() && machine.pods.is_empty() {
                self.machines.remove(&node);
            }
        }
        self.nominated.remove(&key);
        self.choosy.remove(&key);
        let Some(after) = &change.after else { return };
        if pods::has_ended(&after.value) {
            return;
        }
        let (node, hoped) = (object::text(&after.value, "/spec/nodeName"), "/status/nominatedNodeName");
        if node.is_empty() {
            let hoped = object::text(&after.value, hoped);
            if !hoped.is_empty() && !object::is_deleting(&after.value) {
                self.nominated.insert(key, (hoped.to_owned(), Arc::new(PodFacts::of(Arc::clone(after)))));
            }
            return;
        }
        let pod = Arc::new(PodFacts::of(Arc::clone(after)));
        let prefers = |affinity: &super::facts::Affinity| !affinity.preferred.is_empty();
        if !pod.anti_affinity.required.is_empty()
            || !pod.affinity.required.is_empty()
            || prefers(&pod.affinity)
            || prefers(&pod.anti_affinity)
        {
            self.choosy.insert(key.clone(), (node.to_owned(), Arc::clone(&pod)));
        }
        if let Some(owner) = &pod.owner {
            *self.siblings.entry(owner.clone()).or_default().entry(node.to_owned()).or_default() += 1;
        }
        self.machines.entry(node.to_owned()).or_insert_with(|| Machine::empty(node)).add(&pod);
        self.placed.insert(key, node.to_owned());
    }

    /// Every node that is there or that a pod names.
    pub(crate) fn every_name(&self) -> impl Iterator<Item = &str> {
        self.machines.keys().map(String::as_str)
    }

    /// Does a pod name this node, and it is not there?
    pub(crate) fn lacks(&self, node: &str) -> bool {
        self.machines.get(node).is_some_and(|machine| machine.object.is_none())
    }

    /// Is the namespace being deleted?
    pub(crate) fn is_going(&self, namespace: &str) -> bool {
        self.namespaces.get(namespace).is_some_and(object::is_deleting)
    }
}
