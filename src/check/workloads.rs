//! The workloads that a stack composes to, as proofs about pods see them: the pod template, how many pods there are,
//! and how they are exchanged. What holds of pods must hold whoever composed them, so manifests are read.

use serde_json::Value;
use strata_components::blue_green;
use strata_components::desired::{Desired, Resource, ResourceId};

use super::reach::Labels;

/// Pods of one template.
#[derive(Debug, Clone)]
pub(super) struct Workload<'a> {
    /// The object that makes the pods.
    pub(super) resource: &'a Resource,
    /// The pod template's own labels.
    pub(super) labels: Labels,
    /// The pod template's own annotations.
    pub(super) annotations: Labels,
    /// The pod template's `spec`.
    pub(super) pod: &'a Value,
    /// Where that stands in the manifest, for people: `spec.template.spec`.
    pub(super) at: &'static str,
    /// The fewest pods.
    pub(super) floor: u32,
    /// The most pods: where an autoscaler ends.
    pub(super) ceiling: u32,
    /// How pods are exchanged for those of a new template.
    pub(super) rollout: Rollout,
}

/// How many pods a rollout starts in addition, and how many it may take down first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rollout {
    pub(super) surge: u32,
    pub(super) unavailable: u32,
    /// Whether all of them have to be there at once, because they are those of another colour.
    pub(super) whole: bool,
}

/// Every workload, in the order of the resources.
pub(super) fn workloads(desired: &Desired) -> Vec<Workload<'_>> {
    let scaled: Vec<(&Resource, u32, u32)> = desired.resources.iter().filter_map(autoscaler).collect();
    let mut all: Vec<Workload<'_>> =
        desired.resources.iter().filter_map(|resource| workload(resource, &scaled)).collect();
    let coloured: Vec<&ResourceId> =
        desired.blue_green.keys().filter_map(|service| Some(&blue_green::workload(desired, service)?.id)).collect();
    for workload in all.iter_mut().filter(|workload| coloured.contains(&&workload.resource.id)) {
        workload.rollout = Rollout { surge: workload.floor, unavailable: 0, whole: true };
    }
    all
}

fn workload<'a>(resource: &'a Resource, scaled: &[(&Resource, u32, u32)]) -> Option<Workload<'a>> {
    let kind = resource.id.kind.kind.as_str();
    let (template, at) = match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => ("/spec/template", "spec.template.spec"),
        "CronJob" => ("/spec/jobTemplate/spec/template", "spec.jobTemplate.spec.template.spec"),
        "Pod" => ("", "spec"),
        _ => return None,
    };
    let template = resource.manifest.pointer(template)?;
    let spec = resource.manifest.get("spec")?;
    let written = match kind {
        "Job" => number(spec.get("parallelism")),
        "CronJob" => number(spec.pointer("/jobTemplate/spec/parallelism")),
        _ => number(spec.get("replicas")),
    };
    let runs_to_its_end = matches!(kind, "Job" | "CronJob");
    let owned = scaled.iter().find(|(autoscaler, ..)| {
        let target = &autoscaler.manifest["spec"]["scaleTargetRef"];
        autoscaler.id.namespace == resource.id.namespace
            && target["kind"].as_str() == Some(kind)
            && target["name"].as_str() == Some(resource.id.name.as_str())
    });
    let (floor, ceiling) = match owned {
        Some((_, floor, ceiling)) => (*floor, *ceiling),
        // Its pods are there while it runs, beside those of everything else.
        None if runs_to_its_end => (0, 0),
        None => (written.unwrap_or(1), written.unwrap_or(1)),
    };
    let texts = |pointer: &str| {
        let texts = template.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    Some(Workload {
        resource,
        labels: texts("/metadata/labels"),
        annotations: texts("/metadata/annotations"),
        pod: template.get("spec")?,
        at,
        floor,
        ceiling,
        rollout: Rollout::of(kind, spec, written.unwrap_or(if runs_to_its_end { 1 } else { floor })),
    })
}

fn autoscaler(resource: &Resource) -> Option<(&Resource, u32, u32)> {
    let spec = resource.manifest.get("spec").filter(|_| resource.id.kind.kind == "HorizontalPodAutoscaler")?;
    let floor = number(spec.get("minReplicas")).unwrap_or(1);
    Some((resource, floor, number(spec.get("maxReplicas"))?.max(floor)))
}

fn number(value: Option<&Value>) -> Option<u32> {
    value.and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
}

/// A number of pods, or a share of `whole` of them, rounded up or down.
pub(super) fn share(value: &Value, whole: u32, up: bool) -> Option<u32> {
    if let Some(count) = number(Some(value)) {
        return Some(count);
    }
    let percent: u64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    let hundredths = percent * u64::from(whole);
    u32::try_from(if up { hundredths.div_ceil(100) } else { hundredths / 100 }).ok()
}

impl Rollout {
    /// How the controllers read it: of a Deployment a quarter more and a quarter fewer pods unless it is said, surge
    /// rounded up and the rest down, and one pod fewer where both would be none
    /// (<https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment>).
    fn of(kind: &str, spec: &Value, replicas: u32) -> Self {
        match kind {
            "Deployment" if spec.pointer("/strategy/type").and_then(Value::as_str) == Some("Recreate") => {
                Self { surge: 0, unavailable: replicas, whole: false }
            }
            "Deployment" => {
                let quarter = Value::from("25%");
                let said = |field: &str| spec.pointer("/strategy/rollingUpdate").and_then(|update| update.get(field));
                let surge = share(said("maxSurge").unwrap_or(&quarter), replicas, true).unwrap_or(0);
                let unavailable = share(said("maxUnavailable").unwrap_or(&quarter), replicas, false).unwrap_or(0);
                let unavailable = if surge == 0 { unavailable.max(1) } else { unavailable };
                Self { surge, unavailable, whole: false }
            }
            "Job" | "CronJob" => Self { surge: replicas, unavailable: 0, whole: false },
            // These replace pods in their place.
            _ => Self { surge: 0, unavailable: 1, whole: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(spec: Value, replicas: u32, surge: u32, unavailable: u32) {
        assert_eq!(Rollout::of("Deployment", &spec, replicas), Rollout { surge, unavailable, whole: false }, "{spec}");
    }

    #[test]
    fn rollouts_are_read_as_the_controller_reads_them() {
        check(json!({}), 3, 1, 0);
        check(json!({}), 4, 1, 1);
        check(json!({}), 10, 3, 2);
        check(json!({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}}), 3, 0, 1);
        check(json!({"strategy": {"rollingUpdate": {"maxSurge": "50%", "maxUnavailable": 0}}}), 3, 2, 0);
        check(json!({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}), 3, 0, 1);
        check(json!({"strategy": {"type": "Recreate"}}), 3, 0, 3);
    }

    #[test]
    fn shares_are_rounded_as_they_are_meant() {
        assert_eq!((share(&json!("25%"), 3, true), share(&json!("25%"), 3, false)), (Some(1), Some(0)));
        assert_eq!((share(&json!(2), 3, true), share(&json!("x"), 3, true)), (Some(2), None));
        assert_eq!(share(&json!("100%"), 3, false), Some(3));
    }
}
