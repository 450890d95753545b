//! The comparison notices every single difference.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::*;

const SAID: &str = "\
Info: nothing of interest
a/web[Deployment] => a/cart[Deployment] : {protocols:TCP,dst_ports:9000}
a/web[Deployment] => kube-system/other-2[Pod] : {protocols:TCP, UDP,dst_ports:53}
a/web[Deployment] => 10.0.0.0-10.255.255.255 : {protocols:TCP,dst_ports:443,6443}
a/web[Deployment] => 11.0.0.0-11.255.255.255 : {protocols:TCP,dst_ports:443}
a/web[Deployment] => 2000::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff : {protocols:TCP,dst_ports:443}
192.0.2.7-192.0.2.7 => a/web[Deployment] : All connections
kube-system/other-2[Pod] => 0.0.0.0-255.255.255.255 : All connections
Total run time:   0.43 seconds
";

fn matrix() -> Value {
    let pods = |name: &str, own: bool, namespace: &str| json!({"name": name, "own": own, "namespace": namespace, "namespace_labels": {}, "labels": {"k8s-app": "dns"}});
    json!({
        "pods": [
            pods("Deployment a/web", true, "a"),
            pods("Deployment a/cart", true, "a"),
            pods("the DNS in kube-system", false, "kube-system"),
        ],
        "pairs": [
            {"from": "Deployment a/web", "to": "Deployment a/cart", "open": "TCP 80", "by_policies": "TCP 9000",
             "refused": "TCP 9000"},
            {"from": "Deployment a/web", "to": "the DNS in kube-system", "open": "TCP 53, UDP 53"},
            {"from": "Deployment a/cart", "to": "the DNS in kube-system", "open": "no port", "perhaps": "TCP 443"},
        ],
        "addresses": [
            {"pods": "Deployment a/web", "direction": "in", "ports": "every port", "ranges": ["192.0.2.7"]},
            {"pods": "Deployment a/web", "direction": "out", "ports": "TCP 443",
             "ranges": ["10.0.0.0-11.255.255.255", "2000::-3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]},
            {"pods": "Deployment a/web", "direction": "out", "ports": "TCP 6443", "ranges": ["10.0.0.0-10.255.255.255"]},
        ],
    })
}

/// Both answers, held against each other.
fn compared(said: &str, matrix: &Value) -> Vec<String> {
    let others = others(matrix).unwrap();
    differences(&theirs(said, &others.own).unwrap(), &ours(matrix, &others.names).unwrap())
}

#[test]
fn one_answer_in_two_forms_is_no_difference() {
    assert_eq!(compared(SAID, &matrix()), Vec::<String>::new());
}

#[test]
fn an_edge_that_one_side_does_not_have_is_noticed() {
    let own = |line: &str| line.contains(" => ") && line.contains("a/web");
    let edges: Vec<&str> = SAID.lines().filter(|line| own(line)).collect();
    assert_eq!(edges.len(), 6);
    for edge in edges {
        let rest: String = SAID.lines().filter(|line| *line != edge).map(|line| format!("{line}\n")).collect();
        assert!(!compared(&rest, &matrix()).is_empty(), "without {edge}");
    }
    for (list, at) in [("pairs", 0), ("pairs", 1), ("addresses", 0), ("addresses", 1), ("addresses", 2)] {
        let mut less = matrix();
        less[list].as_array_mut().unwrap().remove(at);
        assert!(!compared(SAID, &less).is_empty(), "without {list} {at}");
    }
}

#[test]
fn a_port_or_an_address_that_differs_is_named() {
    #[track_caller]
    fn check(pointer: &str, value: &str, expect: &[&str]) {
        let mut changed = matrix();
        *changed.pointer_mut(pointer).unwrap() = value.into();
        assert_eq!(compared(SAID, &changed), expect);
    }
    check(
        "/pairs/0/by_policies",
        "TCP 9000-9001",
        &["a/web[Deployment] to a/cart[Deployment]: the analyzer says TCP 9000-9000, strata TCP 9000-9001"],
    );
    check(
        "/pairs/1/open",
        "TCP 53",
        &["a/web[Deployment] to kube-system/other-2[Pod]: the analyzer says TCP 53-53, UDP 53-53, strata TCP 53-53"],
    );
    check(
        "/addresses/2/ranges/0",
        "10.0.0.0-10.255.255.254",
        &[
            "a/web[Deployment] to 10.255.255.255 and on: the analyzer says TCP 443-443, TCP 6443-6443, strata TCP 443-443",
        ],
    );
    check(
        "/addresses/0/ports",
        "every TCP port",
        &[
            "a/web[Deployment] from 192.0.2.7 and on: the analyzer says SCTP 1-65535, TCP 1-65535, UDP 1-65535, strata TCP 1-65535",
        ],
    );
}

#[test]
fn what_is_not_understood_is_no_agreement() {
    let own = others(&matrix()).unwrap().own;
    for ports in ["No connections", "{protocols:all but TCP}", "{protocols:TCP,dst_ports:http}", "{hosts:web}"] {
        let line = format!("a/web[Deployment] => a/cart[Deployment] : {ports}");
        assert!(theirs(&line, &own).is_err(), "{ports}");
    }
    assert!(our_ports("TCP").is_err() && our_ports("TCP 70000").is_err());
}
