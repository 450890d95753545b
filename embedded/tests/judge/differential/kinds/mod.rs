//! What the random sequences are about: objects of several kinds, and changes to them, good and bad ones.
//!
//! What the generator leaves out, because a real server would not answer the same twice, or because of its own oddities:
//! - quotas and limits that bear on anything but pods, which a server learns of a moment after they were written, and pods
//!   beside quotas and limits;
//! - two faults in one map (labels, `hard` …), and two unknown fields in one apply: a server goes through a map in any
//!   order;
//! - defaults of the whole cluster (a StorageClass, an IngressClass or a PriorityClass that is to be taken where none is
//!   named), which other sequences would find;
//! - Services that are deleted, or written in dry runs: which address comes next is chance;
//! - claims that are stored: a server counts a version at the first write after, even where it changes nothing;
//! - a merge patch that is a list, and Services that hold nothing: they are refused in other words;
//! - the status of a Service written by PUT or apply: where there is no Service, a server makes one without addresses;
//! - an empty list where there was none: a server tells the two apart, in generations and in its words;
//! - numbers of more than 32 bits, applied: a server wraps them;
//! - versions of a definition that are not whole, and definitions that hold nothing: they are refused in other words;
//! - Jobs without labels of their own: a server finds them in what it reads and stores them with the next write;
//! - numbers in the status of an autoscaler that are not there: the versions of the kind show them differently;
//! - an autoscaler down to nothing, and null where a custom resource has none, applied: they are refused in other words;
//! - objects that an apply makes with the time of their deletion: a server stores that;
//! - definitions that are stored, but for the one that a sequence about custom objects begins with: a server works out
//!   their conditions when it gets round to it.

mod access;
mod cluster;
mod custom;
mod network;
mod settings;
mod workloads;

/// JSON pointer and JSON value of a change.
pub(super) type Change = (&'static str, &'static str);

/// A kind: where its collection is, an object of it, and what can be changed in one.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) collection: &'static str,
    /// How its objects are called; `NAME` is the name that a step has chosen.
    pub(super) name: &'static str,
    /// An object; `NAME` stands for its whole name.
    pub(super) object: &'static str,
    pub(super) changes: &'static [Change],
    /// What can be written to its status, if it has one.
    pub(super) status: &'static [Change],
    /// Can it be scaled?
    pub(super) scales: bool,
    /// Is nothing of it stored? Every write is a dry run then.
    pub(super) dry: bool,
}

impl Kind {
    const fn new(collection: &'static str, object: &'static str, changes: &'static [Change]) -> Kind {
        Kind { collection, name: "NAME", object, changes, status: &[], scales: false, dry: false }
    }

    /// With a status.
    const fn status(self, status: &'static [Change]) -> Kind {
        Kind { status, ..self }
    }

    /// With a scale.
    const fn scales(self) -> Kind {
        Kind { scales: true, ..self }
    }

    /// Of the whole cluster: its names hold what is the sequence's own.
    const fn of_the_cluster(self) -> Kind {
        Kind { name: "exchange-NAME", ..self }
    }

    /// Does a server give its objects addresses of its choice? Whether one that was given back, or tried, is given again is
    /// chance.
    pub(super) fn is_given_addresses(&self) -> bool {
        self.collection.ends_with("/services")
    }

    /// Does writing its status make no object?
    pub(super) fn keeps_status_apart(&self) -> bool {
        !(self.collection.ends_with("/services") || self.collection.ends_with("/horizontalpodautoscalers"))
    }

    /// Is it in no namespace?
    pub(super) fn is_of_the_cluster(&self) -> bool {
        !self.collection.contains("/namespaces/")
    }
}

/// Kinds that sequences are about together.
#[derive(Debug)]
pub(super) struct Group {
    /// Out of 100 sequences, how many are about these.
    pub(super) share: u32,
    pub(super) kinds: &'static [&'static [Kind]],
    /// The definition of a custom resource that such a sequence begins with.
    pub(super) definition: Option<&'static str>,
}

impl Group {
    /// Each kind of the group.
    pub(super) fn each(&self) -> Vec<&'static Kind> {
        self.kinds.iter().copied().flatten().collect()
    }
}

pub(super) const GROUPS: &[Group] = &[
    Group {
        share: 85,
        kinds: &[settings::KINDS, workloads::KINDS, network::KINDS, access::KINDS, cluster::KINDS],
        definition: None,
    },
    Group { share: 8, kinds: &[workloads::PODS], definition: None },
    Group { share: 7, kinds: &[custom::KINDS], definition: Some(custom::DEFINITION) },
];

/// Changes that any object can have.
pub(super) const ANY: &[Change] = &[
    ("/metadata/labels/tier", r#""front""#),
    ("/metadata/labels/tier", r#""back""#),
    ("/metadata/labels/side", r#""left""#),
    ("/metadata/annotations/note", r#""a""#),
    ("/metadata/annotations/note", r#""b""#),
    ("/metadata/finalizers", r#"["example.com/hold"]"#),
    ("/metadata/finalizers", "[]"),
    ("/metadata/finalizers", r#"["unqualified"]"#),
    ("/metadata/finalizers", r#"["example.com/hold", "foregroundDeletion"]"#),
    ("/metadata/labels/long~1key", r#""yes""#),
    ("/metadata/labels/-bad", r#""yes""#),
    ("/metadata/annotations/bad key", r#""a""#),
    ("/metadata/annotations", "{}"),
    ("/metadata/generateName", r#""made-""#),
    ("/metadata/generation", "7"),
    ("/metadata/creationTimestamp", r#""2020-01-01T00:00:00Z""#),
    ("/metadata/managedFields", "[]"),
    ("/metadata/labels/bad", r#""-""#),
    ("/metadata/uid", r#""11111111-2222-3333-4444-555555555555""#),
    ("/metadata/resourceVersion", r#""1""#),
    ("/metadata/resourceVersion", r#""0""#),
    ("/metadata/name", r#""other""#),
    ("/metadata/namespace", r#""other""#),
    ("/metadata/labels", r#"{"only": "this"}"#),
    ("/unknown", "1"),
    ("/metadata/labels/number", "1"),
    (
        "/metadata/ownerReferences",
        r#"[{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "22222222-2222-3333-4444-555555555555"}]"#,
    ),
    ("/metadata/ownerReferences", r#"[{"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": ""}]"#),
    (
        "/metadata/ownerReferences",
        r#"[{"apiVersion": "v1", "kind": "Pod", "name": "b", "uid": "33333333-2222-3333-4444-555555555555", "controller": true}]"#,
    ),
    ("/metadata/labels", "[]"),
    ("/kind", r#""Other""#),
    ("/apiVersion", r#""v9""#),
];
