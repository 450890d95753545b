//! Manifests without a cluster: as a stream, and as files that can be rendered again.

#![allow(clippy::unwrap_used, reason = "a failing test should stop where it fails")]

mod story;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use story::{Story, golden};

#[test]
fn the_stream_holds_the_same_bytes_every_time_and_reads_back() {
    let story = Story::shipped();
    let (code, first, err) = story.run(&["render", "sophia", "-e", "development"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(story.run(&["render", "sophia", "-e", "development"]).1, first);
    let documents: Vec<Value> = serde_saphyr::from_multiple(&first).unwrap();
    assert_eq!(documents.len(), first.matches("\n---\n").count() + 1);
    assert!(documents.iter().all(|object| object["kind"].is_string() && object["metadata"]["name"].is_string()));
}

#[test]
fn a_small_stack_as_files() {
    let story = small();
    golden("render/first.txt", story.transcript("render shop -e production --out-dir out"));
    let mut text = String::new();
    for file in story.files().iter().filter(|file| file.starts_with("out/") && file.ends_with(".yaml")) {
        text += &format!("# {file}\n{}", fs::read_to_string(story.path().join(file)).unwrap());
    }
    golden("render/files.yaml", text);
}

#[test]
fn rendering_again_touches_only_what_it_wrote() {
    let story = small();
    story.run(&["render", "shop", "-e", "production", "--out-dir", "out"]);
    story.file("out/mine.yaml", "mine\n");
    story.edit("stacks/shop.yaml", "  mail: {tier: all, port: 9001}\n", "");
    golden("render/again.txt", story.transcript("render shop -e production --out-dir out"));
    let rest: Vec<String> =
        story.files().into_iter().filter(|file| file.contains("mail") || file.contains("mine")).collect();
    assert_eq!(rest, ["out/mine.yaml"]);

    story.file("other/00-0-namespace-shop.yaml", "mine\n");
    golden("render/foreign.txt", story.transcript("render shop -e production --out-dir other"));
    assert_eq!(fs::read_to_string(story.path().join("other/00-0-namespace-shop.yaml")).unwrap(), "mine\n");
}

#[test]
fn a_kustomization_lists_every_file_in_order() {
    let story = small();
    golden("render/kustomize.txt", story.transcript("render shop -e production --format kustomize --out-dir out"));
    let text = fs::read_to_string(story.path().join("out/kustomization.yaml")).unwrap();
    let list: Value = serde_saphyr::from_str(&text).unwrap();
    let mut files: Vec<String> = story.files().into_iter().filter(|file| file.starts_with("out/0")).collect();
    files.sort();
    let listed = list["resources"].as_array().unwrap().iter().map(|name| format!("out/{}", name.as_str().unwrap()));
    assert_eq!(listed.collect::<Vec<_>>(), files);
    assert_eq!((&list["kind"], &list["sortOptions"]["order"]), (&"Kustomization".into(), &"fifo".into()));
    golden("render/kustomize-nowhere.txt", story.transcript("render shop -e production --format kustomize"));
}

/// Every file below a directory, one after the other.
fn all_below(story: &Story, directory: &str) -> String {
    let files = story.files().into_iter().filter(|file| file.starts_with(directory) && file.ends_with(".yaml"));
    files.map(|file| format!("# {file}\n{}", fs::read_to_string(story.path().join(&file)).unwrap())).collect()
}

/// The small stack with what controllers treat in a way of its own: a job, an autoscaler, a way in with a certificate.
fn for_controllers() -> Story {
    let story = small();
    story.edit(
        "stacks/shop.yaml",
        "  mail: {tier: all, port: 9001}\n",
        "  mail: {tier: all, port: 9001, depends_on: [cart], gateway: {path: /}, autoscale: {min: 2, max: 4, cpu: 70}, \
         jobs: {prepare: {command: [prepare]}}}\n",
    );
    let more = "autoscaling: true\ngateway: {host: shop.example, ingress_class: nginx, tls_secret: shop-tls}\nimage:";
    story.edit("environments/production.yaml", "image:", more);
    story
}

#[test]
fn a_compose_file_without_what_others_rely_on_is_refused() {
    let story = small();
    let outside = "  mail: {tier: all, port: 9001, component: {external: {host: mail.example.com}}}\n";
    story.edit("stacks/shop.yaml", "  mail: {tier: all, port: 9001}\n", outside);
    golden("render/compose-component.txt", story.transcript("render shop -e production --format compose"));
}

#[test]
fn a_small_stack_for_argo_cd() {
    let story = for_controllers();
    let line = "render shop -e production --format argocd --repo https://git.example/fleet.git --out-dir deploy/shop";
    golden("render/argocd.txt", story.transcript(line));
    golden("render/argocd.yaml", all_below(&story, "deploy/"));
    // Whatever was there goes with another format, and the same comes back to the byte.
    let before = all_below(&story, "deploy/");
    story.run(&["render", "shop", "-e", "production", "--out-dir", "deploy/shop"]);
    assert!(story.files().iter().all(|file| !file.starts_with("deploy/shop/manifests")));
    assert_eq!(story.run(&line.split(' ').collect::<Vec<_>>()).0, 0);
    assert_eq!(all_below(&story, "deploy/"), before);
}

#[test]
fn a_small_stack_for_flux() {
    let story = for_controllers();
    let line = "render shop -e production --format flux --repo https://git.example/fleet.git --out-dir deploy/shop";
    golden("render/flux.txt", story.transcript(line));
    golden("render/flux.yaml", all_below(&story, "deploy/shop/flux"));
    let packed =
        "render shop -e production --format flux --repo oci://registry.example/fleet --repo-path . --out-dir packed";
    assert_eq!(story.run(&packed.split(' ').collect::<Vec<_>>()).0, 0);
    golden("render/flux-oci.yaml", all_below(&story, "packed/flux/s"));
}

#[test]
fn what_a_controller_cannot_follow_is_refused() {
    let story = small();
    let lines = [
        "--format argocd --repo https://git.example/fleet.git",
        "--format argocd --out-dir deploy",
        "--format argocd --out-dir deploy --repo oci://registry.example/fleet",
        "--format argocd --out-dir ../deploy --repo https://git.example/fleet.git",
        "--format argocd --out-dir deploy --source GitRepository/fleet",
        "--format flux --out-dir deploy",
        "--format flux --out-dir deploy --source HelmRepository/fleet",
        "--format flux --out-dir deploy --repo https://git.example/fleet.git --auto-sync",
        "--format flux --out-dir deploy --repo https://git.example/fleet.git --show-secrets",
        "--format kustomize --out-dir deploy --repo https://git.example/fleet.git",
    ];
    let said: Vec<String> =
        lines.iter().map(|line| story.transcript(&format!("render shop -e production -q {line}"))).collect();
    golden("render/gitops-refused.txt", said.join("\n"));
    assert!(story.files().iter().all(|file| !file.contains("deploy/")));
}

#[test]
fn a_small_stack_as_a_compose_file() {
    let story = small();
    story.edit("stacks/shop.yaml", "  mail: {tier: all, port: 9001}\n", "  mail: {tier: all, port: 9001, gpu: 1, \
        depends_on: [cart], egress: [internet:443], gateway: {path: /}, env: {PRICE: $5}}\n  alone: {tier: all, port: 9002, \
        replicas: 2}\n");
    story.edit("environments/production.yaml", "image:", "gateway: {host: shop.example, ingress_class: nginx}\nimage:");
    golden("render/compose.yaml", story.run(&["render", "shop", "-e", "production", "--format", "compose"]).1);
}

#[test]
fn a_job_in_a_compose_file_ends_before_its_service_starts() {
    let story = small();
    let job = "  mail: {tier: all, port: 9001, jobs: {prepare: {command: [run, $HOME], retries: 2}}}\n";
    story.edit("stacks/shop.yaml", "  mail: {tier: all, port: 9001}\n", job);
    golden("render/compose-job.yaml", story.run(&["render", "shop", "-e", "production", "--format", "compose"]).1);
}

#[test]
fn the_whole_fleet_as_a_compose_file() {
    let story = Story::shipped();
    let (code, text, _) = story.run(&["render", "sophia", "-e", "production", "--format", "compose", "--quiet"]);
    assert_eq!(code, 0);
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let services = file["services"].as_object().unwrap();
    assert_eq!(services.len(), 35);
    let published: Vec<&String> =
        services.iter().filter(|(_, one)| one.get("ports").is_some()).map(|(name, _)| name).collect();
    assert_eq!(published, ["mcp-orchestrator-mcp"]);
    let networks = file["networks"].as_object().unwrap();
    for (name, service) in services {
        let joined: Vec<&str> =
            service["networks"].as_array().into_iter().flatten().map(|one| one.as_str().unwrap()).collect();
        assert!(joined.iter().all(|network| networks.contains_key(*network)), "{name}");
        assert_eq!(joined.is_empty(), service["network_mode"] == "none", "{name}");
        for called in service["depends_on"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()) {
            assert!(joined.contains(&called), "{name} cannot reach {called}");
        }
    }
    let outward = networks.iter().filter(|(_, network)| network["internal"] != true).map(|(name, _)| name.as_str());
    assert_eq!(outward.collect::<Vec<_>>(), ["outside"]);
}

#[test]
fn a_store_in_a_compose_file_has_its_files_and_its_volume() {
    let story = small();
    let redis = "component: {redis: {storage: {size: 1Gi}, password: {secret: mail, key: password}}}";
    let store = format!("  mail: {{tier: all, port: 9001, {redis}}}\n");
    story.edit("stacks/shop.yaml", "  mail: {tier: all, port: 9001}\n", &store);
    golden("render/compose-store.yaml", story.run(&["render", "shop", "-e", "production", "--format", "compose"]).1);
}

#[test]
fn a_stack_of_two_namespaces_has_two_networks() {
    let story = Story::shipped();
    let (code, text, _) = story.run(&["render", "mcp-network", "-e", "development", "--format", "compose", "--quiet"]);
    assert_eq!(code, 0);
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    let joined = |service: &Value| -> Vec<String> {
        match &service["networks"] {
            Value::Array(names) => names.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
            names => names.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect(),
        }
    };
    let mut members: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, service) in file["services"].as_object().unwrap() {
        joined(service).into_iter().for_each(|network| members.entry(network).or_default().push(name.clone()));
    }
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let servers = [
        "ddg-mcp",
        "discovery",
        "files-mcp",
        "github-mcp",
        "http-mcp",
        "load-balancer",
        "memory-mcp",
        "network-monitor",
        "postgres-mcp",
    ];
    let expect = BTreeMap::from([
        ("mcp-internal-development".to_owned(), owned(&servers)),
        (
            "mcp-network-development".to_owned(),
            owned(&["backend-mcp", "discovery", "load-balancer", "network-monitor"]),
        ),
        ("outside".to_owned(), owned(&["ddg-mcp", "github-mcp", "http-mcp"])),
    ]);
    assert_eq!(members, expect);
    let networks = &file["networks"];
    assert_eq!(
        [&networks["mcp-internal-development"], &networks["mcp-network-development"]],
        [&json!({"internal": true}); 2]
    );
    // What HAProxy looks for is what its servers answer to.
    let aliases = &file["services"]["files-mcp"]["networks"]["mcp-internal-development"]["aliases"];
    let names = ["files-all", "files-mcp"].map(|name| format!("{name}.mcp-internal-development.svc.cluster.local"));
    assert_eq!(*aliases, json!(names));
    let balancer = &file["services"]["load-balancer"]["configs"];
    let source = "load-balancer-config-haproxy.cfg";
    assert_eq!(*balancer, json!([{"source": source, "target": "/usr/local/etc/haproxy/haproxy.cfg"}]));
    assert!(file["configs"][source]["content"].as_str().unwrap().contains(&names[0]));
    assert_eq!(file["services"]["discovery"]["volumes"], json!(["data-discovery:/consul/data"]));
}

#[test]
fn the_registry_is_a_file_too() {
    let story = Story::shipped();
    let shown = story.run(&["check", "sophia", "-e", "staging", "--ports", "-o", "json"]).1;
    let line = ["render", "sophia", "-e", "staging", "--quiet", "--format", "registry"];
    assert_eq!(story.run(&line).1, shown);
    story.run(&[&line[..], &["--out-dir", "config"]].concat());
    let written = fs::read_to_string(story.path().join("config/unified_mcp_port_registry.json")).unwrap();
    assert_eq!(written, shown);
    // A second run knows the file as its own.
    assert_eq!(story.run(&[&line[..], &["--out-dir", "config"]].concat()).0, 0);
}

fn small() -> Story {
    let story = Story::new();
    story
        .file(
            "stacks/shop.yaml",
            "stack: shop\nnamespace: shop\ntiers: {all: {ports: 9000-9009}}\nservices:\n  cart: {tier: all, port: 9000, \
             env: {MODE: \"on\", RATE: \"1:20\"}}\n  mail: {tier: all, port: 9001}\n",
        )
        .file(
            "environments/production.yaml",
            "environment: production\nclusters: {local: {embedded: {}}}\ndefault_cluster: local\nimage: {registry: \
             registry.example/shop, tag: 1.0.0}\n",
        );
    story
}
