//! The journal: what lessons note is on the disk within a quarter of a second.
//!
//! One thread takes the queue, appends to the newest segment, syncs, rests for `REST`, and tells the
//! database's worker how far it may read. A segment that is long enough is followed by a new one,
//! which begins with all that runs; the worker removes what it has taken over. At the start the
//! segments are read in order, torn tails left out, and a new one is begun: nothing is ever appended
//! to a file of an earlier process. When the disk refuses (full, broken), what waits is tried again
//! every `AGAIN`; lessons do not notice.
//!
//! A lock on `journal/lock` says whose the journal is: a second server waits for it, and has it in
//! the moment in which the first is done with its lessons, or dead.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::store::chronicle::{Chronicle, Queue, WallClock};
use crate::store::running::Running;
use crate::store::segment::{self, Segment};

/// Syncs are at least this far apart.
const REST: Duration = Duration::from_millis(200);
/// After an error.
const AGAIN: Duration = Duration::from_millis(500);
/// Bytes after which a new segment is begun.
const LONG: u64 = 4 << 20;
/// A write that takes longer is a disk that does not answer.
const STUCK: Duration = Duration::from_secs(5);

/// How far the journal is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// The newest segment, and its bytes that are whole.
    pub segment: u64,
    pub length: u64,
    /// How many records were added to the queue before that.
    pub added: u64,
}

/// The right to write here; given back when it is dropped, or when the process ends in whatever way.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it if nobody has it.
    pub fn try_take(dir: &Path) -> io::Result<Option<Self>> {
        fs::create_dir_all(dir)?;
        let file = File::options().create(true).truncate(false).write(true).open(dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The writing thread.
pub struct Journal {
    queue: Arc<Queue>,
    state: Arc<State>,
    durable: watch::Receiver<Durable>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    failing: AtomicBool,
    /// How many records had been lost when the last write succeeded.
    lost_before: AtomicU64,
    /// When the write that runs now began.
    writing: Mutex<Option<Instant>>,
}

/// How it is with the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Good,
    /// The last write failed, or is stuck.
    Failing,
    /// So much waits that soon something will be lost, or something was since the last write.
    Full,
}

impl Journal {
    /// Reads what an earlier process left, begins a new segment and starts the thread. Gives what ran
    /// then; the closings of what was open are noted already.
    pub fn start(dir: &Path, chronicle: &Chronicle, wall: &WallClock) -> io::Result<(Self, Running)> {
        let mut running = Running::default();
        let numbers = segment::list(dir)?;
        for number in &numbers {
            let (records, torn) = segment::read_whole(dir, *number)?;
            if torn > 0 {
                tracing::warn!(segment = number, bytes = torn, "the journal's end was torn off");
            }
            for record in &records {
                running.apply(record);
            }
        }
        running.forget_old(wall());
        let found = running.clone();
        let interrupted = running.interrupted();
        let number = numbers.last().map_or(1, |n| n + 1);
        let begun = Segment::create(dir, number, &running).and_then(|mut segment| {
            segment.append(&interrupted)?;
            Ok(segment)
        });
        let segment = match begun {
            Ok(segment) => {
                for record in &interrupted {
                    running.apply(record);
                }
                Some(segment)
            }
            Err(error) => {
                // A full disk must not keep the lessons from going on.
                tracing::error!(%error, "the journal cannot be written; it is kept in memory");
                for record in interrupted {
                    chronicle.note(record);
                }
                None
            }
        };
        let queue = Arc::clone(chronicle.queue());
        let state = Arc::new(State::default());
        let first = match &segment {
            Some(segment) => Durable { segment: segment.number, length: segment.length, added: 1 },
            None => Durable::default(),
        };
        state.failing.store(segment.is_none(), Ordering::Relaxed);
        let (tell, durable) = watch::channel(first);
        let mut writer = Writer {
            dir: dir.to_owned(),
            segment,
            next: number + 1,
            running,
            queue: Arc::clone(&queue),
            state: Arc::clone(&state),
            wall: Arc::clone(wall),
            tell,
        };
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || writer.run())?;
        Ok((Self { queue, state, durable, thread: Mutex::new(Some(thread)) }, found))
    }

    #[must_use]
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.clone()
    }

    #[must_use]
    pub fn condition(&self) -> Condition {
        let writing = *self.state.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let loses = self.queue.lost() > self.state.lost_before.load(Ordering::Relaxed);
        if self.queue.is_nearly_full() || loses {
            Condition::Full
        } else if self.state.failing.load(Ordering::Relaxed) || writing.is_some_and(|w| w.elapsed() > STUCK) {
            Condition::Failing
        } else {
            Condition::Good
        }
    }

    /// Writes what waits and ends the thread; `false`: it did not end within `most`.
    pub fn stop(&self, most: Duration) -> bool {
        self.state.stop.store(true, Ordering::Relaxed);
        self.queue.wake();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return true };
        let until = Instant::now() + most;
        while !thread.is_finished() {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        thread.join().is_ok()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        self.queue.wake();
    }
}

struct Writer {
    dir: PathBuf,
    /// `None` after an error that left the last one in an unknown state.
    segment: Option<Segment>,
    next: u64,
    /// What runs by all that is on the disk.
    running: Running,
    queue: Arc<Queue>,
    state: Arc<State>,
    wall: WallClock,
    tell: watch::Sender<Durable>,
}

impl Writer {
    fn run(&mut self) {
        loop {
            let stop = self.state.stop.load(Ordering::Relaxed);
            if !stop {
                self.queue.wait(Duration::from_secs(1));
            }
            let (records, added) = self.queue.take();
            if records.is_empty() {
                if stop {
                    return;
                }
                continue;
            }
            *self.state.writing.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            let written = self.write(&records);
            *self.state.writing.lock().unwrap_or_else(PoisonError::into_inner) = None;
            match written {
                Ok((segment, length)) => {
                    let lost = self.queue.lost();
                    let before = self.state.lost_before.swap(lost, Ordering::Relaxed);
                    if self.state.failing.swap(false, Ordering::Relaxed) {
                        tracing::info!("the journal can be written again");
                    }
                    if lost > before {
                        tracing::error!(records = lost - before, "no more could wait, these were lost");
                    }
                    self.tell.send_replace(Durable { segment, length, added });
                    self.rest(REST);
                }
                Err(error) => {
                    if !self.state.failing.swap(true, Ordering::Relaxed) {
                        tracing::error!(%error, "the journal cannot be written; it is kept in memory");
                    }
                    self.queue.put_back(records);
                    if stop {
                        tracing::error!(records = self.queue.waiting(), "lost with the end of this process");
                        return;
                    }
                    self.rest(AGAIN);
                }
            }
        }
    }

    fn write(&mut self, records: &[crate::store::record::Record]) -> io::Result<(u64, u64)> {
        if self.segment.as_ref().is_none_or(|s| s.length > LONG) {
            self.running.forget_old((self.wall)());
            let number = self.next;
            self.next += 1;
            self.segment = Some(Segment::create(&self.dir, number, &self.running)?);
        }
        let Some(segment) = &mut self.segment else { return Err(io::Error::other("no segment")) };
        if let Err(error) = segment.append(records) {
            // After a failed sync nobody knows what stands there (and reading tells the cache).
            if segment.cut_back().is_err() || error.kind() != io::ErrorKind::StorageFull {
                self.segment = None;
            }
            return Err(error);
        }
        for record in records {
            self.running.apply(record);
        }
        Ok((segment.number, segment.length))
    }

    /// Sleeps, but not over the end.
    fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.state.stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
