//! What an environment knows of the network around a fleet: pods and addresses that policies have to name, because
//! they belong to the cluster and not to the stack.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::egress::AddressRange;
use super::label::{LabelKey, LabelValue};
use super::name::NamespaceName;

/// Pods that belong to the cluster rather than to the stack, by namespace and labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// The namespace that they run in.
    pub namespace: NamespaceName,
    /// The labels that they all carry; every pod of the namespace is meant where none is named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<LabelKey, LabelValue>,
}

impl Peer {
    pub(crate) fn known(namespace: &'static str, label: (&'static str, &'static str)) -> Self {
        let label = LabelKey::new(label.0).ok().zip(LabelValue::new(label.1).ok());
        debug_assert!(label.is_some(), "{namespace}");
        Self { namespace: NamespaceName::known(namespace), labels: label.into_iter().collect() }
    }

    /// The pods that answer DNS in almost every cluster.
    fn cluster_dns() -> Self {
        Self::known("kube-system", ("k8s-app", "kube-dns"))
    }
}

/// The network around a fleet, as far as policies have to name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The pods that answer DNS, on port 53 over UDP and TCP.
    #[serde(default = "Peer::cluster_dns")]
    pub dns: Peer,
    /// Where the Kubernetes API server is reached, for services that declare the way out `kube-api`: the addresses of
    /// the control plane's nodes and its port there, after the translation of the Service `kubernetes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kube_api: Vec<AddressRange>,
}

impl Default for Network {
    fn default() -> Self {
        Self { dns: Peer::cluster_dns(), kube_api: Vec::new() }
    }
}
