//! What the database tells of a lesson: every time that it was held, who was there, and when.
//!
//! Reading never waits for the writer (WAL). What was noted just now may still be on its way, so a
//! question first waits a moment for it; if the database is behind (locked, slow), the answer says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::ids::LessonId;
use crate::store::chronicle::Queue;
use crate::store::database;

/// How long a question waits for what was noted before it.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Opening, and all queries of one question.
const PATIENCE: Duration = Duration::from_secs(5);
/// The newest so many times that a lesson was held.
const MOST_RUNS: i64 = 100;

/// The way to the database for questions; cheap to clone.
#[derive(Clone)]
pub struct History {
    file: Arc<Path>,
    queue: Arc<Queue>,
    applied: watch::Receiver<u64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database does not answer")]
    Silent,
}

/// All times that a lesson was held, newest first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attendance {
    pub lesson: LessonId,
    /// Everything that happened up to the question is in it.
    pub complete: bool,
    pub runs: Vec<RunAttendance>,
}

/// A lesson that is or was held. Times are milliseconds since 1970; durations are measured by a
/// monotonic clock, whatever the wall clock did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunAttendance {
    pub id: String,
    pub title: String,
    /// `scheduled`, `live`, `ended` or `abandoned`.
    pub state: String,
    pub opened_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    /// How long it has been live, milliseconds.
    pub ran_ms: i64,
    pub participants: Vec<ParticipantAttendance>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantAttendance {
    pub id: String,
    pub name: String,
    pub role: String,
    /// All intervals together, milliseconds.
    pub present_ms: i64,
    /// Of these, while the lesson was live.
    pub in_lesson_ms: i64,
    /// What it said last: how many were there, and (`good`, `poor`) how sound and picture were.
    pub headcount: Option<i64>,
    pub sound: Option<String>,
    pub picture: Option<String>,
    pub intervals: Vec<Interval>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    pub id: String,
    pub opened_at: i64,
    /// `null` while it is open; its durations reach to when the lesson was last heard of.
    pub closed_at: Option<i64>,
    pub present_ms: i64,
    pub in_lesson_ms: i64,
    /// `left`, `lost`, `kicked`, `lesson` or `server`.
    pub ended: Option<String>,
}

impl History {
    pub(super) fn new(file: PathBuf, queue: Arc<Queue>, applied: watch::Receiver<u64>) -> Self {
        Self { file: file.into(), queue, applied }
    }

    /// Waits until what was noted before is in the database; `false`: that takes too long.
    pub async fn caught_up(&self, most: Duration) -> bool {
        let until = self.queue.added();
        let mut applied = self.applied.clone();
        matches!(timeout(most, applied.wait_for(|at| *at >= until)).await, Ok(Ok(_)))
    }

    /// Who was in this lesson. Without runs: nothing is known of it.
    pub async fn attendance(&self, lesson: &LessonId) -> Result<Attendance, HistoryError> {
        let complete = self.caught_up(CATCH_UP).await;
        let runs = timeout(PATIENCE, self.runs(lesson)).await.map_err(|_| HistoryError::Silent)??;
        Ok(Attendance { lesson: lesson.clone(), complete, runs })
    }

    async fn runs(&self, lesson: &LessonId) -> Result<Vec<RunAttendance>, sqlx::Error> {
        let options = database::options(&self.file).create_if_missing(false).read_only(true);
        let mut db = SqliteConnection::connect_with(&options).await?;
        let sql = "SELECT run, title, state, opened_at, started_at, ended_at, ran_ms, started_ms, ended_ms,
                          seen_ms FROM lessons WHERE lesson = ? ORDER BY opened_at DESC, rowid DESC LIMIT ?";
        let rows = sqlx::query(sql).bind(lesson.as_str()).bind(MOST_RUNS).fetch_all(&mut db).await?;
        let mut runs = Vec::with_capacity(rows.len());
        for row in rows {
            let id: String = row.get(0);
            let (seen, ended): (i64, Option<i64>) = (row.get(9), row.get(8));
            let live = row.get::<Option<i64>, _>(7).map(|from| (from, ended.unwrap_or(seen)));
            let sql = "SELECT a.sub, p.name, p.role, a.id, a.opened_at, a.closed_at, a.opened_ms, a.closed_ms,
                              a.ended FROM attendance a LEFT JOIN participants p ON p.run = a.run AND p.sub = a.sub
                       WHERE a.run = ? ORDER BY a.opened_ms, a.id";
            let intervals = sqlx::query(sql).bind(id.as_str()).fetch_all(&mut db).await?;
            let sql = "SELECT sub, kind, detail FROM events
                       WHERE run = ? AND kind IN ('headcount', 'rate_sound', 'rate_picture') ORDER BY ms, at";
            let said = sqlx::query(sql).bind(id.as_str()).fetch_all(&mut db).await?;
            let mut participants = participants(&intervals, live, ended.unwrap_or(seen));
            for row in &said {
                take_said(&mut participants, row);
            }
            runs.push(RunAttendance {
                participants,
                id,
                title: row.get(1),
                state: row.get(2),
                opened_at: row.get(3),
                started_at: row.get(4),
                ended_at: row.get(5),
                ran_ms: row.get(6),
            });
        }
        db.close().await?;
        Ok(runs)
    }
}

/// Puts to somebody what they said; the last one holds.
fn take_said(people: &mut [ParticipantAttendance], row: &SqliteRow) {
    let (sub, kind, detail) = (row.get::<Option<String>, _>(0), row.get::<String, _>(1), row.get(2));
    let Some(person) = people.iter_mut().find(|p| Some(&p.id) == sub.as_ref()) else { return };
    let detail: Option<String> = detail;
    match kind.as_str() {
        "headcount" => person.headcount = detail.and_then(|text| text.parse().ok()),
        "rate_sound" => person.sound = detail,
        _ => person.picture = detail,
    }
}

/// Puts the intervals to their people, in the order of their first coming. `live`: from and to on the
/// lesson's clock; `seen`: open intervals reach to here.
fn participants(rows: &[SqliteRow], live: Option<(i64, i64)>, seen: i64) -> Vec<ParticipantAttendance> {
    let mut out: Vec<ParticipantAttendance> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let sub: String = row.get(0);
        let at = *places.entry(sub.clone()).or_insert_with(|| {
            let name = row.get::<Option<String>, _>(1).unwrap_or_else(|| sub.clone());
            let role = row.get::<Option<String>, _>(2).unwrap_or_default();
            let intervals = Vec::new();
            out.push(ParticipantAttendance {
                id: sub,
                name,
                role,
                present_ms: 0,
                in_lesson_ms: 0,
                headcount: None,
                sound: None,
                picture: None,
                intervals,
            });
            out.len() - 1
        });
        let from: i64 = row.get(6);
        let to = row.get::<Option<i64>, _>(7).unwrap_or(seen).max(from);
        let within = live.map_or(0, |(start, end)| (to.min(end) - from.max(start)).max(0));
        let person = &mut out[at];
        person.present_ms += to - from;
        person.in_lesson_ms += within;
        person.intervals.push(Interval {
            id: row.get(3),
            opened_at: row.get(4),
            closed_at: row.get(5),
            present_ms: to - from,
            in_lesson_ms: within,
            ended: row.get(8),
        });
    }
    out
}
