//! A faulty service on a loopback socket: a reset there is a reset of the TCP connection, as a peer that has lost its
//! state sends it. Knows no fault but the error that stands for a reset.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use futures::future::BoxFuture;
use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tower::{BoxError, Service};

/// Serves a service, [`Faulty`](super::Faulty) or not, over HTTP until `shutdown` ends. An error of the service resets
/// its connection. No token is asked for: it is meant for tests.
///
/// # Errors
/// When the listener is not on a loopback address, or fails.
pub async fn serve<S>(
    listener: TcpListener,
    service: S,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()>
where
    S: Service<Request, Response = Response<Body>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    crate::cluster::loopback(&listener)?;
    let connections = tower::service_fn(move |incoming: IncomingStream<'_, Sockets>| {
        let reset = Arc::clone(&incoming.io().reset);
        ready(Ok::<_, Infallible>(OneConnection { service: service.clone(), reset }))
    });
    axum::serve(Sockets(listener), connections).with_graceful_shutdown(shutdown).await
}

/// Asks for the reset of one connection.
#[derive(Default)]
struct Reset {
    wanted: AtomicBool,
    waker: AtomicWaker,
}

/// The service as one connection has it.
#[derive(Clone)]
struct OneConnection<S> {
    service: S,
    reset: Arc<Reset>,
}

impl<S> Service<Request> for OneConnection<S>
where
    S: Service<Request, Response = Response<Body>> + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self.service.poll_ready(context) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) => {
                self.reset.now();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answer = self.service.call(request);
        let reset = Arc::clone(&self.reset);
        Box::pin(async move {
            if let Ok(response) = answer.await {
                return Ok(response);
            }
            reset.now();
            pending().await
        })
    }
}

impl Reset {
    fn now(&self) {
        self.wanted.store(true, Ordering::SeqCst);
        self.waker.wake();
    }
}

/// A listener whose connections can be reset.
struct Sockets(TcpListener);

impl Listener for Sockets {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Socket, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Socket { stream, reset: Arc::default() }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that fails when its reset is wanted, and is then closed without a word of goodbye.
struct Socket {
    stream: TcpStream,
    reset: Arc<Reset>,
}

impl Socket {
    /// The error of a connection whose reset is wanted.
    fn check(&self, context: &Context<'_>) -> io::Result<()> {
        self.reset.waker.register(context.waker());
        if !self.reset.wanted.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.stream.set_zero_linger()?;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A reset takes the place of an orderly end.
        self.check(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
