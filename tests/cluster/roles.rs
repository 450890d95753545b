//! The roles that `strata rbac` prints, given to accounts: who may plan plans as an administrator does and writes nothing,
//! whatever is tried; who may deploy does all that can be done to an instance; and no rule of either can be left out.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use http::{Method, Request, StatusCode};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::{SelfSubjectAccessReview, SubjectAccessReview};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::discovery::{ApiResource, Discovery, Scope};
use kube::{Api, Client};
use serde_json::{Value, json};
use strata::cluster::Settings;
use strata::components::compose::compose;
use strata::components::desired::Desired;
use strata::load::Root;
use strata::observe::{Look, PreviewMode, Snapshot};
use strata::plan::{Action, Plan, Policy, plan};
use strata::provider::{Provider, ProviderError};

use super::permissions::client_of;
use super::support::{Cluster, ENVIRONMENT, Story};

const WHERE: &str = "roles";
const CONTROL: &str = "roles-control";
/// Verbs that change something, or give somebody more.
const WRITES: [&str; 9] =
    ["create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate", "*"];
/// What everybody may ask of himself.
const OF_ONESELF: [&str; 3] = ["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"];

/// The objects that the command prints.
fn printed(story: &Story, role: &str) -> Vec<Value> {
    let (code, out, err) = story.run_elsewhere(&format!("rbac {WHERE} -e testing -o json --with-namespaces {role}"));
    assert_eq!((code, err.as_str()), (0, ""));
    let mut list: Value = serde_json::from_str(&out).unwrap();
    let Value::Array(items) = list["items"].take() else { panic!("{list}") };
    items
}

/// The same objects under other names, so that accounts do not share a role.
fn renamed(objects: &[Value], name: &str) -> Vec<Value> {
    let mut objects: Vec<Value> = objects.iter().filter(|one| one["kind"] != "Namespace").cloned().collect();
    for object in &mut objects {
        object["metadata"]["name"] = name.into();
        for pointer in ["/roleRef/name", "/subjects/0/name"] {
            if let Some(found) = object.pointer_mut(pointer) {
                *found = name.into();
            }
        }
    }
    objects
}

fn collection(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let (api, plural) = (text("/apiVersion").unwrap(), format!("{}s", text("/kind").unwrap().to_lowercase()));
    let root = if api == "v1" { "/api/v1".to_owned() } else { format!("/apis/{api}") };
    match text("/metadata/namespace") {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

/// Sends a request as it is; the code of the answer.
async fn sent(client: &Client, method: &Method, path: &str, body: &Value) -> StatusCode {
    let kind = if *method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let request = Request::builder().method(method.clone()).uri(path).header("content-type", kind);
    let body = if *method == Method::GET { Vec::new() } else { serde_json::to_vec(body).unwrap() };
    client.send(request.body(Body::from(body)).unwrap()).await.unwrap().status()
}

/// Makes the objects, and returns the token of the account among them once the server knows all that it may do.
async fn account(client: &Client, objects: &[Value]) -> String {
    for object in objects {
        let code = sent(client, &Method::POST, &collection(object), object).await;
        let known = object["kind"] == "Namespace" && code == StatusCode::CONFLICT;
        assert!(code == StatusCode::CREATED || known, "{code}: {object}");
    }
    let account = objects.iter().find(|object| object["kind"] == "ServiceAccount").unwrap();
    let name = account["metadata"]["name"].as_str().unwrap();
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    for role in objects.iter().filter(|object| object["rules"].is_array()) {
        let Some(rule) = role["rules"].get(0) else { continue };
        let (resource, part) = rule["resources"][0].as_str().unwrap().split_once('/').unwrap_or_default();
        let resource = if part.is_empty() { rule["resources"][0].as_str().unwrap() } else { resource };
        let review = json!({"spec": {
            "user": format!("system:serviceaccount:{CONTROL}:{name}"),
            "groups": ["system:authenticated", "system:serviceaccounts"],
            "resourceAttributes": {
                "group": rule["apiGroups"][0], "resource": resource, "subresource": part, "verb": rule["verbs"][0],
                "namespace": role["metadata"]["namespace"], "name": rule["resourceNames"][0],
            },
        }});
        let review: SubjectAccessReview = serde_json::from_value(review).unwrap();
        while !reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed {}
    }
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), CONTROL);
    let request = TokenRequest { spec: Some(TokenRequestSpec::default()), ..TokenRequest::default() };
    let made = accounts.create_token_request(name, &PostParams::default(), &request).await.unwrap();
    made.status.unwrap().token.unwrap()
}

/// A kubeconfig of an account that has these objects.
fn kubeconfig(story: &Story, objects: &[Value]) -> String {
    let token = story.meanwhile(async |client| account(&client, objects).await);
    story.kubeconfig_of(&token)
}

/// Which verbs that write an account is told that it may use on a resource, and which of its tries to write were not
/// refused.
async fn tried(client: Client, resource: ApiResource, namespace: Option<&str>) -> (Vec<String>, Vec<String>) {
    let (mut allowed, mut let_through) = (Vec::new(), Vec::new());
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    for verb in WRITES {
        let review = json!({"spec": {"resourceAttributes": {
            "group": resource.group, "resource": resource.plural, "verb": verb, "namespace": namespace,
        }}});
        let review: SelfSubjectAccessReview = serde_json::from_value(review).unwrap();
        if reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed {
            allowed.push(format!("{verb} {}", resource.plural));
        }
    }
    let root = if resource.group.is_empty() { "/api" } else { "/apis" };
    let within = namespace.map(|namespace| format!("/namespaces/{namespace}")).unwrap_or_default();
    let all = format!("{root}/{}{within}/{}", resource.api_version, resource.plural);
    let one = format!("{all}/strata");
    for (method, path) in [
        (Method::POST, &all),
        (Method::PUT, &one),
        (Method::PATCH, &one),
        (Method::DELETE, &one),
        (Method::DELETE, &all),
    ] {
        let code = sent(&client, &method, path, &json!({})).await;
        if code != StatusCode::FORBIDDEN && !OF_ONESELF.contains(&resource.plural.as_str()) {
            let_through.push(format!("{method} {path}: {code}"));
        }
    }
    (allowed, let_through)
}

/// Asks for every verb on every resource that is served, and tries to write each of them: all is refused.
#[track_caller]
fn writes_nothing(story: &Story, kubeconfig: &str) {
    let (allowed, let_through): (Vec<_>, Vec<_>) = story.meanwhile(async |_| {
        let client = client_of(kubeconfig).await;
        let served = Discovery::new(client.clone()).run().await.unwrap();
        let mut tries = Vec::new();
        for (resource, capabilities) in served.groups().flat_map(|group| group.recommended_resources()) {
            let places: &[Option<&'static str>] = match capabilities.scope {
                Scope::Namespaced => &[Some(WHERE), Some(CONTROL), Some("default")],
                Scope::Cluster => &[None],
            };
            tries.extend(places.iter().map(|place| tried(client.clone(), resource.clone(), *place)));
        }
        stream::iter(tries).buffer_unordered(16).collect::<Vec<_>>().await.into_iter().unzip()
    });
    let allowed: BTreeSet<String> = allowed.into_iter().flatten().collect();
    let let_through: Vec<String> = let_through.into_iter().flatten().collect();
    let of_oneself: BTreeSet<String> = OF_ONESELF.iter().map(|resource| format!("create {resource}")).collect();
    assert_eq!(allowed.difference(&of_oneself).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(let_through, [""; 0]);
}

fn provider(client: Client) -> strata::cluster::Cluster {
    let holder = WHERE.to_owned();
    let settings = Settings { name: "here".to_owned(), control_namespace: CONTROL.to_owned(), guard: None, holder };
    strata::cluster::Cluster::new(client, settings)
}

fn desired(story: &Story) -> Desired {
    let loaded = Root::open(story.path()).unwrap().load(WHERE, "testing").unwrap();
    compose(&loaded.stack, &loaded.environment, "here", None).unwrap()
}

/// What an account sees, in the way that its purpose allows.
async fn seen(client: Client, desired: &Desired, preview: PreviewMode) -> Result<Snapshot, ProviderError> {
    let look = Look { preview };
    let mut snapshot = provider(client).observe(desired, &look).await?;
    // What moves by itself.
    for object in &mut snapshot.objects {
        object.resource_version.clear();
    }
    Ok(snapshot)
}

/// All rules of some roles, each as the role with only the others.
fn without_each(objects: &[Value]) -> Vec<(String, Vec<Value>)> {
    let mut all = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        for (number, rule) in object["rules"].as_array().into_iter().flatten().enumerate() {
            let mut others = objects.to_vec();
            others[at]["rules"].as_array_mut().unwrap().remove(number);
            all.push((format!("{} of {}", rule, object["metadata"]), others));
        }
    }
    all
}

/// Whether these rights do: everything is seen as `expect` has it, and no plan is told to lack anything.
fn suffice(story: &Story, objects: &[Value], mode: PreviewMode, expect: Option<&Snapshot>, plans: &[Plan]) -> bool {
    let (kubeconfig, desired) = (kubeconfig(story, objects), desired(story));
    story.meanwhile(async |_| {
        let client = client_of(&kubeconfig).await;
        let Ok(found) = seen(client.clone(), &desired, mode).await else { return false };
        if expect.is_some_and(|expect| *expect != found) {
            return false;
        }
        let provider = provider(client);
        for plan in plans {
            match provider.permitted(plan).await {
                Ok(()) => {}
                Err(ProviderError::Forbidden { .. }) => return false,
                Err(error) => panic!("{error}"),
            }
        }
        true
    })
}

/// Holds roles against what is seen and what plans need: none of their rules can be left out.
#[track_caller]
fn minimal(story: &Story, objects: &[Value], mode: PreviewMode, expect: Option<&Snapshot>, plans: &[Plan]) {
    for (number, (rule, others)) in without_each(objects).into_iter().enumerate() {
        let others = renamed(&others, &format!("minimal-{mode:?}-{number}").to_lowercase());
        assert!(!suffice(story, &others, mode, expect, plans), "nothing needs {rule}");
    }
}

/// Tells what these words do, which is done.
#[track_caller]
fn does(story: &mut Story, words: &str) {
    let code = story.strata_elsewhere(words);
    assert_eq!(code, 0, "{}", story.said());
}

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new(WHERE, cluster);
    let environment = format!("{ENVIRONMENT}control_namespace: {CONTROL}\nautoscaling: true\n");
    story.write("environments/testing.yaml", &environment);
    let file = story.stack();
    story.edit(&file, "    replicas: 2\n", "    replicas: 2\n    autoscale: {min: 2, max: 4, cpu: 70}\n");
    story.tell("Of whom it is printed: nobody has been asked.");
    story.strata_elsewhere("rbac roles -e testing --role plan --user reviewer --group ci --check-live");
    story.strata_elsewhere("rbac roles -e testing --role up --service-account ci/deployer");
    story.strata_elsewhere("rbac roles -e testing --role up --delete Namespace/rolls");
    let (planning, deploying) = (printed(&story, "--role plan"), printed(&story, "--role up"));
    let first = story.meanwhile(async |client| {
        let desired = desired(&story);
        let snapshot = seen(client, &desired, PreviewMode::Predict).await.unwrap();
        plan(&desired, &snapshot, &Policy::default())
    });

    let _served = story.serve();
    let reader = kubeconfig(&story, &planning);
    story.write("plan.yaml", &reader);
    let deployer = kubeconfig(&story, &deploying);
    story.write("up.yaml", &deployer);
    let (reading, working) = ("--cluster kubeconfig:plan.yaml", "--cluster kubeconfig:up.yaml");

    story.tell("The first plan, by who may plan.");
    story.strata_elsewhere(&format!("plan roles -e testing --preview predict {reading}"));
    // By which object it is first told that nothing may be tried is chance.
    assert_eq!(story.run_elsewhere(&format!("plan roles -e testing {reading}")).0, 0);
    story.tell("It is carried out by who may deploy.");
    story.strata_elsewhere(&format!("up roles -e testing --yes --quiet {reading}"));
    does(&mut story, &format!("up roles -e testing --yes --quiet {working}"));
    story.strata_elsewhere(&format!("plan roles -e testing --detailed-exitcode {working}"));
    story.strata_elsewhere(&format!("plan roles -e testing --detailed-exitcode {reading}"));

    story.tell("Somebody has edited a Deployment.");
    story.meanwhile(async |client| {
        let deployments: Api<Deployment> = Api::namespaced(client, WHERE);
        let edit = Patch::Merge(json!({"spec": {"replicas": 7}}));
        let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
        deployments.patch("redis-cache-mcp", &params, &edit).await.unwrap();
    });
    story.strata_elsewhere(&format!("plan roles -e testing --preview predict {reading}"));
    story.strata_elsewhere(&format!("plan roles -e testing {reading}"));
    story.edit(&file, "    replicas: 3", "    replicas: 4");
    does(&mut story, &format!("up roles -e testing --yes --quiet --force-conflicts {working}"));
    story.strata_elsewhere(&format!("history roles -e testing {working}"));
    does(&mut story, &format!("rollback roles -e testing 1 --yes --quiet {working}"));
    story.meanwhile(async |client| {
        let leases: Api<Lease> = Api::namespaced(client, CONTROL);
        let held = Patch::Merge(json!({"spec": {"holderIdentity": "somebody"}}));
        leases.patch("strata-roles-testing", &PatchParams::default(), &held).await.unwrap();
    });
    does(&mut story, &format!("unlock roles -e testing somebody {working}"));
    writes_nothing(&story, &reader);

    // A Deployment whose selector is another has to be replaced, and leaves what runs to be looked after.
    story.meanwhile(async |client| {
        let deployments: Api<Deployment> = Api::namespaced(client, WHERE);
        let mut other = serde_json::to_value(deployments.get("redis-cache-mcp").await.unwrap()).unwrap();
        deployments.delete("redis-cache-mcp", &DeleteParams::foreground()).await.unwrap();
        while deployments.get_opt("redis-cache-mcp").await.unwrap().is_some() {}
        let metadata = other["metadata"].as_object_mut().unwrap();
        metadata.retain(|key, _| ["name", "namespace", "labels", "annotations"].contains(&key.as_str()));
        other["status"] = Value::Null;
        other["spec"]["selector"]["matchLabels"]["other"] = "yes".into();
        other["spec"]["template"]["metadata"]["labels"]["other"] = "yes".into();
        let params = PatchParams::apply("strata-roles").force();
        other["metadata"]["managedFields"] = Value::Null;
        deployments.patch("redis-cache-mcp", &params, &Patch::Apply(other)).await.unwrap();
    });
    let desired = desired(&story);
    let look = |mode| {
        let desired = &desired;
        story.meanwhile(async |client| {
            loop {
                // Until what runs is there, and no controller has anything more to do.
                let snapshot = seen(client.clone(), desired, mode).await.unwrap();
                if snapshot == seen(client.clone(), desired, mode).await.unwrap() {
                    return snapshot;
                }
            }
        })
    };
    let (predicted, asked) = (look(PreviewMode::Predict), look(PreviewMode::Auto));
    let everything = Policy { allow_replace: true, force_conflicts: true, adopt: true, ..Policy::default() };
    let replacing = plan(&desired, &asked, &everything);
    assert!(replacing.steps().any(|step| step.action == Action::Replace), "{replacing:#?}");
    let nothing = Desired { resources: Vec::new(), claims: Default::default(), ..desired.clone() };
    let ending = plan(&nothing, &asked, &Policy { destroy: true, ..Policy::default() });
    let plans = [first, replacing, ending];
    let all = |objects: &[Value], mode, expect, plans| {
        assert!(suffice(&story, &renamed(objects, &format!("all-{mode:?}").to_lowercase()), mode, expect, plans));
    };
    all(&planning, PreviewMode::Predict, Some(&predicted), &[]);
    all(&deploying, PreviewMode::Auto, Some(&asked), &plans);
    if cluster.is_embedded() {
        // A real server answers the same, and takes its time for each account.
        minimal(&story, &planning, PreviewMode::Predict, Some(&predicted), &[]);
        minimal(&story, &deploying, PreviewMode::Auto, Some(&asked), &plans);
    }

    does(&mut story, &format!("destroy roles -e testing --yes --quiet {working}"));
    story.end();
}
