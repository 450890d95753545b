//! Which requests a fault is for: by verb, resource, count and chance. Reads requests and changes none.

use http::{Method, Uri};

use crate::api::{Params, Target};

/// What a request asks the API for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// One object, or a path that is no resource.
    Get,
    /// A collection.
    List,
    /// The changes of a collection or an object.
    Watch,
    /// `POST`.
    Create,
    /// `PUT`.
    Update,
    /// `PATCH`, server-side apply among them.
    Patch,
    /// One object's deletion.
    Delete,
    /// The deletion of a collection.
    DeleteCollection,
}

/// A request as the rules see it.
pub(super) struct Asked {
    pub(super) verb: Verb,
    /// `deployments`, `pods/status`; for a path that is no resource, the path.
    pub(super) resource: String,
    pub(super) path: String,
}

impl Asked {
    /// Reads a request; none where its method is none that the API knows.
    pub(super) fn of(method: &Method, uri: &Uri) -> Option<Asked> {
        let path = uri.path().to_owned();
        let target = Target::parse(&path);
        let collection = target.as_ref().is_some_and(|target| target.name.is_empty());
        let watches = target.is_some() && Params::parse(uri).is_ok_and(|params| params.flag("watch"));
        let verb = match (method.as_str(), collection) {
            ("GET", _) if watches => Verb::Watch,
            ("GET", true) => Verb::List,
            ("GET", false) => Verb::Get,
            ("POST", _) => Verb::Create,
            ("PUT", _) => Verb::Update,
            ("PATCH", _) => Verb::Patch,
            ("DELETE", true) => Verb::DeleteCollection,
            ("DELETE", false) => Verb::Delete,
            _ => return None,
        };
        let resource = match target {
            None => path.clone(),
            Some(target) if target.subresource.is_empty() => target.plural,
            Some(target) => format!("{}/{}", target.plural, target.subresource),
        };
        Some(Asked { verb, resource, path })
    }
}

/// Which requests a fault is for. Everything that is said narrows it.
#[derive(Debug, Clone)]
pub struct On {
    verbs: Vec<Verb>,
    resource: Option<String>,
    nth: Option<u64>,
    chance: Option<f64>,
    at_most: Option<u64>,
}

impl On {
    /// Every request.
    pub fn every() -> On {
        On { verbs: Vec::new(), resource: None, nth: None, chance: None, at_most: None }
    }

    /// Only requests of this verb; said more than once, of any of the verbs.
    #[must_use]
    pub fn verb(mut self, verb: Verb) -> On {
        self.verbs.push(verb);
        self
    }

    /// Only requests of this resource (`deployments`) or subresource (`pods/status`), whatever its group; a path that is
    /// no resource is meant by the path itself (`/version`).
    #[must_use]
    pub fn resource(mut self, resource: &str) -> On {
        self.resource = Some(resource.to_owned());
        self
    }

    /// Only the `nth` of the requests that the verbs and the resource leave, counted from 1 in the order of arrival.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> On {
        self.nth = Some(nth);
        self
    }

    /// Only with this probability, from 0 to 1.
    #[must_use]
    pub fn chance(mut self, probability: f64) -> On {
        self.chance = Some(probability);
        self
    }

    /// Not more often than so many times in all.
    #[must_use]
    pub fn at_most(mut self, times: u64) -> On {
        self.at_most = Some(times);
        self
    }

    /// Do the verbs and the resource fit?
    pub(super) fn is_about(&self, request: &Asked) -> bool {
        (self.verbs.is_empty() || self.verbs.contains(&request.verb))
            && self.resource.as_ref().is_none_or(|resource| *resource == request.resource)
    }

    /// Does the rule apply to the request that is the `matched`th it is about, after it has applied `applied` times?
    pub(super) fn applies(&self, matched: u64, applied: u64, draw: impl FnOnce() -> f64) -> bool {
        self.nth.is_none_or(|nth| nth == matched)
            && self.at_most.is_none_or(|most| applied < most)
            && self.chance.is_none_or(|chance| draw() < chance)
    }
}

/// A number from 0 to 1, 1 left out, that depends on nothing but the numbers and the request's verb and path.
pub(super) fn draw(numbers: &[u64], request: &Asked) -> f64 {
    let path = request.path.bytes().map(u64::from);
    let mixed = numbers.iter().copied().chain([request.verb as u64]).chain(path).fold(0, |state: u64, number| {
        // The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), fed with one number after the other.
        let mut z = (state ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    });
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[track_caller]
    fn check(method: &str, uri: &str, expect: Option<(Verb, &str)>) {
        let asked = Asked::of(&method.parse().unwrap(), &uri.parse().unwrap());
        assert_eq!(asked.as_ref().map(|asked| (asked.verb, asked.resource.as_str())), expect, "{method} {uri}");
    }

    #[test]
    fn requests_are_read() {
        check("GET", "/api/v1/namespaces/a/pods", Some((Verb::List, "pods")));
        check("GET", "/api/v1/namespaces/a/pods?watch=1&resourceVersion=3", Some((Verb::Watch, "pods")));
        check("GET", "/api/v1/namespaces/a/pods/b", Some((Verb::Get, "pods")));
        check("PATCH", "/api/v1/namespaces/a/pods/b/status", Some((Verb::Patch, "pods/status")));
        check("POST", "/apis/apps/v1/namespaces/a/deployments?watch=0", Some((Verb::Create, "deployments")));
        check("PUT", "/api/v1/nodes/a", Some((Verb::Update, "nodes")));
        check("DELETE", "/api/v1/nodes/a", Some((Verb::Delete, "nodes")));
        check("DELETE", "/api/v1/nodes", Some((Verb::DeleteCollection, "nodes")));
        check("GET", "/version?watch=1", Some((Verb::Get, "/version")));
        check("OPTIONS", "/version", None);
    }

    #[test]
    fn chance_is_even_and_the_same_each_time() {
        let request = Asked::of(&Method::GET, &"/api/v1/pods".parse().unwrap()).unwrap();
        let draws: Vec<f64> = (0..4000).map(|number| draw(&[1, number], &request)).collect();
        assert_eq!(draws, (0..4000).map(|number| draw(&[1, number], &request)).collect::<Vec<_>>());
        for part in 0..10 {
            let from = f64::from(part) / 10.0;
            let within = draws.iter().filter(|draw| (from..from + 0.1).contains(*draw)).count();
            assert!((320..480).contains(&within), "{within} of 4000 draws between {from} and {}", from + 0.1);
        }
    }
}
