//! Order and equality of JSON values as field paths and comparisons need them.
//!
//! `serde_json` calls `1` and `1.0` different; the API server does not. Nothing here converts or changes a value.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// Whether two values are the same to the API server: numbers by what they amount to, everything else by structure.
///
/// ```
/// use serde_json::json;
/// assert!(structured_merge::value::equal(&json!({"port": 80}), &json!({"port": 80.0})));
/// assert!(!structured_merge::value::equal(&json!("80"), &json!(80)));
/// ```
#[must_use]
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => compare_numbers(l, r) == Ordering::Equal,
        (Value::Array(l), Value::Array(r)) => l.len() == r.len() && l.iter().zip(r).all(|(l, r)| equal(l, r)),
        (Value::Object(l), Value::Object(r)) => equal_maps(l, r),
        _ => left == right,
    }
}

fn equal_maps(left: &Map<String, Value>, right: &Map<String, Value>) -> bool {
    left.len() == right.len() && left.iter().all(|(key, l)| right.get(key).is_some_and(|r| equal(l, r)))
}

/// A total order of values of any type: numbers, strings, booleans, lists, maps, then null.
#[must_use]
pub fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => compare_numbers(l, r),
        (Value::String(l), Value::String(r)) => l.cmp(r),
        (Value::Bool(l), Value::Bool(r)) => l.cmp(r),
        (Value::Array(l), Value::Array(r)) => {
            l.iter().zip(r).map(|(l, r)| compare(l, r)).find(|o| o.is_ne()).unwrap_or_else(|| l.len().cmp(&r.len()))
        }
        (Value::Object(l), Value::Object(r)) => compare_maps(l, r),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn compare_maps(left: &Map<String, Value>, right: &Map<String, Value>) -> Ordering {
    let (left, right) = (sorted(left), sorted(right));
    left.iter()
        .zip(&right)
        .map(|((lk, lv), (rk, rv))| lk.cmp(rk).then_with(|| compare(lv, rv)))
        .find(|o| o.is_ne())
        .unwrap_or_else(|| left.len().cmp(&right.len()))
}

/// The entries of a map by key, whatever order the map itself keeps.
pub(crate) fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    if !entries.is_sorted_by(|l, r| l.0 <= r.0) {
        entries.sort_unstable_by(|l, r| l.0.cmp(r.0));
    }
    entries
}

fn compare_numbers(left: &Number, right: &Number) -> Ordering {
    match (integer(left), integer(right)) {
        (Some(l), Some(r)) => l.cmp(&r),
        _ => float(left).total_cmp(&float(right)),
    }
}

fn integer(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

/// Adding zero folds `-0.0` into `0.0`, which are one number.
fn float(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN) + 0.0
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

/// Whether a value is a string, a number or a boolean.
pub(crate) fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(left: Value, right: Value, expected: Ordering) {
        assert_eq!(compare(&left, &right), expected, "{left} against {right}");
        assert_eq!(compare(&right, &left), expected.reverse(), "{right} against {left}");
        assert_eq!(equal(&left, &right), expected == Ordering::Equal, "equality of {left} and {right}");
    }

    #[test]
    fn numbers_compare_by_amount() {
        check(json!(1), json!(1.0), Ordering::Equal);
        check(json!(0.0), json!(-0.0), Ordering::Equal);
        check(json!(u64::MAX), json!(-1), Ordering::Greater);
        check(json!(i64::MAX), json!(u64::MAX), Ordering::Less);
        check(json!(2), json!(1.5), Ordering::Greater);
    }

    #[test]
    fn types_have_an_order() {
        for pair in [json!(9), json!("a"), json!(false), json!([]), json!({}), json!(null)].windows(2) {
            check(pair[0].clone(), pair[1].clone(), Ordering::Less);
        }
    }

    #[test]
    fn containers_compare_item_by_item() {
        check(json!([1, 2]), json!([1, 3]), Ordering::Less);
        check(json!([1]), json!([1, 0]), Ordering::Less);
        check(json!({"a": 1}), json!({"a": 1.0}), Ordering::Equal);
        check(json!({"a": 1}), json!({"b": 0}), Ordering::Less);
        check(json!({"a": 1, "b": 2}), json!({"a": 1}), Ordering::Greater);
    }
}
