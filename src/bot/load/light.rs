//! A light client: one classroom's media connection without a browser's weight.
//!
//! Sans-IO, like the server's core and on the same crates: it is given datagrams and the time and
//! leaves datagrams. It checks its path, shakes hands, opens what it gets, counts, reports (RR),
//! tells arrivals (transport-wide feedback) and asks for what is missing (`nacks`) and for key frames
//! as a browser does. It decodes nothing; a simulated player may take what it got. A publisher
//! (`publish`) sends packets that look like a camera's to the forwarder.

pub mod nacks;
mod offer;
mod publish;
mod streams;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

pub use self::offer::{Lines, MIC_AND_CAMERA, Track, offer, offer_tracks};
use self::publish::Sent;
pub use self::publish::{Part, timestamp};
use self::streams::Stream;
pub use self::streams::Taken;
use crate::bot::load::answer::Answer;
use crate::bot::load::delay::Delays;
use crate::media::codec::Codec;
use crate::media::feedback::Arrivals;
use crate::media::negotiate::{IceCredentials, MediaKind};
use crate::media::rtp::{RtpHeader, is_rtcp};
use crate::media::transport::dtls::{DtlsClient, DtlsClientConfig, Progress};
use crate::media::transport::ice::{BindingRequest, nominating_check};
use crate::media::transport::rtcp::{self, Compound, ReceptionBlock, Said};
use crate::media::transport::srtp::{self, Opener, Sealer};
use crate::media::transport::{Crypto, CryptoProvider};

/// Browsers check consent about this often (RFC 7675 §5.1).
const CHECK_EVERY: Duration = Duration::from_millis(2_500);
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Chromium's choice within its 50–250 ms at these rates.
const FEEDBACK_EVERY: Duration = Duration::from_millis(100);
const NACK_EVERY: Duration = Duration::from_millis(20);
/// What Chromium takes for a round trip until it is told one; where it sends nothing, that is always.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// What all light clients of a process share.
#[derive(Clone)]
pub struct Shared {
    pub provider: Arc<dyn CryptoProvider>,
    pub dtls: DtlsClientConfig,
    pub fingerprint: String,
    pub delays: Arc<Delays>,
}

/// What a client has counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Media packets that authenticated.
    pub packets: u64,
    /// Bytes of RTP and RTCP datagrams, as the server counts them.
    pub bytes: u64,
    /// Packets that should have come by the sequence numbers.
    pub expected: u64,
    pub repaired: u64,
    pub nacked: u64,
    pub unauthentic: u64,
}

pub struct Light {
    shared: Shared,
    ice: IceCredentials,
    answer: Answer,
    pub server: SocketAddr,
    /// Whether its datagrams shall go by TCP; whoever moves them decides.
    pub by_tcp: bool,
    dtls: DtlsClient,
    shaking: bool,
    keys: Option<(Sealer, Opener)>,
    streams: Vec<Stream>,
    began: Instant,
    next_check: Instant,
    next_report: Instant,
    next_nack: Instant,
    next_feedback: Instant,
    arrivals: Arrivals,
    /// How often arrivals are told.
    pub feedback_every: Duration,
    /// As far as it is known.
    pub round_trip: Duration,
    /// When the last sender report left, and the time that it named.
    said: Option<(Instant, u32)>,
    tracks: Vec<Track>,
    sent: Vec<[Sent; 3]>,
    pub connected: Option<Duration>,
    pub first_packet: Option<Duration>,
    pub first_key_frame: Option<Duration>,
    counts: Counts,
    /// Key-frame requests that the server sent.
    pub key_requests: u64,
    /// The streams that they named, until somebody takes them.
    pub wanted: Vec<u32>,
    /// What was opened, for a player that takes it; `None`: nobody does.
    pub taken: Option<Vec<Taken>>,
    /// Datagrams to send to `server`.
    pub out: Vec<Vec<u8>>,
}

impl Light {
    /// A client whose offer was answered.
    #[must_use]
    pub fn new(
        shared: &Shared,
        ice: IceCredentials,
        answer: Answer,
        server: SocketAddr,
        now: Instant,
    ) -> Self {
        let streams = Stream::of(&answer.slots);
        Self {
            dtls: DtlsClient::new(&shared.dtls),
            shared: shared.clone(),
            ice,
            answer,
            server,
            by_tcp: false,
            shaking: false,
            keys: None,
            streams,
            began: now,
            next_check: now,
            next_report: now + REPORT_EVERY,
            next_nack: now,
            next_feedback: now + FEEDBACK_EVERY,
            arrivals: Arrivals::default(),
            feedback_every: FEEDBACK_EVERY,
            round_trip: ROUND_TRIP,
            said: None,
            tracks: MIC_AND_CAMERA.to_vec(),
            sent: vec![Sent::BEGIN; MIC_AND_CAMERA.len()],
            connected: None,
            first_packet: None,
            first_key_frame: None,
            counts: Counts::default(),
            key_requests: 0,
            wanted: Vec::new(),
            taken: None,
            out: Vec::new(),
        }
    }

    /// The same, of a client that offered to send these.
    #[must_use]
    pub fn sending(self, tracks: &[Track]) -> Self {
        Self { tracks: tracks.to_vec(), sent: vec![Sent::BEGIN; tracks.len()], ..self }
    }

    fn crypto(&self) -> Arc<dyn CryptoProvider> {
        self.shared.provider.clone()
    }

    /// Does what is due: call about every 20 ms.
    pub fn tick(&mut self, now: Instant) {
        if now >= self.next_check {
            let wait = if self.shaking { CHECK_EVERY } else { Duration::from_millis(100) };
            self.next_check = now + wait;
            let check = nominating_check(&self.ice, &self.answer.ice, self.crypto().crypto());
            self.out.push(check);
        }
        if self.keys.is_none() {
            if self.shaking {
                let mut flights = Vec::new();
                self.dtls.handle_timeout(now, &mut flights);
                self.queue(flights);
            }
            return;
        }
        let mut compound = Compound::default();
        if now >= self.next_nack {
            self.next_nack = now + NACK_EVERY;
            self.ask_for_missing(now, Some(self.round_trip), &mut compound);
        }
        if now >= self.next_feedback {
            self.next_feedback = now + self.feedback_every;
            if let (false, Some(stream)) = (self.arrivals.is_empty(), self.streams.first()) {
                self.arrivals.report(1, stream.ssrc, &mut compound);
            }
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_EVERY;
            let blocks: Vec<ReceptionBlock> = self.streams.iter_mut().filter_map(|s| s.report(now)).collect();
            compound.receiver_report(1, &blocks);
        }
        self.send_rtcp(compound);
    }

    fn ask_for_missing(&mut self, now: Instant, again: Option<Duration>, compound: &mut Compound) {
        let mut ask = Vec::new();
        for stream in self.streams.iter_mut().filter(|s| s.kind == MediaKind::Video) {
            ask.clear();
            stream.nacks.due(now, again, &mut ask);
            if !ask.is_empty() {
                self.counts.nacked += ask.len() as u64;
                compound.nack(1, stream.ssrc, &ask);
            }
        }
    }

    /// The decoder of a slot has everything up to packet `ext`, or can do without.
    pub fn passed(&mut self, slot: usize, ext: u64) {
        if let Some(stream) = self.streams.iter_mut().find(|s| s.slot == slot && s.repairs.is_none()) {
            stream.nacks.forget(ext);
        }
    }

    /// The decoder of a slot cannot go on (PLI, RFC 4585 §6.3.1).
    pub fn ask_for_key_frame(&mut self, slot: usize) {
        let mut compound = Compound::default();
        if let Some(stream) = self.streams.iter().find(|s| s.slot == slot && s.repairs.is_none()) {
            compound.picture_loss(1, stream.ssrc);
        }
        self.send_rtcp(compound);
    }

    fn send_rtcp(&mut self, compound: Compound) {
        if let (false, Some((sealer, _))) = (compound.is_empty(), &mut self.keys) {
            self.out.push(sealer.seal_rtcp(&compound.finish()).to_vec());
        }
    }

    /// Takes a datagram from the server; it may be changed in place.
    pub fn handle(&mut self, datagram: &mut [u8], now: Instant) {
        if matches!(datagram.first(), Some(128..=191)) {
            self.counts.bytes += datagram.len() as u64;
        }
        match datagram.first() {
            Some(0..=3) => self.handle_stun(datagram, now),
            Some(20..=63) => {
                let mut flights = Vec::new();
                let progress = self.dtls.read(now, datagram, &mut flights);
                self.queue(flights);
                if let Progress::Connected(keys) = progress {
                    self.keys = srtp::keyed(&keys, self.crypto().crypto());
                    self.connected = Some(now - self.began);
                }
            }
            Some(128..=191) if is_rtcp(datagram) => self.handle_rtcp(datagram, now),
            Some(128..=191) => {
                let provider = self.crypto();
                if self.handle_rtp(datagram, now, provider.crypto()).is_none() {
                    self.counts.unauthentic += 1;
                }
            }
            _ => {}
        }
    }

    /// The first reply to a check begins the handshake. A check is answered: a full agent must, and
    /// libnice waits for that answer even where it says that it is lite.
    fn handle_stun(&mut self, datagram: &[u8], now: Instant) {
        if let Some(mut check) = BindingRequest::parse(datagram) {
            let provider = self.crypto();
            let crypto = provider.crypto();
            if check.authenticate(&self.ice, &self.answer.ice, crypto).is_some() {
                self.out.push(check.success(self.server, &self.ice, crypto));
            }
        } else if !self.shaking {
            self.shaking = true;
            self.next_check = now + CHECK_EVERY;
            let mut flights = Vec::new();
            self.dtls.connect(now, &mut flights);
            self.queue(flights);
        }
    }

    fn queue(&mut self, flights: Vec<BytesMut>) {
        self.out.extend(flights.into_iter().map(|f| f.to_vec()));
    }

    fn handle_rtcp(&mut self, datagram: &[u8], now: Instant) {
        let provider = self.crypto();
        let opened = self.keys.as_mut().map(|(_, opener)| opener.open_rtcp(datagram, provider.crypto()));
        let Some(Ok(plain)) = opened else {
            return;
        };
        rtcp::read(plain, |said| match said {
            Said::SenderReport { ssrc, ntp, .. } => {
                if let Some(stream) = self.streams.iter_mut().find(|s| s.ssrc == ssrc) {
                    stream.last_report = Some(((ntp >> 16) as u32, now));
                }
            }
            Said::KeyFrameWanted { ssrc } => {
                self.key_requests += 1;
                // A publisher that nobody asks remembers a few.
                if self.wanted.len() < 16 {
                    self.wanted.push(ssrc);
                }
            }
            Said::Reception { last_report, delay, .. } => self.learn_round_trip(last_report, delay, now),
            Said::Nack { .. } | Said::Deliveries(_) | Said::Estimate { .. } => {}
        });
    }

    fn handle_rtp(&mut self, datagram: &mut [u8], now: Instant, crypto: &dyn Crypto) -> Option<()> {
        let header = RtpHeader::read(datagram)?;
        let at = self.streams.iter().position(|s| s.ssrc == header.ssrc)?;
        let (_, opener) = self.keys.as_mut()?;
        let opened = opener.open_rtp(datagram, header.length, &mut self.streams[at].index, crypto);
        let (index, length) = opened.ok()?;
        let number = self.answer.transport_cc.and_then(|id| header.extension(datagram, id));
        if let Some(number) = number.and_then(|n| n.try_into().ok()) {
            self.arrivals.arrived(u16::from_be_bytes(number), (now - self.began).as_micros() as i64);
        }
        // Padding says its own length in its last byte; a packet of nothing else is a probe.
        let padding = if header.padding { usize::from(*datagram[..length].last()?) } else { 0 };
        let payload = &datagram[header.length..length.saturating_sub(padding).max(header.length)];
        let since = now - self.began;
        self.first_packet.get_or_insert(since);
        self.counts.packets += 1;
        self.streams[at].count(index);
        if payload.is_empty() {
            if self.streams[at].repairs.is_none() {
                self.streams[at].nacks.arrived(index, false);
            }
            return Some(());
        }
        let (target, ext) = match self.streams[at].repairs {
            None => (at, index),
            Some(target) => {
                let number = u16::from_be_bytes(*payload.first_chunk::<2>()?);
                self.counts.repaired += 1;
                (target, srtp::extend(self.streams[target].highest, number)?)
            }
        };
        if self.first_key_frame.is_none() && self.streams[at].repairs.is_none() {
            let codec = self.answer.codec(header.payload_type);
            if codec.is_some_and(|c| c != Codec::Opus && c.inspect(payload).key_start) {
                self.first_key_frame = Some(since);
            }
        }
        self.shared.delays.arrived(payload, now);
        let stream = &mut self.streams[target];
        let repair = target != at;
        let playable = stream.nacks.arrived(ext, repair);
        let slot = stream.slot;
        if let Some(taken) = &mut self.taken {
            let payload = if repair { &payload[2..] } else { payload }.to_vec();
            let RtpHeader { timestamp, marker, payload_type, .. } = header;
            let size = datagram.len();
            taken.push(Taken { slot, ext, timestamp, marker, payload_type, payload, repair, size });
        }
        if !repair {
            let mut compound = Compound::default();
            self.ask_for_missing(now, None, &mut compound);
            self.send_rtcp(compound);
        }
        if !playable {
            self.ask_for_key_frame(slot);
        }
        Some(())
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let spans = self.streams.iter().filter(|s| s.repairs.is_none());
        let expected = spans.filter_map(Stream::expected).sum();
        Counts { expected, ..self.counts }
    }

    /// Says goodbye.
    pub fn close(&mut self, now: Instant) {
        let mut flights = Vec::new();
        self.dtls.close(now, &mut flights);
        self.queue(flights);
    }
}
