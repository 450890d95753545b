//! Forgetting an object: it stays on the cluster, without the instance's marks and without a record that the stack ever
//! set a field of it.

use http::StatusCode;
use serde_json::{Value, json};

use super::Cluster;
use super::carry::CONTROL_MANAGER;
use super::identity::PART_OF_LABEL;
use super::request::Call;
use crate::observe::Owner;
use crate::plan::{Plan, Step};
use crate::provider::{Done, ProviderError};

/// How often an object is looked at again that changed between being read and being written.
const LOOKS: u32 = 5;
/// What every annotation of ours begins with.
const OURS: &str = "strata.dev/";
/// The label that says which tool keeps an object.
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

impl Cluster {
    /// Takes the marks off an object, if it is still the one that was planned for and still the instance's.
    pub(super) async fn forget_step(&self, plan: &Plan, step: &Step) -> Result<Done, ProviderError> {
        let (path, identity) = (self.path(step).await?, self.identity(&plan.instance));
        let doing = format!("forgetting {}", step.id);
        let mut looks = LOOKS;
        loop {
            let Some(live) = self.requests.find(&Call::get(&path, doing.as_str())).await? else {
                return Ok(Done { uid: None, warnings: Vec::new() });
            };
            let done = Done { uid: step.uid.clone(), warnings: Vec::new() };
            if live["metadata"]["uid"].as_str() != step.uid.as_deref() {
                return Err(ProviderError::Moved { id: step.id.to_string(), what: "was replaced".to_owned() });
            }
            if identity.owner(&live) != Owner::This {
                return Ok(done);
            }
            let call = Call::json_patch(&path, doing.as_str(), &unmarked(&live, &plan.field_manager))
                .query("fieldManager", CONTROL_MANAGER);
            let answer = self.requests.send(&call).await?;
            looks -= 1;
            // Somebody, such as a controller with its status, has written it since it was read; what is to be taken off
            // may be gone, which is another answer.
            if matches!(answer.status, StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY) && looks > 0 {
                continue;
            }
            return answer.ok(&call.doing).map(|_| done);
        }
    }
}

/// The patch that takes off our label, our annotations and our entries among the managed fields, on condition that the
/// object is as it was read.
fn unmarked(live: &Value, manager: &str) -> Value {
    let metadata = &live["metadata"];
    let mut patch = vec![json!({
        "op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"],
    })];
    let mut remove = |section: &str, ours: &dyn Fn(&str, &Value) -> bool| {
        for (key, _) in metadata[section].as_object().into_iter().flatten().filter(|(key, value)| ours(key, value)) {
            let key = key.replace('~', "~0").replace('/', "~1");
            patch.push(json!({"op": "remove", "path": format!("/metadata/{section}/{key}")}));
        }
    };
    remove("labels", &|key, value| key == PART_OF_LABEL || (key == MANAGED_BY_LABEL && value == "strata"));
    remove("annotations", &|key, _| key.starts_with(OURS));
    let entries = metadata["managedFields"].as_array();
    let mut others: Vec<Value> =
        entries.into_iter().flatten().filter(|entry| entry["manager"] != manager).cloned().collect();
    if others.is_empty() {
        // An empty list would be taken for one that was left out; an empty entry takes all of them off.
        others.push(json!({}));
    }
    patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": others}));
    Value::Array(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_taken_off_and_nothing_else() {
        let live = json!({"metadata": {
            "resourceVersion": "7",
            "labels": {PART_OF_LABEL: "x", MANAGED_BY_LABEL: "strata", "mine": "1"},
            "annotations": {"strata.dev/address": "a", "strata.dev/b~c": "c", "note": "n"},
            "managedFields": [{"manager": "strata-s"}, {"manager": "kubectl"}],
        }});
        let expect = json!([
            {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
            {"op": "remove", "path": "/metadata/labels/app.kubernetes.io~1managed-by"},
            {"op": "remove", "path": "/metadata/labels/applyset.kubernetes.io~1part-of"},
            {"op": "remove", "path": "/metadata/annotations/strata.dev~1address"},
            {"op": "remove", "path": "/metadata/annotations/strata.dev~1b~0c"},
            {"op": "replace", "path": "/metadata/managedFields", "value": [{"manager": "kubectl"}]},
        ]);
        assert_eq!(unmarked(&live, "strata-s"), expect);
        let alone = json!({"metadata": {"resourceVersion": "7", "managedFields": [{"manager": "strata-s"}]}});
        assert_eq!(unmarked(&alone, "strata-s")[1]["value"], json!([{}]));
    }
}
