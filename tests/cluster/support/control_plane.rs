//! A real control plane for the stories: etcd, the API server, the controller manager and the scheduler, on free
//! loopback ports, empty, started once for all stories and gone when the process of the tests is gone.

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::kubelet;

const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
/// Where the tools of Kubernetes' own developers put these programs.
const USUAL_PLACE: &str = "/usr/local/kubebuilder/bin";
/// What every request may do is not a matter of these stories: the one user is the cluster's master.
const TOKEN: &str = "stories";
/// A P-256 key in the form of RFC 5480, up to the point itself.
const PUBLIC_KEY_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Ends what it was told the ids of, and deletes the directory, once nobody can tell it more. An interrupt that
/// ends the tests does not end it.
const KEEPER: &str = r#"trap '' INT TERM HUP
while read -r id; do ids="$ids $id"; done
kill -9 $ids
rm -rf "$1""#;

/// A control plane that runs.
pub(crate) struct ControlPlane {
    /// A kubeconfig for its master.
    pub(crate) kubeconfig: PathBuf,
    /// What it answers with at `/version`.
    pub(crate) version: String,
    /// Held open for as long as the process lives, and so tells the keeper when it is over.
    _keeper: Child,
    _processes: Vec<Child>,
}

impl ControlPlane {
    /// The control plane of this test run; `Err` says what is missing where its programs are not on this machine.
    pub(crate) fn get() -> Result<&'static Self, &'static str> {
        static RUNNING: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
        RUNNING.get_or_init(|| programs().map(|programs| Self::start(&programs))).as_ref().map_err(String::as_str)
    }

    fn start(programs: &Path) -> Self {
        let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("control-plane-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(&place)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut starter = Starter { programs, place: &place, keeper: &mut keeper, processes: Vec::new() };

        let [etcd, peer, secure] = free_ports();
        let store = format!("http://127.0.0.1:{etcd}");
        let peer = format!("http://127.0.0.1:{peer}");
        starter.start(
            "etcd",
            &[
                format!("--data-dir={}", place.join("etcd").display()),
                "--name=stories".to_owned(),
                "--unsafe-no-fsync".to_owned(),
                format!("--listen-client-urls={store}"),
                format!("--advertise-client-urls={store}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=stories={peer}"),
            ],
        );
        let (private, public) = service_account_key(&place);
        let tokens = place.join("tokens.csv");
        fs::write(&tokens, format!("{TOKEN},stories,stories,system:masters\n")).unwrap();
        let certificates = place.join("certificates");
        starter.start(
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
                // No node of these stories is ever lost, so none is watched over.
                "--disable-admission-plugins=TaintNodesByCondition".to_owned(),
            ],
        );
        let authority = certificates.join("apiserver.crt");
        let kubeconfig = place.join("kubeconfig");
        fs::write(&kubeconfig, kubeconfig_text(secure, &authority)).unwrap();

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let version = runtime.block_on(async {
            let client = starter.until_ready(&kubeconfig, &authority).await;
            client.apiserver_version().await.unwrap().git_version
        });
        starter.start(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={}", kubeconfig.display()),
                format!("--root-ca-file={}", authority.display()),
                "--controllers=*,-node-lifecycle-controller".to_owned(),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                "--kube-api-qps=500".to_owned(),
                "--kube-api-burst=1000".to_owned(),
            ],
        );
        starter.start(
            "kube-scheduler",
            &[
                format!("--kubeconfig={}", kubeconfig.display()),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                "--kube-api-qps=500".to_owned(),
                "--kube-api-burst=1000".to_owned(),
            ],
        );
        let processes = starter.processes;
        kubelet::start(kubeconfig.clone());
        Self { kubeconfig, version, _keeper: keeper, _processes: processes }
    }
}

/// Where the programs are; what is missing otherwise.
fn programs() -> Result<PathBuf, String> {
    let place = std::env::var_os("KUBEBUILDER_ASSETS").map_or_else(|| PathBuf::from(USUAL_PLACE), PathBuf::from);
    let missing: Vec<&str> = PROGRAMS.into_iter().filter(|program| !place.join(program).is_file()).collect();
    if missing.is_empty() {
        Ok(place)
    } else {
        Err(format!("no {} in {} (KUBEBUILDER_ASSETS names another place)", missing.join(", "), place.display()))
    }
}

/// Ports that nothing listens on: all are held while they are chosen, so that no two are the same.
fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap().port())
}

/// The key that signs the tokens of service accounts: the files of its private and its public half.
fn service_account_key(place: &Path) -> (PathBuf, PathBuf) {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
    let public = [&PUBLIC_KEY_HEAD, pair.public_key().as_ref()].concat();
    let write = |name: &str, label: &str, key: &[u8]| {
        let path = place.join(name);
        let body = STANDARD.encode(key);
        fs::write(&path, format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")).unwrap();
        path
    };
    (write("accounts.key", "PRIVATE KEY", document.as_ref()), write("accounts.pub", "PUBLIC KEY", &public))
}

fn kubeconfig_text(port: u16, authority: &Path) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: stories\n\
         clusters: [{{name: stories, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: '{}'}}}}]\n\
         contexts: [{{name: stories, context: {{cluster: stories, user: stories}}}}]\n\
         users: [{{name: stories, user: {{token: {TOKEN}}}}}]\n",
        authority.display()
    )
}

/// A client by a kubeconfig.
pub(crate) async fn client(kubeconfig: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    kube::Client::try_from(config).unwrap()
}

/// Starts one process after the other.
struct Starter<'a> {
    programs: &'a Path,
    place: &'a Path,
    keeper: &'a mut Child,
    processes: Vec<Child>,
}

impl Starter<'_> {
    fn start(&mut self, program: &str, arguments: &[String]) {
        let log = File::create(self.log(program)).unwrap();
        let child = Command::new(self.programs.join(program))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        writeln!(self.keeper.stdin.as_mut().unwrap(), "{}", child.id()).unwrap();
        self.processes.push(child);
    }

    fn log(&self, program: &str) -> PathBuf {
        self.place.join(format!("{program}.log"))
    }

    /// Asks the API server until it says that it is ready, or a process has ended.
    async fn until_ready(&mut self, kubeconfig: &Path, authority: &Path) -> kube::Client {
        let mut moments = tokio::time::interval(Duration::from_millis(100));
        loop {
            moments.tick().await;
            for (process, program) in self.processes.iter_mut().zip(PROGRAMS) {
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
