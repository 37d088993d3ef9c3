//! The wall clock jumps: nobody is disconnected, nothing ends, and durations are what they are. The
//! clock is injected, so this runs a server in its own process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use zhuandi::app::unix_ms;
use zhuandi::session::message::Role;

use super::{rounded, tell};
use crate::harness::{PATIENCE, Server, request};

const HOUR: i64 = 3_600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn clock_moved() {
    let wall = Arc::new(AtomicU64::new(unix_ms()));
    let read = Arc::clone(&wall);
    let clock = Arc::new(move || read.load(Ordering::Relaxed));
    let server = Server::on(tempfile::tempdir().unwrap(), "", &[], clock).await;
    let mut pages = vec![server.live("math").await];
    for n in 0..5 {
        pages.push(server.page("math", Role::Receiver, &format!("c{n}")).await);
    }
    let joined = Instant::now();
    let mut answered = 0;
    let steps = [HOUR, -HOUR, 24 * HOUR, -24 * HOUR];
    for step in steps {
        wall.fetch_add(step as u64, Ordering::Relaxed);
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            for page in &mut pages {
                page.send(json!({ "type": "ping", "sent": 1 })).await;
                page.until_type("pong").await;
                answered += 1;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
    let truth = joined.elapsed().as_secs_f64();
    pages[0].ask(json!({ "type": "end_lesson" })).await;
    assert!(server.app.remembered(PATIENCE).await);
    let bearer = format!("Authorization: Bearer {}", server.token("math", Role::Admin, "office"));
    let path = "/api/v1/lessons/math/attendance";
    let answer = request(server.app.http_addr, "GET", path, &[&bearer], "").await.json();
    let people = answer["runs"][0]["participants"].as_array().unwrap();
    let off = people.iter().map(|p| (p["presentMs"].as_f64().unwrap() / 1000.0 - truth).abs());
    let worst = off.fold(0.0, f64::max);
    let intervals: usize = people.iter().map(|p| p["intervals"].as_array().unwrap().len()).sum();
    let measured = json!({ "steps": "+1 h, -1 h, +1 day, -1 day", "answered": answered,
        "disconnected": intervals - pages.len(), "durationOff": rounded(worst) });
    let pass = intervals == pages.len() && worst <= 5.0;
    assert!(tell("clock moved", measured, "0 disconnects, durations within 5 s", pass));
}
