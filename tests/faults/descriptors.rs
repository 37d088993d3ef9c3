//! All descriptors are used up: the running lesson does not notice, nothing spins, and when they are
//! free again a newcomer gets in.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use zhuandi::bot::signal::Signal;
use zhuandi::process;
use zhuandi::session::message::Role;

use super::people::{People, plan};
use super::process::Place;
use super::{percentile, rounded, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn descriptors_used_up() {
    let place = Place::new();
    let mut server = place.start(&["prlimit", "--nofile=64"]);
    server.listens().await;
    let people = People::join(&place, 5).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        if let Ok(Ok(stream)) = timeout(Duration::from_secs(1), TcpStream::connect(place.http)).await {
            idle.push(stream);
        }
    }
    let cpu = process::cpu_ns(server.id()).unwrap();
    let ((), mut gaps) = people.gaps_while(sleep(Duration::from_secs(5))).await;
    let share = (process::cpu_ns(server.id()).unwrap() - cpu) as f64 / 5e9;
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    drop(idle);
    let freed = Instant::now();
    let (plan, token) = (plan(&place), place.token("math", Role::Receiver, "late"));
    while Signal::join(&plan.url, &token).await.is_err() {
        assert!(freed.elapsed() < Duration::from_secs(30), "nobody gets in any more");
        sleep(Duration::from_millis(50)).await;
    }
    let recovered = freed.elapsed().as_secs_f64();
    let gap = percentile(&mut gaps, 1.0);
    let measured = json!({ "descriptors": open, "cpuShare": rounded(share), "gapMost": rounded(gap), "recovered": rounded(recovered) });
    let pass = open >= 60 && share <= 0.5 && gap <= 1.0 && recovered <= 5.0;
    people.leave().await;
    assert!(tell("descriptors used up", measured, "CPU <= 50 %, media gap <= 1 s, recovery <= 5 s", pass));
}
