//! The parts of a server's description that a light client needs, and the answer to an offer.
//!
//! zhuandi answers; other servers offer to their subscribers (`benches/compare`). What a light
//! client reads is the same in both, so there is one reader.

use std::net::{IpAddr, SocketAddr};

use crate::bot::load::light::Shared;
use crate::media::codec::Codec;
use crate::media::negotiate::{IceCredentials, MediaKind};

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
    pub candidates: Vec<SocketAddr>,
    pub slots: Vec<SlotLine>,
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
            slots: Vec::new(),
            codecs: Vec::new(),
        };
        for section in sections {
            let value = |key: &'static str| section.lines().filter_map(move |l| l.strip_prefix(key));
            if let (Some(ufrag), Some(pwd)) = (value("a=ice-ufrag:").next(), value("a=ice-pwd:").next()) {
                out.ice = IceCredentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() };
            }
            for candidate in value("a=candidate:") {
                let mut words = candidate.split(' ').skip(4);
                let ip: IpAddr = words.next()?.parse().ok()?;
                out.candidates.push(SocketAddr::new(ip, words.next()?.parse().ok()?));
            }
            for rtpmap in value("a=rtpmap:") {
                let (pt, name) = rtpmap.split_once(' ')?;
                let codec = match name.split('/').next()? {
                    "opus" => Codec::Opus,
                    "VP8" => Codec::Vp8,
                    "H264" => Codec::H264,
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
        let loopback = self.candidates.iter().find(|a| a.ip().is_loopback());
        loopback.or(self.candidates.first()).copied()
    }
}

/// The answer that takes all that a server's `offer` has to send: its formats and its repair,
/// without header extensions and the feedback that needs them or that a light client never gives.
#[must_use]
pub fn accept(shared: &Shared, ice: &IceCredentials, offer: &str) -> String {
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
            let kept = match line.split_once(':') {
                Some(("a=mid" | "a=rtpmap" | "a=fmtp", _)) => line,
                Some(("a=rtcp-fb", what)) if is_given(what) => line,
                None if line == "a=sendonly" => "a=recvonly",
                None if line == "a=rtcp-mux" => line,
                _ => continue,
            };
            sdp.push_str(kept);
            sdp.push_str("\r\n");
        }
    }
    sdp
}

/// Feedback that a light client gives, from what stands behind `a=rtcp-fb:`.
fn is_given(feedback: &str) -> bool {
    matches!(feedback.split_once(' '), Some((_, "nack" | "nack pli")))
}
