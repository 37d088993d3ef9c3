//! The parts of the server's answer that a light client needs.

use std::net::{IpAddr, SocketAddr};

use crate::media::codec::Codec;
use crate::media::negotiate::{IceCredentials, MediaKind};

/// A slot as the answer names it.
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
    /// Reads an answer of this server. `None`: not one.
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
                    "VP9" => Codec::Vp9,
                    "AV1" => Codec::Av1,
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
