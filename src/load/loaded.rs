//! A stack and an environment that were loaded, where their values stand, and where stacks come from.

use std::path::Path;

use strata_components::model::{Environment, ServiceName, ServiceOverride, Stack};

use super::decode::Decoded;
use super::error::LoadError;
use super::references::{admission, default_cluster, of_environment, of_stack};
use super::root::{Root, STACK};
use super::rules;
use super::spans::{SpanMap, field};
use crate::finding::{Finding, Location, Sources, Tally, settle};
use crate::policies::PolicyFile;

/// Where a stack comes from: a file, or a Rust program.
///
/// A name or path is a source, by [`YamlStack`]; a [`Stack`] is one itself.
pub trait StackSource {
    /// Loads the stack, and from the root the environment and what other stacks there are.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the files, and with the references between them.
    fn load(&self, root: &Path, environment: &str) -> Result<Loaded, LoadError>;
}

/// A stack in a YAML file of the root: its name in stacks/, or a path to a file inside the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YamlStack(pub String);

/// A stack, an environment that admits it, and what else the root holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The stack.
    pub stack: Stack,
    /// The environment.
    pub environment: Environment,
    /// The other stacks of the root that could be read, by name.
    pub others: Vec<Decoded<Stack>>,
    /// The files of policies, by name.
    pub policies: Vec<Decoded<PolicyFile>>,
    /// Where values of stack and environment stand.
    pub places: Places,
    /// Findings that stop nothing.
    pub findings: Vec<Finding>,
}

impl Loaded {
    /// What the environment changes about a service of the stack, and the path of that in the environment.
    #[must_use]
    pub fn change(&self, service: &ServiceName) -> Option<(String, &ServiceOverride)> {
        let change = self.environment.override_of(&self.stack.stack, service)?;
        let precise = format!("{}/{service}", self.stack.stack);
        let key = if self.environment.services.contains_key(precise.as_str()) { &precise } else { service.as_str() };
        Some((field("services", key), change))
    }

    /// The other stacks that may stand in the environment, by name.
    #[must_use]
    pub fn neighbours(&self) -> Vec<&Stack> {
        self.beside().map(|other| &other.value).collect()
    }

    /// The same, with the places where their values stand.
    pub fn beside(&self) -> impl Iterator<Item = &Decoded<Stack>> {
        let here = &self.environment;
        self.others.iter().filter(|Decoded { value: stack, .. }| {
            (here.stacks.is_empty() || here.stacks.contains(&stack.stack))
                && (stack.environments.is_empty() || stack.environments.contains(&here.environment))
        })
    }

    /// The text of every file that was read, for findings to point into.
    #[must_use]
    pub fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        let own = [&self.places.stack, &self.places.environment].into_iter().flatten();
        let others = self.others.iter().map(|other| &other.spans);
        for spans in own.chain(others).chain(self.policies.iter().map(|file| &file.spans)) {
            sources.insert(spans.file(), spans.source().text.clone());
        }
        sources
    }
}

/// Where the values of a stack and an environment stand. What does not come from a file stands nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The stack's.
    pub stack: Option<SpanMap>,
    /// The environment's.
    pub environment: Option<SpanMap>,
}

impl Places {
    /// Where a value of the stack stands, or what is nearest to it.
    #[must_use]
    pub fn stack_value(&self, path: &str) -> Option<Location> {
        self.stack.as_ref().and_then(|spans| spans.near(path))
    }

    /// Where a key of the stack stands.
    #[must_use]
    pub fn stack_key(&self, path: &str) -> Option<Location> {
        self.stack.as_ref().and_then(|spans| spans.key(path).or_else(|| spans.near(path)))
    }

    /// Where a value of the environment stands, or what is nearest to it.
    #[must_use]
    pub fn environment_value(&self, path: &str) -> Option<Location> {
        self.environment.as_ref().and_then(|spans| spans.near(path))
    }

    /// Where a key of the environment stands.
    #[must_use]
    pub fn environment_key(&self, path: &str) -> Option<Location> {
        self.environment.as_ref().and_then(|spans| spans.key(path).or_else(|| spans.near(path)))
    }
}

impl StackSource for YamlStack {
    fn load(&self, root: &Path, environment: &str) -> Result<Loaded, LoadError> {
        let root = Root::open(root)?;
        let stack = root.stack(&self.0).and_then(|found| root.read_stack(&found));
        assemble(&root, stack.map(|decoded| (decoded.value, Some(decoded.spans))), environment)
    }
}

impl StackSource for Stack {
    fn load(&self, root: &Path, environment: &str) -> Result<Loaded, LoadError> {
        let root = Root::open(root)?;
        assemble(&root, Ok((self.clone(), None)), environment)
    }
}

impl Root {
    /// Every pair of a stack and an environment of the root that admit each other, sorted. A pair of which a file cannot be
    /// read is among them: it may well be one.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let stacks: Vec<(String, Option<Stack>)> = self.stacks().into_iter().map(|name| self.stack_of(name)).collect();
        let environments = self.environments().into_iter().map(|name| {
            let environment = self.load_environment(&name).ok();
            (name, environment)
        });
        let environments: Vec<(String, Option<Environment>)> = environments.collect();
        let mut pairs = Vec::new();
        for (stack, read) in &stacks {
            for (environment, of) in &environments {
                let admitted = match (read, of) {
                    (Some(stack), Some(environment)) => admission(stack, environment, &Places::default()).is_none(),
                    _ => true,
                };
                if admitted {
                    pairs.push((stack.clone(), environment.clone()));
                }
            }
        }
        pairs
    }

    fn stack_of(&self, name: String) -> (String, Option<Stack>) {
        let read = self.stack(&name).and_then(|found| self.read_stack(&found));
        (name, read.ok().map(|decoded| decoded.value))
    }

    /// Loads a stack (by name or path) and an environment (by name).
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the files, and with the references between them.
    pub fn load(&self, stack: &str, environment: &str) -> Result<Loaded, LoadError> {
        YamlStack(stack.to_owned()).load(self.dir(), environment)
    }
}

fn assemble(
    root: &Root,
    stack: Result<(Stack, Option<SpanMap>), LoadError>,
    environment: &str,
) -> Result<Loaded, LoadError> {
    let environment = root.environment(environment).and_then(|found| root.read_environment(&found));
    let (policies, of_policies) = match root.policies() {
        Ok(policies) => (policies, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    // What is wrong in any file is said at once.
    let ((stack, spans), environment) = match (stack, environment) {
        (Ok(stack), Ok(environment)) => (stack, environment),
        (Err(one), Err(other)) => return Err(one.and(other).and_all(of_policies)),
        (Err(error), Ok(environment)) => return Err(error.and_all(of_clusters(environment)).and_all(of_policies)),
        (Ok((stack, spans)), Err(error)) => {
            return Err(error.and_all(of_stack_alone(root, stack, spans)).and_all(of_policies));
        }
    };
    let places = Places { stack: spans, environment: Some(environment.spans) };
    let environment = environment.value;
    let (others, mut findings) = other_stacks(root, &stack, &places);
    let complete = findings.is_empty();

    let elsewhere: Vec<&Stack> = others.iter().map(|other| &other.value).collect();
    let mut errors = of_stack(&stack, &others, complete, &places);
    if let Some(refusal) = admission(&stack, &environment, &places) {
        errors.push(refusal);
    } else if complete {
        let admits = |stack: &&Stack| environment.stacks.is_empty() || environment.stacks.contains(&stack.stack);
        let admitted: Vec<&Stack> = std::iter::once(&stack).chain(elsewhere.iter().copied().filter(admits)).collect();
        errors.extend(of_environment(&environment, &admitted, &places));
    }
    settle(&mut findings);
    let loaded = Loaded { stack, environment, others, policies, places, findings };
    if errors.is_empty() {
        return of_policies.map_or(Ok(loaded), Err);
    }
    let sources = loaded.sources();
    Err(LoadError { sources, ..LoadError::new(errors) }.and_all(of_policies))
}

/// What can be said of an environment without the stack.
fn of_clusters(environment: Decoded<Environment>) -> Option<LoadError> {
    let source = environment.spans.source().clone();
    let places = Places { environment: Some(environment.spans), ..Places::default() };
    let finding = default_cluster(&environment.value, &places)?;
    Some(LoadError::from(finding).with_source(&source.file, source.text))
}

/// What can be said of a stack without the environment.
fn of_stack_alone(root: &Root, stack: Stack, spans: Option<SpanMap>) -> Option<LoadError> {
    let places = Places { stack: spans, ..Places::default() };
    let (others, left_out) = other_stacks(root, &stack, &places);
    let findings = of_stack(&stack, &others, left_out.is_empty(), &places);
    let source = places.stack.as_ref().map(|spans| spans.source().clone())?;
    (!findings.is_empty()).then(|| LoadError::new(findings).with_source(&source.file, source.text))
}

/// The other stacks of the root, and a warning for each that cannot be read.
fn other_stacks(root: &Root, own: &Stack, places: &Places) -> (Vec<Decoded<Stack>>, Vec<Finding>) {
    let mut others = Vec::new();
    let mut findings = Vec::new();
    let own_file = places.stack.as_ref().map(SpanMap::file);
    let names = root.listed(STACK).unwrap_or_else(|failed| {
        findings.extend(failed.findings.into_iter().map(|failed| {
            let message = format!("the other stacks are left out of every proof: {}", failed.message);
            Finding::new(&rules::OTHER_STACK, message).help(failed.help)
        }));
        Vec::new()
    });
    for name in names {
        let found = root.stack(&format!("{}/{name}.yaml", STACK.dir));
        let own = |file: &str| name == own.stack.as_str() || Some(file) == own_file;
        if found.as_ref().is_ok_and(|found| own(&found.file)) {
            continue;
        }
        match found.and_then(|found| root.read_stack(&found)) {
            Ok(decoded) => others.push(decoded),
            Err(error) => {
                let first = error.findings.first().map_or_else(String::new, |finding| {
                    let at = finding.at.as_ref().map_or(String::new(), |at| format!("{at}: "));
                    format!("{at}{}", finding.message)
                });
                let at = error.findings.first().and_then(|finding| finding.at.clone());
                findings.push(left_out(&name, &format!("{} ({first})", Tally::of(&error.findings))).at(at));
            }
        }
    }
    (others, findings)
}

fn left_out(name: &str, why: &str) -> Finding {
    Finding::new(&rules::OTHER_STACK, format!("the stack {name} is left out of every proof: {why}"))
        .help(format!("mend stacks/{name}.yaml; its ports and services are not known until then"))
}
