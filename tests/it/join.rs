//! Who gets in, and what they are told.

use serde_json::{Value, json};
use zhuandi::session::message::Role;

use crate::harness::{Page, SECRET, Server};

#[tokio::test]
async fn welcome_says_everything_a_page_needs() {
    let server = Server::start().await;
    let mut page = Page::connect(&server.app).await;
    let welcome = page.join(&server.token("math", Role::Receiver, "c1")).await;
    assert_eq!(welcome["type"], "welcome");
    assert_eq!(welcome["version"], 1);
    assert_eq!(welcome["participant"], "c1");
    assert_eq!(welcome["role"], "receiver");
    assert_eq!(welcome["lesson"]["id"], "math");
    assert_eq!(welcome["lesson"]["state"], "scheduled");
    assert_eq!(welcome["slots"], json!({ "audio": 6, "video": 6 }));
    assert_eq!(welcome["roster"][0]["id"], "c1");
    assert_eq!(welcome["roster"][0]["muted"], json!(["mic"]), "boards begin muted");
    assert!(welcome.get("peer").is_none());
}

#[tokio::test]
async fn bad_tokens_each_with_their_code() {
    let server = Server::start().await;
    let now = zhuandi::app::unix_now();
    let good = json!({ "aud": "zhuandi", "exp": now + 600, "nbf": now - 600, "lesson": "math",
                       "role": "lead", "name": "老师", "sub": "t1" });
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        sign(&claims, SECRET)
    };
    let none =
        format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", sign(&good, SECRET).split('.').nth(1).unwrap());
    for (what, token, code) in [
        ("expired", with("exp", json!(now - 100)), "token_expired"),
        ("not yet", with("nbf", json!(now + 100)), "token_not_yet_valid"),
        ("foreign secret", sign(&good, "another secret, just as long as ours"), "token_foreign"),
        ("foreign audience", with("aud", json!("elsewhere")), "token_foreign"),
        ("alg none", none, "token_invalid"),
        ("text exp", with("exp", json!("4000000000")), "token_invalid"),
        ("unknown claim", with("is_admin", json!(true)), "token_invalid"),
        ("garbage", "x".into(), "token_invalid"),
    ] {
        let mut page = Page::connect(&server.app).await;
        let refused = page.join(&token).await;
        assert_eq!(refused["code"], code, "{what}: {refused}");
        assert_eq!(refused["fatal"], true, "{what}");
        assert!(page.next().await.is_none(), "{what}: the connection ends");
        assert_eq!(page.closed, Some(1008), "{what}");
    }
    let mut page = Page::connect(&server.app).await;
    assert_eq!(page.join(&sign(&good, SECRET)).await["type"], "welcome");
}

#[tokio::test]
async fn errors_are_in_the_readers_language() {
    let server = Server::start().await;
    for (language, part) in [("en", "link"), ("zh-CN", "链接")] {
        let mut page = Page::connect(&server.app).await;
        page.send(json!({ "type": "join", "version": 1, "token": "x", "language": language })).await;
        let refused = page.next().await.unwrap();
        assert!(refused["message"].as_str().unwrap().contains(part), "{refused}");
    }
}

#[tokio::test]
async fn another_version_is_told_to_reload() {
    let server = Server::start().await;
    let mut page = Page::connect(&server.app).await;
    let token = server.token("math", Role::Lead, "t1");
    page.send(json!({ "type": "join", "version": 2, "token": token })).await;
    assert_eq!(page.next().await.unwrap()["code"], "unsupported_version");
}

#[tokio::test]
async fn the_first_message_must_be_join_and_only_the_first() {
    let server = Server::start().await;
    let mut page = Page::connect(&server.app).await;
    page.send(json!({ "type": "ping", "sent": 1 })).await;
    assert_eq!(page.next().await.unwrap()["code"], "join_first");

    let mut page = server.page("math", Role::Lead, "t1").await;
    let again = page.join(&server.token("math", Role::Lead, "t1")).await;
    let refused = if again["type"] == "error" { again } else { page.until_type("error").await };
    assert_eq!(refused["code"], "already_joined");
    assert_eq!(refused["fatal"], false);
}

#[tokio::test]
async fn a_newer_join_of_the_same_participant_replaces_the_older() {
    let server = Server::start().await;
    let mut older = server.page("math", Role::Lead, "t1").await;
    let mut newer = server.page("math", Role::Lead, "t1").await;
    let last = older.until_closed().await.unwrap();
    assert_eq!(last, json!({ "type": "bye", "reason": "replaced" }));
    assert_eq!(older.closed, Some(1000));
    newer.ask(json!({ "type": "start_lesson" })).await;
}

#[tokio::test]
async fn a_seat_is_kept_when_the_connection_breaks() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    lead.until_participant("c1", |p| p["presence"] == "online").await;
    lead.ask(json!({ "type": "mute", "participant": "c1", "kind": "mic", "muted": false })).await;
    board.until_type("muted").await;
    board.cut();
    lead.until_participant("c1", |p| p["presence"] == "away").await;

    let mut board = Page::connect(&server.app).await;
    let welcome = board.join(&server.token("math", Role::Receiver, "c1")).await;
    assert_eq!(welcome["lesson"]["state"], "live");
    let own = welcome["roster"].as_array().unwrap().iter().find(|p| p["id"] == "c1").unwrap();
    assert_eq!(own["muted"], json!([]), "its place is as it was");
    lead.until_participant("c1", |p| p["presence"] == "online").await;
}

#[tokio::test]
async fn a_seat_is_given_up_when_its_time_is_over() {
    let server = Server::with("", &["lesson.seat_keep_seconds=1"]).await;
    let mut lead = server.live("math").await;
    server.page("math", Role::Receiver, "c1").await.cut();
    lead.until_participant("c1", |p| p["presence"] == "away").await;
    let left = lead.until_type("participant_left").await;
    assert_eq!(left["id"], "c1");
}

#[tokio::test]
async fn leaving_gives_the_seat_up_at_once() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    board.send(json!({ "type": "leave" })).await;
    assert_eq!(board.until_closed().await.unwrap(), json!({ "type": "bye", "reason": "left" }));
    assert_eq!(lead.until_type("participant_left").await["id"], "c1");
}

#[tokio::test]
async fn an_ended_lesson_refuses_joins() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    lead.ask(json!({ "type": "end_lesson" })).await;
    assert_eq!(board.until_closed().await.unwrap(), json!({ "type": "bye", "reason": "ended" }));
    assert_eq!(lead.until_closed().await.unwrap(), json!({ "type": "bye", "reason": "ended" }));
    let mut late = Page::connect(&server.app).await;
    let refused = late.join(&server.token("math", Role::Receiver, "c2")).await;
    assert_eq!(refused["code"], "lesson_ended");
    assert_eq!(refused["fatal"], true);
}

#[tokio::test]
async fn an_abandoned_lesson_leaves_no_trace() {
    let server = Server::with("", &["lesson.seat_keep_seconds=1"]).await;
    let mut admin = server.page("other", Role::Admin, "a").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    board.send(json!({ "type": "leave" })).await;
    admin.ask(json!({ "type": "watch" })).await;
    let named =
        |m: &Value, id: &str| m["lessons"].as_array().unwrap().iter().any(|l| l["lesson"]["id"] == id);
    admin.until(|m| m["type"] == "overview" && !named(m, "math")).await;
    assert_eq!(
        server.page("math", Role::Lead, "t1").await.reply(json!({ "type": "start_lesson" })).await["type"],
        "done"
    );
}

#[tokio::test]
async fn a_full_lesson_says_so_but_keeps_seats() {
    let server = Server::with("", &["lesson.max_participants=2"]).await;
    let _lead = server.page("math", Role::Lead, "t1").await;
    let board = server.page("math", Role::Receiver, "c1").await;
    let mut third = Page::connect(&server.app).await;
    assert_eq!(third.join(&server.token("math", Role::Receiver, "c2")).await["code"], "lesson_full");
    board.cut();
    server.page("math", Role::Receiver, "c1").await;
}

fn sign(claims: &Value, secret: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}
