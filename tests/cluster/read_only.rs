//! A plan needs no right to write: made with credentials that can only get and list, and none on Secrets, it is the plan
//! of who may write, and says that nobody was asked. What `up` would need is told at once, and nothing is written.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("read-only", cluster);
    story.up("");
    let token = story.meanwhile(async |client| reader(client, "plan-reader").await);
    let _served = story.serve();
    story.write("reader.yaml", &story.kubeconfig_of(&token));

    story.tell("A reviewer's job holds a token that can get and list, but for Secrets.");
    let as_reader = "--cluster kubeconfig:reader.yaml";
    story.strata_elsewhere(&format!("plan read-only -e testing --preview predict {as_reader}"));
    story.edit(&story.stack(), "    replicas: 3", "    replicas: 4");
    story.strata("plan read-only -e testing");
    story.strata_elsewhere(&format!("plan read-only -e testing --preview predict {as_reader}"));
    story.strata_elsewhere(&format!("plan read-only -e testing {as_reader}"));
    story.strata_elsewhere(&format!("plan read-only -e testing --preview dry-run {as_reader}"));
    story.tell("It can make nothing of it.");
    story.strata_elsewhere(&format!("up read-only -e testing --yes --quiet {as_reader}"));
    story.up("");

    story.tell("A token that nobody gave out.");
    story.write("stranger.yaml", &story.kubeconfig_of("nobody"));
    story.strata_elsewhere("plan read-only -e testing --cluster kubeconfig:stranger.yaml");
    story.end();
}

/// Makes an account that can get and list what stacks are made of, Secrets left out; its token.
pub(crate) async fn reader(client: kube::Client, name: &str) -> String {
    let core =
        ["namespaces", "configmaps", "podtemplates", "services", "serviceaccounts", "resourcequotas", "limitranges"];
    let groups = [
        "apps",
        "networking.k8s.io",
        "policy",
        "autoscaling",
        "scheduling.k8s.io",
        "rbac.authorization.k8s.io",
        "admissionregistration.k8s.io",
    ];
    let role = json!({"metadata": {"name": name}, "rules": [
        {"apiGroups": [""], "resources": core, "verbs": ["get", "list"]},
        {"apiGroups": groups, "resources": ["*"], "verbs": ["get", "list"]},
    ]});
    let binding = json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
    });
    let account = json!({"metadata": {"name": name}});
    let made = PostParams::default();
    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles.create(&made, &serde_json::from_value(role).unwrap()).await.unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    bindings.create(&made, &serde_json::from_value(binding).unwrap()).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
    accounts.create(&made, &serde_json::from_value(account).unwrap()).await.unwrap();
    let request = TokenRequest { spec: Some(TokenRequestSpec::default()), ..TokenRequest::default() };
    accounts.create_token_request(name, &made, &request).await.unwrap().status.unwrap().token.unwrap()
}
