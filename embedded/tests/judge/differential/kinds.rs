//! What the random sequences are about: objects of several kinds, and changes to them, good and bad ones.

/// A kind: where its collection is, an object of it, and what can be changed in one (JSON pointer, JSON value).
pub(super) struct Kind {
    pub(super) collection: &'static str,
    pub(super) object: &'static str,
    pub(super) changes: &'static [(&'static str, &'static str)],
    /// Has it a status that can be written, and how?
    pub(super) status: &'static [(&'static str, &'static str)],
}

/// Changes that any object can have.
pub(super) const ANY: &[(&str, &str)] = &[
    ("/metadata/labels/tier", r#""front""#),
    ("/metadata/labels/tier", r#""back""#),
    ("/metadata/labels/side", r#""left""#),
    ("/metadata/annotations/note", r#""a""#),
    ("/metadata/annotations/note", r#""b""#),
    ("/metadata/finalizers", r#"["example.com/hold"]"#),
    ("/metadata/finalizers", "[]"),
    ("/metadata/labels/bad", r#""-""#),
    ("/metadata/uid", r#""11111111-2222-3333-4444-555555555555""#),
    ("/metadata/resourceVersion", r#""1""#),
    ("/metadata/name", r#""other""#),
    ("/metadata/namespace", r#""other""#),
    ("/metadata/labels", r#"{"only": "this"}"#),
    ("/unknown", "1"),
    ("/metadata/labels/number", "1"),
    (
        "/metadata/ownerReferences",
        r#"[{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "22222222-2222-3333-4444-555555555555"}]"#,
    ),
];

const TEMPLATE: &[(&str, &str)] = &[
    ("/spec/template/spec/containers/0/image", r#""example.com/web:2""#),
    ("/spec/template/spec/containers/0/image", r#""""#),
    ("/spec/template/spec/containers/0/env", r#"[{"name": "A", "value": "1"}]"#),
    ("/spec/template/spec/containers/0/env", r#"[{"name": "B", "value": "2"}, {"name": "A", "value": "3"}]"#),
    ("/spec/template/spec/containers/0/ports", r#"[{"containerPort": 80}]"#),
    ("/spec/template/spec/containers/0/ports", r#"[{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]"#),
    ("/spec/template/spec/containers/0/resources/limits/cpu", r#""500m""#),
    ("/spec/template/spec/containers/0/resources/limits/cpu", r#""0.5""#),
    ("/spec/template/spec/containers/0/resources/requests/cpu", r#""2""#),
    ("/spec/template/spec/nodeSelector/disk", r#""ssd""#),
    ("/spec/template/spec/volumes", r#"[{"name": "scratch"}]"#),
    ("/spec/template/spec/tolerations", r#"[{"key": "a", "operator": "Exists"}]"#),
    ("/spec/template/metadata/labels/app", r#""other""#),
    ("/spec/template/metadata/labels/more", r#""yes""#),
    ("/spec/replicas", "3"),
    ("/spec/replicas", "0"),
    ("/spec/replicas", "-1"),
    ("/spec/selector/matchLabels/more", r#""yes""#),
    ("/spec/minReadySeconds", "5"),
    ("/spec/unknown", "true"),
    ("/spec/replicas", r#""three""#),
];

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    Kind {
        collection: "/api/v1/namespaces/exchange/configmaps",
        object: r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "NAME"}, "data": {"a": "1"}}"#,
        changes: &[("/data/a", r#""2""#), ("/data/b", r#""2""#), ("/data", "{}"), ("/binaryData/c", r#""AAE=""#), ("/immutable", "true"), ("/immutable", "false"), ("/data/bad key", r#""x""#), ("/data/a", "1")],
        status: &[],
    },
    Kind {
        collection: "/apis/apps/v1/namespaces/exchange/deployments",
        object: r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "NAME"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]}}}}"#,
        changes: TEMPLATE,
        status: &[("/status/replicas", "2"), ("/status/readyReplicas", "1"), ("/status/conditions", r#"[{"type": "Available", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z", "lastUpdateTime": "2020-01-01T00:00:00Z"}]"#), ("/status/observedGeneration", "1")],
    },
    Kind {
        collection: "/apis/apps/v1/namespaces/exchange/statefulsets",
        object: r#"{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "NAME"}, "spec": {"serviceName": "web", "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]}}}}"#,
        changes: TEMPLATE,
        status: &[("/status/replicas", "2"), ("/status/readyReplicas", "1")],
    },
    Kind {
        collection: "/api/v1/namespaces/exchange/services",
        object: r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "NAME"}, "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]}}"#,
        changes: &[("/spec/ports/0/targetPort", "8080"), ("/spec/ports/0/targetPort", r#""web""#), ("/spec/ports", r#"[{"name": "http", "port": 80}, {"name": "https", "port": 443}]"#), ("/spec/selector/tier", r#""front""#), ("/spec/sessionAffinity", r#""ClientIP""#), ("/spec/publishNotReadyAddresses", "true"), ("/spec/ports/0/port", "0"), ("/spec/ports/0/protocol", r#""UDP""#), ("/spec/type", r#""Odd""#)],
        status: &[("/status/loadBalancer/ingress", r#"[{"ip": "1.2.3.4"}]"#)],
    },
    Kind {
        collection: "/api/v1/namespaces/exchange/secrets",
        object: r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "NAME"}, "data": {"a": "Yg=="}}"#,
        changes: &[("/data/a", r#""Yw==""#), ("/stringData/b", r#""plain""#), ("/data/bad", r#""%""#), ("/type", r#""example.com/own""#), ("/immutable", "true")],
        status: &[],
    },
    Kind {
        collection: "/apis/networking.k8s.io/v1/namespaces/exchange/networkpolicies",
        object: r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "NAME"}, "spec": {"podSelector": {}}}"#,
        changes: &[("/spec/podSelector/matchLabels/app", r#""web""#), ("/spec/ingress", r#"[{"from": [{"podSelector": {}}]}]"#), ("/spec/egress", r#"[{"ports": [{"port": 53}]}]"#), ("/spec/policyTypes", r#"["Egress"]"#), ("/spec/policyTypes", r#"["Odd"]"#)],
        status: &[],
    },
    Kind {
        collection: "/apis/policy/v1/namespaces/exchange/poddisruptionbudgets",
        object: r#"{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "NAME"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}"#,
        changes: &[("/spec/minAvailable", r#""50%""#), ("/spec/minAvailable", "2"), ("/spec/minAvailable", "-1"), ("/spec/selector/matchLabels/tier", r#""front""#), ("/spec/unhealthyPodEvictionPolicy", r#""AlwaysAllow""#)],
        status: &[("/status/currentHealthy", "1")],
    },
    Kind {
        collection: "/apis/autoscaling/v2/namespaces/exchange/horizontalpodautoscalers",
        object: r#"{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "NAME"}, "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}"#,
        changes: &[("/spec/maxReplicas", "7"), ("/spec/maxReplicas", "0"), ("/spec/minReplicas", "2"), ("/spec/minReplicas", "9"), ("/spec/scaleTargetRef/name", r#""other""#), ("/spec/metrics", r#"[{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]"#), ("/spec/behavior/scaleDown/stabilizationWindowSeconds", "60")],
        status: &[("/status/currentReplicas", "1"), ("/status/desiredReplicas", "2")],
    },
    Kind {
        collection: "/apis/networking.k8s.io/v1/namespaces/exchange/ingresses",
        object: r#"{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "NAME"}, "spec": {"rules": [{"host": "example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}"#,
        changes: &[("/spec/rules/0/host", r#""other.example.com""#), ("/spec/rules/0/host", r#""a b""#), ("/spec/ingressClassName", r#""nginx""#), ("/spec/tls", r#"[{"hosts": ["example.com"], "secretName": "tls"}]"#), ("/spec/rules/0/http/paths/0/pathType", r#""Exact""#)],
        status: &[("/status/loadBalancer/ingress", r#"[{"hostname": "example.com"}]"#)],
    },
    Kind {
        collection: "/apis/batch/v1/namespaces/exchange/cronjobs",
        object: r#"{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "NAME"}, "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "example.com/a:1"}]}}}}}}"#,
        changes: &[("/spec/schedule", r#""@daily""#), ("/spec/schedule", r#""""#), ("/spec/suspend", "true"), ("/spec/concurrencyPolicy", r#""Forbid""#), ("/spec/jobTemplate/spec/template/spec/containers/0/image", r#""example.com/a:2""#), ("/spec/jobTemplate/spec/template/spec/restartPolicy", r#""Always""#)],
        status: &[],
    },
    Kind {
        collection: "/apis/rbac.authorization.k8s.io/v1/namespaces/exchange/roles",
        object: r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "NAME"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}"#,
        changes: &[("/rules", "[]"), ("/rules", r#"[{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}]"#), ("/rules", r#"[{"resources": ["pods"]}]"#)],
        status: &[],
    },
    Kind {
        collection: "/apis/coordination.k8s.io/v1/namespaces/exchange/leases",
        object: r#"{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "NAME"}, "spec": {"holderIdentity": "me"}}"#,
        changes: &[("/spec/holderIdentity", r#""you""#), ("/spec/leaseDurationSeconds", "15"), ("/spec/leaseDurationSeconds", "0"), ("/spec/leaseTransitions", "1"), ("/spec/renewTime", r#""2020-01-01T00:00:00.000000Z""#)],
        status: &[],
    },
    Kind {
        collection: "/api/v1/namespaces/exchange/serviceaccounts",
        object: r#"{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "NAME"}}"#,
        changes: &[("/automountServiceAccountToken", "false"), ("/imagePullSecrets", r#"[{"name": "a"}]"#), ("/imagePullSecrets", r#"[{"name": "b"}]"#)],
        status: &[],
    },
];
