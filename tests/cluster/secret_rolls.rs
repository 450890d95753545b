//! A changed Secret rolls the pods that use it, and what a webhook quotes of objects is told without what is secret. In
//! this process and in simulated time.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, PostParams};
use kube_embedded::faults::Faults;
use kube_embedded::{WebhookAnswer, Webhooks};
use serde_json::json;
use strata::apply::{self, Outcome, apply};
use strata::cluster::Cluster;
use strata::components::desired::Desired;
use strata::history::{Command, Draft};
use strata::observe::{Look, PreviewMode};
use strata::plan::verify::verify;
use strata::plan::{Action, Cause, Plan, Policy, plan};
use strata::provider::Provider;
use strata::secrets::Secrets;
use tokio::sync::watch;

use super::faults::{WHERE, cluster_with, desired_of, provider};
use super::support::STACK;

/// The two services, one of which reads a Secret, with this value in it.
fn desired(password: &str) -> (Desired, Secrets) {
    let mut desired = desired_of(STACK);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": WHERE},
        "stringData": {"PASSWORD": password},
    });
    desired.add(Some("ai_memory"), "keys", secret).unwrap();
    let notes = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes", "namespace": WHERE},
        "data": {"login": format!("me:{password}")},
    });
    desired.add(None, "notes", notes).unwrap();
    let reader = desired.resources.iter_mut().find(|one| one.address == "faults/ai_memory/deployment").unwrap();
    let variable = json!({"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "PASSWORD"}}});
    let container = &mut reader.manifest["spec"]["template"]["spec"]["containers"][0];
    container["env"].as_array_mut().unwrap().push(variable);
    let secrets = Secrets::withhold(&mut desired);
    (desired, secrets)
}

fn run_by(cluster: &kube_embedded::Cluster, secrets: &Secrets) -> Cluster {
    provider(cluster, &Faults::seeded(0), "one").withholding(secrets.clone())
}

async fn planned(provider: &Cluster, desired: &Desired, preview: PreviewMode) -> Plan {
    let desired = provider.seal(desired).await.unwrap();
    let (snapshot, policy) = (provider.observe(&desired, &Look { preview }).await.unwrap(), Policy::default());
    let plan = plan(&desired, &snapshot, &policy);
    assert_eq!(verify(&desired, &snapshot, &policy, &plan), []);
    plan
}

async fn carried_out(provider: &Cluster, desired: &Desired, plan: &Plan) -> Outcome {
    let (_go_on, interrupt) = watch::channel(false);
    let draft = Draft::new(Command::Up, desired.clone());
    apply(provider, plan, &draft, &apply::Settings::default(), Arc::new(|_| ()), interrupt).await.unwrap()
}

/// Brings the cluster to what is desired, after which there is nothing to do, and nothing to ask the server about.
async fn up(cluster: &kube_embedded::Cluster, password: &str) {
    let (desired, secrets) = desired(password);
    let provider = run_by(cluster, &secrets);
    let plan = planned(&provider, &desired, PreviewMode::Auto).await;
    let outcome = carried_out(&provider, &desired, &plan).await;
    assert!(outcome.is_complete(), "{outcome:#?}");
    let again = planned(&run_by(cluster, &secrets), &desired, PreviewMode::Auto).await;
    assert!(again.is_empty(), "{:#?}", again.steps().filter(|s| s.action != Action::Unchanged).collect::<Vec<_>>());
    assert_eq!(again.previews.proven, again.previews.all());
}

/// The pods whose names begin so.
async fn pods(client: &kube::Client, service: &str) -> BTreeSet<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), WHERE);
    let names = pods.list(&ListParams::default()).await.unwrap().into_iter().filter_map(|pod| pod.metadata.name);
    names.filter(|name| name.starts_with(service)).collect()
}

fn in_simulated_time<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(work)
}

#[test]
fn a_changed_secret_rolls_the_pods_that_use_it_and_no_others() {
    in_simulated_time(async {
        let cluster = cluster_with(Webhooks::default()).await;
        let client = kube::Client::new(cluster.router(), "default");
        up(&cluster, "first-Value").await;
        let (readers, others) = (pods(&client, "ai-memory").await, pods(&client, "redis-cache").await);
        assert_eq!((readers.len(), others.len()), (2, 3));

        let expect = [
            ("ConfigMap faults/notes", ".data.login"),
            ("Deployment faults/ai-memory-mcp", ".spec.template.metadata.annotations.strata.dev/secrets"),
            ("Secret faults/keys", ".data.PASSWORD"),
        ];
        for preview in [PreviewMode::Auto, PreviewMode::DryRun, PreviewMode::Predict] {
            let (desired, secrets) = desired("second-Value");
            let plan = planned(&run_by(&cluster, &secrets), &desired, preview).await;
            let text = serde_json::to_string(&plan).unwrap();
            assert!(text.contains("hmac-sha256:") && !text.contains("Value") && !text.contains("(secret)"), "{text}");
            let fields = plan.steps().flat_map(|step| step.causes.iter().map(move |cause| (step, cause)));
            let mut found: Vec<(String, &str)> = fields
                .map(|(step, cause)| match cause {
                    Cause::Stack { path, .. } => (step.id.to_string(), path.as_str()),
                    other => panic!("{}: {other:?}", step.id),
                })
                .collect();
            found.sort();
            assert_eq!(found, expect.map(|(object, path)| (object.to_owned(), path)), "{preview:?}");
        }
        up(&cluster, "second-Value").await;
        let (now, others_now) = (pods(&client, "ai-memory").await, pods(&client, "redis-cache").await);
        assert_eq!((now.len(), now.intersection(&readers).count()), (2, 0), "{now:?} after {readers:?}");
        assert_eq!(others_now, others);
    });
}

#[test]
fn what_is_planned_with_one_value_is_not_applied_with_another() {
    in_simulated_time(async {
        let cluster = cluster_with(Webhooks::default()).await;
        up(&cluster, "first-Value").await;
        let (desired_second, secrets) = desired("second-Value");
        let plan = planned(&run_by(&cluster, &secrets), &desired_second, PreviewMode::Auto).await;
        let (desired_third, secrets) = desired("third-Value");
        let other = run_by(&cluster, &secrets);
        other.seal(&desired_third).await.unwrap();
        let outcome = carried_out(&other, &desired_third, &plan).await;
        let failed: Vec<String> =
            outcome.failed.iter().map(|failure| format!("{}: {}", failure.id, failure.reason)).collect();
        let why = |at: &str| {
            format!("what is secret in it cannot be sent: the value of {at} is another than the one that was planned")
        };
        assert_eq!(failed, [format!("ConfigMap faults/notes: {}", why(".data.login"))]);
    });
}

/// A webhook that the server asks about everything that stacks are made of.
fn webhook() -> ValidatingWebhookConfiguration {
    let hook = json!({
        "name": "quote.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"service": {"name": "quote", "namespace": "default"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["secrets", "configmaps"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": WHERE}},
    });
    serde_json::from_value(json!({"metadata": {"name": "quote"}, "webhooks": [hook]})).unwrap()
}

#[test]
fn a_webhook_that_quotes_objects_gives_nothing_away() {
    in_simulated_time(async {
        let webhooks = Webhooks::default();
        webhooks.answer("quote.example.com", |request| match &request.object {
            Some(object) if object["data"]["PASSWORD"].is_string() || object["data"]["login"].is_string() => {
                WebhookAnswer::deny(format!("not with {object}"))
            }
            _ => WebhookAnswer::allow(),
        });
        let cluster = cluster_with(webhooks).await;
        let client = kube::Client::new(cluster.router(), "default");
        let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client);
        configurations.create(&PostParams::default(), &webhook()).await.unwrap();
        let (desired, secrets) = desired("first-Value");
        let provider = run_by(&cluster, &secrets);
        let plan = planned(&provider, &desired, PreviewMode::Predict).await;
        let outcome = carried_out(&provider, &desired, &plan).await;
        let mut reasons: Vec<String> =
            outcome.failed.iter().map(|failure| format!("{}: {}", failure.id, failure.reason)).collect();
        reasons.sort();
        assert_eq!(reasons.len(), 1, "{outcome:#?}");
        assert!(
            reasons[0].starts_with("ConfigMap faults/notes: ") && reasons[0].contains("me:(secret)"),
            "{reasons:?}"
        );
        let text = format!("{outcome:?}");
        assert!(!text.contains("first-Value") && !text.contains("Zmlyc3QtVmFsdW"), "{text}");
    });
}
