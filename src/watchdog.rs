//! Ends a process that is alive and does nothing, so that its supervisor starts another.
//!
//! Whatever has to turn (each media thread, the async runtime) counts its turns. One thread looks
//! every `LOOK`; who has not turned for the configured number of looks in a row is stuck. Looks are
//! counted, not time: after a pause of the whole process (a suspended machine) nobody is blamed.
//! systemd is told that all is well (`WATCHDOG=1`) by the same thread, so it also notices when even
//! this one hangs.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sd_notify::NotifyState;

/// How often it is looked.
pub const LOOK: Duration = Duration::from_millis(500);
/// Looks without a turn after which something is told to be stuck (`/readyz`).
const SLOW: u32 = 4;
/// EX_SOFTWARE of sysexits(3).
const EXIT: i32 = 70;

/// Something that has to turn.
pub struct Watched {
    pub name: String,
    pub turns: Arc<AtomicU64>,
}

/// The thread that looks; ends when this is dropped.
pub struct Watchdog {
    stop: Arc<AtomicBool>,
    /// The longest that anything has not turned, in looks.
    worst: Arc<AtomicU32>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Watchdog {
    /// `looks`: so many in a row without a turn are too many; 0: nobody is ever stuck. `on_stuck` gets
    /// the name of who is.
    pub fn start(
        watched: Vec<Watched>,
        looks: u32,
        every: Duration,
        on_stuck: impl Fn(&str) + Send + 'static,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let worst = Arc::new(AtomicU32::new(0));
        let (stopped, told) = (Arc::clone(&stop), Arc::clone(&worst));
        let run = move || {
            let mut all: Vec<Standing> = watched.into_iter().map(Standing::new).collect();
            while !stopped.load(Ordering::Relaxed) {
                std::thread::park_timeout(every);
                let longest = all.iter_mut().map(Standing::look).max().unwrap_or(0);
                told.store(longest, Ordering::Relaxed);
                if longest < SLOW {
                    // Without systemd there is nobody to be told.
                    let _ = sd_notify::notify(&[NotifyState::Watchdog]);
                }
                if looks > 0
                    && longest >= looks
                    && let Some(stuck) = all.iter_mut().find(|s| s.looks == longest)
                {
                    on_stuck(&stuck.watched.name);
                    stuck.looks = 0;
                }
            }
        };
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(run)?;
        Ok(Self { stop, worst, thread: Mutex::new(Some(thread)) })
    }

    /// Whether something does not turn now.
    #[must_use]
    pub fn sees_trouble(&self) -> bool {
        self.worst.load(Ordering::Relaxed) >= SLOW
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// What becomes of a process in which something is stuck.
pub fn end_process(name: &str) {
    let name = name.to_owned();
    // Writing the log may be what everybody waits for.
    std::thread::spawn(
        move || tracing::error!(thread = %name, "it does not turn any more; the process ends"),
    );
    std::thread::sleep(Duration::from_millis(300));
    std::process::exit(EXIT);
}

struct Standing {
    watched: Watched,
    last: u64,
    /// In a row, without a turn.
    looks: u32,
}

impl Standing {
    fn new(watched: Watched) -> Self {
        Self { watched, last: 0, looks: 0 }
    }

    fn look(&mut self) -> u32 {
        let now = self.watched.turns.load(Ordering::Relaxed);
        self.looks = if now == self.last { self.looks.saturating_add(1) } else { 0 };
        self.last = now;
        self.looks
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn who_does_not_turn_is_named_and_who_turns_is_not() {
        let (tell, told) = mpsc::channel();
        let (good, bad) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(1)));
        let watched =
            |name: &str, turns: &Arc<AtomicU64>| Watched { name: name.into(), turns: turns.clone() };
        let all = vec![watched("good", &good), watched("bad", &bad)];
        let ended = Arc::new(AtomicBool::new(false));
        let turning = std::thread::spawn({
            let ended = ended.clone();
            move || {
                while !ended.load(Ordering::Relaxed) {
                    good.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        let every = Duration::from_millis(50);
        let dog = Watchdog::start(all, 6, every, move |name| {
            let _ = tell.send(name.to_owned());
        })
        .unwrap();
        assert!(told.try_recv().is_err() && !dog.sees_trouble());
        assert_eq!(told.recv_timeout(Duration::from_secs(20)).unwrap(), "bad");
        assert!(dog.sees_trouble());
        bad.fetch_add(1, Ordering::Relaxed);
        drop(dog);
        ended.store(true, Ordering::Relaxed);
        turning.join().unwrap();
        assert!(!told.try_iter().any(|name| name == "good"));
    }

    #[test]
    fn nobody_is_stuck_where_that_is_switched_off() {
        let turns = Arc::new(AtomicU64::new(0));
        let (tell, told) = mpsc::channel();
        let dog = Watchdog::start(
            vec![Watched { name: "x".into(), turns }],
            0,
            Duration::from_millis(1),
            move |name| {
                let _ = tell.send(name.to_owned());
            },
        )
        .unwrap();
        assert!(told.recv_timeout(Duration::from_millis(100)).is_err());
        assert!(dog.sees_trouble(), "it is told all the same");
    }
}
