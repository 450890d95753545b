//! The program as a process of its own that is stopped at a chosen moment: it works on a cluster that this process
//! serves, and every write it makes comes by here, before it is carried out and again before it is answered.

use std::future::pending;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::future::BoxFuture;
use kube_embedded::faults::serve;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A write, on its way to the cluster or, once it is carried out, back from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passing {
    /// Its number among the writes of this run, from 1.
    pub(crate) number: usize,
    /// Whether it has been carried out.
    pub(crate) committed: bool,
    /// Its method.
    pub(crate) method: String,
    /// Its path.
    pub(crate) path: String,
}

/// What is done when a write passes by. It goes on when this ends.
pub(crate) type Hook = Arc<dyn Fn(Passing, Arc<Running>) -> BoxFuture<'static, ()> + Send + Sync>;

/// A cluster that is served on loopback to one program at a time.
pub(crate) struct Station {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    run: Option<(Hook, Arc<Running>)>,
    writes: usize,
    /// What is being carried out, whether or not somebody still waits for the answer.
    under_way: JoinSet<()>,
}

/// A program that runs.
pub(crate) struct Running {
    process: Mutex<Child>,
    said: watch::Receiver<String>,
}

/// How a program has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its exit code; none where a signal has ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) out: String,
    /// What it wrote to standard error.
    pub(crate) err: String,
    /// How many writes it made.
    pub(crate) writes: usize,
}

/// Nothing happens.
pub(crate) fn unharmed() -> Hook {
    Arc::new(|_, _| Box::pin(async {}))
}

/// The program is killed when it makes its write of this number: before it is carried out, or before it is answered.
pub(crate) fn killed_at(number: usize, committed: bool) -> Hook {
    Arc::new(move |passing, running| {
        Box::pin(async move {
            if (passing.number, passing.committed) == (number, committed) {
                running.kill();
                // Nobody is there any more who could be answered, and what was not carried out never will be.
                pending::<()>().await;
            }
        })
    })
}

/// Sends SIGINT to a process, as a terminal does on Ctrl-C.
pub(crate) fn interrupt(process: u32) {
    assert!(Command::new("sh").args(["-c", "kill -INT \"$0\"", &process.to_string()]).status().unwrap().success());
}

impl Running {
    /// SIGKILL.
    pub(crate) fn kill(&self) {
        self.process.lock().unwrap().kill().unwrap();
    }

    /// SIGINT, as a terminal sends it on Ctrl-C.
    pub(crate) fn interrupt(&self) {
        interrupt(self.process.lock().unwrap().id());
    }

    /// Returns once the program has written this to standard error.
    pub(crate) async fn says(&self, text: &str) {
        self.said.clone().wait_for(|said| said.contains(text)).await.unwrap();
    }
}

impl Station {
    /// Serves the cluster behind this router for as long as the runtime lives. The router must not let simulated time
    /// pass while it works on a request.
    pub(crate) async fn open(router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let seen = state.clone();
        let layer = axum::middleware::from_fn(move |request: Request, next: Next| pass(seen.clone(), request, next));
        tokio::spawn(async move { serve(listener, router.layer(layer), pending()).await.unwrap() });
        Self { address, state }
    }

    /// Runs the program in `root` with these words, on this cluster, until it ends or is ended; then lets everything
    /// that it has begun come to its end.
    pub(crate) async fn run(&self, root: &Path, words: &str, hook: Hook) -> Ended {
        let config = root.join("station.kubeconfig");
        std::fs::write(&config, self.kubeconfig()).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_strata"))
            .args(words.split_whitespace())
            .arg("--cluster")
            .arg(format!("kubeconfig:{}", config.display()))
            .env_clear()
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut out, err) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let (tell, said) = watch::channel(String::new());
        let running = Arc::new(Running { process: Mutex::new(process), said });
        {
            let mut state = self.state.lock().unwrap();
            (state.run, state.writes) = (Some((hook, running.clone())), 0);
        }
        // Both streams end with the process. Simulated time stands still until then.
        let out = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).unwrap();
            text
        });
        let heard = tokio::task::spawn_blocking(move || {
            for line in BufReader::new(err).lines() {
                let line = line.unwrap();
                tell.send_modify(|said| said.extend([line.as_str(), "\n"]));
            }
            tell.borrow().clone()
        });
        let (out, err) = (out.await.unwrap(), heard.await.unwrap());
        let code = running.process.lock().unwrap().wait().unwrap().code();
        let (mut under_way, writes) = {
            let mut state = self.state.lock().unwrap();
            state.run = None;
            (std::mem::take(&mut state.under_way), state.writes)
        };
        while let Some(ended) = under_way.join_next().await {
            ended.unwrap();
        }
        Ended { code, out, err, writes }
    }

    fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "station",
            "clusters": [{"name": "station", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "station", "context": {"cluster": "station", "user": "nobody"}}],
        })
        .to_string()
    }
}

/// A request goes by. What has reached the cluster is carried out, although nobody may wait for the answer.
async fn pass(state: Arc<Mutex<State>>, request: Request, next: Next) -> Response {
    if !is_write(&request) {
        return next.run(request).await;
    }
    let run = state.lock().unwrap().next();
    // Bytes that a process leaves in its sockets are read after its end; nothing comes of them.
    let Some((number, hook, running)) = run else { return pending().await };
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let passing = |committed| Passing { number, committed, method: method.clone(), path: path.clone() };
    hook(passing(false), running.clone()).await;
    let (answer, answered) = tokio::sync::oneshot::channel();
    state.lock().unwrap().under_way.spawn(async move {
        // Who asked may have been killed.
        let _ = answer.send(next.run(request).await);
    });
    let response = answered.await.unwrap();
    hook(passing(true), running).await;
    response
}

impl State {
    /// The number of the next write of the run, and what is done when it passes by.
    fn next(&mut self) -> Option<(usize, Hook, Arc<Running>)> {
        let (hook, running) = self.run.clone()?;
        self.writes += 1;
        Some((self.writes, hook, running))
    }
}

/// Whether a request changes what is stored.
pub(crate) fn is_write(request: &Request) -> bool {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let asks =
        ["/apis/authorization.k8s.io/", "/apis/authentication.k8s.io/"].iter().any(|group| path.starts_with(group));
    request.method() != "GET" && !query.contains("dryRun=All") && !asks
}
