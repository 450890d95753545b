//! What the help of a finding says would do, does: nodes and stacks made up at random, and each piece of advice taken.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use strata_components::desired::Desired;

use super::super::tests::{composed, with_nodes};
use super::nodes::{Node, described};
use super::{check, rules};
use crate::finding::Finding;
use crate::load::Loaded;

/// A service: replicas, thousandths of a core, mebibytes, GPUs, the autoscaler's maximum, and whether its pods must lie
/// evenly.
type Service = (u32, u32, u32, u32, u32, bool);

fn stack(services: &[Service]) -> String {
    let line = |(at, (replicas, cpu, memory, gpus, max, even)): (usize, &Service)| {
        let amounts = format!("{{cpu: {cpu}m, memory: {memory}Mi}}");
        let gpus = if *gpus > 0 { format!(", gpu: {gpus}") } else { String::new() };
        let scaled = match max.max(replicas) {
            max if max > replicas => format!(", autoscale: {{min: {replicas}, max: {max}, cpu: 70}}"),
            _ => String::new(),
        };
        let even = if *even && *replicas > 1 { ", availability: 99.9%" } else { "" };
        format!(
            "  s{at}: {{tier: all, port: {}, replicas: {replicas}, resources: {{requests: {amounts}, limits: {amounts}}}{gpus}{scaled}{even}}}\n",
            9000 + at
        )
    };
    let services: String = services.iter().enumerate().map(line).collect();
    format!("stack: shop\nnamespace: shop\ntiers:\n  all: {{ports: 9000-9009}}\nservices:\n{services}")
}

/// What the finding is about: its rule and its service.
fn about(finding: &Finding) -> (&str, Option<&str>) {
    (&finding.rule, finding.path.as_deref())
}

/// The nodes that a help asks for: so many like that one.
fn asked_for(help: &str) -> Vec<(usize, String)> {
    let words: Vec<&str> = help.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
    let one = |five: &[&str]| match five {
        ["one", "more", "node", "like", name] => Some((1, (*name).to_owned())),
        [count, "more", "nodes", "like", name] => Some((count.parse().unwrap(), (*name).to_owned())),
        _ => None,
    };
    words.windows(5).filter_map(one).collect()
}

fn with_more(nodes: &[Node], more: &[(usize, String)]) -> Vec<Node> {
    let mut all = nodes.to_vec();
    for (count, like) in more {
        let node = nodes.iter().find(|node| node.name == *like).unwrap();
        for number in 0..*count {
            let mut fresh = node.fresh();
            fresh.name = format!("{}-{number}", fresh.name);
            fresh.labels.insert("kubernetes.io/hostname".to_owned(), fresh.name.clone());
            all.push(fresh);
        }
    }
    all
}

/// The surge that a help proposes.
fn surge(help: &str) -> Option<u32> {
    let (_, rest) = help.split_once("a surge of ")?;
    rest.split(' ').next()?.parse().ok()
}

fn with_surge(desired: &Desired, service: &str, surge: u32) -> Desired {
    let mut desired = desired.clone();
    let deployment = desired
        .resources
        .iter_mut()
        .find(|resource| resource.id.kind.kind == "Deployment" && resource.service.as_deref() == Some(service));
    let rolling = json!({"maxSurge": surge, "maxUnavailable": u32::from(surge == 0)});
    deployment.unwrap().manifest["spec"]["strategy"]["rollingUpdate"] = rolling;
    desired
}

/// Takes each piece of advice, and tells what does not help.
fn taken(loaded: &Loaded, desired: &Desired, nodes: &[Node]) -> Result<usize, TestCaseError> {
    let findings = check(&[(desired, loaded)], nodes);
    let mut pieces = 0;
    for finding in &findings {
        let help = finding.help.as_deref().unwrap();
        let still = |desired: &Desired, nodes: &[Node]| {
            let after = check(&[(desired, loaded)], nodes);
            let again = after.iter().find(|other| about(other) == about(finding));
            again.map(|again| format!("{} [{help}] and then {}", finding.message, again.message))
        };
        let more = asked_for(help);
        if !more.is_empty() {
            pieces += 1;
            prop_assert_eq!(still(desired, &with_more(nodes, &more)), None);
        }
        if let Some(surge) = surge(help) {
            pieces += 1;
            let service = finding.path.as_deref().and_then(|path| path.strip_prefix("services.")).unwrap();
            prop_assert_eq!(still(&with_surge(desired, service, surge), nodes), None);
        }
        let says = [&rules::TOO_MUCH, &rules::STUCK_ROLLOUT, &rules::SLOW_ROLLOUT, &rules::NO_ROOM_TO_GROW];
        if more.is_empty() && says.iter().any(|rule| rule.id == finding.rule) {
            prop_assert!(help.contains("no more nodes of these kinds would help"), "{}", help);
        }
    }
    Ok(pieces)
}

fn nodes() -> impl Strategy<Value = String> {
    let kind = (1_u32..4, 1_u32..9, select(vec![1_u32, 2, 4, 8]), 0_u32..3, any::<bool>(), select(vec![3_u32, 8, 110]));
    prop::collection::vec(kind, 1..4).prop_map(|kinds| {
        let line = |(at, (count, cpu, memory, gpus, kept, pods)): (usize, &(u32, u32, u32, u32, bool, u32))| {
            let taints = if *kept && at > 0 { ", taints: [{key: team, value: ops, effect: NoSchedule}]" } else { "" };
            format!("- {{name: n{at}, count: {count}, cpu: {cpu}, memory: {memory}Gi, gpus: {gpus}, pods: {pods}{taints}}}\n")
        };
        kinds.iter().enumerate().map(line).collect()
    })
}

fn services() -> impl Strategy<Value = Vec<Service>> {
    let service =
        (1_u32..5, select(vec![200_u32, 900, 1500, 3000]), select(vec![64_u32, 700, 1500]), 0_u32..2, 1_u32..8);
    prop::collection::vec((service, any::<bool>()), 1..4).prop_map(|services| {
        services
            .into_iter()
            .map(|((replicas, cpu, memory, gpus, max), even)| (replicas, cpu, memory, gpus, max, even))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_would_do_does(nodes in nodes(), services in services()) {
        let (loaded, desired) = composed(&stack(&services), &with_nodes(&nodes, "autoscaling: true\n"));
        let nodes = described(&loaded.environment, "local").unwrap();
        taken(&loaded, &desired, &nodes)?;
    }
}

#[test]
fn there_is_advice_to_take() {
    let services = [(3, 900, 700, 0, 7, false), (2, 1500, 700, 1, 2, true)];
    let (loaded, desired) = composed(
        &stack(&services),
        &with_nodes("- {name: a, cpu: 4, memory: 8Gi}\n- {name: g, cpu: 4, memory: 8Gi, gpus: 1}", ""),
    );
    let nodes = described(&loaded.environment, "local").unwrap();
    assert_eq!(taken(&loaded, &desired, &nodes).unwrap(), 1);
}
