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
    let config = MediaConfig { addresses: vec![[127, 0, 0, 1].into()], ..MediaConfig::default() };
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
            let sdp = &answered.sdp;
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
fn vp9_and_av1_are_taken_in_the_profile_that_everybody_decodes() {
    // (attribute lines, the formats that are answered, a line that the answer must have)
    type Case<'a> = (&'a [&'a str], Option<&'a str>, &'a str);
    let table: [Case<'_>; 8] = [
        (&["rtpmap:98 VP9/90000"], Some("98"), "rtpmap:98 VP9/90000"),
        (&["rtpmap:98 VP9/90000", "fmtp:98 profile-id=0"], Some("98"), "fmtp:98 profile-id=0"),
        (&["rtpmap:98 VP9/90000", "fmtp:98 profile-id=2"], None, ""),
        (
            &["rtpmap:98 VP9/90000", "fmtp:98 profile-id=2", "rtpmap:99 VP9/90000", "fmtp:99 profile-id=0"],
            Some("99"),
            "fmtp:99 profile-id=0",
        ),
        (&["rtpmap:98 AV1/90000"], Some("98"), "rtpmap:98 AV1/90000"),
        (
            &["rtpmap:98 AV1/90000", "fmtp:98 level-idx=5;profile=0;tier=0", "rtcp-fb:98 nack pli"],
            Some("98"),
            "fmtp:98 profile=0;level-idx=5;tier=0",
        ),
        (&["rtpmap:98 AV1/90000", "fmtp:98 profile=1"], None, ""),
        // Whatever the lesson would rather have: what is offered is taken.
        (&["rtpmap:98 AV1/90000", "rtpmap:99 rtx/90000", "fmtp:99 apt=98"], Some("98 99"), "fmtp:99 apt=98"),
    ];
    for (lines, expected, said) in table {
        for direction in ["sendonly", "recvonly"] {
            let answered = answer(&offer("video", "98 99", direction, lines));
            let Some(expected) = expected else {
                assert!(matches!(answered, Err(NegotiateError::NoCodec(0))), "{lines:?} {direction}");
                continue;
            };
            let answered = answered.unwrap();
            let sdp = &answered.sdp;
            assert!(sdp.contains(&format!("SAVPF {expected}\r\n")) && sdp.contains(said), "{sdp}");
            assert!(!sdp.contains("dependency-descriptor"), "{sdp}");
        }
    }
}

#[test]
fn redundancy_is_taken_from_senders_in_their_order_and_given_to_takers() {
    const RED: [&str; 3] = ["rtpmap:111 opus/48000/2", "rtpmap:63 red/48000/2", "fmtp:63 111/111"];
    for (formats, direction, lines, expected) in [
        ("63 111", "sendonly", &RED[..], "63 111"),
        ("111 63", "sendonly", &RED, "111 63"),
        // A taker is sent plain Opus until its line loses packets.
        ("63 111", "recvonly", &RED, "111 63"),
        ("111", "recvonly", &RED[..1], "111"),
        ("111 63", "recvonly", &[RED[0], RED[1], "fmtp:63 0/111"], "111"),
        ("63 111", "sendonly", &[RED[0], RED[1]], "111"),
        ("63 111", "sendonly", &[RED[0], RED[1], "fmtp:63 0/111"], "111"),
        ("63 111", "sendonly", &[RED[0], "rtpmap:63 red/8000", RED[2]], "111"),
    ] {
        let answered = answer(&offer("audio", formats, direction, lines)).unwrap();
        let sdp = &answered.sdp;
        assert!(sdp.contains(&format!("SAVPF {expected}\r\n")), "{expected} in {sdp}");
        let of_sender = answered.setup.sources.first().and_then(|s| s.red);
        let of_taker = answered.setup.slots.first().and_then(|s| s.codecs[Codec::Opus.index()]?.red);
        let red = of_sender.or(of_taker);
        assert_eq!(red, (expected != "111").then_some(63), "{sdp}");
        assert_eq!(sdp.contains("a=fmtp:63 111/111\r\n"), red.is_some(), "{sdp}");
    }
    let only = answer(&offer("audio", "63", "sendonly", &["rtpmap:63 red/48000/2", "fmtp:63 111/111"]));
    assert!(matches!(only, Err(NegotiateError::NoCodec(0))), "there is no plain Opus");
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
        assert_eq!(answered.sdp.contains("stereo=1"), stereo, "{fmtp}");
        assert!(answered.sdp.contains("a=recvonly"), "a publisher is not sent to");
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
    let third = answered.sdp.split("\r\nm=").nth(4).unwrap();
    assert!(third.starts_with("video 0 ") && third.contains("a=inactive"), "{third}");
}

/// A negotiator with two shards on both kinds of addresses, without a socket.
fn negotiator() -> Negotiator {
    let dtls = DtlsContext::new(crate::media::transport::crypto_provider().unwrap()).unwrap();
    let addresses: [IpAddr; 2] = [[192, 0, 2, 1].into(), "2001:db8::1".parse().unwrap()];
    Negotiator::new(dtls, addresses.to_vec().into(), vec![7000, 7001].into())
}

/// More m-lines behind the first: (kind, direction, formats, attribute lines).
fn and(offer: String, more: &[(&str, &str, &str, &str)]) -> String {
    let mids: Vec<String> = (0..=more.len()).map(|n| n.to_string()).collect();
    let mut out = offer.replace("BUNDLE 0", &format!("BUNDLE {}", mids.join(" ")));
    for (n, (kind, direction, formats, lines)) in more.iter().enumerate() {
        out.push_str(&format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {formats}\r\na=mid:{}\r\na={direction}\r\na=rtcp-mux\r\n{lines}",
            n + 1
        ));
    }
    out
}

const VP8: &str = "a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
const H264_ONLY: &str =
    "a=rtpmap:98 H264/90000\r\na=fmtp:98 packetization-mode=1;profile-level-id=42e01f\r\n";
const OPUS: &str = "a=rtpmap:111 opus/48000/2\r\n";

fn players() -> String {
    let opus = ["rtpmap:111 opus/48000/2"];
    and(
        offer("audio", "111", "recvonly", &opus),
        &[
            ("video", "recvonly", "96 97", VP8),
            ("video", "recvonly", "96 97 98", &format!("{VP8}{H264_ONLY}")),
            ("audio", "recvonly", "111", OPUS),
            ("audio", "recvonly", "111", OPUS),
        ],
    )
}

const NOTHING: PeerRequest = PeerRequest { sources: Vec::new(), prefer_video: Codec::Vp8 };

#[test]
fn slots_have_streams_of_their_own_and_share_an_id_with_their_sound() {
    let accepted = negotiator().accept(1, &players(), &NOTHING).unwrap();
    let setup = &accepted.setup;
    let mut ssrcs: Vec<u32> = setup.slots.iter().flat_map(|s| [s.ssrc, s.rtx_ssrc]).collect();
    ssrcs.push(setup.rtcp_ssrc);
    ssrcs.sort_unstable();
    ssrcs.dedup();
    assert_eq!(ssrcs.len(), 11, "none twice");
    assert_eq!(accepted.decodes, [Codec::Vp8], "H.264 is not for every slot");
    let sdp = &accepted.sdp;
    let streams: Vec<&str> = sdp.lines().filter(|l| l.starts_with("a=msid:")).collect();
    let expected = ["lead audio-0", "lead video-0", "content video-1", "content audio-1", "audio2 audio-2"];
    assert_eq!(streams, expected.map(|s| format!("a=msid:{s}")));
    let video = &setup.slots[1];
    assert!(sdp.contains(&format!("a=ssrc-group:FID {} {}\r\n", video.ssrc, video.rtx_ssrc)));
    assert_eq!(sdp.matches("ssrc-group").count(), 2);
    for line in ["a=ice-lite\r\n", "a=setup:passive\r\n", "a=rtcp-mux\r\n", "BUNDLE 0 1 2 3 4\r\n"] {
        assert!(sdp.contains(line), "{line}");
    }
    // Candidates once, of this shard's port, IPv6 before IPv4.
    let candidates: Vec<Vec<&str>> =
        sdp.lines().filter(|l| l.starts_with("a=candidate:")).map(|l| l.split(' ').collect()).collect();
    assert_eq!(candidates.len(), 2);
    assert!(candidates.iter().all(|c| c[5] == "7001"));
    let priority = |ip: &str| -> u32 { candidates.iter().find(|c| c[4] == ip).unwrap()[3].parse().unwrap() };
    assert!(priority("2001:db8::1") > priority("192.0.2.1"));
    assert_eq!(sdp.matches("a=end-of-candidates").count(), 1);
}

#[test]
fn candidates_by_tcp_are_passive_and_come_after_all_others() {
    let by_tcp = negotiator().with_tcp([vec![7000], vec![7001, 443]].map(TcpPorts::new).into());
    let offer = offer("audio", "111", "recvonly", &["rtpmap:111 opus/48000/2"]);
    let request = PeerRequest { sources: Vec::new(), prefer_video: Codec::Vp8 };
    let sdp = by_tcp.accept(1, &offer, &request).unwrap().sdp;
    let candidates: Vec<Vec<&str>> =
        sdp.lines().filter_map(|l| l.strip_prefix("a=candidate:")).map(|l| l.split(' ').collect()).collect();
    let ways: Vec<_> = candidates.iter().map(|c| (c[2], c[5])).collect();
    let (udp, tcp, extra) = (("udp", "7001"), ("tcp", "7001"), ("tcp", "443"));
    assert_eq!(ways, [udp, udp, tcp, tcp, extra, extra]);
    assert!(candidates.iter().all(|c| (c[2] == "tcp") == c.ends_with(&["tcptype", "passive"])));
    let priorities: Vec<u32> = candidates.iter().map(|c| c[3].parse().unwrap()).collect();
    assert!(priorities[..2].iter().min() > priorities[2..].iter().max(), "{priorities:?}");
    assert!(priorities[2..4].iter().min() > priorities[4..].iter().max(), "{priorities:?}");
    assert_eq!(priorities.iter().collect::<std::collections::HashSet<_>>().len(), 6);
    let mut foundations: Vec<&str> = candidates.iter().map(|c| c[0]).collect();
    foundations.sort_unstable();
    foundations.dedup();
    assert_eq!(foundations.len(), 6);
}

#[test]
fn feedback_and_extensions_are_answered_as_they_were_offered() {
    let level = "extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level";
    let mid = "extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid";
    let unknown = "extmap:9 urn:x:ssrc-audio-level";
    let lines =
        ["rtpmap:111 opus/48000/2", "rtcp-fb:111 transport-cc", "rtcp-fb:111 nack", level, mid, unknown];
    let of = |direction| answer(&offer("audio", "111", direction, &lines)).unwrap();
    let (publisher, player) = (of("sendonly"), of("recvonly"));
    for (sdp, has_mid) in [(&publisher.sdp, true), (&player.sdp, false)] {
        assert!(sdp.contains(&format!("a={level}\r\n")), "{sdp}");
        assert_eq!(sdp.contains(mid), has_mid, "what is forwarded and what is read");
        assert!(!sdp.contains("urn:x"));
        assert!(sdp.contains("a=rtcp-fb:111 transport-cc\r\n") && !sdp.contains("rtcp-fb:111 nack"));
    }
    assert_eq!((publisher.setup.extensions.audio_level, publisher.setup.extensions.mid), (Some(4), Some(1)));
    let video = answer(&offer("video", "96", "recvonly", &["rtpmap:96 VP8/90000", "rtcp-fb:96 nack pli"]));
    let video = video.unwrap();
    assert!(video.sdp.contains("rtcp-fb:96 nack pli") && !video.sdp.contains("ccm fir"));
    // The ids of the first m-line that names them are those of the bundle.
    let other = format!("{OPUS}a=extmap:7 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n");
    let two = and(offer("audio", "111", "sendonly", &lines), &[("audio", "recvonly", "111", &other)]);
    assert_eq!(answer(&two).unwrap().setup.extensions.audio_level, Some(4));
}

#[test]
fn layers_are_ordered_by_what_their_names_say() {
    let of = |list: &str| {
        let lines = ["rtpmap:96 VP8/90000".to_owned(), format!("simulcast:send {list}")];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let accepted = answer(&offer("video", "96", "sendonly", &lines)).unwrap();
        (accepted.setup.sources[0].rids.clone(), accepted.sdp.clone())
    };
    assert_eq!(of("f;h;q").0, ["q", "h", "f"]);
    assert_eq!(of("q;h;f").0, ["q", "h", "f"]);
    assert_eq!(of("h;l;m").0, ["l", "m", "h"]);
    assert_eq!(of("hi;lo").0, ["lo", "hi"], "the best is listed first");
    let (_, three) = of("q;h;f");
    assert!(three.contains("a=simulcast:recv q;h;f\r\n") && three.contains("a=rid:h recv\r\n"));
    assert!(three.contains("x-google-start-bitrate") && !of("q;h").1.contains("x-google"));
}

#[test]
fn what_is_refused_and_what_a_line_may_be() {
    let vp8 = ["rtpmap:96 VP8/90000"];
    let good = offer("video", "96", "recvonly", &vp8);
    let code = |text: &str| negotiator().accept(0, text, &NOTHING).map(|_| ()).unwrap_err().code();
    assert_eq!(code(&good.replace("a=rtcp-mux\r\n", "")), "no_bundle");
    assert_eq!(code(&good.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP")), "no_bundle");
    assert_eq!(code(&good.replace("recvonly", "sendonly")), "no_codec", "nobody named it");
    let outside = and(good.clone(), &[("video", "recvonly", "96", VP8)]).replace("BUNDLE 0 1", "BUNDLE 0");
    assert_eq!(code(&outside), "no_bundle");
    let data = and(good, &[("application", "sendrecv", "webrtc-datachannel", "")]);
    let accepted = negotiator().accept(0, &data, &NOTHING).unwrap();
    assert!(accepted.sdp.contains("a=group:BUNDLE 0\r\n") && accepted.slots.len() == 1);
    let slow = offer("audio", "111", "recvonly", &["rtpmap:111 opus/16000/2"]);
    assert_eq!(code(&slow), "no_codec");
    // A name is of one kind of media alone, and counts only where the client sends.
    let named =
        |mid: &str, kind| PeerRequest { sources: vec![(mid.into(), kind)], prefer_video: Codec::H264 };
    let both = offer("video", "96 97 98", "sendrecv", &[&VP8[2..], &H264_ONLY[2..]]);
    let both = both.replace("\r\n\r\n", "\r\n");
    let accept = |request: &PeerRequest| negotiator().accept(0, &both, request).unwrap();
    let wrong = accept(&named("0", SourceKind::Mic));
    assert_eq!((wrong.sources.len(), wrong.slots.len()), (0, 1));
    let right = accept(&named("0", SourceKind::Camera));
    assert_eq!((right.sources[0].codec, right.slots.len()), (Codec::H264, 0), "as it was preferred");
    assert_eq!(right.setup.sources[0].rtx_payload_type, None, "the repair is VP8's");
    assert_eq!(wrong.setup.slots[0].codecs[Codec::Vp8.index()].unwrap().rtx_payload_type, Some(97));
}

#[test]
fn a_restart_keeps_everything_but_the_credentials() {
    let (n, text) = (negotiator(), players());
    let accepted = n.accept(0, &text, &NOTHING).unwrap();
    let changed = text.replace("BUNDLE 0 1 2 3 4", "BUNDLE 0 1 2 3 9").replace("a=mid:4", "a=mid:9");
    assert!(matches!(n.restart(&accepted.answer, &changed), Err(NegotiateError::MediaChanged)));
    let (mut kept, mut before) = (accepted.answer, accepted.sdp);
    for version in 2..4 {
        let (after, template, restart) = n.restart(&kept, &text.replace("ufrag:abcd", "ufrag:wxyz")).unwrap();
        assert_eq!(restart.remote.ufrag, "wxyz");
        let ufrag = format!("a=ice-ufrag:{}\r\n", restart.local.ufrag);
        assert_eq!(after.matches(&ufrag).count(), 5, "in every m-line");
        assert_eq!(after.matches("a=ice-ufrag:").count(), 5);
        assert!(after.contains(&format!("o=- 1 {version} IN")));
        assert!(template.fragment().contains(&ufrag) && template.fragment().contains("a=candidate:"));
        assert_eq!(after.len(), before.len());
        (kept, before) = (template, after);
    }
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
