//! Kubernetes' protobuf: bytes into the JSON they stand for and back, by the table of messages. kubectl's generators and
//! other Go clients send it for built-in kinds. Knows no request and no rule of a kind; custom resources have no messages.
//!
//! A body is four bytes of magic and a `runtime.Unknown`: `apiVersion` and `kind`, and the object's own bytes.

mod decode;
mod encode;
mod table;
mod wire;

use serde_json::Value;

use self::table::Table;
use self::wire::{Reader, Wire};

/// The content type.
pub(crate) const MEDIA: &str = "application/vnd.kubernetes.protobuf";
/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may be nested.
const DEEPEST: usize = 200;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// The magic is not there.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Prefix,
    /// The bytes end too early.
    #[error("unexpected EOF")]
    Short,
    /// A tag or number that cannot be.
    #[error("proto: illegal tag or number")]
    Tag,
    /// A field of the wrong wire type.
    #[error("proto: wrong wireType for field {0}")]
    Type(String),
    /// Text that is no UTF-8, or JSON that is none.
    #[error("proto: field {0} holds no text that can be read")]
    Text(String),
    /// Messages inside messages beyond all measure.
    #[error("proto: messages are nested too deeply")]
    Deep,
    /// No message is known for the kind.
    #[error("no kind \"{kind}\" is registered for version \"{api_version}\"")]
    Unknown {
        /// `apiVersion`.
        api_version: String,
        /// `kind`.
        kind: String,
    },
}

/// The object in a body.
///
/// # Errors
/// [`Malformed`], with the server's words where it has some.
pub(crate) fn decode(body: &[u8]) -> Result<Value, Malformed> {
    let rest = body.strip_prefix(MAGIC).ok_or(Malformed::Prefix)?;
    let mut reader = Reader::new(rest);
    let (mut api_version, mut kind, mut raw, mut content) = (String::new(), String::new(), &[][..], "");
    while let Some((number, value)) = reader.field()? {
        let Wire::Bytes(bytes) = value else { return Err(Malformed::Type("Unknown".to_owned())) };
        match number {
            1 => {
                let mut inner = Reader::new(bytes);
                while let Some((number, value)) = inner.field()? {
                    let Wire::Bytes(bytes) = value else { return Err(Malformed::Type("TypeMeta".to_owned())) };
                    let text = decode::text(bytes, "typeMeta")?.to_owned();
                    if number == 1 {
                        api_version = text;
                    } else if number == 2 {
                        kind = text;
                    }
                }
            }
            2 => raw = bytes,
            4 => content = decode::text(bytes, "contentType")?,
            _ => {}
        }
    }
    if content == "application/json" {
        return serde_json::from_slice(raw).map_err(|_| Malformed::Text("raw".to_owned()));
    }
    let table = Table::shipped();
    let message = table
        .of_kind(&api_version, &kind)
        .ok_or_else(|| Malformed::Unknown { api_version: api_version.clone(), kind: kind.clone() })?;
    let mut value = decode::message(table, message, raw, 0)?;
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion".to_owned(), Value::from(api_version));
        map.insert("kind".to_owned(), Value::from(kind));
    }
    Ok(value)
}

/// A body that holds the object; none where its kind has no message, as custom resources and tables.
pub(crate) fn encode(value: &Value) -> Option<Vec<u8>> {
    let table = Table::shipped();
    let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let raw = encode::message(table, table.of_kind(api_version, kind)?, value);
    let mut about = Vec::new();
    wire::write_bytes(&mut about, 1, api_version.as_bytes());
    wire::write_bytes(&mut about, 2, kind.as_bytes());
    let mut out = MAGIC.to_vec();
    wire::write_bytes(&mut out, 1, &about);
    wire::write_bytes(&mut out, 2, &raw);
    wire::write_bytes(&mut out, 3, b"");
    wire::write_bytes(&mut out, 4, b"");
    Some(out)
}

/// One event of a watch, with its length before it, as a stream of them is framed; none as for [`encode`].
pub(crate) fn encode_event(kind: &str, object: &Value) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    wire::write_bytes(&mut raw, 1, &encode(object)?);
    let mut event = Vec::new();
    wire::write_bytes(&mut event, 1, kind.as_bytes());
    wire::write_bytes(&mut event, 2, &raw);
    let mut about = Vec::new();
    wire::write_bytes(&mut about, 1, b"v1");
    wire::write_bytes(&mut about, 2, b"WatchEvent");
    let mut whole = MAGIC.to_vec();
    wire::write_bytes(&mut whole, 1, &about);
    wire::write_bytes(&mut whole, 2, &event);
    let mut out = u32::try_from(whole.len()).ok()?.to_be_bytes().to_vec();
    out.append(&mut whole);
    Some(out)
}

#[cfg(test)]
mod tests;
