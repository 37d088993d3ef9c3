//! What a player did, moment by moment, and the figures of any stretch of time.
//!
//! Freezes are counted as `getStats()` counts them: a gap between two shown frames of at least three
//! mean gaps and at least the mean gap and 150 ms; the whole gap counts. The mean is that of the last
//! 30 gaps, and the first five are only learnt from.

use std::ops::Range;
use std::time::Duration;

pub type Span = Range<Duration>;

/// Ten milliseconds of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sound {
    pub at: Duration,
    pub concealed: bool,
    /// From the microphone to the loudspeaker, where it is known.
    pub delay: Option<Duration>,
    /// In the player's buffer.
    pub waited: Option<Duration>,
}

/// A frame that was shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    pub at: Duration,
    pub layer: u8,
    pub delay: Duration,
    /// From its first packet's arrival until it was decoded.
    pub waited: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SoundFigures {
    /// 0–1.
    pub concealed: f64,
    pub longest_gap: Duration,
    /// Mean, from mouth to ear.
    pub delay: Duration,
    /// Mean time in the player's buffer.
    pub waited: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PictureFigures {
    /// 0–1.
    pub frozen: f64,
    pub freezes: usize,
    /// Without a new frame, the ends of the stretch included.
    pub longest_gap: Duration,
    pub delay: Duration,
    pub waited: Duration,
    pub frames: usize,
    /// Share of the stretch in which each layer was on the screen.
    pub layers: [f64; 3],
    /// Share of the stretch in which the last new frame was at most a second old.
    pub alive: f64,
    pub changes: usize,
}

/// Of the stretch `span`, without the time in `without`.
pub fn sound(log: &[Sound], span: &Span, without: &[Span]) -> SoundFigures {
    let kept = |s: &&Sound| span.contains(&s.at) && !without.iter().any(|w| w.contains(&s.at));
    let all: Vec<&Sound> = log.iter().filter(kept).collect();
    let concealed = all.iter().filter(|s| s.concealed).count();
    let runs = all.chunk_by(|a, b| a.concealed == b.concealed).filter(|run| run[0].concealed);
    let longest = runs.map(<[_]>::len).max().unwrap_or(0);
    let mean = |of: fn(&Sound) -> Option<Duration>| {
        let times: Vec<Duration> = all.iter().filter_map(|s| of(s)).collect();
        times.iter().sum::<Duration>() / times.len().max(1) as u32
    };
    SoundFigures {
        concealed: concealed as f64 / all.len().max(1) as f64,
        longest_gap: Duration::from_millis(10) * longest as u32,
        delay: mean(|s| s.delay),
        waited: mean(|s| s.waited),
    }
}

/// Of the stretch `span`; a gap that lies in `without` in part or whole does not count.
pub fn picture(log: &[Shown], span: &Span, without: &[Span]) -> PictureFigures {
    let in_span: Vec<&Shown> = log.iter().filter(|s| span.contains(&s.at)).collect();
    let excused = |from: Duration, to: Duration| without.iter().any(|w| from < w.end && to > w.start);
    let out: Duration =
        without.iter().map(|w| w.end.min(span.end).saturating_sub(w.start.max(span.start))).sum();
    let time = (span.end - span.start).saturating_sub(out).as_secs_f64().max(1e-9);
    let mut figures = PictureFigures { frames: in_span.len(), ..PictureFigures::default() };
    let mut frozen = Duration::ZERO;
    for (from, to) in freezes(log) {
        if to > span.start && from < span.end && !excused(from, to) {
            figures.freezes += 1;
            frozen += to.min(span.end) - from.max(span.start);
        }
    }
    // A picture that has not come, or not come back, by the end is frozen until then.
    let last = log.iter().rev().find(|s| s.at < span.end).map_or(span.start, |s| s.at.max(span.start));
    let ends = log.last().is_none_or(|l| l.at < span.end);
    if ends && span.end - last > Duration::from_secs(1) && !excused(last, span.end) {
        figures.freezes += 1;
        frozen += span.end - last;
    }
    figures.frozen = frozen.as_secs_f64() / time;
    let times = in_span.iter().map(|s| s.at);
    let edges: Vec<Duration> = std::iter::once(span.start).chain(times).chain([span.end]).collect();
    let gaps = edges.windows(2).filter(|w| !excused(w[0], w[1])).map(|w| w[1] - w[0]);
    figures.longest_gap = gaps.max().unwrap_or_default();
    for pair in in_span.windows(2).filter(|w| !excused(w[0].at, w[1].at)) {
        let gap = pair[1].at.saturating_sub(pair[0].at);
        figures.layers[usize::from(pair[0].layer).min(2)] += gap.as_secs_f64() / time;
        figures.alive += gap.min(Duration::from_secs(1)).as_secs_f64() / time;
        figures.changes += usize::from(pair[0].layer != pair[1].layer);
    }
    let count = in_span.len().max(1) as u32;
    figures.delay = in_span.iter().map(|s| s.delay).sum::<Duration>() / count;
    figures.waited = in_span.iter().map(|s| s.waited).sum::<Duration>() / count;
    figures
}

/// From when to when the picture stood, over the whole log.
pub fn freezes(log: &[Shown]) -> Vec<(Duration, Duration)> {
    const WINDOW: usize = 30;
    const LEARN: usize = 5;
    let mut gaps: Vec<f64> = Vec::new();
    let mut out = Vec::new();
    for pair in log.windows(2) {
        let gap = pair[1].at.saturating_sub(pair[0].at).as_secs_f64();
        let recent = &gaps[gaps.len().saturating_sub(WINDOW)..];
        if recent.len() >= LEARN {
            let mean = recent.iter().sum::<f64>() / recent.len() as f64;
            if gap >= (3.0 * mean).max(mean + 0.15) {
                out.push((pair[0].at, pair[1].at));
            }
        }
        gaps.push(gap);
    }
    out
}

/// The first frame of at least `layer` at or after `from`.
pub fn first_of_layer(log: &[Shown], layer: u8, from: Duration) -> Option<Duration> {
    log.iter().find(|s| s.at >= from && s.layer >= layer).map(|s| s.at - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn shown(times: impl IntoIterator<Item = u64>) -> Vec<Shown> {
        let one = |at| Shown { at: MS(at), layer: 0, delay: MS(50), waited: MS(10) };
        times.into_iter().map(one).collect()
    }

    #[test]
    fn a_freeze_is_three_gaps_and_a_gap_and_150_ms() {
        // 25 frames a second: 190 ms are a freeze, 180 are none.
        let log = shown((0..20).map(|n| 40 * n).chain((0..20).map(|n| 760 + 190 + 40 * n)));
        assert_eq!(freezes(&log), [(MS(760), MS(950))]);
        assert!(freezes(&shown((0..20).map(|n| 40 * n).chain([940, 980]))).is_empty());
        // Five frames a second: 600 ms.
        assert!(freezes(&shown((0..10).map(|n| 200 * n).chain([1_800 + 590]))).is_empty());
        assert_eq!(freezes(&shown((0..10).map(|n| 200 * n).chain([1_800 + 600]))).len(), 1);
    }

    #[test]
    fn outages_are_left_out_and_pictures_that_do_not_come_back_are_not() {
        let log = shown((0..100).map(|n| 40 * n).chain((0..100).map(|n| 10_000 + 40 * n)));
        let whole = picture(&log, &(MS(0)..MS(14_000)), &[]);
        assert!((whole.frozen - 6_040.0 / 14_000.0).abs() < 0.001, "{whole:?}");
        assert_eq!((whole.longest_gap, whole.freezes), (MS(6_040), 1));
        let outside = picture(&log, &(MS(0)..MS(14_000)), &[MS(4_000)..MS(9_000)]);
        assert_eq!((outside.frozen, outside.freezes), (0.0, 0));
        let lost = picture(&log, &(MS(0)..MS(20_000)), &[MS(3_000)..MS(11_000)]);
        assert!((lost.frozen - 6_040.0 / 12_000.0).abs() < 0.001, "{lost:?}");
    }

    #[test]
    fn concealed_sound_is_counted_and_its_longest_run() {
        let one = |n: u64| Sound { at: MS(10 * n), concealed: n % 100 < 5, delay: None, waited: None };
        let log: Vec<Sound> = (0..1_000).map(one).collect();
        let figures = sound(&log, &(MS(0)..MS(10_000)), &[]);
        assert!((figures.concealed - 0.05).abs() < 1e-9);
        assert_eq!(figures.longest_gap, MS(50));
    }
}
