//! The administrator's page, `/metrics` and `zhuandi load` tell the same figures of one lesson.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use zhuandi::app::issue_token;
use zhuandi::auth::{Secret, Tokens};
use zhuandi::bot::load::{self, Plan};
use zhuandi::session::message::Role;

use crate::harness::{SECRET, Server, request};

const LESSON: &str = "counted";
const CLASSROOMS: usize = 12;

/// One second of the run, as each of the three tells it.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    load_bytes: u64,
    metrics_bytes: u64,
    admin_kbps: u64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrator_metrics_and_load_agree() {
    let server = Server::start().await;
    let plan = Plan {
        url: format!("ws://{}/ws", server.app.http_addr),
        classrooms: CLASSROOMS as u32,
        viewers: false,
        joins: 50.0,
        duration: Duration::from_secs(10),
        teach: Some(400),
        pid: None,
        churn: None,
        hostile: None,
        tcp: false,
    };
    let tokens = Tokens::new(&Secret::new(SECRET.into()), 30);
    let issue =
        move |role, sub: &str| issue_token(&tokens, LESSON, role, sub, Some(sub), Duration::from_secs(600));
    let seen: Arc<Mutex<Vec<(Duration, u64)>>> = Arc::default();
    let note = seen.clone();
    let run = load::run(&plan, Arc::new(issue), move |now| {
        note.lock().unwrap().push((now.at, now.bytes));
    });
    let admin = format!("Bearer {}", server.token(LESSON, Role::Admin, "office"));
    let look = async {
        let mut seconds = Vec::new();
        tokio::time::sleep(Duration::from_secs(4)).await;
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            seconds.push(read(&server, &admin, &seen).await);
        }
        seconds
    };
    let (report, seconds) = tokio::join!(run, look);
    let report = report.unwrap();
    assert_eq!((report.connected as usize, report.failed), (CLASSROOMS, 0));
    assert!(report.lost_share < 0.001, "{} lost", report.lost);

    let (first, last) = (seconds[0], seconds[seconds.len() - 1]);
    let by_load = (last.load_bytes - first.load_bytes) as f64;
    let by_metrics = (last.metrics_bytes - first.metrics_bytes) as f64;
    // Each is at most a second old, of four: what is compared is whole seconds' worth of bytes.
    assert!(by_load > 500_000.0, "{seconds:?}");
    let apart = (by_metrics - by_load).abs() / by_load;
    assert!(apart < 0.3, "metrics {by_metrics} and load {by_load}: {seconds:?}");
    let by_admin = seconds.iter().map(|s| s.admin_kbps).sum::<u64>() as f64 / seconds.len() as f64;
    let by_report = report.kbps_per_classroom * CLASSROOMS as f64;
    let apart = (by_admin - by_report).abs() / by_report;
    assert!(apart < 0.2, "administrator {by_admin} kbit/s and load {by_report} kbit/s: {seconds:?}");
}

async fn read(server: &Server, admin: &str, seen: &Mutex<Vec<(Duration, u64)>>) -> Second {
    let metrics = request(server.app.ops_addr, "GET", "/metrics", &[], "").await.body;
    let line = metrics.lines().find_map(|l| l.strip_prefix("zhuandi_media_bytes_out_total "));
    let path = format!("/api/v1/lessons/{LESSON}");
    let overview =
        request(server.app.http_addr, "GET", &path, &[&format!("authorization: {admin}")], "").await;
    let overview: Value = serde_json::from_str(&overview.body).unwrap();
    let all = overview["participants"].as_array().unwrap();
    let classrooms: Vec<&Value> = all.iter().filter(|p| p["participant"]["role"] == "receiver").collect();
    assert_eq!(classrooms.len(), CLASSROOMS);
    for one in &classrooms {
        let lost = one["link"]["lossDown"].as_f64().unwrap();
        assert!(lost < 0.02, "nothing is lost here: {one}");
    }
    Second {
        load_bytes: seen.lock().unwrap().last().unwrap().1,
        metrics_bytes: line.unwrap().parse().unwrap(),
        admin_kbps: classrooms.iter().map(|p| p["link"]["downKbps"].as_u64().unwrap()).sum(),
    }
}
