//! Names that must not meet, and a stack in which nothing has a name.

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;

pub(super) fn check(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    if loaded.stack.services.is_empty() {
        findings.push(
            Finding::new(&rules::EMPTY_STACK, format!("the stack {} has no services", loaded.stack.stack))
                .at(loaded.places.stack_key("services"))
                .path("services")
                .help("add services; to remove a deployment use `strata destroy`".to_owned()),
        );
    }
    let environment = &loaded.environment;
    let own = std::iter::once(("namespace".to_owned(), &loaded.stack.namespace));
    let tiers = loaded.stack.tiers.iter().filter_map(|(name, tier)| {
        Some((field(&field("tiers", name.as_str()), "namespace"), tier.namespace.as_ref()?))
    });
    for (path, namespace) in own.chain(tiers) {
        let here = environment.namespaces.get(namespace).unwrap_or(namespace);
        if *here == environment.control_namespace {
            findings.push(
                Finding::new(
                    &rules::CONTROL_NAMESPACE,
                    format!("{path}: the namespace is called {here} here, as the control namespace is"),
                )
                .at(loaded.places.stack_value(&path))
                .related(loaded.places.environment_value(&field("namespaces", namespace.as_str())), "mapped here")
                .path(path)
                .help(format!("map `{namespace}` to another name in `namespaces` of the environment")),
            );
        }
    }
    findings
}
