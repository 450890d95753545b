//! The history of an instance: ConfigMaps in the control namespace that say what each run did.
//!
//! A record is one ConfigMap, `strata-INSTANCE.rREVISION`: its head stands in an annotation, so that a list of heads needs
//! no bodies, and its body in `binaryData`. What does not fit goes on in further ones, `strata-INSTANCE.rREVISION.PART`,
//! which are written first: a record whose head is there was written whole. Every one of them is only ever created, never
//! put in another's place, so that two runs cannot share a number. None is a member of the instance's set: no plan sees
//! them, and a destroy leaves them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use serde_json::{Value, json};
use strata_components::desired::{INSTANCE_LABEL, Instance};

use super::Cluster;
use super::carry::CONTROL_MANAGER;
use super::identity::Identity;
use super::request::Call;
use crate::history::kept::let_go;
use crate::history::pack::{PART_BYTES, Packed, UnpackError, pack, unpack};
use crate::history::{Draft, Ending, Entry, Head, Made, Record};
use crate::plan::Plan;
use crate::provider::ProviderError;

/// Label of everything that belongs to a record: [`RECORD`] or [`PART`].
pub(super) const HISTORY_LABEL: &str = "strata.dev/history";
/// What holds the head of a record, and the first part of its body.
const RECORD: &str = "record";
/// What holds a further part.
const PART: &str = "part";
/// Label of the same: the number of the record.
const REVISION_LABEL: &str = "strata.dev/revision";
/// Annotation of a record: its head as JSON.
const HEAD_ANNOTATION: &str = "strata.dev/head";
/// Annotation of a record: the digest of each part of its body, comma-separated.
const PARTS_ANNOTATION: &str = "strata.dev/parts";
/// Annotation of a record: the digest of its ending.
const ENDING_ANNOTATION: &str = "strata.dev/ending";
/// Under which key a part of a body stands.
const BODY: &str = "body";
/// Under which key the ending of a record stands.
const ENDING: &str = "ending";
/// Bytes of an ending at the most; beside a part of the body it stays well under what an object may hold.
const ENDING_BYTES: usize = 256 << 10;
/// Steps that an ending names where it would be larger than that.
const NAMED: usize = 500;
/// How many numbers are tried while others take them.
const NUMBERS: usize = 20;
/// Requests in flight at once.
const CONCURRENCY: usize = 8;
/// Everything but the data of objects, as a list.
const HEADS_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const REVIEWS: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
/// Who it is where the server does not say.
const UNKNOWN: &str = "unknown";

/// What there is of an instance's history, without bodies.
struct Shelf {
    /// The records of this instance, the newest first.
    entries: Vec<Entry>,
    /// Names of the ConfigMaps of each number, records before parts.
    names: BTreeMap<u64, Vec<String>>,
    /// Numbers of records that another instance of the same name has written.
    others: BTreeSet<u64>,
}

impl Cluster {
    /// Opens a record with the next number.
    pub(super) async fn open(&self, plan: &Plan, draft: &Draft) -> Result<Head, ProviderError> {
        let identity = self.identity(&plan.instance);
        let (shelf, by) = tokio::try_join!(self.shelf(&plan.instance), self.who())?;
        let mut head = Head::begin(plan, draft, by, now());
        let body = pack(&Made::of(plan, draft), PART_BYTES);
        let newest = shelf.names.keys().next_back().copied().unwrap_or_default();
        for revision in (newest + 1..).take(NUMBERS) {
            head.revision = revision;
            if self.write(&identity, &head, &body).await? {
                return Ok(head);
            }
        }
        let doing = format!("writing the record of {}", identity.instance);
        Err(ProviderError::Unexpected { doing, detail: "others took every number that was tried".to_owned() })
    }

    /// Writes a record, its head last; false where somebody else has taken its number.
    async fn write(&self, identity: &Identity, head: &Head, body: &Packed) -> Result<bool, ProviderError> {
        let base = self.record_name(&head.instance, head.revision);
        let labels = |what: &str| {
            json!({
                HISTORY_LABEL: what,
                REVISION_LABEL: head.revision.to_string(),
                INSTANCE_LABEL: identity.instance,
                "app.kubernetes.io/managed-by": "strata",
            })
        };
        for (at, part) in body.parts.iter().enumerate().rev() {
            let mut map = json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": base, "labels": labels(RECORD), "annotations": {
                    HEAD_ANNOTATION: serde_json::to_string(head).unwrap_or_default(),
                    PARTS_ANNOTATION: body.digests.join(","),
                }},
                "binaryData": {BODY: STANDARD.encode(part)},
            });
            if at > 0 {
                map["metadata"] = json!({"name": part_name(&base, at), "labels": labels(PART)});
            }
            if !self.create(&map).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Creates a ConfigMap in the control namespace; false where there is another of its name.
    async fn create(&self, map: &Value) -> Result<bool, ProviderError> {
        let name = map["metadata"]["name"].as_str().unwrap_or_default();
        let doing = format!("writing the record ConfigMap {}/{name}", self.settings.control_namespace);
        let call = Call::post(self.maps(), doing, map).query("fieldManager", CONTROL_MANAGER);
        let answer = self.requests.send(&call).await?;
        if answer.status != StatusCode::CONFLICT {
            return answer.ok(&call.doing).map(|_| true);
        }
        // A try whose answer was lost may be what is there.
        let repeated = answer.repeated;
        let found = self.requests.find(&Call::get(self.map(name), call.doing)).await?;
        let same = |key: &str| found.as_ref().and_then(|found| found.pointer(key)) == map.pointer(key);
        Ok(repeated && same("/binaryData") && same("/metadata/annotations"))
    }

    /// Closes a record, and lets go of the oldest ones.
    pub(super) async fn close(&self, head: &Head, ending: &Ending, keep: usize) -> Result<(), ProviderError> {
        let ended = head.end(ending, now());
        let mut packed = pack(ending, usize::MAX);
        if packed.parts.iter().map(Vec::len).sum::<usize>() > ENDING_BYTES {
            let mut short = ending.clone();
            short.failed.truncate(NAMED);
            short.not_tried.truncate(NAMED);
            packed = pack(&short, usize::MAX);
        }
        let name = self.record_name(&head.instance, head.revision);
        let annotation = |name: &str| format!("/metadata/annotations/{}", name.replace('/', "~1"));
        let changes = json!([
            {"op": "replace", "path": annotation(HEAD_ANNOTATION), "value": serde_json::to_string(&ended).unwrap_or_default()},
            {"op": "add", "path": annotation(ENDING_ANNOTATION), "value": packed.digests.concat()},
            {"op": "add", "path": format!("/binaryData/{ENDING}"), "value": STANDARD.encode(packed.parts.concat())},
        ]);
        let doing = format!("closing the record ConfigMap {}/{name}", self.settings.control_namespace);
        let call = Call::json_patch(self.map(&name), doing, &changes).query("fieldManager", CONTROL_MANAGER);
        self.requests.ok(&call).await?;

        let shelf = self.shelf(&head.instance).await?;
        let gone = let_go(&shelf.entries, keep);
        let heads: BTreeSet<u64> = shelf.entries.iter().map(Entry::revision).collect();
        // Parts without a head are what a run has left that was killed before its record was whole.
        let torn =
            |revision: &u64| *revision < head.revision && !heads.contains(revision) && !shelf.others.contains(revision);
        let gone = shelf.names.iter().filter(|(revision, _)| gone.contains(revision) || torn(revision));
        let names: Vec<&String> = gone.flat_map(|(_, names)| names).collect();
        for name in names {
            let doing = format!("deleting the record ConfigMap {}/{name}", self.settings.control_namespace);
            self.requests.find(&Call::delete(self.map(name), doing, &json!({}))).await?;
        }
        Ok(())
    }

    /// The records of an instance, the newest first.
    pub(super) async fn entries(&self, instance: &Instance) -> Result<Vec<Entry>, ProviderError> {
        self.target().await?;
        Ok(self.shelf(instance).await?.entries)
    }

    /// One record, whole.
    pub(super) async fn read(&self, instance: &Instance, revision: u64) -> Result<Option<Record>, ProviderError> {
        self.target().await?;
        let name = self.record_name(instance, revision);
        let doing = format!("reading the record ConfigMap {}/{name}", self.settings.control_namespace);
        let Some(map) = self.requests.find(&Call::get(self.map(&name), doing.as_str())).await? else {
            return Ok(None);
        };
        let broken = |source| ProviderError::Record { instance: instance.name(), revision, source };
        let head = match Head::read(revision, annotation(&map, HEAD_ANNOTATION)) {
            Entry::Known(head) if head.instance == *instance => *head,
            Entry::Known(_) => return Ok(None),
            Entry::Unreadable { why, .. } => return Err(broken(UnpackError::Malformed(why))),
        };
        let digests: Vec<String> = annotation(&map, PARTS_ANNOTATION).split(',').map(str::to_owned).collect();
        let mut parts = vec![bytes(&map, BODY)];
        let further: Vec<_> = (1..digests.len()).map(|at| self.part(part_name(&name, at), &doing)).collect();
        let further: Vec<Option<Vec<u8>>> = stream::iter(further).buffered(CONCURRENCY).try_collect().await?;
        parts.extend(further);
        let made: Made = unpack(&parts, &digests).map_err(broken)?;
        let ending: Option<Ending> = match bytes(&map, ENDING) {
            None => None,
            Some(ending) => {
                let digest = annotation(&map, ENDING_ANNOTATION).to_owned();
                Some(unpack(&[Some(ending)], &[digest]).map_err(broken)?)
            }
        };
        Ok(Some(Record { head, made, ending }))
    }

    async fn part(&self, name: String, doing: &str) -> Result<Option<Vec<u8>>, ProviderError> {
        let found = self.requests.find(&Call::get(self.map(&name), doing)).await?;
        Ok(found.and_then(|map| bytes(&map, BODY)))
    }

    async fn shelf(&self, instance: &Instance) -> Result<Shelf, ProviderError> {
        let name = instance.name();
        let doing = format!("listing the records of {name} in namespace {}", self.settings.control_namespace);
        let select = format!("{INSTANCE_LABEL}={name},{HISTORY_LABEL}");
        let call = Call::get(self.maps(), doing).query("labelSelector", select).accept(HEADS_ONLY);
        let list = self.requests.ok(&call).await?;
        let mut shelf = Shelf { entries: Vec::new(), names: BTreeMap::new(), others: BTreeSet::new() };
        for map in list.get("items").and_then(Value::as_array).into_iter().flatten() {
            let label = |name: &str| map["metadata"]["labels"][name].as_str().unwrap_or_default();
            let Ok(revision) = label(REVISION_LABEL).parse::<u64>() else { continue };
            let name = map["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let names = shelf.names.entry(revision).or_default();
            if label(HISTORY_LABEL) != RECORD {
                names.push(name);
                continue;
            }
            names.insert(0, name);
            match Head::read(revision, annotation(map, HEAD_ANNOTATION)) {
                Entry::Known(head) if head.instance != *instance => {
                    shelf.others.insert(revision);
                }
                entry => shelf.entries.push(entry),
            }
        }
        shelf.entries.sort_by_key(|entry| std::cmp::Reverse(entry.revision()));
        Ok(shelf)
    }

    /// The user that the server takes these credentials for.
    async fn who(&self) -> Result<String, ProviderError> {
        let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let call = Call::post(REVIEWS, "asking the server who this user is", &review);
        match self.requests.ok(&call).await {
            Ok(answer) => {
                let name = answer.pointer("/status/userInfo/username").and_then(Value::as_str);
                Ok(name.unwrap_or(UNKNOWN).to_owned())
            }
            Err(ProviderError::Refused { .. }) => Ok(UNKNOWN.to_owned()),
            Err(error) => Err(error),
        }
    }

    fn record_name(&self, instance: &Instance, revision: u64) -> String {
        format!("{}.r{revision}", self.identity(instance).control_name())
    }

    fn maps(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", self.settings.control_namespace)
    }

    fn map(&self, name: &str) -> String {
        format!("{}/{name}", self.maps())
    }
}

/// The name of a part, of which 0 is the record itself.
fn part_name(record: &str, at: usize) -> String {
    format!("{record}.{}", at + 1)
}

fn annotation<'a>(map: &'a Value, name: &str) -> &'a str {
    map["metadata"]["annotations"][name].as_str().unwrap_or_default()
}

/// What stands under a key of a ConfigMap's binary data; `None` where nothing does, or no Base64.
fn bytes(map: &Value, key: &str) -> Option<Vec<u8>> {
    STANDARD.decode(map.get("binaryData")?.get(key)?.as_str()?).ok()
}

/// Now, in whole seconds.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
