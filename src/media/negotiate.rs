//! Offer in, answer out: the one way into the media plane, for WebSocket, WHIP and WHEP alike.
//!
//! The client offers once; the answer is ICE-lite, bundled, rtcp-mux. An m-line that sends and is
//! named by the client becomes a *source*; one that receives becomes a *slot* with an SSRC of its
//! own; anything else is refused. A source is answered with one codec, so that it cannot change
//! in mid-lesson; a slot with every codec we forward, so that sources can. Nothing here waits for
//! a shard: what the shard needs travels in `Command::AddPeer`.

use std::net::IpAddr;
use std::sync::Arc;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{PeerId, SourceId};
pub use crate::media::answer::AnswerTemplate;
pub use crate::media::codec::Codec;
use crate::media::command::SlotIndex;
pub use crate::media::fragment::{Fragment, MAX_FRAGMENT};
use crate::media::tcp::TcpPorts;
use crate::media::transport::dtls::{DtlsContext, Fingerprint};
pub use crate::media::transport::ice::IceCredentials;
use crate::media::transport::sdp::{Direction, Offer, OfferCodec, OfferMedia, SdpError};

/// What a participant may send, as its page names its m-lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    Mic,
    Camera,
    /// 课件: screen, window, tab or document camera.
    Content,
    /// The sound that belongs to `Content`.
    ContentAudio,
}

impl SourceKind {
    #[must_use]
    pub fn media(self) -> MediaKind {
        match self {
            Self::Mic | Self::ContentAudio => MediaKind::Audio,
            Self::Camera | Self::Content => MediaKind::Video,
        }
    }

    #[must_use]
    pub fn is_audio(self) -> bool {
        self.media() == MediaKind::Audio
    }

    #[must_use]
    pub fn is_video(self) -> bool {
        self.media() == MediaKind::Video
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Audio,
    Video,
}

/// What the server wants of an offer.
#[derive(Debug, Clone)]
pub struct PeerRequest {
    /// mid → what it carries, for the m-lines that the client sends on. One that sends and is not
    /// named is refused.
    pub sources: Vec<(String, SourceKind)>,
    /// The video codec that the sender shall use if its offer has it.
    pub prefer_video: Codec,
}

#[derive(Debug, Clone)]
pub struct SourceInfo {
    pub source: SourceId,
    pub mid: String,
    pub kind: SourceKind,
    /// What it will send.
    pub codec: Codec,
}

#[derive(Debug, Clone)]
pub struct SlotInfo {
    pub slot: SlotIndex,
    pub mid: String,
    pub kind: MediaKind,
}

/// An offer that was taken.
#[derive(Debug)]
pub struct Accepted {
    pub peer: PeerId,
    /// The answer for the client.
    pub sdp: String,
    /// What is kept of it for ICE restarts.
    pub answer: AnswerTemplate,
    /// Goes into `Command::AddPeer`.
    pub setup: Box<PeerSetup>,
    pub sources: Vec<SourceInfo>,
    pub slots: Vec<SlotInfo>,
    /// The video codecs that every video slot can take.
    pub decodes: Vec<Codec>,
}

/// New credentials of both sides, for `Command::RestartIce`.
#[derive(Debug, Clone)]
pub struct IceRestart {
    pub local: IceCredentials,
    pub remote: IceCredentials,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NegotiateError {
    #[error(transparent)]
    Sdp(#[from] SdpError),
    #[error("m-line {0} has no codec that is forwarded here")]
    NoCodec(usize),
    #[error("m-line {0} is not RTP over DTLS with rtcp-mux in the bundle")]
    NotBundled(usize),
    #[error("there is no usable m-line")]
    NothingUsable,
    #[error("an ICE restart must keep the m-lines")]
    MediaChanged,
}

impl NegotiateError {
    /// Stable code for clients.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Sdp(SdpError::TooLarge) => "sdp_too_large",
            Self::Sdp(SdpError::Syntax | SdpError::NoIce) => "bad_sdp",
            Self::Sdp(SdpError::MediaCount) => "too_many_media",
            Self::Sdp(SdpError::NoBundle) | Self::NotBundled(_) => "no_bundle",
            Self::Sdp(SdpError::NoFingerprint) => "no_fingerprint",
            Self::NoCodec(_) | Self::NothingUsable => "no_codec",
            Self::MediaChanged => "media_changed",
        }
    }
}

/// Header extensions that are understood, by the ids of one client (RFC 8285).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    pub mid: Option<u8>,
    pub rid: Option<u8>,
    pub repaired_rid: Option<u8>,
    pub transport_cc: Option<u8>,
    pub audio_level: Option<u8>,
    pub orientation: Option<u8>,
}

/// Where the id of an extension is kept.
type Field = fn(&mut ExtensionIds) -> &mut Option<u8>;

pub(crate) const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

pub(crate) const EXTENSIONS: [(&str, Field); 6] = [
    ("urn:ietf:params:rtp-hdrext:sdes:mid", |e| &mut e.mid),
    ("urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", |e| &mut e.rid),
    ("urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id", |e| &mut e.repaired_rid),
    (TRANSPORT_CC, |e| &mut e.transport_cc),
    ("urn:ietf:params:rtp-hdrext:ssrc-audio-level", |e| &mut e.audio_level),
    ("urn:3gpp:video-orientation", |e| &mut e.orientation),
];

/// Everything a shard needs to run a peer.
#[derive(Debug, Clone)]
pub struct PeerSetup {
    pub local: IceCredentials,
    pub remote: IceCredentials,
    pub fingerprint: Fingerprint,
    pub extensions: ExtensionIds,
    pub sources: Vec<SourceSetup>,
    pub slots: Vec<SlotSetup>,
    /// SSRC under which our RTCP stands.
    pub rtcp_ssrc: u32,
}

#[derive(Debug, Clone)]
pub struct SourceSetup {
    pub source: SourceId,
    pub kind: SourceKind,
    pub mid: String,
    pub codec: Codec,
    pub payload_type: u8,
    pub rtx_payload_type: Option<u8>,
    /// Payload type of the same codec with redundancy (RFC 2198).
    pub red: Option<u8>,
    /// rid of each layer, smallest first; empty without simulcast.
    pub rids: Vec<String>,
    /// Declared SSRCs (media, RTX); used without simulcast.
    pub ssrcs: Vec<(u32, Option<u32>)>,
}

#[derive(Debug, Clone)]
pub struct SlotSetup {
    pub kind: MediaKind,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    /// The m-line takes transport-wide numbers.
    pub transport_cc: bool,
    /// By `Codec::index`: how this client names the codec.
    pub codecs: [Option<SlotCodec>; Codec::ALL.len()],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotCodec {
    pub payload_type: u8,
    pub rtx_payload_type: Option<u8>,
    /// Payload type of the same with redundancy (RFC 2198); sound alone.
    pub red: Option<u8>,
}

/// Makes answers. Cheap to clone.
#[derive(Clone)]
pub struct Negotiator {
    pub(crate) dtls: DtlsContext,
    /// Put into answers as candidates.
    pub(crate) addresses: Arc<[IpAddr]>,
    /// By shard.
    pub(crate) ports: Arc<[u16]>,
    /// The same by TCP, in the order in which clients shall try them.
    pub(crate) tcp_ports: Arc<[TcpPorts]>,
}

impl Negotiator {
    /// One for a media plane that stands at these addresses, with a port for each shard.
    #[must_use]
    pub fn new(dtls: DtlsContext, addresses: Arc<[IpAddr]>, ports: Arc<[u16]>) -> Self {
        Self { dtls, addresses, ports, tcp_ports: Arc::default() }
    }

    /// The same, reached by TCP as well.
    #[must_use]
    pub fn with_tcp(self, tcp_ports: Arc<[TcpPorts]>) -> Self {
        Self { tcp_ports, ..self }
    }

    /// Answers an offer for a peer that will live on `shard`.
    pub fn accept(
        &self,
        shard: usize,
        offer: &str,
        request: &PeerRequest,
    ) -> Result<Accepted, NegotiateError> {
        let offer = Offer::parse(offer)?;
        let mut lines = Vec::with_capacity(offer.media.len());
        for (at, media) in offer.media.iter().enumerate() {
            lines.push(decide(at, media, request)?);
        }
        if !lines.iter().any(|l| !matches!(l, Line::Refused)) {
            return Err(NegotiateError::NothingUsable);
        }
        let mut rng = rand::rng();
        let mut extensions = ExtensionIds::default();
        for media in &offer.media {
            for (id, uri) in &media.extensions {
                if let Some((_, field)) = EXTENSIONS.iter().find(|(u, _)| u == uri) {
                    field(&mut extensions).get_or_insert(*id);
                }
            }
        }
        let mut setup = PeerSetup {
            local: IceCredentials::generate(),
            remote: offer.ice.clone(),
            fingerprint: offer.fingerprint,
            extensions,
            sources: Vec::new(),
            slots: Vec::new(),
            // Bit 31 clear and low bits counted up below: never 0, never twice in one peer.
            rtcp_ssrc: rng.random_range(1..=0x7fff_0000),
        };
        let mut sources = Vec::new();
        let mut slots = Vec::new();
        for (media, line) in offer.media.iter().zip(&mut lines) {
            match line {
                Line::Refused => {}
                Line::Source(source) => {
                    sources.push(SourceInfo {
                        source: source.source,
                        mid: media.mid.clone(),
                        kind: source.kind,
                        codec: source.codec,
                    });
                    setup.sources.push(source.clone());
                }
                Line::Slot(slot) => {
                    let n = setup.slots.len() as u32;
                    slot.ssrc = setup.rtcp_ssrc + 1 + 2 * n;
                    slot.rtx_ssrc = slot.ssrc + 1;
                    slots.push(SlotInfo {
                        slot: SlotIndex(n as u8),
                        mid: media.mid.clone(),
                        kind: slot.kind,
                    });
                    setup.slots.push(slot.clone());
                }
            }
        }
        let video: Vec<&SlotSetup> = setup.slots.iter().filter(|s| s.kind == MediaKind::Video).collect();
        let can = |c: &Codec| video.iter().all(|s| s.codecs[c.index()].is_some());
        let decodes = Codec::VIDEO.into_iter().filter(can).collect();
        let (answer, sdp) = AnswerTemplate::new(self, shard, &offer, setup.local.clone(), lines);
        let peer = PeerId::next();
        Ok(Accepted { peer, sdp, answer, setup: Box::new(setup), sources, slots, decodes })
    }

    /// ICE restart with the same m-lines (RFC 8839 §4.4.1.1.1): a new answer, what is kept of it, and
    /// the command's payload.
    pub fn restart(
        &self,
        answer: &AnswerTemplate,
        offer: &str,
    ) -> Result<(String, AnswerTemplate, IceRestart), NegotiateError> {
        let offer = Offer::parse(offer)?;
        let mids: Vec<&str> = offer.media.iter().map(|m| m.mid.as_str()).collect();
        if !answer.has_mids(&mids) {
            return Err(NegotiateError::MediaChanged);
        }
        let (answer, restart) = self.restart_with(answer, offer.ice.clone());
        Ok((answer.render(self, &offer), answer, restart))
    }

    /// The same from the client's new credentials alone, as an SDP fragment has them.
    #[must_use]
    #[allow(clippy::unused_self, reason = "the one maker of answers")]
    pub fn restart_with(
        &self,
        answer: &AnswerTemplate,
        remote: IceCredentials,
    ) -> (AnswerTemplate, IceRestart) {
        let local = IceCredentials::generate();
        (answer.with_credentials(&local), IceRestart { local, remote })
    }
}

/// What a publisher without signalling of its own sends (RFC 9725 names no m-lines): its first
/// sending audio is a microphone, its first sending video a camera.
pub fn tracks_of_publisher(offer: &str) -> Result<Vec<(String, SourceKind)>, NegotiateError> {
    let offer = Offer::parse(offer)?;
    let first = |kind: SourceKind, name: &str| {
        let sends = |m: &&OfferMedia| matches!(m.direction, Direction::SendOnly | Direction::SendRecv);
        let media = offer.media.iter().filter(sends).find(|m| m.kind == name && m.bundled)?;
        Some((media.mid.clone(), kind))
    };
    Ok([first(SourceKind::Mic, "audio"), first(SourceKind::Camera, "video")].into_iter().flatten().collect())
}

/// What becomes of an m-line.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    Source(SourceSetup),
    Slot(SlotSetup),
    Refused,
}

fn decide(at: usize, media: &OfferMedia, request: &PeerRequest) -> Result<Line, NegotiateError> {
    let kind = match media.kind.as_str() {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        _ => return Ok(Line::Refused),
    };
    let named = request.sources.iter().find(|(mid, k)| *mid == media.mid && k.media() == kind);
    let sends = matches!(media.direction, Direction::SendOnly | Direction::SendRecv);
    let receives = matches!(media.direction, Direction::RecvOnly | Direction::SendRecv);
    let source = named.filter(|_| sends);
    if source.is_none() && !receives {
        return Ok(Line::Refused);
    }
    if !media.bundled || !media.rtcp_mux || !media.protocol.contains("RTP/SAVPF") {
        return Err(NegotiateError::NotBundled(at));
    }
    let codecs = Codec::ALL.map(|c| find(media, c, source.is_some()));
    if let Some((_, source_kind)) = source {
        let order: &[Codec] = match kind {
            MediaKind::Audio => &[Codec::Opus],
            MediaKind::Video => &[request.prefer_video, Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1],
        };
        let chosen = order.iter().find_map(|c| Some((*c, codecs[c.index()]?)));
        let (codec, names) = chosen.ok_or(NegotiateError::NoCodec(at))?;
        return Ok(Line::Source(SourceSetup {
            source: SourceId::next(),
            kind: *source_kind,
            mid: media.mid.clone(),
            codec,
            payload_type: names.payload_type,
            rtx_payload_type: names.rtx_payload_type,
            red: names.red,
            rids: smallest_first(&media.simulcast),
            ssrcs: media.ssrcs.clone(),
        }));
    }
    if codecs.iter().all(Option::is_none) {
        return Err(NegotiateError::NoCodec(at));
    }
    let transport_cc = media.extensions.iter().any(|(_, uri)| uri == TRANSPORT_CC);
    Ok(Line::Slot(SlotSetup { kind, ssrc: 0, rtx_ssrc: 0, transport_cc, codecs }))
}

/// The names by which a client knows a codec. Of several H.264 profiles constrained baseline
/// wins, which every decoder has. A sender may also be one that never fragments (mode 0, the
/// default of RFC 6184 §8.1): what it sends is a part of mode 1, which takers must have.
fn find(media: &OfferMedia, codec: Codec, sends: bool) -> Option<SlotCodec> {
    let mode = |c: &OfferCodec| match c.parameter("packetization-mode").unwrap_or("0") {
        "1" => true,
        "0" => sends,
        _ => false,
    };
    let fit = |c: &&OfferCodec| match codec {
        Codec::Opus => c.name == "opus" && c.clock == 48_000,
        Codec::Vp8 => c.name == "vp8",
        Codec::H264 => c.name == "h264" && mode(c),
        // Profile 0 of both is what every decoder has; it is also what no parameter means.
        Codec::Vp9 => c.name == "vp9" && c.parameter("profile-id").unwrap_or("0") == "0",
        Codec::Av1 => c.name == "av1" && c.parameter("profile").unwrap_or("0") == "0",
    };
    let profile = |c: &OfferCodec| match c.parameter("profile-level-id").unwrap_or("42e01f").as_bytes() {
        [b'4', b'2', b'e' | b'E', b'0', _, _] => 0,
        [b'4', b'2', _, _, _, _] => 1,
        _ => 2,
    };
    let rank = |c: &&OfferCodec| (profile(c), c.parameter("packetization-mode") != Some("1"));
    let chosen = media.codecs.iter().filter(fit).min_by_key(rank)?;
    let apt = chosen.payload_type.to_string();
    let rtx = media.codecs.iter().find(|c| c.name == "rtx" && c.parameter("apt") == Some(&apt));
    let payload_type = chosen.payload_type;
    let red = find_red(media, payload_type).filter(|_| codec == Codec::Opus);
    Some(SlotCodec { payload_type, rtx_payload_type: rtx.map(|c| c.payload_type), red })
}

/// The payload type under which `main` may come with redundant copies of itself. RED names the codecs
/// of its blocks by payload type (RFC 2198 §5); blocks of others are not taken.
fn find_red(media: &OfferMedia, main: u8) -> Option<u8> {
    let main = main.to_string();
    let of_main = |c: &&OfferCodec| c.fmtp.split('/').all(|block| block.trim() == main);
    let red = media.codecs.iter().filter(|c| c.name == "red" && c.clock == 48_000).find(of_main);
    red.map(|c| c.payload_type)
}

/// Layers by size. Our pages use q < h < f; l < m < h is the other common naming; otherwise the
/// first listed is the best (RFC 8853 §5.2: in order of preference).
fn smallest_first(rids: &[String]) -> Vec<String> {
    for naming in [["q", "h", "f"], ["l", "m", "h"]] {
        let rank = |rid: &String| naming.iter().position(|n| n == rid);
        if rids.iter().all(|r| rank(r).is_some()) {
            let mut sorted = rids.to_vec();
            sorted.sort_by_key(rank);
            return sorted;
        }
    }
    rids.iter().rev().cloned().collect()
}

#[cfg(test)]
#[path = "negotiate_test.rs"]
mod tests;
