//! What others can make the core keep, counted: each of these has a cap, and tests of hostile
//! input hold the core to them.

use crate::media::core::Core;

/// Counts of what is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    pub peers: usize,
    pub addresses: usize,
    pub ufrags: usize,
    /// The most that any one peer has.
    pub streams: usize,
    /// SSRCs that report; the most that any one peer has.
    pub reporters: usize,
    /// Missing packets that are asked for; the most that any one layer has.
    pub missing: usize,
    /// Packets that wait for `flush`.
    pub fresh: usize,
    /// Bytes that wait for the socket.
    pub out: usize,
}

impl Core {
    #[must_use]
    pub fn held(&self) -> Held {
        let (addresses, ufrags) = self.demux.held();
        let most = |all: &mut dyn Iterator<Item = usize>| all.max().unwrap_or(0);
        let layers = self.sources.iter().flat_map(|(_, s)| s.layers.iter().flatten());
        Held {
            peers: self.peers.len(),
            addresses,
            ufrags,
            streams: most(&mut self.peers.iter().map(|(_, p)| p.held().0)),
            reporters: most(&mut self.peers.iter().map(|(_, p)| p.held().1)),
            missing: most(&mut layers.map(|l| l.missing.held())),
            fresh: self.fresh.len(),
            out: self.out.bytes(),
        }
    }
}
