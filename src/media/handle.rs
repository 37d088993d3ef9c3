//! The lesson's grip on the media plane: which shard a hub lives on, and `try_send` to it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{SyncSender, TrySendError};

use crate::ids::HubId;
use crate::media::command::Command;
use crate::media::stats::ShardStats;

/// The shard's queue is full; the caller answers "busy" (503) and nothing has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("the media plane is busy")]
    Busy,
    #[error("the media plane has ended")]
    Gone,
}

/// One shard's door.
#[derive(Clone)]
pub struct ShardHandle {
    pub(crate) queue: SyncSender<Command>,
    pub(crate) waker: Arc<mio::Waker>,
    pub(crate) stats: Arc<std::sync::Mutex<ShardStats>>,
    pub(crate) turns: Arc<AtomicU64>,
}

impl ShardHandle {
    /// Queues one command and wakes the shard. Never blocks.
    pub fn send(&self, command: Command) -> Result<(), SendError> {
        self.queue.try_send(command).map_err(|e| match e {
            TrySendError::Full(_) => SendError::Busy,
            TrySendError::Disconnected(_) => SendError::Gone,
        })?;
        // A failed wake is not lost work: the shard looks at its queue at least every 10 ms.
        let _ = self.waker.wake();
        Ok(())
    }

    /// Counts on while the shard's thread turns, also when nothing happens.
    #[must_use]
    pub fn turns(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.turns)
    }

    /// Counters since the start, at most a second old.
    #[must_use]
    pub fn stats(&self) -> ShardStats {
        self.stats.lock().map(|s| s.clone()).unwrap_or_default()
    }
}

/// All shards. A hub lives on the shard that its number picks.
#[derive(Clone)]
pub struct MediaHandle {
    shards: Arc<[ShardHandle]>,
}

impl MediaHandle {
    /// # Panics
    /// When there is no shard: the configuration check guarantees at least one.
    #[must_use]
    pub fn new(shards: Vec<ShardHandle>) -> Self {
        assert!(!shards.is_empty(), "configuration checks that there is a shard");
        Self { shards: shards.into() }
    }

    /// Index and door of the shard that a hub lives on.
    #[must_use]
    pub fn shard_of(&self, hub: HubId) -> (usize, &ShardHandle) {
        let index = (hub.0 as usize) % self.shards.len();
        (index, &self.shards[index])
    }

    #[must_use]
    pub fn shards(&self) -> &[ShardHandle] {
        &self.shards
    }
}
