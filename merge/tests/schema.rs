//! What the shipped types say, held against the places where it matters.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use structured_merge::Schema;
use structured_merge::schema::{Format, Scalar};

/// `kind` is `group/version/kind`, `path` field names with dots; lists are stepped into.
#[track_caller]
fn check(kind: &str, path: &str, expected: &str) {
    let mut parts = kind.split('/');
    let mut part = || parts.next().unwrap();
    let ty = Schema::kubernetes().kind(part(), part(), part());
    assert!(ty.is_some(), "there is no {kind}");
    let place = ty.unwrap().at(path.split('.'));
    assert!(place.is_some(), "{kind} has no {path}");
    let place = place.unwrap();
    let found = if let Some(keys) = place.list_map_keys() {
        format!("map by {}", keys.join(","))
    } else if place.is_set() {
        "set".to_owned()
    } else if place.is_list() && place.is_atomic() {
        "whole list".to_owned()
    } else if place.is_map() && place.is_atomic() {
        "whole map".to_owned()
    } else if place.is_map() {
        "map".to_owned()
    } else {
        format!("{:?} {:?}", place.scalar().unwrap(), place.format())
    };
    assert_eq!(found, expected, "{kind} {path}");
}

#[test]
fn lists_and_maps() {
    let pod = "apps/v1/Deployment";
    let at = |path: &str| format!("spec.template.spec.{path}");
    check(pod, &at("containers"), "map by name");
    check(pod, &at("initContainers"), "map by name");
    check(pod, &at("containers.ports"), "map by containerPort,protocol");
    check(pod, &at("containers.env"), "map by name");
    check(pod, &at("containers.envFrom"), "whole list");
    check(pod, &at("containers.volumeMounts"), "map by mountPath");
    check(pod, &at("containers.command"), "whole list");
    check(pod, &at("containers.resources.limits"), "map");
    check(pod, &at("containers.resources.claims"), "map by name");
    check(pod, &at("containers.securityContext.capabilities.drop"), "whole list");
    check(pod, &at("volumes"), "map by name");
    check(pod, &at("volumes.configMap.items"), "whole list");
    check(pod, &at("imagePullSecrets"), "map by name");
    check(pod, &at("tolerations"), "whole list");
    check(pod, &at("hostAliases"), "map by ip");
    check(pod, &at("topologySpreadConstraints"), "map by topologyKey,whenUnsatisfiable");
    check(pod, &at("nodeSelector"), "whole map");
    check(pod, &at("securityContext"), "map");
    check(pod, "spec.selector", "whole map");
    check(pod, "spec.strategy", "map");
    check(pod, "status.conditions", "map by type");
    check(pod, "metadata.finalizers", "set");
    check(pod, "metadata.ownerReferences", "map by uid");
    check(pod, "metadata.managedFields", "whole list");
    check(pod, "metadata.labels", "map");
    check("/v1/Service", "spec.ports", "map by port,protocol");
    check("/v1/Service", "spec.selector", "whole map");
    check("/v1/Service", "spec.clusterIPs", "whole list");
    check("/v1/Secret", "data", "map");
    check("/v1/ServiceAccount", "secrets", "map by name");
    check("/v1/Endpoints", "subsets", "whole list");
    check("/v1/Node", "status.addresses", "map by type");
    check("networking.k8s.io/v1/Ingress", "spec.rules", "whole list");
    check("networking.k8s.io/v1/Ingress", "spec.tls", "whole list");
    check("networking.k8s.io/v1/NetworkPolicy", "spec.podSelector", "whole map");
    check("networking.k8s.io/v1/NetworkPolicy", "spec.ingress", "whole list");
    check("autoscaling/v2/HorizontalPodAutoscaler", "spec.metrics", "whole list");
    check("autoscaling/v2/HorizontalPodAutoscaler", "spec.scaleTargetRef", "map");
    check("policy/v1/PodDisruptionBudget", "status.conditions", "map by type");
    check("rbac.authorization.k8s.io/v1/Role", "rules", "whole list");
    check("apiextensions.k8s.io/v1/CustomResourceDefinition", "spec.versions", "whole list");
    check("admissionregistration.k8s.io/v1/MutatingWebhookConfiguration", "webhooks", "map by name");
    check("batch/v1/Job", "spec.podFailurePolicy.rules", "whole list");
    check("coordination.k8s.io/v1/Lease", "spec", "map");
}

#[test]
fn scalars() {
    check("apps/v1/Deployment", "spec.replicas", "Integer Plain");
    check("apps/v1/Deployment", "spec.paused", "Boolean Plain");
    check("apps/v1/Deployment", "spec.template.spec.containers.image", "String Plain");
    check("apps/v1/Deployment", "spec.template.spec.containers.resources.limits.cpu", "Any Quantity");
    check("apps/v1/Deployment", "spec.strategy.rollingUpdate.maxSurge", "Any IntOrString");
    check("apps/v1/Deployment", "metadata.creationTimestamp", "Any Time");
    check("coordination.k8s.io/v1/Lease", "spec.renewTime", "Any Time");
    check("/v1/Secret", "data.key", "String Bytes");
}

#[test]
fn defaults_of_list_keys() {
    let containers = Schema::kubernetes().kind("", "v1", "Pod").unwrap().at(["spec", "containers"]).unwrap();
    assert_eq!(containers.list_key_defaults(), [("name", &json!(""))]);
    let ports = containers.at(["ports"]).unwrap();
    assert_eq!(ports.list_key_defaults(), [("containerPort", &json!(0)), ("protocol", &json!("TCP"))]);
    let service = Schema::kubernetes().kind("", "v1", "Service").unwrap().at(["spec", "ports"]).unwrap();
    assert_eq!(service.list_key_defaults(), [("port", &json!(0)), ("protocol", &json!("TCP"))]);
}

#[test]
fn what_a_strategic_merge_patch_needs() {
    let spec = Schema::kubernetes().kind("apps", "v1", "Deployment").unwrap().at(["spec"]).unwrap();
    let strategy = spec.declared_field("strategy").unwrap();
    assert!(strategy.patch.retain_keys && !strategy.patch.merge && !strategy.required);
    let pod = spec.at(["template", "spec"]).unwrap();
    let containers = pod.declared_field("containers").unwrap();
    assert!(containers.patch.merge && containers.required);
    assert_eq!(containers.patch.merge_key.as_deref(), Some("name"));
    let volumes = pod.declared_field("volumes").unwrap();
    assert!(volumes.patch.merge && volumes.patch.retain_keys);
    let ports = containers.ty.at(["ports"]);
    assert!(ports.is_some());
    assert!(pod.declared_field("tolerations").is_some_and(|field| !field.patch.merge));
}

#[test]
fn six_versions_ship() {
    assert_eq!(Schema::kubernetes_versions(), ["1.37", "1.36", "1.35", "1.34", "1.33", "1.32"]);
    assert_eq!(Schema::kubernetes_version(), "1.37");
    for version in Schema::kubernetes_versions() {
        let schema = Schema::of_kubernetes(&version).unwrap();
        assert_eq!(schema.version(), version);
        assert!(schema.kinds().count() > 150, "Kubernetes {version} has {} kinds", schema.kinds().count());
        for (group, version, kind) in
            [("apps", "v1", "Deployment"), ("autoscaling", "v2", "HorizontalPodAutoscaler"), ("", "v1", "Pod")]
        {
            assert!(schema.kind(group, version, kind).is_some_and(|ty| ty.at(["metadata", "labels"]).is_some()));
        }
    }
}

#[test]
fn unknown_kinds_and_fields_are_absent() {
    let schema = Schema::kubernetes();
    assert!(schema.kind("apps", "v1", "Deploymint").is_none());
    assert!(schema.kind("apps", "v2", "Deployment").is_none());
    let deployment = schema.kind("apps", "v1", "Deployment").unwrap();
    assert!(deployment.field("specs").is_none());
    assert!(!deployment.allows_unknown());
    assert!(deployment.at(["metadata", "annotations"]).is_some_and(|annotations| annotations.allows_unknown()));
}

#[track_caller]
fn check_crd(schema: Value, expected: &str) {
    assert_eq!(Schema::from_crd_version(&schema, false).unwrap_err().to_string(), expected);
}

#[test]
fn a_schema_that_does_not_say_enough_is_refused() {
    let with = |field: Value| json!({"type": "object", "properties": {"spec": field}});
    check_crd(json!(true), "reading the schema of a custom resource definition: it is not a JSON object");
    check_crd(
        json!({"type": "string"}),
        "reading the schema of a custom resource definition: it is not of type object",
    );
    check_crd(
        with(json!({"type": "array"})),
        "reading the schema of a custom resource definition: it has a list without items",
    );
    check_crd(
        with(json!({"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"})),
        "reading the schema of a custom resource definition: it has a list map without x-kubernetes-list-map-keys",
    );
    check_crd(
        with(json!({"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "bag"})),
        "reading the schema of a custom resource definition: \
         it has an x-kubernetes-list-type other than atomic, set and map",
    );
    check_crd(
        with(json!({"type": "object", "x-kubernetes-map-type": "loose"})),
        "reading the schema of a custom resource definition: it has an x-kubernetes-map-type other than atomic and granular",
    );
    check_crd(
        with(json!({"type": "decimal"})),
        "reading the schema of a custom resource definition: it has a type that JSON does not have",
    );
}

#[test]
fn an_object_inside_a_custom_resource_has_them_too() {
    let embedded = json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": {
        "metadata": {"type": "object"}, "spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}});
    let ty = Schema::from_crd_version(&json!({"type": "object", "properties": {"inner": embedded}}), false).unwrap();
    assert_eq!(ty.at(["inner", "metadata", "finalizers"]).map(|finalizers| finalizers.is_set()), Some(true));
    assert_eq!(ty.at(["inner", "apiVersion"]).and_then(|version| version.scalar()), Some(Scalar::String));
    assert!(ty.at(["inner", "spec", "size"]).is_some());
    assert!(ty.at(["inner", "status"]).is_none());
    let bare =
        json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true});
    let ty = Schema::from_crd_version(&json!({"type": "object", "properties": {"inner": bare}}), false).unwrap();
    assert!(ty.at(["inner", "status"]).is_some() && ty.at(["inner", "metadata", "labels"]).is_some());
}

#[test]
fn a_custom_resource_has_the_metadata_of_every_object() {
    let schema = json!({"type": "object", "properties": {"metadata": {"type": "object"}, "spec": {
        "type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}}});
    let ty = Schema::from_crd_version(&schema, false).unwrap();
    assert_eq!(ty.at(["metadata", "ownerReferences"]).unwrap().list_map_keys(), Some(vec!["uid"]));
    assert_eq!(ty.at(["kind"]).unwrap().scalar(), Some(Scalar::String));
    assert_eq!(ty.at(["spec", "at"]).unwrap().format(), Format::Time);
    assert!(ty.field("status").is_none());
    let open = Schema::from_crd_version(&schema, true).unwrap();
    assert!(open.field("status").is_some_and(|status| status.is_map()));
}
