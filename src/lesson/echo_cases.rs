//! Made-up classrooms for the echo guard: what was sent to one, and what its microphone sent back, as
//! the levels that packets carry (RFC 6464).
//!
//! Sounds are power envelopes in steps of a millisecond (1 = full scale): speech in syllables and
//! phrases, notes on a beat, rooms that reverberate, noise, chairs; then what a browser makes of it
//! (echo canceller with a residue that comes and goes, gain control, noise suppression), a playout delay
//! that wanders, frames of 20 ms that begin anywhere, lost packets, DTX. A seed gives a case.
//! Phases of sound are not made: what two sounds have in common is their envelopes alone.

/// What a classroom does with what it is sent, and what else it hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    // It sends back what it was sent.
    /// Loudspeaker and microphone without any canceller.
    PlainEcho,
    /// The same among fans, chairs and children.
    NoisyEcho,
    /// What an echo canceller leaves, in gusts.
    Residue,
    /// Its own people speak too, a third of the time.
    EchoAndVoices,
    /// The lead plays or sings.
    MusicEcho,
    /// A line that loses packets, both ends in DTX, a gain control that pumps.
    BadLineEcho,
    // It does not.
    /// A full class and a good canceller.
    Room,
    /// Both ends talk at once.
    DoubleTalk,
    /// Question and answer, soon after one another.
    Dialogue,
    /// Sentences said after the teacher.
    Repeating,
    /// Text read aloud together with the teacher who is heard from the loudspeaker.
    ReadingAlong,
    /// A choir that sings what it hears, as it hears it.
    Choir,
    /// Clapping to the music that it hears.
    Clapping,
    /// The same programme on a television at both ends, up to 3 s apart; people speak a third of the time.
    Programme,
}

pub const ECHOES: [Kind; 6] = [
    Kind::PlainEcho,
    Kind::NoisyEcho,
    Kind::Residue,
    Kind::EchoAndVoices,
    Kind::MusicEcho,
    Kind::BadLineEcho,
];

pub const INNOCENT: [Kind; 8] = [
    Kind::Room,
    Kind::DoubleTalk,
    Kind::Dialogue,
    Kind::Repeating,
    Kind::ReadingAlong,
    Kind::Choir,
    Kind::Clapping,
    Kind::Programme,
];

/// What the server saw, in steps of 20 ms.
pub struct Case {
    pub sent: Vec<u8>,
    pub own: Vec<u8>,
    pub rtt_ms: usize,
    /// Where, in an echo, its own people speak or have just spoken.
    pub talks: Vec<bool>,
}

/// A classroom of this kind; from its first moment on the microphone is open.
#[expect(clippy::too_many_lines, reason = "a table of kinds, read row by row")]
pub fn case(kind: Kind, seed: u64, seconds: usize) -> Case {
    let rng = &mut Rng::new(seed.wrapping_mul(31).wrapping_add(kind as u64 + 1));
    let ms = seconds * 1000;
    let rtt = rng.between(5.0, 150.0);
    // Jitter buffer, playout, air, capture, encoder.
    let device = rng.between(50.0, 400.0);
    let loud = -rng.between(16.0, 32.0);
    let mut lead = Sound::silence(ms);
    let mut own = Sound::silence(ms);
    let mut delay = rtt + device;
    let mut talks = vec![false; ms / 20];
    let echo = |rng: &mut Rng, lead: &Sound, level: f64| {
        let t60 = rng.between(300.0, 1100.0);
        let direct = rng.between(-4.0, 6.0);
        lead.wandering(rng, delay).in_room(t60, direct).louder(level)
    };
    match kind {
        Kind::PlainEcho | Kind::BadLineEcho => {
            lead.add(&speech(rng, ms, loud, Pace::Teacher));
            let level = -rng.between(0.0, 20.0);
            own.add(&echo(rng, &lead, level));
        }
        Kind::NoisyEcho => {
            lead.add(&speech(rng, ms, loud, Pace::Teacher));
            let level = -rng.between(3.0, 15.0);
            own.add(&echo(rng, &lead, level));
            let under = rng.between(8.0, 20.0);
            own.add(&noise(rng, ms, loud + level - under));
            own.add(&chairs(rng, ms, loud + level - 6.0));
        }
        Kind::Residue => {
            lead.add(&speech(rng, ms, loud, Pace::Teacher));
            let level = -rng.between(6.0, 20.0);
            own.add(&echo(rng, &lead, level).residue(rng));
        }
        Kind::EchoAndVoices => {
            lead.add(&speech(rng, ms, loud, Pace::Teacher));
            let level = -rng.between(0.0, 12.0);
            own.add(&echo(rng, &lead, level));
            let voice = loud + level + rng.between(-6.0, 6.0);
            let voices = now_and_then(rng, ms, voice, 0.33);
            talks = voices.about();
            own.add(&voices);
        }
        Kind::MusicEcho => {
            let song = Song::new(rng, ms);
            lead.add(&song.played(rng, ms, loud));
            let level = -rng.between(0.0, 15.0);
            own.add(&echo(rng, &lead, level));
        }
        Kind::Room => {
            lead.add(&speech(rng, ms, loud, Pace::Teacher));
            let left = rng.between(-50.0, -40.0);
            own.add(&echo(rng, &lead, left).residue(rng));
            let level = rng.between(-50.0, -35.0);
            own.add(&noise(rng, ms, level - 10.0));
            own.add(&chairs(rng, ms, level + 10.0));
            own.add(&murmur(rng, ms, level));
        }
        Kind::DoubleTalk => {
            lead.add(&speech(rng, ms, loud, Pace::Teacher));
            let level = loud + rng.between(-10.0, 6.0);
            own.add(&speech(rng, ms, level, Pace::Teacher));
        }
        Kind::Dialogue => {
            let (ask, answer) = dialogue(rng, ms, loud, delay);
            lead.add(&ask);
            own.add(&answer);
        }
        Kind::Repeating => {
            let (say, again) = repeating(rng, ms, loud, delay);
            lead.add(&say);
            own.add(&again);
        }
        Kind::ReadingAlong => {
            let text = Text::new(rng, ms, Pace::Reading);
            lead.add(&text.said(rng, ms, loud));
            // People who read together are a little late, or know the text.
            let late = rng.between(-60.0, 250.0);
            delay += late;
            own.add(&text.chorus(rng, ms, loud, delay).in_room(700.0, 0.0));
        }
        Kind::Choir => {
            let song = Song::new(rng, ms);
            lead.add(&song.played(rng, ms, loud));
            let late = rng.between(-60.0, 250.0);
            delay += late;
            own.add(&song.chorus(rng, ms, loud, delay).in_room(700.0, 0.0));
        }
        Kind::Clapping => {
            let song = Song::new(rng, ms);
            lead.add(&song.played(rng, ms, loud));
            let late = rng.between(-60.0, 40.0);
            delay += late;
            own.add(&song.clapped(rng, ms, loud, delay).in_room(700.0, 0.0));
        }
        Kind::Programme => {
            let programme = programme(rng, ms + 3000, loud);
            delay = rng.between(-3000.0, 3000.0);
            let at = |late: f64| programme.from((1500.0 - late) as i64, ms);
            lead.add(&at(-delay / 2.0).in_room(rng.between(300.0, 900.0), rng.between(-3.0, 3.0)));
            own.add(&at(delay / 2.0).in_room(rng.between(300.0, 900.0), rng.between(-3.0, 3.0)));
            let (a, b) = (rng.between(-4.0, 8.0), rng.between(-4.0, 8.0));
            lead.add(&now_and_then(rng, ms, loud + a, 0.33));
            own.add(&now_and_then(rng, ms, loud + b, 0.33));
        }
    }
    // No room is silent.
    let (here, there) = (rng.between(-72.0, -52.0), rng.between(-72.0, -52.0));
    lead.add(&noise(rng, ms, here));
    own.add(&noise(rng, ms, there));
    if kind != Kind::Room {
        let (here, there) = (rng.between(-60.0, -42.0), rng.between(-60.0, -42.0));
        lead.add(&chairs(rng, ms, here));
        own.add(&chairs(rng, ms, there));
    }
    let bad_line = kind == Kind::BadLineEcho;
    if bad_line || rng.chance(0.5) {
        own = own.gain_controlled(rng, bad_line);
    }
    if bad_line || rng.chance(0.5) {
        own = own.noise_suppressed(rng);
    }
    let loss = if bad_line { rng.between(0.01, 0.06) } else { 0.0 };
    let dtx = bad_line || rng.chance(0.2);
    Case { sent: lead.levels(rng, loss, dtx), own: own.levels(rng, loss, dtx), rtt_ms: rtt as usize, talks }
}

/// Small and always the same (SplitMix64).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        let mut rng = Self(seed);
        rng.next();
        rng
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Around 0, of this deviation.
    fn normal(&mut self, sigma: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum();
        (sum - 6.0) * sigma
    }
}

fn power(db: f64) -> f64 {
    10f64.powf(db / 10.0)
}

fn db(power: f64) -> f64 {
    10.0 * power.max(1e-13).log10()
}

/// A power envelope in milliseconds.
#[derive(Clone)]
struct Sound(Vec<f32>);

impl Sound {
    fn silence(ms: usize) -> Self {
        Self(vec![0.0; ms])
    }

    fn add(&mut self, other: &Self) {
        for (a, b) in self.0.iter_mut().zip(&other.0) {
            *a += b;
        }
    }

    /// The steps in which there is anything of it, or was half a second ago.
    fn about(&self) -> Vec<bool> {
        let is = |n: usize| self.0[(n * 20).saturating_sub(500)..n * 20 + 20].iter().any(|p| *p > 0.0);
        (0..self.0.len() / 20).map(is).collect()
    }

    fn louder(mut self, by: f64) -> Self {
        let factor = power(by) as f32;
        self.0.iter_mut().for_each(|p| *p *= factor);
        self
    }

    /// One tone: rises, stands (falling by `fall` dB a second), dies away.
    fn note(&mut self, at: f64, length: f64, level: f64, rise: f64, fall: f64, decay: f64) {
        let falls = power(-fall / 1000.0);
        let dies = falls * (-2.3 / decay).exp();
        let mut stand = power(level);
        let first = at.max(0.0) as usize;
        for (since, p) in self.0.iter_mut().skip(first).enumerate() {
            let since = since as f64;
            let risen = (since / rise).min(1.0);
            *p += (stand * risen * risen) as f32;
            stand *= if since < length { falls } else { dies };
            if stand < 1e-10 {
                break;
            }
        }
    }

    /// As it comes out of a loudspeaker `delay` ms later, more or less: jitter buffers stretch and shrink.
    fn wandering(&self, rng: &mut Rng, delay: f64) -> Self {
        let mut late = delay;
        let mut aim = delay;
        let mut out = Self::silence(self.0.len());
        for t in 0..out.0.len() {
            if rng.chance(1.0 / 8000.0) {
                aim = delay + rng.between(-30.0, 30.0);
            }
            late += (aim - late).clamp(-0.1, 0.1);
            let from = t as f64 - late;
            if from >= 0.0 {
                out.0[t] = self.0[from as usize];
            }
        }
        out
    }

    /// `direct`: dB of the direct sound over the reverberation. Diffuse sound beats: a random ripple.
    fn in_room(&self, t60: f64, direct: f64) -> Self {
        let keeps = (-13.8 / t60).exp();
        let share = power(direct) / (1.0 + power(direct));
        let mut tail = 0.0;
        let out = self.0.iter().map(|p| {
            let p = f64::from(*p);
            tail = tail * keeps + p * (1.0 - keeps);
            (share * p + (1.0 - share) * tail) as f32
        });
        Self(out.collect())
    }

    /// What an echo canceller lets through: its suppression wanders, and now and then takes all.
    fn residue(mut self, rng: &mut Rng) -> Self {
        let (mut wander, mut shut) = (0.0, 0usize);
        let sigma = rng.between(3.0, 6.0);
        let often = rng.between(0.1, 0.5);
        for p in &mut self.0 {
            // Ornstein-Uhlenbeck, half a second.
            wander += -wander / 500.0 + rng.normal(sigma) * (2.0f64 / 500.0).sqrt();
            if shut > 0 {
                shut -= 1;
            } else if rng.chance(often / 1000.0) {
                shut = rng.between(80.0, 350.0) as usize;
            }
            let gain = if shut > 0 { wander - 25.0 } else { wander };
            *p *= power(gain) as f32;
        }
        self
    }

    /// Brings speech to about −20 dBov: fast down, slowly up.
    fn gain_controlled(mut self, rng: &mut Rng, pumps: bool) -> Self {
        let aim = rng.between(-26.0, -18.0);
        let up = if pumps { 6.0 } else { rng.between(1.0, 5.0) } / 1000.0;
        let down = up * 8.0;
        let (mut gain, mut heard) = (0.0, -60.0);
        for p in &mut self.0 {
            let level = db(f64::from(*p));
            heard += (level - heard) * if level > heard { 0.05 } else { 0.002 };
            if heard + gain > aim {
                gain -= down;
            } else if heard > -55.0 && gain < 20.0 {
                gain += up;
            }
            *p *= power(gain) as f32;
        }
        self
    }

    /// What is near the floor sinks.
    fn noise_suppressed(mut self, rng: &mut Rng) -> Self {
        let by = rng.between(6.0, 15.0);
        let mut floor = -60.0f64;
        for p in &mut self.0 {
            let level = db(f64::from(*p));
            floor += if level < floor { (level - floor) * 0.02 } else { 0.003 };
            let above = ((level - floor) / 8.0).clamp(0.0, 1.0);
            *p *= power(-by * (1.0 - above)) as f32;
        }
        self
    }

    /// `ms` of it, beginning at `at`.
    fn from(&self, at: i64, ms: usize) -> Self {
        let one = |t: i64| usize::try_from(at + t).ok().and_then(|i| self.0.get(i)).copied().unwrap_or(0.0);
        Self((0..ms as i64).map(one).collect())
    }

    /// Frames of 20 ms that begin anywhere; a lost packet repeats the level before it, as the server
    /// fills the gap; of a pause in DTX nothing is known but that it is one.
    fn levels(&self, rng: &mut Rng, loss: f64, dtx: bool) -> Vec<u8> {
        let phase = rng.between(0.0, 20.0) as usize;
        let mut quiet = 0;
        let mut before = 127;
        let frames = (0..self.0.len() / 20).map(|n| {
            let begin = (n * 20).saturating_sub(phase);
            let frame = &self.0[begin..n * 20 + 20 - phase];
            let mean = frame.iter().map(|p| f64::from(*p)).sum::<f64>() / frame.len().max(1) as f64;
            // 20 ms of sound have no exact power.
            let level = (-(db(mean) + rng.normal(0.6))).round().clamp(0.0, 127.0) as u8;
            quiet = if level > 62 { quiet + 1 } else { 0 };
            let told = if dtx && quiet > 10 && quiet % 20 != 0 {
                127
            } else if rng.chance(loss) {
                before
            } else {
                level
            };
            before = told;
            told
        });
        frames.collect()
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Pace {
    /// With pauses to think.
    Teacher,
    /// Line by line.
    Reading,
}

/// Syllables: when, how long, how loud (dB about 0), how hard they begin (ms).
struct Text(Vec<(f64, f64, f64, f64)>);

impl Text {
    fn new(rng: &mut Rng, ms: usize, pace: Pace) -> Self {
        let mut out = Vec::new();
        let mut t = rng.between(0.0, 300.0);
        while t < ms as f64 {
            let length = match pace {
                Pace::Teacher => rng.between(700.0, 3000.0),
                Pace::Reading => rng.between(1200.0, 2500.0),
            };
            let end = t + length;
            let mut loud = rng.normal(1.5);
            let period = rng.between(170.0, 320.0);
            while t < end {
                let lasts = period * rng.between(0.7, 1.35);
                out.push((
                    t,
                    lasts * rng.between(0.45, 0.8),
                    loud + rng.normal(3.0),
                    rng.between(10.0, 40.0),
                ));
                loud -= 0.4;
                t += lasts;
            }
            t += match pace {
                Pace::Teacher if rng.chance(0.15) => rng.between(800.0, 1800.0),
                Pace::Teacher => rng.between(200.0, 700.0),
                Pace::Reading => rng.between(300.0, 600.0),
            };
        }
        Self(out)
    }

    fn said(&self, rng: &mut Rng, ms: usize, level: f64) -> Sound {
        let mut out = Sound::silence(ms);
        for (at, length, loud, rise) in &self.0 {
            let hiss = rng.between(20.0, 70.0);
            if rng.chance(0.6) {
                let quieter = rng.between(8.0, 22.0);
                out.note(at - hiss, hiss, level + loud - quieter, 5.0, 0.0, 15.0);
            }
            let (fall, decay) = (rng.between(0.0, 25.0), rng.between(30.0, 90.0));
            out.note(*at, *length, level + loud, *rise, fall, decay);
        }
        out
    }

    /// The same words of a class that follows: all together a little unsteady, each child for itself.
    fn chorus(&self, rng: &mut Rng, ms: usize, level: f64, late: f64) -> Sound {
        let together = rng.between(20.0, 45.0);
        let apart = rng.between(20.0, 60.0);
        let children = 12;
        let mut out = Sound::silence(ms);
        let level = level - db(f64::from(children));
        for (at, length, loud, rise) in &self.0 {
            let at = at + late + rng.normal(together);
            let loud = loud * 0.5 + rng.normal(2.0);
            for _ in 0..children {
                let at = at + rng.normal(apart);
                out.note(at, length * rng.between(0.8, 1.2), level + loud, rise * 1.5, 10.0, 80.0);
            }
        }
        out
    }
}

fn speech(rng: &mut Rng, ms: usize, level: f64, pace: Pace) -> Sound {
    Text::new(rng, ms, pace).said(rng, ms, level)
}

fn speech_of(seed: u64, ms: usize, level: f64) -> Sound {
    speech(&mut Rng::new(seed), ms, level, Pace::Teacher)
}

/// Speech in turns of 1–4 s that take this share of the time; the first turn may be at once.
fn now_and_then(rng: &mut Rng, ms: usize, level: f64, share: f64) -> Sound {
    let mut out = speech(rng, ms, level, Pace::Teacher);
    let (mut on, mut left) = (!rng.chance(share), 0.0);
    for p in &mut out.0 {
        if left <= 0.0 {
            on = !on;
            let length = rng.between(1000.0, 4000.0);
            left = if on { length } else { length * (1.0 - share) / share };
        }
        left -= 1.0;
        if !on {
            *p = 0.0;
        }
    }
    out
}

/// The teacher asks, an answer begins soon after she has ended at the other end, and the other way round.
fn dialogue(rng: &mut Rng, ms: usize, level: f64, delay: f64) -> (Sound, Sound) {
    let (mut ask, mut answer) = (Sound::silence(ms), Sound::silence(ms));
    let other = level + rng.between(-6.0, 6.0);
    let mut t = 0.0;
    while t < ms as f64 {
        let length = rng.between(500.0, 3000.0);
        ask.splice(t, &speech_of(rng.next(), length as usize, level));
        t += length + delay + rng.between(-200.0, 600.0);
        let length = rng.between(300.0, 2500.0);
        answer.splice(t, &speech_of(rng.next(), length as usize, other));
        t += length + rng.between(-200.0, 600.0);
    }
    (ask, answer)
}

/// A sentence, and the class says it after her in her rhythm.
fn repeating(rng: &mut Rng, ms: usize, level: f64, delay: f64) -> (Sound, Sound) {
    let (mut say, mut again) = (Sound::silence(ms), Sound::silence(ms));
    let mut t = 0.0;
    while t < ms as f64 {
        let length = rng.between(600.0, 2200.0);
        let text = Text::new(rng, length as usize, Pace::Reading);
        let whole = length as usize + 600;
        say.splice(t, &text.said(rng, whole, level));
        t += length + delay + rng.between(-100.0, 400.0);
        again.splice(t, &text.chorus(rng, whole, level, 0.0));
        t += length + rng.between(0.0, 500.0);
    }
    (say, again)
}

impl Sound {
    fn splice(&mut self, at: f64, other: &Self) {
        let at = at.max(0.0) as usize;
        for (a, b) in self.0.iter_mut().skip(at).zip(&other.0) {
            *a += b;
        }
    }
}

/// Notes on a beat: when, how long, how loud.
struct Song {
    notes: Vec<(f64, f64, f64)>,
    beat: f64,
}

impl Song {
    fn new(rng: &mut Rng, ms: usize) -> Self {
        let beat = 60_000.0 / rng.between(70.0, 140.0);
        let mut notes = Vec::new();
        let (mut t, mut place) = (rng.between(0.0, beat), 0.0);
        while t < ms as f64 {
            let lasts = [0.5, 0.5, 1.0, 1.0, 1.0, 1.5, 2.0][(rng.next() % 7) as usize];
            let accent = if place % 4.0 == 0.0 { 2.5 } else { 0.0 };
            // A breath at the end of a line.
            if !(place % 16.0 >= 14.5 && rng.chance(0.7)) {
                notes.push((t, beat * lasts, accent + rng.normal(2.0)));
            }
            t += beat * lasts;
            place += lasts;
        }
        Self { notes, beat }
    }

    fn played(&self, rng: &mut Rng, ms: usize, level: f64) -> Sound {
        let mut out = Sound::silence(ms);
        // A piano dies away, a voice or an organ stands.
        let (rise, fall) = if rng.chance(0.5) {
            (8.0, rng.between(15.0, 60.0))
        } else {
            (rng.between(25.0, 80.0), rng.between(0.0, 8.0))
        };
        for (at, length, loud) in &self.notes {
            let at = at + rng.normal(8.0);
            out.note(at, length * rng.between(0.7, 0.95), level + loud, rise, fall, 120.0);
        }
        out
    }

    /// Thirty children, of whom a dozen make it as uneven as thirty.
    fn chorus(&self, rng: &mut Rng, ms: usize, level: f64, late: f64) -> Sound {
        let together = rng.between(20.0, 45.0);
        let apart = rng.between(25.0, 70.0);
        let rise = rng.between(50.0, 120.0);
        let children = 12;
        let mut out = Sound::silence(ms);
        let level = level - db(f64::from(children));
        for (at, length, loud) in &self.notes {
            let at = at + late + rng.normal(together);
            let loud = loud * 0.5 + rng.normal(1.5);
            for _ in 0..children {
                out.note(at + rng.normal(apart), length * 0.9, level + loud, rise, 2.0, 150.0);
            }
        }
        out
    }

    fn clapped(&self, rng: &mut Rng, ms: usize, level: f64, late: f64) -> Sound {
        let mut out = Sound::silence(ms);
        let together = rng.between(15.0, 30.0);
        let mut t = self.notes.first().map_or(0.0, |n| n.0);
        while t < ms as f64 {
            let at = t + late + rng.normal(together);
            for _ in 0..12 {
                out.note(at + rng.normal(25.0), 8.0, level - 6.0, 3.0, 0.0, 25.0);
            }
            t += self.beat;
        }
        out
    }
}

/// Speech over music, as programmes are.
fn programme(rng: &mut Rng, ms: usize, level: f64) -> Sound {
    let mut out = speech(rng, ms, level, Pace::Teacher);
    if rng.chance(0.5) {
        let under = rng.between(4.0, 15.0);
        out.add(&Song::new(rng, ms).played(rng, ms, level - under));
    }
    out
}

fn noise(rng: &mut Rng, ms: usize, level: f64) -> Sound {
    let mut wander = 0.0;
    let one = |_| {
        wander += -wander / 2000.0 + rng.normal(1.5) * (2.0f64 / 2000.0).sqrt();
        power(level + wander) as f32
    };
    Sound((0..ms).map(one).collect())
}

/// Chairs, coughs, doors.
fn chairs(rng: &mut Rng, ms: usize, level: f64) -> Sound {
    let mut out = Sound::silence(ms);
    let mut t = rng.between(0.0, 4000.0);
    while t < ms as f64 {
        let length = rng.between(10.0, 150.0);
        out.note(t, length, level + rng.normal(4.0), 5.0, 0.0, 60.0);
        t += rng.between(500.0, 6000.0);
    }
    out
}

/// Children who are not quite silent.
fn murmur(rng: &mut Rng, ms: usize, level: f64) -> Sound {
    let mut out = Sound::silence(ms);
    for _ in 0..4 {
        out.add(&now_and_then(rng, ms, level - 6.0, 0.3));
    }
    out.in_room(800.0, -3.0)
}
