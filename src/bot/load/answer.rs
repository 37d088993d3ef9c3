//! The parts of a server's description that a light client needs, and the answer to an offer.
//!
//! zhuandi answers; other servers offer to their subscribers (`benches/compare`). What a light
//! client reads is the same in both, so there is one reader.

use std::net::{IpAddr, SocketAddr};

use crate::bot::load::light::{self, Lines, Shared};
use crate::media::codec::Codec;
use crate::media::negotiate::{IceCredentials, MediaKind, TRANSPORT_CC};

/// A slot as the description names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLine {
    pub kind: MediaKind,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub ice: IceCredentials,
    /// By UDP.
    pub candidates: Vec<SocketAddr>,
    pub tcp_candidates: Vec<SocketAddr>,
    pub slots: Vec<SlotLine>,
    /// Id of the transport-wide number in header extensions, where it was negotiated.
    pub transport_cc: Option<u8>,
    /// Payload type of sound that repeats itself (RFC 2198), where it was negotiated.
    pub red: Option<u8>,
    codecs: Vec<(u8, Codec)>,
}

impl Answer {
    /// Reads a server's description, be it an answer or an offer. `None`: not one.
    #[must_use]
    pub fn parse(sdp: &str) -> Option<Self> {
        let mut sections = sdp.split("\r\nm=");
        let _session = sections.next()?;
        let mut out = Self {
            ice: IceCredentials { ufrag: String::new(), pwd: String::new() },
            candidates: Vec::new(),
            tcp_candidates: Vec::new(),
            slots: Vec::new(),
            transport_cc: None,
            red: None,
            codecs: Vec::new(),
        };
        for section in sections {
            let value = |key: &'static str| section.lines().filter_map(move |l| l.strip_prefix(key));
            if let (Some(ufrag), Some(pwd)) = (value("a=ice-ufrag:").next(), value("a=ice-pwd:").next()) {
                out.ice = IceCredentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() };
            }
            for candidate in value("a=candidate:") {
                let words: Vec<&str> = candidate.split(' ').collect();
                let [_, _, transport, _, ip, port, ..] = words[..] else {
                    return None;
                };
                let ip: IpAddr = ip.parse().ok()?;
                let address = SocketAddr::new(ip, port.parse().ok()?);
                let by_tcp = transport.eq_ignore_ascii_case("tcp");
                if by_tcp { &mut out.tcp_candidates } else { &mut out.candidates }.push(address);
            }
            let ids = value("a=extmap:").filter_map(|l| l.split_once(' '));
            for (id, _) in ids.filter(|(_, uri)| *uri == TRANSPORT_CC) {
                out.transport_cc = id.parse().ok();
            }
            for rtpmap in value("a=rtpmap:") {
                let (pt, name) = rtpmap.split_once(' ')?;
                let codec = match name.split('/').next()? {
                    "opus" => Codec::Opus,
                    "VP8" => Codec::Vp8,
                    "H264" => Codec::H264,
                    "VP9" => Codec::Vp9,
                    "AV1" => Codec::Av1,
                    "red" => {
                        out.red = pt.parse().ok();
                        continue;
                    }
                    _ => continue,
                };
                out.codecs.push((pt.parse().ok()?, codec));
            }
            let number = |text: &str| text.split(' ').next()?.parse::<u32>().ok();
            let pair = value("a=ssrc-group:FID ").next();
            let ssrc = pair.or_else(|| value("a=ssrc:").next()).and_then(number);
            if let Some(ssrc) = ssrc {
                let kind = if section.starts_with("audio") { MediaKind::Audio } else { MediaKind::Video };
                let rtx_ssrc = pair.and_then(|p| number(p.split(' ').nth(1)?));
                out.slots.push(SlotLine { kind, ssrc, rtx_ssrc });
            }
        }
        (!out.ice.ufrag.is_empty()).then_some(out)
    }

    #[must_use]
    pub fn codec(&self, payload_type: u8) -> Option<Codec> {
        self.codecs.iter().find(|(pt, _)| *pt == payload_type).map(|(_, c)| *c)
    }

    /// Where to send: loopback if there is such a candidate, else the first.
    #[must_use]
    pub fn server(&self) -> Option<SocketAddr> {
        nearest(&self.candidates)
    }

    /// The same by TCP.
    #[must_use]
    pub fn server_by_tcp(&self) -> Option<SocketAddr> {
        nearest(&self.tcp_candidates)
    }
}

fn nearest(candidates: &[SocketAddr]) -> Option<SocketAddr> {
    candidates.iter().find(|a| a.ip().is_loopback()).or(candidates.first()).copied()
}

/// The answer that takes all that a server's `offer` has to send: its formats and its repair, and of
/// feedback and header extensions those that a light client offers itself.
#[must_use]
pub fn accept(shared: &Shared, ice: &IceCredentials, offer: &str) -> String {
    let own = light::offer(shared, ice, Lines { publish: false, audio: 1, video: 1 });
    let known = |key: &str, what: &str| {
        let mut values = own.lines().filter_map(|l| l.strip_prefix(key)?.split_once(' '));
        values.any(|(_, value)| value == what)
    };
    let mut sections = offer.split("\r\nm=");
    let session = sections.next().unwrap_or_default();
    let group = session.lines().find(|l| l.starts_with("a=group:BUNDLE")).unwrap_or("a=group:BUNDLE");
    let mut sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{group}\r\n\
         a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {}\r\na=setup:active\r\n",
        ice.ufrag, ice.pwd, shared.fingerprint
    );
    for section in sections {
        let mut lines = section.lines();
        sdp.push_str(&format!("m={}\r\nc=IN IP4 0.0.0.0\r\n", lines.next().unwrap_or_default()));
        for line in lines {
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            let what = value.split_once(' ').map_or("", |(_, what)| what);
            let kept = match key {
                "a=mid" | "a=rtcp-mux" | "a=rtpmap" | "a=fmtp" => line,
                "a=rtcp-fb" if known("a=rtcp-fb:", what) => line,
                "a=extmap" if known("a=extmap:", what) => line,
                "a=sendonly" => "a=recvonly",
                _ => continue,
            };
            sdp.push_str(kept);
            sdp.push_str("\r\n");
        }
    }
    sdp
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Janus 1.1 offers to a subscriber of sound and picture.
    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=room\r\nt=0 0\r\n\
        a=group:BUNDLE 0 1\r\na=fingerprint:sha-256 00\r\na=ice-lite\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 198.51.100.7\r\na=sendonly\r\na=mid:0\r\n\
        a=rtcp-mux\r\na=ice-ufrag:gzGn\r\na=ice-pwd:secret\r\na=setup:actpass\r\n\
        a=rtpmap:111 opus/48000/2\r\na=ssrc:4077 cname:janus\r\n\
        a=candidate:1 1 udp 2015363327 198.51.100.7 37772 typ host\r\na=end-of-candidates\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 198.51.100.7\r\na=sendonly\r\na=mid:1\r\n\
        a=rtcp-mux\r\na=ice-ufrag:gzGn\r\na=ice-pwd:secret\r\na=setup:actpass\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 goog-remb\r\n\
        a=rtcp-fb:96 transport-cc\r\n\
        a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
        a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
        a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=ssrc-group:FID 2804 2325\r\n\
        a=ssrc:2804 cname:janus\r\na=ssrc:2325 cname:janus\r\n\
        a=candidate:1 1 udp 2015363327 198.51.100.7 37772 typ host\r\na=end-of-candidates\r\n";

    #[test]
    fn an_offer_is_read_like_an_answer() {
        let read = Answer::parse(OFFER).unwrap();
        assert_eq!((read.ice.ufrag.as_str(), read.ice.pwd.as_str()), ("gzGn", "secret"));
        assert_eq!(read.server(), Some("198.51.100.7:37772".parse().unwrap()));
        let audio = SlotLine { kind: MediaKind::Audio, ssrc: 4077, rtx_ssrc: None };
        let video = SlotLine { kind: MediaKind::Video, ssrc: 2804, rtx_ssrc: Some(2325) };
        assert_eq!(read.slots, [audio, video]);
        assert_eq!(read.transport_cc, Some(3));
        assert_eq!(
            (read.codec(111), read.codec(96), read.codec(97)),
            (Some(Codec::Opus), Some(Codec::Vp8), None)
        );
    }

    #[test]
    fn an_offer_is_accepted_as_it_stands() {
        let ice = IceCredentials::generate();
        let sdp = accept(&crate::bot::load::shared().unwrap(), &ice, OFFER);
        let count = |line: &str| sdp.lines().filter(|l| *l == line).count();
        for once in [
            "a=group:BUNDLE 0 1",
            "a=setup:active",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111",
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
            "a=mid:0",
            "a=mid:1",
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96",
            "a=rtcp-fb:96 nack",
            "a=rtcp-fb:96 nack pli",
            "a=rtcp-fb:96 transport-cc",
            "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        ] {
            assert_eq!(count(once), 1, "{once} in\n{sdp}");
        }
        assert_eq!((count("a=recvonly"), count("a=rtcp-mux")), (2, 2));
        for foreign in ["sendonly", "goog-remb", "abs-send-time", "gzGn", "a=ssrc", "a=candidate"] {
            assert!(!sdp.contains(foreign), "{foreign} in\n{sdp}");
        }
        assert!(sdp.contains(&format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", ice.ufrag, ice.pwd)));
    }
}
