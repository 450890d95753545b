//! While the embedded cluster is served, kubectl uses it like any other, and other commands go through it.

use super::support::{Cluster, Story};

/// What kubectl is asked: about what the stack made, then with its own generators, which speak protobuf, and about types.
const WORDS: [&str; 13] = [
    "get deployments,services,poddisruptionbudgets --namespace kubectl --output name",
    "get deployments --namespace kubectl --output custom-columns=NAME:.metadata.name,READY:.status.readyReplicas",
    "get nodes --output name",
    "get configmap mcp-port-registry --namespace kubectl --output jsonpath={.data}",
    "create namespace kubectl-own",
    "create deployment web --namespace kubectl-own --image=example.com/web:1 --replicas=2",
    "wait --namespace kubectl-own --for=condition=Available deployment/web --timeout=60s",
    "autoscale deployment web --namespace kubectl-own --min=2 --max=3",
    "get horizontalpodautoscalers.v1.autoscaling web --namespace kubectl-own --output jsonpath={.apiVersion}",
    "api-resources --api-group=autoscaling --output name",
    "explain deployment.spec.paused",
    "auth can-i create pods",
    "delete namespace kubectl-own",
];

/// Whether it could be told: only with kubectl.
pub(crate) fn story() -> bool {
    let mut story = Story::new("kubectl", Cluster::Embedded);
    let served = story.serve();
    let kubeconfig = story.output("cluster kubeconfig -e testing");
    story.write("kubeconfig", &kubeconfig);
    story.up("");
    let told = WORDS.into_iter().all(|words| story.other("kubectl", &format!("--kubeconfig kubeconfig {words}")));
    drop(served);
    if told {
        story.settled("");
        story.end();
    }
    told
}
