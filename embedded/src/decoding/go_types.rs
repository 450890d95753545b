//! The names that fields and their types have in Go, for the message about a value of the wrong type. A struct's name is
//! the last part of its definition's; what no schema says (which texts and numbers have a type of their own) stands in
//! the tables below.

use structured_merge::schema::{Format, Scalar, TypeRef};

/// Whole numbers of 64 bits; all others have 32. Source: the types of `k8s.io/api` and `k8s.io/apimachinery`, 1.36.
const LONG: &[&str] = &[
    "activeDeadlineSeconds",
    "deletionGracePeriodSeconds",
    "expirationSeconds",
    "fsGroup",
    "generation",
    "gid",
    "gracePeriodSeconds",
    "nodeAllocatableUpdatePeriodSeconds",
    "observedGeneration",
    "revision",
    "runAsGroup",
    "runAsUser",
    "seconds",
    "sizeBytes",
    "startingDeadlineSeconds",
    "terminationGracePeriodSeconds",
    "tolerationSeconds",
];

/// Texts with a type of their own: struct, field, type. Source: as above.
#[rustfmt::skip]
const NAMED: &[(&str, &str, &str)] = &[
    ("AppArmorProfile", "type", "AppArmorProfileType"),
    ("AttachedVolume", "name", "UniqueVolumeName"),
    ("AzureDiskVolumeSource", "cachingMode", "AzureDataDiskCachingMode"),
    ("AzureDiskVolumeSource", "kind", "AzureDataDiskKind"),
    ("CSIDriverSpec", "fsGroupPolicy", "FSGroupPolicy"),
    ("ComponentCondition", "status", "ConditionStatus"),
    ("ComponentCondition", "type", "ComponentConditionType"),
    ("Container", "imagePullPolicy", "PullPolicy"),
    ("Container", "restartPolicy", "ContainerRestartPolicy"),
    ("Container", "terminationMessagePolicy", "TerminationMessagePolicy"),
    ("ContainerPort", "protocol", "Protocol"),
    ("ContainerResizePolicy", "resourceName", "ResourceName"),
    ("ContainerResizePolicy", "restartPolicy", "ResourceResizeRestartPolicy"),
    ("ContainerRestartRule", "action", "ContainerRestartRuleAction"),
    ("ContainerRestartRuleOnExitCodes", "operator", "ContainerRestartRuleOnExitCodesOperator"),
    ("ContainerStatus", "stopSignal", "Signal"),
    ("CronJobSpec", "concurrencyPolicy", "ConcurrencyPolicy"),
    ("DaemonSetCondition", "type", "DaemonSetConditionType"),
    ("DaemonSetUpdateStrategy", "type", "DaemonSetUpdateStrategyType"),
    ("DeploymentCondition", "type", "DeploymentConditionType"),
    ("DeploymentStrategy", "type", "DeploymentStrategyType"),
    ("EmptyDirVolumeSource", "medium", "StorageMedium"),
    ("EndpointPort", "protocol", "Protocol"),
    ("EndpointSlice", "addressType", "AddressType"),
    ("EphemeralContainerCommon", "imagePullPolicy", "PullPolicy"),
    ("EphemeralContainerCommon", "restartPolicy", "ContainerRestartPolicy"),
    ("EphemeralContainerCommon", "terminationMessagePolicy", "TerminationMessagePolicy"),
    ("HPAScalingPolicy", "type", "HPAScalingPolicyType"),
    ("HPAScalingRules", "selectPolicy", "ScalingPolicySelect"),
    ("HTTPGetAction", "scheme", "URIScheme"),
    ("HTTPIngressPath", "pathType", "PathType"),
    ("HorizontalPodAutoscalerCondition", "type", "HorizontalPodAutoscalerConditionType"),
    ("HostPathVolumeSource", "type", "HostPathType"),
    ("ImageVolumeSource", "pullPolicy", "PullPolicy"),
    ("JobCondition", "type", "JobConditionType"),
    ("JobSpec", "completionMode", "CompletionMode"),
    ("JobSpec", "podReplacementPolicy", "PodReplacementPolicy"),
    ("LeaseSpec", "strategy", "CoordinatedLeaseStrategy"),
    ("Lifecycle", "stopSignal", "Signal"),
    ("LimitRangeItem", "type", "LimitType"),
    ("LoadBalancerIngress", "ipMode", "LoadBalancerIPMode"),
    ("MetricSpec", "type", "MetricSourceType"),
    ("MetricStatus", "type", "MetricSourceType"),
    ("MetricTarget", "type", "MetricTargetType"),
    ("ModifyVolumeStatus", "status", "PersistentVolumeClaimModifyVolumeStatus"),
    ("NamespaceCondition", "status", "ConditionStatus"),
    ("NamespaceCondition", "type", "NamespaceConditionType"),
    ("NamespaceStatus", "phase", "NamespacePhase"),
    ("NodeAddress", "type", "NodeAddressType"),
    ("NodeCondition", "status", "ConditionStatus"),
    ("NodeCondition", "type", "NodeConditionType"),
    ("NodeSelectorRequirement", "operator", "NodeSelectorOperator"),
    ("NodeStatus", "phase", "NodePhase"),
    ("PersistentVolumeClaimCondition", "status", "ConditionStatus"),
    ("PersistentVolumeClaimCondition", "type", "PersistentVolumeClaimConditionType"),
    ("PersistentVolumeClaimSpec", "volumeMode", "PersistentVolumeMode"),
    ("PersistentVolumeClaimStatus", "phase", "PersistentVolumeClaimPhase"),
    ("PersistentVolumeSpec", "persistentVolumeReclaimPolicy", "PersistentVolumeReclaimPolicy"),
    ("PersistentVolumeSpec", "volumeMode", "PersistentVolumeMode"),
    ("PersistentVolumeStatus", "phase", "PersistentVolumePhase"),
    ("PodCondition", "status", "ConditionStatus"),
    ("PodCondition", "type", "PodConditionType"),
    ("PodDisruptionBudgetSpec", "unhealthyPodEvictionPolicy", "UnhealthyPodEvictionPolicyType"),
    ("PodFailurePolicyOnExitCodesRequirement", "operator", "PodFailurePolicyOnExitCodesOperator"),
    ("PodFailurePolicyRule", "action", "PodFailurePolicyAction"),
    ("PodOS", "name", "OSName"),
    ("PodReadinessGate", "conditionType", "PodConditionType"),
    ("PodSecurityContext", "fsGroupChangePolicy", "PodFSGroupChangePolicy"),
    ("PodSecurityContext", "seLinuxChangePolicy", "PodSELinuxChangePolicy"),
    ("PodSecurityContext", "supplementalGroupsPolicy", "SupplementalGroupsPolicy"),
    ("PodSpec", "dnsPolicy", "DNSPolicy"),
    ("PodSpec", "preemptionPolicy", "PreemptionPolicy"),
    ("PodSpec", "restartPolicy", "RestartPolicy"),
    ("PodStatus", "phase", "PodPhase"),
    ("PodStatus", "qosClass", "PodQOSClass"),
    ("PodStatus", "resize", "PodResizeStatus"),
    ("PortStatus", "protocol", "Protocol"),
    ("ReplicaSetCondition", "type", "ReplicaSetConditionType"),
    ("ReplicationControllerCondition", "status", "ConditionStatus"),
    ("ReplicationControllerCondition", "type", "ReplicationControllerConditionType"),
    ("ResourceHealth", "health", "ResourceHealthStatus"),
    ("ResourceHealth", "resourceID", "ResourceID"),
    ("ResourceStatus", "name", "ResourceName"),
    ("ScopedResourceSelectorRequirement", "operator", "ScopeSelectorOperator"),
    ("ScopedResourceSelectorRequirement", "scopeName", "ResourceQuotaScope"),
    ("SeccompProfile", "type", "SeccompProfileType"),
    ("Secret", "type", "SecretType"),
    ("SecurityContext", "procMount", "ProcMountType"),
    ("ServicePort", "protocol", "Protocol"),
    ("ServiceSpec", "externalTrafficPolicy", "ServiceExternalTrafficPolicy"),
    ("ServiceSpec", "internalTrafficPolicy", "ServiceInternalTrafficPolicy"),
    ("ServiceSpec", "ipFamilyPolicy", "IPFamilyPolicy"),
    ("ServiceSpec", "sessionAffinity", "ServiceAffinity"),
    ("ServiceSpec", "type", "ServiceType"),
    ("StatefulSetCondition", "type", "StatefulSetConditionType"),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenDeleted", "PersistentVolumeClaimRetentionPolicyType"),
    ("StatefulSetPersistentVolumeClaimRetentionPolicy", "whenScaled", "PersistentVolumeClaimRetentionPolicyType"),
    ("StatefulSetSpec", "podManagementPolicy", "PodManagementPolicyType"),
    ("StatefulSetUpdateStrategy", "type", "StatefulSetUpdateStrategyType"),
    ("StorageClass", "volumeBindingMode", "VolumeBindingMode"),
    ("Taint", "effect", "TaintEffect"),
    ("Toleration", "effect", "TaintEffect"),
    ("Toleration", "operator", "TolerationOperator"),
    ("TopologySpreadConstraint", "nodeAffinityPolicy", "NodeInclusionPolicy"),
    ("TopologySpreadConstraint", "nodeTaintsPolicy", "NodeInclusionPolicy"),
    ("TopologySpreadConstraint", "whenUnsatisfiable", "UnsatisfiableConstraintAction"),
    ("VolumeMount", "mountPropagation", "MountPropagationMode"),
    ("VolumeMount", "recursiveReadOnly", "RecursiveReadOnlyMode"),
    ("VolumeMountStatus", "recursiveReadOnly", "RecursiveReadOnlyMode"),
];

/// A struct's name; none for a map, a list or a plain value.
pub(crate) fn struct_name(ty: &TypeRef) -> Option<&str> {
    let name = ty.definition().filter(|_| ty.is_map())?.rsplit('.').next()?;
    // A use of a type that is merged in another way has a name made from the type's.
    name.split(|c: char| !c.is_ascii_alphanumeric()).next()
}

/// The message about a value of the wrong type: what was found (`string`, `number` …), the struct around the field, the
/// field's path without keys and indices, the field, and what it should have been.
pub(crate) fn mismatch(found: &str, around: &str, path: &str, field: &str, wanted: &TypeRef) -> String {
    format!(
        "json: cannot unmarshal {found} into Go struct field {around}.{path} of type {}",
        go_type(around, field, wanted)
    )
}

/// The Go type of a field.
pub(crate) fn go_type(around: &str, field: &str, ty: &TypeRef) -> String {
    if let Some((_, _, name)) = NAMED.iter().find(|(owner, known, _)| *owner == around && *known == field) {
        return format!("v1.{name}");
    }
    match ty.format() {
        // These two read themselves: from a number, where they are no text, and from a text.
        Format::IntOrString => return "int32".to_owned(),
        Format::Time => return "string".to_owned(),
        Format::Bytes => return "[]uint8".to_owned(),
        Format::Quantity | Format::Plain => {}
    }
    if let Some(name) = struct_name(ty) {
        return format!("{}.{name}", package(ty.definition().unwrap_or_default()));
    }
    if let Some(items) = ty.items() {
        return format!("[]{}", go_type(around, "", &items));
    }
    match ty.scalar() {
        Some(Scalar::Integer) if LONG.contains(&field) => "int64".to_owned(),
        Some(Scalar::Integer) => "int32".to_owned(),
        Some(Scalar::Number) => "float64".to_owned(),
        Some(Scalar::Boolean) => "bool".to_owned(),
        Some(Scalar::String) if field == "uid" => "types.UID".to_owned(),
        Some(Scalar::String) => "string".to_owned(),
        _ if ty.field("").is_some_and(|inner| inner.format() == Format::Quantity) => "v1.ResourceList".to_owned(),
        _ => format!(
            "map[string]{}",
            ty.field("").map_or_else(|| "interface {}".to_owned(), |inner| go_type(around, "", &inner))
        ),
    }
}

/// The struct that a field of another belongs to, where Go embeds the one in the other. Source: as above.
pub(crate) fn embedded_in(owner: &str, field: &str) -> Option<&'static str> {
    const REFERENCES: [&str; 7] = [
        "ConfigMapEnvSource",
        "ConfigMapKeySelector",
        "ConfigMapProjection",
        "ConfigMapVolumeSource",
        "SecretEnvSource",
        "SecretKeySelector",
        "SecretProjection",
    ];
    match (owner, field) {
        ("Volume", field) => (field != "name").then_some("VolumeSource"),
        ("Probe", "exec" | "httpGet" | "tcpSocket" | "grpc") => Some("ProbeHandler"),
        ("EphemeralContainer", field) => (field != "targetContainerName").then_some("EphemeralContainerCommon"),
        (owner, "name") => REFERENCES.contains(&owner).then_some("LocalObjectReference"),
        _ => None,
    }
}

/// The package of a definition: the part before its name, which is its version.
fn package(definition: &str) -> &str {
    definition.rsplit('.').nth(1).unwrap_or_default()
}
