//! The media plane: everything between the network card and the network card.
//!
//! In a packet's way: 1 `socket` 2 `shard` 3 `core` 4 `demux` 5 `peer` 6 `hub` 7 `forward`.
//! `core` decides and does no I/O: it is given datagrams, commands and the time, and leaves
//! datagrams and events. `shard` is the thin loop around it, one OS thread with its own socket.
//! `negotiate` is the one door for new peers, `command` the one boundary to the human side.

pub(crate) mod allocate;
pub mod answer;
pub mod codec;
pub mod command;
pub mod core;
pub mod handle;
pub mod negotiate;
pub mod rtp;
pub mod stats;
pub mod transport;

mod bandwidth;
mod clock;
mod delivery;
pub(crate) mod demux;
pub(crate) mod feedback;
mod fragment;
mod history;
pub(crate) mod nack;
mod omitted;
pub mod output;
mod pacer;
mod peer;
mod rate;
pub(crate) mod red;
mod redundancy;
mod repeat;
mod rewrite;
mod ring;
mod shard;
mod share;
mod siblings;
mod slot;
pub mod socket;
mod source;
pub(crate) mod tcp;
mod thinning;
mod timers;
mod whole;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::media::command::Command;
use crate::media::handle::{MediaHandle, ShardHandle};
use crate::media::negotiate::Negotiator;
pub use crate::media::redundancy::RedundancyMode;
use crate::media::socket::MediaSocket;
use crate::media::tcp::TcpMedia;
pub use crate::media::tcp::{TcpLimits, TcpPorts};
use crate::media::transport::dtls::DtlsContext;

/// What the media plane needs to know at start.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// UDP port of shard 0; shard n takes the n-th after it. 0: any free port.
    pub port: u16,
    pub tcp: TcpConfig,
    /// Put into answers. Empty: the addresses by which this host reaches others, or loopback.
    pub addresses: Vec<IpAddr>,
    /// At least 1.
    pub shards: usize,
    pub buffers: Buffers,
    /// Follow what each subscriber's line carries; off: everybody gets everything at once.
    pub adapt: bool,
    /// Whether sound is repeated where a line loses packets.
    pub redundancy: RedundancyMode,
}

impl Default for MediaConfig {
    /// One shard on any free port, told to browsers by this host's own addresses.
    fn default() -> Self {
        Self {
            port: 0,
            tcp: TcpConfig::default(),
            addresses: Vec::new(),
            shards: 1,
            buffers: Buffers::default(),
            adapt: true,
            redundancy: RedundancyMode::default(),
        }
    }
}

/// Media by TCP, for networks that let no UDP through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpConfig {
    /// On the same port numbers as UDP.
    pub on: bool,
    /// And on this one (shard n takes the n-th after it); 0: on no other.
    pub extra_port: u16,
    /// Another server may have it still: it is taken when that one leaves it.
    pub extra_port_later: bool,
    /// For each shard.
    pub limits: TcpLimits,
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self { on: true, extra_port: 0, extra_port_later: false, limits: TcpLimits::default() }
    }
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffers {
    /// Packets of each video layer, for retransmissions and joiners: 2 s of a top layer.
    pub video_packets: usize,
    /// Packets of each microphone: 2.5 s.
    pub audio_packets: usize,
    /// The kernel's, for each direction, bytes: 0.25 s of a full county. It may give less.
    pub socket_bytes: usize,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { video_packets: 512, audio_packets: 128, socket_bytes: 4 << 20 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("UDP port {port} cannot be bound: {error}")]
    Bind { port: u16, error: std::io::Error },
    #[error("TCP port {port} cannot be bound for media: {error}")]
    BindTcp { port: u16, error: std::io::Error },
    #[error("the media thread cannot be started: {0}")]
    Thread(std::io::Error),
    #[error("{0}")]
    Setup(String),
}

/// The running media plane.
pub struct Media {
    pub handle: MediaHandle,
    pub negotiator: Negotiator,
    ports: Arc<[u16]>,
    threads: Vec<JoinHandle<()>>,
}

impl Media {
    /// Binds all ports, then starts the shard threads.
    pub fn start(config: &MediaConfig) -> Result<Self, MediaError> {
        let provider = transport::crypto_provider().map_err(|e| MediaError::Setup(e.to_string()))?;
        let dtls = DtlsContext::new(provider.clone()).map_err(|e| MediaError::Setup(e.to_string()))?;
        let mut sockets = Vec::new();
        for n in 0..config.shards.max(1) {
            sockets.push(bind(config, n as u16)?);
        }
        let ports: Result<Vec<u16>, _> = sockets.iter().map(|(udp, _)| udp.port()).collect();
        let ports: Arc<[u16]> = ports.map_err(MediaError::Thread)?.into();
        let tcp_ports = sockets.iter().map(|(_, tcp)| tcp.ports()).collect();
        let mut handles: Vec<ShardHandle> = Vec::new();
        let mut threads = Vec::new();
        for (n, (socket, tcp)) in sockets.into_iter().enumerate() {
            let mut core = core::Core::new(provider.clone(), dtls.clone(), Instant::now());
            core.buffers = config.buffers;
            core.adapt = config.adapt;
            core.redundancy = config.redundancy;
            let (shard, handle) = shard::Shard::new(socket, tcp, core).map_err(MediaError::Thread)?;
            let thread = std::thread::Builder::new().name(format!("shard-{n}"));
            threads.push(thread.spawn(move || run_or_die(shard)).map_err(MediaError::Thread)?);
            handles.push(handle);
        }
        let addresses = if config.addresses.is_empty() { own_addresses() } else { config.addresses.clone() };
        let negotiator = Negotiator::new(dtls, addresses.into(), ports.clone()).with_tcp(tcp_ports);
        Ok(Self { handle: MediaHandle::new(handles), negotiator, ports, threads })
    }

    /// The ports that are bound, by shard.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Ends all peers and waits for the threads.
    pub fn stop(self) {
        for shard in self.handle.shards() {
            let _ = shard.send(Command::Shutdown);
        }
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// The sockets of one shard: UDP, and TCP on the same port number and perhaps one more, now or later.
fn bind(config: &MediaConfig, shard: u16) -> Result<(MediaSocket, TcpMedia), MediaError> {
    /// Any free UDP port may be somebody's TCP port.
    const TRIES: usize = 16;
    let extra = Some(config.tcp.extra_port).filter(|port| *port != 0).map(|port| port + shard);
    let mut tries = if config.port == 0 { TRIES } else { 1 };
    loop {
        let wanted = if config.port == 0 { 0 } else { config.port + shard };
        let udp = MediaSocket::bind(wanted, config.buffers.socket_bytes)
            .map_err(|error| MediaError::Bind { port: wanted, error })?;
        let port = udp.port().map_err(MediaError::Thread)?;
        let (now, later) = if config.tcp.extra_port_later { (None, extra) } else { (extra, None) };
        let tcp: Vec<u16> = Some(port).filter(|_| config.tcp.on).into_iter().chain(now).collect();
        tries -= 1;
        match TcpMedia::bind(&tcp, config.tcp.limits) {
            Ok(mut tcp) => {
                if let Some(port) = later {
                    tcp.bind_late(port);
                }
                return Ok((udp, tcp));
            }
            Err((_, _)) if tries > 0 => {}
            Err((port, error)) => return Err(MediaError::BindTcp { port, error }),
        }
    }
}

/// A peer's panic ends that peer inside the shard; one that gets out here has left tables in an
/// unknown state. A server without media is no use to anybody: its supervisor starts a new one.
fn run_or_die(shard: shard::Shard) {
    let run = std::panic::AssertUnwindSafe(|| shard.run());
    if std::panic::catch_unwind(run).is_err() {
        tracing::error!("the media thread panicked; the process ends");
        std::process::abort();
    }
}

/// The addresses that routing would choose towards others, and loopback; no packet is sent to
/// learn them.
#[must_use]
pub fn own_addresses() -> Vec<IpAddr> {
    // Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket only asks the routes.
    let probes: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    let mut found = Vec::new();
    for (local, remote) in probes {
        let address = UdpSocket::bind((local, 0)).and_then(|s| {
            s.connect(SocketAddr::new(remote, 9))?;
            s.local_addr()
        });
        let ip = address.map(|a| a.ip()).ok();
        found.extend(ip.filter(|ip| !ip.is_unspecified() && !ip.is_loopback()));
    }
    // A browser on this very machine always gets through on loopback.
    found.push(Ipv4Addr::LOCALHOST.into());
    found
}
