//! The whole core with somebody inside: one peer whose packets authenticate and are nonsense, one
//! honest peer, each fed with the other's camera and microphone.
//!
//! An input is a script: a byte of options, then steps of one byte (what), two bytes (length or
//! milliseconds) and, for most, that many bytes. Words A0 00 00 nn in reports stand for the SSRC of
//! the insider's n-th slot, which no script can know.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fuzz::insider::{Insider, SOURCES};
use crate::fuzz::packets::SHARED;
use crate::fuzz::texts::negotiator;
use crate::ids::{HubId, PeerId};
use crate::media::command::{Command, Event, LayerIndex, Rank, Route};
use crate::media::core::Core;
use crate::media::negotiate::{Accepted, Codec, MediaKind, PeerRequest, SourceKind};
use crate::media::output::Path;
use crate::media::rtp::Outgoing;

/// Options in the first byte of a script.
pub const OLD_CIPHER: u8 = 1;
pub const H264: u8 = 2;
/// Steps. Sealed ones are sent by the insider.
pub const RAW: u8 = 0;
pub const RTP: u8 = 1;
pub const RTCP: u8 = 2;
pub const STRANGER: u8 = 3;
pub const WAIT: u8 = 4;
pub const REPLAY: u8 = 5;
pub const MOVE: u8 = 6;
/// The honest peer sends a picture and sound.
pub const HONEST: u8 = 7;
const STEPS: u8 = 8;

/// Steps that are looked at.
const MAX_STEPS: usize = 400;
const MAX_WAIT: u16 = 2_000;
/// One compound packet may ask for every packet of both video slots again, no more.
const MAX_OUT: usize = 2 * 256 + 40;
/// The two cameras' payload types, by codec.
const VIDEO: [(Codec, u8); 2] = [(Codec::Vp8, 96), (Codec::H264, 102)];

/// Runs one script.
pub fn run(input: &[u8]) {
    let (options, mut rest) = input.split_first().map_or((0, input), |(o, r)| (*o, r));
    let mut world = World::new(options);
    for _ in 0..MAX_STEPS {
        let Some(([what, a, b], after)) = rest.split_first_chunk::<3>() else {
            break;
        };
        let number = u16::from_be_bytes([*a, *b]);
        let what = what % STEPS;
        let length = if what == WAIT { 0 } else { usize::from(number).min(after.len()) };
        let (bytes, next) = after.split_at(length);
        rest = next;
        world.step(what, number, bytes);
        if world.peers() < 2 {
            break; // what it did ended its own peer, which is its right
        }
    }
    world.check();
}

struct Member {
    client: Insider,
    address: SocketAddr,
    peer: PeerId,
    accepted: Accepted,
}

struct World {
    core: Core,
    now: Instant,
    insider: Member,
    honest: Member,
    video: (Codec, u8),
    sequence: u16,
    next_port: u16,
    closed: Arc<Mutex<Vec<PeerId>>>,
}

fn join(
    core: &mut Core,
    hub: HubId,
    old_cipher: bool,
    prefer_video: Codec,
    port: u16,
    now: Instant,
) -> Member {
    let mut client = Insider::new(old_cipher);
    let sources = SOURCES.iter().map(|(mid, kind)| ((*mid).to_owned(), *kind)).collect();
    let request = PeerRequest { sources, prefer_video };
    let accepted = negotiator().accept(0, &client.offer(), &request).expect("a good offer");
    client.theirs = Some(accepted.setup.local.clone());
    let command = Command::AddPeer { hub, peer: accepted.peer, setup: accepted.setup.clone() };
    core.handle_command(command, now);
    Member { client, address: ([127, 0, 0, 1], port).into(), peer: accepted.peer, accepted }
}

impl World {
    fn new(options: u8) -> Self {
        let now = Instant::now();
        let mut core = Core::new(SHARED.provider.clone(), SHARED.dtls.clone(), now);
        let hub = HubId::next();
        let closed: Arc<Mutex<Vec<PeerId>>> = Arc::default();
        let sink = closed.clone();
        let events = Box::new(move |event| {
            if let (Event::PeerClosed { peer, .. }, Ok(mut closed)) = (event, sink.lock()) {
                closed.push(peer);
            }
        });
        core.handle_command(Command::OpenHub { hub, events }, now);
        let video = VIDEO[usize::from(options & H264 != 0)];
        let insider = join(&mut core, hub, options & OLD_CIPHER != 0, video.0, 1_000, now);
        let honest = join(&mut core, hub, false, video.0, 2_000, now);
        let mut world = Self { core, now, insider, honest, video, sequence: 0, next_port: 3_000, closed };
        for _ in 0..40 {
            if world.insider.client.connected() && world.honest.client.connected() {
                break;
            }
            world.wait(Duration::from_millis(20));
        }
        assert!(world.insider.client.connected() && world.honest.client.connected(), "both are in");
        world.route();
        world
    }

    fn peers(&self) -> usize {
        self.core.held().peers
    }

    /// Each gets the other's microphone and camera.
    fn route(&mut self) {
        for (to, from) in [(&self.insider, &self.honest), (&self.honest, &self.insider)] {
            let source = |kind| from.accepted.sources.iter().find(|s| s.kind == kind).map(|s| s.source);
            let slot = |kind| to.accepted.slots.iter().find(|s| s.kind == kind).map(|s| s.slot);
            let pairs = [(MediaKind::Audio, SourceKind::Mic), (MediaKind::Video, SourceKind::Camera)];
            let route = |(slot_kind, source_kind)| {
                let source = source(source_kind);
                Some(Route {
                    slot: slot(slot_kind)?,
                    source,
                    max_layer: LayerIndex::TOP,
                    rank: Rank::Lead,
                    turn: 1,
                })
            };
            let routes = pairs.into_iter().filter_map(route).collect();
            self.core.handle_command(Command::Route { peer: to.peer, routes }, self.now);
        }
    }

    fn step(&mut self, what: u8, number: u16, bytes: &[u8]) {
        let from = self.insider.address;
        match what {
            RAW => self.send(from, bytes),
            RTP | REPLAY => {
                if let Some(sealed) = self.insider.client.seal_rtp(bytes) {
                    self.send(from, &sealed);
                    if what == REPLAY {
                        self.send(from, &sealed);
                    }
                }
            }
            RTCP => {
                let plain = self.with_ssrcs(bytes);
                if let Some(sealed) = self.insider.client.seal_rtcp(&plain) {
                    self.send(from, &sealed);
                }
            }
            STRANGER => {
                let before = self.core.held();
                self.send(([127, 0, 0, 1], 9_999).into(), bytes);
                assert_eq!(self.core.held(), before, "a stranger leaves no trace");
            }
            WAIT => self.wait(Duration::from_millis(u64::from(number % MAX_WAIT))),
            MOVE => {
                self.next_port += 1;
                self.insider.address.set_port(self.next_port);
                let check = self.insider.client.check();
                self.send(self.insider.address, &check);
            }
            _ => self.honest_media(),
        }
    }

    fn with_ssrcs(&self, bytes: &[u8]) -> Vec<u8> {
        let slots = &self.insider.accepted.setup.slots;
        let mut plain = bytes.to_vec();
        for word in plain.chunks_exact_mut(4) {
            if let [0xa0, 0, 0, n] = word {
                let slot = &slots[usize::from(*n) % slots.len()];
                word.copy_from_slice(&slot.ssrc.to_be_bytes());
            }
        }
        plain
    }

    /// A datagram in, all that comes of it out.
    fn send(&mut self, from: SocketAddr, bytes: &[u8]) {
        let mut datagram = bytes.to_vec();
        self.core.handle_datagram(&mut datagram, Path::udp(from, None), Duration::ZERO, self.now);
        self.core.flush(self.now);
        assert!(self.core.out.len() <= MAX_OUT, "{} datagrams for one", self.core.out.len());
        self.deliver();
    }

    fn deliver(&mut self) {
        loop {
            let out = std::mem::take(&mut self.core.out);
            for n in 0..out.len() {
                let (datagram, bytes) = out.get(n);
                assert!(bytes.len() <= 1_500, "{} bytes are no Ethernet frame", bytes.len());
                let to = datagram.path.remote;
                let mut bytes = bytes.to_vec();
                if to == self.insider.address {
                    self.insider.client.handle(&mut bytes, self.now);
                } else if to == self.honest.address {
                    self.honest.client.handle(&mut bytes, self.now);
                } else {
                    assert!(
                        (3_000..=self.next_port).contains(&to.port()) || to.port() == 1_000,
                        "to nobody: {to}"
                    );
                }
            }
            let mut moved = false;
            for insider in [true, false] {
                let member = if insider { &mut self.insider } else { &mut self.honest };
                let from = Path::udp(member.address, None);
                for mut datagram in std::mem::take(&mut member.client.out) {
                    moved = true;
                    self.core.handle_datagram(&mut datagram, from, Duration::ZERO, self.now);
                }
            }
            self.core.flush(self.now);
            if !moved && self.core.out.is_empty() {
                return;
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(20);
            self.insider.client.tick(self.now);
            self.honest.client.tick(self.now);
            if self.core.poll_timeout() <= self.now {
                self.core.handle_timeout(self.now);
            }
            self.deliver();
        }
    }

    /// One picture of one packet, a key frame, and sound.
    fn honest_media(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        let extension = |mid: &[u8], rid: &[u8]| {
            let mut words = vec![0x10 | (mid.len() as u8 - 1)];
            words.extend(mid);
            if let Some(last) = (rid.len() as u8).checked_sub(1) {
                words.push(0x20 | last);
                words.extend(rid);
            }
            words.resize(words.len().next_multiple_of(4), 0);
            words
        };
        let picture: &[u8] = match self.video.0 {
            Codec::Vp8 => &[0x90, 0xe0, 0x81, 0x01, 1, 0, 0x10, 2, 3],
            _ => &[0x65, 0x88, 1, 2, 3],
        };
        let streams = [
            (111, 7u32, extension(b"0", b""), &b"sound"[..]),
            (self.video.1, 8, extension(b"1", b"f"), picture),
        ];
        for (payload_type, ssrc, extension, payload) in streams {
            let timestamp = u32::from(self.sequence) * 3_000;
            let sequence = self.sequence;
            let header = Outgoing {
                payload_type,
                marker: true,
                sequence,
                timestamp,
                ssrc,
                extension: None,
                transport_cc: None,
            };
            let mut plain = Vec::new();
            header.write(&mut plain);
            plain[0] |= 0x10;
            plain.extend([0xbe, 0xde, 0, (extension.len() / 4) as u8]);
            plain.extend(extension);
            plain.extend(payload);
            let sealed = self.honest.client.seal_rtp(&plain).expect("it is connected");
            self.send(self.honest.address, &sealed);
        }
    }

    /// What must hold after any script.
    fn check(mut self) {
        let held = self.core.held();
        assert_eq!(self.core.stats.panics, 0, "a peer's code panicked");
        assert!((1..=2).contains(&held.peers) && held.fresh == 0 && held.out == 0, "{held:?}");
        assert!(held.addresses <= 17 && held.ufrags <= 2, "{held:?}");
        assert!(held.streams <= 32 && held.reporters <= 32 && held.missing <= 200, "{held:?}");
        let ended = self.closed.lock().is_ok_and(|closed| closed.contains(&self.honest.peer));
        assert!(!ended, "the honest one was not touched");
        assert_eq!(self.honest.client.wrong, 0, "it got nothing that it could not open");
        let had = self.insider.client.media;
        self.honest_media();
        assert!(
            held.peers == 1 || self.insider.client.media > had || self.insider_is_elsewhere(),
            "it is still forwarded"
        );
    }

    /// After a move its packets go to the newest address that was nominated: its own.
    fn insider_is_elsewhere(&self) -> bool {
        self.insider.address.port() != self.next_port && self.next_port != 3_000
    }
}
