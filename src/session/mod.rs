//! One participant's signalling: one task per WebSocket.
//!
//! Reading order: `message` (the protocol), `join` (the first message), `dispatch` (is it allowed?
//! who handles it?), `handlers` (one file per message family). The session owns the socket and its
//! deadlines; nobody calls into it. What others want to say goes through the `Outbox`.
//!
//! The loop knows no HTTP: `http::ws` hands it a stream and a sink of texts, so it runs in a test as
//! well. While a write waits, nothing is read: a reader that is stuck for `stuck_seconds` is cut off,
//! and one that is merely slow has its outbox bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::auth::Tokens;
use crate::ids::ConnectionId;
use crate::lesson::outbox::{Outbox, Outgoing};
use crate::lesson::{Actor, Directory, Gone, LessonHandle};
use crate::media::negotiate::Negotiator;
use crate::session::errors::{Code, Language, error_message};
use crate::session::limits::{POINTS, Rate, is_point};
use crate::session::message::{ByeReason, Role, ServerMessage};

pub mod dispatch;
pub mod errors;
mod handlers;
mod join;
pub mod limits;
pub mod message;
#[cfg(test)]
mod session_test;
pub mod typescript;

/// Bytes written before the session listens again: a slow reader's pings must not wait unheard.
const BATCH: usize = 16 * 1024;

pub use join::member_of;

/// `[session]` of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    pub join_seconds: u32,
    pub silence_seconds: u32,
    pub stuck_seconds: u32,
    pub messages_per_second: u32,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { join_seconds: 5, silence_seconds: 30, stuck_seconds: 10, messages_per_second: 20 }
    }
}

impl SessionConfig {
    /// What is wrong with it, one sentence each.
    pub fn check(&self, problems: &mut Vec<String>) {
        let values = [self.join_seconds, self.silence_seconds, self.stuck_seconds, self.messages_per_second];
        if values.contains(&0) {
            problems.push("the values of [session] must be above 0".into());
        }
    }
}

/// What every session needs.
pub struct SessionParts {
    pub config: SessionConfig,
    pub tokens: Tokens,
    pub directory: Directory,
    pub negotiator: Negotiator,
    /// Seconds since 1970; injected, so that a test can have any date.
    pub unix_now: Box<dyn Fn() -> u64 + Send + Sync>,
    pub counters: SessionCounters,
    /// Becomes `true` when the server stops.
    pub stopping: watch::Receiver<bool>,
}

/// Sessions since the start, for `/metrics`.
#[derive(Default)]
pub struct SessionCounters {
    pub open: AtomicU64,
    pub joined: AtomicU64,
    pub join_refused: AtomicU64,
    pub messages_in: AtomicU64,
    pub errors: AtomicU64,
    pub cut_slow: AtomicU64,
    pub cut_silent: AtomicU64,
}

/// What comes from the socket.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    Text(String),
    /// A control frame: a sign of life.
    Alive,
    /// A frame that is no text, or one beyond the limit.
    Unreadable(Code),
}

/// Why the socket is closed, as a WebSocket close code (RFC 6455 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing(pub u16);

impl Closing {
    const NORMAL: Self = Self(1000);
    const GOING_AWAY: Self = Self(1001);
    const POLICY: Self = Self(1008);
    const TRY_LATER: Self = Self(1013);
}

/// A joined session.
pub(crate) struct Session<'a> {
    parts: &'a SessionParts,
    actor: Actor,
    lesson: LessonHandle,
    language: Language,
    watching: bool,
}

/// Runs one connection to its end; the caller closes the socket with the code that it returns.
pub async fn run<S>(parts: Arc<SessionParts>, socket: S) -> Closing
where
    S: Stream<Item = Incoming> + Sink<Arc<str>> + Unpin,
{
    let _open = Open::new(&parts.counters.open);
    let stuck = Duration::from_secs(parts.config.stuck_seconds.into());
    let mut link = Link { socket, outbox: Outbox::new(), stuck };
    let deadline = Instant::now() + Duration::from_secs(parts.config.join_seconds.into());
    let first = tokio::select! {
        first = link.socket.next() => first,
        () = sleep_until(deadline) => {
            link.say(&error_message(Code::JoinTimeout, None, Language::default())).await;
            return Closing::POLICY;
        }
        () = stopping(&parts) => {
            link.say(&ServerMessage::Bye { reason: ByeReason::Shutdown }).await;
            return Closing::GOING_AWAY;
        }
    };
    let Some(first) = first else { return Closing::NORMAL };
    let connection = ConnectionId::next();
    match join::join(&parts, first, connection, &link.outbox).await {
        Ok(mut session) => {
            if session.actor.member.role == Role::Observer {
                link.outbox.may_wait(session.actor.member.id.clone());
            }
            parts.counters.joined.fetch_add(1, Ordering::Relaxed);
            let (closing, how) = session.live(&mut link).await;
            session.lesson.gone(connection, how).await;
            closing
        }
        Err((code, language)) => {
            parts.counters.join_refused.fetch_add(1, Ordering::Relaxed);
            link.say(&error_message(code, None, language)).await;
            if code == Code::Busy { Closing::TRY_LATER } else { Closing::POLICY }
        }
    }
}

/// The socket and what waits for it.
struct Link<S> {
    socket: S,
    outbox: Outbox,
    /// A batch that is not written after this time ends the session.
    stuck: Duration,
}

/// Why nothing more is written.
enum Broken {
    Gone,
    Stuck,
}

impl<S: Sink<Arc<str>> + Unpin> Link<S> {
    /// Writes past the outbox, before there is a session or after it.
    async fn say(&mut self, message: &ServerMessage) {
        let text = serde_json::to_string(message).expect("messages hold only strings and numbers");
        // The session is over, whether it is heard or not.
        let _ = timeout(self.stuck, self.socket.send(text.into())).await;
    }

    /// Writes everything that waits, in one go where the socket takes it: a batch of news is one
    /// call of the system. Returns what is no text.
    async fn write_all(&mut self, first: Outgoing) -> Result<Option<Outgoing>, Broken> {
        let until = Instant::now() + self.stuck;
        let mut next = Some(first);
        let mut bytes = 0;
        while let Some(Outgoing::Text(text)) = next {
            bytes += text.len();
            in_time(until, self.socket.feed(text)).await?;
            if bytes >= BATCH {
                // What waits still is due: the loop comes back for it when it has listened.
                next = None;
                break;
            }
            next = self.outbox.take();
        }
        if let Some(Outgoing::Overflow) = next {
            return Ok(next);
        }
        in_time(until, self.socket.flush()).await?;
        Ok(next)
    }
}

async fn in_time<E>(until: Instant, write: impl Future<Output = Result<(), E>>) -> Result<(), Broken> {
    timeout_at(until, write).await.map_err(|_| Broken::Stuck)?.map_err(|_| Broken::Gone)
}

impl Session<'_> {
    async fn live<S>(&mut self, link: &mut Link<S>) -> (Closing, Gone)
    where
        S: Stream<Item = Incoming> + Sink<Arc<str>> + Unpin,
    {
        let counters = &self.parts.counters;
        let silence = Duration::from_secs(self.parts.config.silence_seconds.into());
        let mut rate = Rate::new(self.parts.config.messages_per_second, Instant::now());
        let mut points = Rate::new(POINTS, Instant::now());
        let mut heard = Instant::now();
        link.outbox.note_heard(heard);
        let mut look = tokio::time::interval(Duration::from_secs(1));
        let mut told_stopping = false;
        loop {
            tokio::select! {
                out = link.outbox.next() => match link.write_all(out).await {
                    Ok(None | Some(Outgoing::Text(_))) => {}
                    Ok(Some(Outgoing::Close(reason))) => return closed_for(reason),
                    Ok(Some(Outgoing::Overflow)) => {
                        counters.cut_slow.fetch_add(1, Ordering::Relaxed);
                        return (Closing::TRY_LATER, Gone::Broken);
                    }
                    Err(Broken::Stuck) => {
                        counters.cut_slow.fetch_add(1, Ordering::Relaxed);
                        return (Closing::TRY_LATER, Gone::Silent { heard });
                    }
                    Err(Broken::Gone) => return (Closing::NORMAL, Gone::Broken),
                },
                incoming = link.socket.next() => {
                    let Some(incoming) = incoming else { return (Closing::NORMAL, Gone::Broken) };
                    heard = Instant::now();
                    link.outbox.note_heard(heard);
                    if let Incoming::Alive = incoming {
                        continue;
                    }
                    counters.messages_in.fetch_add(1, Ordering::Relaxed);
                    let point = matches!(&incoming, Incoming::Text(text) if is_point(text));
                    let in_time = point && points.take(heard);
                    if !in_time && !rate.take(heard) {
                        self.refuse(Code::RateLimited, None);
                        continue;
                    }
                    if in_time || !point {
                        self.handle(incoming).await;
                    }
                }
                () = sleep_until(heard + silence) => {
                    counters.cut_silent.fetch_add(1, Ordering::Relaxed);
                    link.say(&error_message(Code::Silent, None, self.language)).await;
                    return (Closing::POLICY, Gone::Silent { heard });
                }
                _ = look.tick(), if self.watching => self.push_overview().await,
                () = stopping(self.parts), if !told_stopping => {
                    told_stopping = true;
                    let bye = ServerMessage::Bye { reason: ByeReason::Shutdown };
                    self.actor.outbox.push(&bye);
                }
            }
        }
    }

    async fn handle(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Text(text) => dispatch::dispatch(self, &text).await,
            Incoming::Unreadable(code) => self.refuse(code, None),
            Incoming::Alive => {}
        }
    }

    /// Tells the page what went wrong; a fatal code ends the connection after it.
    pub(crate) fn refuse(&self, code: Code, request: Option<u32>) {
        self.parts.counters.errors.fetch_add(1, Ordering::Relaxed);
        self.actor.outbox.push(&error_message(code, request, self.language));
    }

    async fn push_overview(&self) {
        let lessons = self.parts.directory.overviews().await;
        self.actor.outbox.push(&ServerMessage::Overview { lessons });
    }
}

/// Returns when the server stops.
async fn stopping(parts: &SessionParts) {
    let mut stopping = parts.stopping.clone();
    // An ended sender is a server that has stopped.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// The close code for a goodbye, and what becomes of the seat. For "kicked" and "ended" there is
/// no seat any more; a replaced connection speaks for none.
fn closed_for(reason: Option<ByeReason>) -> (Closing, Gone) {
    match reason {
        Some(ByeReason::Shutdown) => (Closing::GOING_AWAY, Gone::Broken),
        Some(_) => (Closing::NORMAL, Gone::Broken),
        None => (Closing::POLICY, Gone::Broken),
    }
}

/// Counts a session for as long as it lives.
struct Open<'a>(&'a AtomicU64);

impl<'a> Open<'a> {
    fn new(counter: &'a AtomicU64) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
