//! What somebody else brings to a cluster: volumes where nobody makes any, and kinds that Kubernetes does not have.

use k8s_openapi::api::core::v1::PersistentVolume;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::runtime::wait::{await_condition, conditions::is_crd_established};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

/// A volume for each of these claims of a namespace.
pub(crate) async fn volumes(client: Client, namespace: &str, claims: &[&str]) {
    let volumes: Api<PersistentVolume> = Api::all(client);
    for name in claims {
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name});
        let volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("{namespace}-{name}")},
            "spec": {
                "capacity": {"storage": "1Ti"}, "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": format!("/var/lib/{namespace}/{name}")},
                "persistentVolumeReclaimPolicy": "Retain", "claimRef": claim,
            },
        });
        let name = format!("{namespace}-{name}");
        volumes.patch(&name, &PatchParams::apply("story"), &Patch::Apply(volume)).await.unwrap();
    }
}

/// Kinds by their definitions, as another cluster has them.
pub(crate) async fn define(client: Client, definitions: Vec<CustomResourceDefinition>) {
    let served: Api<CustomResourceDefinition> = Api::all(client);
    for mut definition in definitions {
        let name = definition.name_any();
        let annotations = definition.metadata.annotations;
        definition.metadata = ObjectMeta { name: Some(name.clone()), annotations, ..ObjectMeta::default() };
        definition.status = None;
        served.patch(&name, &PatchParams::apply("story"), &Patch::Apply(definition)).await.unwrap();
        await_condition(served.clone(), &name, is_crd_established()).await.unwrap();
    }
}
