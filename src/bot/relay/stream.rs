//! The same link for TCP: bytes come late, never wrong and never out of order.
//!
//! What a datagram would have lost, TCP sends again: those bytes come after a round trip, 200 ms at
//! least (RFC 6298's timers as they are built), and all behind them wait. A full queue slows the sender
//! down instead of dropping: nothing is read while more waits than the queue holds. During an outage
//! everything waits. Each connection has a link of its own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::bot::link::model::{Change, HEADERS, LinkConfig, Queue};
use crate::bot::link::profiles::Profile;
use crate::bot::link::weather::Weather;

/// Bytes that travel together: a segment.
const SEGMENT: usize = 1_400;
/// The least time after which a lost segment is sent again.
const AGAIN: Duration = Duration::from_millis(200);
/// How soon a connection notices that an outage is over.
const LOOK: Duration = Duration::from_millis(20);
/// Segments under way at most; a long link at 50 Mbit/s has fewer.
const FLIGHT: usize = 4_096;

/// One direction of a connection.
struct Way {
    config: LinkConfig,
    weather: Weather,
    /// When the link is free, and when the last bytes came out.
    free: Duration,
    last: Duration,
    out: bool,
    next_change: usize,
}

impl Way {
    fn new(config: LinkConfig, seed: u64) -> Self {
        let (free, last) = (Duration::ZERO, Duration::ZERO);
        Self { config, weather: Weather::new(seed), free, last, out: false, next_change: 0 }
    }

    /// When bytes come out that are offered at `now`.
    fn due(&mut self, now: Duration, size: usize) -> Duration {
        let bits = (size + HEADERS) as f64 * 8.0;
        let takes = self.config.rate.map_or(0.0, |rate| bits / rate.bits as f64);
        self.free = self.free.max(now) + Duration::from_secs_f64(takes);
        let mut delay = self.config.delay;
        // Ten times would be a link on which nothing is of use.
        for _ in 0..10 {
            if !self.weather.loses(self.config.loss) {
                break;
            }
            delay += (2 * self.config.delay).max(AGAIN);
        }
        let wander = self.weather.wander(self.config.jitter, self.free);
        let at = self.free + Duration::from_secs_f64((delay.as_secs_f64() + wander).max(0.0));
        self.last = self.last.max(at);
        self.last
    }

    /// How long to wait before more is read.
    fn full_for(&self, now: Duration) -> Duration {
        let Some(rate) = self.config.rate else {
            return Duration::ZERO;
        };
        let holds = match rate.queue {
            Queue::Time(time) => time,
            Queue::Bytes(bytes) => Duration::from_secs_f64(bytes as f64 * 8.0 / rate.bits as f64),
        };
        self.free.saturating_sub(now).saturating_sub(holds)
    }

    fn is_out(&mut self, now: Duration) -> bool {
        while let Some((_, change)) = self.config.schedule.get(self.next_change).filter(|(at, _)| *at <= now)
        {
            self.next_change += 1;
            self.change(*change);
        }
        self.out
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Outage(out) => self.out = out,
            other => self.config.change(other),
        }
    }
}

/// All TCP connections of a relay.
#[derive(Clone)]
pub struct Streams {
    inner: Arc<Mutex<Inner>>,
    begin: Instant,
}

struct Inner {
    profile: Profile,
    seed: u64,
    /// (down, up) of each connection that may still run.
    ways: Vec<(Held, Held)>,
}

/// A direction that its connection owns.
type Held = Weak<Mutex<Way>>;

/// A poisoned lock only means that another connection's task panicked; the figures are whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Streams {
    #[must_use]
    pub fn new(profile: Profile, seed: u64, begin: Instant) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { profile, seed, ways: Vec::new() })), begin }
    }

    /// Takes connections and carries each to `server`, until it is dropped.
    pub async fn run(self, listener: TcpListener, server: SocketAddr) {
        loop {
            if let Ok((client, _)) = listener.accept().await {
                tokio::spawn(self.clone().carry(client, server));
            }
        }
    }

    /// Changes all links, and those of connections that come later.
    pub fn change(&self, down: bool, up: bool, change: Change) {
        let mut inner = lock(&self.inner);
        inner.profile.change(down, up, change);
        for (a, b) in &inner.ways {
            let chosen = [a.upgrade().filter(|_| down), b.upgrade().filter(|_| up)];
            chosen.into_iter().flatten().for_each(|way| lock(&way).change(change));
        }
    }

    /// Connections that come later have this link.
    pub fn become_another(&self, profile: Profile) {
        lock(&self.inner).profile = profile;
    }

    async fn carry(self, client: TcpStream, server: SocketAddr) {
        let Ok(server) = TcpStream::connect(server).await else {
            return;
        };
        for socket in [&client, &server] {
            let _ = socket.set_nodelay(true);
        }
        let (down, up) = self.add();
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        // Each direction ends by itself, as half-closed connections do.
        tokio::join!(
            pump(from_client, to_server, up, self.begin),
            pump(from_server, to_client, down, self.begin)
        );
    }

    fn add(&self) -> (Arc<Mutex<Way>>, Arc<Mutex<Way>>) {
        let mut inner = lock(&self.inner);
        inner.ways.retain(|(down, _)| down.strong_count() > 0);
        inner.seed += 2;
        let way = |config: &LinkConfig, seed| Arc::new(Mutex::new(Way::new(config.clone(), seed)));
        let (down, up) = (way(&inner.profile.down, inner.seed), way(&inner.profile.up, inner.seed + 1));
        inner.ways.push((Arc::downgrade(&down), Arc::downgrade(&up)));
        (down, up)
    }
}

/// Carries one direction until its sender has ended and everything is there.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Arc<Mutex<Way>>,
    begin: Instant,
) {
    let (sender, mut receiver) = mpsc::channel::<(Duration, Vec<u8>)>(FLIGHT);
    let reading = async {
        let mut buffer = vec![0; SEGMENT];
        loop {
            let wait = lock(&way).full_for(begin.elapsed());
            if !wait.is_zero() {
                sleep(wait).await;
            }
            let Ok(length @ 1..) = from.read(&mut buffer).await else {
                break;
            };
            let due = lock(&way).due(begin.elapsed(), length);
            if sender.send((due, buffer[..length].to_vec())).await.is_err() {
                break;
            }
        }
        drop(sender);
    };
    let writing = async {
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(begin + due).await;
            while lock(&way).is_out(begin.elapsed()) {
                sleep(LOOK).await;
            }
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::link::model::Loss;
    use crate::bot::link::profiles::{clean, find, limited};

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn bytes_keep_their_order_and_the_rate() {
        let config = LinkConfig {
            jitter: crate::bot::link::model::Jitter::of(MS(30)),
            loss: Loss::Random(0.05),
            ..limited(1_000_000, Queue::Time(MS(200)), MS(40))
        };
        let mut way = Way::new(config, 3);
        let (mut now, mut before) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..2_000 {
            now += way.full_for(now);
            let due = way.due(now, 1_000 - HEADERS);
            assert!(due >= before && due >= now);
            before = due;
        }
        // 2000 segments of 8 ms, and what the last one took on its way.
        assert!((MS(16_000)..MS(16_600)).contains(&before), "{before:?}");
        assert!(now > MS(15_500), "the sender was slowed down: {now:?}");
    }

    #[test]
    fn a_lost_segment_holds_up_those_behind_it() {
        let mut way = Way::new(LinkConfig { loss: Loss::Random(0.2), ..clean(MS(20)) }, 1);
        let dues: Vec<Duration> = (0..500).map(|n| way.due(MS(10 * n), 100) - MS(10 * n)).collect();
        assert!(dues.contains(&MS(20)));
        assert!(dues.iter().any(|d| *d >= MS(220)), "sent again after 200 ms");
        assert!(dues.windows(2).all(|w| w[1] + MS(10) >= w[0]), "in order");
    }

    #[test]
    fn outages_come_by_schedule_and_by_order() {
        let schedule = vec![(MS(100), Change::Outage(true)), (MS(200), Change::Outage(false))];
        let mut way = Way::new(LinkConfig { schedule, ..clean(MS(1)) }, 1);
        assert_eq!([50, 150, 250].map(|at| way.is_out(MS(at))), [false, true, false]);
        way.change(Change::Outage(true));
        assert!(way.is_out(MS(300)));
    }

    #[tokio::test]
    async fn what_is_sent_arrives_whole_and_the_end_too() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (to, at) = (server.local_addr().unwrap(), front.local_addr().unwrap());
        let profile = Profile { down: clean(MS(3)), up: clean(MS(3)), ..find("N5").unwrap() };
        tokio::spawn(Streams::new(profile, 1, Instant::now()).run(front, to));
        let echo = tokio::spawn(async move {
            let (mut socket, _) = server.accept().await.unwrap();
            let mut all = Vec::new();
            socket.read_to_end(&mut all).await.unwrap();
            socket.write_all(&all).await.unwrap();
        });
        let mut client = TcpStream::connect(at).await.unwrap();
        let text: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        client.write_all(&text).await.unwrap();
        client.shutdown().await.unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.unwrap();
        echo.await.unwrap();
        assert_eq!(back, text);
    }
}
