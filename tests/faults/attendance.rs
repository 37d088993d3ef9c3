//! Attendance beside the scripted truth of a lesson with breaks and one kill -9.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::sleep;
use zhuandi::app::unix_ms;
use zhuandi::bot::load::{Plan, shared};
use zhuandi::bot::signal::Signal;
use zhuandi::session::message::{ClientMessage, Role};

use super::people::plan;
use super::process::Place;
use super::{rounded, tell};
use crate::harness::{PATIENCE, request};

/// A page without media.
async fn page(plan: &Plan, place: &Place, role: Role, sub: &str) -> Signal {
    let began = Instant::now();
    loop {
        match Signal::join(&plan.url, &place.token("math", role, sub)).await {
            Ok((signal, _)) => return signal,
            Err(error) => assert!(began.elapsed() < PATIENCE, "{error}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Answers and pings of a page that does nothing else, for so long.
async fn sit(pages: &mut [(&str, Signal)], time: f64) {
    let until = Instant::now() + Duration::from_secs_f64(time);
    while Instant::now() < until {
        for (_, signal) in pages.iter_mut() {
            let _ = signal.send(&ClientMessage::Ping { sent: 0.0 }).await;
            let _ = tokio::time::timeout(Duration::from_millis(5), signal.next()).await;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// What really happened: who came and went when (ms since 1970), and how that ended.
struct Truth(Vec<(String, u64, Option<u64>, &'static str)>);

impl Truth {
    fn came(&mut self, who: &str) {
        self.0.push((who.to_owned(), unix_ms(), None, "open"));
    }

    fn went(&mut self, who: &str, how: &'static str) {
        let open = self.0.iter_mut().find(|t| t.0 == who && t.2.is_none()).unwrap();
        (open.2, open.3) = (Some(unix_ms()), how);
    }
}

/// The largest difference of any end of any interval, seconds; `Err`: rows are missing, doubled or others.
fn compare(truth: &Truth, answer: &Value) -> Result<f64, String> {
    let run = &answer["runs"][0];
    let mut rows = Vec::new();
    for person in run["participants"].as_array().unwrap() {
        for i in person["intervals"].as_array().unwrap() {
            let from = i["openedAt"].as_u64().unwrap();
            let to = from + i["presentMs"].as_u64().unwrap();
            let ended = i["ended"].as_str().unwrap_or("open").to_owned();
            rows.push((person["id"].as_str().unwrap().to_owned(), from, to, ended));
        }
    }
    let mut expected: Vec<_> = truth.0.iter().collect();
    expected.sort_by_key(|t| (t.0.clone(), t.1));
    rows.sort();
    if rows.len() != expected.len() {
        return Err(format!("{} rows of {}: {rows:?}", rows.len(), expected.len()));
    }
    let mut worst = 0_u64;
    for (row, truth) in rows.iter().zip(expected) {
        if (row.0.as_str(), row.3.as_str()) != (truth.0.as_str(), truth.3) {
            return Err(format!("{row:?} is not {truth:?}"));
        }
        worst = worst.max(row.1.abs_diff(truth.1)).max(row.2.abs_diff(truth.2.unwrap_or_else(unix_ms)));
    }
    Ok(worst as f64 / 1000.0)
}

/// A lesson with breaks; `unit`: how long each part of it is, seconds.
async fn lesson(unit: f64) -> Result<f64, String> {
    let _ = shared().unwrap();
    let place = Place::new();
    let plan = plan(&place);
    let mut truth = Truth(Vec::new());
    let mut server = place.start(&[]);
    server.listens().await;
    let mut pages = Vec::new();
    for (sub, role) in
        [("lead", Role::Lead), ("c1", Role::Receiver), ("c2", Role::Receiver), ("c3", Role::Receiver)]
    {
        pages.push((sub, page(&plan, &place, role, sub).await));
        truth.came(sub);
    }
    let request_number = pages[0].1.next_request();
    pages[0].1.send(&ClientMessage::StartLesson { request: request_number }).await.unwrap();
    sit(&mut pages, unit).await;
    // c2 loses its line, c3 leaves.
    drop(pages.remove(2));
    truth.went("c2", "lost");
    pages[2].1.send(&ClientMessage::Leave).await.unwrap();
    truth.went("c3", "left");
    pages.truncate(2);
    sit(&mut pages, unit).await;
    pages.push(("c2", page(&plan, &place, Role::Receiver, "c2").await));
    truth.came("c2");
    sit(&mut pages, unit).await;
    server.kill();
    for who in ["lead", "c1", "c2"] {
        truth.went(who, "server");
    }
    sleep(Duration::from_secs_f64(unit / 2.0)).await;
    let mut server = place.start(&[]);
    server.listens().await;
    pages.clear();
    for (sub, role) in [("lead", Role::Lead), ("c1", Role::Receiver), ("c2", Role::Receiver)] {
        pages.push((sub, page(&plan, &place, role, sub).await));
        truth.came(sub);
    }
    sit(&mut pages, unit).await;
    pages[1].1.send(&ClientMessage::Leave).await.unwrap();
    truth.went("c1", "left");
    sit(&mut pages[..1], unit).await;
    let request_number = pages[0].1.next_request();
    pages[0].1.send(&ClientMessage::EndLesson { request: request_number }).await.unwrap();
    truth.went("lead", "lesson");
    truth.went("c2", "lesson");
    sleep(Duration::from_millis(500)).await;
    let bearer = format!("Authorization: Bearer {}", place.token("x", Role::Admin, "office"));
    let answer = request(place.http, "GET", "/api/v1/lessons/math/attendance", &[&bearer], "").await.json();
    if answer["complete"] != true || answer["runs"].as_array().map(Vec::len) != Some(1) {
        return Err(format!("not the whole of one lesson: {answer}"));
    }
    compare(&truth, &answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attendance_of_a_lesson_with_breaks_and_a_kill() {
    assert!(lesson(1.2).await.unwrap() <= 5.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn attendance_beside_the_truth() {
    let result = lesson(20.0).await;
    let pass = result.as_ref().is_ok_and(|worst| *worst <= 5.0);
    let measured = match &result {
        Ok(worst) => json!({ "intervals": 9, "worstSeconds": rounded(*worst) }),
        Err(wrong) => json!(wrong),
    };
    assert!(tell(
        "attendance with breaks and one kill -9",
        measured,
        "every end <= 5 s, no row lost or doubled",
        pass
    ));
}
