//! Offers of encoders and players that are no browsers.

use super::*;
use crate::media::{Media, MediaConfig};

/// An offer with one m-line: `formats`, then its attribute lines.
fn offer(kind: &str, formats: &str, direction: &str, lines: &[&str]) -> String {
    let sha256 = vec!["AB"; 32].join(":");
    let sha512 = vec!["CD"; 64].join(":");
    let mut out = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m={kind} 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na={direction}\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n\
         a=fingerprint:sha-512 {sha512}\r\na=fingerprint:sha-256 {sha256}\r\na=rtcp-mux\r\n"
    );
    for line in lines {
        out.push_str(&format!("a={line}\r\n"));
    }
    out
}

/// Answers as to a publisher (`sendonly`) or a player.
fn answer(offer: &str) -> Result<Accepted, NegotiateError> {
    let config = MediaConfig { port: 0, addresses: vec![[127, 0, 0, 1].into()], shards: 1 };
    let media = Media::start(&config).unwrap();
    let sources = tracks_of_publisher(offer)?;
    let accepted = media.negotiator.accept(0, offer, &PeerRequest { sources, prefer_video: Codec::Vp8 });
    media.stop();
    accepted
}

fn h264(payload_type: u8, mode: Option<&str>, profile: &str) -> Vec<String> {
    let mode = mode.map(|m| format!("packetization-mode={m};")).unwrap_or_default();
    vec![
        format!("rtpmap:{payload_type} H264/90000"),
        format!("fmtp:{payload_type} {mode}profile-level-id={profile};level-asymmetry-allowed=1"),
    ]
}

#[test]
fn the_best_h264_of_several_is_answered_as_it_was_offered() {
    // (payload type, mode, profile) of each, and the payload type that a sender and a taker get.
    type Offered<'a> = (u8, Option<&'a str>, &'a str);
    let table: [(&[Offered], Option<u8>, Option<u8>); 8] = [
        (&[(96, Some("1"), "64001f"), (97, Some("1"), "42e01f")], Some(97), Some(97)),
        (&[(96, Some("1"), "640032"), (97, Some("1"), "42001F")], Some(97), Some(97)),
        (&[(96, Some("1"), "4d0028")], Some(96), Some(96)),
        (&[(96, Some("0"), "42e01f"), (97, Some("1"), "42E01f")], Some(97), Some(97)),
        (&[(96, Some("0"), "42e01f")], Some(96), None),
        (&[(96, None, "42e01f")], Some(96), None),
        (&[(96, Some("2"), "42e01f")], None, None),
        (&[(96, Some("1"), "课堂")], Some(96), Some(96)),
    ];
    for (offered, sender, taker) in table {
        let lines: Vec<String> =
            offered.iter().flat_map(|(pt, mode, profile)| h264(*pt, *mode, profile)).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let formats: Vec<String> = offered.iter().map(|o| o.0.to_string()).collect();
        for (direction, expected) in [("sendonly", sender), ("recvonly", taker)] {
            let answered = answer(&offer("video", &formats.join(" "), direction, &lines));
            let Some(expected) = expected else {
                assert!(matches!(answered, Err(NegotiateError::NoCodec(0))), "{offered:?} {direction}");
                continue;
            };
            let answered = answered.unwrap();
            let sdp = answered.answer.sdp();
            assert!(sdp.contains(&format!("m=video 9 UDP/TLS/RTP/SAVPF {expected}\r\n")), "{sdp}");
            let (_, mode, profile) = offered.iter().find(|o| o.0 == expected).unwrap();
            let said = format!("packetization-mode={};profile-level-id={profile}\r\n", mode.unwrap_or("0"));
            assert!(sdp.contains(&said), "{said} in {sdp}");
            assert_eq!(
                (answered.sources.len(), answered.slots.len()),
                if direction == "sendonly" { (1, 0) } else { (0, 1) }
            );
        }
    }
}

#[test]
fn a_stereo_sender_is_told_that_it_is_welcome() {
    for (fmtp, stereo) in [
        ("minptime=10;useinbandfec=1", false),
        ("stereo=1;sprop-stereo=1", true),
        ("sprop-stereo=1", true),
        ("stereo=0", false),
    ] {
        let lines = ["rtpmap:111 opus/48000/2".to_owned(), format!("fmtp:111 {fmtp}")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answered = answer(&offer("audio", "111", "sendrecv", &lines)).unwrap();
        assert_eq!(answered.answer.sdp().contains("stereo=1"), stereo, "{fmtp}");
        assert!(answered.answer.sdp().contains("a=recvonly"), "a publisher is not sent to");
    }
}

#[test]
fn a_fingerprint_is_found_among_several() {
    let lines = ["rtpmap:96 VP8/90000"];
    let answered = answer(&offer("video", "96", "sendonly", &lines)).unwrap();
    assert_eq!(answered.setup.fingerprint, [0xab; 32]);
    let without = offer("video", "96", "sendonly", &lines).replace("a=fingerprint:sha-256", "a=x");
    assert!(matches!(answer(&without), Err(NegotiateError::Sdp(SdpError::NoFingerprint))));
}

#[test]
fn a_publisher_s_first_lines_count() {
    let two = offer("audio", "111", "sendonly", &["rtpmap:111 opus/48000/2"])
        .replace("BUNDLE 0", "BUNDLE 0 1 2 3")
        + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=recvonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n\
           m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n\
           m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:3\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n";
    let tracks = tracks_of_publisher(&two).unwrap();
    assert_eq!(tracks, [("0".to_owned(), SourceKind::Mic), ("2".to_owned(), SourceKind::Camera)]);
    let answered = answer(&two).unwrap();
    assert_eq!((answered.sources.len(), answered.slots.len()), (2, 1));
    let third = answered.answer.sdp().split("\r\nm=").nth(4).unwrap();
    assert!(third.starts_with("video 0 ") && third.contains("a=inactive"), "{third}");
}

#[test]
fn offers_that_would_cost_too_much_or_break_lines_are_refused() {
    let good = offer("video", "96", "sendonly", &["rtpmap:96 VP8/90000"]);
    assert!(answer(&good).is_ok());
    let formats = vec!["96"; 129].join(" ");
    let many_formats = offer("video", &formats, "sendonly", &["rtpmap:96 VP8/90000"]);
    let many_attributes = offer("video", "96", "sendonly", &["rtpmap:96 VP8/90000"; 1_001]);
    let lone_return = good.replace("a=mid:0", "a=mid:0\ra=candidate:x");
    let escape = good.replace("a=mid:0", "a=mid:\u{1b}[2J");
    for bad in [many_formats, many_attributes, lone_return, escape] {
        assert!(matches!(answer(&bad), Err(NegotiateError::Sdp(SdpError::Syntax))), "{bad:.300}");
    }
}
