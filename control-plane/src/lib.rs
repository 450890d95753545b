//! A real API server for tests: etcd and kube-apiserver, on free loopback ports, empty, as child processes that end with
//! the process that started them. More programs of a control plane can be started beside them. No part of the program
//! that is shipped: only tests depend on this crate.

#![allow(clippy::unwrap_used, reason = "a test whose control plane cannot be started has failed")]
#![allow(clippy::disallowed_methods, reason = "starting programs is what this crate is for")]

mod accounts;

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

/// Where the tools of Kubernetes' own developers put its programs.
const USUAL_PLACE: &str = "/usr/local/kubebuilder/bin";
/// The one user is the cluster's master: who may do what is no matter of these tests.
const TOKEN: &str = "master";
/// Ends what it was told the ids of, and deletes the directory, once nobody can tell it more. An interrupt that ends the
/// tests does not end it.
const KEEPER: &str = r#"trap '' INT TERM HUP
while read -r id; do ids="$ids $id"; done
kill -9 $ids
rm -rf "$1""#;

/// The programs of Kubernetes on this machine.
#[derive(Debug, Clone)]
pub struct Programs {
    place: PathBuf,
}

impl Programs {
    /// Looks for programs by name where `KUBEBUILDER_ASSETS` says they are, or else in the usual place.
    ///
    /// # Errors
    ///
    /// What is missing, as a sentence for people.
    ///
    /// ```
    /// let missing = control_plane::Programs::find(&["no-such-program"]).unwrap_err();
    /// assert!(missing.starts_with("no no-such-program in /"));
    /// ```
    pub fn find(names: &[&str]) -> Result<Self, String> {
        let place = std::env::var_os("KUBEBUILDER_ASSETS").map_or_else(|| PathBuf::from(USUAL_PLACE), PathBuf::from);
        let missing: Vec<&str> = names.iter().copied().filter(|program| !place.join(program).is_file()).collect();
        if missing.is_empty() {
            Ok(Self { place })
        } else {
            Err(format!("no {} in {} (KUBEBUILDER_ASSETS names another place)", missing.join(", "), place.display()))
        }
    }
}

/// A control plane that runs. Its processes end, and its directory goes, when this process does or when it is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    /// A kubeconfig for its master.
    pub kubeconfig: PathBuf,
    /// The certificate that its server shows.
    pub authority: PathBuf,
    /// What it answers with at `/version`.
    pub version: String,
    processes: Processes,
}

impl ControlPlane {
    /// Starts etcd and kube-apiserver with their files below `parent`, and returns when the server is ready. What it
    /// admits is what a server admits by default, except that new nodes are not marked as not ready.
    ///
    /// # Panics
    ///
    /// When a program ends before it is ready; the message holds what it wrote.
    pub fn start(programs: &Programs, parent: &Path) -> Self {
        let place = parent.join(format!("control-plane-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        let mut processes = Processes::new(programs.clone(), place.clone());

        let [etcd, peer, secure] = free_ports();
        let store = format!("http://127.0.0.1:{etcd}");
        let peer = format!("http://127.0.0.1:{peer}");
        processes.start(
            "etcd",
            &[
                format!("--data-dir={}", place.join("etcd").display()),
                "--name=tests".to_owned(),
                "--unsafe-no-fsync".to_owned(),
                format!("--listen-client-urls={store}"),
                format!("--advertise-client-urls={store}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=tests={peer}"),
            ],
        );
        let (private, public) = accounts::key(&place);
        let tokens = place.join("tokens.csv");
        fs::write(&tokens, format!("{TOKEN},master,master,system:masters\n")).unwrap();
        let certificates = place.join("certificates");
        processes.start(
            "kube-apiserver",
            &[
                format!("--etcd-servers={store}"),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={secure}"),
                // It signs its own certificate there.
                format!("--cert-dir={}", certificates.display()),
                format!("--token-auth-file={}", tokens.display()),
                "--authorization-mode=RBAC".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
                "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-signing-key-file={}", private.display()),
                format!("--service-account-key-file={}", public.display()),
                // No node of these tests is ever lost, so none is watched over.
                "--disable-admission-plugins=TaintNodesByCondition".to_owned(),
            ],
        );
        let authority = certificates.join("apiserver.crt");
        let kubeconfig = place.join("kubeconfig");
        fs::write(&kubeconfig, kubeconfig_text(secure, &authority)).unwrap();

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let version = runtime.block_on(async {
            let client = processes.until_ready(&kubeconfig, &authority).await;
            client.apiserver_version().await.unwrap().git_version
        });
        Self { kubeconfig, authority, version, processes }
    }

    /// Starts another program beside the server. It ends with the others; nothing waits for it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start_beside(&mut self, program: &str, arguments: &[String]) {
        self.processes.start(program, arguments);
    }
}

/// A client by a kubeconfig. It answers with what the server answered and tries nothing again.
///
/// # Panics
///
/// When the kubeconfig cannot be read.
pub async fn client(kubeconfig: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    kube::Client::try_from(config).unwrap()
}

/// Ports that nothing listens on: all are held while they are chosen, so that no two are the same.
fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

fn kubeconfig_text(port: u16, authority: &Path) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: tests\n\
         clusters: [{{name: tests, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: '{}'}}}}]\n\
         contexts: [{{name: tests, context: {{cluster: tests, user: master}}}}]\n\
         users: [{{name: master, user: {{token: {TOKEN}}}}}]\n",
        authority.display()
    )
}

/// What was started, in the order of starting.
#[derive(Debug)]
struct Processes {
    programs: Programs,
    place: PathBuf,
    /// Its input is held open for as long as this lives, and so tells it when everything is over.
    keeper: Child,
    started: Vec<(String, Child)>,
}

impl Processes {
    fn new(programs: Programs, place: PathBuf) -> Self {
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&place)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { programs, place, keeper, started: Vec::new() }
    }

    fn start(&mut self, program: &str, arguments: &[String]) {
        let log = File::create(self.place.join(format!("{program}.log"))).unwrap();
        let child = Command::new(self.programs.place.join(program))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        writeln!(self.keeper.stdin.as_mut().unwrap(), "{}", child.id()).unwrap();
        self.started.push((program.to_owned(), child));
    }

    /// Asks the API server until it says that it is ready, or a process has ended.
    async fn until_ready(&mut self, kubeconfig: &Path, authority: &Path) -> kube::Client {
        let mut moments = tokio::time::interval(Duration::from_millis(100));
        loop {
            moments.tick().await;
            for (program, process) in &mut self.started {
                if let Some(status) = process.try_wait().unwrap() {
                    let log = fs::read_to_string(self.place.join(format!("{program}.log"))).unwrap_or_default();
                    panic!("{program} ended with {status}:\n{log}");
                }
            }
            if !authority.is_file() {
                continue;
            }
            let client = client(kubeconfig).await;
            let ready = http::Request::get("/readyz").body(Vec::new()).unwrap();
            if client.request_text(ready).await.is_ok() {
                return client;
            }
        }
    }
}
