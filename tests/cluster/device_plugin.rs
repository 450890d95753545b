//! The device plugin in a stack of its own: one `up` puts it on the nodes with GPUs, each with the configuration of its
//! group, in the one namespace that lets it; a change of the slices rolls it, and nothing is left of it afterwards.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};

use super::support::{Cluster, Story};

const STACK: &str = "stack: plugin
namespace: plugin
device_plugin:
  groups:
    whole: {}
    quarters: {slices: 4}
  default_group: whole
tiers: {}
services: {}
waivers:
  - {rule: S-hardening-001, reason: The plugin writes a socket into a directory of its node}
  - {rule: S-hardening-002, reason: That directory belongs to root}
  - {rule: S-hardening-006, reason: The plugin answers nobody but the kubelet}
";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("plugin", cluster);
    let file = story.stack();
    story.write(&file, STACK);
    story.edit(
        "environments/testing.yaml",
        "default_cluster:",
        "gpu: {runtime_class: {name: plugin-testing, create: true}}\ndefault_cluster:",
    );
    story.up("");
    assert_eq!(
        story.meanwhile(plugins),
        ["nvidia-device-plugin-quarters: quarters.json", "nvidia-device-plugin-whole: whole.json"]
    );
    // Only the group of nodes without a label has any here.
    let nodes = story.meanwhile(pods);
    assert!(!nodes.is_empty() && nodes.iter().all(|name| name.starts_with("nvidia-device-plugin-whole-")), "{nodes:?}");

    story.tell("Other slices are another configuration, which the plugin reads when it starts anew.");
    story.edit(&file, "slices: 4", "slices: 2");
    story.strata("plan plugin -e testing");
    story.up("");

    story.tell("A group that goes takes its plugin with it.");
    story.edit(&file, "    quarters: {slices: 2}\n", "");
    story.up("");
    assert_eq!(story.meanwhile(plugins), ["nvidia-device-plugin-whole: whole.json"]);
    story.strata("destroy plugin -e testing --yes --quiet --allow-prune");
    assert_eq!(story.meanwhile(plugins), Vec::<String>::new());
    story.end();
}

/// Each DaemonSet, with the file that its pods read.
async fn plugins(client: Client) -> Vec<String> {
    let sets: Api<DaemonSet> = Api::namespaced(client, "plugin");
    let all = sets.list(&ListParams::default()).await.unwrap().items;
    let told = |set: DaemonSet| {
        let pod = set.spec.unwrap().template.spec.unwrap();
        assert_eq!(pod.runtime_class_name.as_deref(), Some("plugin-testing"));
        let file = pod.containers[0].env.as_ref().unwrap()[0].value.clone().unwrap();
        format!("{}: {}", set.metadata.name.unwrap(), file.rsplit('/').next().unwrap())
    };
    let mut told: Vec<String> = all.into_iter().map(told).collect();
    told.sort();
    told
}

async fn pods(client: Client) -> Vec<String> {
    let pods: Api<Pod> = Api::namespaced(client, "plugin");
    pods.list(&ListParams::default()).await.unwrap().items.into_iter().filter_map(|pod| pod.metadata.name).collect()
}
