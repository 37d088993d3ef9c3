//! Whose datagram is this: by address, and before the address is known by ICE user fragment.
//!
//! Addresses get in only from checks that proved a peer's password, so nobody can steal a path,
//! and the table grows only with authenticated peers. A TCP connection is an address of its own.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::media::output::{Path, Via};

/// Addresses per peer that are remembered (several networks, rebinding).
const MAX_ADDRESSES: usize = 16;

/// Where datagrams come from: which of our own addresses they were sent to does not matter.
type Origin = (SocketAddr, Via);

#[derive(Default)]
pub struct Demux {
    by_address: HashMap<Origin, usize>,
    by_ufrag: HashMap<String, usize>,
    /// Oldest first.
    addresses: HashMap<usize, Vec<Origin>>,
}

/// What the first byte says (RFC 7983 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Stun,
    Dtls,
    /// RTP or RTCP
    Media,
    Unknown,
}

impl Kind {
    #[must_use]
    pub fn of(datagram: &[u8]) -> Self {
        match datagram.first() {
            Some(0..=3) => Self::Stun,
            Some(20..=63) => Self::Dtls,
            Some(128..=191) => Self::Media,
            _ => Self::Unknown,
        }
    }
}

impl Demux {
    #[must_use]
    pub fn by_address(&self, from: Path) -> Option<usize> {
        self.by_address.get(&origin(from)).copied()
    }

    #[must_use]
    pub fn by_ufrag(&self, ufrag: &str) -> Option<usize> {
        self.by_ufrag.get(ufrag).copied()
    }

    pub fn add_ufrag(&mut self, ufrag: &str, peer: usize) {
        self.by_ufrag.insert(ufrag.to_owned(), peer);
    }

    pub fn remove_ufrag(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    /// An authenticated check of `peer` came from here.
    pub fn learn(&mut self, from: Path, peer: usize) {
        let from = origin(from);
        match self.by_address.insert(from, peer) {
            Some(before) if before == peer => return,
            // Behind one NAT an address may pass from one peer to another.
            Some(before) => {
                if let Some(list) = self.addresses.get_mut(&before) {
                    list.retain(|a| *a != from);
                }
            }
            None => {}
        }
        let list = self.addresses.entry(peer).or_default();
        if list.len() == MAX_ADDRESSES {
            self.by_address.remove(&list.remove(0));
        }
        list.push(from);
    }

    /// A connection has ended. Returns whose it was.
    pub fn forget_address(&mut self, from: Path) -> Option<usize> {
        let from = origin(from);
        let peer = self.by_address.remove(&from)?;
        if let Some(list) = self.addresses.get_mut(&peer) {
            list.retain(|a| *a != from);
        }
        Some(peer)
    }

    /// How many addresses and user fragments are known.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        (self.by_address.len(), self.by_ufrag.len())
    }

    pub fn forget<'a>(&mut self, peer: usize, ufrags: impl Iterator<Item = &'a str>) {
        for ufrag in ufrags {
            self.by_ufrag.remove(ufrag);
        }
        for address in self.addresses.remove(&peer).unwrap_or_default() {
            self.by_address.remove(&address);
        }
    }
}

fn origin(path: Path) -> Origin {
    (path.remote, path.via)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a(port: u16) -> Path {
        Path::udp(([127, 0, 0, 1], port).into(), None)
    }

    #[test]
    fn addresses_pass_on_and_are_capped() {
        let mut d = Demux::default();
        d.add_ufrag("one", 1);
        for port in 1..=40 {
            d.learn(a(port), 1);
        }
        assert_eq!(d.by_address(a(1)), None, "the oldest gave way");
        assert_eq!(d.by_address(a(40)), Some(1));
        d.learn(a(40), 2);
        d.forget(1, ["one"].into_iter());
        assert_eq!(d.by_address(a(40)), Some(2));
        assert_eq!(d.by_address(a(39)), None);
        assert_eq!(d.by_ufrag("one"), None);
        assert!(d.by_address.len() == 1 && d.addresses.len() == 1);
    }

    #[test]
    fn the_first_byte_says_what_it_is() {
        for (byte, kind) in [
            (0, Kind::Stun),
            (3, Kind::Stun),
            (4, Kind::Unknown),
            (19, Kind::Unknown),
            (20, Kind::Dtls),
            (63, Kind::Dtls),
            (64, Kind::Unknown),
            (127, Kind::Unknown),
            (128, Kind::Media),
            (191, Kind::Media),
            (192, Kind::Unknown),
        ] {
            assert_eq!(Kind::of(&[byte]), kind, "{byte}");
        }
        assert_eq!(Kind::of(&[]), Kind::Unknown);
    }

    #[test]
    fn a_known_address_is_counted_once() {
        let mut d = Demux::default();
        d.learn(a(1), 1);
        for _ in 0..40 {
            d.learn(a(2), 1);
        }
        assert_eq!(d.by_address(a(1)), Some(1), "a client that keeps checking loses no path");
        // An address that passed on is no longer the first peer's to take away.
        d.learn(a(2), 2);
        for port in 3..=17 {
            d.learn(a(port), 1);
        }
        assert_eq!((d.by_address(a(1)), d.by_address(a(2))), (Some(1), Some(2)));
        d.learn(a(18), 1);
        assert_eq!((d.by_address(a(1)), d.by_address(a(2))), (None, Some(2)));
    }
    #[test]
    fn connections_are_addresses_of_their_own() {
        let tcp = |number| Path { via: Via::Tcp(number), ..a(1) };
        let mut d = Demux::default();
        d.learn(a(1), 1);
        d.learn(tcp(7), 2);
        assert_eq!(
            (d.by_address(a(1)), d.by_address(tcp(7)), d.by_address(tcp(8))),
            (Some(1), Some(2), None)
        );
        assert_eq!((d.forget_address(tcp(7)), d.forget_address(tcp(7))), (Some(2), None));
        assert_eq!(d.by_address(a(1)), Some(1));
        d.forget(2, std::iter::empty());
        assert_eq!(d.held(), (1, 0));
    }
}
