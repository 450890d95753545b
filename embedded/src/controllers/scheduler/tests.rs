//! The scheduler against brute force: for random nodes and pods, every placement keeps what is required, and a pod that
//! is left over fits nowhere.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::facts::PodFacts;
use super::{Picture, Placing, place};
use crate::store::{Change, Key, Object};

fn stored(value: Value) -> Arc<Object> {
    Arc::new(Object::new(value, 1))
}

fn node(number: usize, cpu: i64, zone: usize, tainted: bool, gpus: i64) -> Value {
    let taints = if tainted { json!([{"key": "held", "value": "yes", "effect": "NoSchedule"}]) } else { json!([]) };
    json!({
        "kind": "Node",
        "metadata": {
            "name": format!("n{number}"),
            "labels": {"kubernetes.io/hostname": format!("n{number}"), "zone": format!("z{zone}")},
        },
        "spec": {"taints": taints},
        "status": {"allocatable": {
            "cpu": cpu.to_string(), "memory": "64Gi", "pods": "4", "nvidia.com/gpu": gpus.to_string()}},
    })
}

/// A pod of one of three apps: what it asks for, and which of its requirements it states.
#[derive(Debug, Clone)]
struct Wish {
    app: usize,
    cpu: i64,
    gpus: i64,
    tolerates: bool,
    zone: Option<usize>,
    apart: bool,
    with: Option<usize>,
    spread: bool,
    port: bool,
    priority: i64,
}

fn pod(number: usize, wish: &Wish) -> Value {
    let app = |app: usize| json!({"matchLabels": {"app": format!("a{app}")}});
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let mut pod = json!({
        "kind": "Pod",
        "metadata": {"name": format!("p{number:02}"), "namespace": "d", "labels": {"app": format!("a{}", wish.app)}},
        "spec": {
            "priority": wish.priority,
            "containers": [{"name": "c", "resources": {
                "requests": {"cpu": wish.cpu.to_string(), "nvidia.com/gpu": wish.gpus.to_string()}}}],
        },
    });
    let spec = &mut pod["spec"];
    if wish.tolerates {
        spec["tolerations"] = json!([{"key": "held", "operator": "Exists"}]);
    }
    if let Some(zone) = wish.zone {
        spec["nodeSelector"] = json!({"zone": format!("z{zone}")});
    }
    if wish.apart {
        spec["affinity"]["podAntiAffinity"][required] =
            json!([{"topologyKey": "kubernetes.io/hostname", "labelSelector": app(wish.app)}]);
    }
    if let Some(other) = wish.with {
        spec["affinity"]["podAffinity"][required] = json!([{"topologyKey": "zone", "labelSelector": app(other)}]);
    }
    if wish.spread {
        spec["topologySpreadConstraints"] = json!([{
            "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": app(wish.app)}]);
    }
    if wish.port {
        spec["containers"][0]["ports"] = json!([{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]);
    }
    pod
}

/// What is where: the oracle's own, simple picture.
#[derive(Debug, Default, Clone)]
struct World {
    nodes: Vec<(i64, usize, bool, i64)>,
    placed: BTreeMap<usize, (usize, Wish)>,
}

impl World {
    fn on(&self, node: usize) -> impl Iterator<Item = &Wish> {
        self.placed.values().filter(move |(on, _)| *on == node).map(|(_, wish)| wish)
    }

    fn in_zone(&self, zone: usize, app: usize) -> usize {
        self.placed.values().filter(|(on, wish)| self.nodes[*on].1 == zone && wish.app == app).count()
    }

    /// May the pod be on the node, given everything else?
    fn allows(&self, wish: &Wish, at: usize) -> bool {
        let (cpu, zone, tainted, gpus) = self.nodes[at];
        let fits = self.on(at).map(|w| w.cpu).sum::<i64>() + wish.cpu <= cpu
            && self.on(at).map(|w| w.gpus).sum::<i64>() + wish.gpus <= gpus
            && self.on(at).count() < 4;
        let apart = !self.on(at).any(|other| other.app == wish.app && (wish.apart || other.apart));
        let with = wish.with.is_none_or(|app| {
            let nowhere = self.placed.values().all(|(_, other)| other.app != app);
            self.in_zone(zone, app) > 0 || (nowhere && wish.app == app)
        });
        fits && (!tainted || wish.tolerates)
            && wish.zone.is_none_or(|wanted| wanted == zone)
            && !(wish.port && self.on(at).any(|other| other.port))
            && apart
            && with
            && (!wish.spread || self.spreads(wish, zone))
    }

    /// Is the zone then at most one ahead of the least, of those the pod may go to?
    fn spreads(&self, wish: &Wish, zone: usize) -> bool {
        let zones =
            self.nodes.iter().map(|(_, zone, ..)| *zone).filter(|zone| wish.zone.is_none_or(|only| only == *zone));
        let least = zones.map(|zone| self.in_zone(zone, wish.app)).min().unwrap_or(0);
        self.in_zone(zone, wish.app) < least + 1
    }
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let rare = |chance: f64| prop::bool::weighted(chance);
    let maybe = |max: usize| prop::option::weighted(0.2, 0..max);
    let one =
        ((0..3_usize, 1..4_i64, 0..2_i64, rare(0.3), maybe(2)), (rare(0.2), maybe(3), rare(0.2), rare(0.2), 0..3_i64));
    let wish = one.prop_map(|((app, cpu, gpus, tolerates, zone), (apart, with, spread, port, priority))| Wish {
        app,
        cpu,
        gpus,
        tolerates,
        zone,
        apart,
        with,
        spread,
        port,
        priority,
    });
    prop::collection::vec(wish, 1..14)
}

fn nodes() -> impl Strategy<Value = Vec<(i64, usize, bool, i64)>> {
    prop::collection::vec((2..9_i64, 0..2_usize, prop::bool::weighted(0.3), 0..3_i64), 1..5)
}

fn change(picture: &mut Picture, pod: &Value, node: Option<usize>) {
    let name = pod["metadata"]["name"].as_str().unwrap();
    let after = node.map(|node| {
        let mut placed = pod.clone();
        placed["spec"]["nodeName"] = json!(format!("n{node}"));
        stored(placed)
    });
    picture.pod(&Change { revision: 1, key: Key::new("pods", "d", name), before: None, after });
}

fn check(nodes: Vec<(i64, usize, bool, i64)>, wishes: &[Wish]) -> Result<(), TestCaseError> {
    let mut picture = Picture::default();
    picture.namespace("d", Some(&json!({"metadata": {"name": "d"}})));
    for (number, (cpu, zone, tainted, gpus)) in nodes.iter().enumerate() {
        picture.node(&format!("n{number}"), Some(&stored(node(number, *cpu, *zone, *tainted, *gpus))));
    }
    let mut world = World { nodes, placed: BTreeMap::new() };
    for (number, wish) in wishes.iter().enumerate() {
        let value = pod(number, wish);
        let facts = PodFacts::of(stored(value.clone()));
        let possible: Vec<usize> = (0..world.nodes.len()).filter(|at| world.allows(wish, *at)).collect();
        match place(&picture, &facts, &[], Vec::new) {
            Placing::On(node) => {
                let at: usize = node[1..].parse().unwrap();
                prop_assert!(possible.contains(&at), "p{number:02} is put on {node}; it may go to {possible:?}");
                change(&mut picture, &value, Some(at));
                world.placed.insert(number, (at, wish.clone()));
            }
            Placing::Nowhere { message, .. } => {
                prop_assert!(possible.is_empty(), "p{number:02} may go to {possible:?}: {message}");
            }
            Placing::AfterGoing { node, victims, message } => {
                prop_assert!(possible.is_empty(), "p{number:02} may go to {possible:?}: {message}");
                let at: usize = node[1..].parse().unwrap();
                for victim in &victims {
                    let gone: usize = victim.key.1[1..].parse().unwrap();
                    let (on, other) = world.placed.remove(&gone).unwrap();
                    prop_assert!(on == at && other.priority < wish.priority, "p{gone:02} goes for p{number:02}");
                    change(&mut picture, &pod(gone, &other), None);
                }
                prop_assert!(world.allows(wish, at), "p{number:02} has no room on {node} after {}", victims.len());
                // None of them goes for nothing.
                for victim in &victims {
                    let spared: usize = victim.key.1[1..].parse().unwrap();
                    let mut with = world.clone();
                    with.placed.insert(spared, (at, wishes[spared].clone()));
                    prop_assert!(!with.allows(wish, at), "p{spared:02} need not go for p{number:02}");
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn placements_keep_what_is_required_and_what_is_left_over_fits_nowhere(nodes in nodes(), wishes in wishes()) {
        check(nodes, &wishes)?;
    }
}
