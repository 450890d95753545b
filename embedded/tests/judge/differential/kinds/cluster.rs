//! What belongs to the whole cluster.

use super::Kind;

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    Kind::new(
        "/api/v1/namespaces",
        r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "NAME"}}"#,
        &[
            ("/metadata/labels/pod-security.kubernetes.io~1enforce", r#""baseline""#), ("/metadata/labels/kubernetes.io~1metadata.name", r#""else""#),
            ("/spec/finalizers", r#"["kubernetes"]"#), ("/spec/finalizers", r#"["kubernetes", "example.com/own"]"#), ("/spec", "{}"), ("/spec/unknown", "1"),
        ],
    )
    .of_the_cluster()
    .status(&[("/status/phase", r#""Active""#), ("/status/conditions", "[]"), ("/status", "{}")]),
    Kind::new(
        "/apis/scheduling.k8s.io/v1/priorityclasses",
        r#"{"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "NAME"}, "value": 10}"#,
        &[
            ("/value", "20"), ("/value", "-5"), ("/value", "2000000000"), ("/value", r#""high""#), ("/description", r#""of some importance""#), ("/description", r#""""#),
            ("/preemptionPolicy", r#""Never""#), ("/preemptionPolicy", r#""PreemptLowerPriority""#), ("/preemptionPolicy", r#""Odd""#), ("/globalDefault", "false"),
        ],
    )
    .of_the_cluster(),
    Kind::new(
        "/apis/storage.k8s.io/v1/storageclasses",
        r#"{"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "NAME"}, "provisioner": "example.com/disk"}"#,
        &[
            ("/provisioner", r#""example.com/other""#), ("/provisioner", r#""""#), ("/reclaimPolicy", r#""Retain""#), ("/volumeBindingMode", r#""WaitForFirstConsumer""#),
            ("/allowVolumeExpansion", "true"), ("/allowVolumeExpansion", "false"), ("/parameters/kind", r#""ssd""#), ("/parameters", "{}"),
        ],
    )
    .of_the_cluster(),
    Kind::new(
        "/apis/networking.k8s.io/v1/ingressclasses",
        r#"{"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "NAME"}, "spec": {"controller": "example.com/web"}}"#,
        &[("/spec/parameters", r#"{"apiGroup": "example.com", "kind": "Settings", "name": "s"}"#), ("/spec/parameters/scope", r#""Cluster""#)],
    )
    .of_the_cluster(),
];
