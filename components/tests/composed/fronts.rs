//! HAProxy in front of services: what it is configured with, who gets through to it, and what it cannot do.

use serde_json::{Value, json};
use strata_components::claims::PortUse;
use strata_components::compose::compose;
use strata_components::desired::Desired;
use strata_components::model::{Environment, Stack};

/// A client, an HAProxy with `haproxy` as its settings and `more` about its service, and what stands behind it.
fn try_composed(haproxy: Value, more: Value) -> Result<Desired, Vec<(Option<String>, String)>> {
    let mut balancer = json!({
        "tier": "front", "port": 9009, "depends_on": ["cart", "mail", "cache"], "component": {"haproxy": haproxy},
    });
    balancer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let redis = json!({"redis": {"storage": {"size": "1Gi"}, "password": {"secret": "cache", "key": "password"}}});
    let stack: Stack = serde_json::from_value(json!({
        "stack": "shop", "namespace": "shop", "health_port": "same",
        "tiers": {
            "front": {"ports": "9000-9009"},
            "back": {"ports": "9010-9019", "namespace": "shop-back", "critical": true},
        },
        "services": {
            "web": {"tier": "front", "port": 9000, "depends_on": ["balancer"]},
            "balancer": balancer,
            "cart": {
                "tier": "back", "port": 9010, "replicas": 5, "sessions": true, "health_path": "/ready",
                "purpose": "Keeps \"what\"\n    stats admin if TRUE\n# is bought",
            },
            "mail": {"tier": "back", "port": 9011, "health_port": "+100"},
            "cache": {"tier": "back", "port": 9012, "component": redis},
        },
    }))
    .unwrap();
    let environment: Environment = serde_json::from_value(json!({
        "environment": "dev", "clusters": {"local": {"embedded": {}}}, "default_cluster": "local",
        "port_offset": 200, "mesh": {"mode": "sidecar", "cni": true}, "replicas": {"critical_min": 2},
        "image": {"registry": "registry.example/shop", "tag": "1.0.0"},
    }))
    .unwrap();
    let problems = |problem: &strata_components::compose::Problem| (problem.path(), problem.to_string());
    compose(&stack, &environment, "local", None).map_err(|error| error.problems.iter().map(problems).collect())
}

fn composed(haproxy: Value) -> Desired {
    try_composed(haproxy, json!({})).unwrap()
}

fn manifest<'a>(desired: &'a Desired, address: &str) -> &'a Value {
    &desired.resources.iter().find(|resource| resource.address == address).unwrap().manifest
}

/// What HAProxy is told of the services behind it.
#[track_caller]
fn check(haproxy: Value, expect: &str) {
    let desired = composed(haproxy);
    let text = manifest(&desired, "shop/balancer/config")["data"]["haproxy.cfg"].as_str().unwrap();
    let (_, behind) = text.split_once("stats hide-version\n").unwrap();
    assert_eq!(behind, expect);
}

#[test]
fn each_pod_is_a_server_and_a_store_is_one() {
    check(
        json!({"services": {"mail": {"balance": "least-connections", "backup": "cart"}}}),
        r#"frontend cache
    mode tcp
    bind :9212
    option tcplog
    default_backend cache
backend cache
    mode tcp
    balance roundrobin
    server cluster cache.shop-back.svc.cluster.local:9212 check
frontend cart
    description "Keeps \"what\" stats admin if TRUE # is bought"
    mode http
    bind :9210
    option httplog
    option forwardfor
    default_backend cart
backend cart
    mode http
    balance roundrobin
    http-request set-header Host cart-mcp.shop-back.svc.cluster.local
    option httpchk
    http-check send meth GET uri /ready ver HTTP/1.1 hdr Host cart-mcp.shop-back.svc.cluster.local
    http-check expect status 200-399
    stick-table type string len 128 size 100k expire 1h
    stick store-response res.hdr(Mcp-Session-Id)
    stick match req.hdr(Mcp-Session-Id)
    server-template pod 1-7 cart-all.shop-back.svc.cluster.local:9210 check
    server cluster cart-mcp.shop-back.svc.cluster.local:9210 check backup
frontend mail
    mode http
    bind :9211
    option httplog
    option forwardfor
    default_backend mail
backend mail
    mode http
    balance leastconn
    http-request set-header Host mail-mcp.shop-back.svc.cluster.local
    server-template pod 1-3 mail-all.shop-back.svc.cluster.local:9211 check
    server cluster mail-mcp.shop-back.svc.cluster.local:9211 check backup
    server backup-cart cart-mcp.shop-back.svc.cluster.local:9210 check backup
"#,
    );
}

#[test]
fn weights_spread_requests_over_services() {
    let haproxy = json!({"services": {"mail": {"balance": "weighted", "weights": {"mail": 9, "cart": 1}}}});
    let desired = composed(haproxy);
    let text = manifest(&desired, "shop/balancer/config")["data"]["haproxy.cfg"].as_str().unwrap();
    let servers = "    balance roundrobin\n    http-request set-header Host mail-mcp.shop-back.svc.cluster.local\n    \
                   server cart cart-mcp.shop-back.svc.cluster.local:9210 check weight 1\n    server mail \
                   mail-mcp.shop-back.svc.cluster.local:9211 check weight 9\n";
    assert!(text.ends_with(servers), "{text}");
    // Its pods are no servers one by one, so that nobody asks for their addresses.
    let headless: Vec<_> = desired.resources.iter().map(|resource| resource.address.as_str()).collect();
    let headless: Vec<_> = headless.into_iter().filter(|address| address.contains("/pods-")).collect();
    assert_eq!(headless, ["shop/pods-cart"]);
}

#[test]
fn its_objects_open_what_it_answers_on_to_those_that_depend_on_it() {
    let desired = try_composed(json!({}), json!({"replicas": 2})).unwrap();
    let own = desired.resources.iter().filter(|resource| resource.service.as_deref() == Some("balancer"));
    let own: Vec<String> = own.map(|resource| resource.id.to_string()).collect();
    assert_eq!(
        own,
        [
            "AuthorizationPolicy shop/balancer",
            "ConfigMap shop/balancer-config",
            "Deployment shop/balancer",
            "PodDisruptionBudget shop/balancer",
            "NetworkPolicy shop/balancer",
            "Service shop/balancer",
            "ServiceAccount shop/balancer",
            "DestinationRule shop/balancer",
        ]
    );
    let pod = &manifest(&desired, "shop/balancer/deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsUser"], json!(99));
    let container = &pod["containers"][0];
    assert_eq!(container["image"], json!("docker.io/library/haproxy:3.2.21"));
    assert_eq!(container["readinessProbe"]["httpGet"], json!({"path": "/health", "port": "http"}));
    let ports = json!([
        {"name": "http", "containerPort": 9209}, {"name": "front-9212", "containerPort": 9212},
        {"name": "front-9210", "containerPort": 9210}, {"name": "front-9211", "containerPort": 9211},
    ]);
    assert_eq!(container["ports"], ports);
    let service = &manifest(&desired, "shop/balancer/service")["spec"]["ports"];
    let tcp = json!({"name": "front-9212", "port": 9212, "targetPort": "front-9212", "appProtocol": "tcp"});
    assert_eq!(service[1], tcp);

    let ports = |ports: &Value| ports.as_array().unwrap().iter().map(|port| port["port"].clone()).collect::<Vec<_>>();
    let policy = manifest(&desired, "shop/balancer/network-policy");
    assert_eq!(ports(&policy["spec"]["ingress"][0]["ports"]), [9209, 9212, 9210, 9211]);
    let out = manifest(&desired, "shop/web/network-policy");
    assert_eq!(ports(&out["spec"]["egress"][0]["ports"]), [9209, 9212, 9210, 9211]);
    let authorised = &manifest(&desired, "shop/balancer/authorization")["spec"]["rules"][0]["to"][0];
    assert_eq!(*authorised, json!({"operation": {"ports": ["9209", "9212", "9210", "9211"]}}));
    let fronts = desired.claims.ports.iter().filter(|claim| claim.purpose == PortUse::Further);
    assert_eq!(fronts.map(|claim| claim.port).collect::<Vec<_>>(), [9210, 9211, 9212]);

    let headless = &manifest(&desired, "shop/pods-cart");
    assert_eq!(headless["metadata"]["namespace"], json!("shop-back"));
    let expect = json!({
        "clusterIP": "None",
        "ports": [{"name": "pods", "port": 9210, "appProtocol": "http"}],
        "selector": {"app.kubernetes.io/instance": "shop-dev", "app.kubernetes.io/name": "cart-mcp"},
    });
    assert_eq!(headless["spec"], expect);
}

#[track_caller]
fn refused(haproxy: Value, more: Value, expect: &[(&str, &str)]) {
    let expect: Vec<_> = expect.iter().map(|(path, text)| (Some((*path).to_owned()), (*text).to_owned())).collect();
    assert_eq!(try_composed(haproxy, more).unwrap_err(), expect);
}

#[test]
fn what_it_cannot_do_is_refused() {
    let of = |service: &str, front: Value| json!({"services": {service: front}});
    let at = "services.balancer.component.haproxy.services";
    let unknown = |service: &str, named: &str| {
        (format!("{at}.{service}"), format!("{at}.{service}: balancer does not depend on {named}"))
    };
    let (path, text) = unknown("web", "web");
    refused(of("web", json!({})), json!({}), &[(&path, &text)]);
    let (path, text) = unknown("cart", "web");
    refused(of("cart", json!({"backup": "web"})), json!({}), &[(&path, &text)]);
    refused(of("cart", json!({"balance": "weighted", "weights": {"web": 1}})), json!({}), &[(&path, &text)]);

    let balance = format!("{at}.cart.balance");
    let together = format!("{balance}: `balance: weighted` and `weights` go together");
    refused(of("cart", json!({"balance": "weighted"})), json!({}), &[(&balance, &together)]);
    refused(of("cart", json!({"weights": {"mail": 1}})), json!({}), &[(&balance, &together)]);
    let idle = "services.balancer.component.haproxy.idle";
    refused(json!({"idle": "10ms"}), json!({}), &[(idle, &format!("{idle}: 10ms is too short, 1000ms are the least"))]);
    let gpu = "balancer has `gpu`, which has no meaning for the component haproxy: take it out";
    refused(json!({}), json!({"gpu": 1}), &[("services.balancer.gpu", gpu)]);
}
