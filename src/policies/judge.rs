//! Policies asked: about every object that is desired, and about every step of a plan.
//!
//! A policy that needs nothing but what is desired is asked as soon as that is known, and so by `check` already. One
//! that speaks of `oldObject`, `request` or `plan`, or that is about objects created but not about objects changed, is
//! asked when a plan is there; so is every policy about what is deleted.

use std::collections::BTreeMap;

use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use serde_json::{Value, json};
use strata_components::desired::{Desired, ResourceId};

use super::file::{AdmissionPolicy, FailurePolicy};
use super::language::{Compiled, Failure, Fault, Language};
use super::matching::{Operation, Subject};
use super::values::of_json;
use crate::finding::Level;
use crate::load::spans::{field, index};
use crate::plan::{Action, Cause, Plan};

/// What can be said without an object.
const OF_THE_WHOLE: [&str; 5] = ["desired", "params", "plan", "strata", "variables"];
/// What can be said of an object.
const OF_AN_OBJECT: [&str; 9] =
    ["desired", "namespaceObject", "object", "oldObject", "params", "plan", "request", "strata", "variables"];
/// What is known only when there is a plan.
const OF_A_PLAN: [&str; 3] = ["oldObject", "plan", "request"];

/// What a policy has against an object, or against the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// The policy's rule id.
    pub rule: String,
    /// How much it matters.
    pub level: Level,
    /// What is said.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// The object, where it is about one.
    pub object: Option<ResourceId>,
    /// The service that the object belongs to.
    pub service: Option<String>,
    /// Where the expression stands in its file, in the words of the model.
    pub path: String,
}

/// An expression that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// Where it stands, in the words of the model.
    pub path: String,
    /// The expression, or the name where that is what is wrong.
    pub text: String,
    /// What is wrong with it.
    pub fault: Fault,
}

/// A policy, its expressions read.
pub(super) struct Judge<'a> {
    id: &'a str,
    policy: &'a AdmissionPolicy,
    conditions: Vec<Named<'a>>,
    variables: Vec<Named<'a>>,
    validations: Vec<(String, Compiled, Option<Compiled>)>,
    pub(super) waits_for_plan: bool,
}

struct Named<'a> {
    name: &'a str,
    path: String,
    expression: Compiled,
}

impl<'a> Judge<'a> {
    /// Reads the expressions of a policy.
    ///
    /// # Errors
    ///
    /// Each one that cannot be used.
    pub(super) fn of(language: &Language, id: &'a str, policy: &'a AdmissionPolicy) -> Result<Self, Vec<Unusable>> {
        let mut unusable = Vec::new();
        let names: &[&str] = if policy.match_constraints.is_some() { &OF_AN_OBJECT } else { &OF_THE_WHOLE };
        let mut known: Vec<&str> = Vec::new();
        let base = field("policies", id);
        let mut read = |text: &str, path: &str, known: &[&str]| match language.compile(text, names, known) {
            Ok(compiled) => Some(compiled),
            Err(faults) => {
                let of = |fault| Unusable { path: path.to_owned(), text: text.to_owned(), fault };
                unusable.extend(faults.into_iter().map(of));
                None
            }
        };
        let mut conditions = Vec::new();
        for (at, one) in policy.match_conditions.iter().enumerate() {
            let path = field(&index(&field(&base, "matchConditions"), at), "expression");
            // As in Kubernetes, conditions come before variables.
            let compiled = read(&one.expression, &path, &[]);
            conditions.extend(compiled.map(|expression| Named { name: &one.name, path, expression }));
        }
        let mut variables = Vec::new();
        let mut doubled = Vec::new();
        for (at, one) in policy.variables.iter().enumerate() {
            let entry = index(&field(&base, "variables"), at);
            let path = field(&entry, "expression");
            let compiled = read(&one.expression, &path, &known);
            variables.extend(compiled.map(|expression| Named { name: &one.name, path, expression }));
            let word = one.name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && one.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let message = match (word, known.contains(&one.name.as_str())) {
                (false, _) => Some(format!("`{}` is no name of a variable", one.name)),
                (true, true) => Some(format!("there are two variables `{}`", one.name)),
                (true, false) => None,
            };
            let help = Some("write a name of letters, digits and `_` that no other variable has".to_owned());
            let fault = message.map(|message| Fault { message, help, at: None });
            doubled.extend(fault.map(|fault| Unusable { path: field(&entry, "name"), text: one.name.clone(), fault }));
            known.push(&one.name);
        }
        let mut validations = Vec::new();
        for (at, one) in policy.validations.iter().enumerate() {
            let entry = index(&field(&base, "validations"), at);
            let path = field(&entry, "expression");
            let expression = read(&one.expression, &path, &known);
            let said = one.message_expression.as_ref();
            let said = said.map(|text| read(text, &field(&entry, "messageExpression"), &known));
            validations.extend(expression.map(|expression| (path, expression, said.flatten())));
        }
        unusable.extend(doubled);
        if !unusable.is_empty() {
            return Err(unusable);
        }
        let all = conditions.iter().chain(&variables).map(|one| &one.expression);
        let all = all.chain(validations.iter().flat_map(|(_, one, said)| std::iter::once(one).chain(said)));
        let mut all = all.flat_map(|one| &one.names);
        let of_state = policy.match_constraints.as_ref().is_none_or(|constraints| constraints.is_of_state());
        let waits_for_plan = !of_state || all.any(|name| OF_A_PLAN.contains(&name.as_str()));
        Ok(Self { id, policy, conditions, variables, validations, waits_for_plan })
    }

    /// What it has against one object, or the whole.
    fn ask(&self, language: &Language, values: &Values<'_>, about: About<'_>) -> Vec<Objection> {
        let mut context = language.context();
        context.set_variable_resolver(values);
        let objection = |message: String, path: &str| Objection {
            rule: self.id.to_owned(),
            level: self.policy.level,
            message: about.object.map_or_else(|| message.clone(), |id| format!("{id}: {message}")),
            remedy: self.policy.remedy.as_ref().map(ToString::to_string),
            object: about.object.cloned(),
            service: about.service.map(str::to_owned),
            path: path.to_owned(),
        };
        let failed = |what: &str, why: &Failure, path: &str| match self.policy.failure_policy {
            FailurePolicy::Fail => vec![objection(format!("{what} cannot be evaluated: {why}"), path)],
            FailurePolicy::Ignore => Vec::new(),
        };
        for condition in &self.conditions {
            match condition.expression.holds(&context) {
                Ok(true) => {}
                Ok(false) => return Vec::new(),
                Err(why) => return failed(&format!("the condition `{}`", condition.name), &why, &condition.path),
            }
        }
        let mut lost: BTreeMap<&str, Failure> = BTreeMap::new();
        for variable in &self.variables {
            match self.with(&lost, &variable.expression, variable.expression.value(&context)) {
                Ok(value) => context.add_variable_as_val(format!("variables.{}", variable.name), value),
                Err(why) => {
                    lost.insert(variable.name, why);
                }
            }
        }
        let mut objections = Vec::new();
        for ((path, expression, said), validation) in self.validations.iter().zip(&self.policy.validations) {
            match self.with(&lost, expression, expression.holds(&context)) {
                Ok(true) => {}
                Ok(false) => {
                    let told = said.as_ref().and_then(|said| said.text(&context).ok());
                    let told = told.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
                    let told = told.or_else(|| validation.message.as_ref().map(ToString::to_string));
                    objections.push(objection(told.unwrap_or_else(|| self.policy.title.to_string()), path));
                }
                Err(why) => objections.extend(failed("what must be true", &why, path)),
            }
        }
        objections
    }

    /// Says of an expression that failed for want of a variable why that has no value.
    fn with<T>(
        &self,
        lost: &BTreeMap<&str, Failure>,
        expression: &Compiled,
        result: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let why = |first: Failure| {
            let missing = expression.variables.iter().find_map(|name| Some((name, lost.get(name.as_str())?)));
            missing.map_or(first, |(name, why)| format!("the variable `{name}` has no value: {why}"))
        };
        result.map_err(why)
    }
}

/// What a policy is asked about.
#[derive(Debug, Clone, Copy, Default)]
struct About<'a> {
    object: Option<&'a ResourceId>,
    service: Option<&'a str>,
}

/// Values by their names: those of an object before those of the whole.
struct Values<'a> {
    own: BTreeMap<&'static str, Box<dyn Val>>,
    whole: Option<&'a Values<'a>>,
}

impl VariableResolver for Values<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let own = self.own.get(name).map(|value| CowVal::Borrowed(value.as_ref()));
        own.or_else(|| self.whole.and_then(|whole| whole.resolve(name)))
    }
}

/// The judges of several policies, and what they are asked about.
pub(super) struct Court<'a> {
    pub(super) language: Language,
    pub(super) judges: Vec<Judge<'a>>,
}

impl Court<'_> {
    /// What the policies have against what is desired, as far as they need no plan.
    pub(super) fn of_desired(&self, desired: &Desired) -> Vec<Objection> {
        let mut objections = Vec::new();
        let whole = whole(desired, None, self.judges.iter().any(|judge| judge.asks("desired")));
        for judge in self.judges.iter().filter(|judge| !judge.waits_for_plan) {
            let Some(constraints) = &judge.policy.match_constraints else {
                let values = Values { own: judge.params(), whole: Some(&whole) };
                objections.extend(judge.ask(&self.language, &values, About::default()));
                continue;
            };
            for resource in &desired.resources {
                let subject = Subject {
                    id: &resource.id,
                    object: Some(&resource.manifest),
                    old: None,
                    namespace: namespace(desired, &resource.id),
                };
                if constraints.fit(None, &subject) {
                    let place = Place {
                        address: &resource.address,
                        phase: Some(resource.phase),
                        service: resource.service.as_deref(),
                        tier: resource.tier.as_deref(),
                    };
                    objections.extend(self.about(judge, &whole, desired, None, &subject, place));
                }
            }
        }
        objections
    }

    /// What the policies have against a plan, as far as they have not been asked about what is desired.
    pub(super) fn of_plan(&self, desired: &Desired, plan: &Plan) -> Vec<Objection> {
        let mut objections = Vec::new();
        let asks = |name: &str| self.judges.iter().any(|judge| judge.asks(name));
        let whole = whole(desired, asks("plan").then_some(plan), asks("desired"));
        for judge in &self.judges {
            let Some(constraints) = &judge.policy.match_constraints else {
                if judge.waits_for_plan {
                    let values = Values { own: judge.params(), whole: Some(&whole) };
                    objections.extend(judge.ask(&self.language, &values, About::default()));
                }
                continue;
            };
            for phase in &plan.phases {
                for step in &phase.steps {
                    let old = before(step);
                    for operation in operations(step.action) {
                        if !judge.waits_for_plan && *operation != Operation::Delete {
                            continue;
                        }
                        let gone = *operation == Operation::Delete;
                        let subject = Subject {
                            id: &step.id,
                            object: step.manifest.as_ref().filter(|_| !gone),
                            old: Some(&old).filter(|_| *operation != Operation::Create),
                            namespace: namespace(desired, &step.id),
                        };
                        if constraints.fit(Some(*operation), &subject) {
                            let place = Place {
                                address: &step.address,
                                phase: Some(phase.number),
                                service: step.service.as_deref(),
                                tier: step.tier.as_deref(),
                            };
                            objections.extend(self.about(judge, &whole, desired, Some(*operation), &subject, place));
                        }
                    }
                }
            }
        }
        objections
    }

    fn about(
        &self,
        judge: &Judge<'_>,
        whole: &Values<'_>,
        desired: &Desired,
        operation: Option<Operation>,
        subject: &Subject<'_>,
        place: Place<'_>,
    ) -> Vec<Objection> {
        let Place { address, phase, service, tier } = place;
        let of = |value: Option<&Value>| of_json(value.unwrap_or(&Value::Null));
        let strata = described(desired, json!({"address": address, "phase": phase, "service": service, "tier": tier}));
        let mut own = judge.params();
        own.insert("object", of(subject.object));
        own.insert("oldObject", of(subject.old));
        own.insert("namespaceObject", of(subject.namespace));
        own.insert("strata", of_json(&strata));
        if let Some(operation) = operation {
            let ResourceId { kind, namespace, name, .. } = subject.id;
            own.insert("request", of_json(&json!({
                "operation": operation.as_str(), "kind": kind, "namespace": namespace.as_deref().unwrap_or_default(),
                "name": name, "dryRun": false,
            })));
        }
        let values = Values { own, whole: Some(whole) };
        judge.ask(&self.language, &values, About { object: Some(subject.id), service })
    }
}

/// Where an object stands in the stack.
struct Place<'a> {
    address: &'a str,
    phase: Option<u32>,
    service: Option<&'a str>,
    tier: Option<&'a str>,
}

impl Judge<'_> {
    fn params(&self) -> BTreeMap<&'static str, Box<dyn Val>> {
        BTreeMap::from([("params", of_json(&json!(self.policy.params)))])
    }

    fn asks(&self, name: &str) -> bool {
        let named = self.conditions.iter().chain(&self.variables).map(|one| &one.expression);
        let validations = self.validations.iter().flat_map(|(_, one, said)| std::iter::once(one).chain(said));
        named.chain(validations).any(|one| one.names.contains(name))
    }
}

/// What is the same for every object.
fn whole(desired: &Desired, plan: Option<&Plan>, all: bool) -> Values<'static> {
    let manifests = || desired.resources.iter().map(|resource| resource.manifest.clone()).collect();
    let plan = plan.and_then(|plan| serde_json::to_value(plan).ok()).unwrap_or(Value::Null);
    let own = BTreeMap::from([
        ("desired", of_json(&if all { Value::Array(manifests()) } else { Value::Null })),
        ("plan", of_json(&plan)),
        ("strata", of_json(&described(desired, json!({})))),
    ]);
    Values { own, whole: None }
}

/// The instance that is spoken of, with what is particular to an object.
fn described(desired: &Desired, mut more: Value) -> Value {
    let instance = &desired.instance;
    if let Some(fields) = more.as_object_mut() {
        fields.insert("stack".to_owned(), json!(instance.stack));
        fields.insert("environment".to_owned(), json!(instance.environment));
        fields.insert("instance".to_owned(), json!(instance.name()));
    }
    more
}

/// The namespace of an object, where the stack brings it.
fn namespace<'a>(desired: &'a Desired, id: &ResourceId) -> Option<&'a Value> {
    let name = id.namespace.as_ref()?;
    let is = |other: &ResourceId| other.kind.group.is_empty() && other.kind.kind == "Namespace" && other.name == *name;
    desired.resources.iter().find(|resource| is(&resource.id)).map(|resource| &resource.manifest)
}

/// What a step does to its object. What is forgotten stays as it is.
fn operations(action: Action) -> &'static [Operation] {
    match action {
        Action::Create | Action::Move => &[Operation::Create],
        Action::Update | Action::Adopt | Action::Return => &[Operation::Update],
        Action::Replace => &[Operation::Delete, Operation::Create],
        Action::Delete => &[Operation::Delete],
        Action::Forget | Action::Hold | Action::Unchanged | Action::Blocked => &[],
    }
}

/// The object before a step, as far as a plan knows it: its name, and of what the stack says each value that changes as
/// it is now.
fn before(step: &crate::plan::Step) -> Value {
    let ResourceId { kind, namespace, name, .. } = &step.id;
    let mut object = step.manifest.clone().unwrap_or_else(|| {
        json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": name, "namespace": namespace}})
    });
    for cause in &step.causes {
        if let Cause::Stack { path, before, .. } | Cause::Drift { path, before, .. } = cause {
            super::paths::set(&mut object, path, before.as_ref());
        }
    }
    object
}
