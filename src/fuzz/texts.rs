//! Targets that read signalling: offers, fragments, WebSocket messages, tokens.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;

use crate::auth::Secret;
use crate::auth::tokens::{Claims, MAX_NAME, TokenError, Tokens};
use crate::fuzz::packets::SHARED;
use crate::http::frames::{Decoder, FrameError, Received};
use crate::media::negotiate::{
    Codec, Fragment, MAX_FRAGMENT, MediaKind, Negotiator, PeerRequest, SourceKind, tracks_of_publisher,
};
use crate::media::transport::sdp::{MAX_MEDIA, MAX_SDP, Offer};
use crate::session::dispatch::{decode, right_of};
use crate::session::limits::MAX_MESSAGE;
use crate::session::message::ClientMessage;

/// When the tokens of the corpus are checked, seconds since 1970; they are valid from then on …
pub const NOW: u64 = 1_800_000_000;
/// … for an hour.
pub const VALID: Duration = Duration::from_secs(3_600);
/// The secret that signed them.
pub const SECRET: &str = "a secret for tests, long enough to be one";

/// A negotiator that no shard stands behind.
#[must_use]
pub fn negotiator() -> Negotiator {
    let addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)].into();
    Negotiator::new(SHARED.dtls.clone(), addresses, vec![7000].into())
}

/// WebSocket frames: what comes out does not depend on how the bytes were cut, and what is kept is no
/// more than what came in.
pub fn frames(input: &[u8]) {
    const LONGEST: usize = 2_000;
    let read = |piece: usize| -> (Vec<Received>, Option<FrameError>) {
        let mut decoder = Decoder::new(LONGEST);
        let (mut out, mut pushed) = (Vec::new(), 0);
        for part in input.chunks(piece) {
            decoder.push(part);
            pushed += part.len();
            loop {
                match decoder.poll_received() {
                    Ok(Some(received)) => out.push(received),
                    Ok(None) => break,
                    Err(error) => return (out, Some(error)),
                }
            }
            assert!(decoder.kept() <= 4 * pushed + 64, "{} for {pushed}", decoder.kept());
        }
        (out, None)
    };
    let whole = read(input.len().max(1));
    assert!(whole.0.iter().all(|r| !matches!(r, Received::Text(t) if t.len() > LONGEST)));
    assert!(whole.0.iter().all(|r| !matches!(r, Received::Ping(p) if p.len() > 125)));
    for piece in [1, 7] {
        assert_eq!(read(piece), whole, "in pieces of {piece}");
    }
}

/// Offers, as pages and as publishers without signalling send them; then a restart of what was taken.
pub fn sdp(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let kinds = [SourceKind::Mic, SourceKind::Camera, SourceKind::Content, SourceKind::ContentAudio];
    let of_page = kinds.iter().enumerate().map(|(n, k)| (n.to_string(), *k)).collect();
    let of_publisher = tracks_of_publisher(text).unwrap_or_default();
    for (sources, prefer_video) in [(of_page, Codec::H264), (of_publisher, Codec::Vp8)] {
        answer(text, &PeerRequest { sources, prefer_video });
    }
}

fn answer(text: &str, request: &PeerRequest) {
    let negotiator = negotiator();
    let accepted = match negotiator.accept(0, text, request) {
        Ok(accepted) => accepted,
        Err(error) => {
            assert!(!error.code().is_empty());
            return;
        }
    };
    let offer = Offer::parse(text).expect("it was taken");
    let (sources, slots) = (&accepted.setup.sources, &accepted.setup.slots);
    assert!(text.len() <= MAX_SDP && (1..=MAX_MEDIA).contains(&offer.media.len()));
    assert!((1..=offer.media.len()).contains(&(sources.len() + slots.len())));
    assert!(sources.iter().all(|s| s.rids.len() <= 3 && s.ssrcs.len() <= 8 && s.payload_type < 128));
    let own: HashSet<u32> = slots.iter().flat_map(|s| [s.ssrc, s.rtx_ssrc]).collect();
    assert_eq!(own.len(), 2 * slots.len(), "every stream has an SSRC of its own");
    let videos = slots.iter().filter(|s| s.kind == MediaKind::Video).count();
    assert!(accepted.decodes.is_empty() || videos > 0 || sources.len() == accepted.sources.len());
    let sdp = &accepted.sdp;
    // What is echoed is what was offered; what is added is counted in lines.
    assert!(sdp.len() <= 2 * text.len() + 2_000 * offer.media.len(), "{} for {}", sdp.len(), text.len());
    assert!(
        !sdp.chars().any(|c| c.is_control() && c != '\r' && c != '\n'),
        "a control character went through"
    );
    assert!(sdp.split("\r\n").all(|l| !l.contains(['\r', '\n'])), "a line in a line");
    let back = Offer::parse(sdp).expect("an answer is a description like any other");
    let mids = |o: &Offer| o.media.iter().map(|m| m.mid.clone()).collect::<Vec<_>>();
    assert_eq!(mids(&back), mids(&offer), "m-line by m-line");
    assert_eq!(back.ice, accepted.setup.local);
    let (again, kept, restart) = negotiator.restart(&accepted.answer, text).expect("the same m-lines");
    let renewed = Offer::parse(&again).expect("an answer again");
    assert_eq!(renewed.ice, restart.local);
    assert!(renewed.ice != back.ice && mids(&renewed) == mids(&back));
    assert!(Fragment::parse(kept.fragment()).is_ok_and(|f| f.ice == Some(restart.local)));
}

/// Fragments of WHIP and WHEP clients.
pub fn fragment(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(fragment) = Fragment::parse(text) else {
        return;
    };
    assert!(text.len() <= MAX_FRAGMENT && fragment.candidates <= 200);
    let Some(ice) = &fragment.ice else {
        return;
    };
    assert!((4..=256).contains(&ice.ufrag.len()) && (22..=256).contains(&ice.pwd.len()));
    let written = format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", ice.ufrag, ice.pwd);
    assert_eq!(Fragment::parse(&written).map(|f| f.ice), Ok(fragment.ice), "{written:?}");
}

/// Texts on the WebSocket.
pub fn message(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(message) = decode(text) else {
        return;
    };
    assert!(text.len() <= MAX_MESSAGE);
    assert_eq!(right_of(&message).is_none(), matches!(message, ClientMessage::Join { .. }));
    let written = serde_json::to_string(&message).expect("strings and numbers");
    let again = decode(&written).expect("what we write can be read");
    // The JSON library may miss the last digit of a fraction; 1e999 it refuses, so all are finite.
    if let (ClientMessage::Ping { sent: a }, ClientMessage::Ping { sent: b }) = (&message, &again) {
        assert!(a.is_finite() && (a - b).abs() <= a.abs() * 1e-14, "{written}");
    } else {
        assert_eq!(again, message, "{written}");
    }
}

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| Tokens::new(&Secret::new(SECRET.to_owned()), 30));

/// A token from anywhere: only what this server signed passes.
pub fn token(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let Ok(claims) = TOKENS.check(text, NOW) else {
        return;
    };
    checked(&claims);
    // The corpus holds tokens from `NOW` on, so what passes can be made again letter by letter.
    let ttl = Duration::from_secs(claims.expires - NOW);
    let again = TOKENS.issue(&claims.lesson, claims.role, &claims.name, &claims.sub, ttl, NOW);
    assert_eq!(again.ok().as_deref(), Some(text), "a token that was not made here");
}

/// Claims of an issuer who has the secret and is not careful: any JSON, signed.
pub fn claims(input: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(input) else {
        return;
    };
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let Ok(token) = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &value, &key) else {
        return;
    };
    match TOKENS.check(&token, NOW) {
        Ok(claims) => {
            checked(&claims);
            let whole = |key: &str| value[key].as_u64();
            assert_eq!(whole("exp"), Some(claims.expires), "a whole number, not a text");
            assert!(whole("nbf").is_some_and(|nbf| nbf <= NOW + 30) && claims.expires + 30 >= NOW);
            assert_eq!(value["aud"], "zhuandi");
            let known = ["aud", "exp", "nbf", "iat", "lesson", "role", "name", "sub"];
            let keys = value.as_object().into_iter().flat_map(|o| o.keys());
            assert!(keys.into_iter().all(|k| known.contains(&k.as_str())), "an unknown claim");
        }
        Err(TokenError::Foreign) => assert_ne!(value["aud"], "zhuandi", "we signed it"),
        Err(_) => {}
    }
}

fn checked(claims: &Claims) {
    let length = claims.name.chars().count();
    assert!((1..=MAX_NAME).contains(&length) && !claims.name.chars().any(char::is_control));
    assert!(claims.lesson.as_str().len() <= 64 && claims.sub.as_str().len() <= 64);
}
