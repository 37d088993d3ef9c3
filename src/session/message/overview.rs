//! Running lessons on the wire, as an administrator sees them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::ParticipantId;
use crate::media::negotiate::{Codec, SourceKind};
use crate::session::message::{LessonInfo, LinkChange, LinkStats, Participant};

/// One running lesson for the administrator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LessonOverview {
    pub lesson: LessonInfo,
    pub participants: Vec<ParticipantOverview>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantOverview {
    pub participant: Participant,
    /// Absent while it has no media connection.
    pub link: Option<LinkStats>,
    /// Seconds in this lesson.
    pub seconds: u32,
    /// Video codecs its browser decodes.
    pub decodes: Vec<Codec>,
    /// What it receives: one entry per fed video slot.
    pub receives: Vec<ReceivedStream>,
    /// What its line changed lately, newest first.
    pub link_changes: Vec<LinkChange>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ReceivedStream {
    pub from: ParticipantId,
    pub kind: SourceKind,
    pub kbps: u32,
    /// `null` while it waits for a key frame.
    pub layer: Option<u8>,
}
