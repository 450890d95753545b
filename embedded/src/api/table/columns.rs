//! The columns of each built-in kind: name, type, whether only `-o wide` shows it, and where its description stands.
//! What the cells hold is told in [`super::cells`].
//!
//! Source: the tables that kube-apiserver 1.36 sends; `k8s.io/kubernetes/pkg/printers/internalversion`.

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// The type as OpenAPI names it, or `date`.
    pub(super) ty: &'static str,
    /// Is it shown only on request?
    pub(super) wide: bool,
    pub(super) description: Description,
}

/// Where a column's description stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Description {
    /// It is that of a field of the kind; names joined by dots.
    Field(&'static str),
    /// It is written here.
    Words(&'static str),
}

const fn column(name: &'static str, ty: &'static str, description: Description) -> Column {
    Column { name, ty, wide: false, description }
}

const fn wide(name: &'static str, ty: &'static str, description: Description) -> Column {
    Column { name, ty, wide: true, description }
}

const fn at(field: &'static str) -> Description {
    Description::Field(field)
}

const fn says(words: &'static str) -> Description {
    Description::Words(words)
}

pub(super) const NAME: Column = column("Name", "string", at("metadata.name"));
pub(super) const AGE: Column = column("Age", "string", at("metadata.creationTimestamp"));
const CREATED: Column = column("Created At", "date", at("metadata.creationTimestamp"));

/// The columns of a kind that has none of its own.
const PLAIN: &[Column] = &[NAME, CREATED];

/// The columns of what is stored under this name.
pub(super) fn of(storage: &str) -> &'static [Column] {
    COLUMNS.iter().find(|(name, _)| *name == storage).map_or(PLAIN, |(_, columns)| columns)
}

/// Does what is stored under this name have the columns of a kind that has none of its own?
pub(super) fn are_plain(storage: &str) -> bool {
    matches!(of(storage), [_, created] if created.name == CREATED.name)
}

#[rustfmt::skip]
const COLUMNS: &[(&str, &[Column])] = &[
    ("configmaps", &[
        NAME,
        column("Data", "string", at("data")),
        AGE,
    ]),
    ("endpoints", &[
        NAME,
        column("Endpoints", "string", at("subsets")),
        AGE,
    ]),
    ("events", &[
        column("Last Seen", "string", at("lastTimestamp")),
        column("Type", "string", at("type")),
        column("Reason", "string", at("reason")),
        column("Object", "string", at("involvedObject")),
        wide("Subobject", "string", at("involvedObject.fieldPath")),
        wide("Source", "string", at("source")),
        column("Message", "string", at("message")),
        wide("First Seen", "string", at("firstTimestamp")),
        wide("Count", "string", at("count")),
        wide("Name", "string", at("metadata.name")),
    ]),
    ("limitranges", &[
        NAME,
        CREATED,
    ]),
    ("namespaces", &[
        NAME,
        column("Status", "string", says("The status of the namespace")),
        AGE,
    ]),
    ("nodes", &[
        NAME,
        column("Status", "string", says("The status of the node")),
        column("Roles", "string", says("The roles of the node")),
        AGE,
        column("Version", "string", at("status.nodeInfo.kubeletVersion")),
        wide("Internal-IP", "string", at("status.addresses")),
        wide("External-IP", "string", at("status.addresses")),
        wide("OS-Image", "string", at("status.nodeInfo.osImage")),
        wide("Kernel-Version", "string", at("status.nodeInfo.kernelVersion")),
        wide("Container-Runtime", "string", at("status.nodeInfo.containerRuntimeVersion")),
    ]),
    ("persistentvolumeclaims", &[
        NAME,
        column("Status", "string", at("status.phase")),
        column("Volume", "string", at("spec.volumeName")),
        column("Capacity", "string", at("status.capacity")),
        column("Access Modes", "string", at("status.accessModes")),
        column("StorageClass", "string", says("StorageClass of the pvc")),
        column("VolumeAttributesClass", "string", says("VolumeAttributesClass of the pvc")),
        AGE,
        wide("VolumeMode", "string", at("spec.volumeMode")),
    ]),
    ("persistentvolumes", &[
        NAME,
        column("Capacity", "string", at("spec.capacity")),
        column("Access Modes", "string", at("spec.accessModes")),
        column("Reclaim Policy", "string", at("spec.persistentVolumeReclaimPolicy")),
        column("Status", "string", at("status.phase")),
        column("Claim", "string", at("spec.claimRef")),
        column("StorageClass", "string", says("StorageClass of the pv")),
        column("VolumeAttributesClass", "string", says("VolumeAttributesClass of the pv")),
        column("Reason", "string", at("status.reason")),
        AGE,
        wide("VolumeMode", "string", at("spec.volumeMode")),
    ]),
    ("pods", &[
        NAME,
        column("Ready", "string", says("The aggregate readiness state of this pod for accepting traffic.")),
        column("Status", "string", says("The aggregate status of the containers in this pod.")),
        column("Restarts", "string", says("The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.")),
        AGE,
        wide("IP", "string", at("status.podIP")),
        wide("Node", "string", at("spec.nodeName")),
        wide("Nominated Node", "string", at("status.nominatedNodeName")),
        wide("Readiness Gates", "string", at("spec.readinessGates")),
    ]),
    ("resourcequotas", &[
        NAME,
        column("Request", "string", says("Request represents a minimum amount of cpu/memory that a container may consume.")),
        column("Limit", "string", says("Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.")),
        AGE,
    ]),
    ("secrets", &[
        NAME,
        column("Type", "string", at("type")),
        column("Data", "string", at("data")),
        AGE,
    ]),
    ("serviceaccounts", &[
        NAME,
        AGE,
    ]),
    ("services", &[
        NAME,
        column("Type", "string", at("spec.type")),
        column("Cluster-IP", "string", at("spec.clusterIP")),
        column("External-IP", "string", at("spec.externalIPs")),
        column("Port(s)", "string", at("spec.ports")),
        AGE,
        wide("Selector", "string", at("spec.selector")),
    ]),
    ("apps/controllerrevisions", &[
        NAME,
        column("Controller", "string", says("Controller of the object")),
        column("Revision", "string", at("revision")),
        AGE,
    ]),
    ("apps/daemonsets", &[
        NAME,
        column("Desired", "integer", at("status.desiredNumberScheduled")),
        column("Current", "integer", at("status.currentNumberScheduled")),
        column("Ready", "integer", at("status.numberReady")),
        column("Up-to-date", "integer", at("status.updatedNumberScheduled")),
        column("Available", "integer", at("status.numberAvailable")),
        column("Node Selector", "string", at("spec.template.spec.nodeSelector")),
        AGE,
        wide("Containers", "string", says("Names of each container in the template.")),
        wide("Images", "string", says("Images referenced by each container in the template.")),
        wide("Selector", "string", at("spec.selector")),
    ]),
    ("apps/deployments", &[
        NAME,
        column("Ready", "string", says("Number of the pod with ready state")),
        column("Up-to-date", "string", at("status.updatedReplicas")),
        column("Available", "string", at("status.availableReplicas")),
        AGE,
        wide("Containers", "string", says("Names of each container in the template.")),
        wide("Images", "string", says("Images referenced by each container in the template.")),
        wide("Selector", "string", at("spec.selector")),
    ]),
    ("apps/replicasets", &[
        NAME,
        column("Desired", "integer", at("spec.replicas")),
        column("Current", "integer", at("status.replicas")),
        column("Ready", "integer", at("status.readyReplicas")),
        AGE,
        wide("Containers", "string", says("Names of each container in the template.")),
        wide("Images", "string", says("Images referenced by each container in the template.")),
        wide("Selector", "string", at("spec.selector")),
    ]),
    ("apps/statefulsets", &[
        NAME,
        column("Ready", "string", says("Number of the pod with ready state")),
        AGE,
        wide("Containers", "string", says("Names of each container in the template.")),
        wide("Images", "string", says("Images referenced by each container in the template.")),
    ]),
    ("autoscaling/horizontalpodautoscalers", &[
        NAME,
        column("Reference", "string", at("spec.scaleTargetRef")),
        column("Targets", "string", at("spec.metrics")),
        column("MinPods", "string", at("spec.minReplicas")),
        column("MaxPods", "string", at("spec.maxReplicas")),
        column("Replicas", "string", at("status.currentReplicas")),
        AGE,
    ]),
    ("batch/cronjobs", &[
        NAME,
        column("Schedule", "string", at("spec.schedule")),
        column("Timezone", "string", at("spec.timeZone")),
        column("Suspend", "boolean", at("spec.suspend")),
        column("Active", "integer", at("status.active")),
        column("Last Schedule", "string", at("status.lastScheduleTime")),
        AGE,
        wide("Containers", "string", says("Names of each container in the template.")),
        wide("Images", "string", says("Images referenced by each container in the template.")),
        wide("Selector", "string", at("spec.jobTemplate.spec.selector")),
    ]),
    ("batch/jobs", &[
        NAME,
        column("Status", "string", says("Status of the job.")),
        column("Completions", "string", at("status.succeeded")),
        column("Duration", "string", says("Time required to complete the job.")),
        AGE,
        wide("Containers", "string", says("Names of each container in the template.")),
        wide("Images", "string", says("Images referenced by each container in the template.")),
        wide("Selector", "string", at("spec.selector")),
    ]),
    ("networking.k8s.io/ingressclasses", &[
        NAME,
        column("Controller", "string", says("Controller that is responsible for handling this class")),
        column("Parameters", "string", says("A reference to a resource with additional parameters")),
        AGE,
    ]),
    ("networking.k8s.io/ingresses", &[
        NAME,
        column("Class", "string", says("The name of the IngressClass resource that should be used for additional configuration")),
        column("Hosts", "string", says("Hosts that incoming requests are matched against before the ingress rule")),
        column("Address", "string", says("Address is a list containing ingress points for the load-balancer")),
        column("Ports", "string", says("Ports of TLS configurations that open")),
        AGE,
    ]),
    ("networking.k8s.io/networkpolicies", &[
        NAME,
        column("Pod-Selector", "string", at("spec.podSelector")),
        AGE,
    ]),
    ("policy/poddisruptionbudgets", &[
        NAME,
        column("Min Available", "string", says("The minimum number of pods that must be available.")),
        column("Max Unavailable", "string", says("The maximum number of pods that may be unavailable.")),
        column("Allowed Disruptions", "integer", says("Calculated number of pods that may be disrupted at this time.")),
        AGE,
    ]),
    ("rbac.authorization.k8s.io/clusterrolebindings", &[
        NAME,
        column("Role", "string", says("RoleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.")),
        AGE,
        wide("Users", "string", says("Users in the clusterRoleBinding")),
        wide("Groups", "string", says("Groups in the clusterRoleBinding")),
        wide("ServiceAccounts", "string", says("ServiceAccounts in the clusterRoleBinding")),
    ]),
    ("rbac.authorization.k8s.io/clusterroles", &[
        NAME,
        CREATED,
    ]),
    ("rbac.authorization.k8s.io/rolebindings", &[
        NAME,
        column("Role", "string", says("RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.")),
        AGE,
        wide("Users", "string", says("Users in the roleBinding")),
        wide("Groups", "string", says("Groups in the roleBinding")),
        wide("ServiceAccounts", "string", says("ServiceAccounts in the roleBinding")),
    ]),
    ("rbac.authorization.k8s.io/roles", &[
        NAME,
        CREATED,
    ]),
    ("storage.k8s.io/csidrivers", &[
        NAME,
        column("AttachRequired", "boolean", at("spec.attachRequired")),
        column("PodInfoOnMount", "boolean", at("spec.podInfoOnMount")),
        column("StorageCapacity", "boolean", at("spec.storageCapacity")),
        column("TokenRequests", "string", at("spec.tokenRequests")),
        column("RequiresRepublish", "boolean", at("spec.requiresRepublish")),
        column("Modes", "string", at("spec.volumeLifecycleModes")),
        AGE,
    ]),
    ("storage.k8s.io/csinodes", &[
        NAME,
        column("Drivers", "integer", says("Drivers indicates the number of CSI drivers registered on the node")),
        AGE,
    ]),
    ("storage.k8s.io/csistoragecapacities", &[
        NAME,
        CREATED,
    ]),
    ("storage.k8s.io/storageclasses", &[
        NAME,
        column("Provisioner", "string", at("provisioner")),
        column("ReclaimPolicy", "string", at("reclaimPolicy")),
        column("VolumeBindingMode", "string", at("volumeBindingMode")),
        column("AllowVolumeExpansion", "string", at("allowVolumeExpansion")),
        AGE,
    ]),
    ("storage.k8s.io/volumeattachments", &[
        NAME,
        column("Attacher", "string", at("spec.attacher")),
        column("PV", "string", at("spec.source.persistentVolumeName")),
        column("Node", "string", at("spec.nodeName")),
        column("Attached", "boolean", at("status.attached")),
        AGE,
    ]),
    ("admissionregistration.k8s.io/mutatingwebhookconfigurations", &[
        NAME,
        column("Webhooks", "integer", says("Webhooks indicates the number of webhooks registered in this configuration")),
        AGE,
    ]),
    ("admissionregistration.k8s.io/validatingadmissionpolicies", &[
        NAME,
        column("Validations", "integer", says("Validations indicates the number of validation rules defined in this configuration")),
        column("ParamKind", "string", says("ParamKind specifies the kind of resources used to parameterize this policy")),
        AGE,
    ]),
    ("admissionregistration.k8s.io/validatingadmissionpolicybindings", &[
        NAME,
        column("PolicyName", "string", says("PolicyName indicates the policy definition which the policy binding binded to")),
        column("ParamRef", "string", says("ParamRef indicates the param resource which sets the configuration param")),
        AGE,
    ]),
    ("admissionregistration.k8s.io/validatingwebhookconfigurations", &[
        NAME,
        column("Webhooks", "integer", says("Webhooks indicates the number of webhooks registered in this configuration")),
        AGE,
    ]),
    ("apiextensions.k8s.io/customresourcedefinitions", &[
        NAME,
        CREATED,
    ]),
    ("scheduling.k8s.io/priorityclasses", &[
        NAME,
        column("Value", "integer", at("value")),
        column("Global-Default", "boolean", at("globalDefault")),
        AGE,
        column("PreemptionPolicy", "string", at("preemptionPolicy")),
    ]),
    ("coordination.k8s.io/leases", &[
        NAME,
        column("Holder", "string", at("spec.holderIdentity")),
        AGE,
    ]),
    ("node.k8s.io/runtimeclasses", &[
        NAME,
        column("Handler", "string", says("")),
        AGE,
    ]),
    ("discovery.k8s.io/endpointslices", &[
        NAME,
        column("AddressType", "string", at("addressType")),
        column("Ports", "string", at("ports")),
        column("Endpoints", "string", at("endpoints")),
        AGE,
    ]),
    ("autoscaling/scales", &[
        NAME,
        column("Desired", "integer", at("spec.replicas")),
        column("Available", "integer", at("status.replicas")),
        AGE,
    ]),
];
