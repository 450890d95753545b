//! A kind and an object of it in one stack: the plan says what the server has not confirmed, `up` makes both, and then
//! there is nothing to do. What is a change, and whether the server has made it, is told by the kind's own schema.

use std::sync::Arc;

use kube_embedded::faults::Faults;
use kube_embedded::{WebhookAnswer, Webhooks};
use serde_json::{Value, json};
use strata::apply::{self, Outcome, apply};
use strata::cluster::Settings;
use strata::components::desired::Desired;
use strata::observe::{Confirmation, Look, PreviewMode};
use strata::plan::verify::verify;
use strata::plan::{Action, Cause, Plan, Policy, plan};
use strata::provider::Provider;
use tokio::sync::watch;

use super::faults::{WHERE, cluster_with, desired_of, provider};
use super::support::{Cluster, STACK, Story, draft_of};

/// A kind whose ports are told apart by their names, as no other kind says.
fn definition() -> Value {
    let port = json!({
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "number": {"type": "integer"}},
    });
    let ports = json!({
        "type": "array", "items": port, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
    });
    let spec = json!({"type": "object", "properties": {"colour": {"type": "string"}, "ports": ports}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.custom.example.com"},
        "spec": {
            "group": "custom.example.com", "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget", "listKind": "GadgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
            }],
        },
    })
}

/// The two services, the kind, and a gadget with this number at its second port.
fn desired(number: u32) -> Desired {
    let mut desired = desired_of(STACK);
    let gadget = json!({
        "apiVersion": "custom.example.com/v1", "kind": "Gadget", "metadata": {"name": "one", "namespace": WHERE},
        "spec": {"colour": "red", "ports": [{"name": "a", "number": 1}, {"name": "b", "number": number}]},
    });
    desired.add(None, "gadgets", definition()).unwrap();
    desired.add(Some("ai_memory"), "gadget", gadget).unwrap();
    desired
}

async fn planned(provider: &dyn Provider, desired: &Desired, preview: PreviewMode) -> Plan {
    let (snapshot, policy) = (provider.observe(desired, &Look { preview }).await.unwrap(), Policy::default());
    let plan = plan(desired, &snapshot, &policy);
    assert_eq!(verify(desired, &snapshot, &policy, &plan), []);
    plan
}

async fn carried_out(provider: &dyn Provider, plan: &Plan) -> Outcome {
    let (_go_on, interrupt) = watch::channel(false);
    apply(provider, plan, &draft_of(plan), &apply::Settings::default(), Arc::new(|_| ()), interrupt).await.unwrap()
}

/// What a plan does to the kind and its object: the action, how sure that is, and the fields that change.
fn told(plan: &Plan) -> Vec<(Action, Option<Confirmation>, Vec<String>)> {
    let custom =
        plan.steps().filter(|step| ["CustomResourceDefinition", "Gadget"].contains(&step.id.kind.kind.as_str()));
    let field = |cause: &Cause| match cause {
        Cause::Stack { path, before, after, .. } => Some(format!("{path}: {before:?} → {after:?}")),
        _ => None,
    };
    custom
        .map(|step| (step.action, step.confirmation.clone(), step.causes.iter().filter_map(field).collect()))
        .collect()
}

pub(crate) fn story(cluster: Cluster) {
    let story = Story::new("custom", cluster);
    story.meanwhile(async |client| {
        let settings = Settings {
            name: "local".to_owned(),
            control_namespace: "strata-system".to_owned(),
            guard: None,
            holder: "test".to_owned(),
        };
        let provider = strata::cluster::Cluster::new(client, settings);
        let first = planned(&provider, &desired(2), PreviewMode::Auto).await;
        let open = "its CustomResourceDefinition gadgets.custom.example.com comes with the same plan";
        let expect = [
            (Action::Create, Some(Confirmation::DryRun), vec![]),
            (Action::Create, Some(Confirmation::Unconfirmed(open.to_owned())), vec![]),
        ];
        assert_eq!(told(&first), expect);
        let outcome = carried_out(&provider, &first).await;
        assert!(outcome.is_complete(), "{outcome:#?}");
        for preview in [PreviewMode::Auto, PreviewMode::DryRun, PreviewMode::Predict] {
            let again = planned(&provider, &desired(2), preview).await;
            assert!(again.is_empty(), "{:#?}", told(&again));
        }
        let field = r#".spec.ports[name="b"].number: Some(Number(2)) → Some(Number(3))"#;
        for (preview, sure) in
            [(PreviewMode::Predict, Confirmation::Predicted), (PreviewMode::Auto, Confirmation::DryRun)]
        {
            let changed = planned(&provider, &desired(3), preview).await;
            let expect = (Action::Update, Some(sure), vec![field.to_owned()]);
            assert_eq!(told(&changed)[1], expect);
        }
        let changed = planned(&provider, &desired(3), PreviewMode::Auto).await;
        assert!(carried_out(&provider, &changed).await.is_complete());
        assert!(planned(&provider, &desired(3), PreviewMode::Auto).await.is_empty());
        let nothing = Desired { resources: Vec::new(), ..desired(3) };
        let named = ["Namespace/faults", "CustomResourceDefinition/gadgets.custom.example.com"].map(str::to_owned);
        let policy = Policy { destroy: true, delete: named.into(), ..Policy::default() };
        let down = plan(&nothing, &provider.observe(&nothing, &Look::default()).await.unwrap(), &policy);
        let outcome = carried_out(&provider, &down).await;
        assert!(outcome.is_complete(), "{outcome:#?}");
    });
}

/// A webhook changes an item of a list which only the kind's own schema tells from the others.
#[test]
fn what_becomes_of_a_custom_resource_is_told_by_its_own_schema() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let failed = runtime.block_on(async {
        let webhooks = Webhooks::default();
        webhooks.answer("gadgets.example.com", |request| match &request.object {
            Some(object) if !request.dry_run => {
                let mut object = object.clone();
                object["spec"]["ports"][1]["number"] = json!(9);
                WebhookAnswer::change(object)
            }
            _ => WebhookAnswer::allow(),
        });
        let cluster = cluster_with(webhooks).await;
        let provider = provider(&cluster, &Faults::seeded(0), "one");
        let first = planned(&provider, &desired(2), PreviewMode::Auto).await;
        assert!(carried_out(&provider, &first).await.is_complete());
        let hooks: kube::Api<k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration> =
            kube::Api::all(kube::Client::new(cluster.router(), "default"));
        let hook = json!({
            "name": "gadgets.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"service": {"name": "gadgets", "namespace": "default"}},
            "rules": [{
                "apiGroups": ["custom.example.com"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["gadgets"],
            }],
        });
        let hook = serde_json::from_value(json!({"metadata": {"name": "gadgets"}, "webhooks": [hook]})).unwrap();
        hooks.create(&kube::api::PostParams::default(), &hook).await.unwrap();
        let changed = planned(&provider, &desired(3), PreviewMode::Auto).await;
        carried_out(&provider, &changed).await.failed
    });
    let told: Vec<_> = failed.iter().map(|failure| (failure.id.to_string(), failure.details.clone())).collect();
    let details = vec![r#".spec.ports[name="b"].number: planned 3, answered 9"#.to_owned()];
    assert_eq!(told, [("Gadget faults/one".to_owned(), details)]);
}
