//! Where a finding stands that was made about an object or about pods: at the service that these belong to, which is
//! where somebody can change them.

use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;

/// Puts a finding at a service of the stack; what belongs to no service stands nowhere.
pub(super) fn at_service(finding: Finding, service: Option<&str>, loaded: &Loaded) -> Finding {
    match service.map(|service| field("services", service)) {
        Some(path) => finding.at(loaded.places.stack_key(&path)).path(path),
        None => finding,
    }
}

/// The same at a value of the service, or at what is nearest to it.
pub(super) fn at_value(finding: Finding, service: Option<&str>, key: &str, loaded: &Loaded) -> Finding {
    match service.map(|service| field(&field("services", service), key)) {
        Some(path) => finding.at(loaded.places.stack_value(&path)).path(path),
        None => finding,
    }
}
