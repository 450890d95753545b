//! An autoscaler takes a running service over, and gives it back: no pod is lost on the way, and what it does meanwhile
//! is no drift. The ready pods are counted at every change of one, while the program works.

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::json;

use super::support::{Cluster, Story};

const SAID: &str = "    purpose: Core AI memory and vector storage";
const GROWS: &str = "    purpose: Core AI memory and vector storage\n    autoscale: {min: 2, max: 5, cpu: 70}";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("autoscaler", cluster);
    let _served = story.serve();
    story.up("");

    story.tell("The memory is to grow with its load from now on.");
    story.edit(&story.stack(), SAID, GROWS);
    story.edit("environments/testing.yaml", "image:", "autoscaling: true\n\nimage:");
    story.strata("plan autoscaler -e testing");
    let counts = counted(&mut story, |story| story.up(""));
    assert_eq!(counts, [2], "no pod was lost on the way");

    story.tell("The load grows, and the autoscaler adds two pods.");
    let counts = counted(&mut story, |story| story.meanwhile(grow));
    assert_eq!(counts, [2, 3, 4]);
    story.settled("");
    story.up("");
    assert_eq!(story.meanwhile(replicas), Some(4), "what the autoscaler wants stays");

    story.tell("The memory is to have its two pods again. A part of the stack leaves the autoscaler alone.");
    story.edit(&story.stack(), GROWS, SAID);
    story.strata("plan autoscaler -e testing --target ai_memory");
    story.tell("Nobody could hold on to its size if the autoscaler were forgotten.");
    story.strata("plan autoscaler -e testing --forget HorizontalPodAutoscaler/ai-memory-hpa");
    story.strata("plan autoscaler -e testing");
    let counts = counted(&mut story, |story| story.up(""));
    assert_eq!(counts, [4, 3, 2], "the pods that are too many go, and no others");

    story.tell("A run that ended between the autoscaler and the size goes on.");
    story.meanwhile(grow);
    let counts = counted(&mut story, |story| story.up(""));
    assert_eq!(counts, [4, 3, 2]);

    story.tell("Somebody else's autoscaler is not fought.");
    story.meanwhile(async |client| {
        let scaler = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "another"},
            "spec": {"minReplicas": 2, "maxReplicas": 5,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ai-memory-mcp"},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 70}}}]},
        });
        let scalers: Api<HorizontalPodAutoscaler> = Api::namespaced(client.clone(), "autoscaler");
        scalers.create(&PostParams::default(), &serde_json::from_value(scaler).unwrap()).await.unwrap();
        grow(client).await;
    });
    story.strata("plan autoscaler -e testing");
    story.end();
}

/// What the autoscaler does when the load grows; returns when the pods are there.
async fn grow(client: kube::Client) {
    let scaler = PatchParams { field_manager: Some("kube-controller-manager".to_owned()), ..Default::default() };
    for size in [3, 4] {
        let more = Patch::Merge(json!({"spec": {"replicas": size}}));
        deployments(client.clone()).patch_scale("ai-memory-mcp", &scaler, &more).await.unwrap();
        let mut news = watcher(deployments(client.clone()), named("ai-memory-mcp")).boxed();
        let grown = |event: &Event<Deployment>| match event {
            Event::Apply(one) | Event::InitApply(one) => one.status.as_ref().unwrap().available_replicas == Some(size),
            _ => false,
        };
        while !news.next().await.unwrap().is_ok_and(|event| grown(&event)) {}
    }
}

fn named(name: &str) -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={name}"))
}

/// How many pods of the memory are ready and stay, from before the work to after it.
fn counted(story: &mut Story, work: impl FnOnce(&mut Story)) -> Vec<usize> {
    story.while_counting("autoscaler", "ai-memory-mcp", work)
}

async fn replicas(client: kube::Client) -> Option<i32> {
    deployments(client).get("ai-memory-mcp").await.unwrap().spec.unwrap().replicas
}

fn deployments(client: kube::Client) -> Api<Deployment> {
    Api::namespaced(client, "autoscaler")
}
