//! The operations listener: health, readiness, metrics. A socket of its own, inside by default.
//!
//! `/healthz` says that this process works and follows nothing else; `/readyz` says that it can
//! take new lessons, or with 503 why not: `stopping`, `stuck` (a media thread or the runtime does not
//! turn), `journal_failing` (the disk refuses), `journal_full` (so much waits for the disk that
//! something may be lost). What is told and is no reason, in `notes`: a database that cannot be written
//! (the journal keeps everything meanwhile), and records that were lost since the start, for good.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::http::resource::Resources;
use crate::http::server::Connections;
use crate::media::handle::MediaHandle;
use crate::metrics;
use crate::process;
use crate::session::SessionParts;
use crate::store::{Condition, Health, Memory};
use crate::watchdog::Watchdog;

/// `[ops]` of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpsConfig {
    pub listen: SocketAddr,
    pub watchdog_seconds: u32,
}

impl Default for OpsConfig {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 9090)), watchdog_seconds: 20 }
    }
}

impl OpsConfig {
    /// What is wrong with it, one sentence each. Every address is possible.
    pub fn check(&self, problems: &mut Vec<String>) {
        if !(self.watchdog_seconds == 0 || (5..=3600).contains(&self.watchdog_seconds)) {
            problems.push("ops.watchdog_seconds must be 5 to 3600, or 0".into());
        }
    }
}

#[derive(Clone)]
pub struct OpsState {
    pub sessions: Arc<SessionParts>,
    pub connections: Arc<Connections>,
    pub resources: Resources,
    pub media: MediaHandle,
    pub lost_events: Arc<AtomicU64>,
    pub memory: Arc<Memory>,
    pub watchdog: Arc<Watchdog>,
}

metrics! {
    /// Everything that `/metrics` shows, read at the moment of asking.
    pub struct Figures {
        /// Resident memory of this process, bytes.
        gauge process_memory_bytes,
        /// File descriptors that this process has open.
        gauge process_descriptors,
        /// Tasks of this process that have not ended.
        gauge process_tasks,
        /// Connections to the public listeners that are open.
        gauge connections_open,
        /// Connections accepted by the public listeners.
        counter connections_accepted,
        /// Connections closed at once because a limit was reached.
        counter connections_refused,
        /// Times that accepting a connection failed.
        counter accept_errors,
        /// Connections by WHIP and WHEP that are open.
        gauge resources_open,
        /// Connections by WHIP and WHEP refused because a limit was reached.
        counter resources_refused,
        /// Lessons that run or wait to begin.
        gauge lessons_open,
        /// Signalling sessions that are open.
        gauge sessions_open,
        /// Signalling sessions that joined a lesson.
        counter sessions_joined,
        /// Joins that were refused.
        counter sessions_refused,
        /// Signalling messages received.
        counter messages_in,
        /// Errors sent to pages.
        counter errors_sent,
        /// Sessions cut off because they read too slowly.
        counter sessions_cut_slow,
        /// Sessions cut off because they said nothing.
        counter sessions_cut_silent,
        /// Media events lost because a lesson was too slow to take them.
        counter lesson_events_lost,
        /// Records that wait in memory for the journal.
        gauge journal_waiting,
        /// Records that were lost because no more could wait.
        counter journal_lost,
        /// Tries to write the database that failed.
        counter database_errors,
        /// Media connections.
        gauge media_peers,
        /// Lessons with media.
        gauge media_hubs,
        /// Packets received by the media plane.
        counter media_packets_in,
        /// Packets sent by the media plane.
        counter media_packets_out,
        /// Bytes received by the media plane.
        counter media_bytes_in,
        /// Bytes sent by the media plane.
        counter media_bytes_out,
        /// Datagrams dropped because nobody here expects them.
        counter media_datagrams_dropped,
        /// Packets dropped because they did not authenticate.
        counter media_packets_unauthentic,
        /// Key frames asked of senders.
        counter media_key_frame_requests,
        /// Retransmission requests received.
        counter media_nacks_in,
        /// Retransmission requests sent.
        counter media_nacks_out,
        /// Packets sent again.
        counter media_retransmitted,
        /// Lost audio packets that were found in later ones.
        counter media_audio_recovered,
        /// Bytes sent to repeat sound for lines that lose packets.
        counter media_audio_repeated_bytes,
        /// Media connections that ended by a fault in this program.
        counter media_panics,
        /// Times that the network card's queue was full.
        counter media_send_would_block,
        /// Media connections by TCP that are open.
        gauge media_tcp_open,
        /// Media connections by TCP that were accepted.
        counter media_tcp_accepted,
        /// Media connections by TCP closed although they proved a password, because a limit was reached.
        counter media_tcp_refused,
        /// Media connections by TCP that proved nothing and had to go for newer ones.
        counter media_tcp_displaced,
        /// Times that accepting a media connection failed.
        counter media_tcp_accept_errors,
        /// Media connections by TCP closed because they proved nothing, broke the framing or fell silent.
        counter media_tcp_expelled,
        /// Video packets that came too late for their TCP connection.
        counter media_tcp_dropped,
    }
}

impl OpsState {
    fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let health = self.memory.health();
        let (connections, sessions) = (&self.connections, &self.sessions.counters);
        let mut out = Figures {
            process_memory_bytes: process::resident(std::process::id()).unwrap_or(0),
            process_descriptors: process::descriptors().unwrap_or(0),
            process_tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks() as u64,
            connections_open: read(&connections.open),
            connections_accepted: read(&connections.accepted),
            connections_refused: read(&connections.refused),
            accept_errors: read(&connections.accept_errors),
            resources_open: self.resources.len() as u64,
            resources_refused: self.resources.refused(),
            lessons_open: self.sessions.directory.len() as u64,
            sessions_open: read(&sessions.open),
            sessions_joined: read(&sessions.joined),
            sessions_refused: read(&sessions.join_refused),
            messages_in: read(&sessions.messages_in),
            errors_sent: read(&sessions.errors),
            sessions_cut_slow: read(&sessions.cut_slow),
            sessions_cut_silent: read(&sessions.cut_silent),
            lesson_events_lost: read(&self.lost_events),
            journal_waiting: health.waiting,
            journal_lost: health.lost,
            database_errors: health.database_errors,
            ..Figures::default()
        };
        for shard in self.media.shards() {
            let stats = shard.stats();
            out.media_peers += stats.peers;
            out.media_hubs += stats.hubs;
            out.media_packets_in += stats.packets_in;
            out.media_packets_out += stats.packets_out;
            out.media_bytes_in += stats.bytes_in;
            out.media_bytes_out += stats.bytes_out;
            out.media_datagrams_dropped += stats.datagrams_dropped;
            out.media_packets_unauthentic += stats.packets_unauthentic;
            out.media_key_frame_requests += stats.key_frame_requests;
            out.media_nacks_in += stats.nacks_in;
            out.media_nacks_out += stats.nacks_out;
            out.media_retransmitted += stats.retransmitted;
            out.media_audio_recovered += stats.audio_recovered;
            out.media_audio_repeated_bytes += stats.audio_repeated_bytes;
            out.media_panics += stats.panics;
            out.media_send_would_block += stats.send_would_block;
            out.media_tcp_open += stats.tcp.open;
            out.media_tcp_accepted += stats.tcp.accepted;
            out.media_tcp_refused += stats.tcp.refused;
            out.media_tcp_displaced += stats.tcp.displaced;
            out.media_tcp_accept_errors += stats.tcp.accept_errors;
            out.media_tcp_expelled += stats.tcp.expelled;
            out.media_tcp_dropped += stats.tcp.dropped;
        }
        out
    }
}

pub fn router(state: OpsState) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state)
}

/// What `/readyz` says.
#[derive(Serialize)]
struct Readiness {
    ready: bool,
    /// Why not; the codes are stable.
    reasons: Vec<&'static str>,
    /// What an operator should know all the same.
    notes: Vec<&'static str>,
}

async fn ready(State(state): State<OpsState>) -> (StatusCode, Json<Readiness>) {
    let stopping = *state.sessions.stopping.borrow();
    let readiness = Readiness::of(stopping, state.watchdog.sees_trouble(), &state.memory.health());
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

impl Readiness {
    fn of(stopping: bool, stuck: bool, health: &Health) -> Self {
        let reasons: Vec<_> = [
            (stopping, "stopping"),
            (stuck, "stuck"),
            (health.journal == Condition::Failing, "journal_failing"),
            (health.journal == Condition::Full, "journal_full"),
        ]
        .into_iter()
        .filter_map(|(holds, reason)| holds.then_some(reason))
        .collect();
        let notes = [(!health.database, "database_unreachable"), (health.lost > 0, "records_lost")];
        let notes = notes.into_iter().filter_map(|(holds, note)| holds.then_some(note)).collect();
        Self { ready: reasons.is_empty(), reasons, notes }
    }
}

async fn metrics(State(state): State<OpsState>) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (headers, state.figures().render()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_who_can_take_lessons_now_and_a_loss_stays_told() {
        let good =
            Health { journal: Condition::Good, database: true, waiting: 7, lost: 0, database_errors: 9 };
        let told = |stopping, stuck, health: Health| {
            let r = Readiness::of(stopping, stuck, &health);
            (r.ready, r.reasons.join(" "), r.notes.join(" "))
        };
        let is = |ready, reasons: &str, notes: &str| (ready, reasons.to_owned(), notes.to_owned());
        assert_eq!(told(false, false, good), is(true, "", ""));
        assert_eq!(told(true, true, good), is(false, "stopping stuck", ""));
        let full = Health { journal: Condition::Full, lost: 3, ..good };
        assert_eq!(told(false, false, full), is(false, "journal_full", "records_lost"));
        let failing = Health { journal: Condition::Failing, database: false, ..good };
        assert_eq!(told(false, false, failing), is(false, "journal_failing", "database_unreachable"));
        assert_eq!(told(false, false, Health { lost: 3, ..good }), is(true, "", "records_lost"));
    }
}
