//! Which kinds a cluster serves, and where: read once a run.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::discovery::{Discovery, Scope, verbs};
use strata_components::desired::{Kind, ResourceId};

use crate::provider::ProviderError;

/// The pauses between tries: a server that is busy for a moment is asked again, one that is not there is soon given up.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];

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
}

impl ServedKinds {
    /// Asks the cluster, in two requests where it can answer for all groups at once.
    pub(crate) async fn read(client: &kube::Client) -> Result<Self, ProviderError> {
        let mut pauses = PAUSES.iter();
        let discovery = loop {
            // An older server knows no aggregated discovery, and is asked group by group.
            let asked = match Discovery::new(client.clone()).run_aggregated().await {
                Ok(discovery) => Ok(discovery),
                Err(_) => Discovery::new(client.clone()).run().await,
            };
            match (asked, pauses.next()) {
                (Ok(discovery), _) => break discovery,
                (Err(_), Some(pause)) => tokio::time::sleep(*pause).await,
                (Err(error), None) => {
                    return Err(ProviderError::Unreachable {
                        doing: "asking the cluster which kinds it serves".to_owned(),
                        source: error.into(),
                    });
                }
            }
        };
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
        Ok(Self { kinds })
    }

    pub(crate) fn get(&self, kind: &Kind) -> Option<&Served> {
        self.kinds.get(kind)
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
