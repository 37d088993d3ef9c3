//! Integration tests: a real server on free ports, real sockets, no sleeps.
//!
//! Every test starts its own server (`harness::Server`) and speaks to it as a stranger's client
//! would: WebSocket texts, raw HTTP, TLS. One binary, because linking is most of a test's cost.

// A panic in a test is its report; clippy sees that by itself only inside of `#[test]`.
#![allow(clippy::unwrap_used)]

mod harness;

mod agreement;
mod api;
mod assets;
mod bell;
mod companion;
mod computer;
mod directions;
#[path = "../faults/mod.rs"]
mod faults;
mod hostile;
mod join;
mod limits;
mod media;
mod memory;
mod ops;
mod people;
mod photos;
mod rights;
mod shutdown;
mod slow;
mod tcp;
mod tls;
mod whip;
