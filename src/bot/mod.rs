//! Synthetic participants: they join a lesson over the public protocol like any board does, and
//! play or count media. Nothing here is on the server's packet path.
//!
//! They are built on the async `webrtc` crate, a stack that shares no packet code with `media/`
//! above the parsers, so that what works between the two is not merely our own habit.
//!
//! * [`clip`] the looped pictures and voices that `tests/media/make.sh` draws, embedded;
//! * [`player`] which frame is due when, as plain state; [`packets`] frames to RTP;
//! * [`connection`] one WebRTC connection; [`signal`] the WebSocket client;
//! * [`participant`] joins, offers, plays, reconnects, renews; [`teacher`] and [`classroom`] say
//!   what each of them sends; [`demo`] puts a lesson of them together;
//! * [`link`] the links of schools as a model, for the simulation and the relay;
//! * [`load`] many light classrooms on the server's own crates, for `zhuandi load` and benchmarks;
//! * [`relay`] such a link for real browsers;
//! * [`probe`] a receiver that checks what it gets: order, key frames, and, because it knows the
//!   clips, whose picture and which layer every frame is.

pub mod classroom;
pub mod clip;
pub mod connection;
pub mod demo;
pub mod depacketise;
pub mod link;
pub mod load;
pub mod packets;
pub mod participant;
pub mod player;
pub mod probe;
pub mod relay;
pub mod signal;
pub mod stream_check;
pub mod teacher;
#[cfg(test)]
mod test_house;
