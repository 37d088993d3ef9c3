//! The TCP ports of one shard, as answers name them.
//!
//! One of them may still be another server's when this one starts (an upgrade): it is named from the moment
//! in which it is ours, so that no client is sent to a server that does not know it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// Cheap to clone; all clones tell the same.
#[derive(Clone, Debug, Default)]
pub struct TcpPorts {
    bound: Vec<u16>,
    /// Bound later; 0: not yet, or there is none.
    late: Arc<AtomicU16>,
}

impl TcpPorts {
    #[must_use]
    pub fn new(bound: Vec<u16>) -> Self {
        Self { bound, late: Arc::default() }
    }

    /// In the order in which clients shall try them.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        let late = Some(self.late.load(Ordering::Relaxed)).filter(|port| *port != 0);
        self.bound.iter().copied().chain(late)
    }

    pub(super) fn now_also(&self, port: u16) {
        self.late.store(port, Ordering::Relaxed);
    }
}
