//! `/ws`: from an HTTP upgrade to a session.
//!
//! The origin is checked (a foreign page must not use a visitor's network), the WebSocket's own
//! limits are set (its defaults are 64 MiB messages and an endless write buffer), and the session
//! gets plain texts.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;

use crate::http::HttpState;
use crate::http::error::ApiError;
use crate::http::extract::Reader;
use crate::http::server::ConnectionGuard;
use crate::session::errors::Code;
use crate::session::limits::MAX_MESSAGE;
use crate::session::{Incoming, run};

/// A little more than the session takes, so that the session can say what was wrong with a message
/// just beyond its limit. What is beyond this too ends the connection at its header.
const MAX_FRAME: usize = MAX_MESSAGE * 2;
/// One batch of the session's own messages; beyond it writing waits.
const MAX_WRITE_BUFFER: usize = 2 * 1024 * 1024;
/// The library's own are 128 KiB each, for every classroom, all lesson long.
const READ_BUFFER: usize = 4 * 1024;
const WRITE_BUFFER: usize = 8 * 1024;
/// How long the goodbye may take.
const CLOSE_TIME: Duration = Duration::from_secs(2);

pub async fn upgrade(
    State(state): State<HttpState>,
    Extension(guard): Extension<ConnectionGuard>,
    reader: Reader,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    if !is_own_origin(&headers, &state.allowed_origins) {
        return ApiError::new(Code::WrongOrigin, reader.0).into_response();
    }
    let Ok(upgrade) = upgrade else {
        return ApiError::new(Code::BadRequest, reader.0).into_response();
    };
    upgrade
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .on_upgrade(move |socket| async move {
            // Both live as long as the socket: the count of connections, and the wait for the last.
            let _counted = guard;
            serve(socket, state).await;
        })
}

async fn serve(socket: WebSocket, state: HttpState) {
    let (sink, stream) = socket.split();
    let reader = stream.take_while(|m| futures_util::future::ready(m.is_ok())).filter_map(|m| {
        futures_util::future::ready(match m {
            Ok(Message::Text(text)) => Some(Incoming::Text(text.as_str().to_owned())),
            Ok(Message::Binary(_)) => Some(Incoming::Unreadable(Code::BadMessage)),
            Ok(Message::Ping(_) | Message::Pong(_)) => Some(Incoming::Alive),
            // The stream ends right after it.
            Ok(Message::Close(_)) | Err(_) => None,
        })
    });
    let mut writer = sink.with(|text: String| {
        futures_util::future::ready(Ok::<_, axum::Error>(Message::Text(Utf8Bytes::from(text))))
    });
    tokio::pin!(reader);
    let closing = run(state.sessions.clone(), reader.as_mut(), &mut writer).await;
    let mut sink = writer.into_inner();
    let frame = CloseFrame { code: closing.0, reason: Utf8Bytes::from_static("") };
    let goodbye = async {
        // A socket that is gone already cannot be told.
        let _ = sink.send(Message::Close(Some(frame))).await;
        // What the page still sends is taken: closing over unread bytes makes TCP reset the
        // connection, and the page would lose the reason with it.
        while reader.next().await.is_some() {}
    };
    let _ = timeout(CLOSE_TIME, goodbye).await;
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
    use axum::http::HeaderValue;

    use super::*;

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
