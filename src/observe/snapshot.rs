//! The types of a snapshot, in no provider's own words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strata_components::blue_green::Colour;
use strata_components::desired::{Instance, Kind, ResourceId};

use super::look::Previewing;

/// The format that [`Snapshot`] serialises as.
pub const SNAPSHOT_FORMAT: &str = "strata.snapshot/v1";

/// What stands for a value that is not to be seen, such as what a Secret holds: that it changes is seen, by the
/// revision of its object.
pub const HIDDEN: &str = "(secret)";

/// Everything the planner may know of the live side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Always [`SNAPSHOT_FORMAT`].
    pub format: String,
    /// The cluster it was taken of.
    pub target: Target,
    /// The instance it was taken for.
    pub instance: Instance,
    /// The live objects that belong to the instance, and those that stand where a desired one should, sorted by id.
    pub objects: Vec<LiveObject>,
    /// What applying each desired resource would do, sorted by id.
    pub previews: Vec<Preview>,
    /// How that was found out.
    pub previewing: Previewing,
    /// What is live of the colours of services that are rolled out blue-green, sorted by service. The previews are of what
    /// is desired in the colours that the planner chooses by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub colours: Vec<LiveColours>,
    /// Kinds that could not be listed, or not completely: nothing of them is known to be absent.
    pub unlisted: Vec<UnlistedKind>,
    /// Kinds that were listed, and hold nothing of the instance where its inventory counts some: something may be wrong
    /// with the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspicious: Vec<UnlistedKind>,
}

/// Which cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// Its name in the environment file, or as it was given on the command line.
    pub name: String,
    /// What tells it from every other cluster: on Kubernetes the UID of the namespace `kube-system`.
    pub identity: String,
    /// The version it serves, such as `v1.36.2`.
    pub version: String,
}

/// To whom a live object belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// To this instance.
    This,
    /// To another instance, named as far as the object says.
    Other(String),
    /// To no instance.
    Nobody,
}

/// What is live of the colours of one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveColours {
    /// The service.
    pub service: String,
    /// The one colour that its Service sends traffic to; none where that is not there, or sends it to pods of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points_at: Option<Colour>,
    /// Each field that differs between the workload that has the traffic and what is desired, where that workload would get
    /// other pods and nobody else holds any of the fields: sorted by path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outdated: Vec<FieldChange>,
}

/// One live object, as far as a plan needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveObject {
    /// Which object.
    pub id: ResourceId,
    /// The identity that a second object of the same name would not have.
    pub uid: String,
    /// The revision it was read at.
    pub resource_version: String,
    /// To whom it belongs.
    pub owner: Owner,
    /// The address it was applied under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The phase it was applied in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<u32>,
    /// The tier it was applied for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The digest of the manifest that was applied last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<String>,
    /// When it was created, as the server wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Whether it is being deleted.
    #[serde(default)]
    pub terminating: bool,
    /// Whether it is ready.
    pub health: Health,
    /// Whether a controller has it: it comes and goes with that.
    #[serde(default)]
    pub controlled: bool,
    /// What was replaced and has left it behind, where its marks say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_by: Option<String>,
    /// Set where a delete needs to be asked for by name, with the reason; Namespaces and PersistentVolumeClaims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guarded: Option<String>,
}

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "detail")]
pub enum Health {
    /// As ready as it gets, with a figure where there is one (`2/2`).
    Ready(String),
    /// On its way, with what is missing.
    Progressing(String),
    /// It will not get there by itself, with why.
    Failed(String),
}

/// How a provider judges that a resource is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// Once it exists.
    Exists,
    /// Once the newest generation is rolled out and this many pods are available.
    Available(u32),
    /// Once the newest generation is rolled out at the size another object decides.
    RolledOut,
    /// Once the named condition is true.
    Condition(String),
}

/// What applying a desired resource would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// Which resource.
    pub id: ResourceId,
    /// The digest of its manifest, as it will stand on the object.
    pub digest: String,
    /// What is applied to this live object, where that is not the manifest itself: with the figure that an
    /// autoscaler is going to decide and has not decided yet, which would fall to its default if it were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_as: Option<Value>,
    /// What is applied while an old name and a new one are both let through, where that is not what the resource has for
    /// it: without the fields that the stack leaves to those who hold them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meanwhile_as: Option<Value>,
    /// The autoscaler that decides the figure and leaves the stack: until it is gone, the figure is left as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaled: Option<Autoscaled>,
    /// Fields that the stack leaves to those who hold them; they are not in what is applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<FieldConflict>,
    /// Managers whose fields are handed over to the instance before the resource is applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hands_over: Vec<String>,
    /// Fields that the server makes otherwise than they are applied, as a dry run has shown: admission may do so. What
    /// is applied stands before, what becomes of it after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altered: Vec<FieldChange>,
    /// Where it comes among the resources of its phase: those of a lower stage are applied first, because the
    /// others cannot exist, or start, without them.
    pub stage: u32,
    /// Whether others of its phase cannot exist before it is ready, so that the next stage waits for it.
    #[serde(default)]
    pub gate: bool,
    /// How it is judged ready.
    pub readiness: Readiness,
    /// What would happen.
    pub outcome: Previewed,
}

/// A workload whose size is an autoscaler's until that has left the stack, and the stack's own from then on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Autoscaled {
    /// The autoscaler.
    pub by: ResourceId,
    /// What is applied when it is gone.
    pub manifest: Value,
    /// What changes with that, as far as it is known before.
    pub changes: Vec<FieldChange>,
    /// How the workload is judged ready from then on.
    pub readiness: Readiness,
}

/// How sure a preview is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// Proven by the merge itself, from the live object and the schema.
    Proven,
    /// The server answered a dry run.
    DryRun,
    /// The merge says so from what is live and the schema; the server was not asked.
    Predicted,
    /// Neither the merge nor the server could say for sure, with the reason.
    Unconfirmed(String),
}

/// What a preview found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Previewed {
    /// Nothing would change.
    Unchanged(Confirmation),
    /// It would be created.
    Create(Confirmation),
    /// Fields would change.
    Change {
        /// Each field, sorted by path. Fields that only keep the tool's own books are left out.
        changes: Vec<FieldChange>,
        /// Those that another manager holds.
        conflicts: Vec<FieldConflict>,
        /// How sure that is.
        confirmation: Confirmation,
    },
    /// Fields would change that the server changes on no object of this kind once it exists; a new one it would take.
    Replace {
        /// What it says.
        reason: String,
        /// The fields it names.
        paths: Vec<String>,
        /// Each field that would change, as for a change.
        changes: Vec<FieldChange>,
        /// Those that another manager holds.
        conflicts: Vec<FieldConflict>,
        /// Which goes first, the old object or the new.
        order: ReplaceOrder,
        /// What the old object leaves behind, where the new one comes first; sorted.
        leaves: Vec<Leftover>,
        /// How sure it is that the new object would be taken.
        confirmation: Confirmation,
    },
    /// It has been run and has failed, or was run with other values that are secret, so it would be deleted with all it
    /// owns and created again.
    Again {
        /// How it failed; empty where it has not.
        reason: String,
        /// The fields with values that it was not run with, sorted.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changed: Vec<String>,
        /// How sure it is that this would be taken.
        confirmation: Confirmation,
    },
    /// It would be applied to an object that is there, and what comes of that is not known.
    Unknown {
        /// Why not.
        reason: String,
    },
    /// Nothing can be said of it: whether the object is there could not be read.
    Unreadable {
        /// What stood in the way.
        reason: String,
    },
    /// The server would not take it.
    Refused {
        /// What it says.
        reason: String,
    },
    /// The cluster does not serve this kind.
    Unserved {
        /// What to do about it.
        remedy: String,
    },
}

/// Which goes first when an object is replaced by another of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplaceOrder {
    /// The old object with all that it owns is gone before the new one is created.
    DeleteFirst,
    /// The old object alone is deleted and the new one created at once; what the old one owned goes on meanwhile, and
    /// what the new one has not taken over is deleted when that is ready.
    CreateFirst,
}

/// An object that stays when the one that owns it is deleted by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Leftover {
    /// Which object.
    pub id: ResourceId,
    /// Its UID.
    pub uid: String,
    /// The revision it was read at.
    pub resource_version: String,
}

/// One field, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FieldChange {
    /// Where, such as `.spec.template.spec.containers[name="server"].image`.
    pub path: String,
    /// The live value; absent where the field is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// The value after; absent where the field goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Who set the live value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<FieldOwner>,
}

/// Who set a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldOwner {
    /// The field manager's name.
    pub manager: String,
    /// When, as the server wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Whether it is this stack itself.
    pub this: bool,
}

/// A field that another manager holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FieldConflict {
    /// Where.
    pub path: String,
    /// Who.
    pub manager: String,
    /// Whether the stack says that it takes the field.
    #[serde(default)]
    pub take: bool,
}

/// A kind of which the live objects are not all known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct UnlistedKind {
    /// The kind.
    pub kind: Kind,
    /// The namespace that was asked; absent for the whole cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Why.
    pub reason: String,
}

impl Previewed {
    /// How sure it is; `None` of what is certain to be impossible.
    #[must_use]
    pub fn confirmation(&self) -> Option<Confirmation> {
        match self {
            Self::Unchanged(confirmation)
            | Self::Create(confirmation)
            | Self::Change { confirmation, .. }
            | Self::Again { confirmation, .. }
            | Self::Replace { confirmation, .. } => Some(confirmation.clone()),
            Self::Unknown { reason } | Self::Unreadable { reason } => Some(Confirmation::Unconfirmed(reason.clone())),
            Self::Refused { .. } | Self::Unserved { .. } => None,
        }
    }
}

impl Snapshot {
    /// The live object of this id.
    #[must_use]
    pub fn object(&self, id: &ResourceId) -> Option<&LiveObject> {
        self.objects.binary_search_by(|object| object.id.cmp(id)).ok().map(|at| &self.objects[at])
    }

    /// What is live of the colours of a service.
    #[must_use]
    pub fn colours_of(&self, service: &str) -> Option<&LiveColours> {
        self.colours.iter().find(|colours| colours.service == service)
    }

    /// The preview of this id.
    #[must_use]
    pub fn preview(&self, id: &ResourceId) -> Option<&Preview> {
        self.previews.binary_search_by(|preview| preview.id.cmp(id)).ok().map(|at| &self.previews[at])
    }
}
