//! What the mesh of an environment leaves undone. What it cannot do at all is refused when the stack is composed.

use super::rules;
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;

/// A note where the stack asks for limits on calls, and the environment is told not to enforce them, or cannot.
pub(super) fn check(loaded: &Loaded) -> Option<Finding> {
    let (stack, environment) = (&loaded.stack, &loaded.environment);
    let why = match &environment.mesh {
        None => "has no mesh",
        Some(mesh) if !mesh.limits => "tells its mesh to do without",
        Some(_) => return None,
    };
    let of_stack = stack.circuit_breaker.is_some().then(|| "circuit_breaker".to_owned());
    let of_services = stack.services.iter().filter_map(|(name, service)| {
        let base = field("services", name.as_str());
        let limited = service.rate_limit.map(|_| "rate_limit");
        Some(field(&base, service.circuit_breaker.map(|_| "circuit_breaker").or(limited)?))
    });
    let path = of_stack.into_iter().chain(of_services).next()?;
    let name = &environment.environment;
    Some(
        Finding::new(&rules::NOT_ENFORCED, format!("circuit breakers and rate limits are not enforced: {name} {why}"))
            .at(loaded.places.stack_key(&path))
            .path(path)
            .help("nothing to do, if that is meant; otherwise give the environment a mesh of sidecars".to_owned()),
    )
}
