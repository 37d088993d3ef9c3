//! The media plane's decisions: a struct that does no I/O and is given the time.
//!
//! In: `handle_datagram`, `handle_command`, `handle_timeout`. Out: `out` (datagrams, drained by
//! the shard after each call of `flush`) and events through each hub's sink. One family of work
//! per file: `commands` (the human side's wishes), `receive` (datagrams in), `forward` (packets to
//! slots), `reports` (timers: RTCP, key-frame requests, liveness), `redundancy` (of sound, by what a line
//! loses), `figures` (once a second), `held` (what others can make it keep).
//!
//! Peers and sources live in slabs; everything on the packet path is an index.

mod allocation;
mod commands;
mod figures;
mod forward;
mod held;
mod paced;
mod receive;
mod redundancy;
mod reports;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use slab::Slab;

use crate::ids::{HubId, PeerId, SourceId};
use crate::media::Buffers;
use crate::media::clock::Micros;
use crate::media::command::{CloseReason, Event, EventSink};
use crate::media::demux::Demux;
use crate::media::output::Output;
use crate::media::peer::Peer;
use crate::media::redundancy::RedundancyMode;
use crate::media::siblings::Siblings;
use crate::media::source::Source;
use crate::media::stats::ShardStats;
use crate::media::timers::Timers;
use crate::media::transport::CryptoProvider;
use crate::media::transport::dtls::DtlsContext;

/// The media side of a lesson.
struct Hub {
    events: EventSink,
    /// Keys of its peers.
    peers: Vec<usize>,
}

/// A packet that arrived since the last `flush`.
#[derive(Clone, Copy)]
struct Fresh {
    source: usize,
    layer: u8,
    ext: u64,
}

pub struct Core {
    start: Instant,
    provider: Arc<dyn CryptoProvider>,
    dtls: DtlsContext,
    hubs: HashMap<HubId, Hub>,
    peers: Slab<Peer>,
    peer_keys: HashMap<PeerId, usize>,
    sources: Slab<Source>,
    source_keys: HashMap<SourceId, usize>,
    demux: Demux,
    siblings: Siblings,
    timers: Timers,
    fresh: Vec<Fresh>,
    /// Counts rounds of `flush`.
    turn: usize,
    next_figures: Instant,
    /// When the datagram that is being handled arrived.
    arrived: Micros,
    pub buffers: Buffers,
    /// Follow what each subscriber's line carries.
    pub adapt: bool,
    pub redundancy: RedundancyMode,
    pub out: Output,
    pub stats: ShardStats,
}

impl Core {
    #[must_use]
    pub fn new(provider: Arc<dyn CryptoProvider>, dtls: DtlsContext, now: Instant) -> Self {
        Self {
            start: now,
            provider,
            dtls,
            hubs: HashMap::new(),
            peers: Slab::new(),
            peer_keys: HashMap::new(),
            sources: Slab::new(),
            source_keys: HashMap::new(),
            demux: Demux::default(),
            siblings: Siblings::default(),
            timers: Timers::new(now),
            fresh: Vec::new(),
            turn: 0,
            next_figures: now + figures::INTERVAL,
            arrived: 0,
            buffers: Buffers::default(),
            adapt: true,
            redundancy: RedundancyMode::default(),
            out: Output::default(),
            stats: ShardStats::default(),
        }
    }

    /// Microseconds since the shard began: the server's media clock.
    fn micros(&self, now: Instant) -> Micros {
        now.saturating_duration_since(self.start).as_micros() as Micros
    }

    /// When `handle_timeout` wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.timers.next().map_or(self.next_figures, |at| at.min(self.next_figures))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut due = Vec::new();
        self.timers.expire(now, &mut due);
        for key in due {
            if self.peers.contains(key) {
                self.guarded(key, now, |core| core.tick(key, now));
            }
        }
        if now >= self.next_figures {
            self.next_figures = now + figures::INTERVAL;
            self.publish_figures(now);
        }
    }

    /// Runs work that concerns one peer; a panic in it ends that peer and nobody else.
    fn guarded(&mut self, key: usize, now: Instant, work: impl FnOnce(&mut Self)) {
        let result = catch_unwind(AssertUnwindSafe(|| work(self)));
        if result.is_err() {
            self.end_panicked(key, now);
        }
    }

    fn end_panicked(&mut self, key: usize, now: Instant) {
        self.stats.panics += 1;
        tracing::error!(peer = ?self.peers.get(key).map(|p| p.id), "a peer's code panicked");
        self.close_peer(key, CloseReason::Panicked, now);
    }

    fn emit(&self, hub: HubId, event: Event) {
        if let Some(hub) = self.hubs.get(&hub) {
            (hub.events)(event);
        }
    }

    /// Ends a peer: tells the other side, takes its sources from everybody, forgets it.
    fn close_peer(&mut self, key: usize, reason: CloseReason, now: Instant) {
        let Some(mut peer) = self.peers.try_remove(key) else {
            return;
        };
        let mut flights = Vec::new();
        peer.dtls.close(now, &mut flights);
        peer.send_dtls(flights, None, &mut self.out);
        self.timers.disarm(key);
        self.siblings.leave(key);
        self.demux.forget(key, peer.ufrags());
        self.peer_keys.remove(&peer.id);
        for slot in &peer.slots {
            if let Some(source) = slot.feed.and_then(|s| self.sources.get_mut(s)) {
                source.subscribers.retain(|s| s.peer != key);
            }
        }
        for source in &peer.sources {
            self.remove_source(*source);
        }
        if let Some(hub) = self.hubs.get_mut(&peer.hub) {
            hub.peers.retain(|p| *p != key);
        }
        self.emit(peer.hub, Event::PeerClosed { peer: peer.id, reason });
    }

    fn remove_source(&mut self, key: usize) {
        let Some(source) = self.sources.try_remove(key) else {
            return;
        };
        self.source_keys.remove(&source.id);
        for sub in &source.subscribers {
            let peer = self.peers.get_mut(sub.peer);
            if let Some(slot) = peer.and_then(|p| p.slots.get_mut(usize::from(sub.slot))) {
                slot.attach(None);
            }
            if let Some(peer) = self.peers.get_mut(sub.peer) {
                peer.pacer.forget(sub.slot);
            }
        }
        self.fresh.retain(|f| f.source != key);
    }

    /// How soon a peer is looked at again.
    fn arm(&mut self, key: usize, now: Instant) {
        /// While it sends or shakes hands: feedback and repair are due often.
        const BUSY: Duration = Duration::from_millis(20);
        const IDLE: Duration = Duration::from_millis(500);
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        let sends = peer.sources.iter().any(|s| self.sources.get(*s).is_some_and(|s| s.flowing));
        let wait = if sends || !peer.connected() { BUSY } else { IDLE };
        self.timers.arm(key, (now + wait).min(peer.next_report.max(now)));
    }
}

#[cfg(test)]
mod tests;
