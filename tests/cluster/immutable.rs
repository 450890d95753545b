//! Fields that an API server changes on no object that exists, kind by kind: the plan sees by a trial that the object
//! has to be replaced, nothing is replaced that was not allowed, and afterwards nothing is left to do. A run that is
//! killed between the delete and the create is made good by the next one.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use strata::apply::{self, Outcome, apply};
use strata::cluster::{Cluster as Provided, Settings};
use strata::components::claims::Claims;
use strata::components::desired::{Desired, Instance, KUBERNETES, Kind, Phase, Resource, ResourceId};
use strata::history::{Draft, Ending, Entry, Head, Record};
use strata::observe::{Confirmation, Look, PreviewMode, Snapshot};
use strata::plan::{Action, Plan, PlannedNeed, Policy, Step, plan};
use strata::provider::{
    Done, LockGuard, LockNotice, Patience, Provider, ProviderError, Unlock, Wait, WaitError, WaitNotice,
};
use tokio::sync::watch;

use super::support::{Cluster, draft_of};
use crate::story::Story;

/// Everything is in this namespace, and the stack is called so too.
const WHERE: &str = "immutable";

pub(crate) fn story(cluster: Cluster) {
    let files = Story::new();
    files.file("environments/testing.yaml", super::support::ENVIRONMENT);
    cluster.with(files.path(), async |client| {
        for (name, before, after) in cases() {
            replaces(&client, name, &before, &after).await;
        }
        goes_on_after_a_kill(&client).await;
    });
}

/// A name, and an object before and after a change that no server makes to it.
fn cases() -> Vec<(&'static str, Value, Value)> {
    let object = |api: &str, kind: &str, more: Value| {
        let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": kind.to_lowercase()}});
        object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object
    };
    let service = |more: Value| {
        let mut spec = json!({"ports": [{"name": "http", "port": 80}], "selector": {"app": "a"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        object("v1", "Service", json!({"spec": spec}))
    };
    let template = |image: &str| {
        json!({
            "metadata": {"labels": {"app": "a"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]},
        })
    };
    let job = |image: &str| object("batch/v1", "Job", json!({"spec": {"completions": 0, "template": template(image)}}));
    let set = |size: &str| {
        let mut pods = template("registry.example/a:1");
        pods["spec"]["restartPolicy"] = "Always".into();
        let claim = json!({
            "metadata": {"name": "data"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
        });
        let spec = json!({
            "replicas": 0, "serviceName": "a", "selector": {"matchLabels": {"app": "a"}},
            "template": pods, "volumeClaimTemplates": [claim],
        });
        object("apps/v1", "StatefulSet", json!({"spec": spec}))
    };
    let class = |value: u32| object("scheduling.k8s.io/v1", "PriorityClass", json!({"value": value}));
    let binding = |role: &str| {
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role});
        object("rbac.authorization.k8s.io/v1", "RoleBinding", json!({"roleRef": role}))
    };
    let sealed = |value: &str| object("v1", "ConfigMap", json!({"immutable": true, "data": {"a": value}}));
    let quota =
        |scope: &str| object("v1", "ResourceQuota", json!({"spec": {"hard": {"pods": "9"}, "scopes": [scope]}}));
    vec![
        ("an address", service(json!({})), service(json!({"clusterIP": "None"}))),
        ("what a job runs", job("registry.example/a:1"), job("registry.example/a:2")),
        ("what a set claims", set("1Gi"), set("2Gi")),
        ("a priority", class(1), class(2)),
        ("a role", binding("a"), binding("b")),
        ("what is sealed", sealed("1"), sealed("2")),
        ("what a quota counts", quota("Terminating"), quota("NotTerminating")),
    ]
}

/// One object and its namespace.
fn desired(manifest: &Value) -> Desired {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WHERE}});
    let resources = [(0, namespace), (1, manifest.clone())].map(|(phase, mut manifest)| {
        let api = manifest["apiVersion"].as_str().unwrap();
        let (group, version) = api.split_once('/').unwrap_or(("", api));
        let kind = Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: manifest["kind"].as_str().unwrap().to_owned(),
        };
        let everywhere = matches!(kind.kind.as_str(), "Namespace" | "PriorityClass");
        let namespace = (!everywhere).then(|| WHERE.to_owned());
        if let Some(namespace) = &namespace {
            manifest["metadata"]["namespace"] = namespace.as_str().into();
        }
        let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
        Resource {
            address: format!("{WHERE}/{}", kind.kind.to_lowercase()),
            id: ResourceId { provider: KUBERNETES.to_owned(), target: "local".to_owned(), kind, namespace, name },
            was: None,
            phase,
            service: None,
            tier: None,
            depends_on: Vec::new(),
            manifest,
            meanwhile: None,
            ready_within: None,
        }
    });
    Desired {
        instance: Instance { stack: WHERE.to_owned(), environment: "testing".to_owned(), suffix: None },
        namespaces: vec![WHERE.to_owned()],
        phases: (0..2).map(|number| Phase { number, name: format!("p{number}"), services: Vec::new() }).collect(),
        resources: resources.into(),
        claims: Claims::default(),
        ownership: Default::default(),
        needs: Default::default(),
        outputs: Default::default(),
        blue_green: Default::default(),
        notes: Vec::new(),
    }
}

fn provider(client: &kube::Client) -> Provided {
    let settings = Settings {
        name: "local".to_owned(),
        control_namespace: "strata-system".to_owned(),
        guard: None,
        holder: "test".to_owned(),
    };
    Provided::new(client.clone(), settings)
}

fn allowed() -> Policy {
    Policy { allow_replace: true, ..Policy::default() }
}

async fn planned(provider: &dyn Provider, desired: &Desired, policy: &Policy) -> Plan {
    plan(desired, &provider.observe(desired, &Look::default()).await.unwrap(), policy)
}

/// Whether this action is planned for the object without asking the server. That it is an update may be left open.
async fn is_predicted(provider: &dyn Provider, desired: &Desired, expect: Action) -> bool {
    let look = Look { preview: PreviewMode::Predict };
    let plan = plan(desired, &provider.observe(desired, &look).await.unwrap(), &allowed());
    let step = plan.steps().find(|step| step.id.kind.kind != "Namespace").unwrap();
    let open = step.action == Action::Update && matches!(step.confirmation, Some(Confirmation::Unconfirmed(_)));
    step.action == expect || (open && expect != Action::Replace)
}

async fn carried_out(provider: &dyn Provider, plan: &Plan) -> Outcome {
    let (_go_on, interrupt) = watch::channel(false);
    apply(provider, plan, &draft_of(plan), &apply::Settings::default(), Arc::new(|_| ()), interrupt).await.unwrap()
}

/// The action planned for the object.
fn action(plan: &Plan) -> Action {
    plan.steps().find(|step| step.id.kind.kind != "Namespace").unwrap().action
}

async fn settled(provider: &dyn Provider, desired: &Desired, name: &str) {
    let plan = planned(provider, desired, &Policy::default()).await;
    assert!(plan.is_empty(), "{name}: {plan:#?}");
}

async fn replaces(client: &kube::Client, name: &str, before: &Value, after: &Value) {
    let provider = provider(client);
    let (before, after) = (desired(before), desired(after));
    let first = planned(&provider, &before, &Policy::default()).await;
    let outcome = carried_out(&provider, &first).await;
    assert!(outcome.is_complete(), "{name}: {outcome:#?}");
    settled(&provider, &before, name).await;
    assert!(is_predicted(&provider, &before, Action::Unchanged).await, "{name}");
    let mut labelled = before.clone();
    labelled.resources[1].manifest["metadata"]["labels"]["team"] = "memory".into();
    assert!(is_predicted(&provider, &labelled, Action::Update).await, "{name}");
    assert!(is_predicted(&provider, &after, Action::Replace).await, "{name}");

    let refused = planned(&provider, &after, &Policy::default()).await;
    assert_eq!(action(&refused), Action::Blocked, "{name}: {refused:#?}");
    let plan = planned(&provider, &after, &allowed()).await;
    assert_eq!(action(&plan), Action::Replace, "{name}: {plan:#?}");
    let outcome = carried_out(&provider, &plan).await;
    assert!(outcome.is_complete(), "{name}: {outcome:#?}");
    settled(&provider, &after, name).await;

    // What leaves with the next case goes.
    let nothing = Desired { resources: Vec::new(), ..after };
    let down = planned(&provider, &nothing, &Policy { destroy: true, ..Policy::default() }).await;
    let outcome = carried_out(&provider, &down).await;
    assert!(outcome.is_complete(), "{name}: {outcome:#?}");
}

/// A provider that is gone as soon as the way is free.
struct Killed(Provided);

impl Provider for Killed {
    fn observe<'a>(&'a self, desired: &'a Desired, look: &'a Look) -> BoxFuture<'a, Result<Snapshot, ProviderError>> {
        self.0.observe(desired, look)
    }

    fn permitted<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.permitted(plan)
    }

    fn lock_mark<'a>(&'a self, instance: &'a Instance) -> BoxFuture<'a, Result<Option<String>, ProviderError>> {
        self.0.lock_mark(instance)
    }

    fn lock<'a>(
        &'a self,
        instance: &'a Instance,
        patience: Patience,
        heard: Arc<dyn Fn(LockNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Result<Option<Box<dyn LockGuard>>, ProviderError>> {
        self.0.lock(instance, patience, heard)
    }

    fn unlock<'a>(&'a self, instance: &'a Instance, holder: &'a str) -> BoxFuture<'a, Result<Unlock, ProviderError>> {
        self.0.unlock(instance, holder)
    }

    fn open_record<'a>(&'a self, plan: &'a Plan, draft: &'a Draft) -> BoxFuture<'a, Result<Head, ProviderError>> {
        self.0.open_record(plan, draft)
    }

    fn close_record<'a>(
        &'a self,
        head: &'a Head,
        ending: &'a Ending,
        keep: usize,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.close_record(head, ending, keep)
    }

    fn records<'a>(&'a self, instance: &'a Instance) -> BoxFuture<'a, Result<Vec<Entry>, ProviderError>> {
        self.0.records(instance)
    }

    fn record<'a>(
        &'a self,
        instance: &'a Instance,
        revision: u64,
    ) -> BoxFuture<'a, Result<Option<Record>, ProviderError>> {
        self.0.record(instance, revision)
    }

    fn begin<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.begin(plan)
    }

    fn make_way<'a>(&'a self, plan: &'a Plan, step: &'a Step) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.make_way(plan, step)
    }

    fn carry_out<'a>(&'a self, _: &'a Plan, step: &'a Step) -> BoxFuture<'a, Result<Done, ProviderError>> {
        Box::pin(async move { Err(ProviderError::WrongTarget(format!("killed before {}", step.id))) })
    }

    fn wait<'a>(
        &'a self,
        instance: &'a Instance,
        waits: &'a [Wait],
        heard: Arc<dyn Fn(WaitNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Vec<Result<(), WaitError>>> {
        self.0.wait(instance, waits, heard)
    }

    fn meet<'a>(
        &'a self,
        need: &'a PlannedNeed,
        limit: Duration,
        heard: Arc<dyn Fn(WaitNotice) + Send + Sync>,
    ) -> BoxFuture<'a, Result<(), WaitError>> {
        self.0.meet(need, limit, heard)
    }

    fn finish<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<(), ProviderError>> {
        self.0.finish(plan)
    }

    fn finished<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<bool, ProviderError>> {
        self.0.finished(plan)
    }
}

/// A Deployment is deleted by itself and not created again: its pods run on, and the next run finds what was left.
async fn goes_on_after_a_kill(client: &kube::Client) {
    let deployment = |flavour: &str| {
        let labels = json!({"app": "a", "flavour": flavour});
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "deployment"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "c", "image": "registry.example/a:1"}]},
                },
            },
        })
    };
    let (before, after) = (desired(&deployment("plain")), desired(&deployment("sour")));
    let provider = provider(client);
    let first = planned(&provider, &before, &Policy::default()).await;
    assert!(carried_out(&provider, &first).await.is_complete());

    let plan = planned(&provider, &after, &allowed()).await;
    let actions: Vec<Action> = plan.steps().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Unchanged, Action::Replace, Action::Delete], "{plan:#?}");
    let killed = Killed(self::provider(client));
    let outcome = carried_out(&killed, &plan).await;
    assert_eq!((outcome.failed.len(), outcome.not_tried.len()), (1, 1), "{outcome:#?}");

    let next = planned(&provider, &after, &Policy::default()).await;
    let actions: Vec<Action> = next.steps().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Unchanged, Action::Create, Action::Delete], "{next:#?}");
    assert!(carried_out(&provider, &next).await.is_complete());
    settled(&provider, &after, "after a kill").await;
}
