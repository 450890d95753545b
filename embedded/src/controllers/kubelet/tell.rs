//! The events that a kubelet writes about a pod.

use serde_json::Value;

use super::life::State;
use super::{KUBELET, object_name};
use crate::controllers::Context;
use crate::controllers::event::{self, Event};
use crate::object;
use crate::simulation::PodFault;

/// The events that a kubelet writes when a pod's state changes.
pub(super) fn tell(
    context: &mut Context<'_, '_>,
    before: &Value,
    after: &Value,
    state: &State,
    fault: Option<PodFault>,
) {
    let image = object::items(after, "/spec/containers").first().map(|c| object::text(c, "/image")).unwrap_or_default();
    let mut say = |kind: &str, reason: &str, message: String| {
        event::tell(context, after, &Event { kind, reason, message: &message, component: KUBELET });
    };
    let begins = before.pointer("/status/startTime").is_none();
    let restarts = |pod: &Value| object::number(pod, "/status/containerStatuses/0/restartCount");
    match fault {
        Some(PodFault::ImagePull) if begins => {
            say("Normal", "Pulling", format!("Pulling image \"{image}\""));
            say(
                "Warning",
                "Failed",
                format!(
                    "Failed to pull image \"{image}\": rpc error: code = NotFound desc = simulated: {image}: not found"
                ),
            );
            say("Warning", "Failed", "Error: ErrImagePull".to_owned());
            say("Normal", "BackOff", format!("Back-off pulling image \"{image}\""));
            say("Warning", "Failed", "Error: ImagePullBackOff".to_owned());
        }
        Some(PodFault::CrashLoop) if begins || restarts(before) != restarts(after) => {
            say("Normal", "Created", "Container created (simulated)".to_owned());
            say("Normal", "Started", "Container started (simulated)".to_owned());
            let message = object::text(&state.state, "/waiting/message").to_owned();
            say(
                "Warning",
                "BackOff",
                message.split_once(" pod=").map_or(message.clone(), |(_, pod)| {
                    let container =
                        object::items(after, "/spec/containers").first().map(object_name).unwrap_or_default();
                    format!("Back-off restarting failed container {container} in pod {pod}")
                }),
            );
        }
        _ if begins => {
            say("Normal", "Pulled", format!("Container image \"{image}\" already present on machine (simulated)"));
            say("Normal", "Created", "Container created (simulated)".to_owned());
            say("Normal", "Started", "Container started (simulated)".to_owned());
        }
        _ => {}
    }
}
