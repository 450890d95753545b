//! What is wrong with the pods of workloads that are not ready, for who asks how an instance is, without waiting.

use std::collections::BTreeMap;

use serde_json::Value;
use strata_components::desired::{Desired, INSTANCE_LABEL, ResourceId};

use super::Cluster;
use super::pods;
use super::wait::has_pods;
use crate::observe::{Health, Snapshot};
use crate::provider::ProviderError;

impl Cluster {
    /// Why workloads of the instance are not ready, by workload: what a pod of theirs says that will not become ready by
    /// itself. Workloads whose pods are on their way are not among them. Pods are asked for only where something is not
    /// ready; where they may not be listed, nothing is known. Writes nothing.
    ///
    /// # Errors
    /// Where the cluster does not answer.
    pub async fn troubles(
        &self,
        desired: &Desired,
        snapshot: &Snapshot,
    ) -> Result<BTreeMap<ResourceId, String>, ProviderError> {
        let unready = |id: &ResourceId| {
            let live = snapshot.object(id);
            has_pods(&id.kind) && live.is_some_and(|live| !matches!(live.health, Health::Ready(_)))
        };
        let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        let mut troubles = BTreeMap::new();
        for resource in desired.resources.iter().filter(|resource| unready(&resource.id)) {
            let Some(namespace) = resource.id.namespace.as_deref() else { continue };
            if !lists.contains_key(namespace) {
                lists.insert(namespace, self.pods(namespace, &desired.instance.name()).await?);
            }
            let own = lists.get(namespace).into_iter().flatten().filter(|pod| pods::selected(&resource.manifest, pod));
            if let Some(trouble) = own.filter_map(pods::trouble).min() {
                let told = self.sealing.secrets.known().told(&trouble).into_owned();
                troubles.insert(resource.id.clone(), told);
            }
        }
        Ok(troubles)
    }

    /// The pods of an instance in a namespace; none where they may not be listed.
    async fn pods(&self, namespace: &str, instance: &str) -> Result<Vec<Value>, ProviderError> {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        match self.list("Pod", &path).await {
            Ok(pods) => {
                let own = |pod: &Value| pod["metadata"]["labels"][INSTANCE_LABEL] == instance;
                Ok(pods.into_iter().filter(own).collect())
            }
            Err(ProviderError::Refused { code: 403, .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}
