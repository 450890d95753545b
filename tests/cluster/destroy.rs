//! Everything of an instance goes, the last phase first, and nothing else: what belongs to others stays, and a
//! Namespace goes only when it is named and empty.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, PostParams};
use serde_json::json;

use super::support::{Cluster, Story};

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new("destroy", cluster);
    story.up("");
    story.tell("Somebody else keeps something in the same namespace.");
    story.meanwhile(async |client| {
        let map = json!({"metadata": {"name": "holiday-photos"}, "data": {"beach": "sunny"}});
        let map = serde_json::from_value(map).unwrap();
        maps(client).create(&PostParams::default(), &map).await.unwrap();
    });
    story.strata("destroy destroy -e testing");
    story.settled("");
    story.strata("destroy destroy -e testing --yes --quiet --delete Namespace/destroy");
    story.strata("status destroy -e testing");
    story.tell("They move it elsewhere.");
    story.meanwhile(async |client| {
        maps(client).delete("holiday-photos", &DeleteParams::default()).await.unwrap();
    });
    story.strata("destroy destroy -e testing --yes --quiet");
    story.strata("destroy destroy -e testing --yes --delete Namespace/destroy --quiet");
    story.strata("destroy destroy -e testing --yes");
    let left = story.meanwhile(async |client| {
        let control: Api<ConfigMap> = Api::namespaced(client.clone(), "strata-system");
        let locks: Api<Lease> = Api::namespaced(client, "strata-system");
        let mine = ListParams::default().labels("app.kubernetes.io/instance=destroy-testing,!strata.dev/history");
        (control.list(&mine).await.unwrap().items.len(), locks.list(&mine).await.unwrap().items.len())
    });
    assert_eq!(left, (0, 0), "neither inventory nor lock stays behind");
    story.tell("And up it comes again.");
    story.up("");
    story.end();
}

fn maps(client: kube::Client) -> Api<ConfigMap> {
    Api::namespaced(client, "destroy")
}
