//! Scenarios as a lab writes them down: what is done when, and what must be seen where.
//!
//! ```text
//! let mut lab = Lab::new(1);
//! lab.classroom("东片小学", &find("step"));
//! lab.at(10.0).rate(300);
//! lab.between(13.0, 40.0).expect("no more than the link carries", |v| v.most_kbps() <= 330.0);
//! lab.run(60.0);
//! ```
//!
//! Times are seconds from the lead's begin; classrooms join at two seconds unless told otherwise.
//! After the run everything that was expected is judged, and all that failed is told at once.

use std::time::Duration;

use zhuandi::bot::link::model::{Change, LinkConfig, Loss};
use zhuandi::bot::link::profiles::{Profile, clean};

use crate::lead::Show;
use crate::meter::KINDS;
use crate::player::log::{self, PictureFigures, SoundFigures, Span};
use crate::world::{World, good};

pub struct Lab {
    pub world: World,
    joins: Vec<Join>,
    steps: Vec<(Duration, usize, Step)>,
    expectations: Vec<Expectation>,
}

struct Join {
    at: Duration,
    name: String,
    link: (LinkConfig, LinkConfig),
    behind: bool,
}

#[derive(Clone, Copy)]
enum Step {
    Down(Change),
    Both(Change),
}

struct Expectation {
    room: usize,
    span: Span,
    what: String,
    holds: Box<dyn Fn(&View<'_>) -> bool>,
}

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl Lab {
    /// A lead on a good line.
    pub fn new(seed: u64) -> Self {
        Self::showing(&Show::default(), seed)
    }

    /// The same with something else to see.
    pub fn showing(show: &Show, seed: u64) -> Self {
        let world = World::new((good(), good()), show, seed);
        Self { world, joins: Vec::new(), steps: Vec::new(), expectations: Vec::new() }
    }

    /// A classroom behind this link, from the begin; returns its number.
    pub fn classroom(&mut self, name: &str, profile: &Profile) -> usize {
        self.classroom_at(2.0, name, profile)
    }

    /// The same, joining later.
    pub fn classroom_at(&mut self, seconds: f64, name: &str, profile: &Profile) -> usize {
        let link = (profile.down.clone(), profile.up.clone());
        self.joins.push(Join { at: s(seconds), name: name.to_owned(), link, behind: false });
        self.joins.len() - 1
    }

    /// So many classrooms on good lines of their own behind one shared line.
    pub fn classrooms_behind(&mut self, count: usize, profile: &Profile) {
        self.world.share((profile.down.clone(), profile.up.clone()));
        let link = (clean(Duration::from_millis(1)), clean(Duration::from_millis(1)));
        for n in 0..count {
            let at = s(2.0 + 0.3 * n as f64);
            self.joins.push(Join { at, name: format!("{n}"), link: link.clone(), behind: true });
        }
    }

    /// What follows is done at this time, to the first classroom.
    pub fn at(&mut self, seconds: f64) -> At<'_> {
        At { lab: self, time: s(seconds), room: 0 }
    }

    /// What follows is expected of this stretch of time, of the first classroom.
    pub fn between(&mut self, from: f64, to: f64) -> Between<'_> {
        Between { lab: self, span: s(from)..s(to), room: 0 }
    }

    /// Runs until so many seconds, and judges.
    pub fn run(&mut self, seconds: f64) {
        let mut due: Vec<Due> = self.joins.drain(..).map(|j| Due::Join(Box::new(j))).collect();
        due.extend(self.steps.drain(..).map(|(at, room, step)| Due::Step(at, room, step)));
        due.sort_by_key(Due::at);
        for what in due {
            self.world.run_until(what.at());
            match what {
                Due::Join(join) => {
                    let room = self.world.join(&join.name, join.link);
                    self.world.classrooms[room].station.behind = join.behind;
                }
                Due::Step(at, room, step) => {
                    let station = &mut self.world.classrooms[room].station;
                    match step {
                        Step::Down(change) => station.down.set(at, change),
                        Step::Both(change) => {
                            station.down.set(at, change);
                            station.up.set(at, change);
                        }
                    }
                }
            }
        }
        self.world.run_until(s(seconds));
        self.judge();
    }

    /// What a classroom saw and heard in a stretch of time.
    pub fn view(&self, room: usize, span: Span) -> View<'_> {
        View { world: &self.world, room, span, without: Vec::new() }
    }

    fn judge(&self) {
        let mut failed = Vec::new();
        for e in &self.expectations {
            let view = self.view(e.room, e.span.clone());
            if !(e.holds)(&view) {
                failed.push(format!("{}\n    {}", e.what, view.line()));
            }
        }
        assert!(failed.is_empty(), "not as expected:\n  {}", failed.join("\n  "));
    }
}

enum Due {
    Join(Box<Join>),
    Step(Duration, usize, Step),
}

impl Due {
    fn at(&self) -> Duration {
        match self {
            Self::Join(join) => join.at,
            Self::Step(at, ..) => *at,
        }
    }
}

pub struct At<'a> {
    lab: &'a mut Lab,
    time: Duration,
    room: usize,
}

impl At<'_> {
    pub fn room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    /// Down, kbit/s.
    pub fn rate(self, kbps: u64) -> Self {
        self.step(Step::Down(Change::Rate(1_000 * kbps)))
    }

    /// Both ways, 0–1.
    pub fn loss(self, share: f64) -> Self {
        self.step(Step::Both(Change::Loss(Loss::Random(share))))
    }

    /// Nothing gets through, either way.
    pub fn outage(self, seconds: f64) -> Self {
        let end = self.time + s(seconds);
        let at = self.step(Step::Both(Change::Outage(true)));
        at.lab.steps.push((end, at.room, Step::Both(Change::Outage(false))));
        at
    }

    fn step(self, step: Step) -> Self {
        self.lab.steps.push((self.time, self.room, step));
        self
    }
}

pub struct Between<'a> {
    lab: &'a mut Lab,
    span: Span,
    room: usize,
}

impl Between<'_> {
    pub fn room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    pub fn expect(self, what: &str, holds: impl Fn(&View<'_>) -> bool + 'static) -> Self {
        let (room, span, what) = (self.room, self.span.clone(), what.to_owned());
        self.lab.expectations.push(Expectation { room, span, what, holds: Box::new(holds) });
        self
    }
}

/// A classroom in a stretch of time.
pub struct View<'a> {
    world: &'a World,
    room: usize,
    span: Span,
    without: Vec<Span>,
}

impl View<'_> {
    /// The same, but for some time that does not count.
    pub fn without(self, without: &[Span]) -> Self {
        Self { without: without.to_vec(), ..self }
    }

    pub fn sound(&self) -> SoundFigures {
        log::sound(&self.room().sound.log, &self.span, &self.without)
    }

    pub fn camera(&self) -> PictureFigures {
        log::picture(&self.room().camera.log, &self.span, &self.without)
    }

    pub fn content(&self) -> PictureFigures {
        log::picture(&self.room().content.log, &self.span, &self.without)
    }

    /// What the server sent, kbit/s by kind.
    pub fn kbps(&self) -> [f64; KINDS] {
        self.room().station.meter.kbps(&self.span)
    }

    /// Of everything, second by second.
    pub fn by_second(&self) -> Vec<f64> {
        self.room().station.meter.by_second(&self.span)
    }

    /// Of repeated sound that came, over a lesson of so many seconds.
    pub fn redundant_kbps(&self, seconds: f64) -> f64 {
        self.room().station.meter.redundant as f64 * 0.008 / seconds
    }

    /// How often it had to make a new connection.
    pub fn rejoins(&self) -> u32 {
        self.room().rejoins
    }

    /// Of everything, in the second in which it was most.
    pub fn most_kbps(&self) -> f64 {
        self.by_second().into_iter().fold(0.0, f64::max)
    }

    /// The longest that a packet would have waited before the link.
    pub fn queue(&self) -> Duration {
        self.room().station.meter.longest_queue(&self.span)
    }

    /// How long until a frame of at least this layer was on the screen.
    pub fn camera_reaches(&self, layer: u8) -> Option<Duration> {
        let found = log::first_of_layer(&self.room().camera.log, layer, self.span.start)?;
        (self.span.start + found < self.span.end).then_some(found)
    }

    pub fn content_reaches(&self, layer: u8) -> Option<Duration> {
        let found = log::first_of_layer(&self.room().content.log, layer, self.span.start)?;
        (self.span.start + found < self.span.end).then_some(found)
    }

    /// Everything in one line, for whoever looks for a reason.
    pub fn line(&self) -> String {
        let room = self.room();
        let (sound, camera, content) = (self.sound(), self.camera(), self.content());
        let [audio, picture, page, repair, control] = self.kbps();
        let (from, to) = (self.span.start.as_secs_f64(), self.span.end.as_secs_f64());
        let ms = |d: Duration| d.as_millis();
        format!(
            "{} {from}–{to} s: sound {:.2} % concealed, gap {} ms, delay {} ms; camera {:.2} % frozen \
             ({}), gap {} ms, delay {} ms, layers {:.0?} %, {} changes; content {:.2} % frozen, gap {} ms, \
             layers {:.0?} %; sent {audio:.0} + {picture:.0} + {page:.0} + {repair:.0} + {control:.0} kbit/s \
             (most {:.0}), queue {} ms; {:?}; joined again {} times",
            room.station.name,
            100.0 * sound.concealed,
            ms(sound.longest_gap),
            ms(sound.delay),
            100.0 * camera.frozen,
            camera.freezes,
            ms(camera.longest_gap),
            ms(camera.delay),
            camera.layers.map(|l| 100.0 * l),
            camera.changes,
            100.0 * content.frozen,
            ms(content.longest_gap),
            content.layers.map(|l| 100.0 * l),
            self.most_kbps(),
            ms(self.queue()),
            room.station.down.tally(),
            room.rejoins,
        )
    }

    fn room(&self) -> &crate::classroom::Classroom {
        &self.world.classrooms[self.room]
    }
}
