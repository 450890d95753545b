//! What a request asks to do, in the words that authorisation uses: verb, resource and name, or a path. Read from method
//! and URI alone, before anything is looked up, so that a refusal says nothing about what is there.
//!
//! Source: `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go`; the wording of a refusal from
//! `k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go`.

use http::{Method, Uri};

use crate::api::{Params, percent_decoded};
use crate::failure::Failure;

/// One thing that somebody wants to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// `get`, `list`, `deletecollection` …; for a path the HTTP method in small letters.
    pub(crate) verb: String,
    pub(crate) group: String,
    /// The plural; empty for a path.
    pub(crate) resource: String,
    pub(crate) subresource: String,
    /// Empty: the whole cluster.
    pub(crate) namespace: String,
    /// Empty: every object.
    pub(crate) name: String,
    /// The path, where no resource is meant.
    pub(crate) path: Option<String>,
}

impl Attributes {
    /// What a request asks for.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Attributes {
        let path = uri.path();
        let elsewhere = || Attributes {
            verb: method.as_str().to_ascii_lowercase(),
            path: Some(path.to_owned()),
            ..Attributes::default()
        };
        let trimmed = path.trim_matches('/');
        let parts: Vec<&str> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').collect() };
        let (group, parts) = match parts.as_slice() {
            ["api", _, rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, rest @ ..] if !rest.is_empty() => (*group, rest),
            _ => return elsewhere(),
        };
        let mut verb = match method.as_str() {
            "POST" => "create",
            "GET" | "HEAD" => "get",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "",
        };
        let (namespace, parts) = match parts {
            ["namespaces", namespace, "status" | "finalize", ..] | ["namespaces", namespace] => (*namespace, parts),
            ["namespaces", namespace, rest @ ..] => (*namespace, rest),
            _ => ("", parts),
        };
        let at = |index: usize| parts.get(index).copied().unwrap_or_default();
        let mut name = decoded(at(1));
        if name.is_empty() {
            let params = Params::parse(uri).unwrap_or_default();
            verb = match verb {
                "get" if params.flag("watch") => "watch",
                "get" => "list",
                "delete" => "deletecollection",
                other => other,
            };
            if matches!(verb, "list" | "watch") {
                name = selected_name(params.text("fieldSelector")).to_owned();
            }
        }
        Attributes {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: decoded(at(0)),
            subresource: decoded(at(2)),
            namespace: decoded(namespace),
            name,
            path: None,
        }
    }

    /// The resource with its subresource, `pods/log`.
    pub(crate) fn combined(&self) -> String {
        match self.subresource.as_str() {
            "" => self.resource.clone(),
            subresource => format!("{}/{subresource}", self.resource),
        }
    }

    /// The refusal, with the authoriser's reason where it has one.
    pub(crate) fn refused(&self, user: &str, reason: &str) -> Failure {
        let Attributes { verb, group, resource, subresource: _, namespace, name, path } = self;
        let text = match (path, namespace.as_str()) {
            (Some(path), _) => format!("User {user:?} cannot {verb} path {path:?}"),
            (None, "") => {
                let resource = self.combined();
                format!("User {user:?} cannot {verb} resource {resource:?} in API group {group:?} at the cluster scope")
            }
            (None, namespace) => format!(
                "User {user:?} cannot {verb} resource {:?} in API group {group:?} in the namespace {namespace:?}",
                self.combined()
            ),
        };
        let mut text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        if !reason.is_empty() {
            text = format!("{text}: {reason}");
        }
        Failure::forbidden(group, resource, name, &text)
    }
}

fn decoded(part: &str) -> String {
    percent_decoded(part).unwrap_or_else(|| part.to_owned())
}

/// The one name that a field selector admits; empty where it admits more.
fn selected_name(selector: &str) -> &str {
    let terms = selector.split(',').filter_map(|term| term.trim().strip_prefix("metadata.name="));
    terms.map(|value| value.strip_prefix('=').unwrap_or(value)).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[track_caller]
    fn check(method: &str, uri: &str, expected: &str) {
        let attributes = Attributes::of(&method.parse().unwrap(), &uri.parse().unwrap());
        assert_eq!(attributes.refused("u", "").message, expected, "{method} {uri}");
    }

    /// Every answer was given by kube-apiserver 1.36.
    #[test]
    fn refusals_name_what_was_asked_for() {
        for (method, uri, expected) in [
            ("GET", "/", r#"forbidden: User "u" cannot get path "/""#),
            ("POST", "/foo", r#"forbidden: User "u" cannot post path "/foo""#),
            ("GET", "/apis/apps/v1", r#"forbidden: User "u" cannot get path "/apis/apps/v1""#),
            (
                "GET",
                "/apis/apps/v1/namespaces/n/deployments/x",
                r#"deployments.apps "x" is forbidden: User "u" cannot get resource "deployments" in API group "apps" in the namespace "n""#,
            ),
            (
                "GET",
                "/api/v1/nodes",
                r#"nodes is forbidden: User "u" cannot list resource "nodes" in API group "" at the cluster scope"#,
            ),
            (
                "POST",
                "/api/v1/namespaces/n/pods",
                r#"pods is forbidden: User "u" cannot create resource "pods" in API group "" in the namespace "n""#,
            ),
            (
                "DELETE",
                "/api/v1/namespaces/n/pods",
                r#"pods is forbidden: User "u" cannot deletecollection resource "pods" in API group "" in the namespace "n""#,
            ),
            (
                "GET",
                "/api/v1/namespaces/n/pods?watch=1",
                r#"pods is forbidden: User "u" cannot watch resource "pods" in API group "" in the namespace "n""#,
            ),
            (
                "GET",
                "/api/v1/namespaces/n/pods?watch=0&fieldSelector=metadata.name%3Dx",
                r#"pods "x" is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "n""#,
            ),
            (
                "GET",
                "/api/v1/namespaces/n/pods/x/log",
                r#"pods "x" is forbidden: User "u" cannot get resource "pods/log" in API group "" in the namespace "n""#,
            ),
            (
                "GET",
                "/apis/foo.com/v1/bars/x",
                r#"bars.foo.com "x" is forbidden: User "u" cannot get resource "bars" in API group "foo.com" at the cluster scope"#,
            ),
            (
                "PATCH",
                "/api/v1/namespaces/n",
                r#"namespaces "n" is forbidden: User "u" cannot patch resource "namespaces" in API group "" in the namespace "n""#,
            ),
            (
                "PUT",
                "/api/v1/namespaces/n/finalize",
                r#"namespaces "n" is forbidden: User "u" cannot update resource "namespaces/finalize" in API group "" in the namespace "n""#,
            ),
        ] {
            check(method, uri, expected);
        }
    }
}
