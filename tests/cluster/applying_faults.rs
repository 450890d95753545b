//! What goes wrong while a plan is carried out: whenever and however it does, the three lists of the end are what the
//! cluster then holds, nothing was deleted, and running it again makes it good. In this process and in simulated time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use kube_embedded::Webhooks;
use kube_embedded::faults::Faults;
use serde_json::{Value, json};
use strata::apply::{self, Failure, Outcome, apply};
use strata::cluster::Cluster;
use strata::components::desired::{Desired, ResourceId};
use strata::observe::Look;
use strata::plan::{Action, Plan, Policy, Step, plan};
use strata::provider::{Provider, ProviderError};
use strata::report::plan::View;
use tokio::sync::watch;

use super::blue_green::beside;
use super::faults::{WHERE, cluster_with, desired_of, provider, settings, while_time_stands_still};
use super::killed::{in_simulated_time, objects, text};
use super::support::victim::is_write;
use super::support::{STACK, draft_of};

fn first() -> Desired {
    desired_of(&beside(STACK, "1"))
}

/// A service changes, one comes, one goes, and one goes from one colour to the other.
fn changed() -> Desired {
    let text = STACK.replace("    depends_on: [redis_cache]\n", "").replace("replicas: 2", "replicas: 4");
    let (rest, _) = text.split_once("  redis_cache:").unwrap();
    let rest = format!("{rest}  qdrant_admin:\n    tier: core\n    port: 9002\n    depends_on: [ai_memory]\n");
    desired_of(&beside(&rest, "2"))
}

async fn planned(provider: &Cluster, desired: &Desired) -> Plan {
    let snapshot = provider.observe(desired, &Look::default()).await.unwrap();
    plan(desired, &snapshot, &Policy::default())
}

async fn carried_out(provider: &Cluster, plan: &Plan) -> Result<Outcome, ProviderError> {
    let (_go_on, interrupt) = watch::channel(false);
    apply(provider, plan, &draft_of(plan), &apply::Settings::default(), Arc::new(|_| ()), interrupt).await
}

/// What the cluster holds, by kind, namespace and name: the UID of each object, and what the instance has applied last.
type Held = BTreeMap<(String, String, String), (String, String)>;

async fn held(cluster: &kube_embedded::Cluster) -> Held {
    let client = Client::new(cluster.router().layer(from_fn(while_time_stands_still)), "default");
    let of = |object: Value| {
        let text = |pointer: &str| text(&object, pointer).to_owned();
        let id = (text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
        (id, (text("/metadata/uid"), text("/metadata/annotations/strata.dev~1applied")))
    };
    objects(&client).await.into_iter().map(of).collect()
}

fn key(id: &ResourceId) -> (String, String, String) {
    (id.kind.kind.clone(), id.namespace.clone().unwrap_or_default(), id.name.clone())
}

/// Holds the three lists of an outcome against what was there before and what is there now.
#[track_caller]
fn is_told_as_it_is(plan: &Plan, outcome: &Outcome, before: &Held, now: &Held, when: &str) {
    let mut told: Vec<(&ResourceId, Action)> = outcome.done.iter().map(|one| (&one.id, one.action)).collect();
    told.extend(outcome.failed.iter().map(|one| (&one.id, one.action)));
    told.extend(outcome.not_tried.iter().map(|one| (&one.id, one.action)));
    // A way back that nothing asks for is told in none. Of what could not be watched nothing is known that would.
    let broken = |one: &Failure| one.action == Action::Hold && !one.reason.starts_with("could not be watched");
    let asked = outcome.failed.iter().any(broken);
    // Where nothing failed, nobody asks what would not have been changed.
    let due = |action: Action| match action {
        Action::Return => asked,
        Action::Unchanged => !outcome.failed.is_empty(),
        _ => true,
    };
    told.retain(|(_, action)| *action == Action::Return || due(*action));
    told.sort();
    let steps = plan.steps().filter(|step| due(step.action));
    let mut steps: Vec<(&ResourceId, Action)> = steps.map(|step| (&step.id, step.action)).collect();
    steps.sort();
    assert_eq!(told, steps, "{when}: each step is in one of the lists");
    // What is held, and what goes back, has been changed before in the same run.
    let once = |step: &&Step| !matches!(step.action, Action::Unchanged | Action::Hold | Action::Return);
    for step in plan.steps().filter(once) {
        let (was, is) = (before.get(&key(&step.id)), now.get(&key(&step.id)));
        if outcome.done.iter().any(|one| one.id == step.id) {
            assert_ne!(was, is, "{when}: {} is done", step.id);
        } else if outcome.not_tried.iter().any(|one| {
            (&one.id, one.action) == (&step.id, step.action)
                && !one.reason.starts_with("carried out, and not waited for: ")
        }) {
            assert_eq!(was, is, "{when}: {} was not tried", step.id);
        }
    }
    for failure in &outcome.failed {
        assert!(!failure.reason.is_empty(), "{when}: {}", failure.id);
    }
    // What was not tried is there still: see above.
    let deleted = plan.steps().filter(|step| step.action == Action::Delete).map(|step| key(&step.id));
    let deleted: BTreeSet<_> = deleted.collect();
    let made_by_others = ["Event", "Pod", "ReplicaSet", "EndpointSlice", "Endpoints"];
    let gone = before.keys().filter(|id| !now.contains_key(*id) && !made_by_others.contains(&id.0.as_str()));
    let gone: Vec<_> = gone.filter(|id| !deleted.contains(*id)).collect();
    assert!(gone.is_empty(), "{when}: {gone:?} went");
}

/// Runs once more, and leaves nothing to do.
async fn is_made_good(cluster: &kube_embedded::Cluster, desired: &Desired, when: &str) {
    let through = Faults::seeded(0);
    let again = provider(cluster, &through, "again");
    let rest = planned(&again, desired).await;
    let outcome = carried_out(&again, &rest).await.unwrap();
    assert!(outcome.is_complete(), "{when}: {outcome:#?}");
    let rest = planned(&again, desired).await;
    assert!(rest.is_empty(), "{when}: {}", strata::report::plan::terminal(&rest, &View::default()));
}

/// Brings the first stack up, plans the second, and carries that plan out through `line`, which sees every request and
/// the number of writes before it. Returns the outcome.
#[track_caller]
fn check(
    webhooks: Webhooks,
    line: impl Fn(&Request, usize) -> Option<Response> + Send + Sync + 'static,
    when: &str,
) -> Outcome {
    in_simulated_time(async {
        let cluster = cluster_with(webhooks).await;
        is_made_good(&cluster, &first(), "first").await;
        let (writes, on, line) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(line));
        let begun = on.clone();
        let router = cluster.router().layer(from_fn(while_time_stands_still));
        let router = router.layer(from_fn(move |request: Request, next: Next| {
            let (line, writes, on) = (line.clone(), writes.clone(), on.clone());
            async move {
                let own = request.uri().path().contains("/strata-system");
                let number = writes.fetch_add(usize::from(is_write(&request) && !own), Ordering::SeqCst);
                let answer = if on.load(Ordering::SeqCst) == 0 { None } else { line(&request, number) };
                match answer {
                    Some(answer) => answer,
                    None => next.run(request).await,
                }
            }
        }));
        let through = Cluster::new(Client::new(router, "default"), settings("one"));
        let plan = planned(&through, &changed()).await;
        assert!(plan.summary.create > 0 && plan.summary.update > 0 && plan.summary.delete > 0, "{:?}", plan.summary);
        let before = held(&cluster).await;
        begun.store(1, Ordering::SeqCst);
        let outcome = carried_out(&through, &plan).await.unwrap();
        is_told_as_it_is(&plan, &outcome, &before, &held(&cluster).await, when);
        is_made_good(&cluster, &changed(), when).await;
        outcome
    })
}

fn unavailable() -> Option<Response> {
    Some(StatusCode::SERVICE_UNAVAILABLE.into_response())
}

#[test]
fn a_server_that_is_gone_in_the_middle() {
    for k in 1..16 {
        let outcome = check(
            Webhooks::default(),
            move |_, number| if number >= k { unavailable() } else { None },
            &format!("gone after {k}"),
        );
        assert!(!outcome.is_complete());
    }
}

#[test]
fn a_server_that_refuses_one_object_is_asked_once() {
    for (code, reason) in [(400, "BadRequest"), (403, "Forbidden"), (404, "NotFound"), (422, "Invalid")] {
        let asked = Arc::new(Mutex::new(0));
        let counts = asked.clone();
        let refuse = move |request: &Request, _| {
            let it = is_write(request) && request.uri().path().ends_with("/services/qdrant-admin-mcp");
            it.then(|| {
                *counts.lock().unwrap() += 1;
                let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                    "reason": reason, "message": format!("a reason to refuse with {code}")});
                (StatusCode::from_u16(code).unwrap(), axum::Json(status)).into_response()
            })
        };
        let outcome = check(Webhooks::default(), refuse, reason);
        let failed: Vec<String> = outcome.failed.iter().map(|one| format!("{}: {}", one.id, one.reason)).collect();
        let words = format!("a reason to refuse with {code} ({code})");
        let expect = format!("Service {WHERE}/qdrant-admin-mcp: {words}");
        assert_eq!(failed, [expect]);
        assert_eq!(*asked.lock().unwrap(), 1, "{reason}");
        // What goes would have been deleted afterwards, and the new colour held before.
        let not_tried: BTreeSet<Action> = outcome.not_tried.iter().map(|one| one.action).collect();
        assert_eq!(not_tried, [Action::Delete, Action::Hold].into());
    }
}

#[test]
fn a_namespace_that_is_on_its_way_out_is_said_to_be() {
    in_simulated_time(async {
        let cluster = cluster_with(Webhooks::default()).await;
        is_made_good(&cluster, &first(), "first").await;
        let client = Client::new(cluster.router().layer(from_fn(while_time_stands_still)), "default");
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), WHERE);
        let held_back = json!({"metadata": {"name": "held", "finalizers": ["example.com/never"]}});
        maps.create(&PostParams::default(), &serde_json::from_value(held_back).unwrap()).await.unwrap();
        let through = Faults::seeded(0);
        let provider = provider(&cluster, &through, "one");
        let plan = planned(&provider, &changed()).await;
        let namespaces: Api<Namespace> = Api::all(client);
        namespaces.delete(WHERE, &DeleteParams::default()).await.unwrap();

        let outcome = carried_out(&provider, &plan).await.unwrap();
        let failed: Vec<String> = outcome.failed.iter().map(|one| one.reason.clone()).collect();
        assert_eq!(failed, [format!("ConfigMap {WHERE}/mcp-port-registry was deleted since the plan was made")]);
        let again = strata::report::plan::terminal(&planned(&provider, &changed()).await, &View::default());
        assert!(again.contains("is being deleted; plan again when it is gone"), "{again}");
        assert!(
            again.contains("unable to create new content in namespace faults because it is being terminated"),
            "{again}"
        );
        let free = json!({"metadata": {"finalizers": null}});
        maps.patch("held", &PatchParams::default(), &Patch::Merge(free)).await.unwrap();
        is_made_good(&cluster, &changed(), "let go").await;
    });
}

#[test]
fn a_finalizer_that_never_clears_is_named() {
    in_simulated_time(async {
        let cluster = cluster_with(Webhooks::default()).await;
        is_made_good(&cluster, &first(), "first").await;
        let client = Client::new(cluster.router().layer(from_fn(while_time_stands_still)), "default");
        let services: Api<k8s_openapi::api::core::v1::Service> = Api::namespaced(client, WHERE);
        let patch = |finalizers: Value| Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        let name = "redis-cache-mcp";
        services.patch(name, &PatchParams::default(), &patch(json!(["example.com/never"]))).await.unwrap();
        let through = Faults::seeded(0);
        let provider = provider(&cluster, &through, "one");
        let plan = planned(&provider, &changed()).await;
        let outcome = carried_out(&provider, &plan).await.unwrap();
        let failed: Vec<String> = outcome.failed.iter().map(|one| format!("{}: {}", one.id, one.reason)).collect();
        let words = "not gone after 600 s: still there, held by the finalizers example.com/never";
        assert_eq!(failed, [format!("Service {WHERE}/{name}: {words}")]);
        services.patch(name, &PatchParams::default(), &patch(Value::Null)).await.unwrap();
        is_made_good(&cluster, &changed(), "let go").await;
    });
}

/// A webhook that everything of some kinds passes by.
fn webhook() -> ValidatingWebhookConfiguration {
    let hook = json!({
        "name": "guard.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
        "clientConfig": {"service": {"namespace": "guards", "name": "guard"}},
        "rules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["services"]}],
    });
    serde_json::from_value(json!({"metadata": {"name": "guard"}, "webhooks": [hook]})).unwrap()
}

#[test]
fn a_webhook_that_does_not_answer_is_named() {
    in_simulated_time(async {
        let cluster = cluster_with(Webhooks::default()).await;
        is_made_good(&cluster, &first(), "first").await;
        let through = Faults::seeded(0);
        let provider = provider(&cluster, &through, "one");
        let plan = planned(&provider, &changed()).await;
        let client = Client::new(cluster.router().layer(from_fn(while_time_stands_still)), "default");
        let hooks: Api<ValidatingWebhookConfiguration> = Api::all(client);
        hooks.create(&PostParams::default(), &webhook()).await.unwrap();
        let before = held(&cluster).await;
        let outcome = carried_out(&provider, &plan).await.unwrap();
        is_told_as_it_is(&plan, &outcome, &before, &held(&cluster).await, "a webhook is down");
        let failed: Vec<String> = outcome.failed.iter().map(|one| one.id.to_string()).collect();
        assert_eq!(failed, ["ai-memory", "gong"].map(|name| format!("Service {WHERE}/{name}-mcp")));
        assert!(outcome.failed[0].reason.contains("guard.example.com"), "{}", outcome.failed[0].reason);
        hooks.delete("guard", &DeleteParams::default()).await.unwrap();
        is_made_good(&cluster, &changed(), "the webhook is gone").await;
    });
}

#[test]
fn credentials_that_run_out_in_the_middle_are_renewed() {
    for k in [0, 3, 7] {
        in_simulated_time(async {
            let cluster = cluster_with(Webhooks::default()).await;
            let good = Client::new(cluster.router().layer(from_fn(while_time_stands_still)), "default");
            let writes = Arc::new(AtomicUsize::new(0));
            let router = cluster.router().layer(from_fn(while_time_stands_still));
            let router = router.layer(from_fn(move |request: Request, next: Next| {
                let writes = writes.clone();
                async move {
                    if writes.fetch_add(usize::from(is_write(&request)), Ordering::SeqCst) >= k {
                        return StatusCode::UNAUTHORIZED.into_response();
                    }
                    next.run(request).await
                }
            }));
            let renewals = Arc::new(AtomicUsize::new(0));
            let counts = renewals.clone();
            let renew = Arc::new(move || {
                counts.fetch_add(1, Ordering::SeqCst);
                let good = good.clone();
                Box::pin(async move { Ok(good) }) as futures::future::BoxFuture<'static, _>
            });
            let provider = Cluster::new(Client::new(router, "default"), settings("one")).renewing(Some(renew));
            let plan = planned(&provider, &first()).await;
            let outcome = carried_out(&provider, &plan).await.unwrap();
            assert!(outcome.is_complete(), "{k}: {outcome:#?}");
            assert_eq!(renewals.load(Ordering::SeqCst), 1, "{k}");
            is_made_good(&cluster, &first(), "renewed").await;
        });
    }
}
