//! What is wrong with the pods of a workload that does not become ready, told from what the pods themselves say.

use serde_json::Value;

/// Restarts after which a container that ends again and again counts as crashing, also while it runs for a moment.
const CRASHES: u64 = 2;

/// Why a pod will not become ready by itself; `None` for one that is ready, on its way, or being deleted.
pub(super) fn trouble(pod: &Value) -> Option<String> {
    if is_going(pod) {
        return None;
    }
    let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    if let Some(why) = unplaced(pod) {
        return Some(format!("pod {name} cannot be placed: {why}"));
    }
    if has_failed(pod) {
        let status = &pod["status"];
        return Some(format!("pod {name} failed: {} {}", text(status, "reason"), text(status, "message")));
    }
    let containers = ["initContainerStatuses", "containerStatuses"].map(|list| pod["status"][list].as_array());
    containers.into_iter().flatten().flatten().find_map(|status| container_trouble(name, status))
}

fn container_trouble(pod: &str, status: &Value) -> Option<String> {
    let name = text(status, "name");
    if status["ready"] == true {
        return None;
    }
    let waiting = &status["state"]["waiting"];
    let message = match text(waiting, "message") {
        "" => String::new(),
        message => format!(": {message}"),
    };
    match text(waiting, "reason") {
        reason @ ("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull") => {
            let image = text(status, "image");
            Some(format!("pod {pod} cannot pull the image {image} of container {name} ({reason}{message})"))
        }
        reason @ ("CreateContainerConfigError" | "CreateContainerError" | "RunContainerError") => {
            Some(format!("pod {pod} cannot start container {name} ({reason}{message})"))
        }
        reason => {
            let restarts = status["restartCount"].as_u64().unwrap_or(0);
            if reason != "CrashLoopBackOff" && restarts < CRASHES {
                return None;
            }
            let ended = match status.pointer("/lastState/terminated") {
                Some(last) => format!(", last with exit code {} ({})", last["exitCode"], text(last, "reason")),
                None => String::new(),
            };
            // Every restart follows a crash; one that waits for its restart has crashed once more.
            let times = match restarts + u64::from(status["state"].get("running").is_none()) {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            };
            Some(format!("container {name} of pod {pod} crashed {times}{ended}"))
        }
    }
}

/// What a scheduler says of a pod whose volume is not there yet, among other things
/// (`pkg/scheduler/framework/plugins/volumebinding` of <https://github.com/kubernetes/kubernetes>).
pub(super) const UNBOUND: &str = "unbound immediate PersistentVolumeClaims";

/// Why no node takes the pod, where a scheduler has said so.
pub(super) fn unplaced(pod: &Value) -> Option<&str> {
    let scheduled = conditions(pod).find(|condition| condition["type"] == "PodScheduled")?;
    (scheduled["reason"] == "Unschedulable").then(|| text(scheduled, "message"))
}

/// Whether the pod is being deleted.
pub(super) fn is_going(pod: &Value) -> bool {
    pod.pointer("/metadata/deletionTimestamp").is_some()
}

/// How often each container of a pod has ended by itself so far; none for one that is being deleted, or was ended as a whole
/// (an eviction, a node that shuts down): that is not the doing of what runs in it.
pub(super) fn ends(pod: &Value) -> Vec<(&str, u64)> {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    if is_going(pod) || matches!(phase, Some("Failed" | "Succeeded")) {
        return Vec::new();
    }
    let mut ends = Vec::new();
    for status in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
        let waits = status["state"]["waiting"]["reason"] == "CrashLoopBackOff";
        let now = waits || status["state"].get("terminated").is_some();
        ends.push((text(status, "name"), status["restartCount"].as_u64().unwrap_or(0) + u64::from(now)));
    }
    ends
}

/// That a container of a pod has ended by itself, and how.
pub(super) fn told_end(pod: &Value, container: &str) -> String {
    let statuses = pod["status"]["containerStatuses"].as_array();
    let status = statuses.into_iter().flatten().find(|status| status["name"] == container);
    let ended = status.and_then(|status| {
        let places = ["/state/terminated", "/lastState/terminated"];
        places.into_iter().find_map(|place| status.pointer(place))
    });
    let how = ended.map(|ended| format!(" with exit code {} ({})", ended["exitCode"], text(ended, "reason")));
    let name = text(&pod["metadata"], "name");
    format!("container {container} of pod {name} ended by itself{}", how.unwrap_or_default())
}

/// Whether the pod has ended without success.
pub(super) fn has_failed(pod: &Value) -> bool {
    pod.pointer("/status/phase").is_some_and(|phase| phase == "Failed")
}

/// Whether the pod says of itself that it is ready.
pub(super) fn is_ready(pod: &Value) -> bool {
    conditions(pod).any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Whether the pod carries every label that a workload's selector asks for.
pub(super) fn selected(workload: &Value, pod: &Value) -> bool {
    let Some(wanted) = workload.pointer("/spec/selector/matchLabels").and_then(Value::as_object) else {
        return false;
    };
    let labels = &pod["metadata"]["labels"];
    !wanted.is_empty() && wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}

fn conditions(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["status"]["conditions"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(status: Value, expect: Option<&str>) {
        let pod = json!({"metadata": {"name": "a-1"}, "status": status});
        assert_eq!(trouble(&pod).as_deref(), expect);
    }

    #[test]
    fn each_kind_of_trouble_is_told_apart() {
        check(
            json!({"phase": "Running", "containerStatuses": [{"name": "c", "ready": true, "restartCount": 9}]}),
            None,
        );
        check(
            json!({"phase": "Pending", "containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ContainerCreating"}}}]}),
            None,
        );
        check(
            json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}]}),
            Some("pod a-1 cannot be placed: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu."),
        );
        check(
            json!({"containerStatuses": [{"name": "c", "image": "x:1",
                "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}}]}),
            Some("pod a-1 cannot pull the image x:1 of container c (ImagePullBackOff: Back-off pulling image)"),
        );
        check(
            json!({"containerStatuses": [{"name": "c", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]}),
            Some("container c of pod a-1 crashed 4 times, last with exit code 1 (Error)"),
        );
    }

    #[test]
    fn a_selector_picks_its_pods() {
        let workload = json!({"spec": {"selector": {"matchLabels": {"a": "1", "b": "2"}}}});
        assert!(selected(&workload, &json!({"metadata": {"labels": {"a": "1", "b": "2", "c": "3"}}})));
        assert!(!selected(&workload, &json!({"metadata": {"labels": {"a": "1"}}})));
        assert!(!selected(&json!({}), &json!({"metadata": {"labels": {"a": "1"}}})));
    }
}
