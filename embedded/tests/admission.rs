//! What admission and the controllers make of each other: quotas that are counted, and pods that are refused. What
//! admission answers to single requests is recorded from a real server, in `exchanges/admission-*.yaml`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Event, Pod, ResourceQuota};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Client, Error};
use kube_embedded::{Cluster, Options, Storage, TestClock};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

async fn cluster() -> (Cluster, Client) {
    let clock = TestClock::leaping("2026-01-01T00:00:00Z".parse().unwrap());
    let options = Options { clock: Arc::new(clock), ..Options::default() };
    let cluster = Cluster::open(Storage::Memory, options).await.unwrap();
    let client = Client::new(cluster.router(), "default");
    (cluster, client)
}

fn typed<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn quota(hard: Value) -> ResourceQuota {
    typed(json!({"metadata": {"name": "quota"}, "spec": {"hard": hard}}))
}

fn pod(name: &str) -> Pod {
    typed(json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "example.com/c:1"}]}}))
}

/// Has the quota counted so much of a resource, of so much that is allowed?
fn counted(name: &str, used: &str, hard: &str) -> impl Fn(Option<&ResourceQuota>) -> bool {
    let (name, used, hard) = (name.to_owned(), used.to_owned(), hard.to_owned());
    move |quota| {
        let status = quota.and_then(|quota| quota.status.clone()).unwrap_or_default();
        let amount = |list: Option<BTreeMap<String, Quantity>>| list.and_then(|list| Some(list.get(&name)?.0.clone()));
        amount(status.used).as_ref() == Some(&used) && amount(status.hard).as_ref() == Some(&hard)
    }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>, code: u16, message: &str) {
    match answer {
        Err(Error::Api(status)) => assert_eq!((status.code, status.message.as_str()), (code, message)),
        other => panic!("not a refusal: {other:?}"),
    }
}

#[tokio::test]
async fn a_quota_counts_what_is_there_and_lets_go_of_what_leaves() {
    let (_cluster, client) = cluster().await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let quotas: Api<ResourceQuota> = Api::default_namespaced(client);
    let new = PostParams::default();
    pods.create(&new, &pod("a")).await.unwrap();
    quotas.create(&new, &quota(json!({"pods": "2"}))).await.unwrap();
    await_condition(quotas.clone(), "quota", counted("pods", "1", "2")).await.unwrap();
    pods.create(&new, &pod("b")).await.unwrap();
    let text = "pods \"c\" is forbidden: exceeded quota: quota, requested: pods=1, used: pods=2, limited: pods=2";
    refused(pods.create(&new, &pod("c")).await, 403, text);
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    await_condition(quotas, "quota", counted("pods", "1", "2")).await.unwrap();
    pods.create(&new, &pod("c")).await.unwrap();
}

#[tokio::test]
async fn a_workload_gets_as_many_pods_as_the_quota_allows_and_says_why_no_more() {
    let (_cluster, client) = cluster().await;
    let quotas: Api<ResourceQuota> = Api::default_namespaced(client.clone());
    let new = PostParams::default();
    quotas.create(&new, &quota(json!({"pods": "2"}))).await.unwrap();
    await_condition(quotas, "quota", counted("pods", "0", "2")).await.unwrap();
    let sets: Api<ReplicaSet> = Api::default_namespaced(client.clone());
    let template = json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
    });
    let spec = json!({"replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template});
    sets.create(&new, &typed(json!({"metadata": {"name": "web"}, "spec": spec}))).await.unwrap();
    let refused = |set: Option<&ReplicaSet>| {
        let status = set.and_then(|set| set.status.clone()).unwrap_or_default();
        status.replicas == 2
    };
    await_condition(sets, "web", refused).await.unwrap();
    let events: Api<Event> = Api::default_namespaced(client);
    let failed = ListParams::default().fields("reason=FailedCreate");
    let list = events.list(&failed).await.unwrap();
    let message = list.items[0].message.clone().unwrap();
    let (_, why) = message.split_once(" is forbidden: ").unwrap();
    assert_eq!(why, "exceeded quota: quota, requested: pods=1, used: pods=2, limited: pods=2");
}
