//! A synthetic classroom: its camera (two layers at 10 frames/s), its microphone closed, and the
//! slots of a board, so that the server treats it like one.

use std::sync::Arc;
use std::time::Instant;

use crate::bot::clip::{ClipName, VoiceName};
use crate::bot::connection::Plan;
use crate::bot::participant::Settings;

/// A receiver at `url` (`ws://…/ws`) whose camera shows `picture`.
#[must_use]
pub fn classroom(
    url: &str,
    token: Arc<dyn Fn() -> String + Send + Sync>,
    picture: ClipName,
    clock: Instant,
) -> Settings {
    Settings {
        url: url.to_owned(),
        token,
        mic: Some(VoiceName::Pupil),
        camera: Some(picture),
        content: None,
        mic_open: false,
        starts_lesson: false,
        slots: true,
        clock,
        local: Plan::default_addresses(),
    }
}
