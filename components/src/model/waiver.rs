//! A rule that a stack does not keep on purpose, with the reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::ServiceName;
use super::text::text_type;

/// Whether a text is a prefix in capitals, an area in lower-case letters and three digits.
fn is_rule_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts.as_slice(), [prefix, area, number]
        if (1..=10).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_uppercase())
            && (1..=20).contains(&area.len()) && area.bytes().all(|byte| byte.is_ascii_lowercase())
            && number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

text_type! {
    /// The id of a rule, such as `S-hardening-003`. Ids that begin with `S-` are those of the program's own rules.
    RuleId, what: "rule id",
    expected: "capitals (`S` for the program's own rules), `-`, an area in lower-case letters, `-` and three digits, such as `S-hardening-003`",
    pattern: "^[A-Z]{1,10}-[a-z]{1,20}-[0-9]{3}$", max: 35,
    valid: is_rule_id
}

text_type! {
    /// The id of a rule of the user's own, such as `ACME-images-001`.
    PolicyId, what: "id of a policy",
    expected: "capitals other than a single `S`, `-`, an area in lower-case letters, `-` and three digits, such as `ACME-images-001`",
    pattern: "^([A-RT-Z]|[A-Z]{2,10})-[a-z]{1,20}-[0-9]{3}$", max: 35,
    valid: |text| is_rule_id(text) && !text.starts_with("S-")
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
    /// The rule. Of the program's own, only rules about how pods are hardened, what nodes they fit and how they run can be
    /// waived.
    pub rule: RuleId,
    /// The service that does not keep it; every service of the stack, when none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// Why.
    pub reason: Reason,
}
