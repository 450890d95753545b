//! Which kinds a cluster serves, and where: read once a run.
//!
//! A group whose own server does not answer is told apart from one that does not exist: its kinds may well be there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use kube::discovery::verbs;
use serde_json::Value;
use strata_components::desired::{Kind, ResourceId};

use super::request::{Call, Requests};
use crate::provider::ProviderError;

/// How long the cluster is asked at the most: one that is not there should soon be given up.
const LIMIT: Duration = Duration::from_secs(10);
/// Discovery of all groups in one answer.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;q=0.5";
/// Groups asked for at once.
const CONCURRENCY: usize = 16;
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
            let answer = requests.ok(&call(path).accept(AGGREGATED)).await?;
            if answer["kind"] != "APIGroupDiscoveryList" {
                // An older server knows no aggregated discovery, and is asked group by group.
                served = Self::read_by_group(requests).await?;
                break;
            }
            served.take(&answer)?;
        }
        // Every cluster has these: without them it is not all that it serves.
        let namespace = Kind { group: String::new(), version: "v1".to_owned(), kind: "Namespace".to_owned() };
        match served.get(&namespace) {
            Some(_) => Ok(served),
            None => Err(unexpected("it does not even name namespaces")),
        }
    }

    /// Takes in an answer of aggregated discovery.
    fn take(&mut self, list: &Value) -> Result<(), ProviderError> {
        for group in all(list, "items")? {
            let name = text(group, "/metadata/name");
            for version in all(group, "versions")? {
                let here = text(version, "/version");
                if version["freshness"] == "Stale" {
                    self.stale.insert((name.clone(), here.clone()));
                }
                for resource in items(&version["resources"]) {
                    let kind =
                        Kind { group: name.clone(), version: here.clone(), kind: text(resource, "/responseKind/kind") };
                    let namespaced = resource["scope"] == "Namespaced";
                    self.kinds.insert(kind, served(resource, text(resource, "/resource"), namespaced));
                }
            }
        }
        Ok(())
    }

    /// Asks for the resources of each group and version.
    async fn read_by_group(requests: &Requests) -> Result<Self, ProviderError> {
        let (core, groups) = (call("/api"), call("/apis"));
        let (core, groups) = tokio::try_join!(requests.ok(&core), requests.ok(&groups))?;
        let mut versions: Vec<(String, String, String)> = Vec::new();
        for version in all(&core, "versions")?.filter_map(Value::as_str) {
            versions.push((String::new(), version.to_owned(), format!("/api/{version}")));
        }
        for group in all(&groups, "groups")? {
            let name = text(group, "/name");
            for version in all(group, "versions")? {
                let version = text(version, "/version");
                let path = format!("/apis/{name}/{version}");
                versions.push((name.clone(), version, path));
            }
        }
        let reads: Vec<_> = versions
            .into_iter()
            .map(|(group, version, path)| async move {
                let call = call(&path);
                Ok::<_, ProviderError>((group, version, requests.send(&call).await?, call))
            })
            .collect();
        let reads: Vec<_> = stream::iter(reads).buffer_unordered(CONCURRENCY).try_collect().await?;
        let mut served = Self::default();
        for (group, version, answer, call) in reads {
            // A group whose own server is not there is answered for by the main one.
            if !group.is_empty() && (answer.status.is_server_error() || answer.is_absent()) {
                served.stale.insert((group, version));
                continue;
            }
            let list = answer.ok(&call.doing)?;
            for resource in all(&list, "resources")? {
                let (plural, kind) = (text(resource, "/name"), text(resource, "/kind"));
                // Subresources stand among them.
                if !plural.contains('/') {
                    let kind = Kind { group: group.clone(), version: version.clone(), kind };
                    served.kinds.insert(kind, self::served(resource, plural, resource["namespaced"] == true));
                }
            }
        }
        Ok(served)
    }

    /// The same, once these are served too.
    pub(crate) fn with(&self, coming: BTreeMap<Kind, Served>) -> Self {
        let mut served = self.clone();
        for (kind, place) in coming {
            served.kinds.entry(kind).or_insert(place);
        }
        served
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

fn call(path: &str) -> Call {
    Call::get(path, DOING).within(LIMIT)
}

fn served(resource: &Value, plural: String, namespaced: bool) -> Served {
    let verbs: Vec<&str> = items(&resource["verbs"]).filter_map(Value::as_str).collect();
    Served { plural, namespaced, kept: verbs.contains(&verbs::LIST) && verbs.contains(&verbs::DELETE) }
}

fn unexpected(detail: &str) -> ProviderError {
    ProviderError::Unexpected { doing: DOING.to_owned(), detail: detail.to_owned() }
}

/// The parts of an answer; an error where there is no list of them, not even of none.
fn all<'a>(answer: &'a Value, key: &str) -> Result<impl Iterator<Item = &'a Value>, ProviderError> {
    match answer[key].as_array() {
        Some(parts) => Ok(parts.iter()),
        None => Err(unexpected(&format!("it has no {key}"))),
    }
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
        let taken = served.take(&json!({"items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "freshness": "Current", "resources": [
                {"resource": "deployments", "scope": "Namespaced", "verbs": ["list", "delete"],
                 "responseKind": {"group": "apps", "version": "v1", "kind": "Deployment"}},
            ]}]},
            {"metadata": {"name": "metrics.example.com"}, "versions": [{"version": "v1", "freshness": "Stale"}]},
        ]}));
        assert!(taken.is_ok(), "{taken:?}");
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
