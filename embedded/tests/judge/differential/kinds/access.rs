//! Who may do what.

use super::Kind;

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    Kind::new(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/exchange/roles",
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "NAME"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}"#,
        &[
            ("/rules", "[]"), ("/rules", "null"), ("/rules", r#"[{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]}]"#),
            ("/rules", r#"[{"resources": ["pods"]}]"#), ("/rules", r#"[{"apiGroups": [""], "resources": ["pods"], "verbs": []}]"#),
            ("/rules", r#"[{"nonResourceURLs": ["/healthz"], "verbs": ["get"]}]"#), ("/rules", r#"[{}]"#), ("/rules/0/resourceNames", r#"["one"]"#), ("/rules/0/verbs", r#""get""#),
        ],
    ),
    Kind::new(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/exchange/rolebindings",
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "NAME"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}, "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "exchange"}]}"#,
        &[
            ("/subjects", "[]"), ("/subjects", r#"[{"kind": "User", "name": "jo", "apiGroup": "rbac.authorization.k8s.io"}]"#), ("/subjects", r#"[{"kind": "User", "name": "jo"}]"#),
            ("/subjects", r#"[{"kind": "Odd", "name": "jo"}]"#), ("/subjects", r#"[{"kind": "Group", "name": ""}]"#), ("/subjects", r#"[{"kind": "ServiceAccount", "name": "a b", "namespace": "x"}]"#),
            ("/subjects", r#"[{"kind": "ServiceAccount", "name": "web"}]"#), ("/roleRef/name", r#""writer""#), ("/roleRef/name", r#""""#), ("/roleRef/kind", r#""ClusterRole""#), ("/roleRef/kind", r#""Odd""#),
            ("/roleRef/apiGroup", r#""example.com""#),
        ],
    ),
    Kind::new(
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        r#"{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "NAME"}, "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]}"#,
        &[
            ("/rules", "[]"), ("/rules", r#"[{"nonResourceURLs": ["/healthz"], "verbs": ["get"]}]"#), ("/rules", r#"[{"nonResourceURLs": ["/a"], "resources": ["pods"], "verbs": ["get"]}]"#),
            ("/rules", r#"[{"apiGroups": [""], "verbs": ["get"]}]"#), ("/rules", r#"[{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]"#),
        ],
    )
    .of_the_cluster(),
    Kind::new(
        "/apis/coordination.k8s.io/v1/namespaces/exchange/leases",
        r#"{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "NAME"}, "spec": {"holderIdentity": "me"}}"#,
        &[
            ("/spec/holderIdentity", r#""you""#), ("/spec/holderIdentity", r#""""#), ("/spec/leaseDurationSeconds", "15"), ("/spec/leaseDurationSeconds", "0"), ("/spec/leaseTransitions", "1"),
            ("/spec/leaseTransitions", "-1"), ("/spec/renewTime", r#""2020-01-01T00:00:00.000000Z""#), ("/spec", "{}"),
        ],
    ),
];
