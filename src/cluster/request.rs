//! One request to an API server: deadline, bounded retries, and an answer that is always a status and a body.
//!
//! Retried are only answers that say "not now" (429 and 5xx) and connections that broke, with growing, jittered
//! pauses, or the pause the server asks for, within one total limit. Any other answer is final, but for credentials
//! that have run out: they are renewed once. What an answer must be like to be believed is said in [`answer`].

mod answer;
mod conceal;
mod tell;

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, header};
use kube::client::Body;
use serde_json::Value;
use strata_components::desired::ResourceId;
use tokio::time::{Instant, sleep, timeout_at};

pub(crate) use self::answer::Answer;
use self::answer::{Garbled, MAX_BODY, read};
use self::conceal::{conceal, is_about_secret};
use self::tell::Came;
use crate::provider::ProviderError;
use crate::secrets::Known;

/// How long one try may take.
const TRY_LIMIT: Duration = Duration::from_secs(30);
/// How long all tries of one request may take together.
const TOTAL_LIMIT: Duration = Duration::from_secs(60);
/// How many tries one request may take.
const MAX_TRIES: u32 = 20;
/// The first pause between two tries; each further one is twice as long, up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// A request to be made.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// What it is for, as a message would begin: `reading Lease strata-system/strata-sophia-development`.
    pub(crate) doing: String,
    method: Method,
    target: String,
    query: Vec<(&'static str, String)>,
    content: Option<(&'static str, Vec<u8>)>,
    /// Whether a refusal may quote what a Secret holds.
    about_secret: bool,
    accept: &'static str,
    limit: Duration,
    tries: u32,
    /// The largest answer that is read, in bytes.
    most: usize,
}

impl Call {
    fn new(method: Method, target: impl Into<String>, doing: impl Into<String>) -> Self {
        let target = target.into();
        Self {
            doing: doing.into(),
            about_secret: is_about_secret(&target, method == Method::GET, &Value::Null),
            method,
            target,
            query: Vec::new(),
            content: None,
            accept: "application/json",
            limit: TOTAL_LIMIT,
            tries: MAX_TRIES,
            most: MAX_BODY,
        }
    }

    pub(crate) fn get(target: impl Into<String>, doing: impl Into<String>) -> Self {
        Self::new(Method::GET, target, doing)
    }

    pub(crate) fn post(target: impl Into<String>, doing: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::POST, target, doing).content("application/json", body)
    }

    pub(crate) fn put(target: impl Into<String>, doing: impl Into<String>, body: &Value) -> Self {
        Self::new(Method::PUT, target, doing).content("application/json", body)
    }

    /// Server-side apply. JSON is YAML, so the body is sent as it is.
    pub(crate) fn apply(target: impl Into<String>, doing: impl Into<String>, manager: &str, body: &Value) -> Self {
        Self::new(Method::PATCH, target, doing)
            .content("application/apply-patch+yaml", body)
            .query("fieldManager", manager)
            .query("fieldValidation", "Strict")
    }

    /// A JSON patch: changes that are made one after the other, or not at all.
    pub(crate) fn json_patch(target: impl Into<String>, doing: impl Into<String>, changes: &Value) -> Self {
        Self::new(Method::PATCH, target, doing).content("application/json-patch+json", changes)
    }

    /// A merge patch: each member takes the place of the one there is, and `null` takes it away.
    pub(crate) fn merge_patch(target: impl Into<String>, doing: impl Into<String>, changes: &Value) -> Self {
        Self::new(Method::PATCH, target, doing).content("application/merge-patch+json", changes)
    }

    pub(crate) fn delete(target: impl Into<String>, doing: impl Into<String>, options: &Value) -> Self {
        Self::new(Method::DELETE, target, doing).content("application/json", options)
    }

    pub(crate) fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.push((key, value.into()));
        self
    }

    /// Asks for the answer in this form.
    pub(crate) fn accept(mut self, form: &'static str) -> Self {
        self.accept = form;
        self
    }

    /// Tries no more often than this.
    pub(crate) fn tries(mut self, tries: u32) -> Self {
        self.tries = tries;
        self
    }

    /// Ends all tries by then.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit.min(TOTAL_LIMIT);
        self
    }

    /// Reads no more of an answer than so many bytes.
    #[cfg(test)]
    fn at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    fn content(mut self, kind: &'static str, body: &Value) -> Self {
        // A `Value` has string keys and finite numbers: serialising it cannot fail.
        self.about_secret |= is_about_secret(&self.target, true, body);
        self.content = Some((kind, serde_json::to_vec(body).unwrap_or_default()));
        self
    }

    fn uri(&self) -> String {
        let mut uri = self.target.clone();
        for (at, (key, value)) in self.query.iter().enumerate() {
            uri.push(if at == 0 { '?' } else { '&' });
            uri.push_str(key);
            uri.push('=');
            uri.extend(percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC));
        }
        uri
    }

    fn request(&self) -> Result<Request<Body>, ProviderError> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(self.uri())
            .header(header::ACCEPT, self.accept)
            .header(header::USER_AGENT, concat!("strata/", env!("CARGO_PKG_VERSION")));
        if let Some((kind, _)) = &self.content {
            request = request.header(header::CONTENT_TYPE, *kind);
        }
        let body = self.content.as_ref().map(|(_, body)| body.clone()).unwrap_or_default();
        request.body(Body::from(body)).map_err(|error| ProviderError::Unexpected {
            doing: self.doing.clone(),
            detail: format!("no request can be made of it: {error}"),
        })
    }
}

/// Makes a client with fresh credentials: a token file read again, a plugin asked again.
pub type Renew = Arc<dyn Fn() -> BoxFuture<'static, Result<kube::Client, BoxError>> + Send + Sync>;
/// Why there are no fresh credentials.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes requests over one connection pool.
#[derive(Clone)]
pub(crate) struct Requests {
    shared: Arc<Shared>,
    held: Held,
    /// What must not be told of what a server says.
    known: Known,
}

/// How sure it is that a lock is still held. Without a lock, nothing is said.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<RwLock<Option<(Instant, Duration)>>>);

impl Held {
    /// It was renewed then, and is good for that long.
    pub(crate) fn renewed(&self, at: Instant, good_for: Duration) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((at, good_for));
    }

    /// There is none any more, and none is needed.
    pub(crate) fn given_back(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How long ago it was renewed, where that is too long.
    fn silent(&self) -> Option<Duration> {
        let held = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        held.map(|(at, good_for)| (at.elapsed(), good_for)).filter(|(age, good)| age >= good).map(|(age, _)| age)
    }
}

struct Shared {
    current: RwLock<Credentials>,
    renew: Option<Renew>,
    /// Held by whoever renews, so that many requests that are turned away renew once.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Credentials {
    client: kube::Client,
    /// How often they were renewed.
    number: u32,
    /// Whether the server has ever accepted them.
    accepted: bool,
}

impl Requests {
    pub(crate) fn new(client: kube::Client, renew: Option<Renew>) -> Self {
        let current = RwLock::new(Credentials { client, number: 0, accepted: false });
        let shared = Arc::new(Shared { current, renew, turn: tokio::sync::Mutex::new(()) });
        Self { shared, held: Held::default(), known: Known::default() }
    }

    /// The same, for the requests about the lock itself, and what says to all others how sure the lock is.
    pub(crate) fn of_lock(&self) -> (Self, Held) {
        let of_lock = Self { shared: self.shared.clone(), held: Held::default(), known: self.known.clone() };
        (of_lock, self.held.clone())
    }

    /// The same connection, for requests under a lock of their own.
    pub(crate) fn beside(&self) -> Self {
        Self { shared: self.shared.clone(), held: Held::default(), known: self.known.clone() }
    }

    /// The same cluster with another way to fresh credentials.
    pub(crate) fn renewed_by(&self, renew: Option<Renew>) -> Self {
        Self { known: self.known.clone(), ..Self::new(self.current().client, renew) }
    }

    /// The same cluster, of whose answers nothing is told that is known to be secret.
    pub(crate) fn knowing(&self, known: Known) -> Self {
        Self { known, ..self.clone() }
    }

    /// A client for what is not over with one answer, such as watches: each of its requests carries the newest
    /// credentials, and is made once more with fresh ones where those are not accepted any more. It tries nothing again.
    pub(crate) fn streams(&self) -> kube::Client {
        let requests = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let requests = requests.clone();
            async move { requests.pass(request).await }
        });
        kube::Client::new(service, "default")
    }

    async fn pass(&self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let credentials = self.current();
        let (head, body) = request.into_parts();
        // What has a body can be sent once.
        let again = (head.method == Method::GET).then(|| head.clone());
        let asked = tell::request(&head.method, &head.uri);
        let response = credentials.client.send(Request::from_parts(head, body)).await?;
        tracing::debug!("{asked}: {}, a stream", response.status().as_u16());
        match again.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
            Some(head) if self.renew(credentials.number).await => {
                let fresh = self.current();
                let response = fresh.client.send(Request::from_parts(head, Body::empty())).await?;
                self.heard(&fresh, response.status());
                Ok(response)
            }
            _ => {
                self.heard(&credentials, response.status());
                Ok(response)
            }
        }
    }

    /// Takes note of credentials that were accepted.
    fn heard(&self, credentials: &Credentials, status: StatusCode) {
        if !credentials.accepted && status != StatusCode::UNAUTHORIZED && !is_not_now(status) {
            let mut current = self.shared.current.write().unwrap_or_else(PoisonError::into_inner);
            current.accepted |= current.number == credentials.number;
        }
    }

    fn current(&self) -> Credentials {
        self.shared.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, credentials: Credentials) {
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = credentials;
    }

    /// Makes sure of other credentials than those that were turned away; false where there are none to be had.
    ///
    /// Credentials that were renewed and never accepted are not renewed again.
    pub(crate) async fn renew(&self, turned_away: u32) -> bool {
        let Some(renew) = &self.shared.renew else { return false };
        let _turn = self.shared.turn.lock().await;
        let current = self.current();
        if current.number > turned_away {
            return true;
        }
        if current.number > 0 && !current.accepted {
            return false;
        }
        match renew().await {
            Ok(client) => {
                self.set(Credentials { client, number: current.number + 1, accepted: false });
                true
            }
            // What a plugin has said may hold what it should have given.
            Err(_) => {
                tracing::debug!("the credentials have run out, and fresh ones could not be had");
                false
            }
        }
    }

    /// Makes the request until it is answered for good, or the limit is over; once more with fresh credentials where
    /// the server does not accept those there are.
    ///
    /// # Errors
    ///
    /// Only where there is no answer. An answer of 4xx or 5xx is an [`Answer`].
    pub(crate) async fn send(&self, call: &Call) -> Result<Answer, ProviderError> {
        match self.send_renewing(call).await {
            Ok(mut answer) => {
                conceal(&mut answer, call.about_secret, &self.known);
                Ok(answer)
            }
            Err(ProviderError::Unexpected { doing, detail }) => {
                Err(ProviderError::Unexpected { doing, detail: self.known.told(&detail).into_owned() })
            }
            Err(error) => Err(error),
        }
    }

    async fn send_renewing(&self, call: &Call) -> Result<Answer, ProviderError> {
        let credentials = self.current();
        let answer = self.send_as(call, &credentials.client).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            if !self.renew(credentials.number).await {
                return Ok(answer);
            }
            let fresh = self.current();
            let answer = self.send_as(call, &fresh.client).await?;
            self.heard(&fresh, answer.status);
            return Ok(answer);
        }
        self.heard(&credentials, answer.status);
        Ok(answer)
    }

    async fn send_as(&self, call: &Call, client: &kube::Client) -> Result<Answer, ProviderError> {
        let deadline = Instant::now() + call.limit;
        let mut pause = FIRST_PAUSE;
        let mut repeated = false;
        let mut left = call.tries;
        loop {
            left = left.saturating_sub(1);
            // A process that was stopped for a while goes on in the middle of its work, and may not be alone any more.
            if call.method != Method::GET
                && let Some(silent) = self.held.silent()
            {
                return Err(ProviderError::Unsure { doing: call.doing.clone(), silent });
            }
            let request = call.request()?;
            let limit = deadline.min(Instant::now() + TRY_LIMIT);
            let begun = Instant::now();
            let tried = timeout_at(limit, once(client, request, call.most)).await;
            let came = match &tried {
                Ok(Ok((answer, _))) => Came::Answer(answer),
                Ok(Err(error)) => Came::Error(error),
                Err(_) => Came::Nothing,
            };
            tracing::debug!("{}: {}", tell::call(call), came.after(begun.elapsed()));
            let why = came.why();
            let wait = match tried {
                Ok(Ok((answer, asked))) if is_not_now(answer.status) && !answer.is_about_form() => {
                    let wait = asked.unwrap_or_else(|| jittered(pause));
                    if left == 0 || Instant::now() + wait >= deadline {
                        return Ok(Answer { repeated, ..answer });
                    }
                    // Who is sent away for coming too often was not let in.
                    repeated |= answer.status != StatusCode::TOO_MANY_REQUESTS;
                    wait
                }
                Ok(Ok((answer, _))) => return Ok(Answer { repeated, ..answer }),
                Ok(Err(source)) => {
                    let wait = jittered(pause);
                    if !is_transient(source.as_ref()) || left == 0 || Instant::now() + wait >= deadline {
                        return Err(given_up(call, source));
                    }
                    repeated = true;
                    wait
                }
                Err(elapsed) => {
                    if left == 0 || limit >= deadline {
                        return Err(ProviderError::Unreachable { doing: call.doing.clone(), source: elapsed.into() });
                    }
                    repeated = true;
                    jittered(pause)
                }
            };
            tracing::debug!("{}: once more in {}, because of {why}", tell::call(call), tell::short(wait));
            sleep(wait).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Makes the request and takes nothing but a 2xx answer.
    pub(crate) async fn ok(&self, call: &Call) -> Result<Value, ProviderError> {
        self.send(call).await?.ok(&call.doing)
    }

    /// The same, with the server's 404 as `None`.
    pub(crate) async fn find(&self, call: &Call) -> Result<Option<Value>, ProviderError> {
        let answer = self.send(call).await?;
        if answer.is_absent() { Ok(None) } else { answer.ok(&call.doing).map(Some) }
    }

    /// The same for one object; an error where it is another that comes back.
    pub(crate) async fn find_object(&self, call: &Call, id: &ResourceId) -> Result<Option<Value>, ProviderError> {
        let answer = self.send(call).await?;
        if answer.is_absent() { Ok(None) } else { answer.object(&id.kind.kind, &id.name, &call.doing).map(Some) }
    }
}

async fn once(
    client: &kube::Client,
    request: Request<Body>,
    most: usize,
) -> Result<(Answer, Option<Duration>), BoxError> {
    read(client.send(request).await?, most).await
}

/// The error for a request that is not tried any more: nothing came back, or nothing that makes sense.
fn given_up(call: &Call, source: BoxError) -> ProviderError {
    let doing = call.doing.clone();
    match source.downcast_ref::<Garbled>() {
        Some(garbled) => ProviderError::Unexpected { doing, detail: garbled.to_string() },
        None => ProviderError::Unreachable { doing, source },
    }
}

fn is_not_now(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Whether the same request may fare better: broken connections and bodies may, bad credentials and configuration may
/// not.
fn is_transient(error: &(dyn std::error::Error + 'static)) -> bool {
    match error.downcast_ref::<Garbled>() {
        Some(garbled) => garbled.may_pass(),
        None => {
            !matches!(error.downcast_ref::<kube::Error>(), Some(kube::Error::Auth(_) | kube::Error::InferConfig(_)))
        }
    }
}

/// Between half of the pause and the whole, so that many clients do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 1000;
    pause / 2 + pause.mul_f64(random as f64 / 2000.0)
}

#[cfg(test)]
mod tests;
