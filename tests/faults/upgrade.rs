//! SIGTERM under load: with a successor that waits (an upgrade), and with a supervisor that starts one.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use super::people::People;
use super::process::{Place, Process};
use super::{percentile, rounded, rounds, tell};

/// Starts a successor, tells the server to stop, waits until everybody has moved. Gives the
/// successor, how long the old one took to end, and each classroom's longest silence.
async fn upgrade(place: &Place, people: &People, mut old: Process) -> (Process, f64, Vec<f64>) {
    let mut new = place.start(&[]);
    sleep(Duration::from_millis(300)).await;
    let told = Instant::now();
    old.terminate();
    let work = async {
        let code = old.ended().await;
        let took = told.elapsed().as_secs_f64();
        people.all_back(told).await;
        (code, took)
    };
    let ((code, took), gaps) = people.gaps_while(work).await;
    assert_eq!(code, Some(0));
    new.listens().await;
    (new, took, gaps)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_takes_everybody_over() {
    let place = Place::new();
    let mut server = place.start(&[]);
    server.listens().await;
    let people = People::join(&place, 4).await;
    let (server, took, gaps) = upgrade(&place, &people, server).await;
    assert!(took < 10.0, "{took} s");
    assert_eq!(gaps.len(), 4);
    people.leave().await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn sigterm_under_load() {
    let place = Place::new();
    let mut server = place.start(&[]);
    server.listens().await;
    let people = People::join(&place, 50).await;
    let (mut ends, mut gaps) = (Vec::new(), Vec::new());
    let rounds = rounds(10);
    for _ in 0..rounds {
        let (next, took, each) = upgrade(&place, &people, server).await;
        server = next;
        ends.push(took);
        gaps.extend(each);
    }
    let (end, p95, most) =
        (percentile(&mut ends, 1.0), percentile(&mut gaps, 0.95), percentile(&mut gaps, 1.0));
    let measured = json!({ "upgrades": rounds, "clients": 50, "endMost": rounded(end),
        "gapP95": rounded(p95), "gapMost": rounded(most) });
    let with =
        tell("SIGTERM with a successor", measured, "gap <= 3 s, end <= 10 s", end <= 10.0 && most <= 3.0);

    // Without one: the supervisor starts the next when the last has ended.
    let told = Instant::now();
    server.terminate();
    let ended = server.ended().await;
    let took = told.elapsed().as_secs_f64();
    let mut server = place.start(&[]);
    server.listens().await;
    let mut back = people.all_back(told).await;
    let (p95, most) = (percentile(&mut back, 0.95), percentile(&mut back, 1.0));
    let measured =
        json!({ "clients": 50, "end": rounded(took), "mediaP95": rounded(p95), "mediaMost": rounded(most) });
    let pass = ended == Some(0) && took <= 10.0 && most <= 10.0;
    let without =
        tell("SIGTERM, started again by a supervisor", measured, "end <= 10 s, media <= 10 s", pass);
    people.leave().await;
    assert!(with && without);
}
