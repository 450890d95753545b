//! What `-v` shows of a request: how it is made, how it is answered and after how long, and why it is made once more.
//!
//! Never a header, never what is sent or comes back, and never where the server is: the path in the URL of a kubeconfig may
//! hold a token. Paths here begin where the API does.

use std::io;
use std::time::Duration;

use http::Method;
use percent_encoding::percent_decode_str;

use super::answer::{Answer, Garbled};
use super::{BoxError, Call};
use crate::report::clean::clean;

/// The parameter that says where a list goes on; what it holds is long and tells nobody anything.
const CONTINUE: &str = "continue";

/// A request as it is shown: method and path, with the query as a person would write it.
pub(super) fn call(call: &Call) -> String {
    let query = call.query.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    shown(&call.method, &call.target, query)
}

/// The same of a request that another part of the program has made. Only path and query of its URI are looked at.
pub(super) fn request(method: &Method, uri: &http::Uri) -> String {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = uri.query().into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key), decoded(value))
    });
    shown(method, uri.path(), pairs)
}

fn shown(method: &Method, path: &str, query: impl Iterator<Item = (String, String)>) -> String {
    let mut text = format!("{method} {path}");
    for (at, (key, value)) in query.enumerate() {
        let value = if key == CONTINUE { "…" } else { value.as_str() };
        text.push_str(&format!("{}{key}={value}", if at == 0 { '?' } else { '&' }));
    }
    clean(&text).into_owned()
}

/// What came of a try.
pub(super) enum Came<'a> {
    /// An answer.
    Answer(&'a Answer),
    /// None, or none that makes sense.
    Error(&'a BoxError),
    /// Nothing in time.
    Nothing,
}

impl Came<'_> {
    /// How it ended, after how long.
    pub(super) fn after(&self, took: Duration) -> String {
        match self {
            Self::Answer(answer) => {
                format!("{} after {}, {}", answer.status.as_u16(), short(took), size(answer.bytes))
            }
            Self::Error(_) | Self::Nothing => format!("{} after {}", self.why(), short(took)),
        }
    }

    /// Why it is made once more.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Answer(answer) => match answer.status.canonical_reason() {
                Some(reason) => format!("{} {reason}", answer.status.as_u16()),
                None => answer.status.as_u16().to_string(),
            },
            Self::Error(error) => reason(error.as_ref()),
            Self::Nothing => "no answer".to_owned(),
        }
    }
}

/// Why there is no answer, in words that quote neither an answer nor a URL.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    if error.is::<Garbled>() {
        return "no answer of an API server".to_owned();
    }
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    match causes.find_map(|cause| cause.downcast_ref::<io::Error>()) {
        Some(error) => format!("no answer ({})", error.kind()),
        None => "no answer".to_owned(),
    }
}

/// A time as people say it: `12 ms`, `1.2 s`.
pub(super) fn short(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// A number of bytes as people say it: `84 B`, `1.2 KiB`.
fn size(bytes: usize) -> String {
    let units = ["KiB", "MiB", "GiB"];
    let unit = (1..=units.len()).rev().find(|power| bytes >> (10 * power) > 0);
    match unit.and_then(|power| Some((power, units.get(power - 1)?))) {
        // A tenth, without the rounding of floats.
        Some((power, unit)) => {
            let tenths = (bytes >> (10 * (power - 1))) * 10 / 1024;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, bytes: usize) -> Answer {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        Answer {
            status,
            body: json!({"message": "canary"}),
            warnings: Vec::new(),
            repeated: false,
            foreign: None,
            bytes,
        }
    }

    #[test]
    fn a_request_is_shown_as_a_person_would_write_it() {
        let pods = Call::get("/api/v1/pods", "listing").query("limit", "5").query("labelSelector", "a.b/c=d");
        assert_eq!(call(&pods), "GET /api/v1/pods?limit=5&labelSelector=a.b/c=d");
        let more = Call::get("/api/v1/pods", "listing").query("continue", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ");
        assert_eq!(call(&more), "GET /api/v1/pods?continue=…");
        let body = Call::put("/api/v1/namespaces/a/secrets/b", "writing", &json!({"data": {"a": "canary"}}));
        assert_eq!(call(&body), "PUT /api/v1/namespaces/a/secrets/b");
        let odd = Call::get("/api/v1/pods", "listing").query("fieldSelector", "a=\u{1b}[2J");
        assert_eq!(call(&odd), "GET /api/v1/pods?fieldSelector=a=\\u{1b}[2J");
    }

    #[test]
    fn where_the_server_is_is_not_shown() {
        let uri: http::Uri =
            "https://user:canary@host.example/api/v1/pods?watch=true&labelSelector=a%3Db&".parse().unwrap_or_default();
        assert_eq!(request(&Method::GET, &uri), "GET /api/v1/pods?watch=true&labelSelector=a=b");
    }

    #[track_caller]
    fn check(came: &Came<'_>, millis: u64, after: &str, why: &str) {
        assert_eq!((came.after(Duration::from_millis(millis)).as_str(), came.why().as_str()), (after, why));
    }

    #[test]
    fn how_it_ended_is_told_without_what_came_back() {
        check(&Came::Answer(&answer(200, 84)), 12, "200 after 12 ms, 84 B", "200 OK");
        check(&Came::Answer(&answer(503, 1229)), 1200, "503 after 1.2 s, 1.2 KiB", "503 Service Unavailable");
        check(&Came::Answer(&answer(404, 3 << 20)), 0, "404 after 0 ms, 3.0 MiB", "404 Not Found");
        check(&Came::Nothing, 30_000, "no answer after 30.0 s", "no answer");
        let broken: BoxError = io::Error::new(io::ErrorKind::ConnectionRefused, "https://host/canary").into();
        check(&Came::Error(&broken), 1, "no answer (connection refused) after 1 ms", "no answer (connection refused)");
        let garbled: BoxError = Garbled::NotJson("canary".to_owned()).into();
        let said = "no answer of an API server";
        check(&Came::Error(&garbled), 1, &format!("{said} after 1 ms"), said);
        let other: BoxError = serde_json::from_str::<Value>("canary").map_err(Box::new).expect_err("no JSON");
        check(&Came::Error(&other), 1, "no answer after 1 ms", "no answer");
    }
}
