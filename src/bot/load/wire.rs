//! How a light client's datagrams travel: a UDP socket, or frames on a TCP connection (RFC 4571).

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use mio::net::TcpStream;
use mio::{Interest, Poll, Token};

use crate::media::tcp::frames::Frames;

/// About a second of a lesson's stream, as the kernel counts it.
const KERNEL_BUFFER: usize = 1 << 20;
/// What a connection does not take of more than this is lost, as on a network.
const UNSENT: usize = 1 << 20;

pub enum Wire {
    Udp(mio::net::UdpSocket),
    Tcp { stream: TcpStream, frames: Frames, unsent: Vec<u8> },
}

impl Wire {
    /// Opens one to the server's media port.
    pub fn open(to: SocketAddr, by_tcp: bool, poll: &Poll, token: Token) -> io::Result<Self> {
        if by_tcp {
            let mut stream = TcpStream::connect(to)?;
            poll.registry().register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            return Ok(Self::Tcp { stream, frames: Frames::default(), unsent: Vec::new() });
        }
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(to)?;
        socket.set_nonblocking(true)?;
        // What waits for this thread on a busy machine is not lost on the way. The kernel may give less.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(KERNEL_BUFFER);
        let mut socket = mio::net::UdpSocket::from_std(socket);
        poll.registry().register(&mut socket, token, Interest::READABLE)?;
        Ok(Self::Udp(socket))
    }

    /// Takes all that waits. An end of the connection is silence, as it is by UDP.
    pub fn receive(&mut self, buffer: &mut [u8], mut take: impl FnMut(&mut [u8])) {
        match self {
            Self::Udp(socket) => {
                while let Ok(length) = socket.recv(buffer) {
                    take(&mut buffer[..length]);
                }
            }
            Self::Tcp { stream, frames, .. } => {
                while let Ok(length) = stream.read(buffer) {
                    let cut = frames.read(&mut buffer[..length], |frame| {
                        take(frame);
                        true
                    });
                    if length == 0 || cut.is_err() {
                        return;
                    }
                }
            }
        }
    }

    pub fn send(&mut self, datagrams: impl Iterator<Item = Vec<u8>>) {
        match self {
            Self::Udp(socket) => {
                for datagram in datagrams {
                    // A full socket loses it, as a network would.
                    let _ = socket.send(&datagram);
                }
            }
            Self::Tcp { stream, unsent, .. } => {
                for datagram in datagrams {
                    if unsent.len() < UNSENT {
                        unsent.extend((datagram.len() as u16).to_be_bytes());
                        unsent.extend(datagram);
                    }
                }
                // Not connected yet, or full: the next tick tries again.
                while let (false, Ok(written)) = (unsent.is_empty(), stream.write(unsent)) {
                    unsent.drain(..written);
                }
            }
        }
    }
}
