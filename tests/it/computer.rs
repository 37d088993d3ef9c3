//! The teacher goes on at another computer: the first is still there, or has lost its power.

use serde_json::{Value, json};
use zhuandi::session::message::Role;

use crate::harness::{Client, PATIENCE, hears, request};
use crate::tcp::lesson;

/// The source that a `slots` message lets this participant's sound come from, once it is really there.
fn sound_of(message: &Value, who: &str) -> Option<u64> {
    let slots = message["slots"].as_array().filter(|_| message["type"] == "slots")?;
    let feed = |slot: &Value| {
        let feed = &slot["feed"];
        let of = feed["participant"] == who && feed["kind"] == "mic" && feed["since"].is_u64();
        of.then(|| feed["source"].as_u64()).flatten()
    };
    slots.iter().find_map(feed)
}

/// Everything that a client's page is told until it hears `who` from another source than `not`.
async fn told_until_heard(client: &mut Client, who: &str, not: Option<u64>) -> (u64, Vec<Value>) {
    let mut told = Vec::new();
    loop {
        let message = client.page.next().await.expect("the connection stays");
        let source = sound_of(&message, who).filter(|source| Some(*source) != not);
        told.push(message);
        if let Some(source) = source {
            return (source, told);
        }
    }
}

async fn goes_on_elsewhere(lost_power: bool) {
    let (server, mut first, mut board) = lesson(false).await;
    assert!(hears(&mut first, &mut board, 1).await);
    let (source, _) = told_until_heard(&mut board, "lead", None).await;
    first.page.ask(json!({ "type": "call_on", "participant": "board" })).await;
    assert!(hears(&mut board, &mut first, 1).await);

    // Nothing of the first is read or sent from here on; without power it does not even say goodbye.
    let mut second = Client::join(&server, Role::Lead, "lead", false).await;
    let lesson = &second.welcome["lesson"];
    assert_eq!((lesson["state"].as_str(), lesson["leads"].as_str()), (Some("live"), Some("lead")));
    assert!(second.welcome["peer"].is_u64(), "the first one's, until this one's is there");
    if !lost_power {
        let bye = first.page.until_closed().await;
        assert_eq!(bye, Some(json!({ "type": "bye", "reason": "replaced" })));
    }
    second.connect().await;
    let state = json!({ "mic": true, "camera": true, "content": false, "sound": true });
    second.page.send(json!({ "type": "state", "state": state })).await;
    assert!(hears(&mut second, &mut board, 1).await, "the board hears her from there");
    assert_eq!(board.insider.wrong, 0);
    let (_, told) = told_until_heard(&mut board, "lead", Some(source)).await;
    for message in &told {
        let kind = message["type"].as_str().unwrap();
        assert!(!["bye", "renew", "error"].contains(&kind), "the board had to do something: {message}");
        if kind == "lesson" {
            assert_eq!(
                (&message["lesson"]["state"], &message["lesson"]["leads"]),
                (&json!("live"), &json!("lead"))
            );
        }
        assert_ne!((kind, &message["participant"]), ("participant_left", &json!("lead")));
    }
    // Whom she had called on still speaks, and is heard there.
    assert!(hears(&mut board, &mut second, 1_000).await, "she hears the class from there");

    let lessons = server.app.lessons().await;
    assert_eq!(lessons[0].participants.len(), 2, "nobody is there twice");
    assert!(server.app.remembered(PATIENCE).await);
    let bearer = format!("Authorization: Bearer {}", server.token("x", Role::Admin, "office"));
    let path = "/api/v1/lessons/math/attendance";
    let answer = request(server.app.http_addr, "GET", path, &[&bearer], "").await.json();
    for person in answer["runs"][0]["participants"].as_array().unwrap() {
        assert_eq!(person["intervals"].as_array().unwrap().len(), 1, "it was there all the time: {person}");
    }
}

#[tokio::test]
async fn the_teacher_goes_on_at_another_computer_while_the_first_is_still_there() {
    goes_on_elsewhere(false).await;
}

#[tokio::test]
async fn the_teacher_goes_on_at_another_computer_when_the_first_has_lost_its_power() {
    goes_on_elsewhere(true).await;
}
