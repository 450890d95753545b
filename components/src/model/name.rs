//! Names of the things a stack and an environment are made of. A name is checked for its form here; whether what
//! it names exists is a question for the whole stack.

use super::text::{text_type, words};

text_type! {
    /// The name of a stack, such as `sophia`. It becomes part of object names and of the field manager's name.
    ///
    /// ```
    /// use strata_components::model::StackName;
    /// assert!(StackName::new("mcp-network").is_ok());
    /// assert!(StackName::new("MCP network").is_err());
    /// ```
    StackName, what: "stack name",
    expected: "lower-case letters and digits, words joined by `-`, a letter first, at most 63 characters",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max: 63, valid: |text| words(text, '-')
}

text_type! {
    /// The name of an environment, such as `production`.
    EnvironmentName, what: "environment name",
    expected: "lower-case letters and digits, words joined by `-`, a letter first, at most 63 characters",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max: 63, valid: |text| words(text, '-')
}

text_type! {
    /// The name of a service, such as `ai_memory`. Its Kubernetes objects are called `ai-memory-mcp`, hence the
    /// limit of 59 characters: with `-mcp` it must still be a label of the domain name system (RFC 1035, 63).
    ServiceName, what: "service name",
    expected: "lower-case letters and digits, words joined by `_`, a letter first, at most 59 characters",
    pattern: "^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max: 59, valid: |text| words(text, '_')
}

impl ServiceName {
    /// The name in the manner of Kubernetes: `ai_memory` becomes `ai-memory`. No two services share one, because
    /// a service name holds no `-` itself.
    #[must_use]
    pub fn kebab(&self) -> String {
        self.as_str().replace('_', "-")
    }

    /// The name of the service's objects, and of its Service in the cluster's domain name system: `ai-memory-mcp`.
    ///
    /// ```
    /// use strata_components::model::ServiceName;
    /// assert_eq!(ServiceName::new("ai_memory")?.object_name(), "ai-memory-mcp");
    /// # Ok::<(), strata_components::model::TextError>(())
    /// ```
    #[must_use]
    pub fn object_name(&self) -> String {
        format!("{}-mcp", self.kebab())
    }
}

text_type! {
    /// The name of a tier, such as `core`.
    TierName, what: "tier name",
    expected: "lower-case letters and digits, words joined by `-`, a letter first, at most 63 characters",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max: 63, valid: |text| words(text, '-')
}

text_type! {
    /// The name of a startup phase, such as `orchestration`.
    PhaseName, what: "phase name",
    expected: "lower-case letters and digits, words joined by `-`, a letter first, at most 63 characters",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max: 63, valid: |text| words(text, '-')
}

text_type! {
    /// The name of a Kubernetes namespace.
    NamespaceName, what: "namespace name",
    expected: "lower-case letters and digits, words joined by `-`, a letter first, at most 63 characters",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max: 63, valid: |text| words(text, '-')
}

impl NamespaceName {
    /// A name that is known to be valid.
    pub(crate) fn known(text: &'static str) -> Self {
        debug_assert!(Self::new(text).is_ok(), "{text}");
        Self(text.to_owned())
    }
}

text_type! {
    /// The name of a cluster in an environment file.
    ClusterName, what: "cluster name",
    expected: "lower-case letters and digits, words joined by `-`, a letter first, at most 63 characters",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max: 63, valid: |text| words(text, '-')
}

text_type! {
    /// What tells apart several instances of one stack in one environment (`--instance pr-7`). Unlike other names
    /// it may begin with a digit.
    InstanceSuffix, what: "instance name",
    expected: "lower-case letters and digits, words joined by `-`, at most 40 characters",
    pattern: "^[a-z0-9]+(-[a-z0-9]+)*$", max: 40, valid: |text| {
        !text.is_empty() && !text.starts_with('-') && words(&format!("a{text}"), '-')
    }
}

text_type! {
    /// What a tier's range is called in the port registry: `core_ai` gives the entry `core_ai_range`.
    RangeName, what: "range name",
    expected: "lower-case letters and digits, words joined by `_`, a letter first, at most 59 characters",
    pattern: "^[a-z][a-z0-9]*(_[a-z0-9]+)*$", max: 59, valid: |text| words(text, '_')
}
