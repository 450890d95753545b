//! The service around another one: asks the plan about each request, and does to it and its answer what the plan says.

use std::future::pending;
use std::io;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::IntoResponse;
use futures::future::BoxFuture;
use http::{Request, Response};
use tower::{BoxError, Service};

use super::rule::{Asked, Verb};
use super::{Fault, Faults, answer};
use crate::failure::Failure;

/// A service whose requests meet the faults of a plan; made by [`Faults`] as a [`tower::Layer`].
///
/// A reset is the error [`io::ErrorKind::ConnectionReset`].
#[derive(Debug, Clone)]
pub struct Faulty<S> {
    faults: Faults,
    inner: S,
}

impl<S> Faulty<S> {
    pub(super) fn new(faults: Faults, inner: S) -> Faulty<S> {
        Faulty { faults, inner }
    }
}

impl<S, In, Out> Service<Request<In>> for Faulty<S>
where
    S: Service<Request<In>, Response = Response<Out>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    In: Send + 'static,
    Out: HttpBody<Data = Bytes> + Send + 'static,
    Out::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        // The one that was asked whether it is ready has to be the one that is called.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let faults = self.faults.clone();
        Box::pin(async move {
            let asked = Asked::of(request.method(), request.uri());
            let verdict = asked.as_ref().map(|asked| faults.decide(asked));
            let fault = verdict.as_ref().and_then(|verdict| verdict.fault);
            let watches = asked.is_some_and(|asked| asked.verb == Verb::Watch);
            if let Some(verdict) = verdict.filter(|verdict| !verdict.latency.is_zero()) {
                let clock = &faults.plan.clock;
                clock.sleep_until(clock.now() + verdict.latency).await;
            }
            let refused = match fault {
                Some(Fault::TooManyRequests { retry_after }) => Some(answer::too_many_requests(retry_after)),
                Some(Fault::InternalError) => {
                    Some(Failure::unnamed("etcdserver: leader changed".to_owned()).into_response())
                }
                Some(Fault::Unavailable) => Some(Failure::unavailable().into_response()),
                Some(Fault::Unauthorized) => Some(Failure::unauthorized().into_response()),
                Some(Fault::BadRequest) => Some(answer::bad_request()),
                Some(Fault::Forbidden) => Some(answer::forbidden()),
                Some(Fault::NotFound) => Some(Failure::no_such_path().into_response()),
                Some(Fault::Unprocessable) => Some(Failure::unprocessable().into_response()),
                Some(Fault::HtmlPage) => Some(answer::page()),
                Some(Fault::FailureAsSuccess) => Some(answer::failure_as_success()),
                Some(Fault::Gone) => Some(answer::gone(request.uri(), watches)),
                Some(Fault::ResetBefore) => return Err(reset()),
                Some(Fault::Stall) if !watches => return pending().await,
                _ => None,
            };
            if let Some(refused) = refused {
                return Ok(refused);
            }
            let response = inner.call(request).await.map_err(Into::into)?.map(Body::new);
            match fault {
                Some(Fault::ResetAfter) => Err(reset()),
                Some(Fault::Stall) => Ok(response.map(answer::silent)),
                Some(Fault::BrokenBody) if watches => Ok(response.map(answer::watch_breaks)),
                Some(Fault::ShortBody) if watches => Ok(response.map(answer::watch_is_cut)),
                Some(Fault::WatchEnds { after }) if watches => Ok(response.map(|body| answer::watch_ends(body, after))),
                Some(Fault::BrokenBody) => answer::broken(response).await,
                Some(Fault::ShortBody) => answer::short(response).await,
                Some(Fault::EmptyList) if !watches => answer::altered(response, answer::empty).await,
                Some(Fault::NullItems) if !watches => answer::altered(response, answer::without_items).await,
                Some(Fault::NoMetadata) if !watches => answer::altered(response, answer::without_metadata).await,
                Some(Fault::StaleGroup(group)) if !watches => {
                    answer::altered(response, |body| answer::with_stale_group(body, group)).await
                }
                Some(Fault::WrongContentType) => Ok(answer::said_to_be_html(response)),
                _ => Ok(response),
            }
        })
    }
}

fn reset() -> BoxError {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}
