//! A service that goes from one colour to the other: in this process and in simulated time, so that no hold is waited for.
//!
//! At every change of an EndpointSlice, as many pods as the service is to have are ready behind its Service, and it is told
//! of no pod that is not ready.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{EvictParams, ListParams, Patch, PatchParams};
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt};
use kube_embedded::faults::Faults;
use kube_embedded::{PodFault, Usage, Webhooks};
use strata::apply::{self, Event, Outcome, apply};
use strata::components::blue_green::COLOUR_LABEL;
use strata::observe::Look;
use strata::plan::verify::verify;
use strata::plan::{Action, Order, Plan, Policy, plan};
use strata::provider::Provider;
use tokio::sync::watch;

use super::faults::{WHERE, cluster_ready_after, desired_in, provider, while_time_stands_still};
use super::killed::in_simulated_time;
use super::support::{Cluster, ENVIRONMENT, STACK, Story, draft_of};

const MEMORY: &str = "ai-memory-mcp";

/// The two services, the first of which goes from one colour to the other.
pub(crate) fn coloured(image: &str) -> String {
    plain(image).replace("    replicas: 2\n", "    replicas: 2\n    rollout: {blue_green: {hold: 5m}}\n")
}

/// The same rolled out a few pods at a time.
pub(crate) fn plain(image: &str) -> String {
    STACK.replace("    replicas: 2\n", &format!("    replicas: 2\n    image: registry.example/mcp/ai-memory:{image}\n"))
}

/// The services of a stack, and beside them one of this image that goes from one colour to the other.
pub(crate) fn beside(stack: &str, image: &str) -> String {
    let coloured = "  gong:\n    tier: core\n    port: 9007\n    image: registry.example/mcp/gong:IMAGE\n    \
        rollout: {blue_green: {hold: 10ms}}\n";
    format!("{stack}{}", coloured.replace("IMAGE", image))
}

/// A cluster, and the program on it.
pub(crate) struct World {
    pub(crate) cluster: kube_embedded::Cluster,
    client: Client,
    environment: String,
}

/// Ready and other addresses behind the Service, and the pods that they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) ready: Vec<String>,
    unready: usize,
}

impl World {
    pub(crate) async fn new() -> Self {
        // What comes later is created at a later time.
        let cluster = cluster_ready_after(Duration::from_secs(2), Webhooks::default()).await;
        let client = Client::new(cluster.router().layer(axum::middleware::from_fn(while_time_stands_still)), "default");
        Self { cluster, client, environment: ENVIRONMENT.to_owned() }
    }

    fn provider(&self) -> strata::cluster::Cluster {
        provider(&self.cluster, &Faults::seeded(0), "one")
    }

    async fn plan(&self, stack: &str, policy: &Policy) -> Plan {
        let desired = desired_in(stack, &self.environment);
        let snapshot = self.provider().observe(&desired, &Look::default()).await.unwrap();
        let plan = plan(&desired, &snapshot, policy);
        assert_eq!(verify(&desired, &snapshot, policy, &plan), [], "{plan:#?}");
        plan
    }

    async fn carry_out(&self, plan: &Plan, heard: impl Fn(&Event) + Send + Sync + 'static) -> Outcome {
        let (_go_on, interrupt) = watch::channel(false);
        let settings = apply::Settings::default();
        let tell = Arc::new(move |event: Event| heard(&event));
        apply(&self.provider(), plan, &draft_of(plan), &settings, tell, interrupt).await.unwrap()
    }

    /// Brings a stack up and leaves nothing to do; what was planned.
    pub(crate) async fn up(&self, stack: &str) -> Plan {
        let plan = self.plan(stack, &Policy::default()).await;
        let outcome = self.carry_out(&plan, |_| ()).await;
        assert!(outcome.is_complete(), "{outcome:#?}");
        let again = self.plan(stack, &Policy::default()).await;
        let left: Vec<_> = again.steps().filter(|one| one.action != Action::Unchanged).collect();
        assert!(again.is_empty(), "{left:#?}");
        plan
    }

    pub(crate) async fn workloads(&self) -> Vec<String> {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), WHERE);
        deployments.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect()
    }

    /// The colour that the Service points at.
    pub(crate) async fn points_at(&self) -> Option<String> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), WHERE);
        let service = services.get(MEMORY).await.unwrap();
        service.spec.unwrap().selector.unwrap().get(COLOUR_LABEL).cloned()
    }

    /// Follows the Service of the memory while something is done: what it reached, at each change.
    pub(crate) async fn while_followed<T>(&self, work: impl Future<Output = T>) -> (T, Vec<Seen>) {
        let slices = Api::<EndpointSlice>::namespaced(self.client.clone(), WHERE);
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let done = tokio::select! {
            () = follow(slices, seen.clone()) => unreachable!("a watch has no end"),
            done = work => done,
        };
        let seen = seen.lock().unwrap().clone();
        assert!(!seen.is_empty());
        (done, seen)
    }

    /// The same where nothing goes wrong: never fewer pods that are ready are reached than there are to be.
    pub(crate) async fn without_a_gap<T>(&self, work: impl Future<Output = T>) -> (T, Vec<Seen>) {
        let (done, seen) = self.while_followed(work).await;
        for one in &seen {
            assert!(one.ready.len() >= 2, "{seen:#?}");
        }
        (done, seen)
    }

    /// The pods of a colour.
    async fn pods_of(client: &Client, colour: &str) -> (Api<Pod>, Vec<String>) {
        let pods: Api<Pod> = Api::namespaced(client.clone(), WHERE);
        let of_colour = ListParams::default().labels(&format!("{COLOUR_LABEL}={colour}"));
        let names = pods.list(&of_colour).await.unwrap().items.iter().map(ResourceExt::name_any).collect();
        (pods, names)
    }

    /// So many pods of a colour are evicted.
    async fn evicts_pods(client: Client, colour: &str, many: usize) {
        let (pods, names) = Self::pods_of(&client, colour).await;
        for name in &names[..many] {
            pods.evict(name, &EvictParams::default()).await.unwrap();
        }
    }

    /// One pod of a colour gets the fault that is set for those that break.
    async fn breaks_a_pod(client: Client, colour: &str) {
        let (pods, names) = Self::pods_of(&client, colour).await;
        let name = &names[0];
        let marked = serde_json::json!({"metadata": {"labels": {"breaks": "yes"}}});
        pods.patch(name, &PatchParams::default(), &Patch::Merge(marked)).await.unwrap();
    }
}

async fn follow(slices: Api<EndpointSlice>, seen: Arc<Mutex<Vec<Seen>>>) {
    let config = watcher::Config::default().labels(&format!("kubernetes.io/service-name={MEMORY}"));
    let mut all: BTreeMap<String, EndpointSlice> = BTreeMap::new();
    let mut events = pin!(watcher(slices, config));
    while let Some(event) = events.next().await {
        match event.unwrap() {
            watcher::Event::Apply(slice) | watcher::Event::InitApply(slice) => {
                all.insert(slice.name_any(), slice);
            }
            watcher::Event::Delete(slice) => {
                all.remove(&slice.name_any());
            }
            watcher::Event::Init => {
                all.clear();
                continue;
            }
            watcher::Event::InitDone => {}
        }
        let endpoints = || all.values().flat_map(|slice| &slice.endpoints).flatten();
        let is_ready = |one: &&k8s_openapi::api::discovery::v1::Endpoint| {
            one.conditions.as_ref().and_then(|conditions| conditions.ready) == Some(true)
        };
        // A pod that is going serves what it has begun, and gets nothing new.
        let goes = |one: &&k8s_openapi::api::discovery::v1::Endpoint| {
            one.conditions.as_ref().and_then(|conditions| conditions.terminating) == Some(true)
        };
        let pod = |one: &k8s_openapi::api::discovery::v1::Endpoint| one.target_ref.clone()?.name;
        let ready = endpoints().filter(is_ready).filter_map(pod).collect();
        let unready = endpoints().filter(|one| !is_ready(one) && !goes(one)).count();
        seen.lock().unwrap().push(Seen { ready, unready });
    }
}

/// The steps of a plan that change something: order, action and name.
fn told(plan: &Plan) -> Vec<String> {
    let steps = plan.phases.iter().flat_map(|phase| phase.steps.iter().map(move |step| (phase.order, step)));
    let changes = steps.filter(|(_, step)| step.action != Action::Unchanged);
    let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let word_of = |order: Order, action: Action| {
        [serde_json::to_value(order), serde_json::to_value(action)].map(|value| word(value.unwrap())).join(" ")
    };
    changes
        .map(|(order, step)| format!("{} {} {}", word_of(order, step.action), step.id.kind.kind, step.id.name))
        .collect()
}

#[test]
fn goes_from_one_colour_to_the_other_and_back_without_a_gap() {
    in_simulated_time(async {
        let world = World::new().await;
        let first = world.up(&coloured("1")).await;
        assert!(first.phases.iter().all(|phase| phase.order == Order::Apply));
        assert_eq!(world.workloads().await, ["ai-memory-mcp-blue", "redis-cache-mcp"]);
        for (image, old, new) in [("2", "blue", "green"), ("3", "green", "blue")] {
            let stack = coloured(image);
            let (plan, seen) = world.without_a_gap(world.up(&stack)).await;
            let expect = [
                format!("apply create Deployment {MEMORY}-{new}"),
                format!("apply update Service {MEMORY}"),
                format!("hold hold Deployment {MEMORY}-{new}"),
                format!("return return Service {MEMORY}"),
                format!("delete delete Deployment {MEMORY}-{old}"),
            ];
            assert_eq!(told(&plan), expect);
            assert_eq!(world.workloads().await, [format!("{MEMORY}-{new}"), "redis-cache-mcp".to_owned()]);
            assert_eq!(world.points_at().await.as_deref(), Some(new));
            // From the one to the other in one step.
            let of = |seen: &Seen, colour: &str| {
                seen.ready.iter().all(|pod| pod.starts_with(&format!("{MEMORY}-{colour}-")))
            };
            assert!(seen.iter().all(|one| one.unready == 0 && (of(one, old) || of(one, new))), "{seen:#?}");
        }
        // How many there are is no matter of colours.
        let more = coloured("3").replace("replicas: 2", "replicas: 4");
        assert_eq!(told(&world.up(&more).await), ["apply update Deployment ai-memory-mcp-blue"]);
    });
}

#[test]
fn becomes_coloured_and_plain_again_without_a_gap() {
    in_simulated_time(async {
        let world = World::new().await;
        world.up(&plain("1")).await;
        assert_eq!((world.points_at().await, world.workloads().await[0].as_str()), (None, MEMORY));
        // Also where its pods are to be the same.
        let (plan, _) = world.without_a_gap(world.up(&coloured("1"))).await;
        let expect = [
            "apply create Deployment ai-memory-mcp-blue",
            "apply update Service ai-memory-mcp",
            "hold hold Deployment ai-memory-mcp-blue",
            "return return Service ai-memory-mcp",
            "delete delete Deployment ai-memory-mcp",
        ];
        assert_eq!(told(&plan), expect);
        world.without_a_gap(world.up(&coloured("2"))).await;
        assert_eq!(world.points_at().await.as_deref(), Some("green"));
        let stack = plain("3");
        world.without_a_gap(world.up(&stack)).await;
        assert_eq!((world.points_at().await, world.workloads().await[0].as_str()), (None, MEMORY));
    });
}

#[test]
fn goes_back_where_the_new_colour_does_not_stay_ready() {
    in_simulated_time(async {
        let world = World::new().await;
        world.up(&coloured("1")).await;
        world.cluster.simulation().fail_pods("breaks=yes", PodFault::NeverReady).unwrap();
        let stack = coloured("2");
        let plan = world.plan(&stack, &Policy::default()).await;
        let client = world.client.clone();
        let broken = move |event: &Event| {
            if matches!(event, Event::Acknowledged { action: Action::Hold, .. }) {
                let client = client.clone();
                tokio::spawn(async move { World::breaks_a_pod(client, "green").await });
            }
        };
        let (outcome, seen) = world.while_followed(world.carry_out(&plan, broken)).await;
        // The other pod of the new colour answers until the old one does again.
        assert!(seen.iter().all(|one| !one.ready.is_empty()), "{seen:#?}");
        assert!(seen.iter().any(|one| one.unready == 1), "{seen:#?}");
        assert_eq!(seen.last().map(|one| (one.ready.len(), one.unready)), Some((2, 0)));
        let failed: Vec<_> = outcome.failed.iter().map(|one| (one.action, one.reason.as_str())).collect();
        assert_eq!(failed, [(Action::Hold, "it did not stay ready: 1/2 pods available, for 60 s in all")]);
        let done: Vec<Action> = outcome.done.iter().map(|step| step.action).collect();
        assert_eq!(done.last(), Some(&Action::Return));
        assert_eq!(world.points_at().await.as_deref(), Some("blue"));
        assert_eq!(world.workloads().await, ["ai-memory-mcp-blue", "ai-memory-mcp-green", "redis-cache-mcp"]);
        // The same again says what stands; what the stack said before lets the new colour go, and holds nothing.
        let again = [
            "apply update Service ai-memory-mcp",
            "hold hold Deployment ai-memory-mcp-green",
            "return return Service ai-memory-mcp",
            "delete delete Deployment ai-memory-mcp-blue",
        ];
        assert_eq!(told(&world.plan(&stack, &Policy::default()).await), again);
        let earlier = coloured("1");
        assert_eq!(
            told(&world.plan(&earlier, &Policy::default()).await),
            ["delete delete Deployment ai-memory-mcp-green"]
        );
        // A third form takes the place of the second, which has no traffic.
        world.cluster.simulation().heal_pods("breaks=yes");
        let third = coloured("3");
        let (plan, _) = world.without_a_gap(world.up(&third)).await;
        assert_eq!(told(&plan)[0], "apply update Deployment ai-memory-mcp-green");
        assert_eq!(world.workloads().await, ["ai-memory-mcp-green", "redis-cache-mcp"]);
    });
}

/// A turn to green, of which something happens to pods when it is held; what came of it, and the fewest that were ready.
async fn held_while<T: Future<Output = ()> + Send + 'static>(
    world: &World,
    happens: impl Fn(Client) -> T + Send + Sync + 'static,
) -> (Outcome, Option<usize>) {
    world.up(&coloured("1")).await;
    let stack = coloured("2");
    let plan = world.plan(&stack, &Policy::default()).await;
    let client = world.client.clone();
    let heard = move |event: &Event| {
        if matches!(event, Event::Acknowledged { action: Action::Hold, .. }) {
            drop(tokio::spawn(happens(client.clone())));
        }
    };
    let (outcome, seen) = world.while_followed(world.carry_out(&plan, heard)).await;
    (outcome, seen.iter().map(|one| one.ready.len()).min())
}

#[test]
fn a_pod_that_is_evicted_while_its_colour_is_held_is_waited_for() {
    in_simulated_time(async {
        let world = World::new().await;
        let (outcome, least) = held_while(&world, |client| World::evicts_pods(client, "green", 1)).await;
        assert!(outcome.is_complete(), "{outcome:#?}");
        assert_eq!((least, world.points_at().await.as_deref()), (Some(1), Some("green")));
        assert_eq!(world.workloads().await, ["ai-memory-mcp-green", "redis-cache-mcp"]);
    });
}

#[test]
fn traffic_goes_back_at_once_where_a_container_ends_by_itself_or_no_pod_is_left() {
    in_simulated_time(async {
        let world = World::new().await;
        world.cluster.simulation().fail_pods("breaks=yes", PodFault::CrashLoop).unwrap();
        let (outcome, least) = held_while(&world, |client| World::breaks_a_pod(client, "green")).await;
        let [failure] = outcome.failed.as_slice() else { panic!("{outcome:#?}") };
        let (pod, how) = failure.reason.split_once(" ended by itself").unwrap();
        assert!(pod.starts_with("it did not stay ready: container server of pod ai-memory-mcp-green-"), "{pod}");
        assert_eq!(how, " with exit code 1 (Error)");
        assert_eq!((least, world.points_at().await.as_deref()), (Some(1), Some("blue")));
    });
    in_simulated_time(async {
        let world = World::new().await;
        // The disruption budget keeps one from being evicted: both are deleted.
        let gone = |client: Client| async move {
            let (pods, _) = World::pods_of(&client, "green").await;
            let all = ListParams::default().labels(&format!("{COLOUR_LABEL}=green"));
            pods.delete_collection(&kube::api::DeleteParams::default(), &all).await.unwrap();
        };
        let (outcome, _) = held_while(&world, gone).await;
        let failed: Vec<_> = outcome.failed.iter().map(|one| one.reason.as_str()).collect();
        assert_eq!(failed, ["it did not stay ready: 0/2 pods available"]);
        assert_eq!(world.points_at().await.as_deref(), Some("blue"));
    });
}

#[test]
fn what_does_not_become_ready_gets_no_traffic() {
    in_simulated_time(async {
        let world = World::new().await;
        world.up(&coloured("1")).await;
        world.cluster.simulation().fail_pods(&format!("{COLOUR_LABEL}=green"), PodFault::CrashLoop).unwrap();
        let stack = coloured("2");
        let plan = world.plan(&stack, &Policy::default()).await;
        let (outcome, seen) = world.without_a_gap(world.carry_out(&plan, |_| ())).await;
        assert_eq!(outcome.failed.len(), 1, "{outcome:#?}");
        assert!(seen.iter().flat_map(|one| &one.ready).all(|pod| pod.contains("-blue-")), "{seen:#?}");
        assert_eq!(world.points_at().await.as_deref(), Some("blue"));
    });
}

/// Stops a run at the event of this number; the next one goes on. How many events there are in all.
async fn stopped_at(number: usize) -> usize {
    let world = World::new().await;
    world.up(&coloured("1")).await;
    let stack = coloured("2");
    let plan = world.plan(&stack, &Policy::default()).await;
    let (heard, mut count) = watch::channel(0);
    let tell = move |_: &Event| heard.send_modify(|heard| *heard += 1);
    let (events, _) = world
        .without_a_gap(async {
            let mut counted = count.clone();
            tokio::select! {
                biased;
                stop = count.wait_for(|heard| *heard == number) => drop(stop.unwrap()),
                _ = world.carry_out(&plan, tell) => {}
            }
            world.up(&stack).await;
            *counted.borrow_and_update()
        })
        .await;
    assert_eq!(world.points_at().await.as_deref(), Some("green"), "stopped at {number}");
    assert_eq!(world.workloads().await, ["ai-memory-mcp-green", "redis-cache-mcp"], "stopped at {number}");
    events
}

#[test]
fn goes_on_wherever_it_was_stopped() {
    let all = in_simulated_time(stopped_at(usize::MAX));
    assert!((12..40).contains(&all), "{all}");
    for number in 1..=all {
        in_simulated_time(stopped_at(number));
    }
}

#[test]
fn the_new_colour_has_as_many_pods_as_the_autoscaler_gave_the_old_one() {
    in_simulated_time(async {
        let mut world = World::new().await;
        world.environment.push_str("\nautoscaling: true\n");
        let scaled = |image: &str| {
            coloured(image).replace("    rollout:", "    autoscale: {min: 2, max: 6, cpu: 50}\n    rollout:")
        };
        world.up(&scaled("1")).await;
        let usage = Usage { cpu: Some(100), memory: None };
        world.cluster.simulation().set_usage(WHERE, "Deployment", "ai-memory-mcp-blue", usage);
        let deployments: Api<Deployment> = Api::namespaced(world.client.clone(), WHERE);
        let grown = kube::runtime::wait::await_condition(
            deployments.clone(),
            "ai-memory-mcp-blue",
            |found: Option<&Deployment>| found.and_then(|one| one.status.as_ref()?.available_replicas) == Some(6),
        );
        grown.await.unwrap();
        let usage = Usage { cpu: Some(50), memory: None };
        for colour in ["blue", "green"] {
            world.cluster.simulation().set_usage(WHERE, "Deployment", &format!("{MEMORY}-{colour}"), usage);
        }
        let stack = scaled("2");
        let (plan, seen) = world.without_a_gap(world.up(&stack)).await;
        assert!(
            told(&plan).contains(&"apply update HorizontalPodAutoscaler ai-memory-hpa".to_owned()),
            "{:?}",
            told(&plan)
        );
        assert!(seen.iter().all(|one| one.ready.len() == 6), "{seen:#?}");
        let autoscalers: Api<HorizontalPodAutoscaler> = Api::namespaced(world.client.clone(), WHERE);
        let target = autoscalers.get("ai-memory-hpa").await.unwrap().spec.scale_target_ref.name;
        assert_eq!(target, "ai-memory-mcp-green");
        assert_eq!(deployments.get("ai-memory-mcp-green").await.unwrap().spec.unwrap().replicas, Some(6));
    });
}

/// A service is marked, changed and rolled back, as a user sees it.
pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("blue-green", cluster);
    let stack = story.stack();
    story.write(
        &stack,
        &story.text(&stack).replace("    replicas: 2\n", "    replicas: 2\n    rollout: {blue_green: {hold: 100ms}}\n"),
    );
    story.up("");
    story.tell("Another image is brought up beside the one that runs.");
    story.edit(
        &stack,
        "    purpose: Core AI memory",
        "    image: registry.example/mcp/ai-memory:2\n    purpose: Core AI memory",
    );
    story.strata("plan blue-green -e testing");
    story.strata("plan blue-green -e testing -o markdown");
    story.strata("plan blue-green -e testing --save turn.json");
    story.strata("up blue-green -e testing --yes --quiet --plan turn.json");
    story.settled("");
    story.strata("status blue-green -e testing");
    story.strata("history blue-green -e testing");
    story.strata("diff blue-green -e testing 1");
    story.strata("rollback blue-green -e testing 1 --yes --quiet");
    story.strata("status blue-green -e testing");
    // Whoever applies files cannot switch when pods are ready: there is one Deployment, without a colour.
    std::fs::remove_file(story.path().join("turn.json")).unwrap();
    story.strata("render blue-green -e testing --out-dir files");
    let rendered = story.files().into_iter().filter(|(name, _)| name.starts_with("files/"));
    let texts: Vec<String> = rendered.map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect();
    assert!(!texts.is_empty() && texts.iter().all(|text| !text.contains(COLOUR_LABEL)));
    story.end();
}
