//! The one boundary of the media plane: `Command` in, `Event` out.
//!
//! Commands cross a bounded queue by `try_send`; a full queue is the caller's error ("busy").
//! Events leave through the hub's `EventSink`, which must not block: a lesson that is too slow
//! loses statistics first (last value wins), never the shard's time.

use crate::ids::{HubId, PeerId, SourceId};
use crate::media::negotiate::{IceRestart, PeerSetup};
use crate::media::stats::HubStats;

/// Index of a receiving slot of a peer, in the order of its offer's receiving m-lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotIndex(pub u8);

/// A simulcast layer of a source, 0 = smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerIndex(pub u8);

impl LayerIndex {
    /// "As good as the sender has it."
    pub const TOP: Self = Self(2);
}

/// Where events of a hub go. Called on the shard thread: must return at once.
pub type EventSink = Box<dyn Fn(Event) + Send>;

/// Which pictures go first where a line is too small for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// Screen, slides, document camera.
    Content,
    /// Who leads or has the floor.
    #[default]
    Lead,
    /// Everybody on a wall.
    Small,
}

/// One slot's feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub slot: SlotIndex,
    /// `None` leaves the slot silent.
    pub source: Option<SourceId>,
    /// The best layer this slot should get (video).
    pub max_layer: LayerIndex,
    pub rank: Rank,
    /// Another number for each new source of the slot; comes back in `SlotFlowing`, so that an
    /// event that crossed with a newer route is told from one that did not.
    pub turn: u32,
}

pub enum Command {
    /// Makes a hub for a lesson; its events go to `events` until `CloseHub`.
    OpenHub { hub: HubId, events: EventSink },
    /// Ends all peers of the hub and forgets it.
    CloseHub { hub: HubId },
    /// Adds a peer whose offer was answered by `negotiate`.
    AddPeer { hub: HubId, peer: PeerId, setup: Box<PeerSetup> },
    /// New ICE credentials for a running peer; the old ones stay valid until the new are used.
    RestartIce { peer: PeerId, restart: IceRestart },
    /// Ends a peer (close_notify is sent).
    RemovePeer { peer: PeerId },
    /// Feeds slots. Slots not named stay as they are.
    Route { peer: PeerId, routes: Vec<Route> },
    /// Opens or closes a source for everyone: what a closed source sends is dropped on arrival.
    Gate { source: SourceId, open: bool },
    /// Ends the shard thread after closing every peer.
    Shutdown,
}

/// What a slot may have of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The highest layer, and its highest temporal layer (`ALL_TEMPORAL`: every picture).
    Layer(LayerIndex, u8),
    /// Nothing: the line does not carry it beside what goes first.
    Paused,
}

/// All pictures of a layer.
pub const ALL_TEMPORAL: u8 = 3;

/// Why a grant changed; kept in the subscriber's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The line carries more than it seemed to.
    Room,
    /// The delay grows: the line carries less.
    Congestion,
    /// Losses grow with the rate.
    Loss,
    /// The client tells nothing any more.
    Silence,
    /// The source's layers became larger, or another picture goes first.
    Demand,
    /// Too much waited to be sent.
    Backlog,
}

/// Why a peer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// `RemovePeer` or `CloseHub`.
    Removed,
    /// The other side closed (DTLS close_notify).
    Closed,
    /// No authenticated check for 30 s (RFC 7675), or none at all for 30 s after the offer.
    ConsentLost,
    /// DTLS failed: no handshake in time, or a fatal alert.
    Handshake,
    /// The certificate is not the one that the offer named.
    Fingerprint,
    /// The peer's own code panicked; counted and logged as an error.
    Panicked,
}

#[derive(Debug)]
pub enum Event {
    /// ICE and DTLS are done; media flows from here on.
    PeerConnected {
        peer: PeerId,
    },
    PeerClosed {
        peer: PeerId,
        reason: CloseReason,
    },
    /// A source's first packet, or its first after `SourceStalled`.
    SourceFlowing {
        source: SourceId,
    },
    /// A source that flowed has sent nothing for 3 s.
    SourceStalled {
        source: SourceId,
    },
    /// A microphone became loud enough for speech, or has been quiet for a while (RFC 6464).
    SourceHeard {
        source: SourceId,
        heard: bool,
    },
    /// The first packet of `source` has left on this slot; frames whose RTP timestamp is at or
    /// after `rtp_timestamp` show the new source, older ones the previous source.
    SlotFlowing {
        peer: PeerId,
        slot: SlotIndex,
        source: SourceId,
        rtp_timestamp: u32,
        turn: u32,
    },
    /// What the subscriber's line carries of this slot has changed.
    SlotGranted {
        peer: PeerId,
        slot: SlotIndex,
        granted: Grant,
        why: Why,
    },
    /// Which layers of a source somebody has or could have: bit n for layer n. What is not in it need
    /// not be sent.
    LayersWanted {
        source: SourceId,
        layers: u8,
    },
    /// Once a second.
    Stats(Box<HubStats>),
}
