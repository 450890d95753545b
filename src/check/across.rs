//! Stacks beside each other: whether they wait for each other in a circle, and whether what one is told of another's
//! services can be used.

use std::collections::{BTreeSet, VecDeque};

use strata_components::model::{OutputValue, ServiceName, ServiceRef, Stack};
use strata_components::phases::dependencies as all_dependencies;

use super::rules;
use crate::finding::{Finding, Location};
use crate::load::Loaded;
use crate::load::across::dependencies;
use crate::load::spans::field;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    cycle(loaded).into_iter().chain(unreachable(loaded)).collect()
}

/// The stacks that a stack waits for, each once with the first reference that says so: the path of that, and the service.
/// What lies outside of the cluster is not waited for.
pub(crate) fn waits_for<'a>(stack: &'a Stack, others: &[&'a Stack]) -> Vec<(&'a str, String, &'a ServiceRef)> {
    let mut seen = BTreeSet::new();
    let elsewhere = dependencies(stack).filter_map(|(path, reference)| {
        let named = reference.stack().filter(|named| *named != stack.stack.as_str())?;
        let other = others.iter().find(|other| other.stack.as_str() == named)?;
        let service = other.services.get(reference.service())?;
        (!service.is_outside()).then_some((named, path, reference))
    });
    elsewhere.filter(|(named, ..)| seen.insert(*named)).collect()
}

/// A reference on the way round.
#[derive(Clone)]
struct Link<'a> {
    from: &'a str,
    to: &'a str,
    service: &'a str,
    at: Option<Location>,
}

/// The shortest way from the stack over others back to itself, where there is one.
fn cycle(loaded: &Loaded) -> Option<Finding> {
    let own = &loaded.stack;
    let stacks: Vec<&Stack> = std::iter::once(own).chain(loaded.neighbours()).collect();
    let find = |name: &str| stacks.iter().copied().find(|stack| stack.stack.as_str() == name);
    let mut ways: VecDeque<Vec<Link<'_>>> = VecDeque::from([Vec::new()]);
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let here = way.last().map_or(own.stack.as_str(), |link| link.to);
        let Some(stack) = find(here) else { continue };
        for (to, path, reference) in waits_for(stack, &stacks) {
            let at = match here == own.stack.as_str() {
                true => loaded.places.stack_value(&path),
                false => loaded.beside().find(|other| other.value.stack.as_str() == here)?.spans.value(&path),
            };
            let link = Link { from: stack.stack.as_str(), to, service: reference.service(), at };
            let way = [way.as_slice(), &[link]].concat();
            if to == own.stack.as_str() {
                return told(&way);
            }
            if seen.insert(to) {
                ways.push_back(way);
            }
        }
    }
    None
}

fn told(way: &[Link<'_>]) -> Option<Finding> {
    let first = way.first()?;
    let names: Vec<&str> = way.iter().map(|link| link.from).chain([first.from]).collect();
    let words = |link: &Link<'_>| format!("{} waits for {}/{}", link.from, link.to, link.service);
    let message = format!("stacks wait for each other: {}", names.join(" → "));
    let mut finding = Finding::new(&rules::STACK_CYCLE, message)
        .at(first.at.clone())
        .label(words(first))
        .help("remove one of the dependencies on this way, or move a service into the other stack".to_owned());
    for link in way.iter().skip(1) {
        finding = finding.related(link.at.clone(), words(link));
    }
    Some(finding)
}

/// Variables that tell a service where another is to which no way is open.
fn unreachable(loaded: &Loaded) -> Vec<Finding> {
    let (own, neighbours) = (&loaded.stack, loaded.neighbours());
    let opened = all_dependencies(own);
    let mut findings = Vec::new();
    for (name, service) in &own.services {
        for (variable, reference) in &service.env_from {
            let stack = match reference.stack().filter(|named| *named != own.stack.as_str()) {
                None => Some(own),
                Some(named) => neighbours.iter().copied().find(|other| other.stack.as_str() == named),
            };
            let Some((stack, output)) = stack.and_then(|stack| Some((stack, stack.outputs.get(reference.output())?)))
            else {
                continue;
            };
            let OutputValue::OfService { service: of, value } = &output.value else { continue };
            let itself = stack.stack == own.stack && of == name;
            let known = stack.services.contains_key(of);
            if itself
                || !known
                || !value.leads_there()
                || opened.get(name).is_some_and(|open| leads(open, own, stack, of))
            {
                continue;
            }
            let target = if stack.stack == own.stack { of.to_string() } else { format!("{}/{of}", stack.stack) };
            let path = field(&field(&field("services", name.as_str()), "env_from"), variable.as_str());
            let there = field("outputs", reference.output());
            let at_output = match stack.stack == own.stack {
                true => loaded.places.stack_key(&there),
                false => loaded
                    .beside()
                    .find(|other| other.value.stack == stack.stack)
                    .and_then(|other| other.spans.key(&there)),
            };
            let message =
                format!("{path}: {name} is told where {target} is, and does not depend on it, so that no way is open");
            findings.push(
                Finding::new(&rules::NO_WAY_THERE, message)
                    .at(loaded.places.stack_value(&path))
                    .related(at_output, format!("{} of {target}", value.as_str()))
                    .path(path)
                    .help(format!("add `{target}` to `depends_on` of {name}, or take the variable out")),
            );
        }
    }
    findings
}

/// Whether a service of a stack is among dependencies that `own` declares.
fn leads(open: &BTreeSet<ServiceRef>, own: &Stack, stack: &Stack, service: &ServiceName) -> bool {
    open.iter().any(|reference| {
        let named = reference.stack().unwrap_or(own.stack.as_str());
        named == stack.stack.as_str() && reference.service() == service.as_str()
    })
}
