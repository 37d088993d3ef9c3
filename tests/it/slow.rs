//! A page that stops reading: it is cut off, costs little, and nobody else notices.

use std::net::SocketAddr;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use zhuandi::bot::load::light::{Lines, offer};
use zhuandi::media::negotiate::IceCredentials;
use zhuandi::session::message::Role;

use crate::harness::{PATIENCE, Page, Server, request};

/// More answers than the sockets' buffers at both ends hold (each has several kilobytes), within the
/// number of messages that may come at once.
const ANSWERS: usize = 90;

/// A page that asks for so much without reading that the server cannot write to it any more. The task
/// gives the page back when all is asked.
pub async fn jam(to: SocketAddr, token: &str) -> JoinHandle<Page> {
    let mut page = Page::connect_with_small_buffer(to).await;
    page.join(token).await;
    let shared = zhuandi::bot::load::shared().unwrap();
    let lines = Lines { publish: false, audio: 6, video: 12 };
    let sdp = || offer(&shared, &IceCredentials::generate(), lines);
    let answer = page.reply(json!({ "type": "offer", "sdp": sdp(), "tracks": [] })).await;
    assert_eq!(answer["type"], "answer", "{answer}");
    let restarts: Vec<_> = (0..ANSWERS).map(|_| json!({ "type": "restart_ice", "sdp": sdp() })).collect();
    tokio::spawn(async move {
        for restart in restarts {
            page.request(restart).await;
        }
        page
    })
}

async fn cut_slow(server: &Server) -> bool {
    let figures = request(server.app.ops_addr, "GET", "/metrics", &[], "").await.body;
    figures.contains("zhuandi_sessions_cut_slow_total 1")
}

#[tokio::test]
async fn a_page_that_does_not_read_is_cut_off_and_the_others_go_on() {
    let server = Server::with("", &["session.stuck_seconds=2"]).await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "good").await;
    let started = Instant::now();
    let stuck = jam(server.app.http_addr, &server.token("math", Role::Receiver, "stuck")).await;
    while !cut_slow(&server).await {
        assert!(started.elapsed() < PATIENCE, "it is never cut off");
        board.send(json!({ "type": "ping", "sent": 1 })).await;
        board.until_type("pong").await;
        sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(started.elapsed().as_secs() >= 2, "slow is not stuck: {:?}", started.elapsed());
    lead.until_participant("stuck", |p| p["presence"] == "away").await;
    drop(stuck.await);
    // Its seat is kept: the same page comes back to it.
    let mut back = Page::connect(&server.app).await;
    let welcome = back.join(&server.token("math", Role::Receiver, "stuck")).await;
    assert_eq!(welcome["roster"].as_array().unwrap().len(), 2, "the lead and itself: {welcome}");
}

#[tokio::test]
async fn what_waits_for_a_page_has_an_end() {
    let flags = ["session.stuck_seconds=60", "session.messages_per_second=100000"];
    let server = Server::with("", &flags).await;
    let mut lead = server.live("math").await;
    let token = server.token("math", Role::Receiver, "stuck");
    let mut page = jam(server.app.http_addr, &token).await.await.unwrap();
    // What a page is told by name is not merged as state is. By the last round at the latest nothing
    // goes to it any more.
    let mut sent = 0;
    for _ in 0..5 {
        for _ in 0..300 {
            let mute = json!({ "type": "mute", "participant": "stuck", "kind": "mic", "muted": true });
            lead.ask(mute).await;
            sent += 1;
        }
        sleep(std::time::Duration::from_millis(200)).await;
    }
    let mut muted = 0;
    while let Some(message) = page.next().await {
        muted += usize::from(message["type"] == "muted");
    }
    assert_eq!(page.closed, Some(1013), "come back later");
    assert!(muted < sent, "{muted} of {sent}");
    assert!(cut_slow(&server).await);
    lead.ask(json!({ "type": "mute_all" })).await;
}
