//! Jobs and CronJobs.

use std::time::Duration;

use kube_embedded::NodeSpec;
use serde_json::{Value, json};

use crate::world::{World, conditions, container, has_reason, numbers, text};

fn job(name: &str, spec: Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": container(json!({}))}}},
    });
    for (field, value) in spec.as_object().unwrap() {
        job["spec"][field] = value.clone();
    }
    job
}

fn annotated(mut job: Value, annotations: Value) -> Value {
    job["spec"]["template"]["metadata"] = json!({"annotations": annotations});
    job
}

/// Makes a Job, waits for its end, and compares its numbers, its conditions and what was told of it.
async fn check(object: Value, end: &str, status: Value, because: (&str, &str), told: &[&str]) {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let name = text(&object, "/metadata/name").to_owned();
    world.create(object).await.unwrap();
    let over = |job: &Value| conditions(job).iter().any(|c| c.starts_with(&format!("{end}=True")));
    let job = world.wait("Job", &name, over).await;
    assert_eq!(numbers(&job), status);
    let first = if end == "Complete" { "SuccessCriteriaMet" } else { "FailureTarget" };
    let (reason, message) = because;
    assert_eq!(conditions(&job), [first, end].map(|kind| format!("{kind}=True {reason}: {message}")));
    let all = world.told(&name).await;
    let all: Vec<&str> = all.iter().map(|told| told.split(':').next().unwrap()).collect();
    assert_eq!(all, told);
}

#[tokio::test]
async fn jobs_end_as_they_should() {
    let reached = ("CompletionsReached", "Reached expected number of succeeded pods");
    check(
        job("once", json!({})),
        "Complete",
        json!({"completionTime": "T", "ready": 0, "startTime": "T", "succeeded": 1, "terminating": 0,
            "uncountedTerminatedPods": {}}),
        reached,
        &["Completed", "SuccessfulCreate"],
    )
    .await;
    check(
        job("indexed", json!({"completionMode": "Indexed", "completions": 3, "parallelism": 2})),
        "Complete",
        json!({"completedIndexes": "0-2", "completionTime": "T", "ready": 0, "startTime": "T", "succeeded": 3,
            "terminating": 0, "uncountedTerminatedPods": {}}),
        reached,
        &["Completed", "SuccessfulCreate", "SuccessfulCreate", "SuccessfulCreate"],
    )
    .await;
    check(
        annotated(job("fails", json!({"backoffLimit": 1})), json!({"kube-embedded/fault": "crash-loop"})),
        "Failed",
        json!({"failed": 2, "ready": 0, "startTime": "T", "terminating": 0, "uncountedTerminatedPods": {}}),
        ("BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        &["BackoffLimitExceeded", "SuccessfulCreate", "SuccessfulCreate"],
    )
    .await;
    check(
        annotated(job("late", json!({"activeDeadlineSeconds": 3})), json!({"kube-embedded/runs-for": "600"})),
        "Failed",
        json!({"failed": 1, "ready": 0, "startTime": "T", "terminating": 0, "uncountedTerminatedPods": {}}),
        ("DeadlineExceeded", "Job was active longer than specified deadline"),
        &["DeadlineExceeded", "SuccessfulCreate", "SuccessfulDelete"],
    )
    .await;
}

#[tokio::test]
async fn the_pods_of_an_indexed_job_know_their_index() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    world.create(job("ix", json!({"completionMode": "Indexed", "completions": 1}))).await.unwrap();
    world.wait("Job", "ix", |job| has_reason(job, "Complete", "CompletionsReached")).await;
    let pod = world.list("Pod", "batch.kubernetes.io/job-name=ix").await.remove(0);
    assert!(text(&pod, "/metadata/name").starts_with("ix-0-"));
    assert_eq!(text(&pod, "/spec/hostname"), "ix-0");
    assert_eq!(text(&pod, "/metadata/annotations/batch.kubernetes.io~1job-completion-index"), "0");
    assert_eq!(
        pod.pointer("/spec/containers/0/env").unwrap(),
        &json!([{"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"apiVersion": "v1",
            "fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"}}}])
    );
    assert_eq!(pod.pointer("/metadata/finalizers"), None, "a pod that was counted is let go");
}

#[tokio::test]
async fn a_job_is_held_and_goes_on_and_is_cleared_away_in_the_end() {
    let world = World::new(vec![NodeSpec::named("n")]).await;
    let held = job("held", json!({"suspend": true, "completions": 2, "parallelism": 2, "ttlSecondsAfterFinished": 60}));
    world.create(held).await.unwrap();
    let job = world.wait("Job", "held", |job| !conditions(job).is_empty()).await;
    assert_eq!(conditions(&job), ["Suspended=True JobSuspended: Job suspended"]);
    assert_eq!(numbers(&job), json!({"ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}));
    world.patch("Job", "held", json!({"spec": {"suspend": false}})).await;
    let job = world.wait("Job", "held", |job| has_reason(job, "Complete", "CompletionsReached")).await;
    assert_eq!(conditions(&job)[0], "Suspended=False JobResumed: Job resumed");
    world.gone("Job", "held").await;
    assert_eq!(world.list("Pod", "batch.kubernetes.io/job-name=held").await, Vec::<Value>::new());
}

fn cron(name: &str, spec: Value, annotations: Value) -> Value {
    let template = annotated(job("unused", json!({})), annotations)["spec"].clone();
    let mut cron = json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": template}},
    });
    for (field, value) in spec.as_object().unwrap() {
        cron["spec"][field] = value.clone();
    }
    cron
}

/// The clock is moved a minute at a time; each time everything that follows is waited for.
async fn minutes(world: &World, name: &str, count: usize, settled: impl Fn(&Value) -> bool + Send + Copy) {
    for _ in 0..count {
        let before = world.get("CronJob", name).await.unwrap();
        world.clock.advance(Duration::from_secs(60));
        world
            .wait("CronJob", name, |cron| {
                text(cron, "/status/lastScheduleTime") != text(&before, "/status/lastScheduleTime")
            })
            .await;
        world.clock.advance(Duration::from_secs(1));
        world.wait("CronJob", name, settled).await;
    }
}

async fn jobs(world: &World) -> Vec<String> {
    world.list("Job", "").await.iter().map(|job| text(job, "/metadata/name").to_owned()).collect()
}

#[tokio::test]
async fn a_cron_job_starts_a_job_a_minute_and_keeps_three() {
    let world = World::still(vec![NodeSpec::named("n")]).await;
    world.create(cron("tick", json!({}), json!({}))).await.unwrap();
    world.wait("CronJob", "tick", |_| true).await;
    minutes(&world, "tick", 5, |cron| cron.pointer("/status/active").is_none()).await;
    // Minutes since the epoch stand in the names: 2026-01-01T00:05:01Z is in the 29453765th.
    assert_eq!(jobs(&world).await, ["tick-29453763", "tick-29453764", "tick-29453765"]);
    let cron = world.get("CronJob", "tick").await.unwrap();
    assert_eq!(text(&cron, "/status/lastScheduleTime"), "2026-01-01T00:05:00Z");
    let told = world.told("tick").await;
    assert_eq!(told[0], "SawCompletedJob: Saw completed job: tick-29453761, condition: Complete");
    assert_eq!(told[5], "SuccessfulCreate: Created job tick-29453761");
    assert_eq!(told[10], "SuccessfulDelete: Deleted job tick-29453761");
}

#[tokio::test]
async fn a_cron_job_keeps_to_its_concurrency_policy() {
    let slow = json!({"kube-embedded/runs-for": "90"});
    let world = World::still(vec![NodeSpec::named("n")]).await;
    world.create(cron("tick", json!({"concurrencyPolicy": "Forbid"}), slow.clone())).await.unwrap();
    minutes(&world, "tick", 1, |cron| cron.pointer("/status/active").is_some()).await;
    world.clock.advance(Duration::from_secs(60));
    loop {
        let told = world.told("tick").await;
        if told.iter().any(|told| told.starts_with("JobAlreadyActive")) {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(jobs(&world).await, ["tick-29453761"]);

    let world = World::still(vec![NodeSpec::named("n")]).await;
    world.create(cron("tick", json!({"concurrencyPolicy": "Replace"}), slow)).await.unwrap();
    minutes(&world, "tick", 2, |cron| cron.pointer("/status/active").is_some()).await;
    world.gone("Job", "tick-29453761").await;
    assert_eq!(jobs(&world).await, ["tick-29453762"]);
}
