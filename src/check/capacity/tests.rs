//! Stacks on nodes that are too small in one way or another, and all that is said about them.

use snapbox::str;

use super::super::tests::{check_nodes, object, shop};
use crate::observe::LiveNode;

const CART: &str = "cart: {tier: back, port: 9000";

#[test]
fn everything_fits_where_there_is_room() {
    check_nodes("- {name: a, cpu: 4, memory: 8Gi}", "", (CART, CART), str![[r#""#]]);
}

#[test]
fn what_does_not_fit_is_named_with_what_is_missing() {
    // Four pods of a quarter of a core, and of 256Mi, on too little of either.
    check_nodes(
        "- {name: a, cpu: 0.5, memory: 8Gi}",
        "",
        (CART, CART),
        str![[r#"
error S-capacity-001 shop:12:3 web: its pod does not fit: beside what else is there, 750m of cpu are asked of nodes that have 500m, 250m too few [one more node like a would do; or ask for less, or run fewer pods]

"#]],
    );
    check_nodes(
        "- {name: a, cpu: 8, memory: 8Gi, pods: 3}",
        "",
        (CART, "cart: {replicas: 2, tier: back, port: 9000"),
        str![[r#"
error S-capacity-001 shop:12:3 web: its pod does not fit: beside what else is there, 4 of pods are asked of nodes that have 3, 1 too few [one more node like a would do; or ask for less, or run fewer pods]

"#]],
    );
    let large =
        "cart: {resources: {requests: {cpu: 3, memory: 1Gi}, limits: {cpu: 3, memory: 1Gi}}, tier: back, port: 9000";
    check_nodes(
        "- {name: a, count: 4, cpu: 2, memory: 8Gi}",
        "",
        (CART, large),
        str![[r#"
error S-capacity-001 shop:10:3 cart: its pod does not fit: each asks for 3 of cpu, and no node that takes them has more than 2 [no more nodes of these kinds would help: ask for less, or describe larger nodes]

"#]],
    );
    let two = "cart: {replicas: 3, resources: {requests: {cpu: 3, memory: 1Gi}, limits: {cpu: 3, memory: 1Gi}}, tier: back, port: 9000";
    check_nodes(
        "- {name: a, count: 2, cpu: 6, memory: 8Gi}\n- {name: b, cpu: 2, memory: 8Gi}",
        "",
        (CART, two),
        str![[r#""#]],
    );
    check_nodes(
        "- {name: a, cpu: 8, memory: 8Gi, taints: [{key: team, value: ops, effect: NoSchedule}]}",
        "",
        (CART, CART),
        str![[r#"
error S-capacity-001 shop:10:3 cart: its pod does not fit: no node takes them: a has the taint team=ops:NoSchedule [no more nodes of these kinds would help: ask for less, or describe larger nodes]
error S-capacity-001 shop:11:3 mail: its pod does not fit: no node takes them: a has the taint team=ops:NoSchedule [no more nodes of these kinds would help: ask for less, or describe larger nodes]
error S-capacity-001 shop:12:3 web: its pod does not fit: no node takes them: a has the taint team=ops:NoSchedule [no more nodes of these kinds would help: ask for less, or describe larger nodes]

"#]],
    );
}

#[test]
fn gpus_are_counted_exactly() {
    let gpus = "cart: {gpu: 1, replicas: 3, tier: back, port: 9000";
    check_nodes("- {name: gpu, count: 3, cpu: 8, memory: 32Gi, gpus: 1}", "", (CART, gpus), str![[r#""#]]);
    check_nodes(
        "- {name: gpu, count: 2, cpu: 8, memory: 32Gi, gpus: 1}",
        "",
        (CART, gpus),
        str![[r#"
error S-capacity-001 shop:10:3 cart: its 3 pods do not fit: beside what else is there, 3 of nvidia.com/gpu are asked of nodes that have 2, 1 too few [one more node like gpu-1 would do; or ask for less, or run fewer pods]

"#]],
    );
    // One share of a GPU for each pod.
    let shared = "gpu: {policy: shared}\n";
    let slices = "- {name: gpu, cpu: 8, memory: 32Gi, gpus: 3, gpu_resource: nvidia.com/gpu.shared}";
    check_nodes(slices, shared, (CART, gpus), str![[r#""#]]);
    check_nodes(
        &slices.replace("gpus: 3", "gpus: 2"),
        shared,
        (CART, gpus),
        str![[r#"
error S-capacity-001 shop:10:3 cart: its 3 pods do not fit: beside what else is there, 3 of nvidia.com/gpu.shared are asked of nodes that have 2, 1 too few [one more node like gpu would do; or ask for less, or run fewer pods]

"#]],
    );
    // Two nodes with three GPUs each hold two pods with two, not three.
    let pairs = "cart: {gpu: 2, replicas: 3, tier: back, port: 9000";
    check_nodes(
        "- {name: gpu, count: 2, cpu: 16, memory: 64Gi, gpus: 3}",
        "",
        (CART, pairs),
        str![[r#"
error S-capacity-001 shop:10:3 cart: its 3 pods do not fit: there is enough of everything in all, but not together on single nodes [one more node like gpu-1 would do; or ask for less, or run fewer pods]

"#]],
    );
    let selector = "gpu: {node_selector: {gpu: \"true\"}}\n";
    check_nodes(
        "- {name: gpu, count: 3, cpu: 8, memory: 32Gi, gpus: 1}",
        selector,
        (CART, gpus),
        str![[r#"
error S-capacity-001 shop:10:3 cart: its 3 pods do not fit: no node takes them: gpu-1 lacks the label gpu=true, and so on for 3 nodes [no more nodes of these kinds would help: ask for less, or describe larger nodes]

"#]],
    );
}

#[test]
fn those_of_lower_priority_are_left_over() {
    // Room for three of the four pods: the scheduler leaves out one of the low ones.
    let high = "web: {priority: high, tier: front";
    check_nodes(
        "- {name: a, cpu: 0.5, memory: 8Gi}",
        "",
        ("web: {tier: front", high),
        str![[r#"
error S-capacity-001 shop:11:3 mail: its pod does not fit: beside what else is there, 750m of cpu are asked of nodes that have 500m, 250m too few [one more node like a would do; or ask for less, or run fewer pods]

"#]],
    );
}

#[test]
fn a_rollout_needs_room_for_the_pods_it_starts_first() {
    let cart = |replicas: u32| {
        format!(
            "cart: {{replicas: {replicas}, resources: {{requests: {{cpu: 1, memory: 1Gi}}, limits: {{cpu: 1, memory: 1Gi}}}}, tier: back, port: 9000"
        )
    };
    check_nodes(
        "- {name: a, cpu: 1.5, memory: 8Gi}",
        "",
        (CART, &cart(1)),
        str![[r#"
error S-capacity-002 shop:10:3 cart: a rollout starts a pod before it stops one, and there is no room for it: beside what else is there, 2500m of cpu are asked of nodes that have 1500m, 1 too few [a surge of 0 with one pod unavailable would do; one more node like a would do]
error S-capacity-002 shop:11:3 mail: a rollout starts a pod before it stops one, and there is no room for it: beside what else is there, 1750m of cpu are asked of nodes that have 1500m, 250m too few [a surge of 0 with one pod unavailable would do; one more node like a would do]
error S-capacity-002 shop:12:3 web: a rollout starts a pod before it stops one, and there is no room for it: beside what else is there, 1750m of cpu are asked of nodes that have 1500m, 250m too few [a surge of 0 with one pod unavailable would do; one more node like a would do]

"#]],
    );
    check_nodes("- {name: a, cpu: 2.5, memory: 8Gi}", "", (CART, &cart(1)), str![[r#""#]]);
    check_nodes(
        "- {name: a, cpu: 9.5, memory: 16Gi}",
        "",
        (CART, &cart(8)),
        str![[r#"
warning S-capacity-003 shop:10:3 cart: a rollout starts 2 pods in addition, and there is room for 1 [a surge of 1 would do; one more node like a would do]

"#]],
    );
}

#[test]
fn an_autoscaler_needs_room_to_grow() {
    let cart = "cart: {autoscale: {min: 1, max: 6, cpu: 70}, resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}, tier: back, port: 9000";
    check_nodes(
        "- {name: a, cpu: 4, memory: 16Gi}",
        "autoscaling: true\n",
        (CART, cart),
        str![[r#"
warning S-capacity-004 shop:10:3 cart: its autoscaler may start 6 pods, and they do not fit: beside what else is there, 6500m of cpu are asked of nodes that have 4, 2500m too few [one more node like a would do, or lower its `max`]

"#]],
    );
    check_nodes("- {name: a, cpu: 8, memory: 16Gi}", "autoscaling: true\n", (CART, cart), str![[r#""#]]);
}

#[test]
fn images_run_on_their_nodes() {
    let arm = "- {name: arm, cpu: 8, memory: 16Gi, architecture: arm64, page_size: 64Ki}";
    check_nodes(
        arm,
        "",
        (CART, "cart: {architectures: [amd64], tier: back, port: 9000"),
        str![[r#"
error S-arch-001 shop:10:25 Deployment shop/cart-mcp: the image registry.example/shop/cart:1.0.0 is built for amd64, and its pods may be placed on arm, which is arm64 [build the image for arm64, or keep its pods on nodes with another processor]

"#]],
    );
    check_nodes(arm, "", (CART, "cart: {architectures: [amd64, arm64], tier: back, port: 9000"), str![[r#""#]]);
    check_nodes(
        arm,
        "",
        (CART, "cart: {image: \"qdrant/qdrant:v1.9.2\", tier: back, port: 9000"),
        str![[r#"
error S-arch-002 shop:10:17 Deployment shop/cart-mcp: the image qdrant/qdrant:v1.9.2 does not run with pages of 64 KiB (https://github.com/qdrant/qdrant/issues/4988), and its pods may be placed on arm [use a build for large pages, or keep its pods on nodes with small ones]

"#]],
    );
    check_nodes(
        arm,
        "",
        (CART, "cart: {image: \"mcr.microsoft.com/mssql/server:2022-CU14\", tier: back, port: 9000"),
        str![[r#"
error S-arch-001 shop:10:17 Deployment shop/cart-mcp: the image mcr.microsoft.com/mssql/server:2022-CU14 is built for amd64 (https://support.microsoft.com/en-us/help/4047326/support-policy-for-microsoft-sql-server), and its pods may be placed on arm, which is arm64 [build the image for arm64, or keep its pods on nodes with another processor]

"#]],
    );
}

/// A spread that must be kept leaves less room than there seems to be, and a rollout begins it anew.
#[test]
fn pods_that_must_be_spread_need_room_on_each_node() {
    let promised = "cart: {critical: true, replicas: 4, resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 1, memory: \
                    1Gi}}, tier: back, port: 9000";
    let nodes =
        |small: &str| format!("- {{name: large, cpu: 8, memory: 16Gi}}\n- {{name: small, cpu: {small}, memory: 4Gi}}");
    check_nodes(&nodes("3"), "availability: 99.9%\n", (CART, promised), str![]);
    check_nodes(&nodes("1.5"), "", (CART, promised), str![]);
    check_nodes(
        &nodes("1.5"),
        "availability: 99.9%\n",
        (CART, promised),
        str![[r#"
error S-capacity-001 shop:10:3 cart: its 4 pods do not fit: there is enough of everything in all, but not together on single nodes [one more node like large would do; or ask for less, or run fewer pods]

"#]],
    );
}

/// A node with no room keeps the others from taking more than one pod more than it has.
#[test]
fn pods_that_must_be_spread_wait_for_the_fullest_node() {
    let promised = |replicas: u32| {
        format!(
            "cart: {{critical: true, replicas: {replicas}, resources: {{requests: {{cpu: 1, memory: 1Gi}}, limits: {{cpu: 1, memory: 1Gi}}}}, tier: back, port: 9000"
        )
    };
    let nodes = "- {name: large, count: 2, cpu: 8, memory: 16Gi}\n- {name: small, cpu: 0.5, memory: 4Gi}";
    check_nodes(nodes, "availability: 99.9%\n", (CART, &promised(2)), str![]);
    check_nodes(nodes, "", (CART, &promised(4)), str![]);
    check_nodes(
        nodes,
        "availability: 99.9%\n",
        (CART, &promised(4)),
        str![[r#"
error S-capacity-001 shop:10:3 cart: its 4 pods do not fit: there is enough of everything in all, but not together on single nodes [2 more nodes like large-1 would do; or ask for less, or run fewer pods]

"#]],
    );
}

/// What more nodes have is what DaemonSets leave of them, be these of the stack or of others.
#[test]
fn more_nodes_carry_daemons_too() {
    let (loaded, desired) = shop();
    let amounts = |cpu: u64| [("cpu", cpu), ("memory", 8 << 30), ("pods", 110)];
    let node = |cpu: u64, taken: u64, daemons: u64| LiveNode {
        name: "a".to_owned(),
        allocatable: amounts(cpu).map(|(name, amount)| (name.to_owned(), amount)).into(),
        taken: [("cpu".to_owned(), taken)].into(),
        daemons: [("cpu".to_owned(), daemons)].into(),
        ..LiveNode::default()
    };
    let check = |node: LiveNode, expect: &str| {
        let findings = super::check(&[(&desired, &loaded)], &super::nodes::live(&[node]));
        let last = findings.last().and_then(|finding| finding.help.clone());
        assert_eq!(last.as_deref(), Some(expect));
    };
    // Three pods of a quarter of a core.
    check(node(500, 500, 0), "2 more nodes like a would do; or ask for less, or run fewer pods");
    check(node(500, 500, 200), "3 more nodes like a would do; or ask for less, or run fewer pods");
    check(node(500, 500, 300), "no more nodes of these kinds would help: ask for less, or describe larger nodes");
}

/// Services that need nodes of several kinds are told of all of them.
#[test]
fn nodes_of_several_kinds_are_asked_for_together() {
    let gpus = "cart: {gpu: 1, replicas: 3, tier: back, port: 9000";
    check_nodes(
        "- {name: a, cpu: 0.25, memory: 8Gi}\n- {name: gpu, cpu: 1, memory: 8Gi, gpus: 1, taints: [{key: nvidia.com/gpu, effect: NoSchedule}]}",
        "",
        (CART, gpus),
        str![[r#"
error S-capacity-001 shop:10:3 cart: its 3 pods do not fit: beside what else is there, 3 of nvidia.com/gpu are asked of nodes that have 1, 2 too few [2 more nodes like gpu and one more node like a would do; or ask for less, or run fewer pods]
error S-capacity-001 shop:12:3 web: its pod does not fit: beside what else is there, 500m of cpu are asked of nodes that have 250m, 250m too few [2 more nodes like gpu and one more node like a would do; or ask for less, or run fewer pods]

"#]],
    );
}

#[test]
fn proxies_of_a_mesh_ask_for_room_too() {
    let nodes = "- {name: a, cpu: 1.2, memory: 8Gi}";
    check_nodes(nodes, "", (CART, CART), str![[r#""#]]);
    check_nodes(nodes, "mesh: {mode: ambient}\n", (CART, CART), str![[r#""#]]);
    check_nodes(
        nodes,
        "mesh: {mode: sidecar, cni: true}\n",
        (CART, CART),
        str![[r#"
error S-capacity-002 shop:10:3 cart: a rollout starts a pod before it stops one, and there is no room for it: beside what else is there, 1400m of cpu are asked of nodes that have 1200m, 200m too few [a surge of 0 with one pod unavailable would do; one more node like a would do]
error S-capacity-002 shop:11:3 mail: a rollout starts a pod before it stops one, and there is no room for it: beside what else is there, 1400m of cpu are asked of nodes that have 1200m, 200m too few [a surge of 0 with one pod unavailable would do; one more node like a would do]
error S-capacity-002 shop:12:3 web: a rollout starts a pod before it stops one, and there is no room for it: beside what else is there, 1400m of cpu are asked of nodes that have 1200m, 200m too few [a surge of 0 with one pod unavailable would do; one more node like a would do]

"#]],
    );
}

#[test]
fn what_runs_on_every_node_takes_room_from_the_rest() {
    let (loaded, mut desired) = shop();
    let amounts = [("cpu", 1200), ("memory", 8 << 30), ("pods", 110)];
    let allocatable = amounts.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect();
    let nodes = super::nodes::live(&[LiveNode { name: "a".to_owned(), allocatable, ..LiveNode::default() }]);
    assert_eq!(super::check(&[(&desired, &loaded)], &nodes), []);
    let mut agent = object(&mut desired, "shop/cart/deployment").clone();
    agent.id.kind.kind = "DaemonSet".to_owned();
    agent.address = "shop/agent/daemon-set".to_owned();
    agent.service = None;
    desired.resources.push(agent);
    let rules: Vec<_> =
        super::check(&[(&desired, &loaded)], &nodes).iter().map(|finding| finding.rule.clone()).collect();
    assert_eq!(rules, ["S-capacity-002"; 3]);
}

/// A job runs beside everything else, and only while it runs.
#[test]
fn jobs_need_room_beside_what_runs() {
    let job = "cart: {jobs: {prepare: {command: [run]}}, tier: back, port: 9000";
    check_nodes("- {name: a, cpu: 1, memory: 8Gi}", "", (CART, job), str![[r#""#]]);
    check_nodes(
        "- {name: a, cpu: 0.75, memory: 8Gi}",
        "",
        (CART, job),
        str![[r#"
error S-capacity-001 shop:10:3 cart: what cart-prepare-8dc3ebf6 runs does not fit beside the pods that are there: beside what else is there, 1 of cpu are asked of nodes that have 750m, 250m too few [one more node like a would do; or ask for less]
error S-capacity-002 shop:10:3 cart: a rollout starts a pod before it stops one, and there is no room for it: beside what else is there, 1 of cpu are asked of nodes that have 750m, 250m too few [a surge of 0 with one pod unavailable would do; one more node like a would do]
error S-capacity-002 shop:11:3 mail: a rollout starts a pod before it stops one, and there is no room for it: beside what else is there, 1 of cpu are asked of nodes that have 750m, 250m too few [a surge of 0 with one pod unavailable would do; one more node like a would do]
error S-capacity-002 shop:12:3 web: a rollout starts a pod before it stops one, and there is no room for it: beside what else is there, 1 of cpu are asked of nodes that have 750m, 250m too few [a surge of 0 with one pod unavailable would do; one more node like a would do]

"#]],
    );
}

#[test]
fn both_colours_of_a_service_have_room_at_once() {
    let coloured = "cart: {gpu: 1, replicas: 2, rollout: {blue_green: {}}, tier: back, port: 9000";
    check_nodes("- {name: gpu, count: 4, cpu: 8, memory: 32Gi, gpus: 1}", "", (CART, coloured), str![[r#""#]]);
    check_nodes(
        "- {name: gpu, count: 3, cpu: 8, memory: 32Gi, gpus: 1}",
        "",
        (CART, coloured),
        str![[r#"
error S-capacity-006 shop:10:3 cart: its other colour has 2 pods beside the 2 that run, and there is room for 1: beside what else is there, 4 of nvidia.com/gpu are asked of nodes that have 3, 1 too few [one more node like gpu-1 would do; or roll it out with `rollout: {rolling: {}}`]

"#]],
    );
    let rolling = coloured.replace("blue_green", "rolling");
    check_nodes("- {name: gpu, count: 2, cpu: 8, memory: 32Gi, gpus: 1}", "", (CART, &rolling), str![[r#""#]]);
    let critical = "rollout: {blue_green: {}}\n";
    let cart = "cart: {critical: true, gpu: 1, tier: back, port: 9000";
    check_nodes(
        "- {name: gpu, cpu: 8, memory: 32Gi, gpus: 1}",
        critical,
        (CART, cart),
        str![[r#"
error S-capacity-006 shop:10:3 cart: its other colour has 1 pod beside the 1 that run, and there is room for 0: beside what else is there, 2 of nvidia.com/gpu are asked of nodes that have 1, 1 too few [one more node like gpu would do; or roll it out with `rollout: {rolling: {}}`]

"#]],
    );
}
