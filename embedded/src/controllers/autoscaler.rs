//! HorizontalPodAutoscalers: hold their target between minimum and maximum. There are no metrics, so a target inside
//! its bounds is left as it is.

use serde_json::{Value, json};

use super::event::{self, Event};
use super::writing::{MANAGER, set_condition};
use super::{Again, Context};
use crate::failure::Failure;
use crate::object;

/// Looks at one autoscaler.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("autoscaling/v2", "HorizontalPodAutoscaler", namespace, name) else {
        return Ok(None);
    };
    let (least, most) = (
        object::number(&live.value, "/spec/minReplicas").unwrap_or(1),
        object::number(&live.value, "/spec/maxReplicas").unwrap_or(1),
    );
    let reference = live.value.pointer("/spec/scaleTargetRef").cloned().unwrap_or_default();
    let (version, kind) = (object::text(&reference, "/apiVersion"), object::text(&reference, "/kind"));
    let target = context.get(version, kind, namespace, object::text(&reference, "/name"));
    let now = object::rfc3339(context.now());
    let mut status = live.value.get("status").cloned().unwrap_or_else(|| json!({}));
    let mut conditions: Vec<Value> = object::items(&status, "/conditions").to_vec();
    let mut say = |kind: &str, truth: bool, reason: &str, message: &str| {
        let status = if truth { "True" } else { "False" };
        let condition = json!({"type": kind, "status": status, "reason": reason, "message": message});
        set_condition(&mut conditions, condition, &now, false);
    };
    let Some(target) = target else {
        let message = "the HPA controller was unable to get the target's current scale: not found";
        say("AbleToScale", false, "FailedGetScale", message);
        object::set(&mut status, "/conditions", json!(conditions));
        object::set(&mut status, "/desiredReplicas", json!(0));
        object::set(&mut status, "/currentMetrics", Value::Null);
        context.set_status(&live, status)?;
        return Ok(None);
    };
    let current = object::number(&target.value, "/spec/replicas").unwrap_or(1);
    say("AbleToScale", true, "SucceededGetScale", "the HPA controller was able to get the target's current scale");
    let wanted = if current == 0 { 0 } else { current.clamp(least, most) };
    if current == 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        say("ScalingActive", false, "ScalingDisabled", message);
    } else {
        let message = "simulated: the cluster has no metrics, the target is held between minimum and maximum";
        say("ScalingActive", false, "FailedGetResourceMetric", message);
    }
    if wanted != current {
        let mut new = target.value.clone();
        object::set(&mut new, "/spec/replicas", json!(wanted));
        context.update_as(&target, new, MANAGER, "scale")?;
        let reason = if wanted > current { "below Spec.MinReplicas" } else { "above Spec.MaxReplicas" };
        let message = format!("New size: {wanted}; reason: Current number of replicas {reason}");
        let told = Event {
            kind: "Normal",
            reason: "SuccessfulRescale",
            message: &message,
            component: "horizontal-pod-autoscaler",
        };
        event::tell(context, &live.value, &told);
        object::set(&mut status, "/lastScaleTime", json!(now));
    }
    object::set(&mut status, "/conditions", json!(conditions));
    object::set(&mut status, "/currentReplicas", json!(object::number(&target.value, "/status/replicas").unwrap_or(0)));
    object::set(&mut status, "/desiredReplicas", json!(wanted));
    if let Some(live) = context.get("autoscaling/v2", "HorizontalPodAutoscaler", namespace, name) {
        context.set_status(&live, status)?;
    }
    Ok(None)
}
