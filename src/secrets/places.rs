//! Where in an object a value stands that is not to be seen.

use std::sync::OnceLock;

use serde_json::Value;

use super::known::Known;
use super::suspicion::Suspicions;
use super::{is_secret, is_withheld};

/// Annotation in which client-side `kubectl apply` keeps the whole object as it was applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Members of a Secret that are not secret; every other one is, also those that no Secret has.
const PLAIN: [&str; 5] = ["apiVersion", "kind", "metadata", "type", "immutable"];
/// Of the metadata, what may hold anything; the rest are names, and what the server writes.
const MARKS: [&str; 2] = [ANNOTATIONS, "labels"];
const ANNOTATIONS: &str = "annotations";

/// A place in an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// As it is told: `.data.password`. It stays when items of a list that have names change places.
    pub(crate) path: String,
    /// As a JSON pointer into that object.
    pub(crate) pointer: String,
}

/// One step on the way into an object.
#[derive(Clone, Copy)]
enum Step<'a> {
    Member(&'a str),
    /// An item of a list, by its name where it has one of its own.
    Item(usize, Option<&'a str>),
}

/// A value that holds no others, and how it was come to.
pub(super) struct Leaf<'w, 'a> {
    pub(super) value: &'a Value,
    way: &'w [Step<'a>],
    /// Whether it is secret for where it stands.
    secret: bool,
}

impl Leaf<'_, '_> {
    fn place(&self) -> Place {
        let (mut path, mut pointer) = (String::new(), String::new());
        for step in self.way {
            pointer.push('/');
            match step {
                Step::Member(name) => {
                    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                    match !name.is_empty() && name.chars().all(is_word) {
                        true => path.extend([".", *name]),
                        false => path.push_str(&format!("[{name:?}]")),
                    }
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                Step::Item(at, name) => {
                    path.push_str(&name.map_or_else(|| format!("[{at}]"), |name| format!("[{name}]")));
                    pointer.push_str(&at.to_string());
                }
            }
        }
        Place { path, pointer }
    }

    /// Whether it may hold anything: names, and what the server writes, hold nothing secret.
    fn is_free(&self) -> bool {
        match self.way {
            [Step::Member("apiVersion" | "kind" | "status"), ..] => false,
            [Step::Member("metadata"), Step::Member(member), ..] => MARKS.contains(member),
            _ => true,
        }
    }
}

/// Finds the places of what is secret.
#[derive(Default)]
pub(crate) struct Places {
    suspicions: OnceLock<Suspicions>,
}

impl Places {
    /// The places of what is secret for where it stands: all that a Secret holds, variables that look like secrets, and
    /// records of earlier applies.
    pub(crate) fn secret(&self, object: &Value) -> Vec<Place> {
        self.of(object, |leaf| leaf.secret)
    }

    /// The same, with those where a known value stands.
    pub(crate) fn telling(&self, object: &Value, known: &Known) -> Vec<Place> {
        let tells = |leaf: &Leaf<'_, '_>| leaf.value.as_str().is_some_and(|text| known.gives_away(text));
        let nothing_known = known.is_empty();
        self.of(object, |leaf| leaf.secret || (!nothing_known && leaf.is_free() && tells(leaf)))
    }

    /// Every place of a leaf.
    pub(crate) fn every(&self, object: &Value) -> Vec<Place> {
        self.of(object, |leaf| leaf.is_free())
    }

    /// The places where something stands for a value.
    pub(crate) fn withheld(&self, object: &Value) -> Vec<Place> {
        self.of(object, |leaf| is_withheld(leaf.value))
    }

    fn of(&self, object: &Value, wanted: impl Fn(&Leaf<'_, '_>) -> bool) -> Vec<Place> {
        let mut found = Vec::new();
        let mut look = |leaf: &Leaf<'_, '_>| {
            if wanted(leaf) {
                found.push(leaf.place());
            }
        };
        let secret = is_secret(object);
        let mut way = Vec::new();
        for (name, value) in object.as_object().into_iter().flatten() {
            way.push(Step::Member(name));
            self.walk(value, &mut way, secret && !PLAIN.contains(&name.as_str()), &mut look);
            way.pop();
        }
        found
    }

    fn walk<'a>(&self, value: &'a Value, way: &mut Vec<Step<'a>>, secret: bool, look: &mut impl FnMut(&Leaf<'_, 'a>)) {
        match value {
            Value::Object(fields) => {
                let variable = matches!(way.as_slice(), [.., Step::Member("env"), Step::Item(..)]);
                for (name, field) in fields {
                    let concealed = (variable && name == "value" && self.conceals(value)) || is_record(way, name);
                    way.push(Step::Member(name));
                    self.walk(field, way, secret || concealed, look);
                    way.pop();
                }
            }
            Value::Array(items) => {
                let name = |item: &'a Value| item.get("name").and_then(Value::as_str);
                for (at, item) in items.iter().enumerate() {
                    let own = name(item).filter(|own| !items.iter().take(at).any(|other| name(other) == Some(own)));
                    way.push(Step::Item(at, own));
                    self.walk(item, way, secret, look);
                    way.pop();
                }
            }
            leaf => look(&Leaf { value: leaf, way, secret }),
        }
    }

    /// Whether a variable looks like a secret.
    fn conceals(&self, variable: &Value) -> bool {
        match (variable["name"].as_str(), variable["value"].as_str()) {
            (Some(name), Some(value)) => self.suspicions.get_or_init(Suspicions::default).of(name, value).is_some(),
            _ => false,
        }
    }
}

/// Whether a member below this way is the record of an earlier apply.
fn is_record(way: &[Step<'_>], name: &str) -> bool {
    name == LAST_APPLIED && matches!(way, [Step::Member("metadata"), Step::Member(ANNOTATIONS)])
}

/// Puts what `instead` gives into each of these places.
pub(super) fn replace(object: &mut Value, places: Vec<Place>, mut instead: impl FnMut(&str, &Value) -> Option<Value>) {
    for Place { path, pointer } in places {
        if let Some(value) = object.pointer_mut(&pointer)
            && let Some(new) = instead(&path, value)
        {
            *value = new;
        }
    }
}
