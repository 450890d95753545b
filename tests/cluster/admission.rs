//! Kubernetes asks the same: policies of ours, made its own ValidatingAdmissionPolicies, are asked by a real API server
//! about the same objects, and say the same.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Error};
use serde_json::{Value, json};
use strata::components::desired::Desired;
use strata::policies::{PolicyFile, of_desired, unusable};

use super::say;
use super::story::Story;
use super::support::Cluster;

const NAMESPACE: &str = "admission";

/// Expressions about a Deployment of three pods; some are true of it, some false, some cannot be evaluated.
const ASKED: [&str; 52] = [
    "object.spec.replicas == 3",
    "object.spec.replicas > 3",
    "object.spec.replicas * 2 >= 7",
    "object.spec.replicas in [1, 3]",
    "has(object.spec.paused)",
    "!has(object.spec.paused) || object.spec.paused",
    "object.spec.missing > 1",
    "object.spec.missing > 1 || true",
    "false && object.spec.missing > 1",
    "object.spec.template.spec.containers.all(c, c.image.startsWith('registry.example/'))",
    "object.spec.template.spec.containers.exists(c, c.image.endsWith(':latest'))",
    "object.spec.template.spec.containers.exists_one(c, c.name == 'server')",
    "object.spec.template.spec.containers.filter(c, c.?resources.?limits.hasValue()).size() == 1",
    "object.spec.template.spec.containers.map(c, c.name) == ['server', 'helper']",
    "object.spec.template.spec.containers.map(c, c.name).join(',') == 'server,helper'",
    "object.spec.template.spec.containers.map(c, c.name).isSorted()",
    "object.spec.template.spec.containers.map(c, size(c.name)).sum() == 12",
    "object.spec.template.spec.containers.map(c, size(c.name)).max() == 6",
    "object.spec.template.spec.containers.map(c, c.name).indexOf('helper') == 1",
    "object.metadata.labels['app.kubernetes.io/name'] == 'shop'",
    "'team' in object.metadata.labels",
    "object.metadata.labels.exists(key, key.startsWith('app.kubernetes.io/'))",
    "object.metadata.labels.all(key, object.metadata.labels[key].size() < 63)",
    "object.spec.template.metadata.labels.size() == 1",
    "object.metadata.?annotations[?'example.com/owner'].orValue('nobody') == 'nobody'",
    "object.?spec.?paused.hasValue()",
    "optional.of(object.spec.replicas).value() == 3",
    "object.metadata.name.matches('^[a-z-]+$')",
    "object.metadata.name.find('[0-9]+') == ''",
    "'a1b22'.findAll('[0-9]+') == ['1', '22']",
    "object.metadata.name.upperAscii() == 'CART'",
    "object.metadata.name.replace('a', 'o').substring(0, 2) == 'co'",
    "'a.b.c'.split('.', 2) == ['a', 'b.c']",
    "'%s of %d'.format(['one', 3]) == 'one of 3'",
    "object.metadata.name.charAt(0) == 'c' && object.metadata.name.lastIndexOf('t') == 3",
    "quantity(object.spec.template.spec.containers[0].resources.limits.memory).isLessThan(quantity('1Gi'))",
    "quantity(object.spec.template.spec.containers[0].resources.limits.cpu) == quantity('0.5')",
    "quantity('1').add(quantity('500m')).compareTo(quantity('1500m')) == 0",
    "quantity('2k').asInteger() == 2000 && !quantity('1500m').isInteger()",
    "quantity('five').isInteger()",
    "isQuantity('1.5Gi') && !isQuantity('1.5Gibi')",
    "sign(quantity('-1500m')) == -1 && quantity('1500m').asApproximateFloat() == 1.5",
    "quantity('3').sub(1).isGreaterThan(quantity('1'))",
    "sets.contains(['a', 'b'], ['b']) && sets.intersects([1], [1, 2]) && sets.equivalent([1, 1], [1])",
    "object.spec.template.spec.containers[5].name == 'x'",
    "object.spec.replicas / 0 == 1",
    "int('3') == object.spec.replicas && string(3) == '3' && double('1.5') == 1.5",
    "type(object.spec.replicas) == int && type(object.metadata.labels) == map",
    "namespaceObject.metadata.name == 'admission'",
    "namespaceObject.metadata.labels['kind'] == 'test'",
    "variables.ports.all(port, port >= 9000)",
    "variables.ports.exists(port, port == variables.first)",
];

/// Texts that are no expressions, for either of the two.
const REFUSED: [&str; 10] = [
    "",
    "object.spec.replicas >",
    "objekt.spec.replicas > 1",
    "object.metadata.name.startWith('a')",
    "variables.missing > 1",
    "size()+",
    "Point{x: 1} == 1",
    "[1, 2].all(x)",
    "'a",
    "has(object)",
];

/// A Deployment that the policy of this number is asked about.
fn object(number: usize) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "cart", "namespace": NAMESPACE, "labels": {"app.kubernetes.io/name": "shop", "asked": number.to_string()}},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "cart"}},
            "template": {
                "metadata": {"labels": {"app": "cart"}},
                "spec": {"containers": [
                    {"name": "server", "image": "registry.example/cart:1.0.0", "ports": [{"containerPort": 9000}],
                        "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}}},
                    {"name": "helper", "image": "registry.example/helper:latest", "ports": [{"containerPort": 9100}]},
                ]},
            },
        },
    })
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"kind": "test"}}})
}

/// What stands under `spec` in Kubernetes, and beside a rule id here.
fn spec(expression: &str) -> Value {
    json!({
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["deployments"]},
            ],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
        },
        "variables": [
            {"name": "ports", "expression": "object.spec.template.spec.containers.map(c, c.ports[0].containerPort)"},
            {"name": "first", "expression": "variables.ports[0]"},
        ],
        "validations": [{"expression": expression, "message": "the expression is not true"}],
    })
}

fn file(spec: &Value) -> PolicyFile {
    let mut policy = spec.clone();
    policy["title"] = json!("What Kubernetes is asked as well");
    policy["level"] = json!("error");
    serde_json::from_value(json!({"policies": {"SAME-words-001": policy}})).unwrap()
}

/// What a policy says of an object.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Admitted,
    Denied,
    /// It cannot be evaluated, and is therefore denied.
    Failed,
}

/// What ours says.
fn ours(file: &PolicyFile, object: Value) -> Verdict {
    let mut desired: Desired = serde_json::from_value(json!({
        "instance": {"stack": "shop", "environment": "testing"}, "namespaces": [], "phases": [], "resources": [],
        "claims": {"ports": [], "edges": [], "compute": []},
    }))
    .unwrap();
    for (role, object) in [("namespace", namespace()), ("deployment", object)] {
        desired.add(None, role, object).unwrap();
    }
    match of_desired(&[file], &desired).first() {
        None => Verdict::Admitted,
        Some(objection) if objection.message.contains("cannot be evaluated") => Verdict::Failed,
        Some(_) => Verdict::Denied,
    }
}

/// What the server says to an object that is not kept.
async fn theirs(deployments: &Api<Deployment>, object: Value) -> Verdict {
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    match deployments.create(&dry, &serde_json::from_value(object).unwrap()).await {
        Ok(_) => Verdict::Admitted,
        Err(Error::Api(status)) if status.message.contains("resulted in error") => Verdict::Failed,
        Err(Error::Api(status)) if status.message.contains("denied request") => Verdict::Denied,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn kubernetes_asks_the_same() {
    match Cluster::real() {
        Ok(cluster) => {
            let files = Story::shipped();
            cluster.with(files.path(), judged);
        }
        Err(missing) => say(&format!("policies are not compared with those of a real API server: {missing}")),
    }
}

async fn judged(client: Client) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let of_story = PatchParams::apply("story");
    namespaces.patch(NAMESPACE, &of_story, &Patch::Apply(namespace())).await.unwrap();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let deployments: Api<Deployment> = Api::namespaced(client, NAMESPACE);
    let dry = PostParams { dry_run: true, ..PostParams::default() };

    for text in REFUSED {
        assert!(!unusable(&file(&spec(text))).is_empty(), "{text:?} should be refused");
        let policy = json!({"metadata": {"name": "refused"}, "spec": spec(text)});
        let answer = policies.create(&dry, &serde_json::from_value(policy).unwrap()).await;
        assert!(matches!(&answer, Err(Error::Api(status)) if status.code == 422), "{text:?}: {answer:?}");
    }
    let (mut differ, mut refused) = (Vec::new(), BTreeSet::new());
    for (number, text) in ASKED.iter().enumerate() {
        let name = format!("asked-{number}");
        let mut spec = spec(text);
        spec["matchConstraints"]["objectSelector"] = json!({"matchLabels": {"asked": number.to_string()}});
        let known =
            json!({"expression": "!has(object.metadata.annotations) || !('known' in object.metadata.annotations)"});
        spec["validations"].as_array_mut().unwrap().push(known);
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name}, "spec": spec,
        });
        if let Err(error) = policies.patch(&name, &of_story, &Patch::Apply(policy)).await {
            differ.push(format!("{text}: {error}"));
            refused.insert(number);
            continue;
        }
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]},
        });
        bindings.patch(&name, &of_story, &Patch::Apply(binding)).await.unwrap();
    }
    let taken = |number: &usize| !refused.contains(number);
    for (number, text) in ASKED.iter().enumerate().filter(|(number, _)| taken(number)) {
        // The server hears of a policy a while after it has taken it: until then it admits what no policy would.
        let mut known = object(number);
        known["metadata"]["annotations"] = json!({"known": ""});
        while theirs(&deployments, known.clone()).await == Verdict::Admitted {}
        let (own, real) = (ours(&file(&spec(text)), object(number)), theirs(&deployments, object(number)).await);
        if own != real {
            differ.push(format!("{text}: {own:?} here, {real:?} there"));
        }
    }
    for number in (0..ASKED.len()).filter(taken) {
        let name = format!("asked-{number}");
        bindings.delete(&name, &DeleteParams::default()).await.unwrap();
        policies.delete(&name, &DeleteParams::default()).await.unwrap();
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
