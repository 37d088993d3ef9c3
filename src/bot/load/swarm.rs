//! Many light clients on one thread: a socket or connection each (`wire`), one wait for all.
//!
//! The thread only moves datagrams and time; what clients do is in `light`. New clients come by a
//! channel and may leave again; figures are read by last value and stay when a client has left.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use crate::bot::load::light::{Counts, Light};
use crate::bot::load::wire::Wire;

const TICK: Duration = Duration::from_millis(20);
/// Above any datagram. One at a time, as browsers read: taking several at once (GRO) would spare the
/// server the kernel's work of cutting them apart, which on a real network it has to pay.
const BUFFER: usize = 2048;

/// What a publisher sends.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Pictures per second.
    pub pictures: u32,
    /// Packets in each.
    pub packets: usize,
    /// Payload bytes in each packet.
    pub size: usize,
    /// A key frame every so many pictures, at least.
    pub group: u32,
}

/// A client and what it sends, if anything.
pub struct Member {
    pub light: Light,
    pub publish: Option<Rate>,
}

/// Figures of one client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub counts: Counts,
    pub connected: Option<Duration>,
    pub first_packet: Option<Duration>,
    pub first_key_frame: Option<Duration>,
    pub key_requests: u64,
}

enum Ask {
    Add(usize, Box<Member>),
    Remove(usize),
}

/// The running thread.
pub struct Swarm {
    asks: Option<Sender<Ask>>,
    next: AtomicUsize,
    figures: Arc<Mutex<Vec<Figures>>>,
    server: OnceLock<SocketAddr>,
    thread: Option<JoinHandle<()>>,
}

impl Swarm {
    pub fn start(name: &str) -> io::Result<Self> {
        let (asks, asked) = channel();
        let figures = Arc::new(Mutex::new(Vec::new()));
        let shared = figures.clone();
        let mut poll = Poll::new()?;
        let run = move || {
            if let Err(error) = run(&mut poll, &asked, &shared) {
                tracing::error!(%error, "load client");
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self {
            asks: Some(asks),
            next: AtomicUsize::new(0),
            figures,
            server: OnceLock::new(),
            thread: Some(thread),
        })
    }

    /// Adds a client; returns the place of its figures.
    pub fn add(&self, member: Member) -> usize {
        let _ = self.server.set(member.light.server);
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        self.ask(Ask::Add(at, Box::new(member)));
        at
    }

    /// The client says goodbye and is gone; its figures stay.
    pub fn remove(&self, at: usize) {
        self.ask(Ask::Remove(at));
    }

    fn ask(&self, ask: Ask) {
        if let Some(asks) = &self.asks {
            let _ = asks.send(ask);
        }
    }

    /// The media port of the first client's answer.
    #[must_use]
    pub fn server(&self) -> Option<SocketAddr> {
        self.server.get().copied()
    }

    /// Figures of all clients, at most 20 ms old.
    #[must_use]
    pub fn figures(&self) -> Vec<Figures> {
        self.figures.lock().map(|f| f.clone()).unwrap_or_default()
    }

    /// Closes all clients and ends the thread.
    pub fn stop(mut self) {
        self.asks = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Running {
    member: Member,
    wire: Wire,
    began: Instant,
    pictures: u32,
    sounds: u32,
}

fn run(poll: &mut Poll, asked: &Receiver<Ask>, shared: &Mutex<Vec<Figures>>) -> io::Result<()> {
    let mut all: Vec<Option<Running>> = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0u8; BUFFER];
    let mut next_tick = Instant::now();
    loop {
        loop {
            match asked.try_recv() {
                Ok(Ask::Add(at, member)) => {
                    // Two that ask at once may come in either order.
                    all.resize_with(all.len().max(at + 1), || None);
                    all[at] = Some(begin(poll, *member, at)?);
                }
                Ok(Ask::Remove(at)) => {
                    if let Some(mut running) = all.get_mut(at).and_then(Option::take) {
                        if let Ok(mut figures) = shared.lock()
                            && let Some(figures) = figures.get_mut(at)
                        {
                            *figures = running.figures();
                        }
                        running.leave();
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    all.iter_mut().flatten().for_each(Running::leave);
                    return Ok(());
                }
            }
        }
        poll.poll(&mut events, Some(next_tick.saturating_duration_since(Instant::now())))?;
        for event in &events {
            if let Some(r) = &mut all[event.token().0] {
                r.receive(&mut buffer);
                r.send();
            }
        }
        let now = Instant::now();
        if now >= next_tick {
            next_tick = now
                + if all.iter().flatten().any(|r| r.member.publish.is_some()) {
                    Duration::from_millis(4)
                } else {
                    TICK
                };
            for r in all.iter_mut().flatten() {
                r.publish(now);
                r.member.light.tick(now);
                r.send();
            }
            if let Ok(mut figures) = shared.lock() {
                figures.resize(all.len(), Figures::default());
                for (figures, running) in figures.iter_mut().zip(&all) {
                    if let Some(running) = running {
                        *figures = running.figures();
                    }
                }
            }
        }
    }
}

fn begin(poll: &Poll, member: Member, at: usize) -> io::Result<Running> {
    let wire = Wire::open(member.light.server, member.light.by_tcp, poll, Token(at))?;
    Ok(Running { member, wire, began: Instant::now(), pictures: 0, sounds: 0 })
}

impl Running {
    fn leave(&mut self) {
        self.member.light.close(Instant::now());
        self.send();
    }

    fn receive(&mut self, buffer: &mut [u8]) {
        let light = &mut self.member.light;
        self.wire.receive(buffer, |datagram| light.handle(datagram, Instant::now()));
    }

    fn send(&mut self) {
        self.wire.send(self.member.light.out.drain(..));
    }

    /// Sends what is due by the clock, so that the rate holds whatever the tick does.
    fn publish(&mut self, now: Instant) {
        let Some(rate) = self.member.publish else {
            return;
        };
        if self.member.light.connected.is_none() {
            self.began = now;
            return;
        }
        let since = now - self.began;
        let due = (since.as_micros() * u128::from(rate.pictures) / 1_000_000) as u32;
        while self.pictures < due {
            let at = Duration::from_micros(u64::from(self.pictures) * 1_000_000 / u64::from(rate.pictures));
            // As an encoder does: at its own pace, and at once when it is asked.
            let asked = !std::mem::take(&mut self.member.light.wanted).is_empty();
            let key = asked || self.pictures.is_multiple_of(rate.group);
            self.member.light.publish_picture(at, rate.packets, rate.size, key);
            self.pictures += 1;
        }
        while self.sounds < (since.as_millis() / 20) as u32 {
            let at = Duration::from_millis(20 * u64::from(self.sounds));
            self.member.light.publish_sound(at, 80);
            self.sounds += 1;
        }
    }

    fn figures(&self) -> Figures {
        let light = &self.member.light;
        Figures {
            counts: light.counts(),
            connected: light.connected,
            first_packet: light.first_packet,
            first_key_frame: light.first_key_frame,
            key_requests: light.key_requests,
        }
    }
}
