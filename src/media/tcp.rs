//! The media port by TCP (RFC 6544, passive candidates), for networks that let no UDP through.
//!
//! Connections carry the same datagrams as the UDP socket, framed (`frames`), and the core sees no
//! difference but the path's name. All is non-blocking on the shard's own thread: `note` what the poll
//! says, `receive` in bounded portions, `push` what the core wants to send, `flush` it with one write for each
//! connection (`queue` has what waits).
//!
//! A stranger gets nothing: no byte is answered before a check has proved an ICE password (the core's work),
//! the first frame has to be such a check, and within 5 s one has to have succeeded. How many strangers and
//! how many others may be there is `places`; those of a peer are limited by the core's table of addresses.

pub mod frames;
mod places;
mod ports;
mod queue;

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::media::demux::Kind;
use crate::media::output::{Output, Path, Via};
use crate::media::tcp::frames::Frames;
use crate::media::tcp::places::Places;
pub use crate::media::tcp::places::TcpLimits;
pub use crate::media::tcp::ports::TcpPorts;
use crate::media::tcp::queue::{Entry, Queue};

/// How long a connection may take to prove an ICE password.
const PROVE: Duration = Duration::from_secs(5);
/// So long without a frame, it is dead: browsers check the paths that they keep every 2.5 s, at least
/// every 25 s.
const IDLE: Duration = Duration::from_secs(60);
/// The kernel gets no more than this ahead of what the network takes (bytes not sent yet).
const UNSENT: u32 = 16 << 10;
const BUFFER: usize = 64 << 10;
/// Bytes read of one connection in one turn, and connections taken in.
const PORTION: usize = 4 * BUFFER;
const ACCEPTS: usize = 64;
/// Tries (one a second) for a port that another server has, after which it is said aloud.
const LATE: u32 = 30;
/// After a failed accept, most likely for want of descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);
const BACKLOG: i32 = 1_024;
/// Tokens below are the shard's own; listeners come first, then connections by number.
const FIRST_TOKEN: usize = 8;
const FIRST_STREAM: usize = 16;

/// Counted since the start, but for `open`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TcpStats {
    pub open: u64,
    pub accepted: u64,
    /// Closed although they proved a password, because a limit was reached.
    pub refused: u64,
    /// Strangers that had to go for newer ones.
    pub displaced: u64,
    pub accept_errors: u64,
    /// Closed because they proved nothing, broke the framing or fell silent.
    pub expelled: u64,
    /// Video that came too late for its connection.
    pub dropped: u64,
}

/// The TCP side of one shard.
pub struct TcpMedia {
    listeners: Vec<Listener>,
    ports: TcpPorts,
    /// Another server's port that is to be ours, and how often it was tried.
    late: Option<(u16, u32)>,
    places: Places,
    streams: HashMap<u32, Stream>,
    next: u32,
    /// Have something to read, perhaps.
    readable: Vec<u32>,
    /// Have something to write, perhaps.
    writable: Vec<u32>,
    closed: Vec<Path>,
    buffer: Vec<u8>,
    pub stats: TcpStats,
}

struct Listener {
    socket: TcpListener,
    waiting: bool,
    /// Not before this.
    again: Option<Instant>,
}

impl Listener {
    fn new(socket: TcpListener) -> Self {
        Self { socket, waiting: true, again: None }
    }
}

struct Stream {
    socket: TcpStream,
    path: Path,
    frames: Frames,
    queue: Queue,
    /// A check on it proved a peer's password.
    proven: bool,
    /// Its beginning, or its last frame.
    heard: Instant,
    /// It has taken nothing for so long that even sound finds no room.
    stuck: bool,
    /// It stands in the list.
    readable: bool,
    writable: bool,
}

impl TcpMedia {
    /// Binds one listener on each port, on all addresses.
    /// An error comes with its port.
    pub fn bind(ports: &[u16], limits: TcpLimits) -> Result<Self, (u16, io::Error)> {
        let (mut listeners, mut bound) = (Vec::new(), Vec::new());
        for port in ports {
            let socket = listen(*port).map_err(|e| (*port, e))?;
            bound.push(socket.local_addr().map_err(|e| (*port, e))?.port());
            listeners.push(Listener::new(socket));
        }
        Ok(Self {
            listeners,
            ports: TcpPorts::new(bound),
            late: None,
            places: Places::new(limits),
            streams: HashMap::new(),
            next: 0,
            readable: Vec::new(),
            writable: Vec::new(),
            closed: Vec::new(),
            buffer: Vec::new(),
            stats: TcpStats::default(),
        })
    }

    /// One more port, which another server may still have: it is taken as soon as that one leaves it.
    pub fn bind_late(&mut self, port: u16) {
        self.late = Some((port, 0));
    }

    /// Where it listens.
    #[must_use]
    pub fn ports(&self) -> TcpPorts {
        self.ports.clone()
    }

    pub fn register(&mut self, registry: &Registry) -> io::Result<()> {
        for (n, listener) in self.listeners.iter_mut().enumerate() {
            registry.register(&mut listener.socket, Token(FIRST_TOKEN + n), Interest::READABLE)?;
        }
        Ok(())
    }

    /// What the poll told; tokens that are not ours are nobody's.
    pub fn note(&mut self, token: Token, readable: bool, writable: bool) {
        if let Some(listener) = token.0.checked_sub(FIRST_TOKEN).and_then(|n| self.listeners.get_mut(n)) {
            listener.waiting = true;
            return;
        }
        let number = token.0.checked_sub(FIRST_STREAM).and_then(|n| u32::try_from(n).ok());
        let Some((number, stream)) = number.and_then(|n| Some((n, self.streams.get_mut(&n)?))) else {
            return;
        };
        if readable && !std::mem::replace(&mut stream.readable, true) {
            self.readable.push(number);
        }
        if writable && !stream.queue.is_empty() && !std::mem::replace(&mut stream.writable, true) {
            self.writable.push(number);
        }
    }

    /// Takes connections in and reads a portion of each. `take` gets each datagram and says whether its path
    /// has passed a check by now. Returns whether more may be waiting.
    pub fn receive(
        &mut self,
        registry: &Registry,
        now: Instant,
        mut take: impl FnMut(&mut [u8], Path) -> bool,
    ) -> bool {
        let mut more = self.accept(registry, now);
        if self.readable.is_empty() {
            return more;
        }
        self.buffer.resize(BUFFER, 0);
        for number in std::mem::take(&mut self.readable) {
            let Some(stream) = self.streams.get_mut(&number) else {
                continue;
            };
            let (was, ip) = (stream.proven, stream.path.remote.ip());
            let read = stream.read(&mut self.buffer, now, &mut take);
            if stream.proven && !was && !self.places.prove(number, ip) {
                self.stats.refused += 1;
                self.close(number, registry);
                continue;
            }
            match read {
                Ok(Portion::All) => stream.readable = false,
                Ok(Portion::Part) => {
                    self.readable.push(number);
                    more = true;
                }
                Err(End::Closed) => self.close(number, registry),
                Err(End::Expelled) => {
                    self.stats.expelled += 1;
                    self.close(number, registry);
                }
            }
        }
        more
    }

    /// Queues all datagrams of `out` that go by TCP.
    pub fn push(&mut self, out: &Output, now: Instant) {
        if self.streams.is_empty() {
            return;
        }
        let mut at = 0;
        while at < out.len() {
            let (datagram, bytes) = out.get(at);
            at += 1;
            let Via::Tcp(number) = datagram.path.via else {
                continue;
            };
            let Some(stream) = self.streams.get_mut(&number) else {
                continue;
            };
            match stream.queue.push(datagram.class, bytes, now) {
                Entry::Queued => {}
                Entry::Dropped => self.stats.dropped += 1,
                Entry::Full => stream.stuck = true,
            }
            if !std::mem::replace(&mut stream.writable, true) {
                self.writable.push(number);
            }
        }
    }

    /// Writes what the connections take now.
    pub fn flush(&mut self, registry: &Registry) {
        for number in std::mem::take(&mut self.writable) {
            let Some(stream) = self.streams.get_mut(&number) else {
                continue;
            };
            stream.writable = false;
            if stream.stuck || stream.queue.write(&mut stream.socket).is_err() {
                self.close(number, registry);
            }
        }
    }

    /// Ends those that are of no use, and tries for the late port; to be called about once a second.
    /// `known`: whether a path belongs to a peer.
    pub fn sweep(&mut self, registry: &Registry, now: Instant, known: impl Fn(Path) -> bool) {
        self.try_late(registry);
        let useless = |s: &Stream| {
            let patience = if s.proven { IDLE } else { PROVE };
            now.saturating_duration_since(s.heard) >= patience || s.proven && !known(s.path)
        };
        let ended: Vec<u32> = self.streams.iter().filter(|(_, s)| useless(s)).map(|(n, _)| *n).collect();
        for number in ended {
            self.stats.expelled += 1;
            self.close(number, registry);
        }
    }

    /// A path that has ended since the last call.
    pub fn poll_closed(&mut self) -> Option<Path> {
        self.closed.pop()
    }

    fn try_late(&mut self, registry: &Registry) {
        let Some((port, tries)) = &mut self.late else { return };
        let port = *port;
        let token = Token(FIRST_TOKEN + self.listeners.len());
        let bound = listen(port).and_then(|mut socket| {
            registry.register(&mut socket, token, Interest::READABLE)?;
            Ok(socket)
        });
        match bound {
            Ok(socket) => {
                self.late = None;
                self.listeners.push(Listener::new(socket));
                self.ports.now_also(port);
                tracing::info!(port, "the other server has left this TCP port; media comes by it now");
            }
            Err(error) => {
                *tries += 1;
                if *tries == 1 {
                    tracing::info!(port, "another server has this TCP port for media; it is waited for");
                } else if *tries == LATE {
                    tracing::warn!(port, %error, "this TCP port for media is still not free");
                }
            }
        }
    }

    /// `true`: more may be waiting.
    fn accept(&mut self, registry: &Registry, now: Instant) -> bool {
        let mut more = false;
        for n in 0..self.listeners.len() {
            let listener = &mut self.listeners[n];
            if !listener.waiting || listener.again.is_some_and(|at| now < at) {
                continue;
            }
            listener.again = None;
            for _ in 0..ACCEPTS {
                match self.listeners[n].socket.accept() {
                    Ok((socket, from)) => self.admit(socket, from, registry, now),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        self.listeners[n].waiting = false;
                        break;
                    }
                    // It went before it was taken.
                    Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(e) => {
                        tracing::warn!(error = %e, "a media connection cannot be accepted");
                        self.stats.accept_errors += 1;
                        self.listeners[n].again = Some(now + ACCEPT_AGAIN);
                        break;
                    }
                }
            }
            more |= self.listeners[n].waiting && self.listeners[n].again.is_none();
        }
        more
    }

    fn admit(&mut self, mut socket: TcpStream, from: SocketAddr, registry: &Registry, now: Instant) {
        let remote = SocketAddr::new(from.ip().to_canonical(), from.port());
        if let Some(stranger) = self.places.in_the_way(remote.ip()) {
            self.stats.displaced += 1;
            self.close(stranger, registry);
        }
        while self.streams.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        let token = Token(FIRST_STREAM + number as usize);
        let options = SockRef::from(&socket);
        let ready = options
            .set_tcp_nodelay(true)
            // What waits, waits in our queue, which knows what it is.
            .and_then(|()| options.set_tcp_notsent_lowat(UNSENT))
            .and_then(|()| registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE));
        if ready.is_err() {
            self.stats.accept_errors += 1;
            return;
        }
        let local = socket.local_addr().ok().map(|a| a.ip().to_canonical());
        self.next = self.next.wrapping_add(1);
        self.places.enter(number, remote.ip());
        let stream = Stream {
            socket,
            path: Path { remote, local, via: Via::Tcp(number) },
            frames: Frames::default(),
            queue: Queue::default(),
            proven: false,
            heard: now,
            stuck: false,
            // What came before the registration is told by no event.
            readable: true,
            writable: false,
        };
        self.streams.insert(number, stream);
        self.readable.push(number);
        self.stats.accepted += 1;
        self.stats.open = self.streams.len() as u64;
    }

    fn close(&mut self, number: u32, registry: &Registry) {
        let Some(mut stream) = self.streams.remove(&number) else {
            return;
        };
        let _ = registry.deregister(&mut stream.socket);
        self.places.leave(number, stream.path.remote.ip());
        self.stats.open = self.streams.len() as u64;
        self.closed.push(stream.path);
    }
}

/// How much of what waited was read.
enum Portion {
    All,
    Part,
}

enum End {
    Closed,
    /// It said what nobody may say here.
    Expelled,
}

impl Stream {
    fn read(
        &mut self,
        buffer: &mut [u8],
        now: Instant,
        take: &mut impl FnMut(&mut [u8], Path) -> bool,
    ) -> Result<Portion, End> {
        let mut read = 0;
        while read < PORTION {
            let got = match self.socket.read(buffer) {
                Ok(0) => return Err(End::Closed),
                Ok(got) => got,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Portion::All),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(End::Closed),
            };
            read += got;
            let (path, proven, heard) = (self.path, &mut self.proven, &mut self.heard);
            let cut = self.frames.read(&mut buffer[..got], |frame| {
                // Nothing but checks until one has succeeded.
                if !*proven && Kind::of(frame) != Kind::Stun {
                    return false;
                }
                let known = take(frame, path);
                *proven |= known;
                if *proven {
                    *heard = now;
                }
                true
            });
            cut.map_err(|_| End::Expelled)?;
        }
        Ok(Portion::Part)
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let both = open(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into());
    // A machine without IPv6.
    let socket = both.or_else(|_| open(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into()))?;
    Ok(TcpListener::from_std(socket.into()))
}

fn open(domain: Domain, address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    // Connections of a server that ended a moment ago do not keep the port.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

#[cfg(test)]
#[path = "tcp_test.rs"]
mod tests;
