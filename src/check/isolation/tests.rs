//! Policies that are wrong in one way, and all that is said about them. That every one of them is needed, and may not
//! be wider, is in `mutation_tests.rs`.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::path::Path;

use serde_json::{Value, json};
use snapbox::str;
use strata_components::desired::Desired;
use strata_components::model::{Job, JobName, Mesh, MeshMode};

use super::super::prove;
use super::super::tests::{check_composed, object, shop};
use super::check as isolation;
use crate::load::{Loaded, Root};

const CART: &str = "shop/cart/network-policy";
const WEB: &str = "shop/web/network-policy";

fn spec<'a>(desired: &'a mut Desired, address: &str) -> &'a mut Value {
    &mut object(desired, address).manifest["spec"]
}

fn remove(desired: &mut Desired, address: &str) {
    let before = desired.resources.len();
    desired.resources.retain(|resource| resource.address != address);
    assert_eq!(desired.resources.len(), before - 1, "{address}");
}

#[test]
fn what_is_declared_is_open() {
    check_composed(
        |desired| remove(desired, CART),
        str![[r#"
error S-reach-001 shop:10:3 cart: Deployment shop/cart-mcp has no policy of its own for what comes in and what goes out, and is closed by that of its whole namespace alone [select its pods by a policy that names them, and keep them off the node's network]
error S-reach-002 shop:12:3 web depends on cart and cannot reach it on TCP 9000: NetworkPolicy shop/default-deny does not let it in [let a policy of each of the two name the other and the port of its pods]

"#]],
    );
    check_composed(
        |desired| remove(desired, WEB),
        str![[r#"
error S-reach-001 shop:12:3 web: Deployment shop/web-mcp has no policy of its own for what comes in and what goes out, and is closed by that of its whole namespace alone [select its pods by a policy that names them, and keep them off the node's network]
error S-reach-002 shop:12:3 web depends on cart and cannot reach it on TCP 9000: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/allow-dns lets it out [let a policy of each of the two name the other and the port of its pods]
error S-reach-008 shop:12:3 the gateway web gets no traffic on TCP 9010: NetworkPolicy shop/default-deny does not let it in [let the pods of the ingress controller in]

"#]],
    );
    check_composed(
        |desired| remove(desired, "shop/dns"),
        str![[r#"
error S-reach-007 shop:10:3 cart cannot ask for names on TCP 53, UDP 53: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/cart-mcp lets it out [let every pod reach the cluster's DNS]
error S-reach-007 shop:11:3 mail cannot ask for names on TCP 53, UDP 53: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/mail-mcp lets it out [let every pod reach the cluster's DNS]
error S-reach-007 shop:12:3 web cannot ask for names on TCP 53, UDP 53: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/web-mcp lets it out [let every pod reach the cluster's DNS]

"#]],
    );
    check_composed(
        |desired| spec(desired, "shop/dns")["egress"][0]["ports"] = json!([{"port": 53}]),
        str![[r#"
error S-reach-007 shop:10:3 cart cannot ask for names on UDP 53: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/allow-dns, NetworkPolicy shop/cart-mcp lets it out [let every pod reach the cluster's DNS]
error S-reach-007 shop:11:3 mail cannot ask for names on UDP 53: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/allow-dns, NetworkPolicy shop/mail-mcp lets it out [let every pod reach the cluster's DNS]
error S-reach-007 shop:12:3 web cannot ask for names on UDP 53: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/allow-dns, NetworkPolicy shop/web-mcp lets it out [let every pod reach the cluster's DNS]

"#]],
    );
    check_composed(
        |desired| spec(desired, WEB)["ingress"] = json!([]),
        str![[r#"
error S-reach-008 shop:12:3 the gateway web gets no traffic on TCP 9010: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/web-mcp lets it in [let the pods of the ingress controller in]

"#]],
    );
    check_composed(
        |desired| spec(desired, CART)["ingress"][0]["ports"][0]["port"] = 80.into(),
        str![[r#"
error S-reach-009 shop:10:3 cart would let web to cart on TCP 80, which nothing declares: NetworkPolicy shop/cart-mcp (rule 1) lets it in, and only the policies of web stop it [narrow the policy to what is declared]
error S-reach-002 shop:12:3 web depends on cart and cannot reach it on TCP 9000: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/cart-mcp lets it in [let a policy of each of the two name the other and the port of its pods]

"#]],
    );
    check_composed(
        |desired| {
            let selector = &mut object(desired, "shop/cart/service").manifest["spec"]["selector"];
            *selector = json!({"app.kubernetes.io/name": "nobody"});
        },
        str![[r#"
error S-reach-003 shop:10:3 web can reach cart on TCP 9000, which nothing declares: NetworkPolicy shop/web-mcp (rule 1) lets it out and NetworkPolicy shop/cart-mcp (rule 1) lets it in [declare the dependency, or narrow the policy]
error S-reach-002 shop:12:3 web cannot reach cart: its Service leads to no pods [let the Service select its pods]

"#]],
    );
    check_composed(
        |desired| object(desired, "shop/cart/service").manifest["spec"]["ports"][0]["targetPort"] = "nothing".into(),
        str![[r#"
error S-reach-003 shop:10:3 web can reach cart on TCP 9000, which nothing declares: NetworkPolicy shop/web-mcp (rule 1) lets it out and NetworkPolicy shop/cart-mcp (rule 1) lets it in [declare the dependency, or narrow the policy]
error S-reach-002 shop:12:3 web cannot reach cart: cart has no port that its Service leads to [name the port in the pods]

"#]],
    );
}

#[test]
fn what_is_not_declared_is_closed() {
    check_composed(
        |desired| remove(desired, "shop/default-deny"),
        str![[r#"
error S-reach-010 shop:2:12 any other pod of namespace shop is closed by no policy for what comes in [add a policy that selects every pod of the namespace and opens nothing]
error S-reach-010 shop:2:12 any other pod of namespace shop is closed for what goes out by no policy but NetworkPolicy shop/allow-dns, which opens some of it [add a policy that selects every pod of the namespace and opens nothing]

"#]],
    );
    // One end alone opens nothing yet; both do.
    check_composed(
        |desired| spec(desired, CART)["ingress"][0]["from"] = json!([{"podSelector": {}}]),
        str![[r#"
error S-reach-009 shop:10:3 cart would let cart to cart on TCP 9000, which nothing declares: NetworkPolicy shop/cart-mcp (rule 1) lets it in, and only the policies of cart stop it [narrow the policy to what is declared]

"#]],
    );
    check_composed(
        |desired| {
            spec(desired, CART)["ingress"][0]["from"] = json!([{"podSelector": {}}]);
            spec(desired, "shop/mail/network-policy")["egress"] = json!([{"to": [{"podSelector": {}}]}]);
        },
        str![[r#"
error S-reach-003 shop:10:3 mail can reach cart on TCP 9000, which nothing declares: NetworkPolicy shop/mail-mcp (rule 1) lets it out and NetworkPolicy shop/cart-mcp (rule 1) lets it in [declare the dependency, or narrow the policy]
error S-reach-009 shop:10:3 cart would let cart to cart on TCP 9000, which nothing declares: NetworkPolicy shop/cart-mcp (rule 1) lets it in, and only the policies of cart stop it [narrow the policy to what is declared]
error S-reach-009 shop:11:3 mail would let mail to cart on TCP 1-8999, TCP 9001-65535, every UDP port, every SCTP port, which nothing declares: NetworkPolicy shop/mail-mcp (rule 1) lets it out, and only the policies of cart stop it [narrow the policy to what is declared]

"#]],
    );
    check_composed(
        |desired| spec(desired, CART)["ingress"][0]["from"] = json!([]),
        str![[r#"
error S-reach-004 shop:10:3 cart can be reached from every address on TCP 9000: NetworkPolicy shop/cart-mcp (rule 1) lets it in [let nothing in from outside the fleet but through the gateway]
error S-reach-004 shop:10:3 the DNS in kube-system can reach cart on TCP 9000, from outside the fleet: NetworkPolicy shop/cart-mcp (rule 1) lets it in; so can 4 more [let nothing in from outside the fleet but through the gateway]

"#]],
    );
    check_composed(
        |desired| spec(desired, CART)["ingress"][0]["from"] = json!([{"namespaceSelector": {}}]),
        str![[r#"
error S-reach-004 shop:10:3 the DNS in kube-system can reach cart on TCP 9000, from outside the fleet: NetworkPolicy shop/cart-mcp (rule 1) lets it in; so can 6 more [let nothing in from outside the fleet but through the gateway]
error S-reach-009 shop:10:3 cart would let cart to cart on TCP 9000, which nothing declares: NetworkPolicy shop/cart-mcp (rule 1) lets it in, and only the policies of cart stop it [narrow the policy to what is declared]

"#]],
    );
    check_composed(
        |desired| spec(desired, CART)["ingress"][0]["from"] = json!([{"ipBlock": {"cidr": "0.0.0.0/0"}}]),
        str![[r#"
error S-reach-004 shop:10:3 cart can be reached from 0.0.0.0-255.255.255.255 on TCP 9000: NetworkPolicy shop/cart-mcp (rule 1) lets it in [let nothing in from outside the fleet but through the gateway]
error S-reach-002 shop:12:3 web depends on cart and cannot reach it on TCP 9000: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/cart-mcp lets it in [let a policy of each of the two name the other and the port of its pods]

"#]],
    );
    check_composed(
        |desired| spec(desired, WEB)["egress"][0] = json!({"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}),
        str![[r#"
error S-reach-002 shop:12:3 web depends on cart and cannot reach it on TCP 9000: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/allow-dns, NetworkPolicy shop/web-mcp lets it out [let a policy of each of the two name the other and the port of its pods]
error S-reach-005 shop:12:3 web can reach 203.0.113.0-203.0.113.255 on every port, which it does not declare: NetworkPolicy shop/web-mcp (rule 1) lets it out [declare the way out in `egress`, or narrow the policy]

"#]],
    );
    check_composed(
        |desired| {
            let egress = spec(desired, WEB)["egress"].as_array_mut().unwrap();
            egress.push(json!({"to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}], "ports": [{"port": 80}]}));
        },
        str![[r#"
error S-reach-005 shop:12:3 web can reach 169.254.169.254 on TCP 80, which it does not declare: NetworkPolicy shop/web-mcp (rule 2) lets it out [declare the way out in `egress`, or narrow the policy]

"#]],
    );
    check_composed(
        |desired| {
            let pod = &mut object(desired, "shop/mail/deployment").manifest["spec"]["template"]["spec"];
            pod["hostNetwork"] = true.into();
        },
        str![[r#"
error S-hardening-001 shop:11:3 Deployment shop/mail-mcp: Host Namespaces: spec.template.spec.hostNetwork is set [remove `hostNetwork`]
error S-reach-001 shop:11:3 mail: Deployment shop/mail-mcp is on the network of its node, where policies do not hold [select its pods by a policy that names them, and keep them off the node's network]

"#]],
    );
}

/// A stack as it ships, in an environment.
pub(super) fn shipped(stack: &str, environment: &str) -> (Loaded, Desired) {
    let root = Root::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let loaded = root.load(stack, environment).unwrap();
    let desired = prove(&loaded, "local", None).desired.unwrap();
    (loaded, desired)
}

#[test]
fn every_environment_of_the_fleet_is_proven() {
    for environment in ["production", "staging", "development", "testing"] {
        for stack in ["sophia", "mcp-network"] {
            let (loaded, desired) = shipped(stack, environment);
            assert_eq!(isolation(&desired, &loaded, &[]), [], "{stack} in {environment}");
        }
    }
}

/// All that is said of the fleet in production, with its mesh and monitoring, after a change: how often by rule, and
/// the first of each.
/// The gateway of production prepares something before it starts; what is found in this mesh, or in none.
#[track_caller]
fn check_jobs(mode: Option<MeshMode>, change: impl FnOnce(&mut Desired), expect: &[&str]) {
    let root = Root::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut loaded = root.load("sophia", "production").unwrap();
    loaded.environment.mesh = mode.map(|mode| Mesh { limits: mode == MeshMode::Sidecar, cni: true, ..Mesh::new(mode) });
    let job = (JobName::new("prepare").unwrap(), Job::new(vec!["/bin/prepare".to_owned()]));
    let gateway = loaded.stack.services.values_mut().find(|service| service.gateway.is_some()).unwrap();
    gateway.jobs.extend([job]);
    let mut desired = prove(&loaded, "local", None).desired.unwrap();
    change(&mut desired);
    let found: Vec<String> = isolation(&desired, &loaded, &[]).into_iter().map(|one| one.message).collect();
    assert_eq!(found, expect);
}

#[test]
fn stores_are_reached_by_the_pods_that_make_copies_of_them() {
    let root = Root::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    for mode in [None, Some(MeshMode::Sidecar), Some(MeshMode::Ambient)] {
        let mut loaded = root.load("intelligence", "production").unwrap();
        let limits = mode == Some(MeshMode::Sidecar);
        loaded.environment.mesh = mode.map(|mode| Mesh { limits, cni: true, ..Mesh::new(mode) });
        let mut desired = prove(&loaded, "local", None).desired.unwrap();
        assert_eq!(isolation(&desired, &loaded, &[]), [], "{mode:?}");

        spec(&mut desired, "intelligence/cache/backup-network-policy")["egress"].take();
        let found: Vec<String> = isolation(&desired, &loaded, &[]).into_iter().map(|one| one.message).collect();
        let mesh = if limits { " NetworkPolicy sophia-ai/allow-mesh," } else { "" };
        let expect = |of: &str| {
            format!(
                "CronJob sophia-ai/cache-{of} cannot reach cache on TCP 6379, and so makes no copies of it: none of \
                 NetworkPolicy sophia-ai/default-deny, NetworkPolicy sophia-ai/allow-dns,{mesh} NetworkPolicy \
                 sophia-ai/cache-backup lets it out"
            )
        };
        assert!(found.len() >= 2, "{mode:?}: {found:?}");
        assert_eq!(found.get(..2), Some([expect("backup"), expect("restore")].as_slice()), "{mode:?}");
    }
}

#[test]
fn jobs_call_what_their_service_calls_and_nobody_calls_them() {
    for mode in [None, Some(MeshMode::Sidecar), Some(MeshMode::Ambient)] {
        check_jobs(mode, |_| (), &[]);
    }
    const JOBS: &str = "sophia/mcp_orchestrator/jobs-network-policy";
    check_jobs(
        None,
        |desired| {
            let policy = spec(desired, JOBS);
            policy["ingress"] = json!([{"from": [{"podSelector": {"matchLabels": {
                "app.kubernetes.io/name": "gong-mcp"}}}], "ports": [{"port": 9000}]}]);
        },
        &["mcp_orchestrator would let gong to mcp_orchestrator on TCP 9000, which nothing declares: NetworkPolicy \
           mcp-servers/mcp-orchestrator-jobs (rule 1) lets it in, and only the policies of gong stop it"],
    );
    check_jobs(
        None,
        |desired| drop(spec(desired, JOBS)["egress"].take()),
        &["mcp_orchestrator depends on ai_memory and cannot reach it on TCP 9000: none of NetworkPolicy \
           mcp-servers/default-deny, NetworkPolicy mcp-servers/allow-dns, NetworkPolicy \
           mcp-servers/mcp-orchestrator-jobs lets it out"],
    );
}

#[track_caller]
fn check_mesh(mode: MeshMode, change: impl FnOnce(&mut Desired), expect: snapbox::data::Inline) {
    let root = Root::open(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut loaded = root.load("sophia", "production").unwrap();
    loaded.environment.mesh = Some(Mesh { limits: mode == MeshMode::Sidecar, cni: true, ..Mesh::new(mode) });
    let mut desired = prove(&loaded, "local", None).desired.unwrap();
    change(&mut desired);
    let found = isolation(&desired, &loaded, &[]);
    let mut first: std::collections::BTreeMap<_, (usize, String)> = std::collections::BTreeMap::new();
    for finding in found {
        first.entry(finding.rule).or_insert((0, finding.message)).0 += 1;
    }
    let told: String =
        first.into_iter().map(|(rule, (count, text))| format!("{count} {rule}, first: {text}\n")).collect();
    snapbox::Assert::new().action_env(snapbox::assert::DEFAULT_ACTION_ENV).eq(told, expect);
}

#[test]
fn the_policies_of_a_mesh_are_part_of_the_proof() {
    for mode in [MeshMode::Sidecar, MeshMode::Ambient] {
        check_mesh(mode, |_| (), str![[r#""#]]);
    }
    let object = |desired: &mut Desired, kind: &str, name: &str| {
        let found = desired.resources.iter().position(|one| one.id.kind.kind == kind && one.id.name == name);
        found.unwrap_or_else(|| panic!("{kind} {name}"))
    };
    // Without the exception the scrape would have to speak mutual TLS.
    check_mesh(
        MeshMode::Sidecar,
        |desired| {
            let at = object(desired, "PeerAuthentication", "gong-mcp");
            desired.resources.remove(at);
        },
        str![[r#"
1 S-reach-011, first: gong cannot be scraped on TCP 9121: the mesh refuses TCP 9121, because it demands mutual TLS or authorises others only

"#]],
    );
    check_mesh(
        MeshMode::Sidecar,
        |desired| {
            let at = object(desired, "AuthorizationPolicy", "ai-memory-mcp");
            desired.resources[at].manifest["spec"]["rules"][0]["from"][0]["source"]["principals"] = json!(["nobody"]);
        },
        str![[r#"
1 S-reach-002, first: mcp_orchestrator depends on ai_memory and cannot reach it on TCP 9000: the mesh refuses TCP 9000, because it demands mutual TLS or authorises others only

"#]],
    );
    check_mesh(
        MeshMode::Sidecar,
        |desired| {
            let at = object(desired, "NetworkPolicy", "allow-mesh");
            desired.resources.remove(at);
        },
        str![[r#"
35 S-reach-012, first: the sidecar of data_science cannot reach its control plane on TCP 15012: none of NetworkPolicy mcp-servers/default-deny, NetworkPolicy mcp-servers/allow-dns, NetworkPolicy mcp-servers/data-science-mcp lets it out

"#]],
    );
    // Tunnels are closed, and so are the probes.
    check_mesh(
        MeshMode::Ambient,
        |desired| {
            let at = object(desired, "NetworkPolicy", "ai-memory-mcp");
            desired.resources[at].manifest["spec"]["ingress"] = json!([]);
        },
        str![[r#"
1 S-reach-002, first: mcp_orchestrator depends on ai_memory and cannot reach it on TCP 9000: none of NetworkPolicy mcp-servers/default-deny, NetworkPolicy mcp-servers/ai-memory-mcp lets it in
1 S-reach-011, first: ai_memory cannot be scraped on TCP 9100: none of NetworkPolicy mcp-servers/default-deny, NetworkPolicy mcp-servers/ai-memory-mcp lets it in
1 S-reach-012, first: ai_memory cannot be probed from 169.254.7.127 on TCP 9100

"#]],
    );
    // In a tunnel only identities tell ports apart.
    check_mesh(
        MeshMode::Ambient,
        |desired| {
            let at = object(desired, "AuthorizationPolicy", "ai-memory-mcp");
            desired.resources.remove(at);
        },
        str![[r#"
1 S-reach-003, first: mcp_orchestrator can reach ai_memory on TCP 1-8999, TCP 9001-9099, TCP 9101-15007, TCP 15009-65535, which nothing declares: a tunnel of the mesh lets it through, and no AuthorizationPolicy keeps it to single ports
1 S-reach-013, first: the mesh would let everybody in the mesh call ai_memory on TCP 1-9099, TCP 9101-65535, which nothing declares: no AuthorizationPolicy keeps it to what is declared, and only other policies stop it

"#]],
    );
}

#[test]
fn policies_of_others_in_the_same_namespace_count() {
    let (loaded, desired) = shop();
    let foreign = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "debug", "namespace": "shop"},
        "spec": {"podSelector": {}, "ingress": [{}]},
    });
    let found: Vec<String> = isolation(&desired, &loaded, &[foreign]).into_iter().map(|one| one.message).collect();
    assert!(found.iter().any(|one| one.contains("NetworkPolicy shop/debug (rule 1) lets it in")), "{found:#?}");
}
