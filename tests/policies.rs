//! Rules of the user's own: where they are broken, what is said of a policy that cannot be asked, and those that ship
//! with the project.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod story;

use story::{Story, golden};

const SHOP: &str = "stack: shop
namespace: shop
tiers:
  back: {ports: 9000-9009}
services:
  cart: {tier: back, port: 9000}
  mail: {tier: back, port: 9001, replicas: 2, depends_on: [cart]}
";
const PRODUCTION: &str = "environment: production
clusters: {local: {embedded: {}}}
default_cluster: local
image: {registry: registry.example/shop, tag: 1.0.0}
";

/// The shop, and policies.
fn shop(policies: &[(&str, &str)]) -> Story {
    let story = Story::new();
    story.file("stacks/shop.yaml", SHOP).file("environments/production.yaml", PRODUCTION);
    for (name, text) in policies {
        story.file(&format!("policies/{name}.yaml"), text);
    }
    story
}

#[track_caller]
fn check(name: &str, code: i32, story: &Story) {
    let transcript = story.transcript("check shop -e production");
    assert!(transcript.ends_with(&format!("--- exit {code}\n")), "{transcript}");
    golden(&format!("policies/{name}.txt"), transcript);
}

const ASKED: &str = "policies:
  SHOP-replicas-001:
    title: A server has two pods at least
    level: error
    remedy: Run more pods
    matchConstraints:
      resourceRules:
        - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
      objectSelector:
        matchExpressions: [{key: app.kubernetes.io/name, operator: Exists}]
    params: {least: 2}
    validations:
      - expression: object.spec.replicas >= params.least
        messageExpression: |
          'it has %d, and %d are wanted'.format([
            object.spec.replicas, params.least])
  SHOP-names-001:
    title: The stack is called as its namespace
    level: warning
    validations:
      - expression: desired.exists(one, one.kind == 'Namespace' && one.metadata.name == strata.stack)
      - expression: desired.filter(one, one.kind == 'Deployment').size() < 2
        message: A shop of two servers should be two stacks
  SHOP-tiers-001:
    title: What a policy needs may be missing
    level: note
    matchConstraints:
      resourceRules:
        - {apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [services], resourceNames: [cart-mcp]}
      namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
    matchConditions:
      - {name: stays, expression: object != null}
    variables:
      - {name: level, expression: object.spec.missing + 1}
      - {name: port, expression: 'object.spec.ports[0].port'}
    validations:
      - expression: variables.level > 0
      - expression: variables.port < 9000 && namespaceObject.metadata.name == 'shop'
        messageExpression: \"strata.tier + ' of ' + strata.environment + ' has ' + string(variables.port)\"
";

#[test]
fn a_policy_names_what_breaks_it() {
    let story = shop(&[("shop", ASKED)]);
    check("asked", 4, &story);
    let (code, out, _) = story.run(&["check", "shop", "-e", "production", "-o", "json"]);
    assert_eq!(code, 4);
    golden("policies/asked.json", out);

    // A waiver makes it a note, unless the policy says that it must be kept.
    let waiver = "waivers:\n  - {rule: SHOP-replicas-001, service: cart, reason: One cart is enough for now}\n";
    story.file("stacks/shop.yaml", format!("{SHOP}{waiver}"));
    check("waived", 0, &story);
    story.edit("policies/shop.yaml", "remedy: Run more pods\n", "remedy: Run more pods\n    waivable: false\n");
    check("not-waivable", 4, &story);

    // What cannot be evaluated is no finding where the policy says so.
    let story = shop(&[("shop", &ASKED.replace("    level: note\n", "    level: note\n    failurePolicy: Ignore\n"))]);
    check("ignored", 4, &story);
}

/// What only a plan can tell is not asked here, and a waiver for it is not called useless.
#[test]
fn what_needs_a_plan_is_left_to_it() {
    let story = shop(&[(
        "plans",
        "policies:
  SHOP-plans-001:
    title: Nothing is ever deleted
    level: error
    matchConstraints:
      resourceRules: [{apiGroups: ['*'], apiVersions: ['*'], operations: [DELETE], resources: ['*']}]
    validations: [{expression: 'false'}]
  SHOP-plans-002:
    title: A plan is small
    level: error
    validations: [{expression: plan.summary.create < 2}]
",
    )]);
    story.file(
        "stacks/shop.yaml",
        format!("{SHOP}waivers:\n  - {{rule: SHOP-plans-001, reason: This shop closes down}}\n"),
    );
    check("left-to-plans", 0, &story);
}

#[test]
fn what_is_wrong_with_policies_is_said_at_once() {
    let story = shop(&[
        (
            "broken",
            "policies:
  SHOP-broken-001:
    title: Expressions with mistakes
    level: error
    matchConstraints:
      resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
    matchConditions:
      - {name: early, expression: variables.count > 1}
    variables:
      - {name: count, expression: objekt.spec.replicas}
      - {name: count, expression: '1'}
      - {name: 2nd, expression: '1'}
    validations:
      - expression: >-
          object.spec.replicas > 1
          && object.metadata.name.startWith('a')
      - expression: |
          object.spec.replicas > 1 &&
            duration('1h') > duration('1m')
      - {expression: variables.cuont > 1, messageExpression: 'object.'}
  SHOP-broken-002:
    title: It is about no object
    level: error
    validations: [{expression: object.spec.replicas > 1}]
",
        ),
        (
            "more",
            "policies:\n  SHOP-broken-002:\n    title: The same id again\n    level: note\n    validations: [{expression: 'true'}]\n",
        ),
    ]);
    check("unusable", 4, &story);
}

#[test]
fn files_of_another_form_are_refused() {
    let story = shop(&[
        (
            "form",
            "policies:
  S-hardening-001:
    title: An id of the program's own
    level: error
    validations: [{expression: 'true'}]
  SHOP-form-001:
    title: Short
    level: fatal
    matchConstraints:
      resourceRules: [{apiGroups: [apps], apiVersion: [v1], operations: [PATCH], resources: [deployments]}]
    validations: []
",
        ),
        ("text", "no policies\n"),
    ]);
    // One that would be passed over forbids nothing.
    story.file("policies/other.yml", "policies: {}\n");
    check("form", 1, &story);
}

/// Every stack keeps the policies that ship here, in each environment, and each of these can be broken.
#[test]
fn the_policies_of_the_project_are_kept() {
    let story = Story::shipped();
    for file in ["environments/production.yaml", "environments/staging.yaml"] {
        story.edit(file, "registry: registry.example/sophia", "registry: elsewhere.example/sophia");
    }
    for environment in ["production", "staging"] {
        let (code, out, _) = story.run(&["check", "sophia", "-e", environment]);
        assert_eq!((code, out.matches("error[FLEET-images-001]").count()), (4, 35), "{out}");
    }
}
