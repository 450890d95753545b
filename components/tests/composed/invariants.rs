//! What holds for every object of every environment, of sophia and of stacks made up at random.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use strata_components::compose::compose;
use strata_components::desired::{Desired, Resource};
use strata_components::model::{Cpu, Environment, Memory, Stack};

use crate::fleet::{ENVIRONMENTS, composed, environment, sophia};
use crate::isolation;
use crate::pod_security::violations;

fn of_kind<'a>(desired: &'a Desired, kind: &str) -> Vec<&'a Resource> {
    desired.resources.iter().filter(|resource| resource.id.kind.kind == kind).collect()
}

fn is_dns_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn holds_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(holds_null),
        Value::Object(fields) => fields.values().any(holds_null),
        _ => false,
    }
}

/// Every invariant; a panic names the object that breaks one.
fn check(desired: &Desired) {
    order_and_identity(desired);
    for resource in &desired.resources {
        metadata(desired, resource);
    }
    let services = of_kind(desired, "Service");
    let deployments = of_kind(desired, "Deployment");
    assert_eq!(services.len(), deployments.len());
    for (service, deployment) in services.iter().zip(&deployments) {
        pair(desired, service, deployment);
    }
    numbers(desired, &deployments);
    phases(desired);
    isolation::check(&[desired]);
}

fn order_and_identity(desired: &Desired) {
    let order: Vec<_> = desired.resources.iter().map(|resource| (resource.phase, &resource.address)).collect();
    assert!(order.is_sorted());
    let addresses: BTreeSet<_> = desired.resources.iter().map(|resource| &resource.address).collect();
    let ids: BTreeSet<_> = desired.resources.iter().map(|resource| &resource.id).collect();
    assert_eq!((addresses.len(), ids.len()), (desired.resources.len(), desired.resources.len()));
    let namespaces: Vec<_> = of_kind(desired, "Namespace").into_iter().map(|one| one.id.name.clone()).collect();
    assert_eq!(namespaces.iter().collect::<BTreeSet<_>>(), desired.namespaces.iter().collect::<BTreeSet<_>>());
    let registries = of_kind(desired, "ConfigMap").into_iter().filter(|one| one.id.name == "mcp-port-registry");
    assert_eq!(registries.count(), namespaces.len());
}

fn metadata(desired: &Desired, resource: &Resource) {
    let id = &resource.id;
    let manifest = &resource.manifest;
    assert!(is_dns_label(&id.name), "{id}");
    assert!(!holds_null(manifest), "{id}");
    assert_eq!(manifest["apiVersion"], id.kind.api_version());
    assert_eq!(manifest["kind"], id.kind.kind);
    assert_eq!(manifest["metadata"]["name"], id.name);
    assert_eq!(manifest["metadata"].get("namespace").and_then(Value::as_str), id.namespace.as_deref());
    match &id.namespace {
        Some(namespace) => assert!(desired.namespaces.contains(namespace), "{id}"),
        None if id.kind.kind == "Namespace" => {}
        None => assert!(id.name.starts_with(&desired.instance.name()), "{id} does not carry the instance"),
    }
    let annotations = &manifest["metadata"]["annotations"];
    assert_eq!(annotations["strata.dev/address"], resource.address);
    assert_eq!(annotations["strata.dev/phase"], resource.phase.to_string());
    assert_eq!(annotations.get("strata.dev/tier").and_then(Value::as_str), resource.tier.as_deref());
    let depends_on = Some(resource.depends_on.join(",")).filter(|names| !names.is_empty());
    assert_eq!(annotations.get("strata.dev/depends-on").and_then(Value::as_str), depends_on.as_deref());
    let labels = &manifest["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/instance"], desired.instance.name());
    assert_eq!(labels["app.kubernetes.io/part-of"], desired.instance.stack);
    assert_eq!(labels["app.kubernetes.io/managed-by"], "strata");
    for (key, value) in labels.as_object().unwrap() {
        assert!(value.as_str().unwrap().len() <= 63, "{id} {key}");
    }
    if let Some(service) = &resource.service {
        assert_eq!(labels["tier"], *resource.tier.as_ref().unwrap());
        assert_eq!(labels["app.kubernetes.io/name"], format!("{}-mcp", service.replace('_', "-")));
        assert!(["high", "medium", "low"].contains(&labels["priority"].as_str().unwrap()));
        assert!(["true", "false"].contains(&labels["gpu-required"].as_str().unwrap()));
    }
}

/// A Service and the Deployment it stands for.
fn pair(desired: &Desired, service: &Resource, deployment: &Resource) {
    let id = &deployment.id;
    assert_eq!((&service.id.name, &service.id.namespace), (&id.name, &id.namespace));
    let selector = json!({"app.kubernetes.io/name": id.name, "app.kubernetes.io/instance": desired.instance.name()});
    let spec = &deployment.manifest["spec"];
    let pod = &spec["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(spec["selector"], json!({"matchLabels": selector}));
    assert_eq!(service.manifest["spec"]["selector"], selector);
    assert_eq!(pod["topologySpreadConstraints"][0]["labelSelector"], json!({"matchLabels": selector}));
    let mut labels = spec["template"]["metadata"]["labels"].clone();
    let proxy = labels.as_object_mut().unwrap().remove("sidecar.istio.io/inject").is_some();
    assert_eq!(labels, deployment.manifest["metadata"]["labels"]);
    assert_eq!(spec["template"]["metadata"].get("annotations").is_some(), proxy);

    assert_eq!(violations(pod), Vec::<String>::new(), "{id}");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], id.name);
    let account = of_kind(desired, "ServiceAccount").into_iter().find(|one| one.id.name == id.name).unwrap();
    assert_eq!(account.manifest["automountServiceAccountToken"], false);
    let class = pod["priorityClassName"].as_str().unwrap();
    assert!(of_kind(desired, "PriorityClass").iter().any(|one| one.id.name == class), "{id}");

    assert_eq!(service.manifest["spec"]["type"], "ClusterIP");
    let served: Vec<_> = service.manifest["spec"]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| {
            assert_eq!(port["name"], port["targetPort"]);
            assert!(port["name"].as_str().unwrap().len() <= 15);
            json!({"name": port["name"], "containerPort": port["port"]})
        })
        .collect();
    assert_eq!(container["ports"], Value::from(served));
    let env: BTreeMap<_, _> =
        container["env"].as_array().unwrap().iter().map(|one| (one["name"].as_str().unwrap(), &one["value"])).collect();
    assert_eq!(*env["MCP_PORT"], container["ports"][0]["containerPort"].to_string());
    let last = container["ports"].as_array().unwrap().last().unwrap();
    assert_eq!(*env["MCP_HEALTH_PORT"], last["containerPort"].to_string());
    assert_eq!(*env["MCP_TIER"], *deployment.tier.as_ref().unwrap());
    assert_eq!(*env["MCP_PRIORITY"], deployment.manifest["metadata"]["labels"]["priority"]);
    assert_eq!(*env["MCP_GPU_ENABLED"], deployment.manifest["metadata"]["labels"]["gpu-required"]);
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], last["name"]);
    }
    amounts(desired, deployment, container);
}

/// Requests, limits and the rollout of a Deployment, against its claim.
fn amounts(desired: &Desired, deployment: &Resource, container: &Value) {
    let id = &deployment.id;
    let claim = desired.claims.compute.iter().find(|one| Some(&one.service) == deployment.service.as_ref()).unwrap();
    let amount = |side: &str, name: &str| container["resources"][side][name].as_str().unwrap().to_owned();
    for side in ["requests", "limits"] {
        let (cpu, memory) = (amount(side, "cpu"), amount(side, "memory"));
        assert_eq!(cpu.parse::<Cpu>().unwrap().to_string(), cpu, "{id}: not canonical");
        assert_eq!(memory.parse::<Memory>().unwrap().to_string(), memory, "{id}: not canonical");
        let mut names = vec!["cpu", "memory"];
        names.extend((claim.gpus > 0).then_some(claim.gpu_resource.as_str()));
        assert_eq!(container["resources"][side].as_object().unwrap().keys().collect::<Vec<_>>(), names);
        if claim.gpus > 0 {
            assert_eq!(amount(side, &claim.gpu_resource), claim.gpus.to_string());
        }
    }
    // The proxy of a mesh is part of what a pod asks for.
    let annotations = &deployment.manifest["spec"]["template"]["metadata"]["annotations"];
    let proxy = |name: &str| annotations[format!("sidecar.istio.io/{name}")].as_str().map(str::to_owned);
    let cpu = [Some(amount("requests", "cpu")), proxy("proxyCPU")];
    let memory = [Some(amount("requests", "memory")), proxy("proxyMemory")];
    let millis = cpu.iter().flatten().map(|text| text.parse::<Cpu>().unwrap().millis());
    let bytes = memory.iter().flatten().map(|text| text.parse::<Memory>().unwrap().bytes());
    assert_eq!((millis.sum::<u64>(), bytes.sum::<u64>()), (claim.cpu_millis, claim.memory_bytes));
    let rollout = if claim.gpus > 0 {
        json!({"maxSurge": 0, "maxUnavailable": 1})
    } else {
        json!({"maxSurge": "25%", "maxUnavailable": 0})
    };
    assert_eq!(deployment.manifest["spec"]["strategy"], json!({"type": "RollingUpdate", "rollingUpdate": rollout}));
}

/// Who owns the number of pods, and who protects them.
fn numbers(desired: &Desired, deployments: &[&Resource]) {
    let of_service = |kind: &str, service: &str| {
        of_kind(desired, kind).into_iter().find(|one| one.service.as_deref() == Some(service))
    };
    for (claim, deployment) in desired.claims.compute.iter().zip(by_service(deployments)) {
        let service = deployment.service.as_deref().unwrap();
        assert_eq!(claim.service, service);
        let replicas = deployment.manifest["spec"].get("replicas").cloned();
        match of_service("HorizontalPodAutoscaler", service) {
            Some(autoscaler) => {
                let spec = &autoscaler.manifest["spec"];
                assert_eq!(replicas, None);
                assert_eq!(spec["scaleTargetRef"]["name"], deployment.id.name);
                assert_eq!(
                    (&spec["minReplicas"], &spec["maxReplicas"]),
                    (&json!(claim.replicas), &json!(claim.replicas_max))
                );
            }
            None => {
                assert_eq!(replicas, Some(json!(claim.replicas)));
                assert_eq!(claim.replicas, claim.replicas_max);
            }
        }
        let budget = of_service("PodDisruptionBudget", service);
        assert_eq!(budget.is_some(), claim.replicas >= 2, "{service}");
        if let Some(budget) = budget {
            assert_eq!(budget.manifest["spec"]["selector"], deployment.manifest["spec"]["selector"]);
        }
    }
}

fn by_service<'a>(deployments: &[&'a Resource]) -> Vec<&'a Resource> {
    let mut sorted = deployments.to_vec();
    sorted.sort_by_key(|deployment| deployment.service.clone());
    sorted
}

fn phases(desired: &Desired) {
    let numbers: Vec<_> = desired.phases.iter().map(|phase| phase.number).collect();
    assert_eq!(numbers, (0..u32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
    let mut phase_of = BTreeMap::new();
    for phase in &desired.phases {
        for service in &phase.services {
            assert_eq!(phase_of.insert(service.as_str(), phase.number), None);
        }
    }
    for resource in &desired.resources {
        match &resource.service {
            Some(service) => assert_eq!(phase_of[service.as_str()], resource.phase),
            None => assert_eq!(resource.phase, 0),
        }
        for dependency in &resource.depends_on {
            assert!(phase_of[dependency.as_str()] < resource.phase, "{}", resource.id);
        }
    }
}

#[test]
fn they_hold_for_sophia_in_every_environment() {
    for name in ENVIRONMENTS {
        check(&composed(name));
        check(&compose(&sophia(), &environment(name), "local", Some("pr-7")).unwrap());
    }
}

#[test]
fn the_gateway_alone_has_an_ingress() {
    for (name, expected) in ENVIRONMENTS.into_iter().zip([1, 1, 1, 0]) {
        let desired = composed(name);
        let found = of_kind(&desired, "Ingress");
        assert_eq!(found.len(), expected, "{name}");
        assert!(found.iter().all(|ingress| ingress.service.as_deref() == Some("mcp_orchestrator")));
    }
}

/// The environment chooses the way in; whichever it is, it leads to the one gateway.
#[test]
fn the_gateway_api_takes_the_place_of_the_ingress() {
    let mut with = serde_json::to_value(environment("production")).unwrap();
    with["gateway"] = json!({
        "host": "mcp.sophia.example", "gateway_class": "traefik", "tls_secret": "mcp-gateway-tls",
        "controller": {"namespace": "traefik"},
    });
    let desired = compose(&sophia(), &serde_json::from_value(with.clone()).unwrap(), "local", None).unwrap();
    check(&desired);
    assert_eq!(of_kind(&desired, "Ingress").len(), 0);
    let [gateway, route] = ["Gateway", "HTTPRoute"].map(|kind| {
        let [only] = of_kind(&desired, kind).try_into().unwrap();
        assert_eq!(only.service.as_deref(), Some("mcp_orchestrator"));
        &only.manifest
    });
    let listener = json!({
        "name": "https", "hostname": "mcp.sophia.example", "port": 443, "protocol": "HTTPS",
        "tls": {"mode": "Terminate", "certificateRefs": [{"name": "mcp-gateway-tls"}]},
    });
    assert_eq!(gateway["apiVersion"], "gateway.networking.k8s.io/v1");
    assert_eq!(gateway["spec"], json!({"gatewayClassName": "traefik", "listeners": [listener]}));
    let rule = json!({
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"name": "mcp-orchestrator-mcp", "port": 9001}],
    });
    let parent = json!({"name": "mcp-orchestrator-mcp", "sectionName": "https"});
    assert_eq!(route["spec"], json!({"parentRefs": [parent], "hostnames": ["mcp.sophia.example"], "rules": [rule]}));

    with["gateway"]["ingress_class"] = json!("traefik");
    let both = serde_json::from_value::<Environment>(with.clone()).unwrap_err().to_string();
    assert_eq!(both, "the gateway has both an `ingress_class` and a `gateway_class`: name one of the two");
    with["gateway"] = json!({"host": "mcp.sophia.example"});
    let neither = serde_json::from_value::<Environment>(with).unwrap_err().to_string();
    assert_eq!(neither, "the gateway has neither an `ingress_class` nor a `gateway_class`: name one of the two");
}

#[test]
fn a_namespace_holds_no_more_gpus_than_its_services_can_grow_to() {
    for (name, expected) in ENVIRONMENTS.into_iter().zip([
        ("requests.nvidia.com/gpu", "18"),
        ("requests.nvidia.com/gpu.shared", "13"),
        ("requests.nvidia.com/gpu", "0"),
        ("requests.nvidia.com/gpu", "0"),
    ]) {
        let desired = composed(name);
        let [quota] = of_kind(&desired, "ResourceQuota").try_into().unwrap();
        let (key, gpus) = expected;
        assert_eq!(quota.manifest["spec"], json!({"hard": {key: gpus}}), "{name}");
    }
}

/// One switch gives each tier a namespace; names, look-ups, policies and quotas follow.
#[test]
fn a_namespace_for_each_tier() {
    let mut apart = environment("production");
    apart.namespace_per_tier = true;
    let desired = compose(&sophia(), &apart, "local", Some("pr-7")).unwrap();
    check(&desired);
    let tiers = ["business", "core", "development", "experimental", "infrastructure"];
    assert_eq!(desired.namespaces, tiers.map(|tier| format!("mcp-servers-{tier}-pr-7")));
    for resource in &desired.resources {
        if let (Some(tier), Some(namespace)) = (&resource.tier, &resource.id.namespace) {
            assert_eq!(*namespace, format!("mcp-servers-{tier}-pr-7"), "{}", resource.id);
        }
    }
    for registry in of_kind(&desired, "ConfigMap").into_iter().filter(|one| one.id.name == "mcp-port-registry") {
        assert_eq!(registry.manifest["data"]["gong.address"], "gong-mcp.mcp-servers-business-pr-7.svc");
    }
    let quotas: Vec<_> = of_kind(&desired, "ResourceQuota")
        .into_iter()
        .map(|quota| quota.manifest["spec"]["hard"]["requests.nvidia.com/gpu"].as_str().unwrap())
        .collect();
    assert_eq!(quotas, ["5", "9", "2", "2", "0"]);
}

#[test]
fn instances_side_by_side_share_nothing() {
    for name in ENVIRONMENTS {
        let ids = |suffix| {
            let desired = compose(&sophia(), &environment(name), "local", suffix).unwrap();
            desired.resources.into_iter().map(|resource| resource.id).collect::<BTreeSet<_>>()
        };
        let all = [ids(None), ids(Some("pr-7")), ids(Some("pr-8"))];
        assert_eq!(all.iter().flatten().collect::<BTreeSet<_>>().len(), all.iter().map(BTreeSet::len).sum::<usize>());
    }
}

#[test]
fn environments_side_by_side_share_nothing() {
    let all = ENVIRONMENTS.map(|name| composed(name).resources.into_iter().map(|one| one.id).collect::<BTreeSet<_>>());
    assert_eq!(all.iter().flatten().collect::<BTreeSet<_>>().len(), all.iter().map(BTreeSet::len).sum::<usize>());
}

/// A service of a stack made up at random: the services before it that it waits for, replicas, GPUs, whether it has
/// an autoscaler, whether it is a gateway, and which of three rules gives its health port.
type MadeUp = (Vec<usize>, u32, u32, bool, bool, u8);

fn service() -> impl Strategy<Value = MadeUp> {
    (prop::collection::vec(0..8_usize, 0..4), 1..4_u32, 0..3_u32, any::<bool>(), any::<bool>(), 0..3_u8)
}

fn made_up(services: &[MadeUp]) -> Stack {
    let services: BTreeMap<_, _> = services
        .iter()
        .enumerate()
        .map(|(index, (waits_for, replicas, gpu, autoscale, gateway, health))| {
            let waits_for: BTreeSet<_> =
                waits_for.iter().filter(|other| **other < index).map(|other| format!("server_{other}")).collect();
            let rules = [json!("same"), json!("+1000"), json!(12_000 + index)];
            let mut service = json!({
                "tier": if index % 2 == 0 { "even" } else { "odd" }, "port": 9000 + 100 * (index % 2) + index,
                "replicas": replicas, "gpu": gpu, "depends_on": waits_for,
                "health_port": rules[usize::from(*health)],
            });
            if *autoscale {
                service["autoscale"] = json!({"min": 1, "max": 5, "memory": 80});
            }
            if *gateway {
                service["gateway"] = json!({});
                service["sessions"] = json!(true);
                service["rate_limit"] = json!({"requests": 10, "per": "1s"});
            }
            (format!("server_{index}"), service)
        })
        .collect();
    serde_json::from_value(json!({
        "stack": "made-up", "namespace": "servers", "services": services,
        "circuit_breaker": {"connections": 10, "pending": 5, "failures": 3, "ejection": "1m"},
        "tiers": {"even": {"ports": "9000-9099", "critical": true}, "odd": {"ports": "9100-9199", "namespace": "others"}},
    }))
    .unwrap()
}

fn circumstances() -> impl Strategy<Value = Environment> {
    let policy = prop::sample::select(vec!["exclusive", "shared", "none"]);
    let mesh = prop::sample::select(vec![
        json!(null),
        json!({"mode": "sidecar", "cni": true}),
        json!({"mode": "ambient", "limits": false}),
    ]);
    let replicas = (prop::option::of(1..4_u32), prop::option::of(1..4_u32));
    let switches = prop::array::uniform5(any::<bool>());
    (policy, replicas, mesh, switches, 0..3_u16).prop_map(|(policy, (most, least), mesh, switches, hundreds)| {
        let [autoscaling, gateway, monitoring, per_tier, quota] = switches;
        let mut replicas = json!({});
        if let Some(most) = most {
            replicas["max"] = json!(most);
        }
        if let Some(least) = least {
            replicas["critical_min"] = json!(least);
        }
        let mut environment = json!({
            "environment": "somewhere", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
            "image": {"registry": "registry.example", "tag": "1"}, "autoscaling": autoscaling, "replicas": replicas,
            "gpu": {"policy": policy, "node_selector": {"gpu": "true"}, "quota": quota},
            "port_offset": hundreds * 100, "namespaces": {"others": "elsewhere"}, "namespace_per_tier": per_tier,
        });
        if gateway {
            environment["gateway"] = json!({"host": "mcp.example", "ingress_class": "nginx"});
        }
        if monitoring {
            environment["monitoring"] = json!({});
        }
        if !mesh.is_null() {
            environment["mesh"] = mesh;
        }
        serde_json::from_value(environment).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn they_hold_for_stacks_made_up_at_random(
        services in prop::collection::vec(service(), 0..8),
        environment in circumstances(),
        suffix in prop::option::of("[a-z0-9]{1,5}"),
    ) {
        check(&compose(&made_up(&services), &environment, "local", suffix.as_deref()).unwrap());
    }
}
