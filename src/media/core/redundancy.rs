//! Once a second: how much the sound of a subscriber repeats itself.

use std::time::Instant;

use crate::media::codec::Temporal;
use crate::media::core::Core;
use crate::media::redundancy::{Line, RedundancyMode};

/// What is left to pictures, bits per second: a slide for the first copy, and the lead's smallest picture
/// for more.
const SLIDE: f64 = 100_000.0;
const SLIDE_AND_LEAD: f64 = 180_000.0;

impl Core {
    pub(super) fn choose_redundancy(&mut self, key: usize, now: Instant) {
        let (off, sources) = (self.redundancy == RedundancyMode::Off, &self.sources);
        let Some(peer) = self.peers.get_mut(key).filter(|_| !off) else {
            return;
        };
        let told = peer.losses.second();
        let hears = || peer.slots.iter().filter(|s| s.takes_redundancy());
        // A slot's reception reports are the word of clients that give no transport-wide feedback.
        let reported = || hears().map(|s| f32::from(s.fraction_lost) / 256.0).fold(0.0, f32::max);
        let (loss, run) = match told {
            // What is overtaken is told lost first, and found later.
            Some(_) if peer.deliveries.line.reorders() => (peer.deliveries.line.inherent_loss() as f32, 1.0),
            // Losses that come with the rate are mended by sending less, not more.
            Some((loss, run)) => (loss.min(peer.deliveries.line.inherent_loss() as f32 + 0.004), run),
            None => (reported(), 1.0),
        };
        let rate =
            |feed| sources.get(feed).and_then(|s| s.layers[0].as_ref()).map(|l| l.rate(Temporal::HIGHEST));
        let audio: u64 = hears().filter_map(|s| rate(s.feed?)).sum();
        // Pictures give way to sound, but not to its copies: a slide's base stays.
        let beside = |pictures: f64| (peer.share.line - audio as f64 - pictures).max(0.0) as u64;
        let line = Line { loss, run, spare: beside(SLIDE), spare_for_more: beside(SLIDE_AND_LEAD), audio };
        let before = peer.redundancy.now;
        let chosen = peer.redundancy.update(&line, now);
        if chosen != before {
            let level = chosen.level();
            tracing::debug!(peer = peer.id.0, loss, run, level, "sound repeats itself");
        }
        for slot in peer.slots.iter_mut().filter(|s| s.takes_redundancy()) {
            slot.redundancy = chosen;
            self.stats.audio_repeated_bytes += std::mem::take(&mut slot.repeated_bytes);
        }
    }
}
