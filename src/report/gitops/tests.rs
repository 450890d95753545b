//! Stacks at random, rendered for both controllers: nothing is lost, nothing secret is told, and the order is that of the
//! phases.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use strata_components::desired::{ADDRESS_ANNOTATION, Desired, Instance};
use strata_components::kinds::{is_gate, stage};

use super::argocd::WAVE_ANNOTATION;
use super::*;
use crate::secrets::Secrets;

const KINDS: [(&str, &str); 8] = [
    ("v1", "Namespace"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("v1", "ConfigMap"),
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("batch/v1", "Job"),
    ("apps/v1", "Deployment"),
    ("example.com/v1", "Widget"),
];

fn empty() -> Desired {
    serde_json::from_value(json!({
        "instance": Instance { stack: "shop".into(), environment: "lab".into(), suffix: None },
        "namespaces": ["shop"], "phases": [], "resources": [], "claims": {"ports": [], "edges": [], "compute": []},
    }))
    .unwrap()
}

/// A stack of these objects: the service (0 for none), which starts in its phase, and the kind.
fn stack(objects: &[(usize, usize)], phases: &[u32]) -> Desired {
    let mut desired = empty();
    for (at, (service, kind)) in objects.iter().enumerate() {
        let (version, kind) = KINDS[*kind];
        let name = format!("object-{at}");
        let manifest = json!({"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
        desired.add(None, &name, manifest).unwrap();
        let resource = desired.resources.iter_mut().find(|resource| resource.id.name == name).unwrap();
        if let Some(phase) = service.checked_sub(1).map(|service| phases[service]) {
            let service = format!("service_{service}");
            resource.address = format!("shop/{service}/object-{at}");
            resource.manifest["metadata"]["annotations"][ADDRESS_ANNOTATION] = resource.address.clone().into();
            (resource.phase, resource.service) = (phase, Some(service));
        }
    }
    desired.resources.sort_by(|one, other| (one.phase, &one.address).cmp(&(other.phase, &other.address)));
    desired
}

fn placement() -> Placement {
    Placement {
        repository: Some("https://git.example/fleet.git".into()),
        directory: "deploy/lab".into(),
        revision: "main".into(),
        namespace: "gitops".into(),
        destination: None,
    }
}

fn argo(desired: &Desired) -> Result<Rendered, GitOpsError> {
    argocd::render(desired, &placement(), &argocd::Settings { project: "default".into(), automated: true })
}

fn flux(desired: &Desired) -> Result<Rendered, GitOpsError> {
    flux::render(desired, &placement(), &flux::Settings { source: None })
}

/// Every file, by its path, as it reads back.
fn back(rendered: &Rendered) -> BTreeMap<String, Value> {
    let read = |file: &ManifestFile| (file.name.clone(), serde_saphyr::from_str(&file.text).unwrap());
    let files: BTreeMap<String, Value> = rendered.files.iter().map(read).collect();
    assert_eq!(files.len(), rendered.files.len(), "two files of one name");
    files
}

/// The objects among the files, by address, each with the path of its file.
fn objects(files: &BTreeMap<String, Value>) -> BTreeMap<String, (String, Value)> {
    let address = |object: &Value| object["metadata"]["annotations"][ADDRESS_ANNOTATION].as_str().map(str::to_owned);
    files.iter().filter_map(|(path, object)| Some((address(object)?, (path.clone(), object.clone())))).collect()
}

/// Everything is there once, and as it is desired but for annotations of the controller.
fn assert_whole(desired: &Desired, objects: &BTreeMap<String, (String, Value)>, own: &str) {
    assert_eq!(objects.len(), desired.resources.len());
    for resource in &desired.resources {
        let mut found = objects[&resource.address].1.clone();
        found["metadata"]["annotations"].as_object_mut().unwrap().retain(|key, _| !key.contains(own));
        assert_eq!(found, resource.manifest);
    }
}

/// Whether one object has to be ready before the other is applied: phases follow each other, and within a service whatever
/// follows a job, or the definition of a kind.
fn is_before(one: &Resource, other: &Resource) -> bool {
    let kind = |resource: &Resource| resource.id.kind.kind.clone();
    let gated = is_gate(&kind(one)) && one.service == other.service && stage(&kind(one)) < stage(&kind(other));
    one.phase < other.phase || (one.phase == other.phase && gated)
}

/// Every Kustomization that has to be ready before this one.
fn waits_for(name: &str, files: &BTreeMap<String, Value>) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut next = vec![name.to_owned()];
    while let Some(name) = next.pop() {
        let kustomization = &files[&format!("flux/{name}.yaml")];
        for before in kustomization["spec"]["dependsOn"].as_array().into_iter().flatten() {
            let before = before["name"].as_str().unwrap().to_owned();
            if all.insert(before.clone()) {
                next.push(before);
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waves_are_in_the_order_of_phases(
        objects_of in proptest::collection::vec((0usize..5, 0usize..KINDS.len()), 0..20),
        phases in proptest::collection::vec(1u32..6, 4),
    ) {
        let desired = stack(&objects_of, &phases);
        let found = objects(&back(&argo(&desired).unwrap()));
        assert_whole(&desired, &found, "argocd.argoproj.io/");
        let wave_of = |resource: &Resource| -> u32 {
            let text = &found[&resource.address].1["metadata"]["annotations"][WAVE_ANNOTATION];
            text.as_str().unwrap().parse().unwrap()
        };
        for one in &desired.resources {
            for other in &desired.resources {
                let order = (one.phase, stage(&one.id.kind.kind)).cmp(&(other.phase, stage(&other.id.kind.kind)));
                prop_assert_eq!(wave_of(one).cmp(&wave_of(other)), order);
            }
        }
    }

    #[test]
    fn kustomizations_wait_in_the_order_of_phases(
        objects_of in proptest::collection::vec((0usize..5, 0usize..KINDS.len()), 0..20),
        phases in proptest::collection::vec(1u32..6, 4),
    ) {
        let desired = stack(&objects_of, &phases);
        let files = back(&flux(&desired).unwrap());
        let found = objects(&files);
        assert_whole(&desired, &found, "kustomize.toolkit.fluxcd.io/");
        // Which Kustomization applies a file: the one of its directory, whose list names it.
        let by_path: BTreeMap<&str, &str> = files
            .iter()
            .filter(|(_, file)| file["apiVersion"] == "kustomize.toolkit.fluxcd.io/v1")
            .map(|(_, file)| {
                let path = file["spec"]["path"].as_str().unwrap();
                (path.strip_prefix("./deploy/lab/").unwrap(), file["metadata"]["name"].as_str().unwrap())
            })
            .collect();
        let applied_by = |resource: &Resource| {
            let (folder, file) = found[&resource.address].0.rsplit_once('/').unwrap();
            let list = &files[&format!("{folder}/kustomization.yaml")]["resources"];
            assert!(list.as_array().unwrap().iter().any(|listed| listed == file), "{file} is not in {list}");
            by_path[folder].to_owned()
        };
        for one in &desired.resources {
            for other in &desired.resources {
                let waits = waits_for(&applied_by(other), &files).contains(&applied_by(one));
                if is_before(one, other) {
                    prop_assert!(waits, "{} does not wait for {}", other.id, one.id);
                } else if one.phase > other.phase || applied_by(one) == applied_by(other) {
                    prop_assert!(!waits, "{} waits for {}", other.id, one.id);
                }
            }
        }
    }
}

#[test]
fn nothing_secret_is_rendered_and_what_is_lacking_is_said() {
    let mut desired = empty();
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "shop"},
        "stringData": {"password": "hunter2-hunter2"}});
    desired.add(None, "keys", secret).unwrap();
    let container = json!({"name": "server", "env": [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
        {"name": "B", "valueFrom": {"secretKeyRef": {"name": "others", "key": "b"}}},
    ]});
    let pod = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [container]}}}});
    desired.add(None, "cart", pod).unwrap();
    Secrets::withhold(&mut desired);
    for rendered in [argo(&desired), flux(&desired)] {
        let rendered = rendered.unwrap();
        let left: Vec<String> = rendered.left_to_do.iter().map(ToString::to_string).collect();
        let expect = [
            "Secret shop/keys with password is not in the repository: have it on the cluster before phase 0, where \
             Deployment shop/cart needs it",
            "Secret shop/others is not in the repository: have it on the cluster before phase 0, where Deployment \
             shop/cart needs it",
        ];
        assert_eq!(left, expect);
        assert_eq!(rendered.files.iter().filter(|file| file.text.contains("kind: Secret\n")).count(), 0);
        assert!(rendered.files.iter().all(|file| !file.text.contains("hunter2") && !file.text.contains("aHVudGVy")));
    }

    // A value that stands where it cannot be left out is refused.
    let told = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "told", "namespace": "shop"},
        "data": {"url": "postgres://shop:hunter2-hunter2@db"}});
    let mut desired = empty();
    desired.add(None, "told", told).unwrap();
    desired
        .add(
            None,
            "keys",
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys",
        "namespace": "shop"}, "stringData": {"password": "hunter2-hunter2"}}),
        )
        .unwrap();
    Secrets::withhold(&mut desired);
    let said = |rendered: Result<Rendered, GitOpsError>| rendered.unwrap_err().to_string();
    let expect = "ConfigMap shop/told holds what is secret at .data.url, and a repository must not";
    assert_eq!((said(argo(&desired)), said(flux(&desired))), (expect.to_owned(), expect.to_owned()));
}

#[test]
fn what_the_stack_leaves_to_others_is_ignored() {
    let mut desired = stack(&[(1, 6), (2, 6)], &[1, 1, 1, 1]);
    for resource in &mut desired.resources {
        resource.manifest["spec"] = json!({"replicas": 2, "template": {"spec": {"containers": [
            {"name": "server", "image": "a"}]}}});
    }
    desired.ownership = serde_json::from_value(json!({"fields": [
        {"path": ".spec.replicas", "service": "service_1", "manager": "keda", "policy": "leave"},
        {"path": ".spec.template.spec.containers[name=\"server\"].image", "service": "service_2", "policy": "leave"},
        {"path": ".spec.paused", "policy": "leave"},
        {"path": ".spec.template", "policy": "fail"},
        {"manager": "robot", "service": "service_2", "policy": "leave"},
        {"manager": "robots-*", "policy": "leave"},
    ]}))
    .unwrap();
    let rendered = argo(&desired).unwrap();
    let all = json!([
        {"group": "apps", "kind": "Deployment", "name": "object-0", "namespace": "shop",
            "jsonPointers": ["/spec/replicas"]},
        {"group": "apps", "kind": "Deployment", "name": "object-1", "namespace": "shop",
            "jqPathExpressions":
                [r#".["spec"]["template"]["spec"]["containers"][] | select(.["name"] == "server") | .["image"]"#],
            "managedFieldsManagers": ["robot"]},
    ]);
    assert_eq!(back(&rendered)["application.yaml"]["spec"]["ignoreDifferences"], all);
    let untold = r#"the controller takes what the stack leaves to others: {"manager":"robots-*","policy":"leave"}"#;
    assert_eq!(rendered.left_to_do.iter().map(ToString::to_string).collect::<Vec<_>>(), [untold]);

    let rendered = flux(&desired).unwrap();
    let rule = json!([{"paths": ["/spec/replicas"],
        "target": {"group": "apps", "kind": "Deployment", "name": "object-0", "namespace": "shop"}}]);
    assert_eq!(back(&rendered)["flux/shop-lab-service-1.yaml"]["spec"]["ignore"], rule);
    assert_eq!(back(&rendered)["flux/shop-lab-service-2.yaml"]["spec"].get("ignore"), None);
    let left: Vec<String> = rendered.left_to_do.iter().map(ToString::to_string).collect();
    let begin = "the controller takes what the stack leaves to others: ";
    let expect = [
        untold.to_owned(),
        format!(r#"{begin}Deployment shop/object-1: .spec.template.spec.containers[name="server"].image"#),
        format!("{begin}Deployment shop/object-1: robot"),
    ];
    assert_eq!(left, expect);
}

#[test]
fn files_are_named_so_that_nothing_is_overwritten() {
    let mut desired = empty();
    for (at, component) in ["Kustomization", "a/../b", "A_.._b", "a_.._b", ".hidden"].into_iter().enumerate() {
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("map-{at}")}});
        desired.add(None, component, manifest).unwrap();
    }
    let files: Vec<String> = argo(&desired).unwrap().files.into_iter().map(|file| file.name).collect();
    let expect =
        ["_hidden", "A_.._b", "Kustomization-2", "a-.._b", "a_.._b-2"].map(|name| format!("manifests/{name}.yaml"));
    assert_eq!(files[..5], expect);
}
