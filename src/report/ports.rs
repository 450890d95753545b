//! The port registry of a stack for people.

use super::table::Table;
use crate::check::registry::Registry;

/// One table a tier, each with what is free.
#[must_use]
pub fn terminal(registry: &Registry) -> String {
    let mut text = format!("{} in {}, ports +{}\n", registry.stack, registry.environment, registry.offset);
    for tier in &registry.tiers {
        let title = tier.title.as_ref().map_or(String::new(), |title| format!(", {}", super::clean::clean(title)));
        text.push_str(&format!("\n{} {}-{}{title}\n", tier.tier, tier.first, tier.last));
        let mut table = Table::new(&["PORT", "HEALTH", "SERVICE", "PURPOSE"]);
        for port in &tier.taken {
            let purpose = port.purpose.as_deref().unwrap_or_default();
            table.row([&port.port.to_string(), &port.health_port.to_string(), port.service.as_str(), purpose]);
        }
        if !tier.taken.is_empty() {
            text.push_str(&table.to_string());
        }
        let free = if tier.free.is_empty() { "none".to_owned() } else { tier.free.join(", ") };
        text.push_str(&format!("free: {free} ({} of {})\n", tier.free_count, usize::from(tier.last - tier.first) + 1));
    }
    text
}
