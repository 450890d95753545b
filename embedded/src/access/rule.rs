//! One rule of a role: what it allows, whether it covers another rule, and how the server writes it in a message. Looks
//! nothing up.
//!
//! Source: `k8s.io/kubernetes/pkg/apis/rbac/v1/evaluation_helpers.go` and
//! `k8s.io/component-helpers/auth/rbac/validation/policy_comparator.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::attributes::Attributes;
use crate::object;

/// A `PolicyRule`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) groups: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) urls: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) verbs: Vec<String>,
}

fn has(set: &[String], wanted: &str) -> bool {
    set.iter().any(|entry| entry == wanted)
}

fn has_all(set: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|entry| has(set, entry))
}

/// Does a URL of a rule, which may end in `*`, reach the path?
fn url_reaches(url: &str, path: &str) -> bool {
    url == path || url.ends_with('*') && path.starts_with(url.trim_end_matches('*'))
}

impl Rule {
    /// The rules of a role.
    pub(crate) fn all_of(role: &Value) -> Vec<Rule> {
        object::items(role, "/rules").iter().map(Rule::read).collect()
    }

    fn read(value: &Value) -> Rule {
        let texts = |pointer: &str| -> Vec<String> {
            object::items(value, pointer).iter().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Rule {
            groups: texts("/apiGroups"),
            resources: texts("/resources"),
            urls: texts("/nonResourceURLs"),
            names: texts("/resourceNames"),
            verbs: texts("/verbs"),
        }
    }

    /// Everything, by every verb: what only an administrator holds.
    pub(crate) fn everything() -> [Rule; 2] {
        let star = || vec!["*".to_owned()];
        [
            Rule { groups: star(), resources: star(), verbs: star(), ..Rule::default() },
            Rule { urls: star(), verbs: star(), ..Rule::default() },
        ]
    }

    /// Does the rule allow this?
    pub(crate) fn allows(&self, wanted: &Attributes) -> bool {
        let either = |set: &[String], value: &str| has(set, "*") || has(set, value);
        if !either(&self.verbs, &wanted.verb) {
            return false;
        }
        if let Some(path) = &wanted.path {
            return self.urls.iter().any(|url| url_reaches(url, path));
        }
        let below = |resource: &String| {
            !wanted.subresource.is_empty()
                && resource.strip_prefix("*/").is_some_and(|subresource| subresource == wanted.subresource)
        };
        either(&self.groups, &wanted.group)
            && (either(&self.resources, &wanted.combined()) || self.resources.iter().any(below))
            && (self.names.is_empty() || has(&self.names, &wanted.name))
    }

    /// The same as rules of one verb, one resource and at most one name each.
    fn parts(&self) -> Vec<Rule> {
        let one = |text: &String| vec![text.clone()];
        let mut parts = Vec::new();
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let whole =
                        Rule { groups: one(group), resources: one(resource), verbs: one(verb), ..Rule::default() };
                    if self.names.is_empty() {
                        parts.push(whole);
                    } else {
                        parts.extend(self.names.iter().map(|name| Rule { names: one(name), ..whole.clone() }));
                    }
                }
            }
        }
        for url in &self.urls {
            parts.extend(self.verbs.iter().map(|verb| Rule { urls: one(url), verbs: one(verb), ..Rule::default() }));
        }
        parts
    }

    /// Does the rule allow all that `part`, a rule of single entries, allows?
    fn covers(&self, part: &Rule) -> bool {
        let either = |set: &[String], wanted: &[String]| has(set, "*") || has_all(set, wanted);
        let resource = |path: &String| {
            has(&self.resources, path)
                || path.split_once('/').is_some_and(|(_, below)| has(&self.resources, &format!("*/{below}")))
        };
        either(&self.verbs, &part.verbs)
            && either(&self.groups, &part.groups)
            && (has(&self.resources, "*") || part.resources.iter().all(resource))
            && part.urls.iter().all(|path| self.urls.iter().any(|url| url_reaches(url, path)))
            && (self.names.is_empty() || !part.names.is_empty() && has_all(&self.names, &part.names))
    }

    /// What of `wanted` the rules that somebody holds do not cover, in the form and order a message shows it.
    pub(crate) fn missing(held: &[Rule], wanted: &[Rule]) -> Vec<String> {
        let mut lines = BTreeSet::new();
        // Parts that differ by verb alone, by what they have in common.
        let mut simple: BTreeMap<Rule, Rule> = BTreeMap::new();
        for part in wanted.iter().flat_map(Rule::parts) {
            if held.iter().any(|rule| rule.covers(&part)) {
                continue;
            }
            if part.urls.is_empty() {
                let same = Rule { verbs: Vec::new(), ..part.clone() };
                match simple.get_mut(&same) {
                    Some(known) => known.verbs.extend(part.verbs),
                    None => {
                        simple.insert(same, part);
                    }
                }
            } else {
                lines.insert(part.to_string());
            }
        }
        lines.extend(simple.values().map(ToString::to_string));
        lines.into_iter().collect()
    }
}

impl fmt::Display for Rule {
    /// `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ]
        .into_iter()
        .filter(|(_, entries)| !entries.is_empty())
        .map(|(name, entries)| format!("{name}:{}", quoted(entries)))
        .collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

/// Texts as Go's `%q` prints a slice of them: `["a" "b"]`.
pub(crate) fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", texts.join(" "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn wanted(verb: &str, group: &str, combined: &str, name: &str) -> Attributes {
        let (resource, subresource) = combined.split_once('/').unwrap_or((combined, ""));
        let owned = str::to_owned;
        Attributes {
            verb: owned(verb),
            group: owned(group),
            resource: owned(resource),
            subresource: owned(subresource),
            name: owned(name),
            ..Attributes::default()
        }
    }

    #[track_caller]
    fn check(rule: Value, asked: [&str; 4], allowed: bool) {
        let [verb, group, resource, name] = asked;
        let found = Rule::read(&rule).allows(&wanted(verb, group, resource, name));
        assert_eq!(found, allowed, "{rule} {asked:?}");
    }

    #[test]
    fn rules_of_resources() {
        let pods = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]});
        check(pods.clone(), ["get", "", "pods", "x"], true);
        check(pods.clone(), ["watch", "", "pods", ""], false);
        check(pods.clone(), ["get", "apps", "pods", "x"], false);
        check(pods, ["get", "", "pods/log", "x"], false);
        let named = json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["a"]});
        check(named.clone(), ["get", "apps", "deployments/scale", "a"], true);
        check(named.clone(), ["get", "apps", "deployments", "b"], false);
        check(named, ["list", "apps", "deployments", ""], false);
        let scales = json!({"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["patch"]});
        check(scales.clone(), ["patch", "apps", "deployments/scale", "a"], true);
        check(scales.clone(), ["patch", "apps", "deployments", "a"], false);
        check(scales, ["patch", "apps", "deployments/status", "a"], false);
        check(json!({"nonResourceURLs": ["*"], "verbs": ["*"]}), ["get", "", "pods", "x"], false);
    }

    #[track_caller]
    fn check_path(urls: Value, path: &str, allowed: bool) {
        let rule = Rule::read(&json!({"nonResourceURLs": urls, "verbs": ["get"]}));
        let asked = Attributes { verb: "get".to_owned(), path: Some(path.to_owned()), ..Attributes::default() };
        assert_eq!(rule.allows(&asked), allowed, "{urls} {path}");
    }

    #[test]
    fn rules_of_paths() {
        check_path(json!(["/healthz"]), "/healthz", true);
        check_path(json!(["/healthz"]), "/healthz/ping", false);
        check_path(json!(["/apis/*"]), "/apis/apps/v1", true);
        check_path(json!(["/apis/*"]), "/apis", false);
        check_path(json!(["*"]), "/anything", true);
    }

    #[test]
    fn what_is_missing_is_told_by_resource() {
        let held = Rule::read(&json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}));
        let wanted = [
            json!({"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get", "list"]}),
            json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"], "resourceNames": ["c"]}),
            json!({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}),
            json!({"nonResourceURLs": ["/x", "/y"], "verbs": ["get"]}),
        ]
        .map(|rule| Rule::read(&rule));
        assert_eq!(
            Rule::missing(&[held], &wanted),
            [
                r#"{APIGroups:[""], Resources:["pods"], ResourceNames:["c"], Verbs:["list"]}"#,
                r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#,
                r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}"#,
                r#"{NonResourceURLs:["/x"], Verbs:["get"]}"#,
                r#"{NonResourceURLs:["/y"], Verbs:["get"]}"#,
            ]
        );
        assert_eq!(Rule::missing(&Rule::everything(), &wanted), Vec::<String>::new());
    }

    fn some(words: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
        proptest::sample::subsequence(words, 0..words.len())
            .prop_map(|words| words.into_iter().map(str::to_owned).collect())
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        (some(&["", "apps", "*"]), some(&["pods", "pods/log", "*/log", "*"]), some(&["a", "b"]), some(&["get", "*"]))
            .prop_map(|(groups, resources, names, verbs)| Rule { groups, resources, names, verbs, urls: Vec::new() })
    }

    proptest! {
        /// Whoever holds rules that cover a role may do whatever the role allows.
        #[test]
        fn what_is_covered_is_allowed(
            held in prop::collection::vec(any_rule(), 0..4),
            role in prop::collection::vec(any_rule(), 0..3),
        ) {
            prop_assume!(Rule::missing(&held, &role).is_empty());
            for verb in ["get", "list"] {
                for group in ["", "apps"] {
                    for resource in ["pods", "pods/log", "jobs", "jobs/log"] {
                        for name in ["", "a", "c"] {
                            let asked = wanted(verb, group, resource, name);
                            if role.iter().any(|rule| rule.allows(&asked)) {
                                prop_assert!(held.iter().any(|rule| rule.allows(&asked)), "{asked:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}
