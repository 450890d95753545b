//! What the plan says is what happens: nothing is written while it is made, an answer that is another than planned ends
//! the step with both values, and a saved plan whose run stopped after any of its steps can be taken up again. In this
//! process and in simulated time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::Next;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::Api;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::discovery::{Discovery, verbs};
use kube_embedded::faults::Faults;
use kube_embedded::{WebhookAnswer, Webhooks};
use serde_json::json;
use strata::apply::{self, Event, Outcome, apply};
use strata::components::desired::{Desired, Resource};
use strata::observe::{Look, PreviewMode, Snapshot};
use strata::plan::saved::SavedPlan;
use strata::plan::stale::compare;
use strata::plan::verify::verify;
use strata::plan::{Action, Plan, Policy, plan};
use strata::provider::Provider;
use tokio::sync::watch;

use super::faults::{cluster_with, desired_in, desired_of, provider, while_time_stands_still};
use super::support::{ENVIRONMENT, STACK, draft_of};

/// The two services, and what an edit makes of them.
fn stack(edit: impl Fn(String) -> String) -> Desired {
    desired_of(&edit(STACK.to_owned()))
}

/// A service changes, one comes and one goes.
fn changed() -> Desired {
    stack(|text| {
        let text = text.replace("    depends_on: [redis_cache]\n", "");
        let (rest, _) = text.split_once("  redis_cache:").unwrap();
        rest.replace("replicas: 2", "replicas: 3") + "  qdrant_admin:\n    tier: core\n    port: 9002\n"
    })
}

fn in_simulated_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

async fn planned(provider: &dyn Provider, desired: &Desired) -> Plan {
    planned_by(provider, desired, PreviewMode::Auto).await
}

async fn planned_by(provider: &dyn Provider, desired: &Desired, preview: PreviewMode) -> Plan {
    let snapshot = provider.observe(desired, &Look { preview }).await.unwrap();
    plan(desired, &snapshot, &Policy::default())
}

/// What a saved plan is held against when it is taken up again, and what is made of that.
async fn planned_again(provider: &dyn Provider, desired: &Desired) -> (Plan, Snapshot) {
    let snapshot = provider.observe(desired, &Look::default()).await.unwrap();
    let policy = Policy { allow_replace: true, ..Policy::default() };
    let plan = plan(desired, &snapshot, &policy);
    assert_eq!(verify(desired, &snapshot, &policy, &plan), []);
    (plan, snapshot)
}

/// Carries a plan out, but for what comes after so many acknowledged steps.
async fn carried_out(provider: &dyn Provider, plan: &Plan, until: usize) -> Outcome {
    let (stop, interrupt) = watch::channel(until == 0);
    let heard = AtomicUsize::new(0);
    let tell = move |event: Event| {
        if matches!(event, Event::Acknowledged { .. }) && heard.fetch_add(1, Ordering::SeqCst) + 1 == until {
            stop.send_replace(true);
        }
    };
    let settings = apply::Settings { parallel: 1, ..apply::Settings::default() };
    apply(provider, plan, &draft_of(plan), &settings, Arc::new(tell), interrupt).await.unwrap()
}

/// The stack with a selector that no Deployment can get any more, and a PriorityClass of another value.
fn otherwise() -> Desired {
    let mut desired = stack(|text| text);
    for resource in &mut desired.resources {
        match resource.id.kind.kind.as_str() {
            "Deployment" => {
                for labels in ["/spec/selector/matchLabels", "/spec/template/metadata/labels"] {
                    resource.manifest.pointer_mut(labels).unwrap()["flavour"] = json!("plain");
                }
            }
            "PriorityClass" => resource.manifest["value"] = json!(7),
            _ => {}
        }
    }
    desired
}

/// A service that others call gets another name.
fn renamed() -> Desired {
    stack(|text| {
        let text = text.replace("[redis_cache]", "[quick_cache]");
        text.replace("  redis_cache:\n", "  quick_cache:\n    was: redis_cache\n")
    })
}

/// Stops the run of a saved plan after each of its steps and takes it up again, which has to make it whole in the end.
#[track_caller]
fn is_taken_up_again(before: &Desired, after: &Desired, has: &[Action]) {
    in_simulated_time(async {
        let cluster = cluster_with(Webhooks::default()).await;
        let provider = provider(&cluster, &Faults::seeded(0), "one");
        let first = planned(&provider, before).await;
        assert!(carried_out(&provider, &first, usize::MAX).await.is_complete());
        let (plan, _) = planned_again(&provider, after).await;
        assert!(has.iter().all(|action| plan.steps().any(|step| step.action == *action)), "{:#?}", plan.summary);
        let saved = SavedPlan::from_bytes(SavedPlan::new(plan).to_text().unwrap().as_bytes()).unwrap().plan;
        let changes = saved.summary.changes();
        let mut stopped = Vec::new();
        loop {
            let (fresh, snapshot) = planned_again(&provider, after).await;
            let at = stopped.last();
            let rest = compare(&saved, &fresh, &snapshot).unwrap_or_else(|moved| panic!("after {at:?}: {moved:#?}"));
            assert_eq!(rest.done + rest.left, changes, "after {at:?}");
            assert!(at.is_none_or(|done| *done < rest.done), "after {at:?}: {rest:?}");
            stopped.push(rest.done);
            if rest.left == 0 {
                assert!(fresh.is_empty(), "{:#?}", fresh.summary);
                break;
            }
            // What is open to two names already is opened once more, and one step is new.
            let steps = fresh.summary.changes() - rest.left + 1;
            assert_eq!(carried_out(&provider, &fresh, steps).await.failed, []);
        }
        assert!(stopped.len() > 4, "{stopped:?}");
    });
}

#[test]
fn a_saved_plan_is_taken_up_again_wherever_its_run_stopped() {
    is_taken_up_again(&stack(|text| text), &changed(), &[Action::Create, Action::Update, Action::Delete]);
}

#[test]
fn what_is_replaced_is_taken_up_again() {
    is_taken_up_again(&otherwise(), &stack(|text| text), &[Action::Replace, Action::Delete]);
}

#[test]
fn what_moves_is_taken_up_again_and_closed() {
    is_taken_up_again(&stack(|text| text), &renamed(), &[Action::Move, Action::Update, Action::Delete]);
}

#[test]
fn a_size_that_an_autoscaler_gives_back_is_taken_up_again() {
    let autoscaled = "    purpose: Core AI memory and vector storage\n    autoscale: {min: 2, max: 5, cpu: 70}\n";
    let grows = STACK.replace("    purpose: Core AI memory and vector storage\n", autoscaled);
    let environment = ENVIRONMENT.replace("image:", "autoscaling: true\n\nimage:");
    let (before, after) = (desired_in(&grows, &environment), desired_in(STACK, &environment));
    // It differs in more than the size, so that its step changes it twice.
    let after = Desired { resources: after.resources.into_iter().map(labelled).collect(), ..after };
    is_taken_up_again(&before, &after, &[Action::Update, Action::Delete]);
}

/// The resource with a label more.
fn labelled(mut resource: Resource) -> Resource {
    resource.manifest["metadata"]["labels"]["team"] = json!("memory");
    resource
}

/// A webhook that the server asks about every Deployment.
fn webhook() -> MutatingWebhookConfiguration {
    let hook = json!({
        "name": "scale.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "clientConfig": {"service": {"name": "scale", "namespace": "default"}},
        "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}],
    });
    serde_json::from_value(json!({"metadata": {"name": "scale"}, "webhooks": [hook]})).unwrap()
}

/// A cluster that holds this, and then asks a webhook about every Deployment; and a provider for it.
async fn with_webhook(webhooks: Webhooks, before: &Desired) -> (kube_embedded::Cluster, impl Provider) {
    let cluster = cluster_with(webhooks).await;
    let provider = provider(&cluster, &Faults::seeded(0), "one");
    let first = planned(&provider, before).await;
    assert!(carried_out(&provider, &first, usize::MAX).await.is_complete());
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(kube::Client::new(cluster.router(), "default"));
    configurations.create(&PostParams::default(), &webhook()).await.unwrap();
    (cluster, provider)
}

#[test]
fn an_answer_that_is_another_than_planned_fails_its_step_and_shows_both() {
    let (before, after) = (stack(|text| text), stack(|text| text.replace("replicas: 3", "replicas: 4")));
    let outcome = in_simulated_time(async {
        let webhooks = Webhooks::default();
        // It has nothing to say about what is only tried.
        webhooks.answer("scale.example.com", |request| match &request.object {
            Some(object) if !request.dry_run => {
                let mut object = object.clone();
                object["spec"]["replicas"] = json!(7);
                WebhookAnswer::change(object)
            }
            _ => WebhookAnswer::allow(),
        });
        let (_cluster, provider) = with_webhook(webhooks, &before).await;
        let plan = planned(&provider, &after).await;
        carried_out(&provider, &plan, usize::MAX).await
    });
    let failed: Vec<(String, &str, &[String])> = outcome
        .failed
        .iter()
        .map(|failure| (failure.id.to_string(), failure.reason.as_str(), failure.details.as_slice()))
        .collect();
    let reason = "the server took it and made something else of it than was planned";
    let details = [".spec.replicas: planned 4, answered 7".to_owned()];
    assert_eq!(failed, [("Deployment faults/redis-cache-mcp".to_owned(), reason, details.as_slice())]);
}

#[test]
fn what_the_server_has_shown_to_make_of_it_is_told_and_no_surprise() {
    let mirrored = |text: String| text.replace("replicas: 3", "replicas: 4");
    let (before, after) = (stack(|text| text), stack(mirrored));
    in_simulated_time(async {
        let webhooks = Webhooks::default();
        webhooks.answer("scale.example.com", |request| match &request.object {
            Some(object) if request.subresource.is_empty() => {
                let mut object = object.clone();
                object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mirror.example/image:1");
                WebhookAnswer::change(object)
            }
            _ => WebhookAnswer::allow(),
        });
        let (_cluster, provider) = with_webhook(webhooks, &before).await;
        let plan = planned(&provider, &after).await;
        let altered: Vec<_> = plan.steps().flat_map(|step| &step.altered).map(|one| one.after.clone()).collect();
        assert_eq!(altered, [Some(json!("mirror.example/image:1")), Some(json!("mirror.example/image:1"))]);
        assert_eq!(carried_out(&provider, &plan, usize::MAX).await.failed, []);
        assert!(planned(&provider, &after).await.is_empty());
    });
}

/// Every object there is, with its revision.
async fn everything(client: kube::Client) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    for (resource, capabilities) in discovery.groups().flat_map(|group| group.recommended_resources()) {
        if capabilities.supports_operation(verbs::LIST) {
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            for object in api.list(&ListParams::default()).await.unwrap() {
                let (namespace, name) = (object.metadata.namespace.unwrap_or_default(), object.metadata.name.unwrap());
                let revision = object.metadata.resource_version.unwrap_or_default();
                found.insert(format!("{} {namespace}/{name}", resource.kind), revision);
            }
        }
    }
    found
}

#[test]
fn nothing_is_written_while_a_plan_is_made() {
    in_simulated_time(async {
        let cluster = cluster_with(Webhooks::default()).await;
        let plain = provider(&cluster, &Faults::seeded(0), "one");
        let first = planned(&plain, &stack(|text| text)).await;
        assert!(carried_out(&plain, &first, usize::MAX).await.is_complete());

        let client = kube::Client::new(cluster.router(), "default");
        let before = everything(client.clone()).await;
        assert!(before.len() > 20, "{before:#?}");
        let requests: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let log = requests.clone();
        let noted = axum::middleware::from_fn(move |request: Request, next: Next| {
            log.lock().unwrap().push((request.method().to_string(), request.uri().to_string()));
            while_time_stands_still(request, next)
        });
        let settings = super::faults::settings("two");
        let client_that_is_heard = kube::Client::new(cluster.router().layer(noted), "default");
        let heard = strata::cluster::Cluster::new(client_that_is_heard, settings);
        for desired in [stack(|text| text), changed(), stack(|text| text.replace("replicas: 3", "replicas: 4"))] {
            for preview in [PreviewMode::Auto, PreviewMode::DryRun, PreviewMode::Predict] {
                planned_by(&heard, &desired, preview).await;
            }
        }
        assert_eq!(everything(client).await, before);
        let requests = requests.lock().unwrap();
        let tried = requests.iter().filter(|(verb, target)| verb == "PATCH" && target.contains("dryRun=All")).count();
        let read = requests.iter().filter(|(verb, _)| verb == "GET").count();
        assert!(tried > 0 && read > 0, "{requests:#?}");
        assert_eq!(tried + read, requests.len(), "{requests:#?}");
    });
}
