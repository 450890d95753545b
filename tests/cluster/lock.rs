//! One run at a time: who comes second while the first is at work is told so, what a dead run has left is taken over, and
//! who cannot wait for that takes it away by name.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::support::{Cluster, Story};

const LEASE: &str = "strata-lock-testing";

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("lock", cluster);
    let served = story.serve();
    story.up("");
    story.edit(&story.stack(), "    replicas: 3", "    replicas: 4");

    story.tell("Another run is at work.");
    story.meanwhile(async |client| hold(client, 15).await);
    story.while_renewed(LEASE, |story| story.strata("up lock -e testing --yes --quiet"));
    story.tell("A plan needs no lock.");
    story.strata("plan lock -e testing --detailed-exitcode");

    story.tell("It is known to be gone. Nobody else's lock is taken away by mistake.");
    story.meanwhile(async |client| hold(client, 3600).await);
    story.strata("unlock lock -e testing some-run");
    story.strata("unlock lock -e testing another-run");
    story.strata("unlock lock -e testing another-run");

    story.tell("Another run has died, and a second is all that its lock was good for.");
    story.meanwhile(async |client| hold(client, 1).await);
    story.up("");
    let left = story.meanwhile(async |client| leases(client).get(LEASE).await.unwrap());
    let spec = left.spec.unwrap();
    assert_eq!(
        (spec.holder_identity.as_deref(), spec.lease_transitions),
        (Some(""), Some(1)),
        "taken over once, and given back"
    );
    drop(served);
    story.end();
}

/// Another run takes the lock, for so many seconds.
async fn hold(client: kube::Client, seconds: u32) {
    let held = json!({"spec": {"holderIdentity": "another-run", "leaseDurationSeconds": seconds}});
    leases(client).patch(LEASE, &PatchParams::default(), &Patch::Merge(held)).await.unwrap();
}

fn leases(client: kube::Client) -> Api<Lease> {
    Api::namespaced(client, "strata-system")
}
