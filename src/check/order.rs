//! Order in time: cycles, and phases pinned against the dependencies.
//!
//! The rules themselves are [`strata_components::phases`]; here they become findings with their places.

use strata_components::model::ServiceName;
use strata_components::phases::{PhaseError, schedule};

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::{field, index};

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let errors = schedule(&loaded.stack).err().unwrap_or_default();
    errors.iter().filter_map(|error| finding(error, loaded)).collect()
}

fn finding(error: &PhaseError, loaded: &Loaded) -> Option<Finding> {
    let path = error.path();
    let at = loaded.places.stack_value(&path);
    let found = match error {
        // References are proven when files are loaded.
        PhaseError::UnknownTier { .. } | PhaseError::UnknownDependency { .. } | PhaseError::UnknownPhase { .. } => {
            return None;
        }
        PhaseError::SamePhaseName { phase, first, .. } => {
            Finding::new(&rules::SAME_PHASE_NAME, format!("{path}: the phase `{phase}` stands in the list twice"))
                .at(at)
                .label("second time here")
                .related(loaded.places.stack_value(&index("phases", first - 1)), "first time here")
                .help("rename one of the two".to_owned())
        }
        PhaseError::Cycle { path: cycle } => {
            let mut finding = Finding::new(&rules::CYCLE, format!("services wait for each other: {}", arrows(cycle)))
                .at(edge(loaded, cycle.first(), cycle.get(1)))
                .help("remove one of the dependencies on this path".to_owned());
            for pair in cycle.windows(2) {
                let [from, to] = pair else { continue };
                let at = edge(loaded, Some(from), Some(to));
                if at == finding.at {
                    finding.label = Some(format!("{from} waits for {to}"));
                } else {
                    finding = finding.related(at, format!("{from} waits for {to}"));
                }
            }
            finding
        }
        PhaseError::PinTooEarly { service, phase, pinned, earliest, path: way, .. } => {
            let named =
                usize::try_from(*earliest).ok().and_then(|number| loaded.stack.phases.get(number.checked_sub(1)?));
            let allowed = named.map_or_else(|| format!("phase {earliest}"), |name| format!("{name} ({earliest})"));
            Finding::new(
                &rules::PIN_TOO_EARLY,
                format!(
                    "{service} is pinned to {phase} ({pinned}), but its dependencies allow {allowed} at the earliest"
                ),
            )
            .at(at)
            .label(format!("needs {}", arrows(way)))
            .help(match named {
                Some(name) => format!("pin it to {name} or a later phase, or remove a dependency on {}", arrows(way)),
                None => format!("name a phase {earliest}, or remove a dependency on {}", arrows(way)),
            })
        }
    };
    Some(found.path(path))
}

/// Where a service says that it waits for another: its own list, or that of its tier.
fn edge(loaded: &Loaded, from: Option<&ServiceName>, to: Option<&ServiceName>) -> Option<crate::finding::Location> {
    let (from, to) = (from?, to?);
    let service = loaded.stack.services.get(from)?;
    let tier = loaded.stack.tiers.get(&service.tier);
    let declarers = [
        (field("services", from.as_str()), service.depends_on.as_slice()),
        (field("tiers", service.tier.as_str()), tier.map(|tier| tier.depends_on.as_slice()).unwrap_or_default()),
    ];
    declarers.iter().find_map(|(declarer, list)| {
        let position = list.iter().position(|one| one.within(&loaded.stack.stack) == Some(to.as_str()))?;
        loaded.places.stack_value(&index(&field(declarer, "depends_on"), position))
    })
}

fn arrows(path: &[ServiceName]) -> String {
    path.iter().map(ServiceName::as_str).collect::<Vec<_>>().join(" → ")
}
