//! What the mesh of an environment leaves undone, and what it keeps for itself. What it cannot do at all is refused
//! when the stack is composed.

use strata_components::claims::PortUse;
use strata_components::desired::Desired;
use strata_components::model::MeshMode;

use super::place::at_value;
use super::workloads::workloads;
use super::{in_words, rules};
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;

/// The ports on which a sidecar listens, in the network that it shares with the server of its pod
/// (<https://istio.io/latest/docs/ops/deployment/application-requirements/#ports-used-by-istio>).
const SIDECAR_PORTS: [u16; 10] = [15000, 15001, 15002, 15004, 15006, 15008, 15020, 15021, 15053, 15090];
/// The ports that the proxy of a node opens inside the network of each pod of an ambient mesh
/// (<https://github.com/istio/ztunnel/blob/master/ARCHITECTURE.md#ports>), and that of its DNS.
const AMBIENT_PORTS: [u16; 4] = [15001, 15006, 15008, 15053];
/// The user that a sidecar runs as, whose traffic is not led through it
/// (<https://istio.io/latest/docs/ops/deployment/application-requirements/#pod-requirements>).
const PROXY_USER: i64 = 1337;

/// A note where the stack asks for limits on calls, and the environment is told not to enforce them, or cannot.
pub(super) fn check(loaded: &Loaded) -> Option<Finding> {
    let (stack, environment) = (&loaded.stack, &loaded.environment);
    let why = match &environment.mesh {
        None => "has no mesh",
        Some(mesh) if !mesh.limits => "tells its mesh to do without",
        Some(_) => return None,
    };
    // Without a mesh, and beside sidecars, sessions are kept by the address of the client.
    let ambient = environment.mesh.as_ref().is_some_and(|mesh| mesh.mode == MeshMode::Ambient);
    let of_stack = stack.circuit_breaker.is_some().then(|| ("circuit_breaker".to_owned(), "circuit breakers"));
    let of_services = stack.services.iter().flat_map(|(name, service)| {
        let base = field("services", name.as_str());
        let asked = [
            (service.circuit_breaker.is_some(), "circuit_breaker", "circuit breakers"),
            (service.rate_limit.is_some(), "rate_limit", "rate limits"),
            (service.sessions && ambient, "sessions", "sessions"),
        ];
        asked.into_iter().filter(|(asked, ..)| *asked).map(move |(_, key, what)| (field(&base, key), what))
    });
    let asked: Vec<(String, &str)> = of_stack.into_iter().chain(of_services).collect();
    let (path, _) = asked.first()?.clone();
    let kinds = ["circuit breakers", "rate limits", "sessions"];
    let kinds: Vec<&str> = kinds.into_iter().filter(|kind| asked.iter().any(|(_, what)| what == kind)).collect();
    let name = &environment.environment;
    Some(
        Finding::new(&rules::NOT_ENFORCED, format!("{} are not enforced: {name} {why}", in_words(&kinds)))
            .at(loaded.places.stack_key(&path))
            .path(path)
            .help("nothing to do, if that is meant; otherwise give the environment a mesh of sidecars".to_owned()),
    )
}

/// Ports and users that the proxies of the mesh have in the same pods.
pub(super) fn check_objects(desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let Some(mesh) = &loaded.environment.mesh else { return Vec::new() };
    let taken: &[u16] = match mesh.mode {
        MeshMode::Sidecar => &SIDECAR_PORTS,
        MeshMode::Ambient => &AMBIENT_PORTS,
    };
    let mode = loaded.places.environment_value("mesh.mode");
    let mut findings = Vec::new();
    for claim in desired.claims.ports.iter().filter(|claim| taken.contains(&claim.port)) {
        let (key, what) = match claim.purpose {
            PortUse::Protocol => ("port", "answers on"),
            PortUse::Further => ("component", "also answers on"),
            PortUse::Health => ("health_port", "serves health on"),
        };
        let path = field(&field("services", &claim.service), key);
        let message = format!(
            "{path}: {} {what} {}, which the proxy of a mesh in mode {} has in every pod",
            claim.service,
            claim.port,
            mesh.mode.as_str()
        );
        findings.push(
            Finding::new(&rules::PORT_OF_MESH, message)
                .at(loaded.places.stack_value(&path))
                .related(mode.clone(), "the mode")
                .path(path)
                .help("choose a port outside 15000-15099".to_owned()),
        );
    }
    for workload in workloads(desired).iter().filter(|_| mesh.mode == MeshMode::Sidecar) {
        let containers = ["containers", "initContainers"].into_iter().filter_map(|list| workload.pod[list].as_array());
        let contexts = containers.flatten().map(|container| &container["securityContext"]);
        let mut users = contexts.chain([&workload.pod["securityContext"]]).map(|context| &context["runAsUser"]);
        if !users.any(|user| user.as_i64() == Some(PROXY_USER)) {
            continue;
        }
        let message = format!("{}: its pods run as user {PROXY_USER}, as their sidecars do", workload.resource.id);
        let finding = Finding::new(&rules::USER_OF_MESH, message)
            .related(mode.clone(), "the mode")
            .help("set `run_as_user` to another number".to_owned());
        findings.push(at_value(finding, workload.resource.service.as_deref(), "run_as_user", loaded));
    }
    findings
}
