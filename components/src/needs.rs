//! What the services of a stack wait for outside of it. Nothing of a service that has a need is applied before that is
//! there; which objects tell that it is, the provider knows.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::desired::{KUBERNETES, Kind, ResourceId};
use crate::model::{Duration, Needs};
use crate::neighbours::Neighbours;
use crate::spec::ServiceSpec;

/// Something outside a stack that can be waited for.
///
/// ```
/// use strata_components::needs::Needed;
/// let needed = Needed::Service { namespace: "data".into(), name: "postgres".into() };
/// assert_eq!(needed.to_string(), "a ready endpoint of Service data/postgres");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "needed", rename_all = "snake_case")]
pub enum Needed {
    /// A Service with at least one ready endpoint.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A CustomResourceDefinition that is established.
    Definition {
        /// Its name.
        name: String,
    },
    /// Nodes that are ready and take pods.
    Nodes {
        /// The label that they carry: `key=value`, or `key` for any value.
        label: String,
        /// How many at the least.
        count: u32,
    },
    /// A RuntimeClass, which pods with a GPU run under.
    RuntimeClass {
        /// Its name.
        name: String,
    },
}

impl Needed {
    /// The object by which it is told, on the cluster that is called `target`. Nodes are told by their label.
    #[must_use]
    pub fn id(&self, target: &str) -> ResourceId {
        let (group, kind, namespace, name) = match self {
            Self::Service { namespace, name } => ("", "Service", Some(namespace.clone()), name),
            Self::Definition { name } => ("apiextensions.k8s.io", "CustomResourceDefinition", None, name),
            Self::Nodes { label, .. } => ("", "Node", None, label),
            Self::RuntimeClass { name } => ("node.k8s.io", "RuntimeClass", None, name),
        };
        let kind = Kind { group: group.to_owned(), version: "v1".to_owned(), kind: kind.to_owned() };
        let (provider, target, name) = (KUBERNETES.to_owned(), target.to_owned(), name.clone());
        ResourceId { provider, target, kind, namespace, name }
    }
}

impl fmt::Display for Needed {
    /// What has to be there, as a sentence speaks of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { namespace, name } => write!(f, "a ready endpoint of Service {namespace}/{name}"),
            Self::Definition { name } => write!(f, "CustomResourceDefinition {name}, established"),
            Self::Nodes { label, count: 1 } => write!(f, "a ready node with the label {label}"),
            Self::Nodes { label, count } => write!(f, "{count} ready nodes with the label {label}"),
            Self::RuntimeClass { name } => write!(f, "RuntimeClass {name}"),
        }
    }
}

/// Something that is waited for, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// What is waited for.
    #[serde(flatten)]
    pub needed: Needed,
    /// How long at the most, where the stack says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
    /// The other stack of the same environment that brings it, where one does: that is brought up first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

impl fmt::Display for Need {
    /// What has to be there, and who brings it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stack {
            Some(stack) => write!(f, "{} of the stack {stack}", self.needed),
            None => self.needed.fmt(f),
        }
    }
}

/// The needs of every service that has any, sorted and each once: what it names itself, the services of other stacks that
/// it depends on, and what its pods run under where this stack does not make that.
pub(crate) fn needs<'a>(
    context: &Context<'_>,
    specs: impl IntoIterator<Item = &'a ServiceSpec>,
    neighbours: &Neighbours<'_>,
) -> BTreeMap<String, Vec<Need>> {
    let runtime = runtime_class(context);
    let of = |spec: &ServiceSpec| {
        let runtime = runtime.iter().filter(|_| spec.gpus > 0).cloned();
        (spec.name.to_string(), all(spec, neighbours, runtime))
    };
    specs.into_iter().map(of).filter(|(_, needs)| !needs.is_empty()).collect()
}

/// The RuntimeClass of pods with a GPU, which the cluster brings, or the stack that has the device plugin.
fn runtime_class(context: &Context<'_>) -> Option<Need> {
    let class = context.environment.gpu.runtime_class.as_ref()?;
    if class.create && context.stack.device_plugin.is_some() {
        return None;
    }
    let maker = context.others.iter().find(|other| class.create && other.device_plugin.is_some());
    let needed = Needed::RuntimeClass { name: class.name.to_string() };
    Some(Need { needed, within: None, stack: maker.map(|maker| maker.stack.to_string()) })
}

fn all(spec: &ServiceSpec, neighbours: &Neighbours<'_>, runtime: impl Iterator<Item = Need>) -> Vec<Need> {
    let Needs { services, definitions, nodes } = &spec.needs;
    let services = services.iter().map(|service| Need {
        needed: Needed::Service { namespace: service.namespace.to_string(), name: service.name.to_string() },
        within: service.within,
        stack: None,
    });
    let definitions = definitions.iter().map(|definition| Need {
        needed: Needed::Definition { name: definition.name.to_string() },
        within: definition.within,
        stack: None,
    });
    let nodes = nodes.iter().map(|nodes| Need {
        needed: Needed::Nodes { label: nodes.label.to_string(), count: nodes.count.get() },
        within: nodes.within,
        stack: None,
    });
    let mut all: Vec<Need> = services.chain(definitions).chain(nodes).chain(runtime).collect();
    for (stack, neighbour) in neighbours.called_elsewhere(spec) {
        let needed = Needed::Service { namespace: neighbour.namespace.clone(), name: neighbour.object_name.clone() };
        let stack = Some(stack.to_owned());
        match all.iter_mut().find(|named| named.needed == needed) {
            // How long is what the service says itself.
            Some(named) => named.stack = stack,
            None => all.push(Need { needed, within: None, stack }),
        }
    }
    all.sort();
    all.dedup();
    all
}
