//! Pages and their headers.

use crate::harness::{Server, request};

#[tokio::test]
async fn pages_are_there_fresh_and_strict() {
    let server = Server::start().await;
    let at = server.app.http_addr;
    for page in ["/", "/teach", "/class", "/observe", "/admin"] {
        let answer = request(at, "GET", page, &[], "").await;
        assert_eq!(answer.status, 200, "{page}");
        assert!(answer.header("content-type").unwrap().starts_with("text/html"), "{page}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{page}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("frame-ancestors 'self'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains(&format!("ws://{at}")), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        let tag = format!("If-None-Match: {}", answer.header("etag").unwrap());
        assert_eq!(request(at, "GET", page, &[&tag], "").await.status, 304, "{page}");
        // Nothing inline may run under the policy, so nothing inline may be there.
        assert!(!answer.body.contains("<script>") && !answer.body.contains("style=\""), "{page}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let server = Server::start().await;
    for path in [
        "/nothing",
        "/assets/nothing.js",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "/.built",
        "/ca",
        "/ca.crt",
    ] {
        let answer = request(server.app.http_addr, "GET", path, &[], "").await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{path}");
    }
    assert_eq!(request(server.app.http_addr, "POST", "/teach", &[], "{}").await.status, 404);
}
