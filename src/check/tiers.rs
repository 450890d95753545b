//! Which tiers may depend on which: the lists that tiers keep bound the dependencies that may be declared.

use strata_components::model::{ServiceRef, TierName};

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::{field, index};

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let stack = &loaded.stack;
    let of_tiers = stack.tiers.iter().map(|(name, tier)| (field("tiers", name.as_str()), name, &tier.depends_on));
    let of_services = stack
        .services
        .iter()
        .map(|(name, service)| (field("services", name.as_str()), &service.tier, &service.depends_on));
    let mut findings = Vec::new();
    for (declarer, tier, dependencies) in of_tiers.chain(of_services) {
        for (position, dependency) in dependencies.iter().enumerate() {
            let path = index(&field(&declarer, "depends_on"), position);
            findings.extend(refusal(loaded, tier, dependency, path));
        }
    }
    findings
}

/// The finding where services of `tier` may not depend on a service of this stack. What another stack declares is not
/// bounded by a list of tiers.
fn refusal(loaded: &Loaded, tier: &TierName, dependency: &ServiceRef, path: String) -> Option<Finding> {
    let stack = &loaded.stack;
    let target = stack.services.get(dependency.within(&stack.stack)?)?;
    let accepted = &stack.tiers.get(&target.tier)?.accepts;
    if accepted.is_empty() || accepted.contains(tier) {
        return None;
    }
    let names: Vec<&str> = accepted.iter().map(|tier| tier.as_str()).collect();
    let list = field(&field("tiers", target.tier.as_str()), "accepts");
    Some(
        Finding::new(
            &rules::TIER_REFUSES,
            format!("{path}: {dependency} belongs to tier {}, which accepts {}", target.tier, names.join(", ")),
        )
        .at(loaded.places.stack_value(&path))
        .label(format!("from tier {tier}"))
        .related(loaded.places.stack_value(&list), format!("tiers that {} accepts", target.tier))
        .help(format!("remove the dependency, or add {tier} to {list}"))
        .path(path),
    )
}
