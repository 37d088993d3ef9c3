//! Media connections through the signalling: offers, slots, replacement. A real WebRTC client
//! connects; what its packets do is tested elsewhere.

use serde_json::{Value, json};
use zhuandi::bot::connection::{Connection, Plan};
use zhuandi::media::negotiate::{Codec, SourceKind};
use zhuandi::session::message::Role;

use crate::harness::{Page, Server};

/// A page with a media connection.
struct Peer {
    connection: Connection,
    number: Value,
}

impl Peer {
    /// Offers, takes the answer, and starts connecting.
    async fn offer(page: &mut Page, sends: &[SourceKind]) -> Self {
        let plan = Plan {
            sends: sends.iter().map(|kind| (*kind, 1)).collect(),
            audio_slots: 3,
            video_slots: 3,
            codec: Codec::Vp8,
            local: vec!["127.0.0.1:0".into()],
        };
        let (mut connection, sdp) = Connection::offer(&plan).await.unwrap();
        let tracks = serde_json::to_value(&connection.intents).unwrap();
        let answer = page.reply(json!({ "type": "offer", "sdp": sdp, "tracks": tracks })).await;
        assert_eq!(answer["type"], "answer", "{answer}");
        assert_eq!(answer["slots"].as_array().unwrap().len(), 6);
        connection.accept(answer["sdp"].as_str().unwrap()).await.unwrap();
        Self { connection, number: answer["peer"].clone() }
    }
}

/// Whether a `slots` message feeds something from `participant`.
fn feeds(message: &Value, participant: &str, kind: &str) -> bool {
    message["type"] == "slots"
        && message["slots"]
            .as_array()
            .unwrap()
            .iter()
            .any(|slot| slot["feed"]["participant"] == participant && slot["feed"]["kind"] == kind)
}

#[tokio::test]
async fn a_board_is_told_who_is_in_its_slots() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let board_peer = Peer::offer(&mut board, &[SourceKind::Mic, SourceKind::Camera]).await;
    let _lead_peer = Peer::offer(&mut lead, &[SourceKind::Mic, SourceKind::Camera]).await;

    let slots = board.until(|m| feeds(m, "lead", "camera")).await;
    assert_eq!(slots["peer"], board_peer.number);
    assert!(
        slots["slots"].as_array().unwrap().iter().all(|s| s["feed"]["since"].is_null()),
        "covered at first: {slots}"
    );
    let wall = lead.until(|m| feeds(m, "c1", "camera")).await;
    assert!(!feeds(&wall, "c1", "mic"), "a closed microphone is in nobody's slot");
    lead.ask(json!({ "type": "mute", "participant": "c1", "kind": "mic", "muted": false })).await;
    lead.until(|m| feeds(m, "c1", "mic")).await;
    lead.ask(json!({ "type": "mute_all" })).await;
    lead.until(|m| m["type"] == "slots" && m["slots"][0]["feed"].is_null()).await;
}

#[tokio::test]
async fn nobody_is_shown_before_the_lesson_begins() {
    let server = Server::start().await;
    let mut lead = server.page("math", Role::Lead, "lead").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let _board_peer = Peer::offer(&mut board, &[SourceKind::Camera]).await;
    let _lead_peer = Peer::offer(&mut lead, &[SourceKind::Camera]).await;
    lead.until_participant("c1", |p| p["sources"][0]["kind"] == "camera").await;
    lead.until_participant("lead", |p| p["sources"][0]["kind"] == "camera").await;
    board.send(json!({ "type": "ping", "sent": 1 })).await;
    board
        .until(|m| {
            assert_ne!(m["type"], "slots", "{m}");
            m["type"] == "pong"
        })
        .await;
    lead.ask(json!({ "type": "start_lesson" })).await;
    board.until(|m| feeds(m, "lead", "camera")).await;
}

#[tokio::test]
async fn a_reloaded_lead_takes_her_own_place_back() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let _board_peer = Peer::offer(&mut board, &[]).await;
    let old = Peer::offer(&mut lead, &[SourceKind::Camera]).await;
    let first = board.until(|m| feeds(m, "lead", "camera")).await;
    lead.cut();
    let mut lead = Page::connect(&server.app).await;
    let welcome = lead.join(&server.token("math", Role::Lead, "lead")).await;
    assert_eq!(welcome["peer"], old.number, "a page that still has it may keep it");
    lead.until(|m| m["type"] == "slots" && m["peer"] == old.number).await;
    let _new = Peer::offer(&mut lead, &[SourceKind::Camera]).await;
    let second = board.until(|m| feeds(m, "lead", "camera") && m != &first).await;
    assert_eq!(first["slots"][0]["mid"], second["slots"][0]["mid"], "the same slot");
    assert_ne!(first["slots"][0]["feed"]["source"], second["slots"][0]["feed"]["source"]);
    drop(old.connection);
}

#[tokio::test]
async fn the_lead_s_content_comes_and_goes_with_her_state() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let _board_peer = Peer::offer(&mut board, &[]).await;
    let state = |content: bool| json!({ "type": "state", "state": { "mic": true, "camera": true, "content": content, "sound": true } });
    lead.send(state(false)).await;
    let _lead_peer = Peer::offer(&mut lead, &[SourceKind::Camera, SourceKind::Content]).await;
    let slots = board.until(|m| feeds(m, "lead", "camera")).await;
    assert!(!feeds(&slots, "lead", "content"));
    lead.send(state(true)).await;
    board.until(|m| feeds(m, "lead", "content")).await;
    lead.send(state(false)).await;
    board.until(|m| m["type"] == "slots" && m["slots"][0]["feed"].is_null()).await;
}

#[tokio::test]
async fn a_layer_can_be_wished_for_own_slots_only() {
    let server = Server::start().await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let _board_peer = Peer::offer(&mut board, &[]).await;
    board.ask(json!({ "type": "select_layer", "mid": "4", "maxLayer": 0 })).await;
    let unknown = board.reply(json!({ "type": "select_layer", "mid": "99", "maxLayer": 0 })).await;
    assert_eq!(unknown["code"], "unknown_slot");
}
