//! The bit rate of one layer, split by temporal layer: what it would cost a subscriber to take it.
//!
//! An exponentially weighted mean with a time constant of two seconds: short enough to follow a
//! sender that adapts, long enough that one key frame does not look like a doubled rate. Numerator
//! (bytes) and denominator (seconds) are weighted alike, so that the mean is right from its first
//! half second on. Weights are taken in steps of 100 ms: a packet costs an addition.

use std::time::{Duration, Instant};

use crate::media::codec::Temporal;

const LAYERS: usize = Temporal::HIGHEST as usize + 1;
const STEP: Duration = Duration::from_millis(100);
/// What is left of a weight after a step: e^(−0.1 s ÷ 2 s).
const KEPT: f32 = 0.951_229_4;
/// Until so much time is weighed, the rate is taken as if it were so much: a lone first key frame.
const LEAST_SECONDS: f32 = 0.5;
/// After so long a pause the measurement begins anew, so that a layer that is switched on again is
/// not taken for a slow one. A still slide has a picture a second.
const PAUSE: Duration = Duration::from_secs(3);
/// What stands around a payload: 12 bytes of RTP header, 8–12 of extensions, 16 of authentication.
const OVERHEAD: usize = 40;

#[derive(Debug, Default)]
pub struct Rates {
    /// When the running step began.
    step: Option<Instant>,
    last: Option<Instant>,
    /// Bytes of the running step.
    running: [u32; LAYERS],
    /// Weighted bytes and seconds of the steps before it.
    bytes: [f32; LAYERS],
    seconds: f32,
}

impl Rates {
    /// A packet with `payload` bytes came. Padding is not forwarded, so it costs nobody anything.
    pub fn note(&mut self, temporal: u8, payload: usize, now: Instant) {
        if payload == 0 {
            return;
        }
        if self.last.is_some_and(|at| now.saturating_duration_since(at) >= PAUSE) {
            *self = Self::default();
        }
        self.pass(now);
        self.step.get_or_insert(now);
        self.last = Some(now);
        self.running[usize::from(temporal.min(Temporal::HIGHEST))] += (payload + OVERHEAD) as u32;
    }

    /// Time passes, whether anything comes or not.
    pub fn pass(&mut self, now: Instant) {
        let Some(step) = &mut self.step else {
            return;
        };
        let steps = now.saturating_duration_since(*step).as_millis() / STEP.as_millis();
        if steps == 0 {
            return;
        }
        let steps = steps as u32;
        *step += STEP * steps;
        let kept = KEPT.powi(steps.min(1_000) as i32);
        // What came in the running step is as old as that step now is.
        for (bytes, running) in self.bytes.iter_mut().zip(&mut self.running) {
            *bytes = *bytes * kept + std::mem::take(running) as f32 * kept / KEPT;
        }
        // The same sum over the seconds: each of these steps weighs less than the one after it.
        let each = STEP.as_secs_f32() / (1.0 - KEPT);
        self.seconds = self.seconds * kept + each * (1.0 - kept);
    }

    /// Bits per second of the temporal layers up to this one.
    #[must_use]
    pub fn up_to(&self, temporal: u8) -> u64 {
        let bytes: f32 = self.bytes.iter().take(usize::from(temporal) + 1).sum();
        (bytes * 8.0 / self.seconds.max(LEAST_SECONDS)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u8 = Temporal::HIGHEST;

    /// Pictures of `bytes` at 25 fps, of which every other is of layer 1; `key`: the size of the first
    /// of each ten seconds.
    fn flow(r: &mut Rates, from: Instant, pictures: u32, bytes: usize, key: usize) -> (Instant, Vec<u64>) {
        let mut seen = Vec::new();
        let mut now = from;
        for n in 0..pictures {
            now = from + Duration::from_millis(40) * n;
            let size = if n % 250 == 0 { key } else { bytes };
            for part in 0..size / 1000 {
                r.note((n % 2) as u8, 960, now + Duration::from_millis(part as u64 / 4));
            }
            seen.push(r.up_to(ALL));
        }
        (now, seen)
    }

    #[test]
    fn a_steady_stream_has_its_rate_and_each_layer_its_share() {
        let mut r = Rates::default();
        // 5,000 bytes × 25 × 8 = 1 Mbit/s.
        let (_, seen) = flow(&mut r, Instant::now(), 500, 5_000, 5_000);
        assert_eq!(seen[0], 0, "not known yet");
        for (n, rate) in seen.iter().enumerate().skip(15) {
            assert!((900_000..=1_100_000).contains(rate), "{rate} at picture {n}");
        }
        let base = r.up_to(0);
        assert!((450_000..=550_000).contains(&base), "{base}");
        assert_eq!(r.up_to(1), r.up_to(ALL));
    }

    #[test]
    fn a_key_frame_does_not_look_like_a_doubled_rate() {
        let mut r = Rates::default();
        let (_, seen) = flow(&mut r, Instant::now(), 1_000, 5_000, 50_000);
        let most = seen[200..].iter().max().unwrap();
        assert!(*most < 1_300_000, "{most}");
        let last = seen.last().unwrap();
        assert!((950_000..=1_100_000).contains(last), "{last}");
    }

    #[test]
    fn it_follows_and_falls_to_nothing_when_nothing_comes() {
        let mut r = Rates::default();
        let (at, _) = flow(&mut r, Instant::now(), 250, 5_000, 5_000);
        let (at, seen) = flow(&mut r, at + Duration::from_millis(40), 150, 1_000, 1_000);
        assert!((180_000..=300_000).contains(seen.last().unwrap()), "{:?}", seen.last());
        for (seconds, most) in [(2, 150_000), (6, 20_000), (3_600, 0)] {
            r.pass(at + Duration::from_secs(seconds));
            assert!(r.up_to(ALL) <= most, "{} after {seconds} s", r.up_to(ALL));
        }
        // Switched on again: known within a second, not a little more each second.
        let (_, seen) = flow(&mut r, at + Duration::from_secs(3_700), 25, 5_000, 5_000);
        assert!((900_000..=1_100_000).contains(seen.last().unwrap()), "{:?}", seen.last());
    }

    #[test]
    fn a_slide_of_one_picture_a_second_is_a_slow_stream() {
        let mut r = Rates::default();
        let from = Instant::now();
        let mut seen = Vec::new();
        for n in 0..60u64 {
            (0..10).for_each(|_| r.note(0, 1_210, from + Duration::from_secs(n)));
            r.pass(from + Duration::from_millis(n * 1_000 + 500));
            seen.push(r.up_to(ALL));
            r.note(0, 0, from + Duration::from_millis(n * 1_000 + 700));
        }
        // 12,500 bytes a second are 100 kbit/s.
        assert!(seen[10..].iter().all(|r| (70_000..=140_000).contains(r)), "{:?}", &seen[10..14]);
    }
}
