//! A client that is let in and then misbehaves.
//!
//! It joins as any other (offer, checks, handshake) and seals whatever it is told to seal, so that
//! nonsense arrives behind every check that strangers fail. Sans-IO: given datagrams and the time,
//! it leaves datagrams. What it gets is opened and counted, and a packet index that the server
//! sealed twice with different bytes is noticed (RFC 3711 §9.1).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use bytes::BytesMut;

use crate::media::negotiate::{IceCredentials, SourceKind};
use crate::media::rtp::{RtpHeader, is_rtcp};
use crate::media::transport::CryptoProvider;
use crate::media::transport::crypto_provider;
use crate::media::transport::dtls::{DtlsClient, DtlsClientConfig, Progress};
use crate::media::transport::ice::nominating_check;
use crate::media::transport::srtp::{self, Opener, Profile, ReceiveIndex, Sealer};

/// Ids of the header extensions in its offer: mid, rid, repaired rid, transport-wide number,
/// audio level, orientation.
const EXTENSIONS: [&str; 6] = [
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "urn:3gpp:video-orientation",
];
/// Its sources, by m-line: a microphone, and a camera of three layers (q, h, f).
pub const SOURCES: [(&str, SourceKind); 2] = [("0", SourceKind::Mic), ("1", SourceKind::Camera)];
/// Receiving m-lines of each kind.
const SLOTS: usize = 2;

struct Shared {
    provider: Arc<dyn CryptoProvider>,
    config: DtlsClientConfig,
    fingerprint: String,
}

fn shared(profile: Profile) -> Shared {
    let provider = crypto_provider().expect("the process has cryptography");
    let made = DtlsClient::shared_with(provider.clone(), profile);
    let (config, fingerprint) = made.expect("a self-signed certificate can be made");
    Shared { provider, config, fingerprint }
}

static GCM: LazyLock<Shared> = LazyLock::new(|| shared(Profile::Gcm128));
static AES_CM: LazyLock<Shared> = LazyLock::new(|| shared(Profile::AesCm));

pub struct Insider {
    shared: &'static Shared,
    pub ours: IceCredentials,
    /// The server's, once the offer is answered.
    pub theirs: Option<IceCredentials>,
    dtls: DtlsClient,
    shaking: bool,
    keys: Option<(Sealer, Opener)>,
    /// Last packet index given to each SSRC.
    given: HashMap<u32, u64>,
    received: HashMap<u32, Received>,
    /// Datagrams to send.
    pub out: Vec<Vec<u8>>,
    /// Packets that opened.
    pub media: u64,
    /// Compound packets that opened.
    pub reports: u64,
    /// Packets that did not open, or opened a second time with other bytes.
    pub wrong: u64,
    /// STUN answers.
    pub checked: u64,
}

#[derive(Default)]
struct Received {
    index: ReceiveIndex,
    seen: HashMap<u16, Vec<u8>>,
}

impl Insider {
    /// `old_cipher`: a client that has AES-CM alone.
    #[must_use]
    pub fn new(old_cipher: bool) -> Self {
        let shared: &'static Shared = if old_cipher { &AES_CM } else { &GCM };
        Self {
            shared,
            ours: IceCredentials::generate(),
            theirs: None,
            dtls: DtlsClient::new(&shared.config),
            shaking: false,
            keys: None,
            given: HashMap::new(),
            received: HashMap::new(),
            out: Vec::new(),
            media: 0,
            reports: 0,
            wrong: 0,
            checked: 0,
        }
    }

    /// Its offer: [`SOURCES`], then two receiving m-lines for sound and two for pictures.
    #[must_use]
    pub fn offer(&self) -> String {
        let mids: Vec<String> = (0..SOURCES.len() + 2 * SLOTS).map(|n| n.to_string()).collect();
        let mut sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\na=ice-ufrag:{}\r\n\
             a=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:active\r\n",
            mids.join(" "),
            self.ours.ufrag,
            self.ours.pwd,
            self.shared.fingerprint
        );
        let simulcast = "a=rid:q send\r\na=rid:h send\r\na=rid:f send\r\na=simulcast:send q;h;f\r\n";
        for (n, mid) in mids.iter().enumerate() {
            let audio = n == 0 || (SOURCES.len()..SOURCES.len() + SLOTS).contains(&n);
            let direction = if n < SOURCES.len() { "sendonly" } else { "recvonly" };
            sdp.push_str(if audio {
                "m=audio 9 UDP/TLS/RTP/SAVPF 111 63\r\na=rtpmap:111 opus/48000/2\r\n\
                 a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n"
            } else {
                "m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
                 a=fmtp:97 apt=96\r\na=rtpmap:102 H264/90000\r\na=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n\
                 a=fmtp:102 packetization-mode=1;profile-level-id=42e01f\r\n"
            });
            sdp.push_str(&format!("c=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=rtcp-mux\r\na={direction}\r\n"));
            for (id, uri) in EXTENSIONS.iter().enumerate() {
                sdp.push_str(&format!("a=extmap:{} {uri}\r\n", id + 1));
            }
            sdp.push_str(if n == 1 { simulcast } else { "" });
        }
        sdp
    }

    #[must_use]
    pub fn connected(&self) -> bool {
        self.keys.is_some()
    }

    /// A connectivity check that nominates its path.
    #[must_use]
    pub fn check(&self) -> Vec<u8> {
        let theirs = self.theirs.as_ref();
        theirs.map_or_else(Vec::new, |t| nominating_check(&self.ours, t, self.shared.provider.crypto()))
    }

    /// The first flight, also without a check before it.
    pub fn begin_handshake(&mut self, now: Instant) {
        self.shaking = true;
        let mut flights = Vec::new();
        self.dtls.connect(now, &mut flights);
        self.queue(flights);
    }

    /// Repeats what got no answer.
    pub fn tick(&mut self, now: Instant) {
        if self.keys.is_none() && self.shaking {
            let mut flights = Vec::new();
            self.dtls.handle_timeout(now, &mut flights);
            self.queue(flights);
        } else if self.keys.is_none() {
            self.out.push(self.check());
        }
    }

    fn queue(&mut self, flights: Vec<BytesMut>) {
        self.out.extend(flights.into_iter().map(|f| f.to_vec()));
    }

    /// Takes a datagram of the server's.
    pub fn handle(&mut self, datagram: &mut [u8], now: Instant) {
        let crypto = self.shared.provider.clone();
        match datagram.first() {
            Some(0..=3) => {
                self.checked += 1;
                if !self.shaking {
                    self.begin_handshake(now);
                }
            }
            Some(20..=63) => {
                let mut flights = Vec::new();
                let progress = self.dtls.read(now, datagram, &mut flights);
                self.queue(flights);
                if let Progress::Connected(keys) = progress {
                    self.keys = srtp::keyed(&keys, crypto.crypto());
                }
            }
            Some(128..=191) => {
                let Some((_, opener)) = &mut self.keys else {
                    self.wrong += 1;
                    return;
                };
                if is_rtcp(datagram) {
                    let opened = opener.open_rtcp(datagram, crypto.crypto()).is_ok();
                    *(if opened { &mut self.reports } else { &mut self.wrong }) += 1;
                } else if receive(&mut self.received, opener, datagram, crypto.as_ref()).is_some() {
                    self.media += 1;
                } else {
                    self.wrong += 1;
                }
            }
            _ => self.wrong += 1,
        }
    }

    /// Seals any bytes that have the form of an RTP packet, as the next packet of their SSRC by
    /// their sequence number. `None`: not connected, or no such form.
    pub fn seal_rtp(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let header = RtpHeader::read(plain)?;
        let (sealer, _) = self.keys.as_mut()?;
        let near = *self.given.get(&header.ssrc).unwrap_or(&u64::from(header.sequence));
        let index = srtp::extend(near, header.sequence)?;
        self.given.insert(header.ssrc, near.max(index));
        sealer.seal_foreign(plain, header.length, index)
    }

    /// Seals any bytes as RTCP. `None`: not connected, or too short.
    pub fn seal_rtcp(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        let (sealer, _) = self.keys.as_mut().filter(|_| plain.len() >= 8)?;
        Some(sealer.seal_rtcp(plain).to_vec()).filter(|s| !s.is_empty())
    }

    /// Says goodbye.
    pub fn close(&mut self, now: Instant) {
        let mut flights = Vec::new();
        self.dtls.close(now, &mut flights);
        self.queue(flights);
    }
}

/// Opens a packet; a second one under the same number must be the very same.
fn receive(
    received: &mut HashMap<u32, Received>,
    opener: &mut Opener,
    datagram: &mut [u8],
    crypto: &dyn CryptoProvider,
) -> Option<()> {
    let header = RtpHeader::read(datagram)?;
    let stream = received.entry(header.ssrc).or_default();
    if let Some(before) = stream.seen.get(&header.sequence) {
        return (before == datagram).then_some(());
    }
    stream.seen.insert(header.sequence, datagram.to_vec());
    opener.open_rtp(datagram, header.length, &mut stream.index, crypto.crypto()).ok()?;
    Some(())
}
