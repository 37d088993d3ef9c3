//! The operations listener.

use zhuandi::session::message::Role;

use crate::harness::{Server, request};

#[tokio::test]
async fn health_readiness_metrics() {
    let server = Server::start().await;
    let at = server.app.ops_addr;
    assert_eq!(request(at, "GET", "/healthz", &[], "").await.status, 200);
    assert_eq!(request(at, "GET", "/readyz", &[], "").await.status, 200);
    let _board = server.page("secret-lesson", Role::Receiver, "secret-person").await;
    let metrics = request(at, "GET", "/metrics", &[], "").await;
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in ["zhuandi_sessions_open 1", "zhuandi_lessons_open 1", "zhuandi_sessions_joined_total 1"] {
        assert!(metrics.body.contains(line), "{line} in\n{}", metrics.body);
    }
    assert!(!metrics.body.contains("secret"), "no person, no lesson");
    let names = metrics.body.lines().filter(|l| !l.starts_with('#')).count();
    assert_eq!(metrics.body.lines().filter(|l| l.starts_with("# HELP")).count(), names);
}

#[tokio::test]
async fn operations_are_not_public() {
    let server = Server::start().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(request(server.app.http_addr, "GET", path, &[], "").await.status, 404, "{path}");
    }
}
