//! A reference to a service, of this stack or of another. Whether it exists is proven over the whole.

use super::name::{ServiceName, StackName};
use super::text::{text_type, words};

text_type! {
    /// A reference to a service: `redis_cache` in the same stack, `sophia/redis_cache` in another.
    ///
    /// ```
    /// use strata_components::model::ServiceRef;
    /// let reference = ServiceRef::new("sophia/redis_cache")?;
    /// assert_eq!(reference.stack(), Some("sophia"));
    /// assert_eq!(reference.service(), "redis_cache");
    /// # Ok::<(), strata_components::model::TextError>(())
    /// ```
    ServiceRef, what: "reference to a service",
    expected: "the name of a service, after the name of its stack and `/` where it is another stack's",
    pattern: "^([a-z][a-z0-9]*(-[a-z0-9]+)*/)?[a-z][a-z0-9]*(_[a-z0-9]+)*$", max: 123,
    valid: |text| match text.split_once('/') {
        Some((stack, service)) => words(stack, '-') && words(service, '_'),
        None => words(text, '_'),
    }
}

impl ServiceRef {
    /// The stack it names, where it names one.
    #[must_use]
    pub fn stack(&self) -> Option<&str> {
        self.as_str().split_once('/').map(|(stack, _)| stack)
    }

    /// The service it names.
    #[must_use]
    pub fn service(&self) -> &str {
        self.as_str().split_once('/').map_or(self.as_str(), |(_, service)| service)
    }

    /// The service it names, when that is one of the stack called `stack`.
    #[must_use]
    pub fn within(&self, stack: &StackName) -> Option<&str> {
        self.stack().is_none_or(|named| named == stack.as_str()).then(|| self.service())
    }
}

impl From<ServiceName> for ServiceRef {
    fn from(service: ServiceName) -> Self {
        Self(service.into())
    }
}
