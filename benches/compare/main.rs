//! CPU per forwarded packet and memory per receiver, zhuandi beside Janus on the same machine.
//!
//! `make compare`, or `cargo bench --bench compare -- [N …]`. Each run starts a server as a process
//! of its own; the same light clients (real ICE, DTLS and SRTP; reports and NACK) publish the same
//! stream (VP8 1.8 Mbit/s in 250 packets/s, Opus 50 packets/s) and take it N times. CPU is that of
//! the server's whole process, kernel time included, over the packets that arrived. The servers
//! alternate within each run and the median of the runs is told. The client offers one SRTP
//! profile, AEAD_AES_128_GCM, so both servers use it.
//!
//! `COMPARE_RUNS`: how many runs (3). `COMPARE_LOOPS`: the `event_loops` of Janus beside its
//! default of a thread for each connection (2). `COMPARE_SHOW_SDP`: print Janus's descriptions.

mod janus;
mod server;

use std::io::Write;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use janus::Room;
use server::{Kind, Server};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zhuandi::app::issue_token;
use zhuandi::bot::load::light::Shared;
use zhuandi::bot::load::swarm::{Figures, Swarm};
use zhuandi::bot::load::{Plan, connect, rate, shared, stay};
use zhuandi::process;
use zhuandi::session::message::Role;

/// Video of the publisher, kbit/s.
const KBPS: u32 = 1_800;
const WINDOW: Duration = Duration::from_secs(8);
/// From the last receiver's first packet to the window: what was lost by joining is not in it.
const SETTLE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);
/// Receivers that join per second.
const JOINS: u32 = 40;
const FIGURES: &str = "target/figures/compare.jsonl";

/// What one run of one server showed.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// CPU time for each packet that arrived, µs.
    us: f64,
    /// Share of packets that did not arrive.
    lost: f64,
    /// Cores that the server used.
    cores: f64,
    /// Resident memory beyond that before the first join, for each receiver, KiB.
    kib: f64,
    threads: f64,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let sizes: Vec<usize> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![10, 50, 100, 200] } else { sizes };
    let number =
        |name: &str, default: u32| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let runs = number("COMPARE_RUNS", 3).max(1);
    let loops = number("COMPARE_LOOPS", 2);
    let kinds = [Kind::Zhuandi, Kind::Janus { event_loops: loops }, Kind::Janus { event_loops: 0 }];
    println!("{}; one SRTP profile for all: AEAD_AES_128_GCM; median of {runs} runs", janus_version()?);
    println!(
        "{:>4}  {:<22} {:>8} {:>7} {:>8} {:>13} {:>8}",
        "N", "server", "µs/pkt", "cores", "lost", "KiB/receiver", "threads"
    );
    let shared = shared()?;
    let runtime = tokio::runtime::Runtime::new()?;
    for n in sizes {
        let mut measured: [Vec<Measured>; 3] = Default::default();
        for _ in 0..runs {
            for (kind, all) in kinds.into_iter().zip(&mut measured) {
                let run = runtime.block_on(run(&shared, kind, n));
                let run = run.with_context(|| format!("{} with {n} receivers", name(kind)))?;
                eprintln!("{n:>4}  {:<22} {:>8.2} µs, {:.3}% lost", name(kind), run.us, run.lost * 100.0);
                all.push(run);
            }
        }
        let medians = measured.map(|all| median(&all));
        for (kind, m) in kinds.into_iter().zip(medians) {
            println!(
                "{n:>4}  {:<22} {:>8.2} {:>7.2} {:>7.3}% {:>13.0} {:>8.0}",
                name(kind),
                m.us,
                m.cores,
                m.lost * 100.0,
                m.kib,
                m.threads
            );
        }
        keep(n, kinds, medians)?;
    }
    Ok(())
}

fn name(kind: Kind) -> String {
    match kind {
        Kind::Zhuandi => "zhuandi".to_owned(),
        Kind::Janus { event_loops: 0 } => "janus".to_owned(),
        Kind::Janus { event_loops } => format!("janus, event_loops={event_loops}"),
    }
}

fn janus_version() -> anyhow::Result<String> {
    let told = Command::new("janus").arg("--help").output().context("janus is not installed")?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    let line = told.lines().find(|l| l.starts_with("Janus version"));
    Ok(line.unwrap_or("Janus of unknown version").to_owned())
}

/// Starts a server, fills it, and looks at it for the length of the window.
async fn run(shared: &Shared, kind: Kind, n: usize) -> anyhow::Result<Measured> {
    let server = Server::start(kind)?;
    let swarm = Arc::new(Swarm::start("compare")?);
    let resident = || process::resident(server.pid()).context("the server has ended");
    // What a server allocates at its start is there now.
    sleep(Duration::from_millis(500)).await;
    let empty = resident()?;
    let (end, ending) = watch::channel(false);
    let mut stayers = JoinSet::new();
    match kind {
        Kind::Zhuandi => fill_zhuandi(&server, shared, &swarm, n, &mut stayers, &ending).await?,
        Kind::Janus { .. } => {
            let mut room = Room::connect(&server.url).await?;
            room.publish(shared, &swarm, rate(KBPS)).await?;
            let mut pace = tokio::time::interval(Duration::from_secs(1) / JOINS);
            for _ in 0..n {
                pace.tick().await;
                room.subscribe(shared, &swarm).await?;
            }
            stayers.spawn(room.stay(ending.clone()));
        }
    }
    let began = Instant::now();
    let there = |f: &Figures| f.first_packet.is_some();
    while receivers(&swarm).iter().filter(|f| there(f)).count() < n {
        let log = || std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
        anyhow::ensure!(began.elapsed() < PATIENCE, "not all receivers get packets:\n{}", log());
        sleep(Duration::from_millis(50)).await;
    }
    sleep(SETTLE).await;
    let look = || -> anyhow::Result<_> {
        let all = receivers(&swarm);
        let sum = |of: fn(&Figures) -> u64| all.iter().map(of).sum::<u64>();
        let cpu = process::cpu_ns(server.pid()).context("the server has ended")?;
        Ok((sum(|f| f.counts.packets), sum(|f| f.counts.expected), cpu, Instant::now()))
    };
    let before = look()?;
    sleep(WINDOW).await;
    let after = look()?;
    let (kib, threads) = ((resident()? as f64 - empty as f64) / 1024.0 / n as f64, server.threads() as f64);
    end.send_replace(true);
    while stayers.join_next().await.is_some() {}
    if let Ok(swarm) = Arc::try_unwrap(swarm) {
        swarm.stop();
    }
    let (packets, expected) = (after.0 - before.0, after.1 - before.1);
    let cpu = after.2.saturating_sub(before.2) as f64;
    Ok(Measured {
        us: cpu / 1000.0 / packets.max(1) as f64,
        lost: expected.saturating_sub(packets) as f64 / expected.max(1) as f64,
        cores: cpu / (after.3 - before.3).as_nanos() as f64,
        kib,
        threads,
    })
}

/// Figures of all but the publisher, who joined first.
fn receivers(swarm: &Swarm) -> Vec<Figures> {
    swarm.figures().split_off(1.min(swarm.figures().len()))
}

async fn fill_zhuandi(
    server: &Server,
    shared: &Shared,
    swarm: &Arc<Swarm>,
    n: usize,
    stayers: &mut JoinSet<()>,
    ending: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let config = server.config.as_ref().context("zhuandi has a configuration")?;
    let tokens = config.auth.tokens(&config.data.dir)?;
    let plan = Plan {
        url: server.url.clone(),
        classrooms: n as u32,
        viewers: false,
        joins: f64::from(JOINS),
        duration: WINDOW,
        teach: Some(KBPS),
        pid: Some(server.pid()),
        hostile: None,
        tcp: false,
        churn: None,
    };
    let mut pace = tokio::time::interval(Duration::from_secs(1) / JOINS);
    for at in 0..=n {
        pace.tick().await;
        let (role, publish) = if at == 0 { (Role::Lead, Some(rate(KBPS))) } else { (Role::Receiver, None) };
        let sub = format!("compare-{at}");
        let token = issue_token(&tokens, "compare", role, &sub, Some(&sub), Duration::from_secs(600))?;
        let (signal, _) = connect(&plan, &token, shared, swarm, publish).await?;
        stayers.spawn(stay(signal, ending.clone(), None));
    }
    Ok(())
}

/// The median of each figure by itself.
fn median(all: &[Measured]) -> Measured {
    let of = |figure: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = all.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Measured {
        us: of(|m| m.us),
        lost: of(|m| m.lost),
        cores: of(|m| m.cores),
        kib: of(|m| m.kib),
        threads: of(|m| m.threads),
    }
}

/// Keeps the figures as JSON lines. Ours pass when they are not above the better of Janus's.
fn keep(n: usize, kinds: [Kind; 3], medians: [Measured; 3]) -> anyhow::Result<()> {
    std::fs::create_dir_all("target/figures")?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(FIGURES)?;
    let figures = [
        ("us_per_packet", "µs", medians.map(|m| m.us)),
        ("lost", "share", medians.map(|m| m.lost)),
        ("memory_per_receiver", "KiB", medians.map(|m| m.kib)),
    ];
    for (figure, unit, all) in figures {
        let theirs = all[1..].iter().copied().fold(f64::INFINITY, f64::min);
        for (kind, measured) in kinds.into_iter().zip(all) {
            let (goal, pass) = match kind {
                Kind::Zhuandi => (format!("at most Janus's {theirs:.4}"), measured <= theirs),
                Kind::Janus { .. } => ("beside zhuandi".to_owned(), true),
            };
            let line = serde_json::json!({
                "name": format!("compare_{figure}_{n}"), "server": name(kind),
                "measured": measured, "unit": unit, "goal": goal, "pass": pass,
            });
            writeln!(file, "{line}")?;
        }
    }
    Ok(())
}
