//! Whose plans are carried out in an environment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::text_type;

/// What the public half of an Ed25519 key begins with as OpenSSH writes it: the name of the algorithm and the length of
/// what follows (RFC 8709, section 4), in base64.
const HEAD: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI";
/// Base64 digits after that.
const DIGITS: usize = 43;

fn signing_key(text: &str) -> bool {
    let Some(rest) = text.strip_prefix(HEAD) else { return false };
    let digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let (Some(key), Some(comment)) = (rest.get(..DIGITS), rest.get(DIGITS..)) else { return false };
    let told = comment
        .strip_prefix(' ')
        .is_some_and(|told| !told.is_empty() && told.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
    key.bytes().all(digit) && (comment.is_empty() || told)
}

text_type! {
    /// The public half of a key that plans are signed with, as `ssh-keygen -t ed25519` writes it into a `.pub` file.
    SigningKey, what: "signing key",
    expected: "a line of an OpenSSH public key file for Ed25519: `ssh-ed25519`, 68 digits of base64, and a comment or none",
    pattern: "^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}( [ -~]+)?$", max: 300, valid: signing_key
}

/// Which plans are carried out in an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanPolicy {
    /// Keys one of which must have signed a plan. Only saved plans are carried out then: what is made and carried out in
    /// one run is signed by nobody.
    #[schemars(length(min = 1))]
    pub signed_by: Vec<SigningKey>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: bool) {
        assert_eq!(SigningKey::new(text).is_ok(), expect, "{text}");
    }

    #[test]
    fn a_key_is_a_line_of_a_file() {
        let key = format!("{HEAD}{}", "Bc+/0".repeat(9).get(..DIGITS).unwrap_or_default());
        check(&key, true);
        check(&format!("{key} ci of the fleet"), true);
        check(&format!("{key} "), false);
        check(&format!("{key}\n"), false);
        check(&format!("{key}A"), false);
        check(key.get(..key.len() - 1).unwrap_or_default(), false);
        check(&key.replace("ssh-ed25519", "ssh-rsa"), false);
        check("", false);
    }
}
