//! The lessons API.

use serde_json::json;
use zhuandi::session::message::Role;

use crate::harness::{Answer, Page, Server, request};

const PATH: &str = "/api/v1/lessons";

async fn as_admin(server: &Server, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Authorization: Bearer {}", server.token("any", Role::Admin, "a1"));
    request(server.app.http_addr, method, path, &[&bearer], body).await
}

#[tokio::test]
async fn create_list_look_end() {
    let server = Server::start().await;
    let body = json!({ "id": "math", "title": "四年级 数学" }).to_string();
    let created = as_admin(&server, "POST", PATH, &body).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.json()["title"], "四年级 数学");
    let again = as_admin(&server, "POST", PATH, &body).await;
    assert_eq!((again.status, again.code().as_str()), (409, "lesson_exists"));

    let mut lead = server.live("math").await;
    let one = as_admin(&server, "GET", &format!("{PATH}/math"), "").await.json();
    assert_eq!(one["lesson"]["state"], "live");
    assert_eq!(one["participants"][0]["participant"]["id"], "lead");

    let ended = as_admin(&server, "POST", &format!("{PATH}/math/end"), "").await;
    assert_eq!((ended.status, ended.json()["state"].as_str()), (200, Some("ended")));
    assert_eq!(lead.until_closed().await.unwrap()["reason"], "ended");
    let again = as_admin(&server, "POST", &format!("{PATH}/math/end"), "").await;
    assert_eq!(again.status, 200, "ending twice changes nothing");
    let list = as_admin(&server, "GET", PATH, "").await.json();
    assert_eq!(list["lessons"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["lessons"][0]["state"], "ended");
}

#[tokio::test]
async fn only_administrators() {
    let server = Server::start().await;
    for (method, path) in
        [("GET", PATH), ("POST", PATH), ("GET", "/api/v1/lessons/x"), ("POST", "/api/v1/lessons/x/end")]
    {
        let none = request(server.app.http_addr, method, path, &[], "{}").await;
        assert_eq!((none.status, none.code().as_str()), (401, "token_missing"), "{method} {path}");
        for role in [Role::Lead, Role::Receiver, Role::Observer] {
            let bearer = format!("Authorization: Bearer {}", server.token("x", role, "p"));
            let refused = request(server.app.http_addr, method, path, &[&bearer], "{}").await;
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (403, "forbidden"),
                "{role:?} {method} {path}"
            );
        }
        let forged = request(server.app.http_addr, method, path, &["Authorization: Bearer x"], "{}").await;
        assert_eq!((forged.status, forged.code().as_str()), (401, "token_invalid"));
    }
}

#[tokio::test]
async fn bad_requests_have_codes_and_words() {
    let server = Server::start().await;
    let long = json!({ "id": "a", "title": "课".repeat(201) }).to_string();
    for body in [
        "{}",
        "[",
        r#"{"id":"a b","title":"t"}"#,
        r#"{"id":"a","title":" "}"#,
        r#"{"id":"a","title":"t","x":1}"#,
        &long,
    ] {
        let refused = as_admin(&server, "POST", PATH, body).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "bad_request"), "{body}");
    }
    let huge = json!({ "id": "a", "title": "x".repeat(70_000) }).to_string();
    assert_eq!(as_admin(&server, "POST", PATH, &huge).await.status, 413);
    let unknown = as_admin(&server, "GET", "/api/v1/lessons/nothing", "").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "unknown_lesson"));
    let method = as_admin(&server, "DELETE", PATH, "").await;
    assert_eq!((method.status, method.code().as_str()), (405, "method_not_allowed"));

    let english = request(server.app.http_addr, "GET", PATH, &["Accept-Language: en"], "").await;
    assert_eq!(english.json()["message"], "No token was given.");
    let chinese = request(server.app.http_addr, "GET", PATH, &["Accept-Language: zh-CN"], "").await;
    assert_eq!(chinese.json()["message"], "没有提供进入凭证。");
}

#[tokio::test]
async fn a_lesson_has_a_type_that_everybody_is_told() {
    let server = Server::start().await;
    let create = |id: &str, kind: &str| json!({ "id": id, "title": "t", "lessonType": kind }).to_string();
    let meeting = as_admin(&server, "POST", PATH, &create("joint", "meeting")).await;
    assert_eq!((meeting.status, meeting.json()["lessonType"].as_str()), (201, Some("meeting")));
    let party = as_admin(&server, "POST", PATH, &create("party", "party")).await;
    assert_eq!((party.status, party.code().as_str()), (400, "bad_request"));

    let mut board = Page::connect(&server.app).await;
    let welcome = board.join(&server.token("joint", Role::Receiver, "c1")).await;
    assert_eq!(welcome["lesson"]["lessonType"], "meeting");
    assert_eq!(welcome["lesson"]["rules"]["mostSpeaking"], 4);
    assert_eq!(welcome["role"], "receiver");
    assert_eq!(board.until_type("floor").await["floor"]["mode"], "discuss");

    assert_eq!(as_admin(&server, "POST", PATH, &create("show", "broadcast")).await.status, 201);
    let mut board = Page::connect(&server.app).await;
    let welcome = board.join(&server.token("show", Role::Receiver, "c1")).await;
    assert_eq!(welcome["role"], "observer", "it looks on");
    let tracks = json!([{ "mid": "0", "kind": "camera" }]);
    let refused = board.reply(json!({ "type": "offer", "sdp": "v=0", "tracks": tracks })).await;
    assert_eq!(refused["code"], "forbidden");
    assert_eq!(board.reply(json!({ "type": "raise_hand" })).await["code"], "forbidden");
}
