//! Photos by HTTP, and what a classroom says when the lesson is over.

use serde_json::{Value, json};
use zhuandi::session::message::Role;

use crate::harness::{Answer, Server, request, send_bytes};

const PATH: &str = "/api/v1/lessons/math/photos";

/// A PNG of this size, as far as anybody reads it here, and some bytes more.
fn png(width: u32, height: u32, more: usize) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    out.extend_from_slice(&width.to_be_bytes());
    out.extend_from_slice(&height.to_be_bytes());
    out.resize(out.len() + 5 + more, 7);
    out
}

async fn post(server: &Server, role: Role, sub: &str, body: &[u8]) -> Answer {
    let bearer = format!("Authorization: Bearer {}", server.token("math", role, sub));
    send_bytes(server.app.http_addr, "POST", PATH, &[&bearer, "Content-Type: image/jpeg"], body).await
}

async fn get(server: &Server, role: Role, sub: &str, url: &str) -> Answer {
    let bearer = format!("Authorization: Bearer {}", server.token("math", role, sub));
    request(server.app.http_addr, "GET", url, &[&bearer], "").await
}

#[tokio::test]
async fn a_photo_goes_from_a_classroom_by_the_lead_to_everybody() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let added = post(&server, Role::Receiver, "c1", &png(1200, 900, 5000)).await;
    assert_eq!(added.status, 201, "{added:?}");
    let (id, url) = (added.json()["id"].clone(), added.json()["url"].as_str().unwrap().to_owned());
    assert_eq!(added.header("location"), Some(url.as_str()));
    let told = lead.until_type("photos").await["photos"].clone();
    assert_eq!(told["waiting"], json!([{ "id": id, "url": url, "from": "c1", "name": "c1" }]));
    assert_eq!(told["shown"], Value::Null);

    // A phone of the classroom brings the classroom's; of one that is not here, nobody's.
    let by_phone = post(&server, Role::Companion, "c1", &png(800, 600, 0)).await;
    assert_eq!(by_phone.status, 201, "{by_phone:?}");
    let told_again = lead.until(|m| m["type"] == "photos" && m["photos"]["waiting"][1] != Value::Null).await;
    assert_eq!(told_again["photos"]["waiting"][1]["from"], "c1");
    let of_nobody = post(&server, Role::Companion, "c9", &png(800, 600, 0)).await;
    assert_eq!(of_nobody.status, 403, "{of_nobody:?}");

    let strange = get(&server, Role::Receiver, "c2", &url).await;
    assert_eq!((strange.status, strange.code().as_str()), (404, "unknown_photo"), "not shown yet");
    let at_lead = get(&server, Role::Lead, "lead", &url).await;
    assert_eq!(
        (at_lead.status, at_lead.header("content-type")),
        (200, Some("image/png")),
        "as its bytes say"
    );
    assert_eq!(at_lead.header("content-length"), Some("5029"));
    assert_eq!(at_lead.header("x-content-type-options"), Some("nosniff"));

    lead.ask(json!({ "type": "show_photo", "photo": id })).await;
    let shown = board.until(|m| m["type"] == "photos" && m["photos"]["shown"] != Value::Null).await;
    assert_eq!(shown["photos"]["shown"]["url"], json!(url));
    assert_eq!(get(&server, Role::Receiver, "c2", &url).await.status, 200);
    let mut late = server.page("math", Role::Observer, "o1").await;
    assert_eq!(late.until_type("photos").await["photos"]["shown"]["id"], id);

    lead.ask(json!({ "type": "end_lesson" })).await;
    board.until_closed().await;
    let over = get(&server, Role::Receiver, "c1", &url).await;
    assert_eq!((over.status, over.code().as_str()), (409, "lesson_ended"));
}

#[tokio::test]
async fn what_is_no_photo_or_comes_from_the_wrong_one_is_refused() {
    let server = Server::start().await;
    let _lead = server.live("math").await;
    for (what, role, body, status, code) in [
        ("a page", Role::Receiver, b"<html></html>".to_vec(), 415, "photo_unreadable"),
        ("nothing", Role::Receiver, Vec::new(), 415, "photo_unreadable"),
        ("a huge picture", Role::Receiver, png(5000, 10, 0), 413, "photo_too_large"),
        ("too many bytes", Role::Receiver, png(10, 10, 7 << 20), 413, "photo_too_large"),
        ("an observer's", Role::Observer, png(10, 10, 0), 403, "not_in_this_lesson"),
        ("an administrator's", Role::Admin, png(10, 10, 0), 403, "not_in_this_lesson"),
    ] {
        let refused = post(&server, role, "c1", &body).await;
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{what}");
    }
    let none = send_bytes(server.app.http_addr, "POST", PATH, &[], &png(10, 10, 0)).await;
    assert_eq!((none.status, none.code().as_str()), (401, "token_missing"));
    let bearer = format!("Authorization: Bearer {}", server.token("other", Role::Lead, "t"));
    let other = send_bytes(server.app.http_addr, "POST", PATH, &[&bearer], &png(10, 10, 0)).await;
    assert_eq!((other.status, other.code().as_str()), (403, "forbidden"), "another lesson's token");
    let method = request(server.app.http_addr, "DELETE", PATH, &[&bearer], "").await;
    assert_eq!((method.status, method.code().as_str()), (405, "method_not_allowed"));
}

#[tokio::test]
async fn the_pointer_is_told_to_all_but_its_owner_and_too_many_places_cost_nothing() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    // Far more than in a second: those beyond are left out, and nothing is refused.
    for n in 0..180 {
        lead.send_text(format!(r#"{{"type":"point","at":{{"x":0.{n:03},"y":0.5}}}}"#)).await;
        if n == 99 {
            let pointer = board.until_type("pointer").await;
            assert_eq!(pointer["at"]["y"], 0.5);
        }
    }
    // She is still there, and hears no echo.
    lead.send(json!({ "type": "ping", "sent": 1 })).await;
    let next = lead.until(|m| ["pong", "pointer", "error"].contains(&m["type"].as_str().unwrap())).await;
    assert_ne!(next["type"], "pointer");
    board.send(json!({ "type": "point", "at": null })).await;
    assert_eq!(board.until_type("error").await["code"], "forbidden");
}

#[tokio::test]
async fn after_the_lesson_a_classroom_says_how_it_was() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    board.ask(json!({ "type": "headcount", "present": 20 })).await;
    lead.ask(json!({ "type": "end_lesson" })).await;
    board.until_closed().await;
    let rate = async |role, sub: &str, body: Value| {
        let bearer = format!("Authorization: Bearer {}", server.token("math", role, sub));
        let path = "/api/v1/lessons/math/rating";
        request(server.app.http_addr, "POST", path, &[&bearer], &body.to_string()).await
    };
    assert_eq!(rate(Role::Receiver, "c1", json!({ "sound": "poor" })).await.status, 204);
    assert_eq!(rate(Role::Receiver, "c1", json!({ "sound": "good", "headcount": 27 })).await.status, 204);
    assert_eq!(rate(Role::Receiver, "c1", json!({ "picture": "poor" })).await.status, 204);
    let bad = rate(Role::Receiver, "c1", json!({ "sound": "loud" })).await;
    assert_eq!((bad.status, bad.code().as_str()), (400, "bad_request"));
    assert_eq!(rate(Role::Observer, "o1", json!({ "sound": "good" })).await.code(), "forbidden");

    let bearer = format!("Authorization: Bearer {}", server.token("math", Role::Lead, "lead"));
    let path = "/api/v1/lessons/math/attendance";
    let told = request(server.app.http_addr, "GET", path, &[&bearer], "").await.json();
    let people = told["runs"][0]["participants"].as_array().unwrap();
    let board = people.iter().find(|p| p["id"] == "c1").unwrap();
    assert_eq!(
        (&board["headcount"], &board["sound"], &board["picture"]),
        (&json!(27), &json!("good"), &json!("poor"))
    );
    let table =
        request(server.app.http_addr, "GET", &format!("{path}?format=csv"), &[&bearer], "").await.body;
    assert!(table.lines().any(|l| l.ends_with(r#""27","清楚","不清楚""#)), "{table}");
}
