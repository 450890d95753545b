//! Reading a request's path and query: which resource, namespace, object and subresource is meant, and with which
//! options. Looks nothing up.

use std::collections::BTreeMap;
use std::num::IntErrorKind;

use axum::extract::Query;
use http::Uri;

use crate::failure::Failure;

/// What a path below `/api` or `/apis` points at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) plural: String,
    /// Empty: the whole cluster.
    pub(crate) namespace: String,
    /// Empty: the collection.
    pub(crate) name: String,
    /// Empty: the object itself.
    pub(crate) subresource: String,
}

impl Target {
    /// Reads a path; none where it does not point at a resource.
    pub(crate) fn parse(path: &str) -> Option<Target> {
        let mut parts: Vec<String> = Vec::new();
        for part in path.trim_matches('/').split('/') {
            parts.push(percent_decoded(part)?);
        }
        let mut parts = parts.iter().map(String::as_str).collect::<Vec<_>>().into_iter();
        let (group, version) = match parts.next()? {
            "api" => ("", parts.next()?),
            "apis" => (parts.next()?, parts.next()?),
            _ => return None,
        };
        let rest: Vec<&str> = parts.collect();
        let owned = str::to_owned;
        let target = |plural: &str, namespace: &str, name: &str, subresource: &str| Target {
            group: owned(group),
            version: owned(version),
            plural: owned(plural),
            namespace: owned(namespace),
            name: owned(name),
            subresource: owned(subresource),
        };
        Some(match rest.as_slice() {
            ["namespaces", name] if group.is_empty() => target("namespaces", "", name, ""),
            ["namespaces", name, sub @ ("status" | "finalize")] if group.is_empty() => {
                target("namespaces", "", name, sub)
            }
            ["namespaces", namespace, plural] => target(plural, namespace, "", ""),
            ["namespaces", namespace, plural, name] => target(plural, namespace, name, ""),
            ["namespaces", namespace, plural, name, sub] => target(plural, namespace, name, sub),
            [plural] if !plural.is_empty() => target(plural, "", "", ""),
            [plural, name] => target(plural, "", name, ""),
            [plural, name, sub] => target(plural, "", name, sub),
            _ => return None,
        })
    }
}

/// Undoes percent-encoding; none where it is broken.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16);
            let value = digit(rest.next())? * 16 + digit(rest.next())?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// How strictly unknown fields are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    /// Dropped silently.
    Ignore,
    /// Dropped with a warning header.
    #[default]
    Warn,
    /// Refused.
    Strict,
}

/// The options of a request's query.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, Vec<String>>);

impl Params {
    /// Reads the query.
    pub(crate) fn parse(uri: &Uri) -> Result<Params, Failure> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Failure::bad_request(format!("the query cannot be read: {error}")))?;
        let mut params: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in pairs.0 {
            params.entry(key).or_default().push(value);
        }
        Ok(Params(params))
    }

    /// A parameter's text, the first where it is given more than once; empty where it is not given.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.all(key).first().map(String::as_str).unwrap_or_default()
    }

    /// All that is given for a parameter.
    pub(crate) fn all(&self, key: &str) -> &[String] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Was the parameter given, whatever its value?
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Was the parameter given, and neither as `false` nor as `0`? An empty value counts as true.
    ///
    /// Source: `Convert_Slice_string_To_bool` in `k8s.io/apimachinery/pkg/runtime`.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.has(key) && self.text(key) != "0" && !self.text(key).eq_ignore_ascii_case("false")
    }

    /// A number that may be negative.
    pub(crate) fn signed(&self, key: &str) -> Result<Option<i64>, Failure> {
        let text = self.text(key);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error: std::num::ParseIntError| {
            let why = match error.kind() {
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            Failure::bad_request(format!("strconv.ParseInt: parsing \"{text}\": {why}"))
        })
    }

    /// A number.
    pub(crate) fn number(&self, key: &str) -> Result<Option<u64>, Failure> {
        match self.text(key) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| Failure::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<[&str; 6]>) {
        let found = Target::parse(path);
        let expected = expected.map(|[group, version, plural, namespace, name, subresource]| Target {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        });
        assert_eq!(found, expected, "{path}");
    }

    #[test]
    fn paths() {
        check("/api/v1/pods", Some(["", "v1", "pods", "", "", ""]));
        check("/api/v1/namespaces", Some(["", "v1", "namespaces", "", "", ""]));
        check("/api/v1/namespaces/a", Some(["", "v1", "namespaces", "", "a", ""]));
        check("/api/v1/namespaces/a/finalize", Some(["", "v1", "namespaces", "", "a", "finalize"]));
        check("/api/v1/namespaces/a/pods", Some(["", "v1", "pods", "a", "", ""]));
        check("/apis/apps/v1/namespaces/a/deployments/b", Some(["apps", "v1", "deployments", "a", "b", ""]));
        check("/apis/apps/v1/namespaces/a/deployments/b/scale", Some(["apps", "v1", "deployments", "a", "b", "scale"]));
        check("/apis/x.y/v1/things/a%3Ab", Some(["x.y", "v1", "things", "", "a:b", ""]));
        check("/apis/apps/v1", None);
        check("/healthz", None);
        check("/api/v1/pods/%zz", None);
    }
}
