//! What `plan -o json` prints is what `strata schema plan` says, and what the library reads back.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use strata::load::decode::decode_with;
use strata::load::source::Source;
use strata::plan::{Action, Plan};

use super::support::{Cluster, Story};

/// The plan in a text that fits the schema; otherwise what does not fit.
fn read(text: &str, schema: &Value) -> Result<Plan, Vec<String>> {
    let source = Source::new("plan.json", text);
    let decoded = decode_with::<Plan>(source, schema);
    decoded.map(|decoded| decoded.value).map_err(|found| found.into_iter().map(|finding| finding.message).collect())
}

pub(crate) fn story() {
    let mut story = Story::new("plan-schema", Cluster::Embedded);
    let schema: Value = serde_json::from_str(&story.output("schema plan")).unwrap();
    let mut seen = Vec::new();
    let mut check = |story: &Story, more: &str| {
        let text = story.output(&format!("plan plan-schema -e testing -o json {more}"));
        let plan = read(&text, &schema).unwrap_or_else(|found| panic!("{found:#?} in {text}"));
        assert_eq!(plan, serde_json::from_str(&text).unwrap());
        seen.extend(plan.steps().map(|step| step.action));
        text
    };
    check(&story, "");
    story.up("");
    check(&story, "");
    story.edit(&story.stack(), "    replicas: 3", "    replicas: 4");
    story.meanwhile(async |client| {
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), "plan-schema");
        let scaled = json!({"spec": {"replicas": 7}});
        let manager = PatchParams { field_manager: Some("night-shift".to_owned()), ..PatchParams::default() };
        deployments.patch("ai-memory-mcp", &manager, &Patch::Merge(scaled)).await.unwrap();
        let maps: Api<ConfigMap> = Api::namespaced(client, "plan-schema");
        let unmarked = json!({"metadata": {"labels": {"applyset.kubernetes.io/part-of": null}}});
        maps.patch("mcp-port-registry", &manager, &Patch::Merge(unmarked)).await.unwrap();
    });
    check(&story, "");
    check(&story, "--adopt --force-conflicts");
    story.edit(&story.stack(), "    depends_on: [redis_cache]\n  redis_cache:", "  redis_memory:");
    let text = check(&story, "--allow-prune");
    seen.sort_unstable();
    seen.dedup();
    let expect = [Action::Create, Action::Update, Action::Adopt, Action::Delete, Action::Unchanged, Action::Blocked];
    assert_eq!(seen, expect);

    // What does not fit is refused by the same reading.
    for (from, to) in [
        ("\"action\": \"create\"", "\"action\": \"conjure\""),
        ("\"cause\": \"absent\"", "\"cause\": \"whim\""),
        ("\"inputs\": \"", "\"outputs\": \""),
        ("\"stage\": 0", "\"stage\": -1"),
        ("\"force\": false", "\"force\": \"no\""),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(read(&text.replacen(from, to, 1), &schema).is_err(), "{to}");
    }
}
