//! The fault suite: what QUALITY promises, done to a real process and measured beside its goal.
//!
//! `make faults` runs the long ones (`#[ignore]`), one after the other; each prints a JSON line
//! `{fault, seed, measured, goal, pass}` and appends it to `target/figures/faults.jsonl`. Short variants
//! of them are ordinary tests here and in `tests/it` (`memory`, `slow`, `shutdown`); those assert what
//! holds on any machine and time nothing.
//!
//! `process` is the server under its supervisor, `people` are classrooms that come back by themselves.

mod attendance;
mod clock;
mod descriptors;
mod disk;
mod kill;
mod locked;
mod people;
mod process;
mod slow;
mod upgrade;

use std::io::Write;

use serde_json::{Value, json};

/// `FAULT_SEED`, by which the classrooms' pauses are drawn.
fn seed() -> u64 {
    std::env::var("FAULT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1)
}

/// `FAULT_ROUNDS`, or so many.
fn rounds(usual: u32) -> u32 {
    std::env::var("FAULT_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(usual)
}

/// Tells one line of the table. Gives whether it passed, for the test to assert at its end.
fn tell(fault: &str, measured: Value, goal: &str, pass: bool) -> bool {
    let line = json!({ "fault": fault, "seed": seed(), "measured": measured, "goal": goal, "pass": pass });
    println!("{line}");
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/figures");
    std::fs::create_dir_all(&dir).unwrap();
    let mut file =
        std::fs::OpenOptions::new().create(true).append(true).open(dir.join("faults.jsonl")).unwrap();
    writeln!(file, "{line}").unwrap();
    pass
}

/// Seconds with two decimals, for the table.
fn rounded(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

/// The value that so much of them are not above (nearest rank).
fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
