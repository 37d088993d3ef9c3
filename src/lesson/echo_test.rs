//! The guard over made-up classrooms, all of seeds that it was not made with; and what it costs.

use std::io::Write as _;
use std::time::{Duration, Instant};

use super::*;
use crate::lesson::echo_cases::{Case, ECHOES, INNOCENT, Kind, case};

/// Seeds of the report. `Peak::weight` was made with 1000–1079, and the limits were chosen with 2000–2059.
const FIRST: u64 = 5000;
const CASES: u64 = 40;
/// A quarter of a second, as the shard tells levels.
const EVERY: usize = 13;

/// When the ear says so, in steps since the microphone was opened; and how long the looks took.
fn found(case: &Case) -> (Option<usize>, Duration, u32) {
    let mut ear = EchoEar::default();
    let (mut spent, mut looks) = (Duration::ZERO, 0);
    for now in (EVERY..=case.own.len()).step_by(EVERY) {
        let before = HISTORY.saturating_sub(now);
        let newest = now.saturating_sub(HISTORY)..now;
        let own = [vec![UNKNOWN; before], case.own[newest.clone()].to_vec()].concat();
        let sent = [vec![127; before], case.sent[newest].to_vec()].concat();
        // What was sent is told at other moments than what came.
        let late = now / EVERY * 5 % EVERY;
        let began = Instant::now();
        let is = ear.look(Curves { sent: &sent, own: &own, late, rtt_ms: case.rtt_ms });
        spent += began.elapsed();
        looks += 1;
        if is {
            return (Some(now), spent, looks);
        }
    }
    (None, spent, looks)
}

#[derive(Default)]
struct Count {
    cases: usize,
    found: usize,
    /// Seconds, of those that were found.
    times: Vec<f64>,
}

impl Count {
    fn percent(&self) -> f64 {
        100.0 * self.found as f64 / self.cases as f64
    }

    fn median(&mut self) -> f64 {
        self.times.sort_unstable_by(f64::total_cmp);
        self.times.get(self.times.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

#[test]
fn echoes_are_found_and_others_are_let_be() {
    let mut figures = Vec::new();
    let (mut spent, mut looks) = (Duration::ZERO, 0);
    let mut echoes = Count::default();
    for kind in ECHOES {
        let mut count = Count::default();
        for seed in FIRST..FIRST + CASES {
            let case = case(kind, seed, 12);
            let (at, time, n) = found(&case);
            (spent, looks) = (spent + time, looks + n);
            count.cases += 1;
            if let Some(at) = at {
                // While its own people speak nobody may cut them off.
                let seconds = case.talks[..at].iter().filter(|t| !**t).count() as f64 / 50.0;
                count.times.push(seconds);
                count.found += usize::from(seconds <= 3.0);
            }
        }
        figures.push((format!("echo guard: {kind:?} found within 3 s"), count.percent(), "%", None));
        echoes.cases += count.cases;
        echoes.found += count.found;
        echoes.times.extend(count.times);
    }
    let (mut all, mut own) = (Count::default(), Count::default());
    for kind in INNOCENT {
        let mut count = Count::default();
        for seed in FIRST..FIRST + CASES {
            let (at, time, n) = found(&case(kind, seed, 30));
            (spent, looks) = (spent + time, looks + n);
            count.cases += 1;
            count.found += usize::from(at.is_some());
        }
        figures.push((format!("echo guard: {kind:?} muted in a turn of 30 s"), count.percent(), "%", None));
        for sum in [Some(&mut all), (!FOLLOWS.contains(&kind)).then_some(&mut own)].into_iter().flatten() {
            sum.cases += count.cases;
            sum.found += count.found;
        }
    }
    figures.push(("echo guard: echoes found within 3 s".into(), echoes.percent(), "%", Some(">= 95")));
    figures.push(("echo guard: time until found, median".into(), echoes.median(), "s", Some("<= 3")));
    figures.push(("echo guard: others muted in a turn of 30 s".into(), all.percent(), "%", Some("<= 1")));
    figures.push((
        "echo guard: the same without people who follow a voice and programmes".into(),
        own.percent(),
        "%",
        Some("<= 1"),
    ));
    let micros = spent.as_secs_f64() * 1e6 / f64::from(looks);
    figures.push(("echo guard: CPU of a second of one open classroom".into(), 4.0 * micros, "us", None));
    record(&figures);
    assert!(echoes.percent() >= LEAST_FOUND, "{:.1} %", echoes.percent());
    assert!(all.percent() <= MOST_FALSE, "{:.1} %", all.percent());
    assert!(own.percent() <= 1.0, "{:.1} %", own.percent());
}

/// What a curve can hardly tell from an echo, or cannot.
const FOLLOWS: [Kind; 3] = [Kind::ReadingAlong, Kind::Choir, Kind::Programme];
/// What was reached, and must not be lost.
const LEAST_FOUND: f64 = 85.0;
const MOST_FALSE: f64 = 5.0;

#[test]
fn nothing_is_found_in_nothing() {
    let mut ear = EchoEar::default();
    for (sent, own) in [(127, 127), (30, 30), (127, 30), (30, UNKNOWN)] {
        let (sent, own) = (vec![sent; HISTORY], vec![own; HISTORY]);
        for late in [0, 5, HISTORY, HISTORY + 5] {
            for rtt_ms in [0, 60, 500, 100_000] {
                assert!(!ear.look(Curves { sent: &sent, own: &own, late, rtt_ms }));
            }
        }
    }
    let lively: Vec<u8> = (0..HISTORY).map(|n| if n % 17 < 6 { 30 } else { 70 }).collect();
    for length in 0..HISTORY {
        for late in [0, 9, length] {
            let curves = Curves { sent: &lively[..length], own: &lively[..length], late, rtt_ms: 40 };
            assert!(!ear.look(curves), "the same at once is no echo");
        }
    }
}

type Figure = (String, f64, &'static str, Option<&'static str>);

/// One JSON line each to target/figures/echo.jsonl, and printed.
fn record(figures: &[Figure]) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/figures");
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = std::fs::File::create(folder.join("echo.jsonl")).unwrap();
    for (name, measured, unit, goal) in figures {
        let measured = (measured * 100.0).round() / 100.0;
        let pass = goal.map(|goal| match goal.split_at(3) {
            (">= ", limit) => measured >= limit.parse().unwrap(),
            (_, limit) => measured <= limit.parse().unwrap(),
        });
        let line = serde_json::json!({
            "name": name, "measured": measured, "unit": unit, "goal": goal, "pass": pass,
            "seeds": [FIRST, FIRST + CASES - 1],
        });
        println!("{line}");
        writeln!(file, "{line}").unwrap();
    }
}
