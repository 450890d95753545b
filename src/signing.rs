//! Signatures over saved plans, in the format of OpenSSH (`PROTOCOL.sshsig`): what `ssh-keygen -Y sign -n strata.plan` makes
//! is accepted here, and what is made here `ssh-keygen -Y verify -n strata.plan` accepts. Keys are Ed25519.
//!
//! Everything is computed from what is given: no file is read, and no agent is asked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, SHA512, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use strata_components::model::SigningKey;
use thiserror::Error;

/// What a signature is for: one that was made for something else, such as a commit, is none of a plan.
pub const NAMESPACE: &str = "strata.plan";
/// The ending that a file's signature adds to the name of the file.
pub const ENDING: &str = "sig";
/// Bytes of a signature or a key file at the most; they have some hundred.
pub const MAX_BYTES: usize = 16 << 10;

const ALGORITHM: &str = "ssh-ed25519";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
const KEY_MAGIC: &[u8] = b"openssh-key-v1\0";
const SIGNATURE: &str = "SSH SIGNATURE";
const PRIVATE_KEY: &str = "OPENSSH PRIVATE KEY";
/// Characters of a line of base64, as OpenSSH writes it.
const LINE: usize = 70;
/// Bytes of a seed, which is what an Ed25519 private key is.
const SEED: usize = 32;

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It is not in the format of OpenSSH.
    #[error("it is no private key as `ssh-keygen` writes it")]
    Format,
    /// It is of another kind.
    #[error("it is no Ed25519 key")]
    Kind,
    /// It cannot be used without a passphrase.
    #[error("it is encrypted with a passphrase, which cannot be asked for here")]
    Encrypted,
}

/// Why a signature is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// It is not in the format of OpenSSH, or not whole.
    #[error("it is no signature as `ssh-keygen -Y sign` writes it, or not all of one")]
    Format,
    /// It is for something else.
    #[error("it was made for something else than plans (its namespace is not {NAMESPACE})")]
    Namespace,
    /// None of the accepted keys has made it.
    #[error("it was made with a key that is not accepted")]
    Key,
    /// The file is not the one that was signed.
    #[error("it is not of this file: the file is another, or was altered")]
    File,
}

/// A key to sign with.
pub struct PrivateKey(Ed25519KeyPair);

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(withheld)")
    }
}

impl PrivateKey {
    /// Reads what `ssh-keygen -t ed25519 -N ''` writes.
    ///
    /// # Errors
    ///
    /// Where it is anything else, or encrypted.
    pub fn of_text(text: &str) -> Result<Self, KeyError> {
        let bytes = armored(text, PRIVATE_KEY).ok_or(KeyError::Format)?;
        let mut outer = Reader(bytes.strip_prefix(KEY_MAGIC).ok_or(KeyError::Format)?);
        let (cipher, derivation) = (outer.string(), outer.string());
        let (_options, count) = (outer.string(), outer.number());
        let (_public, private) = (outer.string(), outer.string().ok_or(KeyError::Format)?);
        if cipher != Some(b"none") || derivation != Some(b"none") {
            return Err(KeyError::Encrypted);
        }
        let mut inner = Reader(private);
        let (check, again) = (inner.number(), inner.number());
        if count != Some(1) || check != again {
            return Err(KeyError::Format);
        }
        if inner.string() != Some(ALGORITHM.as_bytes()) {
            return Err(KeyError::Kind);
        }
        let (public, both) = (inner.string().ok_or(KeyError::Format)?, inner.string().ok_or(KeyError::Format)?);
        let seed = both.get(..SEED).ok_or(KeyError::Format)?;
        Ed25519KeyPair::from_seed_and_public_key(seed, public).map(Self).map_err(|_| KeyError::Format)
    }

    /// The public half, as an environment file names it.
    #[must_use]
    pub fn public(&self) -> String {
        format!("{ALGORITHM} {}", STANDARD.encode(wire(self.0.public_key().as_ref())))
    }

    /// The signature of a file's bytes, as the text of a file beside it.
    #[must_use]
    pub fn sign(&self, file: &[u8]) -> String {
        let signature = self.0.sign(&signed(NAMESPACE.as_bytes(), b"sha512", digest(&SHA512, file).as_ref()));
        let mut blob = MAGIC.to_vec();
        blob.extend(VERSION.to_be_bytes());
        put(&mut blob, &wire(self.0.public_key().as_ref()));
        put(&mut blob, NAMESPACE.as_bytes());
        put(&mut blob, b"");
        put(&mut blob, b"sha512");
        let mut inner = Vec::new();
        put(&mut inner, ALGORITHM.as_bytes());
        put(&mut inner, signature.as_ref());
        put(&mut blob, &inner);
        let digits = STANDARD.encode(blob);
        let lines: Vec<&str> =
            (0..digits.len()).step_by(LINE).filter_map(|at| digits.get(at..digits.len().min(at + LINE))).collect();
        format!("-----BEGIN {SIGNATURE}-----\n{}\n-----END {SIGNATURE}-----\n", lines.join("\n"))
    }
}

/// The key, among those that are accepted, that has signed these bytes of a file.
///
/// # Errors
///
/// Where none of them has.
pub fn signer<'a>(file: &[u8], signature: &str, accepted: &'a [SigningKey]) -> Result<&'a SigningKey, SignatureError> {
    let blob = armored(signature, SIGNATURE).ok_or(SignatureError::Format)?;
    let mut outer = Reader(blob.strip_prefix(MAGIC).ok_or(SignatureError::Format)?);
    let version = outer.number();
    let [key, namespace, reserved, hash, inner] = [(); 5].map(|()| outer.string());
    let (Some(VERSION), Some(key), Some(namespace), Some([]), Some(hash), Some(inner), true) =
        (version, key, namespace, reserved, hash, inner, outer.0.is_empty())
    else {
        return Err(SignatureError::Format);
    };
    let mut inner = Reader(inner);
    let (algorithm, signature) = (inner.string(), inner.string());
    let (Some(true), Some(signature), true) =
        (algorithm.map(|one| one == ALGORITHM.as_bytes()), signature, inner.0.is_empty())
    else {
        return Err(SignatureError::Format);
    };
    if namespace != NAMESPACE.as_bytes() {
        return Err(SignatureError::Namespace);
    }
    let hashed = match hash {
        b"sha512" => digest(&SHA512, file),
        b"sha256" => digest(&SHA256, file),
        _ => return Err(SignatureError::Format),
    };
    // The key is that of the environment: what the signature says of its key only chooses among them.
    let known = accepted.iter().find(|one| public_blob(one).as_deref() == Some(key)).ok_or(SignatureError::Key)?;
    let mut public = Reader(key);
    let (_algorithm, public) = (public.string(), public.string().ok_or(SignatureError::Format)?);
    let message = signed(namespace, hash, hashed.as_ref());
    let valid = UnparsedPublicKey::new(&ED25519, public).verify(&message, signature);
    valid.map(|()| known).map_err(|_| SignatureError::File)
}

/// What a key is known by: the digest of its public half, as `ssh-keygen -l` shows it.
#[must_use]
pub fn fingerprint(key: &SigningKey) -> String {
    let blob = public_blob(key).unwrap_or_default();
    format!("SHA256:{}", STANDARD.encode(digest(&SHA256, &blob)).trim_end_matches('='))
}

fn public_blob(key: &SigningKey) -> Option<Vec<u8>> {
    STANDARD.decode(key.as_str().split(' ').nth(1)?).ok()
}

/// A public key as it stands in other texts.
fn wire(public: &[u8]) -> Vec<u8> {
    let mut blob = Vec::new();
    put(&mut blob, ALGORITHM.as_bytes());
    put(&mut blob, public);
    blob
}

/// What is signed: the purpose and the digest of the file.
fn signed(namespace: &[u8], hash: &[u8], digest: &[u8]) -> Vec<u8> {
    let mut message = MAGIC.to_vec();
    [namespace, b"", hash, digest].iter().for_each(|part| put(&mut message, part));
    message
}

/// Puts bytes behind their number.
fn put(into: &mut Vec<u8>, bytes: &[u8]) {
    // All that is put here has some hundred bytes.
    into.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    into.extend(bytes);
}

/// The bytes between the two lines that begin and end an armour.
fn armored(text: &str, what: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let body = text.strip_prefix(&format!("-----BEGIN {what}-----"))?.strip_suffix(&format!("-----END {what}-----"))?;
    let digits: String = body.split_whitespace().collect();
    STANDARD.decode(digits).ok()
}

/// Reads numbers, and texts behind their lengths (RFC 4251, section 5).
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }
}

#[cfg(test)]
mod tests;
