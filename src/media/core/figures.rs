//! Once a second: what each hub and the shard did.

use std::time::{Duration, Instant};

use crate::ids::HubId;
use crate::media::clock::Micros;
use crate::media::command::{Event, LayerIndex};
use crate::media::core::Core;
use crate::media::peer::Peer;
use crate::media::stats::{Condition, HubStats, PeerStats, SlotStats, SourceStats};

pub(super) const INTERVAL: Duration = Duration::from_secs(1);

impl Core {
    pub(super) fn publish_figures(&mut self, now: Instant) {
        let at = self.micros(now);
        self.stats.peers = self.peers.len() as u64;
        self.stats.hubs = self.hubs.len() as u64;
        let hubs: Vec<HubId> = self.hubs.keys().copied().collect();
        for hub in hubs {
            let stats = self.hub_figures(hub, at);
            self.emit(hub, Event::Stats(Box::new(stats)));
        }
    }

    fn hub_figures(&mut self, id: HubId, at: Micros) -> HubStats {
        let mut stats = HubStats { hub: Some(id), ..HubStats::default() };
        let keys = self.hubs.get(&id).map(|h| h.peers.clone()).unwrap_or_default();
        for key in keys {
            let Some(peer) = self.peers.get_mut(key) else {
                continue;
            };
            let mut loss_up = (0u64, 0u64);
            for source_key in &peer.sources {
                let Some(source) = self.sources.get_mut(*source_key) else {
                    continue;
                };
                let before = source.figures;
                let layers = || source.layers.iter().flatten();
                let bytes: u64 = layers().map(|l| l.bytes).sum();
                let packets: u64 = layers().map(|l| l.packets).sum();
                let gaps: u64 = layers().map(|l| l.missing.gaps).sum();
                let lost: u64 = layers().map(|l| l.missing.lost).sum();
                loss_up.0 += gaps.saturating_sub(before.gaps);
                loss_up.1 += packets.saturating_sub(before.packets);
                stats.sources.push(SourceStats {
                    source: source.id,
                    flowing: source.flowing,
                    kbps: kbps(bytes.saturating_sub(before.bytes)),
                    packets,
                    lost,
                    key_frame_requests: source.key_requests,
                    level: source.loudest,
                    top_layer: source.top_layer().map(LayerIndex),
                });
                source.figures = crate::media::source::Figures { bytes, packets, gaps };
                source.loudest = None;
            }
            let share = |(lost, got): (u64, u64)| lost as f32 / (lost + got).max(1) as f32;
            let loss_up = share(loss_up);
            stats.peers.push(peer_figures(peer, at, loss_up, |key| {
                self.sources.get(key).map(|s| (s.id, s.top_layer().map(LayerIndex)))
            }));
        }
        stats
    }
}

fn kbps(bytes: u64) -> u32 {
    (bytes * 8 / 1000) as u32
}

fn peer_figures(
    peer: &mut Peer,
    at: Micros,
    loss_up: f32,
    id_of: impl Fn(usize) -> Option<(crate::ids::SourceId, Option<LayerIndex>)>,
) -> PeerStats {
    let before = std::mem::replace(&mut peer.traffic_before, peer.traffic);
    let mut slots = Vec::new();
    let mut loss = (0.0f32, 0u64);
    for slot in &mut peer.slots {
        let sent = slot.packets - slot.figures.packets;
        let bytes = slot.bytes - slot.figures.bytes;
        slot.figures = crate::media::slot::SlotFigures { packets: slot.packets, bytes: slot.bytes };
        let Some((source, best)) = slot.feed.and_then(&id_of) else {
            continue;
        };
        loss.0 += f32::from(slot.fraction_lost) / 256.0 * sent as f32;
        loss.1 += sent;
        slots.push(SlotStats {
            slot: slot.index,
            source,
            layer: slot.layer().map(LayerIndex),
            best,
            granted: slot.granted,
            kbps: kbps(bytes),
            packets: slot.packets,
            retransmitted: slot.retransmitted,
        });
    }
    let sums = peer.deliveries.sums;
    let before_sums = std::mem::replace(&mut peer.deliveries_before, sums);
    let arrived = sums.arrived - before_sums.arrived;
    // A packet that was lost in the last second may have come in this one.
    let lost = sums.lost.saturating_sub(before_sums.lost);
    let line = &peer.deliveries.line;
    PeerStats {
        peer: peer.id,
        connected: peer.connected(),
        heard: peer.traffic.bytes_in > before.bytes_in,
        down_kbps: kbps(peer.traffic.bytes_out - before.bytes_out),
        up_kbps: kbps(peer.traffic.bytes_in - before.bytes_in),
        rtt_ms: peer.rtt.map(|r| r.as_millis() as u32),
        // Exact and of all streams, where the client tells; else its reception reports, RTX unseen.
        loss_down: match arrived + lost {
            0 => loss.0 / loss.1.max(1) as f32,
            told => lost as f32 / told as f32,
        },
        loss_up,
        bad_packets: peer.traffic.bad,
        line_kbps: (line.condition() != Condition::Unknown).then_some((line.target() / 1000.0) as u32),
        standing_ms: (line.standing() / 1000) as u32,
        condition: line.condition(),
        fresh: peer.share.is_fresh(at),
        own_loss: line.inherent_loss() as f32,
        slots,
    }
}
