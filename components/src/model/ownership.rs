//! Who may hold fields of live objects: what the stack leaves to others, what it takes from them, and which existing
//! objects become its own.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::ServiceName;
use super::text::text_type;

text_type! {
    /// A field and what lies below it, as a plan shows paths: `.spec.replicas`,
    /// `.spec.template.spec.containers[name="server"].image`. `["example.com/a"]` is a field whose name is no plain
    /// word, and `[*]` stands for any item.
    FieldPathText, what: "field path",
    expected: "steps such as `.spec`, `[\"example.com/a\"]`, `[name=\"server\"]` or `[*]`, at least one",
    pattern: r#"^(\.[A-Za-z0-9_$-]+|\[\*\]|\["[^"\\\x00-\x1f]+"\]|\[=("[^"\\\x00-\x1f]*"|0|-?[1-9][0-9]{0,8}|true|false)\]|\[[A-Za-z0-9_$-]+=("[^"\\\x00-\x1f]*"|0|-?[1-9][0-9]{0,8}|true|false)(,[A-Za-z0-9_$-]+=("[^"\\\x00-\x1f]*"|0|-?[1-9][0-9]{0,8}|true|false))*\])+$"#,
    max: 500,
    valid: |text| text.parse::<structured_merge::FieldPattern>().is_ok_and(|pattern| !pattern.0.is_empty())
}

text_type! {
    /// The kind of a Kubernetes object, such as `Deployment`.
    KindName, what: "kind",
    expected: "a word of letters and digits with a capital first, such as `Deployment`",
    pattern: "^[A-Z][A-Za-z0-9]*$", max: 63,
    valid: |text| {
        text.starts_with(|c: char| c.is_ascii_uppercase()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }
}

text_type! {
    /// The name of a field manager, such as `keda-operator`; a `*` at the end stands for any ending.
    ManagerName, what: "field manager",
    expected: "up to 128 printable characters, with `*` at most at the end",
    pattern: r"^([^\s*]+\*?|\*)$", max: 128,
    valid: |text| {
        let name = text.strip_suffix('*').unwrap_or(text);
        !text.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '*')
    }
}

impl ManagerName {
    /// Whether a manager of this name is meant.
    ///
    /// ```
    /// use strata_components::model::ManagerName;
    /// let kubectl = ManagerName::new("kubectl-*")?;
    /// assert!(kubectl.means("kubectl-edit") && !kubectl.means("helm"));
    /// # Ok::<(), strata_components::model::TextError>(())
    /// ```
    #[must_use]
    pub fn means(&self, manager: &str) -> bool {
        match self.as_str().strip_suffix('*') {
            Some(beginning) => manager.starts_with(beginning),
            None => self.as_str() == manager,
        }
    }
}

text_type! {
    /// An object of the stack by kind and name, such as `Deployment/ai-memory-mcp`.
    KindAndName, what: "object",
    expected: "`Kind/name`, such as `Deployment/ai-memory-mcp`",
    pattern: "^[A-Z][A-Za-z0-9]*/[a-z0-9]([a-z0-9.:-]*[a-z0-9])?$", max: 317,
    valid: |text| text.split_once('/').is_some_and(|(kind, name)| {
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".:-".contains(&c);
        let ends = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        KindName::new(kind).is_ok()
            && name.bytes().all(inner)
            && ends(name.as_bytes().first())
            && ends(name.as_bytes().last())
    })
}

/// What is done about a field that the stack sets and another field manager holds with another value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FieldPolicy {
    /// The plan is blocked.
    #[default]
    Fail,
    /// The stack takes the field.
    Take,
    /// The other keeps the field and its value; the difference is none.
    Leave,
}

/// What is done about fields that others hold. The first rule that fits decides; without one, the plan is blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// The field, with all that lies below it; every field, when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<FieldPathText>,
    /// The kind of the objects; every kind, when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<KindName>,
    /// The service that the objects belong to; every object of the stack, when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// The manager that holds the field; anybody, when none is named. A `*` at the end stands for any ending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<ManagerName>,
    /// What is done.
    pub policy: FieldPolicy,
}

/// An object that exists and belongs to nobody, and becomes the stack's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Adoption {
    /// The object.
    pub object: KindAndName,
    /// Managers that made it by client-side means, whose fields become the stack's as well, so that what the stack does
    /// not say goes. `kubectl-client-side-apply` is always one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<ManagerName>,
}

/// Who may hold what on live objects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ownership {
    /// What is done about fields that others hold, in the order in which rules are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldRule>,
    /// Objects that exist already and become the stack's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopt: Vec<Adoption>,
}

impl Ownership {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.adopt.is_empty()
    }

    /// The adoption of an object, where the stack asks for it.
    #[must_use]
    pub fn adoption(&self, kind: &str, name: &str) -> Option<&Adoption> {
        self.adopt.iter().find(|adoption| adoption.object.as_str().split_once('/') == Some((kind, name)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn texts_have_their_forms() {
        let path = |text: &str| FieldPathText::new(text).is_ok();
        assert!(
            path(".spec.replicas") && path(r#".a["b/c"][name="x"][*]"#) && path(r#".ports[port=80,protocol="TCP"]"#)
        );
        assert!(!path("") && !path("spec") && !path(".a[") && !path(".a b"));
        let object = |text: &str| KindAndName::new(text).is_ok();
        assert!(object("Deployment/a-mcp") && object("ClusterRole/system:x") && !object("deployment/a"));
        assert!(!object("Deployment/") && !object("Deployment/-a") && !object("Deployment/a/b"));
        let manager = |text: &str| ManagerName::new(text).is_ok();
        assert!(manager("helm") && manager("kubectl-*") && manager("*") && !manager("a*b") && !manager("a b"));
    }
}
