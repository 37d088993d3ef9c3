//! Two hundred pages ask for much and read nothing: they are cut off, and others do not notice.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use zhuandi::process;
use zhuandi::session::message::Role;

use super::process::Place;
use super::{percentile, rounded, tell};
use crate::harness::{Page, request};
use crate::slow::jam;

const STUCK: usize = 200;

/// 99 % of so many round trips are not longer, ms.
async fn round_trips(page: &mut Page, time: Duration) -> f64 {
    let began = Instant::now();
    let mut all = Vec::new();
    while began.elapsed() < time {
        let asked = Instant::now();
        page.send(json!({ "type": "ping", "sent": 1 })).await;
        page.until_type("pong").await;
        all.push(asked.elapsed().as_secs_f64() * 1000.0);
        sleep(Duration::from_millis(60)).await;
    }
    percentile(&mut all, 0.99)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn slow_readers() {
    let place = Place::new();
    let mut server = place.start(&[]);
    server.listens().await;
    let mut board = Page::connect_to(place.http, None).await.unwrap();
    board.join(&place.token("math", Role::Receiver, "good")).await;
    let alone = round_trips(&mut board, Duration::from_secs(8)).await;
    let memory = process::resident(server.id()).unwrap();
    let mut stuck = Vec::new();
    for n in 0..STUCK {
        stuck.push(jam(place.http, &place.token("math", Role::Receiver, &format!("stuck{n}"))).await);
    }
    let beside = round_trips(&mut board, Duration::from_secs(15)).await;
    let grown = process::resident(server.id()).unwrap().saturating_sub(memory) as f64 / f64::from(1 << 20);
    let began = Instant::now();
    let cut = loop {
        let metrics = request(server.ops, "GET", "/metrics", &[], "").await.body;
        let line = metrics.lines().find(|l| l.starts_with("zhuandi_sessions_cut_slow_total"));
        let cut: usize = line.and_then(|l| l.rsplit(' ').next()).and_then(|n| n.parse().ok()).unwrap_or(0);
        if cut >= STUCK || began.elapsed() > Duration::from_secs(30) {
            break cut;
        }
        sleep(Duration::from_millis(200)).await;
    };
    let measured = json!({ "stuck": STUCK, "cut": cut, "memoryMiB": rounded(grown),
        "p99AloneMs": rounded(alone), "p99BesideMs": rounded(beside) });
    let pass = cut == STUCK && grown <= 200.0 && beside - alone <= 20.0;
    assert!(tell("slow WebSocket readers", measured, "all cut, memory <= +200 MiB, p99 <= +20 ms", pass));
}
