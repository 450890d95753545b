//! Rules of the user's own that speak of a plan: one that breaks them is shown and not carried out, on the way up, down
//! and back.

use super::support::{Cluster, Story};

const POLICIES: &str = "policies:
  SHOP-size-001:
    title: No server loses more than half of its pods at once
    level: error
    remedy: Go down in two steps
    matchConstraints:
      resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments]}]
    validations:
      - expression: object.spec.replicas * 2 >= oldObject.spec.replicas
        messageExpression: \"'%d pods would become %d'.format([oldObject.spec.replicas, object.spec.replicas])\"
  SHOP-keep-001:
    title: What serves is not deleted
    level: error
    matchConstraints:
      resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [DELETE], resources: [services]}]
    validations:
      - expression: request.operation != 'DELETE'
        messageExpression: \"'phase ' + string(strata.phase) + ' would delete ' + oldObject.metadata.name\"
  SHOP-busy-001:
    title: A plan that changes much is announced
    level: warning
    params: {most: 2}
    validations:
      - expression: plan.summary.create > 0 || plan.summary.update <= params.most
        messageExpression: \"string(plan.summary.update) + ' objects change'\"
";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("policies", cluster);
    let (file, rules) = (story.stack(), "policies/shop.yaml");
    story.write(rules, POLICIES);
    story.tell("What is made anew breaks none of them.");
    story.up("");

    story.tell("A third of the pods is too few. The plan is shown, and neither saved nor carried out.");
    let text = story.text(&file);
    let pods = |count: &str| text.replace("    replicas: 3", &format!("    replicas: {count}"));
    story.write(&file, &pods("1"));
    story.strata("plan policies -e testing --save small.plan");
    story.strata("up policies -e testing --yes --quiet");
    assert!(!story.path().join("small.plan").exists());

    story.tell("Half of them is not, and is announced where much changes with it.");
    story.write(&file, &pods("2"));
    story.edit(rules, "{most: 2}", "{most: 0}");
    story.strata("plan policies -e testing --save half.plan");
    story.edit(rules, "{most: 0}", "{most: 2}");
    story.tell("Who reads the saved plan sees what they said of it.");
    story.strata_elsewhere("show half.plan --summary");
    story.strata_elsewhere("show half.plan -o markdown");
    story.strata("up policies -e testing --yes --plan half.plan");
    story.settled("");

    story.tell("A saved plan is held against the policies of the day on which it is carried out.");
    story.write(&file, &pods("3"));
    story.strata("plan policies -e testing --save more.plan");
    story.edit(rules, "replicas * 2 >= oldObject.spec.replicas", "replicas == oldObject.spec.replicas");
    story.strata("up policies -e testing --yes --plan more.plan");
    story.write(&file, &pods("2"));
    story.edit(rules, "replicas == oldObject.spec.replicas", "replicas * 2 >= oldObject.spec.replicas");

    story.tell("The way down deletes what serves; the stack says why it may.");
    story.strata("destroy policies -e testing --yes");
    let two = pods("2");
    story.write(&file, &format!("{two}waivers:\n  - {{rule: SHOP-keep-001, reason: This shop closes down}}\n"));
    story.strata("check policies -e testing");
    story.strata("destroy policies -e testing --yes");
    story.end();
}
