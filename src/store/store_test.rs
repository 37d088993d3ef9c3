//! Journal, worker and database together, on a real disk.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, Row, SqliteConnection};
use tempfile::TempDir;

use crate::ids::{LessonId, ParticipantId};
use crate::session::message::Role;
use crate::store::record::{Ended, Happened, Id, Record, Stamp};
use crate::store::{Condition, Memory, RunState, database, segment, take_lock};

const PATIENCE: Duration = Duration::from_secs(30);

async fn open(data: &Path) -> (Memory, Vec<crate::store::Run>) {
    let (lock, _) = take_lock(data, PATIENCE).await.unwrap().unwrap();
    Memory::open(data, lock, Arc::new(|| 1_000_000)).unwrap()
}

/// A lesson that writes by hand.
struct Lesson {
    run: Id,
    intervals: Vec<Id>,
}

fn stamp(ms: u64) -> Stamp {
    Stamp { at: 1_000_000 + ms, ms }
}

impl Lesson {
    fn begin(memory: &Memory, name: &str) -> Self {
        let (run, lesson) = (Id::random(), LessonId::new(name).unwrap());
        let title = "数学".to_owned();
        memory.chronicle().note(Record::Run {
            run: run.clone(),
            lesson,
            title,
            planned: false,
            stamp: stamp(0),
        });
        let this = Self { run, intervals: Vec::new() };
        this.event(memory, 10, Happened::Start);
        this
    }

    fn event(&self, memory: &Memory, ms: u64, what: Happened) {
        let (run, id) = (self.run.clone(), Id::random());
        let record = Record::Event { run, id, stamp: stamp(ms), what, sub: None, by: None, detail: None };
        memory.chronicle().note(record);
    }

    fn come(&mut self, memory: &Memory, name: &str, ms: u64) {
        let (sub, id) = (ParticipantId::new(name).unwrap(), Id::random());
        let (run, name) = (self.run.clone(), format!("名字 {name}"));
        memory.chronicle().note(Record::Participant {
            run: run.clone(),
            sub: sub.clone(),
            role: Role::Receiver,
            name,
        });
        memory.chronicle().note(Record::Opened { run, id: id.clone(), sub, stamp: stamp(ms) });
        self.intervals.push(id);
    }

    fn go(&self, memory: &Memory, nth: usize, ms: u64) {
        let (run, id) = (self.run.clone(), self.intervals[nth].clone());
        memory.chronicle().note(Record::Closed { run, id, stamp: stamp(ms), ended: Ended::Left });
    }

    fn beat(&self, memory: &Memory, ms: u64) {
        memory.chronicle().note(Record::Beat { run: self.run.clone(), stamp: stamp(ms), ran: ms - 10 });
    }
}

/// Rows of a table; 0 while there is none.
async fn count(data: &Path, table: &'static str) -> i64 {
    let options = database::options(&data.join("zhuandi.db")).create_if_missing(false);
    let Ok(mut db) = SqliteConnection::connect_with(&options).await else { return 0 };
    let sql = match table {
        "events" => "SELECT count(*) FROM events",
        "attendance" => "SELECT count(*) FROM attendance",
        _ => "SELECT count(*) FROM lessons",
    };
    sqlx::query(sql).fetch_one(&mut db).await.map_or(0, |row| row.get(0))
}

/// Looks until it holds.
async fn until(holds: impl AsyncFn() -> bool) {
    let looks = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looks).await.expect("it never holds");
}

#[tokio::test]
async fn what_is_noted_can_be_asked_for_and_stands_there_once() {
    let data = TempDir::new().unwrap();
    let (memory, runs) = open(data.path()).await;
    assert!(runs.is_empty());
    let mut lesson = Lesson::begin(&memory, "math");
    lesson.come(&memory, "c1", 20);
    lesson.come(&memory, "c2", 1_020);
    lesson.go(&memory, 0, 5_020);
    lesson.beat(&memory, 7_020);
    let answer = memory.history().attendance(&LessonId::new("math").unwrap()).await.unwrap();
    assert!(answer.complete);
    let run = &answer.runs[0];
    assert_eq!((run.state.as_str(), run.ran_ms), ("live", 7_010));
    let of = |n: usize| (run.participants[n].id.as_str(), run.participants[n].present_ms);
    assert_eq!((of(0), of(1)), (("c1", 5_000), ("c2", 6_000)), "an open one reaches to the last beat");
    assert_eq!(run.participants[1].intervals[0].closed_at, None);
    lesson.event(&memory, 8_000, Happened::End { ran: 7_990 });
    memory.close(PATIENCE);
    drop(memory);

    // The database forgets how far it was: everything is taken over again, and nothing is doubled.
    let before = (count(data.path(), "events").await, count(data.path(), "attendance").await);
    assert_eq!(before, (5, 2), "start, end, two joins and a leave");
    let mut db =
        SqliteConnection::connect_with(&database::options(&data.path().join("zhuandi.db"))).await.unwrap();
    sqlx::query("DELETE FROM journal").execute(&mut db).await.unwrap();
    let (memory, runs) = open(data.path()).await;
    assert_eq!(runs[0].state, RunState::Ended);
    assert!(memory.history().caught_up(PATIENCE).await);
    let after = (count(data.path(), "events").await, count(data.path(), "attendance").await);
    assert_eq!(after, before);
    let answer = memory.history().attendance(&LessonId::new("math").unwrap()).await.unwrap();
    assert_eq!((answer.runs[0].state.as_str(), answer.runs[0].ran_ms), ("ended", 7_990));
}

#[tokio::test]
async fn a_locked_database_is_waited_for_and_loses_nothing() {
    let data = TempDir::new().unwrap();
    let (memory, _) = open(data.path()).await;
    let mut lesson = Lesson::begin(&memory, "math");
    assert!(memory.history().caught_up(PATIENCE).await);
    let file = data.path().join("zhuandi.db");
    let mut other = SqliteConnection::connect_with(&database::options(&file)).await.unwrap();
    let lock = other.begin_with("BEGIN EXCLUSIVE").await.unwrap();
    for n in 0..300 {
        lesson.come(&memory, &format!("c{n}"), 100 + n);
    }
    while memory.health().database {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(memory.health().journal, Condition::Good, "the journal does not care");
    let answer = memory.history().attendance(&LessonId::new("math").unwrap()).await.unwrap();
    assert!(!answer.complete && answer.runs[0].participants.is_empty(), "it can be read, and says so");
    lock.rollback().await.unwrap();
    assert!(memory.history().caught_up(PATIENCE).await);
    let answer = memory.history().attendance(&LessonId::new("math").unwrap()).await.unwrap();
    assert_eq!(answer.runs[0].participants.len(), 300);
    assert_eq!(count(data.path(), "attendance").await, 300);
}

#[tokio::test]
async fn a_process_that_was_killed_leaves_what_was_synced_and_what_was_open_is_closed() {
    let data = TempDir::new().unwrap();
    let run = {
        let (memory, _) = open(data.path()).await;
        let mut lesson = Lesson::begin(&memory, "math");
        lesson.come(&memory, "c1", 100);
        lesson.beat(&memory, 4_000);
        memory.close(PATIENCE);
        lesson.run
    };
    // A record that was torn by the power cut.
    let journal = data.path().join("journal");
    let newest = *segment::list(&journal).unwrap().last().unwrap();
    let file = journal.join(format!("{newest:010}.log"));
    OpenOptions::new().append(true).open(file).unwrap().write_all(&[60, 0, 0, 0, 1, 2, 3, 4, b'{']).unwrap();

    let (memory, runs) = open(data.path()).await;
    assert_eq!((runs[0].run.clone(), runs[0].state, runs[0].ran), (run, RunState::Live, 3_990));
    let answer = memory.history().attendance(&LessonId::new("math").unwrap()).await.unwrap();
    let interval = &answer.runs[0].participants[0].intervals[0];
    assert_eq!((interval.present_ms, interval.ended.as_deref()), (3_900, Some("server")));
    // What has been taken over is removed: only the segment that is written is left.
    assert!(memory.history().caught_up(PATIENCE).await);
    assert_eq!(segment::list(&journal).unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_that_is_gone_is_made_anew_and_what_runs_is_in_it() {
    let data = TempDir::new().unwrap();
    let (memory, _) = open(data.path()).await;
    let mut lesson = Lesson::begin(&memory, "math");
    lesson.come(&memory, "c1", 100);
    assert!(memory.history().caught_up(PATIENCE).await);
    for name in ["zhuandi.db", "zhuandi.db-wal", "zhuandi.db-shm"] {
        std::fs::remove_file(data.path().join(name)).unwrap();
    }
    lesson.come(&memory, "c2", 200);
    let history = memory.history();
    while count(data.path(), "attendance").await < 2 {
        assert!(history.caught_up(PATIENCE).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = history.attendance(&LessonId::new("math").unwrap()).await.unwrap();
    assert_eq!(answer.runs[0].participants.len(), 2, "its segment is still there and is read again");
}

#[tokio::test]
async fn a_new_database_has_of_what_runs_also_what_older_segments_said() {
    let data = TempDir::new().unwrap();
    let (memory, _) = open(data.path()).await;
    let mut lesson = Lesson::begin(&memory, "math");
    lesson.come(&memory, "c1", 100);
    assert!(memory.history().caught_up(PATIENCE).await);
    memory.close(PATIENCE);
    drop(memory);
    // Only what the newest segment begins with tells of it from now on.
    let (memory, _) = open(data.path()).await;
    assert!(memory.history().caught_up(PATIENCE).await);
    until(async || segment::list(&data.path().join("journal")).unwrap().len() == 1).await;
    for name in ["zhuandi.db", "zhuandi.db-wal", "zhuandi.db-shm"] {
        std::fs::remove_file(data.path().join(name)).unwrap();
    }
    let id = Id::random();
    let (run, sub) = (lesson.run.clone(), ParticipantId::new("c1").unwrap());
    memory.chronicle().note(Record::Opened { run, id, sub, stamp: stamp(5_000) });
    until(async || count(data.path(), "attendance").await > 0).await;
    let answer = memory.history().attendance(&LessonId::new("math").unwrap()).await.unwrap();
    let run = &answer.runs[0];
    assert_eq!((run.title.as_str(), run.started_at), ("数学", Some(1_000_010)));
    let person = run.participants.iter().find(|p| p.id == "c1").unwrap();
    assert_eq!((person.name.as_str(), person.role.as_str()), ("名字 c1", "receiver"));
    memory.close(PATIENCE);
    drop(memory);

    // The same with a copy of the database from before the lesson began.
    let mut db =
        SqliteConnection::connect_with(&database::options(&data.path().join("zhuandi.db"))).await.unwrap();
    sqlx::query("UPDATE lessons SET state = 'scheduled', started_at = NULL, started_ms = NULL, ran_ms = 0")
        .execute(&mut db)
        .await
        .unwrap();
    sqlx::query("DELETE FROM journal").execute(&mut db).await.unwrap();
    let (memory, _) = open(data.path()).await;
    assert!(memory.history().caught_up(PATIENCE).await);
    let answer = memory.history().attendance(&LessonId::new("math").unwrap()).await.unwrap();
    assert_eq!((answer.runs[0].state.as_str(), answer.runs[0].started_at), ("live", Some(1_000_010)));
}

#[tokio::test]
async fn a_journal_that_lost_something_is_good_again_when_it_can_be_written() {
    let data = TempDir::new().unwrap();
    let (memory, _) = open(data.path()).await;
    let journal = data.path().join("journal");
    let is = async |wanted: Condition| until(async || memory.health().journal == wanted).await;
    // The next segment has no place: its folder is gone.
    std::fs::rename(&journal, data.path().join("away")).unwrap();
    let lesson = Lesson::begin(&memory, "math");
    let (run, id) = (lesson.run.clone(), LessonId::new("x").unwrap());
    let title = "长".repeat(2 << 20);
    let long = Record::Run { run: Id::random(), lesson: id, title, planned: false, stamp: stamp(0) };
    memory.chronicle().note(long);
    memory.chronicle().note(Record::Beat { run, stamp: stamp(1), ran: 0 });
    until(async || {
        lesson.event(&memory, 20, Happened::Mute);
        memory.health().journal == Condition::Failing
    })
    .await;
    while memory.health().lost < 3 {
        lesson.event(&memory, 30, Happened::Mute);
    }
    is(Condition::Full).await;
    std::fs::rename(data.path().join("away"), &journal).unwrap();
    is(Condition::Good).await;
    assert_eq!(memory.health().lost, 3, "and it is not forgotten");
}

#[tokio::test]
async fn a_journal_has_one_writer() {
    let data = TempDir::new().unwrap();
    let (memory, _) = open(data.path()).await;
    assert!(take_lock(data.path(), Duration::from_millis(30)).await.unwrap().is_none());
    let waiting = {
        let path = data.path().to_owned();
        tokio::spawn(async move { take_lock(&path, PATIENCE).await.unwrap().unwrap().1 })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    memory.close(PATIENCE);
    assert!(waiting.await.unwrap(), "it had to wait");
}
