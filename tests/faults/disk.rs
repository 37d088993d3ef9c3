//! The disk is full: the lesson goes on, `/readyz` says so, and when there is space again nothing is
//! missing. A small tmpfs is the disk; without the right to mount one the line says so.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use zhuandi::bot::signal::Signal;
use zhuandi::session::message::{ClientMessage, Role};

use super::people::{People, plan};
use super::process::Place;
use super::{percentile, rounded, tell};
use crate::harness::request;

/// A small disk; gone with the test.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(dir.path()).status();
        done.is_ok_and(|s| s.success()).then_some(Self(dir))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: make faults"]
async fn disk_full() {
    const GOAL: &str = "alarm <= 5 s, media gap <= 1 s, 0 rows lost, well again <= 10 s";
    let Some(disk) = Disk::new() else {
        tell("disk full", json!("no right to mount a tmpfs here"), GOAL, false);
        return;
    };
    let place = Place::on(disk.0.path());
    let mut server = place.start(&[]);
    server.listens().await;
    let people = People::join(&place, 10).await;
    let ready = || request(server.ops, "GET", "/readyz", &[], "");
    assert_eq!(ready().await.status, 200);
    let filler = disk.0.path().join("filler");
    let _ = std::fs::write(&filler, vec![1; 8 << 20]);
    let full = Instant::now();
    let plan = plan(&place);
    let (mut joins, mut alarm) = (0, None);
    let visitors = async {
        while full.elapsed() < Duration::from_secs(20) {
            let token = place.token("math", Role::Receiver, &format!("v{joins}"));
            let (mut signal, _) = Signal::join(&plan.url, &token).await.unwrap();
            joins += 1;
            signal.send(&ClientMessage::Leave).await.unwrap();
            let answer = ready().await;
            if answer.status == 503 && alarm.is_none() {
                assert_eq!(answer.json()["reasons"][0], "journal_failing");
                alarm = Some(full.elapsed().as_secs_f64());
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let ((), mut gaps) = people.gaps_while(visitors).await;
    std::fs::remove_file(&filler).unwrap();
    let space = Instant::now();
    while ready().await.status != 200 {
        assert!(space.elapsed() < Duration::from_secs(30), "it never recovers");
        sleep(Duration::from_millis(50)).await;
    }
    let well = space.elapsed().as_secs_f64();
    let bearer = format!("Authorization: Bearer {}", place.token("x", Role::Admin, "office"));
    let answer = loop {
        let answer = request(place.http, "GET", "/api/v1/lessons/math/attendance", &[&bearer], "").await;
        if answer.status == 200 && answer.json()["complete"] == true {
            break answer.json();
        }
        assert!(space.elapsed() < Duration::from_secs(30), "it never catches up: {answer:?}");
        sleep(Duration::from_millis(50)).await;
    };
    let everybody = answer["runs"][0]["participants"].as_array().unwrap();
    let visitors = everybody.iter().filter(|p| p["id"].as_str().unwrap().starts_with('v'));
    let rows: usize = visitors.map(|p| p["intervals"].as_array().unwrap().len()).sum();
    let gap = percentile(&mut gaps, 1.0);
    let measured = json!({ "joins": joins, "rows": rows, "alarm": alarm.map(rounded), "gapMost": rounded(gap), "well": rounded(well) });
    let pass = rows == joins && alarm.is_some_and(|a| a <= 5.0) && gap <= 1.0 && well <= 10.0;
    people.leave().await;
    drop(server);
    assert!(tell("disk full", measured, GOAL, pass));
}
