//! Who may hold a connection. Pure.
//!
//! Places of those who have proved an ICE password and of strangers are apart, so that nobody without one
//! keeps anybody out: when strangers hold all of theirs, the oldest of them goes for the newest (of its own
//! address first). Who has a password needs its place for a round trip, then stands among the proven. Those
//! are limited by address as well: a school with sixty boards shares one. An IPv6 address is counted by its
//! /64, because whoever has one address of it has all.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};

/// How many connections may be open at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpLimits {
    /// Of those that proved a password.
    pub most: usize,
    pub most_per_address: usize,
    /// Of those that have not yet.
    pub unproven: usize,
    pub unproven_per_address: usize,
}

impl Default for TcpLimits {
    fn default() -> Self {
        Self { most: 10_000, most_per_address: 200, unproven: 1_000, unproven_per_address: 200 }
    }
}

impl TcpLimits {
    /// As many of these as fit into `descriptors` of one of so many shards; a fifth at most for strangers.
    #[must_use]
    pub fn within(self, descriptors: usize, shards: usize) -> Self {
        let all = (descriptors / shards.max(1)).max(2);
        let unproven = self.unproven.min(all / 5).max(1);
        Self { most: self.most.min(all - unproven), unproven, ..self }
    }
}

/// Whose connections count together.
type Home = IpAddr;

#[derive(Default)]
struct Holders {
    /// By number; the smallest is the oldest (but for once in 2³² connections).
    unproven: BTreeSet<u32>,
    proven: usize,
}

/// The places that are held.
pub struct Places {
    limits: TcpLimits,
    homes: HashMap<Home, Holders>,
    unproven: BTreeSet<u32>,
    proven: usize,
}

impl Places {
    #[must_use]
    pub fn new(limits: TcpLimits) -> Self {
        Self { limits, homes: HashMap::new(), unproven: BTreeSet::new(), proven: 0 }
    }

    /// Whose connection has to end before another one from this address can enter.
    #[must_use]
    pub fn in_the_way(&self, of: IpAddr) -> Option<u32> {
        let own = self.homes.get(&home(of)).map(|h| &h.unproven);
        let full = own.filter(|own| own.len() >= self.limits.unproven_per_address);
        full.or_else(|| (self.unproven.len() >= self.limits.unproven).then_some(&self.unproven))?
            .first()
            .copied()
    }

    /// A connection begins; with a number above those before it.
    pub fn enter(&mut self, number: u32, ip: IpAddr) {
        self.homes.entry(home(ip)).or_default().unproven.insert(number);
        self.unproven.insert(number);
    }

    /// It has proved a password. `false`: no place for it, and it has to leave.
    pub fn prove(&mut self, number: u32, ip: IpAddr) -> bool {
        let holders = self.homes.entry(home(ip)).or_default();
        if !holders.unproven.contains(&number) {
            return true;
        }
        if self.proven >= self.limits.most || holders.proven >= self.limits.most_per_address {
            return false;
        }
        holders.unproven.remove(&number);
        self.unproven.remove(&number);
        holders.proven += 1;
        self.proven += 1;
        true
    }

    /// It has ended.
    pub fn leave(&mut self, number: u32, ip: IpAddr) {
        let Some(holders) = self.homes.get_mut(&home(ip)) else { return };
        if holders.unproven.remove(&number) {
            self.unproven.remove(&number);
        } else {
            holders.proven = holders.proven.saturating_sub(1);
            self.proven = self.proven.saturating_sub(1);
        }
        if holders.unproven.is_empty() && holders.proven == 0 {
            self.homes.remove(&home(ip));
        }
    }
}

fn home(ip: IpAddr) -> Home {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: TcpLimits = TcpLimits { most: 4, most_per_address: 2, unproven: 5, unproven_per_address: 3 };

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// Connections from here come in; gives who had to go.
    fn come(places: &mut Places, numbers: std::ops::Range<u32>, from: &str) -> Vec<u32> {
        let mut gone = Vec::new();
        for number in numbers {
            // Where it came from is the caller's to know.
            while let Some(oldest) = places.in_the_way(ip(from)) {
                let homes = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"];
                let held = |at: &&&str| {
                    places.homes.get(&home(ip(at))).is_some_and(|h| h.unproven.contains(&oldest))
                };
                let at = ip(homes.iter().find(held).unwrap());
                places.leave(oldest, at);
                gone.push(oldest);
            }
            places.enter(number, ip(from));
        }
        gone
    }

    #[test]
    fn strangers_push_out_strangers_of_their_own_address_first() {
        let mut places = Places::new(FEW);
        assert!(come(&mut places, 0..3, "192.0.2.1").is_empty());
        assert!(come(&mut places, 3..5, "192.0.2.2").is_empty());
        assert_eq!(come(&mut places, 5..8, "192.0.2.1"), [0, 1, 2], "its own");
        assert_eq!(come(&mut places, 8..9, "192.0.2.3"), [3], "the oldest of all");
        assert_eq!(places.unproven.len(), 5);
    }

    #[test]
    fn who_has_proved_something_is_in_nobodys_way() {
        let mut places = Places::new(FEW);
        come(&mut places, 0..2, "192.0.2.1");
        assert!(places.prove(0, ip("192.0.2.1")) && places.prove(1, ip("192.0.2.1")));
        assert!(places.prove(1, ip("192.0.2.1")), "once more changes nothing");
        assert_eq!(come(&mut places, 10..40, "192.0.2.1"), (10..37).collect::<Vec<_>>());
        assert!(!places.prove(39, ip("192.0.2.1")), "two of this address");
        come(&mut places, 40..43, "192.0.2.2");
        assert!(places.prove(41, ip("192.0.2.2")) && places.prove(42, ip("192.0.2.2")));
        come(&mut places, 43..44, "192.0.2.3");
        assert!(!places.prove(43, ip("192.0.2.3")), "four in all");
        places.leave(0, ip("192.0.2.1"));
        assert!(places.prove(43, ip("192.0.2.3")), "a place is free again");
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_nothing_stays_behind() {
        let mut places = Places::new(FEW);
        for (number, from) in (0..).zip(["2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:3"]) {
            places.enter(number, ip(from));
        }
        assert_eq!(places.in_the_way(ip("2001:db8::4")), Some(0));
        assert_eq!(places.in_the_way(ip("2001:db8:0:1::1")), None, "another network");
        assert_eq!(places.in_the_way(ip("::ffff:192.0.2.1")), None);
        for number in 0..3 {
            places.leave(number, ip("2001:db8::7"));
        }
        assert!(places.homes.is_empty() && places.unproven.is_empty());
    }

    #[test]
    fn places_fit_into_the_descriptors() {
        let limits = TcpLimits::default();
        assert_eq!(limits.within(1_000_000, 1), limits);
        for (descriptors, shards, most, unproven) in
            [(10_000, 1, 9_000, 1_000), (512, 1, 410, 102), (512, 4, 103, 25), (3, 8, 1, 1)]
        {
            let within = limits.within(descriptors, shards);
            assert_eq!((within.most, within.unproven), (most, unproven), "{descriptors} of {shards}");
        }
    }
}
