//! `list`: a collection at one version, whole or page by page, as a stream of the objects' stored text. Writes nothing.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::stream;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::body::{self, Form};
use super::read::{Selection, as_item, seen_as, seen_or_stored};
use super::{Call, table};
use crate::decoding;
use crate::failure::{Cause, Failure};
use crate::store::{Image, Key, Listed, Object};

const EXACT: &str = "Exact";
const NOT_OLDER_THAN: &str = "NotOlderThan";
/// The only form of `continue` there is.
const TOKEN_FORM: &str = "meta.k8s.io/v1";

/// Checks the options of a list or a watch against each other.
///
/// Source: `ValidateListOptions` in `k8s.io/apimachinery/pkg/apis/meta/internalversion/validation`.
pub(crate) fn validate(call: &Call, watches: bool) -> Result<(), Failure> {
    let params = &call.params;
    let wanted = params.text("resourceVersionMatch");
    let initial = params.has("sendInitialEvents");
    let mut causes = Vec::new();
    let mut forbid = |why: &str| causes.push(Cause::forbidden("resourceVersionMatch", why));
    if watches && initial && wanted != NOT_OLDER_THAN {
        forbid("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if !wanted.is_empty() {
        if watches && !initial {
            forbid("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        }
        if !watches && params.text("resourceVersion").is_empty() {
            forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
    }
    let known: &[&str] = if watches { &[NOT_OLDER_THAN] } else { &[EXACT, NOT_OLDER_THAN, ""] };
    let continues = !params.text("continue").is_empty() && (watches || !wanted.is_empty());
    let continued =
        || Cause::forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
    if continues && !watches {
        causes.push(continued());
    }
    if !wanted.is_empty() && !known.contains(&wanted) {
        causes.push(Cause::unsupported("resourceVersionMatch", &json!(wanted), known));
    }
    if continues && watches {
        causes.push(continued());
    }
    if !watches && wanted == EXACT && params.text("resourceVersion") == "0" {
        let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
        causes.push(Cause::forbidden("resourceVersionMatch", why));
    }
    if !watches && initial {
        causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid("meta.k8s.io", "ListOptions", "", causes)) }
}

/// The text of a resourceVersion as a number; none where it is not given.
pub(crate) fn version(text: &str) -> Result<Option<u64>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(Some).ok_or_else(|| {
        let why = if digits { "value out of range" } else { "invalid syntax" };
        format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}")
    })
}

/// A place in a list that is read page by page: the version it is read at, none for the newest, and the path that the
/// next page begins at or after.
#[derive(Debug, Clone, PartialEq)]
struct Continue {
    revision: Option<u64>,
    from: String,
}

impl Continue {
    fn encode(&self) -> String {
        let version = self.revision.map_or(json!(-1), |revision| json!(revision));
        let token = json!({"v": TOKEN_FORM, "rv": version, "start": self.from});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    /// Source: `DecodeContinue` in `k8s.io/apiserver/pkg/storage`.
    fn decode(text: &str) -> Result<Continue, Failure> {
        let wrong =
            |why: &str| Failure::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|error| {
            let at = match error {
                base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol { offset, .. } => {
                    offset
                }
                base64::DecodeError::InvalidLength(length) => length,
                base64::DecodeError::InvalidPadding => text.trim_end_matches('=').len(),
            };
            wrong(&format!("illegal base64 data at input byte {at}"))
        })?;
        let token = decoding::json_value(&bytes).map_err(|why| wrong(&why))?;
        let part = |key: &str| token.get(key).and_then(Value::as_str).unwrap_or_default();
        if part("v") != TOKEN_FORM {
            return Err(wrong(&format!("server does not recognize this encoded version {}", part("v"))));
        }
        let version = token.get("rv").and_then(Value::as_i64).unwrap_or(0);
        if version == 0 {
            return Err(wrong(&format!("incorrect encoded start resourceVersion (version {TOKEN_FORM})")));
        }
        let start = part("start");
        if start.is_empty() {
            return Err(wrong(&format!("encoded start key empty (version {TOKEN_FORM})")));
        }
        let path = start.strip_prefix('/').unwrap_or(start);
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(wrong(start));
        }
        Ok(Continue { revision: u64::try_from(version).ok(), from: path.to_owned() })
    }
}

/// What a list is asked for, but for its selectors.
struct Wanted {
    /// None: all.
    limit: Option<usize>,
    /// The version that the objects are shown at; none for the newest.
    at: Option<u64>,
    /// The newest version may not be older than this.
    at_least: u64,
    /// The path that the objects begin at or after.
    from: Option<String>,
}

impl Wanted {
    fn of(call: &Call) -> Result<Wanted, Failure> {
        let limit = call.params.signed("limit")?.unwrap_or(0);
        call.params.signed("timeoutSeconds")?;
        validate(call, false)?;
        let resume = match call.params.text("continue") {
            "" => None,
            text => Some(Continue::decode(text)?),
        };
        let version = version(call.params.text("resourceVersion"))
            .map_err(|why| Failure::bad_request(format!("invalid resource version: {why}")))?;
        // What may come from a cache comes whole.
        let limit = if version == Some(0) { 0 } else { limit };
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
        let exact = match call.params.text("resourceVersionMatch") {
            "" => limit.is_some(),
            wanted => wanted == EXACT,
        };
        let version = version.filter(|version| *version > 0);
        match resume {
            Some(_) if version.is_some() => {
                Err(Failure::bad_request("specifying resource version is not allowed when using continue"))
            }
            Some(resume) => Ok(Wanted { limit, at: resume.revision, at_least: 0, from: Some(resume.from) }),
            None => {
                let at = version.filter(|_| exact);
                Ok(Wanted { limit, at, at_least: version.unwrap_or(0), from: None })
            }
        }
    }

    /// The collection as it was at the wanted version, and that version.
    fn objects<'a>(&self, call: &'a Call, image: &'a Image) -> Result<(Listed<'a>, u64), Failure> {
        let newest = image.revision;
        let asked = self.at.unwrap_or(0).max(self.at_least);
        if asked > newest {
            return Err(Failure::too_large_version(asked, newest));
        }
        let at = self.at.unwrap_or(newest);
        let objects = image.list_at(at, &call.resource.storage, &call.target.namespace);
        objects.map(|objects| (objects, at)).ok_or_else(|| match &self.from {
            Some(from) => Failure::expired_page(Continue { revision: None, from: with_slash(from) }.encode()),
            None => Failure::expired("The resourceVersion for the provided list is too old."),
        })
    }
}

fn with_slash(path: &str) -> String {
    format!("/{path}")
}

/// A page of a list.
struct Page {
    objects: Vec<Arc<Object>>,
    metadata: Value,
}

/// `GET` of a collection.
pub(crate) fn list(call: &Call) -> Result<Response, Failure> {
    let wanted = Wanted::of(call)?;
    let selection = Selection::of(call)?;
    let page = {
        let image = call.store().read();
        let (objects, revision) = wanted.objects(call, &image)?;
        page(call, &wanted, &selection, &objects, revision)
    };
    Ok(show(call, page))
}

fn page(call: &Call, wanted: &Wanted, selection: &Selection, objects: &[(&Key, &Arc<Object>)], revision: u64) -> Page {
    let path = |key: &Key| match (&*key.namespace, call.target.namespace.is_empty()) {
        ("", _) | (_, false) => key.name.to_string(),
        (namespace, true) => format!("{namespace}/{}", key.name),
    };
    let begin = wanted.from.as_ref().map_or(0, |from| objects.partition_point(|(key, _)| path(key) < *from));
    let rest = objects.get(begin..).unwrap_or_default();
    let limit = wanted.limit.unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut looked_at = 0;
    for (_, object) in rest {
        if found.len() >= limit {
            break;
        }
        looked_at += 1;
        if selection.matches(&object.value) {
            found.push(Arc::clone(object));
        }
    }
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if call.resource.custom.is_some() && call.accept.form == Form::Whole {
        // The list of a custom resource always says where it goes on.
        crate::object::set(&mut metadata, "/continue", json!(""));
    }
    let remaining = rest.len() - looked_at;
    if let (true, Some((last, _)), false, Some(map)) =
        (remaining > 0, rest.get(looked_at.wrapping_sub(1)), selection.names_one(call), metadata.as_object_mut())
    {
        // What follows a path immediately is the path and a zero byte.
        let from = with_slash(&format!("{}\0", path(last)));
        map.insert("continue".to_owned(), json!(Continue { revision: Some(revision), from }.encode()));
        if selection.labels.is_empty() && selection.fields.is_empty() {
            map.insert("remainingItemCount".to_owned(), json!(remaining));
        }
    }
    Page { objects: found, metadata }
}

fn show(call: &Call, page: Page) -> Response {
    let Page { objects, metadata } = page;
    let list = match call.accept.form {
        Form::Whole if !call.accept.yaml => return streamed(call, &objects, &metadata),
        Form::Table => {
            let rows = objects.iter().map(|object| &object.value);
            let mut table = table::table(&call.resource, rows, call.table_options(), call.store().clock().now());
            if let Some(map) = table.as_object_mut() {
                map.insert("metadata".to_owned(), metadata);
            }
            table
        }
        Form::Metadata => {
            let items: Vec<Value> = objects.iter().map(|object| body::metadata_only(&object.value)).collect();
            json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": metadata,
                "items": items,
            })
        }
        Form::Whole => {
            let items: Vec<Value> = objects.iter().map(|object| as_item(call, seen_or_stored(call, object))).collect();
            json!({
                "kind": call.resource.list_kind,
                "apiVersion": call.resource.api_version(),
                "metadata": metadata,
                "items": items,
            })
        }
    };
    body::answer(StatusCode::OK, &list, call.accept.yaml)
}

/// The list as a stream of the objects' stored text: it is copied for no client, however many read at once.
fn streamed(call: &Call, objects: &[Arc<Object>], metadata: &Value) -> Response {
    let head = format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{metadata},\"items\":[",
        json!(call.resource.list_kind),
        json!(call.resource.api_version()),
    );
    let bare = call.resource.custom.is_none();
    let mut chunks = Vec::with_capacity(objects.len() + 2);
    chunks.push(Bytes::from(head));
    if bare && !objects.is_empty() {
        chunks.push(Bytes::from_static(b"{"));
    }
    let last = objects.len().saturating_sub(1);
    for (at, object) in objects.iter().enumerate() {
        let last = at == last;
        let chunk = match seen_as(call, &object.value) {
            Some(value) => Object::new(value, object.revision).chunk(bare, last),
            None => object.chunk(bare, last),
        };
        chunks.push(chunk);
    }
    chunks.push(Bytes::from_static(b"]}"));
    let size: usize = chunks.iter().map(Bytes::len).sum();
    let chunks = stream::iter(chunks.into_iter().map(Ok::<_, Infallible>));
    let mut response = body::json(StatusCode::OK, Body::from_stream(chunks));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    response
}
