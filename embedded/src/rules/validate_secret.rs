//! What the server refuses in the contents of a ConfigMap and of a Secret, and what it warns of in a key pair. Wording as
//! in `k8s.io/kubernetes/pkg/apis/core/validation` and, of key pairs, as in Go's `crypto/tls`. Keys and certificates are
//! not read further than that they are PEM.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::decoding;
use crate::failure::Cause;
use crate::object;

/// How much one object may hold, in bytes.
const MOST: usize = 1024 * 1024;

/// A ConfigMap.
pub(super) fn config_map(value: &Value, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (key, text) in object::entries(value, "/data") {
        self::key(key, "data", causes);
        if value.pointer("/binaryData").is_some_and(|binary| binary.get(key).is_some()) {
            let why = "duplicate of key present in binaryData";
            causes.push(Cause::invalid(format!("data[{key}]"), &json!(key), why));
        }
        size += text.as_str().unwrap_or_default().len();
    }
    for (key, encoded) in object::entries(value, "/binaryData") {
        self::key(key, "binaryData", causes);
        size += decoded(Some(encoded)).map_or(0, |bytes| bytes.len());
    }
    if size > MOST {
        causes.push(Cause::too_long("", MOST));
    }
}

fn key(key: &str, map: &str, causes: &mut Vec<Cause>) {
    if key == ".." || key == "." {
        causes.push(Cause::invalid(format!("{map}[{key}]"), &json!(key), &format!("must not be '{key}'")));
        return;
    }
    let shaped = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !shaped {
        let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
        causes.push(Cause::invalid(format!("{map}[{key}]"), &json!(key), why));
    }
}

/// A Secret, whose texts have become data.
pub(super) fn secret(value: &Value, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (key, encoded) in object::entries(value, "/data") {
        self::key(key, "data", causes);
        size += decoded(Some(encoded)).map_or(0, |bytes| bytes.len());
    }
    if size > MOST {
        causes.push(Cause::too_long("data", MOST));
    }
    let held = |key: &str| value.get("data").and_then(|data| data.get(key));
    let missing = |key: &str| Cause::required(format!("data[{key}]"), "");
    match object::text(value, "/type") {
        "kubernetes.io/service-account-token" => {
            const OWNER: &str = "kubernetes.io/service-account.name";
            if object::annotation(value, OWNER).unwrap_or_default().is_empty() {
                causes.push(Cause::required(format!("metadata.annotations[{OWNER}]"), ""));
            }
        }
        "kubernetes.io/tls" => {
            causes.extend(["tls.crt", "tls.key"].into_iter().filter(|key| held(key).is_none()).map(missing));
        }
        "kubernetes.io/basic-auth" => {
            let keys = ["username", "password"];
            if keys.iter().all(|key| held(key).is_none()) {
                causes.extend(keys.map(missing));
            }
        }
        "kubernetes.io/ssh-auth" => {
            const KEY: &str = "ssh-privatekey";
            if decoded(held(KEY)).unwrap_or_default().is_empty() {
                causes.push(missing(KEY));
            }
        }
        kind @ ("kubernetes.io/dockerconfigjson" | "kubernetes.io/dockercfg") => {
            let key = if kind.ends_with("json") { ".dockerconfigjson" } else { ".dockercfg" };
            match decoded(held(key)) {
                None => causes.push(missing(key)),
                Some(bytes) => {
                    if let Err(why) = decoding::json_map(&bytes) {
                        let hidden = json!("<secret contents redacted>");
                        causes.push(Cause::invalid(format!("data[{key}]"), &hidden, &why));
                    }
                }
            }
        }
        _ => {}
    }
}

fn decoded(encoded: Option<&Value>) -> Option<Vec<u8>> {
    STANDARD.decode(encoded?.as_str()?).ok()
}

/// What is warned of in a Secret: a key pair that is none.
pub(super) fn secret_warning(value: &Value) -> Option<String> {
    if object::text(value, "/type") != "kubernetes.io/tls" {
        return None;
    }
    let held = |key: &str| decoded(value.get("data").and_then(|data| data.get(key))).unwrap_or_default();
    let (certificate, private) = (held("tls.crt"), held("tls.key"));
    let (certificate, private) = (String::from_utf8_lossy(&certificate), String::from_utf8_lossy(&private));
    no_certificate(&blocks(&certificate)).or_else(|| no_key(&blocks(&private)))
}

fn no_certificate(blocks: &[&str]) -> Option<String> {
    if blocks.contains(&"CERTIFICATE") {
        return None;
    }
    Some(match blocks {
        [] => "tls: failed to find any PEM data in certificate input".to_owned(),
        [only] if only.ends_with("PRIVATE KEY") => {
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".to_owned()
        }
        blocks => format!(
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{}]",
            blocks.join(" ")
        ),
    })
}

fn no_key(blocks: &[&str]) -> Option<String> {
    if blocks.iter().any(|kind| *kind == "PRIVATE KEY" || kind.ends_with(" PRIVATE KEY")) {
        return None;
    }
    Some(match blocks {
        [] => "tls: failed to find any PEM data in key input".to_owned(),
        ["CERTIFICATE"] => "tls: found a certificate rather than a key in the PEM for the private key".to_owned(),
        blocks => format!(
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{}]",
            blocks.join(" ")
        ),
    })
}

/// The types of the PEM blocks in a text.
fn blocks(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("-----BEGIN ") {
        let Some((kind, body)) = after.split_once("-----") else { break };
        match body.split_once(&format!("-----END {kind}-----")) {
            Some((inner, left)) => {
                let body: String = inner.split_whitespace().collect();
                if STANDARD.decode(body).is_ok() {
                    found.push(kind);
                }
                rest = left;
            }
            None => rest = body,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nYWJj\n-----END RSA PRIVATE KEY-----\n";

    #[track_caller]
    fn check(certificate: &str, key: &str, expected: Option<&str>) {
        let data = json!({"tls.crt": STANDARD.encode(certificate), "tls.key": STANDARD.encode(key)});
        let found = secret_warning(&json!({"type": "kubernetes.io/tls", "data": data}));
        assert_eq!(found.as_deref(), expected);
    }

    #[test]
    fn a_key_pair_that_is_none_is_warned_of() {
        check(CERTIFICATE, KEY, None);
        check("text", KEY, Some("tls: failed to find any PEM data in certificate input"));
        check(CERTIFICATE, "", Some("tls: failed to find any PEM data in key input"));
        check(
            KEY,
            CERTIFICATE,
            Some(
                "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
            ),
        );
        check(
            CERTIFICATE,
            CERTIFICATE,
            Some("tls: found a certificate rather than a key in the PEM for the private key"),
        );
    }
}
