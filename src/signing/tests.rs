//! What is accepted as a signature of a plan, and what of a key: whole, cut off, altered, and of others.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use super::*;

/// The key of a seed, as `ssh-keygen` writes it.
fn key_file(seed: u8, cipher: &str, algorithm: &str) -> String {
    let seed = [seed; SEED];
    let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let public = pair.public_key().as_ref();
    let mut inner = [7_u32.to_be_bytes(), 7_u32.to_be_bytes()].concat();
    put(&mut inner, algorithm.as_bytes());
    put(&mut inner, public);
    put(&mut inner, &[&seed, public].concat());
    put(&mut inner, b"a comment");
    inner.extend(1..=u8::try_from((8 - inner.len() % 8) % 8).unwrap());
    let mut outer = KEY_MAGIC.to_vec();
    [cipher.as_bytes(), cipher.as_bytes(), b""].iter().for_each(|part| put(&mut outer, part));
    outer.extend(1_u32.to_be_bytes());
    put(&mut outer, &wire(public));
    put(&mut outer, &inner);
    format!("-----BEGIN {PRIVATE_KEY}-----\n{}\n-----END {PRIVATE_KEY}-----\n", STANDARD.encode(outer))
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::of_text(&key_file(seed, "none", ALGORITHM)).unwrap()
}

fn accepted(seeds: &[u8]) -> Vec<SigningKey> {
    seeds.iter().map(|seed| SigningKey::new(format!("{} key {seed}", key(*seed).public())).unwrap()).collect()
}

/// What comes of a signature of `file` when it is held against `found`.
#[track_caller]
fn check(signature: &str, found: &[u8], accepted: &[SigningKey], expect: Result<usize, SignatureError>) {
    let expect = expect.map(|at| &accepted[at]);
    assert_eq!(signer(found, signature, accepted), expect);
}

#[test]
fn what_a_key_has_signed_is_accepted() {
    let signature = key(1).sign(b"a plan");
    check(&signature, b"a plan", &accepted(&[1]), Ok(0));
    // While keys change, either will do.
    check(&signature, b"a plan", &accepted(&[3, 2, 1]), Ok(2));
    check(&key(2).sign(b"a plan"), b"a plan", &accepted(&[3, 2, 1]), Ok(1));
    check(&signature.replace('\n', "\r\n"), b"a plan", &accepted(&[1]), Ok(0));
}

#[test]
fn what_another_has_signed_is_not() {
    let signature = key(1).sign(b"a plan");
    check(&signature, b"a plan", &accepted(&[2]), Err(SignatureError::Key));
    check(&signature, b"a plan", &[], Err(SignatureError::Key));
    check(&signature, b"another", &accepted(&[1]), Err(SignatureError::File));
    check(&signature, b"", &accepted(&[1]), Err(SignatureError::File));
}

#[test]
fn a_signature_for_something_else_is_none_of_a_plan() {
    let pair = &key(1).0;
    let text = |said: &str, meant: &str| {
        let signature = pair.sign(&signed(meant.as_bytes(), b"sha512", digest(&SHA512, b"a plan").as_ref()));
        let mut inner = Vec::new();
        [ALGORITHM.as_bytes(), signature.as_ref()].iter().for_each(|part| put(&mut inner, part));
        let mut blob = [MAGIC, &VERSION.to_be_bytes()].concat();
        let parts: [&[u8]; 5] = [&wire(pair.public_key().as_ref()), said.as_bytes(), b"", b"sha512", &inner];
        parts.iter().for_each(|part| put(&mut blob, part));
        format!("-----BEGIN {SIGNATURE}-----\n{}\n-----END {SIGNATURE}-----\n", STANDARD.encode(blob))
    };
    check(&text("strata.plan", "strata.plan"), b"a plan", &accepted(&[1]), Ok(0));
    check(&text("git", "git"), b"a plan", &accepted(&[1]), Err(SignatureError::Namespace));
    // Nor is it one when it says that it is: what it is for is signed, too.
    check(&text("strata.plan", "git"), b"a plan", &accepted(&[1]), Err(SignatureError::File));
}

#[test]
fn no_byte_of_a_signature_can_be_another() {
    let (plan, accepted) = (b"a plan", accepted(&[1]));
    let blob = armored(&key(1).sign(plan), SIGNATURE).unwrap();
    let text =
        |blob: &[u8]| format!("-----BEGIN {SIGNATURE}-----\n{}\n-----END {SIGNATURE}-----\n", STANDARD.encode(blob));
    assert!(signer(plan, &text(&blob), &accepted).is_ok());
    for at in 0..blob.len() {
        for bit in 0..8 {
            let mut other = blob.clone();
            other[at] ^= 1 << bit;
            assert!(signer(plan, &text(&other), &accepted).is_err(), "bit {bit} of byte {at}");
        }
        assert!(signer(plan, &text(&blob[..at]), &accepted).is_err(), "{at} bytes");
    }
    let mut longer = blob.clone();
    longer.push(0);
    assert_eq!(signer(plan, &text(&longer), &accepted), Err(SignatureError::Format));
}

#[test]
fn texts_that_are_no_signature_are_refused() {
    let whole = key(1).sign(b"a plan");
    for length in 0..whole.len() - 1 {
        assert_eq!(signer(b"a plan", &whole[..length], &accepted(&[1])), Err(SignatureError::Format), "{length}");
    }
}

#[test]
fn keys_that_cannot_be_used_say_why() {
    let of = |text: &str| PrivateKey::of_text(text).map(|key| key.public());
    assert_eq!(of(&key_file(1, "none", ALGORITHM)), Ok(key(1).public()));
    assert_eq!(of(&key_file(1, "aes256-ctr", ALGORITHM)), Err(KeyError::Encrypted));
    assert_eq!(of(&key_file(1, "none", "ssh-rsa")), Err(KeyError::Kind));
    assert_eq!(of(&key(1).public()), Err(KeyError::Format));
    assert_eq!(of(""), Err(KeyError::Format));
    let whole = key_file(1, "none", ALGORITHM);
    for length in 0..whole.len() - 1 {
        assert!(of(&whole[..length]).is_err(), "{length}");
    }
    assert_eq!(format!("{:?}", key(1)), "PrivateKey(withheld)");
}
