//! A cluster: opened on its storage, used through its router or over loopback, closed. Starts the controllers and stops
//! them; knows no request.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use tokio::task::JoinHandle;

use crate::access::{Entrance, Identity};
use crate::holder::{self, Holder, HolderFile};
use crate::options::{Options, Storage};
use crate::rules::Rules;
use crate::simulation::Simulation;
use crate::store::{DiskError, Store, holder_path};
use crate::system::System;
use crate::{api, bootstrap, controllers};

/// Why a cluster cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the store open; its work can be done through the address it serves, where it does.
    #[error("the cluster's store {} is held by {}", path.display(), held_by(holder.as_ref()))]
    Held {
        /// The store.
        path: PathBuf,
        /// Who holds it; none where the holder has not said.
        holder: Option<Holder>,
    },
    /// The store's file is damaged.
    #[error("the cluster's store {} cannot be read: {detail}; remove it to begin anew", path.display())]
    Torn {
        /// The store.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The file system refused.
    #[error("the cluster's store {} cannot be opened", path.display())]
    Io {
        /// The store, or what lies beside it.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// The cluster's first objects could not be made.
    #[error("the cluster could not be set up: {detail}")]
    Setup {
        /// What was refused.
        detail: String,
    },
}

fn held_by(holder: Option<&Holder>) -> String {
    match holder {
        Some(Holder { pid, address: Some(address), .. }) => format!("process {pid}, which serves it at {address}"),
        Some(Holder { pid, address: None, .. }) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}

/// A Kubernetes API in this process.
///
/// Dropping it stops the controllers and lets go of the store once every router made from it is gone too; what was
/// acknowledged is durable either way. [`Cluster::close`] does the same and waits for it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use kube_embedded::{Cluster, Options, Storage};
/// let cluster = Cluster::open(Storage::Memory, Options::default()).await?;
/// let router = cluster.router(); // for `kube::Client::new(router, "default")`
/// # drop(router);
/// cluster.close().await;
/// # Ok::<(), kube_embedded::OpenError>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Cluster {
    system: Arc<System>,
    controllers: JoinHandle<()>,
    holder: Mutex<Option<HolderFile>>,
}

impl Cluster {
    /// Opens a cluster and lets its controllers catch up with the present. Must be called inside a tokio runtime, on
    /// which the controllers then run.
    ///
    /// # Errors
    /// [`OpenError::Held`] when another process has the store open, [`OpenError::Torn`] when its file is damaged,
    /// [`OpenError::Io`] when the file system refuses, [`OpenError::Setup`] when the options describe something that
    /// no cluster can have.
    pub async fn open(storage: Storage, options: Options) -> Result<Cluster, OpenError> {
        let path = match &storage {
            Storage::Memory => None,
            Storage::File(path) => Some(path.clone()),
        };
        let store = Store::open(path.as_deref(), options.watch_window, Arc::clone(&options.clock))
            .map_err(|error| refused(path.as_deref(), error))?;
        let holder = match path.as_deref() {
            None => None,
            Some(path) => {
                let beside = holder_path(path);
                let file = HolderFile::write(beside.clone(), None, None);
                Some(file.map_err(|source| OpenError::Io { path: beside, source })?)
            }
        };
        let system = Arc::new(System::new(store, options));
        let setup = |detail: String| OpenError::Setup { detail };
        let rules = Rules::own(system.registry(), Arc::clone(&system.settings));
        system
            .store
            .write(move |txn| bootstrap::run(&rules, txn))
            .await
            .map_err(|error| setup(error.to_string()))?
            .map_err(|failure| setup(failure.to_string()))?;
        let controllers = controllers::start(&system).await.map_err(|error| setup(error.to_string()))?;
        Ok(Cluster { system, controllers, holder: Mutex::new(holder) })
    }

    /// The API as a service, for a client in this process. A request without credentials comes from the
    /// administrator; one that shows a token comes from whoever the token stands for.
    pub fn router(&self) -> Router {
        self.router_as(Identity::admin())
    }

    /// What the simulated machines do: faults of pods and nodes, and how much workloads use.
    pub fn simulation(&self) -> Simulation {
        self.system.simulation.clone()
    }

    /// The same for a client that is somebody else: a request without credentials comes from `identity`, and is
    /// refused what that user may not do.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use kube_embedded::{Cluster, Identity, Options, Storage};
    /// let cluster = Cluster::open(Storage::Memory, Options::default()).await?;
    /// let reader = cluster.router_as(Identity::user("reader", ["reviewers"]));
    /// # drop(reader);
    /// # Ok::<(), kube_embedded::OpenError>(()) }).unwrap();
    /// ```
    pub fn router_as(&self, identity: Identity) -> Router {
        api::router(Arc::clone(&self.system), Entrance::within(identity))
    }

    /// Serves the API over HTTP until `shutdown` ends. `token` is the administrator's; the tokens of
    /// [`Options::identities`] and of ServiceAccounts stand for those users. A request shows its token as its bearer
    /// token, or as the first part of its path, because kubectl sends no credentials without TLS
    /// (`server: http://127.0.0.1:PORT/TOKEN` in a kubeconfig). One that shows none is anonymous, and may read the
    /// version and the health of the cluster. The holder's file names the address meanwhile, so that
    /// [`OpenError::Held`] can.
    ///
    /// # Errors
    /// When the listener is not on a loopback address, or it or the holder's file fails.
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        token: &str,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let address = loopback(&listener)?;
        if let Some(holder) = &*self.holder.lock().unwrap_or_else(PoisonError::into_inner) {
            holder.serving(format!("http://{address}"), token.to_owned())?;
        }
        let router = api::router(Arc::clone(&self.system), Entrance::served(token));
        axum::serve(listener, router).with_graceful_shutdown(shutdown).await
    }

    /// Stops the controllers and lets go of the store, when what is under way has been written.
    pub async fn close(mut self) {
        self.stop();
        // Aborted just now: what it ended with says nothing.
        let _ = (&mut self.controllers).await;
        let system = Arc::clone(&self.system);
        if let Err(error) = tokio::task::spawn_blocking(move || system.store.close()).await {
            tracing::error!(%error, "the store could not be closed");
        }
    }

    fn stop(&self) {
        self.controllers.abort();
        self.holder.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The listener's address, which has to be a loopback one.
pub(crate) fn loopback(listener: &tokio::net::TcpListener) -> std::io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    let text = format!("{address} is no loopback address, and the cluster is served on no other");
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text))
}

fn refused(path: Option<&Path>, error: DiskError) -> OpenError {
    let path = path.map(Path::to_path_buf).unwrap_or_default();
    match error {
        DiskError::Held => OpenError::Held { holder: holder::read(&holder_path(&path)), path },
        DiskError::Torn(detail) => OpenError::Torn { path, detail },
        error @ DiskError::Format { .. } => OpenError::Torn { path, detail: error.to_string() },
        DiskError::Io(source) => OpenError::Io { path, source },
    }
}
