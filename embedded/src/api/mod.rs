//! The HTTP side: takes a request, finds out what it asks for, and calls the verb. No rule of a kind stands here.

pub(crate) mod body;
mod bookmark;
mod delete;
mod discovery;
mod json_patch;
mod list;
mod openapi;
mod patch;
mod path;
mod protobuf;
mod read;
mod request_options;
mod review;
mod scale;
mod strategic;
mod subresource;
mod table;
mod watch;
pub(crate) mod write;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use self::body::{Accept, Form};
pub(crate) use self::path::{Params, Target, percent_decoded};
use crate::access::{self, Attributes, Entrance, Identity};
use crate::failure::Failure;
use crate::kinds::Verbs;
use crate::registry::{Registry, Resource};
use crate::rules::Rules;
use crate::store::{CommitError, Store, Txn};
use crate::system::System;
use crate::{object, versions};

/// The cluster's router: every path of the API below `/`, for those who come in by this entrance.
pub(crate) fn router(system: Arc<System>, entrance: Entrance) -> Router {
    Router::new().fallback(handle).with_state(Door { system, entrance: Arc::new(entrance) })
}

/// What a router leads to, and how one comes in there.
#[derive(Clone)]
struct Door {
    system: Arc<System>,
    entrance: Arc<Entrance>,
}

async fn handle(State(door): State<Door>, request: Request) -> Response {
    let watching = door.system.enter();
    let (request, form) = protobuf::Answer::of(request);
    let response = route(&door, request).await.unwrap_or_else(IntoResponse::into_response);
    let response = form.give(response).await;
    drop(watching);
    response
}

/// A request that has been read: everything a verb needs.
pub(crate) struct Call {
    pub(crate) system: Arc<System>,
    pub(crate) entrance: Arc<Entrance>,
    /// Who sends it, and may.
    pub(crate) who: Arc<Identity>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) resource: Arc<Resource>,
    pub(crate) target: Target,
    pub(crate) params: Params,
    pub(crate) headers: HeaderMap,
    pub(crate) accept: Accept,
    pub(crate) body: Bytes,
}

impl Call {
    fn store(&self) -> &Store {
        &self.system.store
    }

    /// The kinds' rules as they are at this moment.
    fn rules(&self) -> Rules {
        Rules {
            registry: Arc::clone(&self.registry),
            settings: Arc::clone(&self.system.settings),
            who: Arc::clone(&self.who),
            dry_run: !self.params.all("dryRun").is_empty(),
        }
    }

    /// May the object be made, where a request that was let in as a patch finds none?
    fn may_create(&self, txn: &Txn<'_>) -> Result<(), Failure> {
        let wanted = Attributes {
            verb: "create".to_owned(),
            group: self.resource.group.clone(),
            resource: self.resource.plural.clone(),
            subresource: self.target.subresource.clone(),
            namespace: self.target.namespace.clone(),
            name: self.target.name.clone(),
            path: None,
        };
        access::require(txn, &self.who, &wanted)
    }

    /// Who writes: `fieldManager`, or the program's name in `User-Agent`.
    fn manager(&self) -> String {
        match self.params.text("fieldManager") {
            "" => {
                let agent = self.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
                match agent.split('/').next().unwrap_or_default() {
                    "" => "unknown".to_owned(),
                    program => program.chars().take(128).collect(),
                }
            }
            manager => manager.to_owned(),
        }
    }

    fn not_found(&self) -> Failure {
        Failure::not_found(&self.resource.group, &self.resource.plural, &self.target.name)
    }

    /// An object as the client wants to see it.
    fn show(&self, code: StatusCode, object: &Value) -> Response {
        let stored = object::text(object, "/apiVersion") == self.resource.stored_version;
        let seen = if stored { versions::seen(&self.resource, object) } else { None };
        match self.accept.form {
            Form::Whole => body::answer(code, seen.as_ref().unwrap_or(object), self.accept.yaml),
            Form::Metadata => body::answer(code, &body::metadata_only(object), self.accept.yaml),
            Form::Table => {
                let rows = std::iter::once(object);
                let table = table::table(&self.resource, rows, self.table_options(), self.store().clock().now());
                body::answer(code, &table, self.accept.yaml)
            }
        }
    }

    fn table_options(&self) -> table::TableOptions {
        table::TableOptions { include: self.params.text("includeObject").to_owned(), headers: true }
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Failure {
        match error {
            CommitError::Disk(_) => Failure::internal(error),
            CommitError::Closed => Failure::closed(),
        }
    }
}

async fn route(door: &Door, request: Request) -> Result<Response, Failure> {
    let (mut parts, raw) = request.into_parts();
    let system = &door.system;
    let who = Arc::new(access::admit(system, &door.entrance, &mut parts)?);
    let registry = system.registry();
    let params = Params::parse(&parts.uri)?;
    let path = parts.uri.path();
    if let Some(response) = fixed(system, &registry, &parts.uri, &parts.headers) {
        return if parts.method == Method::GET { response } else { Err(Failure::method_not_allowed()) };
    }
    let target = Target::parse(path).filter(|target| registry.knows(&target.group));
    let Some(target) = target else { return Ok(page_not_found()) };
    let resource = registry.at(&target.group, &target.version, &target.plural).ok_or_else(Failure::no_such_path)?;
    let resource = Arc::clone(resource);
    if !target.subresource.is_empty() && !resource.has(&target.subresource) {
        return Err(Failure::no_such_path());
    }
    let whole_cluster = target.namespace.is_empty();
    if resource.namespaced == whole_cluster && (!resource.namespaced || !target.name.is_empty()) {
        return Err(Failure::no_such_path());
    }
    let collected = Limited::new(raw, body::LIMIT).collect().await.map_err(|_| Failure::too_large())?;
    let accept = Accept::of(&parts.headers)?;
    let call = Call {
        system: Arc::clone(system),
        entrance: Arc::clone(&door.entrance),
        who,
        registry,
        resource,
        target,
        params,
        headers: parts.headers,
        accept,
        body: collected.to_bytes(),
    };
    let warning = call.resource.deprecation.clone();
    let answer = serve(&Arc::new(call), &parts.method).await;
    let Some(warning) = warning else { return answer };
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    body::warn(&mut response, &[warning]);
    Ok(response)
}

/// The answer to a path below which nothing is served. It is no `Status`.
fn page_not_found() -> Response {
    let mut response = body::json(StatusCode::NOT_FOUND, "404 page not found\n");
    let content = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content);
    response
}

/// The paths that are not resources.
fn fixed(system: &System, registry: &Registry, uri: &Uri, headers: &HeaderMap) -> Option<Result<Response, Failure>> {
    let path = uri.path();
    let ok = |value: &Value| Ok(body::json(StatusCode::OK, value.to_string()));
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    Some(match parts.as_slice() {
        ["version"] => ok(&discovery::version(&system.settings.kubernetes_version)),
        ["healthz" | "livez" | "readyz"] => {
            let mut response = body::json(StatusCode::OK, "ok");
            response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("text/plain"));
            Ok(response)
        }
        ["api"] | ["apis"] if discovery::wants_aggregated(headers) => {
            let mut response = body::json(
                StatusCode::OK,
                discovery::aggregated(registry, path.starts_with("/api/") || parts == ["api"]).to_string(),
            );
            let content = http::HeaderValue::from_static(discovery::AGGREGATED);
            response.headers_mut().insert(header::CONTENT_TYPE, content);
            Ok(response)
        }
        ["openapi", "v3"] => Ok(openapi::index(registry, &system.settings.kubernetes_version)),
        ["openapi", "v3", wanted @ ..] => {
            openapi::document(registry, &system.settings.kubernetes_version, &wanted.join("/"), uri, headers)
        }
        ["api"] => ok(&discovery::core_versions()),
        ["apis"] => ok(&discovery::groups(registry)),
        ["apis", group] => discovery::group(registry, group).map_or_else(|| Ok(page_not_found()), |v| ok(&v)),
        ["api", version] => {
            discovery::resources(registry, "", version).map_or_else(|| Ok(page_not_found()), |v| ok(&v))
        }
        ["apis", group, version] => {
            discovery::resources(registry, group, version).map_or_else(|| Ok(page_not_found()), |v| ok(&v))
        }
        _ => return None,
    })
}

async fn serve(call: &Arc<Call>, method: &Method) -> Result<Response, Failure> {
    if !call.target.subresource.is_empty() {
        return subresource::serve(call, method).await;
    }
    let creates = method == Method::POST && call.target.name.is_empty();
    if call.resource.verbs == Verbs::CreateOnly {
        return if creates { review::answer(call) } else { Err(Failure::method_not_allowed()) };
    }
    match (method.as_str(), call.target.name.is_empty()) {
        ("GET", true) if call.params.flag("watch") => watch::watch(call),
        ("GET", true) => list::list(call),
        ("GET", false) => read::get(call),
        ("POST", true) if call.resource.namespaced && call.target.namespace.is_empty() => {
            Err(Failure::method_not_allowed())
        }
        ("POST", true) => write::create(call).await,
        ("PUT", false) => write::replace(call).await,
        ("PATCH", false) => patch::patch(call).await,
        ("DELETE", false) => delete::one(call).await,
        ("DELETE", true) if call.resource.verbs == Verbs::All => delete::collection(call).await,
        _ => Err(Failure::method_not_allowed()),
    }
}
