use std::time::Duration;

use super::*;
use crate::bot::link::profiles::{clean, limited};

const MS: fn(u64) -> Duration = Duration::from_millis;
/// So that a packet is 1000 bytes on the link.
const SIZE: usize = 1000 - HEADERS;

/// Sends `count` packets, one each `every`; returns (number, sent, received) of those that came.
fn run(
    config: LinkConfig,
    seed: u64,
    count: u64,
    every: Duration,
) -> (Vec<(u64, Duration, Duration)>, Tally) {
    let mut link = Link::new(config, seed);
    let mut came = Vec::new();
    let mut sent = 0;
    loop {
        let send = (sent < count).then(|| every * sent as u32);
        let Some(now) = link.poll_timeout().into_iter().chain(send).min() else {
            return (came, link.tally());
        };
        while let Some((n, at)) = link.receive(now) {
            came.push((n, at, now));
        }
        if send == Some(now) {
            link.send(now, SIZE, (sent, now));
            sent += 1;
        }
    }
}

#[test]
fn a_clean_link_only_delays() {
    let (came, tally) = run(clean(MS(30)), 1, 100, MS(1));
    assert_eq!(tally.delivered, 100);
    for (n, (number, sent, at)) in came.into_iter().enumerate() {
        assert_eq!((number, at - sent), (n as u64, MS(30)));
    }
}

#[test]
fn the_rate_is_kept_and_the_queue_holds_what_it_may() {
    // 1 Mbit/s: a packet takes 8 ms; offered is double that.
    let (came, tally) = run(limited(1_000_000, Queue::Time(MS(400)), MS(10)), 1, 2_000, MS(4));
    let last = came.last().unwrap();
    let rate = tally.bytes as f64 * 8.0 / (last.2 - MS(10)).as_secs_f64();
    assert!((rate / 1e6 - 1.0).abs() < 0.01, "{rate}");
    // 400 ms are 50 packets: a full queue makes the last of them wait for 49 and take its own time.
    let longest = came.iter().map(|(_, sent, at)| *at - *sent).max().unwrap();
    assert!(longest > MS(390) && longest <= MS(410), "{longest:?}");
    // Eight seconds at the rate, and what the queue still holds then.
    assert!((1_045..=1_051).contains(&tally.delivered), "{tally:?}");
    assert_eq!(tally.delivered + tally.overflowed, 2_000);
}

#[test]
fn a_new_rate_holds_for_what_already_waits() {
    let mut link = Link::new(limited(1_000_000, Queue::Bytes(100_000), Duration::ZERO), 1);
    for n in 0..10 {
        assert_eq!(link.send(Duration::ZERO, SIZE, n), Fate::Taken);
    }
    assert_eq!(link.queueing(), MS(80));
    // Half of the first packet is out.
    link.set(MS(4), Change::Rate(100_000));
    assert_eq!(link.queueing(), MS(760));
    assert_eq!(link.receive(MS(43)), None);
    assert_eq!(link.receive(MS(44)), Some(0));
    link.set(MS(44), Change::Rate(8_000_000));
    assert_eq!(link.poll_timeout(), Some(MS(45)));
    assert_eq!(link.receive(MS(53)), Some(1));
    assert_eq!((2..10).filter_map(|_| link.receive(MS(53))).collect::<Vec<_>>(), (2..10).collect::<Vec<_>>());
}

#[test]
fn losses_are_those_of_the_weather_and_take_their_time_on_the_link() {
    let lossy = |loss| LinkConfig { loss, ..limited(1_000_000, Queue::Bytes(1 << 20), Duration::ZERO) };
    for loss in [Loss::Random(0.1), Loss::Bursty { mean: 0.1, burst: 6.0 }] {
        let (came, tally) = run(lossy(loss), 9, 20_000, MS(8));
        let share = tally.lost as f64 / tally.offered as f64;
        assert!((share - 0.1).abs() < 0.015, "{share}");
        assert_eq!(tally.lost + tally.delivered, 20_000);
        assert!(came.iter().all(|(_, sent, at)| *at - *sent == MS(8)));
    }
}

#[test]
fn jitter_overtakes_only_where_it_may() {
    let of = |reorders| LinkConfig {
        jitter: Jitter { spread: MS(200), memory: MS(50), reorders },
        ..clean(MS(200))
    };
    let overtakers = |reorders| {
        let (came, tally) = run(of(reorders), 4, 5_000, MS(10));
        assert_eq!(tally.delivered, 5_000);
        let late = came.iter().map(|(_, sent, at)| *at - *sent);
        assert!(late.clone().max().unwrap() <= MS(400) && late.max().unwrap() > MS(390));
        came.windows(2).filter(|w| w[1].0 < w[0].0).count()
    };
    assert_eq!(overtakers(false), 0);
    assert!(overtakers(true) > 500);
}

#[test]
fn outages_and_changes_come_by_schedule_and_are_over_again() {
    let schedule = vec![
        (MS(1_000), Change::Outage(true)),
        (MS(2_000), Change::Outage(false)),
        (MS(3_000), Change::Delay(MS(70))),
        (MS(4_000), Change::Loss(Loss::Random(1.0))),
    ];
    let (came, tally) = run(LinkConfig { schedule, ..clean(MS(20)) }, 1, 500, MS(10));
    let numbers = |from: u64, to: u64| came.iter().filter(|c| (from..to).contains(&c.0)).count();
    assert_eq!((numbers(0, 100), numbers(100, 200), numbers(200, 400), numbers(400, 500)), (100, 0, 200, 0));
    assert_eq!(tally.lost, 200);
    let delay = |n: u64| came.iter().find(|c| c.0 == n).map(|c| c.2 - c.1);
    assert_eq!((delay(299), delay(300)), (Some(MS(20)), Some(MS(70))));
}

#[test]
fn one_seed_is_one_run() {
    let config = LinkConfig {
        jitter: Jitter::of(MS(40)),
        loss: Loss::Bursty { mean: 0.08, burst: 4.0 },
        ..limited(800_000, Queue::Time(MS(300)), MS(60))
    };
    let once = run(config.clone(), 11, 2_000, MS(9));
    assert_eq!(once, run(config.clone(), 11, 2_000, MS(9)));
    assert_ne!(once.0, run(config, 12, 2_000, MS(9)).0);
}
