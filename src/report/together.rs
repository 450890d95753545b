//! The plans of every stack of an environment as one document: a part for each, in the order in which they are carried
//! out, and what all of them come to.

use std::fmt::Write as _;

use serde::Serialize;
use strata_components::desired::Instance;

use super::clean::clean;
use super::html::{self, PageError};
use super::plan::{self, View, counts};
use super::{markdown, phase_title};
use crate::finding::settle;
use crate::plan::overview::{AddressConnection, Carried, Connection, Overview, TierPorts};
use crate::plan::{Plan, PlanPhase, Summary};

/// The form of the document.
pub const FORMAT: &str = "strata.plans/v1";

/// The plans of several stacks, for programs.
#[derive(Debug, Serialize)]
pub struct PlansDocument<'a> {
    format: &'static str,
    /// How many steps of each action there are in all.
    summary: Summary,
    /// The plans, in the order in which they are carried out.
    plans: &'a [Plan],
    /// What the nodes carry of all of them.
    #[serde(flatten)]
    carried: &'a Carried,
}

impl<'a> PlansDocument<'a> {
    /// The document of these plans, and of what the nodes carry of all of them.
    #[must_use]
    pub fn of(plans: &'a [Plan], carried: &'a Carried) -> Self {
        Self { format: FORMAT, summary: summary(plans), plans, carried }
    }
}

/// How many steps of each action plans have in all.
#[must_use]
pub fn summary(plans: &[Plan]) -> Summary {
    plans.iter().fold(Summary::default(), |sum, plan| sum.and(&plan.summary))
}

/// What plans come to, in a line: `All 3 stacks: 12 to create.`
#[must_use]
pub fn comes_to(plans: &[Plan]) -> String {
    let stacks = if plans.len() == 1 { "The one stack".to_owned() } else { format!("All {} stacks", plans.len()) };
    if plans.iter().all(Plan::is_empty) {
        return format!("{stacks}: no changes.");
    }
    let changed = plans.iter().filter(|plan| !plan.is_empty()).map(|plan| plan.instance.stack.as_str());
    format!("{stacks}: {}; changes in {}.", counts(&summary(plans)), changed.collect::<Vec<_>>().join(", "))
}

/// Every plan as text for a terminal, and at the end what all of them come to.
#[must_use]
pub fn terminal(plans: &[Plan], view: &View) -> String {
    let mut text = String::new();
    for one in plans {
        let _ = writeln!(text, "{}\n", plan::terminal(one, view).trim_end());
    }
    let _ = writeln!(text, "{}", clean(&comes_to(plans)));
    text
}

/// Every plan as one comment on a pull request, at most [`markdown::LONGEST`] characters. What one plan leaves of its share
/// is there for the next.
#[must_use]
pub fn markdown(plans: &[Plan]) -> String {
    // The same for each run about one environment, so that CI finds the comment to replace.
    let all = plans.first().map(|plan| Instance { stack: "all".to_owned(), ..plan.instance.clone() });
    let marker = markdown::marker(&all.map(|all| all.name()).unwrap_or_default());
    let mut text = format!("{marker}\n### {}\n\n", markdown::escape(&comes_to(plans)));
    for (at, plan) in plans.iter().enumerate() {
        let left = markdown::LONGEST.saturating_sub(text.chars().count());
        let share = left / (plans.len() - at).max(1);
        text.push_str(&markdown::within(plan, share.saturating_sub(1)));
        text.push('\n');
    }
    text
}

/// Every plan on one page, with what the nodes carry of all of them: what belongs to a stack is called `stack/…`, and phases
/// follow each other as they are carried out.
///
/// # Errors
///
/// When the template is broken, which no plan is the reason of.
pub fn html(plans: &[Plan], carried: &Carried) -> Result<String, PageError> {
    joined(plans, carried).map_or_else(|| Ok(String::new()), |plan| html::html(&plan))
}

/// One plan that tells of all; for readers alone. None where there are none.
fn joined(plans: &[Plan], carried: &Carried) -> Option<Plan> {
    let mut all = Plan { summary: summary(plans), ..plans.first()?.clone() };
    let each = |told: fn(&Plan) -> &str| plans.iter().map(told).collect::<Vec<_>>().join(", ");
    all.instance.stack = each(|plan| &plan.instance.stack);
    (all.digest, all.inputs) = (each(|plan| &plan.digest), each(|plan| &plan.inputs));
    (all.phases, all.kept, all.left_out, all.unlisted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    all.findings = plans.iter().flat_map(|plan| plan.findings.iter().cloned()).collect();
    settle(&mut all.findings);
    let Carried { nodes, nodes_unknown, nodes_without } = carried.clone();
    let mut overview = Overview { nodes, nodes_unknown, nodes_without, ..Overview::default() };
    for plan in plans {
        let stack = plan.instance.stack.as_str();
        for phase in &plan.phases {
            let number = u32::try_from(all.phases.len()).unwrap_or(u32::MAX);
            let name = format!("{stack} {}", phase_title(phase.number, &phase.name));
            let mut phase = PlanPhase { number, name, ..phase.clone() };
            phase.needs.iter_mut().flat_map(|need| &mut need.services).for_each(|service| full(stack, service));
            phase.steps.iter_mut().for_each(|step| {
                step.service
                    .iter_mut()
                    .chain(&mut step.tier)
                    .chain(&mut step.waits_for)
                    .for_each(|name| full(stack, name));
            });
            all.phases.push(phase);
        }
        all.kept.extend(plan.kept.iter().cloned());
        all.unlisted.extend(plan.unlisted.iter().cloned());
        if let Some(own) = &plan.overview {
            take_in(&mut overview, stack, own);
        }
    }
    all.overview = plans.iter().any(|plan| plan.overview.is_some()).then_some(overview);
    Some(all)
}

/// The name of something of a stack among those of others.
fn full(stack: &str, name: &mut String) {
    if !name.contains('/') {
        *name = format!("{stack}/{name}");
    }
}

/// Adds what one stack's overview tells, but for what nodes carry: it counts the pods of its own stack alone.
fn take_in(all: &mut Overview, stack: &str, own: &Overview) {
    all.ports.extend(own.ports.iter().map(|tier| TierPorts { tier: format!("{stack}/{}", tier.tier), ..tier.clone() }));
    let places: Vec<usize> = own
        .peers
        .iter()
        .map(|peer| {
            let mut peer = peer.clone();
            if peer.own {
                full(stack, &mut peer.name);
            }
            match all.peers.iter_mut().enumerate().find(|(_, known)| known.name == peer.name) {
                Some((place, known)) => {
                    known.own |= peer.own;
                    place
                }
                None => {
                    all.peers.push(peer);
                    all.peers.len() - 1
                }
            }
        })
        .collect();
    let place = |peer: usize| places.get(peer).copied().unwrap_or_default();
    for one in &own.connections {
        let one = Connection { from: place(one.from), to: place(one.to), ..one.clone() };
        if !all.connections.iter().any(|known| (known.from, known.to) == (one.from, one.to)) {
            all.connections.push(one);
        }
    }
    for one in &own.addresses {
        let one = AddressConnection { peer: place(one.peer), ..one.clone() };
        if !all.addresses.contains(&one) {
            all.addresses.push(one);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

    use serde_json::json;

    use super::super::markdown::tests::plan_of;
    use super::*;

    /// A plan of a stack with one server that is created, after one that it waits for.
    fn plan(stack: &str, waits_for: &str, image: &str) -> Plan {
        let manifest = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "only", "namespace": stack},
            "spec": {"image": image}});
        let mut plan = plan_of(vec![json!({
            "id": {"provider": "kubernetes", "target": "station", "group": "apps", "version": "v1", "kind": "Deployment",
                "namespace": stack, "name": "only"},
            "address": format!("{stack}/only/deployment"), "service": "only", "tier": "all", "action": "create",
            "causes": [{"cause": "absent"}], "stage": 0, "waits_for": [waits_for], "force": false, "manifest": manifest,
        })]);
        plan.instance.stack = stack.to_owned();
        plan.digest = format!("sha256:{stack}");
        plan
    }

    #[test]
    fn all_of_them_are_told_in_their_order() {
        let plans = [plan("base", "only", "a"), plan("app", "base/only", "b")];
        assert_eq!(comes_to(&plans), "All 2 stacks: 2 to create; changes in base, app.");
        assert_eq!(comes_to(&[]), "All 0 stacks: no changes.");
        let text = anstream::adapter::strip_str(&terminal(&plans, &View::default())).to_string();
        let heads: Vec<&str> = text.lines().filter(|line| line.contains(" in staging")).collect();
        assert_eq!(
            heads,
            [
                "base in staging, on cluster station, Kubernetes v1.36.2",
                "app in staging, on cluster station, Kubernetes v1.36.2"
            ]
        );
        let document = serde_json::to_value(PlansDocument::of(&plans, &Carried::default())).unwrap();
        assert_eq!(document["format"], "strata.plans/v1");
        assert_eq!(
            (&document["summary"]["create"], &document["plans"][1]["instance"]["stack"]),
            (&json!(2), &json!("app"))
        );
    }

    #[test]
    fn a_comment_of_all_is_never_too_long() {
        let long = "x".repeat(markdown::LONGEST);
        let plans = [plan("base", "only", &long), plan("app", "base/only", &long), plan("web", "app/only", "c")];
        let text = markdown(&plans);
        assert!(text.chars().count() <= markdown::LONGEST);
        assert!(text.starts_with("<!-- strata plan all-staging -->\n"));
        assert!(plans.iter().all(|plan| text.contains(&format!("### {}", plan.instance.stack))), "each has its part");
    }

    #[test]
    fn a_page_of_all_tells_whose_everything_is() {
        let plans = [plan("base", "only", "a"), plan("app", "base/only", "b")];
        let joined = joined(&plans, &Carried::default()).unwrap();
        let phases: Vec<(u32, &str)> = joined.phases.iter().map(|phase| (phase.number, phase.name.as_str())).collect();
        assert_eq!(phases, [(0, "base 1 core-ai"), (1, "base 1 core-ai"), (2, "app 1 core-ai"), (3, "app 1 core-ai")]);
        let waits: Vec<(Option<&str>, Vec<String>)> =
            joined.steps().map(|step| (step.service.as_deref(), step.waits_for.clone())).collect();
        assert_eq!(
            waits,
            [(Some("base/only"), vec!["base/only".to_owned()]), (Some("app/only"), vec!["base/only".to_owned()])]
        );
        let page = html(&plans, &Carried::default()).unwrap();
        assert!(["base/only", "app/only", "sha256:base, sha256:app"].iter().all(|told| page.contains(told)), "{page}");
        assert_eq!(html(&[], &Carried::default()).unwrap(), "");
    }
}
