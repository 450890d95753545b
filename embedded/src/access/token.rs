//! Tokens of ServiceAccounts: made for a `TokenRequest`, and read again from a request that shows one. A token is a JSON
//! web token signed (HMAC-SHA256) with a key of the cluster's own; it lapses by the cluster's clock, and with the
//! account or object that it is bound to. Nothing of a token is stored.
//!
//! Source of the claims and of what makes a token invalid: `k8s.io/kubernetes/pkg/serviceaccount/claims.go`. A real
//! server signs with RSA; no client looks at that.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::identity::{Identity, account_name};
use crate::object;
use crate::store::{Key, Txn};

/// Who issues the tokens, and whom they are for where a request does not say.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// How long after its end a token is still taken, in seconds: clocks differ.
const LEEWAY: i64 = 60;
/// What is said of a token that nobody knows.
pub(crate) const UNKNOWN: &str = "invalid bearer token";

/// Where the cluster's signing key is kept: under no served resource, so that no request can read it.
fn key_place() -> Key {
    Key::new("kube-embedded/keys", "", "service-accounts")
}

/// Makes the signing key where there is none yet.
pub(crate) fn ensure_key(txn: &mut Txn<'_>) {
    if txn.get(&key_place()).is_none() {
        let secret = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        txn.put(key_place(), json!({"metadata": {"name": "service-accounts"}, "key": secret}));
    }
}

/// What a token is bound to, beside its account: it ends with that object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bound {
    /// `pod`, `secret` or `node`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) uid: String,
    /// The node that a pod runs on: name and uid, the uid empty where the node is not there.
    pub(crate) node: Option<(String, String)>,
}

/// A token for an account.
pub(crate) fn issue(
    txn: &Txn<'_>,
    account: &Value,
    audiences: &[String],
    seconds: i64,
    bound: Option<&Bound>,
) -> Option<String> {
    let key = txn.get(&key_place())?;
    let (namespace, name) = (object::namespace(account), object::name(account));
    let mut kubernetes = json!({
        "namespace": namespace,
        "serviceaccount": {"name": name, "uid": object::uid(account)},
    });
    if let Some(bound) = bound {
        object::set(&mut kubernetes, &format!("/{}", bound.kind), json!({"name": bound.name, "uid": bound.uid}));
        if let Some((name, uid)) = &bound.node {
            object::set(&mut kubernetes, "/node", json!({"name": name, "uid": uid}));
        }
    }
    let now = txn.now().as_second();
    let claims = json!({
        "aud": audiences,
        "exp": now + seconds,
        "iat": now,
        "iss": ISSUER,
        "jti": uuid::Uuid::new_v4().to_string(),
        "kubernetes.io": kubernetes,
        "nbf": now,
        "sub": account_name(namespace, name),
    });
    let header = json!({"alg": "HS256", "kid": "kube-embedded"});
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = encode(sign(object::text(&key.value, "/key").as_bytes(), signed.as_bytes()));
    Some(format!("{signed}.{signature}"))
}

/// Whose token it is and whom it is for; or why it is not taken.
pub(crate) fn verify(txn: &Txn<'_>, token: &str) -> Result<(Identity, Vec<String>), String> {
    let unknown = || UNKNOWN.to_owned();
    let (signed, signature) = token.rsplit_once('.').ok_or_else(unknown)?;
    let key = txn.get(&key_place()).ok_or_else(unknown)?;
    let expected = encode(sign(object::text(&key.value, "/key").as_bytes(), signed.as_bytes()));
    if !same(signature, &expected) {
        return Err(unknown());
    }
    let claims = signed.split_once('.').and_then(|(_, claims)| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Value = claims.and_then(|json| serde_json::from_slice(&json).ok()).ok_or_else(unknown)?;
    let refused = |why: String| Err(format!("[{UNKNOWN}, {why}]"));
    if lapsed(&claims, txn.now()) {
        return refused("service account token has expired".to_owned());
    }
    let text = |pointer: &str| object::text(&claims, pointer);
    let (namespace, name) = (text("/kubernetes.io/namespace"), text("/kubernetes.io/serviceaccount/name"));
    let Some(account) = txn.get(&Key::new("serviceaccounts", namespace, name)) else {
        return refused(format!("serviceaccounts {name:?} not found"));
    };
    let (uid, claimed) = (object::uid(&account.value), text("/kubernetes.io/serviceaccount/uid"));
    if uid != claimed {
        return refused(format!("service account UID ({uid}) does not match claim ({claimed})"));
    }
    let mut identity = Identity::service_account(namespace, name);
    identity.uid = uid.to_owned();
    let mut tell = |key: &str, value: String| {
        identity.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
    };
    tell("credential-id", format!("JTI={}", text("/jti")));
    let bound_to_pod = claims.pointer("/kubernetes.io/pod").is_some();
    for (kind, plural, home) in [("secret", "secrets", namespace), ("pod", "pods", namespace), ("node", "nodes", "")] {
        let place = format!("/kubernetes.io/{kind}");
        let Some(reference) = claims.pointer(&place) else { continue };
        let (name, uid) = (object::text(reference, "/name"), object::text(reference, "/uid"));
        if kind != "node" || !bound_to_pod {
            match txn.get(&Key::new(plural, home, name)) {
                None => return refused("service account token has been invalidated".to_owned()),
                Some(live) if object::uid(&live.value) != uid => {
                    let live = object::uid(&live.value);
                    let text = format!("{kind} UID ({live}) does not match service account {kind} ref claim ({uid})");
                    return refused(text);
                }
                Some(_) => {}
            }
        }
        if kind != "secret" {
            tell(&format!("{kind}-name"), name.to_owned());
            tell(&format!("{kind}-uid"), uid.to_owned());
        }
    }
    let audiences = object::items(&claims, "/aud").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok((identity, audiences))
}

fn lapsed(claims: &Value, now: Timestamp) -> bool {
    object::number(claims, "/exp").is_none_or(|end| now.as_second() > end + LEEWAY)
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// HMAC-SHA256 (RFC 2104).
fn sign(key: &[u8], text: &[u8]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut block = [0_u8; BLOCK];
    let hashed = Sha256::digest(key);
    let key = if key.len() > BLOCK { &hashed[..] } else { key };
    block.iter_mut().zip(key).for_each(|(slot, byte)| *slot = *byte);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

/// Are the texts the same? Takes as long for a near miss as for a far one. Nothing is the same as an empty token.
pub(crate) fn same(shown: &str, token: &str) -> bool {
    let pairs = shown.bytes().zip(token.bytes());
    let differs = pairs.fold(shown.len() ^ token.len(), |all, (a, b)| all | usize::from(a ^ b));
    differs == 0 && !token.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, cases 2 and 6.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(sign(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(sign(&[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        for (shown, expected, found) in
            [("abc", "abc", true), ("abd", "abc", false), ("ab", "abc", false), ("abcd", "abc", false), ("", "", false)]
        {
            assert_eq!(same(shown, expected), found, "{shown:?} {expected:?}");
        }
    }
}
