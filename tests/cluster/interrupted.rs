//! Ctrl-C at the program itself, while a write is under way: once lets that finish, gives the lock back and tells the
//! three lists; twice ends it at once. Running it again goes on from there.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client};
use kube_embedded::Webhooks;
use kube_embedded::faults::Faults;

use super::faults::{cluster_with, provider, while_time_stands_still};
use super::killed::{Act, Stage, in_simulated_time, made_good, objects, text};
use super::support::victim::{Ended, Hook, Station};

const WORDS: &str = "up killed -e testing --yes --parallel 1";
const HEARD: &str = "interrupted: finishing what is in flight; again to stop at once";

/// Interrupts the program while its write of this number is under way, as often as that, then runs it again where it was.
/// Returns how it ended, how many objects were marked as the instance's at that moment, and who held the lock.
fn interrupted(number: usize, times: usize) -> (Ended, usize, String) {
    let hook: Hook = std::sync::Arc::new(move |passing, running| {
        Box::pin(async move {
            if passing.committed || passing.number != number {
                return;
            }
            running.interrupt();
            running.says(HEARD).await;
            if times > 1 {
                running.interrupt();
                std::future::pending::<()>().await;
            }
        })
    });
    in_simulated_time(async {
        let stage = Stage::new();
        stage.set(Act::Up);
        let cluster = cluster_with(Webhooks::default()).await;
        let still = || cluster.router().layer(axum::middleware::from_fn(while_time_stands_still));
        let ended = Station::open(still()).await.run(stage.path(), WORDS, hook).await;
        let client = Client::new(still(), "default");
        let marked =
            |object: &serde_json::Value| object.pointer("/metadata/labels/applyset.kubernetes.io~1part-of").is_some();
        let many = objects(&client).await.iter().filter(|object| marked(object)).count();
        let leases: Api<Lease> = Api::namespaced(client, "strata-system");
        let lease = leases.list(&ListParams::default()).await.unwrap().items.remove(0);
        let holder = text(&serde_json::to_value(lease).unwrap(), "/spec/holderIdentity").to_owned();
        made_good(&provider(&cluster, &Faults::seeded(0), "again"), &stage.desired(Act::Up), Act::Up, "interrupted")
            .await;
        (ended, many, holder)
    })
}

#[test]
fn once_finishes_what_is_in_flight() {
    // What the run keeps for itself (its namespace, lock, record and inventory), then three objects.
    let (ended, many, holder) = interrupted(7, 1);
    assert_eq!((ended.code, ended.writes, many, holder.as_str()), (Some(130), 9, 3, ""), "{ended:#?}");
    let told = ended.out.lines().last().unwrap_or_default();
    assert!(told.contains("Stopped by an interrupt after"), "{}", ended.out);
    assert!(told.ends_with("3 done, 0 failed, 18 not tried. Run it again to go on from here."), "{}", ended.out);
    assert!(ended.out.contains("Not tried\n  interrupted:\n"), "{}", ended.out);
}

#[test]
fn twice_stops_at_once() {
    let (ended, many, holder) = interrupted(7, 2);
    assert_eq!((ended.code, ended.writes, many, ended.out.as_str()), (Some(130), 7, 2, ""), "{ended:#?}");
    assert_ne!(holder, "", "nothing was given back");
}
