//! Every write that was acknowledged outlives `kill -9`. This program is its own victim: started with `serve STORE` it
//! serves a cluster until it is killed; started by `cargo test` it starts itself so, writes to it from many tasks, kills
//! it at a moment that a seed chooses, and looks at what the store holds.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the two processes talk by a pipe")]
#![allow(clippy::disallowed_methods, reason = "what is killed has to be a process")]

use std::collections::BTreeMap;
use std::future::pending;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Config, ResourceExt};
use kube_embedded::{Cluster, OpenError, Options, Storage};
use serde_json::json;
use tokio::sync::Notify;

const SEEDS: [usize; 3] = [1, 2, 3];
const ROUNDS: usize = 2;
const WRITERS: usize = 8;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("serve"), Some(store)) => runtime.block_on(serve(Path::new(&store))),
        _ => runtime.block_on(async {
            for seed in SEEDS {
                story(seed).await;
            }
        }),
    }
}

/// The victim.
async fn serve(store: &Path) {
    let cluster = Cluster::open(Storage::File(store.to_owned()), Options::default()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    cluster.serve(listener, "secret", pending()).await.unwrap();
}

struct Victim {
    process: Child,
    address: String,
}

impl Victim {
    fn start(store: &Path) -> Victim {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command.arg("serve").arg(store).stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Victim { process, address: format!("http://{}", address.trim()) }
    }

    fn maps(&self) -> Api<ConfigMap> {
        let mut config = Config::new(self.address.parse().unwrap());
        config.auth_info = serde_json::from_value(json!({"token": "secret"})).unwrap();
        config.default_retry = false;
        Api::namespaced(Client::try_from(config).unwrap(), "default")
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What is known of an object: its version and its content, none once it was deleted.
type Known = Option<(u64, usize)>;

/// What one writer has been told, and what it had asked for last without having been told.
#[derive(Default)]
struct Told {
    known: BTreeMap<String, Known>,
    asked: Option<(String, Option<usize>)>,
}

/// Data that shows when a piece of it is missing.
fn data(content: usize) -> serde_json::Value {
    json!({"number": content.to_string(), "long": content.to_string().repeat(200)})
}

fn content(map: &ConfigMap) -> usize {
    let found = map.data.as_ref().unwrap();
    let number = found["number"].parse().unwrap();
    assert_eq!(json!(found), data(number), "half an object: {}", map.name_any());
    number
}

fn version(map: &ConfigMap) -> u64 {
    map.resource_version().unwrap().parse().unwrap()
}

/// Creates, changes and deletes until the server no longer answers.
async fn write(
    maps: Api<ConfigMap>,
    prefix: String,
    told: Arc<Mutex<Told>>,
    acknowledged: Arc<AtomicUsize>,
    enough: Arc<Notify>,
    limit: usize,
) {
    for number in 0.. {
        let name = format!("{prefix}-{}", number / 3);
        let wanted = (number % 6 != 5).then_some(number);
        told.lock().unwrap().asked = Some((name.clone(), wanted));
        let body = json!({"metadata": {"name": name}, "data": data(number)});
        let answer = match number % 3 {
            0 => maps.create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.map(Some),
            _ if wanted.is_none() => maps.delete(&name, &DeleteParams::default()).await.map(|_| None),
            _ => maps.patch(&name, &PatchParams::default(), &Patch::Merge(body)).await.map(Some),
        };
        let known = match answer {
            Ok(answer) => answer.map(|map| (version(&map), content(&map))),
            Err(kube::Error::Api(status)) => panic!("{status:?}"),
            Err(_) => return,
        };
        let mut told = told.lock().unwrap();
        told.known.insert(name, known);
        told.asked = None;
        if acknowledged.fetch_add(1, Ordering::SeqCst) + 1 == limit {
            enough.notify_one();
        }
    }
}

async fn story(seed: usize) {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("cluster.redb");
    let mut all: Vec<Arc<Mutex<Told>>> = Vec::new();
    let mut newest = 0;
    for round in 0..ROUNDS {
        let victim = Victim::start(&store);
        is_held(&store, &victim).await;
        let (acknowledged, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        // From the first few writes to some hundred.
        let limit = 1 + (seed * 7919 + round * 104_729) % 400;
        let mut tasks = Vec::new();
        for writer in 0..WRITERS {
            let told = Arc::<Mutex<Told>>::default();
            all.push(Arc::clone(&told));
            let prefix = format!("r{round}-w{writer}");
            let (acknowledged, enough) = (Arc::clone(&acknowledged), Arc::clone(&enough));
            tasks.push(tokio::spawn(write(victim.maps(), prefix, told, acknowledged, enough, limit)));
        }
        enough.notified().await;
        victim.kill();
        for task in tasks {
            task.await.unwrap();
        }
        newest = survived(&store, &all, newest).await;
        println!(
            "seed {seed}, round {round}: killed after {} writes, nothing lost",
            acknowledged.load(Ordering::SeqCst)
        );
    }
}

/// Who opens the store meanwhile is told who holds it.
async fn is_held(store: &Path, victim: &Victim) {
    // The address is in the holder's file once the server answers.
    victim.maps().list(&ListParams::default()).await.unwrap();
    let error = Cluster::open(Storage::File(store.to_owned()), Options::default()).await.unwrap_err();
    let pid = victim.process.id();
    let (place, address) = (store.display(), &victim.address);
    let expect = format!("the cluster's store {place} is held by process {pid}, which serves it at {address}");
    assert_eq!(error.to_string(), expect);
    assert!(matches!(error, OpenError::Held { .. }));
}

/// Opens the store and compares it with what was told. Returns its newest version.
async fn survived(store: &Path, all: &[Arc<Mutex<Told>>], before: u64) -> u64 {
    let cluster = Cluster::open(Storage::File(store.to_owned()), Options::default()).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(Client::new(cluster.router(), "default"), "default");
    let list = maps.list(&ListParams::default()).await.unwrap();
    let newest: u64 = list.metadata.resource_version.clone().unwrap().parse().unwrap();
    let mut found: BTreeMap<String, Known> = BTreeMap::new();
    for map in list.items.iter().filter(|map| map.name_any() != "kube-root-ca.crt") {
        assert!(version(map) <= newest);
        found.insert(map.name_any(), Some((version(map), content(map))));
    }
    for told in all {
        let told = told.lock().unwrap();
        let mut last = 0;
        for (name, known) in &told.known {
            let stored = found.remove(name).flatten();
            let asked = told.asked.as_ref().filter(|(asked, _)| asked == name);
            let may_have_become = asked.is_some_and(|(_, wanted)| stored.map(|(_, content)| content) == *wanted);
            assert!(stored == *known || may_have_become, "{name}: told {known:?}, stored {stored:?}, asked {asked:?}");
            last = last.max(known.map_or(0, |(version, _)| version));
        }
        if let Some((name, _)) = &told.asked {
            // Made, although nobody could say so.
            found.remove(name);
        }
        assert!(newest >= last && newest >= before, "{newest} after {last} and {before}");
    }
    assert!(found.is_empty(), "nobody asked for {found:?}");
    let body = json!({"metadata": {"name": "afterwards"}});
    let after = maps.create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap();
    assert!(version(&after) > newest);
    maps.delete("afterwards", &DeleteParams::default()).await.unwrap();
    drop(maps);
    cluster.close().await;
    version(&after)
}
