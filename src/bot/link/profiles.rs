//! Links by name: N1–N8, which schools have, and links with one fault each, on which goals stand.
//!
//! Rates, round trips, losses and jitter of N1–N8 are those of the field profiles the project was
//! designed for; a round trip is split evenly, loss and jitter hold in each direction. What the
//! profiles leave open is ours: how long queues are (cheap modems hold much), that bursts are of six
//! packets in the mean, and that jitter keeps the order of packets. N5 blocks UDP; its figures here
//! are those of the TCP path that is left.

use std::time::Duration;

use super::model::{Change, Jitter, LinkConfig, Loss, Queue, Rate};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn s(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// Both directions of a link.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// As commands name it.
    pub name: &'static str,
    pub meaning: &'static str,
    /// Server to client.
    pub down: LinkConfig,
    /// Client to server.
    pub up: LinkConfig,
    /// No datagram gets through; only TCP does.
    pub udp_blocked: bool,
}

impl Profile {
    /// Changes a figure in the named directions.
    pub fn change(&mut self, down: bool, up: bool, change: Change) {
        if down {
            self.down.change(change);
        }
        if up {
            self.up.change(change);
        }
    }
}

/// All of them; the names of the eight links come first.
#[must_use]
pub fn all() -> Vec<Profile> {
    let mut all = schools();
    for (name, share) in [("loss5", 0.05), ("loss10", 0.1), ("loss20", 0.2), ("loss30", 0.3)] {
        all.push(lossy(name, "random loss", Loss::Random(share)));
    }
    for (name, mean) in [("burst5", 0.05), ("burst10", 0.1), ("burst20", 0.2), ("burst30", 0.3)] {
        all.push(lossy(name, "loss in bursts of six packets", Loss::Bursty { mean, burst: 6.0 }));
    }
    all.extend([step(), jitter200(), outage(), thin()]);
    all
}

#[must_use]
pub fn find(name: &str) -> Option<Profile> {
    all().into_iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

/// N1–N8.
#[must_use]
pub fn schools() -> Vec<Profile> {
    let link = |name, meaning, rates, round_trip, loss, jitter, queue| {
        pair(name, meaning, rates, ms(round_trip), loss, Jitter::of(ms(jitter)), Queue::Time(ms(queue)))
    };
    let burst = Loss::Bursty { mean: 0.08, burst: 6.0 };
    let mut n5 = link("N5", "UDP blocked", (4_000, 2_000), 50, Loss::Random(0.01), 20, 300);
    n5.udp_blocked = true;
    let mut n7 = link("N7", "flaky", (6_000, 2_000), 45, Loss::Random(0.01), 30, 300);
    for direction in [&mut n7.down, &mut n7.up] {
        let times = [(s(240), true), (s(270), false), (s(720), true), (s(750), false)];
        direction.schedule = times.map(|(at, out)| (at, Change::Outage(out))).to_vec();
    }
    vec![
        link("N1", "city fibre", (50_000, 50_000), 10, Loss::None, 2, 100),
        link("N2", "township, shared", (8_000, 4_000), 35, Loss::Random(0.005), 15, 200),
        link("N3", "busy rural uplink", (3_000, 1_000), 60, Loss::Random(0.03), 40, 300),
        link("N4", "teaching point", (800, 300), 120, burst, 80, 500),
        n5,
        link("N6", "long distance", (10_000, 4_000), 90, Loss::Random(0.01), 15, 200),
        n7,
        link("N8", "satellite", (2_000, 500), 620, Loss::Random(0.01), 30, 600),
    ]
}

/// 4 Mbit/s → 300 kbit/s → 4 Mbit/s down, in the middle of five minutes. The queue is that of a
/// modem: 48 kB are a tenth of a second before and 1.3 s after the fall.
fn step() -> Profile {
    let mut step = pair(
        "step",
        "4 M → 0.3 M → 4 M",
        (4_000, 1_000),
        ms(40),
        Loss::None,
        Jitter::of(ms(5)),
        Queue::Bytes(48_000),
    );
    step.down.schedule = vec![(s(60), Change::Rate(300_000)), (s(150), Change::Rate(4_000_000))];
    step
}

fn jitter200() -> Profile {
    let jitter = Jitter { spread: ms(200), memory: ms(50), reorders: true };
    let mut link = pair(
        "jitter200",
        "200 ms of jitter, reordering",
        (6_000, 2_000),
        ms(400),
        Loss::None,
        jitter,
        Queue::Time(ms(300)),
    );
    // The fault is on the way to the classroom.
    link.up.jitter = Jitter::of(ms(20));
    link.up.delay = ms(20);
    link
}

/// Nothing for 30 s, after a minute.
fn outage() -> Profile {
    let mut link = pair(
        "outage",
        "30 s of nothing",
        (6_000, 2_000),
        ms(40),
        Loss::None,
        Jitter::of(ms(5)),
        Queue::Time(ms(300)),
    );
    for direction in [&mut link.down, &mut link.up] {
        direction.schedule = vec![(s(60), Change::Outage(true)), (s(90), Change::Outage(false))];
    }
    link
}

/// 300 kbit/s down, 100 up: sound and slides must get through.
fn thin() -> Profile {
    pair(
        "thin",
        "300 k down, 100 k up",
        (300, 100),
        ms(80),
        Loss::None,
        Jitter::of(ms(20)),
        Queue::Time(ms(600)),
    )
}

fn lossy(name: &'static str, meaning: &'static str, loss: Loss) -> Profile {
    pair(name, meaning, (6_000, 2_000), ms(40), loss, Jitter::of(ms(5)), Queue::Time(ms(200)))
}

/// Rates in kbit/s, down and up.
fn pair(
    name: &'static str,
    meaning: &'static str,
    (down, up): (u64, u64),
    round_trip: Duration,
    loss: Loss,
    jitter: Jitter,
    queue: Queue,
) -> Profile {
    let way = |kbps: u64| LinkConfig { jitter, loss, ..limited(kbps * 1_000, queue, round_trip / 2) };
    Profile { name, meaning, down: way(down), up: way(up), udp_blocked: false }
}

/// Only a delay.
#[must_use]
pub fn clean(delay: Duration) -> LinkConfig {
    let jitter = Jitter::of(Duration::ZERO);
    LinkConfig { delay, jitter, loss: Loss::None, rate: None, schedule: Vec::new() }
}

/// Only a delay and a rate in bit/s.
#[must_use]
pub fn limited(bits: u64, queue: Queue, delay: Duration) -> LinkConfig {
    LinkConfig { rate: Some(Rate { bits, queue }), ..clean(delay) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::link::model::Link;

    #[test]
    fn names_are_found_and_stand_once() {
        let all = all();
        assert_eq!(
            all[..8].iter().map(|p| p.name).collect::<Vec<_>>(),
            ["N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8"]
        );
        for p in &all {
            assert_eq!(all.iter().filter(|q| q.name == p.name).count(), 1);
            assert_eq!(find(&p.name.to_lowercase()).as_ref(), Some(p));
            for way in [&p.down, &p.up] {
                assert!(way.schedule.is_sorted_by_key(|(at, _)| *at));
            }
        }
        assert_eq!(find("N9"), None);
    }

    /// The round trip, the loss and the rate of each link are those of its name.
    #[test]
    fn the_links_measure_as_they_are_described() {
        let expected = [
            ("N2", 17.5, 0.005, 8.0),
            ("N3", 30.0, 0.03, 3.0),
            ("N4", 60.0, 0.08, 0.8),
            ("N6", 45.0, 0.01, 10.0),
            ("N8", 310.0, 0.01, 2.0),
        ];
        for (name, delay, loss, mbps) in expected {
            let mut link = Link::new(find(name).unwrap().down, 2);
            // A small packet now and then meets no queue.
            let (mut sum, mut count) = (0.0, 0);
            for n in 0..40_000 {
                let sent = ms(500 * n);
                link.send(sent, 50, ());
                while let Some(at) = link.poll_timeout().filter(|at| *at < sent + ms(500)) {
                    if link.receive(at).is_some() {
                        sum += (at - sent).as_secs_f64() * 1e3;
                        count += 1;
                    }
                }
            }
            let tally = link.tally();
            let mean = sum / f64::from(count);
            // Where jitter is wider than the delay, none comes before it was sent: N3 and N4 are a
            // little slower in the mean.
            assert!(mean > 0.99 * delay && mean < 1.15 * delay + 3.0, "{name}: {mean} ms");
            let lost = tally.lost as f64 / tally.offered as f64;
            assert!((lost - loss).abs() < 0.15 * loss + 0.001, "{name}: {lost}");
            // Too much: what comes is the rate, less what is lost.
            let begin = ms(500 * 40_000);
            for n in 0..200_000u64 {
                link.send(begin + Duration::from_micros(500 * n), 1_172, ());
            }
            let end = begin + s(100);
            while link.receive(end).is_some() {}
            let rate = (link.tally().bytes - tally.bytes) as f64 * 8.0 / 100.0 / 1e6;
            assert!((rate / (mbps * (1.0 - loss)) - 1.0).abs() < 0.03, "{name}: {rate} Mbit/s");
        }
    }
}
