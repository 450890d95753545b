//! What lies below one object: status, scale, finalize, and a pod's log, eviction and binding.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use super::patch::Patch;
use super::{Call, body, delete, patch, read, request_options, write};
use crate::access;
use crate::controllers;
use crate::failure::{Cause, Failure};
use crate::object;
use crate::rules::{Author, DeleteOptions, Outcome, Ownership};
use crate::selector::LabelSelector;
use crate::store::{Object, Txn};
use crate::versions;

/// Answers a request for a subresource.
pub(crate) async fn serve(call: &Arc<Call>, method: &Method) -> Result<Response, Failure> {
    match (call.target.subresource.as_str(), method.as_str()) {
        ("status", "GET") => read::get(call),
        ("status", "PUT") => write::replace(call).await,
        ("status", "PATCH") => patch::patch(call).await,
        ("scale", "GET") => {
            let live = live(call)?;
            Ok(call.show(StatusCode::OK, &scale_of(call, &live.value)))
        }
        ("scale", "PUT" | "PATCH") => rescale(call, method).await,
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

/// Where a custom resource keeps its numbers; workloads keep them in the usual places.
struct ScalePaths {
    spec: String,
    status: String,
    selector: Option<String>,
}

fn scale_paths(call: &Call) -> ScalePaths {
    let pointer = |path: &str| path.replace('.', "/");
    let Some(custom) = &call.resource.custom else {
        return ScalePaths { spec: "/spec/replicas".to_owned(), status: "/status/replicas".to_owned(), selector: None };
    };
    let text = |field: &str| pointer(object::text(custom, &format!("/subresources/scale/{field}")));
    let selector = Some(text("labelSelectorPath")).filter(|s| !s.is_empty());
    ScalePaths { spec: text("specReplicasPath"), status: text("statusReplicasPath"), selector }
}

/// The object as an `autoscaling/v1` `Scale`.
fn scale_of(call: &Call, value: &Value) -> Value {
    let paths = scale_paths(call);
    let replicas = object::number(value, &paths.spec).unwrap_or(0);
    let mut status = json!({"replicas": object::number(value, &paths.status).unwrap_or(0)});
    let selector = match &paths.selector {
        Some(path) => object::text(value, path).to_owned(),
        None => LabelSelector::of(value.pointer("/spec/selector")).map(|s| s.to_string()).unwrap_or_default(),
    };
    if !selector.is_empty() {
        object::set(&mut status, "/selector", json!(selector));
    }
    let metadata = value.get("metadata");
    let field = |name: &str| metadata.and_then(|m| m.get(name)).cloned().unwrap_or_default();
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": field("name"),
            "namespace": field("namespace"),
            "uid": field("uid"),
            "resourceVersion": field("resourceVersion"),
            "creationTimestamp": field("creationTimestamp"),
        },
        "spec": if replicas == 0 { json!({}) } else { json!({"replicas": replicas}) },
        "status": status,
    })
}

async fn rescale(call: &Arc<Call>, method: &Method) -> Result<Response, Failure> {
    let (patch, put, options) = if method == Method::PATCH {
        let (patch, options) = Patch::read(call)?;
        (Some(patch), None, options)
    } else {
        let options = request_options::read(&call.params, "UpdateOptions", None)?;
        (None, Some(body::read(&call.headers, &call.body, "Scale")?), options)
    };
    let dry = options.dry_run;
    let shared = Arc::clone(call);
    let outcome = write::run(call, dry, move |txn| rescale_in(&shared, txn, patch.as_ref(), put)).await?;
    Ok(call.show(StatusCode::OK, &scale_of(call, &outcome.object.value)))
}

fn rescale_in(call: &Call, txn: &mut Txn<'_>, patch: Option<&Patch>, put: Option<Value>) -> Result<Outcome, Failure> {
    let key = call.resource.key(&call.target.namespace, &call.target.name);
    let live = txn.get(&key).ok_or_else(|| call.not_found())?;
    let before = scale_of(call, &live.value);
    let paths = scale_paths(call);
    let manager = call.manager();
    let author = Author { manager: &manager, subresource: "scale" };
    // Who scales a custom resource by a plain write is not written down.
    let tracked = if call.resource.custom.is_some() { Ownership::Applied } else { Ownership::Tracked };
    let (wanted, ownership, applied) = match (patch, put) {
        (Some(Patch::Apply { config, force }), _) => {
            // Applying a Scale is applying the one field of the object that it stands for.
            let replicas = object::number(config, "/spec/replicas").unwrap_or(0);
            let mut whole = json!({"apiVersion": call.resource.api_version(), "kind": call.resource.kind});
            object::set(&mut whole, "/metadata/name", json!(call.target.name));
            object::set(&mut whole, "/metadata/namespace", json!(call.target.namespace));
            object::set(&mut whole, &paths.spec, json!(replicas));
            let seen = versions::seen(&call.resource, &live.value);
            let seen = seen.as_ref().unwrap_or(&live.value);
            let merged = crate::merging::apply(&call.resource, Some(seen), &whole, author, *force, txn.now())?;
            (config.clone(), Ownership::Applied, Some(merged))
        }
        (Some(patch), _) => (patch.patched(&before, &structured_merge::schema::Schema::deduced())?, tracked, None),
        (None, put) => (put.unwrap_or_default(), tracked, None),
    };
    let replicas = object::number(&wanted, "/spec/replicas").unwrap_or(0);
    if replicas < 0 {
        let cause = Cause::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
        return Err(Failure::invalid("autoscaling", "Scale", &call.target.name, vec![cause]));
    }
    let version = object::text(&wanted, "/metadata/resourceVersion");
    if !version.is_empty() && version != object::text(&before, "/metadata/resourceVersion") {
        return Err(Failure::modified(&call.resource.group, &call.resource.plural, &call.target.name));
    }
    let mut new = applied.unwrap_or_else(|| live.value.clone());
    object::set(&mut new, &paths.spec, json!(replicas));
    call.rules().update(txn, &call.resource, &live, new, author, ownership)
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
    let dry = options.dry_run;
    let shared = Arc::clone(call);
    let outcome = write::run(call, dry, move |txn| {
        let key = shared.resource.key("", &shared.target.name);
        let live = txn.get(&key).ok_or_else(|| shared.not_found())?;
        let mut changed = live.value.clone();
        let finalizers = new.pointer("/spec/finalizers").cloned().unwrap_or_else(|| json!([]));
        object::set(&mut changed, "/spec/finalizers", finalizers);
        let manager = shared.manager();
        let author = Author { manager: &manager, subresource: "finalize" };
        shared.rules().update(txn, &shared.resource, &live, changed, author, Ownership::Tracked)
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
