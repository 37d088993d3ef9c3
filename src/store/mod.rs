//! What must not be lost: lessons, who was there and when, what happened.
//!
//! In a record's way: a lesson notes it in the `chronicle` (memory, never waits) → the `journal`'s
//! thread appends it to a `segment` on the disk → the `worker` brings it into the `database` →
//! `history` answers questions. The journal alone says what runs (`running`): it is what a restarted
//! server reads, and the database may be locked, slow or gone meanwhile. `record` is the vocabulary.
//!
//! `Memory` holds all of it together, and the lock that says whose the journal is.

use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

pub mod chronicle;
mod database;
pub mod history;
mod journal;
pub mod photos;
pub mod record;
pub mod running;
mod segment;
mod worker;

#[cfg(test)]
mod store_test;

pub use chronicle::{Chronicle, WallClock};
pub use history::History;
pub use journal::{Condition, Lock};
pub use running::{Run, RunState};

use journal::Journal;
use worker::Worker;

/// How often a successor looks whether the journal is free.
const LOOK: Duration = Duration::from_millis(10);

/// The journal's folder and the database's file in the data directory.
const JOURNAL: &str = "journal";
const DATABASE: &str = "zhuandi.db";

/// Everything that remembers.
pub struct Memory {
    chronicle: Chronicle,
    journal: Journal,
    worker: Worker,
    history: History,
    lock: Mutex<Option<Lock>>,
}

/// How it is with the memory, for `/readyz` and `/metrics`.
#[derive(Clone, Copy, Debug)]
pub struct Health {
    pub journal: Condition,
    /// The database has what is in the journal, or will have it in a moment.
    pub database: bool,
    /// Records in memory alone.
    pub waiting: u64,
    /// Records that were lost because there was no place for them.
    pub lost: u64,
    /// Tries to write the database that failed.
    pub database_errors: u64,
}

/// Takes the journal's lock; waits for an earlier server that is still there. `None`: it was there
/// all the time. `true`: somebody had to be waited for.
pub async fn take_lock(data: &Path, most: Duration) -> io::Result<Option<(Lock, bool)>> {
    let dir = data.join(JOURNAL);
    let started = Instant::now();
    let mut waited = false;
    loop {
        if let Some(lock) = Lock::try_take(&dir)? {
            return Ok(Some((lock, waited)));
        }
        if !waited {
            tracing::info!(data = %data.display(), "another server runs on this data; it is waited for");
        }
        waited = true;
        if started.elapsed() >= most {
            return Ok(None);
        }
        sleep(LOOK).await;
    }
}

/// Whether somebody else has taken the lock since it was given back.
#[must_use]
pub fn has_successor(data: &Path) -> bool {
    matches!(Lock::try_take(&data.join(JOURNAL)), Ok(None))
}

impl Memory {
    /// Reads what an earlier process left and starts writing. Gives the lessons that ran then, and those
    /// that ended within a day: of each id the newest. The database is not waited for.
    pub fn open(data: &Path, lock: Lock, wall: WallClock) -> io::Result<(Self, Vec<Run>)> {
        let dir = data.join(JOURNAL);
        let chronicle = Chronicle::new(wall.clone());
        let (journal, running) = Journal::start(&dir, &chronicle, &wall)?;
        let file = data.join(DATABASE);
        let worker = Worker::start(&dir, &file, journal.durable())?;
        let history = History::new(file, chronicle.queue().clone(), worker.applied());
        let this = Self { chronicle, journal, worker, history, lock: Mutex::new(Some(lock)) };
        Ok((this, running.newest()))
    }

    #[must_use]
    pub fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    #[must_use]
    pub fn health(&self) -> Health {
        let queue = self.chronicle.queue();
        Health {
            journal: self.journal.condition(),
            database: !self.worker.is_failing(),
            waiting: queue.waiting() as u64,
            lost: queue.lost(),
            database_errors: self.worker.errors(),
        }
    }

    /// Takes no more, writes what waits, and gives the lock back: from then on a successor writes.
    /// Blocks for at most about `most`; what the database does not take in time stays in the journal.
    pub fn close(&self, most: Duration) {
        let until = Instant::now() + most;
        self.chronicle.seal();
        if !self.journal.stop(most) {
            tracing::error!("the journal does not end; its last records may be lost");
        }
        self.worker.stop(until.saturating_duration_since(Instant::now()).min(most / 2));
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
