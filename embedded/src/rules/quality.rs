//! A pod's quality of service: how surely it keeps what it uses.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/core/v1/helper/qos`.

use serde_json::Value;
use structured_merge::quantity::Quantity;

use crate::object;

/// `Guaranteed`, `Burstable` or `BestEffort`. Only processors and memory count; what is said of the whole pod stands
/// in place of what its containers say.
pub(crate) fn of(pod: &Value) -> &'static str {
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let whole: Vec<&Value> = match spec.get("resources") {
        Some(resources) if !resources.is_null() => vec![spec],
        _ => object::items(spec, "/containers").iter().chain(object::items(spec, "/initContainers")).collect(),
    };
    let (mut any, mut all) = (false, true);
    for part in whole {
        for name in ["cpu", "memory"] {
            let amount = |list: &str| {
                let text = part.pointer(&format!("/resources/{list}/{name}"))?.as_str()?;
                Quantity::parse(text).ok().map(Quantity::nano).filter(|nano| *nano > 0)
            };
            let (request, limit) = (amount("requests"), amount("limits"));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, all) {
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
        (false, _) => "BestEffort",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(resources: &[Value], expected: &str) {
        let containers: Vec<Value> = resources.iter().map(|resources| json!({"resources": resources})).collect();
        assert_eq!(of(&json!({"spec": {"containers": containers}})), expected, "{resources:?}");
    }

    #[test]
    fn qualities() {
        let full = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}});
        check(&[json!({})], "BestEffort");
        check(&[json!({"limits": {"nvidia.com/gpu": "1"}})], "BestEffort");
        check(&[json!({"requests": {"cpu": "0"}})], "BestEffort");
        check(std::slice::from_ref(&full), "Guaranteed");
        check(&[full.clone(), json!({"limits": {"cpu": "1", "memory": "1Gi"}})], "Guaranteed");
        check(&[full.clone(), json!({"limits": {"cpu": "1"}})], "Burstable");
        check(&[full, json!({})], "Burstable");
        let pod = json!({"spec": {"resources": {"requests": {"cpu": "1"}}, "containers": [{}]}});
        assert_eq!(of(&pod), "Burstable");
    }
}
