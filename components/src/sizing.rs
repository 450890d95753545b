//! How many pods a service has in an environment, and who decides: the file, or an autoscaler.
//!
//! In this order: the environment's word on the service goes before the stack's; a critical service is raised to the
//! environment's floor; an autoscaler starts no lower than the replicas that were asked for; the environment's cap
//! is applied last, to both ends of an autoscaler's range. Where a written figure of an autoscaler gives way, a
//! note says so.

use crate::compose::Problem;
use crate::desired::Note;
use crate::model::{Autoscale, Environment, Replicas, Service, ServiceName, ServiceOverride};

/// The number of pods of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Size {
    /// The fewest pods: the replicas, or where an autoscaler begins.
    pub(crate) floor: u32,
    /// The most pods.
    pub(crate) ceiling: u32,
    /// The autoscaler that owns the number, where one works.
    pub(crate) autoscale: Option<Autoscale>,
    /// What gave way.
    pub(crate) notes: Vec<Note>,
}

/// Decides the number of pods of a service. `critical` says whether the environment's floor for critical services
/// holds for it.
pub(crate) fn size(
    name: &ServiceName,
    service: &Service,
    critical: bool,
    changed: Option<&ServiceOverride>,
    environment: &Environment,
) -> Result<Size, Problem> {
    let policy = &environment.replicas;
    let asked = changed.and_then(|changed| changed.replicas).unwrap_or(service.replicas);
    let raised = policy.critical_min.filter(|_| critical).map_or(asked, |least| asked.max(least));
    let capped = |replicas: Replicas| policy.max.map_or(replicas, |most| replicas.min(most));
    let own = match (service.autoscale, changed.and_then(|changed| changed.autoscale)) {
        (Some(stack), Some(here)) => Some(here.over(stack)),
        (stack, None) => stack,
        (None, Some(_)) => return Err(Problem::NoAutoscaler { service: name.clone() }),
    };
    let Some(written) = own.filter(|_| environment.autoscaling) else {
        let floor = capped(raised).get();
        return Ok(Size { floor, ceiling: floor, autoscale: None, notes: Vec::new() });
    };

    let floor = raised.max(written.min);
    if floor > written.max {
        let (floor, max) = (floor.get(), written.max.get());
        return Err(Problem::AutoscalerRange { service: name.clone(), floor, max });
    }
    let mut notes = Vec::new();
    let mut note = |field: &str, message: String| {
        notes.push(Note { path: format!("services.{name}.autoscale.{field}"), message });
    };
    if written.min < raised {
        note(
            "min",
            format!(
                "{name} has {raised} replicas, and an autoscaler that could go down to {}: the higher floor, {raised}, \
                 holds",
                written.min
            ),
        );
    }
    let autoscale = Autoscale { min: capped(floor), max: capped(written.max), ..written };
    if let Some(most) = policy.max.filter(|most| *most < written.max) {
        let rest = if autoscale.min == autoscale.max {
            ", which leaves its autoscaler no room to act"
        } else {
            ", and its autoscaler acts below that"
        };
        note(
            "max",
            format!("{name} could grow to {} pods: {} allows {most}{rest}", written.max, environment.environment),
        );
    }
    Ok(Size { floor: autoscale.min.get(), ceiling: autoscale.max.get(), autoscale: Some(autoscale), notes })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use serde_json::{Value, json};

    use super::*;

    /// `service` and `environment` are what differs from the smallest of each.
    #[track_caller]
    fn check(service: Value, critical: bool, environment: Value, expected: Result<(u32, u32, bool, &[&str]), &str>) {
        let name = ServiceName::new("gong").unwrap();
        let whole = |mut least: Value, more: Value| {
            least.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            least
        };
        let service = serde_json::from_value(whole(json!({"tier": "all", "port": 9000}), service)).unwrap();
        let least = json!({
            "environment": "staging", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
            "image": {"registry": "registry.example", "tag": "1"},
        });
        let environment: Environment = serde_json::from_value(whole(least, environment)).unwrap();
        let found = size(&name, &service, critical, environment.services.get("gong"), &environment);
        let found = found.map_err(|problem| problem.to_string());
        let notes: Vec<_>;
        let found = match &found {
            Ok(size) => {
                notes = size.notes.iter().map(|note| note.message.as_str()).collect();
                Ok((size.floor, size.ceiling, size.autoscale.is_some(), notes.as_slice()))
            }
            Err(problem) => Err(problem.as_str()),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn replicas_without_an_autoscaler() {
        let three = || json!({"replicas": 3});
        check(json!({}), false, json!({}), Ok((1, 1, false, &[])));
        check(three(), false, json!({}), Ok((3, 3, false, &[])));
        check(three(), false, json!({"replicas": {"max": 2}}), Ok((2, 2, false, &[])));
        check(json!({}), true, json!({"replicas": {"critical_min": 2}}), Ok((2, 2, false, &[])));
        check(json!({}), false, json!({"replicas": {"critical_min": 2}}), Ok((1, 1, false, &[])));
        check(json!({}), true, json!({"replicas": {"critical_min": 3, "max": 2}}), Ok((2, 2, false, &[])));
        check(three(), false, json!({"services": {"gong": {"replicas": 5}}}), Ok((5, 5, false, &[])));
    }

    #[test]
    fn an_autoscaler_works_only_where_it_may() {
        let service = || json!({"replicas": 2, "autoscale": {"min": 2, "max": 5, "cpu": 70}});
        check(service(), false, json!({}), Ok((2, 2, false, &[])));
        check(service(), false, json!({"autoscaling": true}), Ok((2, 5, true, &[])));
    }

    #[test]
    fn the_higher_floor_holds() {
        let service = json!({"replicas": 3, "autoscale": {"min": 2, "max": 5, "cpu": 70}});
        let note = "gong has 3 replicas, and an autoscaler that could go down to 2: the higher floor, 3, holds";
        check(service, false, json!({"autoscaling": true}), Ok((3, 5, true, &[note])));
        let service = json!({"autoscale": {"min": 2, "max": 5, "cpu": 70}});
        check(service, false, json!({"autoscaling": true}), Ok((2, 5, true, &[])));
    }

    #[test]
    fn a_cap_holds_for_an_autoscaler_too() {
        let service = || json!({"autoscale": {"min": 2, "max": 5, "cpu": 70}});
        let none = "gong could grow to 5 pods: staging allows 2, which leaves its autoscaler no room to act";
        check(service(), false, json!({"autoscaling": true, "replicas": {"max": 2}}), Ok((2, 2, true, &[none])));
        let some = "gong could grow to 5 pods: staging allows 3, and its autoscaler acts below that";
        check(service(), false, json!({"autoscaling": true, "replicas": {"max": 3}}), Ok((2, 3, true, &[some])));
        let here = json!({"autoscaling": true, "services": {"gong": {"autoscale": {"min": 1, "max": 2}}}});
        check(service(), false, here, Ok((1, 2, true, &[])));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        check(
            json!({"replicas": 6, "autoscale": {"min": 2, "max": 5, "cpu": 70}}),
            false,
            json!({"autoscaling": true}),
            Err("gong would begin with 6 pods, and its autoscaler allows at most 5"),
        );
        check(
            json!({}),
            false,
            json!({"services": {"gong": {"autoscale": {"min": 1}}}}),
            Err("the environment changes the autoscaler of gong, which has none in the stack"),
        );
    }
}
