//! The same input gives the same bytes, in whatever order the files name things.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;
use strata_components::compose::compose;
use strata_components::model::{Environment, Stack};

use crate::fleet::{ENVIRONMENTS, environment, sophia};

/// Writes JSON with the fields of every object, and the services that one waits for, in an order that `picks` choose.
fn shuffled(value: &Value, picks: &mut impl Iterator<Item = Index>) -> String {
    fn drawn<T>(mut from: Vec<T>, picks: &mut impl Iterator<Item = Index>) -> Vec<T> {
        let mut to = Vec::new();
        while !from.is_empty() {
            let at = picks.next().map_or(0, |pick| pick.index(from.len()));
            to.push(from.remove(at));
        }
        to
    }
    match value {
        Value::Object(fields) => {
            let fields = drawn(fields.iter().collect(), picks).into_iter().map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("depends_on", Value::Array(items)) => Value::Array(drawn(items.clone(), picks)),
                    _ => value.clone(),
                };
                format!("{}:{}", Value::from(name.as_str()), shuffled(&value, picks))
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| shuffled(item, picks)).collect();
            format!("[{}]", items.join(","))
        }
        plain => plain.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_does_not_matter(picks in prop::collection::vec(any::<Index>(), 1..40), which in 0..4_usize) {
        let (stack, environment) = (sophia(), environment(ENVIRONMENTS[which]));
        let mut picks = picks.into_iter().cycle();
        let mut again = |value: Value| shuffled(&value, &mut picks);
        let other_stack: Stack = serde_json::from_str(&again(serde_json::to_value(&stack).unwrap())).unwrap();
        let text = again(serde_json::to_value(&environment).unwrap());
        let other_environment: Environment = serde_json::from_str(&text).unwrap();

        let bytes = |stack, environment| serde_json::to_string(&compose(stack, environment, "local", None).unwrap()).unwrap();
        prop_assert_eq!(bytes(&stack, &environment), bytes(&other_stack, &other_environment));
        prop_assert_eq!(bytes(&stack, &environment), bytes(&stack, &environment));
    }
}
