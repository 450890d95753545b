//! kubectl, or on a machine without it the few requests that documents send with it: the same ones, in its name, with
//! its words in answer.

use std::path::{Path, PathBuf};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;

/// Where it is.
pub(super) fn here() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("kubectl")).find(|program| program.is_file())
}

/// What it would do, and say.
pub(super) fn instead(kubeconfig: &Path, arguments: &[&str]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let manager = PatchParams { field_manager: Some("kubectl".to_owned()), ..PatchParams::default() };
        match arguments {
            ["-n", namespace, "scale", workload, replicas] => {
                let name = workload.strip_prefix("deployment/").unwrap();
                let number: i32 = replicas.strip_prefix("--replicas=").unwrap().parse().unwrap();
                let scale = Patch::Merge(json!({"spec": {"replicas": number}}));
                let deployments: Api<Deployment> = Api::namespaced(client, namespace);
                deployments.patch_scale(name, &manager, &scale).await.unwrap();
                format!("deployment.apps/{name} scaled\n")
            }
            [word @ ("cordon" | "uncordon"), nodes @ ..] => {
                let mut said = String::new();
                for node in nodes {
                    let cordoned = Patch::Merge(json!({"spec": {"unschedulable": *word == "cordon"}}));
                    Api::<Node>::all(client.clone()).patch(node, &manager, &cordoned).await.unwrap();
                    said += &format!("node/{node} {word}ed\n");
                }
                said
            }
            _ => panic!("a document wants of kubectl what is not known here: {arguments:?}"),
        }
    })
}
