//! Where the values of a model stand in their file, by model path.
//!
//! A model path names fields from the outermost one inwards, with dots: `services.ai_memory.depends_on[0]`. A key
//! that is no plain word is written in brackets: `namespaces["a.b"]`.

use std::collections::HashMap;

use super::source::{Source, Span};
use super::tree::{Content, Node};
use crate::finding::Location;

/// The path of a field or key below another path.
///
/// ```
/// use strata::load::spans::field;
/// assert_eq!(field("", "services"), "services");
/// assert_eq!(field("services", "ai_memory"), "services.ai_memory");
/// assert_eq!(field("namespaces", "a.b"), "namespaces[\"a.b\"]");
/// ```
#[must_use]
pub fn field(base: &str, key: &str) -> String {
    let word = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    match (word, base.is_empty()) {
        (true, true) => key.to_owned(),
        (true, false) => format!("{base}.{key}"),
        (false, _) => format!("{base}[{key:?}]"),
    }
}

/// The path of an entry of a list.
#[must_use]
pub fn index(base: &str, index: usize) -> String {
    format!("{base}[{index}]")
}

/// The places of a document's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanMap {
    source: Source,
    places: HashMap<String, Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    key: Option<Span>,
    value: Span,
}

impl SpanMap {
    /// The places of everything in a tree.
    #[must_use]
    pub fn of(source: Source, tree: &Node) -> Self {
        let mut places = HashMap::new();
        collect(tree, String::new(), None, &mut places);
        Self { source, places }
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// The file and its text.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Where the key of a path stands.
    #[must_use]
    pub fn key(&self, path: &str) -> Option<Location> {
        self.places.get(path)?.key.map(|span| self.source.location(span))
    }

    /// Where the value of a path stands; its key where the value takes up no room.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<Location> {
        let place = self.places.get(path)?;
        let span = if place.value.start == place.value.end { place.key.unwrap_or(place.value) } else { place.value };
        Some(self.source.location(span))
    }

    /// Where a path's value stands, or else the key of the nearest path above it that the file holds.
    #[must_use]
    pub fn near(&self, path: &str) -> Option<Location> {
        self.value(path).or_else(|| {
            let mut path = path;
            while let Some(end) = path.rfind(['.', '[']) {
                path = path.get(..end).unwrap_or_default();
                if let Some(location) = self.key(path) {
                    return Some(location);
                }
            }
            None
        })
    }
}

fn collect(node: &Node, path: String, key: Option<Span>, places: &mut HashMap<String, Place>) {
    match &node.content {
        Content::Scalar(_) => {}
        Content::List(items) => {
            for (position, item) in items.iter().enumerate() {
                collect(item, index(&path, position), None, places);
            }
        }
        Content::Mapping(entries) => {
            for entry in entries {
                collect(&entry.value, field(&path, &entry.key.text), Some(entry.key_span), places);
            }
        }
    }
    places.insert(path, Place { key, value: node.span });
}
