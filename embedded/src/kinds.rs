//! The table of kinds the cluster serves: what discovery shows, what paths exist, which subresources each kind has.
//! Nothing here decides how a kind behaves; defaults, rules and controllers stand in their own rooms.
//!
//! Source of every row: the aggregated discovery document and the stored objects of kube-apiserver 1.36 (`/api`,
//! `/apis`); `counts_generations` is what the server was seen to keep in `metadata.generation`.

/// One kind the server has from the beginning.
#[derive(Debug)]
pub(crate) struct Kind {
    /// API group; empty for the core group.
    pub(crate) group: &'static str,
    /// The served version; of several rows of one kind, the first is the version that is stored.
    pub(crate) version: &'static str,
    /// `kind`.
    pub(crate) kind: &'static str,
    /// The name in paths.
    pub(crate) plural: &'static str,
    /// The name for one of them.
    pub(crate) singular: &'static str,
    /// Abbreviations for the command line.
    pub(crate) short_names: &'static [&'static str],
    /// Does it live in a namespace?
    pub(crate) namespaced: bool,
    /// Groups such as `all` that it belongs to.
    pub(crate) categories: &'static [&'static str],
    /// What can be asked for below one object.
    pub(crate) subresources: &'static [&'static str],
    /// Which verbs it answers to.
    pub(crate) verbs: Verbs,
    /// Is `metadata.generation` kept?
    pub(crate) counts_generations: bool,
}

/// Which verbs a kind answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verbs {
    /// Every verb.
    All,
    /// Every verb but the deletion of a whole collection (Namespaces).
    NoDeleteCollection,
    /// Only `create`: a question that is answered and not kept.
    CreateOnly,
}

impl Verbs {
    /// The verbs as discovery lists them.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Verbs::All => &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            Verbs::NoDeleteCollection => &["create", "delete", "get", "list", "patch", "update", "watch"],
            Verbs::CreateOnly => &["create"],
        }
    }
}

#[rustfmt::skip]
pub(crate) const KINDS: &[Kind] = &[
    Kind { group: "", version: "v1", kind: "Binding", plural: "bindings", singular: "binding", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::CreateOnly, counts_generations: false },
    Kind { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", singular: "configmap", short_names: &["cm"], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "Endpoints", plural: "endpoints", singular: "endpoints", short_names: &["ep"], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "Event", plural: "events", singular: "event", short_names: &["ev"], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "LimitRange", plural: "limitranges", singular: "limitrange", short_names: &["limits"], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "Namespace", plural: "namespaces", singular: "namespace", short_names: &["ns"], namespaced: false, categories: &[], subresources: &["finalize", "status"], verbs: Verbs::NoDeleteCollection, counts_generations: false },
    Kind { group: "", version: "v1", kind: "Node", plural: "nodes", singular: "node", short_names: &["no"], namespaced: false, categories: &[], subresources: &["status"], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "PersistentVolumeClaim", plural: "persistentvolumeclaims", singular: "persistentvolumeclaim", short_names: &["pvc"], namespaced: true, categories: &[], subresources: &["status"], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "PersistentVolume", plural: "persistentvolumes", singular: "persistentvolume", short_names: &["pv"], namespaced: false, categories: &[], subresources: &["status"], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "Pod", plural: "pods", singular: "pod", short_names: &["po"], namespaced: true, categories: &["all"], subresources: &["binding", "eviction", "log", "status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "", version: "v1", kind: "PodTemplate", plural: "podtemplates", singular: "podtemplate", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: true },
    Kind { group: "", version: "v1", kind: "ReplicationController", plural: "replicationcontrollers", singular: "replicationcontroller", short_names: &["rc"], namespaced: true, categories: &["all"], subresources: &["scale", "status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "", version: "v1", kind: "ResourceQuota", plural: "resourcequotas", singular: "resourcequota", short_names: &["quota"], namespaced: true, categories: &[], subresources: &["status"], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "Secret", plural: "secrets", singular: "secret", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "ServiceAccount", plural: "serviceaccounts", singular: "serviceaccount", short_names: &["sa"], namespaced: true, categories: &[], subresources: &["token"], verbs: Verbs::All, counts_generations: false },
    Kind { group: "", version: "v1", kind: "Service", plural: "services", singular: "service", short_names: &["svc"], namespaced: true, categories: &["all"], subresources: &["status"], verbs: Verbs::All, counts_generations: false },
    Kind { group: "apps", version: "v1", kind: "ControllerRevision", plural: "controllerrevisions", singular: "controllerrevision", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "apps", version: "v1", kind: "DaemonSet", plural: "daemonsets", singular: "daemonset", short_names: &["ds"], namespaced: true, categories: &["all"], subresources: &["status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "apps", version: "v1", kind: "Deployment", plural: "deployments", singular: "deployment", short_names: &["deploy"], namespaced: true, categories: &["all"], subresources: &["scale", "status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "apps", version: "v1", kind: "ReplicaSet", plural: "replicasets", singular: "replicaset", short_names: &["rs"], namespaced: true, categories: &["all"], subresources: &["scale", "status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "apps", version: "v1", kind: "StatefulSet", plural: "statefulsets", singular: "statefulset", short_names: &["sts"], namespaced: true, categories: &["all"], subresources: &["scale", "status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "events.k8s.io", version: "v1", kind: "Event", plural: "events", singular: "event", short_names: &["ev"], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "authentication.k8s.io", version: "v1", kind: "SelfSubjectReview", plural: "selfsubjectreviews", singular: "selfsubjectreview", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::CreateOnly, counts_generations: false },
    Kind { group: "authentication.k8s.io", version: "v1", kind: "TokenReview", plural: "tokenreviews", singular: "tokenreview", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::CreateOnly, counts_generations: false },
    Kind { group: "authorization.k8s.io", version: "v1", kind: "LocalSubjectAccessReview", plural: "localsubjectaccessreviews", singular: "localsubjectaccessreview", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::CreateOnly, counts_generations: false },
    Kind { group: "authorization.k8s.io", version: "v1", kind: "SelfSubjectAccessReview", plural: "selfsubjectaccessreviews", singular: "selfsubjectaccessreview", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::CreateOnly, counts_generations: false },
    Kind { group: "authorization.k8s.io", version: "v1", kind: "SelfSubjectRulesReview", plural: "selfsubjectrulesreviews", singular: "selfsubjectrulesreview", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::CreateOnly, counts_generations: false },
    Kind { group: "authorization.k8s.io", version: "v1", kind: "SubjectAccessReview", plural: "subjectaccessreviews", singular: "subjectaccessreview", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::CreateOnly, counts_generations: false },
    Kind { group: "autoscaling", version: "v2", kind: "HorizontalPodAutoscaler", plural: "horizontalpodautoscalers", singular: "horizontalpodautoscaler", short_names: &["hpa"], namespaced: true, categories: &["all"], subresources: &["status"], verbs: Verbs::All, counts_generations: false },
    Kind { group: "autoscaling", version: "v1", kind: "HorizontalPodAutoscaler", plural: "horizontalpodautoscalers", singular: "horizontalpodautoscaler", short_names: &["hpa"], namespaced: true, categories: &["all"], subresources: &["status"], verbs: Verbs::All, counts_generations: false },
    Kind { group: "batch", version: "v1", kind: "CronJob", plural: "cronjobs", singular: "cronjob", short_names: &["cj"], namespaced: true, categories: &["all"], subresources: &["status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "batch", version: "v1", kind: "Job", plural: "jobs", singular: "job", short_names: &[], namespaced: true, categories: &["all"], subresources: &["status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "networking.k8s.io", version: "v1", kind: "IngressClass", plural: "ingressclasses", singular: "ingressclass", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: true },
    Kind { group: "networking.k8s.io", version: "v1", kind: "Ingress", plural: "ingresses", singular: "ingress", short_names: &["ing"], namespaced: true, categories: &[], subresources: &["status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "networking.k8s.io", version: "v1", kind: "NetworkPolicy", plural: "networkpolicies", singular: "networkpolicy", short_names: &["netpol"], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: true },
    Kind { group: "policy", version: "v1", kind: "PodDisruptionBudget", plural: "poddisruptionbudgets", singular: "poddisruptionbudget", short_names: &["pdb"], namespaced: true, categories: &[], subresources: &["status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "rbac.authorization.k8s.io", version: "v1", kind: "ClusterRoleBinding", plural: "clusterrolebindings", singular: "clusterrolebinding", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "rbac.authorization.k8s.io", version: "v1", kind: "ClusterRole", plural: "clusterroles", singular: "clusterrole", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "rbac.authorization.k8s.io", version: "v1", kind: "RoleBinding", plural: "rolebindings", singular: "rolebinding", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "rbac.authorization.k8s.io", version: "v1", kind: "Role", plural: "roles", singular: "role", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "storage.k8s.io", version: "v1", kind: "CSIDriver", plural: "csidrivers", singular: "csidriver", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "storage.k8s.io", version: "v1", kind: "CSINode", plural: "csinodes", singular: "csinode", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "storage.k8s.io", version: "v1", kind: "CSIStorageCapacity", plural: "csistoragecapacities", singular: "csistoragecapacity", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "storage.k8s.io", version: "v1", kind: "StorageClass", plural: "storageclasses", singular: "storageclass", short_names: &["sc"], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "storage.k8s.io", version: "v1", kind: "VolumeAttachment", plural: "volumeattachments", singular: "volumeattachment", short_names: &[], namespaced: false, categories: &[], subresources: &["status"], verbs: Verbs::All, counts_generations: false },
    Kind { group: "admissionregistration.k8s.io", version: "v1", kind: "MutatingAdmissionPolicy", plural: "mutatingadmissionpolicies", singular: "mutatingadmissionpolicy", short_names: &[], namespaced: false, categories: &["api-extensions"], subresources: &[], verbs: Verbs::All, counts_generations: true },
    Kind { group: "admissionregistration.k8s.io", version: "v1", kind: "MutatingAdmissionPolicyBinding", plural: "mutatingadmissionpolicybindings", singular: "mutatingadmissionpolicybinding", short_names: &[], namespaced: false, categories: &["api-extensions"], subresources: &[], verbs: Verbs::All, counts_generations: true },
    Kind { group: "admissionregistration.k8s.io", version: "v1", kind: "MutatingWebhookConfiguration", plural: "mutatingwebhookconfigurations", singular: "mutatingwebhookconfiguration", short_names: &[], namespaced: false, categories: &["api-extensions"], subresources: &[], verbs: Verbs::All, counts_generations: true },
    Kind { group: "admissionregistration.k8s.io", version: "v1", kind: "ValidatingAdmissionPolicy", plural: "validatingadmissionpolicies", singular: "validatingadmissionpolicy", short_names: &[], namespaced: false, categories: &["api-extensions"], subresources: &["status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "admissionregistration.k8s.io", version: "v1", kind: "ValidatingAdmissionPolicyBinding", plural: "validatingadmissionpolicybindings", singular: "validatingadmissionpolicybinding", short_names: &[], namespaced: false, categories: &["api-extensions"], subresources: &[], verbs: Verbs::All, counts_generations: true },
    Kind { group: "admissionregistration.k8s.io", version: "v1", kind: "ValidatingWebhookConfiguration", plural: "validatingwebhookconfigurations", singular: "validatingwebhookconfiguration", short_names: &[], namespaced: false, categories: &["api-extensions"], subresources: &[], verbs: Verbs::All, counts_generations: true },
    Kind { group: "apiextensions.k8s.io", version: "v1", kind: "CustomResourceDefinition", plural: "customresourcedefinitions", singular: "customresourcedefinition", short_names: &["crd", "crds"], namespaced: false, categories: &["api-extensions"], subresources: &["status"], verbs: Verbs::All, counts_generations: true },
    Kind { group: "scheduling.k8s.io", version: "v1", kind: "PriorityClass", plural: "priorityclasses", singular: "priorityclass", short_names: &["pc"], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: true },
    Kind { group: "coordination.k8s.io", version: "v1", kind: "Lease", plural: "leases", singular: "lease", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "node.k8s.io", version: "v1", kind: "RuntimeClass", plural: "runtimeclasses", singular: "runtimeclass", short_names: &[], namespaced: false, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: false },
    Kind { group: "discovery.k8s.io", version: "v1", kind: "EndpointSlice", plural: "endpointslices", singular: "endpointslice", short_names: &[], namespaced: true, categories: &[], subresources: &[], verbs: Verbs::All, counts_generations: true },
];
