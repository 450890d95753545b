//! What composing says, as findings: reasons why a stack cannot be composed, and notes about what gave way.
//!
//! Reasons that a rule of ours states itself, with more places, are left to that rule.

use strata_components::compose::{ComposeError, Problem};
use strata_components::desired::Desired;
use strata_components::model::{ServiceName, ServiceRef};

use super::rules;
use crate::finding::{Finding, Location, Rule};
use crate::load::Loaded;
use crate::load::spans::{field, index};

/// The reasons why a stack cannot be composed.
pub(super) fn refusals(error: &ComposeError, loaded: &Loaded) -> Vec<Finding> {
    error.problems.iter().filter_map(|problem| refusal(problem, loaded)).collect()
}

fn refusal(problem: &Problem, loaded: &Loaded) -> Option<Finding> {
    let places = &loaded.places;
    let found = |rule: &Rule, path: String, at: Option<Location>, help: &str| {
        Some(Finding::new(rule, format!("{path}: {problem}")).at(at).path(path).help(help.to_owned()))
    };
    match problem {
        // Stated by `order`, by `load` and by `ports`.
        Problem::Phase(_)
        | Problem::EnvironmentRefused { .. }
        | Problem::StackRefused { .. }
        | Problem::OffsetsDiffer { .. }
        | Problem::NoOutputService { .. }
        | Problem::NoSuchPort { .. } => None,
        Problem::NoSuchRange { .. } => {
            let at = places.environment_value("port_offset");
            found(&rules::PORT_TOO_HIGH, "port_offset".to_owned(), at, "lower the offset or the range")
        }
        Problem::SameRegistryEntry { .. } => found(
            &rules::SAME_ENTRY,
            "tiers".to_owned(),
            places.stack_key("tiers"),
            "give one of the tiers a `range_name`",
        ),
        Problem::AutoscalerRange { service, .. } => {
            // A range that is empty as it was written is stated by `size`.
            let own = loaded.stack.services.get(service.as_str()).and_then(|service| service.autoscale)?;
            let change = loaded.change(service).and_then(|(path, change)| Some((path, change.autoscale?)));
            let effective = change.as_ref().map_or(own, |(_, change)| change.over(own));
            if effective.min > effective.max {
                return None;
            }
            let (path, at) = match change.filter(|(_, change)| change.max.is_some()) {
                Some((base, _)) => {
                    let path = format!("{base}.autoscale.max");
                    let at = places.environment_value(&path);
                    (path, at)
                }
                None => {
                    let path = format!("{}.autoscale.max", field("services", service.as_str()));
                    let at = places.stack_value(&path);
                    (path, at)
                }
            };
            found(&rules::AUTOSCALE_RANGE, path, at, "raise `max` of the autoscaler, or lower the replicas")
        }
        Problem::IdleField { service, field: name, in_environment, .. } => {
            let (path, at) = if *in_environment {
                let path = field(&loaded.change(service)?.0, name);
                let at = places.environment_key(&path);
                (path, at)
            } else {
                let path = field(&field("services", service.as_str()), name);
                let at = places.stack_key(&path);
                (path, at)
            };
            found(&rules::IDLE_FIELD, path, at, "take it out, or take out `component`")
        }
        Problem::NoAutoscaler { service } => {
            let (base, _) = loaded.change(service)?;
            let path = field(&base, "autoscale");
            let at = places.environment_key(&path);
            found(
                &rules::NO_AUTOSCALER,
                path,
                at,
                "add `autoscale` to the service in the stack, or remove the override",
            )
        }
        Problem::PlatformVariable { service, variable } | Problem::ComponentVariable { service, variable, .. } => {
            let change = loaded.change(service).filter(|(_, change)| change.env.contains_key(variable.as_str()));
            let changed = change.is_some();
            let said = loaded.stack.services.get(service.as_str());
            let of_job = said.filter(|said| !said.env.contains_key(variable)).and_then(|said| {
                let (name, _) = said.jobs.iter().find(|(_, job)| job.env.contains_key(variable))?;
                Some(field(&field(&field("services", service.as_str()), "jobs"), name.as_str()))
            });
            let own = || of_job.unwrap_or_else(|| field("services", service.as_str()));
            let base = change.map_or_else(own, |(path, _)| path);
            let output = said.is_some_and(|said| said.env_from.contains_key(variable)) && !changed;
            let path = field(&field(&base, if output { "env_from" } else { "env" }), variable.as_str());
            let at = if changed { places.environment_key(&path) } else { places.stack_key(&path) };
            match problem {
                Problem::ComponentVariable { why, .. } => {
                    found(&rules::COMPONENT_VARIABLE, path, at, &format!("remove the variable: {why}"))
                }
                _ => found(&rules::PLATFORM_VARIABLE, path, at, "remove the variable, or give it another name"),
            }
        }
        Problem::NoKubeApi { service } => {
            let change = loaded.change(service).filter(|(_, change)| change.egress.is_some());
            let (path, at) = match change {
                Some((base, _)) => {
                    let path = field(&base, "egress");
                    let at = places.environment_key(&path);
                    (path, at)
                }
                None => {
                    let path = field(&field("services", service.as_str()), "egress");
                    let at = places.stack_key(&path);
                    (path, at)
                }
            };
            found(&rules::NO_KUBE_API, path, at, "add the addresses to `network.kube_api` of the environment")
        }
        Problem::UnknownNeighbour { service, dependency } => {
            let path = declared_at(loaded, service, dependency);
            let at = places.stack_value(&path);
            let finding =
                found(&rules::UNKNOWN_NEIGHBOUR, path, at, "mend the other stack, or admit it to the environment")?;
            Some(elsewhere(finding, dependency.stack()?, loaded))
        }
        Problem::UnknownOutput { service, variable, output } => {
            let path = field(&field(&field("services", service.as_str()), "env_from"), variable.as_str());
            let at = places.stack_value(&path);
            let help = "mend the other stack, admit it to the environment, or take the variable out";
            let finding = found(&rules::OUTPUT_ELSEWHERE, path, at, help)?;
            let Some(stack) = output.stack() else { return Some(finding) };
            let finding = elsewhere(finding, stack, loaded);
            if !finding.related.is_empty() {
                return Some(finding);
            }
            // The other stack stands here, and its own output comes to nothing.
            let other = loaded.others.iter().find(|other| other.value.stack.as_str() == stack)?;
            let there = other.spans.key(&field("outputs", output.output()));
            Some(finding.related(there, format!("what is wrong with it `strata check {stack}` says")))
        }
        Problem::NoOutputValue { output, service, value } => {
            let path = field(&field("outputs", output.as_str()), "value");
            let at = places.stack_value(&path);
            let help = if *value == "url" { "tell its `address`" } else { "correct the port of the service" };
            let of = places.stack_key(&field("services", service.as_str()));
            found(&rules::NO_SUCH_VALUE, path, at, help).map(|finding| finding.related(of, service.as_str()))
        }
        Problem::VariableTwice { service, variable } => {
            let base = field("services", service.as_str());
            let path = field(&field(&base, "env_from"), variable.as_str());
            let first = places.stack_key(&field(&field(&base, "env"), variable.as_str()));
            let at = places.stack_key(&path);
            found(&rules::VARIABLE_TWICE, path, at, "keep one of the two")
                .map(|finding| finding.related(first, "set as a text here"))
        }
        Problem::Unenforceable { path, what, .. } => Some(
            Finding::new(&rules::UNENFORCEABLE, problem.to_string())
                .at(places.stack_key(path))
                .label(format!("asks for {what}"))
                .related(places.environment_value("mesh.mode"), "the mode")
                .path(path.clone())
                .help("use a mesh of sidecars, or set `mesh.limits: false` to do without".to_owned()),
        ),
        Problem::SidecarNeedsCni => {
            let at = places.environment_value("mesh.mode");
            found(&rules::SIDECAR_NEEDS_CNI, "mesh.mode".to_owned(), at, "install istio-cni and set `mesh.cni: true`")
        }
        Problem::TooShort { path, .. } => Some(
            Finding::new(&rules::TOO_SHORT, problem.to_string())
                .at(places.stack_value(path))
                .path(path.clone())
                .help("write a longer time".to_owned()),
        ),
        Problem::NotBehind { path, .. } => Some(
            Finding::new(&rules::NOT_BEHIND, problem.to_string())
                .at(places.stack_key(path))
                .path(path.clone())
                .help("add it to `depends_on`, or take this out".to_owned()),
        ),
        Problem::Configuration { path, .. } => Some(
            Finding::new(&rules::NO_CONFIG_VALUE, problem.to_string())
                .at(place_of_change(loaded, path).or_else(|| places.stack_value(path)))
                .path(path.clone())
                .help("name a service of the stack and a value that it has, or an output".to_owned()),
        ),
        Problem::ConfigurationType { path, in_stack, .. } => Some(
            Finding::new(&rules::OTHER_TYPE, problem.to_string())
                .at(place_of_change(loaded, path))
                .related(places.stack_value(path), format!("{in_stack} here"))
                .path(path.clone())
                .help("write a value of the type that the stack has".to_owned()),
        ),
        Problem::NoFront { service, named } => {
            let path = declared_at(loaded, service, named);
            let at = places.stack_value(&path);
            found(&rules::AT_ODDS, path, at, "take it out: who needs it depends on it by itself")
        }
        Problem::Weights { path } => Some(
            Finding::new(&rules::AT_ODDS, problem.to_string())
                .at(places.stack_key(path))
                .path(path.clone())
                .help("name both or neither".to_owned()),
        ),
        Problem::LongName { .. } => {
            let at = places.stack_value("stack");
            found(&rules::NAME_TOO_LONG, "stack".to_owned(), at, "shorten the name of stack, environment or --instance")
        }
        Problem::JobName { service, job, .. } => {
            let path = field(&field(&field("services", service.as_str()), "jobs"), job.as_str());
            let at = places.stack_key(&path);
            found(&rules::JOB_NAME, path, at, "give the job another name")
        }
        Problem::SameNamespace { second, .. } => {
            let path = field("namespaces", second);
            let at = places.environment_value(&path);
            found(&rules::SAME_NAMESPACE, path, at, "map one of them to another name")
        }
        Problem::Suffix(_) | Problem::Unwritable { .. } => Some(
            Finding::new(&rules::NOT_COMPOSED, problem.to_string())
                .help("change the value as the message says".to_owned()),
        ),
    }
}

/// A finding about a reference to a stack that does not stand in the environment, with the place that keeps it out of
/// there: the environment's list of stacks, or that stack's own list of environments.
fn elsewhere(finding: Finding, stack: &str, loaded: &Loaded) -> Finding {
    let environment = loaded.environment.environment.as_str();
    let Some(other) = loaded.others.iter().find(|other| other.value.stack.as_str() == stack) else { return finding };
    if !loaded.environment.stacks.is_empty() && !loaded.environment.stacks.contains(&other.value.stack) {
        return finding
            .related(loaded.places.environment_key("stacks"), format!("{environment} does not admit {stack}"));
    }
    let own =
        other.spans.key("environments").filter(|_| !other.value.environments.contains(&loaded.environment.environment));
    finding.related(own, format!("{stack} may not be deployed to {environment}"))
}

/// Where a dependency of a service is declared: by itself, or by its tier.
fn declared_at(loaded: &Loaded, service: &ServiceName, dependency: &ServiceRef) -> String {
    let own = field("services", service.as_str());
    let Some(declared) = loaded.stack.services.get(service) else { return own };
    let tier =
        loaded.stack.tiers.get(&declared.tier).map(|tier| (field("tiers", declared.tier.as_str()), &tier.depends_on));
    let lists = std::iter::once((own.clone(), &declared.depends_on)).chain(tier);
    let entry = |(declarer, list): (String, &Vec<ServiceRef>)| {
        let position = list.iter().position(|one| one == dependency)?;
        Some(index(&field(&declarer, "depends_on"), position))
    };
    lists.filter_map(entry).next().unwrap_or(own)
}

/// What gave way when the stack was composed.
pub(super) fn notes(desired: &Desired, loaded: &Loaded) -> Vec<Finding> {
    let note = |note: &strata_components::desired::Note| {
        let here = place_of_change(loaded, &note.path);
        let (rule, help) = if note.path.ends_with(".max") {
            (&rules::CAPPED, "nothing to do, if the cap is meant; otherwise raise `replicas.max` of the environment")
        } else {
            (&rules::FLOOR, "write the same figure twice to make this note go away")
        };
        Finding::new(rule, note.message.clone())
            .at(here.or_else(|| loaded.places.stack_value(&note.path)))
            .path(note.path.clone())
            .help(help.to_owned())
    };
    desired.notes.iter().map(note).collect()
}

/// Where the environment changes the value that a path of the stack names (`services.NAME.FIELD…`), if it does.
fn place_of_change(loaded: &Loaded, path: &str) -> Option<Location> {
    let (service, rest) = path.strip_prefix("services.")?.split_once('.')?;
    let (base, _) = loaded.change(&ServiceName::new(service).ok()?)?;
    loaded.places.environment.as_ref()?.value(&format!("{base}.{rest}"))
}
