//! Roots with something wrong in them, and all that is said about it.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

use std::fs;
use std::path::Path;

use strata_components::model::Stack;

use super::decode::decode;
use super::source::Source;
use super::{LoadError, Loaded, Root, StackSource};

const SHOP: &str = "stack: shop
namespace: shop
phases: [base, front]
tiers: {all: {ports: 9000-9009}}
services:
  cart: {tier: all, port: 9000}
  web: {tier: all, port: 9001, depends_on: [cart]}
";
const OTHER: &str = "stack: other
namespace: other
tiers: {all: {ports: 9100-9109}}
services:
  mail: {tier: all, port: 9100}
";
const PRODUCTION: &str = "environment: production
clusters: {local: {embedded: {}}}
default_cluster: local
image: {registry: registry.example/shop, tag: 1.0.0}
";

fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn brief(loaded: Result<Loaded, LoadError>, dir: &Path) -> Vec<String> {
    let findings = match loaded {
        Ok(loaded) => loaded.findings,
        Err(error) => error.findings,
    };
    let line = |f: crate::finding::Finding| {
        let at = f.at.map_or(String::new(), |at| format!("{at} "));
        let help = f.help.map_or(String::new(), |help| format!(" [{help}]"));
        format!("{} {at}{}{help}", f.rule, f.message).replace(&dir.display().to_string(), "DIR")
    };
    findings.into_iter().map(line).collect()
}

/// Loads `stack` in `environment` from these files, beside the good ones, and compares all that is found.
#[track_caller]
fn check(files: &[(&str, &str)], stack: &str, environment: &str, expect: &[&str]) {
    let good = [("stacks/shop.yaml", SHOP), ("environments/production.yaml", PRODUCTION)];
    let dir = root(&[&good, files].concat());
    let found = brief(Root::open(dir.path()).and_then(|root| root.load(stack, environment)), dir.path());
    assert_eq!(found, expect, "\n--- found:\n{}", found.join("\n"));
}

#[test]
fn a_stack_is_found_by_name_or_by_path() {
    check(&[], "shop", "production", &[]);
    check(&[], "stacks/shop.yaml", "production", &[]);
    check(&[("drafts/shop.yaml", &SHOP.replace("9001", "9002"))], "drafts/shop.yaml", "production", &[]);
    check(
        &[("stacks/other.yaml", OTHER), ("stacks/.hidden.yaml", "{"), ("stacks/notes.txt", "{")],
        "shop",
        "production",
        &[],
    );
}

#[test]
fn what_does_not_exist_is_answered_with_what_does() {
    check(
        &[("stacks/other.yaml", OTHER), ("environments/staging.yml", "")],
        "shpo",
        "staging",
        &[
            "S-load-031 there is no stack `shpo` [did you mean `shop`? stacks here: other, shop]",
            "S-load-032 there is no environment `staging` [rename environments/staging.yml to environments/staging.yaml]",
        ],
    );
    check(&[], "payments", "production", &["S-load-031 there is no stack `payments` [stacks here: shop]"]);
    check(
        &[],
        "drafts/none.yaml",
        "production",
        &["S-load-031 could not open the stack file drafts/none.yaml: No such file or directory (os error 2) \
           [stacks here: shop]"],
    );
    let dir = root(&[]);
    let found = brief(Root::open(dir.path()).and_then(|root| root.load("shop", "production")), dir.path());
    assert_eq!(
        found,
        [
            "S-load-031 there is no stack `shop` [there is no stack in stacks/ of the root; --root gives another root]",
            "S-load-032 there is no environment `production` [there is no environment in environments/ of the root; \
             --root gives another root]",
        ]
    );
    let missing = dir.path().join("none");
    assert_eq!(
        brief(Root::open(&missing).and_then(|root| root.load("shop", "production")), dir.path()),
        ["S-load-030 the root DIR/none cannot be opened: No such file or directory (os error 2) [give the directory \
          that holds stacks/ and environments/ with --root]"]
    );
}

#[test]
fn nothing_is_read_outside_the_root() {
    let dir = root(&[
        ("outside/secret.yaml", SHOP),
        ("root/stacks/shop.yaml", SHOP),
        ("root/environments/production.yaml", PRODUCTION),
    ]);
    std::os::unix::fs::symlink(dir.path().join("outside/secret.yaml"), dir.path().join("root/stacks/link.yaml"))
        .unwrap();
    let root = Root::open(&dir.path().join("root")).unwrap();
    let load = |stack: &str, environment: &str| brief(root.load(stack, environment), dir.path());
    let outside = "lies outside the root [move the file into the root, or give the root it lies in with --root]";
    let left_out = "S-load-045 the stack link is left out of every proof: 1 error (stacks/link.yaml lies outside the root) [mend \
        stacks/link.yaml; its ports and services are not known until then]";
    assert_eq!(load("../outside/secret.yaml", "production"), [format!("S-load-033 ../outside/secret.yaml {outside}")]);
    let absolute = dir.path().join("outside/secret.yaml").display().to_string();
    assert_eq!(load(&absolute, "production"), [format!("S-load-033 DIR/outside/secret.yaml {outside}")]);
    assert_eq!(load("link", "production"), [format!("S-load-033 stacks/link.yaml {outside}")]);
    assert_eq!(load("shop", "production"), [left_out]);
    assert_eq!(
        load("stacks/../stacks", "../production"),
        [
            "S-load-001 stacks/../stacks is no regular file [give a file, or put one in its place]",
            "S-load-032 there is no environment `../production` [did you mean `production`? environments here: production]",
        ]
    );
}

#[test]
fn names_outside_and_inside_agree() {
    check(
        &[("stacks/store.yaml", SHOP)],
        "store",
        "production",
        &[
            "S-load-034 stacks/store.yaml:1:8 the stack in stacks/store.yaml calls itself `shop` [write `stack: store`, or \
           rename the file to shop.yaml]",
        ],
    );
    check(
        &[("environments/staging.yaml", PRODUCTION), ("stacks/shop.yaml", "stack: shop\n")],
        "shop",
        "staging",
        &[
            "S-load-034 environments/staging.yaml:1:14 the environment in environments/staging.yaml calls itself \
             `production` [write `environment: staging`, or rename the file to production.yaml]",
            "S-load-021 stacks/shop.yaml:1:1 stacks/shop.yaml has no `namespace` [add `namespace`, a namespace name: \
             lower-case letters and digits, words joined by `-`, a letter first, at most 63 characters (The namespace \
             that its objects live in; an environment maps it to a name of its own)]",
            "S-load-021 stacks/shop.yaml:1:1 stacks/shop.yaml has no `services` [add `services`, a mapping of keys to \
             values (The services, by name)]",
            "S-load-021 stacks/shop.yaml:1:1 stacks/shop.yaml has no `tiers` [add `tiers`, a mapping of keys to values \
             (The tiers, by name)]",
        ],
    );
}

#[test]
fn references_lead_somewhere() {
    let shop = SHOP
        .replace("cart: {tier: all", "cart: {tier: al, phase: frnt")
        .replace("[cart]", "[cart, chart, other/mail, other/mial, shop/cat, none/x]")
        .replace("9000-9009", "9000-9009, depends_on: [webb], phase: back");
    check(
        &[("stacks/shop.yaml", &shop), ("stacks/other.yaml", OTHER)],
        "shop",
        "production",
        &[
            "S-load-040 stacks/shop.yaml:4:46 tiers.all.depends_on[0]: there is no service `webb` in stack shop [did you \
             mean `web`?]",
            "S-load-042 stacks/shop.yaml:4:60 tiers.all.phase: there is no phase `back` [phases here: base, front]",
            "S-load-041 stacks/shop.yaml:6:16 services.cart.tier: there is no tier `al` [did you mean `all`?]",
            "S-load-042 stacks/shop.yaml:6:27 services.cart.phase: there is no phase `frnt` [did you mean `front`?]",
            "S-load-040 stacks/shop.yaml:7:51 services.web.depends_on[1]: there is no service `chart` in stack shop [did \
             you mean `cart`?]",
            "S-load-040 stacks/shop.yaml:7:70 services.web.depends_on[3]: there is no service `mial` in stack other [did \
             you mean `mail`?]",
            "S-load-040 stacks/shop.yaml:7:82 services.web.depends_on[4]: there is no service `cat` in stack shop [did \
             you mean `cart`?]",
            "S-load-040 stacks/shop.yaml:7:92 services.web.depends_on[5]: there is no stack `none`, which would be \
             stacks/none.yaml [other stacks here: other]",
        ],
    );
}

#[test]
fn an_environment_changes_what_there_is() {
    let production = PRODUCTION.replace("default_cluster: local", "default_cluster: lokal")
        + "services: {cart: {replicas: 2}, mail: {replicas: 2}, wbe: {replicas: 1}}\n\
           namespaces: {shop: shop-production, other: o, shp: x}\n";
    check(
        &[("environments/production.yaml", &production), ("stacks/other.yaml", OTHER)],
        "shop",
        "production",
        &[
            "S-load-043 environments/production.yaml:3:18 default_cluster: there is no cluster `lokal` [did you mean \
             `local`?]",
            "S-load-040 environments/production.yaml:5:54 services.wbe: there is no service `wbe` in the stacks admitted \
             here (shop, other) [did you mean `web`?]",
            "S-load-044 environments/production.yaml:6:47 namespaces.shp: no stack admitted here (shop, other) uses the \
             namespace `shp` [did you mean `shop`?]",
        ],
    );
}

#[test]
fn stack_and_environment_admit_each_other() {
    check(
        &[("environments/production.yaml", &format!("{PRODUCTION}stacks: [other]\n"))],
        "shop",
        "production",
        &[
            "S-load-035 environments/production.yaml:5:1 the environment production does not admit the stack shop [it admits \
           other: choose another environment, or add `shop`]",
        ],
    );
    check(
        &[("stacks/shop.yaml", &format!("{SHOP}environments: [staging]\n"))],
        "shop",
        "production",
        &["S-load-035 stacks/shop.yaml:8:1 the stack shop may not be deployed to production [it may be deployed to \
           staging: choose one of them, or add `production`]"],
    );
}

#[test]
fn a_broken_neighbour_is_a_warning() {
    check(
        &[("stacks/other.yaml", "stack: other\nports: no\n")],
        "shop",
        "production",
        &[
            "S-load-045 stacks/other.yaml:1:1 the stack other is left out of every proof: 4 errors (stacks/other.yaml:1:1: stacks/other.yaml has \
           no `namespace`) [mend stacks/other.yaml; its ports and services are not known until then]",
        ],
    );
}

#[test]
fn a_stack_of_a_program_is_loaded_like_one_of_a_file() {
    let dir = root(&[("environments/production.yaml", PRODUCTION), ("stacks/shop.yaml", SHOP)]);
    let stack: Stack = decode(Source::new("program", SHOP)).unwrap().value;
    let of_program = stack.load(dir.path(), "production").unwrap();
    let of_file = Root::open(dir.path()).unwrap().load("shop", "production").unwrap();
    assert_eq!((&of_program.stack, &of_program.environment), (&of_file.stack, &of_file.environment));
    assert_eq!((of_program.places.stack, of_program.others), (None, Vec::new()));

    let broken: Stack = decode(Source::new("program", SHOP.replace("[cart]", "[carts]"))).unwrap().value;
    let error = broken.load(dir.path(), "production").unwrap_err();
    assert_eq!(error.to_string(), "could not load the stack and its environment: 1 error");
    let paths: Vec<_> = error.findings.iter().map(|finding| (finding.at.clone(), finding.path.as_deref())).collect();
    assert_eq!(paths, [(None, Some("services.web.depends_on[0]"))]);
}
