//! `delete` and `deletecollection`: reads the options and hands each object to the rules.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use super::read::Selection;
use super::{Call, body, read, request_options, write};
use crate::failure::Failure;
use crate::object;
use crate::registry::Resource;
use crate::rules::{DeleteOptions, Deleted, Propagation, Rules};

/// The options, from the query and then the body, and whether it is a dry run.
pub(crate) fn options(call: &Call) -> Result<(DeleteOptions, bool), Failure> {
    let mut options = DeleteOptions::default();
    let mut dry: Vec<String> = call.params.all("dryRun").to_vec();
    options.propagation = propagation(call.params.text("propagationPolicy"))?;
    if call.params.flag("orphanDependents") {
        options.propagation = Some(Propagation::Orphan);
    }
    options.grace_seconds = call.params.number("gracePeriodSeconds")?.and_then(|s| i64::try_from(s).ok());
    if call.body.is_empty() {
        return finish(options, &dry);
    }
    let body = read_body(call)?;
    read_options(&body, &mut options)?;
    dry = object::items(&body, "/dryRun").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    finish(options, &dry)
}

/// The body as `DeleteOptions`, refused in the words of the scheme that reads nothing else.
fn read_body(call: &Call) -> Result<Value, Failure> {
    let headless = |why: String| Failure::bad_request(format!("couldn't get version/kind; json parse error: {why}"));
    let media = body::media_type(&call.headers);
    if !matches!(media, "" | "application/json") {
        return body::read(&call.headers, &call.body, "DeleteOptions");
    }
    let options = crate::decoding::json_value(&call.body).map_err(headless)?;
    let (version, kind) = (object::text(&options, "/apiVersion"), object::text(&options, "/kind"));
    if !matches!(kind, "" | "DeleteOptions") {
        let scheme = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27";
        let text = format!("no kind {kind:?} is registered for version {version:?} in scheme {scheme:?}");
        return Err(Failure::bad_request(text));
    }
    if let Some(wrong) = options.get("gracePeriodSeconds").filter(|given| !given.is_i64() && !given.is_null()) {
        let found = crate::decoding::shape(wrong);
        let text = format!(
            "json: cannot unmarshal {found} into Go struct field DeleteOptions.gracePeriodSeconds of type int64"
        );
        return Err(Failure::bad_request(text));
    }
    Ok(options)
}

fn finish(options: DeleteOptions, dry: &[String]) -> Result<(DeleteOptions, bool), Failure> {
    match request_options::dry_run_faults(dry) {
        Some(cause) => Err(Failure::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause])),
        None => Ok((options, !dry.is_empty())),
    }
}

/// Takes over what a `DeleteOptions` body says.
pub(crate) fn read_options(body: &Value, options: &mut DeleteOptions) -> Result<(), Failure> {
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    options.uid = text("/preconditions/uid");
    options.resource_version = text("/preconditions/resourceVersion");
    if body.get("orphanDependents").is_some_and(|given| !given.is_null()) && text("/propagationPolicy").is_some() {
        let shown = json!(text("/propagationPolicy"));
        let why = "orphanDependents and deletionPropagation cannot be both set";
        let cause = crate::failure::Cause::invalid("propagationPolicy", &shown, why);
        return Err(Failure::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]));
    }
    if let Some(policy) = text("/propagationPolicy") {
        options.propagation = propagation(&policy)?;
    }
    if let Some(orphan) = body.get("orphanDependents").and_then(Value::as_bool) {
        options.propagation = Some(if orphan { Propagation::Orphan } else { Propagation::Background });
    }
    if let Some(seconds) = object::number(body, "/gracePeriodSeconds") {
        options.grace_seconds = Some(seconds);
    }
    Ok(())
}

fn propagation(text: &str) -> Result<Option<Propagation>, Failure> {
    match text {
        "" => Ok(None),
        "Background" => Ok(Some(Propagation::Background)),
        "Foreground" => Ok(Some(Propagation::Foreground)),
        "Orphan" => Ok(Some(Propagation::Orphan)),
        other => {
            let cause = crate::failure::Cause::unsupported(
                "propagationPolicy",
                &json!(other),
                &["Foreground", "Background", "Orphan", "nil"],
            );
            Err(Failure::invalid("meta.k8s.io", "DeleteOptions", "", vec![cause]))
        }
    }
}

/// Kinds whose deletion answers with the object instead of a `Status`.
///
/// Source: `ReturnDeletedObject` of the kinds' stores in `k8s.io/kubernetes/pkg/registry`.
fn shows_deleted(resource: &Resource) -> bool {
    resource.custom.is_none()
        && matches!(
            resource.kind.as_str(),
            "PersistentVolume"
                | "PersistentVolumeClaim"
                | "Pod"
                | "ResourceQuota"
                | "Service"
                | "ServiceAccount"
                | "StorageClass"
        )
}

/// `DELETE` of one object. A dry run shows it at the version that it has.
pub(crate) async fn one(call: &Arc<Call>) -> Result<Response, Failure> {
    let (options, dry) = options(call)?;
    let warnings: Vec<String> = keeps_pods(&call.resource, &options).map(str::to_owned).into_iter().collect();
    let answer = delete_one(call, options, dry).await;
    warned(answer, &warnings)
}

/// An answer of either sort, with what is to be warned of.
fn warned(answer: Result<Response, Failure>, warnings: &[String]) -> Result<Response, Failure> {
    let mut response = answer.map_err(|failure| failure.after(warnings))?;
    body::warn(&mut response, warnings);
    Ok(response)
}

/// What is warned of where the pods of a Job stay without anyone having said so.
///
/// Source: `k8s.io/kubernetes/pkg/registry/batch/job/storage`.
fn keeps_pods(resource: &Resource, options: &DeleteOptions) -> Option<&'static str> {
    let silent = options.propagation.is_none() && resource.is("batch", "Job");
    silent.then_some(
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning",
    )
}

async fn delete_one(call: &Arc<Call>, options: DeleteOptions, dry: bool) -> Result<Response, Failure> {
    let shared = Arc::clone(call);
    let (deleted, version) = write::run(call, dry, move |txn| {
        let key = shared.resource.key(&shared.target.namespace, &shared.target.name);
        let live = txn.get(&key).ok_or_else(|| shared.not_found())?;
        let rules = Rules { dry_run: dry, ..shared.rules() };
        let deleted = rules.delete(txn, &shared.resource, &live, &options)?;
        Ok((deleted, object::text(&live.value, "/metadata/resourceVersion").to_owned()))
    })
    .await?;
    let show = |deleted: &Value| {
        let mut deleted = deleted.clone();
        if dry {
            object::metadata(&mut deleted).insert("resourceVersion".to_owned(), json!(version));
        }
        Ok(call.show(StatusCode::OK, &deleted))
    };
    match deleted {
        Deleted::Marked(object) => show(&object.value),
        Deleted::Gone(object) if shows_deleted(&call.resource) => show(&object.value),
        Deleted::Gone(object) => {
            let mut details = json!({"name": object::name(&object.value)});
            if let Some(map) = details.as_object_mut() {
                if !call.resource.group.is_empty() {
                    map.insert("group".to_owned(), json!(call.resource.group));
                }
                map.insert("kind".to_owned(), json!(call.resource.plural));
                map.insert("uid".to_owned(), json!(object::uid(&object.value)));
            }
            let status = json!({
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": details,
            });
            Ok(body::answer(StatusCode::OK, &status, call.accept.yaml))
        }
    }
}

/// `DELETE` of every object that the selectors choose; answers with the list of them.
pub(crate) async fn collection(call: &Arc<Call>) -> Result<Response, Failure> {
    if call.resource.namespaced && call.target.namespace.is_empty() {
        return Err(Failure::method_not_allowed());
    }
    let selection = Selection::of(call)?;
    let (options, dry) = options(call)?;
    let warnings: Vec<String> = keeps_pods(&call.resource, &options).map(str::to_owned).into_iter().collect();
    let shared = Arc::clone(call);
    let (items, revision) = write::run(call, dry, move |txn| {
        let mut items = Vec::new();
        let rules = Rules { dry_run: dry, ..shared.rules() };
        for live in txn.list(&shared.resource.storage, &shared.target.namespace) {
            if selection.matches(&live.value) {
                rules.delete(txn, &shared.resource, &live, &options)?;
                items.push(read::as_item(&shared, live.value.clone()));
            }
        }
        Ok((items, txn.revision()))
    })
    .await
    .map_err(|failure| failure.after(&warnings))?;
    let mut list = json!({
        "kind": call.resource.list_kind,
        "apiVersion": call.resource.api_version(),
        "metadata": {"resourceVersion": revision.to_string()},
        "items": items,
    });
    if call.resource.custom.is_some() {
        object::set(&mut list, "/metadata/continue", json!(""));
    }
    warned(Ok(body::answer(StatusCode::OK, &list, call.accept.yaml)), &warnings)
}
