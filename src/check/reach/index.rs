//! The pods of a network by what selectors ask of them, so that a selector looks at few of them.

use std::collections::BTreeMap;

use super::network::Network;
use super::selector::{Condition, Selector};

/// The pods of a network by their labels and namespaces.
#[derive(Debug)]
pub(super) struct Index<'a> {
    network: &'a Network,
    labelled: BTreeMap<(&'a str, &'a str), Vec<usize>>,
    of_namespace: BTreeMap<&'a str, Vec<usize>>,
    all: Vec<usize>,
}

impl<'a> Index<'a> {
    pub(super) fn new(network: &'a Network) -> Self {
        let mut labelled: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        let mut of_namespace: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, pods) in network.pods.iter().enumerate() {
            of_namespace.entry(&pods.namespace).or_default().push(at);
            for (key, value) in &pods.labels {
                labelled.entry((key, value)).or_default().push(at);
            }
        }
        Self { network, labelled, of_namespace, all: (0..network.pods.len()).collect() }
    }

    /// What it is of.
    pub(super) fn network(&self) -> &'a Network {
        self.network
    }

    /// The pods that a selector matches, in namespaces that `admits` takes.
    pub(super) fn select(&self, selector: &Selector, admits: impl Fn(&str) -> bool) -> Vec<usize> {
        // The rarest label that the selector insists on leaves the fewest pods to look at.
        let insisted = selector.conditions().iter().filter_map(|condition| match condition {
            Condition::In(key, values) => match values.as_slice() {
                [value] => Some(self.labelled.get(&(key.as_str(), value.as_str())).map_or(&[][..], Vec::as_slice)),
                _ => None,
            },
            _ => None,
        });
        let candidates = insisted.min_by_key(|pods| pods.len()).unwrap_or(&self.all);
        let fits = |at: &&usize| {
            self.network.pods.get(**at).is_some_and(|pods| admits(&pods.namespace) && selector.matches(&pods.labels))
        };
        candidates.iter().filter(fits).copied().collect()
    }

    /// The pods that a peer of a policy of `namespace` names.
    pub(super) fn peers(&self, namespace: &str, namespaces: Option<&Selector>, pods: &Selector) -> Vec<usize> {
        // Policies do not see pods on the network of their node as pods.
        let visible = |at: &usize| self.network.pods.get(*at).is_some_and(|pods| !pods.host_network);
        let mut found = match namespaces {
            None => self.select(pods, |one| one == namespace),
            Some(selector) => {
                let admitted: Vec<&str> = self
                    .of_namespace
                    .keys()
                    .copied()
                    .filter(|name| selector.matches(&self.network.labels_of(name)))
                    .collect();
                self.select(pods, |one| admitted.binary_search(&one).is_ok())
            }
        };
        found.retain(visible);
        found
    }
}
