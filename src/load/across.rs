//! References from one stack to another: whether the stack, the service and the output that are named exist. A finding
//! names both files: the place of the reference, and the place where what it names would stand.

use strata_components::model::{OutputValue, ServiceRef, Stack};

use super::decode::Decoded;
use super::loaded::Places;
use super::root::STACK;
use super::rules;
use super::spans::{field, index};
use super::suggest::instead;
use crate::finding::{Finding, Rule};

/// Every dependency that a stack declares: the path of the list's entry, and what it names.
pub(crate) fn dependencies(stack: &Stack) -> impl Iterator<Item = (String, &ServiceRef)> {
    let tiers = stack.tiers.iter().map(|(name, tier)| (field("tiers", name.as_str()), &tier.depends_on));
    let services = stack.services.iter().map(|(name, service)| (field("services", name.as_str()), &service.depends_on));
    tiers.chain(services).flat_map(|(declarer, list)| {
        let list_path = field(&declarer, "depends_on");
        list.iter().enumerate().map(move |(position, reference)| (index(&list_path, position), reference))
    })
}

/// What of a stack names what does not exist: services of other stacks, outputs of any, and what its own outputs are of.
/// `others` must be all other stacks for `complete` to be true.
pub(super) fn check(stack: &Stack, others: &[Decoded<Stack>], complete: bool, places: &Places) -> Vec<Finding> {
    let own = stack.stack.as_str();
    let seek = Seek { others, complete, places };
    let mut findings = Vec::new();
    for (path, reference) in dependencies(stack) {
        let Some(named) = reference.stack().filter(|named| *named != own) else { continue };
        let Some(other) = seek.find(named) else {
            findings.extend(seek.missing(&rules::UNKNOWN_SERVICE, named, &path));
            continue;
        };
        let (name, services) = (reference.service(), || other.value.services.keys().map(|name| name.as_str()));
        if !services().any(|service| service == name) {
            let message = format!("{path}: there is no service `{name}` in stack {named}");
            let help = instead(name, "services there", services());
            let finding = Finding::new(&rules::UNKNOWN_SERVICE, message).help(help);
            findings.push(seek.beside(finding, &path, other, "services"));
        }
    }
    for (name, service) in &stack.services {
        let base = field(&field("services", name.as_str()), "env_from");
        for (variable, reference) in &service.env_from {
            let path = field(&base, variable.as_str());
            let lacking = |of: &Stack, at: &str| {
                let (output, names) = (reference.output(), || of.outputs.keys().map(|name| name.as_str()));
                let message = format!("{path}: there is no output `{output}` in stack {}", of.stack);
                let help = instead(output, at, names());
                (!names().any(|known| known == output))
                    .then(|| Finding::new(&rules::UNKNOWN_OUTPUT, message).help(help))
            };
            let Some(named) = reference.stack().filter(|named| *named != own) else {
                let finding = lacking(stack, "outputs here");
                findings.extend(finding.map(|finding| finding.at(places.stack_value(&path)).path(path.clone())));
                continue;
            };
            findings.extend(match seek.find(named) {
                None => seek.missing(&rules::UNKNOWN_OUTPUT, named, &path),
                Some(other) => {
                    lacking(&other.value, "outputs there").map(|finding| seek.beside(finding, &path, other, "outputs"))
                }
            });
        }
    }
    for (name, output) in &stack.outputs {
        let OutputValue::OfService { service, .. } = &output.value else { continue };
        if stack.services.contains_key(service) {
            continue;
        }
        let path = field(&field("outputs", name.as_str()), "service");
        let names = stack.services.keys().map(|name| name.as_str());
        findings.push(
            Finding::new(&rules::UNKNOWN_SERVICE, format!("{path}: there is no service `{service}` in stack {own}"))
                .at(places.stack_value(&path))
                .help(instead(service.as_str(), "services here", names))
                .path(path),
        );
    }
    findings
}

/// Where the other stacks of a reference are looked for.
struct Seek<'a> {
    others: &'a [Decoded<Stack>],
    complete: bool,
    places: &'a Places,
}

impl<'a> Seek<'a> {
    fn find(&self, named: &str) -> Option<&'a Decoded<Stack>> {
        self.others.iter().find(|other| other.value.stack.as_str() == named)
    }

    /// What is to be said of a stack that is not there: nothing where some stack could not be read, which is said apart.
    fn missing(&self, rule: &Rule, named: &str, path: &str) -> Option<Finding> {
        let known = || self.others.iter().map(|other| other.value.stack.as_str());
        let message = format!("{path}: there is no stack `{named}`, which would be {}/{named}.yaml", STACK.dir);
        let finding = Finding::new(rule, message).at(self.places.stack_value(path)).path(path);
        self.complete.then(|| finding.help(instead(named, "other stacks here", known())))
    }

    /// Puts a finding at the reference, with the section of the other file that lacks what it names: the section's own
    /// key, or that of the stack's name where it has no such section.
    fn beside(&self, finding: Finding, path: &str, other: &Decoded<Stack>, section: &str) -> Finding {
        let stack = &other.value.stack;
        let there = other.spans.key(section).map(|at| (at, format!("{section} of {stack}")));
        let there = there.or_else(|| Some((other.spans.value("stack")?, format!("{stack} has no {section}"))));
        let (at, text) = there.unzip();
        finding.at(self.places.stack_value(path)).path(path).related(at, text.unwrap_or_default())
    }
}
