//! A lesson on the wire: its state, and what kind of lesson it is.
//!
//! Which rules each kind has is decided in `lesson::kinds`; pages are told the rules and need no table.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{LessonId, ParticipantId};
use crate::session::message::Mode;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LessonState {
    /// Nobody has tapped 上课 yet.
    Scheduled,
    Live,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LessonInfo {
    pub id: LessonId,
    pub title: String,
    pub state: LessonState,
    /// Seconds since 上课, by the server's monotonic clock, at the time of sending.
    pub running_seconds: u32,
    pub lesson_type: LessonType,
    /// What follows from the type.
    pub rules: LessonRules,
    /// Who leads now, of several leads; `null` when no lead has come. Everybody is shown this one.
    pub leads: Option<ParticipantId>,
}

/// What kind of lesson it is. DOMAIN.md §1 and §5.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LessonType {
    /// 专递课堂
    #[default]
    Delivery,
    /// 名师课堂
    MasterTeacher,
    /// 名校网络课堂
    SchoolOnline,
    /// 同上一节课
    CoTaught,
    /// 展示课
    Demo,
    /// 教研
    Research,
    /// 会议
    Meeting,
    /// 直播
    Broadcast,
}

/// What a lesson of a type allows, and how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LessonRules {
    /// The mode at 上课.
    pub mode: Mode,
    /// Open microphones beside the lead's while it is discussed. While it is listened there is one.
    pub most_speaking: u8,
    /// Classrooms send sound and picture. Where they do not they are part of the audience.
    pub classrooms_publish: bool,
    pub lead_to: LeadTo,
    /// A lead may bring one of the audience into the lesson.
    pub promotes: bool,
    pub layout: StageLayout,
}

/// Who may be handed the lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LeadTo {
    /// Teachers with a lead's token.
    Leads,
    /// They, and any classroom.
    Anybody,
}

/// What is big in classrooms while content is shown and somebody is called on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum StageLayout {
    /// The content; who speaks is beside it.
    Content,
    /// Who speaks; the content is beside.
    Speaker,
}
