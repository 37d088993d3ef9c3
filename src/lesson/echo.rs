//! Does a classroom send back what it was sent? Pure: levels in, a verdict out.
//!
//! The server reads no sound, but every packet says how loud it is (RFC 6464). What a classroom was sent
//! and what its microphone sends are thus two curves in steps of 20 ms. Where the loudspeaker gets into the
//! microphone, the second follows the first by the round trip and what the devices take, always by the
//! same, and in every movement. A look (`compare`) finds the one delay at which the movements are most
//! alike; it counts when
//!
//! * an echo can have that delay, and no other delay (none before the sound was sent either) fits nearly as
//!   well: what goes to a common beat does;
//! * the classroom is quiet where, that delay earlier, nothing was sent (`own`), and what was sent loudly came
//!   back (`missing`): whoever speaks there is loud where the teacher paused;
//! * it came back loud enough to be heard (`loss`).
//!
//! How sure a look is follows from what it found (`Peak::weight`), above all from how sharply likeness falls
//! beside the best delay: people who follow a voice are now early, now late, which blurs it. `EchoEar`
//! adds that up as long as the delay stays the same. What no curve can tell from an echo is the same
//! programme on both sides at an echo's distance.

/// A level that nobody knows.
pub const UNKNOWN: u8 = 255;
/// Steps of the past that a look needs: the longest window and the longest delay.
pub const HISTORY: usize = LONG + MOST_LAG + ROUND_TRIP + 10;

const STEP_MS: usize = 20;
/// How much later than the round trip an echo comes, steps: jitter buffer, playout, air, capture.
const LEAST_LAG: usize = 2;
const MOST_LAG: usize = 35;
/// Longest round trip that is believed, steps.
const ROUND_TRIP: usize = 25;
/// Delays that no echo has are looked at too, down to this before the sound was sent, steps.
const BEFORE: i32 = 40;
/// A look compares so many of the newest steps, or as many as there are since the microphone was
/// opened, but at least `SHORT`.
const LONG: usize = 140;
const SHORT: usize = 80;
/// Evidence that is enough, in natural logarithms of odds as one look counts them; and the most that
/// one look may count, because the next ones see mostly the same.
const ENOUGH: f32 = 4.0;
const MOST_AT_ONCE: f32 = 4.0;

/// What was sent to a classroom and what it sent, as levels (−dBov) step by step, both ending now.
#[derive(Clone, Copy)]
pub struct Curves<'a> {
    pub sent: &'a [u8],
    /// `UNKNOWN` before its microphone was opened.
    pub own: &'a [u8],
    /// The newest steps of `sent` that have not come yet.
    pub late: usize,
    /// The round trip between server and classroom, ms.
    pub rtt_ms: usize,
}

/// Looks at one classroom again and again.
#[derive(Default)]
pub struct EchoEar {
    lag: usize,
    evidence: f32,
}

impl EchoEar {
    /// To be called a few times a second. Says that it sends back what it is sent.
    pub fn look(&mut self, curves: Curves) -> bool {
        let Some(peak) = compare(curves).filter(Peak::counts) else {
            self.evidence *= 0.7;
            return false;
        };
        // Jitter buffers stretch and shrink, little by little.
        if peak.lag.abs_diff(self.lag) > 2 {
            self.evidence = 0.0;
        }
        self.lag = peak.lag;
        let weight = peak.weight().clamp(-MOST_AT_ONCE, MOST_AT_ONCE);
        self.evidence = (self.evidence + weight).max(0.0);
        self.evidence >= ENOUGH
    }
}

/// What a look found at the best delay.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Peak {
    /// Steps.
    pub lag: usize,
    /// Steps that were compared.
    steps: usize,
    /// Correlation of the movements there, −1 to 1, and the best one at any other delay.
    likeness: f32,
    elsewhere: f32,
    /// How much it falls 40 and 60 ms beside the best delay; and the same as a share of what it would
    /// fall if what came back were exactly what was sent.
    sharpness: f32,
    share: f32,
    /// Correlation of the levels themselves.
    level: f32,
    /// How much quieter it came back than it was sent, dB; and how much that changes.
    loss: f32,
    unrest: f32,
    /// Share of what the classroom sent that was not to be expected of what it was sent.
    own: f32,
    /// Share of what it was sent loudly and did not come back.
    missing: f32,
    /// How often something began to sound in what was sent.
    beginnings: usize,
}

impl Peak {
    /// Whether it can be an echo at all.
    fn counts(&self) -> bool {
        let alone = self.likeness - self.elsewhere > 0.08;
        alone && self.own < 0.2 && self.missing < 0.35 && self.loss < 25.0
    }

    /// How much it speaks for an echo (natural logarithm of odds). Logistic regression over looks at
    /// `echo_cases` of the seeds 1000–1079, people who read along counted five times.
    fn weight(&self) -> f32 {
        let whole = (self.steps as f32 / LONG as f32).min(1.0);
        let alike = 3.96 * self.sharpness
            + 18.92 * self.share
            + 2.04 * (self.likeness - self.elsewhere).min(0.5)
            + 2.74 * self.level
            - 10.42 * self.likeness
            - 15.27;
        let beginnings = self.beginnings.min(8) as f32 / 8.0;
        alike * whole - 2.65 * self.own - 0.273 * self.unrest + 2.63 * beginnings + 2.87
    }
}

/// One look at both curves; `None`: nothing in them that could be compared.
#[must_use]
pub fn compare(curves: Curves) -> Option<Peak> {
    let rtt = (curves.rtt_ms / STEP_MS).min(ROUND_TRIP);
    let possible = (rtt + LEAST_LAG) as i32..=(rtt + MOST_LAG) as i32;
    let (sent, own) = (Trace::of(curves.sent)?, Trace::of(curves.own)?);
    let first = curves.own.iter().position(|l| *l != UNKNOWN)?;
    let pairs = |lag| Pairs::at(lag, first, curves.own.len(), curves.late);
    let all: Vec<(i32, f32)> =
        (-BEFORE..=possible.end() + 5).map(|lag| (lag, pairs(lag).alike(&sent.moves, &own.moves))).collect();
    let can = all.iter().filter(|(lag, _)| possible.contains(lag));
    let (lag, likeness) = *can.max_by(|a, b| a.1.total_cmp(&b.1))?;
    // A slope that rises beyond what is possible is no peak.
    if all.iter().any(|a| (a.0 - lag).abs() <= 3 && a.1 > likeness) {
        return None;
    }
    let others = all.iter().filter(|a| (a.0 - lag).abs() > 5);
    let beside = |by: i32| all.iter().find(|a| a.0 == lag + by).map_or(0.0, |a| a.1);
    let sharpness = 2.0 * likeness - [-3, -2, 2, 3].map(beside).iter().sum::<f32>() / 2.0;
    let best = pairs(lag);
    let mut peak = Peak {
        lag: usize::try_from(lag).ok()?,
        likeness,
        elsewhere: others.map(|o| o.1).fold(0.0, f32::max),
        sharpness,
        share: sharpness / (2.0 - best.sent_with_itself(&sent)).max(0.3),
        level: best.alike(&sent.shown, &own.shown),
        ..Peak::default()
    };
    best.judge(&sent, &own, &mut peak);
    Some(peak)
}

/// A curve and how it moves.
struct Trace {
    level: Vec<f32>,
    /// Without what is hardly above its noise.
    shown: Vec<f32>,
    moves: Vec<f32>,
    floor: f32,
    top: f32,
}

impl Trace {
    fn of(levels: &[u8]) -> Option<Self> {
        /// Quieter than this is silence, dBov.
        const SILENCE: f32 = -75.0;
        /// Less than this between quiet and loud is no movement, dB.
        const LIVELY: f32 = 10.0;
        let level: Vec<f32> = levels.iter().map(|l| (-f32::from(*l)).max(SILENCE)).collect();
        let known = level.iter().zip(levels).filter(|(_, l)| **l != UNKNOWN);
        let mut sorted: Vec<f32> = known.map(|(v, _)| *v).collect();
        if sorted.len() < SHORT {
            return None;
        }
        sorted.sort_unstable_by(f32::total_cmp);
        let (floor, top) = (sorted[sorted.len() / 10], sorted[sorted.len() * 19 / 20]);
        if top - floor < LIVELY {
            return None;
        }
        let low = (floor + 4.0).max(top - 30.0);
        let shown: Vec<f32> = level.iter().map(|v| v.max(low)).collect();
        let at = |i: usize| shown[i.min(shown.len() - 1)];
        let smooth = |i: usize| (at(i.saturating_sub(1)) + 2.0 * at(i) + at(i + 1)) / 4.0;
        // Sound begins at once and dies away slowly: beginnings tell more.
        let moves = (0..shown.len()).map(|i| {
            let step = smooth(i + 1) - smooth(i.saturating_sub(1));
            if step > 0.0 { step } else { step * 0.5 }
        });
        Some(Self { moves: moves.collect(), level, shown, floor, top })
    }
}

/// Which steps of `own` are compared with those of `sent` that were `lag` earlier.
struct Pairs {
    lag: i32,
    from: usize,
    to: usize,
}

impl Pairs {
    fn at(lag: i32, first: usize, len: usize, late: usize) -> Self {
        let known = (len - late.min(len)) as i32 + lag;
        let to = known.clamp(0, len as i32) as usize;
        let from = first.max(to.saturating_sub(LONG)).max(lag.max(0) as usize);
        Self { lag, from, to: to.max(from) }
    }

    fn sent(&self) -> std::ops::Range<usize> {
        let back = |i: usize| (i as i32 - self.lag).max(0) as usize;
        back(self.from)..back(self.to)
    }

    /// Pearson's correlation; 0 where too few or too little is compared.
    fn alike(&self, sent: &[f32], own: &[f32]) -> f32 {
        if self.to < self.from + SHORT {
            return 0.0;
        }
        let (x, y) = (&sent[self.sent()], &own[self.from..self.to]);
        let n = x.len() as f32;
        let (mut sx, mut sy, mut xx, mut yy, mut xy) = (0.0f32, 0.0f32, 0.0f32, 0.0f32, 0.0f32);
        for (x, y) in x.iter().zip(y) {
            sx += x;
            sy += y;
            xx += x * x;
            yy += y * y;
            xy += x * y;
        }
        let (vx, vy) = (xx - sx * sx / n, yy - sy * sy / n);
        if vx < n * 0.5 || vy < n * 0.5 { 0.0 } else { (xy - sx * sy / n) / (vx * vy).sqrt() }
    }

    /// How alike what was sent is to itself 40 and 60 ms later, both added.
    fn sent_with_itself(&self, sent: &Trace) -> f32 {
        let at = self.sent();
        let later = |by: usize| {
            let itself = Pairs { lag: by as i32, from: at.start.max(by), to: at.end };
            itself.alike(&sent.moves, &sent.moves)
        };
        later(2) + later(3)
    }

    fn judge(&self, sent: &Trace, own: &Trace, peak: &mut Peak) {
        /// A room lets sound die away by this in a step, dB (1 s for 60 dB).
        const DECAY: f32 = 1.2;
        /// For so many steps, after which other sound has come.
        const TAIL: usize = 25;
        peak.steps = self.to - self.from;
        let at = self.sent();
        let rises = sent.moves[at.clone()].windows(3);
        peak.beginnings = rises.filter(|m| m[1] > 5.0 && m[1] > m[0] && m[1] >= m[2]).count();
        let loud = at.clone().zip(self.from..self.to).filter(|(x, _)| sent.level[*x] > sent.top - 12.0);
        let mut gains: Vec<f32> = loud.map(|(x, y)| own.level[y] - sent.level[x]).collect();
        if gains.is_empty() {
            peak.own = 1.0;
            return;
        }
        gains.sort_unstable_by(f32::total_cmp);
        let gain = gains[gains.len() / 2];
        peak.loss = -gain;
        peak.unrest = (gains[gains.len() * 5 / 6] - gains[gains.len() / 6]) / 2.0;
        peak.missing = gains.iter().filter(|g| **g < gain - 12.0).count() as f32 / gains.len() as f32;
        // What the loudspeaker leaves in the room.
        let mut left = f32::NEG_INFINITY;
        let (mut active, mut unexplained) = (0, 0);
        for x in at.start.saturating_sub(TAIL)..at.end {
            // Half a step of either side belongs to the neighbours.
            let near = sent.level[x.saturating_sub(1)..(x + 2).min(sent.level.len())].iter();
            left = (left - DECAY).max(near.copied().fold(f32::NEG_INFINITY, f32::max));
            let Some(y) = (x + self.from).checked_sub(at.start).filter(|y| *y >= self.from) else { continue };
            if own.level[y] > own.floor + 8.0 && own.level[y] > own.top - 20.0 {
                active += 1;
                unexplained += usize::from(own.level[y] > left + gain + 9.0);
            }
        }
        peak.own = if active == 0 { 1.0 } else { unexplained as f32 / active as f32 };
    }
}

#[cfg(test)]
#[path = "echo_test.rs"]
mod tests;
