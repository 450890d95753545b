//! The exchange format: what was sent to a server, in order, and what it answered. One file an area; each names the
//! version of the server that gave the answers. Reads and writes files; sends nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text;

/// A file of `tests/exchanges/`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// What the exchanges of this file have in common.
    pub(crate) about: String,
    /// The version of the server that answered; none before it has been asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<String>,
    /// Bodies that several requests begin with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) objects: BTreeMap<String, Value>,
    pub(crate) sequences: Vec<Sequence>,
}

/// Requests that follow each other, in a namespace of their own.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sequence {
    /// What it shows.
    pub(crate) name: String,
    pub(crate) exchanges: Vec<Exchange>,
}

/// A request and its answer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    /// Method and path with query. Whatever the word `exchange` stands in is the sequence's own: it is also the name of
    /// its namespace.
    pub(crate) send: String,
    /// The content type, `application/json` if nothing is said.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    /// What is accepted, if anything is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) accept: Option<String>,
    /// The body: one of the file's `objects`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<String>,
    /// Changes to that object, by JSON pointer; `null` takes a field out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) with: BTreeMap<String, Value>,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
    /// The body, where it is not JSON, or not well-formed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// The request is repeated until its answer has these values, by JSON pointer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) until: BTreeMap<String, Value>,
    /// Why the embedded cluster is known to answer something else. It fails the test when it no longer does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) differs: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Answer>,
}

/// What a server answered, with what differs from run to run replaced by placeholders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// The content type, where it is not `application/json`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    /// The texts of the `Warning` headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
    /// The `Retry-After` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<Value>,
    /// The body, where it is not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

impl File {
    /// Every file, by name.
    pub(crate) fn all() -> Vec<(PathBuf, File)> {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exchanges");
        let mut paths: Vec<PathBuf> = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let read = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap();
            let file = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, file)
        };
        paths.into_iter().map(read).collect()
    }

    /// Writes it.
    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, text::yaml(&serde_json::to_value(self).unwrap())).unwrap();
    }
}

impl Exchange {
    /// The method and the path with its query.
    pub(crate) fn target(&self) -> (&str, &str) {
        self.send.split_once(' ').unwrap_or_else(|| panic!("{:?} is no method and path", self.send))
    }

    /// The body as it is sent, placeholders still in it.
    pub(crate) fn payload(&self, objects: &BTreeMap<String, Value>) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        if let Some(body) = &self.body {
            return body.to_string();
        }
        let Some(name) = &self.object else { return String::new() };
        let mut body = objects.get(name).unwrap_or_else(|| panic!("no object {name} in the file")).clone();
        for (pointer, value) in &self.with {
            change(&mut body, pointer, value);
        }
        body.to_string()
    }
}

/// Sets the value at a JSON pointer, making maps on the way; `null` takes it out.
pub(crate) fn change(body: &mut Value, pointer: &str, value: &Value) {
    let (parent, last) = pointer.rsplit_once('/').unwrap_or_else(|| panic!("{pointer:?} is no pointer"));
    let plain = |part: &str| part.replace("~1", "/").replace("~0", "~");
    let mut at = body;
    for part in parent.split('/').skip(1).map(plain) {
        at = match at {
            Value::Array(items) => items.get_mut(part.parse::<usize>().unwrap()).unwrap(),
            other => {
                if other.is_null() {
                    *other = Value::Object(serde_json::Map::new());
                }
                other.as_object_mut().unwrap().entry(part).or_insert(Value::Null)
            }
        };
    }
    let last = plain(last);
    match at {
        Value::Array(items) if last == "-" => items.push(value.clone()),
        Value::Array(items) => {
            let index = last.parse::<usize>().unwrap();
            if value.is_null() {
                items.remove(index);
            } else {
                items[index] = value.clone();
            }
        }
        other => {
            if other.is_null() {
                *other = Value::Object(serde_json::Map::new());
            }
            let map = other.as_object_mut().unwrap();
            if value.is_null() {
                map.remove(&last)
            } else {
                map.insert(last, value.clone())
            };
        }
    }
}
