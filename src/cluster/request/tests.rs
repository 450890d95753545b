//! Requests against a server that answers from a list, in simulated time: what is tried again, and for how long.

use std::sync::{Arc, Mutex, PoisonError};

use http::Response;
use serde_json::json;

use super::*;

/// What the server does with one try.
#[derive(Clone, Copy)]
enum Reply {
    Status(u16),
    RetryAfter(u16, u64),
    Reset,
    Silence,
    CutOff(u16),
    /// 200 with this body, said to be of this type.
    Text(&'static str, &'static str),
    /// A refusal with such a body.
    Refusal(u16, &'static str, &'static str),
}

/// Makes one request of a server that replies like this, the last reply again and again. Returns the outcome as a
/// word, the number of tries, and the seconds that went by.
fn play(replies: &[Reply]) -> (String, usize, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime in simulated time");
    let replies: Arc<[Reply]> = replies.into();
    let tries = Arc::new(Mutex::new(0_usize));
    runtime.block_on(async {
        let count = tries.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            let mut tries = count.lock().unwrap_or_else(PoisonError::into_inner);
            let reply = replies.get(*tries).or(replies.last()).copied().unwrap_or(Reply::Silence);
            *tries += 1;
            async move {
                let whole = json!({"reason": "R", "message": "m"}).to_string().into_bytes();
                let (code, wait, text) = match reply {
                    Reply::Status(code) => (code, None, whole),
                    Reply::RetryAfter(code, seconds) => (code, Some(seconds), whole),
                    Reply::CutOff(code) => (code, None, whole[..whole.len() / 2].to_vec()),
                    Reply::Text(_, text) => (200, None, text.into()),
                    Reply::Refusal(code, _, text) => (code, None, text.into()),
                    Reply::Reset => return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
                    Reply::Silence => std::future::pending().await,
                };
                let mut response = Response::new(Body::from(text));
                *response.status_mut() = StatusCode::from_u16(code).unwrap_or_default();
                if let Reply::Text(form, _) | Reply::Refusal(_, form, _) = reply {
                    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(form));
                }
                if let Some(seconds) = wait {
                    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
                }
                Ok(response)
            }
        });
        let requests = Requests::new(kube::Client::new(service, "default"), None);
        let began = Instant::now();
        let outcome = match requests.send(&Call::get("/version", "asking").at_most(64)).await {
            Ok(answer) if answer.body.is_null() => answer.refused("asking").to_string(),
            Ok(answer) => answer.status.as_u16().to_string(),
            Err(error) => error.to_string(),
        };
        let tries = *tries.lock().unwrap_or_else(PoisonError::into_inner);
        (outcome, tries, began.elapsed().as_secs())
    })
}

#[track_caller]
fn check(replies: &[Reply], expect: (&str, usize)) -> u64 {
    let (outcome, tries, seconds) = play(replies);
    assert_eq!((outcome.as_str(), tries), expect);
    seconds
}

#[test]
fn an_answer_for_good_is_not_asked_for_again() {
    for code in [200, 201, 400, 401, 403, 404, 409, 422] {
        assert_eq!(check(&[Reply::Status(code)], (&code.to_string(), 1)), 0);
    }
}

#[test]
fn what_does_not_have_the_form_of_its_kind_is_not_asked_for_again() {
    let said = |text| Reply::Refusal(500, "application/json", text);
    let typed = said(r#"{"message":"failed to create typed patch object (a/b"}"#);
    check(&[typed], ("500", 1));
    let converted = said(r#"{"message":"failed to convert new object (a/b"}"#);
    check(&[converted], ("500", 1));
    check(&[said(r#"{"message":"etcdserver: request timed out"}"#), Reply::Status(200)], ("200", 2));
}

#[test]
fn not_now_is_tried_again() {
    check(&[Reply::Status(500), Reply::Status(503), Reply::Status(429), Reply::Status(200)], ("200", 4));
    check(&[Reply::Reset, Reply::Reset, Reply::Status(200)], ("200", 3));
    assert_eq!(check(&[Reply::RetryAfter(429, 7), Reply::Status(200)], ("200", 2)), 7);
}

#[test]
fn a_success_that_was_cut_off_is_asked_for_again() {
    check(&[Reply::CutOff(200), Reply::Status(200)], ("200", 2));
    let cut = "asking: the answer makes no sense: it was cut off, or is no JSON: EOF while parsing an object at line 1 \
        column 14";
    let (outcome, tries, seconds) = play(&[Reply::CutOff(200)]);
    assert_eq!(outcome, cut);
    assert!((10..30).contains(&tries) && seconds <= TOTAL_LIMIT.as_secs(), "{tries} tries in {seconds} s");
    check(&[Reply::CutOff(404)], ("asking: Not Found, in words that are not an API server's (no JSON) (404)", 1));
}

#[test]
fn a_silent_try_is_given_up_and_made_again() {
    assert_eq!(check(&[Reply::Silence, Reply::Status(200)], ("200", 2)), TRY_LIMIT.as_secs());
}

#[test]
fn all_tries_together_have_a_limit() {
    let (outcome, tries, seconds) = play(&[Reply::Status(503)]);
    assert_eq!(outcome, "503");
    assert!(seconds <= TOTAL_LIMIT.as_secs() && (10..30).contains(&tries), "{tries} tries in {seconds} s");
    let (outcome, _, seconds) = play(&[Reply::Reset]);
    assert!(outcome == "asking: no answer" && seconds <= TOTAL_LIMIT.as_secs(), "{outcome} after {seconds} s");
    assert_eq!(check(&[Reply::Silence], ("asking: no answer", 2)), TOTAL_LIMIT.as_secs());
    // A server that asks for more patience than there is gets none.
    assert_eq!(check(&[Reply::RetryAfter(429, 3600)], ("429", 1)), 0);
}

/// Makes this many requests, one after the other, of a server that accepts only credentials renewed `good` times or more;
/// the answers, and how often credentials were renewed.
fn with_credentials(requests: usize, good: u32, watches: bool) -> (Vec<u16>, u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let client = move |renewed: u32| {
        let service = tower::service_fn(move |_: Request<Body>| async move {
            let mut response = Response::new(Body::from(b"{}".to_vec()));
            *response.status_mut() = if renewed >= good { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            Ok::<_, std::io::Error>(response)
        });
        kube::Client::new(service, "default")
    };
    let renewals = Arc::new(Mutex::new(0));
    let counted = renewals.clone();
    let renew: Renew = Arc::new(move || {
        let mut renewed = counted.lock().unwrap_or_else(PoisonError::into_inner);
        *renewed += 1;
        let fresh = client(*renewed);
        Box::pin(async move { Ok(fresh) })
    });
    let answers = runtime.block_on(async {
        let (requester, mut answers) = (Requests::new(client(0), Some(renew)), Vec::new());
        for _ in 0..requests {
            answers.push(if watches {
                let request = Request::get("/api/v1/pods?watch=1").body(Body::empty()).expect("a request");
                requester.streams().send(request).await.expect("an answer").status().as_u16()
            } else {
                let answer = requester.send(&Call::get("/version", "asking")).await.expect("an answer");
                answer.status.as_u16()
            });
        }
        answers
    });
    let renewed = *renewals.lock().unwrap_or_else(PoisonError::into_inner);
    (answers, renewed)
}

#[test]
fn credentials_that_ran_out_are_renewed_once() {
    assert_eq!(with_credentials(3, 0, false), (vec![200, 200, 200], 0));
    assert_eq!(with_credentials(3, 1, false), (vec![200, 200, 200], 1));
    assert_eq!(with_credentials(3, 9, false), (vec![401, 401, 401], 1));
}

#[test]
fn tries_are_bounded_in_number() {
    check(&[Reply::RetryAfter(503, 0)], ("503", MAX_TRIES as usize));
}

#[test]
fn a_query_is_escaped() {
    let call = Call::get("/api/v1/pods", "listing pods").query("labelSelector", "a=b,c in (d)").query("limit", "5");
    assert_eq!(call.uri(), "/api/v1/pods?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5");
}

#[test]
fn what_is_no_answer_of_an_api_server_is_told_as_what_it_is() {
    let page = "<!doctype html><p>Sign in</p>";
    let foreign = "asking: the answer makes no sense: it is text/html, not JSON: something answers in the place of the API \
        server, such as a proxy or a login page";
    check(&[Reply::Text("text/html; charset=utf-8", page)], (foreign, 1));
    check(&[Reply::Text("Text/HTML", "{}")], (foreign, 1));
    check(&[Reply::Text("application/json", "{}"), Reply::Reset], ("200", 1));
    check(&[Reply::Text("application/json;g=apidiscovery.k8s.io;v=v2", "{}")], ("200", 1));
    let refused = "asking: Forbidden, in words that are not an API server's (text/html) (403)";
    check(&[Reply::Refusal(403, "text/html", page)], (refused, 1));
    // A path that the server has never heard of.
    check(&[Reply::Refusal(404, "text/plain; charset=utf-8", "404 page not found\n")], ("asking: Not Found (404)", 1));
    let large = "[1111111111111111111111111111111111111111111111111111111111111111]";
    let told = "asking: the answer makes no sense: it is larger than the 0 MiB that are read of one";
    check(&[Reply::Text("application/json", large)], (told, 1));
}

#[test]
fn a_success_that_tells_of_a_failure_is_none() {
    let failure = r#"{"kind":"Status","status":"Failure","message":"no leader"}"#;
    check(&[Reply::Text("application/json", failure), Reply::Status(200)], ("200", 2));
    let success = r#"{"kind":"Status","status":"Success"}"#;
    check(&[Reply::Text("application/json", success)], ("200", 1));
    let (outcome, ..) = play(&[Reply::Text("application/json", failure)]);
    let told = "asking: the answer makes no sense: its status is 200 OK, and its body tells of a failure: no leader";
    assert_eq!(outcome, told);
}

#[test]
fn only_the_server_can_say_that_something_is_not_there() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let find = |form: &'static str, text: &'static str| {
        runtime.block_on(async {
            let service = tower::service_fn(move |_: Request<Body>| async move {
                let response = Response::builder().status(404).header(header::CONTENT_TYPE, form);
                response.body(Body::from(text.as_bytes().to_vec()))
            });
            let requests = Requests::new(kube::Client::new(service, "default"), None);
            requests.find(&Call::get("/x", "looking")).await.map_err(|error| error.to_string())
        })
    };
    assert_eq!(find("application/json", r#"{"kind":"Status","code":404}"#), Ok(None));
    let told = "looking: Not Found, in words that are not an API server's (text/html) (404)";
    assert_eq!(find("text/html", "<p>Nothing here</p>"), Err(told.to_owned()));
}

#[test]
fn watches_renew_their_credentials_too() {
    assert_eq!(with_credentials(3, 0, true), (vec![200, 200, 200], 0));
    assert_eq!(with_credentials(3, 1, true), (vec![200, 200, 200], 1));
    assert_eq!(with_credentials(3, 9, true), (vec![401, 401, 401], 1));
}
