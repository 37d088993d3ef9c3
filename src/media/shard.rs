//! The loop around the core: one OS thread, its sockets, nobody else's state.
//!
//! Each turn: 1 commands, 2 received datagrams by UDP and TCP (bounded), 3 timers, 4 forward, 5 send.
//! The clock is read here and nowhere else in the media plane.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::{Events, Interest, Poll, Registry, Token, Waker};

use crate::media::command::Command;
use crate::media::core::Core;
use crate::media::handle::ShardHandle;
use crate::media::output::Output;
use crate::media::socket::{MediaSocket, keep_when_blocked};
use crate::media::stats::ShardStats;
use crate::media::tcp::TcpMedia;

const SOCKET: Token = Token(0);
const WAKE: Token = Token(1);
/// Commands that may wait; a join needs about five.
const QUEUE: usize = 4096;
/// Receive batches per turn, so that commands and timers are never starved.
const BATCHES_PER_TURN: usize = 8;

/// A shard that is bound and not yet running.
pub struct Shard {
    poll: Poll,
    outlet: Outlet,
    commands: Receiver<Command>,
    core: Core,
    shared: Arc<Mutex<ShardStats>>,
    turns: Arc<AtomicU64>,
}

impl Shard {
    /// Registers the bound sockets and makes the door.
    pub fn new(mut socket: MediaSocket, mut tcp: TcpMedia, core: Core) -> io::Result<(Self, ShardHandle)> {
        let poll = Poll::new()?;
        poll.registry().register(&mut socket.io, SOCKET, Interest::READABLE)?;
        tcp.register(poll.registry())?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let (queue, commands) = sync_channel(QUEUE);
        let shared = Arc::new(Mutex::new(ShardStats::default()));
        let turns = Arc::new(AtomicU64::new(0));
        let handle = ShardHandle { queue, waker, stats: shared.clone(), turns: turns.clone() };
        let outlet = Outlet { registry: poll.registry().try_clone()?, socket, tcp, pending: None };
        Ok((Self { poll, outlet, commands, core, shared, turns }, handle))
    }

    /// Runs until `Shutdown`, or until every handle is gone.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut published = Instant::now();
        let mut more = false;
        loop {
            let timeout = match (more, &self.outlet.pending) {
                (true, _) => Duration::ZERO,
                (false, Some(_)) => Duration::from_millis(1),
                (false, None) => self.core.poll_timeout().saturating_duration_since(Instant::now()),
            };
            if let Err(e) = self.poll.poll(&mut events, Some(timeout))
                && e.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(error = %e, "the media socket cannot be waited for");
                return;
            }
            self.turns.fetch_add(1, Ordering::Relaxed);
            let now = Instant::now();
            for event in &events {
                self.outlet.tcp.note(event.token(), event.is_readable(), event.is_writable());
            }
            let running = self.take_commands(now);
            more = self.receive(now) | self.receive_by_tcp(now);
            if self.core.poll_timeout() <= now {
                self.core.handle_timeout(now);
            }
            self.forward(now);
            self.outlet.send(&mut self.core.out, &mut self.core.stats, now);
            if now - published >= Duration::from_secs(1) {
                published = now;
                let (core, outlet) = (&self.core, &mut self.outlet);
                outlet.tcp.sweep(&outlet.registry, now, |path| core.knows(path));
                self.core.stats.tcp = outlet.tcp.stats;
                if let Ok(mut shared) = self.shared.lock() {
                    *shared = self.core.stats.clone();
                }
            }
            if !running {
                return;
            }
        }
    }

    /// `false`: it is time to end.
    fn take_commands(&mut self, now: Instant) -> bool {
        use std::sync::mpsc::TryRecvError;
        loop {
            match self.commands.try_recv() {
                Ok(Command::Shutdown) => {
                    self.core.handle_command(Command::Shutdown, now);
                    return false;
                }
                Ok(command) => self.core.handle_command(command, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// `true`: more may be waiting.
    fn receive(&mut self, now: Instant) -> bool {
        for _ in 0..BATCHES_PER_TURN {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let core = &mut self.core;
            let got = self
                .outlet
                .socket
                .receive(wall, |datagram, path, waited| core.handle_datagram(datagram, path, waited, now));
            match got {
                Ok(0) => return false,
                Ok(_) => {}
                // An ICMP error of some peer; the socket is fine.
                Err(e) => {
                    tracing::trace!(error = %e, "receive");
                    return true;
                }
            }
            self.forward(now);
        }
        true
    }

    /// As soon as a batch is in, and what comes of it leaves in portions: the output stays small.
    fn forward(&mut self, now: Instant) {
        let outlet = &mut self.outlet;
        self.core.flush_to(now, |out, stats| outlet.send(out, stats, now));
    }

    /// The same of the connections, and what became of them.
    fn receive_by_tcp(&mut self, now: Instant) -> bool {
        let (core, outlet) = (&mut self.core, &mut self.outlet);
        let more = outlet.tcp.receive(&outlet.registry, now, |datagram, path| {
            core.handle_datagram(datagram, path, Duration::ZERO, now);
            core.knows(path)
        });
        while let Some(path) = outlet.tcp.poll_closed() {
            self.core.handle_path_closed(path);
        }
        more
    }
}

/// What carries datagrams away.
struct Outlet {
    registry: Registry,
    socket: MediaSocket,
    tcp: TcpMedia,
    /// What the socket did not take.
    pending: Option<Output>,
}

impl Outlet {
    /// Sends what is in the output, and empties it.
    fn send(&mut self, out: &mut Output, stats: &mut ShardStats, now: Instant) {
        self.tcp.push(out, now);
        self.tcp.flush(&self.registry);
        if let Some(pending) = self.pending.take() {
            let at = self.socket.send(&pending, 0);
            if at < pending.len() {
                self.pending = Some(keep_when_blocked(&pending, at));
            }
        }
        if out.is_empty() {
            return;
        }
        let at = if self.pending.is_some() { 0 } else { self.socket.send(out, 0) };
        stats.packets_out += at as u64;
        stats.bytes_out += out.bytes() as u64;
        if at < out.len() {
            stats.send_would_block += 1;
            let kept = keep_when_blocked(out, at);
            // Beyond a batch that still waits, only what is not video is added.
            let pending = self.pending.get_or_insert_default();
            for n in 0..kept.len() {
                let (datagram, bytes) = kept.get(n);
                if pending.len() < 4096 {
                    pending.push(datagram.path, datagram.class, bytes);
                }
            }
        }
        out.clear();
    }
}
