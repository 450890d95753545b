//! Three stacks of one environment, of which one stands on another: they are planned together, brought up one after
//! another and taken down the other way round. One that is brought up alone waits for what it stands on.

use super::support::{Cluster, Story};

const BASE: &str = "stack: across-base
namespace: across-base
tiers: {all: {ports: 9300-9309}}
services:
  store: {tier: all, port: 9300, purpose: Keeps what is written}
outputs:
  store_url: {service: store, value: url, description: Where the store answers}
  region: {literal: eu-central}
";
const EDGE: &str = "stack: across-edge
namespace: across-edge
tiers: {all: {ports: 9400-9409}}
services:
  door:
    tier: all
    port: 9400
    depends_on: [across/ai_memory]
    env_from: {REGION: across-base.region}
outputs:
  door_url: {service: door, value: url}
";
const WAITS: &str = "depends_on: [redis_cache]";
const REFERS: &str = "depends_on: [redis_cache, across-base/store]
    env_from: {STORE_URL: across-base.store_url}";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("across", cluster);
    story.write("stacks/across-base.yaml", BASE);
    story.write("stacks/across-edge.yaml", EDGE);
    story.tell("The memory stands on a store of another stack, and a third stack stands on the memory.");
    story.edit(&story.stack(), WAITS, REFERS);
    story.strata("check --all -e testing");
    story.strata("outputs across-base -e testing");
    story.strata("outputs --all -e testing");
    story.strata("graph --all -e testing");
    story.strata("check --all -e testing --ports");
    story.strata("reach --all -e testing");
    story.strata("plan --all -e testing --summary --detailed-exitcode");

    story.tell("Alone it waits for what it stands on, and the end says what to bring up first.");
    story.strata("up across -e testing --yes --quiet --timeout 1");
    story.tell("All of them are brought up in their order.");
    story.strata("up --all -e testing --yes --quiet");
    story.strata("plan --all -e testing --detailed-exitcode");
    story.strata("status --all -e testing");
    story.strata("status --all -e testing -o json");
    story.strata("check --all -e testing --live");
    story.strata("plan --all -e testing --target door");

    story.tell("Who is told an address is told another when that changes.");
    story.edit("stacks/across-base.yaml", "port: 9300", "port: 9301");
    story.strata("plan --all -e testing --save plans");
    story.strata("up --all -e testing --plan plans --yes --quiet");
    story.strata("plan --all -e testing --detailed-exitcode");
    story.tell("Plans that were carried out are done; a plan that is missing is missed.");
    story.strata("up --all -e testing --plan plans --yes --quiet");
    std::fs::remove_file(story.path().join("plans/across-edge.plan")).unwrap();
    story.strata("up --all -e testing --plan plans --yes --quiet");

    story.tell("A reference that leads nowhere stops all of them.");
    story.edit("stacks/across-edge.yaml", "across-base.region", "across-base.regoin");
    story.strata("up --all -e testing --yes --quiet");
    story.edit("stacks/across-edge.yaml", "across-base.regoin", "across-base.region");

    story.tell("What others stand on is not taken from under them.");
    story.strata("destroy across-base -e testing --yes --quiet");
    story.strata("destroy --all -e testing --yes --allow-dependents");
    story.strata("destroy --all -e testing --yes --quiet --delete Namespace/across-edge");
    story.strata("plan --all -e testing --summary");
    story.end();
}
