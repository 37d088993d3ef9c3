//! A player as a model: what a board would show and sound, given what arrives and when.
//!
//! It stands for Chromium's, whose rules are public (modules/audio_coding/neteq, modules/video_coding
//! of libwebrtc, as of M150); written down here from what they do:
//!
//! * `audio` a jitter buffer whose target is the 95th percentile of how late packets are, stretched
//!   and shortened towards it; 10 ms without a packet in time are concealed;
//! * `video` frames put together from packets, decoded when what they refer to was decoded, shown
//!   after a delay that follows `jitter`; a key frame is asked for when nothing can be decoded;
//! * `hint` what our page asks of it besides;
//! * `jitter` how much delay the pictures need: a Kalman filter of frame sizes against delays;
//! * `log` what came of it, moment by moment, and all figures over any stretch of time.
//!
//! Left out: decoding itself takes no time, sound and picture are not held back for each other, and
//! no clock drifts.

pub mod audio;
mod hint;
pub mod jitter;
pub mod log;
pub mod video;
