//! The names that the files of a root give, as far as they can be read: to offer them, never to decide anything.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use strata_components::model::Stack;

use crate::load::Root;
use crate::load::source::Source;

/// A name, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) name: String,
    pub(super) about: Option<String>,
}

/// Where names come from.
#[derive(Debug, Clone)]
pub(super) struct Names {
    root: PathBuf,
    stack: Option<String>,
    environment: Option<String>,
    /// The stack that a Rust program brings.
    brought: Option<Stack>,
}

impl Names {
    /// Those of a root; `stack` and `environment` are what was named so far.
    pub(super) fn new(
        root: PathBuf,
        stack: Option<String>,
        environment: Option<String>,
        brought: Option<Stack>,
    ) -> Self {
        Self { root, stack, environment, brought }
    }

    /// The stacks that can be named.
    pub(super) fn stacks(&self) -> Vec<Name> {
        let brought = self.brought.iter().map(|stack| stack.stack.to_string());
        let of_files = Root::open(&self.root).map(|root| root.stacks()).unwrap_or_default();
        let mut names: Vec<String> = brought.chain(of_files).collect();
        names.sort();
        names.dedup();
        names.into_iter().map(|name| Name { about: text(&self.stack_file(&name)["description"]), name }).collect()
    }

    /// The stacks that may be deployed to an environment, as far as their files say.
    pub(super) fn stacks_for(&self, environment: &str) -> Vec<Name> {
        let may = |stack: &Name| {
            let file = self.stack_file(&stack.name);
            file["environments"].as_array().is_none_or(|named| named.iter().any(|one| one == environment))
        };
        self.stacks().into_iter().filter(may).collect()
    }

    /// The environments.
    pub(super) fn environments(&self) -> Vec<Name> {
        let names = Root::open(&self.root).map(|root| root.environments()).unwrap_or_default();
        let about = |name: &str| text(&self.environment_file(name)["description"]);
        names.into_iter().map(|name| Name { about: about(&name), name }).collect()
    }

    /// The services of the stack.
    pub(super) fn services(&self) -> Vec<Name> {
        let file = self.named_stack();
        let services = file["services"].as_object().into_iter().flatten();
        services.map(|(name, service)| Name { name: name.clone(), about: text(&service["purpose"]) }).collect()
    }

    /// The phases that the stack names.
    pub(super) fn phases(&self) -> Vec<Name> {
        let file = self.named_stack();
        let phases = file["phases"].as_array().into_iter().flatten();
        phases.filter_map(|phase| Some(Name { name: phase.as_str()?.to_owned(), about: None })).collect()
    }

    /// The ends of a connection that have names.
    pub(super) fn ends(&self) -> Vec<Name> {
        let fixed = [("dns", "the cluster's DNS"), ("ingress-controller", "where traffic from outside comes in")];
        let fixed = fixed.map(|(name, about)| Name { name: name.to_owned(), about: Some(about.to_owned()) });
        self.services().into_iter().chain(fixed).collect()
    }

    /// The clusters that the environment names.
    pub(super) fn clusters(&self) -> Vec<Name> {
        let file = self.environment.as_deref().map_or(Value::Null, |name| self.environment_file(name));
        let clusters = file["clusters"].as_object().into_iter().flatten();
        let mut names: Vec<String> =
            clusters.filter_map(|(_, cluster)| Some(format!("context:{}", cluster["context"].as_str()?))).collect();
        names.push("embedded".to_owned());
        names.sort();
        names.dedup();
        names.into_iter().map(|name| Name { name, about: None }).collect()
    }

    /// What the file of the stack that was named says.
    fn named_stack(&self) -> Value {
        self.stack.as_deref().map_or(Value::Null, |stack| self.stack_file(stack))
    }

    fn stack_file(&self, name: &str) -> Value {
        match &self.brought {
            Some(stack) if stack.stack.as_str() == name => serde_json::to_value(stack).unwrap_or_default(),
            _ if name.ends_with(".yaml") => read(&self.root.join(name)),
            _ => read(&self.root.join("stacks").join(format!("{name}.yaml"))),
        }
    }

    fn environment_file(&self, name: &str) -> Value {
        read(&self.root.join("environments").join(format!("{name}.yaml")))
    }
}

/// What a file says; nothing where it cannot be read.
fn read(path: &Path) -> Value {
    // A pipe would make the shell wait.
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return Value::Null;
    }
    let source = Source::read(path, "").ok();
    source.and_then(|source| serde_saphyr::from_str(&source.text).ok()).unwrap_or_default()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
