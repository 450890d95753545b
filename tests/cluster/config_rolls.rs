//! A changed ConfigMap rolls the pods that use it: the plan shows which and why, the pods are new afterwards, and those
//! of other services are not. In this process and in simulated time.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;
use kube_embedded::Webhooks;
use kube_embedded::faults::Faults;
use serde_json::json;
use strata::apply::{self, apply};
use strata::components::desired::Desired;
use strata::components::rolling::roll_with_config;
use strata::observe::{Look, PreviewMode};
use strata::plan::verify::verify;
use strata::plan::{Action, Cause, Plan, Policy, plan};
use strata::provider::Provider;
use tokio::sync::watch;

use super::faults::{WHERE, cluster_with, desired_of, provider};
use super::support::{STACK, draft_of};

/// The two services, one of which reads this greeting.
pub(super) fn greeting(text: &str) -> Desired {
    let mut desired = desired_of(STACK);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words", "namespace": WHERE},
        "data": {"GREETING": text},
    });
    desired.add(Some("ai_memory"), "words", map).unwrap();
    let reader = desired.resources.iter_mut().find(|one| one.address == "faults/ai_memory/deployment").unwrap();
    reader.manifest["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{"configMapRef": {"name": "words"}}]);
    roll_with_config(&mut desired);
    desired
}

pub(super) async fn planned(provider: &dyn Provider, desired: &Desired, preview: PreviewMode) -> Plan {
    let (snapshot, policy) = (provider.observe(desired, &Look { preview }).await.unwrap(), Policy::default());
    let plan = plan(desired, &snapshot, &policy);
    assert_eq!(verify(desired, &snapshot, &policy, &plan), []);
    plan
}

/// Brings the cluster to what is desired, after which there is nothing to do.
async fn up(provider: &dyn Provider, desired: &Desired) {
    let plan = planned(provider, desired, PreviewMode::Auto).await;
    let (_go_on, interrupt) = watch::channel(false);
    let draft = draft_of(&plan);
    let outcome =
        apply(provider, &plan, &draft, &apply::Settings::default(), Arc::new(|_| ()), interrupt).await.unwrap();
    assert!(outcome.is_complete(), "{outcome:#?}");
    let again = planned(provider, desired, PreviewMode::Auto).await;
    assert!(again.is_empty(), "{:#?}", again.summary);
}

/// What a plan changes: each object with the fields.
pub(super) fn changes(plan: &Plan) -> Vec<(String, Vec<String>)> {
    let fields = |cause: &Cause| match cause {
        Cause::Stack { path, .. } => Some(path.clone()),
        _ => None,
    };
    let changed = plan.steps().filter(|step| step.action != Action::Unchanged);
    changed.map(|step| (step.id.to_string(), step.causes.iter().filter_map(fields).collect())).collect()
}

/// The pods whose names begin so.
pub(super) async fn pods(client: &kube::Client, service: &str) -> BTreeSet<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), WHERE);
    let names = pods.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|pod| pod.metadata.name);
    names.filter(|name| name.starts_with(service)).collect()
}

#[test]
fn a_changed_config_map_rolls_the_pods_that_use_it_and_no_others() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let cluster = cluster_with(Webhooks::default()).await;
        let client = kube::Client::new(cluster.router(), "default");
        let provider = provider(&cluster, &Faults::seeded(0), "one");
        up(&provider, &greeting("hello")).await;
        let (readers, others) = (pods(&client, "ai-memory").await, pods(&client, "redis-cache").await);
        assert_eq!((readers.len(), others.len()), (2, 3));

        let annotation = ".spec.template.metadata.annotations.strata.dev/config-maps";
        let expect = [
            ("ConfigMap faults/words".to_owned(), vec![".data.GREETING".to_owned()]),
            ("Deployment faults/ai-memory-mcp".to_owned(), vec![annotation.to_owned()]),
        ];
        for preview in [PreviewMode::Auto, PreviewMode::DryRun, PreviewMode::Predict] {
            let mut found = changes(&planned(&provider, &greeting("welcome"), preview).await);
            found.sort();
            assert_eq!(found, expect, "{preview:?}");
        }
        up(&provider, &greeting("welcome")).await;
        let (now, others_now) = (pods(&client, "ai-memory").await, pods(&client, "redis-cache").await);
        assert_eq!((now.len(), now.intersection(&readers).count()), (2, 0), "{now:?} after {readers:?}");
        assert_eq!(others_now, others);
    });
}
