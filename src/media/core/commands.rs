//! What the human side asks for.

use std::time::Instant;

use rand::RngExt;

use crate::ids::{HubId, PeerId, SourceId};
use crate::media::command::{ALL_TEMPORAL, CloseReason, Command, Event, Grant, LayerIndex, Route};
use crate::media::core::receive::begin_anew;
use crate::media::core::{Core, Hub};
use crate::media::negotiate::{IceRestart, PeerSetup};
use crate::media::peer::Peer;
use crate::media::source::{Source, Subscriber};

impl Core {
    pub fn handle_command(&mut self, command: Command, now: Instant) {
        match command {
            Command::OpenHub { hub, events } => {
                self.hubs.entry(hub).or_insert(Hub { events, peers: Vec::new() });
            }
            Command::CloseHub { hub } => self.close_hub(hub, now),
            Command::AddPeer { hub, peer, setup } => self.add_peer(hub, peer, *setup, now),
            Command::RestartIce { peer, restart } => self.restart_ice(peer, restart),
            Command::RemovePeer { peer } => {
                if let Some(key) = self.peer_keys.get(&peer) {
                    self.close_peer(*key, CloseReason::Removed, now);
                }
            }
            Command::Route { peer, routes } => {
                if let Some(key) = self.peer_keys.get(&peer).copied() {
                    self.guarded(key, now, |core| {
                        for route in routes {
                            core.route(key, route, now);
                        }
                    });
                }
            }
            Command::Gate { source, open } => self.gate(source, open, now),
            Command::Shutdown => {
                let hubs: Vec<HubId> = self.hubs.keys().copied().collect();
                for hub in hubs {
                    self.close_hub(hub, now);
                }
            }
        }
    }

    fn close_hub(&mut self, hub: HubId, now: Instant) {
        let peers = self.hubs.get(&hub).map(|h| h.peers.clone()).unwrap_or_default();
        for key in peers {
            self.close_peer(key, CloseReason::Removed, now);
        }
        self.hubs.remove(&hub);
    }

    fn add_peer(&mut self, hub: HubId, id: PeerId, setup: PeerSetup, now: Instant) {
        if !self.hubs.contains_key(&hub) || self.peer_keys.contains_key(&id) {
            return;
        }
        let key = self.peers.vacant_key();
        let mut sources = Vec::with_capacity(setup.sources.len());
        for s in &setup.sources {
            let source = self.sources.insert(Source::new(s.source, hub, key, s.kind, s.codec));
            self.source_keys.insert(s.source, source);
            sources.push(source);
        }
        let base = rand::rng().random();
        let peer = Peer::new(id, hub, setup, sources, &self.dtls, now, base);
        for ufrag in peer.ufrags() {
            self.demux.add_ufrag(ufrag, key);
        }
        self.peers.insert(peer);
        self.peer_keys.insert(id, key);
        if let Some(hub) = self.hubs.get_mut(&hub) {
            hub.peers.push(key);
        }
        self.arm(key, now);
    }

    fn restart_ice(&mut self, id: PeerId, restart: IceRestart) {
        let Some(key) = self.peer_keys.get(&id).copied() else {
            return;
        };
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        self.demux.add_ufrag(&restart.local.ufrag, key);
        if let Some(forgotten) = peer.restart_ice(restart.local, restart.remote) {
            self.demux.remove_ufrag(&forgotten);
        }
    }

    /// Opens or closes a source. Nothing of the closed time is ever shown: neither what waits, nor
    /// the group of pictures in the ring.
    fn gate(&mut self, source: SourceId, open: bool, now: Instant) {
        let Some(key) = self.source_keys.get(&source).copied() else {
            return;
        };
        let source = &mut self.sources[key];
        if source.open == open {
            return;
        }
        source.open = open;
        for layer in source.layers.iter_mut().flatten() {
            layer.forget_past();
        }
        self.fresh.retain(|f| f.source != key);
        begin_anew(&mut self.peers, &self.sources[key], None);
        if open {
            self.ask_for_key_frame(key, now);
        }
    }

    /// Feeds one slot. A slot that cannot decode the source stays silent.
    fn route(&mut self, key: usize, route: Route, now: Instant) {
        let at = usize::from(route.slot.0);
        let wanted = route.source.and_then(|s| self.source_keys.get(&s).copied());
        let moment = self.micros(now);
        let fed = self.peers.get(key).and_then(|p| p.slots.get(at)).map(|s| s.feed);
        if fed.is_some_and(|f| f != wanted) {
            self.empty_lane(key, route.slot.0, moment);
        }
        let Some(slot) = self.peers.get_mut(key).and_then(|p| p.slots.get_mut(at)) else {
            return;
        };
        let wanted = wanted.filter(|s| {
            let source = &self.sources[*s];
            source.kind.media() == slot.kind && slot.takes(source.codec) && source.owner != key
        });
        slot.max_layer = route.max_layer;
        slot.rank = route.rank;
        let same = slot.feed == wanted && slot.turn == route.turn;
        slot.turn = route.turn;
        let subscriber = Subscriber { peer: key, slot: route.slot.0 };
        if !same {
            if let Some(before) = slot.feed.and_then(|s| self.sources.get_mut(s)) {
                before.subscribers.retain(|s| *s != subscriber);
            }
            slot.attach(wanted);
            slot.granted = Grant::Layer(LayerIndex::TOP, ALL_TEMPORAL);
            self.share_out(key, now, None);
            if let Some(source) = wanted {
                self.sources[source].subscribers.push(subscriber);
                self.replay(source, subscriber, now);
            }
        }
        if let Some(source) = wanted {
            self.ask_for_key_frame(source, now);
        }
    }

    /// The first packet of a new source has left on a slot.
    pub(super) fn announce(
        &mut self,
        subscriber: Subscriber,
        source: usize,
        rtp_timestamp: u32,
        now: Instant,
    ) {
        let (Some(peer), Some(source)) = (self.peers.get(subscriber.peer), self.sources.get(source)) else {
            return;
        };
        let slot = crate::media::command::SlotIndex(subscriber.slot);
        let turn = peer.slots[usize::from(subscriber.slot)].turn;
        let event = Event::SlotFlowing { peer: peer.id, slot, source: source.id, rtp_timestamp, turn };
        self.emit(peer.hub, event);
        // The slot's sender report is due at once, for lip sync.
        self.timers.arm(subscriber.peer, now);
    }
}
