//! Webhooks that are answered in this process, called as a server calls them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use kube_embedded::{Cluster, Options, Storage, WebhookAnswer, WebhookRequest, Webhooks};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NAME: &str = "guard.example.com";

async fn cluster(webhooks: &Webhooks) -> (Cluster, Client) {
    let options = Options { webhooks: webhooks.clone(), ..Options::default() };
    let cluster = Cluster::open(Storage::Memory, options).await.unwrap();
    let client = Client::new(cluster.router(), "default");
    (cluster, client)
}

fn typed<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// A configuration with one webhook for ConfigMaps, with changes to its entry.
fn configuration<K: DeserializeOwned>(changes: &Value) -> K {
    let mut hook = json!({
        "name": NAME,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"service": {"name": "guard", "namespace": "default"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}],
    });
    for (field, value) in changes.as_object().unwrap() {
        hook[field] = value.clone();
    }
    typed(json!({"metadata": {"name": "guard"}, "webhooks": [hook]}))
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"app": "web"}}, "data": {"a": "1"}})
}

fn outcome<T>(answer: Result<T, Error>) -> Result<(), (u16, String)> {
    match answer {
        Ok(_) => Ok(()),
        Err(Error::Api(status)) => Err((status.code, status.message.clone())),
        Err(other) => panic!("not an answer of the server: {other}"),
    }
}

/// What becomes of a new ConfigMap, where the webhook's entry has these changes and gives this answer.
async fn check(
    changes: Value,
    answer: fn(&WebhookRequest) -> WebhookAnswer,
    dry_run: bool,
    expected: Result<(), (u16, &str)>,
) {
    let webhooks = Webhooks::default();
    webhooks.answer(NAME, answer);
    let (_cluster, client) = cluster(&webhooks).await;
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    configurations.create(&PostParams::default(), &configuration(&changes)).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let found = outcome(maps.create(&PostParams { dry_run, ..PostParams::default() }, &typed(map("m"))).await);
    assert_eq!(found, expected.map_err(|(code, message)| (code, message.to_owned())), "{changes}");
    let stored = maps.get_opt("m").await.unwrap().is_some();
    assert_eq!(stored, found.is_ok() && !dry_run, "{changes}");
}

#[tokio::test]
async fn a_webhook_has_its_say() {
    let deny: fn(&WebhookRequest) -> WebhookAnswer = |_| WebhookAnswer::deny("not today");
    let denied = || Err((403, "admission webhook \"guard.example.com\" denied the request: not today"));
    check(json!({}), |_| WebhookAnswer::allow(), false, Ok(())).await;
    check(json!({}), deny, false, denied()).await;
    check(json!({}), deny, true, denied()).await;
    check(json!({"failurePolicy": "Ignore"}), deny, false, denied()).await;
    check(json!({}), |r| if r.dry_run { WebhookAnswer::deny("dry") } else { WebhookAnswer::allow() }, false, Ok(()))
        .await;
    let dry = Err((400, "admission webhook \"guard.example.com\" does not support dry run"));
    check(json!({"sideEffects": "Some"}), |_| WebhookAnswer::allow(), true, dry).await;
    check(json!({"sideEffects": "NoneOnDryRun"}), |_| WebhookAnswer::allow(), true, Ok(())).await;
    let failed =
        "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: broken";
    check(json!({}), |_| WebhookAnswer::fail("broken"), false, Err((500, failed))).await;
    check(json!({"failurePolicy": "Ignore"}), |_| WebhookAnswer::fail("broken"), false, Ok(())).await;
    let rules = |field: &str, value: Value| {
        let mut rule =
            json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]});
        rule[field] = value;
        json!({"rules": [rule]})
    };
    check(rules("operations", json!(["UPDATE", "DELETE"])), deny, false, Ok(())).await;
    check(rules("operations", json!(["CREATE"])), deny, false, denied()).await;
    check(rules("resources", json!(["secrets", "configmaps/status"])), deny, false, Ok(())).await;
    check(rules("resources", json!(["*/*"])), deny, false, denied()).await;
    check(rules("apiGroups", json!(["apps"])), deny, false, Ok(())).await;
    check(rules("scope", json!("Cluster")), deny, false, Ok(())).await;
    check(json!({"objectSelector": {"matchLabels": {"app": "web"}}}), deny, false, denied()).await;
    check(json!({"objectSelector": {"matchLabels": {"app": "other"}}}), deny, false, Ok(())).await;
    let elsewhere = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}});
    check(elsewhere, deny, false, Ok(())).await;
    let here = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}}});
    check(here, deny, false, denied()).await;
}

#[tokio::test]
async fn what_a_webhook_sets_is_nobodys_and_applying_again_changes_nothing() {
    let webhooks = Webhooks::default();
    webhooks.answer(NAME, |request| {
        let Some(mut object) = request.object.clone() else { return WebhookAnswer::allow() };
        object["metadata"]["labels"]["team"] = json!("red");
        object["data"]["a"] = json!("2");
        WebhookAnswer::change(object)
    });
    let (_cluster, client) = cluster(&webhooks).await;
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    configurations.create(&PostParams::default(), &configuration(&json!({}))).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let apply = |force: bool| PatchParams { force, ..PatchParams::apply("mine") };
    let made = maps.patch("m", &apply(false), &Patch::Apply(map("m"))).await.unwrap();
    assert_eq!(made.metadata.labels.as_ref().unwrap()["team"], "red");
    assert_eq!(made.data.as_ref().unwrap()["a"], "2");
    let managed = made.metadata.managed_fields.as_ref().unwrap();
    assert_eq!(managed.len(), 1);
    let owned = json!({"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:app": {}}}});
    assert_eq!(managed[0].fields_v1.as_ref().unwrap().0, owned);
    let again = maps.patch("m", &apply(false), &Patch::Apply(map("m"))).await.unwrap();
    assert_eq!(again, made);
    webhooks.silence(NAME);
    let text = "Internal error occurred: failed calling webhook \"guard.example.com\": failed to call webhook: Post \"https://guard.default.svc:443/?timeout=10s\": service \"guard\" not found";
    let failed = outcome(maps.patch("m", &apply(false), &Patch::Apply(map("m"))).await);
    assert_eq!(failed, Err((500, text.to_owned())));
}

#[tokio::test]
async fn a_webhook_may_keep_an_object_from_being_deleted() {
    let webhooks = Webhooks::default();
    webhooks.answer(NAME, |request| match (request.operation, &request.old_object) {
        ("DELETE", Some(old)) if old["metadata"]["name"] == "kept" => WebhookAnswer::deny("it is needed"),
        _ => WebhookAnswer::allow(),
    });
    let (_cluster, client) = cluster(&webhooks).await;
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    configurations.create(&PostParams::default(), &configuration(&json!({}))).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    for name in ["kept", "other"] {
        maps.create(&PostParams::default(), &typed(map(name))).await.unwrap();
    }
    let kept = outcome(maps.delete("kept", &DeleteParams::default()).await);
    let text = "admission webhook \"guard.example.com\" denied the request: it is needed";
    assert_eq!(kept, Err((403, text.to_owned())));
    assert_eq!(outcome(maps.delete("other", &DeleteParams::default()).await), Ok(()));
    let namespaces: Api<Namespace> = Api::all(client);
    let immortal = outcome(namespaces.delete("default", &DeleteParams::default()).await);
    assert_eq!(
        immortal,
        Err((403, "namespaces \"default\" is forbidden: this namespace may not be deleted".to_owned()))
    );
}
