//! The audience on the wire: who looks on beside the classrooms, counted by unit.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::ParticipantId;

/// How many look on now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AudienceInfo {
    pub units: u32,
    pub people: u32,
}

/// Those of one unit who look on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AudienceUnit {
    pub unit: String,
    pub viewers: Vec<Viewer>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Viewer {
    pub id: ParticipantId,
    pub name: String,
    /// Has a page that can come into the lesson; a player without one can only watch.
    pub promotable: bool,
}
