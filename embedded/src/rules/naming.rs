//! Names: those the server makes up, and what a name, label or annotation may look like. Wording as in
//! `k8s.io/apimachinery/pkg/util/validation`.

/// The letters of generated names: no vowels and nothing that looks like another.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// `count` random letters.
pub(crate) fn letters(count: usize) -> String {
    let mut text = String::with_capacity(count);
    while text.len() < count {
        for byte in uuid::Uuid::new_v4().into_bytes() {
            if let Some(letter) = LETTERS.get(usize::from(byte) % LETTERS.len())
                && text.len() < count
            {
                text.push(char::from(*letter));
            }
        }
    }
    text
}

/// A prefix with five random letters, within 63 bytes.
pub(crate) fn generated(prefix: &str) -> String {
    let kept: String = prefix.chars().take(58).collect();
    format!("{kept}{}", letters(5))
}

/// A hash as it stands in a pod template's label: digits written with letters that no bad word is made of.
pub(crate) fn hash(value: &serde_json::Value) -> String {
    // FNV-1a over the canonical text. The real server hashes Go's print-out of the template, which cannot be had here;
    // only the form of the result is the same.
    let mut hash: u32 = 0x811c_9dc5;
    for byte in value.to_string().bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.to_string()
        .bytes()
        .filter_map(|b| LETTERS.get(usize::from(b) % LETTERS.len()))
        .map(|b| char::from(*b))
        .collect()
}

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// What is wrong with a DNS subdomain; nothing where it is one.
pub(crate) fn subdomain(text: &str) -> Vec<String> {
    let shaped = text.split('.').all(is_label);
    faults(text, 253, shaped, SUBDOMAIN)
}

/// What is wrong with a DNS label.
pub(crate) fn label(text: &str) -> Vec<String> {
    // What would do as a subdomain is only told of its dots.
    let rule = if subdomain(text).is_empty() { "must not contain dots" } else { LABEL };
    faults(text, 63, is_label(text), rule)
}

/// What is wrong with a DNS label of the older kind, which begins with a letter: the name of a Service, and those of a
/// custom resource definition.
pub(crate) fn label_1035(text: &str) -> Vec<String> {
    faults(text, 63, is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase()), LABEL_1035)
}

/// What is wrong with a label's value.
pub(crate) fn label_value(text: &str) -> Vec<String> {
    faults(text, 63, text.is_empty() || is_name_part(text), LABEL_VALUE)
}

/// What is wrong with the key of a label, annotation or taint.
pub(crate) fn qualified_name(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let mut found = Vec::new();
    match prefix {
        Some("") => found.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => found.extend(subdomain(prefix).into_iter().map(|fault| format!("prefix part {fault}"))),
        None => {}
    }
    if name.is_empty() {
        found.push("name part must be non-empty".to_owned());
    }
    if name.len() > 63 {
        found.push("name part must be no more than 63 bytes".to_owned());
    }
    if !is_name_part(name) {
        found.push(QUALIFIED_NAME.to_owned());
    }
    found
}

/// What is wrong with the name of a port: at most 15 of `a-z0-9-`, at least one letter.
pub(crate) fn port_name(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if text.len() > 15 {
        found.push("must be no more than 15 characters".to_owned());
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        found.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        found.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        found.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        found.push("must not begin or end with a hyphen".to_owned());
    }
    found
}

/// A text that stands in a path.
pub(crate) fn path_segment(name: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if matches!(name, "." | "..") {
        faults.push(format!("may not be '{name}'"));
    }
    for part in ["/", "%"] {
        if name.contains(part) {
            faults.push(format!("may not contain '{part}'"));
        }
    }
    faults
}

fn faults(text: &str, limit: usize, shaped: bool, rule: &str) -> Vec<String> {
    let mut found = Vec::new();
    if text.len() > limit {
        found.push(format!("must be no more than {limit} bytes"));
    }
    if !shaped {
        found.push(rule.to_owned());
    }
    found
}

fn is_label(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_name_part(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// What is said of a finalizer that does not say whose it is.
pub(super) const UNQUALIFIED_FINALIZER: &str = "name is neither a standard finalizer name nor is it fully qualified";

/// Is it one of the server's own finalizers?
pub(super) fn is_standard_finalizer(finalizer: &str) -> bool {
    ["kubernetes", "orphan", "foregroundDeletion"].contains(&finalizer)
}
