//! HorizontalPodAutoscalers: hold their target between minimum and maximum, and in between at the usage that a test says
//! its pods have. Without that there are no metrics, as on a cluster without a metrics server.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/podautoscaler`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{self, Event};
use super::writing::{MANAGER, set_condition};
use super::{Again, Context};
use crate::failure::{Failure, qualified};
use crate::object;
use crate::simulation::Usage;
use crate::store::Object;

const COMPONENT: &str = "horizontal-pod-autoscaler";
/// How often a real controller looks at an autoscaler; here, how soon again where it could not go the whole way.
const PERIOD: Duration = Duration::from_secs(15);
/// How long a higher recommendation is kept to before the target is made smaller.
const STABILISATION: i64 = 300;
const NO_METRICS: &str = "unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";

/// Looks at one autoscaler.
pub(super) fn reconcile(context: &mut Context<'_, '_>, namespace: &str, name: &str) -> Result<Again, Failure> {
    let Some(live) = context.get("autoscaling/v2", "HorizontalPodAutoscaler", namespace, name) else {
        context.index.recommended.remove(&(namespace.to_owned(), name.to_owned()));
        return Ok(None);
    };
    let status = live.value.get("status").cloned().unwrap_or_else(|| json!({}));
    let conditions = object::items(&status, "/conditions").to_vec();
    let now = context.now();
    let mut scaler = Scaler { live, status, conditions, now, again: None };
    let reference = scaler.live.value.pointer("/spec/scaleTargetRef").cloned().unwrap_or_default();
    let (version, kind) = (object::text(&reference, "/apiVersion"), object::text(&reference, "/kind"));
    match context.get(version, kind, namespace, object::text(&reference, "/name")) {
        Some(target) => scaler.work(context, &target, &reference)?,
        None => scaler.lose_target(context, &reference),
    }
    object::set(&mut scaler.status, "/conditions", json!(scaler.conditions));
    if let Some(live) = context.get("autoscaling/v2", "HorizontalPodAutoscaler", namespace, name) {
        context.set_status(&live, scaler.status)?;
    }
    Ok(scaler.again)
}

struct Scaler {
    live: Arc<Object>,
    status: Value,
    conditions: Vec<Value>,
    now: Timestamp,
    again: Again,
}

/// What one metric asks for.
struct Proposal {
    replicas: i64,
    /// In the events' words: `cpu resource utilization (percentage of request)`.
    metric: String,
    shown: Value,
}

impl Scaler {
    fn spec(&self, field: &str) -> Option<i64> {
        object::number(&self.live.value, &format!("/spec/{field}"))
    }

    fn say(&mut self, kind: &str, truth: bool, reason: &str, message: &str) {
        let status = if truth { "True" } else { "False" };
        let condition = json!({"type": kind, "status": status, "reason": reason, "message": message});
        set_condition(&mut self.conditions, condition, &object::rfc3339(self.now), false);
    }

    fn tell(&self, context: &mut Context<'_, '_>, kind: &str, reason: &str, message: &str) {
        event::tell(context, &self.live.value, &Event { kind, reason, message, component: COMPONENT });
    }

    fn lose_target(&mut self, context: &mut Context<'_, '_>, reference: &Value) {
        let (version, kind) = (object::text(reference, "/apiVersion"), object::text(reference, "/kind"));
        let known = context.rules.registry.of_kind(version, kind);
        let why = match known {
            Some(resource) => {
                let plural = qualified(&resource.group, &resource.plural);
                format!("{plural} \"{}\" not found", object::text(reference, "/name"))
            }
            None => {
                format!("no matches for kind \"{kind}\" in group \"{}\"", version.split('/').next().unwrap_or_default())
            }
        };
        self.tell(context, "Warning", "FailedGetScale", &why);
        let message = format!("the HPA controller was unable to get the target's current scale: {why}");
        self.say("AbleToScale", false, "FailedGetScale", &message);
        object::set(&mut self.status, "/desiredReplicas", json!(0));
        object::set(&mut self.status, "/currentMetrics", Value::Null);
    }

    fn work(&mut self, context: &mut Context<'_, '_>, target: &Arc<Object>, reference: &Value) -> Result<(), Failure> {
        let (least, most) = (self.spec("minReplicas").unwrap_or(1), self.spec("maxReplicas").unwrap_or(1));
        let current = object::number(&target.value, "/spec/replicas").unwrap_or(1);
        let running = object::number(&target.value, "/status/replicas").unwrap_or(0);
        self.say(
            "AbleToScale",
            true,
            "SucceededGetScale",
            "the HPA controller was able to get the target's current scale",
        );
        object::set(&mut self.status, "/currentReplicas", json!(running));
        let (wanted, reason) = if current == 0 && least != 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            self.say("ScalingActive", false, "ScalingDisabled", message);
            (0, String::new())
        } else if current > most {
            (most, "Current number of replicas above Spec.MaxReplicas".to_owned())
        } else if current < least {
            (least, "Current number of replicas below Spec.MinReplicas".to_owned())
        } else {
            match self.measured(context, current, reference) {
                Some(found) => found,
                None => return Ok(()),
            }
        };
        object::set(&mut self.status, "/desiredReplicas", json!(wanted));
        if wanted == current {
            return Ok(());
        }
        let mut new = target.value.clone();
        object::set(&mut new, "/spec/replicas", json!(wanted));
        context.update_as(target, new, MANAGER, "scale")?;
        let message = format!("the HPA controller was able to update the target scale to {wanted}");
        self.say("AbleToScale", true, "SucceededRescale", &message);
        self.tell(context, "Normal", "SuccessfulRescale", &format!("New size: {wanted}; reason: {reason}"));
        object::set(&mut self.status, "/lastScaleTime", json!(object::rfc3339(self.now)));
        Ok(())
    }

    /// What the metrics ask for, within the bounds and no faster than is allowed; none where there are no metrics.
    fn measured(&mut self, context: &mut Context<'_, '_>, current: i64, reference: &Value) -> Option<(i64, String)> {
        let namespace = object::namespace(&self.live.value).to_owned();
        let usage = context.simulation.usage(&namespace, reference);
        let metrics = object::items(&self.live.value, "/spec/metrics").to_vec();
        let found: Vec<Result<Proposal, String>> =
            metrics.iter().map(|metric| propose(metric, usage, current)).collect();
        let shown: Vec<Value> =
            found.iter().map(|p| p.as_ref().map_or_else(|_| json!({"type": ""}), |p| p.shown.clone())).collect();
        let invalid = found.iter().filter(|proposal| proposal.is_err()).count();
        let first = found.iter().find_map(|proposal| proposal.as_ref().err().cloned());
        let best = found.into_iter().filter_map(Result::ok).max_by_key(|proposal| proposal.replicas);
        object::set(&mut self.status, "/currentMetrics", json!(shown));
        let best = match (best, first) {
            // With a metric missing the others may make the target larger, not smaller.
            (Some(best), Some(_)) if best.replicas >= current => best,
            (Some(best), None) => best,
            (_, Some(why)) => {
                self.tell(context, "Warning", "FailedGetResourceMetric", &why);
                let resource = metrics.first().map(|m| object::text(m, "/resource/name")).unwrap_or_default();
                let message = format!(
                    "invalid metrics ({invalid} invalid out of {}), first error is: failed to get {resource} resource metric value: {why}",
                    metrics.len()
                );
                self.tell(context, "Warning", "FailedComputeMetricsReplicas", &message);
                let message = format!("the HPA was unable to compute the replica count: {why}");
                self.say("ScalingActive", false, "FailedGetResourceMetric", &message);
                return None;
            }
            (None, None) => return None,
        };
        let message = format!("the HPA was able to successfully calculate a replica count from {}", best.metric);
        self.say("ScalingActive", true, "ValidMetricFound", &message);
        let stable = self.stabilise(context, best.replicas, current);
        let wanted = self.bound(stable, current);
        let reason = if wanted > current {
            format!("{} above target", best.metric)
        } else {
            "All metrics below target".to_owned()
        };
        Some((wanted, reason))
    }

    /// The highest of the recommendations that still count.
    fn stabilise(&mut self, context: &mut Context<'_, '_>, replicas: i64, current: i64) -> i64 {
        let window = self.spec("behavior/scaleDown/stabilizationWindowSeconds").unwrap_or(STABILISATION);
        let window = Duration::from_secs(window.unsigned_abs());
        let key = (object::namespace(&self.live.value).to_owned(), object::name(&self.live.value).to_owned());
        let known = context.index.recommended.entry(key).or_insert_with(|| vec![(self.now, current)]);
        known.retain(|(at, _)| *at + window > self.now);
        known.push((self.now, replicas));
        let highest = known.iter().map(|(_, replicas)| *replicas).max().unwrap_or(replicas);
        if highest > replicas {
            let holding = known.iter().filter(|(_, kept)| *kept > replicas).map(|(at, _)| *at + window).min();
            self.again = holding;
            let message =
                "recent recommendations were higher than current one, applying the highest recent recommendation";
            self.say("AbleToScale", true, "ScaleDownStabilized", message);
            return highest;
        }
        self.say("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
        replicas
    }

    /// Between the bounds, and at most twice as many or four more at a time.
    fn bound(&mut self, replicas: i64, current: i64) -> i64 {
        let (least, most) = (self.spec("minReplicas").unwrap_or(1), self.spec("maxReplicas").unwrap_or(1));
        let faster = (current * 2).max(current + 4);
        let (wanted, limited) = if replicas > faster && faster < most {
            self.again = Some(self.now + PERIOD);
            let message = "the desired replica count is increasing faster than the maximum scale rate";
            (faster, Some(("ScaleUpLimit", message)))
        } else if replicas > most {
            (most, Some(("TooManyReplicas", "the desired replica count is more than the maximum replica count")))
        } else if replicas < least {
            (least, Some(("TooFewReplicas", "the desired replica count is less than the minimum replica count")))
        } else {
            (replicas, None)
        };
        match limited {
            Some((reason, message)) => self.say("ScalingLimited", true, reason, message),
            None => {
                let message = "the desired count is within the acceptable range";
                self.say("ScalingLimited", false, "DesiredWithinRange", message);
            }
        }
        wanted
    }
}

/// What a metric asks for: the pods there are, times usage over target; as many as there are where it is off by no more
/// than a tenth.
fn propose(metric: &Value, usage: Usage, current: i64) -> Result<Proposal, String> {
    let resource = object::text(metric, "/resource/name");
    let used = match (object::text(metric, "/type"), resource) {
        ("Resource", "cpu") => usage.cpu,
        ("Resource", "memory") => usage.memory,
        _ => None,
    };
    let target = object::number(metric, "/resource/target/averageUtilization");
    let (Some(used), Some(target)) = (used, target.filter(|target| *target > 0)) else {
        return Err(format!(
            "failed to get {resource} utilization: unable to get metrics for resource {resource}: {NO_METRICS}"
        ));
    };
    let used = i64::from(used);
    // Off by a tenth of the target at most: |used - target| * 10 <= target.
    let replicas =
        if (used - target).abs() * 10 <= target { current } else { (current * used + target - 1).div_euclid(target) };
    Ok(Proposal {
        replicas,
        metric: format!("{resource} resource utilization (percentage of request)"),
        shown: json!({
            "type": "Resource",
            "resource": {"name": resource, "current": {"averageUtilization": used}},
        }),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[track_caller]
    fn check(current: i64, used: u32, target: i64, expected: i64) {
        let metric = json!({
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": target}},
        });
        let usage = Usage { cpu: Some(used), memory: None };
        assert_eq!(propose(&metric, usage, current).unwrap().replicas, expected);
    }

    #[test]
    fn a_metric_asks_for_as_many_pods_as_bring_it_to_its_target() {
        check(2, 100, 50, 4);
        check(3, 51, 50, 3);
        check(3, 55, 50, 3);
        check(3, 56, 50, 4);
        check(4, 10, 50, 1);
        check(10, 45, 50, 10);
        check(10, 44, 50, 9);
        check(1, 0, 50, 0);
    }
}
