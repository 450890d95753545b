//! What a file in policies/ says: rules of the user's own, in the words of Kubernetes' ValidatingAdmissionPolicy
//! (<https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>), so that what stands under
//! `spec` there can stand here. Here it is data; what it means is said in [`super::judge`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strata_components::model::{PolicyId, Reason};

use crate::finding::Level;

/// A file in policies/.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The policies, each by its rule id, which findings name and waivers refer to.
    pub policies: BTreeMap<PolicyId, AdmissionPolicy>,
}

/// A rule of the user's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AdmissionPolicy {
    /// What it asks for, in a sentence.
    pub title: Reason,
    /// How much its findings matter. An error stops every command that would go on.
    pub level: Level,
    /// What to do about a finding, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Reason>,
    /// Whether a stack may waive it.
    #[serde(default = "yes")]
    pub waivable: bool,
    /// The objects that it is asked about, one after the other. Without it, the policy is asked once, about the whole
    /// of what is desired or planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_constraints: Option<MatchConstraints>,
    /// Conditions that must all be true, or else the policy is not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_conditions: Vec<NamedExpression>,
    /// Values that its expressions have as `params`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    /// Values that later expressions have as `variables.NAME`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<NamedExpression>,
    /// What must be true.
    #[schemars(length(min = 1))]
    pub validations: Vec<Validation>,
    /// What comes of an expression that cannot be evaluated.
    #[serde(default)]
    pub failure_policy: FailurePolicy,
}

const fn yes() -> bool {
    true
}

/// What comes of an expression that cannot be evaluated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailurePolicy {
    /// A finding.
    #[default]
    Fail,
    /// Nothing.
    Ignore,
}

/// Which objects a policy is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MatchConstraints {
    /// Objects of which one of these is true.
    #[schemars(length(min = 1))]
    pub resource_rules: Vec<ResourceRule>,
    /// Objects that are left out all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_resource_rules: Vec<ResourceRule>,
    /// The labels of the object, or of the one that goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_selector: Option<LabelSelector>,
    /// The labels of the namespace that the object is in, as far as the stack gives them. Objects without a namespace
    /// are not left out by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
}

/// Kinds of objects, and what happens to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ResourceRule {
    /// API groups, `""` for the core group and `*` for all.
    pub api_groups: Vec<String>,
    /// API versions; `*` for all.
    pub api_versions: Vec<String>,
    /// What happens to them; `*` for anything.
    pub operations: Vec<Operations>,
    /// Kinds in their plural, such as `deployments`; `*` for all.
    pub resources: Vec<String>,
    /// Names of objects; all, when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Objects in a namespace, without one, or both.
    #[serde(default)]
    pub scope: Scope,
}

/// What happens to an object, as a rule names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operations {
    /// It is created.
    #[serde(rename = "CREATE")]
    Create,
    /// It is changed.
    #[serde(rename = "UPDATE")]
    Update,
    /// It is deleted.
    #[serde(rename = "DELETE")]
    Delete,
    /// Any of these.
    #[serde(rename = "*")]
    All,
}

/// Objects in a namespace, or without one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scope {
    /// Those without a namespace.
    Cluster,
    /// Those in a namespace.
    Namespaced,
    /// Both.
    #[default]
    #[serde(rename = "*")]
    All,
}

/// Conditions on labels that must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that are there with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on single labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelCondition>,
}

/// A condition on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelCondition {
    /// The label.
    pub key: String,
    /// What is asked of it.
    pub operator: LabelOperator,
    /// Values for `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// What is asked of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// It has one of the values.
    In,
    /// It is not there, or has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// An expression with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedExpression {
    /// Its name.
    pub name: String,
    /// The expression.
    pub expression: String,
}

/// What must be true, and what is said where it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Validation {
    /// The expression.
    pub expression: String,
    /// What is said; the title of the policy, when nothing is given here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Reason>,
    /// An expression for what is said, in place of `message`; that stands in where it cannot be evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_expression: Option<String>,
    /// A word for machines, which Kubernetes has and nothing here needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
