//! A load balancer in front of servers, in a namespace of its own: what stands in its configuration rolls it, and what it
//! cannot do is said before anything is done.

use super::support::{Cluster, Story};

const OTHERS: &str = "services:\n";
const WITH: &str = "  front: {ports: 9020-9029, title: Load balancing, namespace: STORY-front}

services:
  balancer:
    tier: front
    port: 9029
    replicas: 2
    depends_on: [ai_memory, redis_cache]
    component:
      haproxy: {}
  client:
    tier: front
    port: 9020
    depends_on: [balancer]
";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("balanced", cluster);
    story.tell("Clients call the memory and the cache through a load balancer.");
    let with = WITH.replace("STORY", "balanced");
    story.edit(&story.stack(), OTHERS, &with);
    story.strata("check balanced -e testing");
    story.up("");
    story.strata("reach balanced -e testing client balancer");

    story.tell("Requests to the cache go to its idlest pod: the balancer takes up its new configuration.");
    let least = "haproxy: {services: {redis_cache: {balance: least-connections}}}";
    story.edit(&story.stack(), "haproxy: {}", least);
    story.strata("plan balanced -e testing");
    story.up("");

    story.tell("Weights go with a balance that follows them, and with services that it depends on.");
    story.edit(&story.stack(), least, "haproxy: {services: {ai_memory: {weights: {client: 1}}}}");
    story.strata("check balanced -e testing");
    story.edit(&story.stack(), "haproxy: {services: {ai_memory: {weights: {client: 1}}}}", "haproxy: {}");
    story.up("");
    story.end();
}
