//! A light client: one classroom's media connection without a browser's weight.
//!
//! Sans-IO, like the server's core and on the same crates: it is given datagrams and the time and
//! leaves datagrams. It checks its path, shakes hands, opens what it gets, counts, reports (RR),
//! tells arrivals (transport-wide feedback) and asks for what is missing (NACK) as a browser does. It decodes nothing. A publisher sends packets
//! that look like a camera's to the forwarder.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::bot::load::answer::Answer;
use crate::bot::load::delay::Delays;
use crate::media::codec::Codec;
use crate::media::feedback::Arrivals;
use crate::media::nack::MissingPackets;
use crate::media::negotiate::{IceCredentials, MediaKind};
use crate::media::rtp::{Outgoing, RtpHeader, is_rtcp};
use crate::media::transport::dtls::{DtlsClient, DtlsClientConfig, Progress};
use crate::media::transport::ice::{BindingRequest, nominating_check};
use crate::media::transport::rtcp::{self, Compound, ReceptionBlock, Said};
use crate::media::transport::srtp::{self, Opener, ReceiveIndex, Sealer};
use crate::media::transport::{Crypto, CryptoProvider};

/// Browsers check consent about this often (RFC 7675 §5.1).
const CHECK_EVERY: Duration = Duration::from_millis(2_500);
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Chromium's choice within its 50–250 ms at these rates.
const FEEDBACK_EVERY: Duration = Duration::from_millis(100);
const NACK_EVERY: Duration = Duration::from_millis(20);

/// What all light clients of a process share.
#[derive(Clone)]
pub struct Shared {
    pub provider: Arc<dyn CryptoProvider>,
    pub dtls: DtlsClientConfig,
    pub fingerprint: String,
    pub delays: Arc<Delays>,
}

/// What a client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Send a microphone and a camera.
    pub publish: bool,
    pub audio: u8,
    pub video: u8,
    /// Take sound that repeats itself (RED).
    pub red: bool,
}

/// SSRCs that a publisher declares.
const AUDIO_SSRC: u32 = 0x1111;
const VIDEO_SSRC: u32 = 0x2222;
/// Id of the transport-wide number, in our offers.
const TRANSPORT_CC: u8 = 5;

/// The offer of a client with these credentials.
#[must_use]
pub fn offer(shared: &Shared, ice: &IceCredentials, lines: Lines) -> String {
    let publish = if lines.publish { 2 } else { 0 };
    let total = publish + u32::from(lines.audio) + u32::from(lines.video);
    let mids: Vec<String> = (0..total).map(|n| n.to_string()).collect();
    let mut sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
         a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:active\r\n",
        mids.join(" "),
        ice.ufrag,
        ice.pwd,
        shared.fingerprint
    );
    let mut mid = 0;
    let mut line = |kind: MediaKind, sends: Option<u32>| {
        let (name, formats, codecs) = match kind {
            MediaKind::Audio if lines.red && sends.is_none() => (
                "audio",
                "111 63",
                "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
                 a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n",
            ),
            MediaKind::Audio => {
                ("audio", "111", "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n")
            }
            // Decodes nothing, so it takes everything; what it sends is VP8.
            MediaKind::Video => (
                "video",
                if sends.is_some() { "96 97" } else { "96 97 102 103 98 99 45 46" },
                "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
                 a=rtcp-fb:96 transport-cc\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
                 a=rtpmap:102 H264/90000\r\n\
                 a=fmtp:102 packetization-mode=1;profile-level-id=42e01f\r\n\
                 a=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\n\
                 a=rtcp-fb:102 transport-cc\r\na=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n\
                 a=rtpmap:98 VP9/90000\r\na=rtcp-fb:98 nack\r\na=rtcp-fb:98 nack pli\r\n\
                 a=rtcp-fb:98 transport-cc\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n\
                 a=rtpmap:45 AV1/90000\r\na=rtcp-fb:45 nack\r\na=rtcp-fb:45 nack pli\r\n\
                 a=rtcp-fb:45 transport-cc\r\na=rtpmap:46 rtx/90000\r\na=fmtp:46 apt=45\r\n",
            ),
        };
        let direction = if sends.is_some() { "sendonly" } else { "recvonly" };
        let ssrc = sends.map_or(String::new(), |s| format!("a=ssrc:{s} cname:load\r\n"));
        sdp.push_str(&format!(
            "m={name} 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
             a=rtcp-mux\r\na={direction}\r\n{codecs}a=extmap:{TRANSPORT_CC} {uri}\r\n{ssrc}",
            uri = crate::media::negotiate::TRANSPORT_CC,
        ));
        mid += 1;
    };
    if lines.publish {
        line(MediaKind::Audio, Some(AUDIO_SSRC));
        line(MediaKind::Video, Some(VIDEO_SSRC));
    }
    (0..lines.audio).for_each(|_| line(MediaKind::Audio, None));
    (0..lines.video).for_each(|_| line(MediaKind::Video, None));
    sdp
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
    sent: [u64; 2],
    pub connected: Option<Duration>,
    pub first_packet: Option<Duration>,
    pub first_key_frame: Option<Duration>,
    counts: Counts,
    /// Key-frame requests that the server sent.
    pub key_requests: u64,
    /// Datagrams to send to `server`.
    pub out: Vec<Vec<u8>>,
}

/// One slot's stream or its repair stream.
struct Stream {
    ssrc: u32,
    kind: MediaKind,
    /// Repairs the stream at this place.
    repairs: Option<usize>,
    index: ReceiveIndex,
    first: Option<u64>,
    highest: u64,
    received: u64,
    reported: (u64, u64),
    missing: MissingPackets,
    last_report: Option<(u32, Instant)>,
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
        let mut streams = Vec::new();
        for slot in &answer.slots {
            let stream = |ssrc, repairs| Stream {
                ssrc,
                kind: slot.kind,
                repairs,
                index: ReceiveIndex::default(),
                first: None,
                highest: 0,
                received: 0,
                reported: (0, 0),
                missing: MissingPackets::default(),
                last_report: None,
            };
            let at = streams.len();
            streams.push(stream(slot.ssrc, None));
            streams.extend(slot.rtx_ssrc.map(|rtx| stream(rtx, Some(at))));
        }
        Self {
            dtls: DtlsClient::new(&shared.dtls),
            shared: shared.clone(),
            ice,
            answer,
            server,
            shaking: false,
            keys: None,
            streams,
            began: now,
            next_check: now,
            next_report: now + REPORT_EVERY,
            next_nack: now,
            next_feedback: now + FEEDBACK_EVERY,
            arrivals: Arrivals::default(),
            sent: [1_000, 1_000],
            connected: None,
            first_packet: None,
            first_key_frame: None,
            counts: Counts::default(),
            key_requests: 0,
            out: Vec::new(),
        }
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
            let mut ask = Vec::new();
            for stream in self.streams.iter_mut().filter(|s| s.kind == MediaKind::Video) {
                ask.clear();
                stream.missing.due(now, Duration::from_millis(50), &mut ask);
                if !ask.is_empty() {
                    self.counts.nacked += ask.len() as u64;
                    compound.nack(1, stream.ssrc, &ask);
                }
            }
        }
        if now >= self.next_feedback {
            self.next_feedback = now + FEEDBACK_EVERY;
            if let (false, Some(stream)) = (self.arrivals.is_empty(), self.streams.first()) {
                self.arrivals.report(1, stream.ssrc, &mut compound);
            }
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_EVERY;
            let blocks: Vec<ReceptionBlock> = self.streams.iter_mut().filter_map(|s| s.report(now)).collect();
            compound.receiver_report(1, &blocks);
        }
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
            Said::KeyFrameWanted { .. } => self.key_requests += 1,
            Said::Reception { .. } | Said::Nack { .. } | Said::Deliveries(_) => {}
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
        let payload = &datagram[header.length..length];
        let since = now - self.began;
        self.first_packet.get_or_insert(since);
        self.counts.packets += 1;
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
        stream.first = Some(stream.first.map_or(ext, |f| f.min(ext)));
        stream.highest = stream.highest.max(ext);
        stream.received += 1;
        stream.missing.arrived(ext, now, stream.kind == MediaKind::Video);
        Some(())
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let spans = self.streams.iter().filter(|s| s.repairs.is_none());
        let expected = spans.filter_map(|s| Some(s.highest - s.first? + 1)).sum();
        Counts { expected, ..self.counts }
    }

    /// Sends one picture of `packets` packets of `size` bytes; the first may begin a key frame.
    pub fn publish_picture(&mut self, at: Duration, packets: usize, size: usize, key: bool) {
        let timestamp = (at.as_micros() * 90_000 / 1_000_000) as u32;
        for n in 0..packets {
            let start = if n == 0 { 0x10 } else { 0 };
            let mut payload = vec![0xaa; size];
            payload[0] = start;
            payload[1] = if key { 0x10 } else { 0x11 };
            self.shared.delays.stamp(&mut payload, Instant::now());
            self.publish(1, 96, VIDEO_SSRC, timestamp, n + 1 == packets, &payload);
        }
    }

    /// Sends 20 ms of sound of `size` bytes.
    pub fn publish_sound(&mut self, at: Duration, size: usize) {
        let timestamp = (at.as_micros() * 48_000 / 1_000_000) as u32;
        let mut payload = vec![0x78; size];
        self.shared.delays.stamp(&mut payload, Instant::now());
        self.publish(0, 111, AUDIO_SSRC, timestamp, false, &payload);
    }

    fn publish(
        &mut self,
        stream: usize,
        payload_type: u8,
        ssrc: u32,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
    ) {
        let Some((sealer, _)) = &mut self.keys else {
            return;
        };
        self.sent[stream] += 1;
        let index = self.sent[stream];
        let header = Outgoing {
            payload_type,
            marker,
            sequence: index as u16,
            timestamp,
            ssrc,
            extension: None,
            transport_cc: None,
        };
        let mut packet = Vec::with_capacity(payload.len() + 40);
        let length = header.write(&mut packet);
        packet.extend_from_slice(payload);
        sealer.seal_rtp(&mut packet, 0, length, index);
        self.out.push(packet);
    }

    /// Says goodbye.
    pub fn close(&mut self, now: Instant) {
        let mut flights = Vec::new();
        self.dtls.close(now, &mut flights);
        self.queue(flights);
    }
}

impl Stream {
    fn report(&mut self, now: Instant) -> Option<ReceptionBlock> {
        let expected = self.highest - self.first? + 1;
        let interval = expected - self.reported.0;
        let lost = interval.saturating_sub(self.received - self.reported.1);
        self.reported = (expected, self.received);
        Some(ReceptionBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256 / interval.max(1)).min(255) as u8,
            total_lost: expected.saturating_sub(self.received) as u32,
            highest: self.highest as u32,
            jitter: 0,
            last_report: self.last_report.map_or(0, |(lsr, _)| lsr),
            delay: self.last_report.map_or(0, |(_, at)| ((now - at).as_micros() * 65_536 / 1_000_000) as u32),
        })
    }
}
