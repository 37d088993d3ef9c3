//! `[lesson]` of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::media::negotiate::Codec;
use crate::session::message::{LessonType, Role, SlotPlan};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LessonConfig {
    pub seat_keep_seconds: u32,
    pub max_lessons: usize,
    pub max_participants: usize,
    pub audio_slots: u8,
    pub video_slots: u8,
    pub receiver_video_slots: u8,
    pub video_codec: VideoCodec,
    /// Of a lesson whose type nobody chose.
    pub default_type: LessonType,
    pub echo_guard: bool,
}

/// The codec that senders are asked to use while everybody decodes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    Vp8,
    H264,
    Vp9,
    Av1,
}

impl From<VideoCodec> for Codec {
    fn from(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::Vp8 => Self::Vp8,
            VideoCodec::H264 => Self::H264,
            VideoCodec::Vp9 => Self::Vp9,
            VideoCodec::Av1 => Self::Av1,
        }
    }
}

impl Default for LessonConfig {
    fn default() -> Self {
        Self {
            seat_keep_seconds: 600,
            max_lessons: 500,
            max_participants: 2000,
            audio_slots: 6,
            video_slots: 12,
            // Content, lead, three who speak and one to spare. Each costs an old board memory and CPU.
            receiver_video_slots: 6,
            video_codec: VideoCodec::Vp8,
            default_type: LessonType::Delivery,
            echo_guard: true,
        }
    }
}

impl LessonConfig {
    /// How long the seat of a broken connection is kept.
    #[must_use]
    pub fn seat_keep(&self) -> Duration {
        Duration::from_secs(self.seat_keep_seconds.into())
    }

    /// How many others a page of this role can hear and see at once.
    #[must_use]
    pub fn slots(&self, role: Role) -> SlotPlan {
        let video = if role == Role::Receiver { self.receiver_video_slots } else { self.video_slots };
        SlotPlan { audio: self.audio_slots, video }
    }

    /// What is wrong with it, one sentence each.
    pub fn check(&self, problems: &mut Vec<String>) {
        if !(2..=16).contains(&self.audio_slots) {
            problems.push("lesson.audio_slots must be 2 to 16".into());
        }
        if !(2..=20).contains(&self.video_slots) {
            problems.push("lesson.video_slots must be 2 to 20".into());
        }
        if !(2..=20).contains(&self.receiver_video_slots) {
            problems.push("lesson.receiver_video_slots must be 2 to 20".into());
        }
        if self.max_lessons == 0 || self.max_participants == 0 {
            problems.push("lesson.max_lessons and lesson.max_participants must be above 0".into());
        }
    }
}
