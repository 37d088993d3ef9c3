//! Datagrams on their way out of the core: one arena, in order, ready for segmentation offload.
//!
//! The core appends; the shard sends runs of equal size to one destination in one call. When the
//! socket would block, the shard keeps what it may (see `Class`) and drops the rest.

use std::net::{IpAddr, SocketAddr};

/// A remote address, the local one that it talks to, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    pub remote: SocketAddr,
    /// The address that the peer's packets came to: replies leave from it.
    pub local: Option<IpAddr>,
    pub via: Via,
}

/// How datagrams travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    Udp,
    /// Framed on a connection. Its number is never used for another one, so that what is meant for one
    /// that has ended reaches nobody.
    Tcp(u32),
}

impl Path {
    #[must_use]
    pub const fn udp(remote: SocketAddr, local: Option<IpAddr>) -> Self {
        Self { remote, local, via: Via::Udp }
    }
}

/// What a datagram is, for the moment the socket would block: video is dropped first, audio and
/// control never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Control,
    Audio,
    Video,
}

#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    pub path: Path,
    pub class: Class,
    start: usize,
    end: usize,
}

#[derive(Default)]
pub struct Output {
    arena: Vec<u8>,
    datagrams: Vec<Datagram>,
}

impl Output {
    /// Begins a datagram: append to the arena from the returned place, then `commit`.
    pub fn begin(&mut self) -> (&mut Vec<u8>, usize) {
        let start = self.arena.len();
        (&mut self.arena, start)
    }

    /// Ends the datagram that begins at `start`; returns its length.
    pub fn commit(&mut self, start: usize, path: Path, class: Class) -> usize {
        let end = self.arena.len();
        self.datagrams.push(Datagram { path, class, start, end });
        end - start
    }

    pub fn push(&mut self, path: Path, class: Class, bytes: &[u8]) {
        let (arena, start) = self.begin();
        arena.extend_from_slice(bytes);
        self.commit(start, path, class);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Bytes waiting.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.arena.len()
    }

    #[must_use]
    pub fn get(&self, at: usize) -> (&Datagram, &[u8]) {
        let d = &self.datagrams[at];
        (d, &self.arena[d.start..d.end])
    }

    /// The longest run from `at` that one segmented send can carry: same path, contiguous, all of
    /// the first one's size but the last, which may be shorter. Returns the datagram after the
    /// run, the bytes and the segment size.
    #[must_use]
    pub fn run(&self, at: usize, max_segments: usize) -> (usize, &[u8], usize) {
        const MAX_BYTES: usize = 60_000;
        let first = &self.datagrams[at];
        let size = first.end - first.start;
        let mut next = at + 1;
        let mut end = first.end;
        while let Some(d) = self.datagrams.get(next) {
            let length = d.end - d.start;
            let fits = next - at < max_segments && d.end - first.start <= MAX_BYTES;
            if d.path != first.path || d.start != end || length > size || !fits {
                break;
            }
            next += 1;
            end = d.end;
            if length < size {
                break;
            }
        }
        (next, &self.arena[first.start..end], size)
    }

    pub fn clear(&mut self) {
        self.arena.clear();
        self.datagrams.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_hold_equal_sizes_and_one_shorter_end() {
        let path = |port: u16| Path::udp(([127, 0, 0, 1], port).into(), None);
        let mut out = Output::default();
        for (port, size) in [(1, 100), (1, 100), (1, 40), (1, 100), (2, 100), (2, 120)] {
            out.push(path(port), Class::Video, &vec![port as u8; size]);
        }
        let ends = |at| {
            let (next, bytes, size) = out.run(at, 64);
            (next, bytes.len(), size)
        };
        assert_eq!(ends(0), (3, 240, 100));
        assert_eq!(ends(3), (4, 100, 100));
        assert_eq!(ends(4), (5, 100, 100), "a longer one starts its own run");
        assert_eq!(out.run(0, 2).0, 2);
    }

    #[test]
    fn a_run_stays_below_the_longest_datagram_of_ip() {
        let path = Path::udp(([127, 0, 0, 1], 1).into(), None);
        let mut out = Output::default();
        for _ in 0..60 {
            out.push(path, Class::Video, &[0; 1_200]);
        }
        assert_eq!(out.run(0, 64).0, 50);
    }
}
