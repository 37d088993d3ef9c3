//! The floor: whose microphone is open beside whoever leads, who is on stage, whose hand is raised.
//!
//! Pure state of seat numbers; what follows from it (gates, pictures, messages) is done in `speaking`.
//! While the lesson listens, one classroom speaks at a time: opening another closes the one before. In
//! a discussion as many do as the type of lesson says (three, mostly), and one more closes the one that has
//! spoken longest. Being called on takes a classroom's hand down. Whoever leads needs no floor and is never in here.

use crate::lesson::plan::SeatNumber;
use crate::session::message::{LessonRules, Mode};

#[derive(Clone, Debug, PartialEq)]
pub struct Floor {
    mode: Mode,
    /// In a discussion.
    most: usize,
    /// The newest first.
    speakers: Vec<Speaking>,
    /// In the order of raising.
    hands: Vec<SeatNumber>,
}

/// One open microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaking {
    pub seat: SeatNumber,
    /// Its picture is shown to everybody.
    pub on_stage: bool,
}

/// Seats whose microphone closes.
pub type Closed = Vec<SeatNumber>;

impl Floor {
    /// Nobody speaks yet.
    #[must_use]
    pub fn new(rules: LessonRules) -> Self {
        let (mode, most) = (rules.mode, usize::from(rules.most_speaking));
        Self { mode, most, speakers: Vec::new(), hands: Vec::new() }
    }

    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The newest first.
    #[must_use]
    pub fn speakers(&self) -> &[Speaking] {
        &self.speakers
    }

    /// In the order of raising.
    #[must_use]
    pub fn hands(&self) -> &[SeatNumber] {
        &self.hands
    }

    /// Who is shown to everybody, the newest first.
    pub fn stage(&self) -> impl Iterator<Item = SeatNumber> {
        self.speakers.iter().filter(|s| s.on_stage).map(|s| s.seat)
    }

    #[must_use]
    pub fn speaks(&self, seat: SeatNumber) -> bool {
        self.speakers.iter().any(|s| s.seat == seat)
    }

    #[must_use]
    pub fn is_on_stage(&self, seat: SeatNumber) -> bool {
        self.stage().any(|s| s == seat)
    }

    /// The place of a raised hand in the queue, 1 the next.
    #[must_use]
    pub fn place(&self, seat: SeatNumber) -> Option<u32> {
        let at = self.hands.iter().position(|s| *s == seat)?;
        u32::try_from(at + 1).ok()
    }

    /// 点名发言: the big picture and the microphone.
    pub fn call_on(&mut self, seat: SeatNumber) -> Closed {
        self.give(Speaking { seat, on_stage: true })
    }

    /// The microphone alone. Who is on stage stays there.
    pub fn open(&mut self, seat: SeatNumber) -> Closed {
        if self.speaks(seat) { Closed::new() } else { self.give(Speaking { seat, on_stage: false }) }
    }

    /// 结束发言. Says whether it had the floor.
    pub fn release(&mut self, seat: SeatNumber) -> bool {
        let before = self.speakers.len();
        self.speakers.retain(|s| s.seat != seat);
        self.speakers.len() != before
    }

    /// Nobody speaks any more; hands stay raised.
    pub fn release_all(&mut self) -> Closed {
        self.speakers.drain(..).map(|s| s.seat).collect()
    }

    pub fn set_mode(&mut self, mode: Mode) -> Closed {
        self.mode = mode;
        self.close_surplus()
    }

    /// 举手. Says whether that is new: who speaks needs not ask.
    pub fn raise(&mut self, seat: SeatNumber) -> bool {
        let new = !self.speaks(seat) && !self.hands.contains(&seat);
        if new {
            self.hands.push(seat);
        }
        new
    }

    /// Says whether the hand was up.
    pub fn lower(&mut self, seat: SeatNumber) -> bool {
        let before = self.hands.len();
        self.hands.retain(|s| *s != seat);
        self.hands.len() != before
    }

    /// Gone, or leading. Says whether anything was known of it.
    pub fn forget(&mut self, seat: SeatNumber) -> bool {
        let lowered = self.lower(seat);
        self.release(seat) || lowered
    }

    fn give(&mut self, speaking: Speaking) -> Closed {
        self.forget(speaking.seat);
        self.speakers.insert(0, speaking);
        self.close_surplus()
    }

    fn close_surplus(&mut self) -> Closed {
        let most = match self.mode {
            Mode::Listen => 1,
            Mode::Discuss => self.most,
        };
        let surplus = self.speakers.split_off(self.speakers.len().min(most));
        surplus.into_iter().map(|s| s.seat).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lesson::kinds::rules;
    use crate::session::message::LessonType;

    /// One thing done to the floor.
    #[derive(Clone, Copy, Debug)]
    enum Does {
        CallOn(u64),
        Open(u64),
        Release(u64),
        All,
        Raise(u64),
        Lower(u64),
        Forget(u64),
        Turn(Mode),
    }
    use Does::{All, CallOn, Forget, Lower, Open, Raise, Release, Turn};

    /// Name; what is done; speakers the newest first (`*` on stage); hands; what the last step closed.
    type Case = (&'static str, &'static [Does], &'static str, &'static str, &'static str);

    const TABLE: &[Case] = &[
        ("at the beginning", &[], "", "", ""),
        ("called on", &[CallOn(1)], "1*", "", ""),
        ("the same again changes nothing", &[CallOn(1), CallOn(1)], "1*", "", ""),
        ("another one: the first closes", &[CallOn(1), CallOn(2)], "2*", "", "1"),
        ("the microphone alone", &[Open(1)], "1", "", ""),
        ("and then the picture", &[Open(1), CallOn(1)], "1*", "", ""),
        ("opening whose picture is shown keeps it", &[CallOn(1), Open(1)], "1*", "", ""),
        ("one voice while listening", &[CallOn(1), Open(2)], "2", "", "1"),
        ("released", &[CallOn(1), Release(1)], "", "", ""),
        ("somebody else's release", &[CallOn(1), Release(2)], "1*", "", ""),
        ("three discuss", &[Turn(Mode::Discuss), CallOn(1), Open(2), CallOn(3)], "3* 2 1*", "", ""),
        (
            "a fourth closes the longest",
            &[Turn(Mode::Discuss), CallOn(1), CallOn(2), CallOn(3), CallOn(4)],
            "4* 3* 2*",
            "",
            "1",
        ),
        (
            "who speaks again is the newest",
            &[Turn(Mode::Discuss), CallOn(1), CallOn(2), CallOn(3), CallOn(1), CallOn(4)],
            "4* 1* 3*",
            "",
            "2",
        ),
        (
            "back to listening: the newest stays",
            &[Turn(Mode::Discuss), CallOn(1), CallOn(2), Turn(Mode::Listen)],
            "2*",
            "",
            "1",
        ),
        ("all closed, hands stay", &[CallOn(1), Raise(2), All], "", "2", "1"),
        ("hands in their order", &[Raise(3), Raise(1), Raise(2)], "", "3 1 2", ""),
        ("a hand is raised once", &[Raise(3), Raise(1), Raise(3)], "", "3 1", ""),
        ("taken down", &[Raise(3), Raise(1), Lower(3)], "", "1", ""),
        ("called on, the hand is down", &[Raise(3), Raise(1), CallOn(3)], "3*", "1", ""),
        ("heard, the hand is down", &[Raise(3), Open(3)], "3", "", ""),
        ("who speaks raises no hand", &[CallOn(1), Raise(1)], "1*", "", ""),
        ("gone", &[CallOn(1), Raise(2), Forget(1), Forget(2)], "", "", ""),
    ];

    #[test]
    fn what_each_step_does() {
        for (name, steps, speakers, hands, closed) in TABLE {
            let mut floor = Floor::new(rules(LessonType::Delivery));
            let mut last = Closed::new();
            for step in *steps {
                last = match *step {
                    CallOn(n) => floor.call_on(SeatNumber(n)),
                    Open(n) => floor.open(SeatNumber(n)),
                    All => floor.release_all(),
                    Turn(mode) => floor.set_mode(mode),
                    Release(n) => none(floor.release(SeatNumber(n))),
                    Raise(n) => none(floor.raise(SeatNumber(n))),
                    Lower(n) => none(floor.lower(SeatNumber(n))),
                    Forget(n) => none(floor.forget(SeatNumber(n))),
                };
            }
            let mark = |s: &Speaking| format!("{}{}", s.seat.0, if s.on_stage { "*" } else { "" });
            let told: Vec<_> = floor.speakers().iter().map(mark).collect();
            assert_eq!(told.join(" "), *speakers, "{name}");
            assert_eq!(list(floor.hands()), *hands, "{name}");
            assert_eq!(list(&last), *closed, "{name}");
            for (at, seat) in floor.hands().iter().enumerate() {
                assert_eq!(floor.place(*seat), Some(at as u32 + 1), "{name}");
            }
        }
    }

    #[test]
    fn a_step_says_whether_it_changed_anything() {
        let (mut floor, seat) = (Floor::new(rules(LessonType::Delivery)), SeatNumber(1));
        assert!(!floor.lower(seat) && !floor.release(seat) && !floor.forget(seat));
        assert!(floor.raise(seat) && !floor.raise(seat) && floor.lower(seat));
        floor.call_on(seat);
        assert!(floor.speaks(seat) && floor.is_on_stage(seat) && floor.forget(seat));
    }

    #[test]
    fn a_type_says_how_it_begins_and_how_many_speak() {
        let mut floor = Floor::new(rules(LessonType::Meeting));
        assert_eq!(floor.mode(), Mode::Discuss);
        let closed: Vec<_> = (1..=5).map(|n| list(&floor.call_on(SeatNumber(n)))).collect();
        assert_eq!(closed, ["", "", "", "", "1"]);
    }

    fn none(_: bool) -> Closed {
        Closed::new()
    }

    fn list(seats: &[SeatNumber]) -> String {
        seats.iter().map(|s| s.0.to_string()).collect::<Vec<_>>().join(" ")
    }
}
