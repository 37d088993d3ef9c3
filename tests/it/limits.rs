//! Hostile and broken clients: each limit is met, and the others notice nothing.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use zhuandi::session::message::Role;

use crate::harness::{PATIENCE, Page, Server, request};

#[tokio::test]
async fn who_says_nothing_is_sent_away() {
    let server = Server::with("", &["session.join_seconds=1"]).await;
    let mut page = Page::connect(&server.app).await;
    let last = page.until_closed().await.unwrap();
    assert_eq!(last["code"], "join_timeout");
    assert_eq!(last["fatal"], false, "a slow network may try again");
}

#[tokio::test]
async fn a_silent_session_is_dropped_and_its_seat_kept() {
    let server = Server::with("", &["session.silence_seconds=1"]).await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    assert_eq!(board.until_closed().await.unwrap()["code"], "silent");
    let mut board = Page::connect(&server.app).await;
    let welcome = board.join(&server.token("math", Role::Receiver, "c1")).await;
    assert_eq!(welcome["roster"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn oversized_messages_end_the_connection() {
    let server = Server::start().await;
    let mut page = server.page("math", Role::Lead, "t1").await;
    page.send_text(format!("{{\"type\":\"ping\",\"sent\":1{}}}", " ".repeat(512 * 1024))).await;
    assert_eq!(page.until_closed().await.unwrap()["code"], "message_too_large");
    // Far beyond the limit the frame is not even read.
    let mut page = server.page("math", Role::Lead, "t1").await;
    page.send_text(" ".repeat(4 * 1024 * 1024)).await;
    page.until_closed().await;
    server.page("math", Role::Lead, "t1").await;
}

#[tokio::test]
async fn sdp_of_every_bad_kind_has_its_code() {
    let server = Server::start().await;
    let mut page = server.page("math", Role::Receiver, "c1").await;
    let offer = |sdp: String| json!({ "type": "offer", "sdp": sdp, "tracks": [] });
    assert_eq!(page.reply(offer(" ".repeat(256 * 1024 + 1))).await["code"], "sdp_too_large");
    assert_eq!(page.reply(offer("nonsense".into())).await["code"], "bad_sdp");
    let twice = json!([{ "mid": "0", "kind": "mic" }, { "mid": "1", "kind": "mic" }]);
    let reply = page.reply(json!({ "type": "offer", "sdp": "v=0", "tracks": twice })).await;
    assert_eq!(reply["code"], "bad_message");
    assert_eq!(page.reply(json!({ "type": "restart_ice", "sdp": "v=0" })).await["code"], "unknown_slot");
}

#[tokio::test]
async fn unknown_fields_and_deep_nesting_are_refused_and_the_page_stays() {
    let server = Server::start().await;
    let mut page = server.page("math", Role::Lead, "t1").await;
    for text in [
        r#"{"type":"start_lesson","request":5,"force":true}"#.to_owned(),
        r#"{"type":"dance","request":5}"#.to_owned(),
    ] {
        page.send_text(text.clone()).await;
        let refused = page.until_type("error").await;
        assert_eq!(
            (refused["code"].as_str(), refused["request"].as_u64()),
            (Some("bad_message"), Some(5)),
            "{text}"
        );
    }
    page.send_text("[".repeat(200_000)).await;
    assert_eq!(page.until_type("error").await["code"], "bad_message");
    page.ask(json!({ "type": "start_lesson" })).await;
}

#[tokio::test]
async fn a_flood_of_messages_is_cut_off() {
    let server = Server::start().await;
    let mut page = server.page("math", Role::Lead, "t1").await;
    for n in 0..300 {
        page.send(json!({ "type": "ping", "sent": n })).await;
    }
    assert_eq!(page.until_closed().await.unwrap()["code"], "rate_limited");
}

#[tokio::test]
async fn foreign_pages_cannot_connect() {
    let server = Server::with("", &["http.allowed_origins=https://portal.example"]).await;
    let own = format!("http://{}", server.app.http_addr);
    for (origin, expected) in [
        (Some(own.as_str()), None),
        (Some("https://portal.example"), None),
        (None, None),
        (Some("https://evil.example"), Some(403)),
        (Some("null"), Some(403)),
    ] {
        let refused = Page::connect_from(&server.app, origin).await.err();
        assert_eq!(refused, expected, "{origin:?}");
    }
}

#[tokio::test]
async fn slow_headers_are_cut_after_ten_seconds() {
    let server = Server::start().await;
    let started = Instant::now();
    let mut idle = TcpStream::connect(server.app.http_addr).await.unwrap();
    let mut slow = TcpStream::connect(server.app.http_addr).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    for stream in [&mut idle, &mut slow] {
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the server closes it by itself");
    }
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    assert_eq!(request(server.app.http_addr, "GET", "/", &[], "").await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_of_an_address_are_closed_at_once() {
    let server = Server::with("", &["http.max_connections_per_address=200"]).await;
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(TcpStream::connect(server.app.http_addr).await.unwrap());
    }
    // The two hundred are accepted in their order, so the next one is one too many.
    let mut extra = TcpStream::connect(server.app.http_addr).await.unwrap();
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, extra.read_to_end(&mut rest)).await.expect("closed at once");
    assert!(ended.is_err() || rest.is_empty());
    drop(held);
    let figures = request(server.app.ops_addr, "GET", "/metrics", &[], "").await.body;
    assert!(figures.contains("zhuandi_connections_refused_total 1"), "{figures}");
}

#[tokio::test]
async fn a_body_that_never_comes_is_cut_after_fifteen_seconds() {
    let server = Server::start().await;
    let started = Instant::now();
    let token = server.token("math", Role::Receiver, "c1");
    let mut streams = Vec::new();
    for path in ["/whip/math", "/api/v1/lessons"] {
        let mut slow = TcpStream::connect(server.app.http_addr).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/sdp\r\nContent-Length: 1000\r\n\r\nv=0"
        );
        slow.write_all(head.as_bytes()).await.unwrap();
        streams.push(slow);
    }
    for mut stream in streams {
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "the server closes it by itself");
    }
    assert!(started.elapsed().as_secs() < 25, "{:?}", started.elapsed());
}

#[tokio::test]
async fn nesting_is_taken_to_sixty_four_and_no_further() {
    let server = Server::start().await;
    let mut page = server.page("math", Role::Lead, "t1").await;
    for depth in [63, 64, 1_000] {
        // The object itself is one level more.
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        page.send_text(format!(r#"{{"type":"mute_all","request":{depth},"x":{deep}}}"#)).await;
        let refused = page.until_type("error").await;
        assert_eq!(refused["code"], "bad_message");
        // Up to the limit it is read as far as its number; beyond, it is not looked at.
        let named = refused["request"].as_u64();
        assert_eq!(named, (depth < 64).then_some(depth as u64), "{depth}");
    }
}
