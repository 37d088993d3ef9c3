//! What runs, by the journal alone: records folded into lessons. Pure.
//!
//! The writer keeps it while it writes, and begins each segment with it; so the newest segment tells
//! a restarted server all that it needs, whatever has become of the database. Applying a record
//! twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::{LessonId, ParticipantId};
use crate::session::message::{LessonType, Role};
use crate::store::record::{Ended, Happened, Id, Record, Stamp};

/// How long an ended lesson is known, by the wall clock, ms.
const REMEMBERED: u64 = 24 * 3600 * 1000;
/// Above this many ended lessons the oldest are forgotten earlier.
const MAX_ENDED: usize = 10_000;
/// Names that are kept with a lesson, for a database that has to be made anew.
const MAX_PEOPLE: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Scheduled,
    Live,
    Ended,
}

/// One lesson that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub run: Id,
    pub lesson: LessonId,
    pub title: String,
    pub planned: bool,
    pub state: RunState,
    pub opened: Stamp,
    /// 上课
    #[serde(default)]
    pub started: Option<Stamp>,
    /// The last that was heard of it.
    pub seen: Stamp,
    /// How long it has been live, ms.
    pub ran: u64,
    pub kicked: BTreeSet<ParticipantId>,
    #[serde(default, rename = "type")]
    pub kind: LessonType,
    /// Who was brought in from the audience.
    #[serde(default)]
    pub promoted: BTreeSet<ParticipantId>,
    /// Who is there, by interval.
    pub open: BTreeMap<Id, (ParticipantId, Stamp)>,
    /// Who was ever there, until it ends.
    #[serde(default)]
    pub people: BTreeMap<ParticipantId, Person>,
}

/// As a participant was called last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub role: Role,
    pub name: String,
}

/// All lessons that run, and those that ended within a day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    runs: BTreeMap<Id, Run>,
}

impl Running {
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Segment { runs, .. } => {
                for run in runs {
                    self.runs.entry(run.run.clone()).or_insert_with(|| run.clone());
                }
            }
            Record::Run { run, lesson, title, planned, stamp } => {
                self.runs.entry(run.clone()).or_insert_with(|| Run {
                    run: run.clone(),
                    lesson: lesson.clone(),
                    title: title.clone(),
                    planned: *planned,
                    state: RunState::Scheduled,
                    opened: *stamp,
                    started: None,
                    seen: *stamp,
                    ran: 0,
                    kicked: BTreeSet::new(),
                    kind: LessonType::default(),
                    promoted: BTreeSet::new(),
                    open: BTreeMap::new(),
                    people: BTreeMap::new(),
                });
            }
            Record::Participant { run, sub, role, name } => {
                if let Some(run) = self.runs.get_mut(run)
                    && run.state != RunState::Ended
                    && (run.people.len() < MAX_PEOPLE || run.people.contains_key(sub))
                {
                    run.people.insert(sub.clone(), Person { role: *role, name: name.clone() });
                }
            }
            Record::Opened { run, id, sub, stamp } => {
                if let Some(run) = self.seen(run, *stamp)
                    && run.state != RunState::Ended
                {
                    run.open.insert(id.clone(), (sub.clone(), *stamp));
                }
            }
            Record::Closed { run, id, stamp, .. } => {
                if let Some(run) = self.seen(run, *stamp) {
                    run.open.remove(id);
                }
            }
            Record::Event { run, stamp, what, sub, detail, .. } => {
                if *what == Happened::Abandon {
                    self.runs.remove(run);
                }
                let Some(run) = self.seen(run, *stamp) else { return };
                match what {
                    Happened::Start if run.state == RunState::Scheduled => {
                        run.state = RunState::Live;
                        run.started = Some(*stamp);
                    }
                    Happened::End { ran } => {
                        run.state = RunState::Ended;
                        run.ran = *ran;
                        run.open.clear();
                        run.people.clear();
                    }
                    Happened::Kick => run.kicked.extend(sub.clone()),
                    Happened::Promote => run.promoted.extend(sub.clone()),
                    Happened::Demote => run.promoted.retain(|one| Some(one) != sub.as_ref()),
                    Happened::Type => {
                        let word = serde_json::Value::from(detail.clone().unwrap_or_default());
                        run.kind = serde_json::from_value(word).unwrap_or_default();
                    }
                    _ => {}
                }
            }
            Record::Beat { run, stamp, ran } => {
                if let Some(run) = self.seen(run, *stamp)
                    && run.state != RunState::Ended
                {
                    run.ran = run.ran.max(*ran);
                }
            }
        }
    }

    /// Forgets what ended long ago, by the wall clock.
    pub fn forget_old(&mut self, at: u64) {
        self.runs.retain(|_, r| r.state != RunState::Ended || r.seen.at + REMEMBERED > at);
        let mut ended: Vec<_> = self.runs.values().filter(|r| r.state == RunState::Ended).collect();
        if ended.len() > MAX_ENDED {
            ended.sort_by_key(|r| r.seen.at);
            let old: Vec<Id> = ended[..ended.len() - MAX_ENDED].iter().map(|r| r.run.clone()).collect();
            for id in old {
                self.runs.remove(&id);
            }
        }
    }

    #[must_use]
    pub fn runs(&self) -> Vec<Run> {
        self.runs.values().cloned().collect()
    }

    /// Of each lesson id the newest run: an id may be used again.
    #[must_use]
    pub fn newest(&self) -> Vec<Run> {
        let mut newest: BTreeMap<&LessonId, &Run> = BTreeMap::new();
        for run in self.runs.values() {
            let kept = newest.entry(&run.lesson).or_insert(run);
            // One that runs comes before one that has ended, whatever the wall clock did between them.
            let key = |r: &Run| (r.state != RunState::Ended, r.opened.at);
            if key(run) > key(kept) {
                *kept = run;
            }
        }
        newest.into_values().cloned().collect()
    }

    /// What ends the intervals that nobody ended: their people were there until their lesson was
    /// last heard of.
    #[must_use]
    pub fn interrupted(&self) -> Vec<Record> {
        let runs = self.runs.values();
        runs.flat_map(|run| {
            run.open.keys().map(|id| Record::Closed {
                run: run.run.clone(),
                id: id.clone(),
                stamp: run.seen,
                ended: Ended::Server,
            })
        })
        .collect()
    }

    fn seen(&mut self, run: &Id, stamp: Stamp) -> Option<&mut Run> {
        let run = self.runs.get_mut(run)?;
        // What is said of a lesson that is over does not move its end.
        if run.state != RunState::Ended && stamp.ms >= run.seen.ms {
            run.seen = stamp;
        }
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(ms: u64) -> Stamp {
        Stamp { at: 1_000_000 + ms, ms }
    }

    fn sub(name: &str) -> ParticipantId {
        ParticipantId::new(name).unwrap()
    }

    fn event(run: &Id, ms: u64, what: Happened, who: Option<&str>) -> Record {
        let (id, sub) = (Id::random(), who.map(sub));
        Record::Event { run: run.clone(), id, stamp: stamp(ms), what, sub, by: None, detail: None }
    }

    fn called(run: &Id, who: &str, name: &str) -> Record {
        let (sub, role) = (sub(who), Role::Receiver);
        Record::Participant { run: run.clone(), sub, role, name: name.into() }
    }

    /// A lesson with one who came, one who came and went, and one who was removed.
    fn story(run: &Id) -> Vec<Record> {
        let (a, b) = (Id::random(), Id::random());
        let lesson = LessonId::new("math").unwrap();
        let opened = |id: &Id, who, ms| Record::Opened {
            run: run.clone(),
            id: id.clone(),
            sub: sub(who),
            stamp: stamp(ms),
        };
        vec![
            Record::Run { run: run.clone(), lesson, title: "数学".into(), planned: false, stamp: stamp(0) },
            called(run, "c1", "东片小学"),
            opened(&a, "c1", 10),
            event(run, 20, Happened::Start, None),
            opened(&b, "c2", 30),
            Record::Closed { run: run.clone(), id: b, stamp: stamp(40), ended: Ended::Kicked },
            event(run, 40, Happened::Kick, Some("c2")),
            Record::Beat { run: run.clone(), stamp: stamp(3_000), ran: 2_980 },
        ]
    }

    fn fold(records: &[Record]) -> Running {
        let mut running = Running::default();
        for r in records {
            running.apply(r);
        }
        running
    }

    #[test]
    fn the_type_is_what_was_said_last() {
        let run = Id::random();
        let mut records = story(&run);
        assert_eq!(fold(&records).newest()[0].kind, LessonType::Delivery);
        for (ms, word) in [(50, "meeting"), (60, "co_taught")] {
            let mut said = event(&run, ms, Happened::Type, None);
            if let Record::Event { detail, .. } = &mut said {
                *detail = Some(word.into());
            }
            records.push(said);
        }
        assert_eq!(fold(&records).newest()[0].kind, LessonType::CoTaught);
    }

    #[test]
    fn what_runs_is_known_and_what_was_open_ends_when_it_was_last_heard_of() {
        let run = Id::random();
        let running = fold(&story(&run));
        let found = &running.newest()[0];
        assert_eq!((found.state, found.ran, found.title.as_str()), (RunState::Live, 2_980, "数学"));
        assert!(found.kicked.contains(&sub("c2")));
        assert_eq!(found.started, Some(stamp(20)));
        assert_eq!(found.people[&sub("c1")].name, "东片小学");
        let closed = running.interrupted();
        assert_eq!(closed.len(), 1);
        let Record::Closed { stamp: at, ended, .. } = &closed[0] else { panic!("a closing") };
        assert_eq!((*at, *ended), (stamp(3_000), Ended::Server));
        let mut after = running;
        for r in &closed {
            after.apply(r);
        }
        assert!(after.interrupted().is_empty());
    }

    #[test]
    fn reading_all_or_a_part_twice_changes_nothing() {
        let records = story(&Id::random());
        let once = fold(&records);
        for from in 0..records.len() {
            let mut twice = once.clone();
            for r in &records[from..] {
                twice.apply(r);
            }
            assert_eq!(twice, once, "again from {from}");
        }
        let mut by_segment = Running::default();
        let first = Record::Segment { id: Id::random(), runs: once.runs() };
        by_segment.apply(&first);
        assert_eq!(by_segment, once);
    }

    #[test]
    fn what_is_said_of_an_ended_lesson_does_not_move_its_end() {
        let run = Id::random();
        let mut records = story(&run);
        records.push(event(&run, 4_000, Happened::End { ran: 3_980 }, None));
        records.push(event(&run, 90_000, Happened::RateSound, Some("c1")));
        assert_eq!(fold(&records).runs[&run].seen, stamp(4_000));
    }

    #[test]
    fn names_are_kept_up_to_a_bound_and_until_the_end() {
        let run = Id::random();
        let mut running = fold(&story(&run));
        for n in 0..MAX_PEOPLE + 10 {
            running.apply(&called(&run, &format!("p{n}"), "x"));
        }
        running.apply(&called(&run, "c1", "西片小学"));
        let people = |running: &Running| running.newest()[0].people.clone();
        assert_eq!(people(&running).len(), MAX_PEOPLE);
        assert_eq!(people(&running)[&sub("c1")].name, "西片小学", "the newest name holds");
        running.apply(&event(&run, 5_000, Happened::End { ran: 4_980 }, None));
        running.apply(&called(&run, "late", "x"));
        assert!(people(&running).is_empty());
    }

    #[test]
    fn a_segment_of_an_earlier_version_is_read() {
        let text = r#"{"run":"r","lesson":"math","title":"x","planned":false,"state":"live",
            "opened":{"at":1,"ms":0},"seen":{"at":2,"ms":1},"ran":1,"kicked":[],"open":{}}"#;
        let run: Run = serde_json::from_str(text).unwrap();
        assert!(run.started.is_none() && run.people.is_empty());
    }

    #[test]
    fn ended_lessons_are_known_for_a_day_and_abandoned_ones_not_at_all() {
        let (run, other) = (Id::random(), Id::random());
        let mut running = fold(&story(&run));
        running.apply(&event(&run, 5_000, Happened::End { ran: 4_980 }, None));
        assert!(running.interrupted().is_empty());
        assert_eq!(running.newest()[0].state, RunState::Ended);
        running.apply(&Record::Beat { run: run.clone(), stamp: stamp(4_999), ran: 9_999 });
        assert_eq!(running.newest()[0].ran, 4_980, "a late beat");
        // The same id is used again.
        let lesson = LessonId::new("math").unwrap();
        let again =
            Record::Run { run: other.clone(), lesson, title: "x".into(), planned: true, stamp: stamp(1) };
        running.apply(&again);
        assert_eq!(running.newest()[0].run, other);
        running.apply(&event(&other, 2, Happened::Abandon, None));
        assert_eq!(running.newest()[0].run, run);
        running.forget_old(stamp(5_000).at + REMEMBERED);
        assert!(running.newest().is_empty());
    }
}
