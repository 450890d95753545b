//! What is withheld, what stands in its place, and what is put back.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use proptest::prelude::*;
use serde_json::json;
use strata_components::desired::{Instance, KUBERNETES};

use super::*;

fn desired(manifests: &[Value]) -> Desired {
    let mut desired = Desired {
        instance: Instance { stack: "shop".into(), environment: "dev".into(), suffix: None },
        namespaces: vec!["shop".into()],
        phases: Vec::new(),
        resources: Vec::new(),
        claims: Default::default(),
        ownership: Default::default(),
        needs: Default::default(),
        outputs: Default::default(),
        blue_green: Default::default(),
        notes: Vec::new(),
    };
    for (number, manifest) in manifests.iter().enumerate() {
        desired.add(None, &format!("object-{number}"), manifest.clone()).unwrap();
    }
    desired
}

fn secret(data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "shop"}, "data": data})
}

fn deployment(env: &Value) -> Value {
    let container = json!({"name": "server", "env": env, "envFrom": [{"secretRef": {"name": "keys"}}]});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [container]}}}})
}

fn id(name: &str) -> ResourceId {
    ResourceId {
        provider: KUBERNETES.into(),
        target: "local".into(),
        kind: Kind { group: String::new(), version: "v1".into(), kind: "Secret".into() },
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

fn key() -> Key {
    Key::kept([7; 32])
}

/// What is withheld of the last of these objects, by place, as it would be sent.
#[track_caller]
fn check(manifests: &[Value], expect: &[(&str, Value)]) {
    let mut all = desired(manifests);
    let secrets = Secrets::withhold(&mut all);
    let resource = all.resources.last().unwrap();
    let found = secrets.values.get(&resource.id).cloned().unwrap_or_default();
    let expect: BTreeMap<String, Value> = expect.iter().map(|(path, value)| ((*path).into(), value.clone())).collect();
    assert_eq!(found, expect);
    let withheld: Vec<String> =
        secrets.places.withheld(&resource.manifest).into_iter().map(|place| place.path).collect();
    assert_eq!(withheld.len(), expect.len(), "{}", resource.manifest);
    assert_eq!(secrets.exposed(&resource.manifest), None, "{}", resource.manifest);
}

#[test]
fn what_is_secret_is_withheld_wherever_it_stands() {
    check(&[secret(&json!({"a": "YQ=="}))], &[(".data.a", "YQ==".into())]);
    check(&[secret(&json!({"tls.key": "YQ=="}))], &[(".data[\"tls.key\"]", "YQ==".into())]);
    let of = |more: Value| {
        let mut secret = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}});
        secret.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        [secret]
    };
    check(&of(json!({"stringData": {"a": "x", "b": 7}})), &[(".data.a", "eA==".into()), (".stringData.b", 7.into())]);
    check(
        &of(json!({"data": "all", "binaryData": {"a": ["b"]}})),
        &[(".binaryData.a[0]", "b".into()), (".data", "all".into())],
    );
    check(&of(json!({"data": {"a": "(secret)"}})), &[(".data.a", "(secret)".into())]);

    let env = json!([{"name": "LOG", "value": "debug"}, {"name": "DB_PASSWORD", "value": "hunter2"},
        {"name": "URL", "value": "postgres://a:b@c"}, {"name": "API_KEY", "valueFrom": {}},
        {"name": "URL", "value": "postgres://d:e@f"}]);
    let at = |name: &str| format!(".spec.template.spec.containers[server].env[{name}].value");
    check(
        &[deployment(&env)],
        &[
            (&at("DB_PASSWORD"), "hunter2".into()),
            (&at("URL"), "postgres://a:b@c".into()),
            (&at("4"), "postgres://d:e@f".into()),
        ],
    );
    let mut applied = deployment(&json!([]));
    applied["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}", "a": "b"});
    let path = ".metadata.annotations[\"kubectl.kubernetes.io/last-applied-configuration\"]";
    check(&[applied], &[(path, "{}".into())]);
}

#[test]
fn a_known_value_is_withheld_in_every_other_place() {
    let known = secret(&json!({"password": STANDARD.encode("hunter2+x")}));
    let map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "shop"}, "data": data});
    for text in ["hunter2+x", "user:hunter2+x@db", "aHVudGVyMit4", "hunter2%2Bx"] {
        check(&[known.clone(), map(json!({"a": text, "b": "hunter"}))], &[(".data.a", text.into())]);
    }
    let mut noted = map(json!({}));
    noted["metadata"]["annotations"] = json!({"example.com/note": "hunter2+x"});
    noted["metadata"]["labels"] = json!({"app": "hunter2-x", "no-label": "hunter2+x"});
    let annotation = ".metadata.annotations[\"example.com/note\"]";
    check(&[known, noted], &[(annotation, "hunter2+x".into()), (".metadata.labels.no-label", "hunter2+x".into())]);
    check(&[map(json!({"token": "x", "PASSWORD": "hunter2"}))], &[]);
}

#[test]
fn what_is_sealed_is_what_was_withheld() {
    let manifests =
        [secret(&json!({"password": "aHVudGVyMg=="})), deployment(&json!([{"name": "API_TOKEN", "value": "canary"}]))];
    let before = desired(&manifests);
    let mut all = before.clone();
    let secrets = Secrets::withhold(&mut all);
    assert_eq!(format!("{secrets:?} {:?}", key()), "Secrets(2 values of 2 objects) Key(…)");
    let text = |desired: &Desired| serde_json::to_string(&desired.resources).unwrap();
    assert!(!text(&all).contains("aHVudGVyMg") && !text(&all).contains("canary"));
    let sealed = secrets.seal(&all, Some(&key()));
    assert!(text(&sealed).contains(PREFIX) && !text(&sealed).contains(HIDDEN));
    for (sealed, before) in sealed.resources.iter().zip(&before.resources) {
        let mut revealed = secrets.reveal(&sealed.id, &sealed.manifest, &key()).unwrap().into_owned();
        if let Some(template) = revealed.pointer_mut("/spec/template").and_then(Value::as_object_mut) {
            template.remove("metadata");
        }
        assert_eq!(revealed, before.manifest);
    }
    // Without a key the places stay, and with one they are filled in later.
    let open = secrets.seal(&all, None);
    assert_eq!(secrets.seal(&open, Some(&key())), sealed);
    assert!(text(&open).contains("keys=(secret)"));
    // A key that nobody keeps leaves no trace.
    let mut passing = serde_json::to_value(secrets.seal(&all, Some(&Key::passing([7; 32])))).unwrap();
    forget_passing(&mut passing);
    assert_eq!(passing, serde_json::to_value(open).unwrap());
}

#[test]
fn what_was_planned_with_another_value_is_not_sent() {
    let sealed = |password: &str| {
        let mut all = desired(&[secret(&json!({"password": password}))]);
        let secrets = Secrets::withhold(&mut all);
        (secrets.seal(&all, Some(&key())).resources.remove(0), secrets)
    };
    let ((planned, _), (_, now)) = (sealed("b25l"), sealed("dHdv"));
    let reveal = |secrets: &Secrets| secrets.reveal(&planned.id, &planned.manifest, &key()).map(|_| ());
    assert_eq!(reveal(&now), Err(RevealError::Another(".data.password".to_owned())));
    assert_eq!(reveal(&Secrets::default()), Err(RevealError::Missing(".data.password".to_owned())));
}

#[test]
fn a_digest_says_nothing_of_other_places() {
    let digest = |key: &Key, name: &str, path: &str| key.digest(&id(name), path, b"hunter2");
    let all = [
        digest(&key(), "a", ".data.a"),
        digest(&key(), "b", ".data.a"),
        digest(&key(), "a", ".data.b"),
        digest(&Key::kept([8; 32]), "a", ".data.a"),
        digest(&Key::passing([7; 32]), "a", ".data.a"),
    ];
    let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    assert!(all.iter().all(|digest| is_withheld(&digest.as_str().into())));
    assert!(!is_withheld(&format!("{PREFIX}mine").into()));
    assert_eq!(Key::of_text(&key().to_text()).map(|key| key.to_text()), Some(key().to_text()));
    assert!(Key::of_text("c2hvcnQ=").is_none() && Key::of_text("?").is_none());
    assert_eq!(digest(&Key::passing([7; 32]).keep(), "a", ".data.a"), all[0]);
}

/// The digest is HMAC-SHA256 over the parts, each after its length: worked out by another program.
#[test]
fn a_digest_is_an_hmac() {
    assert_eq!(key().digest(&id("keys"), ".data.a", b"hunter2"), "hmac-sha256:36a60e08f53cc0e76446a837ffabbfbf");
}

#[test]
fn what_an_annotation_records_is_known_too() {
    let record = json!({"kind": "Secret", "data": {"a": STANDARD.encode("once-applied")}}).to_string();
    let mut live = secret(&json!({}));
    live["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": record});
    let secrets = Secrets::default();
    secrets.seal_live(&id("keys"), &mut live, &key());
    assert!(!live.to_string().contains("kind\\\""), "{live}");
    assert_eq!(secrets.known().told("it was once-applied"), "it was (secret)");
}

proptest! {
    /// Live and desired objects are equal once they are sealed exactly when they were before.
    #[test]
    fn sealing_keeps_what_is_equal(one in "[a-z]{0,8}[A-Z0-9]{0,8}", other in "[a-z]{0,14}", broken in any::<bool>(),
        same in any::<bool>()) {
        let other = if same { one.clone() } else { other };
        let encoded = STANDARD.encode(&one);
        let (head, tail) = encoded.split_at(encoded.len() / 2);
        let written = if broken { format!("{head}\n{tail}") } else { encoded.clone() };
        let mut all = desired(&[secret(&json!({"a": written}))]);
        let secrets = Secrets::withhold(&mut all);
        let sealed = secrets.seal(&all, Some(&key())).resources.remove(0);
        let mut live = desired(&[secret(&json!({"a": STANDARD.encode(&other)}))]).resources.remove(0).manifest;
        secrets.seal_live(&sealed.id, &mut live, &key());
        prop_assert_eq!(live == sealed.manifest, one == other);
        let told = secrets.known().told(&format!("denied: {other}!")).into_owned();
        let plain = format!("denied: {other}!");
        prop_assert!(told == "denied: (secret)!" || told == plain);
    }
}

#[test]
fn no_digest_without_a_key_is_made_of_what_is_secret() {
    let of = |password: &str| {
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "shop"},
            "data": {"url": format!("user:{password}@db"), "mode": "fast"}});
        let container = json!({"name": "c", "env": [{"name": "DB_PASSWORD", "value": password}],
            "envFrom": [{"configMapRef": {"name": "settings"}}]});
        let template = json!({"metadata": {"labels": {"app.kubernetes.io/name": "cart-job"}}, "spec": {"containers": [container]}});
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template},
            "metadata": {"name": "cart", "namespace": "shop"}});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template}, "metadata": {
            "name": "cart-job", "namespace": "shop", "annotations": {"strata.dev/rerun": "on_change"}}});
        let mut all = desired(&[map, deployment, job]);
        roll_with_config(&mut all);
        let bare = all.clone();
        let secrets = Secrets::withhold(&mut all);
        let mut shown = all.clone();
        secrets.reveal_all(&mut shown).unwrap();
        assert_eq!(shown.resources.len(), bare.resources.len());
        let env = |all: &Desired| {
            let job = all.resources.iter().find(|one| one.id.kind.kind == "Job").unwrap();
            (job.id.name.clone(), job.manifest["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"].clone())
        };
        assert_ne!(env(&shown).0, env(&bare).0, "the name is made anew");
        assert_eq!(env(&shown).1, env(&bare).1);
        let sealed = secrets.seal(&all, Some(&key()));
        (all, sealed)
    };
    let (one, sealed) = of("Zaunkoenig");
    let (other, sealed_other) = of("Goldammer1");
    assert_eq!(one, other);
    let told = |all: &Desired| {
        let deployment = all.resources.iter().find(|one| one.id.kind.kind == "Deployment").unwrap();
        deployment.manifest["spec"]["template"]["metadata"]["annotations"][SECRETS_ANNOTATION]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert!(told(&sealed).starts_with("config-map/settings=hmac-sha256:"), "{}", told(&sealed));
    assert_ne!(told(&sealed), told(&sealed_other), "another value rolls the pods");
}
