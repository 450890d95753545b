//! Who may do what: requests sent to the routers of several users, and the server's answers. Every wording was given by
//! kube-apiserver 1.36 to the same request.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use kube_embedded::{Cluster, Identity, Options, Storage, TestClock};
use serde_json::{Value, json};
use tower::ServiceExt;

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

fn options() -> (Options, TestClock) {
    let clock = TestClock::at("2026-01-01T00:00:00Z".parse().unwrap());
    let identities = BTreeMap::from([("s3cret".to_owned(), Identity::user("carol", ["carers"]))]);
    (Options { clock: Arc::new(clock.clone()), identities, ..Options::default() }, clock)
}

async fn cluster() -> (Cluster, TestClock) {
    let (options, clock) = options();
    (Cluster::open(Storage::Memory, options).await.unwrap(), clock)
}

/// One request. The body's kind of patch is apply for `PATCH`.
async fn send(
    router: &Router,
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> (u16, Value) {
    let mut request = Request::builder().method(method.parse::<Method>().unwrap()).uri(uri);
    let media = if method == "PATCH" { "application/apply-patch+yaml" } else { "application/json" };
    request = request.header("content-type", media);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn made(router: &Router, uri: &str, object: Value) {
    let (code, answer) = send(router, "POST", uri, &[], Some(&object)).await;
    assert_eq!(code, 201, "{answer}");
}

fn role(kind: &str, name: &str, rules: Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "rules": rules})
}

fn binding(kind: &str, name: &str, role: (&str, &str), subjects: Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1},
        "subjects": subjects,
    })
}

fn user(name: &str) -> Value {
    json!([{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}])
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "example.com/c:1"}]},
    })
}

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "example.com/c:1"}]},
            },
        },
    })
}

#[track_caller]
fn refused(answer: (u16, Value), code: u16, message: &str) {
    assert_eq!((answer.0, answer.1["message"].as_str().unwrap_or_default()), (code, message), "{}", answer.1);
}

#[tokio::test]
async fn the_whole_body_of_a_refusal() {
    let (cluster, _) = cluster().await;
    let reader = cluster.router_as(Identity::user("u", [""; 0]));
    let (code, body) = send(&reader, "GET", "/apis/apps/v1/namespaces/n/deployments/x", &[], None).await;
    let expected = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "deployments.apps \"x\" is forbidden: User \"u\" cannot get resource \"deployments\" in API group \"apps\" in the namespace \"n\"",
        "reason": "Forbidden",
        "details": {"name": "x", "group": "apps", "kind": "deployments"},
        "code": 403,
    });
    assert_eq!((code, body), (403, expected));
    let (code, body) = send(&reader, "GET", "/nosuch", &[], None).await;
    let expected = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "forbidden: User \"u\" cannot get path \"/nosuch\"",
        "reason": "Forbidden",
        "details": {},
        "code": 403,
    });
    assert_eq!((code, body), (403, expected));
}

/// What the user `u`, who holds the given rules in `default`, gets.
async fn check(rules: Value, method: &str, uri: &str, body: Option<Value>, code: u16) {
    let (cluster, _) = cluster().await;
    let admin = cluster.router();
    made(&admin, &format!("{RBAC}/namespaces/default/roles"), role("Role", "r", rules.clone())).await;
    let bound = binding("RoleBinding", "b", ("Role", "r"), user("u"));
    made(&admin, &format!("{RBAC}/namespaces/default/rolebindings"), bound).await;
    made(
        &admin,
        "/api/v1/namespaces/default/configmaps",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}),
    )
    .await;
    let before = send(&admin, "GET", "/api/v1/configmaps", &[], None).await.1["items"].clone();
    let found = send(&cluster.router_as(Identity::user("u", [""; 0])), method, uri, &[], body.as_ref()).await;
    assert_eq!(found.0, code, "{rules} {method} {uri}: {}", found.1);
    if code == 403 {
        assert_eq!(send(&admin, "GET", "/api/v1/configmaps", &[], None).await.1["items"], before, "nothing happened");
    }
}

#[tokio::test]
async fn a_role_allows_its_verbs_on_its_resources_in_its_namespace() {
    let maps = "/api/v1/namespaces/default/configmaps";
    let one = "/api/v1/namespaces/default/configmaps/a";
    let rule = |verbs: &[&str]| json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]);
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    check(rule(&["get"]), "GET", one, None, 200).await;
    check(rule(&["get"]), "GET", maps, None, 403).await;
    check(rule(&["list"]), "GET", maps, None, 200).await;
    check(rule(&["list"]), "GET", &format!("{maps}?watch=1"), None, 403).await;
    check(rule(&["list"]), "GET", "/api/v1/namespaces/kube-system/configmaps", None, 403).await;
    check(rule(&["list"]), "GET", "/api/v1/configmaps", None, 403).await;
    check(rule(&["*"]), "GET", "/api/v1/namespaces/default/secrets", None, 403).await;
    check(rule(&["get"]), "POST", maps, Some(map("b")), 403).await;
    check(rule(&["create"]), "POST", maps, Some(map("b")), 201).await;
    check(rule(&["create", "update"]), "DELETE", one, None, 403).await;
    check(rule(&["delete"]), "DELETE", one, None, 200).await;
    check(rule(&["delete"]), "DELETE", maps, None, 403).await;
    check(rule(&["deletecollection"]), "DELETE", maps, None, 200).await;
    check(rule(&["patch"]), "PATCH", &format!("{one}?fieldManager=m"), Some(map("a")), 200).await;
    check(rule(&["patch"]), "PATCH", &format!("{maps}/b?fieldManager=m"), Some(map("b")), 403).await;
    check(rule(&["patch", "create"]), "PATCH", &format!("{maps}/b?fieldManager=m"), Some(map("b")), 201).await;
    let named = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"], "resourceNames": ["a"]}]);
    check(named.clone(), "GET", one, None, 200).await;
    check(named.clone(), "GET", &format!("{maps}?fieldSelector=metadata.name=a"), None, 200).await;
    check(named, "GET", maps, None, 403).await;
}

#[tokio::test]
async fn what_an_apply_makes_takes_the_verb_create() {
    let (cluster, _) = cluster().await;
    let admin = cluster.router();
    let rules = json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch", "get"]}]);
    made(&admin, &format!("{RBAC}/clusterroles"), role("ClusterRole", "patcher", rules)).await;
    let bound = binding("ClusterRoleBinding", "patcher", ("ClusterRole", "patcher"), user("p"));
    made(&admin, &format!("{RBAC}/clusterrolebindings"), bound).await;
    let uri = "/apis/apps/v1/namespaces/default/deployments/x?fieldManager=m";
    let answer =
        send(&cluster.router_as(Identity::user("p", [""; 0])), "PATCH", uri, &[], Some(&deployment("x"))).await;
    refused(
        answer,
        403,
        "deployments.apps \"x\" is forbidden: User \"p\" cannot create resource \"deployments\" in API group \"apps\" in the namespace \"default\"",
    );
}

#[tokio::test]
async fn a_binding_to_nothing_is_told() {
    let (cluster, _) = cluster().await;
    let admin = cluster.router();
    let bound = binding("ClusterRoleBinding", "dangling", ("ClusterRole", "nosuch"), user("u"));
    made(&admin, &format!("{RBAC}/clusterrolebindings"), bound).await;
    let bound = binding("RoleBinding", "dangling", ("Role", "nosuchrole"), user("u"));
    made(&admin, &format!("{RBAC}/namespaces/default/rolebindings"), bound).await;
    let reader = cluster.router_as(Identity::user("u", [""; 0]));
    refused(
        send(&reader, "GET", "/api/v1/namespaces/default/pods", &[], None).await,
        403,
        "pods is forbidden: User \"u\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\": RBAC: [clusterrole.rbac.authorization.k8s.io \"nosuch\" not found, role.rbac.authorization.k8s.io \"nosuchrole\" not found]",
    );
}

#[tokio::test]
async fn groups_and_accounts_are_subjects_too() {
    let (cluster, _) = cluster().await;
    let admin = cluster.router();
    let subjects = json!([
        {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "readers"},
        {"kind": "ServiceAccount", "name": "default", "namespace": "kube-system"},
    ]);
    let bound = binding("RoleBinding", "b", ("ClusterRole", "view"), subjects);
    made(&admin, &format!("{RBAC}/namespaces/default/rolebindings"), bound).await;
    for (identity, code) in [
        (Identity::user("a", ["readers"]), 200),
        (Identity::user("readers", [""; 0]), 403),
        (Identity::service_account("kube-system", "default"), 200),
        (Identity::service_account("default", "default"), 403),
        (Identity::anonymous(), 403),
        (Identity::admin(), 200),
    ] {
        let router = cluster.router_as(identity.clone());
        let found = send(&router, "GET", "/api/v1/namespaces/default/pods", &[], None).await;
        assert_eq!(found.0, code, "{identity:?}: {}", found.1);
        // `view` gathers no right to read secrets.
        let found = send(&router, "GET", "/api/v1/namespaces/default/secrets", &[], None).await;
        assert_eq!(found.0, if identity == Identity::admin() { 200 } else { 403 });
    }
}

#[tokio::test]
async fn a_role_gathers_the_rules_of_others() {
    let (options, _) = options();
    let cluster = Cluster::open(Storage::Memory, options).await.unwrap();
    let admin = cluster.router();
    let mut gadgets = role(
        "ClusterRole",
        "gadgets",
        json!([{"apiGroups": ["example.com"], "resources": ["gadgets"], "verbs": ["get"]}]),
    );
    gadgets["metadata"]["labels"] = json!({"rbac.authorization.k8s.io/aggregate-to-view": "true"});
    made(&admin, &format!("{RBAC}/clusterroles"), gadgets).await;
    // `edit` gathers `view`, `admin` gathers `edit`: the last has it in the end.
    let roles: Api<ClusterRole> = Api::all(Client::new(admin, "default"));
    for name in ["view", "edit", "admin"] {
        let gathered = |role: Option<&ClusterRole>| {
            let rules = role.and_then(|role| role.rules.as_ref()).into_iter().flatten();
            rules.filter_map(|rule| rule.resources.as_ref()).any(|resources| resources == &["gadgets"])
        };
        let role = await_condition(roles.clone(), name, gathered).await.unwrap().unwrap();
        let manager = role.metadata.managed_fields.unwrap().remove(0);
        assert_eq!(manager.manager.as_deref(), Some("clusterrole-aggregation-controller"));
        assert_eq!(manager.operation.as_deref(), Some("Apply"));
        assert_eq!(manager.fields_v1.unwrap().0, json!({"f:rules": {}}));
    }
}

#[tokio::test]
async fn nobody_gives_away_more_than_they_hold() {
    let (cluster, _) = cluster().await;
    let admin = cluster.router();
    let rules = json!([
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["create", "update", "patch", "get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"], "resourceNames": ["a", "b"]},
    ]);
    made(&admin, &format!("{RBAC}/clusterroles"), role("ClusterRole", "patcher", rules)).await;
    let bound = binding("ClusterRoleBinding", "patcher", ("ClusterRole", "patcher"), user("p"));
    made(&admin, &format!("{RBAC}/clusterrolebindings"), bound).await;
    let p = cluster.router_as(Identity::user("p", [""; 0]));
    let head = "is attempting to grant RBAC permissions not currently held:";
    let groups = "user \"p\" (groups=[\"system:authenticated\"])";
    let all = "{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}";
    let wanted = json!([
        {"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"], "resourceNames": ["a", "c"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
    ]);
    let roles = format!("{RBAC}/namespaces/default/roles");
    let bindings = format!("{RBAC}/namespaces/default/rolebindings");
    let mut gathers = role("ClusterRole", "r", json!([]));
    gathers["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]});
    for (uri, object, code, message) in [
        (
            roles.clone(),
            role("Role", "r", wanted),
            403,
            format!(
                "roles.rbac.authorization.k8s.io \"r\" is forbidden: {groups} {head}\n{{APIGroups:[\"\"], Resources:[\"pods\"], ResourceNames:[\"c\"], Verbs:[\"list\"]}}\n{{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\"]}}\n{{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}}"
            ),
        ),
        (
            format!("{RBAC}/clusterroles"),
            gathers,
            403,
            "clusterroles.rbac.authorization.k8s.io \"r\" is forbidden: must have cluster-admin privileges to use the aggregationRule".to_owned(),
        ),
        (
            bindings.clone(),
            binding("RoleBinding", "b", ("ClusterRole", "cluster-admin"), json!([])),
            403,
            format!("rolebindings.rbac.authorization.k8s.io \"b\" is forbidden: {groups} {head}\n{all}"),
        ),
        (
            format!("{RBAC}/clusterrolebindings"),
            binding("ClusterRoleBinding", "b", ("ClusterRole", "cluster-admin"), json!([])),
            403,
            format!("clusterrolebindings.rbac.authorization.k8s.io \"b\" is forbidden: {groups} {head}\n{all}"),
        ),
        (
            bindings.clone(),
            binding("RoleBinding", "b", ("Role", "nosuch"), json!([])),
            404,
            "rolebindings.rbac.authorization.k8s.io \"nosuch\" not found".to_owned(),
        ),
    ] {
        refused(send(&p, "POST", &uri, &[], Some(&object)).await, code, &message);
    }
    // What is held may be given: by the permissions themselves, or by the verb on the role.
    made(&p, &bindings, binding("RoleBinding", "b", ("ClusterRole", "system:basic-user"), json!([]))).await;
    let may = json!([
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"], "resourceNames": ["view"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["escalate"]},
    ]);
    made(&admin, &format!("{RBAC}/clusterroles"), role("ClusterRole", "giver", may)).await;
    let bound = binding("ClusterRoleBinding", "giver", ("ClusterRole", "giver"), user("p"));
    made(&admin, &format!("{RBAC}/clusterrolebindings"), bound).await;
    made(&p, &bindings, binding("RoleBinding", "viewers", ("ClusterRole", "view"), json!([]))).await;
    made(&p, &roles, role("Role", "any", json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]))).await;
}

/// What a review of `default/u` answers.
async fn check_review(resource: &str, identity: Identity, review: Value, code: u16, pointer: &str, expected: Value) {
    let (cluster, _) = cluster().await;
    let admin = cluster.router();
    let bound = binding("RoleBinding", "b", ("ClusterRole", "view"), user("u"));
    made(&admin, &format!("{RBAC}/namespaces/default/rolebindings"), bound).await;
    let (found, answer) = send(&cluster.router_as(identity), "POST", resource, &[], Some(&review)).await;
    assert_eq!((found, answer.pointer(pointer)), (code, Some(&expected)), "{answer}");
}

#[tokio::test]
async fn reviews_of_access_are_answered_truly() {
    let u = || Identity::user("u", [""; 0]);
    let spec = |spec: Value, kind: &str| json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec});
    let mine = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let theirs = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let local = "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews";
    let pods = |verb: &str| json!({"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "default"}});
    let own = |attributes: Value| spec(attributes, "SelfSubjectAccessReview");
    let why = "RBAC: allowed by RoleBinding \"b/default\" of ClusterRole \"view\" to User \"u\"";
    check_review(mine, u(), own(pods("get")), 201, "/status", json!({"allowed": true, "reason": why})).await;
    check_review(mine, u(), own(pods("delete")), 201, "/status", json!({"allowed": false})).await;
    check_review(mine, Identity::admin(), own(pods("delete")), 201, "/status", json!({"allowed": true})).await;
    let subject = json!({
        "user": "x",
        "groups": ["system:authenticated"],
        "nonResourceAttributes": {"path": "/api", "verb": "get"},
    });
    let why = "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \"system:authenticated\"";
    let review = spec(subject, "SubjectAccessReview");
    check_review(theirs, Identity::admin(), review.clone(), 201, "/status", json!({"allowed": true, "reason": why}))
        .await;
    let no = "subjectaccessreviews.authorization.k8s.io is forbidden: User \"u\" cannot create resource \"subjectaccessreviews\" in API group \"authorization.k8s.io\" at the cluster scope";
    check_review(theirs, u(), review, 403, "/message", json!(no)).await;
    let mut other = pods("get");
    other["user"] = json!("u");
    let review = spec(other.clone(), "LocalSubjectAccessReview");
    check_review(local, Identity::admin(), review, 201, "/status/allowed", json!(true)).await;
    other["resourceAttributes"]["namespace"] = json!("m");
    let no = ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes.namespace: Invalid value: \"m\": must match metadata.namespace";
    check_review(local, Identity::admin(), spec(other, "LocalSubjectAccessReview"), 422, "/message", json!(no)).await;
    let no = ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified";
    check_review(mine, u(), own(json!({})), 422, "/message", json!(no)).await;
}

#[tokio::test]
async fn a_review_of_rules_lists_them() {
    let rules = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let review = |namespace: &str| json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}});
    let expected = json!({
        "resourceRules": [
            {"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
            {"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]},
        ],
        "nonResourceRules": [
            {"verbs": ["get"], "nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"]},
            {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"]},
        ],
        "incomplete": false,
    });
    check_review(rules, Identity::user("v", [""; 0]), review("default"), 201, "/status", expected).await;
    check_review(rules, Identity::admin(), review(""), 400, "/message", json!("no namespace on request")).await;
    let everything = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
    check_review(rules, Identity::admin(), review("x"), 201, "/status/resourceRules/0", everything).await;
}

fn whoami() -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
}

const WHOAMI: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

/// Who `carol`, who may act as others in some ways, is for a request with these headers.
async fn check_as(headers: &[(&str, &str)], expected: Result<Value, &str>) {
    let (cluster, _) = cluster().await;
    let admin = cluster.router();
    let rules = json!([
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["bob"]},
        {"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["builders"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["userextras/team"], "verbs": ["impersonate"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["serviceaccounts"], "verbs": ["impersonate:serviceaccount"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["impersonate-on:serviceaccount:create"]},
    ]);
    made(&admin, &format!("{RBAC}/clusterroles"), role("ClusterRole", "actor", rules)).await;
    let bound = binding("ClusterRoleBinding", "actor", ("ClusterRole", "actor"), user("carol"));
    made(&admin, &format!("{RBAC}/clusterrolebindings"), bound).await;
    let mut all = vec![("authorization", "Bearer s3cret")];
    all.extend_from_slice(headers);
    let (_, answer) = send(&admin, "POST", WHOAMI, &all, Some(&whoami())).await;
    match expected {
        Ok(user) => assert_eq!(answer["status"]["userInfo"], user, "{headers:?}: {answer}"),
        Err(message) => assert_eq!(answer["message"], json!(message), "{headers:?}"),
    }
}

#[tokio::test]
async fn acting_as_somebody_else() {
    let me = json!({"username": "carol", "groups": ["carers", "system:authenticated"]});
    check_as(&[], Ok(me)).await;
    let bob = json!({"username": "bob", "groups": ["system:authenticated"]});
    check_as(&[("impersonate-user", "bob")], Ok(bob)).await;
    let bob = json!({
        "username": "bob",
        "groups": ["builders", "system:authenticated"],
        "extra": {"team": ["red"]},
    });
    let headers = [("impersonate-user", "bob"), ("impersonate-group", "builders"), ("impersonate-extra-team", "red")];
    check_as(&headers, Ok(bob)).await;
    let account = json!({
        "username": "system:serviceaccount:ci:bot",
        "groups": ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"],
    });
    check_as(&[("impersonate-user", "system:serviceaccount:ci:bot")], Ok(account)).await;
    // The first refusal is the answer: that of the narrowest mode that fits.
    let no = "selfsubjectreviews.authentication.k8s.io is forbidden: User \"carol\" cannot impersonate-on:user-info:create resource \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope";
    check_as(&[("impersonate-user", "eve")], Err(no)).await;
    check_as(&[("impersonate-user", "bob"), ("impersonate-group", "system:masters")], Err(no)).await;
    let no = "selfsubjectreviews.authentication.k8s.io is forbidden: User \"carol\" cannot impersonate-on:arbitrary-node:create resource \"selfsubjectreviews\" in API group \"authentication.k8s.io\" at the cluster scope";
    check_as(&[("impersonate-user", "system:node:n")], Err(no)).await;
    let no = "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"g\"}, Extra:map[string][]string(nil)} without impersonating a user name";
    check_as(&[("impersonate-group", "g")], Err(no)).await;
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn an_accounts_token_lasts_as_long_as_it_and_the_account_do() {
    let (cluster, clock) = cluster().await;
    let admin = cluster.router();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot"}});
    made(&admin, "/api/v1/namespaces/default/serviceaccounts", account.clone()).await;
    let uri = "/api/v1/namespaces/default/serviceaccounts/bot/token";
    let request = |seconds: u64| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}});
    let (code, answer) = send(&admin, "POST", uri, &[], Some(&request(600))).await;
    assert_eq!((code, &answer["status"]["expirationTimestamp"]), (201, &json!("2026-01-01T00:10:00Z")), "{answer}");
    assert_eq!(answer["spec"]["audiences"], json!(["https://kubernetes.default.svc.cluster.local"]));
    let header = bearer(answer["status"]["token"].as_str().unwrap());
    let shown = [("authorization", header.as_str())];
    let (_, who) = send(&admin, "POST", WHOAMI, &shown, Some(&whoami())).await;
    let user = &who["status"]["userInfo"];
    assert_eq!(user["username"], "system:serviceaccount:default:bot");
    assert_eq!(
        user["groups"],
        json!(["system:serviceaccounts", "system:serviceaccounts:default", "system:authenticated"])
    );
    assert_eq!(user["uid"], answer["metadata"]["uid"]);
    refused(
        send(&admin, "GET", "/api/v1/nodes", &shown, None).await,
        403,
        "nodes is forbidden: User \"system:serviceaccount:default:bot\" cannot list resource \"nodes\" in API group \"\" at the cluster scope",
    );
    let review = |token: &str| json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
    let reviews = "/apis/authentication.k8s.io/v1/tokenreviews";
    let token = header.trim_start_matches("Bearer ");
    let (_, found) = send(&admin, "POST", reviews, &[], Some(&review(token))).await;
    assert_eq!((&found["status"]["authenticated"], &found["status"]["user"]), (&json!(true), user));
    let (_, found) = send(&admin, "POST", reviews, &[], Some(&review("nope"))).await;
    assert_eq!(found["status"], json!({"user": {}, "error": "invalid bearer token"}));
    // A minute is granted, because clocks differ; then it is over.
    clock.advance(Duration::from_secs(660));
    assert_eq!(send(&admin, "GET", "/api", &shown, None).await.0, 200);
    clock.advance(Duration::from_secs(1));
    refused(send(&admin, "GET", "/api", &shown, None).await, 401, "Unauthorized");
    let (_, found) = send(&admin, "POST", reviews, &[], Some(&review(token))).await;
    let error = "[invalid bearer token, service account token has expired]";
    assert_eq!(found["status"], json!({"user": {}, "error": error}));
    // An account of the same name that comes later is another one.
    let (_, answer) = send(&admin, "POST", uri, &[], Some(&request(3600))).await;
    let header = bearer(answer["status"]["token"].as_str().unwrap());
    let shown = [("authorization", header.as_str())];
    assert_eq!(send(&admin, "GET", "/api", &shown, None).await.0, 200);
    send(&admin, "DELETE", "/api/v1/namespaces/default/serviceaccounts/bot", &[], None).await;
    assert_eq!(send(&admin, "GET", "/api", &shown, None).await.0, 401);
    made(&admin, "/api/v1/namespaces/default/serviceaccounts", account).await;
    assert_eq!(send(&admin, "GET", "/api", &shown, None).await.0, 401);
    refused(
        send(&admin, "POST", uri, &[], Some(&request(30))).await,
        422,
        "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 30: may not specify a duration less than 10 minutes",
    );
}

#[tokio::test]
async fn a_token_bound_to_a_pod_ends_with_it() {
    let (cluster, _) = cluster().await;
    let admin = cluster.router();
    made(&admin, "/api/v1/namespaces/default/pods", pod("p")).await;
    let uri = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let reference = json!({"apiVersion": "v1", "kind": "Pod", "name": "p"});
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"boundObjectRef": reference}});
    let (code, answer) = send(&admin, "POST", uri, &[], Some(&request)).await;
    assert_eq!(code, 201, "{answer}");
    let header = bearer(answer["status"]["token"].as_str().unwrap());
    let shown = [("authorization", header.as_str())];
    let (_, who) = send(&admin, "POST", WHOAMI, &shown, Some(&whoami())).await;
    assert_eq!(who["status"]["userInfo"]["extra"]["authentication.kubernetes.io/pod-name"], json!(["p"]));
    send(&admin, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0", &[], None).await;
    assert_eq!(send(&admin, "GET", "/api", &shown, None).await.0, 401);
}

#[tokio::test]
async fn a_served_cluster_knows_every_token_and_lets_strangers_see_little() {
    let (cluster, _) = cluster().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let cluster = Arc::new(cluster);
    let serving = {
        let cluster = Arc::clone(&cluster);
        tokio::spawn(async move {
            let end = async {
                let _ = stopped.await;
            };
            cluster.serve(listener, "t0ken", end).await
        })
    };
    for (path, token, code) in [
        ("/api/v1/nodes", Some("t0ken"), 200),
        ("/t0ken/api/v1/nodes", None, 200),
        ("/s3cret/api/v1/nodes", None, 403),
        ("/s3cret/api", None, 200),
        ("/api/v1/nodes", Some("s3cret"), 403),
        ("/api/v1/nodes", Some("wrong"), 401),
        ("/wrong/api/v1/nodes", None, 401),
        ("/wrong", None, 401),
        ("/api/v1/nodes", None, 403),
        ("/api", None, 403),
        ("/version", None, 200),
        ("/t0ken/version?a=b", None, 200),
    ] {
        assert_eq!(ask(address, path, token).await, code, "{path} {token:?}");
    }
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}

/// The code that a plain HTTP request is answered with.
async fn ask(address: std::net::SocketAddr, path: &str, token: Option<&str>) -> u16 {
    let token = token.map(|token| format!("authorization: {}\r\n", bearer(token))).unwrap_or_default();
    let text = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{token}connection: close\r\n\r\n");
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    answer.await.unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}
