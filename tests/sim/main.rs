//! The media plane on bad links: the real core, modelled links and players, a clock that only the
//! tests move. `world` puts them together, `lead` and `classroom` are who takes part, `player` says
//! what a board would show; `lab` lets scenarios read like a protocol, `scenarios` are the short ones
//! of `make test`, `links` the long table of `make links`, `compare` the player beside a browser's.

// A panic in a test is its report; clippy sees that by itself only inside of `#[test]`.
#![allow(clippy::unwrap_used)]

mod classroom;
mod compare;
mod lab;
mod lead;
mod links;
mod meter;
mod player;
mod scenarios;
mod station;
mod world;
