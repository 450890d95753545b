//! Counts the ready pods of a service at every change of one, beside whatever else is done.

use std::collections::BTreeMap;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::oneshot;

/// Each number that differs from the one before, from before `began` is told to after `stop` is heard: every change of a
/// pod is looked at, also those that come late. Pods that are on their way out do not count.
pub(super) async fn count(
    client: Client,
    namespace: &str,
    service: &str,
    began: std::sync::mpsc::Sender<()>,
    stop: oneshot::Receiver<()>,
) -> Vec<usize> {
    let label = format!("app.kubernetes.io/name={service}");
    let pods: Api<Pod> = Api::namespaced(client, namespace);
    let mut news = watcher(pods.clone(), Config::default().labels(&label)).boxed();
    let mut seen: BTreeMap<String, (Option<String>, bool)> = BTreeMap::new();
    let (mut counts, mut whole, mut last, mut stop) = (Vec::new(), false, None, stop);
    loop {
        let event = tokio::select! {
            event = news.next() => Some(event.unwrap()),
            _ = &mut stop, if last.is_none() => None,
        };
        match event {
            None => {
                let list = pods.list(&ListParams::default().labels(&label)).await.unwrap();
                let now: BTreeMap<_, _> = list.iter().map(|pod| (pod.name_any(), pod.resource_version())).collect();
                last = Some(now);
            }
            Some(Ok(Event::Apply(pod) | Event::InitApply(pod))) => {
                seen.insert(pod.name_any(), (pod.resource_version(), is_ready(&pod)));
            }
            Some(Ok(Event::Delete(pod))) => {
                seen.remove(&pod.name_any());
            }
            Some(Ok(Event::InitDone)) => {
                whole = true;
                began.send(()).unwrap();
            }
            Some(Ok(Event::Init) | Err(_)) => {}
        }
        let ready = seen.values().filter(|(_, ready)| *ready).count();
        if whole && counts.last() != Some(&ready) {
            counts.push(ready);
        }
        let versions = || seen.iter().map(|(name, (version, _))| (name, version));
        if last.as_ref().is_some_and(|last| versions().eq(last)) {
            return counts;
        }
    }
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().any(|one| one.type_ == "Ready" && one.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}
