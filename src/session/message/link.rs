//! What lines carry, on the wire: figures for a page, words for a lead, changes for an administrator.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::ParticipantId;
use crate::media::negotiate::SourceKind;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LinkStats {
    pub down_kbps: u32,
    pub up_kbps: u32,
    pub rtt_ms: Option<u32>,
    /// 0–1
    pub loss_down: f32,
    /// 0–1
    pub loss_up: f32,
    /// What the line to this participant is estimated to carry; `null` before its browser told.
    pub line_kbps: Option<u32>,
    /// Delay that stands in the line's queues.
    pub waits_ms: u32,
    pub state: LinkState,
    /// Why the state is not `good`.
    pub cause: Option<LinkCause>,
}

/// What a participant's line does to what it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    #[default]
    Good,
    /// Everything is sent, and some of it gets lost.
    Lossy,
    /// Pictures are smaller, fewer a second, or some are missing.
    Reduced,
    /// No picture at all.
    SoundOnly,
    /// Its page is there, its media connection is being made.
    Connecting,
    /// Nothing comes back from it.
    Silent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LinkCause {
    /// There is room again (only in changes).
    Room,
    /// The line carries less than all.
    Slow,
    /// Losses grow with the rate.
    Loss,
    /// No answer.
    Silent,
}

/// What the line to a classroom does to what it gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ClassroomLink {
    pub participant: ParticipantId,
    pub state: LinkState,
    pub cause: Option<LinkCause>,
}

/// One change of what a participant receives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LinkChange {
    pub seconds_ago: u32,
    pub kind: SourceKind,
    /// The layer since then; `null`: paused.
    pub layer: Option<u8>,
    pub cause: LinkCause,
}
