//! The public listener: pages, signalling, the lessons API.
//!
//! Reading order: `server` (the accept loop and its limits), this file (which address does what),
//! then one file per family: `ws` (over `socket` and `frames`), `lessons`, `attendance`, `photos`, `companion`,
//! `assets`, `whip` and `whep` (with what both share in
//! `endpoint` and `resource`); `tls` and `ca` for secure pages; `ops` is
//! a listener of its own. Errors leave as `{code, message, hint}` (`error`).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::auth::turn::IceServers;
use crate::http::error::ApiError;
use crate::http::extract::Reader;
use crate::http::resource::Resources;
use crate::session::SessionParts;
use crate::session::errors::Code;
use crate::store::History;
pub use photos::Desk;

pub mod assets;
mod attendance;
pub mod ca;
mod companion;
mod endpoint;
pub mod error;
pub mod extract;
pub mod frames;
pub mod lessons;
mod network;
pub mod ops;
mod photos;
mod rating;
pub mod resource;
pub mod server;
mod socket;
pub mod tls;
mod whep;
mod whip;
pub mod ws;

/// A request and its answer take at most this long (a WebSocket lives on after its answer).
const REQUEST_TIME: Duration = Duration::from_secs(15);
/// Bytes of a request's body; the API's largest has a few hundred.
const MAX_BODY: usize = 64 * 1024;

/// `[http]` of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    pub listen: SocketAddr,
    pub tls: TlsMode,
    pub tls_listen: SocketAddr,
    pub tls_cert: PathBuf,
    pub tls_key: PathBuf,
    #[serde(deserialize_with = "crate::config::list")]
    pub tls_names: Vec<String>,
    #[serde(deserialize_with = "crate::config::list")]
    pub allowed_origins: Vec<String>,
    pub max_connections: usize,
    pub max_connections_per_address: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsMode {
    Off,
    Files,
    SelfSigned,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            tls: TlsMode::Off,
            tls_listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            tls_names: Vec::new(),
            allowed_origins: Vec::new(),
            max_connections: 10_000,
            max_connections_per_address: 1000,
        }
    }
}

impl HttpConfig {
    /// What is wrong with it, one sentence each.
    pub fn check(&self, problems: &mut Vec<String>) {
        if self.tls == TlsMode::Files {
            for (key, path) in [("tls_cert", &self.tls_cert), ("tls_key", &self.tls_key)] {
                if !path.is_file() {
                    problems.push(format!("http.{key} must name a file when http.tls = \"files\""));
                }
            }
        }
        if self.max_connections_per_address < 200 {
            problems.push(
                "http.max_connections_per_address must be at least 200: a school shares one address".into(),
            );
        }
        if self.max_connections < self.max_connections_per_address {
            problems.push("http.max_connections must not be below the limit per address".into());
        }
        for origin in &self.allowed_origins {
            if !(origin.starts_with("http://") || origin.starts_with("https://")) {
                problems.push(format!("http.allowed_origins: {origin:?} is not http(s)://host"));
            }
        }
    }
}

/// What the handlers need.
#[derive(Clone)]
pub struct HttpState {
    pub sessions: Arc<SessionParts>,
    pub allowed_origins: Arc<[String]>,
    /// Connections by WHIP and WHEP.
    pub resources: Resources,
    /// What the database tells of lessons.
    pub history: History,
    /// Photos that lessons show.
    pub photos: Desk,
    /// Told to WHIP and WHEP clients.
    pub ice_servers: IceServers,
    /// Held by every open WebSocket, so that shutting down can wait for the last.
    pub alive: mpsc::Sender<()>,
}

/// The public addresses.
pub fn router(state: HttpState) -> Router {
    Router::new()
        .route("/ws", get(ws::upgrade))
        .merge(endpoint::router())
        .route("/api/v1/lessons", get(lessons::list).post(lessons::create))
        .route("/api/v1/lessons/{id}", get(lessons::get))
        .route("/api/v1/lessons/{id}/attendance", get(attendance::get))
        .route("/api/v1/lessons/{id}/rating", axum::routing::post(rating::rate))
        .route("/api/v1/lessons/{id}/end", axum::routing::post(lessons::end))
        .route("/api/v1/lessons/{id}/companion", axum::routing::post(companion::invite))
        .route("/api/v1/network", get(network::tell))
        .fallback(assets::serve)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(limit_time))
        // With more time and larger bodies than the rest.
        .merge(photos::router())
        .layer(middleware::from_fn(add_headers))
        .with_state(state)
}

async fn method_not_allowed(reader: Reader) -> ApiError {
    ApiError::new(Code::MethodNotAllowed, reader.0)
}

/// A body that never comes must not hold a connection.
async fn limit_time(reader: Reader, request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::new(Code::RequestTimeout, reader.0).into_response(),
    }
}

/// What every answer carries. Pages add their own content security policy.
pub(crate) async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Tokens stand after the `#` of a link and never in a referrer; nothing else may either.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
