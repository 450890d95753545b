//! What workloads are set up with: ConfigMaps, Secrets, ServiceAccounts, claims, quotas and limits.

use super::Kind;

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    Kind::new(
        "/api/v1/namespaces/exchange/configmaps",
        r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "NAME"}, "data": {"a": "1"}}"#,
        &[
            ("/data/a", r#""2""#), ("/data/b", r#""2""#), ("/data", "{}"), ("/data", "null"), ("/data/a", "1"), ("/data/a", "null"),
            ("/data/bad key", r#""x""#), ("/data/..", r#""x""#), ("/binaryData/c", r#""AAE=""#), ("/binaryData/a", r#""AAE=""#),
            ("/binaryData/c", r#""%""#), ("/binaryData", "{}"), ("/immutable", "true"), ("/immutable", "false"), ("/immutable", r#""yes""#),
        ],
    ),
    Kind::new(
        "/api/v1/namespaces/exchange/secrets",
        r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "NAME"}, "data": {"a": "Yg=="}}"#,
        &[
            ("/data/a", r#""Yw==""#), ("/data/b", r#""Yw==""#), ("/stringData/b", r#""plain""#), ("/stringData/a", r#""plain""#),
            ("/data/bad", r#""%""#), ("/data/bad", r#""YQ""#), ("/data/bad key", r#""Yw==""#), ("/data", "{}"), ("/data/a", r#""""#),
            ("/type", r#""example.com/own""#), ("/type", r#""Opaque""#), ("/type", r#""kubernetes.io/tls""#),
            ("/type", r#""kubernetes.io/basic-auth""#), ("/immutable", "true"), ("/immutable", "false"),
        ],
    ),
    Kind::new(
        "/api/v1/namespaces/exchange/serviceaccounts",
        r#"{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "NAME"}}"#,
        &[
            ("/automountServiceAccountToken", "false"), ("/automountServiceAccountToken", "1"), ("/imagePullSecrets", r#"[{"name": "a"}]"#),
            ("/imagePullSecrets", r#"[{"name": "b"}]"#), ("/imagePullSecrets", r#"[{"name": "a"}, {"name": "b"}]"#),
            ("/imagePullSecrets", "[]"), ("/imagePullSecrets", r#"[{}]"#), ("/secrets", r#"[{"name": "s"}]"#),
            ("/metadata/annotations/kubernetes.io~1enforce-mountable-secrets", r#""true""#),
        ],
    ),
    Kind {
        dry: true,
        ..Kind::new(
        "/api/v1/namespaces/exchange/persistentvolumeclaims",
        r#"{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "NAME"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}"#,
        &[
            ("/spec/resources/requests/storage", r#""2Gi""#), ("/spec/resources/requests/storage", r#""0""#),
            ("/spec/resources/requests/storage", r#""-1""#), ("/spec/resources/requests", "{}"), ("/spec/resources/limits/storage", r#""3Gi""#),
            ("/spec/resources/requests/storage", r#""much""#), ("/spec/accessModes", r#"["ReadWriteMany"]"#), ("/spec/accessModes", "[]"),
            ("/spec/accessModes", r#"["Odd"]"#), ("/spec/accessModes", r#"["ReadWriteOncePod", "ReadWriteOnce"]"#),
            ("/spec/storageClassName", r#""fast""#), ("/spec/storageClassName", r#""""#), ("/spec/storageClassName", r#""a b""#),
            ("/spec/volumeMode", r#""Block""#), ("/spec/volumeMode", r#""Odd""#), ("/spec/volumeName", r#""volume""#),
            ("/spec/selector/matchLabels/app", r#""web""#), ("/spec/unknown", "1"),
        ],
    )
    },
    Kind::new(
        "/api/v1/namespaces/exchange/resourcequotas",
        r#"{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "NAME"}, "spec": {"hard": {"pods": "10"}}}"#,
        &[
            ("/spec/hard/pods", r#""20""#), ("/spec/hard/pods", "5"), ("/spec/hard/requests.cpu", r#""2""#), ("/spec/hard/limits.memory", r#""1Gi""#),
            ("/spec/hard/pods", r#""-1""#), ("/spec/hard", "{}"), ("/spec/hard/pods", r#""many""#),
            ("/spec/scopes", r#"["Terminating"]"#), ("/spec/scopes", r#"["BestEffort"]"#), ("/spec/unknown", "1"),
        ],
    )
    .status(&[("/status/hard/pods", r#""10""#), ("/status/used/pods", r#""1""#), ("/status/used/pods", "2")]),
    Kind::new(
        "/api/v1/namespaces/exchange/limitranges",
        r#"{"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "NAME"}, "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}}"#,
        &[
            ("/spec/limits", r#"[{"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "0.1"}}]"#),
            ("/spec/limits", r#"[{"type": "Pod", "max": {"memory": "2Gi"}}]"#),
            ("/spec/limits", r#"[{"type": "Pod", "min": {"memory": "1Gi"}, "max": {"memory": "2Gi"}}, {"type": "Container"}]"#),
            ("/spec/limits", r#"[{"type": "Container", "min": {"cpu": "100m"}, "max": {"cpu": 1}}]"#),
            ("/spec/limits", "[]"), ("/spec/limits", r#"[{"type": "Container", "max": {"cpu": "much"}}]"#), ("/spec/limits", "{}"),
            ("/spec/unknown", "1"),
        ],
    ),
];
