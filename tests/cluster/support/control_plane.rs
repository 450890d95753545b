//! A real control plane for the stories: an API server with the controller manager and the scheduler, empty, started once
//! for all stories and gone when the process of the tests is gone.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use control_plane::Programs;

use super::kubelet;

const PROGRAMS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// A control plane that runs.
pub(crate) struct ControlPlane {
    /// A kubeconfig for its master.
    pub(crate) kubeconfig: PathBuf,
    /// What it answers with at `/version`.
    pub(crate) version: String,
    /// Held for as long as the process lives.
    _running: control_plane::ControlPlane,
}

impl ControlPlane {
    /// The control plane of this test run; `Err` says what is missing where its programs are not on this machine.
    pub(crate) fn get() -> Result<&'static Self, &'static str> {
        static RUNNING: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
        RUNNING
            .get_or_init(|| Programs::find(&PROGRAMS).map(|programs| Self::start(&programs)))
            .as_ref()
            .map_err(String::as_str)
    }

    fn start(programs: &Programs) -> Self {
        let mut running = control_plane::ControlPlane::start(programs, Path::new(env!("CARGO_TARGET_TMPDIR")));
        let kubeconfig = running.kubeconfig.clone();
        let throttle = ["--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000"];
        let with = |more: &[String]| {
            let own = format!("--kubeconfig={}", kubeconfig.display());
            [own].into_iter().chain(throttle.map(str::to_owned)).chain(more.iter().cloned()).collect::<Vec<_>>()
        };
        let authority = format!("--root-ca-file={}", running.authority.display());
        let controllers = "--controllers=*,-node-lifecycle-controller".to_owned();
        running.start_beside("kube-controller-manager", &with(&[authority, controllers]));
        running.start_beside("kube-scheduler", &with(&[]));
        kubelet::start(kubeconfig.clone());
        Self { version: running.version.clone(), kubeconfig, _running: running }
    }
}
