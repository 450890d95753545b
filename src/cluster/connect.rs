//! Reaching a cluster: the one inside this program, in process or through the process that holds it, or any
//! context of a kubeconfig.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube_embedded::{Holder, NodeSpec, OpenError, Options, Storage, Taint};
use serde_json::json;
use strata_components::model::{Cluster as Described, EmbeddedCluster, Environment, NodeGroup, Provided};
use strata_components::provided::DEFINITIONS;
use thiserror::Error;

use super::provided;
use super::request::{BoxError, Renew};

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long an answer may stay away while a stream is open: longer than a watch of the API server lasts in silence.
const READ_LIMIT: Duration = Duration::from_secs(295);

/// The UIDs one of which the namespace `kube-system` of a cluster must have; any cluster will do where none are said.
pub type Guards = Option<Vec<String>>;

/// Which cluster is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The cluster inside this program, as the environment describes it.
    Embedded(EmbeddedCluster),
    /// A context of the user's kubeconfig, and what the cluster behind it may be.
    Context(String, Guards),
    /// The current context of a kubeconfig file, and what the cluster behind it may be.
    Kubeconfig(PathBuf, Guards),
}

/// A choice of cluster that cannot be followed.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// `--cluster` names nothing that is known.
    #[error(
        "--cluster {given} is none of the environment's clusters ({known}), nor embedded, context:NAME or kubeconfig:FILE"
    )]
    UnknownCluster {
        /// What was given.
        given: String,
        /// What the environment has.
        known: String,
    },
    /// The kubeconfig cannot be read or used.
    #[error("reading the kubeconfig for {what}")]
    Kubeconfig {
        /// Which context or file.
        what: String,
        /// What is wrong with it.
        #[source]
        source: KubeconfigError,
    },
    /// No client can be made of the configuration.
    #[error("connecting to {what}")]
    Client {
        /// Which cluster.
        what: String,
        /// Why not.
        #[source]
        source: Box<kube::Error>,
    },
    /// The directory of embedded clusters cannot be made.
    #[error("making the directory {}", path.display())]
    Store {
        /// The directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The embedded cluster cannot be opened.
    #[error("opening the environment's embedded cluster")]
    Embedded(#[source] OpenError),
    /// What the embedded cluster is to provide cannot be installed.
    #[error("installing what the environment's embedded cluster provides")]
    Provided(#[source] provided::InstallError),
}

impl Choice {
    /// What `given` means in an environment; its default cluster where nothing is given. Returns the name that
    /// plans show, too.
    ///
    /// # Errors
    ///
    /// [`ConnectError::UnknownCluster`] where `given` names nothing.
    pub fn of(given: Option<&str>, environment: &Environment) -> Result<(String, Self), ConnectError> {
        let described = |cluster: &Described| match cluster {
            Described::Embedded(embedded) => Self::Embedded(embedded.clone()),
            Described::Context(context) => {
                Self::Context(context.context.clone(), context.guard.as_ref().map(|guard| vec![guard.uid.clone()]))
            }
        };
        let named = |name: &str| {
            let (_, cluster) = environment.clusters.iter().find(|(known, _)| known.as_str() == name)?;
            Some((name.to_owned(), described(cluster)))
        };
        let default = environment.default_cluster.as_str();
        let unknown = |given: &str| ConnectError::UnknownCluster {
            given: given.to_owned(),
            known: environment.clusters.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
        };
        match given {
            None => named(default).ok_or_else(|| unknown(default)),
            Some("embedded") => {
                let embedded = environment.clusters.iter().find_map(|(name, cluster)| match cluster {
                    Described::Embedded(embedded) => Some((name.to_string(), Self::Embedded(embedded.clone()))),
                    Described::Context(_) => None,
                });
                Ok(embedded.unwrap_or_else(|| ("embedded".to_owned(), Self::Embedded(EmbeddedCluster::default()))))
            }
            Some(given) => match given.split_once(':') {
                Some(("context", name)) if !name.is_empty() => {
                    // The environment's guard goes with the context, however it was named.
                    let known = environment.clusters.values().find_map(|cluster| match cluster {
                        Described::Context(context) if context.context == name => Some(described(cluster)),
                        _ => None,
                    });
                    let other = || Self::Context(name.to_owned(), guards(environment));
                    Ok((given.to_owned(), known.unwrap_or_else(other)))
                }
                Some(("kubeconfig", file)) if !file.is_empty() => {
                    Ok((given.to_owned(), Self::Kubeconfig(PathBuf::from(file), guards(environment))))
                }
                _ => named(given).ok_or_else(|| unknown(given)),
            },
        }
    }
}

/// What a cluster may be that the environment does not name: one of those that it guards. Where it has a context that it
/// does not guard, or none, any.
fn guards(environment: &Environment) -> Guards {
    let contexts = environment.clusters.values().filter_map(|cluster| match cluster {
        Described::Context(context) => Some(context.guard.as_ref().map(|guard| guard.uid.clone())),
        Described::Embedded(_) => None,
    });
    contexts.collect::<Guards>().filter(|guards| !guards.is_empty())
}

/// A client, and what has to live as long as it.
pub struct Connection {
    /// The client.
    pub client: kube::Client,
    /// What the cluster may be.
    pub guard: Guards,
    /// Makes a client with fresh credentials, where there can be any.
    pub renew: Option<Renew>,
    embedded: Option<kube_embedded::Cluster>,
}

impl Connection {
    /// Reaches the cluster. `store` is the file of the environment's embedded cluster.
    ///
    /// # Errors
    ///
    /// Every [`ConnectError`] but the first.
    pub async fn open(choice: &Choice, store: &Path) -> Result<Self, ConnectError> {
        match choice {
            Choice::Embedded(described) => Self::open_embedded(described, store).await,
            Choice::Context(name, guard) => {
                let renewed = name.clone();
                let renew: Renew = Arc::new(move || fresh(Source::Context(renewed.clone())));
                let config = Source::Context(name.clone()).read().await;
                Self::from_config(format!("context {name}"), config, guard.clone(), Some(renew))
            }
            Choice::Kubeconfig(file, guard) => {
                let renewed = file.clone();
                let renew: Renew = Arc::new(move || fresh(Source::File(renewed.clone())));
                let config = Source::File(file.clone()).read().await;
                Self::from_config(format!("file {}", file.display()), config, guard.clone(), Some(renew))
            }
        }
    }

    /// Opens a cluster in memory that serves every kind that stacks are made of, and holds nothing: to ask what a kind is
    /// called in a path without asking a real one.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Embedded`] and [`ConnectError::Provided`].
    pub async fn imagined() -> Result<Self, ConnectError> {
        let provides: BTreeSet<Provided> = DEFINITIONS.iter().map(|definition| definition.by).collect();
        let described = EmbeddedCluster { provides: provides.into_iter().collect(), ..EmbeddedCluster::default() };
        let cluster = open_storage(&described, Storage::Memory).await?;
        let client = kube::Client::new(cluster.router(), "default");
        Ok(Self { client, guard: None, renew: None, embedded: Some(cluster) })
    }

    fn from_config(
        what: String,
        config: Result<kube::Config, KubeconfigError>,
        guard: Guards,
        renew: Option<Renew>,
    ) -> Result<Self, ConnectError> {
        let config = config.map_err(|source| ConnectError::Kubeconfig { what: what.clone(), source })?;
        let client = client(config).map_err(|source| ConnectError::Client { what, source: Box::new(source) })?;
        Ok(Self { client, guard, renew, embedded: None })
    }

    async fn open_embedded(described: &EmbeddedCluster, store: &Path) -> Result<Self, ConnectError> {
        match open_store(described, store).await {
            Ok(cluster) => {
                let client = kube::Client::new(cluster.router(), "default");
                Ok(Self { client, guard: None, renew: None, embedded: Some(cluster) })
            }
            Err(ConnectError::Embedded(OpenError::Held { path, holder })) => {
                let held = |holder| ConnectError::Embedded(OpenError::Held { path, holder });
                let Some((config, pid)) = holder.as_ref().and_then(|holder| Some((served(holder)?, holder.pid))) else {
                    return Err(held(holder));
                };
                let what = format!("the embedded cluster that process {pid} serves");
                Self::from_config(what, Ok(config), None, None)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets go of the cluster, and writes what is left to write.
    pub async fn close(self) {
        let Self { client, guard: _, renew: _, embedded } = self;
        drop(client);
        if let Some(cluster) = embedded {
            cluster.close().await;
        }
    }
}

/// How to reach the cluster through the process that holds it; `None` where that process does not serve it.
fn served(holder: &Holder) -> Option<kube::Config> {
    let mut config = kube::Config::new(holder.address.as_ref()?.parse().ok()?);
    let token: AuthInfo = serde_json::from_value(json!({"token": holder.token.as_ref()?})).ok()?;
    config.auth_info = token;
    Some(config)
}

/// Where a configuration is read, and read again for fresh credentials.
enum Source {
    Context(String),
    File(PathBuf),
}

impl Source {
    async fn read(self) -> Result<kube::Config, KubeconfigError> {
        match self {
            Self::Context(name) => {
                let options = KubeConfigOptions { context: Some(name), cluster: None, user: None };
                kube::Config::from_kubeconfig(&options).await
            }
            Self::File(file) => {
                let kubeconfig = Kubeconfig::read_from(file)?;
                kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
            }
        }
    }
}

/// A client as at the beginning: the kubeconfig and its token files are read, and its plugin is asked, once more.
fn fresh(source: Source) -> BoxFuture<'static, Result<kube::Client, BoxError>> {
    Box::pin(async move {
        let config = source.read().await?;
        // A plugin is a program that may take its time. A connection belongs to the runtime it was made in.
        let runtime = tokio::runtime::Handle::current();
        let made = tokio::task::spawn_blocking(move || {
            let _inside = runtime.enter();
            client(config)
        });
        Ok(made.await??)
    })
}

/// A client whose requests end, and which leaves retries to us.
fn client(mut config: kube::Config) -> Result<kube::Client, kube::Error> {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    kube::Client::try_from(config)
}

/// Opens the embedded cluster that is stored in this file, and makes it, in a directory that git ignores, where it is
/// missing.
///
/// # Errors
///
/// [`ConnectError::Store`], [`ConnectError::Embedded`] and [`ConnectError::Provided`].
pub async fn open_store(described: &EmbeddedCluster, store: &Path) -> Result<kube_embedded::Cluster, ConnectError> {
    if let Some(dir) = store.parent() {
        let refused = |source| ConnectError::Store { path: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(refused)?;
        let ignore = dir.join(".gitignore");
        if !ignore.exists() {
            std::fs::write(ignore, "*\n").map_err(refused)?;
        }
    }
    open_storage(described, Storage::File(store.to_owned())).await
}

/// Opens the embedded cluster that an environment describes over any storage, with what it is to provide.
///
/// # Errors
///
/// [`ConnectError::Embedded`] and [`ConnectError::Provided`].
pub async fn open_storage(
    described: &EmbeddedCluster,
    storage: Storage,
) -> Result<kube_embedded::Cluster, ConnectError> {
    let cluster = kube_embedded::Cluster::open(storage, options(described)).await.map_err(ConnectError::Embedded)?;
    let client = kube::Client::new(cluster.router(), "default");
    provided::install(&client, &described.provides).await.map_err(ConnectError::Provided)?;
    Ok(cluster)
}

/// How the embedded cluster is set up for this description.
fn options(described: &EmbeddedCluster) -> Options {
    let mut options = Options { ready_after: described.ready_after.as_std(), ..Options::default() };
    if !described.nodes.is_empty() {
        options.nodes = described.nodes.iter().flat_map(nodes).collect();
    }
    options
}

fn nodes(group: &NodeGroup) -> Vec<NodeSpec> {
    let node = |name: String| NodeSpec {
        cpu: group.cpu.to_string(),
        memory: group.memory.to_string(),
        pods: group.pods.get(),
        gpus: group.gpus.get(),
        gpu_resource: group.gpu_resource.as_ref().map_or_else(|| "nvidia.com/gpu".to_owned(), ToString::to_string),
        architecture: group.architecture.as_str().to_owned(),
        labels: group.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        taints: group
            .taints
            .iter()
            .map(|taint| Taint {
                key: taint.key.to_string(),
                value: taint.value.as_ref().map(ToString::to_string).unwrap_or_default(),
                effect: format!("{:?}", taint.effect),
            })
            .collect(),
        ..NodeSpec::named(&name)
    };
    group.node_names().into_iter().map(node).collect()
}
