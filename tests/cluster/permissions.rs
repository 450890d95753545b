//! What a plan needs is asked before anything is written, and all that is missing is told at once: of credentials that
//! may do nothing the whole list, and of those that lack one right just that one.

use std::collections::BTreeSet;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use strata::cluster::Settings;
use strata::components::compose::compose;
use strata::components::desired::Desired;
use strata::load::Root;
use strata::observe::Look;
use strata::plan::{Plan, Policy, plan};
use strata::provider::{Provider, ProviderError};

use super::support::{Cluster, ENVIRONMENT, Story};

const WHERE: &str = "permissions";
const CONTROL: &str = "permissions-control";

/// A right, as it is told: `patch deployments.apps in namespace shop`. Without the namespace it is what a ClusterRole
/// gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: String,
    group: String,
    resource: String,
}

impl Right {
    fn of(told: &str) -> Self {
        let (verb, rest) = told.split_once(' ').unwrap();
        let what = rest.split_once(" in namespace ").map_or(rest, |(what, _)| what);
        let (resource, group) = what.split_once('.').unwrap_or((what, ""));
        Self { verb: verb.to_owned(), group: group.to_owned(), resource: resource.to_owned() }
    }

    fn rule(&self) -> Value {
        json!({"apiGroups": [self.group], "resources": [self.resource], "verbs": [self.verb]})
    }
}

fn made<T: serde::de::DeserializeOwned>(object: Value) -> T {
    serde_json::from_value(object).unwrap()
}

/// An account with these rights, once the server knows that it has them; its token.
async fn account(client: &Client, name: &str, rights: &BTreeSet<Right>) -> String {
    let (create, metadata) = (PostParams::default(), json!({"name": name}));
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    accounts.create(&create, &made(json!({"metadata": metadata}))).await.unwrap();
    let rules: Vec<Value> = rights.iter().map(Right::rule).collect();
    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles.create(&create, &made(json!({"metadata": metadata, "rules": rules}))).await.unwrap();
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let binding = json!({
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
    });
    bindings.create(&create, &made(binding)).await.unwrap();
    let reviews: Api<SubjectAccessReview> = Api::all(client.clone());
    for Right { verb, group, resource } in rights.iter().take(1) {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let about = json!({"verb": verb, "group": group, "resource": resource, "subresource": subresource});
        let review = json!({"spec": {
            "user": format!("system:serviceaccount:default:{name}"),
            "groups": ["system:authenticated"],
            "resourceAttributes": about,
        }});
        let review: SubjectAccessReview = made(review);
        while !reviews.create(&create, &review).await.unwrap().status.unwrap().allowed {}
    }
    let request = TokenRequest { spec: Some(TokenRequestSpec::default()), ..TokenRequest::default() };
    accounts.create_token_request(name, &create, &request).await.unwrap().status.unwrap().token.unwrap()
}

fn provider(client: Client) -> strata::cluster::Cluster {
    let settings = Settings {
        name: "here".to_owned(),
        control_namespace: CONTROL.to_owned(),
        guard: None,
        holder: "permissions".to_owned(),
    };
    strata::cluster::Cluster::new(client, settings)
}

/// A client by the text of a kubeconfig.
pub(super) async fn client_of(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// What credentials lack for a plan, as it is told.
async fn lacking(kubeconfig: String, plan: &Plan) -> Vec<String> {
    match provider(client_of(&kubeconfig).await).permitted(plan).await {
        Ok(()) => Vec::new(),
        Err(ProviderError::Forbidden { missing }) => missing,
        Err(error) => panic!("{error}"),
    }
}

/// Asks for a plan with no rights at all, with all that it needs, and with all but each of `without`. Returns what it
/// needs.
#[track_caller]
fn check(story: &Story, name: &str, plan: &Plan, without: impl Fn(&[Right]) -> Vec<Right>) -> Vec<String> {
    let with = |name: &str, rights: &BTreeSet<Right>| {
        let token = story.meanwhile(async |client| account(&client, name, rights).await);
        let kubeconfig = story.kubeconfig_of(&token);
        story.meanwhile(async |_| lacking(kubeconfig, plan).await)
    };
    let needed = with(&format!("{name}-none"), &BTreeSet::new());
    let rights: BTreeSet<Right> = needed.iter().map(|told| Right::of(told)).collect();
    assert_eq!(with(&format!("{name}-all"), &rights), [""; 0]);
    let each: Vec<Right> = rights.iter().cloned().collect();
    for (number, right) in without(&each).into_iter().enumerate() {
        let others = rights.iter().filter(|one| **one != right).cloned().collect();
        let lacks = with(&format!("{name}-but-{number}"), &others);
        let expect: Vec<String> = needed.iter().filter(|told| Right::of(told) == right).cloned().collect();
        assert_eq!(lacks, expect);
    }
    needed
}

/// The plan that an administrator sees.
fn planned(story: &Story, policy: &Policy) -> Plan {
    story.meanwhile(async |client| {
        let desired = desired(story);
        let desired = match policy.destroy {
            true => Desired { resources: Vec::new(), claims: Default::default(), ..desired },
            false => desired,
        };
        let snapshot = provider(client).observe(&desired, &Look::default()).await.unwrap();
        plan(&desired, &snapshot, policy)
    })
}

fn desired(story: &Story) -> Desired {
    let loaded = Root::open(story.path()).unwrap().load(WHERE, "testing").unwrap();
    compose(&loaded.stack, &loaded.environment, "here", None).unwrap()
}

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new(WHERE, cluster);
    story.write("environments/testing.yaml", &format!("{ENVIRONMENT}control_namespace: {CONTROL}\n"));
    let said = "    purpose: Fast caching layer";
    let needs =
        "{services: [{namespace: data, name: postgres}], definitions: [{name: a.example.com}], nodes: [{label: fast}]}";
    story.edit(&story.stack(), said, &format!("{said}\n    needs: {needs}"));
    let first = planned(&story, &Policy::default());
    let served = story.serve();
    let needed = check(&story, "first", &first, |each| each.to_vec());
    let lines = needed.join("\n# ");
    story.tell(&format!(
        "What is needed to bring up everything, where even the control namespace is missing:\n#\n# {lines}"
    ));
    drop(served);

    story.edit(&story.stack(), &format!("    needs: {needs}\n"), "");
    story.succeed("up", "--yes --quiet");
    let policy = Policy { destroy: true, delete: vec![format!("Namespace/{WHERE}")], ..Policy::default() };
    let last = planned(&story, &policy);
    let _served = story.serve();
    // Of a Namespace that goes, everything is listed that it may hold.
    let some = |verb: &str, group: &str, resource: &str| {
        let (group, resource) = (group.to_owned(), resource.to_owned());
        Right { verb: verb.to_owned(), group, resource }
    };
    let some = [
        some("list", "", "secrets"),
        some("list", "apps", "statefulsets"),
        some("list", "", "events"),
        some("delete", "", "namespaces"),
        some("delete", "coordination.k8s.io", "leases"),
    ];
    check(&story, "last", &last, |each| {
        assert!(some.iter().all(|right| each.contains(right)), "{each:#?}");
        some.to_vec()
    });
    story.end();
}
