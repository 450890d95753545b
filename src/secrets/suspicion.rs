//! What makes a variable of a container look like a secret: its name, or its value.

use regex::Regex;

/// Words at the end of a variable's name that mean that its value is secret.
const SECRET_WORDS: [&str; 12] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PWD",
    "SECRET",
    "SECRET_KEY",
    "TOKEN",
    "API_KEY",
    "APIKEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIALS",
];

/// Forms that only secrets have, each with what it is.
const FORMS: [(&str, &str); 9] = [
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    ("an access key of AWS", r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a token of GitHub", r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})\b"),
    ("a token of Slack", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("a key of Stripe", r"\b[rs]k_live_[A-Za-z0-9]{16,}\b"),
    ("an API key", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("a key of Google", r"\bAIza[0-9A-Za-z_-]{35}\b"),
    ("a signed token", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+"),
    ("a URL with a password", r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s:@]+@"),
];

/// The forms, ready to be compared with.
pub(crate) struct Suspicions(Vec<(&'static str, Regex)>);

impl Default for Suspicions {
    fn default() -> Self {
        Self(FORMS.iter().filter_map(|(what, form)| Some((*what, Regex::new(form).ok()?))).collect())
    }
}

impl Suspicions {
    /// Why a variable looks like a secret: it must not stand in a file, and is not shown. `None` where it does not.
    pub(crate) fn of(&self, name: &str, value: &str) -> Option<String> {
        if let Some((what, _)) = self.0.iter().find(|(_, form)| form.is_match(value)) {
            return Some(format!("its value looks like {what}"));
        }
        // Those who name variables otherwise mean the same.
        let name = name.to_ascii_uppercase().replace(['-', '.'], "_");
        let word = SECRET_WORDS
            .iter()
            .find(|word| name.strip_suffix(**word).is_some_and(|before| before.is_empty() || before.ends_with('_')))?;
        (!is_harmless(value)).then(|| format!("its name ends with {word}"))
    }
}

/// Switches and sizes are no secrets: `USE_TOKEN=true`, `MAX_TOKEN=4096`.
fn is_harmless(value: &str) -> bool {
    value.is_empty() || value.parse::<f64>().is_ok() || matches!(value, "true" | "false" | "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, value: &str, expect: Option<&str>) {
        assert_eq!(Suspicions::default().of(name, value).as_deref(), expect, "{name}={value}");
    }

    #[test]
    fn every_form_can_be_read() {
        assert_eq!(Suspicions::default().0.len(), FORMS.len());
    }

    #[test]
    fn names_tell() {
        check("DB_PASSWORD", "hunter2", Some("its name ends with PASSWORD"));
        check("TOKEN", "abc", Some("its name ends with TOKEN"));
        check("OPENAI_API_KEY", "abc", Some("its name ends with API_KEY"));
        check("db.password", "abc", Some("its name ends with PASSWORD"));
        check("Api-Key", "abc", Some("its name ends with API_KEY"));
        for (name, value) in [
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("MAX_TOKEN", "4096"),
            ("USE_TOKEN", "true"),
            ("DB_PASSWORD", ""),
            ("BROKEN", "abc"),
            ("LOG_LEVEL", "debug"),
            ("PUBLIC_KEY", "abc"),
        ] {
            check(name, value, None);
        }
    }

    #[test]
    fn values_tell() {
        let key = format!("AKIA{}", "Z".repeat(16));
        check("ANY", &key, Some("its value looks like an access key of AWS"));
        check("ANY", &format!("ghp_{}", "a".repeat(36)), Some("its value looks like a token of GitHub"));
        check("ANY", "postgres://app:pw@db/app", Some("its value looks like a URL with a password"));
        check("ANY", "postgres://db:5432/app", None);
        check("ANY", "-----BEGIN EC PRIVATE KEY-----", Some("its value looks like a private key"));
        check("ANY", "https://example.com/sk-learn", None);
    }
}
