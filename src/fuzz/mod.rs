//! What strangers can reach, as ordinary functions of bytes.
//!
//! Each target takes any bytes, feeds them to one reader of the wire and asserts what must hold
//! whatever they are: beyond "no panic", that what was read can be written and read again, that
//! lengths stay inside the input, and that nothing grows with hostility. A broken promise panics.
//! [`packets`] has the readers of datagrams, [`texts`] those of signalling, [`connected`] the whole
//! core with a peer inside whose packets authenticate ([`insider`]) and are nonsense all the same.
//!
//! `make test` runs every file of `tests/corpus/<target>/` and some thousand seeded mutations of
//! them ([`mutate`]); docs/ARCHITECTURE.md says how to run more. The functions are compiled always, so
//! that any fuzzer can call them and they never rot.

pub mod connected;
pub mod insider;
pub mod mutate;
pub mod packets;
pub mod texts;

#[cfg(test)]
mod fuzz_test;
#[cfg(test)]
mod seeds_test;

/// A reader with what must hold of it.
pub struct Target {
    /// Also its folder in `tests/corpus`.
    pub name: &'static str,
    /// Panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Longer inputs are of no use.
    pub longest: usize,
    /// Mutations in one run of `make test`: about a second.
    pub rounds: usize,
}

pub const TARGETS: [Target; 13] = [
    Target { name: "demux", run: packets::demux, longest: 600, rounds: 60_000 },
    Target { name: "stream", run: packets::stream, longest: 12_000, rounds: 30_000 },
    Target { name: "hello", run: packets::hello, longest: 4_096, rounds: 6_000 },
    Target { name: "rtp", run: packets::rtp, longest: 600, rounds: 200_000 },
    Target { name: "codec", run: packets::codec, longest: 200, rounds: 200_000 },
    Target { name: "rtcp", run: packets::rtcp, longest: 1_500, rounds: 60_000 },
    Target { name: "sdp", run: texts::sdp, longest: 300_000, rounds: 1_500 },
    Target { name: "fragment", run: texts::fragment, longest: 70_000, rounds: 40_000 },
    Target { name: "frames", run: texts::frames, longest: 4_096, rounds: 60_000 },
    Target { name: "message", run: texts::message, longest: 20_000, rounds: 60_000 },
    Target { name: "token", run: texts::token, longest: 5_000, rounds: 20_000 },
    Target { name: "claims", run: texts::claims, longest: 2_000, rounds: 20_000 },
    Target { name: "connected", run: connected::run, longest: 16_000, rounds: 250 },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}
