//! What a light client offers.

use super::Shared;
use crate::media::negotiate::{IceCredentials, MediaKind, SourceKind, TRANSPORT_CC as TRANSPORT_CC_URI};

/// What a client offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// Send a microphone and a camera.
    pub publish: bool,
    pub audio: u8,
    pub video: u8,
}

/// A source that a client sends, with 1–3 encodings (simulcast).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Track {
    pub kind: SourceKind,
    pub layers: u8,
}

/// What publishers send if nothing else is said.
pub const MIC_AND_CAMERA: &[Track] =
    &[Track { kind: SourceKind::Mic, layers: 1 }, Track { kind: SourceKind::Camera, layers: 1 }];
/// Names of layers, smallest first.
pub const RIDS: [&str; 3] = ["q", "h", "f"];
/// Ids of header extensions in our offers.
pub const MID: u8 = 1;
pub const RID: u8 = 2;
const TRANSPORT_CC: u8 = 5;

const AUDIO: &str = "a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n";
const RED: &str = "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n";
const VP8: &str = "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
    a=rtcp-fb:96 transport-cc\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
const OTHERS: &str = "a=rtpmap:102 H264/90000\r\n\
    a=fmtp:102 packetization-mode=1;profile-level-id=42e01f\r\n\
    a=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\n\
    a=rtcp-fb:102 transport-cc\r\na=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n\
    a=rtpmap:98 VP9/90000\r\na=rtcp-fb:98 nack\r\na=rtcp-fb:98 nack pli\r\n\
    a=rtcp-fb:98 transport-cc\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n\
    a=rtpmap:45 AV1/90000\r\na=rtcp-fb:45 nack\r\na=rtcp-fb:45 nack pli\r\n\
    a=rtcp-fb:45 transport-cc\r\na=rtpmap:46 rtx/90000\r\na=fmtp:46 apt=45\r\n";

/// SSRC that a publisher's track has, for its first layer; the others follow.
#[must_use]
pub fn ssrc_of(track: usize) -> u32 {
    0x1111 * (track as u32 + 1)
}

/// The offer of a client with these credentials.
#[must_use]
pub fn offer(shared: &Shared, ice: &IceCredentials, lines: Lines) -> String {
    let sends = if lines.publish { MIC_AND_CAMERA } else { &[] };
    offer_tracks(shared, ice, sends, lines.audio, lines.video)
}

/// The offer of a client that sends `sends` and receives so many streams of sound and pictures. The
/// m-lines of what it sends come first: their mids are "0", "1" and so on.
#[must_use]
pub fn offer_tracks(shared: &Shared, ice: &IceCredentials, sends: &[Track], audio: u8, video: u8) -> String {
    let total = sends.len() + usize::from(audio) + usize::from(video);
    let mids: Vec<String> = (0..total).map(|n| n.to_string()).collect();
    let mut sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
         a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:active\r\n",
        mids.join(" "),
        ice.ufrag,
        ice.pwd,
        shared.fingerprint
    );
    let receives = (0..audio).map(|_| MediaKind::Audio).chain((0..video).map(|_| MediaKind::Video));
    let sent = sends.iter().enumerate().map(|(n, t)| (t.kind.media(), Some((n, *t))));
    for (mid, (kind, track)) in sent.chain(receives.map(|kind| (kind, None))).enumerate() {
        sdp.push_str(&line(mid, kind, track));
    }
    sdp
}

fn line(mid: usize, kind: MediaKind, track: Option<(usize, Track)>) -> String {
    // It decodes nothing, so it takes everything; what it sends is Opus and VP8.
    let (name, formats, codecs) = match (kind, track) {
        (MediaKind::Audio, Some(_)) => ("audio", "111", AUDIO.to_owned()),
        (MediaKind::Audio, None) => ("audio", "111 63", [AUDIO, RED].concat()),
        (MediaKind::Video, Some(_)) => ("video", "96 97", VP8.to_owned()),
        (MediaKind::Video, None) => ("video", "96 97 102 103 98 99 45 46", [VP8, OTHERS].concat()),
    };
    let direction = if track.is_some() { "sendonly" } else { "recvonly" };
    let mut out = format!(
        "m={name} 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
         a=rtcp-mux\r\na={direction}\r\n{codecs}a=extmap:{TRANSPORT_CC} {TRANSPORT_CC_URI}\r\n"
    );
    match track {
        Some((n, Track { layers: 1, .. })) => {
            out.push_str(&format!("a=ssrc:{} cname:load\r\n", ssrc_of(n)));
        }
        Some((_, track)) => {
            let rids = &RIDS[..usize::from(track.layers)];
            out.push_str(&format!(
                "a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
                 a=extmap:{RID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
            ));
            for rid in rids {
                out.push_str(&format!("a=rid:{rid} send\r\n"));
            }
            out.push_str(&format!("a=simulcast:send {}\r\n", rids.join(";")));
        }
        None => {}
    }
    out
}
