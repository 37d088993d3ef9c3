//! The web client, embedded: pages and their files.
//!
//! A page lives at its name (`/teach` is `teach.html`); files under `assets/` carry a hash in
//! their name and may be kept forever, everything else is asked for again (with an ETag).

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::http::error::ApiError;
use crate::http::extract::Reader;
use crate::session::errors::Code;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[exclude = ".*"]
struct Dist;

const PAGES: [&str; 6] = ["index", "teach", "class", "observe", "admin", "phone"];

/// Everything that no other route takes.
pub async fn serve(reader: Reader, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::new(Code::NotFound, reader.0).into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    let Some((name, file)) = find(path) else {
        return ApiError::new(Code::NotFound, reader.0).into_response();
    };
    answer(&name, file, request.headers())
}

fn find(path: &str) -> Option<(String, EmbeddedFile)> {
    let page = if path.is_empty() { "index" } else { path.trim_end_matches('/') };
    if PAGES.contains(&page) {
        let candidates = [format!("{page}.html"), format!("{page}/index.html"), "index.html".into()];
        return candidates.into_iter().find_map(|name| Some((name.clone(), Dist::get(&name)?)));
    }
    Some((path.to_owned(), Dist::get(path)?))
}

fn answer(name: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response {
    let tag: String = file.metadata.sha256_hash()[..12].iter().map(|b| format!("{b:02x}")).collect();
    let tag = format!("\"{tag}\"");
    let mut headers = HeaderMap::new();
    let kept = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    let mime = file.metadata.mimetype();
    let text = mime.starts_with("text/") || mime.ends_with("javascript");
    let mime = if text { format!("{mime}; charset=utf-8") } else { mime.to_owned() };
    if let Ok(mime) = HeaderValue::from_str(&mime) {
        headers.insert(header::CONTENT_TYPE, mime);
    }
    if name.ends_with(".html") {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy(asked));
        headers.insert("permissions-policy", HeaderValue::from_static(
            "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), fullscreen=(self), geolocation=()",
        ));
    }
    if asked.get(header::IF_NONE_MATCH).is_some_and(|old| old.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, file.data.into_owned()).into_response()
}

/// Only our own files, and our own socket: older browsers do not take `ws:` for `'self'`, so it is
/// named by the host that the page was asked from.
fn policy(asked: &HeaderMap) -> HeaderValue {
    let host = asked.get(header::HOST).and_then(|h| h.to_str().ok()).filter(|h| is_host(h));
    let sockets = host.map_or_else(String::new, |h| format!(" ws://{h} wss://{h}"));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         font-src 'self'; media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; \
         connect-src 'self'{sockets}; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'self'"))
}

/// A host header that can stand in a policy without changing it.
fn is_host(host: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    !host.is_empty() && host.len() <= 255 && host.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_there() {
        for page in PAGES {
            assert!(find(page).is_some(), "{page}");
        }
        assert!(find("").is_some());
        assert!(find("nothing/here.js").is_none());
        assert!(find("../Cargo.toml").is_none());
    }

    #[test]
    fn a_strange_host_does_not_get_into_the_policy() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("a.example; script-src *"));
        assert!(!policy(&headers).to_str().unwrap().contains("script-src *"));
        headers.insert(header::HOST, HeaderValue::from_static("[::1]:8080"));
        assert!(policy(&headers).to_str().unwrap().contains("wss://[::1]:8080"));
        assert!(!policy(&headers).to_str().unwrap().contains("unsafe"));
    }
}
