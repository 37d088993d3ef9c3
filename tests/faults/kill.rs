//! kill -9 in mid-lesson: the supervisor starts another, and everybody is back by themselves.

use std::time::Instant;

use serde_json::json;

use super::people::People;
use super::process::Place;
use super::{percentile, rounded, rounds, tell};

/// One kill: seconds until it listens again, and until each classroom has media.
async fn once(
    place: &Place,
    people: &People,
    server: super::process::Process,
) -> (super::process::Process, f64, Vec<f64>) {
    let killed = Instant::now();
    server.kill();
    let mut server = place.start(&[]);
    server.listens().await;
    let listening = killed.elapsed().as_secs_f64();
    let back = people.all_back(killed).await;
    (server, listening, back)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_everybody_is_back_in_the_same_lesson() {
    let place = Place::new();
    let mut server = place.start(&[]);
    server.listens().await;
    let people = People::join(&place, 4).await;
    let (server, _, back) = once(&place, &people, server).await;
    assert_eq!(back.len(), 4);
    people.leave().await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn kill_in_mid_lesson() {
    let place = Place::new();
    let mut server = place.start(&[]);
    server.listens().await;
    let people = People::join(&place, 50).await;
    let (mut listening, mut back) = (Vec::new(), Vec::new());
    let rounds = rounds(10);
    for _ in 0..rounds {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let (next, up, all) = once(&place, &people, server).await;
        server = next;
        listening.push(up);
        back.extend(all);
    }
    people.leave().await;
    let (up, p95, most) =
        (percentile(&mut listening, 1.0), percentile(&mut back, 0.95), percentile(&mut back, 1.0));
    let measured = json!({ "kills": rounds, "clients": 50, "listeningMost": rounded(up),
        "mediaP50": rounded(percentile(&mut back, 0.5)), "mediaP95": rounded(p95), "mediaMost": rounded(most) });
    let goal = "listening <= 1 s, media p95 <= 5 s, all <= 10 s";
    assert!(tell("kill -9 of the server", measured, goal, up <= 1.0 && p95 <= 5.0 && most <= 10.0));
}
