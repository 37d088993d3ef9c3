//! What lessons write into: a bounded queue in memory that never makes anybody wait.
//!
//! A lesson notes a record and goes on; a thread of its own brings them to the disk (`journal`). When
//! that thread is stuck (a full disk, a dead one) the queue grows. Beats are state: of each lesson
//! only the newest waits, so they never fill it. All else waits up to `MOST`; what comes beyond that
//! is lost and counted, and `readyz` has said so long before.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::store::record::{Id, Record};

/// Records that may wait, about 300 bytes each: a county's lessons for more than an hour.
const MOST: usize = 100_000;

/// Milliseconds since 1970.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The way into the journal; cheap to clone.
#[derive(Clone)]
pub struct Chronicle {
    queue: Arc<Queue>,
    wall: WallClock,
}

impl Chronicle {
    #[must_use]
    pub fn new(wall: WallClock) -> Self {
        let queue = Queue::default();
        // What an earlier process left counts as one.
        queue.lock().added = 1;
        Self { queue: Arc::new(queue), wall }
    }

    /// One that nobody reads, for tests of what writes into it: see `taken`.
    #[must_use]
    pub fn to_nowhere() -> Self {
        Self::new(Arc::new(|| 0))
    }

    /// Adds a record. Never waits for anything but a moment's lock.
    pub fn note(&self, record: Record) {
        self.queue.add(record);
    }

    /// The present time by the wall clock, milliseconds since 1970.
    #[must_use]
    pub fn wall_ms(&self) -> u64 {
        (self.wall)()
    }

    /// Nothing is taken from now on: whoever takes over writes on.
    pub fn seal(&self) {
        self.queue.lock().sealed = true;
    }

    /// Takes what waits.
    #[must_use]
    pub fn taken(&self) -> Vec<Record> {
        self.queue.take().0
    }

    pub(super) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }
}

#[derive(Default)]
struct Inner {
    records: VecDeque<Record>,
    /// The newest of each lesson.
    beats: HashMap<Id, Record>,
    /// How many were ever added.
    added: u64,
    sealed: bool,
}

/// Both ends of the queue.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    ready: Condvar,
    lost: AtomicU64,
}

impl Queue {
    fn add(&self, record: Record) {
        let mut inner = self.lock();
        if inner.sealed {
            return;
        }
        if let Record::Beat { run, .. } = &record {
            inner.beats.insert(run.clone(), record);
        } else if inner.records.len() < MOST {
            inner.records.push_back(record);
        } else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        inner.added += 1;
        drop(inner);
        self.ready.notify_all();
    }

    /// All that waits, and how many were ever added. Beats come last: what they say holds after it.
    pub fn take(&self) -> (Vec<Record>, u64) {
        let mut inner = self.lock();
        let mut out: Vec<Record> = std::mem::take(&mut inner.records).into();
        out.extend(std::mem::take(&mut inner.beats).into_values());
        (out, inner.added)
    }

    /// Puts what could not be written back to where it was.
    pub fn put_back(&self, records: Vec<Record>) {
        let mut inner = self.lock();
        for record in records.into_iter().rev() {
            if let Record::Beat { run, .. } = &record {
                // A newer one may have come.
                if !inner.beats.contains_key(run) {
                    inner.beats.insert(run.clone(), record);
                }
            } else {
                inner.records.push_front(record);
            }
        }
    }

    /// Returns when something waits or the time is over.
    pub fn wait(&self, most: Duration) {
        let inner = self.lock();
        if inner.records.is_empty() && inner.beats.is_empty() {
            drop(self.ready.wait_timeout(inner, most));
        }
    }

    /// Wakes whoever waits.
    pub fn wake(&self) {
        self.ready.notify_all();
    }

    pub fn added(&self) -> u64 {
        self.lock().added
    }

    pub fn waiting(&self) -> usize {
        let inner = self.lock();
        inner.records.len() + inner.beats.len()
    }

    pub fn is_nearly_full(&self) -> bool {
        self.lock().records.len() > MOST / 2
    }

    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::record::{Ended, Stamp};

    fn stamp(ms: u64) -> Stamp {
        Stamp { at: ms, ms }
    }

    fn closed(run: &Id, ms: u64) -> Record {
        Record::Closed { run: run.clone(), id: Id::random(), stamp: stamp(ms), ended: Ended::Left }
    }

    fn beat(run: &Id, ms: u64) -> Record {
        Record::Beat { run: run.clone(), stamp: stamp(ms), ran: ms }
    }

    #[test]
    fn beats_merge_and_nothing_else_does() {
        let chronicle = Chronicle::to_nowhere();
        let (run, other) = (Id::random(), Id::random());
        for ms in 0..MOST as u64 * 2 {
            chronicle.note(beat(&run, ms));
        }
        chronicle.note(beat(&other, 7));
        let all: Vec<_> = (0..100).map(|ms| closed(&run, ms)).collect();
        for r in &all {
            chronicle.note(r.clone());
        }
        assert_eq!(chronicle.queue.waiting(), 102);
        let taken = chronicle.taken();
        assert_eq!(taken[..100], all, "in order");
        assert!(taken.contains(&beat(&run, MOST as u64 * 2 - 1)) && taken.contains(&beat(&other, 7)));
        assert_eq!(chronicle.queue.lost(), 0);
    }

    #[test]
    fn what_could_not_be_written_is_before_what_came_since() {
        let chronicle = Chronicle::to_nowhere();
        let run = Id::random();
        let (first, second) = (closed(&run, 1), closed(&run, 2));
        chronicle.note(first.clone());
        chronicle.note(beat(&run, 1));
        let taken = chronicle.taken();
        chronicle.note(second.clone());
        chronicle.note(beat(&run, 2));
        chronicle.queue.put_back(taken);
        assert_eq!(chronicle.taken(), [first, second, beat(&run, 2)]);
    }

    #[test]
    fn a_full_queue_counts_what_it_loses_and_a_sealed_one_takes_nothing() {
        let chronicle = Chronicle::to_nowhere();
        let run = Id::random();
        for ms in 0..MOST as u64 + 3 {
            chronicle.note(closed(&run, ms));
        }
        assert_eq!((chronicle.queue.lost(), chronicle.queue.is_nearly_full()), (3, true));
        assert_eq!(chronicle.taken().len(), MOST);
        chronicle.seal();
        chronicle.note(beat(&run, 1));
        assert!(chronicle.taken().is_empty());
    }
}
