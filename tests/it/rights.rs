//! Role × command over the socket: what the table of `auth::permissions` says is what happens.

use serde_json::{Value, json};
use zhuandi::session::message::Role;

use crate::harness::Server;

/// Every request of the protocol with the roles that may send it. L lead, R receiver, O observer,
/// A admin.
fn table() -> Vec<(Value, &'static str)> {
    let offer = |tracks: Value| json!({ "type": "offer", "sdp": "v=0", "tracks": tracks });
    let track = |kind: &str| offer(json!([{ "mid": "0", "kind": kind }]));
    vec![
        (offer(json!([])), "LRO-"),
        (track("mic"), "LR--"),
        (track("camera"), "LR--"),
        (track("content"), "L---"),
        (track("content_audio"), "L---"),
        (json!({ "type": "restart_ice", "sdp": "v=0" }), "LRO-"),
        (json!({ "type": "select_layer", "mid": "0", "maxLayer": 0 }), "LRO-"),
        (json!({ "type": "mute", "participant": "victim", "kind": "mic", "muted": false }), "L--A"),
        (json!({ "type": "mute_all" }), "L--A"),
        (json!({ "type": "call_on", "participant": "victim" }), "L---"),
        (json!({ "type": "release_floor" }), "LR--"),
        (json!({ "type": "release_floor", "participant": "victim" }), "L---"),
        (json!({ "type": "raise_hand" }), "-R--"),
        (json!({ "type": "lower_hand" }), "LR--"),
        (json!({ "type": "lower_hand", "participant": "victim" }), "L---"),
        (json!({ "type": "set_mode", "mode": "discuss" }), "L---"),
        (json!({ "type": "hand_over_lead", "participant": "victim" }), "L---"),
        (json!({ "type": "promote", "participant": "victim", "promoted": true }), "L---"),
        (json!({ "type": "list_audience" }), "L---"),
        (json!({ "type": "show_photo" }), "L---"),
        (json!({ "type": "drop_photo", "photo": "p1" }), "L---"),
        (json!({ "type": "signal_trouble", "kind": "cannot_hear" }), "-R--"),
        (json!({ "type": "headcount", "present": 27 }), "-R--"),
        (json!({ "type": "keep_mic", "kept": true }), "----"),
        (json!({ "type": "watch" }), "---A"),
        (json!({ "type": "start_lesson" }), "L---"),
        (json!({ "type": "kick", "participant": "victim" }), "L--A"),
        (json!({ "type": "end_lesson" }), "L--A"),
    ]
}

#[tokio::test]
async fn the_matrix_over_the_socket() {
    let server = Server::start().await;
    let roles = [Role::Lead, Role::Receiver, Role::Observer, Role::Admin];
    for (number, (message, row)) in table().into_iter().enumerate() {
        for (role, mark) in roles.into_iter().zip(row.chars()) {
            // A lesson for each pair: some commands end it.
            let lesson = format!("m{number}-{role:?}");
            let _victim = server.page(&lesson, Role::Receiver, "victim").await;
            let mut page = server.page(&lesson, role, "me").await;
            let reply = page.reply(message.clone()).await;
            let forbidden = reply["code"] == "forbidden";
            assert_eq!(forbidden, mark == '-', "{role:?} × {message}: {reply}");
        }
    }
}

/// `state`, `echo_heard`, `ping` and `leave` have no request number.
#[tokio::test]
async fn the_matrix_of_messages_without_reply() {
    let server = Server::start().await;
    for role in [Role::Lead, Role::Receiver, Role::Observer, Role::Admin] {
        let mut page = server.page("math", role, &format!("{role:?}")).await;
        page.send(json!({ "type": "ping", "sent": 17.5 })).await;
        assert_eq!(page.until_type("pong").await["sent"], 17.5);
        let state = json!({ "mic": false, "camera": false, "content": false, "sound": true });
        page.send(json!({ "type": "state", "state": state })).await;
        page.send(json!({ "type": "ping", "sent": 1 })).await;
        let next = page.until(|m| m["type"] == "pong" || m["code"] == "forbidden").await;
        assert_eq!(next["code"] == "forbidden", role == Role::Admin, "{role:?}");
        if role == Role::Admin {
            page.until_type("pong").await;
        }
        page.send(json!({ "type": "echo_heard" })).await;
        page.send(json!({ "type": "ping", "sent": 2 })).await;
        let next = page.until(|m| m["type"] == "pong" || m["code"] == "forbidden").await;
        assert_eq!(next["code"] == "forbidden", role != Role::Receiver, "{role:?}");
        page.send(json!({ "type": "leave" })).await;
        assert_eq!(page.until_type("bye").await["reason"], "left");
    }
}
