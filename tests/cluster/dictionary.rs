//! A dictionary attack on everything that a stack with a plain secret leads to: whoever knows the files but for one value,
//! and the program, finds no digest anywhere by which a guess of that value could be told from another.

use std::collections::BTreeSet;

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::discovery::{ApiCapabilities, ApiResource, Discovery, Scope, verbs};
use serde_json::Value;
use sha2::{Digest, Sha256};
use strata::components::compose::compose;
use strata::load::Root;

use super::support::{Cluster, Story};

const WHERE: &str = "dictionary";
const PASSWORD: &str = "Zaunkoenig";
/// What is guessed, the password among it.
const GUESSES: [&str; 4] = ["password", "Amsel", PASSWORD, "letmein"];
/// Hexadecimal digits at which a digest counts as recognised: as many as stand in the name of a Job.
const DIGITS: usize = 8;

const WAIVED: &str = "waivers:
  - {rule: S-hardening-009, service: redis_cache, reason: it is moved to a vault next month}
services:";

fn stack(password: &str) -> String {
    format!(
        "    purpose: Fast caching layer
    env: {{CACHE_PASSWORD: {password}}}
    jobs:
      prepare: {{command: [/bin/prepare]}}
      warm: {{command: [/bin/warm], rerun: on_rollout}}"
    )
}

/// Beginnings of all digests of a text, as they may be written.
fn digests(text: &str, found: &mut BTreeSet<String>) {
    let digest: String = Sha256::digest(text).iter().take(DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
    found.insert(digest);
}

/// All values that an object holds, and their parts.
fn parts<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|field| parts(field, found)),
        Value::Array(items) => items.iter().for_each(|item| parts(item, found)),
        _ => {}
    }
}

/// What a guess leads to: digests of the guess itself, and of every part of every object that the files compose to with
/// it and not without it; and names and annotations that are made of these.
fn attack(story: &Story, guess: &str) -> BTreeSet<String> {
    let composed = |value: &str| {
        let mut loaded = Root::open(story.path()).unwrap().load(WHERE, "testing").unwrap();
        for service in loaded.stack.services.values_mut() {
            service.env.values_mut().for_each(|held| value.clone_into(held));
        }
        compose(&loaded.stack, &loaded.environment, "here", None).unwrap()
    };
    let (with, without) = (composed(guess), composed("something else"));
    let mut found = BTreeSet::new();
    digests(guess, &mut found);
    let texts = |desired: &strata::components::desired::Desired| -> BTreeSet<String> {
        let manifests: Vec<&Value> = desired.resources.iter().map(|resource| &resource.manifest).collect();
        let mut all = Vec::new();
        manifests.iter().for_each(|manifest| parts(manifest, &mut all));
        all.into_iter().flat_map(|part| [part.to_string(), part.as_str().unwrap_or_default().to_owned()]).collect()
    };
    let (with, without) = (texts(&with), texts(&without));
    for text in with.difference(&without) {
        digests(text, &mut found);
        // What composing has made of it already: the digest at the end of a name, or the whole of an annotation.
        let last = text.trim_matches('"').rsplit(['-', '=']).next().unwrap_or_default();
        let is_digest = last.len() >= DIGITS && last.bytes().all(|byte| byte.is_ascii_hexdigit());
        found.extend(is_digest.then(|| last[..DIGITS].to_owned()));
    }
    found
}

/// Every object that the cluster holds in the namespaces of the story, as JSON.
async fn objects(client: kube::Client) -> Vec<String> {
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let lists = |(_, capabilities): &(ApiResource, ApiCapabilities)| {
        capabilities.scope == Scope::Namespaced && capabilities.supports_operation(verbs::LIST)
    };
    let kinds = discovery.groups().flat_map(|group| group.recommended_resources()).filter(lists);
    let mut all = Vec::new();
    for (kind, _) in kinds.collect::<Vec<_>>() {
        for namespace in [WHERE, "strata-system"] {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
            let listed = api.list(&ListParams::default()).await.unwrap();
            all.extend(listed.iter().map(|object| serde_json::to_string(object).unwrap()));
        }
    }
    all
}

pub(crate) fn story(cluster: Cluster) {
    let mut story = Story::new(WHERE, cluster);
    story.edit(&story.stack(), "services:", WAIVED);
    story.edit(&story.stack(), "    purpose: Fast caching layer", &stack(PASSWORD));
    // The attack is one: what is composed, before anything is withheld, gives the password away.
    let digests = attack(&story, PASSWORD);
    let loaded = Root::open(story.path()).unwrap().load(WHERE, "testing").unwrap();
    let composed = compose(&loaded.stack, &loaded.environment, "here", None).unwrap();
    let bare = serde_json::to_string(&composed).unwrap();
    assert!(digests.iter().any(|digest| bare.contains(digest.as_str())), "{digests:#?}");

    let mut outputs = Vec::new();
    let mut output = |story: &Story, words: &str| {
        let (code, out, err) = story.run_here(words);
        assert_eq!(code, 0, "{words}: {err}");
        outputs.push((words.to_owned(), out + &err));
    };
    output(&story, "render dictionary -e testing");
    output(&story, "render dictionary -e testing --format compose");
    output(&story, "plan dictionary -e testing");
    output(&story, "plan dictionary -e testing -o json");
    output(&story, "plan dictionary -e testing -o markdown --save first.plan");
    output(&story, "up dictionary -e testing --yes -o json -v");
    output(&story, "plan dictionary -e testing -o json --detailed-exitcode");
    output(&story, "history dictionary -e testing -o json");
    output(&story, "diff dictionary -e testing 1 -o json");
    output(&story, "status dictionary -e testing -o json");
    outputs.push(("first.plan".to_owned(), story.text("first.plan")));
    for object in story.meanwhile(objects) {
        outputs.push(("an object".to_owned(), object));
    }
    for guess in GUESSES {
        let digests = attack(&story, guess);
        assert!(digests.len() > 20, "{digests:#?}");
        for (what, text) in &outputs {
            let hit = digests.iter().find(|digest| text.contains(digest.as_str()));
            assert_eq!(hit, None, "{what} tells a guess apart: {text}");
        }
    }
    for (what, text) in outputs.iter().filter(|(what, _)| what != "an object") {
        assert!(!text.contains(PASSWORD), "{what} holds the password: {text}");
    }

    story.tell("Another value is another form of the jobs, of which nothing but a keyed digest tells.");
    story.edit(&story.stack(), PASSWORD, "Goldammer");
    story.strata("plan dictionary -e testing");
    story.strata("up dictionary -e testing --yes --quiet");
    story.settled("");
    story.end();
}
