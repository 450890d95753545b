//! Which kinds a cluster serves, and where: read once a run.
//!
//! A group whose own server does not answer is told apart from one that does not exist: its kinds may well be there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kube::discovery::{Discovery, Scope, verbs};
use serde_json::Value;
use strata_components::desired::{Kind, ResourceId};

use super::request::{Call, Requests};
use crate::provider::ProviderError;

/// How long the cluster is asked at the most: one that is not there should soon be given up.
const LIMIT: Duration = Duration::from_secs(10);
/// Discovery of all groups in one answer.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;q=0.5";
const DOING: &str = "asking the cluster which kinds it serves";

/// A kind as a cluster serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    /// The name in paths, such as `deployments`.
    pub(crate) plural: String,
    /// Whether its objects live in namespaces.
    pub(crate) namespaced: bool,
    /// Whether it can be listed and deleted: what cannot is no object that is kept, such as an access review.
    pub(crate) kept: bool,
}

/// All kinds a cluster serves.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServedKinds {
    kinds: BTreeMap<Kind, Served>,
    /// Groups and versions whose server does not answer: what is known of them is old, or nothing.
    stale: BTreeSet<(String, String)>,
}

impl ServedKinds {
    /// Asks the cluster, in two requests where it can answer for all groups at once.
    pub(crate) async fn read(requests: &Requests) -> Result<Self, ProviderError> {
        let mut served = Self::default();
        for path in ["/api", "/apis"] {
            let answer = requests.ok(&Call::get(path, DOING).accept(AGGREGATED).within(LIMIT)).await?;
            if answer["kind"] != "APIGroupDiscoveryList" {
                // An older server knows no aggregated discovery, and is asked group by group.
                return Self::read_by_group(&requests.client()).await;
            }
            served.take(&answer);
        }
        Ok(served)
    }

    /// Takes in an answer of aggregated discovery.
    fn take(&mut self, list: &Value) {
        for group in items(&list["items"]) {
            let name = text(group, "/metadata/name");
            for version in items(&group["versions"]) {
                let here = text(version, "/version");
                if version["freshness"] == "Stale" {
                    self.stale.insert((name.clone(), here.clone()));
                }
                for resource in items(&version["resources"]) {
                    let verbs: Vec<&str> = items(&resource["verbs"]).filter_map(Value::as_str).collect();
                    let kind =
                        Kind { group: name.clone(), version: here.clone(), kind: text(resource, "/responseKind/kind") };
                    let served = Served {
                        plural: text(resource, "/resource"),
                        namespaced: resource["scope"] == "Namespaced",
                        kept: verbs.contains(&verbs::LIST) && verbs.contains(&verbs::DELETE),
                    };
                    self.kinds.insert(kind, served);
                }
            }
        }
    }

    async fn read_by_group(client: &kube::Client) -> Result<Self, ProviderError> {
        let discovery = Discovery::new(client.clone())
            .run()
            .await
            .map_err(|error| ProviderError::Unreachable { doing: DOING.to_owned(), source: error.into() })?;
        let mut kinds = BTreeMap::new();
        for group in discovery.groups() {
            for version in group.versions() {
                for (resource, capabilities) in group.versioned_resources(version) {
                    let kind = Kind { group: resource.group, version: resource.version, kind: resource.kind };
                    let served = Served {
                        plural: resource.plural,
                        namespaced: capabilities.scope == Scope::Namespaced,
                        kept: capabilities.supports_operation(verbs::LIST)
                            && capabilities.supports_operation(verbs::DELETE),
                    };
                    kinds.insert(kind, served);
                }
            }
        }
        Ok(Self { kinds, stale: BTreeSet::new() })
    }

    pub(crate) fn get(&self, kind: &Kind) -> Option<&Served> {
        self.kinds.get(kind)
    }

    /// Why nothing can be said of the kinds of a group, or of one version of it, although it may have them; `None`
    /// where its server answers.
    pub(crate) fn silent(&self, group: &str, version: Option<&str>) -> Option<String> {
        let (_, version) =
            self.stale.iter().find(|(name, of)| name == group && version.is_none_or(|version| version == of))?;
        Some(format!("discovery failed in part: the server of {group}/{version} does not answer"))
    }

    /// The versions that a kind is served in.
    pub(crate) fn versions(&self, kind: &Kind) -> Vec<&str> {
        let all = self.kinds.keys().filter(|known| known.group == kind.group && known.kind == kind.kind);
        all.map(|known| known.version.as_str()).collect()
    }

    /// The version of a group and kind that is listed first: what an inventory that names no version means.
    pub(crate) fn of_group(&self, group: &str, kind: &str) -> Option<&Kind> {
        self.kinds.keys().find(|known| known.group == group && known.kind == kind)
    }

    /// Kinds whose objects live in namespaces and can be listed, one version each.
    pub(crate) fn namespaced(&self) -> impl Iterator<Item = (&Kind, &Served)> {
        let mut last: Option<(&str, &str)> = None;
        self.kinds.iter().filter(move |(kind, served)| {
            let seen = last == Some((&kind.group, &kind.kind));
            last = Some((&kind.group, &kind.kind));
            served.namespaced && served.kept && !seen
        })
    }

    /// The path of one object; `None` where its kind is not served.
    pub(crate) fn path(&self, id: &ResourceId) -> Option<String> {
        let served = self.get(&id.kind)?;
        let namespace = id.namespace.as_deref().filter(|_| served.namespaced);
        Some(format!("{}/{}", collection(&id.kind, &served.plural, namespace), id.name))
    }
}

/// The path of a collection: of one namespace, or of the whole cluster.
pub(crate) fn collection(kind: &Kind, plural: &str, namespace: Option<&str>) -> String {
    let mut path = if kind.group.is_empty() {
        format!("/api/{}", kind.version)
    } else {
        format!("/apis/{}/{}", kind.group, kind.version)
    };
    if let Some(namespace) = namespace {
        path.push_str("/namespaces/");
        path.push_str(namespace);
    }
    path.push('/');
    path.push_str(plural);
    path
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_group_whose_server_is_silent_is_told_from_one_that_is_not_there() {
        let mut served = ServedKinds::default();
        served.take(&json!({"items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "freshness": "Current", "resources": [
                {"resource": "deployments", "scope": "Namespaced", "verbs": ["list", "delete"],
                 "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
            ]}]},
            {"metadata": {"name": "metrics.example.com"}, "versions": [{"version": "v1", "freshness": "Stale"}]},
        ]}));
        let kind = |group: &str, kind: &str| Kind { group: group.into(), version: "v1".into(), kind: kind.into() };
        let deployments = Served { plural: "deployments".into(), namespaced: true, kept: true };
        assert_eq!(served.get(&kind("apps", "Deployment")), Some(&deployments));
        assert_eq!(served.silent("apps", None), None);
        assert_eq!(served.silent("nowhere.example.com", None), None);
        let silent = "discovery failed in part: the server of metrics.example.com/v1 does not answer";
        assert_eq!(served.silent("metrics.example.com", None).as_deref(), Some(silent));
        assert_eq!(served.silent("metrics.example.com", Some("v2")), None);
    }
}
