//! The SQLite file: opened, migrated, written from the journal, and read by the API.
//!
//! WAL, so that readers and the one writer do not wait for each other; `synchronous=FULL`, so that
//! what is committed survives a power cut. Every statement may be repeated: rows have ids of their
//! own, and how far a segment has been taken over changes in the same transaction.

use std::borrow::Cow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqlSafeStr, SqliteConnection};

use crate::store::record::{Happened, Id, Record};
use crate::store::running::{Run, RunState};

/// How long a statement waits for somebody else's lock.
pub const BUSY: Duration = Duration::from_secs(2);

const MIGRATIONS: &[(i64, &str, &str)] = &[(1, "lessons", include_str!("migrations/0001_lessons.sql"))];

/// How to reach the file.
pub fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .disable_statement_logging()
}

/// The one connection that writes.
pub struct Database {
    file: PathBuf,
    /// By which a file that was put in this one's place is known.
    inode: Option<u64>,
    connection: SqliteConnection,
}

impl Database {
    /// Opens the file, makes it when it is missing, and brings it to today's form.
    pub async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        let mut connection = SqliteConnection::connect_with(&options(file)).await?;
        let migrations = MIGRATIONS.iter().map(|(version, name, sql)| {
            let (name, sql) = (Cow::Borrowed(*name), (*sql).into_sql_str());
            Migration::new(*version, name, MigrationType::Simple, sql, false)
        });
        Migrator::with_migrations(migrations.collect()).run(&mut connection).await?;
        Ok(Self { file: file.to_owned(), inode: inode(file), connection })
    }

    /// Whether the file is still the one that was opened.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.inode.is_some() && inode(&self.file) == self.inode
    }

    /// How many records of this segment have been taken over.
    pub async fn position(&mut self, segment: &Id) -> Result<u64, sqlx::Error> {
        let row = sqlx::query("SELECT records FROM journal WHERE segment = ?").bind(segment.as_str());
        let row = row.fetch_optional(&mut self.connection).await?;
        Ok(row.map_or(0, |row| row.get::<i64, _>(0) as u64))
    }

    /// Takes over records of a segment; `position` is how many there are with these.
    pub async fn take_over(
        &mut self,
        segment: &Id,
        position: u64,
        records: &[Record],
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        for record in records {
            apply(&mut transaction, record).await?;
        }
        let sql = "INSERT INTO journal (segment, records) VALUES (?, ?)
                   ON CONFLICT (segment) DO UPDATE SET records = excluded.records";
        let query = sqlx::query(sql).bind(segment.as_str()).bind(position as i64);
        query.execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// A segment is no more.
    pub async fn forget(&mut self, segment: &Id) -> Result<(), sqlx::Error> {
        let query = sqlx::query("DELETE FROM journal WHERE segment = ?").bind(segment.as_str());
        query.execute(&mut self.connection).await.map(|_| ())
    }
}

fn inode(file: &Path) -> Option<u64> {
    std::fs::metadata(file).ok().map(|m| m.ino())
}

async fn apply(db: &mut SqliteConnection, record: &Record) -> Result<(), sqlx::Error> {
    match record {
        Record::Segment { runs, .. } => {
            for run in runs {
                restore(db, run).await?;
            }
        }
        Record::Run { run, lesson, title, stamp, .. } => {
            let sql = "INSERT OR IGNORE INTO lessons
                       (run, lesson, title, state, opened_at, ran_ms, seen_at, seen_ms)
                       VALUES (?, ?, ?, 'scheduled', ?, 0, ?, ?)";
            let query = sqlx::query(sql).bind(run.as_str()).bind(lesson.as_str()).bind(title.as_str());
            let query = query.bind(stamp.at as i64).bind(stamp.at as i64).bind(stamp.ms as i64);
            query.execute(db).await?;
        }
        Record::Participant { run, sub, role, name } => {
            let sql = "INSERT INTO participants (run, sub, role, name) VALUES (?, ?, ?, ?)
                       ON CONFLICT (run, sub) DO UPDATE SET role = excluded.role, name = excluded.name";
            let query = sqlx::query(sql).bind(run.as_str()).bind(sub.as_str());
            query.bind(role_name(*role)).bind(name.as_str()).execute(db).await?;
        }
        Record::Opened { run, id, sub, stamp } => {
            let sql = "INSERT OR IGNORE INTO attendance (id, run, sub, opened_at, opened_ms)
                       VALUES (?, ?, ?, ?, ?)";
            let query = sqlx::query(sql).bind(id.as_str()).bind(run.as_str()).bind(sub.as_str());
            query.bind(stamp.at as i64).bind(stamp.ms as i64).execute(&mut *db).await?;
            join_or_leave(db, id, "join", None).await?;
        }
        Record::Closed { id, stamp, ended, .. } => {
            // The first closing holds.
            let sql = "UPDATE attendance SET closed_at = ?, closed_ms = max(?, opened_ms), ended = ?
                       WHERE id = ? AND closed_ms IS NULL";
            let query = sqlx::query(sql).bind(stamp.at as i64).bind(stamp.ms as i64);
            query.bind(ended.as_str()).bind(id.as_str()).execute(&mut *db).await?;
            join_or_leave(db, id, "leave", Some(ended.as_str())).await?;
        }
        Record::Event { run, id, stamp, what, sub, by, detail } => {
            let sql = "INSERT OR IGNORE INTO events (id, run, at, ms, kind, sub, by, detail)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
            let query = sqlx::query(sql).bind(id.as_str()).bind(run.as_str()).bind(stamp.at as i64);
            let query = query.bind(stamp.ms as i64).bind(what.as_str());
            let query = query.bind(sub.as_ref().map(|s| s.as_str())).bind(by.as_deref());
            query.bind(detail.as_deref()).execute(&mut *db).await?;
            change_state(db, run, what, stamp.at as i64, stamp.ms as i64).await?;
        }
        Record::Beat { run, stamp, ran } => {
            let sql = "UPDATE lessons SET seen_at = ?, seen_ms = ?, ran_ms = max(ran_ms, ?)
                       WHERE run = ? AND seen_ms <= ? AND state IN ('scheduled', 'live')";
            let query = sqlx::query(sql).bind(stamp.at as i64).bind(stamp.ms as i64).bind(*ran as i64);
            query.bind(run.as_str()).bind(stamp.ms as i64).execute(db).await?;
        }
    }
    Ok(())
}

async fn change_state(
    db: &mut SqliteConnection,
    run: &Id,
    what: &Happened,
    at: i64,
    ms: i64,
) -> Result<(), sqlx::Error> {
    let query = match what {
        Happened::Start => {
            let sql = "UPDATE lessons SET state = 'live', started_at = ?, started_ms = ?
                       WHERE run = ? AND state = 'scheduled'";
            sqlx::query(sql).bind(at).bind(ms).bind(run.as_str())
        }
        Happened::End { ran } => {
            let sql = "UPDATE lessons SET state = 'ended', ended_at = ?, ended_ms = ?, ran_ms = ?
                       WHERE run = ? AND state != 'ended'";
            sqlx::query(sql).bind(at).bind(ms).bind(*ran as i64).bind(run.as_str())
        }
        Happened::Abandon => {
            let sql = "UPDATE lessons SET state = 'abandoned', ended_at = ?, ended_ms = ?
                       WHERE run = ? AND state = 'scheduled'";
            sqlx::query(sql).bind(at).bind(ms).bind(run.as_str())
        }
        // All others change nothing of the lesson itself.
        _ => return Ok(()),
    };
    query.execute(db).await.map(|_| ())
}

/// An interval's end as an event: its id follows from the interval's, so it stands there once.
async fn join_or_leave(
    db: &mut SqliteConnection,
    interval: &Id,
    kind: &'static str,
    detail: Option<&'static str>,
) -> Result<(), sqlx::Error> {
    let sql = "INSERT OR IGNORE INTO events (id, run, at, ms, kind, sub, detail)
               SELECT id || ?1, run, iif(?1 = 'join', opened_at, closed_at),
                      iif(?1 = 'join', opened_ms, closed_ms), ?1, sub, ?2
               FROM attendance WHERE id = ?3";
    let query = sqlx::query(sql).bind(kind).bind(detail).bind(interval.as_str());
    query.execute(db).await.map(|_| ())
}

/// What a segment says of a lesson at its beginning, for a database that does not know it (a new file) or
/// knows less (an older copy).
async fn restore(db: &mut SqliteConnection, run: &Run) -> Result<(), sqlx::Error> {
    let state = match run.state {
        RunState::Scheduled => "scheduled",
        RunState::Live => "live",
        RunState::Ended => "ended",
    };
    // The last that is heard of a lesson is its end.
    let ended = (run.state == RunState::Ended).then_some(run.seen);
    let sql = "INSERT OR IGNORE INTO lessons
               (run, lesson, title, state, opened_at, ran_ms, seen_at, seen_ms,
                started_at, started_ms, ended_at, ended_ms)
               VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
               ON CONFLICT (run) DO UPDATE SET
               state = iif(state = 'scheduled' OR state = 'live' AND excluded.state = 'ended', excluded.state, state),
               ended_at = coalesce(ended_at, excluded.ended_at), ended_ms = coalesce(ended_ms, excluded.ended_ms),
               ran_ms = max(ran_ms, excluded.ran_ms),
               started_at = coalesce(started_at, excluded.started_at),
               started_ms = coalesce(started_ms, excluded.started_ms)";
    let query = sqlx::query(sql).bind(run.run.as_str()).bind(run.lesson.as_str()).bind(run.title.as_str());
    let query = query.bind(state).bind(run.opened.at as i64).bind(run.ran as i64);
    let mut query = query.bind(run.seen.at as i64).bind(run.seen.ms as i64);
    for stamp in [run.started, ended] {
        query = query.bind(stamp.map(|s| s.at as i64)).bind(stamp.map(|s| s.ms as i64));
    }
    query.execute(&mut *db).await?;
    for (sub, person) in &run.people {
        // What the database has is as new, or newer.
        let sql = "INSERT OR IGNORE INTO participants (run, sub, role, name) VALUES (?, ?, ?, ?)";
        let query = sqlx::query(sql).bind(run.run.as_str()).bind(sub.as_str());
        query.bind(role_name(person.role)).bind(person.name.as_str()).execute(&mut *db).await?;
    }
    for (id, (sub, stamp)) in &run.open {
        let sql = "INSERT OR IGNORE INTO attendance (id, run, sub, opened_at, opened_ms)
                   VALUES (?, ?, ?, ?, ?)";
        let query = sqlx::query(sql).bind(id.as_str()).bind(run.run.as_str()).bind(sub.as_str());
        query.bind(stamp.at as i64).bind(stamp.ms as i64).execute(&mut *db).await?;
    }
    Ok(())
}

fn role_name(role: crate::session::message::Role) -> &'static str {
    use crate::session::message::Role;
    match role {
        Role::Lead => "lead",
        Role::Receiver => "receiver",
        Role::Observer => "observer",
        Role::Admin => "admin",
        // Has no seat, so it never stands there.
        Role::Companion => "companion",
    }
}
