//! zhuandi (专递): a live remote-classroom server.
//!
//! Read `docs/ARCHITECTURE.md` for the map. In the order of a packet's way: [`media`]; in the
//! order of a message's way: `http` → `session` → `lesson` → `media::handle`. `app` builds every
//! part in the one right order.

pub mod app;
pub mod auth;
pub mod bot;
pub mod cli;
pub mod config;
pub mod fuzz;
pub mod http;
pub mod ids;
pub mod lesson;
pub mod media;
pub mod process;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod watchdog;
