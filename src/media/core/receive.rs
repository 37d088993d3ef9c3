//! Datagrams in: STUN, DTLS, RTP, RTCP.

use std::time::{Duration, Instant};

use crate::media::bandwidth::Condition;
use crate::media::clock::Micros;
use crate::media::command::{CloseReason, Event};
use crate::media::core::{Core, Fresh};
use crate::media::demux::Kind;
use crate::media::output::Path;
use crate::media::peer::{Opened, Peer, StreamPlace};
use crate::media::red::Red;
use crate::media::ring::NewPacket;
use crate::media::rtp::{RtpHeader, is_rtcp};
use crate::media::source::{Layer, Recovered, Source};
use crate::media::transport::dtls::Progress;
use crate::media::transport::ice::BindingRequest;
use crate::media::transport::rtcp::{self, Said};
use crate::media::transport::srtp::{self, extend};
use crate::media::transport::twcc::TransportFeedback;

/// Where a line loses more than this share, what nobody told of goes again unasked, too.
const MANY: f64 = 0.1;

impl Core {
    /// Takes one datagram, which may be changed in place. What comes of it is in `out` after
    /// `flush`.
    ///
    /// `waited`: how long it lay in the kernel. What is measured by arrival (a sender's bandwidth,
    /// jitter, clocks) must not depend on how busy this thread was.
    pub fn handle_datagram(&mut self, datagram: &mut [u8], from: Path, waited: Duration, now: Instant) {
        self.arrived = self.micros(now) - waited.as_micros() as Micros;
        self.stats.packets_in += 1;
        self.stats.bytes_in += datagram.len() as u64;
        let kind = Kind::of(datagram);
        if kind == Kind::Stun {
            return self.handle_stun(datagram, from, now);
        }
        let Some(key) = self.demux.by_address(from) else {
            self.stats.datagrams_dropped += 1;
            return;
        };
        if let Some(peer) = self.peers.get_mut(key) {
            peer.traffic.bytes_in += datagram.len() as u64;
        }
        match kind {
            Kind::Dtls => self.guarded(key, now, |core| core.handle_dtls(key, datagram, from, now)),
            Kind::Media if is_rtcp(datagram) => {
                self.guarded(key, now, |core| core.handle_rtcp(key, datagram, from, now));
            }
            Kind::Media => self.guarded(key, now, |core| core.handle_rtp(key, datagram, from, now)),
            Kind::Stun | Kind::Unknown => self.stats.datagrams_dropped += 1,
        }
    }

    /// Whether this path has passed a check of a peer that is still here.
    #[must_use]
    pub fn knows(&self, path: Path) -> bool {
        self.demux.by_address(path).is_some()
    }

    /// The connection of a path has ended: nothing can be sent there any more.
    pub fn handle_path_closed(&mut self, path: Path) {
        let owner = self.demux.forget_address(path);
        if let Some(peer) = owner.and_then(|key| self.peers.get_mut(key)) {
            peer.path_closed(path);
        }
    }

    fn handle_stun(&mut self, datagram: &[u8], from: Path, now: Instant) {
        let request = BindingRequest::parse(datagram);
        let found = request.and_then(|r| Some((self.demux.by_ufrag(r.local_ufrag())?, r)));
        let Some((key, request)) = found else {
            self.stats.datagrams_dropped += 1;
            return;
        };
        let provider = self.provider.clone();
        self.guarded(key, now, |core| {
            let Some(peer) = core.peers.get_mut(key) else {
                return;
            };
            let (good, ended) = peer.check(request, from, now, provider.crypto(), &mut core.out);
            if good {
                core.demux.learn(from, key);
            } else {
                core.stats.packets_unauthentic += 1;
            }
            if let Some(ufrag) = ended {
                core.demux.remove_ufrag(&ufrag);
            }
        });
    }

    fn handle_dtls(&mut self, key: usize, datagram: &[u8], from: Path, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let mut flights = Vec::new();
        let progress = peer.dtls.read(now, datagram, &mut flights);
        // Before a nomination the client may already begin on any path that it has checked.
        let to = if peer.connected() { peer.path } else { Some(from) };
        peer.send_dtls(flights, to, &mut self.out);
        self.progress(key, progress, now);
    }

    pub(super) fn progress(&mut self, key: usize, progress: Progress, now: Instant) {
        match progress {
            Progress::Nothing => {}
            Progress::Connected(keys) => {
                // What waits was not for this peer; the replay below must not meet it again.
                self.flush(now);
                let Some(peer) = self.peers.get_mut(key) else {
                    return;
                };
                peer.keys = srtp::keyed(&keys, self.provider.crypto());
                let (id, hub) = (peer.id, peer.hub);
                if peer.keys.is_none() {
                    return self.close_peer(key, CloseReason::Handshake, now);
                }
                self.emit(hub, Event::PeerConnected { peer: id });
                self.arm(key, now);
                self.replay_all(key, now);
            }
            Progress::Closed => self.close_peer(key, CloseReason::Closed, now),
            Progress::Failed => self.close_peer(key, CloseReason::Handshake, now),
            Progress::WrongFingerprint => self.close_peer(key, CloseReason::Fingerprint, now),
        }
    }

    fn handle_rtp(&mut self, key: usize, datagram: &mut [u8], from: Path, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let opened = RtpHeader::read(datagram)
            .and_then(|h| Some((h, peer.open(datagram, &h, self.provider.crypto())?)));
        let Some((header, opened)) = opened else {
            peer.traffic.bad += 1;
            self.stats.packets_unauthentic += 1;
            return;
        };
        peer.media_heard(from, now);
        peer.note_arrival(self.arrived);
        if opened.fresh {
            peer.forget_other_streams(opened.place, header.ssrc);
        }
        let extension = extension_byte(&peer.extensions, &header, datagram);
        let source = peer.sources[opened.place.source];
        self.take_media(source, &header, &opened, extension, datagram, now);
    }

    /// Puts an authentic packet where it belongs.
    fn take_media(
        &mut self,
        key: usize,
        header: &RtpHeader,
        opened: &Opened,
        extension: Option<u8>,
        datagram: &[u8],
        now: Instant,
    ) {
        let at = self.arrived;
        let StreamPlace { layer, repair, .. } = opened.place;
        let Some(source) = self.sources.get_mut(key) else {
            return;
        };
        let codec = source.codec;
        let place = &mut source.layers[usize::from(layer)];
        if !repair && place.as_ref().is_none_or(|l| l.ssrc != header.ssrc) {
            let changed = place.replace(Layer::new(header.ssrc, codec, &self.buffers)).is_some();
            if changed {
                self.fresh.retain(|f| f.source != key || f.layer != layer);
                self.peers[source.owner].forget_other_streams(opened.place, header.ssrc);
                begin_anew(&mut self.peers, source, Some(layer));
            }
        }
        let place = &mut source.layers[usize::from(layer)];
        let Some(layer_state) = place else {
            return; // repair before the first packet
        };
        let mut payload = &datagram[opened.payload.clone()];
        let mut ext = opened.index;
        if repair {
            // RFC 4588 §4: the original number stands before the payload; empty ones are probes.
            let (Some((number, rest)), Some(highest)) =
                (payload.split_first_chunk::<2>(), layer_state.ring.highest())
            else {
                return;
            };
            let Some(original) = extend(highest, u16::from_be_bytes(*number)) else {
                return;
            };
            (ext, payload) = (original, rest);
        }
        let mut recovered = Recovered::default();
        if let Some(main) = opened.red {
            let Some(red) = Red::read(payload, main) else {
                self.peers[source.owner].traffic.bad += 1;
                return;
            };
            if source.open {
                recovered = layer_state.recover((&red, payload), ext, header.timestamp, now);
            }
            payload = &payload[red.primary];
        }
        for ext in recovered.iter() {
            self.fresh.push(Fresh { source: key, layer, ext });
            self.stats.audio_recovered += 1;
        }
        let kind = codec.inspect(payload);
        let marker = header.marker;
        let packet = NewPacket { ext, timestamp: header.timestamp, marker, extension, kind, payload };
        let Some(broken) = layer_state.take(packet, now, at) else {
            return;
        };
        if let (true, Some(level)) = (source.kind.is_audio(), extension) {
            let level = level & 0x7f;
            source.loudest = Some(source.loudest.map_or(level, |l| l.min(level)));
            source.voice.note(level);
        }
        let begins = !source.flowing;
        source.flowing = true;
        if source.open {
            self.fresh.push(Fresh { source: key, layer, ext });
        }
        if broken {
            self.picture_is_broken(key, layer);
        }
        let Some(source) = self.sources.get(key).filter(|_| begins) else {
            return;
        };
        {
            let (hub, id, owner) = (source.hub, source.id, source.owner);
            self.emit(hub, Event::SourceFlowing { source: id });
            self.arm(owner, now);
        }
    }

    fn handle_rtcp(&mut self, key: usize, datagram: &[u8], from: Path, now: Instant) {
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Some((_, opener)) = peer.keys.as_mut() else {
            return;
        };
        let Ok(plain) = opener.open_rtcp(datagram, self.provider.crypto()) else {
            peer.traffic.bad += 1;
            self.stats.packets_unauthentic += 1;
            return;
        };
        let mut all = Vec::new();
        rtcp::read(plain, |said| all.push(said));
        peer.media_heard(from, now);
        for said in all {
            match said {
                Said::SenderReport { ssrc, ntp, rtp } => self.sender_report(key, ssrc, ntp, rtp, now),
                Said::Reception { ssrc, fraction_lost, last_report, delay, .. } => {
                    self.reception(key, ssrc, fraction_lost, last_report, delay, now);
                }
                Said::Nack { ssrc, sequence_numbers } => {
                    self.retransmit(key, ssrc, &sequence_numbers, now);
                }
                Said::KeyFrameWanted { ssrc } => self.key_frame_wanted(key, ssrc, now),
                Said::Deliveries(told) => {
                    self.deliveries(key, &told, now);
                }
                Said::Estimate { bits } => self.line_estimated(key, bits, now),
            }
        }
    }

    fn deliveries(&mut self, key: usize, told: &TransportFeedback, now: Instant) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let rtt = peer.rtt.unwrap_or(Duration::from_millis(100)).as_micros() as Micros;
        let silent = peer.deliveries.line.condition() == Condition::Silent;
        let losses = &mut peer.losses;
        let mut missing = std::mem::take(&mut peer.owed);
        if peer.deliveries.line.inherent_loss() > MANY {
            missing.extend(peer.deliveries.skipped(told));
        }
        peer.deliveries.feedback(told, (at, rtt), peer.share.useful, |came, lost| {
            losses.note(came);
            missing.extend(lost);
        });
        let woken = silent && peer.deliveries.line.condition() != Condition::Silent;
        self.line_moved(key, woken, now);
        self.send_lost_again(key, &missing, now);
    }

    fn sender_report(&mut self, key: usize, ssrc: u32, ntp: u64, rtp: u32, now: Instant) {
        let at = self.arrived;
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        let Some(place) = peer.place_of(ssrc).filter(|p| !p.repair) else {
            return;
        };
        peer.clock.report(at, ntp);
        let source = self.sources.get_mut(peer.sources[place.source]);
        if let Some(layer) = source.and_then(|s| s.layers[usize::from(place.layer)].as_mut()) {
            layer.sender_report(ntp, rtp, now);
        }
    }

    /// Loss and round-trip time (RFC 3550 §6.4.1) as a subscriber sees them.
    fn reception(
        &mut self,
        key: usize,
        ssrc: u32,
        fraction_lost: u8,
        last_report: u32,
        delay: u32,
        now: Instant,
    ) {
        let ntp = (crate::media::clock::micros_to_ntp(self.micros(now)) >> 16) as u32;
        let Some(peer) = self.peers.get_mut(key) else {
            return;
        };
        if let Some(slot) = peer.slots.iter_mut().find(|s| s.ssrc == ssrc) {
            slot.fraction_lost = fraction_lost;
        }
        if last_report != 0 {
            let round = ntp.wrapping_sub(last_report).wrapping_sub(delay);
            // Clocks of different resolution can make a short round trip negative.
            let round = if round > 0x8000_0000 { 0 } else { round };
            let micros = u64::from(round) * 1_000_000 / 65_536;
            peer.rtt = Some(Duration::from_micros(micros));
        }
    }

    fn key_frame_wanted(&mut self, key: usize, ssrc: u32, now: Instant) {
        let at = self.micros(now);
        let Some(peer) = self.peers.get(key) else {
            return;
        };
        let Some(slot) = peer.slots.iter().find(|s| s.ssrc == ssrc) else {
            return;
        };
        let Some((source, layer)) = slot.feed.zip(slot.layer()) else {
            return;
        };
        // On a small line a key frame takes longer than a browser's patience: a second one would make the
        // first later.
        let round_trip = peer.rtt.map_or(0, |r| r.as_micros() as Micros);
        let under_way = round_trip + peer.deliveries.line.standing();
        if slot.key_frame_is_coming(&peer.pacer, under_way, at) {
            return;
        }
        if let Some(source) = self.sources.get_mut(source) {
            source.key_wanted = Some(layer);
        }
        self.send_key_request(source, now);
    }
}

/// The slots that get this layer (or any) of the source wait for a key frame: what follows has
/// other numbers, or comes after a pause.
pub(super) fn begin_anew(peers: &mut slab::Slab<Peer>, source: &Source, layer: Option<u8>) {
    for subscriber in &source.subscribers {
        let Some(peer) = peers.get_mut(subscriber.peer) else {
            continue;
        };
        let Some(slot) = peer.slots.get_mut(usize::from(subscriber.slot)) else {
            continue;
        };
        if layer.is_none() || slot.layer() == layer || slot.queued == layer {
            slot.begin_anew();
            peer.pacer.forget(subscriber.slot);
        }
    }
}

fn extension_byte(
    ids: &crate::media::negotiate::ExtensionIds,
    header: &RtpHeader,
    datagram: &[u8],
) -> Option<u8> {
    let read = |id: Option<u8>| header.extension(datagram, id?)?.first().copied();
    read(ids.audio_level).or_else(|| read(ids.orientation))
}
