//! A participant at the end of a link: a light client, its address, and both directions.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use zhuandi::bot::link::model::{Link, LinkConfig};
use zhuandi::bot::load::answer::Answer;
use zhuandi::bot::load::light::Light;
use zhuandi::ids::PeerId;
use zhuandi::media::negotiate::MediaKind;

use crate::meter::{Kind, Meter};

/// Light clients and players are looked at this often.
const TICK: Duration = Duration::from_millis(5);

pub struct Station {
    pub name: String,
    pub light: Light,
    pub answer: Answer,
    pub peer: PeerId,
    pub address: SocketAddr,
    /// Server to client.
    pub down: Link<Vec<u8>>,
    /// Client to server.
    pub up: Link<Vec<u8>>,
    pub meter: Meter,
    /// It is behind the world's shared line.
    pub behind: bool,
    next_tick: Duration,
}

/// What a station is made of when it joins.
pub struct Joined {
    pub light: Light,
    pub answer: Answer,
    pub peer: PeerId,
    pub address: SocketAddr,
}

impl Station {
    pub fn new(
        name: &str,
        joined: Joined,
        (down, up): (LinkConfig, LinkConfig),
        seed: u64,
        now: Duration,
    ) -> Self {
        let Joined { light, answer, peer, address } = joined;
        Self {
            name: name.to_owned(),
            light,
            answer,
            peer,
            address,
            down: Link::new(down, 2 * seed + 1),
            up: Link::new(up, 2 * seed + 2),
            meter: Meter::default(),
            behind: false,
            next_tick: now,
        }
    }

    /// The same place with a new connection.
    pub fn rejoin(&mut self, joined: Joined) {
        let Joined { light, answer, peer, address } = joined;
        (self.light, self.answer, self.peer, self.address) = (light, answer, peer, address);
    }

    pub fn poll_timeout(&self) -> Duration {
        let links = self.down.poll_timeout().into_iter().chain(self.up.poll_timeout());
        links.fold(self.next_tick, Duration::min)
    }

    /// The server sends it a datagram.
    pub fn sent(&mut self, bytes: &[u8], now: Duration) {
        self.count(bytes, now);
        self.down.send(now, weight(bytes), bytes.to_vec());
    }

    pub fn count(&mut self, bytes: &[u8], now: Duration) {
        self.meter.count(self.kind_of(bytes), bytes.len(), now);
    }

    /// Takes what has come and does what is due. `true`: a tick passed.
    pub fn run(&mut self, now: Duration, start: Instant) -> bool {
        while let Some(mut datagram) = self.down.receive(now) {
            self.light.handle(&mut datagram, start + now);
        }
        let ticks = self.next_tick <= now;
        if ticks {
            self.next_tick = now + TICK;
            self.light.tick(start + now);
            self.meter.queue(self.down.queueing(), now);
        }
        ticks
    }

    /// Puts what the client sends on its way.
    pub fn send(&mut self, now: Duration) {
        for datagram in std::mem::take(&mut self.light.out) {
            self.up.send(now, weight(&datagram), datagram);
        }
    }

    /// What a datagram of the server carries, by its clear header.
    fn kind_of(&self, bytes: &[u8]) -> Kind {
        let rtp = bytes.len() >= 12 && bytes[0] >> 6 == 2 && !(192..=223).contains(&bytes[1]);
        if !rtp {
            return Kind::Control;
        }
        let ssrc = u32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        let slots = &self.answer.slots;
        let Some(at) = slots.iter().position(|s| s.ssrc == ssrc) else {
            return Kind::Repair;
        };
        let first_picture = slots.iter().take_while(|s| s.kind == MediaKind::Audio).count();
        match at.checked_sub(first_picture) {
            None => Kind::Sound,
            Some(0) => Kind::Camera,
            Some(_) => Kind::Content,
        }
    }
}

/// What a datagram weighs on a link, bytes. Handshakes have certificates and signatures of random length:
/// all of theirs weigh the same, so that one seed is one lesson.
pub fn weight(datagram: &[u8]) -> usize {
    match datagram.first() {
        Some(20..=63) => 600,
        _ => datagram.len(),
    }
}
