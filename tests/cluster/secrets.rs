//! What is secret is told nowhere: values planted in Secrets, in variables, in annotations and in objects that the server
//! refuses are looked for in all that the program writes. That a value changes is seen all the same, also by who may not
//! read Secrets.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, PodTemplate, Secret};
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::read_only::reader;
use super::support::{Cluster, Story};

/// What a Secret holds, first and later, and what somebody else makes of it.
const FIRST: &str = "Kanari/vogel+7&<3>";
const LATER: &str = "Zeisig?\"9=ü%20";
const FOREIGN: &str = "Gimpel 44~#x";
/// What a variable holds.
const VARIABLE: &str = "St4r@tmann";
/// What only an object holds that the server refuses.
const INVALID: &str = "Elster+{1}/2";

/// Each of them as it may be written.
fn forms() -> Vec<String> {
    let of = |value: &&str| {
        let (json, percent) = (Value::from(*value).to_string(), utf8_percent_encode(value, NON_ALPHANUMERIC));
        let whole = percent.to_string();
        let query = whole.replace("%20", "+").replace("%2D", "-").replace("%5F", "_").replace("%2E", ".");
        [
            (*value).to_owned(),
            json[1..json.len() - 1].to_owned(),
            json[1..json.len() - 1].replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
            STANDARD_NO_PAD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
            query.replace("%7E", "~"),
            whole.to_lowercase(),
            whole,
        ]
    };
    [FIRST, LATER, FOREIGN, VARIABLE, INVALID].iter().flat_map(of).collect()
}

/// Asserts that nothing of what is secret is in a text.
#[track_caller]
fn check(what: &str, text: &str) {
    for form in forms() {
        let at = text.find(&form).map(|at| text.get(at.saturating_sub(200)..at + form.len()).unwrap_or(text));
        assert_eq!(at, None, "{what} holds {form}");
    }
}

/// The file with what is secret, and with objects of the program's own.
fn file(password: &str, more: &[Value]) -> String {
    let confined = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"}});
    let template = json!({"metadata": {"labels": {"app": "job"}}, "spec": {"containers": [{
        "name": "job", "image": "registry.example/job:1.0.0", "securityContext": confined,
        "env": [{"name": "API_TOKEN", "value": VARIABLE}, {"name": "MODE", "value": "nightly"}],
    }]}});
    let mut objects = vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "notes", "namespace": "accounts",
            "annotations": {"example.com/login": format!("user:{password}@store")},
        }, "data": {"encoded": base64::engine::general_purpose::STANDARD.encode(password), "plain": "nothing"}}),
        json!({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "job", "namespace": "accounts"},
            "template": template}),
    ];
    objects.extend(more.iter().cloned());
    let keys = json!({"DATABASE_PASSWORD": password, "pin": "1234"});
    json!({"secrets": {"ledger-keys": keys}, "objects": objects}).to_string()
}

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::of_example("secrets", "secrets", "accounts", cluster);
    story.write("secrets.json", &file(FIRST, &[]));
    story.tell("Values come from a file that is in no repository. Nothing shows them.");
    story.strata("plan accounts -e testing");
    story.strata_untold("plan accounts -e testing -o json");
    story.strata_untold("plan accounts -e testing -v");
    story.strata_untold("render accounts -e testing");
    story.strata("render accounts -e testing --out-dir out --quiet");
    story.strata("plan accounts -e testing --quiet --save first.plan --preview predict");
    story.strata("up accounts -e testing --yes --plan first.plan");
    story.settled("");
    story.settled("--preview dry-run --quiet");
    story.settled("--preview predict --quiet");
    story.strata_untold("up accounts -e testing --yes -vv");
    story.strata_untold("status accounts -e testing -o json");
    story.strata("status accounts -e testing");

    story.tell("Another value is seen to change, and rolls the pods that use it.");
    story.write("secrets.json", &file(LATER, &[]));
    story.strata("plan accounts -e testing");
    story.strata("plan accounts -e testing --quiet --save second.plan");
    let token = story.meanwhile(async |client| reader(client, "secrets-reader").await);
    let served = story.serve();
    story.write("reader.yaml", &story.kubeconfig_of(&token));
    story.tell("Who has no right to Secrets sees the same.");
    let as_reader = "--preview predict --cluster kubeconfig:reader.yaml";
    story.strata_elsewhere(&format!("plan accounts -e testing {as_reader}"));
    story.strata_untold("up accounts -e testing --yes --quiet --plan second.plan -o json");
    story.strata_elsewhere(&format!("plan accounts -e testing --detailed-exitcode {as_reader}"));
    drop(served);
    story.settled("");

    story.tell("A Secret that may not change is replaced where that is allowed.");
    let sealed = |value: &str| {
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sealed", "namespace": "accounts"},
            "immutable": true, "stringData": {"a": value}})
    };
    story.write("secrets.json", &file(LATER, &[sealed(FIRST)]));
    story.strata("up accounts -e testing --yes --quiet");
    story.write("secrets.json", &file(LATER, &[sealed(LATER)]));
    for preview in ["auto", "predict"] {
        story.strata(&format!("plan accounts -e testing --allow-replace --preview {preview}"));
    }
    story.up("--allow-replace");
    story.write("secrets.json", &file(LATER, &[]));
    story.up("");

    story.tell("Somebody changes what is live, and leaves the whole object in an annotation.");
    story.meanwhile(tampered);
    story.strata("plan accounts -e testing");
    story.strata_untold("plan accounts -e testing -o json --preview predict");
    story.strata("up accounts -e testing --yes --quiet --force-conflicts");
    story.settled("");

    story.tell("What the server refuses is told without what it holds.");
    let secret = |more: Value| {
        let mut secret = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "bad", "namespace": "accounts"}});
        secret.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        secret
    };
    let (both, predicted): (&[&str], &[&str]) = (&["auto", "predict"], &["predict"]);
    let invalid = [
        (secret(json!({"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": INVALID}})), both),
        (
            secret(json!({"stringData": {"a": INVALID}, "metadata": {"name": "bad", "namespace": "accounts",
            "labels": {"example.com/a": INVALID}}})),
            both,
        ),
        // What is no Secret at all the server only says after a minute of tries.
        (secret(json!({"stringData": {"a": INVALID, "b": [INVALID]}, "secret": INVALID})), predicted),
    ];
    for (object, previews) in invalid {
        story.write("secrets.json", &file(LATER, &[object]));
        for preview in previews {
            story.strata(&format!("up accounts -e testing --yes --quiet --preview {preview}"));
        }
        story.strata_untold("up accounts -e testing --yes -v --preview predict");
        story.strata_untold("up accounts -e testing --yes -o json --preview predict");
    }
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad", "namespace": "accounts",
        "labels": {"example.com/a": LATER}}});
    story.write("secrets.json", &file(LATER, &[config]));
    story.strata("up accounts -e testing --yes --quiet");

    story.write("secrets.json", &file(LATER, &[]));
    story.tell("What was desired once is desired again with the values of today.");
    story.strata("diff accounts 1 -e testing");
    story.strata("rollback accounts 1 -e testing --yes");
    story.strata("history accounts -e testing");
    for revision in 1..20 {
        if story.strata_untold(&format!("history accounts -e testing {revision} -o json")) != 0 {
            break;
        }
        story.strata_untold(&format!("history accounts -e testing {revision}"));
    }
    let kept = story.meanwhile(kept);
    let held = story.meanwhile(held);
    assert_eq!(held, [("DATABASE_PASSWORD".to_owned(), LATER.to_owned()), ("pin".to_owned(), "1234".to_owned())]);
    story.strata("destroy accounts -e testing --yes --quiet --delete Namespace/accounts");
    let left = story.meanwhile(self::kept);

    check("what was said", story.said());
    for (name, bytes) in story.files() {
        // The cluster itself, and the source of the values.
        if !name.starts_with(".strata/") && name != "secrets.json" {
            check(&name, &String::from_utf8_lossy(&bytes));
        }
    }
    let keyed =
        |kept: &[(String, String)]| kept.iter().any(|(name, _)| name == "ConfigMap strata-accounts-testing.digests");
    assert_eq!((keyed(&kept), keyed(&left)), (true, false));
    for (name, text) in kept.iter().chain(&left) {
        check(name, text);
    }
    story.end();
}

/// What the control namespace holds.
async fn kept(client: kube::Client) -> Vec<(String, String)> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "strata-system");
    let leases: Api<Lease> = Api::namespaced(client, "strata-system");
    let mut kept = Vec::new();
    for map in maps.list(&ListParams::default()).await.unwrap() {
        let name = map.metadata.name.clone().unwrap();
        kept.push((format!("ConfigMap {name}"), serde_json::to_string(&map).unwrap()));
    }
    for lease in leases.list(&ListParams::default()).await.unwrap() {
        let name = lease.metadata.name.clone().unwrap();
        kept.push((format!("Lease {name}"), serde_json::to_string(&lease).unwrap()));
    }
    kept
}

/// What the live Secret holds.
async fn held(client: kube::Client) -> Vec<(String, String)> {
    let secrets: Api<Secret> = Api::namespaced(client, "accounts");
    let data = secrets.get("ledger-keys").await.unwrap().data.unwrap();
    data.into_iter().map(|(key, value)| (key, String::from_utf8(value.0).unwrap())).collect()
}

async fn tampered(client: kube::Client) {
    let by = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    let applied = json!({"kind": "Secret", "stringData": {"DATABASE_PASSWORD": FOREIGN}}).to_string();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "accounts");
    let change = json!({
        "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": applied}},
        "stringData": {"DATABASE_PASSWORD": FOREIGN},
    });
    secrets.patch("ledger-keys", &by, &Patch::Merge(change)).await.unwrap();
    let templates: Api<PodTemplate> = Api::namespaced(client.clone(), "accounts");
    let container = json!({"name": "job", "env": [{"name": "API_TOKEN", "value": FOREIGN}]});
    let change = json!({"template": {"spec": {"containers": [container]}}});
    templates.patch("job", &by, &Patch::Strategic(change)).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(client, "accounts");
    maps.patch("notes", &by, &Patch::Merge(json!({"data": {"plain": FOREIGN, "encoded": FOREIGN}}))).await.unwrap();
}
