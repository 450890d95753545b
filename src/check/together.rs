//! All stacks of an environment at once: in which order they are brought up, and whether they fit beside each other.

use std::collections::{BTreeMap, BTreeSet};

use strata_components::compose::ComposeError;
use strata_components::desired::Desired;
use strata_components::model::Stack;

use super::across::waits_for;
use super::capacity::{self, Composed};
use super::{Proven, concluded, found, nodes_of};
use crate::finding::Finding;
use crate::load::Loaded;
use crate::observe::Surroundings;

/// The order in which stacks are brought up, as places among them: each after those that its services wait for, that with
/// the device plugin before others, and by name where nothing else decides. Stacks that wait for each other come last; a rule says so of them.
///
/// ```
/// use strata::check::together::order;
/// use strata_components::model::Stack;
///
/// let stack = |name: &str, port: u16, waits_for: &[&str]| -> Stack {
///     serde_json::from_value(serde_json::json!({
///         "stack": name, "namespace": name, "tiers": {"all": {"ports": format!("{port}-{port}")}},
///         "services": {"only": {"tier": "all", "port": port, "depends_on": waits_for}},
///     }))
///     .unwrap()
/// };
/// let (app, base, store) = (stack("app", 9000, &["store/only"]), stack("base", 9001, &[]), stack("store", 9002, &["base/only"]));
/// assert_eq!(order(&[&app, &base, &store]), [1, 2, 0]);
/// ```
#[must_use]
pub fn order(stacks: &[&Stack]) -> Vec<usize> {
    let waiting: Vec<BTreeSet<&str>> =
        stacks.iter().map(|stack| waits_for(stack, stacks).into_iter().map(|(named, ..)| named).collect()).collect();
    let mut left: BTreeMap<&str, usize> =
        stacks.iter().enumerate().map(|(at, stack)| (stack.stack.as_str(), at)).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        let free =
            |at: &usize| waiting.get(*at).is_none_or(|waits| !waits.iter().any(|named| left.contains_key(named)));
        let plain = |at: usize| stacks.get(at).is_none_or(|stack| stack.device_plugin.is_none());
        let next = left.iter().filter(|(_, at)| free(at)).min_by_key(|(_, at)| plain(**at));
        let next = next.or_else(|| left.iter().next());
        let Some((name, at)) = next.map(|(name, at)| (*name, *at)) else { break };
        left.remove(name);
        order.push(at);
    }
    order
}

/// Proves stacks that share nodes: each by itself, and that all of them fit together. `composed` is what each of `stacks`
/// comes to, or what keeps it from that, and `around` what surrounds each of them on a live cluster; nothing where they are
/// held against the environment alone.
#[must_use]
pub fn prove(stacks: &[Loaded], composed: Vec<Result<Desired, ComposeError>>, around: &[Surroundings]) -> Vec<Proven> {
    let fleets: Vec<Composed<'_>> =
        stacks.iter().zip(&composed).filter_map(|(loaded, composed)| Some((composed.as_ref().ok()?, loaded))).collect();
    let nodes = fleets.first().and_then(|(desired, loaded)| nodes_of(loaded, desired, around.first()));
    let joint = nodes.map(|nodes| capacity::check(&fleets, &nodes)).unwrap_or_default();
    let mut of_stack: BTreeMap<usize, Vec<Finding>> = BTreeMap::new();
    for finding in joint {
        of_stack.entry(owner(&finding, stacks)).or_default().push(finding);
    }
    let proven = |(at, (loaded, composed)): (usize, (&Loaded, Result<Desired, ComposeError>))| {
        let mut findings = found(loaded, composed.as_ref(), around.get(at));
        findings.extend(of_stack.remove(&at).unwrap_or_default());
        Proven { desired: composed.ok(), findings: concluded(loaded, findings) }
    };
    stacks.iter().zip(composed).enumerate().map(proven).collect()
}

/// The stack in whose file a finding stands: that of a program has none. What stands in no stack is told with the first.
fn owner(finding: &Finding, stacks: &[Loaded]) -> usize {
    let file = finding.at.as_ref().map(|at| at.file.as_str());
    let of = |loaded: &Loaded| loaded.places.stack.as_ref().map(|spans| spans.file()) == file;
    stacks.iter().position(of).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_device_plugin_comes_before_others_that_wait_for_nothing() {
        let stack = |name: &str, plugin: Value, waits_for: Value| -> Stack {
            serde_json::from_value(json!({
                "stack": name, "namespace": name, "device_plugin": plugin, "tiers": {"all": {"ports": "9000-9009"}},
                "services": {"only": {"tier": "all", "port": 9000, "depends_on": waits_for}},
            }))
            .expect("a stack")
        };
        let check = |waits_for: Value, expect: [usize; 3]| {
            let plugin = stack("plugin", json!({"groups": {"whole": {}}}), waits_for);
            let (app, base) = (stack("app", Value::Null, json!([])), stack("base", Value::Null, json!([])));
            assert_eq!(order(&[&app, &base, &plugin]), expect);
        };
        check(json!([]), [2, 0, 1]);
        check(json!(["base/only"]), [0, 1, 2]);
    }
}
