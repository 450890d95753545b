//! Names on the command line that fit nothing: a slip of the pen in what is to be deleted, forgotten or aimed at would
//! otherwise do nothing, and not say so.

use std::collections::BTreeSet;

use strata_components::desired::Desired;
use thiserror::Error;

use super::policy::{Policy, named};
use crate::load::suggest::{instead, nearest};
use crate::observe::{Owner, Snapshot};

/// A name that fits nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UnknownName {
    /// No service is called so.
    #[error("there is no service {name} in stack {stack}")]
    Service {
        /// The name, as it was written.
        name: String,
        /// The stack in which it was looked for.
        stack: String,
        /// What was probably meant, or what there is.
        help: String,
    },
    /// No object is called so, neither in the stack nor among what belongs to the instance.
    #[error("nothing of {instance} is called {name}")]
    Object {
        /// The name, as it was written.
        name: String,
        /// The instance in which it was looked for.
        instance: String,
        /// What was probably meant, or what there is.
        help: String,
    },
}

impl UnknownName {
    /// The name, as it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Service { name, .. } | Self::Object { name, .. } => name,
        }
    }

    /// What was probably meant, or what there is.
    #[must_use]
    pub fn help(&self) -> &str {
        match self {
            Self::Service { help, .. } | Self::Object { help, .. } => help,
        }
    }
}

/// The names of a policy that fit nothing, in the order targets, deletes, forgets, each once. `stack` is what the stack
/// says also where nothing is desired: what it names and is gone already fits.
#[must_use]
pub fn unknown_names(stack: &Desired, snapshot: &Snapshot, policy: &Policy) -> Vec<UnknownName> {
    let services: Vec<&str> = stack.phases.iter().flat_map(|phase| &phase.services).map(String::as_str).collect();
    let own = snapshot.objects.iter().filter(|live| live.owner == Owner::This).map(|live| &live.id);
    let objects: BTreeSet<String> = own.chain(stack.resources.iter().map(|one| &one.id)).map(named).collect();
    let mut told = BTreeSet::new();
    let mut unknown = Vec::new();
    for name in policy.targets.iter().filter(|name| !services.contains(&name.as_str()) && told.insert(*name)) {
        unknown.push(UnknownName::Service {
            name: name.clone(),
            stack: stack.instance.stack.clone(),
            help: instead(name, "services here", services.clone()),
        });
    }
    let mut told = BTreeSet::new();
    let asked = policy.delete.iter().chain(&policy.forget);
    for name in asked.filter(|name| !objects.contains(*name) && told.insert(*name)) {
        let (name, instance) = (name.clone(), stack.instance.name());
        unknown.push(UnknownName::Object { help: meant(&name, &objects), name, instance });
    }
    unknown
}

/// What may have been meant by the name of an object, `Kind/name`.
fn meant(written: &str, objects: &BTreeSet<String>) -> String {
    let kinds: BTreeSet<&str> =
        objects.iter().filter_map(|object| object.split_once('/')).map(|(kind, _)| kind).collect();
    let Some((kind, name)) = written.split_once('/') else {
        return "name it as KIND/NAME".to_owned();
    };
    // A slip in the one part is no reason to look for the other elsewhere.
    let Some(kind) = nearest(kind, kinds.iter().copied()) else {
        return instead(kind, "kinds it has", kinds);
    };
    let of_kind = objects.iter().filter_map(|object| object.split_once('/')).filter(|(of, _)| *of == kind);
    let names: Vec<&str> = of_kind.map(|(_, name)| name).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{kind}/{near}`?"),
        None => instead(name, &format!("what it has of kind {kind}"), names),
    }
}
