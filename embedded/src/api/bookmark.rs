//! What a bookmark's object says beside its version: the fields that a kind's Go type never leaves out.

use serde_json::Value;

/// The fields of a kind's empty object, as JSON text; the rest of the kinds have none but `metadata`.
///
/// Source: bookmarks of kube-apiserver 1.36.2.
#[rustfmt::skip]
const EMPTY: &[(&str, &str, &str)] = &[
    ("v1", "Event", r#"{"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,"eventTime":null,"reportingComponent":"","reportingInstance":""}"#),
    ("v1", "LimitRange", r#"{"spec":{"limits":null}}"#),
    ("v1", "Namespace", r#"{"spec":{},"status":{}}"#),
    ("v1", "Node", r#"{"spec":{},"status":{"daemonEndpoints":{"kubeletEndpoint":{"Port":0}},"nodeInfo":{"machineID":"","systemUUID":"","bootID":"","kernelVersion":"","osImage":"","containerRuntimeVersion":"","kubeletVersion":"","kubeProxyVersion":"","operatingSystem":"","architecture":""}}}"#),
    ("v1", "PersistentVolume", r#"{"spec":{},"status":{}}"#),
    ("v1", "PersistentVolumeClaim", r#"{"spec":{"resources":{}},"status":{}}"#),
    ("v1", "Pod", r#"{"spec":{"containers":null},"status":{}}"#),
    ("v1", "ResourceQuota", r#"{"spec":{},"status":{}}"#),
    ("v1", "Service", r#"{"spec":{},"status":{"loadBalancer":{}}}"#),
    ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy", r#"{"spec":{}}"#),
    ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicyBinding", r#"{"spec":{}}"#),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", r#"{"spec":{},"status":{}}"#),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", r#"{"spec":{}}"#),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition", r#"{"spec":{"group":"","names":{"plural":"","kind":""},"scope":"","versions":null},"status":{"conditions":null,"acceptedNames":{"plural":"","kind":""},"storedVersions":null}}"#),
    ("apps/v1", "ControllerRevision", r#"{"data":null,"revision":0}"#),
    ("apps/v1", "DaemonSet", r#"{"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"updateStrategy":{}},"status":{"currentNumberScheduled":0,"numberMisscheduled":0,"desiredNumberScheduled":0,"numberReady":0}}"#),
    ("apps/v1", "Deployment", r#"{"spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"strategy":{}},"status":{}}"#),
    ("apps/v1", "ReplicaSet", r#"{"spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}}},"status":{"replicas":0}}"#),
    ("apps/v1", "StatefulSet", r#"{"spec":{"replicas":0,"selector":null,"template":{"metadata":{},"spec":{"containers":null}},"serviceName":"","updateStrategy":{}},"status":{"replicas":0,"availableReplicas":0}}"#),
    ("autoscaling/v1", "HorizontalPodAutoscaler", r#"{"spec":{"scaleTargetRef":{"kind":"","name":""},"maxReplicas":0},"status":{"currentReplicas":0,"desiredReplicas":0}}"#),
    ("autoscaling/v2", "HorizontalPodAutoscaler", r#"{"spec":{"scaleTargetRef":{"kind":"","name":""},"maxReplicas":0},"status":{"desiredReplicas":0,"currentMetrics":null}}"#),
    ("batch/v1", "CronJob", r#"{"spec":{"schedule":"","jobTemplate":{"metadata":{},"spec":{"template":{"metadata":{},"spec":{"containers":null}}}}},"status":{}}"#),
    ("batch/v1", "Job", r#"{"spec":{"template":{"metadata":{},"spec":{"containers":null}}},"status":{}}"#),
    ("coordination.k8s.io/v1", "Lease", r#"{"spec":{}}"#),
    ("discovery.k8s.io/v1", "EndpointSlice", r#"{"addressType":"","endpoints":null,"ports":null}"#),
    ("events.k8s.io/v1", "Event", r#"{"eventTime":null,"regarding":{},"deprecatedSource":{},"deprecatedFirstTimestamp":null,"deprecatedLastTimestamp":null}"#),
    ("networking.k8s.io/v1", "Ingress", r#"{"spec":{},"status":{"loadBalancer":{}}}"#),
    ("networking.k8s.io/v1", "IngressClass", r#"{"spec":{}}"#),
    ("networking.k8s.io/v1", "NetworkPolicy", r#"{"spec":{"podSelector":{}}}"#),
    ("node.k8s.io/v1", "RuntimeClass", r#"{"handler":""}"#),
    ("policy/v1", "PodDisruptionBudget", r#"{"spec":{},"status":{"disruptionsAllowed":0,"currentHealthy":0,"desiredHealthy":0,"expectedPods":0}}"#),
    ("rbac.authorization.k8s.io/v1", "ClusterRole", r#"{"rules":null}"#),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", r#"{"roleRef":{"apiGroup":"","kind":"","name":""}}"#),
    ("rbac.authorization.k8s.io/v1", "Role", r#"{"rules":null}"#),
    ("rbac.authorization.k8s.io/v1", "RoleBinding", r#"{"roleRef":{"apiGroup":"","kind":"","name":""}}"#),
    ("scheduling.k8s.io/v1", "PriorityClass", r#"{"value":0}"#),
    ("storage.k8s.io/v1", "CSIDriver", r#"{"spec":{}}"#),
    ("storage.k8s.io/v1", "CSINode", r#"{"spec":{"drivers":null}}"#),
    ("storage.k8s.io/v1", "CSIStorageCapacity", r#"{"storageClassName":""}"#),
    ("storage.k8s.io/v1", "StorageClass", r#"{"provisioner":""}"#),
    ("storage.k8s.io/v1", "VolumeAttachment", r#"{"spec":{"attacher":"","source":{},"nodeName":""},"status":{"attached":false}}"#),
];

/// The fields of an empty object of a kind.
pub(super) fn empty(api_version: &str, kind: &str) -> Value {
    let found = EMPTY.iter().find(|(version, name, _)| *version == api_version && *name == kind);
    found.and_then(|(_, _, text)| serde_json::from_str(text).ok()).unwrap_or_else(|| Value::Object(Default::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_an_object() {
        for (version, kind, text) in EMPTY {
            let parsed: Result<Value, _> = serde_json::from_str(text);
            assert!(parsed.is_ok_and(|value| value.is_object()), "{version} {kind}");
        }
    }
}
