//! Carrying out single steps, and the books of what the instance holds. Decides nothing.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};
use strata_components::desired::{Instance, Kind};

use super::Cluster;
use super::discovery::collection;
use super::identity::{Counts, Identity, counts_of, members};
use super::ownership::hand_over_all;
use super::request::{Answer, Call};
use super::truth::otherwise;
use crate::observe::Owner;
use crate::plan::{Action, Condition, Plan, Step};
use crate::provider::{Done, ProviderError};

/// The field manager of control objects; a stack's own objects have the stack's.
pub(super) const CONTROL_MANAGER: &str = "strata";

/// How often a hand-over is tried while others write the same object.
const HAND_OVER_TRIES: u32 = 5;

impl Cluster {
    pub(super) fn identity(&self, instance: &Instance) -> Identity {
        Identity::new(instance, &self.settings.control_namespace)
    }

    /// Whether the namespace of the control objects exists.
    pub(super) async fn control_namespace_exists(&self) -> Result<bool, ProviderError> {
        let name = &self.settings.control_namespace;
        let call = Call::get(format!("/api/v1/namespaces/{name}"), format!("reading namespace {name}"));
        Ok(self.requests.find(&call).await?.is_some())
    }

    /// Makes sure that the namespace of the control objects exists.
    pub(super) async fn ensure_control_namespace(&self) -> Result<(), ProviderError> {
        if self.control_namespace_exists().await? {
            return Ok(());
        }
        let name = &self.settings.control_namespace;
        let path = format!("/api/v1/namespaces/{name}");
        let namespace = control_namespace(name);
        let call = Call::apply(path, format!("creating namespace {name}"), CONTROL_MANAGER, &namespace);
        self.requests.ok(&call).await.map(|_| ())
    }

    /// Before the first step: the inventory names everything that is there and everything that is to come.
    pub(super) async fn begin_plan(&self, plan: &Plan) -> Result<(), ProviderError> {
        let identity = self.identity(&plan.instance);
        let known = self.find_parent(&identity).await?;
        let (mut kinds, mut namespaces) = known_members(known.as_ref());
        for step in plan.steps() {
            kinds.insert(Kind { version: String::new(), ..step.id.kind.clone() });
            namespaces.extend(step.id.namespace.clone());
        }
        // What is going to be deleted is counted no more: a list that is empty for that reason is no surprise.
        let mut counts = known.as_ref().map(counts_of).unwrap_or_default();
        for step in plan.steps().filter(|step| matches!(step.action, Action::Delete | Action::Forget)) {
            if let Some(count) = counts.get_mut(&(step.id.kind.group.clone(), step.id.kind.kind.clone())) {
                *count = count.saturating_sub(1);
            }
        }
        counts.retain(|_, count| *count > 0);
        self.write_parent(&identity, &kinds, &namespaces, &counts).await?;
        self.begin_sealing(plan).await
    }

    /// After the last step: the inventory names what is left; with nothing left, it goes.
    pub(super) async fn finish_plan(&self, plan: &Plan) -> Result<(), ProviderError> {
        let identity = self.identity(&plan.instance);
        let known = self.find_parent(&identity).await?;
        match left_by(plan, known.as_ref()) {
            Some(Books { kinds, namespaces, counts }) => {
                self.write_parent(&identity, &kinds, &namespaces, &counts).await
            }
            None => {
                let doing = format!("deleting the inventory of {}", identity.instance);
                let call = Call::delete(parent_path(&identity), doing, &json!({}));
                self.requests.find(&call).await?;
                self.end_sealing(plan).await
            }
        }
    }

    /// Whether the inventory says what it says after the last step of a plan: a run that was killed between that step
    /// and the end has left it open, and of an instance that is gone perhaps the lock.
    pub(super) async fn finished(&self, plan: &Plan) -> Result<bool, ProviderError> {
        let identity = self.identity(&plan.instance);
        let known = self.find_parent(&identity).await?;
        let Some(books) = left_by(plan, known.as_ref()) else {
            return Ok(known.is_none() && self.lease(&plan.instance).find().await?.is_none());
        };
        Ok(known.is_some_and(|known| {
            let wanted = identity.parent(&books.kinds, books.namespaces.iter().map(String::as_str), &books.counts);
            members(&known) == members(&wanted) && counts_of(&known) == counts_of(&wanted)
        }))
    }

    async fn write_parent(
        &self,
        identity: &Identity,
        kinds: &BTreeSet<Kind>,
        namespaces: &BTreeSet<String>,
        counts: &Counts,
    ) -> Result<(), ProviderError> {
        let parent = identity.parent(kinds, namespaces.iter().map(String::as_str), counts);
        let doing = format!("writing the inventory of {}", identity.instance);
        let call = Call::apply(parent_path(identity), doing, CONTROL_MANAGER, &parent).query("force", "true");
        self.requests.ok(&call).await.map(|_| ())
    }

    pub(super) async fn carry_out_step(&self, plan: &Plan, step: &Step) -> Result<Done, ProviderError> {
        let done = match step.action {
            Action::Create | Action::Update | Action::Replace | Action::Adopt | Action::Move | Action::Return => {
                return self.apply_step(plan, step).await;
            }
            // To hold is to wait: that comes after.
            Action::Unchanged | Action::Blocked | Action::Hold => {
                return Ok(Done { uid: step.uid.clone(), warnings: Vec::new() });
            }
            Action::Delete if step.condition == Some(Condition::Unowned) => self.delete_unowned(plan, step).await?,
            Action::Delete => self.delete_step(plan, step).await?,
            Action::Forget => self.forget_step(plan, step).await?,
        };
        self.keep_sealed(plan, step, None).await?;
        Ok(done)
    }

    pub(super) async fn path(&self, step: &Step) -> Result<String, ProviderError> {
        self.served_with(&step.id.kind).await?.path(&step.id).ok_or_else(|| ProviderError::Unexpected {
            doing: format!("applying {}", step.id),
            detail: format!("the cluster does not serve {} any more", step.id.kind.kind),
        })
    }

    async fn apply_step(&self, plan: &Plan, step: &Step) -> Result<Done, ProviderError> {
        let doing = format!("applying {}", step.id);
        let Some(manifest) = &step.manifest else {
            return Err(ProviderError::Unexpected { doing, detail: "the plan holds no manifest for it".to_owned() });
        };
        let (manifest, digest) = self.sealing.completed(step, manifest)?;
        let mut object = self.identity(&plan.instance).dress(&manifest, digest).object;
        let new = matches!(step.action, Action::Create | Action::Move | Action::Replace);
        if let Some(uid) = step.uid.as_ref().filter(|_| !new) {
            // The server refuses when the object is not the one the step was planned against.
            object["metadata"]["uid"] = uid.as_str().into();
        }
        self.hand_over(plan, step).await?;
        let ty = self.type_of(plan, &step.id.kind).await?;
        let sent = self.sealing.reveal(&step.id, &object, &doing)?;
        let mut call = Call::apply(self.path(step).await?, doing, &plan.field_manager, &sent);
        if step.force {
            call = call.query("force", "true");
        }
        let answer = self.requests.send(&call).await?;
        let own = answer.repeated && made_by(&answer.body, &plan.field_manager);
        if new && answer.status == StatusCode::OK && !own {
            return Err(ProviderError::Moved { id: step.id.to_string(), what: "appeared".to_owned() });
        }
        let warnings = answer.warnings.clone();
        if answer.status == StatusCode::CONFLICT && !new {
            self.still_the_same(step).await?;
        }
        let mut after = answer.ok(&call.doing)?;
        self.sealing.seal_answer(&step.id, &mut after)?;
        self.keep_sealed(plan, step, Some(&after)).await?;
        let fields = otherwise(step, ty.as_ref(), &object, &after, &plan.field_manager);
        if !fields.is_empty() {
            return Err(ProviderError::Otherwise { doing: call.doing, fields });
        }
        let uid = after.pointer("/metadata/uid").and_then(Value::as_str).map(str::to_owned);
        Ok(Done { uid, warnings })
    }

    /// An error where the object of a step is not there any more, or is another one.
    async fn still_the_same(&self, step: &Step) -> Result<(), ProviderError> {
        let call = Call::get(self.path(step).await?, format!("reading {}", step.id));
        let live = self.requests.find(&call).await?;
        let uid = live.as_ref().and_then(|live| live.pointer("/metadata/uid")?.as_str());
        let what = match (uid, step.uid.as_deref()) {
            (None, Some(_)) => "was deleted",
            (Some(uid), Some(planned)) if uid != planned => "was replaced",
            _ => return Ok(()),
        };
        Err(ProviderError::Moved { id: step.id.to_string(), what: what.to_owned() })
    }

    /// Makes fields of client-side managers the instance's, where the plan says so: an applier could not remove what
    /// these own.
    async fn hand_over(&self, plan: &Plan, step: &Step) -> Result<(), ProviderError> {
        if step.hands_over.is_empty() {
            return Ok(());
        }
        let path = self.path(step).await?;
        let doing = format!("handing the fields of {} over", step.id);
        for _ in 0..HAND_OVER_TRIES {
            let live = self.requests.ok(&Call::get(path.as_str(), doing.as_str())).await?;
            if live.pointer("/metadata/uid").and_then(Value::as_str) != step.uid.as_deref() {
                return Err(ProviderError::Moved { id: step.id.to_string(), what: "was replaced".to_owned() });
            }
            let Some((object, _)) = hand_over_all(&live, step.hands_over.clone(), &plan.field_manager) else {
                return Ok(());
            };
            let changes = json!([
                {"op": "replace", "path": "/metadata/managedFields", "value": object["metadata"]["managedFields"]},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": object["metadata"]["resourceVersion"]},
            ]);
            let answer = self.requests.send(&Call::json_patch(path.as_str(), doing.as_str(), &changes)).await?;
            if answer.status != StatusCode::CONFLICT {
                return answer.ok(&doing).map(|_| ());
            }
        }
        let detail = "others wrote the object every time in between".to_owned();
        Err(ProviderError::Unexpected { doing, detail })
    }

    async fn delete_step(&self, plan: &Plan, step: &Step) -> Result<Done, ProviderError> {
        let doing = format!("deleting {}", step.id);
        if step.id.kind.kind == "Namespace" {
            self.refuse_foreign(plan, &step.id.name, &doing).await?;
        }
        let options = json!({
            "preconditions": {"uid": step.uid},
            // The object stays until what it owns is gone, so that its absence says that nothing runs any more.
            "propagationPolicy": "Foreground",
        });
        let call = Call::delete(self.path(step).await?, doing, &options);
        deleted(&self.requests.send(&call).await?, &call, step)?;
        Ok(Done { uid: None, warnings: Vec::new() })
    }

    /// An error where a namespace holds anything that is neither the instance's nor made by the cluster itself.
    async fn refuse_foreign(&self, plan: &Plan, namespace: &str, doing: &str) -> Result<(), ProviderError> {
        let identity = self.identity(&plan.instance);
        let mut foreign = Vec::new();
        for (kind, place) in self.served().await?.namespaced() {
            let path = collection(kind, &place.plural, Some(namespace));
            let objects = match self.list(&kind.kind, &path).await {
                // Its definition went a moment ago, and every object of it.
                Err(ProviderError::Refused { code: 404, .. }) => continue,
                listed => listed?,
            };
            for object in objects {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let owned = object.pointer("/metadata/ownerReferences").is_some_and(|owners| owners != &json!([]));
                let ours = identity.owner(&object) == Owner::This;
                if !ours && !owned && !made_by_cluster(&kind.kind, name) {
                    foreign.push(format!("{} {name}", kind.kind));
                }
            }
        }
        if foreign.is_empty() {
            return Ok(());
        }
        foreign.sort();
        let (doing, instance) = (doing.to_owned(), identity.instance.clone());
        Err(ProviderError::Foreign { doing, instance, holds: foreign.join(", ") })
    }
}

/// The namespace of the control objects.
pub(super) fn control_namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "strata"}},
    })
}

/// What the answer to a delete means: the object is on its way, or gone already.
pub(super) fn deleted(answer: &Answer, call: &Call, step: &Step) -> Result<(), ProviderError> {
    match answer.status {
        StatusCode::NOT_FOUND => Ok(()),
        StatusCode::CONFLICT => Err(ProviderError::Moved { id: step.id.to_string(), what: "was replaced".to_owned() }),
        status if status.is_success() => Ok(()),
        _ => Err(answer.refused(&call.doing)),
    }
}

/// Whether nobody but `manager` has ever applied or written the object itself: after a try whose answer was lost, that
/// try has made it.
fn made_by(object: &Value, manager: &str) -> bool {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut writers = entries.into_iter().flatten().filter(|entry| entry.get("subresource").is_none()).peekable();
    writers.peek().is_some() && writers.all(|entry| entry["manager"] == manager)
}

/// What a cluster puts into every namespace, and what it records there.
fn made_by_cluster(kind: &str, name: &str) -> bool {
    match kind {
        "ServiceAccount" => name == "default",
        "ConfigMap" => name == "kube-root-ca.crt",
        "Event" | "PodMetrics" => true,
        _ => false,
    }
}

/// What an inventory says.
#[derive(Default)]
struct Books {
    kinds: BTreeSet<Kind>,
    namespaces: BTreeSet<String>,
    counts: Counts,
}

/// What the inventory says once a plan is carried out; none where nothing is left. What the plan could not know stays in
/// it: what the choice of targets left out, kinds that could not be listed, and kinds that are counted and of which the
/// list was empty, because the answer may have been wrong.
fn left_by(plan: &Plan, known: Option<&Value>) -> Option<Books> {
    let stays = |step: &&Step| !matches!(step.action, Action::Delete | Action::Forget);
    let left = plan.steps().filter(stays).map(|step| &step.id);
    let ids: BTreeSet<_> = left.chain(plan.kept.iter().map(|kept| &kept.id)).collect();
    let mut books = Books::default();
    let counted = known.map(counts_of).unwrap_or_default();
    if !plan.left_out.is_empty() || !plan.unlisted.is_empty() {
        (books.kinds, books.namespaces) = known_members(known);
        books.counts = counted;
    } else if !plan.policy.allow_prune {
        let seen: BTreeSet<_> = plan.steps().map(|step| (&step.id.kind.group, &step.id.kind.kind)).collect();
        books.counts = counted;
        books.counts.retain(|(group, kind), _| !seen.contains(&(group, kind)));
        if !books.counts.is_empty() {
            books.namespaces = known_members(known).1;
        }
        let bare = |(group, kind): &(String, String)| Kind {
            group: group.clone(),
            version: String::new(),
            kind: kind.clone(),
        };
        books.kinds = books.counts.keys().map(bare).collect();
    }
    if ids.is_empty() && books.kinds.is_empty() && plan.left_out.is_empty() {
        return None;
    }
    let mut found = Counts::new();
    for id in ids {
        *found.entry((id.kind.group.clone(), id.kind.kind.clone())).or_default() += 1;
        books.kinds.insert(Kind { version: String::new(), ..id.kind.clone() });
        books.namespaces.extend(id.namespace.clone());
    }
    for (kind, count) in found {
        let known = books.counts.entry(kind).or_default();
        *known = count.max(*known);
    }
    Some(books)
}

/// The kinds and namespaces that an inventory names; none where there is none.
fn known_members(parent: Option<&Value>) -> (BTreeSet<Kind>, BTreeSet<String>) {
    let (kinds, namespaces) = parent.map(members).unwrap_or_default();
    let kinds = kinds.into_iter().map(|(group, kind)| Kind { group, version: String::new(), kind });
    (kinds.collect(), namespaces.into_iter().collect())
}

fn parent_path(identity: &Identity) -> String {
    format!("/api/v1/namespaces/{}/configmaps/{}", identity.control_namespace, identity.control_name())
}
