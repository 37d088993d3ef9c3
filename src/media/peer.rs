//! One WebRTC connection: its path, its handshake, its keys, and which RTP streams it sends.
//!
//! A peer opens what comes in and knows what it is (source, layer, repair or not); what happens
//! with it is the hub's business. Nothing is believed before it authenticates: addresses only from
//! checks that prove the ICE password, SSRCs only from packets that decrypt.

mod identify;

use std::time::{Duration, Instant};

use bytes::BytesMut;

use self::identify::identify;
use crate::ids::{HubId, PeerId};
use crate::media::bandwidth::Estimator;
use crate::media::clock::{Micros, SenderClock};
use crate::media::command::{CloseReason, SlotIndex};
use crate::media::delivery::{Carried, Deliveries, Sums};
use crate::media::feedback::Arrivals;
use crate::media::negotiate::{ExtensionIds, PeerSetup, SourceSetup};
use crate::media::output::{Class, Output, Path};
use crate::media::pacer::Pacer;
use crate::media::redundancy::{Control, Losses};
use crate::media::rtp::RtpHeader;
use crate::media::share::Share;
use crate::media::slot::{Sending, Slot};
use crate::media::transport::Crypto;
use crate::media::transport::dtls::{Dtls, DtlsContext};
use crate::media::transport::ice::{BindingRequest, Check, IceCredentials, RecentChecks};
use crate::media::transport::srtp::{Opener, ReceiveIndex, Sealer};

/// RFC 7675 §5.1: consent that is not renewed for 30 s ends sending.
const CONSENT: Duration = Duration::from_secs(30);
/// A browser that was answered connects within seconds or never.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// A client sends media on its selected path alone. From another path that it has checked, media means
/// that it has moved, once the old one has been quiet for longer than packets overtake one another.
const MOVED_BY_MEDIA: Duration = Duration::from_millis(500);
/// Checks also come on paths that are only held ready. They mean the same when the old path has been
/// quiet for longer than its own checks are apart: 2.5 s in Chromium, and Firefox, where it is up to
/// 6 s, holds none ready.
const MOVED_BY_CHECK: Duration = Duration::from_secs(3);
/// QUALITY: SSRCs per peer. Four sources with three layers, each with a repair stream.
const MAX_STREAMS: usize = 32;

/// Fields in the order of use (hence `repr(C)`, here and in what it holds): with hundreds of
/// subscribers a peer's state has left the nearest cache by its next packet, so what each packet
/// touches is one run of cache lines and not ten places in 4 KiB.
#[repr(C)]
pub struct Peer {
    // What every packet that leaves needs.
    pub slots: Vec<Slot>,
    pub pacer: Pacer,
    pub traffic: Traffic,
    /// Where media goes: the nominated path, or the one that the client has moved to since.
    pub path: Option<Path>,
    pub extensions: ExtensionIds,
    pub keys: Option<(Sealer, Opener)>,
    /// What became of what it was sent.
    pub deliveries: Deliveries,
    // The rest.
    pub id: PeerId,
    pub hub: HubId,
    created: Instant,
    ice: Credentials,
    /// The credentials before an ICE restart, until the new ones are used.
    ice_before: Option<Credentials>,
    /// When something authentic last came on it.
    path_heard: Instant,
    last_check: Option<Instant>,
    recent_checks: RecentChecks,
    pub dtls: Dtls,
    pub rtcp_ssrc: u32,
    streams: Vec<Stream>,
    setups: Vec<SourceSetup>,
    /// Keys of its sources, in the order of `setups`.
    pub sources: Vec<usize>,
    pub clock: SenderClock,
    pub arrivals: Arrivals,
    /// Transport-wide number of the packet last opened.
    arrivals_number: Option<u16>,
    pub share: Share,
    /// What the client itself believes that its line carries (REMB), bits per second.
    pub told_most: Option<f64>,
    pub losses: Losses,
    /// What its feedback said was lost, and there was no room for yet.
    pub owed: Vec<Carried>,
    /// How much the sound that it gets repeats itself.
    pub redundancy: Control,
    /// At the last statistics.
    pub traffic_before: Traffic,
    pub deliveries_before: Sums,
    pub rtt: Option<Duration>,
    pub next_report: Instant,
    pub next_feedback: Instant,
    pub next_layers: Instant,
    pub closing: Option<CloseReason>,
}

#[derive(Clone)]
struct Credentials {
    local: IceCredentials,
    remote: IceCredentials,
}

/// Bytes and packets since the beginning, and at the last statistics.
#[derive(Default, Clone, Copy)]
pub struct Traffic {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub bad: u64,
}

/// An RTP stream that has authenticated at least one packet.
struct Stream {
    ssrc: u32,
    place: StreamPlace,
    index: ReceiveIndex,
    /// Another SSRC has taken its place. It stays known, so that old packets cannot come again.
    retired: bool,
}

/// What an SSRC of this peer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPlace {
    /// Index into the peer's sources.
    pub source: usize,
    pub layer: u8,
    /// Retransmissions (RFC 4588).
    pub repair: bool,
}

/// A packet that authenticated.
pub struct Opened {
    pub place: StreamPlace,
    /// The first packet of this SSRC.
    pub fresh: bool,
    /// 48-bit index: the extended sequence number.
    pub index: u64,
    /// Payload range in the datagram, padding cut off.
    pub payload: std::ops::Range<usize>,
    /// The payload is RED (RFC 2198) of this payload type.
    pub red: Option<u8>,
}

impl Peer {
    #[must_use]
    pub fn new(
        id: PeerId,
        hub: HubId,
        setup: PeerSetup,
        sources: Vec<usize>,
        dtls: &DtlsContext,
        now: Instant,
        base: u32,
    ) -> Self {
        let slot = |(n, s): (usize, _)| {
            // Each slot's time line begins elsewhere (RFC 3550 §5.1).
            Slot::new(SlotIndex(n as u8), s, base.wrapping_mul(2 * n as u32 + 1))
        };
        Self {
            id,
            hub,
            created: now,
            ice: Credentials { local: setup.local, remote: setup.remote },
            ice_before: None,
            path: None,
            path_heard: now,
            last_check: None,
            recent_checks: RecentChecks::default(),
            dtls: Dtls::new(dtls, setup.fingerprint),
            keys: None,
            extensions: setup.extensions,
            rtcp_ssrc: setup.rtcp_ssrc,
            streams: Vec::new(),
            setups: setup.sources,
            sources,
            slots: setup.slots.iter().enumerate().map(slot).collect(),
            clock: SenderClock::default(),
            arrivals: Arrivals::default(),
            arrivals_number: None,
            deliveries: Deliveries::default(),
            pacer: Pacer::default(),
            share: Share::default(),
            told_most: None,
            losses: Losses::default(),
            owed: Vec::new(),
            redundancy: Control::default(),
            traffic: Traffic::default(),
            traffic_before: Traffic::default(),
            deliveries_before: Sums::default(),
            rtt: None,
            next_report: now + Duration::from_millis(500 + id.0 * 37 % 500),
            next_feedback: now,
            next_layers: now,
            closing: None,
        }
    }

    #[must_use]
    pub fn connected(&self) -> bool {
        self.keys.is_some()
    }

    /// User fragments that lead here.
    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        let before = self.ice_before.iter();
        before.chain([&self.ice]).map(|c| c.local.ufrag.as_str())
    }

    /// Takes new credentials; the old stay valid until the new are used.
    pub fn restart_ice(&mut self, local: IceCredentials, remote: IceCredentials) -> Option<String> {
        let before = std::mem::replace(&mut self.ice, Credentials { local, remote });
        let forgotten = self.ice_before.replace(before);
        forgotten.map(|c| c.local.ufrag)
    }

    /// Answers a check. Returns whether it authenticated, and a user fragment that has ended.
    pub fn check(
        &mut self,
        mut request: BindingRequest,
        from: Path,
        now: Instant,
        crypto: &dyn Crypto,
        out: &mut Output,
    ) -> (bool, Option<String>) {
        let new = request.local_ufrag() == self.ice.local.ufrag;
        let Some(credentials) = (if new { Some(&self.ice) } else { self.ice_before.as_ref() }) else {
            return (false, None);
        };
        let (local, remote) = (&credentials.local, &credentials.remote);
        let Some(check) = request.authenticate(local, remote, crypto) else {
            return (false, None);
        };
        let reply = match check {
            Check::RoleConflict => request.role_conflict(local, crypto),
            Check::Probe | Check::Nominate => request.success(from.remote, local, crypto),
        };
        out.push(from, Class::Control, &reply);
        if check == Check::RoleConflict || !self.recent_checks.note(&request) {
            return (false, None);
        }
        self.last_check = Some(now);
        // The latest nomination wins; before any, the first path that works will do, so that the
        // handshake need not wait.
        if check == Check::Nominate || self.path.is_none() {
            self.path = Some(from);
        }
        self.heard(from, now, MOVED_BY_CHECK);
        let ended = if new && check == Check::Nominate { self.ice_before.take() } else { None };
        (true, ended.map(|c| c.local.ufrag))
    }

    /// Something authentic came from `from`, an address that has passed a check. Browsers differ in
    /// what they do when a NAT gives them another address, of which they learn nothing: Chromium
    /// nominates in every check, Firefox never again. So media follows here too, after `quiet`.
    fn heard(&mut self, from: Path, now: Instant, quiet: Duration) {
        if self.path == Some(from) || self.path.is_some() && now - self.path_heard >= quiet {
            self.path = Some(from);
            self.path_heard = now;
        }
    }

    /// A path has ended. If media went there it waits for the next one that passes a check.
    pub fn path_closed(&mut self, path: Path) {
        if self.path == Some(path) {
            self.path = None;
        }
    }

    /// A packet of its media opened.
    pub fn media_heard(&mut self, from: Path, now: Instant) {
        self.heard(from, now, MOVED_BY_MEDIA);
    }

    /// Whether the peer must end now.
    #[must_use]
    pub fn expired(&self, now: Instant) -> Option<CloseReason> {
        if self.closing.is_some() {
            return self.closing;
        }
        let since = self.last_check.unwrap_or(self.created);
        if now - since >= CONSENT {
            return Some(CloseReason::ConsentLost);
        }
        (!self.connected() && now - self.created >= HANDSHAKE).then_some(CloseReason::Handshake)
    }

    /// Sends DTLS flights on the present path.
    pub fn send_dtls(&mut self, flights: Vec<BytesMut>, to: Option<Path>, out: &mut Output) {
        if let Some(path) = to.or(self.path) {
            for flight in flights {
                out.push(path, Class::Control, &flight);
            }
        }
    }

    /// Decrypts an RTP packet in place and says what it is.
    pub fn open(&mut self, p: &mut [u8], header: &RtpHeader, crypto: &dyn Crypto) -> Option<Opened> {
        let (_, opener) = self.keys.as_mut()?;
        let known = self.streams.iter().position(|s| s.ssrc == header.ssrc);
        let (at, fresh) = match known {
            Some(at) => (at, false),
            None => {
                let place = identify(&self.setups, &self.extensions, header, p)?;
                if self.streams.len() >= MAX_STREAMS {
                    return None;
                }
                let index = ReceiveIndex::default();
                self.streams.push(Stream { ssrc: header.ssrc, place, index, retired: false });
                (self.streams.len() - 1, true)
            }
        };
        let stream = &mut self.streams[at];
        if stream.retired {
            return None;
        }
        let Ok((index, length)) = opener.open_rtp(p, header.length, &mut stream.index, crypto) else {
            if fresh {
                self.streams.pop();
            }
            return None;
        };
        let place = stream.place;
        let setup = &self.setups[place.source];
        let expected = if place.repair { setup.rtx_payload_type } else { Some(setup.payload_type) };
        let red = setup.red == Some(header.payload_type) && !place.repair;
        if !red && expected != Some(header.payload_type) {
            return None;
        }
        let red = red.then_some(setup.payload_type);
        let padding = match header.padding {
            true => usize::from(*p[header.length..length].last()?),
            false => 0,
        };
        let end = length.checked_sub(padding).filter(|end| *end >= header.length)?;
        if let Some(number) =
            self.extensions.transport_cc.and_then(|id| header.extension(p, id)?.try_into().ok())
        {
            self.arrivals_number = Some(u16::from_be_bytes(number));
        }
        Some(Opened { place, fresh, index, payload: header.length..end, red })
    }

    /// The streams of a layer that another SSRC has taken over.
    pub fn forget_other_streams(&mut self, place: StreamPlace, ssrc: u32) {
        let others = |s: &&mut Stream| s.place == place && s.ssrc != ssrc;
        self.streams.iter_mut().filter(others).for_each(|s| s.retired = true);
    }

    /// How many streams of it are known, and under how many SSRCs it reports.
    #[must_use]
    pub fn held(&self) -> (usize, usize) {
        (self.streams.len(), self.keys.as_ref().map_or(0, |(_, opener)| opener.reporters()))
    }

    /// Some stream that it sends: browsers take transport-wide feedback only in the name of one.
    #[must_use]
    pub fn any_ssrc(&self) -> Option<u32> {
        self.streams.iter().find(|s| !s.place.repair && !s.retired).map(|s| s.ssrc)
    }

    /// Where a sender report belongs.
    #[must_use]
    pub fn place_of(&self, ssrc: u32) -> Option<StreamPlace> {
        self.streams.iter().find(|s| s.ssrc == ssrc).map(|s| s.place)
    }

    /// What may be sent to it now, bits per second; `None`: nothing is known, nothing is limited.
    #[must_use]
    pub fn line_target(&self, now: Micros) -> Option<f64> {
        self.line_figure(now, Estimator::target)
    }

    /// What its line carries; the same while no queue drains.
    #[must_use]
    pub fn line_capacity(&self, now: Micros) -> Option<f64> {
        self.line_figure(now, Estimator::capacity)
    }

    fn line_figure(&self, now: Micros, figure: fn(&Estimator) -> f64) -> Option<f64> {
        let line = &self.deliveries.line;
        let tells = self.extensions.transport_cc.is_some() && self.slots.iter().any(Slot::is_told_of);
        if tells && !line.is_mute(now) { Some(figure(line)) } else { self.told_most }
    }

    /// Split borrows for forwarding into one slot. `None`: nothing can be sent yet.
    pub fn sending<'a>(
        &'a mut self,
        slot: usize,
        out: &'a mut Output,
        at: Micros,
    ) -> Option<(&'a mut Slot, Sending<'a>)> {
        let (sealer, _) = self.keys.as_mut()?;
        let sending = Sending {
            sealer,
            path: self.path?,
            audio_level: self.extensions.audio_level,
            orientation: self.extensions.orientation,
            transport_cc: self.extensions.transport_cc,
            deliveries: &mut self.deliveries,
            pacer: &mut self.pacer,
            share: &mut self.share,
            at,
            train: 0,
            out,
            bytes_sent: &mut self.traffic.bytes_out,
        };
        Some((self.slots.get_mut(slot)?, sending))
    }

    /// Notes the arrival of the packet last opened for the sender's bandwidth estimate.
    pub fn note_arrival(&mut self, at: Micros) {
        if let Some(number) = self.arrivals_number.take() {
            self.arrivals.arrived(number, at);
        }
    }
}
