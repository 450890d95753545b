//! Names that must not meet, in one stack or over two of them, and a stack in which nothing has a name.

use strata_components::model::{NamespaceHere, Stack};

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::decode::Decoded;
use crate::load::spans::field;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    if loaded.stack.services.is_empty() && loaded.stack.device_plugin.is_none() {
        findings.push(
            Finding::new(&rules::EMPTY_STACK, format!("the stack {} has no services", loaded.stack.stack))
                .at(loaded.places.stack_key("services"))
                .path("services")
                .help("add services; to remove a deployment use `strata destroy`".to_owned()),
        );
    }
    let environment = &loaded.environment;
    for NamespaceHere { written, here } in environment.namespaces_of(&loaded.stack) {
        if here == environment.control_namespace.as_str() {
            let path = namespace_path(&loaded.stack, &written);
            findings.push(
                Finding::new(
                    &rules::CONTROL_NAMESPACE,
                    format!("{path}: the namespace is called {here} here, as the control namespace is"),
                )
                .at(loaded.places.stack_value(&path))
                .related(loaded.places.environment_value(&field("namespaces", &written)), "mapped here")
                .path(path)
                .help(format!("map `{written}` to another name in `namespaces` of the environment")),
            );
        }
    }
    for other in loaded.beside() {
        findings.extend(shared_namespaces(loaded, other));
        findings.extend(shared_services(loaded, other));
    }
    findings
}

/// Where a stack says what a namespace is called: at a tier, or for all of it.
pub(super) fn namespace_path(stack: &Stack, written: &str) -> String {
    let named = stack.tiers.iter().find(|(_, tier)| tier.namespace.as_ref().is_some_and(|own| own.as_str() == written));
    named.map_or_else(|| "namespace".to_owned(), |(tier, _)| field(&field("tiers", tier.as_str()), "namespace"))
}

/// Namespaces that another stack of the environment has too. Instances of one name stand side by side, so that what
/// tells them apart says nothing here.
fn shared_namespaces(loaded: &Loaded, other: &Decoded<Stack>) -> Vec<Finding> {
    let theirs = loaded.environment.namespaces_of(&other.value);
    let own = loaded.environment.namespaces_of(&loaded.stack);
    let shared = own.iter().filter_map(|own| Some((own, theirs.iter().find(|theirs| theirs.here == own.here)?)));
    let finding = |(own, theirs): (&NamespaceHere, &NamespaceHere)| {
        let path = namespace_path(&loaded.stack, &own.written);
        let name = &other.value.stack;
        let message = format!(
            "{path}: {} is a namespace of the stack {name} too: both have the Namespace, its policies and its port registry",
            own.here
        );
        let mapped = field("namespaces", &own.written);
        Finding::new(&rules::SAME_OBJECT, message)
            .at(loaded.places.stack_value(&path))
            .related(other.spans.value(&namespace_path(&other.value, &theirs.written)), format!("namespace of {name}"))
            .related(loaded.places.environment.as_ref().and_then(|spans| spans.value(&mapped)), "mapped here")
            .path(path)
            .help(
                "give one of the two another namespace, in its stack or in `namespaces` of the environment".to_owned(),
            )
    };
    shared.map(finding).collect()
}

/// Services whose objects another stack of the environment has too, by the same name in the same namespace.
fn shared_services(loaded: &Loaded, other: &Decoded<Stack>) -> Vec<Finding> {
    let here = |stack: &Stack, name: &str| {
        let service = stack.services.get(name)?;
        Some(loaded.environment.namespace_of(stack, stack.tiers.get_key_value(&service.tier)?).here)
    };
    let mut findings = Vec::new();
    for (name, service) in &loaded.stack.services {
        let Some(namespace) = here(&loaded.stack, name.as_str()) else { continue };
        if here(&other.value, name.as_str()).as_ref() != Some(&namespace) {
            continue;
        }
        let path = field("services", name.as_str());
        let theirs = format!("{}/{name}", other.value.stack);
        let message =
            format!("{path}: the Service {namespace}/{} is that of {theirs} already", service.object_name(name));
        findings.push(
            Finding::new(&rules::SAME_OBJECT, message)
                .at(loaded.places.stack_key(&path))
                .label("its Deployment and policies too")
                .related(other.spans.key(&path), theirs)
                .path(path)
                .help("rename one of the two, or give its stack another namespace".to_owned()),
        );
    }
    findings
}
