//! PodDisruptionBudgets: how many pods may be evicted now.

use serde_json::{Value, json};

use super::rollout::scaled;
use super::writing::set_condition;
use super::{Again, Context, pods};
use crate::failure::Failure;
use crate::object;
use crate::selector::LabelSelector;
use crate::store::Txn;

/// Looks at one budget.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("policy/v1", "PodDisruptionBudget", namespace, name) else { return Ok(None) };
    let now = object::rfc3339(context.now());
    let selector = LabelSelector::of(live.value.pointer("/spec/selector"));
    let matching: Vec<_> = context
        .txn
        .list("pods", namespace)
        .into_iter()
        .filter(|pod| selector.as_ref().is_some_and(|s| s.matches(&pod.value)) && !pods::has_ended(&pod.value))
        .collect();
    let expected = i64::try_from(matching.len()).unwrap_or(0);
    let healthy = matching.iter().filter(|pod| pods::is_ready(&pod.value) && !object::is_deleting(&pod.value)).count();
    let healthy = i64::try_from(healthy).unwrap_or(0);
    let desired = match live.value.pointer("/spec/maxUnavailable") {
        Some(most) => (expected - scaled(Some(most), expected, true)).max(0),
        None => scaled(live.value.pointer("/spec/minAvailable"), expected, true),
    };
    let allowed = if expected == 0 { 0 } else { (healthy - desired).max(0) };
    let mut conditions: Vec<Value> = object::items(&live.value, "/status/conditions").to_vec();
    let (status, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let generation = object::number(&live.value, "/metadata/generation").unwrap_or(1);
    let condition = json!({
        "type": "DisruptionAllowed",
        "status": status,
        "reason": reason,
        "message": "",
        "observedGeneration": generation,
    });
    set_condition(&mut conditions, condition, &now, false);
    let status = json!({
        "conditions": conditions,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": generation,
    });
    context.set_status(&live, status)?;
    Ok(None)
}

/// May the pod be evicted? Refused with 429 where a budget does not allow it.
pub(crate) fn may_evict(txn: &Txn<'_>, pod: &Value) -> Result<(), Failure> {
    if pods::has_ended(pod) || object::is_deleting(pod) || !pods::is_ready(pod) {
        return Ok(());
    }
    for budget in txn.list("policy/poddisruptionbudgets", object::namespace(pod)) {
        let selects = LabelSelector::of(budget.value.pointer("/spec/selector")).is_some_and(|s| s.matches(pod));
        if selects && object::number(&budget.value, "/status/disruptionsAllowed").unwrap_or(0) < 1 {
            return Err(Failure::too_many_requests(
                "Cannot evict pod as it would violate the pod's disruption budget.",
            ));
        }
    }
    Ok(())
}
