//! Replacing an object by another of the same name: making way for the new one, and removing what the old one left.
//! What is done, and in which order, stands in the plan.
//!
//! What an object leaves behind when it is deleted by itself is marked before: a run that is killed in between leaves
//! nothing that the next one does not find.

use http::StatusCode;
use serde_json::{Value, json};
use strata_components::desired::Kind;

use super::Cluster;
use super::carry::deleted;
use super::identity::{LEFT_BY_ANNOTATION, PART_OF_LABEL};
use super::observe::is_controlled;
use super::request::Call;
use crate::observe::ReplaceOrder;
use crate::plan::{Plan, Step};
use crate::provider::{Done, ProviderError};

/// How often an object is looked at again that changed between being read and being deleted.
const LOOKS: u32 = 5;

/// How a workload is replaced: what goes first, and which kinds of its own the old one leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) order: ReplaceOrder,
    /// Group, version and kind of each.
    pub(super) leaves: Leaves,
}

/// What a workload leaves behind where it is replaced without interrupting what runs: group, version and kind of each.
type Leaves = &'static [(&'static str, &'static str, &'static str)];
const OF_DEPLOYMENT: Leaves = &[("apps", "v1", "ReplicaSet")];
const OF_DAEMON_SET: Leaves = &[("", "v1", "Pod"), ("apps", "v1", "ControllerRevision")];

const DELETE_FIRST: Way = Way { order: ReplaceOrder::DeleteFirst, leaves: &[] };

/// How an object of this kind is replaced without interrupting what runs, where that is possible.
///
/// One name holds one object, so the old one always goes before the new one comes; but the pods of a workload can go
/// on running without it. A Deployment takes over the ReplicaSets that its selector matches, and a DaemonSet the pods;
/// the rest runs until the new ones are ready, and is removed then. A StatefulSet takes over its pods by their names,
/// so the new one gets no pod of its own until it has those of the old one: only where the selector stays. Where two
/// versions must not run at once (strategy `Recreate`), or cannot (ports of the node), the old pods go first. So they
/// do for a Job, which would run twice.
pub(super) fn way(kind: &Kind, live: &Value, wanted: &Value) -> Way {
    let create_first = |leaves| Way { order: ReplaceOrder::CreateFirst, leaves };
    let same = |pointer: &str| live.pointer(pointer) == wanted.pointer(pointer);
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("apps", "Deployment") if wanted.pointer("/spec/strategy/type").is_some_and(|one| one == "Recreate") => {
            DELETE_FIRST
        }
        ("apps", "Deployment") => create_first(OF_DEPLOYMENT),
        ("apps", "DaemonSet") if holds_node_ports(wanted) || holds_node_ports(live) => DELETE_FIRST,
        ("apps", "DaemonSet") => create_first(OF_DAEMON_SET),
        ("apps", "StatefulSet") if same("/spec/selector") => create_first(&[]),
        _ => DELETE_FIRST,
    }
}

/// The kinds that an object of this kind may leave behind, however it is replaced.
pub(super) fn may_leave(kind: &Kind) -> impl Iterator<Item = Kind> {
    let leaves: Leaves = match (kind.group.as_str(), kind.kind.as_str()) {
        ("apps", "Deployment") => OF_DEPLOYMENT,
        ("apps", "DaemonSet") => OF_DAEMON_SET,
        _ => &[],
    };
    let kind = |(group, version, kind): &(&str, &str, &str)| Kind {
        group: (*group).to_owned(),
        version: (*version).to_owned(),
        kind: (*kind).to_owned(),
    };
    leaves.iter().map(kind)
}

/// Whether the pods of a workload take ports of their node.
fn holds_node_ports(workload: &Value) -> bool {
    let spec = workload.pointer("/spec/template/spec");
    let containers = spec.and_then(|spec| spec["containers"].as_array()).into_iter().flatten();
    let mut ports = containers.flat_map(|container| container["ports"].as_array()).flatten();
    spec.is_some_and(|spec| spec["hostNetwork"] == true) || ports.any(|port| port.get("hostPort").is_some())
}

impl Cluster {
    /// Deletes what stands where a step puts something new. Returns once that is acknowledged.
    pub(super) async fn make_way_for(&self, plan: &Plan, step: &Step) -> Result<(), ProviderError> {
        let orphans = step.replace == Some(ReplaceOrder::CreateFirst);
        for left in plan.steps().filter(|left| step.leaves.contains(&left.id)) {
            self.mark_as_left(plan, left, step).await?;
        }
        let options = json!({
            "preconditions": {"uid": step.uid},
            "propagationPolicy": if orphans { "Orphan" } else { "Foreground" },
        });
        let call = Call::delete(self.path(step).await?, format!("replacing {}", step.id), &options);
        deleted(&self.requests.send(&call).await?, &call, step)
    }

    /// Marks what is left behind as the instance's, with where it is from.
    async fn mark_as_left(&self, plan: &Plan, left: &Step, by: &Step) -> Result<(), ProviderError> {
        let marks = json!({
            "apiVersion": left.id.kind.api_version(),
            "kind": left.id.kind.kind,
            "metadata": {
                "name": left.id.name,
                "namespace": left.id.namespace,
                "uid": left.uid,
                "labels": {PART_OF_LABEL: self.identity(&plan.instance).set},
                "annotations": {LEFT_BY_ANNOTATION: by.id.to_string()},
            },
        });
        let doing = format!("marking {}, which {} leaves behind", left.id, by.id);
        let call = Call::apply(self.path(left).await?, doing, &plan.field_manager, &marks).query("force", "true");
        let answer = self.requests.send(&call).await?;
        match answer.status {
            // It is gone, or another of the same name: the replaced object does not leave it behind any more.
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => Ok(()),
            _ => answer.ok(&call.doing).map(|_| ()),
        }
    }

    /// Deletes what a replaced object has left, unless a controller has taken it: then it stays, without our marks.
    pub(super) async fn delete_unowned(&self, plan: &Plan, step: &Step) -> Result<Done, ProviderError> {
        let path = self.path(step).await?;
        let read = Call::get(&path, format!("reading {}", step.id));
        let mut looks = LOOKS;
        loop {
            let live = self.requests.find(&read).await?;
            let Some(live) = live.filter(|live| live["metadata"]["uid"].as_str() == step.uid.as_deref()) else {
                return Ok(Done { uid: None, warnings: Vec::new() });
            };
            if is_controlled(&live) {
                return self.forget_step(plan, step).await;
            }
            let options = json!({
                "preconditions": {"uid": step.uid, "resourceVersion": live["metadata"]["resourceVersion"]},
                "propagationPolicy": "Foreground",
            });
            let call = Call::delete(&path, format!("deleting {}", step.id), &options);
            let answer = self.requests.send(&call).await?;
            looks -= 1;
            if answer.status != StatusCode::CONFLICT || looks == 0 {
                deleted(&answer, &call, step)?;
                return Ok(Done { uid: None, warnings: Vec::new() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: &str, live: Value, wanted: Value, expect: ReplaceOrder) {
        let kind = Kind { group: "apps".into(), version: "v1".into(), kind: kind.into() };
        assert_eq!(way(&kind, &live, &wanted).order, expect);
    }

    #[test]
    fn what_runs_goes_on_where_it_can() {
        let (first, last) = (ReplaceOrder::CreateFirst, ReplaceOrder::DeleteFirst);
        let selector = |name: &str| json!({"spec": {"selector": {"matchLabels": {"app": name}}}});
        check("Deployment", selector("a"), selector("b"), first);
        check("Deployment", selector("a"), json!({"spec": {"strategy": {"type": "Recreate"}}}), last);
        check("StatefulSet", selector("a"), selector("a"), first);
        check("StatefulSet", selector("a"), selector("b"), last);
        check("DaemonSet", selector("a"), selector("b"), first);
        let ports = json!([{"ports": [{"containerPort": 80, "hostPort": 80}]}]);
        check("DaemonSet", selector("a"), json!({"spec": {"template": {"spec": {"containers": ports}}}}), last);
        let net = json!({"spec": {"template": {"spec": {"hostNetwork": true}}}});
        check("DaemonSet", net, selector("b"), last);
        check("ReplicaSet", selector("a"), selector("b"), last);
    }
}
