//! Somebody holds the database for a minute: joins, leaves and the lesson go on, and all of it is there
//! afterwards, once.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use tokio::time::sleep;
use zhuandi::bot::signal::Signal;
use zhuandi::session::message::{ClientMessage, Role};

use super::people::{People, plan};
use super::process::Place;
use super::{percentile, rounded, tell};
use crate::harness::request;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn database_locked_for_a_minute() {
    let place = Place::new();
    let mut server = place.start(&[]);
    server.listens().await;
    let people = People::join(&place, 10).await;
    let url = format!("sqlite://{}", place.data.join("zhuandi.db").display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let lock = other.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let plan = plan(&place);
    let (mut joins, mut ready) = (Vec::new(), true);
    let visitors = async {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            let asked = Instant::now();
            let token = place.token("math", Role::Receiver, &format!("v{}", joins.len()));
            let (mut signal, _) = Signal::join(&plan.url, &token).await.unwrap();
            joins.push(asked.elapsed().as_secs_f64());
            signal.send(&ClientMessage::Leave).await.unwrap();
            ready &= request(server.ops, "GET", "/readyz", &[], "").await.status == 200;
            sleep(Duration::from_millis(200)).await;
        }
    };
    let ((), mut gaps) = people.gaps_while(visitors).await;
    lock.rollback().await.unwrap();
    let healed = Instant::now();
    let bearer = format!("Authorization: Bearer {}", place.token("x", Role::Admin, "office"));
    let answer = loop {
        let answer = request(place.http, "GET", "/api/v1/lessons/math/attendance", &[&bearer], "").await;
        if answer.status == 200 && answer.json()["complete"] == true {
            break answer.json();
        }
        assert!(healed.elapsed() < Duration::from_secs(30), "it never catches up");
    };
    let people_there = answer["runs"][0]["participants"].as_array().unwrap();
    let rows = people_there.iter().filter(|p| p["id"].as_str().unwrap().starts_with('v'));
    let intervals: usize = rows.map(|p| p["intervals"].as_array().unwrap().len()).sum();
    let (join, gap) = (percentile(&mut joins, 1.0), percentile(&mut gaps, 1.0));
    let measured = json!({ "joins": joins.len(), "rows": intervals, "joinMost": rounded(join),
        "gapMost": rounded(gap), "caughtUp": rounded(healed.elapsed().as_secs_f64()), "ready": ready });
    let pass = intervals == joins.len() && join <= 3.0 && gap <= 1.0 && ready;
    people.leave().await;
    assert!(tell(
        "database locked 60 s",
        measured,
        "0 rows lost or doubled, join <= 3 s, media gap <= 1 s",
        pass
    ));
}
