//! What is due from time to time for one peer: handshake time-outs, feedback to senders, repair,
//! key-frame requests, sender and receiver reports, liveness.

use std::time::{Duration, Instant};

use crate::media::clock::{Micros, micros_to_ntp};
use crate::media::command::Event;
use crate::media::core::Core;
use crate::media::negotiate::{MediaKind, SourceKind};
use crate::media::output::Class;
use crate::media::source::Subscriber;
use crate::media::transport::rtcp::Compound;

/// Transport-wide feedback: often enough for probes of 15 ms to be seen apart.
const FEEDBACK: Duration = Duration::from_millis(50);
/// How often the layers that flow are compared with those that are wanted.
const LAYERS: Duration = Duration::from_millis(250);
/// RFC 3550's 5 s is too slow for lips and for round-trip times.
const REPORT: Duration = Duration::from_secs(1);

impl Core {
    pub(super) fn tick(&mut self, key: usize, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if let Some(reason) = peer.expired(now) {
            return self.close_peer(key, reason, now);
        }
        if peer.dtls.poll_timeout().is_some_and(|at| at <= now) {
            let mut flights = Vec::new();
            let progress = peer.dtls.handle_timeout(now, &mut flights);
            peer.send_dtls(flights, None, &mut self.out);
            self.progress(key, progress, now);
        }
        let mut compound = Compound::default();
        self.look_at_layers(key, now);
        self.drain(key, now);
        self.repair(key, now, &mut compound);
        self.feedback(key, now, &mut compound);
        if self.peers.get(key).is_some_and(|p| p.connected() && now >= p.next_report) {
            self.choose_redundancy(key, now);
        }
        self.reports(key, now, &mut compound);
        self.send_rtcp(key, compound);
        self.arm(key, now);
    }

    /// A layer that its sender switched off leaves its takers waiting for another one's key frame.
    fn look_at_layers(&mut self, key: usize, now: Instant) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get_mut(key).filter(|p| now >= p.next_layers) else {
            return;
        };
        peer.next_layers = now + LAYERS;
        let sources = peer.sources.clone();
        let rtt = peer.rtt.unwrap_or(Duration::from_millis(100)).as_micros() as Micros;
        let silent = peer.deliveries.line.tick(at, rtt);
        let has_pictures = peer.slots.iter().any(|s| s.feed.is_some() && s.kind == MediaKind::Video);
        if silent || has_pictures && at >= peer.share.next {
            self.share_out(key, now, None);
        }
        for source in sources {
            if let Some(source) = self.sources.get_mut(source) {
                source.note_rates();
                let turned =
                    if source.kind == SourceKind::Mic { source.voice.look(source.open, now) } else { None };
                let (hub, id) = (source.hub, source.id);
                if let Some(heard) = turned {
                    self.emit(hub, Event::SourceHeard { source: id, heard });
                }
            }
            self.look_at_wishes(source, now);
            if self.sources.get(source).is_some_and(|s| s.kind.is_video() && s.flowing) {
                self.ask_for_key_frame(source, now);
            }
        }
    }

    /// NACKs and held-back key-frame requests to a sender; notices sources that went silent.
    fn repair(&mut self, key: usize, now: Instant, compound: &mut Compound) {
        let Some(peer) = self.peers.get(key).filter(|p| p.connected()) else {
            return;
        };
        let (ours, rtt) = (peer.rtcp_ssrc, peer.rtt.unwrap_or(Duration::from_millis(100)));
        let mut stalled = Vec::new();
        let mut ask = Vec::new();
        let mut broken = Vec::new();
        for source_key in &peer.sources {
            let Some(source) = self.sources.get_mut(*source_key) else {
                continue;
            };
            // Audio is not repaired: its encoder has its own redundancy.
            if source.kind.is_video() {
                for at in 0..source.layers.len() {
                    let Some(layer) = &mut source.layers[at] else {
                        continue;
                    };
                    ask.clear();
                    let given_up = layer.missing.due(now, rtt, &mut ask);
                    if !ask.is_empty() {
                        compound.nack(ours, layer.ssrc, &ask);
                        self.stats.nacks_out += ask.len() as u64;
                    }
                    if given_up {
                        broken.push((*source_key, at as u8));
                    }
                }
            }
            if let Some(ssrc) = source.key_request(now) {
                compound.picture_loss(ours, ssrc);
                self.stats.key_frame_requests += 1;
            }
            if source.has_stalled(now) {
                source.flowing = false;
                stalled.push(source.id);
            }
        }
        let hub = peer.hub;
        for (source, layer) in broken {
            self.picture_is_broken(source, layer);
        }
        for source in stalled {
            self.emit(hub, Event::SourceStalled { source });
        }
    }

    /// A layer lost packets for good: whoever gets it needs a key frame. What nobody gets may stay
    /// broken; asking for it would only cost the sender.
    pub(super) fn picture_is_broken(&mut self, key: usize, layer: u8) {
        let gets = |s: &Subscriber| {
            let slot = self.peers.get(s.peer).and_then(|p| p.slots.get(usize::from(s.slot)));
            slot.is_some_and(|s| s.layer() == Some(layer))
        };
        if let Some(source) = self.sources.get_mut(key)
            && source.subscribers.iter().any(gets)
        {
            source.key_wanted.get_or_insert(layer);
        }
    }

    fn feedback(&mut self, key: usize, now: Instant, compound: &mut Compound) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if peer.arrivals.is_empty() || now < peer.next_feedback {
            return;
        }
        peer.next_feedback = now + FEEDBACK;
        let (ours, Some(media)) = (peer.rtcp_ssrc, peer.any_ssrc()) else {
            return;
        };
        peer.arrivals.report(ours, media, compound);
    }

    /// Receiver reports about what the peer sends, sender reports about what it gets.
    fn reports(&mut self, key: usize, now: Instant, compound: &mut Compound) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get_mut(key).filter(|p| p.connected()) else {
            return;
        };
        let all = now >= peer.next_report;
        if all {
            peer.next_report = now + REPORT;
            let mut blocks = Vec::new();
            for source in &peer.sources {
                if let Some(source) = self.sources.get_mut(*source) {
                    let layers = source.layers.iter_mut().flatten();
                    blocks.extend(layers.filter_map(|l| l.report(now)));
                }
            }
            compound.receiver_report(peer.rtcp_ssrc, &blocks);
        }
        for n in 0..peer.slots.len() {
            let slot = &self.peers[key].slots[n];
            if !all && !slot.report_now {
                continue;
            }
            let Some(source) = slot.feed.and_then(|s| self.sources.get(s)) else {
                continue;
            };
            let Some(owner) = self.peers.get(source.owner) else {
                continue;
            };
            let Some(rtp) = slot.report(source, &owner.clock, at) else {
                continue;
            };
            let (packets, bytes) = (slot.packets as u32, slot.bytes as u32);
            compound.sender_report(slot.ssrc, micros_to_ntp(at), rtp, packets, bytes);
            self.peers[key].slots[n].report_now = false;
        }
    }

    /// Asks the sender of `source` for a key frame now, unless it was asked within the second.
    pub(super) fn send_key_request(&mut self, source: usize, now: Instant) {
        let Some(source) = self.sources.get_mut(source) else {
            return;
        };
        let owner = source.owner;
        let Some(ssrc) = source.key_request(now) else {
            return;
        };
        self.stats.key_frame_requests += 1;
        let mut compound = Compound::default();
        compound.picture_loss(self.peers.get(owner).map_or(1, |p| p.rtcp_ssrc), ssrc);
        self.send_rtcp(owner, compound);
    }

    fn send_rtcp(&mut self, key: usize, compound: Compound) {
        if compound.is_empty() {
            return;
        }
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if let (Some((sealer, _)), Some(path)) = (peer.keys.as_mut(), peer.path) {
            let sealed = sealer.seal_rtcp(&compound.finish());
            peer.traffic.bytes_out += sealed.len() as u64;
            self.out.push(path, Class::Control, &sealed);
        }
    }
}
