//! What leads to pods: Services, Ingresses, NetworkPolicies, and what classes and slices there are.

use super::Kind;

#[rustfmt::skip]
pub(super) const KINDS: &[Kind] = &[
    Kind::new(
        "/api/v1/namespaces/exchange/services",
        r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "NAME"}, "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}]}}"#,
        &[
            ("/spec/ports/0/targetPort", "8080"), ("/spec/ports/0/targetPort", r#""web""#), ("/spec/ports/0/targetPort", r#""no port""#),
            ("/spec/ports", r#"[{"name": "http", "port": 80}, {"name": "https", "port": 443}]"#), ("/spec/ports", r#"[{"port": 80}, {"port": 81}]"#),
            ("/spec/ports", r#"[{"name": "a", "port": 80}, {"name": "a", "port": 81}]"#), ("/spec/ports", "[]"),
            ("/spec/ports", r#"[{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]"#),
            ("/spec/ports/0/appProtocol", r#""http""#), ("/spec/ports/0/appProtocol", r#""a b""#),
            ("/spec/selector/tier", r#""front""#), ("/spec/selector", "{}"), ("/spec/selector/app", r#""-""#),
            ("/spec/sessionAffinity", r#""ClientIP""#), ("/spec/sessionAffinity", r#""Odd""#),
            ("/spec/sessionAffinityConfig/clientIP/timeoutSeconds", "60"), ("/spec/publishNotReadyAddresses", "true"),
            ("/spec/ports/0/port", "0"), ("/spec/ports/0/port", r#""http""#), ("/spec/ports/0/protocol", r#""UDP""#), ("/spec/ports/0/protocol", r#""ICMP""#),
            ("/spec/type", r#""Odd""#), ("/spec/type", r#""NodePort""#), ("/spec/type", r#""LoadBalancer""#), ("/spec/type", r#""ClusterIP""#),
            ("/spec/type", r#""ExternalName""#), ("/spec/externalName", r#""example.com""#), ("/spec/clusterIP", r#""None""#), ("/spec/clusterIP", r#""1.2""#),
            ("/spec/internalTrafficPolicy", r#""Local""#), ("/spec/internalTrafficPolicy", r#""Odd""#), ("/spec/externalTrafficPolicy", r#""Cluster""#),
            ("/spec/ipFamilyPolicy", r#""SingleStack""#), ("/spec/trafficDistribution", r#""PreferClose""#), ("/spec/trafficDistribution", r#""Odd""#),
            ("/spec/loadBalancerSourceRanges", r#"["10.0.0.0/8"]"#), ("/spec/allocateLoadBalancerNodePorts", "true"),
        ],
    )
    .status(&[("/status/loadBalancer", "{}"), ("/status/conditions", "[]")]),
    Kind::new(
        "/apis/networking.k8s.io/v1/namespaces/exchange/networkpolicies",
        r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "NAME"}, "spec": {"podSelector": {}}}"#,
        &[
            ("/spec/podSelector/matchLabels/app", r#""web""#), ("/spec/podSelector/matchLabels/app", r#""-""#),
            ("/spec/podSelector/matchExpressions", r#"[{"key": "app", "operator": "In", "values": []}]"#),
            ("/spec/ingress", r#"[{"from": [{"podSelector": {}}]}]"#), ("/spec/ingress", r#"[{"from": [{}]}]"#), ("/spec/ingress", r#"[{}]"#),
            ("/spec/ingress", r#"[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]"#),
            ("/spec/ingress", r#"[{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}]"#),
            ("/spec/ingress", r#"[{"from": [{"ipBlock": {"cidr": "many"}}]}]"#),
            ("/spec/egress", r#"[{"ports": [{"port": 53}]}]"#), ("/spec/egress", r#"[{"ports": [{"port": 53, "endPort": 60, "protocol": "UDP"}]}]"#),
            ("/spec/egress", r#"[{"ports": [{"port": 0}]}]"#), ("/spec/egress", r#"[{"ports": [{"port": "dns"}], "to": [{"namespaceSelector": {}}]}]"#),
            ("/spec/policyTypes", r#"["Egress"]"#), ("/spec/policyTypes", r#"["Odd"]"#), ("/spec/policyTypes", r#"["Ingress", "Egress"]"#),
        ],
    ),
    Kind::new(
        "/apis/networking.k8s.io/v1/namespaces/exchange/ingresses",
        r#"{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "NAME"}, "spec": {"rules": [{"host": "example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]}}"#,
        &[
            ("/spec/rules/0/host", r#""other.example.com""#), ("/spec/rules/0/host", r#""a b""#), ("/spec/rules/0/host", r#""1.2.3.4""#),
            ("/spec/rules/0/host", r#""*.example.com""#), ("/spec/ingressClassName", r#""nginx""#), ("/spec/ingressClassName", r#""a b""#),
            ("/spec/tls", r#"[{"hosts": ["example.com"], "secretName": "tls"}]"#), ("/spec/tls", r#"[{"hosts": ["a b"]}]"#), ("/spec/tls", "[]"),
            ("/spec/rules/0/http/paths/0/pathType", r#""Exact""#), ("/spec/rules/0/http/paths/0/pathType", r#""Odd""#),
            ("/spec/rules/0/http/paths/0/path", r#""relative""#), ("/spec/rules/0/http/paths/0/path", r#""/a//b""#),
            ("/spec/rules/0/http/paths/0/backend/service/port", r#"{"name": "http"}"#), ("/spec/rules/0/http/paths/0/backend/service/port", "{}"),
            ("/spec/rules/0/http/paths/0/backend/service/name", r#""""#), ("/spec/rules/0/http/paths/0/backend/service/name", r#""A""#),
            ("/spec/rules/0/http/paths/0/backend", "{}"), ("/spec/defaultBackend", r#"{"service": {"name": "web", "port": {"number": 80}}}"#),
            ("/spec/defaultBackend", r#"{"resource": {"apiGroup": "example.com", "kind": "Bucket", "name": "b"}}"#),
            ("/metadata/annotations/kubernetes.io~1ingress.class", r#""old""#),
        ],
    )
    .status(&[
        ("/status/loadBalancer/ingress", r#"[{"hostname": "example.com"}]"#), ("/status/loadBalancer/ingress", r#"[{"ip": "1.2.3.4"}]"#), ("/status/loadBalancer", "{}"),
    ]),
    Kind::new(
        "/apis/discovery.k8s.io/v1/namespaces/exchange/endpointslices",
        r#"{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "NAME"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.1.2.3"]}], "ports": [{"name": "http", "port": 80}]}"#,
        &[
            ("/endpoints/0/addresses", r#"["10.1.2.4"]"#), ("/endpoints/0/conditions/ready", "true"), ("/endpoints", "[]"), ("/ports", "[]"),
            ("/ports/0/port", "8080"), ("/ports/0/protocol", r#""UDP""#), ("/metadata/labels/kubernetes.io~1service-name", r#""web""#),
        ],
    ),
];
