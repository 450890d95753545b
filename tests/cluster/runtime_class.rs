//! Pods with a GPU run under a RuntimeClass that the cluster brings: it is waited for before anything of them is applied,
//! and what has no GPU goes on meanwhile.

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::node::v1::RuntimeClass;
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::json;

use super::support::{Cluster, Story};

const CLASS: &str = "runtime-testing";
/// GPUs that no other story asks for.
const RESOURCE: &str = "runtime.example.com/gpu";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("runtime", cluster);
    let served = story.serve();
    story.tell("The memory gets a GPU, under a class that the cluster does not have.");
    let environment = "environments/testing.yaml";
    story.edit(environment, "memory: 256Gi}", &format!("memory: 256Gi, gpus: 8, gpu_resource: {RESOURCE}}}"));
    let gpu = format!("gpu: {{resource: {RESOURCE}, runtime_class: {{name: {CLASS}}}}}");
    story.edit(environment, "\nimage:", &format!("{gpu}\n\nimage:"));
    let file = story.stack();
    story.edit(&file, "    depends_on:", "    gpu: 1\n    depends_on:");
    story.strata("plan runtime -e testing");
    story.strata("up runtime -e testing --yes --quiet --timeout 1");

    story.tell("It comes while it is waited for.");
    let waits = "waiting for RuntimeClass runtime-testing: there is no such RuntimeClass";
    let code = story.once_it_says("up runtime -e testing --yes", waits, |story, _| story.meanwhile(come));
    assert_eq!(code, 0, "{}", story.said());
    story.settled("");
    story.strata("destroy runtime -e testing --yes --quiet");
    drop(served);
    story.end();
}

/// A node with GPUs, and the class.
async fn come(client: kube::Client) {
    let gpus = json!({"status": {"capacity": {RESOURCE: "8"}, "allocatable": {RESOURCE: "8"}}});
    let nodes: Api<Node> = Api::all(client.clone());
    nodes.patch_status("cpu-1", &PatchParams::default(), &Patch::Merge(gpus)).await.unwrap();
    let metadata = ObjectMeta { name: Some(CLASS.to_owned()), ..ObjectMeta::default() };
    let class = RuntimeClass { metadata, handler: "nvidia".to_owned(), ..RuntimeClass::default() };
    Api::<RuntimeClass>::all(client).create(&PostParams::default(), &class).await.unwrap();
}
