//! What a county asks of one box, measured on the real server in a process of its own: CPU of a join,
//! joins at the bell beside a running lesson, CPU and memory of a classroom at 600 kbit/s, joins
//! and leaves that leave nothing behind, pages that stop reading, and a minute of hostile datagrams.
//!
//! `make bench`, or `cargo bench --bench county -- [joins|bell|classrooms|churn|stuck|hostile …]`. Clients are the
//! light classrooms of `zhuandi load`. COUNTY_CLASSROOMS (300) and COUNTY_CHURN (2000) set the sizes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};
use zhuandi::app::issue_token;
use zhuandi::auth::{Secret, Tokens};
use zhuandi::bot::load::light::{Lines, offer};
use zhuandi::bot::load::report::Report;
use zhuandi::bot::load::{self, Churn, Plan};
use zhuandi::media::negotiate::IceCredentials;
use zhuandi::process::cpu_ns;
use zhuandi::session::message::{ClientMessage, Role};

const SECRET: &str = "a secret of this bench alone, 32 bytes or more";
const LESSON: &str = "county";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|c| c == name);
    if wanted("joins") {
        joins().await;
    }
    if wanted("bell") {
        bell().await;
    }
    if wanted("classrooms") {
        classrooms().await;
    }
    if wanted("churn") {
        churn().await;
    }
    if wanted("stuck") {
        stuck().await;
    }
    if wanted("hostile") {
        hostile().await;
    }
}

/// Into lessons that nobody teaches: what a join itself costs, in five lessons of 60 and in one of
/// 300, where everybody hears of everybody.
async fn joins() {
    let house = House::open();
    let before = cpu_ns(house.server.id()).expect("the server runs");
    let plan = Plan { classrooms: 60, joins: 6.0, ..house.plan(12) };
    let lessons = (0..5).map(|n| house.run_in(format!("{LESSON}-{n}"), "load", plan.clone()));
    let reports = futures_util::future::join_all(lessons).await;
    let joined: u32 = reports.iter().map(|r| r.connected).sum();
    figure("joined in five lessons", f64::from(joined), "", "300", joined == 300);
    let used = cpu_ns(house.server.id()).expect("the server runs") - before;
    let cpu = used as f64 / 1e6 / f64::from(joined.max(1));
    figure("CPU of a join and some seconds of presence, five lessons of 60", cpu, "ms", "<= 3", cpu <= 3.0);
    drop(house);
    let house = House::open();
    let report = house.run("load", &Plan { classrooms: 300, joins: 30.0, ..house.plan(14) }).await;
    let server = report.server.expect("the server's process is known");
    let cpu = server.cpu_ms_per_join.unwrap_or(f64::INFINITY);
    figure("CPU of a join, one lesson of 300", cpu, "ms", "<= 3", cpu <= 3.0);
    let memory = server.memory_per_classroom as f64 / 1024.0;
    figure("memory of a classroom that gets nothing", memory, "KiB", "<= 60", memory <= 60.0);
}

/// 300 in 10 s into a lesson that 50 others already follow.
async fn bell() {
    let house = House::open();
    let running = Plan { classrooms: 50, joins: 25.0, teach: Some(600), ..house.plan(32) };
    let late = Plan { classrooms: 300, joins: 30.0, ..house.plan(20) };
    let later = async {
        tokio::time::sleep(Duration::from_secs(8)).await;
        house.run("late", &late).await
    };
    let (running, late) = tokio::join!(house.run("load", &running), later);
    let failed = f64::from(late.failed + (300 - late.connected));
    figure("300 joins in 10 s: not joined", failed, "", "0", failed == 0.0);
    let p95 = late.join_ms.map_or(f64::INFINITY, |s| s.p95 as f64);
    figure("300 joins in 10 s: p95 to the end of DTLS", p95, "ms", "<= 5000", p95 <= 5000.0);
    let p95 = late.first_key_frame_ms.map_or(f64::INFINITY, |s| s.p95 as f64);
    figure("300 joins in 10 s: p95 to the first key frame", p95, "ms", "<= 1500", p95 <= 1500.0);
    let lost = running.lost_share * 100.0;
    figure("300 joins in 10 s: loss of those who were there", lost, "%", "<= 0.1", lost <= 0.1);
}

/// A lesson at 600 kbit/s.
async fn classrooms() {
    let house = House::open();
    let count = number("COUNTY_CLASSROOMS", 300);
    let plan = Plan { classrooms: count, joins: 60.0, teach: Some(600), ..house.plan(40) };
    let report = house.run("load", &plan).await;
    print!("{}", report.text());
    let server = report.server.expect("the server's process is known");
    let lost = report.lost_share * 100.0;
    figure("classrooms at 600 kbit/s: loss", lost, "%", "<= 0.1", lost <= 0.1);
    figure("classrooms at 600 kbit/s: server", server.cores, "cores", "", true);
    figure("classrooms at 600 kbit/s: of all threads", server.us_per_packet, "µs per packet", "", true);
    let full = f64::from(report.connected) / server.cores;
    figure("classrooms at 600 kbit/s that would fill a core", full, "", ">= 300", full >= 300.0);
    figure("classrooms at 600 kbit/s: load client", report.own_cores, "cores", "< 1", report.own_cores < 1.0);
    let memory = server.memory_per_classroom as f64 / 1024.0;
    figure("memory of a classroom that watches", memory, "KiB", "<= 60", memory <= 60.0);
    let p95 = report.delay_ms.map_or(f64::INFINITY, |d| d.p95);
    figure("delay from publisher to classrooms, p95", p95, "ms", "", true);
}

/// Joins and leaves beside a running lesson, then nothing is left but what was there before.
async fn churn() {
    let house = House::open();
    let total = number("COUNTY_CHURN", 2_000);
    let before = house.gauges();
    let churn = Some(Churn { total, stay: Duration::from_millis(500) });
    let seconds = u64::from(total) / 40 + 60;
    let plan = Plan { classrooms: 60, joins: 60.0, teach: Some(300), churn, ..house.plan(seconds) };
    let report = house.run("load", &plan).await;
    let joined = f64::from(report.connected);
    figure("churn: joins", joined, "", &total.to_string(), report.connected == total && report.failed == 0);
    let left = report.server.and_then(|s| s.memory_per_cycle).unwrap_or(f64::INFINITY);
    figure("churn: memory left by each join and leave", left, "bytes", "<= 1024", left <= 1024.0);
    // The lesson and its seats stay until they are ended; nothing else may.
    house.end_lesson();
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut now = house.gauges();
    while now.iter().zip(&before).any(|(n, b)| n.1 > b.1) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(500)).await;
        now = house.gauges();
    }
    for ((name, now), (_, before)) in now.iter().zip(&before) {
        figure(&format!("churn: {name} left"), now - before, "", "0", now <= before);
    }
}

/// 200 observers, who are told of everybody, ask for much and read nothing, beside a lesson of 50.
async fn stuck() {
    const STUCK: usize = 200;
    const LONGEST: Duration = Duration::from_secs(40);
    let house = House::open();
    let running = Plan { classrooms: 50, joins: 25.0, teach: Some(600), ..house.plan(50) };
    let stuck = async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        let began = Instant::now();
        let memory = || zhuandi::process::resident(house.server.id()).expect("the server runs");
        let (before, calm) = (memory(), house.pings(100).await);
        let jammed = async {
            let held = futures_util::future::join_all((0..STUCK).map(|n| house.jam(n))).await;
            // Asking was work; from here on they only do not read.
            (house.pings(60).await, held)
        };
        let watch = async {
            let mut most = before;
            for _ in 0..150 {
                most = most.max(memory());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            most
        };
        let ((during, _held), most) = tokio::join!(jammed, watch);
        while house.metric("sessions_cut_slow_total") < STUCK as f64 && began.elapsed() < LONGEST {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let cut = house.metric("sessions_cut_slow_total");
        (most - before, calm, during, cut)
    };
    let (report, (grown, calm, during, cut)) = tokio::join!(house.run("load", &running), stuck);
    let grown = grown as f64 / 1024.0 / 1024.0;
    figure("200 stuck pages: memory grown", grown, "MiB", "<= 200", grown <= 200.0);
    figure("200 stuck pages: cut off", cut, "", "200", cut >= STUCK as f64);
    let p99 = (during.as_secs_f64() - calm.as_secs_f64()) * 1e3;
    figure("200 stuck pages: others' p99 of a ping, more than before", p99, "ms", "<= 20", p99 <= 20.0);
    let lost = report.lost_share * 100.0;
    figure("200 stuck pages: loss of the lesson", lost, "%", "<= 0.1", lost <= 0.1);
}

/// Malformed datagrams of all kinds beside a lesson, for a minute.
async fn hostile() {
    const RATE: u32 = 25_000;
    let house = House::open();
    let plan = Plan { classrooms: 50, joins: 50.0, teach: Some(600), hostile: Some(RATE), ..house.plan(63) };
    let report = house.run("load", &plan).await;
    let hostile = report.hostile.expect("it was asked for");
    let enough = hostile.per_second >= 0.95 * f64::from(RATE);
    figure("hostile: datagrams", hostile.per_second, "per second", ">= 23750", enough);
    figure("hostile: answered", hostile.answered as f64, "", "0", hostile.answered == 0);
    let lost = report.lost_share * 100.0;
    figure("hostile: loss of the lesson", lost, "%", "<= 1", lost <= 1.0);
    let server = report.server.expect("the server's process is known");
    let grown = (server.memory_bytes as f64 - server.memory_bytes_before as f64) / 1024.0;
    figure("hostile: memory grown", grown, "KiB", "<= 4096", grown <= 4096.0);
    let panics = house.metric("media_panics_total");
    figure("hostile: panics", panics, "", "0", panics == 0.0);
}

fn number(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn figure(name: &str, measured: f64, unit: &str, goal: &str, pass: bool) {
    let verdict = if goal.is_empty() {
        ""
    } else if pass {
        "met"
    } else {
        "MISSED"
    };
    println!("{name:<66} {measured:>10.3} {unit:<14} {goal:>8} {verdict}");
    let line =
        serde_json::json!({ "name": name, "measured": measured, "unit": unit, "goal": goal, "pass": pass });
    let _ = std::fs::create_dir_all("target/figures");
    let file = std::fs::OpenOptions::new().create(true).append(true).open("target/figures/bench.jsonl");
    if let Ok(mut file) = file {
        let _ = writeln!(file, "{line}");
    }
}

/// `zhuandi serve` in a process of its own.
struct House {
    server: Child,
    http: SocketAddr,
    ops: SocketAddr,
    tokens: Arc<Tokens>,
    _data: tempfile::TempDir,
}

impl House {
    fn open() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let tcp = || TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
        let udp = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free port");
        let (http, ops) = (tcp(), tcp());
        let server = Command::new(env!("CARGO_BIN_EXE_zhuandi"))
            .arg("serve")
            .env("ZHUANDI_HTTP__LISTEN", http.to_string())
            .env("ZHUANDI_OPS__LISTEN", ops.to_string())
            .env("ZHUANDI_MEDIA__PORT", udp.port().to_string())
            .env("ZHUANDI_MEDIA__ADDRESSES", "127.0.0.1")
            .env("ZHUANDI_DATA__DIR", data.path())
            .env("ZHUANDI_AUTH__TOKEN_SECRET", SECRET)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let tokens = Arc::new(Tokens::new(&Secret::new(SECRET.into()), 30));
        let house = Self { server, http, ops, tokens, _data: data };
        let deadline = Instant::now() + Duration::from_secs(20);
        while ask(house.ops, "GET", "/readyz", "").is_none_or(|r| !r.contains("\"ready\":true")) {
            assert!(Instant::now() < deadline, "the server is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        house
    }

    fn plan(&self, seconds: u64) -> Plan {
        Plan {
            url: format!("ws://{}/ws", self.http),
            classrooms: 0,
            viewers: false,
            joins: 1.0,
            duration: Duration::from_secs(seconds),
            teach: None,
            pid: Some(self.server.id()),
            churn: None,
            hostile: None,
            tcp: false,
        }
    }
}

impl House {
    /// `who`: begins the names of its people, so that two runs are not the same ones.
    async fn run(&self, who: &str, plan: &Plan) -> Report {
        self.run_in(LESSON.to_owned(), who, plan.clone()).await
    }

    async fn run_in(&self, lesson: String, who: &str, plan: Plan) -> Report {
        let tokens = self.tokens.clone();
        let name = who.to_owned();
        let issue = move |role, sub: &str| {
            let sub = format!("{name}-{sub}");
            issue_token(&tokens, &lesson, role, &sub, Some(&sub), Duration::from_secs(3600))
        };
        load::run(&plan, Arc::new(issue), |_| {}).await.expect("a load run")
    }

    /// What must be as it was when everybody has left.
    fn gauges(&self) -> Vec<(String, f64)> {
        const NAMES: [&str; 6] = [
            "media_peers",
            "sessions_open",
            "lessons_open",
            "connections_open",
            "process_tasks",
            "process_descriptors",
        ];
        NAMES.iter().map(|n| ((*n).to_owned(), self.metric(n))).collect()
    }

    fn metric(&self, name: &str) -> f64 {
        let text = ask(self.ops, "GET", "/metrics", "").expect("metrics");
        let line = text.lines().find_map(|l| l.strip_prefix(&format!("zhuandi_{name} ")));
        line.and_then(|v| v.trim().parse().ok()).expect("it is told")
    }

    /// The 99th percentile of so many pings, ten a second, of a page in the lesson.
    async fn pings(&self, count: u32) -> Duration {
        let mut page = self.page("pinger", Role::Observer, None).await;
        let mut times = Vec::new();
        for sent in 0..count {
            let began = Instant::now();
            say(&mut page, &ClientMessage::Ping { sent: f64::from(sent) }).await;
            while !hear(&mut page).await.contains("\"pong\"") {}
            times.push(began.elapsed());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        times.sort();
        times[times.len() * 99 / 100]
    }

    /// A page that asks for more answers than the sockets hold, and reads none.
    async fn jam(&self, n: usize) -> Page {
        let mut page = self.page(&format!("stuck-{n}"), Role::Observer, Some(4_096)).await;
        let shared = load::shared().expect("a certificate");
        let lines = Lines { publish: false, audio: 6, video: 12 };
        let sdp = || offer(&shared, &IceCredentials::generate(), lines);
        say(&mut page, &ClientMessage::Offer { request: 1, sdp: sdp(), tracks: Vec::new() }).await;
        for request in 2..90 {
            let restart = ClientMessage::RestartIce { request, sdp: sdp() };
            // A server that does not read any more is what was wanted.
            if tokio::time::timeout(Duration::from_secs(5), say(&mut page, &restart)).await.is_err() {
                break;
            }
        }
        page
    }

    /// Joined. `buffer`: of what the network may bring unread, bytes.
    async fn page(&self, sub: &str, role: Role, buffer: Option<u32>) -> Page {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(size) = buffer {
            socket.set_recv_buffer_size(size).expect("a small buffer");
        }
        let stream = socket.connect(self.http).await.expect("the server listens");
        let url = format!("ws://{}/ws", self.http);
        let (mut page, _) = client_async(url, stream).await.expect("a WebSocket");
        let ttl = Duration::from_secs(600);
        let token = issue_token(&self.tokens, LESSON, role, sub, Some(sub), ttl).expect("a token");
        say(&mut page, &ClientMessage::Join { version: 1, token, language: "en".into() }).await;
        assert!(hear(&mut page).await.contains("welcome"));
        page
    }

    fn end_lesson(&self) {
        let ttl = Duration::from_secs(600);
        let token = issue_token(&self.tokens, LESSON, Role::Admin, "bench", None, ttl).expect("a token");
        let header = format!("Authorization: Bearer {token}\r\n");
        let told = ask(self.http, "POST", &format!("/api/v1/lessons/{LESSON}/end"), &header);
        assert!(told.is_some_and(|t| t.contains(" 20")), "the lesson ends");
    }
}

type Page = WebSocketStream<tokio::net::TcpStream>;

/// Whether it is heard shows by itself.
async fn say(page: &mut Page, message: &ClientMessage) {
    let text = serde_json::to_string(message).expect("a message");
    let _ = page.send(Message::text(text)).await;
}

async fn hear(page: &mut Page) -> String {
    page.next().await.and_then(Result::ok).expect("it is not closed").to_string()
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A whole HTTP answer as text. `None`: nobody answers.
fn ask(at: SocketAddr, method: &str, path: &str, headers: &str) -> Option<String> {
    let mut stream = TcpStream::connect(at).ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
