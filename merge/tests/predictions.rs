//! What a prediction says where the server writes values in a form of its own, or where nothing can be said.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use structured_merge::{ApplyOptions, Prediction, Schema, TypeRef, apply, predict};

fn merged(left: &Value, right: &Value) -> Value {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let mut out = left.clone();
            for (key, value) in right {
                let value = out.get(key).map_or_else(|| value.clone(), |under| merged(under, value));
                out.insert(key.clone(), value);
            }
            Value::Object(out)
        }
        _ => right.clone(),
    }
}

struct Kind {
    ty: TypeRef,
    api_version: &'static str,
    kind: &'static str,
}

fn kind(api_version: &'static str, kind: &'static str) -> Kind {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    Kind { ty: Schema::kubernetes().kind(group, version, kind).unwrap(), api_version, kind }
}

impl Kind {
    fn object(&self, part: &Value) -> Value {
        let head = json!({"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": "thing"}});
        merged(&head, part)
    }

    /// Predicts applying `config` again, after the server stored it with `stored` in place of what was sent.
    #[track_caller]
    fn check(&self, config: Value, stored: Value, expected: &str) {
        let config = self.object(&config);
        let created = apply(&self.ty, None, &config, &ApplyOptions::new("me", "2026-01-01T00:00:00Z")).unwrap();
        let live = merged(&created, &stored);
        let found = match predict(&self.ty, &live, &config, "me") {
            Prediction::Unchanged => "unchanged".to_owned(),
            Prediction::Changed { after, conflicts } => {
                assert_eq!(conflicts, []);
                assert_ne!(after, live);
                "changed".to_owned()
            }
            Prediction::Unknown { reason } => reason,
        };
        assert_eq!(found, expected);
    }
}

fn unsure(paths: &str) -> String {
    format!("the server may store these fields in another form: {paths}")
}

#[test]
fn amounts_in_another_form_are_the_same() {
    let quota = kind("v1", "ResourceQuota");
    let hard = |cpu: &str| json!({"spec": {"hard": {"cpu": cpu}}});
    quota.check(hard("1000m"), hard("1"), "unchanged");
    quota.check(hard("0.5"), hard("500m"), "unchanged");
    quota.check(hard("1000m"), hard("2"), "changed");
    // Both are 1024, and each is stored as it is written.
    quota.check(hard("1024"), hard("1Ki"), "changed");
    quota.check(hard("2e3"), hard("2k"), "changed");
    quota.check(hard("2048Mi"), hard("2Gi"), "unchanged");
    quota.check(hard("much"), hard("1"), &unsure(".spec.hard.cpu"));
    let limits = kind("v1", "LimitRange");
    let list = |cpu: &str| json!({"spec": {"limits": [{"type": "Container", "default": {"cpu": cpu}}]}});
    limits.check(list("1000m"), list("1"), "unchanged");
    limits.check(list("1000m"), list("3"), "changed");
}

#[test]
fn amounts_of_custom_resources_are_plain_text() {
    let amount = json!({"type": "string", "pattern": "^[0-9]+m?$"});
    let schema = json!({"type": "object", "properties": {"cpu": amount}});
    let thing =
        Kind { ty: Schema::from_crd_version(&schema, false).unwrap(), api_version: "example.com/v1", kind: "Thing" };
    thing.check(json!({"cpu": "1000m"}), json!({"cpu": "1"}), "changed");
}

#[test]
fn a_port_stays_a_number_or_a_name() {
    let service = kind("v1", "Service");
    let port = |target: Value| json!({"spec": {"ports": [{"port": 80, "targetPort": target}]}});
    service.check(port(json!("80")), port(json!(80)), "changed");
    service.check(port(json!(80)), port(json!(80)), "unchanged");
}

#[test]
fn bytes_are_stored_on_one_line() {
    let secret = kind("v1", "Secret");
    secret.check(json!({"data": {"k": "YWJj\nZGVm\n"}}), json!({"data": {"k": "YWJjZGVm"}}), "unchanged");
    secret.check(json!({"data": {"k": "YWJj"}}), json!({"data": {"k": "YWJk"}}), "changed");
}

#[test]
fn the_annotation_of_client_side_apply_is_a_change() {
    let ty = Schema::kubernetes().kind("", "v1", "ConfigMap").unwrap();
    let head =
        |more: Value| merged(&json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}), &more);
    let annotation =
        |text: &str| json!({"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": text}}});
    let config = head(json!({"data": {"k": "v"}}));
    let options = structured_merge::UpdateOptions::new("kubectl-client-side-apply", "2026-01-01T00:00:00Z");
    let created = merged(&config, &annotation("{}"));
    let live = structured_merge::update(&ty, None, &created, &options).unwrap();
    let options = ApplyOptions::new("kubectl", "2026-01-01T00:01:00Z");
    let once = apply(&ty, Some(&live), &config, &options).unwrap();
    assert_eq!(predict(&ty, &once, &config, "kubectl"), Prediction::Unchanged);
    assert_eq!(apply(&ty, Some(&once), &config, &options).as_ref(), Ok(&once));
    // Somebody wrote another text into it: the next apply by kubectl puts its own there, and by no other manager.
    let stale = merged(&once, &annotation("{\"kind\":\"ConfigMap\"}"));
    let Prediction::Changed { after, conflicts } = predict(&ty, &stale, &config, "kubectl") else {
        unreachable!("the annotation is written anew")
    };
    assert_eq!((&after["metadata"]["annotations"], conflicts.len()), (&once["metadata"]["annotations"], 0));
    let other = apply(&ty, Some(&stale), &config, &ApplyOptions { manager: "other", ..options }).unwrap();
    assert_eq!(predict(&ty, &other, &config, "other"), Prediction::Unchanged);
}

#[test]
fn a_plain_text_is_no_amount() {
    let config_map = kind("v1", "ConfigMap");
    config_map.check(json!({"data": {"cpu": "1000m"}}), json!({"data": {"cpu": "1"}}), "changed");
}

#[test]
fn defaults_beside_what_is_applied_change_nothing() {
    let deployment = kind("apps/v1", "Deployment");
    let config = json!({"spec": {"replicas": 1}});
    deployment.check(config, json!({"spec": {"paused": false, "strategy": {"type": "RollingUpdate"}}}), "unchanged");
}

#[test]
fn defaults_inside_a_whole_list_may_come_back() {
    let policy = kind("networking.k8s.io/v1", "NetworkPolicy");
    let ports = |ports: Value| json!({"spec": {"ingress": [{"ports": ports}]}});
    policy.check(
        ports(json!([{"port": 80}])),
        ports(json!([{"port": 80, "protocol": "TCP"}])),
        &unsure(".spec.ingress[0].ports[0].protocol"),
    );
    policy.check(ports(json!([{"port": 80}])), ports(json!([{"port": 81, "protocol": "TCP"}])), "changed");
    policy.check(ports(json!([{"port": 80}])), ports(json!([{"port": 80}, {"port": 81}])), "changed");
}

#[test]
fn nulls_and_empty_values_may_be_dropped() {
    let config_map = kind("v1", "ConfigMap");
    config_map.check(json!({"data": {"a": null}}), json!({"data": {"a": "x"}}), &unsure(".data.a"));
    let config = config_map.object(&json!({"metadata": {"labels": {}}}));
    let mut live = apply(&config_map.ty, None, &config, &ApplyOptions::new("me", "2026-01-01T00:00:00Z")).unwrap();
    live["metadata"].as_object_mut().unwrap().remove("labels");
    let Prediction::Unknown { reason } = predict(&config_map.ty, &live, &config, "me") else {
        unreachable!("an empty map may be dropped")
    };
    assert_eq!(reason, unsure(".metadata.labels"));
}

#[test]
fn zeros_may_be_dropped() {
    let pod = kind("v1", "Pod");
    let mounts = json!([{"name": "v", "mountPath": "/v", "readOnly": false}]);
    let config = pod.object(&json!({"spec": {"containers": [{"name": "a", "volumeMounts": mounts}]}}));
    let mut live = apply(&pod.ty, None, &config, &ApplyOptions::new("me", "2026-01-01T00:00:00Z")).unwrap();
    live["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    let Prediction::Unknown { reason } = predict(&pod.ty, &live, &config, "me") else {
        unreachable!("a flag that is off may be dropped")
    };
    assert_eq!(reason, unsure(r#".spec.containers[name="a"].volumeMounts[mountPath="/v"].readOnly"#));
}

#[test]
fn moments_may_be_written_in_another_form() {
    let lease = kind("coordination.k8s.io/v1", "Lease");
    lease.check(
        json!({"spec": {"renewTime": "2026-01-01T00:00:00Z"}}),
        json!({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}),
        &unsure(".spec.renewTime"),
    );
}

#[test]
fn what_is_never_given_out_cannot_be_compared() {
    let secret = kind("v1", "Secret");
    let config = secret.object(&json!({"stringData": {"a": "b"}}));
    let mut live = apply(&secret.ty, None, &config, &ApplyOptions::new("me", "2026-01-01T00:00:00Z")).unwrap();
    live.as_object_mut().unwrap().remove("stringData");
    live["data"] = json!({"a": "Yg=="});
    let Prediction::Unknown { reason } = predict(&secret.ty, &live, &config, "me") else {
        unreachable!("the server keeps it elsewhere")
    };
    assert_eq!(reason, unsure(".stringData"));
}

#[test]
fn a_quantity_that_another_owns_is_a_conflict_even_in_another_form() {
    let quota = kind("v1", "ResourceQuota");
    let theirs = quota.object(&json!({"spec": {"hard": {"cpu": "1"}}}));
    let live = apply(&quota.ty, None, &theirs, &ApplyOptions::new("them", "2026-01-01T00:00:00Z")).unwrap();
    let mine = quota.object(&json!({"spec": {"hard": {"cpu": "1000m"}}}));
    let Prediction::Changed { conflicts, .. } = predict(&quota.ty, &live, &mine, "me") else {
        unreachable!("the server compares amounts as they are written")
    };
    let conflicts: Vec<String> = conflicts.iter().map(ToString::to_string).collect();
    assert_eq!(conflicts, [r#"conflict with "them": .spec.hard.cpu"#]);
}

#[test]
fn sharing_an_equal_field_changes_owners_alone() {
    let config_map = kind("v1", "ConfigMap");
    let config = config_map.object(&json!({"data": {"a": "x"}}));
    let live = apply(&config_map.ty, None, &config, &ApplyOptions::new("them", "2026-01-01T00:00:00Z")).unwrap();
    let Prediction::Changed { after, conflicts } = predict(&config_map.ty, &live, &config, "me") else {
        unreachable!("a new owner is a change")
    };
    assert_eq!(conflicts, []);
    assert_eq!(after["data"], live["data"]);
    assert_eq!(structured_merge::diff(&config_map.ty, &live, &after), []);
    assert_eq!(structured_merge::owners(&after).len(), 2);
}

#[track_caller]
fn check_unknown(live: Value, config: Value, expected: &str) {
    let ty = Schema::kubernetes().kind("", "v1", "ConfigMap").unwrap();
    assert_eq!(predict(&ty, &live, &config, "me"), Prediction::Unknown { reason: expected.to_owned() });
}

#[test]
fn what_does_not_fit_cannot_be_predicted() {
    let object =
        |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
    check_unknown(
        object(json!({})),
        object(json!({"a": 1})),
        "the configuration does not fit its schema: .data.a: expected string, got &value.valueUnstructured{Value:1}",
    );
    check_unknown(
        object(json!({"a": 1})),
        object(json!({})),
        "failed to create manager for existing fields: failed to convert new object (/a; /v1, Kind=ConfigMap) to smd \
         typed: .data.a: expected string, got &value.valueUnstructured{Value:1}",
    );
    let mut brings = object(json!({}));
    brings["metadata"]["managedFields"] = json!([]);
    check_unknown(object(json!({})), brings, "metadata.managedFields must be nil");
    let mut broken = object(json!({}));
    broken["metadata"]["managedFields"] = json!([{"operation": "Guess"}]);
    check_unknown(
        broken,
        object(json!({})),
        "failed to decode managed fields: reading metadata.managedFields: operation must be `Apply` or `Update`",
    );
    let mut broken = object(json!({}));
    broken["metadata"]["managedFields"] = json!([{"operation": "Apply", "manager": "me", "apiVersion": "v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"data": {}}}]);
    check_unknown(
        broken,
        object(json!({})),
        "failed to decode managed fields: reading metadata.managedFields: entry 0 has a malformed fieldsV1: \
         reading a field set at \"\": \"data\" is no path element; expected one such as f:name",
    );
}
