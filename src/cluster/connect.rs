//! Reaching a cluster: the one inside this program, in process or through the process that holds it, or any
//! context of a kubeconfig.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use strata_components::model::{Cluster as Described, EmbeddedCluster, Environment};
use thiserror::Error;

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long an answer may stay away while a stream is open: longer than a watch of the API server lasts in silence.
const READ_LIMIT: Duration = Duration::from_secs(295);

/// Which cluster is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The cluster inside this program, as the environment describes it.
    Embedded(EmbeddedCluster),
    /// A context of the user's kubeconfig, with the UID that its namespace `kube-system` must have.
    Context(String, Option<String>),
    /// The current context of a kubeconfig file.
    Kubeconfig(PathBuf),
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
        source: kube::config::KubeconfigError,
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
    /// The embedded cluster cannot be opened.
    #[error("the embedded cluster cannot be opened yet: name another with --cluster")]
    Embedded,
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
                Self::Context(context.context.clone(), context.guard.as_ref().map(|guard| guard.uid.clone()))
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
                    let guard = environment.clusters.values().find_map(|cluster| match cluster {
                        Described::Context(context) if context.context == name => context.guard.clone(),
                        _ => None,
                    });
                    Ok((given.to_owned(), Self::Context(name.to_owned(), guard.map(|guard| guard.uid))))
                }
                Some(("kubeconfig", file)) if !file.is_empty() => {
                    Ok((given.to_owned(), Self::Kubeconfig(PathBuf::from(file))))
                }
                _ => named(given).ok_or_else(|| unknown(given)),
            },
        }
    }
}

/// A client, and what has to live as long as it.
pub struct Connection {
    /// The client.
    pub client: kube::Client,
    /// The UID the cluster's namespace `kube-system` must have.
    pub guard: Option<String>,
}

impl Connection {
    /// Reaches the cluster.
    ///
    /// # Errors
    ///
    /// Every [`ConnectError`] but the first.
    pub async fn open(choice: &Choice) -> Result<Self, ConnectError> {
        match choice {
            Choice::Embedded(_) => Err(ConnectError::Embedded),
            Choice::Context(name, guard) => {
                let options = KubeConfigOptions { context: Some(name.clone()), cluster: None, user: None };
                let what = format!("context {name}");
                let config = kube::Config::from_kubeconfig(&options).await;
                Self::from_config(what, config, guard.clone())
            }
            Choice::Kubeconfig(file) => {
                let what = format!("file {}", file.display());
                let config = match Kubeconfig::read_from(file) {
                    Ok(kubeconfig) => {
                        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
                    }
                    Err(error) => Err(error),
                };
                Self::from_config(what, config, None)
            }
        }
    }

    fn from_config(
        what: String,
        config: Result<kube::Config, kube::config::KubeconfigError>,
        guard: Option<String>,
    ) -> Result<Self, ConnectError> {
        let config = config.map_err(|source| ConnectError::Kubeconfig { what: what.clone(), source })?;
        let client = client(config).map_err(|source| ConnectError::Client { what, source: Box::new(source) })?;
        Ok(Self { client, guard })
    }
}

/// A client whose requests end, and which leaves retries to us.
fn client(mut config: kube::Config) -> Result<kube::Client, kube::Error> {
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT_LIMIT);
    config.read_timeout = Some(READ_LIMIT);
    kube::Client::try_from(config)
}
