//! A client for tests, from the same crates: checks paths, shakes hands, sends pictures that say
//! whose they are, and keeps what it gets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, Message, Setter};
use rtc_stun::textattrs::Username;

use crate::ids::PeerId;
use crate::media::clock::{micros_to_ntp, ticks};
use crate::media::core::tests::picture::{OPUS, RED, Tag, names};
use crate::media::core::tests::world::Offer;
use crate::media::negotiate::{Accepted, Codec, IceCredentials, PeerSetup, SourceInfo, SourceKind};
use crate::media::rtp::RtpHeader;
use crate::media::transport::rtcp::{self, Compound, Said};
use crate::media::transport::{CryptoProvider, crypto_provider};

const SERVER: SocketAddr =
    SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::new(192, 0, 2, 9), 9));
const RIDS: [&str; 3] = ["q", "h", "f"];

/// A received RTP packet.
#[derive(Debug, Clone)]
pub struct Packet {
    pub ssrc: u32,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
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
    pub key_requests: u32,
    /// Stop answering for one's consent.
    pub silent: bool,
    /// Its clocks: parts per million fast, and where its wall clock stands.
    pub ppm: i64,
    pub wall: i64,
    pub tag: u8,
    /// Send no key frame even when asked.
    pub stubborn: bool,
    /// Layers that are not switched off for want of bandwidth.
    pub layers_on: usize,
    offer: Offer,
    provider: Arc<dyn CryptoProvider>,
    certificate: Certificate,
    dtls: Endpoint,
    connecting: bool,
    ice: IceCredentials,
    next_check: Instant,
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
            key_requests: 0,
            silent: false,
            ppm: 0,
            wall: 77_000_000,
            tag: 0,
            stubborn: false,
            layers_on: 3,
            offer: offer.clone(),
            provider,
            certificate,
            dtls: Endpoint::new(SERVER, TransportProtocol::UDP, None),
            connecting: false,
            ice: IceCredentials::generate(),
            next_check: now,
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
            let video = |c: &&Codec| !audio && (!sends || **c == self.offer.codec);
            let (mut pts, mut codecs) = (Vec::new(), String::new());
            if audio && sends && self.offer.red {
                pts.push(RED);
                codecs.push_str(&format!("a=rtpmap:{RED} red/48000/2\r\na=fmtp:{RED} {OPUS}/{OPUS}\r\n"));
            }
            if audio {
                pts.push(OPUS);
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
                 a=extmap:2 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n{extra}"
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
            let check = self.check(true);
            self.out.push(check);
        }
        if self.connecting && !self.connected() {
            let _ = self.dtls.handle_timeout(SERVER, now);
            self.drain_dtls();
        }
    }

    pub fn check(&self, nominate: bool) -> Vec<u8> {
        let setup = self.setup.as_ref().unwrap();
        let mut m = Message::new();
        m.new_transaction_id().unwrap();
        m.set_type(BINDING_REQUEST);
        m.write_header();
        let name = format!("{}:{}", setup.local.ufrag, self.ice.ufrag);
        Username::new(ATTR_USERNAME, name).add_to(&mut m).unwrap();
        m.add(ATTR_ICE_CONTROLLING, &[1; 8]);
        if nominate {
            m.add(ATTR_USE_CANDIDATE, &[]);
        }
        MessageIntegrity::new_short_term_integrity_with_provider(
            setup.local.pwd.clone(),
            self.provider.crypto(),
        )
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
            20..=63 => {
                let read = self.dtls.read(now, SERVER, None, BytesMut::from(datagram));
                self.drain_dtls();
                let done = |e: &EndpointEvent| matches!(e, EndpointEvent::HandshakeComplete);
                if read.unwrap_or_default().iter().any(done) {
                    self.derive_keys();
                }
            }
            _ => self.receive_media(datagram),
        }
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

    fn receive_media(&mut self, datagram: &[u8]) {
        let (_, theirs) = self.keys.as_mut().expect("media only after the handshake");
        if crate::media::rtp::is_rtcp(datagram) {
            let plain = theirs.decrypt_rtcp(datagram).expect("authentic");
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
        let plain = theirs.decrypt_rtp(datagram).expect("authentic");
        let h = RtpHeader::read(&plain).unwrap();
        self.received.push(Packet {
            ssrc: h.ssrc,
            payload_type: h.payload_type,
            sequence: h.sequence,
            timestamp: h.timestamp,
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

    fn own_time(&self, at: Duration) -> i64 {
        let at = at.as_micros() as i64;
        at + at * self.ppm / 1_000_000
    }

    /// The RTP time stamp of `at` on one of its streams' clocks.
    pub fn timestamp(&self, stream: usize, rate: i64, at: Duration) -> u32 {
        (stream as u32 * 1_000_000_000).wrapping_add(ticks(self.own_time(at), rate) as u32)
    }

    /// Sender reports of microphone and camera.
    pub fn report(&mut self, at: Duration) {
        let ntp = micros_to_ntp(self.own_time(at) + self.wall);
        let mut compound = Compound::default();
        let camera = self.offer.sources.iter().position(|s| s.0 == SourceKind::Camera);
        compound.sender_report(self.ssrc(0), ntp, self.timestamp(0, 48_000, at), 1, 1);
        if let Some(camera) = camera {
            for layer in 0..self.offer.sources[camera].1 {
                let rtp = self.timestamp(1 + layer, 90_000, at);
                compound.sender_report(self.ssrc(1 + layer), ntp, rtp, 1, 1);
            }
        }
        self.send_rtcp(compound);
    }

    fn ssrc(&self, stream: usize) -> u32 {
        u32::from(self.tag) * 100 + 1000 + stream as u32
    }

    pub fn send_audio(&mut self, at: Duration) {
        let timestamp = self.timestamp(0, 48_000, at);
        self.send(0, OPUS, timestamp, false, b"sound", Some("0"), None);
    }

    /// A frame of sound with the two before it; `lost` on the way.
    pub fn send_red(&mut self, at: Duration, frame: &[u8], lost: bool) {
        let timestamp = self.timestamp(0, 48_000, at);
        let offset = |before: &u32| timestamp.wrapping_sub(*before);
        self.repeated.retain(|(before, _)| offset(before) < 1 << 14);
        let mut p = Vec::new();
        for (before, data) in &self.repeated {
            p.push(0x80 | OPUS);
            p.extend(&(offset(before) << 10 | data.len() as u32).to_be_bytes()[1..]);
        }
        p.push(OPUS);
        self.repeated.iter().for_each(|(_, data)| p.extend(data));
        p.extend(frame);
        self.repeated.push((timestamp, frame.to_vec()));
        if self.repeated.len() > 2 {
            self.repeated.remove(0);
        }
        if lost {
            self.lose_one(0);
        } else {
            self.send(0, RED, timestamp, false, &p, Some("0"), None);
        }
    }

    pub fn ask_for_key(&mut self) {
        self.key_next = true;
    }

    /// Pictures sent so far.
    pub fn frames(&self) -> u32 {
        self.frame
    }

    /// One picture in every layer of the camera, smallest first; 1 to 3 packets.
    pub fn send_pictures(&mut self, at: Duration) {
        let layers = self.offer.sources.iter().find(|s| s.0 == SourceKind::Camera).unwrap().1;
        self.frame += 1;
        let key = std::mem::take(&mut self.key_next);
        for (layer, name) in RIDS.into_iter().enumerate().take(layers.min(self.layers_on)) {
            let of = layer as u8 + 1;
            let timestamp = self.timestamp(1 + layer, 90_000, at);
            let (pt, frame) = (names(self.offer.codec).0, self.frame);
            for packet in 0..of {
                let tag = Tag { client: self.tag, layer: layer as u8, frame, packet, of, key, numbers: None };
                let payload = tag.write(self.offer.codec);
                let rid = (layers > 1).then_some(name);
                self.send(1 + layer, pt, timestamp, packet + 1 == of, &payload, Some("1"), rid);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one RTP packet has this many parts")]
    pub fn send(
        &mut self,
        stream: usize,
        payload_type: u8,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
        mid: Option<&str>,
        rid: Option<&str>,
    ) {
        self.sequence[stream] = self.sequence[stream].wrapping_add(1);
        let mut p = vec![0x90, payload_type | u8::from(marker) << 7];
        p.extend(self.sequence[stream].to_be_bytes());
        p.extend(timestamp.to_be_bytes());
        p.extend(self.ssrc(stream).to_be_bytes());
        let mut extensions = Vec::new();
        for (id, text) in [(1u8, mid), (2, rid)] {
            if let Some(text) = text {
                extensions.push(id << 4 | (text.len() as u8 - 1));
                extensions.extend(text.as_bytes());
            }
        }
        while extensions.len() % 4 != 0 {
            extensions.push(0);
        }
        p.extend([0xbe, 0xde, 0, (extensions.len() / 4) as u8]);
        p.extend(extensions);
        p.extend(payload);
        let (ours, _) = self.keys.as_mut().unwrap();
        let sealed = ours.encrypt_rtp(&p).unwrap();
        self.out.push(sealed.to_vec());
    }

    /// Leaves a gap: the next packet of the stream is lost on the way.
    pub fn lose_one(&mut self, stream: usize) {
        self.sequence[stream] = self.sequence[stream].wrapping_add(1);
    }
}
