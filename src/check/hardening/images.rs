//! Images that mean the same bytes tomorrow: what an environment demands of every reference.

use serde_json::Value;
use strata_components::model::{ImagePin, ServiceName};

use super::standard::containers;
use super::{Workload, finding, rules};
use crate::finding::Finding;
use crate::load::Loaded;
use crate::load::spans::field;

pub(super) fn check(workload: &Workload<'_>, loaded: &Loaded) -> Vec<Finding> {
    let environment = loaded.environment.environment.as_str();
    let mut findings = Vec::new();
    for (_, container) in containers(workload.pod) {
        let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
        let pinned = image.contains('@');
        let (rule, lack, help) = match loaded.environment.image.pin {
            ImagePin::Digest if !pinned => {
                (&rules::NO_DIGEST, "carries no digest", "write the image with `@sha256:` and its digest")
            }
            ImagePin::Tag if !pinned && matches!(tag(image), None | Some("latest")) => {
                (&rules::FLOATING_TAG, "has no tag that stays", "write a tag other than `latest`, or a digest")
            }
            _ => continue,
        };
        let message = format!("the image {image} {lack}, and {environment} demands one");
        let found = finding(rule, workload, &message, help, loaded);
        findings.push(match place(workload, loaded) {
            Some(at) => found.at(at),
            None => found,
        });
    }
    findings
}

/// The tag of a reference: what stands after the last colon, where that is no port of the registry.
pub(in crate::check) fn tag(image: &str) -> Option<&str> {
    let name = image.split('@').next().unwrap_or_default();
    let last = name.rsplit('/').next().unwrap_or_default();
    last.split_once(':').map(|(_, tag)| tag)
}

/// Where the image of a service is written: in the environment's change, in the stack, or as the environment's tag.
fn place(workload: &Workload<'_>, loaded: &Loaded) -> Option<crate::finding::Location> {
    let name = ServiceName::new(workload.resource.service.as_deref()?).ok()?;
    if let Some((path, _)) = loaded.change(&name).filter(|(_, change)| change.image.is_some()) {
        return loaded.places.environment_value(&field(&path, "image"));
    }
    if loaded.stack.services.get(&name)?.image.is_some() {
        return loaded.places.stack_value(&field(&field("services", name.as_str()), "image"));
    }
    loaded.places.environment_value("image.tag")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_no_ports() {
        for (image, expect) in [
            ("registry.example/shop/web:1.2", Some("1.2")),
            ("registry.example:5000/shop/web", None),
            ("registry.example:5000/web:latest", Some("latest")),
            ("web:2@sha256:00", Some("2")),
            ("web", None),
        ] {
            assert_eq!(tag(image), expect, "{image}");
        }
    }
}
