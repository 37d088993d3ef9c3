//! The accept loop: our own, because the framework's has no time limit for headers.
//!
//! Per connection one task: TLS (if any) within `TLS_TIME`, headers within `HEADER_TIME`, also
//! between the requests of a kept-alive connection. Connections are counted in all and by address;
//! one beyond a limit is closed at once. When descriptors run out, accepting pauses instead of
//! spinning. Stopping lets running requests finish.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// All headers of a request must be there within this time.
const HEADER_TIME: Duration = Duration::from_secs(10);
const TLS_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request's headers.
const MAX_HEADERS: usize = 32 * 1024;
/// What the kernel keeps for a client that does not read; by itself it takes up to 4 MiB for each. Enough
/// for 20 Mbit/s over 100 ms.
const SEND_BUFFER: usize = 128 * 1024;
/// How long accepting rests when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// Limits and counts of connections, shared by the public listeners.
#[derive(Default)]
pub struct Connections {
    pub max: usize,
    pub max_per_address: usize,
    pub open: AtomicU64,
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    pub accept_errors: AtomicU64,
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

impl Connections {
    #[must_use]
    pub fn new(max: usize, max_per_address: usize) -> Self {
        Self { max, max_per_address, ..Self::default() }
    }

    /// Counts a connection in, unless a limit is reached.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionGuard> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let here = by_address.get(&address).copied().unwrap_or(0);
        let all = usize::try_from(self.open.load(Ordering::Relaxed)).unwrap_or(usize::MAX);
        if here >= self.max_per_address || all >= self.max {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        by_address.insert(address, here + 1);
        self.open.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Some(ConnectionGuard(Arc::new(Counted { of: Arc::clone(self), address })))
    }
}

/// Counts a connection for as long as a clone lives; a WebSocket keeps one.
#[derive(Clone)]
pub struct ConnectionGuard(#[allow(dead_code, reason = "held for its Drop")] Arc<Counted>);

struct Counted {
    of: Arc<Connections>,
    address: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut by_address = self.of.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
        self.of.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves one listener until `stopping` becomes true.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    connections: Arc<Connections>,
    mut stopping: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                connections.accept_errors.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "cannot accept connections");
                sleep(PAUSE).await;
                continue;
            }
        };
        let Some(guard) = connections.admit(address.ip().to_canonical()) else { continue };
        let connection =
            Connection { tls: tls.clone(), router: router.clone(), guard, stopping: stopping.clone() };
        tokio::spawn(connection.run(stream, address));
    }
}

/// Returns when the server stops; an ended sender is a server that has stopped.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

struct Connection {
    tls: Option<TlsAcceptor>,
    router: Router,
    guard: ConnectionGuard,
    stopping: watch::Receiver<bool>,
}

impl Connection {
    async fn run(self, stream: TcpStream, address: SocketAddr) {
        // Signalling is small messages that somebody waits for.
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
        match &self.tls {
            None => self.http(stream, address).await,
            Some(acceptor) => match timeout(TLS_TIME, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => self.http(stream, address).await,
                Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => tracing::debug!("TLS handshake took too long"),
            },
        }
    }

    async fn http<S>(mut self, stream: S, address: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, guard) = (self.router, self.guard);
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(guard.clone());
            request.extensions_mut().insert(address);
            let router = router.clone();
            async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|e| match e {})) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIME)
            .max_buf_size(MAX_HEADERS)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = stopped(&mut self.stopping) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended");
        }
    }
}
