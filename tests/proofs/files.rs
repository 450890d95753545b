//! What the files of a stack and an environment can break.

use super::{IMAGE, MAIL, broken, changed, said, stack};

#[test]
fn what_is_good_is_proven() {
    stack("good", 0, MAIL, MAIL);
}

#[test]
fn images() {
    stack("latest", 4, MAIL, "mail: {tier: back, port: 9001, image: \"registry.example/mail:latest\"}");
    broken("digest", 4, (MAIL, MAIL), ("tag: 1.0.0", "tag: 1.0.0, pin: digest"));
    stack("amd64-only", 4, MAIL, "mail: {tier: back, port: 9001, architectures: [amd64]}");
    stack("large-pages", 4, MAIL, "mail: {tier: back, port: 9001, image: \"qdrant/qdrant:v1.9.2\"}");
}

#[test]
fn secrets() {
    stack("secret", 4, MAIL, "mail: {tier: back, port: 9001, env: {SMTP_PASSWORD: hunter2}}");
}

#[test]
fn names() {
    let tiers = "  front: {ports: 9010-9019}";
    broken(
        "same-namespace",
        4,
        (tiers, "  front: {ports: 9010-9019, namespace: shop-front}"),
        ("image:", "namespaces: {shop: everything, shop-front: everything}\nimage:"),
    );
    let taken = "mail: {tier: back, port: 9001, jobs: {mcp: {command: [run]}}}";
    stack("job-name", 4, MAIL, taken);
    let outside = "mail: {tier: back, port: 9001, replicas: 2, component: {external: {host: mail.example.com}}}";
    stack("idle-field", 4, MAIL, outside);
    let before = |haproxy: &str| {
        format!("mail: {{tier: back, port: 9001, depends_on: [cart], component: {{haproxy: {{services: {haproxy}}}}}}}")
    };
    stack("not-behind", 4, MAIL, &before("{web: {}}"));
    let untold = "mail: {tier: back, port: 9001, config: {at: {cart: {service: cart, value: url}}}}";
    stack("no-config-value", 4, MAIL, untold);
    broken(
        "other-type",
        4,
        (MAIL, "mail: {tier: back, port: 9001, config: {batch: {size: 100}}}"),
        (IMAGE, "services: {mail: {config: {batch: {size: many}}}}\nimage:"),
    );
    stack("at-odds", 4, MAIL, &before("{cart: {balance: weighted}}"));
    let outside = "post: {tier: back, port: 9002, component: {external: {host: post.example.com}}}";
    let in_front = "mail: {tier: back, port: 9001, depends_on: [cart, post], component: {haproxy: {}}}";
    stack("no-front", 4, MAIL, &format!("{in_front}\n  {outside}"));
    stack("same-range", 4, tiers, "  front: {ports: 9010-9019, range_name: back}");
}

/// Nodes of many sizes, and pods of two: there is room enough in all, and no telling where.
#[test]
fn what_is_not_decided_is_said() {
    let nodes: String = (0..14)
        .map(|node| format!("        - {{name: n{node}, cpu: {}m, memory: 64Gi}}\n", 10_000 + 100 * node))
        .collect();
    let pods = |cpu: &str, replicas: u32| {
        format!(
            "replicas: {replicas}, resources: {{requests: {{cpu: {cpu}, memory: 1Mi}}, limits: {{cpu: {cpu}, memory: 1Mi}}}}"
        )
    };
    let mail = format!("mail: {{tier: back, port: 9001, {}}}", pods("4600m", 15));
    let both = format!("{mail}\n  post: {{tier: back, port: 9002, {}}}", pods("4900m", 13));
    let arm = "        - {name: arm, count: 2, cpu: 4, memory: 8Gi, gpus: 1, architecture: arm64, page_size: 64Ki}\n";
    broken("undecided", 0, (MAIL, &both), (arm, &nodes));
}

#[test]
fn ownership() {
    let stack = |name: &str, code: i32, rest: &str| {
        let web = "  web: {tier: front, port: 9010, depends_on: [cart]}\n";
        stack(name, code, web, &format!("{web}ownership:\n{rest}"));
    };
    stack("adoption", 4, "  adopt: [{object: Deployment/cart}, {object: Service/cart-mcp, from: [helm]}]\n");
    stack("field-rule", 0, "  fields: [{kind: Job, policy: leave}, {service: cart, path: .spec, policy: take}]\n");
    stack("field-path", 1, "  fields: [{path: spec.replicas, policy: leave}, {policy: keep}]\n");
}

#[test]
fn capacity() {
    stack("gpus", 4, MAIL, "mail: {tier: back, port: 9001, gpu: 1, replicas: 3}");
    let large = "resources: {requests: {cpu: 3, memory: 1Gi}, limits: {cpu: 3, memory: 1Gi}}";
    stack("rollout", 4, MAIL, &format!("mail: {{tier: back, port: 9001, replicas: 2, {large}}}"));
    stack("too-large", 4, MAIL, &format!("mail: {{tier: back, port: 9001, replicas: 3, {large}}}"));
    let coloured = format!("mail: {{tier: back, port: 9001, replicas: 2, rollout: {{blue_green: {{}}}}, {large}}}");
    stack("other-colour", 4, MAIL, &coloured);
    broken(
        "no-room-to-grow",
        0,
        (MAIL, "mail: {tier: back, port: 9001, autoscale: {min: 1, max: 40, cpu: 70}}"),
        ("image:", "autoscaling: true\nimage:"),
    );
}

#[test]
fn availability() {
    broken(
        "one-pod",
        4,
        (MAIL, "mail: {tier: back, port: 9001, critical: true}"),
        ("image:", "availability: 99.9%\nimage:"),
    );
    broken(
        "one-host",
        4,
        (MAIL, "mail: {tier: back, port: 9001, replicas: 2, availability: 99.95%}"),
        (
            "count: 2, cpu: 4, memory: 8Gi, gpus: 1, architecture: arm64, page_size: 64Ki}",
            "cpu: 8, memory: 16Gi}\navailability: 99.9%",
        ),
    );
}

#[test]
fn waivers() {
    let waived = |rule: &str, reason: &str| {
        format!(
            "mail: {{tier: back, port: 9001, architectures: [amd64]}}\nwaivers:\n  - {{rule: {rule}, service: mail, reason: {reason}}}"
        )
    };
    let mail = "  web: {tier: front, port: 9010, depends_on: [cart]}\n";
    let with = |rule: &str, reason: &str| {
        let text = waived(rule, reason);
        let (service, waivers) = text.split_once('\n').unwrap();
        format!("{mail}  other_{service}\n{waivers}\n")
            .replace("port: 9001", "port: 9002")
            .replace("service: mail", "service: other_mail")
    };
    stack("waived", 0, mail, &with("S-arch-001", "the emulator is fast enough for a few mails"));
    stack("waiver-unused", 4, mail, &with("S-arch-002", "the emulator is fast enough for a few mails"));
    stack("waiver-refused", 4, mail, &with("S-ports-002", "both listen on one port since ever"));
    stack("waiver-without-reason", 1, mail, &with("S-arch-001", "no"));
}

const TIERS: &str = "tiers:\n";
const BACK: &str = "back: {ports: 9000-9009}";
const WEB: &str = "  web: {tier: front, port: 9010, depends_on: [cart]}\n";

/// The good stack with more about the mail service.
#[track_caller]
fn mail(name: &str, code: i32, more: &str) {
    stack(name, code, MAIL, &format!("mail: {{tier: back, port: 9001, {more}}}"));
}

/// The good environment with more in it, and the good stack with more about the mail service.
#[track_caller]
fn in_environment(name: &str, code: i32, more: &str, environment: &str) {
    let mail = format!("mail: {{tier: back, port: 9001{more}}}");
    broken(name, code, (MAIL, &mail), (IMAGE, &format!("{environment}\n{IMAGE}")));
}

#[test]
fn order_and_tiers() {
    stack("same-phase", 4, TIERS, "phases: [base, base]\ntiers:\n");
    stack("tier-refuses", 4, BACK, "back: {ports: 9000-9009, accepts: [back]}");
}

#[test]
fn names_in_the_cluster() {
    stack("control-namespace", 4, "namespace: shop", "namespace: strata-system");
    stack(
        "no-services",
        4,
        &format!("services:\n  cart: {{tier: back, port: 9000}}\n  {MAIL}\n{WEB}"),
        "services: {}\n",
    );
    // A name of an instance that is too long for itself, and for what is named after it.
    let line = format!("check shop -e production --instance {}", "a".repeat(41));
    said("long-instance", 4, &changed((MAIL, MAIL), (IMAGE, IMAGE)), &line);
}

#[test]
fn what_the_environment_lacks() {
    mail("no-kube-api", 4, "egress: [kube-api]");
    mail("needs-its-own", 4, "needs: {services: [{namespace: shop, name: cart-mcp}]}");
    let other =
        "stack: other\nnamespace: other\ntiers: {all: {ports: 9100-9109}}\nservices: {gong: {tier: all, port: 9100}}\n";
    let story =
        changed((MAIL, "mail: {tier: back, port: 9001, depends_on: [other/gong]}"), (IMAGE, "stacks: [shop]\nimage:"));
    story.file("stacks/other.yaml", other);
    said("unknown-neighbour", 4, &story, "check shop -e production");
}

#[test]
fn sizes() {
    mail("request-above-limit", 4, "resources: {requests: {cpu: 2, memory: 1Gi}, limits: {cpu: 1, memory: 1Gi}}");
    in_environment("replica-policy", 4, "", "replicas: {critical_min: 3, max: 2}");
    in_environment("no-effect", 0, "", "replicas: {max: 2}\nservices: {mail: {replicas: 4}}");
    in_environment("no-autoscaler", 4, "", "services: {mail: {autoscale: {max: 4}}}");
    mail("platform-variable", 4, "env: {MCP_PORT: \"1\"}");
    let store = ", component: {redis: {storage: {size: 1Gi}, password: {secret: mail, key: password}}}";
    in_environment("component-variable", 4, store, "services: {mail: {env: {REDISCLI_AUTH: mail}}}");
}

#[test]
fn ports_in_the_registry() {
    stack("offsets-differ", 4, TIERS, "port_offsets: {production: 100}\ntiers:\n");
    stack("offset-unknown", 0, TIERS, "port_offsets: {staging: 100}\ntiers:\n");
    let local = "back: {ports: 9000-9009}\n  local: {ports: 8090-8099}";
    let story = changed((BACK, local), (IMAGE, IMAGE));
    story.edit("stacks/shop.yaml", MAIL, "mail: {tier: local, port: 8090}");
    said("local-range", 0, &story, "check shop -e production");
}

#[test]
fn what_a_mesh_asks_for() {
    let provides = "provides: [istio]\n      nodes:";
    let mesh = |name: &str, code: i32, mail: &str, mesh: &str| {
        let story = changed((MAIL, mail), (IMAGE, &format!("mesh: {mesh}\n{IMAGE}")));
        story.edit("environments/production.yaml", "nodes:", provides);
        said(name, code, &story, "check shop -e production");
    };
    let breaker = |ejection: &str| {
        format!(
            "mail: {{tier: back, port: 9001, circuit_breaker: {{connections: 9, pending: 9, failures: 3, ejection: {ejection}}}}}"
        )
    };
    mesh("unenforceable", 4, &breaker("30s"), "{mode: ambient}");
    mesh("too-short", 4, &breaker("0s"), "{mode: sidecar, cni: true}");
    mesh("no-cni", 4, MAIL, "{mode: sidecar}");
    mesh("user-of-mesh", 4, "mail: {tier: back, port: 9001, run_as_user: 1337}", "{mode: sidecar, cni: true}");
    mesh("port-of-mesh", 4, "mail: {tier: back, port: 9001, health_port: 15021}", "{mode: sidecar, cni: true}");
}

/// Eight pods, a quarter more in a rollout, and room for nine.
#[test]
fn a_rollout_has_room_for_some() {
    mail(
        "slow-rollout",
        0,
        "replicas: 8, resources: {requests: {cpu: 800m, memory: 64Mi}, limits: {cpu: 800m, memory: 64Mi}}",
    );
}

/// Kinds that nobody is said to have installed.
#[test]
fn what_the_cluster_does_not_provide() {
    in_environment("not-provided", 0, "", "mesh: {mode: ambient}\nvertical_autoscaling: recommend");
}

/// What is no mistake by itself is said too.
#[test]
fn what_is_worth_knowing() {
    stack("health-overlap", 0, TIERS, "health_port: \"+1\"\ntiers:\n");
    mail("not-enforced", 0, "rate_limit: {requests: 100, per: 1s}");
    let scaled = |replicas: u32| format!(", replicas: {replicas}, autoscale: {{min: 2, max: 4, cpu: 70}}");
    in_environment("higher-floor", 0, &scaled(3), "autoscaling: true");
    in_environment("capped", 0, &scaled(2), "autoscaling: true\nreplicas: {max: 3}");
}

/// Two stacks whose objects would have the same names.
#[test]
fn stacks_beside_each_other() {
    let other =
        "stack: other\nnamespace: store\ntiers: {all: {ports: 9100-9109}}\nservices: {mail: {tier: all, port: 9100}}\n";
    let story = changed((MAIL, MAIL), (IMAGE, "namespaces: {store: shop}\nimage:"));
    story.file("stacks/other.yaml", other);
    said("same-object", 4, &story, "check shop -e production");
    story.edit("environments/production.yaml", "{store: shop}", "{store: store}");
    assert_eq!(story.run(&["check", "shop", "-e", "production"]).0, 0, "each has a namespace of its own");
}

/// The device plugin against the nodes of the environment, and against what else lives with it.
#[test]
fn device_plugins() {
    let shop = "stack: gpus\nnamespace: gpus\ntiers: {}\nservices: {}\ndevice_plugin:\n  groups: {halves: {slices: 2}}\nwaivers:
  - {rule: S-hardening-001, reason: The plugin writes into a directory of its node}
  - {rule: S-hardening-002, reason: That directory belongs to root}
  - {rule: S-hardening-006, reason: The plugin answers nobody but the kubelet}\n";
    let plugin = |name: &str, stack: &str, code: i32, arm: (&str, &str)| {
        let story = changed((MAIL, MAIL), (IMAGE, IMAGE));
        story.file("stacks/gpus.yaml", stack).edit("environments/production.yaml", arm.0, arm.1);
        said(name, code, &story, "check gpus -e production");
    };
    let (whole, halves) = ("gpus: 1,", "gpus: 4, gpu_resource: nvidia.com/gpu.shared,");
    let labelled = "gpus: 4, gpu_resource: nvidia.com/gpu.shared, labels: {nvidia.com/device-plugin.config: halves},";
    let shared = "default_cluster: local\ngpu: {policy: shared}\nimage";
    plugin("gpu-no-group", shop, 4, (whole, halves));
    plugin("gpu-asked-otherwise", shop, 4, (whole, labelled));
    let by_default = shop.replace("{halves: {slices: 2}}", "{halves: {slices: 2}}\n  default_group: halves");
    plugin("gpu-given-otherwise", &by_default, 4, (whole, whole));
    let story = changed((MAIL, MAIL), ("default_cluster: local\nimage", shared));
    story.file("stacks/gpus.yaml", &by_default).edit("environments/production.yaml", whole, labelled);
    said("gpu-shared", 0, &story, "check gpus -e production");
    let beside = by_default.replace(
        "tiers: {}\nservices: {}",
        "tiers:\n  more: {ports: 9020-9029}\nservices:\n  web: {tier: more, port: 9020}",
    );
    story.file("stacks/gpus.yaml", beside);
    said("gpu-beside", 4, &story, "check gpus -e production");
}
