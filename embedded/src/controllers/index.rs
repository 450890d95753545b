//! What the controllers remember of the objects from one round to the next, so that a round costs what has changed and
//! not what is there: pods by label, selectors by what they ask for, pod addresses, and the scheduler's picture of the
//! nodes. Everything in it can be made anew from the store; nothing in it is written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde_json::Value;

use super::scheduler::Picture;
use crate::object;
use crate::selector::LabelSelector;
use crate::store::Change;

/// The first address of the pod network, 10.84.0.0/14, and how many it has.
const FIRST_ADDRESS: u32 = u32::from_be_bytes([10, 84, 0, 1]);
const ADDRESSES: u32 = 4 * 65_536 - 2;

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Pods by their labels.
    pub(super) pods: Labelled,
    /// ReplicaSets by their labels.
    pub(super) replica_sets: Labelled,
    /// Services by their selectors.
    pub(super) services: Selecting,
    /// PodDisruptionBudgets by their selectors.
    pub(super) budgets: Selecting,
    /// Workloads by the selectors they adopt by, for each resource.
    pub(super) adopters: BTreeMap<&'static str, Selecting>,
    /// Autoscalers by the kind and name they scale, in a namespace.
    pub(super) autoscalers: BTreeMap<(String, String, String), BTreeSet<String>>,
    /// Pods by the claims they mount, in a namespace.
    pub(super) mounting: BTreeMap<(String, String), BTreeSet<String>>,
    /// Claims without a volume.
    pub(super) unbound: BTreeSet<(String, String)>,
    /// Every DaemonSet: they look at every node.
    pub(super) daemon_sets: BTreeSet<(String, String)>,
    /// What the scheduler knows.
    pub(super) picture: Picture,
    /// Since when a node that pods name is not there.
    pub(super) gone: BTreeMap<String, Timestamp>,
    /// Since when a node has been seen with taints that drive pods away.
    pub(super) tainted: BTreeMap<String, Timestamp>,
    /// What autoscalers would have had, newest last.
    pub(super) recommended: BTreeMap<(String, String), Vec<(Timestamp, i64)>>,
    addresses: Addresses,
}

/// The resources whose controllers adopt by selector.
pub(super) const ADOPTERS: [&str; 4] = ["apps/deployments", "apps/replicasets", "apps/statefulsets", "apps/daemonsets"];

impl Index {
    /// Takes one change in.
    pub(super) fn take(&mut self, change: &Change) {
        let (before, after) = (change.before.as_ref().map(|o| &o.value), change.after.as_ref().map(|o| &o.value));
        let (namespace, name) = (&*change.key.namespace, &*change.key.name);
        match &*change.key.resource {
            "pods" => {
                self.pods.change(namespace, name, before, after);
                self.claims(namespace, name, before, after);
                self.addresses.change(before, after);
                self.picture.pod(change);
            }
            "nodes" => self.picture.node(name, change.after.as_ref()),
            "namespaces" => self.picture.namespace(name, after),
            "services" => {
                let selector = after.and_then(|service| service.pointer("/spec/selector"));
                self.services.change(namespace, name, selector.map(LabelSelector::of_map).filter(|s| !s.is_empty()));
            }
            "policy/poddisruptionbudgets" => {
                let selector = after.and_then(|budget| LabelSelector::of(budget.pointer("/spec/selector")));
                self.budgets.change(namespace, name, selector);
            }
            "autoscaling/horizontalpodautoscalers" => self.autoscaler(namespace, name, before, after),
            "persistentvolumeclaims" => {
                let unbound = after.is_some_and(|claim| object::text(claim, "/status/phase") != "Bound");
                mark(&mut self.unbound, namespace, name, unbound);
            }
            resource => {
                if resource == "apps/replicasets" {
                    self.replica_sets.change(namespace, name, before, after);
                }
                if resource == "apps/daemonsets" {
                    mark(&mut self.daemon_sets, namespace, name, after.is_some());
                }
                if let Some(known) = ADOPTERS.iter().find(|known| **known == resource) {
                    let selector = after.and_then(|workload| LabelSelector::of(workload.pointer("/spec/selector")));
                    self.adopters.entry(known).or_default().change(namespace, name, selector);
                }
            }
        }
    }

    fn claims(&mut self, namespace: &str, name: &str, before: Option<&Value>, after: Option<&Value>) {
        for claim in before.into_iter().flat_map(claims_of) {
            let key = (namespace.to_owned(), claim);
            if let Some(pods) = self.mounting.get_mut(&key) {
                pods.remove(name);
                if pods.is_empty() {
                    self.mounting.remove(&key);
                }
            }
        }
        for claim in after.into_iter().flat_map(claims_of) {
            self.mounting.entry((namespace.to_owned(), claim)).or_default().insert(name.to_owned());
        }
    }

    fn autoscaler(&mut self, namespace: &str, name: &str, before: Option<&Value>, after: Option<&Value>) {
        let target = |scaler: &Value| {
            let part = |field: &str| object::text(scaler, &format!("/spec/scaleTargetRef/{field}")).to_owned();
            (namespace.to_owned(), part("kind"), part("name"))
        };
        if let Some(before) = before
            && let Some(names) = self.autoscalers.get_mut(&target(before))
        {
            names.remove(name);
        }
        if let Some(after) = after {
            self.autoscalers.entry(target(after)).or_default().insert(name.to_owned());
        }
    }

    /// An address of the pod network that no pod has; the one after the last that was given, as long as there are any.
    pub(super) fn free_address(&mut self) -> String {
        self.addresses.next()
    }
}

fn mark(set: &mut BTreeSet<(String, String)>, namespace: &str, name: &str, is_in: bool) {
    let key = (namespace.to_owned(), name.to_owned());
    if is_in {
        set.insert(key);
    } else {
        set.remove(&key);
    }
}

/// The claims a pod mounts: those its volumes name, and those made for its ephemeral volumes.
pub(super) fn claims_of(pod: &Value) -> Vec<String> {
    let volumes = object::items(pod, "/spec/volumes").iter();
    let named = volumes.filter_map(|volume| {
        let claim = object::text(volume, "/persistentVolumeClaim/claimName");
        if !claim.is_empty() {
            return Some(claim.to_owned());
        }
        volume.get("ephemeral").map(|_| format!("{}-{}", object::name(pod), object::text(volume, "/name")))
    });
    named.collect()
}

/// Objects of one resource by their labels.
#[derive(Debug, Default)]
pub(super) struct Labelled {
    by: HashMap<(String, String, String), BTreeSet<String>>,
    all: HashMap<String, BTreeSet<String>>,
}

impl Labelled {
    fn change(&mut self, namespace: &str, name: &str, before: Option<&Value>, after: Option<&Value>) {
        let labels = |value: Option<&Value>| value.and_then(|v| v.pointer("/metadata/labels")).cloned();
        let (old, new) = (labels(before), labels(after));
        if old != new {
            for (key, value) in pairs(old.as_ref()) {
                let at = (namespace.to_owned(), key, value);
                if let Some(names) = self.by.get_mut(&at) {
                    names.remove(name);
                    if names.is_empty() {
                        self.by.remove(&at);
                    }
                }
            }
            for (key, value) in pairs(new.as_ref()) {
                self.by.entry((namespace.to_owned(), key, value)).or_default().insert(name.to_owned());
            }
        }
        match after {
            Some(_) => {
                self.all.entry(namespace.to_owned()).or_default().insert(name.to_owned());
            }
            None => {
                if let Some(names) = self.all.get_mut(namespace) {
                    names.remove(name);
                }
            }
        }
    }

    /// The names among which everything is that the selector matches: as few as can be told quickly.
    pub(super) fn among(&self, namespace: &str, selector: &LabelSelector) -> Vec<String> {
        let by = |(key, value): (&str, &str)| self.by.get(&(namespace.to_owned(), key.to_owned(), value.to_owned()));
        let fewest = selector.exact().map(by).min_by_key(|names| names.map_or(0, BTreeSet::len));
        let names = match fewest {
            Some(names) => names,
            None => self.all.get(namespace),
        };
        names.into_iter().flatten().cloned().collect()
    }
}

fn pairs(labels: Option<&Value>) -> Vec<(String, String)> {
    let entries = labels.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Objects of one resource by the selector they have, found by what they select.
#[derive(Debug, Default)]
pub(super) struct Selecting {
    selectors: HashMap<(String, String), LabelSelector>,
    /// By one label that all their matches carry.
    by: HashMap<(String, String, String), BTreeSet<String>>,
    /// Those without such a label, by namespace.
    rest: HashMap<String, BTreeSet<String>>,
}

impl Selecting {
    fn place(&mut self, namespace: &str, selector: &LabelSelector) -> &mut BTreeSet<String> {
        match selector.exact().next() {
            Some((key, value)) => self.by.entry((namespace.to_owned(), key.to_owned(), value.to_owned())).or_default(),
            None => self.rest.entry(namespace.to_owned()).or_default(),
        }
    }

    fn change(&mut self, namespace: &str, name: &str, selector: Option<LabelSelector>) {
        let key = (namespace.to_owned(), name.to_owned());
        if self.selectors.get(&key) == selector.as_ref() {
            return;
        }
        if let Some(old) = self.selectors.remove(&key) {
            self.place(namespace, &old).remove(name);
        }
        if let Some(selector) = selector {
            self.place(namespace, &selector).insert(name.to_owned());
            self.selectors.insert(key, selector);
        }
    }

    /// The names of those that select the object.
    pub(super) fn matching(&self, namespace: &str, value: &Value) -> BTreeSet<String> {
        let labels = pairs(value.pointer("/metadata/labels"));
        let by = labels.into_iter().filter_map(|(key, label)| self.by.get(&(namespace.to_owned(), key, label)));
        let candidates = by.chain(self.rest.get(namespace)).flatten();
        let selects = |name: &&String| {
            let selector = self.selectors.get(&(namespace.to_owned(), (*name).clone()));
            selector.is_some_and(|selector| selector.matches(value))
        };
        candidates.filter(selects).cloned().collect()
    }
}

/// The addresses that pods have.
#[derive(Debug, Default)]
struct Addresses {
    taken: HashMap<String, usize>,
    last: u32,
}

impl Addresses {
    fn change(&mut self, before: Option<&Value>, after: Option<&Value>) {
        let address =
            |pod: Option<&Value>| pod.map(|p| object::text(p, "/status/podIP")).unwrap_or_default().to_owned();
        let host = |pod: Option<&Value>| pod.is_some_and(|p| object::truth(p, "/spec/hostNetwork"));
        let (old, new) = (address(before), address(after));
        if old == new {
            return;
        }
        if !old.is_empty()
            && !host(before)
            && let Some(count) = self.taken.get_mut(&old)
        {
            *count -= 1;
            if *count == 0 {
                self.taken.remove(&old);
            }
        }
        if !new.is_empty() && !host(after) {
            *self.taken.entry(new.clone()).or_default() += 1;
            let offset = new.parse::<Ipv4Addr>().map(|at| u32::from(at).wrapping_sub(FIRST_ADDRESS)).unwrap_or(0);
            if offset < ADDRESSES {
                self.last = self.last.max(offset + 1);
            }
        }
    }

    fn next(&mut self) -> String {
        for _ in 0..ADDRESSES {
            let address = Ipv4Addr::from(FIRST_ADDRESS + self.last % ADDRESSES).to_string();
            self.last = (self.last + 1) % ADDRESSES;
            if !self.taken.contains_key(&address) {
                return address;
            }
        }
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(labels: &Value) -> Value {
        json!({"metadata": {"labels": labels}})
    }

    #[test]
    fn the_narrowest_label_decides_where_to_look() {
        let mut pods = Labelled::default();
        for (name, labels) in
            [("a", json!({"app": "web", "tier": "x"})), ("b", json!({"app": "web"})), ("c", json!({}))]
        {
            pods.change("n", name, None, Some(&pod(&labels)));
        }
        let among = |pods: &Labelled, selector: Value| pods.among("n", &LabelSelector::of_map(&selector));
        assert_eq!(among(&pods, json!({"app": "web"})), ["a", "b"]);
        assert_eq!(among(&pods, json!({"app": "web", "tier": "x"})), ["a"]);
        assert_eq!(among(&pods, json!({"app": "web", "tier": "y"})), Vec::<String>::new());
        assert_eq!(among(&pods, json!({})), ["a", "b", "c"]);
        pods.change("n", "a", Some(&pod(&json!({"app": "web", "tier": "x"}))), None);
        assert_eq!(among(&pods, json!({"app": "web"})), ["b"]);
    }

    #[test]
    fn selectors_are_found_by_what_they_select() {
        let mut services = Selecting::default();
        let selector = |value: Value| LabelSelector::of(Some(&value));
        services.change("n", "web", selector(json!({"matchLabels": {"app": "web"}})));
        services.change("n", "some", selector(json!({"matchExpressions": [{"key": "app", "operator": "Exists"}]})));
        services.change("other", "far", selector(json!({"matchLabels": {"app": "web"}})));
        let found = |services: &Selecting| services.matching("n", &pod(&json!({"app": "web"})));
        assert_eq!(found(&services), BTreeSet::from(["some".to_owned(), "web".to_owned()]));
        services.change("n", "web", selector(json!({"matchLabels": {"app": "db"}})));
        assert_eq!(found(&services), BTreeSet::from(["some".to_owned()]));
        services.change("n", "some", None);
        assert_eq!(found(&services), BTreeSet::new());
    }

    #[test]
    fn no_two_pods_have_one_address() {
        let mut addresses = Addresses::default();
        let at = |ip: &str| json!({"status": {"podIP": ip}});
        let first = addresses.next();
        assert_eq!(first, "10.84.0.1");
        addresses.change(None, Some(&at(&first)));
        addresses.change(None, Some(&at("10.84.0.2")));
        assert_eq!(addresses.next(), "10.84.0.3");
        addresses.change(Some(&at("10.84.0.2")), None);
        assert_eq!(addresses.next(), "10.84.0.4", "an address is not given again at once");
    }
}
