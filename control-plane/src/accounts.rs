//! The key that an API server signs the tokens of service accounts with.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

/// A P-256 key in the form of RFC 5480, up to the point itself.
const PUBLIC_KEY_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Makes a key: the files of its private and its public half.
pub(crate) fn key(place: &Path) -> (PathBuf, PathBuf) {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
    let public = [&PUBLIC_KEY_HEAD, pair.public_key().as_ref()].concat();
    let write = |name: &str, label: &str, key: &[u8]| {
        let path = place.join(name);
        let body = STANDARD.encode(key);
        fs::write(&path, format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")).unwrap();
        path
    };
    (write("accounts.key", "PRIVATE KEY", document.as_ref()), write("accounts.pub", "PUBLIC KEY", &public))
}
