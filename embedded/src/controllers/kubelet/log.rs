//! What `kubectl logs` shows of a container that never ran.

use serde_json::Value;

use super::object_name;
use crate::failure::Failure;
use crate::object;

/// What a container of the pod would have written.
pub(crate) fn log(pod: &Value, container: &str, previous: bool) -> Result<String, Failure> {
    let names: Vec<&str> = object::items(pod, "/spec/containers").iter().map(object_name).collect();
    let name = object::name(pod);
    let container = match (container, names.as_slice()) {
        ("", [only]) => *only,
        ("", _) => {
            let list = names.join(" ");
            let text = format!("a container name must be specified for pod {name}, choose one of: [{list}]");
            return Err(Failure::bad_request(text));
        }
        (named, _) if names.contains(&named) => named,
        (named, _) => {
            return Err(Failure::bad_request(format!("container {named} is not valid for pod {name}")));
        }
    };
    let status = object::items(pod, "/status/containerStatuses").iter().find(|s| object_name(s) == container);
    let restarts = status.and_then(|s| object::number(s, "/restartCount")).unwrap_or(0);
    let waits = status.map(|s| object::text(s, "/state/waiting/reason")).unwrap_or("ContainerCreating");
    if previous && restarts == 0 {
        let text = format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return Err(Failure::bad_request(text));
    }
    if waits == "CrashLoopBackOff" || previous {
        return Ok("simulated: the container was asked to fail and exited with code 1\n".to_owned());
    }
    if !waits.is_empty() {
        let text = format!("container \"{container}\" in pod \"{name}\" is waiting to start: {}", waits_words(waits));
        return Err(Failure::bad_request(text));
    }
    Ok(format!("simulated: container {container} of pod {name} runs in no machine and writes nothing\n"))
}

fn waits_words(reason: &str) -> &str {
    match reason {
        "ImagePullBackOff" => "trying and failing to pull image",
        other => other,
    }
}
