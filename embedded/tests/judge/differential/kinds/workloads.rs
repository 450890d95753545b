//! Workloads, what bears on them, and pods.

use super::{Change, Kind};

/// Changes of a workload's numbers, selector and pod template.
#[rustfmt::skip]
const TEMPLATE: &[Change] = &[
    ("/spec/template/spec/containers/0/image", r#""example.com/web:2""#),
    ("/spec/template/spec/containers/0/image", r#""""#),
    ("/spec/template/spec/containers/0/image", r#""example.com/web""#),
    ("/spec/template/spec/containers/0/imagePullPolicy", r#""Always""#),
    ("/spec/template/spec/containers/0/imagePullPolicy", r#""Odd""#),
    ("/spec/template/spec/containers/0/command", r#"["run"]"#),
    ("/spec/template/spec/containers/0/env", r#"[{"name": "A", "value": "1"}]"#),
    ("/spec/template/spec/containers/0/env", r#"[{"name": "B", "value": "2"}, {"name": "A", "value": "3"}]"#),
    ("/spec/template/spec/containers/0/env", r#"[{"name": "C", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]"#),
    ("/spec/template/spec/containers/0/env", r#"[{"name": "C", "value": "1", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}]"#),
    ("/spec/template/spec/containers/0/env", "[]"),
    ("/spec/template/spec/containers/0/ports", r#"[{"containerPort": 80}]"#),
    ("/spec/template/spec/containers/0/ports", r#"[{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}]"#),
    ("/spec/template/spec/containers/0/ports", r#"[{"containerPort": 70000}]"#),
    ("/spec/template/spec/containers/0/ports", r#"[{"name": "http", "containerPort": 80}, {"name": "http", "containerPort": 81}]"#),
    ("/spec/template/spec/containers/0/resources/limits/cpu", r#""500m""#),
    ("/spec/template/spec/containers/0/resources/limits/cpu", r#""0.5""#),
    ("/spec/template/spec/containers/0/resources/limits/memory", r#""128Mi""#),
    ("/spec/template/spec/containers/0/resources/requests/cpu", r#""2""#),
    ("/spec/template/spec/containers/0/resources/requests/cpu", r#""-1""#),
    ("/spec/template/spec/containers/0/resources/requests/cpu", r#""much""#),
    ("/spec/template/spec/containers/0/livenessProbe", r#"{"httpGet": {"port": 80}}"#),
    ("/spec/template/spec/containers/0/livenessProbe", r#"{"tcpSocket": {"port": "http"}, "periodSeconds": 5}"#),
    ("/spec/template/spec/containers/0/livenessProbe", "{}"),
    ("/spec/template/spec/containers/0/volumeMounts", r#"[{"name": "scratch", "mountPath": "/scratch"}]"#),
    ("/spec/template/spec/containers/0/securityContext/runAsNonRoot", "true"),
    ("/spec/template/spec/containers/0/name", r#""other""#),
    ("/spec/template/spec/containers/0/unknown", "1"),
    ("/spec/template/spec/containers", "[]"),
    ("/spec/template/spec/initContainers", r#"[{"name": "first", "image": "example.com/first:1"}]"#),
    ("/spec/template/spec/nodeSelector/disk", r#""ssd""#),
    ("/spec/template/spec/volumes", r#"[{"name": "scratch"}]"#),
    ("/spec/template/spec/volumes", r#"[{"name": "scratch", "emptyDir": {}}, {"name": "settings", "configMap": {"name": "settings"}}]"#),
    ("/spec/template/spec/volumes", r#"[{"name": "scratch"}, {"name": "scratch"}]"#),
    ("/spec/template/spec/tolerations", r#"[{"key": "a", "operator": "Exists"}]"#),
    ("/spec/template/spec/tolerations", r#"[{"key": "a", "operator": "Odd"}]"#),
    ("/spec/template/spec/serviceAccountName", r#""web""#),
    ("/spec/template/spec/terminationGracePeriodSeconds", "0"),
    ("/spec/template/spec/terminationGracePeriodSeconds", "-1"),
    ("/spec/template/spec/hostNetwork", "true"),
    ("/spec/template/spec/dnsPolicy", r#""Odd""#),
    ("/spec/template/spec/restartPolicy", r#""Never""#),
    ("/spec/template/spec/priorityClassName", r#""high""#),
    ("/spec/template/spec/affinity", r#"{"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "web"}}}]}}"#),
    ("/spec/template/spec/topologySpreadConstraints", r#"[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]"#),
    ("/spec/template/spec/topologySpreadConstraints", r#"[{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Odd"}]"#),
    ("/spec/template/metadata/labels/app", r#""other""#),
    ("/spec/template/metadata/labels/more", r#""yes""#),
    ("/spec/template/metadata/labels/bad", r#""-""#),
    ("/spec/template/metadata/annotations/note", r#""a""#),
    ("/spec/replicas", "3"),
    ("/spec/replicas", "0"),
    ("/spec/replicas", "-1"),
    ("/spec/replicas", r#""three""#),
    ("/spec/selector/matchLabels/more", r#""yes""#),
    ("/spec/selector", "{}"),
    ("/spec/selector", "null"),
    ("/spec/selector/matchExpressions", r#"[{"key": "app", "operator": "Exists"}]"#),
    ("/spec/selector/matchExpressions", r#"[{"key": "app", "operator": "In"}]"#),
    ("/spec/minReadySeconds", "5"),
    ("/spec/minReadySeconds", "-1"),
    ("/spec/revisionHistoryLimit", "2"),
    ("/spec/revisionHistoryLimit", "-1"),
    ("/spec/progressDeadlineSeconds", "3"),
    ("/spec/paused", "true"),
    ("/spec/strategy", r#"{"type": "Recreate"}"#),
    ("/spec/strategy/rollingUpdate/maxSurge", "0"),
    ("/spec/strategy/rollingUpdate/maxSurge", r#""10%""#),
    ("/spec/strategy/rollingUpdate/maxUnavailable", "0"),
    ("/spec/strategy/rollingUpdate/maxUnavailable", r#""101%""#),
    ("/spec/strategy/type", r#""Odd""#),
    ("/spec/updateStrategy", r#"{"type": "OnDelete"}"#),
    ("/spec/updateStrategy/rollingUpdate/partition", "2"),
    ("/spec/updateStrategy/rollingUpdate/maxUnavailable", r#""20%""#),
    ("/spec/updateStrategy/type", r#""Odd""#),
    ("/spec/podManagementPolicy", r#""Parallel""#),
    ("/spec/serviceName", r#""other""#),
    ("/spec/volumeClaimTemplates", r#"[{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]"#),
    ("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted", r#""Delete""#),
    ("/spec/unknown", "true"),
];

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    Kind::new(
        "/apis/apps/v1/namespaces/exchange/deployments",
        r#"{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "NAME"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]}}}}"#,
        TEMPLATE,
    )
    .status(&[
        ("/status/replicas", "2"), ("/status/readyReplicas", "1"), ("/status/availableReplicas", "1"), ("/status/collisionCount", "2"), ("/status/collisionCount", "1"),
        ("/status/conditions", r#"[{"type": "Available", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z", "lastUpdateTime": "2020-01-01T00:00:00Z"}]"#),
        ("/status/observedGeneration", "1"), ("/status/unavailableReplicas", "-1"), ("/status", "{}"),
    ])
    .scales(),
    Kind::new(
        "/apis/apps/v1/namespaces/exchange/statefulsets",
        r#"{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "NAME"}, "spec": {"serviceName": "web", "selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]}}}}"#,
        TEMPLATE,
    )
    .status(&[("/status/replicas", "2"), ("/status/readyReplicas", "1"), ("/status/currentRevision", r#""web-1""#), ("/status", "{}")])
    .scales(),
    Kind::new(
        "/apis/apps/v1/namespaces/exchange/replicasets",
        r#"{"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "NAME"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]}}}}"#,
        TEMPLATE,
    )
    .status(&[("/status/replicas", "2"), ("/status/readyReplicas", "1"), ("/status/fullyLabeledReplicas", "3"), ("/status", "{}")])
    .scales(),
    Kind::new(
        "/apis/apps/v1/namespaces/exchange/daemonsets",
        r#"{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "NAME"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]}}}}"#,
        TEMPLATE,
    )
    .status(&[("/status/numberReady", "1"), ("/status/desiredNumberScheduled", "2"), ("/status/numberMisscheduled", "-1"), ("/status", "{}")]),
    Kind::new(
        "/apis/batch/v1/namespaces/exchange/cronjobs",
        r#"{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "NAME"}, "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "example.com/a:1"}]}}}}}}"#,
        &[
            ("/spec/schedule", r#""@daily""#), ("/spec/schedule", r#""""#), ("/spec/schedule", r#""61 * * * *""#), ("/spec/schedule", r#""often""#), ("/spec/suspend", "true"),
            ("/spec/concurrencyPolicy", r#""Forbid""#), ("/spec/concurrencyPolicy", r#""Odd""#), ("/spec/timeZone", r#""Etc/UTC""#), ("/spec/timeZone", r#""""#),
            ("/spec/successfulJobsHistoryLimit", "0"), ("/spec/failedJobsHistoryLimit", "-1"), ("/spec/startingDeadlineSeconds", "10"),
            ("/spec/jobTemplate/spec/template/spec/containers/0/image", r#""example.com/a:2""#), ("/spec/jobTemplate/spec/template/spec/restartPolicy", r#""Always""#),
            ("/spec/jobTemplate/spec/template/spec/restartPolicy", r#""OnFailure""#), ("/spec/jobTemplate/spec/parallelism", "2"), ("/spec/jobTemplate/spec/completions", "-1"),
            ("/spec/jobTemplate/metadata/labels/app", r#""web""#), ("/spec/jobTemplate/spec/ttlSecondsAfterFinished", "60"), ("/spec/unknown", "1"),
        ],
    )
    .status(&[("/status/lastScheduleTime", r#""2020-01-01T00:00:00Z""#), ("/status/active", r#"[{"kind": "Job", "name": "a"}]"#), ("/status", "{}")]),
    Kind::new(
        "/apis/batch/v1/namespaces/exchange/jobs",
        r#"{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "NAME", "labels": {"app": "a"}}, "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "example.com/a:1"}]}}}}"#,
        &[
            ("/spec/parallelism", "2"), ("/spec/parallelism", "-1"), ("/spec/completions", "3"), ("/spec/backoffLimit", "0"), ("/spec/backoffLimit", "-1"), ("/spec/suspend", "true"),
            ("/spec/activeDeadlineSeconds", "60"), ("/spec/ttlSecondsAfterFinished", "10"), ("/spec/completionMode", r#""Indexed""#), ("/spec/completionMode", r#""Odd""#),
            ("/spec/template/spec/restartPolicy", r#""Always""#), ("/spec/template/spec/restartPolicy", r#""OnFailure""#), ("/spec/template/metadata/labels/app", r#""web""#),
            ("/spec/unknown", "1"),
        ],
    )
    .status(&[("/status/active", "1"), ("/status/succeeded", "1"), ("/status/startTime", r#""2020-01-01T00:00:00Z""#), ("/status", "{}")]),
    Kind::new(
        "/apis/autoscaling/v2/namespaces/exchange/horizontalpodautoscalers",
        r#"{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "NAME"}, "spec": {"maxReplicas": 5, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}"#,
        &[
            ("/spec/maxReplicas", "7"), ("/spec/maxReplicas", "0"), ("/spec/maxReplicas", "-1"), ("/spec/minReplicas", "2"), ("/spec/minReplicas", "9"),
            ("/spec/scaleTargetRef/name", r#""other""#), ("/spec/scaleTargetRef/name", r#""""#), ("/spec/scaleTargetRef/apiVersion", r#""v1""#),
            ("/spec/metrics", r#"[{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]"#), ("/spec/metrics", "[]"),
            ("/spec/behavior/scaleDown/stabilizationWindowSeconds", "60"), ("/spec/behavior/scaleUp/selectPolicy", r#""Min""#), ("/spec/unknown", "1"),
        ],
    )
    .status(&[("/status/currentReplicas", "1"), ("/status/currentReplicas", "2")]),
    Kind::new(
        "/apis/policy/v1/namespaces/exchange/poddisruptionbudgets",
        r#"{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "NAME"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}"#,
        &[
            ("/spec/minAvailable", r#""50%""#), ("/spec/minAvailable", "2"), ("/spec/minAvailable", "-1"), ("/spec/minAvailable", r#""101%""#), ("/spec/minAvailable", r#""half""#),
            ("/spec/selector/matchLabels/tier", r#""front""#), ("/spec/selector/matchLabels/tier", r#""-""#), ("/spec/selector", "{}"),
            ("/spec/unhealthyPodEvictionPolicy", r#""AlwaysAllow""#), ("/spec/unhealthyPodEvictionPolicy", r#""Odd""#), ("/spec", "{}"),
        ],
    )
    .status(&[("/status/currentHealthy", "1"), ("/status/disruptionsAllowed", "2"), ("/status", "{}")]),
];

/// Pods by themselves: quotas and limits would bear on them.
#[rustfmt::skip]
pub(super) const PODS: &[Kind] = &[
    Kind::new(
        "/api/v1/namespaces/exchange/pods",
        r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "NAME"}, "spec": {"automountServiceAccountToken": false, "containers": [{"name": "web", "image": "example.com/web:1"}]}}"#,
        &[
            ("/spec/containers/0/image", r#""example.com/web:2""#), ("/spec/containers/0/image", r#""""#), ("/spec/containers/0/image", r#"" a""#),
            ("/spec/containers/0/command", r#"["run"]"#), ("/spec/containers/0/env", r#"[{"name": "A", "value": "1"}]"#), ("/spec/containers/0/env", r#"[{"name": ""}]"#),
            ("/spec/containers/0/ports", r#"[{"containerPort": 80}]"#), ("/spec/containers/0/resources/limits/cpu", r#""500m""#), ("/spec/containers/0/resources/requests/cpu", r#""2""#),
            ("/spec/containers/0/readinessProbe", r#"{"httpGet": {"port": 80}}"#), ("/spec/containers/0/readinessProbe", r#"{"exec": {"command": []}}"#),
            ("/spec/containers/0/unknown", "1"), ("/spec/containers", "[]"), ("/spec/nodeSelector/disk", r#""ssd""#), ("/spec/volumes", r#"[{"name": "scratch"}]"#),
            ("/spec/tolerations", r#"[{"key": "a", "operator": "Exists"}]"#), ("/spec/activeDeadlineSeconds", "60"), ("/spec/activeDeadlineSeconds", "0"), ("/spec/restartPolicy", r#""Never""#),
            ("/spec/restartPolicy", r#""Odd""#), ("/spec/terminationGracePeriodSeconds", "5"), ("/spec/serviceAccountName", r#""other""#), ("/spec/hostname", r#""A""#), ("/spec/subdomain", r#""web""#),
            ("/spec/priorityClassName", r#""system-node-critical""#), ("/spec/priorityClassName", r#""none""#), ("/spec/schedulerName", r#""own""#), ("/spec/nodeName", r#""somewhere""#),
        ],
    )
    .status(&[
        ("/status/phase", r#""Running""#), ("/status/podIP", r#""10.1.2.3""#), ("/status/reason", r#""Odd""#),
        ("/status/conditions", r#"[{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z", "lastProbeTime": null}]"#),
    ]),
];
