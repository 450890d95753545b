//! What `up`, `rollback` and `destroy` print with `-o json` is one event a line, each as `strata schema events` says and
//! in the order of time, and nothing else: of runs that succeed, fail, are refused, have nothing to do or are interrupted.

use std::collections::BTreeSet;
use std::path::Path;

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube_embedded::Webhooks;
use serde_json::{Value, json};
use strata::load::decode::decode_with;
use strata::load::source::Source;
use strata::report::events::{EVENTS_FORMAT, Ended, RunEvent};

use super::faults::{cluster_with, while_time_stands_still};
use super::killed::{Act, Stage, in_simulated_time};
use super::refusals::NOBODY_HOME;
use super::support::victim::{Hook, Station};
use super::support::{Cluster, Story};

/// The schema that the program publishes.
fn schema(story: &Story) -> Value {
    serde_json::from_str(&story.output("schema events")).unwrap()
}

/// The event in a line that fits the schema; otherwise what does not fit.
fn read(line: &str, schema: &Value) -> Result<RunEvent, Vec<String>> {
    let decoded = decode_with::<RunEvent>(Source::new("line", line), schema);
    decoded.map(|decoded| decoded.value).map_err(|found| found.into_iter().map(|finding| finding.message).collect())
}

/// The events of a run that ended with this code, the last of which says so.
#[track_caller]
fn events(out: &str, code: i32, schema: &Value) -> Vec<RunEvent> {
    let each = |line: &str| read(line, schema).unwrap_or_else(|found| panic!("{found:#?} in {line}"));
    let events: Vec<RunEvent> = out.lines().map(each).collect();
    let times: Vec<Value> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["time"].clone()).collect();
    let mut sorted = times.clone();
    sorted.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
    assert_eq!(times, sorted);
    let said = match events.last() {
        Some(RunEvent::Outcome(ended)) => ended.exit_code,
        Some(RunEvent::Error(refusal)) => refusal.exit_code,
        last => panic!("{last:#?} is no end"),
    };
    assert_eq!(i32::from(said), code, "{out}");
    let ends = events.iter().filter(|event| matches!(event, RunEvent::Outcome(_) | RunEvent::Error(_))).count();
    let plans = events.iter().filter(|event| matches!(event, RunEvent::Plan(_))).count();
    let first = matches!(events[0], RunEvent::Plan(_));
    assert_eq!((ends, plans), (1, usize::from(first)), "{out}");
    events
}

/// The names of the events, each once.
fn names(events: &[RunEvent]) -> BTreeSet<String> {
    events.iter().map(|event| serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned()).collect()
}

/// How a run ended that was begun: its state, and how long the three lists are.
#[track_caller]
fn ended(events: &[RunEvent]) -> (Value, usize, usize, usize) {
    let Some(RunEvent::Outcome(ended)) = events.last() else { panic!("{events:#?}") };
    let Ended { state, done, failed, not_tried, .. } = ended.as_ref();
    (json!(state), done.len(), failed.len(), not_tried.len())
}

/// What a run says that was not begun.
#[track_caller]
fn refused(events: &[RunEvent]) -> (String, Vec<String>) {
    let Some(RunEvent::Error(refusal)) = events.last() else { panic!("{events:#?}") };
    (refusal.message.clone(), refusal.findings.iter().map(|found| found.rule.clone()).collect())
}

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("events", cluster);
    let schema = schema(&story);
    let run = |story: &Story, words: &str| {
        let (code, out, err) = story.run_here(words);
        assert!(!err.contains("\"event\""), "{err}");
        (code, events(&out, code, &schema))
    };

    // Nobody can be asked; the plan is told all the same.
    let (code, told) = run(&story, "up events -e testing -o json");
    assert_eq!((code, refused(&told).0.as_str()), (1, "nobody can be asked whether to go on"));
    assert!(matches!(told[0], RunEvent::Plan(_)));

    let (code, told) = run(&story, "up events -e testing --yes -o json");
    assert_eq!((code, ended(&told)), (0, (json!("done"), 17, 0, 0)));
    let whole =
        ["acknowledged", "outcome", "phase_ended", "phase_started", "plan", "ready", "recorded", "started", "waiting"];
    assert!(names(&told).iter().all(|name| whole.contains(&name.as_str())), "{:#?}", names(&told));
    assert!(whole.iter().all(|name| *name == "waiting" || names(&told).contains(*name)), "{:#?}", names(&told));

    let (code, told) = run(&story, "up events -e testing --yes -o json --quiet");
    assert_eq!((code, ended(&told)), (0, (json!("done"), 17, 0, 0)));
    assert!(matches!(&told[0], RunEvent::Plan(plan) if plan.steps.is_empty() && plan.summary.unchanged == 17));

    // What fails, with what explains it, and what needs it.
    let purpose = "    purpose: Fast caching layer";
    let fault = format!("{purpose}\n    image: registry.example/redis:fault-image-pull");
    story.edit(&story.stack(), purpose, &fault);
    let (code, told) = run(&story, "up events -e testing --yes -o json");
    assert_eq!(code, 1);
    assert_eq!(ended(&told).0, "failed");
    let details = |event: &RunEvent| match event {
        RunEvent::Failed { details, .. } => Some(details.len()),
        _ => None,
    };
    assert!(told.iter().filter_map(details).any(|details| details > 0), "{told:#?}");

    // A step is blocked, and the plan says why.
    story.edit(&story.stack(), "\n    image: registry.example/redis:fault-image-pull", "");
    story.up("");
    story.meanwhile(async |client| {
        let deployments: Api<Deployment> = Api::namespaced(client, "events");
        let manager = PatchParams { field_manager: Some("night-shift".to_owned()), ..PatchParams::default() };
        let scaled = json!({"spec": {"replicas": 7}});
        deployments.patch("ai-memory-mcp", &manager, &Patch::Merge(scaled)).await.unwrap();
    });
    let (code, told) = run(&story, "up events -e testing --yes -o json");
    assert_eq!((code, refused(&told).0.as_str()), (1, "a step is blocked, so nothing was changed"));
    let RunEvent::Plan(plan) = &told[0] else { panic!("{told:#?}") };
    let reasons: Vec<&str> = plan.steps.iter().flat_map(|step| &step.reasons).map(String::as_str).collect();
    let conflict = [".spec.replicas: drift: set by night-shift at ", "conflict: .spec.replicas is held by night-shift"];
    assert!(reasons.len() == 2 && reasons[0].starts_with(conflict[0]) && reasons[1] == conflict[1], "{reasons:#?}");

    // Files with errors, a name that nothing has, and a cluster that does not answer.
    let (code, told) = run(&story, "up other -e testing --yes -o json");
    assert_eq!((code, told.len(), refused(&told).1.len()), (1, 1, 1));
    story.write("nobody-home.yaml", NOBODY_HOME);
    let (code, out, _) =
        story.run_elsewhere("up events -e testing --yes -o json --cluster kubeconfig:nobody-home.yaml");
    let told = events(&out, code, &schema);
    assert_eq!((code, told.len()), (1, 1));
    let RunEvent::Error(refusal) = &told[0] else { panic!("{told:#?}") };
    assert!(!refusal.because.is_empty() && !refusal.next.is_empty(), "{refusal:#?}");
    let (code, out, _) = story.run_here("up events -e testing --yes -o json --plan nowhere.plan");
    assert_eq!((code, events(&out, code, &schema).len()), (1, 1));
    let port = "    port: 9006";
    story.edit(&story.stack(), port, "    port: 9000");
    let (code, told) = run(&story, "up events -e testing --yes -o json");
    assert_eq!((code, told.len()), (4, 1));
    assert!(!refused(&told).1.is_empty());
    story.edit(&story.stack(), "    port: 9000\n    purpose: Fast", "    port: 9006\n    purpose: Fast");

    let (code, told) = run(&story, "rollback events -e testing 1 --yes --force-conflicts -o json");
    assert_eq!((code, ended(&told).0), (0, json!("done")));
    let RunEvent::Plan(plan) = &told[0] else { panic!("{told:#?}") };
    assert_eq!((json!(plan.command), plan.back_to), (json!("rollback"), Some(1)));
    let (code, told) = run(&story, "rollback events -e testing 70 --yes -o json");
    assert_eq!((code, told.len()), (1, 1));

    let (code, told) = run(&story, "destroy events -e testing --yes -o json");
    assert_eq!((code, ended(&told).0), (0, json!("done")));
    let RunEvent::Plan(plan) = &told[0] else { panic!("{told:#?}") };
    assert_eq!(json!(plan.command), "destroy");

    // What does not fit is refused by the same reading.
    let line = story.run_here("up events -e testing -o json").1.lines().next().unwrap().to_owned();
    for (from, to) in [
        ("\"event\":\"plan\"", "\"event\":\"whim\""),
        ("\"schema\":\"strata.events/v2\"", "\"schema\":\"strata.events/v3\""),
        ("\"time\":\"", "\"times\":\""),
        ("\"command\":\"up\"", "\"command\":\"down\""),
        ("\"action\":\"create\"", "\"action\":\"conjure\""),
    ] {
        assert!(line.contains(from), "{from} in {line}");
        assert!(read(&line.replacen(from, to, 1), &schema).is_err(), "{to}");
    }
}

#[test]
fn an_interrupt_is_told_and_the_end_as_well() {
    let story = Story::new("events", Cluster::Embedded);
    let schema = schema(&story);
    let hook: Hook = std::sync::Arc::new(|passing, running| {
        Box::pin(async move {
            if !passing.committed && passing.path.ends_with("/configmaps/mcp-port-registry") {
                running.interrupt();
                running.says("interrupted: finishing what is in flight").await;
            }
        })
    });
    let run = in_simulated_time(async {
        let stage = Stage::new();
        stage.set(Act::Up);
        let cluster = cluster_with(Webhooks::default()).await;
        let still = cluster.router().layer(axum::middleware::from_fn(while_time_stands_still));
        Station::open(still).await.run(stage.path(), "up killed -e testing --yes --parallel 1 -o json", hook).await
    });
    assert_eq!(run.code, Some(130), "{run:#?}");
    let told = events(&run.out, 130, &schema);
    let (state, done, failed, not_tried) = ended(&told);
    assert_eq!((state, done + not_tried, failed), (json!("interrupted"), 21, 0));
    assert!(done > 0 && not_tried > 0, "{told:#?}");
    assert!(names(&told).contains("interrupted"), "{told:#?}");
}

/// The schema without its prose.
fn bare(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            // A property may be called so too, and is no text then.
            members.retain(|name, value| name != "description" || !value.is_string());
            members.values_mut().for_each(|value| *value = bare(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| *value = bare(value.take())),
        _ => {}
    }
    schema
}

/// Who reads events rests on their form: another form is another version, and gets a file of its own.
#[test]
fn the_schema_is_what_was_published_as_this_version() {
    let file = format!("tests/golden/schema/{}.json", EVENTS_FORMAT.replace('/', "-"));
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).unwrap();
    let published: Value = serde_json::from_str(&text).unwrap();
    let now = schema(&Story::new("events", Cluster::Embedded));
    assert_eq!(
        bare(now),
        bare(published),
        "raise EVENTS_FORMAT and write `strata schema events` to a file of that name"
    );
}
