//! Container images: where an environment takes them from, and a reference that names one exactly.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::name::ServiceName;
use super::text::{enclosed, text_type};

fn repository(text: &str) -> bool {
    let mut parts = text.split('/');
    let first = parts.next().unwrap_or_default();
    let host = match first.split_once(':') {
        Some((host, port)) => {
            domain(host) && !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => domain(first),
    };
    host && parts.all(segment)
}

fn domain(text: &str) -> bool {
    enclosed(text, |c| c.is_ascii_lowercase() || c.is_ascii_digit(), |c| matches!(c, '-' | '.' | '_'))
}

fn segment(text: &str) -> bool {
    domain(text)
}

fn tag(text: &str) -> bool {
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
}

fn reference(text: &str) -> bool {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let digest_fits = digest
        .is_none_or(|digest| digest.strip_prefix("sha256:").is_some_and(|sum| sum.len() == 64 && sum.chars().all(hex)));
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (name, tag_fits) = match rest.rfind(':') {
        Some(colon) if colon >= slash => (&rest[..colon], tag(&rest[colon + 1..])),
        _ => (rest, true),
    };
    // A port without a path after it is a tag: `host:5000` names an image, `host:5000:tag` nothing.
    digest_fits && tag_fits && repository(name) && (name.contains('/') || !name.contains(':'))
}

text_type! {
    /// A registry and the path inside it, such as `registry.example/sophia`.
    Registry, what: "image registry",
    expected: "a host name, with a port where needed, and a path, in lower case, without a slash at the end",
    pattern: "^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*$", max: 200,
    valid: repository
}

text_type! {
    /// The tag of an image.
    ImageTag, what: "image tag",
    expected: "letters, digits, `_`, `.` and `-`, no `.` or `-` first, at most 128 characters",
    pattern: "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", max: 128, valid: tag
}

text_type! {
    /// A whole reference to an image: `registry.example/sophia/gong:1.4.2`, with `@sha256:…` where it is pinned.
    ImageReference, what: "image reference",
    expected: "`host/path:tag`, in lower case but for the tag, with `@sha256:` and 64 digits where it is pinned",
    pattern: "^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:[0-9]{1,5}/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)?(/[a-z0-9]([a-z0-9._-]*[a-z0-9])?)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$",
    max: 400, valid: reference
}

/// What every reference to an image must carry, so that what runs is what was meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImagePin {
    /// Nothing: the tag may be `latest`, or be left out.
    None,
    /// A tag other than `latest`.
    #[default]
    Tag,
    /// A digest, which always means the same bytes.
    Digest,
}

/// Where an environment takes the images of services that name none themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageSource {
    /// The registry and the path inside it.
    pub registry: Registry,
    /// The tag that every service's image has.
    pub tag: ImageTag,
    /// What every reference to an image must carry here: `none`, `tag` or `digest`.
    #[serde(default)]
    pub pin: ImagePin,
}

impl ImageSource {
    /// Images of this registry with this tag.
    #[must_use]
    pub fn new(registry: Registry, tag: ImageTag) -> Self {
        Self { registry, tag, pin: ImagePin::default() }
    }

    /// The image of a service: `{registry}/{service}:{tag}`.
    ///
    /// ```
    /// use strata_components::model::{ImageSource, ServiceName};
    /// let source = ImageSource::new("registry.example/sophia".try_into()?, "1.0.0".try_into()?);
    /// assert_eq!(source.image_of(&ServiceName::new("ai_memory")?), "registry.example/sophia/ai_memory:1.0.0");
    /// # Ok::<(), strata_components::model::TextError>(())
    /// ```
    #[must_use]
    pub fn image_of(&self, service: &ServiceName) -> String {
        format!("{}/{service}:{}", self.registry, self.tag)
    }
}
