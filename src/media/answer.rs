//! The text of an answer, written from what `negotiate` decided.
//!
//! Receiving m-lines (for sources) name rids and feedback; sending ones (for slots) name their
//! SSRCs, so that no header extension is needed to tell them apart. Audio slot 0 shares its
//! stream id with video slot 0, audio 1 with video 1: browsers keep lips in sync within a stream.
//!
//! The fingerprint stands once, for the session, as Firefox writes its own. ICE credentials and
//! `a=setup` stand with every m-line: aiortc and GStreamer look for them there alone.

use std::fmt::Write;

use crate::media::codec::Codec;
use crate::media::negotiate::{
    EXTENSIONS, IceCredentials, Line, MediaKind, Negotiator, SlotSetup, SourceSetup, TRANSPORT_CC,
};
use crate::media::tcp::TcpPorts;
use crate::media::transport::rtcp::CNAME;
use crate::media::transport::sdp::{Offer, OfferCodec, OfferMedia};

/// What is kept of an answer, so that its ICE credentials can be exchanged: not the text, which is
/// long and written again from the offer of a restart.
#[derive(Debug, Clone)]
pub struct AnswerTemplate {
    shard: usize,
    mids: Vec<String>,
    lines: Vec<Line>,
    /// The transport alone.
    fragment: String,
    local: IceCredentials,
    version: u32,
}

impl AnswerTemplate {
    /// Keeps an answer; gives its text too.
    pub(crate) fn new(
        negotiator: &Negotiator,
        shard: usize,
        offer: &Offer,
        local: IceCredentials,
        lines: Vec<Line>,
    ) -> (Self, String) {
        let mids = offer.media.iter().map(|m| m.mid.clone()).collect();
        let mut this = Self { shard, mids, lines, fragment: String::new(), local, version: 1 };
        let sdp = this.render(negotiator, offer);
        this.fragment = transport_of(&sdp);
        (this, sdp)
    }

    /// The transport alone, as it answers an ICE restart by fragment (RFC 8840 §9, RFC 9725 §4.3.3).
    #[must_use]
    pub fn fragment(&self) -> &str {
        &self.fragment
    }

    pub(crate) fn has_mids(&self, mids: &[&str]) -> bool {
        self.mids.iter().map(String::as_str).eq(mids.iter().copied())
    }

    pub(crate) fn with_credentials(&self, fresh: &IceCredentials) -> Self {
        Self {
            fragment: self.fragment.replace(&credentials(&self.local), &credentials(fresh)),
            local: fresh.clone(),
            version: self.version + 1,
            ..self.clone()
        }
    }

    /// The text of the answer to this offer, which is the first one's or a restart's.
    pub(crate) fn render(&self, negotiator: &Negotiator, offer: &Offer) -> String {
        let (lines, local) = (&self.lines, &self.local);
        let taken = |(m, l): &(&OfferMedia, &Line)| (!matches!(l, Line::Refused)).then(|| m.mid.clone());
        let bundle: Vec<String> = offer.media.iter().zip(lines).filter_map(|p| taken(&p)).collect();
        let mut sdp = format!(
            "v=0\r\n{}s=-\r\nt=0 0\r\na=ice-lite\r\na=extmap-allow-mixed\r\n\
         a=group:BUNDLE {}\r\na=msid-semantic: WMS *\r\na=fingerprint:sha-256 {}\r\n",
            origin(self.version),
            bundle.join(" "),
            negotiator.dtls.fingerprint_text(),
        );
        let mut candidates = candidate_lines(negotiator, self.shard);
        let mut ordinal = [0usize; 2];
        for (media, line) in offer.media.iter().zip(lines) {
            match line {
                Line::Refused => {
                    let formats = media.formats.join(" ");
                    let _ = write!(
                        sdp,
                        "m={} 0 {} {formats}\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:{}\r\n",
                        media.kind, media.protocol, media.mid
                    );
                    continue;
                }
                Line::Source(source) => {
                    let pts = source_payload_types(media, source);
                    head(&mut sdp, media, &pts, local, &mut candidates);
                    source_lines(&mut sdp, media, source);
                }
                Line::Slot(slot) => {
                    let fed = slot.codecs.iter().flatten();
                    let pts: Vec<u8> = fed
                        .flat_map(|c| {
                            payload_types(c.payload_type, c.rtx_payload_type).into_iter().chain(c.red)
                        })
                        .collect();
                    head(&mut sdp, media, &pts, local, &mut candidates);
                    let n = &mut ordinal[usize::from(slot.kind == MediaKind::Video)];
                    slot_lines(&mut sdp, media, slot, *n);
                    *n += 1;
                }
            }
            extension_lines(&mut sdp, media, matches!(line, Line::Source(_)));
        }
        sdp
    }
}

/// The lines of an answer that name its transport, without candidates by TCP: a published client joins
/// several candidates with commas, and whoever restarts has a path already.
fn transport_of(sdp: &str) -> String {
    const OF_SESSION: [&str; 2] = ["a=ice-lite", "a=group:"];
    const OF_MEDIA: [&str; 4] = ["a=mid:", "a=ice-", "a=candidate:", "a=end-of-candidates"];
    let mut sections = sdp.split("\r\nm=");
    let session = sections.next().unwrap_or_default();
    // The one m-line that has the candidates speaks for the bundle.
    let carrier = sections.find(|s| s.contains("\r\na=candidate:")).unwrap_or_default();
    let (media, attributes) = carrier.split_once("\r\n").unwrap_or_default();
    let of = |text: &str, kept: &[&str]| -> String {
        let by_tcp = |l: &str| l.starts_with("a=candidate:") && l.contains(" tcp ");
        let lines = text.lines().filter(|l| kept.iter().any(|k| l.starts_with(k)) && !by_tcp(l));
        lines.map(|l| format!("{l}\r\n")).collect()
    };
    format!("{}m={media}\r\n{}", of(session, &OF_SESSION), of(attributes, &OF_MEDIA))
}

fn credentials(c: &IceCredentials) -> String {
    format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", c.ufrag, c.pwd)
}

fn origin(version: u32) -> String {
    format!("o=- 1 {version} IN IP4 127.0.0.1\r\n")
}

fn payload_types(main: u8, rtx: Option<u8>) -> Vec<u8> {
    std::iter::once(main).chain(rtx).collect()
}

/// In the offer's order: a sender uses the first, with or without redundancy as it was offered.
fn source_payload_types(media: &OfferMedia, source: &SourceSetup) -> Vec<u8> {
    let mut all = payload_types(source.payload_type, source.rtx_payload_type);
    all.extend(source.red);
    let offered = |pt: &u8| media.codecs.iter().position(|c| c.payload_type == *pt);
    all.sort_by_key(offered);
    all
}

/// One host candidate per address (RFC 8839 §5.1), IPv6 first as RFC 8421 advises; then the same by
/// TCP (RFC 6544 §4.5), which lose against any by UDP.
fn candidate_lines(negotiator: &Negotiator, shard: usize) -> String {
    let port = negotiator.ports[shard];
    let mut text = String::new();
    for (n, ip) in negotiator.addresses.iter().enumerate() {
        let preference = 65_535 - n as u32 - if ip.is_ipv4() { 1000 } else { 0 };
        let priority = (126 << 24) + (preference << 8) + 255;
        let _ = write!(text, "a=candidate:{} 1 udp {priority} {ip} {port} typ host\r\n", n + 1);
    }
    let tcp_ports = negotiator.tcp_ports.get(shard).into_iter().flat_map(TcpPorts::iter);
    let mut foundation = negotiator.addresses.len();
    for (order, port) in tcp_ports.enumerate() {
        for (n, ip) in negotiator.addresses.iter().enumerate() {
            foundation += 1;
            // RFC 6544 §4.2: a type of its own below that of UDP, 4 for passive, the rest ours.
            let behind = n as u32 + if ip.is_ipv4() { 1000 } else { 0 } + 3000 * order as u32;
            let priority = (90 << 24) + ((4 * 8192 + 8191 - behind) << 8) + 255;
            let _ = write!(
                text,
                "a=candidate:{foundation} 1 tcp {priority} {ip} {port} typ host tcptype passive\r\n"
            );
        }
    }
    text.push_str("a=end-of-candidates\r\n");
    text
}

fn head(
    sdp: &mut String,
    media: &OfferMedia,
    payload_types: &[u8],
    local: &IceCredentials,
    candidates: &mut String,
) {
    let formats: Vec<String> = payload_types.iter().map(u8::to_string).collect();
    let _ = write!(
        sdp,
        "m={} 9 {} {}\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\n{}a=setup:passive\r\n\
         a=rtcp-mux\r\na=rtcp-rsize\r\n",
        media.kind,
        media.protocol,
        formats.join(" "),
        media.mid,
        credentials(local),
    );
    // The candidates stand in the first bundled m-line alone.
    sdp.push_str(&std::mem::take(candidates));
}

/// `hint`: one more parameter for the codec's `a=fmtp`.
fn codec_lines(
    sdp: &mut String,
    media: &OfferMedia,
    codec: Codec,
    (main, rtx): (u8, Option<u8>),
    hint: Option<&str>,
) {
    let offered = media.codecs.iter().find(|c| c.payload_type == main);
    let feedback = |name: &str| offered.is_some_and(|c| c.feedback.iter().any(|f| f == name));
    let _ = write!(sdp, "a=rtpmap:{main} {}\r\n", encoding(codec));
    let mut parameters = offered.map(|c| parameters(codec, c)).unwrap_or_default();
    parameters.extend(hint.map(str::to_owned));
    if !parameters.is_empty() {
        let _ = write!(sdp, "a=fmtp:{main} {}\r\n", parameters.join(";"));
    }
    let wanted: &[&str] = match codec {
        Codec::Opus => &["transport-cc"],
        Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => {
            &["transport-cc", "ccm fir", "nack", "nack pli"]
        }
    };
    for name in wanted.iter().filter(|n| feedback(n)) {
        let _ = write!(sdp, "a=rtcp-fb:{main} {name}\r\n");
    }
    if let Some(rtx) = rtx {
        let _ = write!(sdp, "a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={main}\r\n");
    }
}

/// Blocks of the codec alone (RFC 2198 §5).
fn red_lines(sdp: &mut String, main: u8, red: Option<u8>) {
    if let Some(red) = red {
        let _ = write!(sdp, "a=rtpmap:{red} red/48000/2\r\na=fmtp:{red} {main}/{main}\r\n");
    }
}

/// As `a=rtpmap` has it.
fn encoding(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "opus/48000/2",
        Codec::Vp8 => "VP8/90000",
        Codec::H264 => "H264/90000",
        Codec::Vp9 => "VP9/90000",
        Codec::Av1 => "AV1/90000",
    }
}

/// The parameters that are answered to those of an offered codec.
fn parameters(codec: Codec, offered: &OfferCodec) -> Vec<String> {
    let same = |key: &&str| Some(format!("{key}={}", offered.parameter(key)?));
    match codec {
        Codec::Opus => {
            // A sender of two channels is told that they are welcome (RFC 7587 §7).
            let both = |key: &str| offered.parameter(key) == Some("1");
            let stereo = (both("stereo") || both("sprop-stereo")).then(|| "stereo=1".to_owned());
            ["minptime=10".to_owned(), "useinbandfec=1".to_owned()].into_iter().chain(stereo).collect()
        }
        Codec::Vp8 => Vec::new(),
        Codec::H264 => vec![
            "level-asymmetry-allowed=1".to_owned(),
            format!("packetization-mode={}", offered.parameter("packetization-mode").unwrap_or("0")),
            format!("profile-level-id={}", offered.parameter("profile-level-id").unwrap_or("42e01f")),
        ],
        Codec::Vp9 => ["profile-id"].iter().filter_map(same).collect(),
        Codec::Av1 => ["profile", "level-idx", "tier"].iter().filter_map(same).collect(),
    }
}

fn source_lines(sdp: &mut String, media: &OfferMedia, source: &SourceSetup) {
    sdp.push_str("a=recvonly\r\n");
    // A camera of three layers is a lead's, whose line carries 2 Mbit/s (DOMAIN: what a lead's
    // uplink must have). Without the hint browsers start at 300 kbit/s and take many seconds to
    // send the best layer; congestion feedback corrects it within a second where it is too much.
    let hint = (media.simulcast.len() == 3).then_some("x-google-start-bitrate=1500");
    let names = (source.payload_type, source.rtx_payload_type);
    codec_lines(sdp, media, source.codec, names, hint);
    red_lines(sdp, source.payload_type, source.red);
    if !media.simulcast.is_empty() {
        for rid in &media.simulcast {
            let _ = write!(sdp, "a=rid:{rid} recv\r\n");
        }
        let _ = write!(sdp, "a=simulcast:recv {}\r\n", media.simulcast.join(";"));
    }
}

fn slot_lines(sdp: &mut String, media: &OfferMedia, slot: &SlotSetup, ordinal: usize) {
    let stream = match ordinal {
        0 => "lead".to_owned(),
        1 => "content".to_owned(),
        n => format!("{}{n}", media.kind),
    };
    let track = format!("{}-{ordinal}", media.kind);
    sdp.push_str("a=sendonly\r\n");
    for codec in Codec::ALL {
        if let Some(c) = slot.codecs[codec.index()] {
            codec_lines(sdp, media, codec, (c.payload_type, c.rtx_payload_type), None);
            red_lines(sdp, c.payload_type, c.red);
        }
    }
    let (ssrc, rtx) = (slot.ssrc, slot.rtx_ssrc);
    let _ = write!(sdp, "a=msid:{stream} {track}\r\n");
    let has_rtx = slot.codecs.iter().flatten().any(|c| c.rtx_payload_type.is_some());
    if has_rtx {
        let _ = write!(sdp, "a=ssrc-group:FID {ssrc} {rtx}\r\n");
    }
    for s in std::iter::once(ssrc).chain(has_rtx.then_some(rtx)) {
        let _ = write!(sdp, "a=ssrc:{s} cname:{CNAME}\r\na=ssrc:{s} msid:{stream} {track}\r\n");
    }
}

/// The ids are the client's. Towards slots only what is forwarded is kept.
fn extension_lines(sdp: &mut String, media: &OfferMedia, source: bool) {
    for (id, uri) in &media.extensions {
        let known = EXTENSIONS.iter().any(|(u, _)| u == uri);
        let forwarded =
            uri == TRANSPORT_CC || uri.ends_with("ssrc-audio-level") || uri.ends_with("video-orientation");
        if known && (source || forwarded) {
            let _ = write!(sdp, "a=extmap:{id} {uri}\r\n");
        }
    }
}
