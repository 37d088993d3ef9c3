//! Runs the targets on the corpus and on seeded mutations of it.
//!
//! `FUZZ_ROUNDS=n` multiplies the mutations by n, `FUZZ_SEED` takes others. An input that breaks a
//! promise is written to the corpus as `crash-…`, where it stays as a test.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::fuzz::mutate::Random;
use crate::fuzz::{Target, target};

fn folder(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "corpus", name].iter().collect()
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder(name)).unwrap().map(|f| f.unwrap().path());
    let mut all: Vec<_> = files
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&p).unwrap()))
        .collect();
    all.sort();
    all
}

fn from_env(name: &str) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(1)
}

fn run(target: &Target, input: &[u8], what: &str) -> Duration {
    let started = Instant::now();
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        let sum = input.iter().fold(0u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
        let path = folder(target.name).join(format!("crash-{sum:016x}"));
        fs::write(&path, input).unwrap();
        panic!("{what} broke {}: see {}", target.name, path.display());
    }
    started.elapsed()
}

fn fuzz(name: &str) {
    let target = target(name).unwrap();
    let corpus = corpus(name);
    assert!(!corpus.is_empty());
    let mut slowest = (Duration::ZERO, String::new());
    for (file, input) in &corpus {
        let took = run(target, input, file);
        slowest = slowest.max((took, file.clone()));
    }
    let mut random = Random::new(from_env("FUZZ_SEED"));
    let rounds = target.rounds as u64 * from_env("FUZZ_ROUNDS");
    for round in 0..rounds {
        let (file, input) = random.pick(&corpus).clone();
        let other = random.pick(&corpus).1.clone();
        let input = random.mutate(&input, &other, target.longest);
        let took = run(target, &input, &format!("round {round} from {file}"));
        slowest = slowest.max((took, format!("round {round} from {file}")));
    }
    println!("{name}: {} files, {rounds} mutations, slowest {:?} ({})", corpus.len(), slowest.0, slowest.1);
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                fuzz(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_run() {
            assert_eq!([$(stringify!($name)),*], crate::fuzz::TARGETS.map(|t| t.name));
        }
    };
}

targets! { demux stream hello rtp codec rtcp sdp fragment frames message token claims connected }
