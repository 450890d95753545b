//! A kubeconfig leads to another cluster than the environment guards: every command that talks to a cluster says so, and
//! asks that cluster for nothing but who it is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde_json::json;
use strata::cluster::connect::Choice;
use strata::load::Root;

use super::support::{ENVIRONMENT, NAME, STACK};
use crate::story::Story;

const WHERE: &str = "wrong-cluster";
const FOUND: &str = "11111111-2222-3333-4444-555555555555";
const MEANT: &str = "66666666-7777-8888-9999-000000000000";

/// Each command that can be told a cluster, and how it is called so that it talks to one; none where it never does.
const COMMANDS: [(&str, Option<&[&str]>); 14] = [
    ("check", Some(&["--live"])),
    ("plan", Some(&[])),
    ("up", Some(&["--yes"])),
    ("destroy", Some(&["--yes"])),
    ("status", Some(&[])),
    ("history", Some(&[])),
    ("diff", Some(&["1"])),
    ("rollback", Some(&["1", "--yes"])),
    ("unlock", Some(&["somebody"])),
    ("rbac", Some(&["--role", "plan", "--live"])),
    ("render", None),
    ("graph", None),
    ("outputs", None),
    ("reach", None),
];

/// A cluster that says who it is and serves nothing else; what it was asked.
struct Stranger {
    address: String,
    asked: Arc<Mutex<BTreeSet<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Stranger {
    fn start() -> Self {
        let asked: Arc<Mutex<BTreeSet<String>>> = Arc::default();
        let log = asked.clone();
        let answer = move |request: Request| {
            let asked = format!("{} {}", request.method(), request.uri());
            log.lock().unwrap().insert(asked.clone());
            std::future::ready(answer(&asked))
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { address, asked, _runtime: runtime }
    }

    fn was_asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap()).into_iter().collect()
    }
}

fn answer(asked: &str) -> Response {
    match asked {
        "GET /api/v1/namespaces/kube-system" => {
            let metadata = json!({"name": "kube-system", "uid": FOUND, "resourceVersion": "1"});
            Json(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).into_response()
        }
        "GET /version" => Json(json!({"gitVersion": "v1.36.2", "major": "1", "minor": "36"})).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[test]
fn every_command_says_so_and_asks_nothing_more() {
    let stranger = Stranger::start();
    let story = Story::new();
    story.file(&format!("stacks/{WHERE}.yaml"), STACK.replace(NAME, WHERE));
    let (_, rest) = ENVIRONMENT.split_once("default_cluster: local\n").unwrap();
    let clusters = format!(
        "environment: testing\nclusters:\n  fleet: {{context: fleet, guard: {{uid: {MEANT}}}}}\ndefault_cluster: fleet\n"
    );
    story.file("environments/testing.yaml", clusters + rest);
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "fleet",
        "clusters": [{"name": "fleet", "cluster": {"server": stranger.address}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "fleet", "context": {"cluster": "fleet", "user": "nobody"}}],
    });
    story.file("fleet.json", config.to_string());

    let (_, help, _) = story.run(&["help"]);
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().map_while(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let told_a_cluster = |command: &&str| story.run(&["help", command]).1.contains("--cluster <CLUSTER>");
    let told: BTreeSet<&str> = commands.filter(told_a_cluster).collect();
    assert_eq!(told, COMMANDS.iter().map(|(command, _)| *command).collect(), "each command has its row");

    let reason = format!(
        "error: cluster kubeconfig:fleet.json is not the one the environment means: its identity (UID of the namespace \
         kube-system) is {FOUND}, expected {MEANT}\n"
    );
    for (command, talks) in COMMANDS {
        let words = [command, WHERE, "-e", "testing", "--cluster", "kubeconfig:fleet.json"];
        let (code, out, err) = story.run(&words.iter().chain(talks.unwrap_or_default()).copied().collect::<Vec<_>>());
        match talks {
            Some(_) => {
                assert_eq!((code, out.as_str(), err.as_str()), (1, "", reason.as_str()), "{command}");
                let asked = ["GET /api/v1/namespaces/kube-system", "GET /version"];
                assert_eq!(stranger.was_asked(), asked, "{command}");
            }
            None => {
                assert_eq!((code, err.as_str()), (0, ""), "{command}");
                assert_eq!(stranger.was_asked(), [""; 0], "{command}");
            }
        }
    }
}

/// What a cluster that is named in this way may be, in an environment with these clusters.
#[track_caller]
fn check_guard(clusters: &[(&str, Option<&str>)], given: &str, expect: Option<&[&str]>) {
    let story = Story::new();
    let (_, rest) = ENVIRONMENT.split_once("default_cluster: local\n").unwrap();
    let mut text = "environment: testing\ndefault_cluster: here\nclusters:\n  here: {embedded: {}}\n".to_owned();
    for (name, guard) in clusters {
        let guard = guard.map_or(String::new(), |guard| format!(", guard: {{uid: {guard}}}"));
        text += &format!("  {name}: {{context: {name}-context{guard}}}\n");
    }
    story.file("environments/testing.yaml", text + rest);
    std::fs::create_dir_all(story.path().join("stacks")).unwrap();
    let environment = Root::open(story.path()).unwrap().load_environment("testing").unwrap();
    let found = match Choice::of(Some(given), &environment).unwrap().1 {
        Choice::Embedded(_) => None,
        Choice::Context(_, guard) | Choice::Kubeconfig(_, guard) => guard,
    };
    let expect = expect.map(|uids| uids.iter().map(|uid| (*uid).to_owned()).collect::<Vec<_>>());
    assert_eq!(found, expect, "{given}");
}

#[test]
fn a_guard_goes_with_its_clusters_however_they_are_reached() {
    let guarded = [("east", Some(MEANT)), ("west", Some(FOUND))];
    check_guard(&guarded, "east", Some(&[MEANT]));
    check_guard(&guarded, "context:west-context", Some(&[FOUND]));
    check_guard(&guarded, "context:another", Some(&[MEANT, FOUND]));
    check_guard(&guarded, "kubeconfig:file", Some(&[MEANT, FOUND]));
    check_guard(&guarded, "embedded", None);
    let open = [("east", Some(MEANT)), ("west", None)];
    check_guard(&open, "context:east-context", Some(&[MEANT]));
    check_guard(&open, "context:west-context", None);
    check_guard(&open, "context:another", None);
    check_guard(&open, "kubeconfig:file", None);
    check_guard(&[], "kubeconfig:file", None);
}
