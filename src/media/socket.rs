//! One UDP socket with batched receive and segmented send (quinn-udp).
//!
//! Bound to all addresses, IPv6 and IPv4 in one where the machine has IPv6; replies leave from the
//! address that the request came to.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

use crate::media::output::{Class, Output, Path, Via};

/// Datagrams per receive call; each buffer can hold several segments (GRO).
const BATCH: usize = 32;
const BUFFER: usize = 64 * 1024;

/// A datagram that seems to have waited longer came before a step of the wall clock.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

pub struct MediaSocket {
    pub io: mio::net::UdpSocket,
    state: UdpSocketState,
    dual: bool,
    buffers: Vec<u8>,
}

impl MediaSocket {
    /// Binds `port` (0: any) on all addresses.
    /// `buffer`: the kernel's, in each direction, bytes.
    pub fn bind(port: u16, buffer: usize) -> io::Result<Self> {
        let (socket, dual) = match open(Domain::IPV6, (Ipv6Addr::UNSPECIFIED, port).into(), buffer) {
            Ok(socket) => (socket, true),
            // A machine without IPv6.
            Err(_) => (open(Domain::IPV4, (Ipv4Addr::UNSPECIFIED, port).into(), buffer)?, false),
        };
        let socket: UdpSocket = socket.into();
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        let io = mio::net::UdpSocket::from_std(socket);
        Ok(Self { io, state, dual, buffers: vec![0; BATCH * BUFFER] })
    }

    pub fn port(&self) -> io::Result<u16> {
        Ok(self.io.local_addr()?.port())
    }

    /// Receives one batch. `wall`: the present time since 1970, against which the kernel stamped the
    /// datagrams. `take` gets each datagram, its path and how long it has waited in the
    /// kernel. Returns how many there were; 0 when nothing waits.
    pub fn receive(
        &mut self,
        wall: Duration,
        mut take: impl FnMut(&mut [u8], Path, Duration),
    ) -> io::Result<usize> {
        let mut metas = [RecvMeta::default(); BATCH];
        let mut slices: Vec<IoSliceMut<'_>> = self.buffers.chunks_mut(BUFFER).map(IoSliceMut::new).collect();
        let received = self.state.recv(UdpSockRef::from(&self.io), &mut slices, &mut metas);
        let count = match received {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(e) => return Err(e),
        };
        let mut taken = 0;
        for (meta, buffer) in metas.iter().zip(&mut slices).take(count) {
            let remote = unmapped(meta.addr);
            let path = Path::udp(remote, meta.dst_ip.map(|ip| ip.to_canonical()));
            let waited = meta.timestamp.map_or(Duration::ZERO, |at| wall.saturating_sub(at));
            // A step of the wall clock is not a wait.
            let waited = if waited > LONGEST_WAIT { Duration::ZERO } else { waited };
            for datagram in buffer[..meta.len].chunks_mut(meta.stride.max(1)) {
                take(datagram, path, waited);
                taken += 1;
            }
        }
        Ok(taken)
    }

    /// Sends from `at` on what goes by UDP. Returns the index of the first datagram that did not fit.
    pub fn send(&self, out: &Output, mut at: usize) -> usize {
        let most = self.state.max_gso_segments();
        while at < out.len() {
            let (next, contents, segment) = out.run(at, most);
            let path = out.get(at).0.path;
            if path.via != Via::Udp {
                at = next;
                continue;
            }
            let destination = if self.dual { mapped(path.remote) } else { path.remote };
            let transmit = Transmit {
                destination,
                ecn: None,
                contents,
                segment_size: (next > at + 1).then_some(segment),
                src_ip: path.local,
            };
            match self.state.try_send(UdpSockRef::from(&self.io), &transmit) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return at,
                // Unreachable and the like: the peer's own liveness decides.
                Err(_) => {}
            }
            at = next;
        }
        at
    }
}

fn open(domain: Domain, address: SocketAddr, buffer: usize) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    // Capped by the kernel's limits; smaller is still right.
    let _ = socket.set_recv_buffer_size(buffer);
    let _ = socket.set_send_buffer_size(buffer);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// What is kept when the socket would block: everything but video, and one batch of that. Connections
/// have queues of their own.
#[must_use]
pub fn keep_when_blocked(out: &Output, from: usize) -> Output {
    const VIDEO_KEPT: usize = 64;
    let mut kept = Output::default();
    let mut video = 0;
    for at in from..out.len() {
        let (datagram, bytes) = out.get(at);
        if datagram.path.via != Via::Udp {
            continue;
        }
        if datagram.class == Class::Video {
            video += 1;
            if video > VIDEO_KEPT {
                continue;
            }
        }
        kept.push(datagram.path, datagram.class, bytes);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn video_is_dropped_first_and_the_newest_of_it() {
        let path = Path::udp(([127, 0, 0, 1], 1).into(), None);
        let mut out = Output::default();
        for n in 0..200u8 {
            out.push(path, Class::Video, &[n, 0]);
            out.push(path, Class::Audio, &[n, 1]);
            out.push(path, Class::Control, &[n, 2]);
        }
        let kept = keep_when_blocked(&out, 30);
        let of = |class| {
            let all = (0..kept.len()).map(|n| kept.get(n)).filter(move |(d, _)| d.class == class);
            all.map(|(_, bytes)| bytes[0]).collect::<Vec<_>>()
        };
        let rest: Vec<u8> = (10..200).collect();
        assert_eq!(of(Class::Audio), rest);
        assert_eq!(of(Class::Control), rest);
        assert_eq!(of(Class::Video), rest[..64]);
    }

    #[test]
    fn what_is_sent_arrives_one_by_one_with_where_it_came_from() {
        let mut ours = MediaSocket::bind(0, 1 << 20).unwrap();
        let to = SocketAddr::from(([127, 0, 0, 1], ours.port().unwrap()));
        let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let path = Path::udp(peer.local_addr().unwrap(), None);
        let mut out = Output::default();
        // Equal sizes leave in one call and must arrive apart.
        for n in 0..5u8 {
            out.push(path, Class::Video, &vec![n; if n == 4 { 10 } else { 300 }]);
        }
        assert_eq!(ours.send(&out, 0), 5);
        let mut buffer = [0; 2_000];
        for n in 0..5u8 {
            let (length, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((length, from), (if n == 4 { 10 } else { 300 }, to));
            assert!(buffer[..length].iter().all(|b| *b == n));
            peer.send_to(&buffer[..length], to).unwrap();
        }
        let mut got = Vec::new();
        while got.len() < 5 {
            let wall = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
            ours.receive(wall, |bytes, from, waited| {
                assert_eq!(from, Path::udp(path.remote, Some([127, 0, 0, 1].into())));
                assert!(waited <= LONGEST_WAIT);
                got.push((bytes.len(), bytes[0]));
            })
            .unwrap();
        }
        assert_eq!(got, [(300, 0), (300, 1), (300, 2), (300, 3), (10, 4)]);
    }
}
