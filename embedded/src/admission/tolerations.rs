//! `DefaultTolerationSeconds`: a pod stays five minutes on a node that is not ready or cannot be reached, unless it says
//! otherwise.
//!
//! Source: `k8s.io/kubernetes/plugin/pkg/admission/defaulttolerationseconds`.

use serde_json::{Value, json};

use super::push;
use crate::object;

const SECONDS: i64 = 300;

/// A pod that is made or changed.
pub(super) fn admit(pod: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = object::items(pod, "/spec/tolerations").iter().any(|toleration| {
            let keyed = object::text(toleration, "/key");
            (keyed == key || keyed.is_empty()) && matches!(object::text(toleration, "/effect"), "NoExecute" | "")
        });
        if !tolerated && let Some(spec) = pod.get_mut("spec") {
            let toleration =
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS});
            push(spec, "tolerations", toleration);
        }
    }
}
