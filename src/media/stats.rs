//! What a shard tells about itself once a second: plain figures, last value wins.

use crate::ids::{HubId, PeerId, SourceId};
pub use crate::media::bandwidth::Condition;
use crate::media::command::{Grant, LayerIndex, SlotIndex};
pub use crate::media::tcp::TcpStats;

/// Figures of one hub over the last second.
#[derive(Debug, Clone, Default)]
pub struct HubStats {
    pub hub: Option<HubId>,
    pub peers: Vec<PeerStats>,
    pub sources: Vec<SourceStats>,
}

#[derive(Debug, Clone)]
pub struct PeerStats {
    pub peer: PeerId,
    /// ICE and DTLS are done.
    pub connected: bool,
    /// Something came from its client in the last second.
    pub heard: bool,
    /// Server to client, including all headers above UDP, kbit/s.
    pub down_kbps: u32,
    /// Client to server, kbit/s.
    pub up_kbps: u32,
    /// Round-trip time from receiver reports, ms; `None` before the first.
    pub rtt_ms: Option<u32>,
    /// Share of packets lost on the way to the client, 0–1: by its transport-wide feedback in the
    /// last second, or by its last reception reports.
    pub loss_down: f32,
    /// Share of packets lost on the way from the client in the last second, 0–1.
    pub loss_up: f32,
    /// Packets that did not authenticate or parse, since the peer began.
    pub bad_packets: u64,
    /// What the line to the client is estimated to carry, kbit/s; `None`: it tells nothing.
    pub line_kbps: Option<u32>,
    /// Delay that stands in the line's queues, ms.
    pub standing_ms: u32,
    pub condition: Condition,
    /// The line has been measured for some seconds only: what is not sent yet will be.
    pub fresh: bool,
    /// Share of packets that the line loses at any rate, 0–1.
    pub own_loss: f32,
    pub slots: Vec<SlotStats>,
}

/// A slot that is fed.
#[derive(Debug, Clone)]
pub struct SlotStats {
    pub slot: SlotIndex,
    pub source: SourceId,
    /// The layer it gets now; `None` while it waits for a key frame.
    pub layer: Option<LayerIndex>,
    /// The highest layer that its source sends.
    pub best: Option<LayerIndex>,
    /// What the line carries of it.
    pub granted: Grant,
    pub kbps: u32,
    pub packets: u64,
    pub retransmitted: u64,
}

#[derive(Debug, Clone)]
pub struct SourceStats {
    pub source: SourceId,
    pub flowing: bool,
    pub kbps: u32,
    pub packets: u64,
    pub lost: u64,
    /// Key-frame requests sent to the sender since it began.
    pub key_frame_requests: u64,
    /// Loudness of the last second, 0–127 −dBov (RFC 6464), 127 = silence. Audio only.
    pub level: Option<u8>,
    /// Highest layer that flows.
    pub top_layer: Option<LayerIndex>,
}

/// Counters of a whole shard since its start, for `/metrics`.
#[derive(Debug, Clone, Default)]
pub struct ShardStats {
    pub peers: u64,
    pub hubs: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Datagrams from addresses that never proved a peer's ICE password, or that no parser takes.
    pub datagrams_dropped: u64,
    pub packets_unauthentic: u64,
    pub key_frame_requests: u64,
    pub nacks_in: u64,
    pub nacks_out: u64,
    pub retransmitted: u64,
    /// Lost audio packets that later ones repeated (RED).
    pub audio_recovered: u64,
    /// Bytes sent to repeat sound to subscribers whose lines lose packets (RED).
    pub audio_repeated_bytes: u64,
    pub panics: u64,
    pub send_would_block: u64,
    /// Trains of padding that measured a subscriber's line.
    pub probes: u64,
    /// Pictures given up because too much waited for a subscriber's line.
    pub backlogs: u64,
    pub tcp: TcpStats,
}
