//! The device plugin: a DaemonSet for each group of nodes, in a namespace that is an exception and has nothing else.

use serde_json::{Value, json};
use strata_components::compose::{compose, compose_among};
use strata_components::desired::Desired;
use strata_components::model::{Environment, Stack};
use strata_components::needs::Need;

/// A stack with a GPU, and with this device plugin if with any.
fn stack(name: &str, plugin: &Value) -> Stack {
    serde_json::from_value(json!({
        "stack": name, "namespace": "gpu-system", "device_plugin": plugin,
        "tiers": {"all": {"ports": "9000-9009", "namespace": "servers"}},
        "services": {"cart": {"tier": "all", "port": 9000, "gpu": 1}, "till": {"tier": "all", "port": 9001}},
    }))
    .unwrap()
}

fn composed(plugin: &Value, gpu: &Value) -> Desired {
    compose(&stack("gpus", plugin), &environment(gpu), "local", None).unwrap()
}

fn environment(gpu: &Value) -> Environment {
    serde_json::from_value(json!({
        "environment": "dev", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local", "gpu": gpu,
        "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
    }))
    .unwrap()
}

fn two_groups() -> Desired {
    let plugin = json!({"groups": {"whole": {}, "eighths": {"slices": 8}}, "default_group": "whole", "node_selector": {"gpu": "true"}});
    composed(&plugin, &json!({"runtime_class": {"name": "nvidia", "create": true}}))
}

fn manifest<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    &desired.resources.iter().find(|resource| resource.address == address).unwrap().manifest
}

#[test]
fn each_group_has_a_configuration_of_its_own() {
    let desired = two_groups();
    let data = manifest(&desired, "gpus/device-plugin-config")["data"].as_object().unwrap();
    let read = |file: &str| -> Value { serde_json::from_str(data[file].as_str().unwrap()).unwrap() };
    assert_eq!(data.len(), 2);
    assert_eq!(read("whole.json"), json!({"version": "v1"}));
    let slices = json!([{"name": "nvidia.com/gpu", "replicas": 8}]);
    let sharing =
        json!({"timeSlicing": {"renameByDefault": true, "failRequestsGreaterThanOne": true, "resources": slices}});
    assert_eq!(read("eighths.json"), json!({"version": "v1", "sharing": sharing}));
}

#[test]
fn a_node_has_the_plugin_of_one_group() {
    let desired = two_groups();
    let terms = |group: &str| {
        let set = manifest(&desired, &format!("gpus/device-plugin-{group}"));
        let pod = &set["spec"]["template"]["spec"];
        assert_eq!(pod["nodeSelector"], json!({"gpu": "true"}));
        assert_eq!(pod["containers"][0]["env"][0]["value"], format!("/config/{group}.json"));
        pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"].clone()
    };
    let label = "nvidia.com/device-plugin.config";
    let named = |group: &str| json!({"matchExpressions": [{"key": label, "operator": "In", "values": [group]}]});
    assert_eq!(terms("eighths"), json!([named("eighths")]));
    let unnamed = json!({"matchExpressions": [{"key": label, "operator": "DoesNotExist"}]});
    assert_eq!(terms("whole"), json!([named("whole"), unnamed]));
}

#[test]
fn its_namespace_alone_is_an_exception() {
    let desired = two_groups();
    let standard =
        |address: &str| manifest(&desired, address)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"].clone();
    assert_eq!(
        (standard("gpus/namespace"), standard("gpus/namespace-servers")),
        (json!("privileged"), json!("restricted"))
    );
    let own = desired.resources.iter().filter(|resource| resource.id.namespace.as_deref() == Some("gpu-system"));
    assert!(own.clone().all(|resource| resource.service.is_none()));
    let closed = manifest(&desired, "gpus/device-plugin-policy");
    assert_eq!(closed["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!((&closed["spec"]["ingress"], &closed["spec"]["egress"]), (&Value::Null, &Value::Null));
}

/// The class is made where the cluster brings none, and pods with a GPU run under it either way.
#[test]
fn a_runtime_class_is_required_or_made() {
    let classes = |gpu: Value| {
        let desired = composed(&json!({"groups": {"whole": {}}}), &gpu);
        let made = desired
            .resources
            .iter()
            .find(|resource| resource.id.kind.kind == "RuntimeClass")
            .map(|made| made.manifest["handler"].clone());
        let of = |address: &str| manifest(&desired, address)["spec"]["template"]["spec"]["runtimeClassName"].clone();
        (made, of("gpus/cart/deployment"), of("gpus/device-plugin-whole"))
    };
    let name = || json!("nvidia");
    assert_eq!(classes(json!({})), (None, Value::Null, Value::Null));
    assert_eq!(classes(json!({"runtime_class": {"name": "nvidia"}})), (None, name(), name()));
    assert_eq!(classes(json!({"runtime_class": {"name": "nvidia", "create": true}})), (Some(name()), name(), name()));
    let none = json!({"policy": "none", "runtime_class": {"name": "nvidia"}});
    assert_eq!(classes(none), (None, Value::Null, name()));
}

/// Pods with a GPU wait for the class, unless their own stack makes it; others wait for nothing.
#[test]
fn a_runtime_class_that_comes_from_elsewhere_is_waited_for() {
    #[track_caller]
    fn check(plugin: &Value, create: bool, others: &[&Stack], expect: &[&str]) {
        let environment = environment(&json!({"runtime_class": {"name": "nvidia", "create": create}}));
        let desired = compose_among(&stack("shop", plugin), &environment, "local", None, others).unwrap();
        let told = |(service, needs): (&String, &Vec<Need>)| {
            needs.iter().map(|need| format!("{service}: {need}")).collect::<Vec<_>>()
        };
        assert_eq!(desired.needs.iter().flat_map(told).collect::<Vec<_>>(), expect);
    }
    let plugin = json!({"groups": {"whole": {}}});
    let (gpus, other) = (stack("gpus", &plugin), stack("other", &Value::Null));
    check(&plugin, true, &[], &[]);
    check(&plugin, false, &[], &["cart: RuntimeClass nvidia"]);
    check(&Value::Null, true, &[&other, &gpus], &["cart: RuntimeClass nvidia of the stack gpus"]);
    check(&Value::Null, false, &[&other, &gpus], &["cart: RuntimeClass nvidia"]);
}
