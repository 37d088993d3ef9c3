//! What people in a lesson see of each other and do to each other.

use serde_json::json;
use zhuandi::session::message::Role;

use crate::harness::{Page, Server};

#[tokio::test]
async fn start_is_told_to_everybody_once() {
    let server = Server::start().await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let mut lead = server.page("math", Role::Lead, "t1").await;
    lead.ask(json!({ "type": "start_lesson" })).await;
    let live = board.until(|m| m["type"] == "lesson" && m["lesson"]["state"] == "live").await;
    assert_eq!(live["lesson"]["leads"], "t1");
    lead.ask(json!({ "type": "start_lesson" })).await;
    board.send(json!({ "type": "ping", "sent": 1 })).await;
    let next = board.until(|m| m["type"] == "lesson" || m["type"] == "pong").await;
    assert_eq!(next["type"], "pong", "starting again changes nothing");
}

#[tokio::test]
async fn mute_is_told_to_the_muted_and_shown_to_all() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let mut other = server.page("math", Role::Observer, "o1").await;
    lead.ask(json!({ "type": "mute", "participant": "c1", "kind": "mic", "muted": false })).await;
    let told = board.until_type("muted").await;
    assert_eq!(told, json!({ "type": "muted", "kind": "mic", "muted": false, "by": "lead" }));
    other.until_participant("c1", |p| p["muted"] == json!([])).await;
    lead.ask(json!({ "type": "mute_all" })).await;
    assert_eq!(board.until_type("muted").await["muted"], true);
    other.until_participant("c1", |p| p["muted"] == json!(["mic"])).await;
    let nobody = json!({ "type": "mute", "participant": "nobody", "kind": "mic", "muted": true });
    assert_eq!(lead.reply(nobody).await["code"], "unknown_participant");
}

#[tokio::test]
async fn a_lesson_begins_with_closed_receivers() {
    let server = Server::start().await;
    let mut lead = server.page("math", Role::Lead, "t1").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    lead.ask(json!({ "type": "mute", "participant": "c1", "kind": "mic", "muted": false })).await;
    assert_eq!(board.until_type("muted").await["muted"], false);
    lead.ask(json!({ "type": "start_lesson" })).await;
    assert_eq!(board.until_type("muted").await["muted"], true);
}

#[tokio::test]
async fn a_kicked_page_is_told_and_gone() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    lead.ask(json!({ "type": "kick", "participant": "c1" })).await;
    assert_eq!(board.until_closed().await.unwrap(), json!({ "type": "bye", "reason": "kicked" }));
    assert_eq!(lead.until_type("participant_left").await["id"], "c1");
    let again = lead.reply(json!({ "type": "kick", "participant": "c1" })).await;
    assert_eq!(again["code"], "unknown_participant");
    let mut back = Page::connect(&server.app).await;
    let refused = back.join(&server.token("math", Role::Receiver, "c1")).await;
    assert_eq!((&refused["code"], &refused["fatal"]), (&json!("kicked"), &json!(true)), "{refused}");
    let mut elsewhere = Page::connect(&server.app).await;
    let welcome = elsewhere.join(&server.token("art", Role::Receiver, "c1")).await;
    assert_eq!(welcome["type"], "welcome", "another lesson is another matter");
}

#[tokio::test]
async fn a_pages_state_is_seen_by_the_others() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let state = json!({ "mic": false, "camera": true, "content": false, "sound": false, "hidden": true });
    board.send(json!({ "type": "state", "state": state })).await;
    let seen = lead.until_participant("c1", |p| p["state"]["camera"] == true).await;
    assert_eq!(seen["state"], state, "未开声音 can be shown");
}

#[tokio::test]
async fn an_administrator_watches_without_a_seat() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut admin = server.page("math", Role::Admin, "a1").await;
    admin.ask(json!({ "type": "watch" })).await;
    let overview = admin.until_type("overview").await;
    assert_eq!(overview["lessons"][0]["lesson"]["id"], "math");
    let people = overview["lessons"][0]["participants"].as_array().unwrap();
    assert_eq!(people.len(), 1, "{people:?}");
    assert_eq!(people[0]["participant"]["role"], "lead");
    // It goes on by itself.
    admin.until_type("overview").await;
    admin.ask(json!({ "type": "end_lesson" })).await;
    assert_eq!(lead.until_closed().await.unwrap()["reason"], "ended");
}
