//! The synthetic teacher: teaches a looped lesson with camera (three layers), voice and courseware.

use std::sync::Arc;
use std::time::Instant;

use crate::bot::clip::{ClipName, VoiceName};
use crate::bot::connection::Plan;
use crate::bot::participant::Settings;

/// A lead at `url` (`ws://…/ws`) who taps 上课 by herself. `content`: with courseware.
#[must_use]
pub fn teacher(
    url: &str,
    token: Arc<dyn Fn() -> String + Send + Sync>,
    content: bool,
    clock: Instant,
) -> Settings {
    Settings {
        url: url.to_owned(),
        token,
        mic: Some(VoiceName::Teacher),
        camera: Some(ClipName::Teacher),
        content: content.then_some(ClipName::Content),
        mic_open: true,
        starts_lesson: true,
        slots: true,
        clock,
        local: Plan::default_addresses(),
    }
}
