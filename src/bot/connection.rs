//! One WebRTC connection of a synthetic participant, on the async `webrtc` crate.
//!
//! [`Connection::offer`] makes the peer connection and its offer; [`Connection::accept`] takes the
//! answer and gives one [`Outgoing`] per layer to write frames to. What happens on it (state, key
//! frame requests, incoming tracks) comes out of [`Connection::next`].
//!
//! Simulcast is offered by rid, smallest first ("q", "h", "f"), as Chromium does: no SSRC in the
//! offer, MID and RID header extensions on the packets. Repair by RTX is offered only by pure
//! receivers, because this crate does not put the repaired RID on its RTX packets and a receiver
//! could not tell what they repair; without RTX it answers a NACK with the identical packet.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtc::interceptor::{Interceptor, Packet as ChainPacket, Slot, StreamInfo, TaggedPacket};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8,
};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol;
use tokio::sync::mpsc;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCPeerConnectionState,
    RTCSessionDescription, Registry,
};

use crate::bot::packets::Packetiser;
use crate::media::negotiate::{Codec, SourceKind};
use crate::session::message::TrackIntent;

/// Names of simulcast layers, smallest first; a picture with fewer layers uses the first ones.
pub const RIDS: [&str; 3] = ["q", "h", "f"];

const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("WebRTC: {0}")]
    WebRtc(#[from] webrtc::error::Error),
    #[error("the answer says nothing usable for m-line {0}")]
    Answer(String),
}

/// What to offer.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Sending m-lines in order: what, and with how many simulcast layers (1 without simulcast).
    pub sends: Vec<(SourceKind, usize)>,
    /// Receiving m-lines after them.
    pub audio_slots: usize,
    pub video_slots: usize,
    /// The video codec that is put first, and that the layers are declared with.
    pub codec: Codec,
    /// Local addresses to send from, `ip:port`, port 0 for any.
    pub local: Vec<String>,
}

impl Plan {
    /// All IPv4 interfaces and loopback.
    #[must_use]
    pub fn default_addresses() -> Vec<String> {
        vec!["0.0.0.0:0".into(), "127.0.0.1:0".into()]
    }
}

/// What happens on a connection.
pub enum Happening {
    State(RTCPeerConnectionState),
    /// A PLI or FIR for one of our SSRCs.
    KeyFrameRequest(u32),
    Track(Arc<dyn TrackRemote>),
}

/// One layer of one source, ready to be sent.
pub struct Outgoing {
    pub kind: SourceKind,
    pub layer: u8,
    pub ssrc: u32,
    pub codec: Codec,
    packetiser: Packetiser,
    level_id: Option<u8>,
    track: Arc<TrackLocalStaticRTP>,
}

impl Outgoing {
    /// Packetises and sends a frame. Returns the number of packets; waits while the connection's
    /// own queue is full.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn write(
        &mut self,
        frame: &Bytes,
        ticks: u32,
        level: Option<u8>,
    ) -> Result<usize, ConnectionError> {
        let mut extra = Vec::new();
        if let (Some(id), Some(level)) = (self.level_id, level) {
            // RFC 6464: the top bit says "speech".
            let speech = if level < 40 { 0x80 } else { 0 };
            extra.push((id, Bytes::copy_from_slice(&[speech | level & 0x7f])));
        }
        let packets = self.packetiser.packetise(frame, ticks, &extra);
        let count = packets.len();
        for packet in packets {
            self.track.write_rtp(packet).await?;
        }
        Ok(count)
    }
}

/// See the module's text.
pub struct Connection {
    peer: Arc<dyn PeerConnection>,
    sending: Vec<Sending>,
    /// What the offer's m-lines carry, by mid.
    pub intents: Vec<TrackIntent>,
    happenings: mpsc::UnboundedReceiver<Happening>,
}

struct Sending {
    kind: SourceKind,
    mid: String,
    ssrcs: Vec<u32>,
    track: Arc<TrackLocalStaticRTP>,
}

impl Connection {
    /// Makes a peer connection and its offer. Candidates are not waited for: the server learns our
    /// address from our checks.
    ///
    /// # Errors
    /// When no socket can be bound or the crate refuses the plan.
    pub async fn offer(plan: &Plan) -> Result<(Self, String), ConnectionError> {
        let (sender, happenings) = mpsc::unbounded_channel();
        let peer = build(plan, sender).await?;
        let mut sending = Vec::new();
        let mut transceivers = Vec::new();
        for (kind, layers) in &plan.sends {
            let (track, ssrcs) = local_track(*kind, *layers, plan.codec);
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Sendonly,
                ..Default::default()
            };
            let transceiver = peer.add_transceiver_from_track(track.clone(), Some(init)).await?;
            if kind.is_video() {
                // Without this the crate offers nothing but the codec that the layers are declared with.
                let video = codecs(plan.codec, plan.sends.is_empty())
                    .into_iter()
                    .filter(|c| c.rtp_codec.channels == 0);
                transceiver.set_codec_preferences(video.collect()).await?;
            }
            transceivers.push(transceiver);
            sending.push(Sending { kind: *kind, mid: String::new(), ssrcs, track });
        }
        let slots = std::iter::repeat_n(RtpCodecKind::Audio, plan.audio_slots)
            .chain(std::iter::repeat_n(RtpCodecKind::Video, plan.video_slots));
        for kind in slots {
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                ..Default::default()
            };
            peer.add_transceiver_from_kind(kind, Some(init)).await?;
        }
        let offer = peer.create_offer(None).await?;
        let sdp = offer.sdp.clone();
        peer.set_local_description(offer).await?;
        let mut intents = Vec::new();
        for (send, transceiver) in sending.iter_mut().zip(transceivers) {
            send.mid = transceiver.mid().await?.unwrap_or_default();
            intents.push(TrackIntent { mid: send.mid.clone(), kind: send.kind });
        }
        Ok((Self { peer, sending, intents, happenings }, sdp))
    }

    /// Takes the answer.
    ///
    /// # Errors
    /// When the answer does not parse. An m-line that it refuses is left out of the result.
    pub async fn accept(&mut self, answer: &str) -> Result<Vec<Outgoing>, ConnectionError> {
        let description = RTCSessionDescription::answer(answer.to_owned())?;
        self.peer.set_remote_description(description).await?;
        let mut streams = Vec::new();
        for send in &self.sending {
            let media =
                MediaLines::of(answer, &send.mid).ok_or_else(|| ConnectionError::Answer(send.mid.clone()))?;
            let Some((payload_type, codec)) = media.first_codec().filter(|_| media.receives()) else {
                tracing::info!(mid = send.mid, kind = ?send.kind, "the answer refuses this source");
                continue;
            };
            for (layer, ssrc) in send.ssrcs.iter().enumerate() {
                let mut extensions = Vec::new();
                if let Some(id) = media.extension(MID_URI) {
                    extensions.push((id, Bytes::copy_from_slice(send.mid.as_bytes())));
                }
                if let Some(id) = media.extension(RID_URI).filter(|_| send.ssrcs.len() > 1) {
                    extensions.push((id, Bytes::from_static(RIDS[layer].as_bytes())));
                }
                streams.push(Outgoing {
                    kind: send.kind,
                    layer: layer as u8,
                    ssrc: *ssrc,
                    codec,
                    packetiser: Packetiser::new(codec, *ssrc, payload_type, extensions),
                    level_id: media.extension(LEVEL_URI),
                    track: send.track.clone(),
                });
            }
        }
        Ok(streams)
    }

    /// The next happening; `None` when the connection is gone.
    pub async fn next(&mut self) -> Option<Happening> {
        self.happenings.recv().await
    }

    /// Ends it; says so to the other side.
    pub async fn close(&self) {
        if let Err(error) = self.peer.close().await {
            tracing::debug!(%error, "closing a connection");
        }
    }
}

async fn build(
    plan: &Plan,
    sender: mpsc::UnboundedSender<Happening>,
) -> Result<Arc<dyn PeerConnection>, ConnectionError> {
    let mut engine = MediaEngine::default();
    for codec in codecs(plan.codec, plan.sends.is_empty()) {
        let kind = if codec.rtp_codec.channels > 0 { RtpCodecKind::Audio } else { RtpCodecKind::Video };
        engine.register_codec(codec, kind)?;
    }
    for (uri, kind) in [(MID_URI, RtpCodecKind::Audio), (LEVEL_URI, RtpCodecKind::Audio)] {
        let extension = RTCRtpHeaderExtensionCapability { uri: uri.to_owned() };
        engine.register_header_extension(extension, kind, None)?;
    }
    let registry = register_default_interceptors(Registry::new(), &mut engine)?
        .with(Slot::from(14_000), KeyFrameWatch::new(sender.clone()));
    let peer = PeerConnectionBuilder::new()
        .with_media_engine(engine)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(Handler { sender }))
        .with_udp_addrs(plan.local.clone())
        .build()
        .await?;
    Ok(Arc::new(peer))
}

/// The codecs that are offered, the wanted one first. Payload types are Chromium's usual ones.
fn codecs(first: Codec, with_rtx: bool) -> Vec<RTCRtpCodecParameters> {
    let codec = |mime: &str, clock_rate, channels, fmtp: &str, payload_type| {
        let feedback = if channels > 0 {
            vec![]
        } else {
            vec![RTCPFeedback { typ: "ccm".into(), parameter: "fir".into() }]
        };
        RTCRtpCodecParameters {
            rtp_codec: RTCRtpCodec {
                mime_type: mime.to_owned(),
                clock_rate,
                channels,
                sdp_fmtp_line: fmtp.to_owned(),
                rtcp_feedback: if mime == MIME_TYPE_RTX { vec![] } else { feedback },
            },
            payload_type,
        }
    };
    let mut video = vec![
        (codec(MIME_TYPE_VP8, 90_000, 0, "", 96), codec(MIME_TYPE_RTX, 90_000, 0, "apt=96", 97)),
        (codec(MIME_TYPE_H264, 90_000, 0, H264_FMTP, 102), codec(MIME_TYPE_RTX, 90_000, 0, "apt=102", 103)),
    ];
    if first == Codec::H264 {
        video.reverse();
    }
    let mut all = vec![codec(MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1", 111)];
    for (media, rtx) in video {
        all.push(media);
        if with_rtx {
            all.push(rtx);
        }
    }
    all
}

const H264_FMTP: &str = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

fn local_track(kind: SourceKind, layers: usize, video: Codec) -> (Arc<TrackLocalStaticRTP>, Vec<u32>) {
    let (rtp_kind, codec) =
        if kind.is_audio() { (RtpCodecKind::Audio, Codec::Opus) } else { (RtpCodecKind::Video, video) };
    let declared = codecs(video, false)
        .into_iter()
        .map(|c| c.rtp_codec)
        .find(|c| codec_of(&c.mime_type) == Some(codec))
        .expect("every codec of ours is in the list");
    let ssrcs: Vec<u32> = (0..layers.clamp(1, RIDS.len())).map(|_| rand::random()).collect();
    let codings = ssrcs
        .iter()
        .enumerate()
        .map(|(layer, ssrc)| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                rid: if ssrcs.len() > 1 { RIDS[layer].to_owned() } else { String::new() },
                ssrc: Some(*ssrc),
                ..Default::default()
            },
            codec: declared.clone(),
            active: true,
            ..Default::default()
        })
        .collect();
    // Voice and face of one person share a stream, so that players keep them together.
    let stream = match kind {
        SourceKind::Mic | SourceKind::Camera => "person",
        SourceKind::Content | SourceKind::ContentAudio => "content",
    };
    let label = format!("{kind:?}").to_lowercase();
    let track = MediaStreamTrack::new(stream.to_owned(), label.clone(), label, rtp_kind, codings);
    (Arc::new(TrackLocalStaticRTP::new(track)), ssrcs)
}

fn codec_of(mime: &str) -> Option<Codec> {
    let name = mime.rsplit('/').next()?;
    [("opus", Codec::Opus), ("vp8", Codec::Vp8), ("h264", Codec::H264)]
        .into_iter()
        .find_map(|(n, c)| name.eq_ignore_ascii_case(n).then_some(c))
}

struct Handler {
    sender: mpsc::UnboundedSender<Happening>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        // A dropped receiver means that nobody is interested any more.
        let _ = self.sender.send(Happening::State(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let _ = self.sender.send(Happening::Track(track));
    }
}

/// Looks at incoming RTCP for key-frame requests and passes everything on.
struct KeyFrameWatch {
    sender: mpsc::UnboundedSender<Happening>,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl KeyFrameWatch {
    fn new(sender: mpsc::UnboundedSender<Happening>) -> Self {
        Self { sender, read: VecDeque::new(), write: VecDeque::new() }
    }

    fn request(&self, ssrc: u32) {
        let _ = self.sender.send(Happening::KeyFrameRequest(ssrc));
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for KeyFrameWatch {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = webrtc::error::Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        if let ChainPacket::Rtcp(reports) = &packet.message.packet {
            for report in reports {
                if let Some(pli) = report.as_any().downcast_ref::<PictureLossIndication>() {
                    self.request(pli.media_ssrc);
                } else if let Some(fir) = report.as_any().downcast_ref::<FullIntraRequest>() {
                    fir.fir.iter().for_each(|entry| self.request(entry.ssrc));
                }
            }
        }
        self.read.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Self::Error> {
        self.write.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for KeyFrameWatch {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

/// The lines of one m-section of a session description.
pub(super) struct MediaLines<'a>(Vec<&'a str>);

impl<'a> MediaLines<'a> {
    pub(super) fn of(sdp: &'a str, mid: &str) -> Option<Self> {
        Self::all(sdp).into_iter().find(|m| m.mid() == Some(mid))
    }

    pub(super) fn all(sdp: &'a str) -> Vec<Self> {
        let mut sections: Vec<Self> = Vec::new();
        for line in sdp.lines().map(str::trim_end) {
            if line.starts_with("m=") {
                sections.push(Self(vec![line]));
            } else if let Some(section) = sections.last_mut() {
                section.0.push(line);
            }
        }
        sections
    }

    pub(super) fn mid(&self) -> Option<&'a str> {
        self.0.iter().find_map(|l| l.strip_prefix("a=mid:"))
    }

    /// The first media codec of the m-line: payload type and codec.
    pub(super) fn first_codec(&self) -> Option<(u8, Codec)> {
        self.0[0].split(' ').skip(3).find_map(|format| {
            let rtpmap = self
                .0
                .iter()
                .find_map(|l| l.strip_prefix("a=rtpmap:")?.strip_prefix(format)?.strip_prefix(' '))?;
            Some((format.parse().ok()?, codec_of(rtpmap.split('/').next()?)?))
        })
    }

    /// All media codecs by payload type.
    pub(super) fn codecs(&self) -> HashMap<u8, Codec> {
        let parse = |line: &&str| {
            let (payload_type, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            Some((payload_type.parse().ok()?, codec_of(name.split('/').next()?)?))
        };
        self.0.iter().filter_map(parse).collect()
    }

    pub(super) fn is_audio(&self) -> bool {
        self.0[0].starts_with("m=audio")
    }

    pub(super) fn sends(&self) -> bool {
        self.0.iter().any(|l| *l == "a=sendonly" || *l == "a=sendrecv")
    }

    /// The media SSRC it declares (the first one; an RTX one follows it).
    pub(super) fn ssrc(&self) -> Option<u32> {
        let line = self.0.iter().find_map(|l| l.strip_prefix("a=ssrc:"))?;
        line.split(' ').next()?.parse().ok()
    }

    fn receives(&self) -> bool {
        self.0.iter().any(|l| *l == "a=recvonly" || *l == "a=sendrecv")
    }

    fn extension(&self, uri: &str) -> Option<u8> {
        self.0.iter().find_map(|l| {
            let (id, rest) = l.strip_prefix("a=extmap:")?.split_once(' ')?;
            (rest.split(' ').next()? == uri).then(|| id.split('/').next()?.parse().ok())?
        })
    }
}

#[cfg(test)]
#[path = "connection_test.rs"]
mod tests;
