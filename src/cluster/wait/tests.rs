//! Waits against made-up news, in simulated time: what ends one, and what must not.

use std::sync::Mutex;

use serde_json::json;
use strata_components::desired::{KUBERNETES, ResourceId};

use tokio::time::Instant;

use super::*;
use crate::observe::Readiness;

fn wait(name: &str, until: Until) -> Wait {
    let kind = Kind { group: "apps".to_owned(), version: "v1".to_owned(), kind: "Deployment".to_owned() };
    let (provider, target) = (KUBERNETES.to_owned(), "t".to_owned());
    let id = ResourceId { provider, target, kind, namespace: Some("ns".to_owned()), name: name.to_owned() };
    Wait { id, uid: Some(format!("uid-{name}")), until, limit: Duration::from_secs(60) }
}

fn ready() -> Until {
    Until::Ready(Readiness::Available(1))
}

/// A Deployment of one pod, with this many available, whose status is of this generation.
fn deployment(name: &str, available: u64, observed: u64) -> Value {
    json!({
        "kind": "Deployment",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "generation": 2},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}},
        "status": {"observedGeneration": observed, "replicas": 1, "updatedReplicas": 1, "availableReplicas": available},
    })
}

fn pod(app: &str, message: &str) -> Value {
    json!({
        "metadata": {"name": format!("{app}-1"), "labels": {"app": app}},
        "status": {"conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": message}]},
    })
}

/// Plays the news of objects and of pods, then silence, and returns each result with the seconds that went by, and
/// what was heard meanwhile.
fn play(waits: &[Wait], objects: Vec<Change>, pods: Vec<Change>) -> (Vec<Result<(), WaitError>>, u64, Vec<String>) {
    play_with(waits, objects, pods, Vec::new())
}

/// The same with events that tell why a pod was not created.
fn play_with(
    waits: &[Wait],
    objects: Vec<Change>,
    pods: Vec<Change>,
    refusals: Vec<Change>,
) -> (Vec<Result<(), WaitError>>, u64, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime in simulated time");
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    let hear: Heard = Arc::new(move |notice: WaitNotice| {
        let text = notice.missing.unwrap_or_else(|| "ready".to_owned());
        notes.lock().expect("nobody panics with it").push(text);
    });
    runtime.block_on(async {
        let began = Instant::now();
        let chosen: Vec<&Wait> = waits.iter().collect();
        let mut group = Group::new(&chosen, hear);
        let stream = |changes: Vec<Change>| futures::stream::iter(changes).chain(futures::stream::pending()).boxed();
        // Events tell of what is known already.
        let later = futures::stream::once(tokio::time::sleep(Duration::from_secs(1))).filter_map(async |()| None);
        let refusals = later.chain(stream(refusals)).boxed();
        group.run(News { objects: stream(objects), pods: stream(pods), refusals }).await;
        let results = group.watched.into_iter().map(|one| one.result.expect("every wait is decided")).collect();
        let heard = heard.lock().expect("nobody panics with it").clone();
        (results, began.elapsed().as_secs(), heard)
    })
}

/// One wait: its result as a word or its error's text, and after how many seconds it came.
#[track_caller]
fn check(until: Until, objects: Vec<Change>, pods: Vec<Change>, expect: (&str, u64)) {
    let (results, seconds, _) = play(&[wait("a", until)], objects, pods);
    let text = match &results[0] {
        Ok(()) => "done".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!((text.as_str(), seconds), expect);
}

#[test]
fn what_is_ready_ends_the_wait_at_once() {
    check(ready(), vec![Change::Is(deployment("a", 1, 2)), Change::Complete], vec![], ("done", 0));
}

#[test]
fn a_status_of_an_older_generation_ends_nothing() {
    let late = "not ready after 60 s: the newest generation is not observed yet";
    check(ready(), vec![Change::Is(deployment("a", 1, 1)), Change::Complete], vec![], (late, 60));
}

#[test]
fn trouble_is_final_once_it_has_lasted() {
    let trouble = "pod a-1 cannot be placed: no node";
    let objects = || vec![Change::Is(deployment("a", 0, 2)), Change::Complete];
    check(ready(), objects(), vec![Change::Is(pod("a", "no node"))], (trouble, 5));
    // The trouble of another workload's pod is not this one's.
    let late = "not ready after 60 s: 0/1 pods available";
    check(ready(), objects(), vec![Change::Is(pod("b", "no node"))], (late, 60));
    // A pod that is gone again troubles nobody.
    let passing = vec![Change::Is(pod("a", "no node")), Change::Gone(pod("a", ""))];
    check(ready(), objects(), passing, (late, 60));
}

/// A pod that runs where there was room, is told to end, and is gone when its grace is over.
#[test]
fn room_and_volumes_may_yet_come() {
    let full = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu.";
    let objects = || vec![Change::Is(deployment("a", 0, 2)), Change::Complete];
    let going = || {
        let metadata = json!({"name": "b-0", "labels": {"app": "b"}, "deletionTimestamp": "2026-01-01T00:00:00Z"});
        json!({"metadata": metadata})
    };
    let late = format!("not ready after 60 s: pod a-1 cannot be placed: {full}");
    check(ready(), objects(), vec![Change::Is(going()), Change::Is(pod("a", full))], (&late, 60));
    // A scheduler that has tried before does not try again at once.
    let over = format!("pod a-1 cannot be placed: {full}");
    let gone = || vec![Change::Is(going()), Change::Is(pod("a", full)), Change::Gone(going())];
    check(ready(), objects(), gone(), (&over, 15));
    let unbound = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let late = format!("not ready after 60 s: pod a-1 cannot be placed: {unbound}");
    check(ready(), objects(), vec![Change::Is(pod("a", unbound))], (&late, 60));
    // Another pod that crashes is trouble meanwhile.
    let crashing = json!({
        "metadata": {"name": "a-2", "labels": {"app": "a"}},
        "status": {"containerStatuses": [{"name": "server", "restartCount": 2, "state": {"running": {}}}]},
    });
    let crashed = "container server of pod a-2 crashed 2 times";
    check(ready(), objects(), vec![Change::Is(pod("a", unbound)), Change::Is(crashing)], (crashed, 5));
}

#[test]
fn what_is_deleted_meanwhile_will_not_become_ready() {
    let gone = "it was deleted, or lost its label, while it was waited for";
    let objects = vec![Change::Is(deployment("a", 0, 2)), Change::Complete, Change::Gone(deployment("a", 0, 2))];
    check(ready(), objects, vec![], (gone, 0));
    check(ready(), vec![Change::Complete], vec![], (gone, 0));
}

#[test]
fn a_namesake_is_not_what_was_waited_for() {
    let mut other = deployment("a", 1, 2);
    other["metadata"]["uid"] = "another".into();
    let replaced = "another object of the same name has taken its place";
    check(ready(), vec![Change::Is(other.clone())], vec![], (replaced, 0));
    check(Until::Gone, vec![Change::Is(other)], vec![], ("done", 0));
}

#[test]
fn gone_is_gone_also_when_the_watch_begins_anew() {
    let there = || Change::Is(deployment("a", 1, 2));
    check(Until::Gone, vec![there(), Change::Complete, Change::Gone(deployment("a", 1, 2))], vec![], ("done", 0));
    check(Until::Gone, vec![there(), Change::Complete, Change::Again, Change::Complete], vec![], ("done", 0));
    let mut held = deployment("a", 1, 2);
    held["metadata"]["finalizers"] = json!(["example.com/never"]);
    let late = "not gone after 60 s: still there, held by the finalizers example.com/never";
    check(Until::Gone, vec![Change::Is(held), Change::Complete], vec![], (late, 60));
}

#[test]
fn a_broken_watch_is_said_and_outlived() {
    let objects = vec![Change::Broken("reset".to_owned()), Change::Is(deployment("a", 1, 2))];
    check(ready(), objects, vec![], ("done", 0));
    let silent = "not ready after 60 s: the watch broke and is tried again: reset";
    check(ready(), vec![Change::Broken("reset".to_owned())], vec![], (silent, 60));
}

#[test]
fn each_wait_of_a_group_is_decided_by_its_own_object() {
    let waits = [wait("a", ready()), wait("b", ready())];
    let objects = vec![Change::Is(deployment("b", 1, 2)), Change::Is(deployment("a", 0, 2)), Change::Complete];
    let (results, seconds, heard) = play(&waits, objects, vec![]);
    assert_eq!((results[0].is_ok(), results[1].is_ok(), seconds), (false, true, 60));
    assert_eq!(heard, ["ready", "0/1 pods available"]);
}

/// A StatefulSet of two pods has one, and an event tells why there is no second.
#[test]
fn pods_that_cannot_be_created_are_trouble_unless_one_is_going() {
    let full = "pods \"a-1\" is forbidden: exceeded quota: memory";
    let event =
        || Change::Is(json!({"involvedObject": {"uid": "uid-a"}, "message": format!("Error creating: {full}")}));
    let other = || Change::Is(json!({"involvedObject": {"uid": "uid-z"}, "message": full}));
    let objects = || vec![Change::Is(deployment("a", 0, 2)), Change::Complete];
    let ended = |pods: Vec<Change>, events: Vec<Change>| {
        let (results, seconds, _) = play_with(&[wait("a", ready())], objects(), pods, events);
        (results[0].as_ref().copied().map_err(ToString::to_string), seconds)
    };
    let refused = Err(format!("a pod cannot be created: {full}"));
    let late = Err("not ready after 60 s: 0/1 pods available".to_owned());
    assert_eq!(ended(vec![], vec![event()]), (refused, 6));
    assert_eq!(ended(vec![], vec![other()]), (late.clone(), 60));
    let mut going = json!({"metadata": {"name": "a-0", "labels": {"app": "a"}}});
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    assert_eq!(ended(vec![Change::Is(going)], vec![event()]), (late, 60));
}

#[test]
fn a_deployment_says_itself_that_its_pods_are_refused() {
    let mut object = deployment("a", 0, 2);
    object["status"]["conditions"] = json!([
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "pods \"a-x\" is forbidden"},
    ]);
    let expect = "a pod cannot be created: pods \"a-x\" is forbidden";
    check(ready(), vec![Change::Is(object), Change::Complete], vec![], (expect, 5));
}

/// A Job with two tries: what its pods do is its own to judge, and it says itself when it has failed.
#[test]
fn a_job_says_itself_whether_it_has_failed() {
    let job = |conditions: Value| {
        Change::Is(json!({
            "kind": "Job", "metadata": {"name": "a", "uid": "uid-a"},
            "spec": {"selector": {"matchLabels": {"app": "a"}}},
            "status": {"active": 1, "failed": 1, "conditions": conditions},
        }))
    };
    let failed = || {
        let status = json!({"phase": "Failed", "reason": "Error"});
        vec![Change::Is(json!({"metadata": {"name": "a-1", "labels": {"app": "a"}}, "status": status}))]
    };
    let complete = || Until::Ready(Readiness::Condition("Complete".to_owned()));
    let news = |conditions: Value| vec![job(conditions), Change::Complete];
    check(complete(), news(json!([])), failed(), ("not ready after 60 s: 1 running, 1 failed", 60));
    check(complete(), news(json!([{"type": "Complete", "status": "True"}])), failed(), ("done", 0));
    let over = json!([{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "no more"}]);
    check(complete(), news(over), failed(), ("BackoffLimitExceeded: no more", 5));
}

/// The items of a list do not say of which kind they are. A plugin for nodes of which there are none is ready with no pod.
#[test]
fn what_was_listed_is_of_the_kind_that_is_waited_for() {
    let mut wait = wait("a", Until::Ready(Readiness::RolledOut));
    wait.id.kind.kind = "DaemonSet".to_owned();
    let listed = json!({
        "metadata": {"name": "a", "uid": "uid-a", "generation": 1}, "spec": {},
        "status": {"observedGeneration": 1, "desiredNumberScheduled": 0, "currentNumberScheduled": 0},
    });
    let (results, seconds, _) = play(&[wait], vec![Change::Is(listed), Change::Complete], Vec::new());
    assert_eq!((results, seconds), (vec![Ok(())], 0));
}

/// So many pods for half a minute, of which twenty seconds may pass with some missing.
fn held(pods: u32) -> Until {
    let (lasting, patience) = (Duration::from_secs(30), Duration::from_secs(20));
    Until::Held { readiness: Readiness::Available(pods), lasting, patience }
}

#[test]
fn pods_of_what_is_held_may_be_missing_for_a_while_in_all() {
    // How many of two pods are available after how many seconds more.
    let ended = |news: &[(u64, u64)]| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let began = Instant::now();
            let mut group = Group::new(&[&wait("a", held(2))], Arc::new(|_| ()));
            let later = |(seconds, available): (u64, u64)| async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Change::Is(deployment("a", available, 2))
            };
            let silence = || futures::stream::pending().boxed();
            let objects = futures::stream::iter(news.to_vec()).then(later).chain(futures::stream::pending()).boxed();
            group.run(News { objects, pods: silence(), refusals: silence() }).await;
            let result = group.watched.remove(0).result.expect("every wait is decided");
            (result.map_err(|error| error.to_string()), began.elapsed().as_secs())
        })
    };
    let long = Err("it did not stay ready: 1/2 pods available, for 20 s in all".to_owned());
    assert_eq!(ended(&[(0, 2), (5, 1), (15, 2)]), (Ok(()), 30));
    assert_eq!(ended(&[(0, 2), (5, 1)]), (long.clone(), 25));
    // Several times count together, and a hold does not end while pods are missing.
    assert_eq!(ended(&[(0, 2), (1, 1), (12, 2), (2, 1), (6, 2), (2, 1)]), (long.clone(), 25));
    assert_eq!(ended(&[(0, 2), (25, 1), (10, 2)]), (Ok(()), 35));
    assert_eq!(ended(&[(0, 2), (25, 1)]), (long, 45));
    // Nothing is left to wait with.
    assert_eq!(ended(&[(0, 2), (5, 0)]), (Err("it did not stay ready: 0/2 pods available".to_owned()), 5));
}

#[test]
fn a_container_that_ends_by_itself_ends_a_hold() {
    let pod = |name: &str, restarts: u64, alter: &dyn Fn(&mut Value)| {
        let last = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        let status = json!({"name": "server", "restartCount": restarts, "state": {"running": {}}, "lastState": last});
        let mut pod = json!({"metadata": {"name": name, "uid": name, "labels": {"app": "a"}},
            "status": {"phase": "Running", "containerStatuses": [status]}});
        alter(&mut pod);
        Change::Is(pod)
    };
    let run = |restarts: u64| pod("a-1", restarts, &|_| ());
    let held = |pods: Vec<Change>, expect: (&str, u64)| {
        check(held(1), vec![Change::Is(deployment("a", 1, 2)), Change::Complete], pods, expect);
    };
    let ended = |name: &str| {
        let how = "ended by itself with exit code 137 (OOMKilled)";
        format!("it did not stay ready: container server of pod {name} {how}")
    };
    // What was before the hold is not its matter.
    held(vec![run(3), Change::Complete], ("done", 30));
    held(vec![run(3), Change::Complete, Change::Again, run(3), Change::Complete], ("done", 30));
    held(vec![run(3), Change::Complete, run(4)], (&ended("a-1"), 0));
    held(vec![run(3), Change::Complete, Change::Again, run(4)], (&ended("a-1"), 0));
    // One that came for another has nothing before it.
    held(vec![run(0), Change::Complete, pod("a-2", 0, &|_| ())], ("done", 30));
    held(vec![run(0), Change::Complete, pod("a-2", 1, &|_| ())], (&ended("a-2"), 0));
    // It was told to go, or lost its place.
    let going = |pod: &mut Value| pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    held(vec![run(0), Change::Complete, pod("a-1", 1, &going)], ("done", 30));
    let evicted = |pod: &mut Value| pod["status"]["phase"] = "Failed".into();
    held(vec![run(0), Change::Complete, pod("a-1", 1, &evicted)], ("done", 30));
    let other = |pod: &mut Value| pod["metadata"]["labels"]["app"] = "b".into();
    held(vec![run(0), Change::Complete, pod("b-1", 1, &other)], ("done", 30));
}

#[test]
fn what_is_held_has_to_stay_ready_for_as_long() {
    let held = || held(1);
    let first = |available, observed| vec![Change::Is(deployment("a", available, observed)), Change::Complete];
    check(held(), first(1, 2), vec![], ("done", 30));
    // How far the newest generation is does not matter to pods that are there.
    check(held(), first(1, 1), vec![], ("done", 30));
    let broken = "it did not stay ready: 0/1 pods available";
    check(held(), first(0, 2), vec![], (broken, 0));
    let later = first(1, 2).into_iter().chain([Change::Is(deployment("a", 0, 2))]).collect();
    check(held(), later, vec![], (broken, 0));
    let gone = "it was deleted, or lost its label, while it was waited for";
    let later = first(1, 2).into_iter().chain([Change::Gone(deployment("a", 1, 2))]).collect();
    check(held(), later, vec![], (gone, 0));
    // As long as nothing is known of it, nothing is held.
    let lost = first(1, 2).into_iter().chain([Change::Again]).collect();
    check(held(), lost, vec![], ("not ready after 60 s: nothing is known of it yet", 60));
    let found = first(1, 2).into_iter().chain([Change::Again]).chain(first(1, 2)).collect();
    check(held(), found, vec![], ("done", 30));
}
