//! `/ws`: from an HTTP upgrade to a session.
//!
//! The origin is checked (a foreign page must not use a visitor's network), the handshake is answered
//! (RFC 6455 §4.2), and the session gets plain texts from the `socket`.

use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::http::HttpState;
use crate::http::error::ApiError;
use crate::http::extract::Reader;
use crate::http::server::ConnectionGuard;
use crate::http::socket::Socket;
use crate::session::errors::Code;
use crate::session::limits::MAX_MESSAGE;
use crate::session::run;

/// A little more than the session takes, so that the session can say what was wrong with a message
/// just beyond its limit. What is beyond this too ends the connection at its header.
const MAX_FRAME: usize = MAX_MESSAGE * 2;
/// How long the goodbye may take.
const CLOSE_TIME: Duration = Duration::from_secs(2);

pub async fn upgrade(
    State(state): State<HttpState>,
    Extension(guard): Extension<ConnectionGuard>,
    reader: Reader,
    mut request: Request,
) -> Response {
    if !is_own_origin(request.headers(), &state.allowed_origins) {
        return ApiError::new(Code::WrongOrigin, reader.0).into_response();
    }
    let Some(accept) = accept_key(&request) else {
        return ApiError::new(Code::BadRequest, reader.0).into_response();
    };
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // Both live as long as the socket: the count of connections, and the wait for the last.
        let _counted = guard;
        // An error: the client went before it had the answer.
        let Ok(upgraded) = upgraded.await else { return };
        let mut socket = Socket::new(TokioIo::new(upgraded), MAX_FRAME);
        let closing = run(state.sessions.clone(), &mut socket).await;
        let _ = timeout(CLOSE_TIME, socket.close(closing)).await;
    });
    let headers = [
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "Upgrade"),
        (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// The answer to a handshake that is one.
fn accept_key(request: &Request) -> Option<String> {
    let has = |name: HeaderName, token: &str| {
        let values = request.headers().get_all(name).into_iter().filter_map(|v| v.to_str().ok());
        values.flat_map(|v| v.split(',')).any(|t| t.trim().eq_ignore_ascii_case(token))
    };
    let asks = request.method() == Method::GET
        && has(header::CONNECTION, "upgrade")
        && has(header::UPGRADE, "websocket")
        && has(header::SEC_WEBSOCKET_VERSION, "13");
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY)?;
    asks.then(|| derive_accept_key(key.as_bytes()))
}

/// Whether a browser's page comes from this server. Clients that are no browsers send no origin;
/// they cannot be led to us by a foreign page.
fn is_own_origin(headers: &HeaderMap, allowed: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|a| a.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some((_, from)) = origin.split_once("://") else { return false };
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    host.is_some_and(|host| host.eq_ignore_ascii_case(from))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_handshake_is_answered_as_the_standard_has_it() {
        // The example of RFC 6455 §1.3.
        let whole = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let request = |method: Method, without: usize| {
            let mut request = Request::builder().method(method);
            for (name, value) in whole.iter().enumerate().filter(|(n, _)| *n != without).map(|(_, h)| *h) {
                request = request.header(name, value);
            }
            request.body(Body::empty()).unwrap()
        };
        assert_eq!(accept_key(&request(Method::GET, 4)).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_eq!(accept_key(&request(Method::POST, 4)), None);
        for (missing, (name, _)) in whole.iter().enumerate() {
            assert_eq!(accept_key(&request(Method::GET, missing)), None, "without {name}");
        }
    }

    #[test]
    fn whose_pages_may_connect() {
        let allowed = ["https://portal.example.org".to_owned()];
        for (origin, host, expected) in [
            (None, "box:8080", true),
            (Some("http://box:8080"), "box:8080", true),
            (Some("https://BOX:8443"), "box:8443", true),
            (Some("https://portal.example.org"), "box:8080", true),
            (Some("https://portal.example.org.evil"), "box:8080", false),
            (Some("http://box"), "box:8080", false),
            (Some("null"), "box:8080", false),
            (Some("http://evil"), "box:8080", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            assert_eq!(is_own_origin(&headers, &allowed), expected, "{origin:?} at {host}");
        }
    }
}
