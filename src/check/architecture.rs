//! Images against the nodes they may be placed on: processors, and kernels with large pages.
//!
//! The scheduler does not look into images. What is known of one is what the stack says of it, and a short list of
//! public images, each with its source.

use k8s_openapi::api::core::v1::PodSpec;
use serde::Deserialize;
use strata_components::desired::Desired;
use strata_components::model::ServiceName;

use super::capacity::nodes::Node;
use super::capacity::placement::admits;
use super::hardening::tag;
use super::place::at_value;
use super::workloads::{Workload, workloads};
use super::{in_words, rules};
use crate::finding::{Finding, Rule};
use crate::load::Loaded;

/// A public image of which something is known.
struct Known {
    /// The repository, without the registry of Docker.
    image: &'static str,
    /// The first version of which it no longer holds.
    until: Option<&'static str>,
    /// Where that is said.
    source: &'static str,
}

/// Images that are published for amd64 alone.
const AMD64_ONLY: [Known; 2] = [
    Known {
        image: "mcr.microsoft.com/mssql/server",
        until: None,
        source: "https://support.microsoft.com/en-us/help/4047326/support-policy-for-microsoft-sql-server",
    },
    Known {
        image: "selenium/standalone-edge",
        until: None,
        source: "https://github.com/SeleniumHQ/docker-selenium/pull/3187",
    },
];

/// Programs that stop at once where pages have 64 KiB, in all cases because their allocator was built for smaller
/// ones (<https://github.com/jemalloc/jemalloc/issues/467>).
const SMALL_PAGES_ONLY: [Known; 4] = [
    Known {
        image: "falcosecurity/falco",
        until: Some("0.45"),
        source: "https://github.com/falcosecurity/falco/issues/3954",
    },
    Known {
        image: "ghcr.io/apollographql/router",
        until: None,
        source: "https://github.com/apollographql/router/issues/3382",
    },
    Known { image: "memgraph/memgraph", until: None, source: "https://github.com/memgraph/memgraph/issues/3279" },
    Known { image: "qdrant/qdrant", until: None, source: "https://github.com/qdrant/qdrant/issues/4988" },
];

impl Known {
    fn is(&self, image: &str) -> bool {
        let image = ["docker.io/", "index.docker.io/"].iter().find_map(|one| image.strip_prefix(one)).unwrap_or(image);
        let named = image.strip_prefix(self.image).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']));
        // A tag that is no version may be any.
        let before = |until| tag(image).and_then(version).is_none_or(|found| Some(found) < version(until));
        named && self.until.is_none_or(before)
    }
}

/// The numbers that a version begins with.
fn version(text: &str) -> Option<Vec<u64>> {
    let numbers: Vec<u64> =
        text.trim_start_matches('v').split(['.', '-', '_']).map_while(|part| part.parse().ok()).collect();
    (!numbers.is_empty()).then_some(numbers)
}

/// Images on nodes that they do not run on.
pub(super) fn check(desired: &Desired, loaded: &Loaded, nodes: &[Node]) -> Vec<Finding> {
    workloads(desired).iter().flat_map(|workload| of_workload(workload, loaded, nodes)).collect()
}

fn of_workload(workload: &Workload<'_>, loaded: &Loaded, nodes: &[Node]) -> Vec<Finding> {
    let Ok(pod) = PodSpec::deserialize(workload.pod) else { return Vec::new() };
    let possible: Vec<&Node> = nodes.iter().filter(|node| admits(node, &pod).is_ok()).collect();
    let service = workload.resource.service.as_deref().and_then(|name| ServiceName::new(name).ok());
    let said = service.as_ref().and_then(|name| loaded.stack.services.get(name));
    let said: Vec<&str> = said.into_iter().flat_map(|service| &service.architectures).map(|one| one.as_str()).collect();
    let mut findings = Vec::new();
    let mut found = |rule: &Rule, key: &str, message: String, help: String| {
        let finding = Finding::new(rule, format!("{}: {message}", workload.resource.id)).help(help);
        findings.push(at_value(finding, service.as_ref().map(|name| name.as_str()), key, loaded));
    };
    for image in
        pod.containers.iter().chain(pod.init_containers.iter().flatten()).filter_map(|one| one.image.as_deref())
    {
        let listed = AMD64_ONLY.iter().find(|known| known.is(image));
        let (built_for, key, source) = match listed {
            _ if !said.is_empty() => (said.clone(), "architectures", String::new()),
            Some(known) => (vec!["amd64"], "image", format!(" ({})", known.source)),
            None => (Vec::new(), "", String::new()),
        };
        let wrong = possible.iter().filter(|node| !built_for.is_empty() && !built_for.contains(&node.architecture()));
        let wrong: Vec<&&Node> = wrong.collect();
        if let Some(first) = wrong.first() {
            let message = format!(
                "the image {image} is built for {}{source}, and its pods may be placed on {}, which is {}",
                in_words(&built_for),
                several(&wrong),
                first.architecture()
            );
            let arch = first.architecture();
            let help = format!("build the image for {arch}, or keep its pods on nodes with another processor");
            found(&rules::NO_SUCH_ARCHITECTURE, key, message, help);
        }
        let large: Vec<&&Node> = possible.iter().filter(|node| node.large_pages).collect();
        if let Some(known) = SMALL_PAGES_ONLY.iter().find(|known| known.is(image)).filter(|_| !large.is_empty()) {
            let message = format!(
                "the image {image} does not run with pages of 64 KiB ({}), and its pods may be placed on {}",
                known.source,
                several(&large)
            );
            let help = match known.until {
                Some(until) => {
                    format!("use version {until} or a later one, or keep its pods on nodes with small pages")
                }
                None => "use a build for large pages, or keep its pods on nodes with small ones".to_owned(),
            };
            found(&rules::LARGE_PAGES, "image", message, help);
        }
    }
    findings
}

/// The first node, and how many there are beside it.
fn several(nodes: &[&&Node]) -> String {
    match nodes {
        [] => String::new(),
        [one] => one.name.clone(),
        [one, more @ ..] => format!("{} and {} more", one.name, more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(image: &str, amd64_only: bool, small_pages_only: bool) {
        let known = |list: &[Known]| list.iter().any(|known| known.is(image));
        assert_eq!((known(&AMD64_ONLY), known(&SMALL_PAGES_ONLY)), (amd64_only, small_pages_only), "{image}");
    }

    #[test]
    fn images_are_known_by_their_repository_and_version() {
        check("mcr.microsoft.com/mssql/server:2022-latest", true, false);
        check("mcr.microsoft.com/mssql/server-other:1", false, false);
        check("qdrant/qdrant:v1.9.2", false, true);
        check("docker.io/qdrant/qdrant", false, true);
        check("registry.example/qdrant/qdrant:v1.9.2", false, false);
        check("falcosecurity/falco:0.44.1", false, true);
        check("falcosecurity/falco:0.45.0", false, false);
        check("falcosecurity/falco:1.0", false, false);
        check("falcosecurity/falco@sha256:00", false, true);
    }
}
