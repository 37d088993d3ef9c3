//! The assisting teacher's phone: how it comes to its classroom, and what its token is not good for.

use serde_json::json;
use zhuandi::session::message::Role;

use crate::harness::{Answer, Page, Server, request};

async fn invite(server: &Server, lesson: &str, token: &str) -> Answer {
    let bearer = format!("Authorization: Bearer {token}");
    let path = format!("/api/v1/lessons/{lesson}/companion");
    request(server.app.http_addr, "POST", &path, &[&bearer], "").await
}

#[tokio::test]
async fn a_board_invites_a_phone_that_speaks_for_it() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let invited = invite(&server, "math", &server.token("math", Role::Receiver, "c1")).await;
    assert_eq!(invited.status, 201);
    let token = invited.json()["token"].as_str().unwrap().to_owned();

    let mut phone = Page::connect(&server.app).await;
    let welcome = phone.join(&token).await;
    assert_eq!((welcome["role"].as_str(), welcome["participant"].as_str()), (Some("companion"), Some("c1")));
    phone.ask(json!({ "type": "raise_hand" })).await;
    let raised = lead.until(|m| m["type"] == "floor" && m["floor"]["hands"] == json!(["c1"])).await;
    assert_eq!(raised["floor"]["hands"], json!(["c1"]));
    assert_eq!(board.until(|m| m["type"] == "floor").await["floor"]["place"], 1, "the board is not replaced");
    phone.ask(json!({ "type": "keep_mic", "kept": true })).await;
    assert_eq!(board.until_type("keep_mic").await["kept"], true);

    for message in [json!({ "type": "offer", "sdp": "v=0", "tracks": [] }), json!({ "type": "mute_all" })] {
        assert_eq!(phone.reply(message.clone()).await["code"], "forbidden", "{message}");
    }
    let bearer = format!("Authorization: Bearer {token}");
    let sdp = "Content-Type: application/sdp";
    let whip = request(server.app.http_addr, "POST", "/whip/math", &[&bearer, sdp], "v=0").await;
    assert_eq!((whip.status, whip.code().as_str()), (403, "forbidden"));
    let again = invite(&server, "math", &token).await;
    assert_eq!((again.status, again.code().as_str()), (403, "forbidden"), "phones invite nobody");
}

#[tokio::test]
async fn only_classrooms_have_phones_and_only_in_their_own_lesson() {
    let server = Server::start().await;
    for role in [Role::Lead, Role::Observer, Role::Admin] {
        let refused = invite(&server, "math", &server.token("math", role, "x")).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "forbidden"), "{role:?}");
    }
    let elsewhere = invite(&server, "math", &server.token("music", Role::Receiver, "c1")).await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (403, "forbidden"));
    let mut phone = Page::connect(&server.app).await;
    let early = phone.join(&server.token("math", Role::Companion, "c1")).await;
    assert_eq!(
        (early["code"].as_str(), early["fatal"].as_bool()),
        (Some("unknown_participant"), Some(false))
    );
}
