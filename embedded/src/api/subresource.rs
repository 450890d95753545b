//! What lies below one object: status, finalize, a pod's log, eviction and binding, an account's tokens; `scale` has a file
//! of its own.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use super::{Call, body, delete, patch, read, request_options, scale, write};
use crate::access;
use crate::controllers;
use crate::failure::Failure;
use crate::object;
use crate::rules::{Author, DeleteOptions, Ownership};
use crate::store::Object;

/// Answers a request for a subresource.
pub(crate) async fn serve(call: &Arc<Call>, method: &Method) -> Result<Response, Failure> {
    match (call.target.subresource.as_str(), method.as_str()) {
        ("status", "GET") => read::get(call),
        ("status", "PUT") => write::replace(call).await,
        ("status", "PATCH") => patch::patch(call).await,
        ("scale", "GET") => scale::get(call),
        ("scale", "PUT" | "PATCH") => scale::change(call, method).await,
        ("log", "GET") => log(call),
        ("eviction", "POST") => evict(call).await,
        ("binding", "POST") => bind(call).await,
        ("token", "POST") => token(call),
        ("finalize", "PUT") => finalize(call).await,
        _ => Err(Failure::method_not_allowed()),
    }
}

fn live(call: &Call) -> Result<Arc<Object>, Failure> {
    let key = call.resource.key(&call.target.namespace, &call.target.name);
    call.store().read().objects.get(&key).cloned().ok_or_else(|| call.not_found())
}

fn log(call: &Call) -> Result<Response, Failure> {
    let pod = live(call)?;
    let text = controllers::log(&pod.value, call.params.text("container"), call.params.flag("previous"))?;
    let tail = call.params.number("tailLines")?.and_then(|lines| usize::try_from(lines).ok());
    let lines: Vec<&str> = text.lines().collect();
    let skipped = tail.map_or(0, |tail| lines.len().saturating_sub(tail));
    let shown: String = lines.iter().skip(skipped).map(|line| format!("{line}\n")).collect();
    let mut response = body::json(StatusCode::OK, shown);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    Ok(response)
}

async fn evict(call: &Arc<Call>) -> Result<Response, Failure> {
    let eviction = body::read(&call.headers, &call.body, "Eviction")?;
    if object::name(&eviction) != call.target.name {
        return Err(Failure::bad_request("name in URL does not match name in Eviction object".to_owned()));
    }
    let mut options = DeleteOptions::default();
    if let Some(body) = eviction.get("deleteOptions") {
        delete::read_options(body, &mut options)?;
    }
    let dry = request_options::read(&call.params, "CreateOptions", None)?.dry_run;
    let shared = Arc::clone(call);
    write::run(call, dry, move |txn| {
        let key = shared.resource.key(&shared.target.namespace, &shared.target.name);
        let pod = txn.get(&key).ok_or_else(|| shared.not_found())?;
        let pod = controllers::evict(&shared.rules(), txn, &pod)?;
        shared.rules().delete(txn, &shared.resource, &pod, &options)
    })
    .await?;
    Ok(success(StatusCode::CREATED))
}

async fn bind(call: &Arc<Call>) -> Result<Response, Failure> {
    let binding = body::read(&call.headers, &call.body, "Binding")?;
    let node = object::text(&binding, "/target/name").to_owned();
    // These two are no refusals of the store but plain errors, which a server gives no reason.
    if node.is_empty() {
        return Err(Failure::unnamed("target.name: Required value".to_owned()));
    }
    if !matches!(object::text(&binding, "/target/kind"), "" | "Node") {
        let shown = crate::decoding::quote(object::text(&binding, "/target/kind"));
        let text = format!("target.kind: Unsupported value: {shown}: supported values: \"Node\", \"<empty>\"");
        return Err(Failure::unnamed(text));
    }
    let dry = request_options::read(&call.params, "CreateOptions", None)?.dry_run;
    let shared = Arc::clone(call);
    write::run(call, dry, move |txn| {
        let key = shared.resource.key(&shared.target.namespace, &shared.target.name);
        let pod = txn.get(&key).ok_or_else(|| shared.not_found())?;
        let bound = object::text(&pod.value, "/spec/nodeName");
        if !bound.is_empty() {
            let why = format!("pod {} is already assigned to node \"{bound}\"", shared.target.name);
            return Err(Failure::conflict("", "pods/binding", &shared.target.name, &why));
        }
        controllers::bind(txn, &pod.value, &node);
        Ok(())
    })
    .await?;
    Ok(success(StatusCode::CREATED))
}

/// A token for a ServiceAccount. Nothing is stored.
fn token(call: &Call) -> Result<Response, Failure> {
    let request = body::read(&call.headers, &call.body, "TokenRequest")?;
    let answered = call
        .store()
        .dry_run(|txn| access::token_request::answer(txn, &call.target.namespace, &call.target.name, request))?;
    Ok(body::answer(StatusCode::CREATED, &answered, call.accept.yaml))
}

async fn finalize(call: &Arc<Call>) -> Result<Response, Failure> {
    let options = request_options::read(&call.params, "UpdateOptions", None)?;
    let (new, warnings) = write::decode(call, &call.resource, options.validation)?;
    let new = write::in_place(call, new)?;
    let dry = options.dry_run;
    let shared = Arc::clone(call);
    let outcome = write::run(call, dry, move |txn| {
        let key = shared.resource.key("", &shared.target.name);
        let live = txn.get(&key).ok_or_else(|| shared.not_found())?;
        let manager = shared.manager();
        let author = Author { manager: &manager, subresource: "finalize" };
        shared.rules().update(txn, &shared.resource, &live, new, author, Ownership::Tracked)
    })
    .await?;
    Ok(write::respond(call, &outcome, warnings, dry))
}

fn success(code: StatusCode) -> Response {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": code.as_u16(),
    });
    body::answer(code, &status, false)
}
