//! `zhuandi load --hostile RATE`: what strangers send to a media port, beside the classrooms.
//!
//! A thread of its own sends at a steady rate from many source ports: seeded noise, checks with
//! unknown user fragments, without integrity, with a wrong one, with names after it and a broken
//! fingerprint, handshake records of every bad shape, forged SRTP and SRTCP, oversized datagrams.
//! Nothing of it may be answered: what comes back is counted. The report tells that beside the
//! classrooms' loss and the server's memory.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::fuzz::mutate::Random;
use crate::media::negotiate::IceCredentials;
use crate::media::transport::CryptoProvider;
use crate::media::transport::ice::nominating_check;

/// Source ports.
const PORTS: usize = 64;
/// Different datagrams, made before the first is sent: making them must not take from the rate.
const DATAGRAMS: usize = 8_192;
/// Datagrams between two looks at the clock.
const BURST: u64 = 32;

/// What was sent and what came of it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct HostileFigures {
    pub sent: u64,
    pub per_second: f64,
    /// Replies: there must be none.
    pub answered: u64,
    /// The socket did not take it.
    pub refused: u64,
}

/// The running thread.
pub struct Hostile {
    ending: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: JoinHandle<HostileFigures>,
}

impl Hostile {
    /// Begins at once. `seed`: which datagrams, in which order.
    pub fn start(
        to: SocketAddr,
        rate: u32,
        seed: u64,
        provider: Arc<dyn CryptoProvider>,
    ) -> io::Result<Self> {
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let mut sockets = Vec::new();
        for _ in 0..PORTS {
            let socket = UdpSocket::bind(any)?;
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            sockets.push(socket);
        }
        let (ending, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stop, count) = (ending.clone(), sent.clone());
        let datagrams = datagrams(seed, provider.as_ref());
        let run = move || send(&sockets, &datagrams, rate, &stop, &count);
        let thread = std::thread::Builder::new().name("load-hostile".into()).spawn(run)?;
        Ok(Self { ending, sent, thread })
    }

    /// Datagrams sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Ends the thread.
    #[must_use]
    pub fn stop(self) -> HostileFigures {
        self.ending.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn send(
    sockets: &[UdpSocket],
    datagrams: &[Vec<u8>],
    rate: u32,
    ending: &AtomicBool,
    count: &AtomicU64,
) -> HostileFigures {
    let started = Instant::now();
    let mut figures = HostileFigures::default();
    let mut buffer = [0; 2_048];
    let mut n = 0u64;
    while !ending.load(Ordering::Relaxed) {
        let due = (started.elapsed().as_secs_f64() * f64::from(rate)) as u64;
        if n + BURST > due {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        for _ in 0..BURST {
            let socket = &sockets[n as usize % sockets.len()];
            match socket.send(&datagrams[n as usize % datagrams.len()]) {
                Ok(_) => figures.sent += 1,
                Err(_) => figures.refused += 1,
            }
            n += 1;
        }
        count.store(figures.sent, Ordering::Relaxed);
        let socket = &sockets[(n / BURST) as usize % sockets.len()];
        while socket.recv(&mut buffer).is_ok() {
            figures.answered += 1;
        }
    }
    figures.per_second = figures.sent as f64 / started.elapsed().as_secs_f64().max(0.001);
    for socket in sockets {
        while socket.recv(&mut buffer).is_ok() {
            figures.answered += 1;
        }
    }
    figures
}

/// The datagrams of one seed, of all kinds in turn.
#[must_use]
pub fn datagrams(seed: u64, provider: &dyn CryptoProvider) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    (0..DATAGRAMS).map(|n| datagram(n, &mut random, provider)).collect()
}

fn datagram(n: usize, random: &mut Random, provider: &dyn CryptoProvider) -> Vec<u8> {
    let crypto = provider.crypto();
    let check = || nominating_check(&IceCredentials::generate(), &IceCredentials::generate(), crypto);
    match n % 12 {
        // Unknown user fragments in checks that are right in every other way.
        0 | 1 => check(),
        2 => {
            let check = check();
            random.mutate(&check, b"", 600)
        }
        // Without integrity: header, user name, and the claim to be controlled.
        3 => {
            let name = b"abcdefgh:abcd\0\0\0";
            let mut bare = vec![0, 1, 0, 32, 0x21, 0x12, 0xa4, 0x42];
            bare.extend(random.bytes(12));
            bare.extend([0, 6, 0, 13]);
            bare.extend(name);
            bare.extend([0x80, 0x29, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1]);
            bare
        }
        // A nomination behind the integrity, and a fingerprint that is wrong.
        4 => {
            let mut check = check();
            let at = check.len() - 8;
            check.splice(at..at, [0, 0x25, 0, 0]);
            check[3] += 4;
            check
        }
        5 => record(22, 0, &[&[1, 0, 0, 90, 0, 0, 0, 0, 0, 0, 0, 90][..], &random.bytes(90)].concat()),
        6 => record(22, 0, &[[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]; 90].concat()),
        7 => record(
            22,
            0,
            &[&[1, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 4, 0][..], &random.bytes(1_024)].concat(),
        ),
        8 => record(23, 1, &random.bytes(40)),
        // Media: a header like a camera's, then a picture that nobody sealed.
        9 => media(random, &[0x90, 96], 900),
        10 => media(random, &[0x80, 201], 60),
        _ => {
            let length = *random.pick(&[0, 1, 12, 40, 1_200, 1_472]);
            random.bytes(length)
        }
    }
}

fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
    let head = [kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1];
    [&head[..], &(body.len() as u16).to_be_bytes(), body].concat()
}

fn media(random: &mut Random, head: &[u8], longest: usize) -> Vec<u8> {
    let length = 12 + random.below(longest);
    [head, &random.bytes(length)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::transport::crypto_provider;

    #[test]
    fn every_kind_is_there_at_the_rate_and_a_silent_port_answers_nothing() {
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        let provider = crypto_provider().unwrap();
        let hostile = Hostile::start(to.local_addr().unwrap(), 2_000, 1, provider).unwrap();
        let mut firsts = [0u32; 256];
        let mut buffer = [0; 2_048];
        for _ in 0..500 {
            let length = to.recv(&mut buffer).unwrap();
            firsts[usize::from(buffer[..length].first().copied().unwrap_or(0xff))] += 1;
        }
        let figures = hostile.stop();
        assert!(firsts[0] > 100 && firsts[22] > 80 && firsts[0x90] > 30, "checks, handshakes, media");
        assert!(figures.sent >= 500 && figures.answered == 0, "{figures:?}");
    }
}
