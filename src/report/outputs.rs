//! The outputs of a stack in an environment, for people and for programs.

use std::collections::BTreeMap;

use serde::Serialize;
use strata_components::desired::{Desired, Instance};
use strata_components::outputs::OutputHere;

use super::clean::clean;
use super::table::Table;

/// The form of the document.
pub const FORMAT: &str = "strata.outputs/v1";

/// The outputs of an instance, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutputsDocument<'a> {
    format: &'static str,
    #[serde(flatten)]
    instance: &'a Instance,
    outputs: &'a BTreeMap<String, OutputHere>,
}

impl<'a> OutputsDocument<'a> {
    /// What a stack composes to tells.
    #[must_use]
    pub fn of(desired: &'a Desired) -> Self {
        Self { format: FORMAT, instance: &desired.instance, outputs: &desired.outputs }
    }
}

/// The outputs of several stacks by the names that others give them: `stack.output`.
#[must_use]
pub fn together(all: &[&Desired]) -> BTreeMap<String, OutputHere> {
    let named = |one: &Desired| {
        let stack = one.instance.stack.clone();
        one.outputs.clone().into_iter().map(move |(name, output)| (format!("{stack}.{name}"), output))
    };
    all.iter().flat_map(|one| named(one)).collect()
}

/// A table of them: names, values and what they are.
#[must_use]
pub fn terminal(outputs: &BTreeMap<String, OutputHere>) -> String {
    let mut table = Table::new(&["OUTPUT", "VALUE", "DESCRIPTION"]);
    for (name, OutputHere { value, description }) in outputs {
        table.row([name.as_str(), value.as_str(), description.as_deref().unwrap_or_default()]);
    }
    table.to_string()
}

/// One value, alone on its line.
#[must_use]
pub fn value(output: &OutputHere) -> String {
    format!("{}\n", clean(&output.value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use strata_components::desired::Instance;

    use super::*;

    #[test]
    fn outputs_are_told_in_both_forms() {
        let output = |value: &str, description: Option<&str>| OutputHere {
            value: value.to_owned(),
            description: description.map(str::to_owned),
        };
        let outputs = BTreeMap::from([
            ("cache_url".to_owned(), output("redis://cache.shop.svc:6379", Some("Where the cache answers"))),
            ("region".to_owned(), output("eu\u{202e}central", None)),
        ]);
        assert_eq!(
            terminal(&outputs),
            "OUTPUT     VALUE                        DESCRIPTION\n\
             cache_url  redis://cache.shop.svc:6379  Where the cache answers\n\
             region     eu\\u{202e}central\n"
        );
        assert_eq!(outputs.values().map(value).next_back().as_deref(), Some("eu\\u{202e}central\n"));
        let instance = Instance { stack: "shop".into(), environment: "dev".into(), suffix: Some("pr-7".into()) };
        let document = OutputsDocument { format: FORMAT, instance: &instance, outputs: &outputs };
        assert_eq!(
            serde_json::to_value(document).ok(),
            Some(json!({
                "format": "strata.outputs/v1", "stack": "shop", "environment": "dev", "suffix": "pr-7",
                "outputs": {
                    "cache_url": {"value": "redis://cache.shop.svc:6379", "description": "Where the cache answers"},
                    "region": {"value": "eu\u{202e}central"},
                },
            }))
        );
    }
}
