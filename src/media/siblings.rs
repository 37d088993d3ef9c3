//! Subscribers behind one line: six boards of a school, a bus of phones. Each has its own estimate, and
//! whoever came first or met a quiet moment would keep more for minutes; here they get the same.
//!
//! The address alone proves nothing (half a county may stand behind one carrier's address), so whether
//! two share a queue is observed, as RFC 8382 does by correlated delay: when one's line is overfull,
//! those that wait as long at that moment are its fellows. Who was so twice, and not too often not, leans
//! towards the mean of them all at every feedback, and the sum stays what the line carries (the idea of
//! RFC 8699 §5, without a rate of its own).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::media::clock::Micros;

/// A school has fewer boards; more are a carrier's customers, or a test.
const MOST: usize = 64;
/// When somebody's line is overfull, the others are watched for so long: two or three of their reports …
const LOOK: Micros = 300_000;
/// … and once in this time.
const EPISODE: Micros = 1_000_000;
/// A queue that is worth the name, µs.
const WAITS: Micros = 15_000;
/// Fellow from here on; up to twice as much is remembered.
const FELLOW: u8 = 2;

/// What stands behind one address (IPv6: one network of 64 bits).
pub type Site = IpAddr;

/// The site of a remote address.
#[must_use]
pub fn site(address: IpAddr) -> Site {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6) & !0 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What a subscriber's feedback said.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub now: Micros,
    /// Its estimate, bits per second.
    pub target: f64,
    /// Delay that stands in its queue, µs.
    pub standing: Micros,
    /// More was sent to it than its line carries.
    pub overfull: bool,
}

struct Member {
    target: f64,
    /// The longest that it waited during this look; `None`: it told nothing.
    waited: Option<Micros>,
    score: u8,
}

/// Whose line was overfull, when, and how long that one waited.
struct Look {
    from: Micros,
    standing: Micros,
}

#[derive(Default)]
struct Group {
    members: HashMap<usize, Member>,
    look: Option<Look>,
    next_look: Micros,
    /// Of the fellows: their estimates' sum, and how many they are.
    sum: f64,
    fellows: usize,
}

/// Everybody's neighbours.
#[derive(Default)]
pub struct Siblings {
    groups: HashMap<Site, Group>,
    sites: HashMap<usize, Site>,
}

impl Siblings {
    /// Notes what `peer` (any key) at `site` saw. Returns what each of those that share its line would get,
    /// if there are others.
    pub fn note(&mut self, peer: usize, site: Site, seen: Seen) -> Option<f64> {
        if self.sites.get(&peer) != Some(&site) {
            self.leave(peer);
            self.sites.insert(peer, site);
        }
        let group = self.groups.entry(site).or_default();
        let Seen { now, target, standing, overfull } = seen;
        let member = group.members.entry(peer).or_insert(Member { target, waited: None, score: 0 });
        if member.score >= FELLOW {
            group.sum += target - member.target;
        }
        member.target = target;
        member.waited = Some(member.waited.map_or(standing, |longest| longest.max(standing)));
        let crowd = (2..=MOST).contains(&group.members.len());
        match &group.look {
            Some(look) if now - look.from >= LOOK => group.judge(now),
            None if crowd && overfull && standing >= WAITS && now >= group.next_look => {
                group.begin_look(peer, Look { from: now, standing });
            }
            _ => {}
        }
        // Too many to be judged are too many to be believed.
        let shares = crowd && group.members[&peer].score >= FELLOW && group.fellows > 1;
        shares.then(|| group.sum / group.fellows as f64)
    }

    /// The peer is gone.
    pub fn leave(&mut self, peer: usize) {
        let Some(site) = self.sites.remove(&peer) else {
            return;
        };
        let Some(group) = self.groups.get_mut(&site) else {
            return;
        };
        group.members.remove(&peer);
        group.sum_up();
        if group.members.is_empty() {
            self.groups.remove(&site);
        }
    }
}

impl Group {
    /// Somebody's line is overfull: who else waits from now on?
    fn begin_look(&mut self, peer: usize, look: Look) {
        for (key, member) in &mut self.members {
            member.waited = (*key == peer).then_some(look.standing);
        }
        self.look = Some(look);
    }

    fn judge(&mut self, now: Micros) {
        let Some(look) = self.look.take() else {
            return;
        };
        self.next_look = now + EPISODE;
        let waits = |m: &Member| m.waited.map(|longest| longest >= WAITS && longest >= look.standing / 2);
        let together = self.members.values().filter(|m| waits(m) == Some(true)).count() > 1;
        for member in self.members.values_mut() {
            match waits(member) {
                Some(true) if together => member.score = (member.score + 1).min(2 * FELLOW),
                // It was alone with its queue; of the others that says nothing.
                Some(true) => member.score = member.score.saturating_sub(1),
                Some(false) if together => member.score = member.score.saturating_sub(1),
                _ => {}
            }
        }
        self.sum_up();
    }

    fn sum_up(&mut self) {
        let fellows = self.members.values().filter(|m| m.score >= FELLOW);
        (self.sum, self.fellows) = fellows.fold((0.0, 0), |(sum, n), m| (sum + m.target, n + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHOOL: Site = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn seen(turn: i64, target: f64, standing: Micros, overfull: bool) -> Seen {
        Seen { now: turn * 1_500_000, target, standing, overfull }
    }

    /// In each turn all say five times how long they wait.
    fn run(
        s: &mut Siblings,
        turns: std::ops::Range<i64>,
        targets: &[f64],
        waits: impl Fn(i64, usize) -> Micros,
    ) {
        for turn in turns {
            for report in 0..5 {
                for (peer, target) in targets.iter().enumerate() {
                    let standing = waits(turn, peer);
                    let mut seen = seen(turn, *target, standing, standing > 30_000);
                    seen.now += report * 100_000;
                    s.note(peer, SCHOOL, seen);
                }
            }
        }
    }

    #[test]
    fn who_waits_at_the_same_moments_shares() {
        let mut s = Siblings::default();
        run(&mut s, 1..8, &[100e3, 300e3, 500e3], |turn, _| if turn % 2 == 0 { 40_000 } else { 2_000 });
        let share = |s: &mut Siblings, peer, target| s.note(peer, SCHOOL, seen(8, target, 0, false));
        assert_eq!(share(&mut s, 0, 100e3), Some(300e3));
        assert_eq!(share(&mut s, 0, 400e3), Some(400e3), "the mean follows");
        s.leave(2);
        assert_eq!(share(&mut s, 0, 400e3), Some(350e3));
        s.leave(1);
        assert_eq!(share(&mut s, 0, 400e3), None, "nobody to share with");
    }

    #[test]
    fn one_bad_line_among_good_ones_is_alone() {
        let mut s = Siblings::default();
        run(&mut s, 1..30, &[100e3, 2e6, 2e6], |_, peer| if peer == 0 { 200_000 } else { 3_000 });
        for (peer, target) in [(0, 100e3), (1, 2e6)] {
            assert_eq!(s.note(peer, SCHOOL, seen(30, target, 0, false)), None);
        }
    }

    #[test]
    fn two_bad_lines_that_are_not_the_same_are_told_apart() {
        let mut s = Siblings::default();
        // Each has its own queue, full at its own times; now and then both are.
        let waits = |turn: i64, peer: usize| match (turn % 7, peer) {
            (0, _) => 60_000,
            (n, 0) if n % 2 == 1 => 60_000,
            (n, 1) if n % 2 == 0 => 60_000,
            _ => 1_000,
        };
        run(&mut s, 1..60, &[100e3, 900e3], waits);
        assert_eq!(s.note(0, SCHOOL, seen(60, 100e3, 0, false)), None);
        assert_eq!(s.note(1, SCHOOL, seen(60, 900e3, 0, false)), None);
    }

    #[test]
    fn addresses_of_others_and_the_silent_do_not_count() {
        let mut s = Siblings::default();
        let elsewhere: Site = "10.0.0.2".parse().unwrap();
        for turn in 1..9 {
            s.note(0, SCHOOL, seen(turn, 100e3, 50_000, true));
            s.note(1, elsewhere, seen(turn, 100e3, 50_000, true));
        }
        assert!(s.note(0, SCHOOL, seen(9, 100e3, 0, false)).is_none());
        // The second moves to the school's line, and says nothing more.
        s.note(1, SCHOOL, seen(9, 100e3, 2_000, false));
        for turn in 11..40 {
            s.note(0, SCHOOL, seen(turn, 100e3, 50_000, true));
        }
        assert!(s.note(0, SCHOOL, seen(20, 100e3, 0, false)).is_none());
        s.leave(0);
        s.leave(1);
        assert!(s.groups.is_empty() && s.sites.is_empty());
    }

    #[test]
    fn too_many_behind_one_address_are_no_school() {
        let mut s = Siblings::default();
        run(&mut s, 1..8, &[100e3, 300e3], |turn, _| if turn % 2 == 0 { 40_000 } else { 2_000 });
        let share = |s: &mut Siblings| s.note(0, SCHOOL, seen(9, 100e3, 0, false));
        assert!(share(&mut s).is_some());
        for peer in 2..=MOST {
            s.note(peer, SCHOOL, seen(9, 1e6, 0, false));
        }
        assert_eq!(share(&mut s), None);
        s.leave(MOST);
        assert!(share(&mut s).is_some());
    }

    #[test]
    fn a_network_of_ipv6_is_one_site() {
        let of = |text: &str| site(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), SCHOOL);
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
