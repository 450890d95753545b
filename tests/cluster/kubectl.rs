//! While the embedded cluster is served, kubectl reads it like any other, and other commands go through it.

use super::support::{Cluster, Story};

/// Whether it could be told: only with kubectl.
pub(crate) fn story() -> bool {
    let mut story = Story::new("kubectl", Cluster::Embedded);
    let served = story.serve();
    let kubeconfig = story.output("cluster kubeconfig -e testing");
    story.write("kubeconfig", &kubeconfig);
    story.up("");
    let told = [
        "get deployments,services,poddisruptionbudgets --namespace kubectl --output name",
        "get deployments --namespace kubectl --output custom-columns=NAME:.metadata.name,READY:.status.readyReplicas",
        "get nodes --output name",
        "get configmap mcp-port-registry --namespace kubectl --output jsonpath={.data}",
    ]
    .into_iter()
    .all(|words| story.other("kubectl", &format!("--kubeconfig kubeconfig {words}")));
    drop(served);
    if told {
        story.settled("");
        story.end();
    }
    told
}
