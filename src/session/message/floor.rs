//! The floor on the wire: who may speak, whose hand is raised, what classrooms complain of.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::ParticipantId;

/// Who may speak beside whoever leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// 听课: one classroom at a time.
    #[default]
    Listen,
    /// 评课、研讨: up to three.
    Discuss,
}

/// Who has the floor. DOMAIN: 发言, 举手.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FloorInfo {
    pub mode: Mode,
    /// Whose microphones are open beside whoever leads, the newest first.
    pub speakers: Vec<Speaker>,
    /// Raised hands, the first one first. Empty for a classroom that does not lead.
    pub hands: Vec<ParticipantId>,
    /// This page's own raised hand: its place in the queue, 1 the next.
    pub place: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Speaker {
    pub participant: ParticipantId,
    /// Called on: its picture is shown to everybody. Else it is only heard.
    pub on_stage: bool,
}

/// What a classroom complains of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// 没听清
    CannotHear,
    /// 看不清
    CannotSee,
}
