//! Which stacks and environments a change touches: every pair composed at both ends of the change, and compared. A comment
//! touches nothing, and a value that many stacks share touches all of them. Reads no repository, only two roots.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use strata_components::desired::{Desired, Resource, ResourceId};

use crate::check::{Proven, prove};
use crate::finding::Finding;
use crate::load::{Loaded, Root};
use crate::policies::PolicyFile;

/// A stack in an environment.
pub type Pair = (String, String);

/// What a root has of a pair.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// It cannot be read, for these reasons.
    Unreadable(BTreeSet<String>),
    /// What it comes to.
    Read(Box<Composed>),
}

/// What a pair comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// What should exist; absent where it cannot be composed.
    desired: Option<Desired>,
    /// Where and by whom it may be deployed, of which the objects say nothing.
    terms: Value,
    /// What policies of the user's own ask, of a plan as well.
    policies: Vec<PolicyFile>,
    /// What is found, without where it stands.
    findings: BTreeSet<String>,
}

/// What of a pair is another than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was not there before.
    New,
    /// The objects that it comes to.
    Objects,
    /// The order of its objects, what it claims, or what it may hold of live ones.
    Claims,
    /// Which cluster it is for, or whose plans are carried out there.
    Terms,
    /// What policies of the user's own ask, of which a plan may show what no proof does.
    Policies,
    /// What the proofs find: another stack may have taken its port.
    Proofs,
    /// It cannot be read now, or could not be before, so that nothing is known.
    Unreadable,
    /// Its stack is a program, and what that composed to before is not known.
    Program,
    /// All were asked for.
    Asked,
}

/// A pair that a change touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Touched {
    /// The name of the stack.
    pub stack: String,
    /// The name of the environment.
    pub environment: String,
    /// Why, each reason once.
    pub why: Vec<Reason>,
    /// How many objects are others, come or go.
    pub objects: usize,
}

/// A pair that was there before and is not any more: what runs of it has to be destroyed from the files of before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Gone {
    /// The name of the stack.
    pub stack: String,
    /// The name of the environment.
    pub environment: String,
    /// What is gone of it.
    pub why: Absence,
}

/// What is gone of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// The stack.
    Stack,
    /// The environment.
    Environment,
    /// Both are there, and do not admit each other any more.
    Admission,
}

/// What a change touches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Affected {
    /// Pairs to be planned, sorted.
    pub touched: Vec<Touched>,
    /// Pairs that are gone, sorted.
    pub gone: Vec<Gone>,
    /// How many pairs are there and are not touched.
    pub untouched: usize,
}

/// Every pair of a root.
#[must_use]
pub fn states(root: &Root) -> BTreeMap<Pair, State> {
    let state = |(stack, environment): &Pair| match root.load(stack, environment) {
        Err(error) => State::Unreadable(error.findings.iter().map(told).collect()),
        Ok(loaded) => State::Read(Box::new(composed(&loaded))),
    };
    root.pairs().into_iter().map(|pair| (pair.clone(), state(&pair))).collect()
}

fn composed(loaded: &Loaded) -> Composed {
    let environment = &loaded.environment;
    let Proven { desired, findings } = prove(loaded, environment.default_cluster.as_str(), None);
    let terms = json!({
        "clusters": environment.clusters,
        "default_cluster": environment.default_cluster,
        "control_namespace": environment.control_namespace,
        "plans": environment.plans,
    });
    let policies = loaded.policies.iter().map(|file| file.value.clone()).collect();
    Composed { desired, terms, policies, findings: findings.iter().map(told).collect() }
}

/// A finding without where it stands, which a comment moves.
fn told(finding: &Finding) -> String {
    format!("{} {}", finding.rule, finding.message)
}

/// What differs between two roots. Of the stack of a program, by its name, nothing is known before.
#[must_use]
pub fn compare(before: &BTreeMap<Pair, State>, now: &BTreeMap<Pair, State>, program: Option<&str>) -> Affected {
    let mut affected = Affected::default();
    for (pair, state) in now {
        let (mut why, objects) = match before.get(pair) {
            _ if program == Some(pair.0.as_str()) => (vec![Reason::Program], 0),
            None => (vec![Reason::New], count(state)),
            Some(old) => differences(old, state),
        };
        why.sort();
        if why.is_empty() {
            affected.untouched += 1;
        } else {
            let (stack, environment) = pair.clone();
            affected.touched.push(Touched { stack, environment, why, objects });
        }
    }
    let has = |name: &str, of: fn(&Pair) -> &String| now.keys().any(|pair| of(pair) == name);
    for (stack, environment) in before.keys().filter(|pair| !now.contains_key(*pair)) {
        let why = if !has(stack, |pair| &pair.0) {
            Absence::Stack
        } else if !has(environment, |pair| &pair.1) {
            Absence::Environment
        } else {
            Absence::Admission
        };
        affected.gone.push(Gone { stack: stack.clone(), environment: environment.clone(), why });
    }
    affected
}

/// Every pair, as if a change touched it.
#[must_use]
pub fn everything(now: &BTreeMap<Pair, State>) -> Affected {
    let touched = now.iter().map(|((stack, environment), state)| Touched {
        stack: stack.clone(),
        environment: environment.clone(),
        why: vec![Reason::Asked],
        objects: count(state),
    });
    Affected { touched: touched.collect(), ..Affected::default() }
}

fn count(state: &State) -> usize {
    match state {
        State::Unreadable(_) => 0,
        State::Read(composed) => composed.desired.as_ref().map_or(0, |desired| desired.resources.len()),
    }
}

fn differences(old: &State, new: &State) -> (Vec<Reason>, usize) {
    let (State::Read(old), State::Read(new)) = (old, new) else { return (vec![Reason::Unreadable], 0) };
    let Composed { desired: one, terms: of_one, policies: asked_one, findings: in_one } = old.as_ref();
    let Composed { desired: other, terms: of_other, policies: asked_other, findings: in_other } = new.as_ref();
    let mut why = Vec::new();
    let objects = match (one, other) {
        (Some(one), Some(other)) => {
            let objects = moved(&one.resources, &other.resources);
            let rest = |desired: &Desired| Desired { resources: Vec::new(), ..desired.clone() };
            if rest(one) != rest(other) {
                why.push(Reason::Claims);
            }
            objects
        }
        // What it came to is not known on one side; where both cannot be composed, the findings tell.
        (None, None) => 0,
        (Some(known), None) | (None, Some(known)) => known.resources.len(),
    };
    if objects > 0 {
        why.push(Reason::Objects);
    }
    if of_one != of_other {
        why.push(Reason::Terms);
    }
    if asked_one != asked_other {
        why.push(Reason::Policies);
    }
    if in_one != in_other {
        why.push(Reason::Proofs);
    }
    (why, objects)
}

/// How many objects are others, come or go.
fn moved(one: &[Resource], other: &[Resource]) -> usize {
    let (one, other) = (by_id(one), by_id(other));
    let gone = one.keys().filter(|id| !other.contains_key(*id)).count();
    gone + other.iter().filter(|(id, resource)| one.get(*id) != Some(*resource)).count()
}

fn by_id(all: &[Resource]) -> BTreeMap<&ResourceId, &Resource> {
    all.iter().map(|resource| (&resource.id, resource)).collect()
}
