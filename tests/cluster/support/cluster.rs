//! The clusters that stories are told on.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use kube::Client;
use strata::cluster::connect::Choice;

use super::control_plane::ControlPlane;
use crate::story::{on_cluster, on_embedded};

/// A cluster of a story.
#[derive(Clone, Copy)]
pub(crate) enum Cluster {
    /// The cluster inside the program, of the story's own environment.
    Embedded,
    /// A real API server with real controllers, shared by all stories.
    Real(&'static ControlPlane),
}

impl Cluster {
    /// A real API server; `Err` says what is missing where its programs are not on this machine.
    pub(crate) fn real() -> Result<Self, &'static str> {
        ControlPlane::get().map(Self::Real)
    }

    /// What the program has to be told so that it uses this cluster.
    pub(crate) fn arguments(self) -> Vec<String> {
        match self {
            Self::Embedded => Vec::new(),
            Self::Real(real) => vec!["--cluster".to_owned(), format!("kubeconfig:{}", real.kubeconfig.display())],
        }
    }

    /// Whether it is the one inside the program.
    pub(crate) fn is_embedded(self) -> bool {
        matches!(self, Self::Embedded)
    }

    /// What it is.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Embedded => "the embedded cluster".to_owned(),
            Self::Real(real) => format!("a real API server, Kubernetes {}", real.version),
        }
    }

    /// Works on the cluster of the story in `root`, with a client of its own.
    pub(crate) fn with<T>(self, root: &Path, work: impl AsyncFnOnce(Client) -> T) -> T {
        match self {
            Self::Embedded => on_embedded(root, "testing", work),
            Self::Real(real) => on_cluster(root, "testing", &Choice::Kubeconfig(real.kubeconfig.clone(), None), work),
        }
    }
}

/// A process that serves the embedded cluster; it ends when this is dropped.
pub(crate) struct Served {
    process: Child,
}

impl Served {
    /// Serves the cluster of the story in `root`, and returns once it says that it does.
    pub(super) fn start(root: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_strata"))
            .args(["cluster", "serve", "-e", "testing"])
            .env_clear()
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        while !said.contains("serving the cluster of testing") {
            assert_ne!(lines.read_line(&mut said).unwrap(), 0, "{said}");
        }
        // What it says later is read by nobody, and must not end it.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Self { process }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}
