//! What a server remembers: attendance, restarts, a database that does not answer, clocks that jump.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use tokio::time::{Instant, sleep, timeout};
use zhuandi::app::unix_ms;
use zhuandi::fuzz::insider::Insider;
use zhuandi::session::message::Role;

use crate::harness::{Answer, PATIENCE, Page, Server, request};

async fn ask(server: &Server, lesson: &str, role: Role, query: &str) -> Answer {
    let bearer = format!("Authorization: Bearer {}", server.token(lesson, role, "asks"));
    let path = format!("/api/v1/lessons/math/attendance{query}");
    request(server.app.http_addr, "GET", &path, &[&bearer], "").await
}

async fn attendance(server: &Server) -> Value {
    assert!(server.app.remembered(PATIENCE).await);
    ask(server, "any", Role::Admin, "").await.json()
}

/// This participant's intervals in the newest run, as `(how it ended, milliseconds)`.
fn intervals(answer: &Value, who: &str) -> Vec<(String, u64)> {
    let people = answer["runs"][0]["participants"].as_array().unwrap();
    let person = people.iter().find(|p| p["id"] == who).unwrap_or_else(|| panic!("no {who} in {answer}"));
    let intervals = person["intervals"].as_array().unwrap();
    let one =
        |i: &Value| (i["ended"].as_str().unwrap_or("open").to_owned(), i["presentMs"].as_u64().unwrap());
    intervals.iter().map(one).collect()
}

fn endings(answer: &Value, who: &str) -> Vec<String> {
    intervals(answer, who).into_iter().map(|(ended, _)| ended).collect()
}

#[tokio::test]
async fn who_was_there_is_told_to_the_office_and_to_the_lead_also_after_the_lesson() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let mut guest = server.page("math", Role::Receiver, "guest").await;
    board.send(json!({ "type": "leave" })).await;
    board.until_closed().await;
    guest.send(json!({ "type": "ping", "sent": 1 })).await;
    guest.until_type("pong").await;
    let while_it_runs = attendance(&server).await;
    assert_eq!(while_it_runs["complete"], true);
    assert_eq!(endings(&while_it_runs, "c1"), ["left"]);
    assert_eq!(while_it_runs["runs"][0]["state"], "live");
    lead.ask(json!({ "type": "end_lesson" })).await;
    lead.until_closed().await;
    let after = attendance(&server).await;
    assert_eq!(
        (endings(&after, "lead"), endings(&after, "guest")),
        (vec!["lesson".into()], vec!["lesson".into()])
    );
    assert_eq!(after["runs"][0]["state"], "ended");

    assert_eq!(ask(&server, "math", Role::Lead, "").await.status, 200, "her own lesson");
    for (lesson, role) in [("other", Role::Lead), ("math", Role::Receiver), ("math", Role::Observer)] {
        assert_eq!(ask(&server, lesson, role, "").await.code(), "forbidden", "{role:?} of {lesson}");
    }
    let csv = ask(&server, "math", Role::Lead, "?format=csv").await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(csv.body.starts_with("\u{feff}\"课\","), "{}", csv.body);
    assert_eq!(csv.body.matches("\r\n").count(), 4, "a head and three intervals: {}", csv.body);
    for (query, code) in [("?format=xml", "bad_request"), ("?offset=9999", "bad_request")] {
        assert_eq!(ask(&server, "math", Role::Lead, query).await.code(), code);
    }
    let bearer = format!("Authorization: Bearer {}", server.token("x", Role::Admin, "a"));
    let none = request(server.app.http_addr, "GET", "/api/v1/lessons/none/attendance", &[&bearer], "").await;
    assert_eq!((none.status, none.code().as_str()), (404, "unknown_lesson"));
}

#[tokio::test]
async fn a_restarted_server_goes_on_with_its_lessons() {
    let first = Server::start().await;
    let create = json!({ "id": "math", "title": "四年级 数学" }).to_string();
    let bearer = format!("Authorization: Bearer {}", first.token("x", Role::Admin, "a"));
    request(first.app.http_addr, "POST", "/api/v1/lessons", &[&bearer], &create).await;
    let mut lead = first.live("math").await;
    let _board = first.page("math", Role::Receiver, "c1").await;
    let _bad = first.page("math", Role::Receiver, "bad").await;
    lead.ask(json!({ "type": "kick", "participant": "bad" })).await;
    let mut other = first.page("done", Role::Lead, "lead").await;
    other.ask(json!({ "type": "start_lesson" })).await;
    other.ask(json!({ "type": "end_lesson" })).await;
    sleep(Duration::from_millis(2_100)).await;
    let data = first.data;
    timeout(PATIENCE, first.app.shutdown()).await.unwrap();

    let second = Server::on(data, "", &[], Arc::new(unix_ms)).await;
    let mut lead = Page::connect(&second.app).await;
    let welcome = lead.join(&second.token("math", Role::Lead, "lead")).await;
    let lesson = &welcome["lesson"];
    assert_eq!((lesson["state"].as_str(), lesson["title"].as_str()), (Some("live"), Some("四年级 数学")));
    assert!(lesson["runningSeconds"].as_u64().unwrap() >= 2, "{lesson}");
    for (lesson, sub, code) in [("math", "bad", "kicked"), ("done", "c1", "lesson_ended")] {
        let mut page = Page::connect(&second.app).await;
        let refused = page.join(&second.token(lesson, Role::Receiver, sub)).await;
        assert_eq!(refused["code"], code, "{refused}");
    }
    let mut board = second.page("math", Role::Receiver, "c1").await;
    lead.until_participant("c1", |p| p["presence"] == "online").await;
    board.send(json!({ "type": "ping", "sent": 1 })).await;
    board.until_type("pong").await;
    let answer = attendance(&second).await;
    assert_eq!(answer["runs"].as_array().unwrap().len(), 1, "the same lesson, held once");
    assert_eq!(
        (endings(&answer, "c1"), endings(&answer, "bad")),
        (vec!["server".to_owned(), "open".into()], vec!["kicked".to_owned()])
    );
}

#[tokio::test]
async fn a_locked_database_is_nobodys_trouble_and_does_not_keep_the_server() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    assert!(server.app.remembered(PATIENCE).await);
    let url = format!("sqlite://{}", server.data.path().join("zhuandi.db").display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    let lock = other.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    let board = server.page("math", Role::Receiver, "c1").await;
    lead.until_participant("c1", |p| p["presence"] == "online").await;
    let ready = || request(server.app.ops_addr, "GET", "/readyz", &[], "");
    while ready().await.json()["notes"][0] != "database_unreachable" {
        sleep(Duration::from_millis(50)).await;
    }
    let answer = ready().await;
    assert_eq!((answer.status, answer.json()["ready"].as_bool()), (200, Some(true)), "lessons can be held");
    board.cut();
    lead.until_participant("c1", |p| p["presence"] == "away").await;
    let behind = ask(&server, "math", Role::Lead, "").await.json();
    assert_eq!(behind["complete"], false);
    let (data, began) = (server.data, Instant::now());
    timeout(PATIENCE, server.app.shutdown()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    lock.rollback().await.unwrap();

    let second = Server::on(data, "", &[], Arc::new(unix_ms)).await;
    let answer = attendance(&second).await;
    assert_eq!(
        (endings(&answer, "c1"), endings(&answer, "lead")),
        (vec!["lost".to_owned()], vec!["server".to_owned()])
    );
}

#[tokio::test]
async fn a_wall_clock_that_jumps_changes_no_duration_and_nobodys_connection() {
    const HOUR: u64 = 3_600_000;
    let wall = Arc::new(AtomicU64::new(unix_ms()));
    let read = Arc::clone(&wall);
    let server =
        Server::on(tempfile::tempdir().unwrap(), "", &[], Arc::new(move || read.load(Ordering::Relaxed)))
            .await;
    let mut lead = server.live("math").await;
    let mut board = server.page("math", Role::Receiver, "c1").await;
    let began = Instant::now();
    for step in [HOUR as i64, -2 * HOUR as i64, 25 * HOUR as i64, -48 * HOUR as i64, 24 * HOUR as i64] {
        wall.fetch_add(step as u64, Ordering::Relaxed);
        for page in [&mut lead, &mut board] {
            page.send(json!({ "type": "ping", "sent": 1 })).await;
            page.until_type("pong").await;
        }
        sleep(Duration::from_millis(300)).await;
    }
    board.send(json!({ "type": "leave" })).await;
    board.until_closed().await;
    let most = began.elapsed().as_millis() as u64 + 1_000;
    let answer = attendance(&server).await;
    let (ended, ms) = intervals(&answer, "c1").remove(0);
    assert_eq!(ended, "left");
    assert!((1_500..=most).contains(&ms), "{ms} of at most {most} ms");
}

#[tokio::test]
async fn a_successor_waits_for_the_journal_and_then_has_ports_and_lessons() {
    let extra = std::net::TcpListener::bind(("::", 0)).unwrap().local_addr().unwrap().port();
    let extra_flag = format!("media.tcp_extra_port={extra}");
    let first = Server::with("", &[&extra_flag]).await;
    let http = format!("http.listen={}", first.app.http_addr);
    let media = format!("media.port={}", first.app.media_ports[0]);
    let mut lead = first.live("math").await;
    // A second directory handle on the same data.
    let path = first.data.path().to_owned();
    let second = tokio::spawn(async move {
        let flags = [
            http,
            media,
            extra_flag,
            "ops.listen=127.0.0.1:0".into(),
            "media.addresses=127.0.0.1".into(),
            format!("auth.token_secret={}", crate::harness::SECRET),
            format!("data.dir={}", path.display()),
        ];
        let config = zhuandi::config::Config::from_parts("", std::collections::HashMap::new(), &flags);
        zhuandi::app::App::start(config.unwrap()).await.unwrap()
    });
    sleep(Duration::from_millis(300)).await;
    assert!(!second.is_finished(), "nobody takes what is in use");
    let (address, port) = (first.app.http_addr, first.app.media_ports[0]);
    let token = first.token("math", Role::Lead, "lead");
    let (_, bye) = tokio::join!(timeout(PATIENCE, first.app.shutdown()), lead.until_closed());
    assert_eq!(bye.unwrap(), json!({ "type": "bye", "reason": "shutdown" }));
    let second = timeout(PATIENCE, second).await.unwrap().unwrap();
    assert_eq!(second.http_addr, address);
    assert!(second.media_ports[0] == port || second.media_ports[0] == port + 1, "{:?}", second.media_ports);
    let welcome = Page::connect(&second).await.join(&token).await;
    assert_eq!(welcome["lesson"]["state"], "live", "{welcome}");
    // The extra port is the older one's until that is gone; then answers name it, and not before.
    let named = format!(" {extra} typ host tcptype passive");
    let tracks = json!([{ "mid": "0", "kind": "mic" }, { "mid": "1", "kind": "camera" }]);
    let began = Instant::now();
    loop {
        let mut page = Page::connect(&second).await;
        page.join(&token).await;
        let offer = json!({ "type": "offer", "sdp": Insider::new(false).offer(), "tracks": tracks });
        let answer = page.reply(offer).await;
        if answer["sdp"].as_str().is_some_and(|sdp| sdp.contains(&named)) {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "the extra port is never taken: {answer}");
        sleep(Duration::from_millis(100)).await;
    }
    tokio::net::TcpStream::connect(("127.0.0.1", extra)).await.expect("somebody is there");
    second.shutdown().await;
}
