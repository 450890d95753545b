//! The key that digests are made with: 32 random bytes, the same for everything secret of an instance.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use strata_components::desired::ResourceId;

/// How a digest begins that is made with a key which the cluster keeps.
pub(crate) const PREFIX: &str = "hmac-sha256:";
/// How one begins that is made with a key which no other process has.
pub(crate) const PASSING: &str = "passing-hmac-sha256:";
/// Hexadecimal digits of a digest: half of an HMAC-SHA256, which is as much as RFC 2104 (section 5) lets one leave out.
pub(super) const DIGITS: usize = 32;
/// Bytes of a key.
pub(crate) const BYTES: usize = 32;

/// A key for digests of what is secret. It does not show itself.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; BYTES],
    prefix: &'static str,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// A key of these bytes, which must be random and are kept by the cluster.
    #[must_use]
    pub fn kept(bytes: [u8; BYTES]) -> Self {
        Self { bytes, prefix: PREFIX }
    }

    /// A key of random bytes that this process alone has: its digests compare values and are never shown.
    #[must_use]
    pub fn passing(bytes: [u8; BYTES]) -> Self {
        Self { bytes, prefix: PASSING }
    }

    /// Whether no other process has it.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.prefix == PASSING
    }

    /// The same key, as the cluster is going to keep it.
    #[must_use]
    pub fn keep(&self) -> Self {
        Self::kept(self.bytes)
    }

    /// The key that is kept as this text; `None` where it is none.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        Some(Self::kept(STANDARD.decode(text).ok()?.try_into().ok()?))
    }

    /// The text that the key is kept as.
    #[must_use]
    pub fn to_text(&self) -> String {
        STANDARD.encode(self.bytes)
    }

    /// The digest of a value that stands at `path` in an object: `hmac-sha256:` and 32 hexadecimal digits. The same
    /// value in another place has another digest.
    #[must_use]
    pub fn digest(&self, id: &ResourceId, path: &str, value: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.bytes);
        let mut context = hmac::Context::with_key(&key);
        for part in [id.to_string().as_bytes(), path.as_bytes(), value] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let digits = tag.as_ref().iter().take(DIGITS / 2);
        digits.fold(self.prefix.to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }
}
