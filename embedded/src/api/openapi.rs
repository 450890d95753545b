//! The addresses of the OpenAPI v3 documents: an index, and documents that a client may keep for ever under the address
//! that names their hash. What stands in them is made in `crate::openapi`.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::body;
use super::path::Params;
use crate::failure::Failure;
use crate::openapi;
use crate::registry::Registry;

/// How long a client may keep a document whose address names its hash; it never changes.
const FOR_EVER: &str = "public, immutable";

/// `/openapi/v3`.
pub(crate) fn index(registry: &Registry, version: &str) -> Response {
    body::json(StatusCode::OK, openapi::index(registry, version).to_string())
}

/// `/openapi/v3/api/v1` or `/openapi/v3/apis/GROUP/VERSION`, named by what follows `/openapi/v3/`. An address with
/// another hash leads to the one with the right hash.
pub(crate) fn document(
    registry: &Registry,
    version: &str,
    wanted: &str,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let document = openapi::document(registry, version, wanted).ok_or_else(Failure::no_such_path)?;
    let tag = format!("\"{}\"", document.hash);
    let params = Params::parse(uri)?;
    let asked = params.text("hash");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if !asked.is_empty() && asked != document.hash {
        let mut response = body::json(StatusCode::MOVED_PERMANENTLY, "");
        let address = format!("/openapi/v3/{wanted}?hash={}", document.hash);
        insert(&mut response, header::LOCATION, &address);
        response
    } else if known == Some(&tag) {
        body::json(StatusCode::NOT_MODIFIED, "")
    } else {
        let mut response = body::json(StatusCode::OK, document.text);
        if !asked.is_empty() {
            insert(&mut response, header::CACHE_CONTROL, FOR_EVER);
        }
        response
    };
    insert(&mut response, header::ETAG, &tag);
    insert(&mut response, header::VARY, "Accept");
    Ok(response)
}

fn insert(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
