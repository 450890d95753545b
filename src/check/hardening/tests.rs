//! Stacks that fall short on purpose, and all that is said about them.

use serde_json::{Value, json};
use snapbox::str;

use super::super::tests::{check, check_composed, check_environment, object};

/// The pod of the cart.
fn cart(desired: &mut strata_components::desired::Desired) -> &mut Value {
    &mut object(desired, "shop/cart/deployment").manifest["spec"]["template"]["spec"]
}

#[test]
fn pods_are_restricted() {
    check_composed(
        |desired| cart(desired)["hostNetwork"] = true.into(),
        str![[r#"
error S-hardening-001 shop:10:3 Deployment shop/cart-mcp: Host Namespaces: spec.template.spec.hostNetwork is set [remove `hostNetwork`]
error S-reach-001 shop:10:3 cart: Deployment shop/cart-mcp is on the network of its node, where policies do not hold [select its pods by a policy that names them, and keep them off the node's network]
error S-reach-002 shop:12:3 web depends on cart and cannot reach it on TCP 9000: none of NetworkPolicy shop/default-deny, NetworkPolicy shop/allow-dns, NetworkPolicy shop/web-mcp lets it out [let a policy of each of the two name the other and the port of its pods]

"#]],
    );
    check_composed(
        |desired| {
            let context = &mut cart(desired)["containers"][0]["securityContext"];
            *context = json!({"privileged": true, "readOnlyRootFilesystem": true});
        },
        str![[r#"
error S-hardening-001 shop:10:3 Deployment shop/cart-mcp: Capabilities: spec.template.spec.containers[0].securityContext.capabilities.drop does not list ALL [drop `ALL`]
error S-hardening-001 shop:10:3 Deployment shop/cart-mcp: Privilege Escalation: spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation is not false [set it to false]
error S-hardening-001 shop:10:3 Deployment shop/cart-mcp: Privileged Containers: spec.template.spec.containers[0].securityContext.privileged is set [remove `privileged`]

"#]],
    );
    check_composed(
        |desired| cart(desired)["securityContext"]["runAsUser"] = Value::Null,
        str![[r#"
error S-hardening-002 shop:10:3 Deployment shop/cart-mcp: container server runs as whatever user its image names [set `run_as_user` to a number other than 0]

"#]],
    );
    check_composed(
        |desired| cart(desired)["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = false.into(),
        str![[r#"
warning S-hardening-010 shop:10:3 Deployment shop/cart-mcp: container server can write to its root file system [set `readOnlyRootFilesystem`, and mount a volume where it has to write]

"#]],
    );
}

#[test]
fn images_stay_what_they_are() {
    check_environment(
        "services: {cart: {image: registry.example/shop/cart}, mail: {image: \"registry.example/shop/mail:latest\"}}",
        ("", ""),
        str![[r#"
error S-hardening-003 production:6:26 Deployment shop/cart-mcp: the image registry.example/shop/cart has no tag that stays, and production demands one [write a tag other than `latest`, or a digest]
error S-hardening-003 production:6:69 Deployment shop/mail-mcp: the image registry.example/shop/mail:latest has no tag that stays, and production demands one [write a tag other than `latest`, or a digest]

"#]],
    );
    check(
        "mail: {tier: back",
        "mail: {image: \"registry.example/mail:latest\", tier: back",
        str![[r#"
error S-hardening-003 shop:11:17 Deployment shop/mail-mcp: the image registry.example/mail:latest has no tag that stays, and production demands one [write a tag other than `latest`, or a digest]

"#]],
    );
    let digest = format!("mail: {{image: \"registry.example/mail@sha256:{}\", tier: back", "0".repeat(64));
    check("mail: {tier: back", &digest, str![[r#""#]]);
}

#[test]
fn pods_say_what_they_need_and_how_they_are() {
    check_composed(
        |desired| {
            let container = &mut cart(desired)["containers"][0];
            container["resources"] = json!({"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}});
            container["livenessProbe"] = Value::Null;
        },
        str![[r#"
error S-hardening-005 shop:10:3 Deployment shop/cart-mcp: container server has no requests.memory, limits.cpu [give it `resources` with requests and limits]
error S-hardening-006 shop:10:3 Deployment shop/cart-mcp: container server has no livenessProbe [probe the health port]

"#]],
    );
}

#[test]
fn budgets_let_a_pod_go() {
    check_environment(
        "autoscaling: true",
        ("cart: {tier: back", "cart: {replicas: 2, autoscale: {min: 2, max: 4, cpu: 70}, tier: back"),
        str![[r#""#]],
    );
    let two = |desired: &mut strata_components::desired::Desired, budget: Option<Value>| {
        object(desired, "shop/cart/deployment").manifest["spec"]["replicas"] = 2.into();
        let Some(spec) = budget else { return };
        let mut added = object(desired, "shop/cart/service").clone();
        added.address = "shop/cart/disruption-budget".to_owned();
        added.id.kind.kind = "PodDisruptionBudget".to_owned();
        added.manifest = json!({"spec": spec});
        desired.resources.push(added);
    };
    let cart = json!({"matchLabels": {"app.kubernetes.io/name": "cart-mcp"}});
    check_composed(
        |desired| two(desired, None),
        str![[r#"
warning S-hardening-008 shop:10:3 Deployment shop/cart-mcp: it has 2 pods and no disruption budget, so that a drain may take all at once [add a PodDisruptionBudget]

"#]],
    );
    check_composed(|desired| two(desired, Some(json!({"selector": cart, "maxUnavailable": 1}))), str![[r#""#]]);
    check_composed(
        |desired| two(desired, Some(json!({"selector": cart, "minAvailable": "60%"}))),
        str![[r#"
error S-hardening-007 shop:10:3 Deployment shop/cart-mcp: PodDisruptionBudget shop/cart-mcp keeps all of the 2 pods that it may go down to, so that no node can be drained [let `maxUnavailable` be at least 1, or run more pods]

"#]],
    );
    check_composed(
        |desired| two(desired, Some(json!({"selector": cart, "maxUnavailable": 0}))),
        str![[r#"
error S-hardening-007 shop:10:3 Deployment shop/cart-mcp: PodDisruptionBudget shop/cart-mcp keeps all of the 2 pods that it may go down to, so that no node can be drained [let `maxUnavailable` be at least 1, or run more pods]

"#]],
    );
    check_composed(
        |desired| {
            two(desired, Some(json!({"selector": cart, "maxUnavailable": 1})));
            two(desired, Some(json!({"selector": {}, "maxUnavailable": 1})));
        },
        str![[r#"
error S-hardening-007 shop:10:3 Deployment shop/cart-mcp: PodDisruptionBudget shop/cart-mcp and PodDisruptionBudget shop/cart-mcp both select its pods, so that none can be evicted [keep one budget for each pod]

"#]],
    );
}

#[test]
fn secrets_do_not_stand_in_files() {
    check(
        "mail: {tier: back",
        "mail: {env: {SMTP_PASSWORD: hunter2, SMTP_USER: mail}, tier: back",
        str![[r#"
error S-hardening-009 shop:11:16 services.mail.env.SMTP_PASSWORD: a secret stands here in plain text: its name ends with PASSWORD [keep it in a Secret of the cluster, and change it now: it has been in a file]

"#]],
    );
    check(
        "mail: {tier: back",
        "mail: {config: {post: {tokens: [[], [a, b]], api_token: hunter2}}, tier: back",
        str![[r#"
error S-hardening-009 shop:11:48 services.mail.config.post.api_token: a secret stands here in plain text: its name ends with TOKEN [keep it in a Secret of the cluster, and change it now: it has been in a file]

"#]],
    );
    check_environment(
        "services: {cart: {env: {DATABASE_URL: \"postgres://app:hunter2@db/app\"}}}",
        ("", ""),
        str![[r#"
error S-hardening-009 production:6:25 services.cart.env.DATABASE_URL: a secret stands here in plain text: its value looks like a URL with a password [keep it in a Secret of the cluster, and change it now: it has been in a file]

"#]],
    );
}

#[test]
fn waivers_are_shown_and_kept_to_what_can_be_waived() {
    let waived = |waiver: &str| {
        format!("waivers:\n  - {waiver}\nservices:\n  fast: {{tier: back, port: 9002, image: registry.example/fast}}\n")
    };
    let reason = "reason: it is built anew for every test run";
    check(
        "services:\n",
        &waived(&format!("{{rule: S-hardening-003, service: fast, {reason}}}")),
        str![[r#"
note S-hardening-003 shop:12:41 Deployment shop/fast-mcp: the image registry.example/fast has no tag that stays, and production demands one

"#]],
    );
    check(
        "services:\n",
        &waived(&format!("{{rule: S-hardening-003, {reason}}}")),
        str![[r#"
note S-hardening-003 shop:12:41 Deployment shop/fast-mcp: the image registry.example/fast has no tag that stays, and production demands one

"#]],
    );
    check(
        "services:\n",
        &waived(&format!("{{rule: S-hardening-003, service: cart, {reason}}}")),
        str![[r#"
error S-hardening-003 shop:12:41 Deployment shop/fast-mcp: the image registry.example/fast has no tag that stays, and production demands one [write a tag other than `latest`, or a digest]
note S-waivers-002 shop:10:12 waivers[0]: nothing breaks the rule S-hardening-003 of cart here [remove the waiver, if no other environment needs it]

"#]],
    );
    check(
        "services:\n",
        &format!("waivers:\n  - {{rule: S-ports-002, {reason}}}\n  - {{rule: S-hardening-999, {reason}}}\nservices:\n"),
        str![[r#"
error S-waivers-001 shop:10:12 waivers[0]: the rule S-ports-002 must be kept by every stack [remove the waiver, and mend what the rule finds]
error S-waivers-001 shop:11:12 waivers[1]: the rule S-hardening-999 does not exist [remove the waiver, and mend what the rule finds]

"#]],
    );
}
