//! One stored object: as a value for those who look into it, and as text for those who send it on. The text is made once
//! and shared by everyone who reads it.

use axum::body::Bytes;
use serde_json::Value;

/// What follows an object's text in its buffer: the separator of a list, and the beginning of the next item.
const AFTER: &[u8] = b",{";

/// One stored object.
#[derive(Debug)]
pub(crate) struct Object {
    /// The object, `metadata.resourceVersion` included.
    pub(crate) value: Value,
    /// The version it was last changed at.
    pub(crate) revision: u64,
    /// The object as JSON text that begins with its kind and version, and [`AFTER`].
    text: Bytes,
    /// How long the beginning is, `{"kind":…,"apiVersion":…,`.
    head: usize,
}

impl Object {
    /// An object, and its text.
    pub(crate) fn new(value: Value, revision: u64) -> Object {
        let (text, head) = text(&value);
        Object { value, revision, text: Bytes::from(text), head }
    }

    /// The text.
    pub(crate) fn json(&self) -> Bytes {
        self.text.slice(..self.end())
    }

    /// The text as a piece of a list, with what separates it from the next item, unless it is the last. A `bare` one
    /// leaves out kind and version, and also its own first brace: that is the end of the piece before it.
    pub(crate) fn chunk(&self, bare: bool, last: bool) -> Bytes {
        let from = if bare { self.head } else { 0 };
        let to = match (last, bare) {
            (true, _) => self.end(),
            (false, true) => self.text.len(),
            (false, false) => self.end() + 1,
        };
        self.text.slice(from..to)
    }

    fn end(&self) -> usize {
        self.text.len() - AFTER.len()
    }
}

/// The text of an object, kind and version first, and the length of those.
fn text(value: &Value) -> (Vec<u8>, usize) {
    let fields = || value.as_object().into_iter().flatten();
    let mut text = vec![b'{'];
    let add = |text: &mut Vec<u8>, (key, value): (&String, &Value)| {
        if text.len() > 1 {
            text.push(b',');
        }
        // Writing to memory does not fail, and what is a `Value` can be written.
        let _ = serde_json::to_writer(&mut *text, key);
        text.push(b':');
        let _ = serde_json::to_writer(text, value);
    };
    for name in ["kind", "apiVersion"] {
        fields().filter(|(key, _)| *key == name).for_each(|field| add(&mut text, field));
    }
    let said = text.len();
    fields().filter(|(key, _)| !matches!(key.as_str(), "kind" | "apiVersion")).for_each(|field| add(&mut text, field));
    // The comma after what the list says of all its items belongs to that.
    let head = if text.get(said) == Some(&b',') { said + 1 } else { said };
    text.push(b'}');
    text.extend_from_slice(AFTER);
    text.shrink_to_fit();
    (text, head)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: Value, [whole, middle, bare, bare_last]: [&str; 4]) {
        let object = Object::new(value.clone(), 1);
        let found = [object.json(), object.chunk(false, false), object.chunk(true, false), object.chunk(true, true)];
        assert_eq!(found, [whole, middle, bare, bare_last]);
        assert_eq!(serde_json::from_slice::<Value>(&object.json()).ok(), Some(value));
    }

    #[test]
    fn texts_begin_with_kind_and_version() {
        check(
            json!({"data": {"a": "b"}, "kind": "K", "metadata": {}, "apiVersion": "v1"}),
            [
                r#"{"kind":"K","apiVersion":"v1","data":{"a":"b"},"metadata":{}}"#,
                r#"{"kind":"K","apiVersion":"v1","data":{"a":"b"},"metadata":{}},"#,
                r#""data":{"a":"b"},"metadata":{}},{"#,
                r#""data":{"a":"b"},"metadata":{}}"#,
            ],
        );
        check(
            json!({"metadata": {}}),
            [r#"{"metadata":{}}"#, r#"{"metadata":{}},"#, r#""metadata":{}},{"#, r#""metadata":{}}"#],
        );
        check(json!({"kind": "K"}), [r#"{"kind":"K"}"#, r#"{"kind":"K"},"#, "},{", "}"]);
    }

    #[test]
    fn pieces_are_shared() {
        let object = Object::new(json!({"kind": "K", "metadata": {}}), 1);
        let (whole, piece) = (object.json(), object.chunk(true, false));
        assert_eq!(whole.as_ptr(), object.json().as_ptr());
        assert_eq!(piece.as_ptr() as usize, whole.as_ptr() as usize + object.head);
    }
}
