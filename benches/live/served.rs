//! The cluster inside the program, served by a process of its own, so that a client meets it over loopback.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ENVIRONMENT: &str = "\
environment: bench
clusters: {local: {embedded: {nodes: [{name: cpu, count: 1, cpu: 16, memory: 64Gi}]}}}
default_cluster: local
image: {registry: registry.example/bench, tag: 1.0.0}
";

/// A served cluster; it ends with this value.
pub(crate) struct Embedded {
    root: tempfile::TempDir,
    process: Child,
}

impl Embedded {
    /// Starts it and waits until it answers.
    pub(crate) fn start() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("environments")).unwrap();
        std::fs::create_dir(root.path().join("stacks")).unwrap();
        std::fs::write(root.path().join("environments/bench.yaml"), ENVIRONMENT).unwrap();
        let process = strata(&root, &["cluster", "serve", "-e", "bench", "--quiet"]).spawn().unwrap();
        let embedded = Self { root, process };
        while !embedded.write_kubeconfig() {
            std::thread::sleep(Duration::from_millis(50));
        }
        embedded
    }

    /// The file that names it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.root.path().join("kubeconfig")
    }

    fn write_kubeconfig(&self) -> bool {
        let said =
            strata(&self.root, &["cluster", "kubeconfig", "-e", "bench"]).stderr(Stdio::null()).output().unwrap();
        std::fs::write(self.kubeconfig(), &said.stdout).unwrap();
        said.status.success()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn strata(root: &tempfile::TempDir, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strata"));
    command.arg("--root").arg(root.path()).args(words);
    command
}
