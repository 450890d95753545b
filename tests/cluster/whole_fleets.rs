//! A whole fleet that ships with the project, up from nothing and down again.

use super::support::{Cluster, Story};

/// The namespace of a stack, and the claims in it that its stores have for their data and their copies.
pub(crate) type Claims = (&'static str, &'static [&'static str]);

/// The claims of intelligence in production.
pub(crate) const INTELLIGENCE: Claims = (
    "sophia-ai",
    &["data-cache-0", "data-database-0", "data-vectors-0", "cache-backup", "database-backup", "vectors-backup"],
);
/// The claims of mcp-network in staging.
pub(crate) const NETWORK: Claims = ("mcp-network-staging", &["data-discovery-0"]);

/// On the embedded cluster, which brings what the environment says.
pub(crate) fn story(name: &'static str, stack: &'static str, environment: &'static str) {
    tell(Story::shipped(name, stack, environment, Cluster::Embedded));
}

/// The same story on another cluster, which is given first what the environment says that it brings.
pub(crate) fn story_on(
    cluster: Cluster,
    (name, stack, environment): (&'static str, &'static str, &'static str),
    (namespace, claims): Claims,
) {
    let story = Story::shipped(name, stack, environment, cluster);
    let definitions = story.definitions();
    story.meanwhile(async |client| super::support::provided::define(client, definitions).await);
    story.meanwhile(async |client| super::support::provided::volumes(client, namespace, claims).await);
    tell(story);
}

fn tell(mut story: Story) {
    story.up("");
    story.succeed("status", "");
    story.succeed("destroy", "--yes --quiet");
    story.end();
}
