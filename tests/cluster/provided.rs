//! Kinds that Kubernetes does not serve by itself: a plan names who installs them, and an embedded cluster that
//! provides them brings everything up.

use super::support::{Cluster, Story};

pub(crate) fn story() {
    let mut story = Story::new("provided", Cluster::Embedded);
    let file = story.stack();
    story.edit(&file, "replicas: 2\n", "replicas: 2\n    gateway: {path: /}\n");
    story.tell("Mutual TLS, monitors and a Gateway, in a namespace for each tier.");
    story.edit(
        "environments/testing.yaml",
        "image:",
        "namespace_per_tier: true\nmesh: {mode: ambient}\nmonitoring: {}\ngateway: {host: mcp.example, gateway_class: \
         istio}\nimage:",
    );
    assert_eq!(story.strata("plan provided -e testing"), 0);
    assert_eq!(story.strata("up provided -e testing --yes --quiet"), 1);
    story.tell("The cluster is given what is missing.");
    story.edit(
        "environments/testing.yaml",
        "ready_after:",
        "provides: [gateway-api, istio, prometheus-operator]\n      ready_after:",
    );
    story.up("");
    story.succeed("status", "");
    story.end();
}
