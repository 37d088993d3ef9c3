//! A client for tests, from the same crates: checks paths, shakes hands, sends pictures that say
//! whose they are, and keeps what it gets.

mod sends;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter};
use rtc_stun::textattrs::Username;

pub use self::sends::Rtp;
use crate::ids::PeerId;
use crate::media::core::tests::picture::{OPUS, RED, Tag, names};
use crate::media::core::tests::world::Offer;
use crate::media::feedback::Arrivals;
use crate::media::negotiate::{Accepted, Codec, IceCredentials, PeerSetup, SourceInfo, SourceKind};
use crate::media::rtp::RtpHeader;
use crate::media::transport::rtcp::{self, Compound, Said};
use crate::media::transport::{CryptoProvider, crypto_provider};

const SERVER: SocketAddr =
    SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::new(192, 0, 2, 9), 9));
const RIDS: [&str; 3] = ["q", "h", "f"];
/// Ids of the header extensions in a client's offer.
pub const MID: u8 = 1;
pub const RID: u8 = 2;
pub const TRANSPORT_CC: u8 = 3;
pub const AUDIO_LEVEL: u8 = 4;
pub const ORIENTATION: u8 = 5;
pub const REPAIRED_RID: u8 = 6;

/// A received RTP packet.
#[derive(Debug, Clone)]
pub struct Packet {
    pub ssrc: u32,
    pub payload_type: u8,
    pub marker: bool,
    pub sequence: u16,
    pub timestamp: u32,
    /// (id, value) of the one that is forwarded.
    pub extension: Option<(u8, u8)>,
    pub payload: Vec<u8>,
}

impl Packet {
    pub fn tag(&self) -> Tag {
        Tag::read(self.payload_type, &self.payload)
    }
}

pub struct Client {
    pub address: SocketAddr,
    pub peer: Option<PeerId>,
    pub sources: Vec<SourceInfo>,
    pub setup: Option<PeerSetup>,
    pub out: Vec<Vec<u8>>,
    pub received: Vec<Packet>,
    pub said: Vec<Said>,
    /// The compounds that it got, in full.
    pub heard: Vec<Bytes>,
    pub key_requests: u32,
    /// The other side said goodbye.
    pub dismissed: bool,
    /// Nominate the path, or only probe it.
    pub nominates: bool,
    /// Claim the controlled role.
    pub meek: bool,
    /// DTLS datagrams that it still takes, and answers; then it is deaf to them.
    pub hears_dtls: usize,
    /// Whether the next packet of media is lost on its way here.
    pub loses: Option<Box<dyn FnMut() -> bool>>,
    /// Tells what arrived, ten times a second.
    pub tells: bool,
    arrivals: Arrivals,
    next_tell: Instant,
    /// Stop answering for one's consent.
    pub silent: bool,
    /// Its clocks: parts per million fast, and where its wall clock stands.
    pub ppm: i64,
    pub wall: i64,
    pub tag: u8,
    /// Loudness of its sound, as the audio level extension has it.
    pub level: u8,
    /// Send no key frame even when asked.
    pub stubborn: bool,
    /// Layers that are not switched off for want of bandwidth, and the first of them.
    pub layers_on: usize,
    pub layers_from: usize,
    /// Payload of a picture's packet.
    pub picture_bytes: usize,
    /// Its pictures have 1 to so many packets; 0: as many as their layer is high.
    pub most_packets: u8,
    /// TID and Y of its pictures (VP8), from each key frame on; empty: all are of one layer.
    pub pattern: &'static [(u8, bool)],
    /// TID and Y of each picture that it made, and whether it was a key frame.
    pub made: Vec<(u8, bool, bool)>,
    offer: Offer,
    provider: Arc<dyn CryptoProvider>,
    certificate: Certificate,
    dtls: Endpoint,
    connecting: bool,
    pub ice: IceCredentials,
    next_check: Instant,
    began: Instant,
    keys: Option<(Context, Context)>,
    frame: u32,
    key_next: bool,
    sequence: [u16; 8],
    /// Frames of sound that the next packet repeats, oldest first.
    repeated: Vec<(u32, Vec<u8>)>,
}

impl Client {
    pub fn new(offer: &Offer, now: Instant) -> Self {
        let provider = crypto_provider().unwrap();
        let names = vec!["client".to_owned()];
        let certificate = Certificate::generate_self_signed(names, provider.crypto()).unwrap();
        Self {
            address: SERVER,
            peer: None,
            sources: Vec::new(),
            setup: None,
            out: Vec::new(),
            received: Vec::new(),
            said: Vec::new(),
            heard: Vec::new(),
            key_requests: 0,
            dismissed: false,
            nominates: true,
            meek: false,
            hears_dtls: usize::MAX,
            loses: None,
            tells: false,
            arrivals: Arrivals::default(),
            next_tell: now,
            silent: false,
            ppm: 0,
            wall: 77_000_000,
            tag: 0,
            level: 30,
            stubborn: false,
            layers_on: 3,
            layers_from: 0,
            picture_bytes: 200,
            most_packets: 0,
            pattern: &[],
            made: Vec::new(),
            offer: offer.clone(),
            provider,
            certificate,
            dtls: Endpoint::new(SERVER, TransportProtocol::UDP, None),
            connecting: false,
            ice: IceCredentials::generate(),
            next_check: now,
            began: now,
            keys: None,
            frame: 0,
            key_next: true,
            sequence: [65_000, 10, 20_000, 30_000, 40_000, 50_000, 100, 200],
            repeated: Vec::new(),
        }
    }

    pub fn connected(&self) -> bool {
        self.keys.is_some()
    }

    pub fn named_sources(&self) -> Vec<(String, SourceKind)> {
        let kinds = self.offer.sources.iter().enumerate();
        kinds.map(|(n, (kind, _))| (n.to_string(), *kind)).collect()
    }

    pub fn offer_sdp(&self) -> String {
        let der: &[u8] = &self.certificate.certificate[0];
        let hash = rtc_crypto::HashAlgorithm::Sha256;
        let mut digest = self.provider.crypto().hash(hash, der).unwrap();
        if self.offer.lie {
            digest[0] ^= 1;
        }
        let hex: Vec<String> = digest.iter().map(|b| format!("{b:02x}")).collect();
        let total = self.offer.sources.len() + self.offer.audio + self.offer.video;
        let mids: Vec<String> = (0..total).map(|n| n.to_string()).collect();
        let mut sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
             a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\n",
            mids.join(" "),
            self.ice.ufrag,
            self.ice.pwd,
            hex.join(":")
        );
        let mut mid = 0;
        let mut line = |audio: bool, direction: &str, extra: &str| {
            let sends = direction == "sendonly";
            let video = |c: &&Codec| {
                let only = if sends { Some(self.offer.codec) } else { self.offer.shows };
                !audio && only.is_none_or(|o| o == **c)
            };
            let (mut pts, mut codecs) = (Vec::new(), String::new());
            // Senders name first what they will send.
            let red = audio && if sends { self.offer.red } else { self.offer.hears_red };
            if audio && !sends {
                pts.push(OPUS);
            }
            if red {
                pts.push(RED);
                codecs.push_str(&format!("a=rtpmap:{RED} red/48000/2\r\na=fmtp:{RED} {OPUS}/{OPUS}\r\n"));
            }
            if audio {
                if sends {
                    pts.push(OPUS);
                }
                codecs.push_str(&format!("a=rtpmap:{OPUS} opus/48000/2\r\n"));
            }
            for codec in Codec::VIDEO.iter().filter(video) {
                let (pt, rtx, name, fmtp) = names(*codec);
                pts.extend([pt, rtx]);
                codecs.push_str(&format!(
                    "a=rtpmap:{pt} {name}/90000\r\na=rtcp-fb:{pt} nack\r\na=rtcp-fb:{pt} nack pli\r\n\
                     a=fmtp:{pt} {fmtp}\r\na=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={pt}\r\n"
                ));
            }
            let kind = if audio { "audio" } else { "video" };
            let pts = pts.iter().map(u8::to_string).collect::<Vec<_>>().join(" ");
            sdp.push_str(&format!(
                "m={kind} 9 UDP/TLS/RTP/SAVPF {pts}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
                 a=rtcp-mux\r\na={direction}\r\n{codecs}\
                 a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
                 a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
                 a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
                 a=extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
                 a=extmap:5 urn:3gpp:video-orientation\r\n\
                 a=extmap:6 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n{extra}"
            ));
            mid += 1;
        };
        for (kind, layers) in &self.offer.sources {
            let mut extra = String::new();
            if *layers > 1 {
                for rid in &RIDS[..*layers] {
                    extra.push_str(&format!("a=rid:{rid} send\r\n"));
                }
                extra.push_str(&format!("a=simulcast:send {}\r\n", RIDS[..*layers].join(";")));
            }
            line(kind.is_audio(), "sendonly", &extra);
        }
        (0..self.offer.audio).for_each(|_| line(true, "recvonly", ""));
        (0..self.offer.video).for_each(|_| line(false, "recvonly", ""));
        sdp
    }

    pub fn accept(&mut self, accepted: &Accepted) {
        self.peer = Some(accepted.peer);
        self.sources.clone_from(&accepted.sources);
        self.setup = Some((*accepted.setup).clone());
    }

    /// SSRC of a slot: slots 0.. are audio, then video, as offered.
    pub fn slot_ssrc(&self, slot: u8) -> u32 {
        self.setup.as_ref().unwrap().slots[usize::from(slot)].ssrc
    }

    pub fn tick(&mut self, now: Instant) {
        if !self.silent && now >= self.next_check {
            let wait = if self.connected() { 2_000 } else { 50 };
            self.next_check = now + Duration::from_millis(wait);
            let check = self.check(self.nominates);
            self.out.push(check);
        }
        if self.tells && self.connected() && now >= self.next_tell {
            self.next_tell = now + Duration::from_millis(100);
            let mut compound = Compound::default();
            self.arrivals.report(1, self.slot_ssrc(0), &mut compound);
            if !compound.is_empty() {
                self.send_rtcp(compound);
            }
        }
        if self.connecting && !self.connected() && self.hears_dtls > 0 {
            let _ = self.dtls.handle_timeout(SERVER, now);
            self.drain_dtls();
        }
    }

    /// A check with the credentials that both sides have.
    pub fn check(&self, nominate: bool) -> Vec<u8> {
        self.check_as(&self.setup.as_ref().unwrap().local, &self.ice, nominate)
    }

    /// A check of a server that has the credentials `theirs`.
    pub fn check_as(&self, theirs: &IceCredentials, ours: &IceCredentials, nominate: bool) -> Vec<u8> {
        let mut m = Message::new();
        m.new_transaction_id().unwrap();
        m.set_type(BINDING_REQUEST);
        m.write_header();
        let name = format!("{}:{}", theirs.ufrag, ours.ufrag);
        Username::new(ATTR_USERNAME, name).add_to(&mut m).unwrap();
        m.add(if self.meek { ATTR_ICE_CONTROLLED } else { ATTR_ICE_CONTROLLING }, &[1; 8]);
        if nominate {
            m.add(ATTR_USE_CANDIDATE, &[]);
        }
        let crypto = self.provider.crypto();
        MessageIntegrity::new_short_term_integrity_with_provider(theirs.pwd.clone(), crypto)
            .add_to(&mut m)
            .unwrap();
        FINGERPRINT.add_to(&mut m).unwrap();
        m.raw
    }

    fn drain_dtls(&mut self) {
        while let Some(t) = self.dtls.poll_transmit() {
            self.out.push(t.message.to_vec());
        }
    }

    pub fn receive(&mut self, datagram: &[u8], now: Instant) {
        match datagram[0] {
            0..=3 => {
                if !self.connecting {
                    self.connecting = true;
                    self.start_dtls(now);
                }
            }
            20..=63 if self.hears_dtls == 0 => {}
            20..=63 => {
                self.hears_dtls -= 1;
                let read = self.dtls.read(now, SERVER, None, BytesMut::from(datagram));
                self.drain_dtls();
                let done = |e: &EndpointEvent| matches!(e, EndpointEvent::HandshakeComplete);
                let events = read.unwrap_or_default();
                if events.iter().any(done) {
                    self.derive_keys();
                }
                self.dismissed |= events.iter().any(|e| matches!(e, EndpointEvent::PeerClosed));
            }
            _ => self.receive_media(datagram, now),
        }
    }

    /// Says goodbye.
    pub fn leave(&mut self, now: Instant) {
        self.dtls.close(now).unwrap();
        self.drain_dtls();
    }

    fn start_dtls(&mut self, now: Instant) {
        let profiles = if self.offer.old_cipher {
            vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80]
        } else {
            // As Chromium orders them: the slow one first.
            vec![
                SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            ]
        };
        let config = ConfigBuilder::default()
            .with_crypto_provider(self.provider.clone())
            .with_certificates(vec![self.certificate.clone()])
            .with_srtp_protection_profiles(profiles)
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .build(true, None)
            .unwrap();
        self.dtls.connect(now, SERVER, Arc::new(config), None).unwrap();
        self.drain_dtls();
    }

    fn derive_keys(&mut self) {
        let state = self.dtls.get_connection_state(SERVER).unwrap();
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => ProtectionProfile::AeadAes128Gcm,
            _ => ProtectionProfile::Aes128CmHmacSha1_80,
        };
        let slow = matches!(profile, ProtectionProfile::Aes128CmHmacSha1_80);
        assert_eq!(slow, self.offer.old_cipher);
        let (k, s) = (profile.key_len(), profile.salt_len());
        let all = state.export_keying_material("EXTRACTOR-dtls_srtp", &[], 2 * (k + s)).unwrap();
        let all = all.as_ref();
        let context = |n: usize| {
            let key = &all[n * k..(n + 1) * k];
            let salt = &all[2 * k + n * s..2 * k + (n + 1) * s];
            Context::new(key, salt, profile, None, None, self.provider.crypto()).unwrap()
        };
        self.keys = Some((context(0), context(1)));
    }

    fn receive_media(&mut self, datagram: &[u8], now: Instant) {
        let (_, theirs) = self.keys.as_mut().expect("media only after the handshake");
        if crate::media::rtp::is_rtcp(datagram) {
            let plain = theirs.decrypt_rtcp(datagram).expect("authentic");
            self.heard.push(plain.clone().freeze());
            let (said, requests) = (&mut self.said, &mut self.key_requests);
            rtcp::read(plain, |s| {
                if matches!(s, Said::KeyFrameWanted { .. }) {
                    *requests += 1;
                    self.key_next = !self.stubborn;
                }
                said.push(s);
            });
            return;
        }
        if self.loses.as_mut().is_some_and(|loses| loses()) {
            return;
        }
        let plain = theirs.decrypt_rtp(datagram).expect("authentic");
        let h = RtpHeader::read(&plain).unwrap();
        if let Some(number) = h.extension(&plain, TRANSPORT_CC) {
            let at = (now - self.began).as_micros() as i64;
            self.arrivals.arrived(u16::from_be_bytes([number[0], number[1]]), at);
        }
        self.received.push(Packet {
            ssrc: h.ssrc,
            payload_type: h.payload_type,
            marker: h.marker,
            sequence: h.sequence,
            timestamp: h.timestamp,
            extension: [AUDIO_LEVEL, ORIENTATION]
                .into_iter()
                .find_map(|id| Some((id, h.extension(&plain, id)?[0]))),
            payload: plain[h.length..].to_vec(),
        });
    }

    /// Sends a compound RTCP packet.
    pub fn send_rtcp(&mut self, compound: Compound) {
        let plain = compound.finish();
        let (ours, _) = self.keys.as_mut().unwrap();
        let sealed = ours.encrypt_rtcp(&plain).unwrap();
        self.out.push(sealed.to_vec());
    }
}
