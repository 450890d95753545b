//! Pods that nobody described, made up so that they fit what policies ask of the other end: if some pod of another
//! namespace could talk to ours, one of these can.
//!
//! Rules only ever add, so one stranger for each peer that a rule names, and one that fits none, stand for all
//! strangers there are.

use std::collections::BTreeSet;

use super::network::{NAMESPACE_NAME, Network, Peer, Pods};
use super::selector::{Labels, Selector};

/// What strangers are called that no rule names.
pub const ANYONE: &str = "any pod of another namespace";

/// Adds strangers of namespaces that are not among `own`; returns their places.
pub fn invite(network: &mut Network, own: &BTreeSet<String>) -> Vec<usize> {
    let mut peers: BTreeSet<(&Selector, &Selector)> = BTreeSet::new();
    for policy in &network.policies {
        for rule in policy.ingress.iter().chain(&policy.egress).flatten() {
            for peer in rule.peers.iter().flatten() {
                // Where no namespaces are selected, it is the policy's own: no stranger is there.
                if let Peer::Pods { namespaces: Some(namespaces), pods } = peer {
                    peers.insert((namespaces, pods));
                }
            }
        }
    }
    let mut invited: Vec<(Pods, Labels)> = Vec::new();
    for (namespaces, pods) in peers {
        let Some(labels) = pods.witness(&Labels::new()) else { continue };
        for name in names(namespaces, own, network, invited.len()) {
            let given = network.namespaces.get(&name).cloned();
            let given = given.unwrap_or_else(|| Labels::from([(NAMESPACE_NAME.to_owned(), name.clone())]));
            let Some(of_namespace) = namespaces.witness(&given) else { continue };
            let shown = if labels.is_empty() {
                format!("any pod of namespace {name}")
            } else {
                let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("a pod of namespace {name} with {}", labels.join(","))
            };
            invited
                .push((Pods { name: shown, namespace: name, labels: labels.clone(), ..Pods::default() }, of_namespace));
        }
    }
    let anyone = Pods { name: ANYONE.to_owned(), namespace: unused(own, network), ..Pods::default() };
    let labels = network.labels_of(&anyone.namespace);
    invited.push((anyone, labels));
    let first = network.pods.len();
    for (pods, labels) in invited {
        network.namespaces.entry(pods.namespace.clone()).or_insert(labels);
        network.pods.push(pods);
    }
    (first..network.pods.len()).collect()
}

/// Namespaces that a selector matches or may match: those that it names, or else one that nobody has.
fn names(selector: &Selector, own: &BTreeSet<String>, network: &Network, number: usize) -> Vec<String> {
    let named = selector.values_of(NAMESPACE_NAME);
    let known = network.namespaces.iter().filter(|(_, labels)| selector.matches(labels)).map(|(name, _)| name.clone());
    let mut names: Vec<String> = match named {
        Some(names) => names.into_iter().map(str::to_owned).collect(),
        None => known.chain([format!("{}-{number}", unused(own, network))]).collect(),
    };
    names.retain(|name| !own.contains(name));
    names.sort();
    names.dedup();
    names
}

/// A name that no namespace has.
fn unused(own: &BTreeSet<String>, network: &Network) -> String {
    let taken = |name: &String| own.contains(name) || network.namespaces.contains_key(name);
    let numbered = (1..).map(|number| format!("elsewhere-{number}"));
    std::iter::once("elsewhere".to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}
