//! Events: `v1` and `events.k8s.io/v1` name the same fields differently.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/events/v1/conversion.go`.

use serde_json::Value;

use crate::object;

/// Fields by their name in `v1` and in `events.k8s.io/v1`.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// A `v1` Event as `events.k8s.io/v1` has it.
pub(super) fn to_events(event: &Value) -> Value {
    renamed(event, NAMES)
}

/// An `events.k8s.io/v1` Event as `v1` has it.
pub(super) fn to_core(event: &Value) -> Value {
    renamed(event, NAMES.map(|(core, events)| (events, core)))
}

fn renamed(event: &Value, names: [(&str, &str); 7]) -> Value {
    let mut event = event.clone();
    let map = object::as_map(&mut event);
    for (old, new) in names {
        if let Some(value) = map.remove(old) {
            map.insert(new.to_owned(), value);
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_goes_there_and_back() {
        let core = json!({
            "metadata": {"name": "a"}, "involvedObject": {"kind": "Pod"}, "message": "m", "count": 2, "type": "Normal",
            "reportingComponent": "c", "source": {"component": "c"}, "lastTimestamp": null,
        });
        let events = json!({
            "metadata": {"name": "a"}, "regarding": {"kind": "Pod"}, "note": "m", "deprecatedCount": 2,
            "type": "Normal", "reportingController": "c", "deprecatedSource": {"component": "c"},
            "deprecatedLastTimestamp": null,
        });
        assert_eq!(to_events(&core), events);
        assert_eq!(to_core(&events), core);
    }
}
