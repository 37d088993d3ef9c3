//! `zhuandi load`: many real classrooms from one process.
//!
//! Each classroom joins by WebSocket like a page, then its media runs as a [`light`] client in a
//! [`swarm`]: ICE, DTLS and SRTP are real, pictures are not decoded. With `--teach` a light
//! publisher leads the lesson, at a chosen rate. What is told at the end is what was counted;
//! the server's figures come from /proc when its process id is known.

pub mod answer;
pub mod delay;
pub mod hostile;
pub mod light;
pub mod report;
pub mod swarm;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bot::load::answer::Answer;
use crate::bot::load::hostile::Hostile;
use crate::bot::load::light::{Light, Lines, Shared, offer};
use crate::bot::load::report::{Cycles, Reading, Readings, Report};
use crate::bot::load::swarm::{Member, Rate, Swarm};
use crate::bot::signal::Signal;
use crate::media::negotiate::{IceCredentials, SourceKind};
use crate::media::transport::crypto_provider;
use crate::media::transport::dtls::DtlsClient;
use crate::session::message::{ClientMessage, OwnState, Role, ServerMessage, TrackIntent};

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `ws://host:port/ws`
    pub url: String,
    pub classrooms: u32,
    /// They are no classrooms but look on: sound, and the smallest pictures there are.
    pub viewers: bool,
    /// Joins per second.
    pub joins: f64,
    /// From the first join to the end.
    pub duration: Duration,
    /// Lead the lesson, at this many kbit/s of video; otherwise somebody else does.
    pub teach: Option<u32>,
    /// The server's process, for its CPU and memory.
    pub pid: Option<u32>,
    /// Classrooms leave again and others come.
    pub churn: Option<Churn>,
    /// Hostile datagrams per second at the media port, once everybody is in.
    pub hostile: Option<u32>,
    /// Media goes by TCP.
    pub tcp: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Churn {
    /// Joins in all; at most `Plan::classrooms` at a time.
    pub total: u32,
    /// How long each stays once it has its answer.
    pub stay: Duration,
}

/// Makes a token for a participant of the lesson.
pub type IssueToken = Arc<dyn Fn(Role, &str) -> anyhow::Result<String> + Send + Sync>;

/// Joins, waits, counts. `progress` is called about once a second.
pub async fn run(
    plan: &Plan,
    tokens: IssueToken,
    mut progress: impl FnMut(&Reading),
) -> anyhow::Result<Report> {
    let shared = shared()?;
    let swarm = Arc::new(Swarm::start("load-media")?);
    let (end, ending) = watch::channel(false);
    let failed = Arc::new(AtomicU32::new(0));
    let left = Arc::new(AtomicU32::new(0));
    let started = Instant::now();
    let first = u32::from(plan.teach.is_some()) as usize;
    let read = || Reading::take(&swarm.figures(), first, plan.pid, started);
    let before = read();
    let mut lead = None;
    if let Some(kbps) = plan.teach {
        let token = tokens(Role::Lead, "load-lead")?;
        let rate = rate(kbps);
        let (signal, _) =
            connect(plan, &token, &shared, &swarm, Some(rate)).await.context("the lead's join")?;
        lead = Some(tokio::spawn(stay(signal, ending.clone(), None)));
    }
    let mut tasks = JoinSet::new();
    let mut next = tokio::time::interval(Duration::from_secs_f64(1.0 / plan.joins.max(0.1)));
    next.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut look = tokio::time::interval(Duration::from_secs(1));
    let total = plan.churn.map_or(plan.classrooms, |c| c.total);
    let mut begun = 0;
    let deadline = tokio::time::sleep(plan.duration);
    tokio::pin!(deadline);
    let mut window = None;
    let mut warm = None;
    let mut cycles = None;
    let mut hostile = None;
    loop {
        let over = plan.churn.is_some() && begun == total && tasks.is_empty();
        tokio::select! {
            () = &mut deadline => break,
            () = std::future::ready(()), if over => break,
            Some(_) = tasks.join_next() => {}
            _ = next.tick(), if begun < total && tasks.len() < plan.classrooms as usize => {
                begun += 1;
                let (plan, shared, swarm) = (plan.clone(), shared.clone(), swarm.clone());
                let (tokens, failed, left) = (tokens.clone(), failed.clone(), left.clone());
                let ending = ending.clone();
                let role = if plan.viewers { Role::Observer } else { Role::Receiver };
                tasks.spawn(async move {
                    let joined = match tokens(role, &format!("load-{begun}")) {
                        Ok(token) => connect(&plan, &token, &shared, &swarm, None).await,
                        Err(error) => Err(error),
                    };
                    match joined {
                        Ok((signal, at)) => {
                            stay(signal, ending, plan.churn.map(|c| c.stay)).await;
                            swarm.remove(at);
                            left.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            tracing::warn!(%error, "a classroom could not join");
                            failed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            _ = look.tick() => {
                let reading = read();
                // Once everybody is in and has settled, the window of the figures begins.
                let settled = reading.connected + failed.load(Ordering::Relaxed) >= total;
                if settled && window.is_none() {
                    window = Some(reading.clone());
                    // What joiners got of the running group of pictures was old by intent.
                    shared.delays.clear();
                    if let (Some(rate), Some(to)) = (plan.hostile, swarm.server()) {
                        hostile = Some(Hostile::start(to, rate, 1, shared.provider.clone())?);
                    }
                }
                // Allocators and caches have found their size after the first tenth; both readings are
                // of a full house.
                let gone = left.load(Ordering::Relaxed);
                if let Some((since, _)) = warm.as_ref().filter(|_| begun < total) {
                    cycles = Some((gone - since, reading.clone()));
                }
                if warm.is_none() && gone >= total / 10 && gone > 0 {
                    warm = Some((gone, reading.clone()));
                }
                progress(&reading);
            }
        }
    }
    let hostile = hostile.map(Hostile::stop);
    let figures = swarm.figures();
    let last = read();
    let cycles = warm.zip(cycles).map(|((_, warm), (count, end))| Cycles { count, warm, end });
    let _ = end.send(true);
    while tasks.join_next().await.is_some() {}
    if let Some(lead) = lead {
        let _ = lead.await;
    }
    if let Ok(swarm) = Arc::try_unwrap(swarm) {
        swarm.stop();
    }
    let failed = failed.load(Ordering::Relaxed);
    let readings = Readings { before, window, cycles, last };
    let classrooms = &figures[first.min(figures.len())..];
    let report = Report::new(plan, classrooms, failed, &readings, shared.delays.spread());
    Ok(Report { hostile, ..report })
}

/// Certificate and cryptography that all clients of this process share.
pub fn shared() -> anyhow::Result<Shared> {
    let provider = crypto_provider().map_err(|e| anyhow::anyhow!("{e}"))?;
    let (dtls, fingerprint) = DtlsClient::shared(provider.clone())?;
    Ok(Shared { provider, dtls, fingerprint, delays: Arc::default() })
}

/// A camera of `kbps` at 25 pictures a second in packets of 900 bytes.
#[must_use]
pub fn rate(kbps: u32) -> Rate {
    const SIZE: usize = 900;
    let per_picture = f64::from(kbps) * 1000.0 / 8.0 / 25.0;
    let packets = (per_picture / SIZE as f64).ceil().max(1.0);
    Rate { pictures: 25, packets: packets as usize, size: (per_picture / packets) as usize, group: 50 }
}

/// Joins by WebSocket, offers, and hands the media to the swarm; tells its place there.
pub async fn connect(
    plan: &Plan,
    token: &str,
    shared: &Shared,
    swarm: &Swarm,
    publish: Option<Rate>,
) -> anyhow::Result<(Signal, usize)> {
    let began = Instant::now();
    let (mut signal, welcome) = Signal::join(&plan.url, token).await?;
    let ServerMessage::Welcome { slots, .. } = welcome else {
        anyhow::bail!("no welcome");
    };
    let ice = IceCredentials::generate();
    let lines = Lines { publish: publish.is_some(), audio: slots.audio, video: slots.video };
    let kinds = [("0", SourceKind::Mic), ("1", SourceKind::Camera)];
    let tracks = kinds.into_iter().filter(|_| publish.is_some());
    let tracks = tracks.map(|(mid, kind)| TrackIntent { mid: mid.to_owned(), kind }).collect();
    let request = signal.next_request();
    signal.send(&ClientMessage::Offer { request, sdp: offer(shared, &ice, lines), tracks }).await?;
    let answer = loop {
        match signal.next().await? {
            ServerMessage::Answer { sdp, .. } => break sdp,
            ServerMessage::Error { code, message, .. } => anyhow::bail!("{message} ({code})"),
            _ => {}
        }
    };
    let answer = Answer::parse(&answer).context("the answer")?;
    let server = if plan.tcp { answer.server_by_tcp() } else { answer.server() };
    let server = server.context("no candidate in the answer")?;
    let mut light = Light::new(shared, ice, answer, server, began);
    light.by_tcp = plan.tcp;
    let at = swarm.add(Member { light, publish });
    if plan.viewers {
        // Its lines are for sound first, and each has its place as its name.
        for mid in u32::from(slots.audio)..u32::from(slots.audio + slots.video) {
            let (request, mid) = (signal.next_request(), mid.to_string());
            signal.send(&ClientMessage::SelectLayer { request, mid, max_layer: 0 }).await?;
        }
    }
    let playing =
        OwnState { mic: publish.is_some(), camera: publish.is_some(), sound: true, ..OwnState::default() };
    signal.send(&ClientMessage::State { state: playing }).await?;
    if publish.is_some() {
        let request = signal.next_request();
        signal.send(&ClientMessage::StartLesson { request }).await?;
    }
    Ok((signal, at))
}

/// Reads and pings until the end or for so long, then leaves.
pub async fn stay(mut signal: Signal, mut ending: watch::Receiver<bool>, time: Option<Duration>) {
    let leave = tokio::time::sleep(time.unwrap_or(Duration::from_secs(365 * 86_400)));
    tokio::pin!(leave);
    let mut ping = tokio::time::interval(Duration::from_secs(10));
    loop {
        tokio::select! {
            _ = ending.changed() => break,
            () = &mut leave => break,
            message = signal.next() => if message.is_err() { return },
            _ = ping.tick() => {
                if signal.send(&ClientMessage::Ping { sent: 0.0 }).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = signal.send(&ClientMessage::Leave).await;
}
