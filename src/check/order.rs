//! Order in time: cycles, phases pinned against the dependencies, and the critical path.
//!
//! The rules themselves are [`strata_components::phases`]; here they become findings with their places.

use std::fmt;

use serde::Serialize;
use strata_components::desired::Desired;
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

/// What decides how long it takes until a whole fleet is ready: of each phase the service that may take the longest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CriticalPath {
    /// How long all of it may take until the last service answers for the first time, in seconds.
    pub seconds: u64,
    /// Its services, phase by phase. Of several that may take as long, one that the next waits for.
    pub services: Vec<Stage>,
}

/// The service of a phase that the critical path runs through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stage {
    /// The service.
    pub service: String,
    /// The number of its phase.
    pub phase: u32,
    /// How long it may take to answer for the first time, in seconds.
    pub seconds: u64,
}

impl CriticalPath {
    /// The critical path of what a stack composes to; nothing where it has no services.
    #[must_use]
    pub fn of(desired: &Desired, loaded: &Loaded) -> Option<Self> {
        let limit = |name: &str| {
            let Some((name, service)) = loaded.stack.services.get_key_value(name) else { return 0 };
            let changed = loaded.change(name).and_then(|(_, change)| change.gpu);
            let limit = service.startup_limit_with(changed.unwrap_or(service.gpu));
            limit.as_std().as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
        };
        let waits = |from: &str, to: &str| desired.claims.edges.iter().any(|edge| edge.from == from && edge.to == to);
        let mut services: Vec<Stage> = Vec::new();
        for phase in desired.phases.iter().rev() {
            let Some(seconds) = phase.services.iter().map(|name| limit(name)).max() else { continue };
            let mut slow = phase.services.iter().filter(|name| limit(name) == seconds).peekable();
            let first = slow.peek().copied();
            let next = services.last();
            let awaited = slow.find(|name| next.is_some_and(|next| waits(&next.service, name)));
            let chosen = awaited.or(first).into_iter();
            services.extend(chosen.map(|name| Stage { service: name.clone(), phase: phase.number, seconds }));
        }
        services.reverse();
        let seconds = services.iter().fold(0, |sum: u64, stage| sum.saturating_add(stage.seconds));
        (!services.is_empty()).then_some(Self { seconds, services })
    }
}

impl fmt::Display for CriticalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.seconds / 60, self.seconds % 60);
        let time = match (minutes, seconds) {
            (0, seconds) => format!("{seconds}s"),
            (minutes, 0) => format!("{minutes}m"),
            (minutes, seconds) => format!("{minutes}m{seconds}s"),
        };
        let services: Vec<&str> = self.services.iter().map(|stage| stage.service.as_str()).collect();
        write!(f, "{}, {time} at the most", services.join(" → "))
    }
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
