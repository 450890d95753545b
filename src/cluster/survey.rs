//! Looking at what surrounds an instance: nodes, the pods of others on them, and policies of others that hold for its
//! own pods. Only proofs ask for it, and only when they are told to. Nothing is written.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Node, Pod};
use serde::Deserialize;
use serde_json::Value;
use strata_components::desired::{Desired, INSTANCE_LABEL, Kind};
use strata_components::labels::NAME_LABEL;

use super::Cluster;
use super::discovery::collection;
use crate::check::capacity::placement::{add, quantity, requests};
use crate::observe::{LiveNode, NodeTaint, SURROUNDINGS_FORMAT, Surroundings, Unread};
use crate::provider::ProviderError;

/// The kinds of a mesh that decide who can talk to whom.
const OF_MESH: [&str; 2] = ["AuthorizationPolicy", "PeerAuthentication"];

impl Cluster {
    /// What surrounds instances on the cluster, for each of them in their order: nodes with the pods of none of them, and
    /// policies that are not its own. `mesh` is the namespace of the mesh's control plane, whose policies
    /// hold everywhere; nothing where the environment has no mesh. Policies that the cluster refuses to list are named
    /// in the result; kinds that it does not serve have no objects.
    ///
    /// # Errors
    /// When the cluster cannot be reached, is not the one that is meant, or refuses to list nodes or pods.
    pub async fn survey(&self, all: &[&Desired], mesh: Option<&str>) -> Result<Vec<Surroundings>, ProviderError> {
        self.target().await?;
        let (nodes, pods) = futures::try_join!(self.list("Node", "/api/v1/nodes"), self.list("Pod", "/api/v1/pods"))?;
        // Pods of a service that left or was renamed run until everything else is ready, and take their room till then.
        let names: BTreeMap<String, BTreeSet<&str>> = all
            .iter()
            .map(|one| (one.instance.name(), one.resources.iter().map(|resource| resource.id.name.as_str()).collect()))
            .collect();
        let stays = |pod: &Value| {
            let labels = &pod["metadata"]["labels"];
            let names = labels[INSTANCE_LABEL].as_str().and_then(|instance| names.get(instance));
            names.zip(labels[NAME_LABEL].as_str()).is_some_and(|(names, name)| names.contains(name))
        };
        let of_others: Vec<Pod> =
            pods.iter().filter(|pod| !stays(pod)).filter_map(|pod| Pod::deserialize(pod).ok()).collect();
        let mut nodes: Vec<LiveNode> = nodes
            .iter()
            .filter_map(|node| Node::deserialize(node).ok())
            .map(|node| live_node(node, &of_others))
            .collect();
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        let (mut lists, mut around) = (BTreeMap::new(), Vec::new());
        for desired in all {
            let (policies, unread) = self.policies_of_others(desired, mesh, &mut lists).await?;
            around.push(Surroundings {
                format: SURROUNDINGS_FORMAT.to_owned(),
                nodes: nodes.clone(),
                policies,
                unread,
            });
        }
        Ok(around)
    }

    /// Policies that hold for an instance's pods and are not its own, and what could not be listed. `lists` is what was
    /// listed before, by its path.
    async fn policies_of_others(
        &self,
        desired: &Desired,
        mesh: Option<&str>,
        lists: &mut BTreeMap<String, Result<Vec<Value>, String>>,
    ) -> Result<(Vec<Value>, Vec<Unread>), ProviderError> {
        let instance = desired.instance.name();
        let own = |object: &Value| object["metadata"]["labels"][INSTANCE_LABEL].as_str() == Some(instance.as_str());
        let (mut policies, mut unread) = (Vec::new(), Vec::new());
        for (kind, path, namespace) in self.policy_lists(desired, mesh).await? {
            let listed = match lists.entry(path) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let listed = match self.list(&kind.kind, place.key()).await {
                        Ok(found) => Ok(found.into_iter().map(|one| of_kind(&kind, one)).collect()),
                        Err(ProviderError::Refused { message, .. }) => Err(message),
                        Err(error) => return Err(error),
                    };
                    place.insert(listed)
                }
            };
            match listed {
                Ok(found) => policies.extend(found.iter().filter(|one| !own(one)).cloned()),
                Err(reason) => unread.push(Unread { kind: kind.kind, namespace, reason: reason.clone() }),
            }
        }
        Ok((policies, unread))
    }

    /// The lists of policies that have a say: kind, path and namespace of each.
    pub(super) async fn policy_lists(
        &self,
        desired: &Desired,
        mesh: Option<&str>,
    ) -> Result<Vec<(Kind, String, String)>, ProviderError> {
        let network =
            Kind { group: "networking.k8s.io".to_owned(), version: "v1".to_owned(), kind: "NetworkPolicy".to_owned() };
        let served = self.served().await?;
        let of_mesh = OF_MESH.iter().filter(|_| mesh.is_some());
        let of_mesh = of_mesh.filter_map(|kind| served.of_group("security.istio.io", kind));
        let mut lists = Vec::new();
        for kind in std::iter::once(&network).chain(of_mesh) {
            let Some(place) = served.get(kind) else { continue };
            let everywhere = mesh.filter(|_| kind != &network);
            let namespaces: BTreeSet<&str> = desired.namespaces.iter().map(String::as_str).chain(everywhere).collect();
            let list = |namespace: &str| {
                (kind.clone(), collection(kind, &place.plural, Some(namespace)), namespace.to_owned())
            };
            lists.extend(namespaces.into_iter().map(list));
        }
        Ok(lists)
    }
}

/// An item of a list with the kind and version that it does not repeat.
fn of_kind(kind: &Kind, mut item: Value) -> Value {
    item["apiVersion"] = kind.api_version().into();
    item["kind"] = kind.kind.as_str().into();
    item
}

fn live_node(node: Node, pods: &[Pod]) -> LiveNode {
    let name = node.metadata.name.unwrap_or_default();
    let spec = node.spec.unwrap_or_default();
    let status = node.status.unwrap_or_default();
    let (mut taken, mut daemons) = (BTreeMap::new(), BTreeMap::new());
    for pod in pods.iter().filter(|pod| runs_on(pod, &name)) {
        let asks = pod.spec.as_ref().map(requests).unwrap_or_default();
        add(&mut taken, &asks);
        if comes_with_the_node(pod) {
            add(&mut daemons, &asks);
        }
    }
    let allocatable = status.allocatable.unwrap_or_default();
    let taints = spec.taints.unwrap_or_default().into_iter().map(|taint| NodeTaint {
        key: taint.key,
        value: taint.value.unwrap_or_default(),
        effect: taint.effect,
    });
    LiveNode {
        name,
        allocatable: allocatable.iter().map(|(name, amount)| (name.clone(), quantity(name, amount))).collect(),
        taken,
        daemons,
        labels: node.metadata.labels.unwrap_or_default(),
        taints: taints.collect(),
        unschedulable: spec.unschedulable.unwrap_or_default(),
        kernel: status.node_info.map(|info| info.kernel_version).unwrap_or_default(),
    }
}

/// Whether a pod takes room on a node: it is placed there, and has not ended.
fn runs_on(pod: &Pod, node: &str) -> bool {
    let placed = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(node);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    placed && !matches!(phase, Some("Succeeded" | "Failed"))
}

/// Whether every node like the one that a pod is on has such a pod: that of a DaemonSet, or one that the kubelet starts
/// by itself, which shows its Node as the owner.
fn comes_with_the_node(pod: &Pod) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    owners
        .filter(|owner| owner.controller == Some(true))
        .any(|owner| matches!(owner.kind.as_str(), "DaemonSet" | "Node"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use axum::extract::Request;
    use axum::middleware::Next;
    use axum::response::{IntoResponse, Response};
    use http::StatusCode;
    use k8s_openapi::api::core::v1::Namespace;
    use kube::Api;
    use kube::api::PostParams;
    use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
    use kube_embedded::Storage;
    use serde_json::json;
    use strata_components::model::EmbeddedCluster;

    use super::*;
    use crate::cluster::Settings;
    use crate::cluster::connect::open_storage;

    #[test]
    fn a_node_has_what_others_have_left() {
        let node = json!({
            "metadata": {"name": "gh200", "labels": {"kubernetes.io/arch": "arm64"}},
            "spec": {"taints": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]},
            "status": {
                "allocatable": {"cpu": "64", "memory": "420Gi", "nvidia.com/gpu": "8", "pods": "110"},
                "nodeInfo": {"kernelVersion": "6.8.0-1013-nvidia-64k"},
            },
        });
        let pod = |node: &str, phase: &str, owner: &str| {
            let resources = json!({"requests": {"cpu": "1500m", "nvidia.com/gpu": "1"}});
            let owner = json!({"apiVersion": "apps/v1", "kind": owner, "name": "a", "uid": "1", "controller": true});
            json!({
                "metadata": {"ownerReferences": [owner]},
                "spec": {"nodeName": node, "containers": [{"name": "a", "resources": resources}]},
                "status": {"phase": phase},
            })
        };
        let pods = [
            pod("gh200", "Running", "ReplicaSet"),
            pod("gh200", "Succeeded", "DaemonSet"),
            pod("other", "Running", "DaemonSet"),
            pod("gh200", "Pending", "DaemonSet"),
            pod("gh200", "Running", "Node"),
        ];
        let pods: Vec<Pod> = pods.iter().map(|pod| Pod::deserialize(pod).unwrap()).collect();
        let live = live_node(Node::deserialize(&node).unwrap(), &pods);
        let amounts =
            |pairs: &[(&str, u64)]| pairs.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect();
        assert_eq!(live.taken, amounts(&[("cpu", 4500), ("nvidia.com/gpu", 3), ("pods", 3)]));
        assert_eq!(live.daemons, amounts(&[("cpu", 3000), ("nvidia.com/gpu", 2), ("pods", 2)]));
        assert_eq!(
            live.allocatable,
            amounts(&[("cpu", 64_000), ("memory", 420 << 30), ("nvidia.com/gpu", 8), ("pods", 110)])
        );
        assert_eq!((live.kernel.as_str(), live.taints.len()), ("6.8.0-1013-nvidia-64k", 1));
    }

    /// Every request is carried out, but that for these objects, which others may read.
    async fn all_but(request: Request, next: Next) -> Response {
        if !request.uri().path().ends_with("/shop/authorizationpolicies") {
            return next.run(request).await;
        }
        let status = json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no right to list them"});
        (StatusCode::FORBIDDEN, axum::Json(status)).into_response()
    }

    #[tokio::test]
    async fn policies_of_others_are_read_where_they_can_be() {
        let described: EmbeddedCluster = serde_json::from_value(json!({"provides": ["istio"]})).unwrap();
        let embedded = open_storage(&described, Storage::Memory).await.unwrap();
        let client = kube::Client::new(embedded.router(), "default");
        for namespace in ["shop", "istio-system"] {
            let object = serde_json::from_value(json!({"metadata": {"name": namespace}})).unwrap();
            Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        }
        for (namespace, group, kind, name, own) in [
            ("shop", "networking.k8s.io", "NetworkPolicy", "debug", false),
            ("shop", "networking.k8s.io", "NetworkPolicy", "own", true),
            ("shop", "security.istio.io", "PeerAuthentication", "lax", false),
            ("shop", "security.istio.io", "AuthorizationPolicy", "unseen", false),
            ("istio-system", "security.istio.io", "PeerAuthentication", "mesh-wide", false),
            ("istio-system", "security.istio.io", "AuthorizationPolicy", "for-all", false),
        ] {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
            let labels = if own { json!({INSTANCE_LABEL: "shop-production"}) } else { json!({}) };
            let metadata = json!({"name": name, "labels": labels});
            let object = json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "spec": {}});
            let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
            objects.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        }
        let desired: Desired = serde_json::from_value(json!({
            "instance": {"stack": "shop", "environment": "production"},
            "namespaces": ["shop", "yet-to-come"], "phases": [], "resources": [],
            "claims": {"ports": [], "edges": [], "compute": []},
        }))
        .unwrap();
        let look = async |mesh: Option<&str>| {
            let settings = Settings {
                name: "local".to_owned(),
                control_namespace: "strata-system".to_owned(),
                guard: None,
                holder: "test".to_owned(),
            };
            let router = embedded.router().layer(axum::middleware::from_fn(all_but));
            let cluster = Cluster::new(kube::Client::new(router, "default"), settings);
            let found = cluster.survey(&[&desired], mesh).await.unwrap().remove(0);
            let name = |one: &Value| format!("{} {}", one["kind"], one["metadata"]["name"]).replace('"', "");
            let mut names: Vec<String> = found.policies.iter().map(name).collect();
            names.sort();
            (names.join(", "), found.unread)
        };
        assert_eq!(
            look(None).await,
            ("NetworkPolicy debug".to_owned(), vec![]),
            "without a mesh its kinds do not matter"
        );
        let (names, unread) = look(Some("istio-system")).await;
        assert_eq!(
            names,
            "AuthorizationPolicy for-all, NetworkPolicy debug, PeerAuthentication lax, PeerAuthentication mesh-wide"
        );
        let reason = "no right to list them".to_owned();
        assert_eq!(unread, [Unread { kind: "AuthorizationPolicy".into(), namespace: "shop".into(), reason }]);
        embedded.close().await;
    }
}
