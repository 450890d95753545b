//! What only a live cluster shows: what others run there, and what they open and close.

use kube::Api;
use kube::api::PostParams;
use kube::core::{ApiResource, DynamicObject, TypeMeta};
use serde_json::{Value, json};

use super::story::{golden, on_embedded};
use super::{IMAGE, MAIL, changed, said};

/// What others have taken of the nodes is not there for a second instance.
#[test]
fn a_live_cluster_counts_with_what_runs_there() {
    let story = changed((MAIL, "mail: {tier: back, port: 9001, gpu: 1, replicas: 2}"), (IMAGE, IMAGE));
    let (code, _, err) = story.run(&["up", "shop", "-e", "production", "--yes", "--quiet"]);
    assert_eq!((code, err.as_str()), (0, ""));
    golden("proofs/live-own.txt", story.transcript("check shop -e production --live"));
    golden("proofs/live-others.txt", story.transcript("check shop -e production --instance second --live"));
    assert_eq!(story.run(&["check", "shop", "-e", "production", "--instance", "second"]).0, 0, "there would be room");
}

/// What is found on the live cluster after somebody else has put an object into the namespace of the stack.
#[track_caller]
fn beside(name: &str, code: i32, environment: &str, foreign: Value) {
    let story = changed((MAIL, MAIL), (IMAGE, environment));
    if environment.contains("mesh:") {
        story.edit("environments/production.yaml", "nodes:", "provides: [istio]\n      nodes:");
    }
    let (up, _, err) = story.run(&["up", "shop", "-e", "production", "--yes", "--quiet"]);
    assert_eq!((up, err.as_str()), (0, ""));
    on_embedded(story.path(), "production", async |client| {
        let object: DynamicObject = serde_json::from_value(foreign).unwrap();
        let TypeMeta { api_version, kind } = object.types.clone().unwrap();
        let (group, version) = api_version.split_once('/').unwrap();
        let of = ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk(group, version, &kind));
        let objects: Api<DynamicObject> = Api::namespaced_with(client, "shop", &of);
        objects.create(&PostParams::default(), &object).await.unwrap();
    });
    said(name, code, &story, "check shop -e production --live");
    assert_eq!(story.run(&["check", "shop", "-e", "production"]).0, 0, "the files alone are good");
}

/// Policies add up: what one opens, no other closes.
#[test]
fn policies_of_others_open_what_is_not_declared() {
    let policy = |spec: Value| json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "debug"}, "spec": spec});
    let of_mail = json!({"matchLabels": {"app.kubernetes.io/name": "mail-mcp"}});
    beside(
        "live-policy-inside",
        4,
        IMAGE,
        policy(json!({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}],
        "egress": [{"to": [{"podSelector": {}}]}], "policyTypes": ["Ingress", "Egress"]})),
    );
    beside("live-policy-in", 4, IMAGE, policy(json!({"podSelector": of_mail, "ingress": [{}]})));
    beside(
        "live-policy-out",
        4,
        IMAGE,
        policy(json!({"podSelector": of_mail, "egress": [{}], "policyTypes": ["Egress"]})),
    );
    beside(
        "live-policy-one-end",
        4,
        IMAGE,
        policy(json!({"podSelector": of_mail,
        "ingress": [{"from": [{"podSelector": {}}]}]})),
    );
}

/// Of the mesh's policies, one that denies goes before all that allow.
#[test]
fn policies_of_others_in_the_mesh() {
    let mesh = "mesh: {mode: sidecar, cni: true}\nimage:";
    let policy = |kind: &str, spec: Value| json!({"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": {"name": "debug"}, "spec": spec});
    beside("live-mesh-allows", 4, mesh, policy("AuthorizationPolicy", json!({"rules": [{}]})));
    beside(
        "live-mesh-in-the-clear",
        4,
        mesh,
        policy(
            "PeerAuthentication",
            json!({"selector": {"matchLabels": {"app.kubernetes.io/name": "mail-mcp"}}, "mtls": {"mode": "PERMISSIVE"}}),
        ),
    );
    beside("live-mesh-denies", 4, mesh, policy("AuthorizationPolicy", json!({"action": "DENY", "rules": [{}]})));
}
