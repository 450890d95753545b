//! What sophia asks for, per environment and tier, and what its objects look like.

use std::collections::BTreeMap;
use std::fmt::Write;

use snapbox::{assert_data_eq, file};
use strata_components::compose::compose;
use strata_components::desired::Desired;

use crate::fleet::{ENVIRONMENTS, composed, environment, read, sophia};

/// Services, pods at the floor and at the most, GPUs at the floor and at the most, thousandths of a core and
/// mebibytes at the floor, with what the mesh's proxy in each pod asks for.
type Figures = [u64; 7];

fn figures(desired: &Desired) -> BTreeMap<&str, Figures> {
    let mut tiers: BTreeMap<&str, Figures> = BTreeMap::new();
    for claim in &desired.claims.compute {
        let (floor, most, gpus) = (u64::from(claim.replicas), u64::from(claim.replicas_max), u64::from(claim.gpus));
        let mebibytes = claim.memory_bytes >> 20;
        let more = [1, floor, most, gpus * floor, gpus * most, claim.cpu_millis * floor, mebibytes * floor];
        for tier in [claim.tier.as_str(), "all"] {
            let sums = tiers.entry(tier).or_default();
            for (sum, more) in sums.iter_mut().zip(more) {
                *sum += more;
            }
        }
    }
    tiers
}

#[track_caller]
fn check(environment: &str, expected: [(&str, Figures); 6]) {
    assert_eq!(figures(&composed(environment)), BTreeMap::from(expected), "{environment}");
}

/// Port, pods, thousandths of a core, mebibytes and GPUs of each server of the stack `intelligence`, without a mesh.
#[test]
fn the_domain_servers_are_as_big_as_they_are_to_be() {
    let mut production = environment("production");
    production.mesh = None;
    let desired = compose(&read("stacks/intelligence.yaml"), &production, "local", None).unwrap();
    let servers = desired.claims.compute.iter().filter(|claim| claim.tier == "intelligence").map(|claim| {
        let port = desired.claims.ports.iter().find(|port| port.service == claim.service).unwrap().port;
        let gpus = (claim.gpus, claim.gpu_resource.as_str());
        (claim.service.as_str(), port, claim.replicas, claim.cpu_millis, claim.memory_bytes >> 20, gpus)
    });
    let expect = [
        ("ai_intelligence", 8091, 2, 2000, 4096, (1, "nvidia.com/gpu")),
        ("business_intelligence", 8094, 1, 1000, 2048, (0, "")),
        ("data_intelligence", 8092, 1, 1000, 2048, (0, "")),
        ("infrastructure_intelligence", 8093, 1, 1000, 2048, (0, "")),
    ];
    assert_eq!(servers.collect::<Vec<_>>(), expect);
    assert_eq!(desired.namespaces, ["sophia-ai"]);
}

#[test]
fn production_asks_for_14_gpus_and_for_16_at_the_most() {
    check(
        "production",
        [
            ("core", [8, 18, 20, 5, 7, 13_300, 19_200]),
            ("business", [8, 12, 12, 5, 5, 7_950, 13_568]),
            ("development", [7, 7, 7, 2, 2, 3_950, 6_272]),
            ("infrastructure", [7, 7, 7, 0, 0, 2_450, 2_688]),
            ("experimental", [5, 5, 5, 2, 2, 3_250, 5_504]),
            ("all", [35, 49, 51, 14, 16, 30_900, 47_232]),
        ],
    );
}

#[test]
fn staging_caps_pods_and_shares_gpus() {
    check(
        "staging",
        [
            ("core", [8, 15, 16, 3, 4, 10_500, 14_208]),
            ("business", [8, 12, 12, 5, 5, 7_950, 13_568]),
            ("development", [7, 7, 7, 2, 2, 3_950, 6_272]),
            ("infrastructure", [7, 7, 7, 0, 0, 2_450, 2_688]),
            ("experimental", [5, 5, 5, 2, 2, 3_250, 5_504]),
            ("all", [35, 46, 47, 12, 13, 28_100, 42_240]),
        ],
    );
}

#[test]
fn development_and_testing_have_one_pod_each_and_no_gpus() {
    for environment in ["development", "testing"] {
        check(
            environment,
            [
                ("core", [8, 8, 8, 0, 0, 5_000, 7_168]),
                ("business", [8, 8, 8, 0, 0, 4_250, 7_424]),
                ("development", [7, 7, 7, 0, 0, 3_250, 5_376]),
                ("infrastructure", [7, 7, 7, 0, 0, 1_750, 1_792]),
                ("experimental", [5, 5, 5, 0, 0, 2_750, 4_864]),
                ("all", [35, 35, 35, 0, 0, 17_000, 26_624]),
            ],
        );
    }
}

#[test]
fn what_gave_way_is_noted() {
    let notes = ENVIRONMENTS.map(|environment| {
        composed(environment)
            .notes
            .into_iter()
            .map(|note| format!("{}: {}", note.path, note.message))
            .collect::<Vec<_>>()
    });
    assert_eq!(
        notes,
        [
            vec![
                "services.ai_memory.autoscale.min: ai_memory has 3 replicas, and an autoscaler that could go down to 2: \
                 the higher floor, 3, holds"
            ],
            vec![
                "services.ai_memory.autoscale.max: ai_memory could grow to 5 pods: staging allows 2, and its autoscaler \
                 acts below that"
            ],
            vec![],
            vec![],
        ]
    );
}

/// Every phase with its services, and every resource on a line of its own, in every environment.
#[test]
fn the_inventory_of_every_environment() {
    for environment in ENVIRONMENTS {
        let desired = composed(environment);
        let mut text = String::new();
        for phase in &desired.phases {
            writeln!(text, "phase {} {}: {}", phase.number, phase.name, phase.services.join(" ")).unwrap();
        }
        for resource in &desired.resources {
            writeln!(text, "{} {} {}", resource.phase, resource.address, resource.id).unwrap();
        }
        let path = format!("{}/tests/golden/inventory-{environment}.txt", env!("CARGO_MANIFEST_DIR"));
        assert_data_eq!(text, snapbox::Data::read_from(path.as_ref(), None).raw());
    }
}

/// Whole objects: what belongs to the stack, a service with a GPU, an autoscaler and dependencies, and the gateway.
#[test]
fn whole_objects_of_production() {
    let mut text = String::new();
    for resource in composed("production").resources {
        // Tiers are watched alike: one of them is shown.
        let watches = ["monitor-", "alerts-", "dashboard-"].iter().any(|what| resource.address.contains(what));
        if watches && !resource.address.ends_with("-core") {
            continue;
        }
        if matches!(resource.service.as_deref(), None | Some("ai_memory" | "mcp_orchestrator")) {
            writeln!(text, "---\n{}", serde_saphyr::to_string(&resource.manifest).unwrap().trim_end()).unwrap();
        }
    }
    assert_data_eq!(text, file!["../golden/objects-production.yaml"].raw());
}

/// The claims of development, whole.
#[test]
fn claims_of_development() {
    let text = serde_json::to_string_pretty(&composed("development").claims).unwrap() + "\n";
    assert_data_eq!(text, file!["../golden/claims-development.json"].raw());
}

#[test]
fn every_service_has_the_port_of_the_port_strategy() {
    let stack = sophia();
    let ports: Vec<_> = stack
        .tiers
        .keys()
        .map(|tier| {
            let of_tier = stack.services.iter().filter(|(_, service)| service.tier == *tier);
            let mut ports: Vec<_> = of_tier.map(|(name, service)| (service.port.get(), name.as_str())).collect();
            ports.sort_unstable();
            (tier.as_str(), ports)
        })
        .collect();
    let expected: [(&str, u16, &[&str]); 5] = [
        (
            "business",
            9020,
            &["hubspot", "gong", "slack", "linear", "asana", "notion", "payready_intel", "competitor_analysis"],
        ),
        (
            "core",
            9000,
            &[
                "ai_memory",
                "mcp_orchestrator",
                "qdrant_admin",
                "lambda_inference",
                "unified_chat",
                "portkey_gateway",
                "redis_cache",
                "postgres_manager",
            ],
        ),
        ("development", 9040, &["github", "codacy", "figma", "ui_ux_agent", "v0dev", "prisma", "openrouter_search"]),
        (
            "experimental",
            9080,
            &["experimental_ai", "data_science", "integration_testing", "performance_testing", "prototype_server"],
        ),
        (
            "infrastructure",
            9060,
            &[
                "lambda_labs_cli",
                "estuary_flow",
                "pulumi",
                "docker_manager",
                "kubernetes_ops",
                "monitoring",
                "security_scanner",
            ],
        ),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(tier, first, names)| (*tier, (*first..).zip(names.iter().copied()).collect::<Vec<_>>()))
        .collect();
    assert_eq!(ports, expected);
}

#[test]
fn the_priorities_of_services_with_a_gpu() {
    let desired = composed("production");
    let mut by_priority: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for resource in desired.resources.iter().filter(|resource| resource.id.kind.kind == "Deployment") {
        let labels = &resource.manifest["metadata"]["labels"];
        if labels["gpu-required"] == "true" {
            by_priority
                .entry(labels["priority"].as_str().unwrap())
                .or_default()
                .push(resource.service.as_deref().unwrap());
        }
    }
    by_priority.values_mut().for_each(|names| names.sort_unstable());
    let expected = [
        ("high", vec!["ai_memory", "gong", "lambda_inference", "payready_intel"]),
        ("low", vec!["data_science", "experimental_ai"]),
        ("medium", vec!["competitor_analysis", "ui_ux_agent", "v0dev"]),
    ];
    assert_eq!(by_priority, BTreeMap::from(expected));
}
