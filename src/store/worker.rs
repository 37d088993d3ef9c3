//! From the journal into the database, in the background.
//!
//! One thread with a small runtime of its own: whatever the database does (locked, slow, gone), no
//! other thread waits for it. It reads what the journal has on the disk, takes over up to `BATCH`
//! records in one transaction, and removes a segment when all of it is in the database and a newer
//! one is written. After an error it tries again, from 100 ms up to 2 s apart; the journal grows
//! meanwhile.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use crate::store::database::Database;
use crate::store::journal::Durable;
use crate::store::record::{Id, Record};
use crate::store::segment;

/// Bytes that are read at once; at least one record fits.
const CHUNK: u64 = 1 << 20;
/// Records in one transaction.
const BATCH: usize = 1000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often the file is looked at while nothing happens.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the journal: {0}")]
    Journal(#[from] io::Error),
}

/// The thread that takes over.
pub struct Worker {
    shared: Arc<Shared>,
    applied: watch::Receiver<u64>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    failing: AtomicBool,
    errors: AtomicU64,
}

impl Worker {
    pub fn start(journal: &Path, file: &Path, durable: watch::Receiver<Durable>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (tell, applied) = watch::channel(0);
        let mut follow = Follow {
            journal: journal.to_owned(),
            file: file.to_owned(),
            durable,
            database: None,
            place: None,
            shared: Arc::clone(&shared),
            tell,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let run = move || runtime.block_on(follow.run());
        let thread = std::thread::Builder::new().name("store".into()).spawn(run)?;
        Ok(Self { shared, applied, thread })
    }

    /// How many of the records that were ever noted are in the database.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.applied.clone()
    }

    /// Whether the last try failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.shared.failing.load(Ordering::Relaxed)
    }

    /// Tries that failed since the start.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.shared.errors.load(Ordering::Relaxed)
    }

    /// Takes over what it can within `most`. What is left stays in the journal.
    pub fn stop(&self, most: Duration) {
        self.shared.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + most;
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Where in the journal it is.
struct Place {
    segment: u64,
    id: Id,
    byte: u64,
    records: u64,
}

struct Follow {
    journal: PathBuf,
    file: PathBuf,
    durable: watch::Receiver<Durable>,
    database: Option<Database>,
    place: Option<Place>,
    shared: Arc<Shared>,
    tell: watch::Sender<u64>,
}

impl Follow {
    async fn run(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let stop = self.shared.stop.load(Ordering::Relaxed);
            match self.step().await {
                Ok(true) => pause = FIRST_PAUSE,
                Ok(false) if stop => return,
                Ok(false) => {
                    if self.shared.failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("the database has everything again");
                    }
                    pause = FIRST_PAUSE;
                    let changed = timeout(LOOK, self.durable.changed()).await;
                    if matches!(changed, Ok(Err(_))) {
                        // The writer has ended: what it has left is all that will come.
                        self.shared.stop.store(true, Ordering::Relaxed);
                    }
                }
                Err(error) => {
                    self.shared.errors.fetch_add(1, Ordering::Relaxed);
                    if !self.shared.failing.swap(true, Ordering::Relaxed) {
                        tracing::error!(%error, "the database cannot be written; the journal keeps it");
                    }
                    // A broken connection is as bad as a foreign lock; a new one costs little.
                    self.database = None;
                    self.place = None;
                    if stop {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Does one transaction's worth. `false`: everything is in the database.
    async fn step(&mut self) -> Result<bool, Trouble> {
        let durable = *self.durable.borrow_and_update();
        if self.database.as_ref().is_some_and(|db| !db.is_there()) {
            tracing::error!(file = %self.file.display(), "the database file is not there any more; a new one is made");
            self.database = None;
            self.place = None;
        }
        let database = match &mut self.database {
            Some(database) => database,
            none => none.insert(Database::open(&self.file).await?),
        };
        let place = match &mut self.place {
            Some(place) => place,
            none => {
                let oldest = segment::list(&self.journal)?.into_iter().next();
                let Some(oldest) = oldest.filter(|n| *n <= durable.segment) else { return Ok(false) };
                none.insert(enter(&self.journal, oldest, database).await?)
            }
        };
        let newest = place.segment == durable.segment;
        let end = newest.then_some(durable.length);
        let (mut records, mut bytes) = segment::read(&self.journal, place.segment, place.byte, end, CHUNK)?;
        if records.is_empty() && end.is_none_or(|end| place.byte < end) {
            // Torn, or one larger than a chunk.
            (records, bytes) = segment::read(&self.journal, place.segment, place.byte, end, u64::MAX)?;
        }
        if records.is_empty() {
            if newest {
                self.tell.send_replace(durable.added);
                return Ok(false);
            }
            let (old, id) = (place.segment, place.id.clone());
            self.place = None;
            segment::remove(&self.journal, old)?;
            database.forget(&id).await?;
            return Ok(true);
        }
        for batch in records.chunks(BATCH) {
            database.take_over(&place.id, place.records + batch.len() as u64, batch).await?;
            place.records += batch.len() as u64;
        }
        place.byte += bytes;
        Ok(true)
    }
}

/// The place in a segment up to which the database has it.
async fn enter(journal: &Path, number: u64, database: &mut Database) -> Result<Place, Trouble> {
    let (first, _) = segment::read(journal, number, 0, None, CHUNK)?;
    let first = if first.is_empty() { segment::read_whole(journal, number)?.0 } else { first };
    // Without a whole first record it was begun in the moment of a power cut, and is empty.
    let id = match first.first() {
        Some(Record::Segment { id, .. }) => id.clone(),
        _ => Id::random(),
    };
    let (records, byte) = segment::skip(journal, number, database.position(&id).await?)?;
    Ok(Place { segment: number, id, byte, records })
}
