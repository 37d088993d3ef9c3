//! Reading offers with rtc-sdp: syntax there, meaning here.
//!
//! An `Offer` holds what `negotiate` decides on, in plain values, already checked for what no
//! client may leave out (BUNDLE, rtcp-mux, one fingerprint, ICE credentials of legal length).

use std::io::Cursor;

use rtc_sdp::description::media::MediaDescription;
use rtc_sdp::description::session::SessionDescription;

use super::dtls::Fingerprint;
use super::ice::IceCredentials;

/// QUALITY: a larger offer is refused before it is parsed.
pub const MAX_SDP: usize = 256 * 1024;
/// QUALITY: more m-lines than this are refused.
pub const MAX_MEDIA: usize = 40;

/// Payload types are numbers below this (RFC 3550 §5.1), so no m-line can name more.
const MAX_FORMATS: usize = 128;
/// Attributes of one part; browsers' video m-lines have about 150. Formats times attributes is the
/// work of reading one, so both are bounded.
const MAX_ATTRIBUTES: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    #[error("the offer is longer than {MAX_SDP} bytes")]
    TooLarge,
    #[error("the offer is not SDP")]
    Syntax,
    #[error("the offer has no m-line or more than {MAX_MEDIA}")]
    MediaCount,
    #[error("the offer does not bundle its media")]
    NoBundle,
    #[error("the offer has no usable ICE credentials")]
    NoIce,
    #[error("the offer has no SHA-256 fingerprint")]
    NoFingerprint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    SendOnly,
    RecvOnly,
    SendRecv,
    Inactive,
}

#[derive(Debug, Clone)]
pub struct Offer {
    pub ice: IceCredentials,
    pub fingerprint: Fingerprint,
    pub media: Vec<OfferMedia>,
}

#[derive(Debug, Clone)]
pub struct OfferMedia {
    /// "audio", "video", "application" …
    pub kind: String,
    pub protocol: String,
    pub formats: Vec<String>,
    pub mid: String,
    pub direction: Direction,
    pub bundled: bool,
    pub rtcp_mux: bool,
    pub codecs: Vec<OfferCodec>,
    /// (id, URI)
    pub extensions: Vec<(u8, String)>,
    /// The rids that the client wants to send, best first as listed; empty without simulcast.
    pub simulcast: Vec<String>,
    /// (media SSRC, its RTX SSRC) as declared.
    pub ssrcs: Vec<(u32, Option<u32>)>,
}

#[derive(Debug, Clone)]
pub struct OfferCodec {
    pub payload_type: u8,
    /// Lower case.
    pub name: String,
    pub clock: u32,
    pub channels: u8,
    pub fmtp: String,
    pub feedback: Vec<String>,
}

impl OfferCodec {
    /// Value of a parameter in `a=fmtp`.
    #[must_use]
    pub fn parameter(&self, key: &str) -> Option<&str> {
        self.fmtp.split(';').find_map(|p| {
            let (k, v) = p.trim().split_once('=')?;
            k.eq_ignore_ascii_case(key).then_some(v.trim())
        })
    }
}

impl Offer {
    /// Parses and checks an offer.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_SDP {
            return Err(SdpError::TooLarge);
        }
        if !is_clean(text) {
            return Err(SdpError::Syntax);
        }
        let sdp =
            SessionDescription::unmarshal(&mut Cursor::new(text.as_bytes())).map_err(|_| SdpError::Syntax)?;
        if !(1..=MAX_MEDIA).contains(&sdp.media_descriptions.len()) {
            return Err(SdpError::MediaCount);
        }
        let too_long = |m: &MediaDescription| {
            m.media_name.formats.len() > MAX_FORMATS || m.attributes.len() > MAX_ATTRIBUTES
        };
        if sdp.attributes.len() > MAX_ATTRIBUTES || sdp.media_descriptions.iter().any(too_long) {
            return Err(SdpError::Syntax);
        }
        let group = sdp.attributes.iter().find_map(|a| {
            let value = a.value.as_deref().filter(|_| a.key == "group")?;
            value.strip_prefix("BUNDLE ")
        });
        let bundle: Vec<&str> = group.ok_or(SdpError::NoBundle)?.split_whitespace().collect();
        let session = |key: &str| sdp.attribute(key).map(String::as_str);
        let media: Vec<OfferMedia> = sdp.media_descriptions.iter().map(|m| read_media(m, &bundle)).collect();
        // Transport attributes stand in the session part or in the first bundled m-line.
        let first = sdp
            .media_descriptions
            .iter()
            .find(|m| value(m, "mid").is_some_and(|mid| bundle.first() == Some(&mid)))
            .ok_or(SdpError::NoBundle)?;
        let transport = |key: &str| value(first, key).or_else(|| session(key));
        let ufrag = transport("ice-ufrag").ok_or(SdpError::NoIce)?;
        let pwd = transport("ice-pwd").ok_or(SdpError::NoIce)?;
        // RFC 8839 §5.4
        if !(4..=256).contains(&ufrag.len()) || !(22..=256).contains(&pwd.len()) {
            return Err(SdpError::NoIce);
        }
        // One of several may be of another hash (RFC 8122 §5).
        let own = values(first, "fingerprint").find_map(read_fingerprint);
        let fingerprint = own.or_else(|| {
            let all = sdp.attributes.iter().filter(|a| a.key == "fingerprint");
            all.filter_map(|a| a.value.as_deref()).find_map(read_fingerprint)
        });
        Ok(Self {
            ice: IceCredentials { ufrag: ufrag.to_owned(), pwd: pwd.to_owned() },
            fingerprint: fingerprint.ok_or(SdpError::NoFingerprint)?,
            media,
        })
    }
}

/// Whether lines are all that control characters make: much of an offer is echoed in the answer,
/// and what steers a terminal or breaks a line elsewhere has no place in either (RFC 8866 §5).
fn is_clean(text: &str) -> bool {
    let bytes = text.as_bytes();
    let ends_a_line = |at: usize| bytes.get(at + 1) == Some(&b'\n');
    let good = |(at, c): (usize, char)| !c.is_control() || c == '\n' || (c == '\r' && ends_a_line(at));
    text.char_indices().all(good)
}

fn value<'a>(media: &'a MediaDescription, key: &str) -> Option<&'a str> {
    media.attribute(key).flatten()
}

fn values<'a>(media: &'a MediaDescription, key: &'a str) -> impl Iterator<Item = &'a str> {
    media.attributes.iter().filter(move |a| a.key == key).filter_map(|a| a.value.as_deref())
}

fn read_fingerprint(text: &str) -> Option<Fingerprint> {
    let (algorithm, hex) = text.split_once(' ')?;
    if !algorithm.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let bytes: Option<Vec<u8>> = hex.trim().split(':').map(|b| u8::from_str_radix(b, 16).ok()).collect();
    bytes?.try_into().ok()
}

fn read_media(m: &MediaDescription, bundle: &[&str]) -> OfferMedia {
    let mid = value(m, "mid").unwrap_or_default().to_owned();
    let direction = if m.has_attribute("sendonly") {
        Direction::SendOnly
    } else if m.has_attribute("recvonly") {
        Direction::RecvOnly
    } else if m.has_attribute("inactive") {
        Direction::Inactive
    } else {
        Direction::SendRecv
    };
    let extensions = values(m, "extmap").filter_map(|v| {
        let (id, uri) = v.split_once(' ')?;
        let id = id.split('/').next()?.parse().ok()?;
        // One-byte header extensions (RFC 8285 §4.2) are all that we read and write.
        (1..=14).contains(&id).then(|| (id, uri.split(' ').next().unwrap_or(uri).to_owned()))
    });
    // Port 0 is a refusal, except for what only ever lives in a bundle (RFC 9143 §6).
    let usable = m.media_name.port.value != 0 || m.has_attribute("bundle-only");
    OfferMedia {
        kind: m.media_name.media.clone(),
        protocol: m.media_name.protos.join("/"),
        formats: m.media_name.formats.clone(),
        bundled: usable && bundle.contains(&mid.as_str()),
        rtcp_mux: m.has_attribute("rtcp-mux"),
        mid,
        direction,
        codecs: m.media_name.formats.iter().filter_map(|f| read_codec(m, f)).collect(),
        extensions: extensions.collect(),
        simulcast: read_simulcast(m),
        ssrcs: read_ssrcs(m),
    }
}

fn read_codec(m: &MediaDescription, format: &str) -> Option<OfferCodec> {
    let of = |key: &'static str| {
        values(m, key).filter_map(move |v| {
            let (pt, rest) = v.split_once(' ')?;
            (pt == format || (pt == "*" && key == "rtcp-fb")).then_some(rest)
        })
    };
    let mut parts = of("rtpmap").next()?.split('/');
    Some(OfferCodec {
        payload_type: format.parse().ok().filter(|pt| *pt < 128)?,
        name: parts.next()?.to_ascii_lowercase(),
        clock: parts.next()?.parse().ok()?,
        channels: parts.next().and_then(|c| c.parse().ok()).unwrap_or(1),
        fmtp: of("fmtp").next().unwrap_or_default().to_owned(),
        feedback: of("rtcp-fb").map(str::to_owned).collect(),
    })
}

/// RFC 8853 §5.1: `send` list; alternatives (`a,b`) count as their first, `~` (paused) is taken.
fn read_simulcast(m: &MediaDescription) -> Vec<String> {
    let Some(text) = value(m, "simulcast") else {
        return Vec::new();
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let send = words.chunks_exact(2).find(|w| w[0] == "send");
    let list = send.map(|w| w[1]).unwrap_or_default();
    let first = |alternatives: &str| {
        let rid = alternatives.split(',').next().unwrap_or_default();
        rid.trim_start_matches('~').to_owned()
    };
    let rids = list.split(';').map(first);
    rids.filter(|r| (1..=16).contains(&r.len()) && r.bytes().all(|b| b.is_ascii_alphanumeric()))
        .take(3)
        .collect()
}

fn read_ssrcs(m: &MediaDescription) -> Vec<(u32, Option<u32>)> {
    let pairs: Vec<(u32, u32)> = values(m, "ssrc-group")
        .filter_map(|v| {
            let mut n = v.strip_prefix("FID ")?.split_whitespace().map(str::parse);
            Some((n.next()?.ok()?, n.next()?.ok()?))
        })
        .collect();
    let mut out: Vec<(u32, Option<u32>)> = Vec::new();
    for v in values(m, "ssrc") {
        let Some(Ok(ssrc)) = v.split_whitespace().next().map(str::parse::<u32>) else {
            continue;
        };
        let known = out.iter().any(|(s, _)| *s == ssrc) || pairs.iter().any(|(_, r)| *r == ssrc);
        if !known && out.len() < 8 {
            let rtx = pairs.iter().find(|(s, _)| *s == ssrc).map(|(_, r)| *r);
            out.push((ssrc, rtx));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const PWD: &str = "abcdefghijklmnopqrstuvwx";

    fn offer(session: &str, lines: &str) -> String {
        let hash = vec!["AB"; 32].join(":");
        format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n{session}\
             m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:abcd\r\n\
             a=ice-pwd:{PWD}\r\na=fingerprint:sha-256 {hash}\r\na=rtpmap:96 VP8/90000\r\n{lines}"
        )
    }

    fn first(lines: &str) -> OfferMedia {
        Offer::parse(&offer("", lines)).unwrap().media.remove(0)
    }

    #[test]
    fn what_no_client_may_leave_out() {
        let good = offer("", "");
        assert!(Offer::parse(&good).is_ok());
        let without = |from: &str, to: &str| Offer::parse(&good.replace(from, to)).map(|_| ());
        assert_eq!(without("a=group:BUNDLE 0\r\n", ""), Err(SdpError::NoBundle));
        assert_eq!(without("BUNDLE 0", "BUNDLE 7"), Err(SdpError::NoBundle));
        assert_eq!(without("ufrag:abcd", "ufrag:abc"), Err(SdpError::NoIce));
        assert_eq!(without("ufrag:abcd", &format!("ufrag:{}", "a".repeat(257))), Err(SdpError::NoIce));
        assert_eq!(without(PWD, &PWD[..21]), Err(SdpError::NoIce));
        assert_eq!(without("sha-256", "sha-1"), Err(SdpError::NoFingerprint));
        assert_eq!(without(":AB\r\n", "\r\n"), Err(SdpError::NoFingerprint));
        let long = offer("", &"a=x\r\n".repeat(MAX_SDP / 5 + 1));
        assert_eq!(Offer::parse(&long).map(|_| ()), Err(SdpError::TooLarge));
        let many = |n: usize| offer("", &"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:9\r\n".repeat(n - 1));
        assert!(Offer::parse(&many(MAX_MEDIA)).is_ok());
        assert_eq!(Offer::parse(&many(MAX_MEDIA + 1)).map(|_| ()), Err(SdpError::MediaCount));
    }

    #[test]
    fn what_stands_in_the_session_part_counts_where_the_m_line_says_nothing() {
        let hash = vec!["CD"; 32].join(":");
        let session = format!("a=ice-ufrag:wxyz\r\na=ice-pwd:{PWD}z\r\na=fingerprint:sha-256 {hash}\r\n");
        let both = Offer::parse(&offer(&session, "")).unwrap();
        assert_eq!((both.ice.ufrag.as_str(), both.fingerprint), ("abcd", [0xab; 32]));
        let text = offer(&session, "").replace("a=ice-ufrag:abcd\r\n", "");
        let own = vec!["AB"; 32].join(":");
        let text = text.replace(&format!("a=fingerprint:sha-256 {own}\r\n"), "");
        let outer = Offer::parse(&text).unwrap();
        assert_eq!((outer.ice.ufrag.as_str(), outer.fingerprint), ("wxyz", [0xcd; 32]));
    }

    #[test]
    fn layers_as_they_are_listed() {
        let rids = |list: &str| first(&format!("a=simulcast:{list}\r\n")).simulcast;
        assert_eq!(rids("send f;h;q"), ["f", "h", "q"]);
        assert_eq!(rids("recv a;b send f;~h"), ["f", "h"]);
        assert_eq!(rids("send f,g;h"), ["f", "h"]);
        assert_eq!(rids("send a;b;c;d"), ["a", "b", "c"]);
        assert_eq!(rids("send a-b;ok"), ["ok"]);
        assert_eq!(rids("recv a"), Vec::<String>::new());
    }

    #[test]
    fn streams_as_they_are_declared() {
        let lines = "a=ssrc-group:FID 11 12\r\na=ssrc:11 cname:x\r\na=ssrc:11 msid:x y\r\n\
                     a=ssrc:12 cname:x\r\na=ssrc:13 cname:x\r\na=ssrc:x cname:x\r\n";
        assert_eq!(first(lines).ssrcs, [(11, Some(12)), (13, None)]);
        let many: String = (0..20).map(|n| format!("a=ssrc:{n} cname:x\r\n")).collect();
        assert_eq!(first(&many).ssrcs.len(), 8);
    }

    #[test]
    fn numbers_that_are_out_of_range_are_not_taken() {
        let ids = "a=extmap:0 u:a\r\na=extmap:1 u:b\r\na=extmap:14/sendonly u:c x\r\na=extmap:15 u:d\r\n";
        let extensions = first(ids).extensions;
        assert_eq!(extensions, [(1, "u:b".to_owned()), (14, "u:c".to_owned())]);
        let text = offer("", "a=rtpmap:128 VP8/90000\r\n").replace("SAVPF 96", "SAVPF 96 128");
        let codecs = Offer::parse(&text).unwrap().media.remove(0).codecs;
        assert_eq!(codecs.iter().map(|c| c.payload_type).collect::<Vec<_>>(), [96]);
        let zero = |lines: &str| {
            let text = offer("", lines).replace("m=video 9", "m=video 0");
            Offer::parse(&text).unwrap().media.remove(0).bundled
        };
        assert!(!zero("") && zero("a=bundle-only\r\n"));
    }
}
