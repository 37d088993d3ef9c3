//! The loop around the core: one OS thread, its sockets, nobody else's state.
//!
//! Each turn: 1 commands, 2 received datagrams by UDP and TCP (bounded), 3 timers, 4 forward, 5 send.
//! The clock is read here and nowhere else in the media plane.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mio::{Events, Interest, Poll, Token, Waker};

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
    socket: MediaSocket,
    tcp: TcpMedia,
    commands: Receiver<Command>,
    core: Core,
    shared: Arc<Mutex<ShardStats>>,
    turns: Arc<AtomicU64>,
    /// What the socket did not take.
    pending: Option<Output>,
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
        Ok((Self { poll, socket, tcp, commands, core, shared, turns, pending: None }, handle))
    }

    /// Runs until `Shutdown`, or until every handle is gone.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let mut published = Instant::now();
        let mut more = false;
        loop {
            let timeout = match (more, &self.pending) {
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
                self.tcp.note(event.token(), event.is_readable(), event.is_writable());
            }
            let running = self.take_commands(now);
            more = self.receive(now) | self.receive_by_tcp(now);
            if self.core.poll_timeout() <= now {
                self.core.handle_timeout(now);
            }
            self.core.flush(now);
            self.send(now);
            if now - published >= Duration::from_secs(1) {
                published = now;
                let core = &self.core;
                self.tcp.sweep(self.poll.registry(), now, |path| core.knows(path));
                self.core.stats.tcp = self.tcp.stats;
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
            // Forward as soon as a batch is in: nothing waits for the turn to end.
            self.core.flush(now);
        }
        true
    }

    /// The same of the connections, and what became of them.
    fn receive_by_tcp(&mut self, now: Instant) -> bool {
        let core = &mut self.core;
        let more = self.tcp.receive(self.poll.registry(), now, |datagram, path| {
            core.handle_datagram(datagram, path, Duration::ZERO, now);
            core.knows(path)
        });
        while let Some(path) = self.tcp.poll_closed() {
            self.core.handle_path_closed(path);
        }
        more
    }

    fn send(&mut self, now: Instant) {
        self.tcp.push(&self.core.out, now);
        self.tcp.flush(self.poll.registry());
        if let Some(pending) = self.pending.take() {
            let at = self.socket.send(&pending, 0);
            if at < pending.len() {
                self.pending = Some(keep_when_blocked(&pending, at));
            }
        }
        let out = &mut self.core.out;
        if out.is_empty() {
            return;
        }
        let at = if self.pending.is_some() { 0 } else { self.socket.send(out, 0) };
        self.core.stats.packets_out += at as u64;
        self.core.stats.bytes_out += out.bytes() as u64;
        if at < out.len() {
            self.core.stats.send_would_block += 1;
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
