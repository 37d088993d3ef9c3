//! One time line for everything: sender reports of each peer are translated to the server's clock.
//!
//! A sender's reports tie each of its streams to its own wall clock (RFC 3550 §6.4.1). All of
//! its streams share one estimate of "its wall clock minus ours", so whatever error the estimate
//! has, picture and sound of a peer have the same, and lips stay in sync. Subscribers get reports
//! on the server's clock, so a slot can change its source without its time line breaking, and
//! drift of a sender's clock is followed, never accumulated.

use std::collections::VecDeque;

/// Microseconds on the server's monotonic clock since the shard began.
pub type Micros = i64;

/// NTP format (32.32 fixed point seconds) to microseconds, and back.
#[must_use]
pub fn ntp_to_micros(ntp: u64) -> Micros {
    ((u128::from(ntp) * 1_000_000) >> 32) as Micros
}

/// The server's clock as NTP time stamps. The epoch means nothing: receivers only compare.
#[must_use]
pub fn micros_to_ntp(at: Micros) -> u64 {
    /// Far from zero, so that nothing before the start goes negative.
    const EPOCH: i64 = 3_900_000_000;
    (((at as i128 + i128::from(EPOCH) * 1_000_000) << 32) / 1_000_000) as u64
}

/// How long a sample counts: at 100 ppm of drift it is wrong by 3 ms when it goes.
const WINDOW: Micros = 30_000_000;
const SAMPLES: usize = 64;

/// A peer's wall clock against ours.
#[derive(Default)]
pub struct SenderClock {
    /// (when, our time − its time at arrival); the smallest had the least delay.
    samples: VecDeque<(Micros, Micros)>,
}

impl SenderClock {
    /// A sender report with time stamp `ntp` arrived at `now`.
    pub fn report(&mut self, now: Micros, ntp: u64) {
        while self.samples.len() >= SAMPLES || self.samples.front().is_some_and(|(at, _)| now - at > WINDOW) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, now - ntp_to_micros(ntp)));
    }

    fn offset(&self) -> Option<Micros> {
        self.samples.iter().map(|(_, o)| *o).min()
    }
}

/// A stream's RTP clock against its sender's wall clock.
#[derive(Clone, Copy)]
pub struct StreamClock {
    rate: i64,
    last: Option<(u64, u32)>,
}

impl StreamClock {
    #[must_use]
    pub fn new(rate: u32) -> Self {
        Self { rate: i64::from(rate), last: None }
    }

    /// Hz
    #[must_use]
    pub fn rate(&self) -> i64 {
        self.rate
    }

    pub fn report(&mut self, ntp: u64, rtp: u32) {
        self.last = Some((ntp, rtp));
    }

    /// When, on our clock, the sample with this time stamp was taken. `None` before a report.
    #[must_use]
    pub fn captured(&self, rtp: u32, sender: &SenderClock) -> Option<Micros> {
        let (ntp, reference) = self.last?;
        let ticks = i64::from(rtp.wrapping_sub(reference) as i32);
        Some(ntp_to_micros(ntp) + sender.offset()? + ticks * 1_000_000 / self.rate)
    }

    /// The stream's time stamp at `at` on our clock. `None` before a report.
    #[must_use]
    pub fn rtp_at(&self, at: Micros, sender: &SenderClock) -> Option<u32> {
        let (ntp, reference) = self.last?;
        let since = at - sender.offset()? - ntp_to_micros(ntp);
        Some(reference.wrapping_add(ticks(since, self.rate) as u32))
    }
}

/// Microseconds in ticks of a clock.
#[must_use]
pub fn ticks(micros: Micros, rate: i64) -> i64 {
    (micros as i128 * i128::from(rate) / 1_000_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sender whose wall clock and stream clocks run `ppm` fast against ours.
    struct Sender {
        ppm: i64,
    }

    impl Sender {
        fn elapsed(&self, at: Micros) -> Micros {
            at + at * self.ppm / 1_000_000
        }
        fn ntp(&self, at: Micros) -> u64 {
            micros_to_ntp(self.elapsed(at) + 123_456_789)
        }
        fn rtp(&self, at: Micros, rate: i64, start: u32) -> u32 {
            start.wrapping_add(ticks(self.elapsed(at), rate) as u32)
        }
    }

    #[test]
    fn lips_stay_in_sync_for_45_minutes_of_drift() {
        for ppm in [-50, 0, 50] {
            let sender = Sender { ppm };
            let mut wall = SenderClock::default();
            let mut audio = StreamClock::new(48_000);
            let mut video = StreamClock::new(90_000);
            let (a0, v0) = (0xffff_0000, 7);
            let mut worst = 0;
            let mut worst_absolute = 0;
            for second in 1..=45 * 60i64 {
                let at = second * 1_000_000;
                // Delay of reports varies between 5 and 45 ms.
                let delay = 5_000 + (second * 7919 % 41) * 1000;
                wall.report(at + delay, sender.ntp(at));
                if second % 5 == 0 {
                    audio.report(sender.ntp(at), sender.rtp(at, 48_000, a0));
                }
                video.report(sender.ntp(at), sender.rtp(at, 90_000, v0));
                if second < 10 {
                    continue;
                }
                // A flash and a beep of the same instant.
                let event = at + 333_000;
                let flash = video.captured(sender.rtp(event, 90_000, v0), &wall).unwrap();
                let beep = audio.captured(sender.rtp(event, 48_000, a0), &wall).unwrap();
                worst = worst.max((flash - beep).abs());
                worst_absolute = worst_absolute.max((flash - event - 5_000).abs());
                // And the way back agrees.
                let back = video.rtp_at(flash, &wall).unwrap();
                let off = back.wrapping_sub(sender.rtp(event, 90_000, v0)) as i32;
                assert!(off.abs() <= 2, "{off} ticks");
            }
            assert!(worst <= 1_000, "{ppm} ppm: flash and beep {worst} µs apart");
            assert!(worst_absolute <= 5_000, "{ppm} ppm: {worst_absolute} µs off");
        }
    }

    #[test]
    fn nothing_is_said_before_a_report() {
        let clock = StreamClock::new(90_000);
        assert_eq!(clock.captured(1, &SenderClock::default()), None);
        assert_eq!(clock.rtp_at(1, &SenderClock::default()), None);
    }

    #[test]
    fn the_least_delayed_of_the_last_half_minute_counts() {
        let mut wall = SenderClock::default();
        let mut stream = StreamClock::new(90_000);
        let zero = micros_to_ntp(0);
        stream.report(zero, 0);
        let base = ntp_to_micros(zero);
        // In ms: the formats differ by a microsecond.
        let offset = |wall: &SenderClock| (stream.captured(0, wall).unwrap() - base + 500) / 1_000;
        let report = |wall: &mut SenderClock, now: Micros, delay: Micros| {
            wall.report(now, micros_to_ntp(now - delay));
            offset(wall)
        };
        let first = report(&mut wall, 1_000_000, 30_000);
        assert_eq!(report(&mut wall, 2_000_000, 10_000), first - 20);
        assert_eq!(report(&mut wall, 3_000_000, 50_000), first - 20, "a late one changes nothing");
        // The fast one is forgotten after 30 s …
        assert_eq!(report(&mut wall, 32_500_000, 40_000), first + 10);
        // … or when there are 64 newer ones.
        report(&mut wall, 33_000_000, 5_000);
        for n in 1..=64 {
            report(&mut wall, 33_000_000 + n * 10_000, 25_000);
        }
        assert_eq!(offset(&wall), first - 5);
    }
}
