//! DTLS-SRTP handshake (RFC 5764) on rtc-dtls; the server is always passive.
//!
//! One `Endpoint` per peer, driven with a constant dummy address, so that ICE can move the path
//! without DTLS noticing. The SRTP profile follows the client's order, and browsers put the slow
//! AES-CM first; so the first ClientHello is read here (also when it comes in fragments) and the
//! peer gets a configuration with GCM alone where the client has GCM, AES-CM otherwise. The
//! certificate is compared with the offer's fingerprint before any key is used. Bytes of an
//! unfinished handshake are capped: the library queues records of the next epoch without limit.
//!
//! The library repeats a flight by its timer, but any handshake datagram stops that timer, also a
//! ClientHello that was repeated because our flight was lost; then neither side would go on. So the
//! last flight is kept here, and repeated as it was while the library's timer stands still.

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
use super::hello::{Hello, HelloReader};
use super::srtp::{KeyingMaterial, Profile};

const DUMMY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9));
/// RFC 5764 §4.2
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// A handshake with a large certificate takes about 4 KiB; retransmissions included.
const MAX_HANDSHAKE_BYTES: usize = 64 * 1024;
/// How long an answer to a flight is waited for before the flight is sent again.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(250);
/// Plaintext handshake records of one handshake; a client's whole handshake has about ten. The library
/// walks through all fragments that it keeps for each new one.
const MAX_RECORDS: usize = 256;
/// A client that missed our last flight repeats its own a few times; more is kept of nobody.
const MAX_LATE_BYTES: usize = 16 * 1024;

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
                .with_flight_interval(FLIGHT_INTERVAL)
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
    /// Until the handshake is done.
    flight: Option<LastFlight>,
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
        let endpoint = Endpoint::new(DUMMY, TransportProtocol::UDP, None);
        Self { endpoint, shared: config.clone(), flight: Some(LastFlight::default()) }
    }

    /// Sends the first flight.
    pub fn connect(&mut self, now: Instant, out: &mut Vec<BytesMut>) {
        let _ = self.endpoint.connect(now, DUMMY, self.shared.config.clone(), None);
        self.drain(now, out);
    }

    /// Feeds one datagram. `Connected` once, when the handshake is done.
    pub fn read(&mut self, now: Instant, datagram: &[u8], out: &mut Vec<BytesMut>) -> Progress {
        let events = self.endpoint.read(now, DUMMY, None, BytesMut::from(datagram));
        self.drain(now, out);
        for event in events.unwrap_or_default() {
            match event {
                EndpointEvent::HandshakeComplete => {
                    self.flight = None;
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
            self.drain(now, out);
        }
        if let Some(flight) = &mut self.flight {
            flight.repeat(now, out);
        }
    }

    fn drain(&mut self, now: Instant, out: &mut Vec<BytesMut>) {
        match &mut self.flight {
            Some(flight) => drain_flight(&mut self.endpoint, flight, now, out),
            None => drain(&mut self.endpoint, out),
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
    /// Bytes of the unfinished handshake.
    bytes: usize,
    taken: Taken,
}

enum State {
    /// Until the first ClientHello is complete.
    Hello(HelloReader),
    Running {
        endpoint: Endpoint,
        connected: bool,
        flight: LastFlight,
    },
    Ended,
}

impl Dtls {
    #[must_use]
    pub fn new(context: &DtlsContext, expected: Fingerprint) -> Self {
        let state = State::Hello(HelloReader::default());
        Self { context: context.clone(), state, expected, bytes: 0, taken: Taken::default() }
    }

    /// Feeds one datagram; what must be sent in reply is appended to `out`.
    pub fn read(&mut self, now: Instant, datagram: &[u8], out: &mut Vec<BytesMut>) -> Progress {
        match &mut self.state {
            State::Ended => return Progress::Nothing,
            State::Running { connected: true, .. } => {}
            State::Running { .. } | State::Hello(_) => {
                self.bytes += datagram.len();
                if self.bytes > MAX_HANDSHAKE_BYTES {
                    self.state = State::Ended;
                    return Progress::Failed;
                }
            }
        }
        if let State::Hello(hello) = &mut self.state {
            let Some(seen) = hello.feed(datagram) else {
                return Progress::Nothing;
            };
            let config = match seen {
                Hello::Incomplete => return Progress::Nothing,
                Hello::Gcm => self.context.gcm.clone(),
                Hello::NoGcm => self.context.aes_cm.clone(),
            };
            let mut endpoint = Endpoint::new(DUMMY, TransportProtocol::UDP, Some(config));
            for d in hello.take_datagrams() {
                let _ = endpoint.read(now, DUMMY, None, wanted_records(&d, false, &mut self.taken));
            }
            let mut flight = LastFlight::default();
            drain_flight(&mut endpoint, &mut flight, now, out);
            self.state = State::Running { endpoint, connected: false, flight };
            return Progress::Nothing;
        }
        let State::Running { endpoint, connected, flight } = &mut self.state else {
            return Progress::Nothing;
        };
        let wanted = wanted_records(datagram, *connected, &mut self.taken);
        if wanted.is_empty() {
            return Progress::Nothing;
        }
        let result = endpoint.read(now, DUMMY, None, wanted);
        if *connected {
            drain(endpoint, out);
        } else {
            drain_flight(endpoint, flight, now, out);
        }
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
        let State::Running { endpoint, connected, flight } = &mut self.state else {
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
        *flight = LastFlight::default();
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
            State::Hello(hello) => hello.held_bytes(),
            State::Running { connected: false, .. } => self.bytes,
            State::Running { .. } | State::Ended => 0,
        }
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Running { endpoint, connected: false, flight } => {
                endpoint.poll_timeout(&DUMMY).or(flight.again_at)
            }
            _ => None,
        }
    }

    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<BytesMut>) -> Progress {
        let State::Running { endpoint, connected: false, flight } = &mut self.state else {
            return Progress::Nothing;
        };
        let result = endpoint.handle_timeout(DUMMY, now);
        drain_flight(endpoint, flight, now, out);
        flight.repeat(now, out);
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

/// What of strangers' records was given to the library.
#[derive(Default)]
struct Taken {
    /// Plaintext handshake records before the end.
    records: usize,
    /// Handshake bytes after it.
    late_bytes: usize,
}

/// Whether the fragment that a handshake record claims to carry is in it (RFC 6347 §4.2.2); the
/// library takes the claim for it.
fn has_its_fragment(message: &[u8]) -> bool {
    let Some((head, body)) = message.split_first_chunk::<12>() else {
        return false;
    };
    let claimed = u32::from_be_bytes([0, head[9], head[10], head[11]]);
    claimed as usize <= body.len()
}

/// The records of a datagram that a handshake may need, in order.
///
/// Whoever can send from a peer's address can write plaintext records. The library answers a bad
/// one with a fatal alert, keeps every handshake fragment, also the empty ones that its limit does
/// not count, and puts them together by recursion. So before the end only what belongs to a
/// handshake gets in; after it only what is encrypted: alerts, and, counted, the client's last
/// flight again (whose Finished is, RFC 6347 §4.2.4). Application data is nobody's: data channels
/// are refused in the answer.
fn wanted_records(datagram: &[u8], connected: bool, taken: &mut Taken) -> BytesMut {
    const CHANGE_CIPHER_SPEC: u8 = 20;
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    let mut out = BytesMut::with_capacity(datagram.len());
    let mut rest = datagram;
    while rest.len() >= 13 {
        let length = 13 + usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        let Some((record, after)) = rest.split_at_checked(length) else {
            break;
        };
        rest = after;
        let encrypted = record[3..5] != [0, 0];
        let wanted = match record[0] {
            HANDSHAKE if connected => {
                taken.late_bytes += if encrypted { length } else { 0 };
                encrypted && taken.late_bytes <= MAX_LATE_BYTES
            }
            ALERT => encrypted || !connected,
            HANDSHAKE if encrypted => true,
            HANDSHAKE => {
                taken.records += 1;
                taken.records <= MAX_RECORDS && has_its_fragment(&record[13..])
            }
            CHANGE_CIPHER_SPEC => !connected,
            _ => false,
        };
        if wanted {
            out.extend_from_slice(record);
        }
    }
    out
}

/// What was sent last in a handshake, for as long as the library does not repeat it.
#[derive(Default)]
struct LastFlight {
    datagrams: Vec<BytesMut>,
    again_at: Option<Instant>,
    times: u32,
}

impl LastFlight {
    /// Sends it again when it is due, each time after twice the wait. What the client has already is
    /// a replay to it; what it lacks is what was lost.
    fn repeat(&mut self, now: Instant, out: &mut Vec<BytesMut>) {
        if self.again_at.is_some_and(|at| at <= now) {
            out.extend(self.datagrams.iter().cloned());
            self.times += 1;
            self.again_at = Some(now + FLIGHT_INTERVAL * (1 << self.times.min(8)));
        }
    }
}

/// Takes what the endpoint sends, and notes whether the endpoint will repeat it by itself.
fn drain_flight(endpoint: &mut Endpoint, flight: &mut LastFlight, now: Instant, out: &mut Vec<BytesMut>) {
    let before = out.len();
    drain(endpoint, out);
    // An alert, which a forged record can provoke, is no flight.
    let is_flight = |d: &BytesMut| matches!(d.first(), Some(20 | 22));
    if out.get(before).is_some_and(is_flight) {
        *flight = LastFlight { datagrams: out[before..].to_vec(), ..LastFlight::default() };
    }
    if endpoint.poll_timeout(&DUMMY).is_some() {
        flight.again_at = None;
    } else {
        flight.again_at.get_or_insert(now + FLIGHT_INTERVAL);
    }
}

fn drain(endpoint: &mut Endpoint, out: &mut Vec<BytesMut>) {
    while let Some(transmit) = endpoint.poll_transmit() {
        out.push(transmit.message);
    }
}

#[cfg(test)]
#[path = "dtls_test.rs"]
mod tests;

#[cfg(test)]
#[path = "dtls_strangers_test.rs"]
mod strangers;
