//! What `plan -o json` prints is what `strata schema plan` says, and what the library reads back. A step of each action
//! becomes docs/reference/plan-examples.md; `SNAPSHOTS=overwrite` writes it.

use std::collections::BTreeMap;
use std::path::Path;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use regex::Regex;
use serde_json::{Value, json};
use snapbox::assert::{Assert, DEFAULT_ACTION_ENV};
use snapbox::data::Data;
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

/// The steps of a plan, by action: the first of each that is not there yet, without its manifest.
fn collect(text: &str, found: &mut BTreeMap<String, Value>) {
    let plan: Value = serde_json::from_str(text).unwrap();
    for phase in plan["phases"].as_array().unwrap() {
        for step in phase["steps"].as_array().unwrap() {
            let mut step = step.clone();
            step.as_object_mut().unwrap().remove("manifest");
            found.entry(step["action"].as_str().unwrap().to_owned()).or_insert(step);
        }
    }
}

/// The page: each action with what the schema says of it, and its step; what is another in every run is always the same.
fn page(schema: &Value, found: &BTreeMap<String, Value>) -> String {
    let mut page = String::from(
        "# A step of each action\n\nFrom runs against the embedded cluster, as `strata plan -o json` prints them: each fits \
         the [schema](plan.md). Left out is `manifest`, the whole object that is applied; UIDs, revisions and times are \
         made alike. A test makes this page.\n",
    );
    for action in schema["$defs"]["Action"]["oneOf"].as_array().unwrap() {
        let name = action["const"].as_str().unwrap();
        let step = found.get(name).unwrap_or_else(|| panic!("no run has a step that would {name}"));
        let says = action["description"].as_str().unwrap().replace('\n', " ");
        let step = serde_json::to_string_pretty(step).unwrap();
        page += &format!("\n## {name}\n\n{says}\n\n```json\n{step}\n```\n");
    }
    for (pattern, instead) in [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "6f1c8f0e-3c5b-4a86-9d0b-2f6c1a7e4b19"),
        (r#""resource_version": "\d+""#, r#""resource_version": "412""#),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-11-21T09:14:02Z"),
    ] {
        page = Regex::new(pattern).unwrap().replace_all(&page, instead).into_owned();
    }
    page
}

/// Deletes a PriorityClass and makes it anew with another value, which can never change.
async fn another_value(client: kube::Client, name: &str) {
    let classes: Api<PriorityClass> = Api::all(client);
    let mut class = classes.get(name).await.unwrap();
    classes.delete(name, &DeleteParams::default()).await.unwrap();
    let ObjectMeta { labels, annotations, .. } = class.metadata;
    class.metadata = ObjectMeta { name: Some(name.to_owned()), labels, annotations, ..ObjectMeta::default() };
    class.value = class.value.map(|value| value + 1);
    classes.create(&PostParams::default(), &class).await.unwrap();
}

pub(crate) fn story() {
    let mut story = Story::new("plan-schema", Cluster::Embedded);
    let schema: Value = serde_json::from_str(&story.output("schema plan")).unwrap();
    let (mut seen, mut examples) = (Vec::new(), BTreeMap::new());
    let mut check = |story: &Story, more: &str| {
        let text = story.output(&format!("plan plan-schema -e testing -o json {more}"));
        let plan = read(&text, &schema).unwrap_or_else(|found| panic!("{found:#?} in {text}"));
        assert_eq!(plan, serde_json::from_str(&text).unwrap());
        seen.extend(plan.steps().map(|step| step.action));
        collect(&text, &mut examples);
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
    story.meanwhile(async |client| another_value(client, "plan-schema-testing-high").await);
    check(&story, "--allow-replace --force-conflicts");
    story.edit(&story.stack(), "  ai_memory:\n", "  recall:\n    was: ai_memory\n");
    check(&story, "");
    story.edit(&story.stack(), "  recall:\n    was: ai_memory\n", "  ai_memory:\n");
    let coloured = "    replicas: 4\n    rollout: {blue_green: {}}";
    story.edit(&story.stack(), "    replicas: 4", coloured);
    check(&story, "");
    story.edit(&story.stack(), coloured, "    replicas: 4");
    story.edit(&story.stack(), "    depends_on: [redis_cache]\n  redis_cache:", "  redis_memory:");
    check(&story, "--allow-prune --forget Deployment/redis-cache-mcp");
    let text = check(&story, "--allow-prune");
    seen.sort_unstable();
    seen.dedup();
    let expect = [
        Action::Create,
        Action::Update,
        Action::Replace,
        Action::Adopt,
        Action::Move,
        Action::Delete,
        Action::Forget,
        Action::Hold,
        Action::Return,
        Action::Unchanged,
        Action::Blocked,
    ];
    assert_eq!(seen, expect);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/plan-examples.md");
    let made = Data::text(page(&schema, &examples)).raw();
    Assert::new().action_env(DEFAULT_ACTION_ENV).eq(made, Data::read_from(&file, None).raw());

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
