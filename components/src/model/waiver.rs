//! A rule that a stack does not keep on purpose, with the reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::ServiceName;
use super::text::text_type;

text_type! {
    /// The id of a rule, such as `S-hardening-003`.
    RuleId, what: "rule id",
    expected: "`S-`, an area in lower-case letters, `-` and three digits, such as `S-hardening-003`",
    pattern: "^S-[a-z]{1,20}-[0-9]{3}$", max: 26,
    valid: |text| {
        let parts: Vec<&str> = text.split('-').collect();
        matches!(parts.as_slice(), ["S", area, number]
            if (1..=20).contains(&area.len()) && area.bytes().all(|byte| byte.is_ascii_lowercase())
                && number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

text_type! {
    /// Why a rule is not kept, in a sentence for those who read the findings.
    Reason, what: "reason",
    expected: "a sentence on one line, at least 10 characters and at most 400",
    pattern: r"^[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]{8,}[^\s\x00-\x1f\x7f]$", max: 400,
    valid: |text| {
        text.chars().count() >= 10 && text.trim() == text && !text.chars().any(|c| c.is_ascii_control())
    }
}

/// A finding that is known and accepted: it stops nothing, and is shown with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The rule. Only rules about how pods are hardened, what nodes they fit and how they run can be waived.
    pub rule: RuleId,
    /// The service that does not keep it; every service of the stack, when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Why.
    pub reason: Reason,
}
