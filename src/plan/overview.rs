//! The fleet as a whole, as a plan makes it: who has which port, who can talk to whom, what nodes carry. A plan has it for
//! those who read it, also where only the plan is at hand; nothing is decided by it, and a plan without it is carried out
//! alike.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strata_components::desired::{Desired, Resource};

use super::planner::digest;
use super::types::{Action, Cause, Order, Plan, Step};
use crate::check::capacity::loads::{Load, loads};
use crate::check::isolation::{Direction, Matrix, network};
use crate::check::reach::{PortSet, Reach};
use crate::check::registry::{self, Registry};
use crate::finding::Finding;
use crate::load::Loaded;

/// The fleet as it is once a plan is carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overview {
    /// The tiers by their ports, each with who has which.
    pub ports: Vec<TierPorts>,
    /// Who takes part in connections: the workloads of the stack, and who they have to do with.
    pub peers: Vec<Peer>,
    /// What is open between peers. What is not listed is closed.
    pub connections: Vec<Connection>,
    /// What is open between the stack's own peers and addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressConnection>,
    /// What nodes carry, on one placement that works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeLoad>,
    /// Why nothing is said of nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes_unknown: Option<String>,
    /// Workloads that go; what they ask for is not part of what nodes carry before, because a plan does not know it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes_without: Vec<String>,
}

/// The ports of a tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TierPorts {
    /// The tier.
    pub tier: String,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its lowest port.
    pub first: u16,
    /// Its highest port.
    pub last: u16,
    /// The ports that services have, lowest first.
    pub taken: Vec<ServicePort>,
}

/// The port that a service has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServicePort {
    /// The port.
    pub port: u16,
    /// Where it serves health and metrics.
    pub health_port: u16,
    /// The service.
    pub service: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

/// Pods that are alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// The service or the part of the cluster, or else the workload.
    pub name: String,
    /// Whether they are of the stack itself.
    pub own: bool,
}

/// What one peer may say to another: ports as people write them, such as `TCP 9000-9001`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// Who connects: the place in `peers`, from 0.
    pub from: usize,
    /// Who is connected to: the place in `peers`, from 0.
    pub to: usize,
    /// Ports that are certainly open.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub open: String,
    /// Ports that policies let through and the mesh refuses.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused: String,
    /// Ports that may be open beside those.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub perhaps: String,
}

/// What a peer and addresses may say to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AddressConnection {
    /// The place in `peers`, from 0.
    pub peer: usize,
    /// Whether the peer connects; otherwise it is connected to.
    pub out: bool,
    /// The ports.
    pub ports: String,
    /// The addresses, for people.
    pub addresses: String,
}

/// What a node carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeLoad {
    /// The node.
    pub node: String,
    /// By resource, in the order of their names.
    pub resources: Vec<ResourceLoad>,
}

/// What a node carries of a resource: CPU in thousandths of a core, memory in bytes, everything else counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceLoad {
    /// The resource, by its Kubernetes name.
    pub resource: String,
    /// What there is for pods.
    pub whole: u64,
    /// What the instance's pods ask for before the plan is carried out.
    pub before: u64,
    /// What they ask for after.
    pub after: u64,
}

impl Plan {
    /// The plan with an overview of the fleet and with what policies have to say of it, and with the digest that it then has.
    #[must_use]
    pub fn for_readers(mut self, overview: Option<Overview>, findings: Vec<Finding>) -> Self {
        (self.overview, self.findings) = (overview, findings);
        self.digest = String::new();
        self.digest = digest(&self);
        self
    }
}

impl Overview {
    /// The fleet as `plan` makes it, of which `desired` was composed from `loaded`.
    #[must_use]
    pub fn of(plan: &Plan, desired: &Desired, loaded: &Loaded) -> Self {
        let tiers = Registry::of(&loaded.stack, &loaded.environment).tiers;
        let mut overview = Self { ports: tiers.into_iter().map(ports).collect(), ..Self::default() };
        overview.who_talks(desired, loaded);
        let Carried { nodes, nodes_unknown, nodes_without } = Carried::of(&[(plan, desired, loaded)]);
        Self { nodes, nodes_unknown, nodes_without, ..overview }
    }

    fn who_talks(&mut self, desired: &Desired, loaded: &Loaded) {
        let (network, cast) = network(desired, loaded, &[]);
        let matrix = Matrix::of(&Reach::of(&network), &cast);
        let place = |name: &String| matrix.pods.iter().position(|pods| pods.name == *name);
        let told = |ports: &PortSet| if ports.is_empty() { String::new() } else { ports.to_string() };
        for pair in &matrix.pairs {
            let (Some(from), Some(to)) = (place(&pair.from), place(&pair.to)) else { continue };
            let (open, refused, perhaps) = (told(&pair.open), told(&pair.refused), told(&pair.perhaps));
            self.connections.push(Connection { from, to, open, refused, perhaps });
        }
        for outside in &matrix.addresses {
            let Some(peer) = place(&outside.pods) else { continue };
            let (ports, addresses) = (told(&outside.ports), outside.shown.clone());
            self.addresses.push(AddressConnection { peer, out: outside.direction == Direction::Out, ports, addresses });
        }
        let called = |name: String, called: Option<String>| called.unwrap_or(name);
        self.peers =
            matrix.pods.into_iter().map(|pods| Peer { name: called(pods.name, pods.called), own: pods.own }).collect();
    }
}

/// What nodes carry of the fleets that plans make, which may share them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// What nodes carry, on one placement that works.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeLoad>,
    /// Why nothing is said of nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes_unknown: Option<String>,
    /// Workloads that go; what they ask for is not part of what nodes carry before, because a plan does not know it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes_without: Vec<String>,
}

impl Carried {
    /// What the nodes of one environment carry of all these: each a plan, what it is towards, and what that was composed
    /// from.
    #[must_use]
    pub fn of(plans: &[(&Plan, &Desired, &Loaded)]) -> Self {
        let mut carried = Self::default();
        let target = plans.iter().flat_map(|(_, desired, _)| &desired.resources).next();
        let target = target.map_or("", |resource| resource.id.target.as_str());
        let was: Vec<Desired> = plans.iter().map(|(plan, desired, _)| before(plan, desired)).collect();
        let was: Vec<(&Desired, &Loaded)> = was.iter().zip(plans).map(|(was, (.., loaded))| (was, *loaded)).collect();
        let is: Vec<(&Desired, &Loaded)> = plans.iter().map(|(_, desired, loaded)| (*desired, *loaded)).collect();
        match loads(&was, &is, target) {
            Ok(nodes) => carried.nodes = nodes.into_iter().map(load).collect(),
            Err(unknown) => carried.nodes_unknown = Some(unknown.to_owned()),
        }
        for (plan, desired, _) in plans {
            let gone = plan.steps().filter(|step| {
                let makes_pods =
                    matches!(step.id.kind.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "Job");
                let gives_way = step.causes.iter().any(|cause| matches!(cause, Cause::OtherColour { .. }));
                makes_pods
                    && step.action == Action::Delete
                    && !gives_way
                    && desired.resources.iter().all(|one| one.id != step.id)
            });
            carried.nodes_without.extend(gone.map(|step| step.id.to_string()));
        }
        carried
    }
}

fn ports(tier: registry::TierPorts) -> TierPorts {
    let registry::TierPorts { tier, title, first, last, taken, free: _, free_count: _ } = tier;
    let taken = taken.into_iter().map(|taken| ServicePort {
        port: taken.port,
        health_port: taken.health_port,
        service: taken.service,
        purpose: taken.purpose,
    });
    TierPorts { tier, title, first, last, taken: taken.collect() }
}

fn load(load: Load) -> NodeLoad {
    let resources = load.resources.into_iter();
    let resources = resources.map(|(resource, whole, before, after)| ResourceLoad { resource, whole, before, after });
    NodeLoad { node: load.node, resources: resources.collect() }
}

/// What is desired, put back to what is live as far as the plan tells: what is created is not there, and sizes that change
/// are the old ones.
fn before(plan: &Plan, desired: &Desired) -> Desired {
    let mut before = desired.clone();
    // By their addresses: a workload of another colour has another name, and takes the place of what is there.
    let applied = plan.phases.iter().filter(|phase| phase.order == Order::Apply).flat_map(|phase| &phase.steps);
    let steps: BTreeMap<_, &Step> = applied.map(|step| ((&step.address, &step.id.kind), step)).collect();
    let of = |resource: &Resource| steps.get(&(&resource.address, &resource.id.kind)).copied();
    let turns = |step: &Step| step.causes.iter().any(|cause| matches!(cause, Cause::Turn { from: Some(_), .. }));
    let absent =
        |step: &Step| step.uid.is_none() && !matches!(step.action, Action::Unchanged | Action::Move) && !turns(step);
    before.resources.retain(|resource| of(resource).is_none_or(|step| !absent(step)));
    for resource in &mut before.resources {
        let causes = of(resource).map(|step| step.causes.as_slice());
        causes.into_iter().flatten().for_each(|cause| put_back(resource, cause));
    }
    before
}

/// Where the size of a workload stands.
const REPLICAS: &str = ".spec.replicas";
const CONTAINERS: &str = ".spec.template.spec.containers[name=";

fn put_back(resource: &mut Resource, cause: &Cause) {
    let (Cause::Stack { path, before, .. } | Cause::Drift { path, before, .. }) = cause else { return };
    if path == REPLICAS {
        set(resource.manifest.pointer_mut("/spec"), "replicas", before.as_ref());
        return;
    }
    let Some((container, asks)) = path.strip_prefix(CONTAINERS).and_then(|rest| rest.split_once("].resources")) else {
        return;
    };
    let container = container.trim_matches('"');
    let containers = resource.manifest.pointer_mut("/spec/template/spec/containers").and_then(Value::as_array_mut);
    let one = containers.into_iter().flatten().find(|one| one.get("name").and_then(Value::as_str) == Some(container));
    // `.requests.cpu`, `.requests`, or nothing where all of it changes; names of resources have dots of their own.
    match asks.strip_prefix('.').map(|asks| asks.split_once('.').unwrap_or((asks, ""))) {
        None => set(one, "resources", before.as_ref()),
        Some((section, "")) => set(one.and_then(|one| one.get_mut("resources")), section, before.as_ref()),
        Some((section, name)) => {
            let section = one.and_then(|one| one.get_mut("resources")?.get_mut(section));
            set(section, name, before.as_ref());
        }
    }
}

fn set(parent: Option<&mut Value>, key: &str, value: Option<&Value>) {
    let Some(parent) = parent.and_then(Value::as_object_mut) else { return };
    match value {
        Some(value) => parent.insert(key.to_owned(), value.clone()),
        None => parent.remove(key),
    };
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::check::prove;
    use crate::load::Root;
    use crate::plan::{Policy, Previews, Summary};

    #[track_caller]
    fn check(path: &str, old: Value, pointer: &str) {
        let manifest = json!({"spec": {"replicas": 3, "template": {"spec": {"containers": [
            {"name": "server", "resources": {"requests": {"cpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}}]}}}});
        let mut resource: Resource = serde_json::from_value(json!({
            "id": {"provider": "kubernetes", "target": "t", "group": "apps", "version": "v1", "kind": "Deployment", "name": "a"},
            "address": "s/a/deployment", "phase": 1, "manifest": manifest,
        }))
        .unwrap();
        let before = Some(old.clone()).filter(|old| !old.is_null());
        let cause = Cause::Stack { path: path.to_owned(), before, after: None, owner: None };
        put_back(&mut resource, &cause);
        let mut expect = manifest;
        match (old, pointer.rsplit_once('/').unwrap()) {
            (Value::Null, (parent, key)) => {
                drop(expect.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key))
            }
            (old, (parent, key)) => {
                expect.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.replace("~1", "/"), old);
            }
        }
        assert_eq!(resource.manifest, expect, "{path}");
    }

    #[test]
    fn sizes_are_put_back_to_what_is_live() {
        let server = "/spec/template/spec/containers/0/resources";
        check(".spec.replicas", json!(1), "/spec/replicas");
        check(".spec.replicas", Value::Null, "/spec/replicas");
        let of = |rest: &str| format!(".spec.template.spec.containers[name=\"server\"].resources{rest}");
        check(&of(".requests.cpu"), json!("500m"), &format!("{server}/requests/cpu"));
        check(&of(".limits.nvidia.com/gpu"), json!("4"), &format!("{server}/limits/nvidia.com~1gpu"));
        check(&of(".limits"), Value::Null, &format!("{server}/limits"));
        check(&of(""), json!({}), server);
        check(&of(".requests.memory").replace('"', ""), json!("1Gi"), &format!("{server}/requests/memory"));
    }

    /// Sophia in production, and a plan that does `action` with every object, one of which scales from `replicas`.
    fn sophia(action: &str, uid: Option<&str>, replicas: Option<u32>) -> Overview {
        let root = Root::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let loaded = root.load("sophia", "production").unwrap();
        let desired = prove(&loaded, "local", None).desired.unwrap();
        let steps = desired.resources.iter().map(|resource| {
            let mut step =
                json!({"id": resource.id, "address": resource.address, "action": action, "causes": [], "stage": 0});
            if let Some(uid) = uid {
                step["uid"] = uid.into();
            }
            if let Some(replicas) = replicas.filter(|_| resource.address == "sophia/redis_cache/deployment") {
                step["causes"] = json!([{"cause": "stack", "path": REPLICAS, "before": replicas}]);
            }
            step
        });
        let mut plan = json!({
            "format": "strata.plan/v2", "instance": {"stack": "sophia", "environment": "production"}, "field_manager": "",
            "target": {"name": "local", "identity": "", "version": ""}, "inputs": "", "policy": Policy::default(),
            "kept": [], "unlisted": [], "namespaces": [], "previews": Previews::default(), "digest": "",
            "summary": Summary::default(),
        });
        plan["phases"] = json!([{"order": "apply", "number": 1, "name": "a", "steps": steps.collect::<Vec<_>>()}]);
        Overview::of(&serde_json::from_value(plan).unwrap(), &desired, &loaded)
    }

    /// What all nodes carry of a resource, before and after.
    fn carried(overview: &Overview, resource: &str) -> (u64, u64) {
        let loads = overview.nodes.iter().flat_map(|node| &node.resources).filter(|load| load.resource == resource);
        loads.fold((0, 0), |sum, load| (sum.0 + load.before, sum.1 + load.after))
    }

    #[test]
    fn nodes_carry_nothing_before_and_the_fleet_after() {
        let made = sophia("create", None, None);
        assert_eq!(made.nodes.len(), 18);
        // As production's file says.
        assert_eq!(carried(&made, "nvidia.com/gpu"), (0, 14));
        assert!(made.nodes.iter().flat_map(|node| &node.resources).all(|load| load.after <= load.whole));
        let same = sophia("unchanged", Some("u"), None);
        assert!(same.nodes.iter().flat_map(|node| &node.resources).all(|load| load.before == load.after));
        assert_eq!(carried(&same, "cpu").1, carried(&made, "cpu").1);
        // What stays, stays where it is: only what is added differs.
        let grown = sophia("update", Some("u"), Some(1));
        let moved =
            grown.nodes.iter().filter(|node| node.resources.iter().any(|load| load.before != load.after)).count();
        let (before, after) = carried(&grown, "pods");
        assert_eq!((after, u64::try_from(moved).unwrap()), (carried(&made, "pods").1, after - before));
    }

    #[test]
    fn ports_and_connections_are_those_of_the_stack() {
        let overview = sophia("create", None, None);
        assert_eq!(overview.ports.iter().map(|tier| tier.taken.len()).sum::<usize>(), 35);
        let name = |at: usize| overview.peers.get(at).map_or("", |peer| peer.name.as_str());
        let is_open = |from: &str, to: &str| {
            overview.connections.iter().any(|one| name(one.from) == from && name(one.to) == to && !one.open.is_empty())
        };
        assert!(is_open("hubspot", "mcp_orchestrator"));
        assert!(!is_open("hubspot", "gong"));
    }
}
