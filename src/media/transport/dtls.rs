//! DTLS-SRTP handshake (RFC 5764) on rtc-dtls; the server is always passive.
//!
//! One `Endpoint` per peer, driven with a constant dummy address, so that ICE can move the path
//! without DTLS noticing. The SRTP profile follows the client's order, and browsers put the slow
//! AES-CM first; so the first ClientHello is read here (also when it comes in fragments) and the
//! peer gets a configuration with GCM alone where the client has GCM, AES-CM otherwise. The
//! certificate is compared with the offer's fingerprint before any key is used. Bytes of an
//! unfinished handshake are capped: the library queues records of the next epoch without limit.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_crypto::{HashAlgorithm, SecretVec};
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

use super::CryptoProvider;
use super::srtp::{KeyingMaterial, Profile};

const DUMMY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9));
/// RFC 5764 §4.2
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// A handshake with a large certificate takes about 4 KiB; retransmissions included.
const MAX_HANDSHAKE_BYTES: usize = 64 * 1024;
/// Datagrams kept while the first ClientHello is incomplete.
const MAX_HELLO_DATAGRAMS: usize = 8;

/// SHA-256 of a certificate (RFC 8122 §5).
pub type Fingerprint = [u8; 32];

/// What all peers share: certificate and the two configurations.
#[derive(Clone)]
pub struct DtlsContext {
    gcm: Arc<HandshakeConfig>,
    aes_cm: Arc<HandshakeConfig>,
    provider: Arc<dyn CryptoProvider>,
    fingerprint: Fingerprint,
}

/// DTLS could not be set up at all (at start).
#[derive(Debug, thiserror::Error)]
#[error("DTLS set-up: {0}")]
pub struct DtlsSetupError(String);

impl DtlsContext {
    /// A fresh ECDSA P-256 certificate and the configurations that use it.
    pub fn new(provider: Arc<dyn CryptoProvider>) -> Result<Self, DtlsSetupError> {
        let wrap = |e: &dyn std::fmt::Display| DtlsSetupError(e.to_string());
        let certificate = Certificate::generate_self_signed(vec!["zhuandi".to_owned()], provider.crypto())
            .map_err(|e| wrap(&e))?;
        let fingerprint = sha256(&certificate.certificate[0], provider.as_ref())
            .ok_or_else(|| DtlsSetupError("no SHA-256".into()))?;
        let config = |profiles: Vec<SrtpProtectionProfile>| {
            ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(profiles)
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                // There is no authority to ask: the fingerprint of the offer decides.
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .with_flight_interval(Duration::from_millis(250))
                .build(false, None)
                .map(Arc::new)
        };
        Ok(Self {
            gcm: config(vec![
                SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
            ])
            .map_err(|e| wrap(&e))?,
            aes_cm: config(vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80]).map_err(|e| wrap(&e))?,
            provider,
            fingerprint,
        })
    }

    /// For the answer: upper-case hex with colons.
    #[must_use]
    pub fn fingerprint_text(&self) -> String {
        hex(&self.fingerprint)
    }
}

fn sha256(der: &[u8], provider: &dyn CryptoProvider) -> Option<Fingerprint> {
    provider.crypto().hash(HashAlgorithm::Sha256, der).ok()?.try_into().ok()
}

/// The client's side of the same handshake, for synthetic participants.
pub struct DtlsClient {
    endpoint: Endpoint,
    shared: DtlsClientConfig,
}

impl DtlsClient {
    /// What all clients of a process can share: a certificate and its fingerprint text.
    pub fn shared(provider: Arc<dyn CryptoProvider>) -> Result<(DtlsClientConfig, String), DtlsSetupError> {
        Self::shared_with(provider, Profile::Gcm128)
    }

    /// The same for clients that have this profile alone.
    pub fn shared_with(
        provider: Arc<dyn CryptoProvider>,
        profile: Profile,
    ) -> Result<(DtlsClientConfig, String), DtlsSetupError> {
        let offered = match profile {
            Profile::Gcm128 => SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            Profile::Gcm256 => SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
            Profile::AesCm => SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        };
        let wrap = |e: &dyn std::fmt::Display| DtlsSetupError(e.to_string());
        let names = vec!["zhuandi-load".to_owned()];
        let certificate =
            Certificate::generate_self_signed(names, provider.crypto()).map_err(|e| wrap(&e))?;
        let fingerprint = sha256(&certificate.certificate[0], provider.as_ref())
            .ok_or_else(|| DtlsSetupError("no SHA-256".into()))?;
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(vec![offered])
            // Load is sent to servers of one's own; the signalling has named them.
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(Duration::from_millis(500))
            .build(true, None)
            .map_err(|e| wrap(&e))?;
        Ok((DtlsClientConfig { config: Arc::new(config), profile }, hex(&fingerprint)))
    }

    #[must_use]
    pub fn new(config: &DtlsClientConfig) -> Self {
        Self { endpoint: Endpoint::new(DUMMY, TransportProtocol::UDP, None), shared: config.clone() }
    }

    /// Sends the first flight.
    pub fn connect(&mut self, now: Instant, out: &mut Vec<BytesMut>) {
        let _ = self.endpoint.connect(now, DUMMY, self.shared.config.clone(), None);
        drain(&mut self.endpoint, out);
    }

    /// Feeds one datagram. `Connected` once, when the handshake is done.
    pub fn read(&mut self, now: Instant, datagram: &[u8], out: &mut Vec<BytesMut>) -> Progress {
        let events = self.endpoint.read(now, DUMMY, None, BytesMut::from(datagram));
        drain(&mut self.endpoint, out);
        for event in events.unwrap_or_default() {
            match event {
                EndpointEvent::HandshakeComplete => {
                    let profile = self.shared.profile;
                    let exported = self.endpoint.get_connection_state(DUMMY).and_then(|state| {
                        let length = KeyingMaterial::length(profile);
                        state.export_keying_material(LABEL, &[], length).ok()
                    });
                    let keys = exported
                        .and_then(|secret| KeyingMaterial::for_client(profile, SecretVec::as_ref(&secret)));
                    return keys.map_or(Progress::Failed, Progress::Connected);
                }
                EndpointEvent::PeerClosed => return Progress::Closed,
                _ => {}
            }
        }
        Progress::Nothing
    }

    /// Repeats a flight when it is time.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<BytesMut>) {
        if self.endpoint.poll_timeout(&DUMMY).is_some_and(|at| at <= now) {
            let _ = self.endpoint.handle_timeout(DUMMY, now);
            drain(&mut self.endpoint, out);
        }
    }

    /// close_notify
    pub fn close(&mut self, now: Instant, out: &mut Vec<BytesMut>) {
        let _ = self.endpoint.close(now);
        drain(&mut self.endpoint, out);
    }
}

/// Shared by all clients of a process.
#[derive(Clone)]
pub struct DtlsClientConfig {
    config: Arc<HandshakeConfig>,
    profile: Profile,
}

fn hex(fingerprint: &Fingerprint) -> String {
    let hex: Vec<String> = fingerprint.iter().map(|b| format!("{b:02X}")).collect();
    hex.join(":")
}

/// What came of feeding a datagram or a time-out.
#[derive(Debug)]
pub enum Progress {
    Nothing,
    /// The handshake is done and the certificate is the one of the offer.
    Connected(KeyingMaterial),
    /// The other side closed.
    Closed,
    /// The handshake cannot succeed any more.
    Failed,
    /// The certificate is not the one that the offer named.
    WrongFingerprint,
}

/// One peer's handshake.
pub struct Dtls {
    context: DtlsContext,
    state: State,
    expected: Fingerprint,
    bytes: usize,
}

enum State {
    /// Datagrams of the first ClientHello, until it is complete.
    Hello {
        hello: HelloReader,
        datagrams: Vec<BytesMut>,
    },
    Running {
        endpoint: Endpoint,
        connected: bool,
    },
    Ended,
}

impl Dtls {
    #[must_use]
    pub fn new(context: &DtlsContext, expected: Fingerprint) -> Self {
        let state = State::Hello { hello: HelloReader::default(), datagrams: Vec::new() };
        Self { context: context.clone(), state, expected, bytes: 0 }
    }

    /// Feeds one datagram; what must be sent in reply is appended to `out`.
    pub fn read(&mut self, now: Instant, datagram: &[u8], out: &mut Vec<BytesMut>) -> Progress {
        match &mut self.state {
            State::Ended => return Progress::Nothing,
            State::Running { connected: true, .. } => {}
            State::Running { .. } | State::Hello { .. } => {
                self.bytes += datagram.len();
                if self.bytes > MAX_HANDSHAKE_BYTES {
                    self.state = State::Ended;
                    return Progress::Failed;
                }
            }
        }
        if let State::Hello { hello, datagrams } = &mut self.state {
            let Some(seen) = hello.feed(datagram) else {
                return Progress::Nothing;
            };
            if datagrams.len() >= MAX_HELLO_DATAGRAMS {
                self.state = State::Ended;
                return Progress::Failed;
            }
            datagrams.push(BytesMut::from(datagram));
            let config = match seen {
                Hello::Incomplete => return Progress::Nothing,
                Hello::Gcm => self.context.gcm.clone(),
                Hello::NoGcm => self.context.aes_cm.clone(),
            };
            let mut endpoint = Endpoint::new(DUMMY, TransportProtocol::UDP, Some(config));
            let datagrams = std::mem::take(datagrams);
            for d in datagrams {
                let _ = endpoint.read(now, DUMMY, None, d);
            }
            drain(&mut endpoint, out);
            self.state = State::Running { endpoint, connected: false };
            return Progress::Nothing;
        }
        let State::Running { endpoint, .. } = &mut self.state else {
            return Progress::Nothing;
        };
        let result = endpoint.read(now, DUMMY, None, BytesMut::from(datagram));
        drain(endpoint, out);
        // An error may come from a forged datagram as well as from the peer: count on the
        // handshake's time limit instead of ending here.
        let mut progress = Progress::Nothing;
        for event in result.unwrap_or_default() {
            match event {
                EndpointEvent::HandshakeComplete => {
                    progress = self.connected();
                }
                EndpointEvent::PeerClosed => {
                    self.state = State::Ended;
                    return Progress::Closed;
                }
                // Data channels are refused in the answer.
                _ => {}
            }
        }
        progress
    }

    fn connected(&mut self) -> Progress {
        let State::Running { endpoint, connected } = &mut self.state else {
            return Progress::Nothing;
        };
        let Some(state) = endpoint.get_connection_state(DUMMY) else {
            return Progress::Failed;
        };
        let presented =
            state.peer_certificates.first().and_then(|der| sha256(der, self.context.provider.as_ref()));
        if presented != Some(self.expected) {
            self.state = State::Ended;
            return Progress::WrongFingerprint;
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::Gcm128,
            SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Profile::Gcm256,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::AesCm,
            _ => return Progress::Failed,
        };
        let exported = state.export_keying_material(LABEL, &[], KeyingMaterial::length(profile));
        let Ok(secret) = exported else {
            return Progress::Failed;
        };
        *connected = true;
        match KeyingMaterial::for_server(profile, SecretVec::as_ref(&secret)) {
            Some(keys) => Progress::Connected(keys),
            None => Progress::Failed,
        }
    }

    /// Bytes of an unfinished handshake that are kept: they came from somebody who has proved
    /// nothing yet but the ICE password.
    #[must_use]
    pub(crate) fn held_bytes(&self) -> usize {
        match &self.state {
            State::Hello { hello, datagrams } => {
                2 * hello.body.len() + datagrams.iter().map(BytesMut::len).sum::<usize>()
            }
            State::Running { connected: false, .. } => self.bytes,
            State::Running { .. } | State::Ended => 0,
        }
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Running { endpoint, connected: false } => endpoint.poll_timeout(&DUMMY),
            _ => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<BytesMut>) -> Progress {
        let State::Running { endpoint, .. } = &mut self.state else {
            return Progress::Nothing;
        };
        let result = endpoint.handle_timeout(DUMMY, now);
        drain(endpoint, out);
        if result.is_err() {
            self.state = State::Ended;
            return Progress::Failed;
        }
        Progress::Nothing
    }

    /// close_notify, so that the browser learns at once.
    pub fn close(&mut self, now: Instant, out: &mut Vec<BytesMut>) {
        if let State::Running { endpoint, .. } = &mut self.state {
            let _ = endpoint.close(now);
            drain(endpoint, out);
        }
        self.state = State::Ended;
    }
}

fn drain(endpoint: &mut Endpoint, out: &mut Vec<BytesMut>) {
    while let Some(transmit) = endpoint.poll_transmit() {
        out.push(transmit.message);
    }
}

enum Hello {
    Incomplete,
    Gcm,
    NoGcm,
}

/// Puts the first ClientHello together from its fragments (RFC 6347 §4.2.3) and looks for the GCM
/// profiles in `use_srtp` (RFC 5764 §4.1.1, RFC 7714 §14.2).
#[derive(Default)]
struct HelloReader {
    body: Vec<u8>,
    have: Vec<bool>,
}

impl HelloReader {
    /// `None`: not a ClientHello record; ignore the datagram.
    fn feed(&mut self, datagram: &[u8]) -> Option<Hello> {
        const HANDSHAKE: u8 = 22;
        const CLIENT_HELLO: u8 = 1;
        const MAX_HELLO: usize = 8192;
        let mut rest = datagram;
        let mut fed = false;
        while rest.len() >= 13 && rest[0] == HANDSHAKE {
            let length = usize::from(u16::from_be_bytes([rest[11], rest[12]]));
            let mut record = rest.get(13..13 + length)?;
            rest = &rest[13 + length..];
            while record.len() >= 12 {
                let u24 = |i: usize| {
                    usize::from(record[i]) << 16
                        | usize::from(record[i + 1]) << 8
                        | usize::from(record[i + 2])
                };
                let (total, offset, size) = (u24(1), u24(6), u24(9));
                let fragment = record.get(12..12 + size)?;
                if record[0] != CLIENT_HELLO || total > MAX_HELLO || offset + size > total {
                    return None;
                }
                if self.body.len() != total {
                    self.body = vec![0; total];
                    self.have = vec![false; total];
                }
                self.body[offset..offset + size].copy_from_slice(fragment);
                self.have[offset..offset + size].fill(true);
                record = &record[12 + size..];
                fed = true;
            }
        }
        if !fed {
            return None;
        }
        if self.body.is_empty() || self.have.contains(&false) {
            return Some(Hello::Incomplete);
        }
        Some(if offers_gcm(&self.body).unwrap_or(false) { Hello::Gcm } else { Hello::NoGcm })
    }
}

/// Walks a ClientHello body to `use_srtp`. `None`: malformed.
fn offers_gcm(hello: &[u8]) -> Option<bool> {
    const USE_SRTP: u16 = 14;
    const GCM: [u16; 2] = [7, 8];
    let skip8 = |b: &[u8], at: usize| Some(at + 1 + usize::from(*b.get(at)?));
    let u16_at = |b: &[u8], at: usize| Some(u16::from_be_bytes([*b.get(at)?, *b.get(at + 1)?]));
    let mut at = 2 + 32; // version, random
    at = skip8(hello, at)?; // session id
    at = skip8(hello, at)?; // cookie
    at += 2 + usize::from(u16_at(hello, at)?); // cipher suites
    at = skip8(hello, at)?; // compression
    let end = at + 2 + usize::from(u16_at(hello, at)?);
    at += 2;
    while at + 4 <= end {
        let (kind, length) = (u16_at(hello, at)?, usize::from(u16_at(hello, at + 2)?));
        let data = hello.get(at + 4..at + 4 + length)?;
        if kind == USE_SRTP {
            let list = data.get(2..2 + usize::from(u16_at(data, 0)?))?;
            return Some(list.chunks_exact(2).any(|p| GCM.contains(&u16::from_be_bytes([p[0], p[1]]))));
        }
        at += 4 + length;
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello_body(profiles: &[u16]) -> Vec<u8> {
        let mut body = vec![0xfe, 0xfd];
        body.extend([7; 32]);
        body.extend([0, 0]); // session id, cookie
        body.extend([0, 2, 0xc0, 0x2b, 1, 0]);
        let mut srtp = Vec::new();
        srtp.extend((2 * profiles.len() as u16).to_be_bytes());
        for p in profiles {
            srtp.extend(p.to_be_bytes());
        }
        srtp.push(0);
        let mut ext = vec![0, 23, 0, 0, 0, 14];
        ext.extend((srtp.len() as u16).to_be_bytes());
        ext.extend(srtp);
        body.extend((ext.len() as u16).to_be_bytes());
        body.extend(ext);
        body
    }

    fn fragment(body: &[u8], from: usize, to: usize) -> Vec<u8> {
        let u24 = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
        let mut message = vec![1];
        message.extend(u24(body.len()));
        message.extend([0, 0]);
        message.extend(u24(from));
        message.extend(u24(to - from));
        message.extend(&body[from..to]);
        let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend((message.len() as u16).to_be_bytes());
        record.extend(message);
        record
    }

    #[test]
    fn the_profile_is_found_in_whole_and_fragmented_hellos() {
        for (profiles, gcm) in [(&[1u16, 7, 8][..], true), (&[1, 2], false), (&[8], true)] {
            let body = hello_body(profiles);
            for cut in [body.len(), 1, 20, body.len() - 1] {
                let mut reader = HelloReader::default();
                // The second part first: datagrams overtake one another.
                if cut < body.len() {
                    let second = reader.feed(&fragment(&body, cut, body.len()));
                    assert!(matches!(second, Some(Hello::Incomplete)));
                }
                let done = reader.feed(&fragment(&body, 0, cut));
                assert_eq!(matches!(done, Some(Hello::Gcm)), gcm, "{profiles:?} cut {cut}");
                assert!(!matches!(done, Some(Hello::Incomplete) | None));
            }
        }
    }

    #[test]
    fn garbage_is_not_a_hello() {
        for bytes in [&b""[..], &[22; 5], &[22; 40], &[23; 60], &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert!(HelloReader::default().feed(bytes).is_none(), "{bytes:?}");
        }
        let mut huge = fragment(&hello_body(&[7]), 0, 10);
        huge[14..17].copy_from_slice(&[0xff, 0xff, 0xff]);
        assert!(HelloReader::default().feed(&huge).is_none());
    }
}
