//! A light teacher and light classrooms that come back as pages do: after a broken connection within
//! 0.3 s, doubling to 8 s, jittered; after `bye shutdown` at a random moment of three seconds, with the
//! old media kept until the new one is there.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use zhuandi::bot::load::light::Shared;
use zhuandi::bot::load::swarm::Swarm;
use zhuandi::bot::load::{Plan, connect, rate, shared};
use zhuandi::bot::signal::Signal;
use zhuandi::session::message::{ByeReason, ClientMessage, Role, ServerMessage};

use super::process::Place;
use super::seed;
use crate::harness::PATIENCE;

const LESSON: &str = "math";

/// When a connection was begun, and its place in the swarm.
type Tries = Arc<Mutex<Vec<(Instant, usize)>>>;

pub struct People {
    swarm: Arc<Swarm>,
    classrooms: Vec<Tries>,
    tasks: JoinSet<()>,
    end: watch::Sender<bool>,
}

impl People {
    /// A teacher and so many classrooms, who all have media when this returns.
    pub async fn join(place: &Place, classrooms: usize) -> Self {
        let swarm = Arc::new(Swarm::start("people").unwrap());
        let (end, ending) = watch::channel(false);
        let mut this = Self { swarm, classrooms: Vec::new(), tasks: JoinSet::new(), end };
        let shared = shared().unwrap();
        for n in 0..=classrooms {
            let tries = Tries::default();
            if n > 0 {
                this.classrooms.push(Arc::clone(&tries));
            }
            let person = Person {
                plan: plan(place),
                token: if n == 0 {
                    place.token(LESSON, Role::Lead, "lead")
                } else {
                    place.token(LESSON, Role::Receiver, &format!("c{n}"))
                },
                leads: n == 0,
                shared: shared.clone(),
                swarm: Arc::clone(&this.swarm),
                tries,
                random: seed().wrapping_mul(1_000_003).wrapping_add(n as u64 + 1),
            };
            this.tasks.spawn(person.live(ending.clone()));
            sleep(Duration::from_millis(20)).await;
        }
        this.all_back(Instant::now() - PATIENCE).await;
        this
    }

    /// For each classroom, how long after `since` it had the first packet of a connection that was
    /// begun after it; waits until all have one.
    pub async fn all_back(&self, since: Instant) -> Vec<f64> {
        let waited = Instant::now();
        loop {
            let back: Vec<_> = self.classrooms.iter().filter_map(|c| self.back(c, since)).collect();
            if back.len() == self.classrooms.len() {
                return back;
            }
            assert!(waited.elapsed() < PATIENCE, "{} of {} are back", back.len(), self.classrooms.len());
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn back(&self, classroom: &Tries, since: Instant) -> Option<f64> {
        let figures = self.swarm.figures();
        let tries = classroom.lock().unwrap();
        let times = tries.iter().filter(|(began, _)| *began >= since).filter_map(|(began, at)| {
            let first = figures.get(*at)?.first_packet?;
            Some((*began + first - since).as_secs_f64())
        });
        times.min_by(f64::total_cmp)
    }

    /// The longest time without a packet, of each classroom, until `done` is; looked at every 20 ms.
    pub async fn gaps_while<T>(&self, done: impl Future<Output = T>) -> (T, Vec<f64>) {
        tokio::pin!(done);
        let mut seen = vec![(0, Instant::now(), 0.0_f64); self.classrooms.len()];
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                out = &mut done => return (out, seen.into_iter().map(|s| s.2).collect()),
                _ = look.tick() => {
                    let figures = self.swarm.figures();
                    for (classroom, (count, at, longest)) in self.classrooms.iter().zip(&mut seen) {
                        let tries = classroom.lock().unwrap();
                        let all = tries.iter().filter_map(|(_, n)| figures.get(*n));
                        let now: u64 = all.map(|f| f.counts.packets).sum();
                        if now != *count {
                            (*count, *at) = (now, Instant::now());
                        }
                        *longest = longest.max(at.elapsed().as_secs_f64());
                    }
                }
            }
        }
    }

    /// Everybody leaves.
    pub async fn leave(mut self) {
        let _ = self.end.send(true);
        while self.tasks.join_next().await.is_some() {}
    }
}

pub fn plan(place: &Place) -> Plan {
    Plan {
        url: format!("ws://{}/ws", place.http),
        classrooms: 1,
        viewers: false,
        joins: 1.0,
        duration: Duration::ZERO,
        teach: None,
        pid: None,
        churn: None,
        hostile: None,
        tcp: false,
    }
}

struct Person {
    plan: Plan,
    token: String,
    leads: bool,
    shared: Shared,
    swarm: Arc<Swarm>,
    tries: Tries,
    random: u64,
}

/// Why a connection is over.
enum Over {
    Moved,
    Lost,
    Ending,
}

impl Person {
    async fn live(mut self, mut ending: watch::Receiver<bool>) {
        let (mut attempt, mut before) = (0_i32, None);
        loop {
            let began = Instant::now();
            let publish = self.leads.then(|| rate(300));
            let joined = connect(&self.plan, &self.token, &self.shared, &self.swarm, publish);
            let over = match timeout(Duration::from_secs(8), joined).await {
                Ok(Ok((signal, at))) => {
                    attempt = 0;
                    self.tries.lock().unwrap().push((began, at));
                    let over = self.stay(signal, at, before.replace(at), &mut ending).await;
                    if let Over::Ending = over {
                        return self.swarm.remove(at);
                    }
                    over
                }
                _ => Over::Lost,
            };
            let random = self.random();
            let wait = match over {
                Over::Moved => 3.0 * random,
                _ => (0.3 * 2_f64.powi(attempt)).min(8.0) * (0.7 + 0.6 * random),
            };
            attempt += 1;
            tokio::select! {
                () = sleep(Duration::from_secs_f64(wait)) => {}
                _ = ending.changed() => return,
            }
        }
    }

    /// Reads and pings; the media of the connection before ends when this one's is there.
    async fn stay(
        &self,
        mut signal: Signal,
        at: usize,
        mut before: Option<usize>,
        ending: &mut watch::Receiver<bool>,
    ) -> Over {
        let mut look = tokio::time::interval(Duration::from_millis(50));
        let mut pinged = Instant::now();
        loop {
            tokio::select! {
                _ = ending.changed() => {
                    let _ = signal.send(&ClientMessage::Leave).await;
                    return Over::Ending;
                }
                message = signal.next() => match message {
                    Ok(ServerMessage::Bye { reason: ByeReason::Shutdown }) => return Over::Moved,
                    Ok(_) => {}
                    Err(_) => return Over::Lost,
                },
                _ = look.tick() => {
                    let connected = self.swarm.figures().get(at).is_some_and(|f| f.connected.is_some());
                    if connected && let Some(before) = before.take() {
                        self.swarm.remove(before);
                    }
                    if pinged.elapsed() > Duration::from_secs(10) {
                        pinged = Instant::now();
                        if signal.send(&ClientMessage::Ping { sent: 0.0 }).await.is_err() {
                            return Over::Lost;
                        }
                    }
                }
            }
        }
    }

    /// 0–1 (splitmix64).
    fn random(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}
