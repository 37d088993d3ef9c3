//! Writes the valid samples of `tests/corpus` that no browser had to make:
//! `cargo test --release --lib seeds -- --ignored`.
//!
//! A sample is valid on purpose: mutations of what is refused at the first byte find nothing.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use bytes::BytesMut;

use crate::auth::{Secret, Tokens};
use crate::fuzz::connected as script;
use crate::fuzz::insider::Insider;
use crate::fuzz::packets::{SHARED, credentials};
use crate::fuzz::texts::{NOW, SECRET, VALID, negotiator};
use crate::ids::{LessonId, ParticipantId};
use crate::media::negotiate::{Codec, PeerRequest, SourceKind};
use crate::media::rtp::Outgoing;
use crate::media::transport::dtls::{Dtls, DtlsClient};
use crate::media::transport::ice::{BindingRequest, nominating_check};
use crate::media::transport::rtcp::{Compound, ReceptionBlock};
use crate::media::transport::srtp::Profile;
use crate::session::message::{ClientMessage, Mode, OwnState, Role, TrackIntent, Trouble};

fn write(target: &str, name: &str, bytes: impl AsRef<[u8]>) {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "corpus", target].iter().collect();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name), bytes).unwrap();
}

#[test]
#[ignore = "writes into the source tree"]
fn seeds() {
    stream();
    stun();
    hello();
    media();
    reports();
    scripts();
    signalling();
    websocket();
}

fn stream() {
    let framed = |all: &[&[u8]]| {
        let frame = |f: &&[u8]| [&(f.len() as u16).to_be_bytes(), *f].concat();
        all.iter().map(frame).collect::<Vec<_>>().concat()
    };
    write("stream", "some", framed(&[b"one", &[7; 300], b"", b"three"]));
    write("stream", "enough", framed(&[b"one", b"enough", b"three"]));
    write("stream", "longest", framed(&[&[1; 4_096], &[2; 4_096]]));
    write("stream", "too-long", framed(&[b"one", &[1; 4_097]]));
}

fn stun() {
    let (local, remote) = credentials();
    let check = nominating_check(&remote, &local, SHARED.provider.crypto());
    let from = "192.0.2.7:4444".parse().unwrap();
    let reply = BindingRequest::parse(&check).unwrap().success(from, &local, SHARED.provider.crypto());
    write("demux", "check", &check);
    write("demux", "reply", &reply);
    write("demux", "dtls", [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    write("demux", "rtcp", [0x80, 201, 0, 1, 0, 0, 0, 9]);
    // Unknown optional attributes, a software name, and one behind the integrity.
    let mut longer = check[..20].to_vec();
    longer.extend([0x80, 0x22, 0, 4, b't', b'e', b's', b't']);
    longer.extend(&check[20..]);
    longer[3] += 8;
    write("demux", "software", &longer);
}

fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    let one = |p: &Vec<u8>| [&(p.len() as u16).to_be_bytes()[..], p].concat();
    parts.iter().flat_map(one).collect()
}

/// A handshake record around one fragment of a message.
fn record(kind: u8, sequence: u8, total: usize, from: usize, part: &[u8]) -> Vec<u8> {
    let u24 = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
    let mut message = [&[kind][..], &u24(total), &[0, 0], &u24(from), &u24(part.len())].concat();
    message.extend(part);
    let head = [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, sequence];
    [&head[..], &(message.len() as u16).to_be_bytes(), &message].concat()
}

fn hello() {
    for (name, profile) in [("gcm", Profile::Gcm128), ("aes-cm", Profile::AesCm)] {
        let (config, _) = DtlsClient::shared_with(SHARED.provider.clone(), profile).unwrap();
        let (mut client, mut server) = (DtlsClient::new(&config), Dtls::new(&SHARED.dtls, [0; 32]));
        let (now, mut flight, mut all) = (Instant::now(), Vec::new(), Vec::new());
        client.connect(now, &mut flight);
        write("hello", name, joined(&[flight[0].to_vec()]));
        let body = flight[0][25..].to_vec();
        let half = body.len() / 2;
        let parts =
            [record(1, 0, body.len(), half, &body[half..]), record(1, 1, body.len(), 0, &body[..half])];
        write("hello", &format!("{name}-fragments"), joined(&parts));
        for _ in 0..3 {
            let mut back = Vec::new();
            for datagram in std::mem::take(&mut flight) {
                all.push(datagram.to_vec());
                server.read(now, &datagram, &mut back);
            }
            for datagram in back {
                client.read(now, &datagram, &mut flight);
            }
        }
        write("hello", &format!("{name}-whole"), joined(&all));
    }
    write("hello", "zero-length", joined(&vec![record(1, 0, 0, 0, &[]); 12]));
    write("hello", "oversized", joined(&[record(1, 0, 0xff_ffff, 0, &[7; 64])]));
    write("hello", "alert", joined(&[vec![21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]]));
    write(
        "hello",
        "next-epoch",
        joined(&[[&[23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 30][..], &[9; 30]].concat()]),
    );
}

/// A packet with header extensions (id, data).
fn packet(payload_type: u8, ssrc: u32, sequence: u16, extensions: &[(u8, &[u8])], payload: &[u8]) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 3_000;
    let mut out = Vec::new();
    Outgoing { payload_type, marker: true, sequence, timestamp, ssrc, extension: None, transport_cc: None }
        .write(&mut out);
    if !extensions.is_empty() {
        out[0] |= 0x10;
        let mut words: Vec<u8> = Vec::new();
        for (id, data) in extensions {
            words.push(id << 4 | (data.len() as u8 - 1));
            words.extend(*data);
        }
        words.resize(words.len().next_multiple_of(4), 0);
        out.extend([0xbe, 0xde, 0, (words.len() / 4) as u8]);
        out.extend(words);
    }
    out.extend(payload);
    out
}

const VP8_KEY: &[u8] = &[0x90, 0xe0, 0x92, 0x34, 7, 0, 0x10, 2, 0, 0x9d, 1, 0x2a];
const VP8_DELTA: &[u8] = &[0x90, 0xe0, 0x92, 0x35, 8, 0, 0x11, 2, 0];
const H264_KEY: &[u8] = &[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce];
const H264_IDR: &[u8] = &[0x7c, 0x85, 0x88, 1, 2, 3];

fn media() {
    write("rtp", "plain", packet(111, 7, 1, &[], b"sound"));
    write("rtp", "simulcast", packet(96, 8, 1, &[(1, b"1"), (2, b"q"), (4, &[0, 1])], VP8_KEY));
    write("rtp", "orientation", packet(96, 8, 2, &[(1, b"mid-of-16-letter"), (6, &[1])], VP8_DELTA));
    let mut two_bytes = packet(96, 8, 3, &[(1, b"1")], VP8_DELTA);
    two_bytes[12..14].copy_from_slice(&[0x10, 0]);
    write("rtp", "two-byte-extensions", &two_bytes);
    let mut sources = packet(96, 8, 4, &[], VP8_DELTA);
    sources[0] |= 15;
    sources.splice(12..12, [9; 60]);
    write("rtp", "fifteen-sources", &sources);
    let mut padded = packet(96, 8, 5, &[], &[0, 0, 0, 4]);
    padded[0] |= 0x20;
    write("rtp", "padding", &padded);
    for (name, payload) in [
        ("vp8-key", VP8_KEY),
        ("vp8-delta", VP8_DELTA),
        ("vp8-short", &[0x90, 0x80, 0x7f, 0][..]),
        ("h264-key", H264_KEY),
        ("h264-idr", H264_IDR),
        ("h264-slice", &[0x41, 0x9a, 1]),
        ("opus", &[0x78, 1, 2, 3]),
    ] {
        write("codec", name, payload);
    }
}

/// In scripts these words stand for the insider's slots.
const fn slot(n: u32) -> u32 {
    0xa000_0000 | n
}

fn report(kind: &str, ssrc: u32) -> BytesMut {
    let mut compound = Compound::default();
    let block = ReceptionBlock {
        ssrc,
        fraction_lost: 9,
        total_lost: 77,
        last_report: 5,
        delay: 6,
        ..ReceptionBlock::default()
    };
    match kind {
        "sender" => compound.sender_report(ssrc, 1 << 60, 90_000, 10, 1_000),
        "receiver" => compound.receiver_report(1, &[block; 3]),
        "nack" => compound.nack(1, ssrc, &[1, 2, 3, 20, 65_000]),
        "picture-loss" => compound.picture_loss(1, ssrc),
        "feedback" => compound.transport_feedback(1, ssrc, 3, 65_534, &[Some(1_000), None, Some(900_000)]),
        _ => {
            compound.sender_report(ssrc, 1, 2, 3, 4);
            compound.receiver_report(1, &[block]);
            compound.nack(1, ssrc, &[7]);
            compound.picture_loss(1, ssrc);
        }
    }
    compound.finish()
}

const REPORTS: [&str; 6] = ["sender", "receiver", "nack", "picture-loss", "feedback", "compound"];

fn reports() {
    for kind in REPORTS {
        write("rtcp", kind, report(kind, 9));
    }
    // REMB, BYE, an XR block, and FIR: read or skipped.
    let remb = [&[0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0][..], b"REMB", &[1, 0x0b, 0xbf, 0x40, 0, 0, 0, 9]];
    write("rtcp", "remb", remb.concat());
    write("rtcp", "bye", [0x81, 203, 0, 1, 0, 0, 0, 9]);
    write("rtcp", "fir", [0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 7, 0, 0, 0]);
    write("rtcp", "xr", [0x80, 207, 0, 4, 0, 0, 0, 1, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]);
}

fn step(out: &mut Vec<u8>, what: u8, bytes: &[u8]) {
    out.push(what);
    out.extend((bytes.len() as u16).to_be_bytes());
    out.extend(bytes);
}

fn wait(out: &mut Vec<u8>, ms: u16) {
    out.push(script::WAIT);
    out.extend(ms.to_be_bytes());
}

/// A script of the insider's camera, microphone and reports, with the honest one between.
fn lesson(options: u8) -> Vec<u8> {
    let mut out = vec![options];
    let (payload_type, key, delta) =
        if options & script::H264 == 0 { (96, VP8_KEY, VP8_DELTA) } else { (102, H264_KEY, H264_IDR) };
    for n in 0..12u16 {
        step(&mut out, script::RTP, &packet(111, 50, n, &[(1, b"0"), (5, &[0x80])], b"sound"));
        for (layer, rid) in [b"q", b"h", b"f"].into_iter().enumerate() {
            let payload = if n % 4 == 0 { key } else { delta };
            let number = [0, n as u8 * 3 + layer as u8];
            let extensions = [(1, &b"1"[..]), (2, &rid[..]), (4, &number[..])];
            step(&mut out, script::RTP, &packet(payload_type, 60 + layer as u32, n, &extensions, payload));
        }
        step(&mut out, script::HONEST, &[]);
        if n % 3 == 2 {
            wait(&mut out, 40);
            step(&mut out, script::RTCP, &report(REPORTS[usize::from(n / 3) % 4], 60));
            step(&mut out, script::RTCP, &report(REPORTS[usize::from(n) % 6], slot(2)));
        }
    }
    let again = [&[0, 5][..], delta].concat();
    step(&mut out, script::RTP, &packet(payload_type + 1, 90, 1, &[(1, b"1"), (3, b"q")], &again));
    wait(&mut out, 300);
    out
}

fn scripts() {
    write("connected", "lesson-vp8", lesson(0));
    write("connected", "lesson-h264", lesson(script::H264));
    write("connected", "lesson-old-cipher", lesson(script::OLD_CIPHER));
    write("connected", "lesson-old-cipher-h264", lesson(script::OLD_CIPHER | script::H264));
    let mut out = vec![0];
    for n in 0..40u16 {
        step(&mut out, script::RTP, &packet(111, 1_000 + u32::from(n), n, &[(1, b"0")], b"x"));
        step(&mut out, script::RTCP, &report("receiver", 2_000 + u32::from(n)));
        step(&mut out, script::REPLAY, &packet(96, 8, n * 300, &[(1, b"1"), (2, b"q")], VP8_KEY));
    }
    write("connected", "many-sources", &out);
    let mut out = vec![0];
    for n in 0..20u8 {
        step(&mut out, script::MOVE, &[]);
        step(&mut out, script::STRANGER, &packet(111, 50, n.into(), &[(1, b"0")], b"x"));
        step(&mut out, script::RAW, &record(1, n, 0, 0, &[]));
        step(&mut out, script::RAW, &record(20, n, 40, 3, &[n]));
        step(&mut out, script::RAW, &[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, n, 0, 2, 2, 40]);
        step(&mut out, script::RAW, &[0; 20]);
        step(&mut out, script::HONEST, &[]);
    }
    write("connected", "moves-and-noise", &out);
}

fn websocket() {
    let frame = |first: u8, payload: &[u8]| {
        let length = match payload.len() {
            short @ 0..=125 => vec![0x80 | short as u8],
            long => [vec![0xfe], (long as u16).to_be_bytes().to_vec()].concat(),
        };
        let mask = [1, 200, 3, 77];
        let masked: Vec<u8> = payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
        [vec![first], length, mask.to_vec(), masked].concat()
    };
    let text = frame(0x81, "{\"type\":\"ping\",\"sent\":1}".as_bytes());
    write("frames", "text", &text);
    write("frames", "long", [frame(0x81, &[b'x'; 300]), text.clone()].concat());
    let (head, tail) = "听课教室".as_bytes().split_at(4);
    let parts = [frame(0x01, head), frame(0x89, b"now"), frame(0x00, &[]), frame(0x80, tail)];
    write("frames", "fragments", parts.concat());
    write("frames", "controls", [frame(0x8a, &[]), frame(0x82, b"b"), frame(0x88, &[3, 232])].concat());
    write("frames", "too-long", [&[0x81, 0xff][..], &[0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]].concat());
}

fn signalling() {
    let insider = Insider::new(false);
    write("sdp", "insider", insider.offer());
    let sources = vec![("0".to_owned(), SourceKind::Mic), ("1".to_owned(), SourceKind::Camera)];
    let request = PeerRequest { sources, prefer_video: Codec::Vp8 };
    let accepted = negotiator().accept(0, &insider.offer(), &request).unwrap();
    write("sdp", "an-answer", &accepted.sdp);
    write("fragment", "answer", accepted.answer.fragment());
    write(
        "fragment",
        "candidates",
        "a=ice-ufrag:EsAw\r\na=ice-pwd:0123456789abcdefghijkl\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
         a=candidate:1 1 udp 2130706431 192.0.2.7 4444 typ host generation 0\r\n\
         a=candidate:1 1 UDP 2122252543 0d7ee52e-1f7b.local 53124 typ host\r\na=end-of-candidates\r\n",
    );
    let id = |text: &str| ParticipantId::new(text).unwrap();
    let state = OwnState {
        mic: true,
        camera: true,
        content: false,
        sound: true,
        hidden: true,
        ..OwnState::default()
    };
    let (request, kind) = (1, SourceKind::Camera);
    let tracks = vec![TrackIntent { mid: "1".into(), kind }];
    for (name, message) in [
        ("join", ClientMessage::Join { version: 1, token: "eyJ".into(), language: "zh-CN".into() }),
        ("offer", ClientMessage::Offer { request, sdp: "v=0\r\n".into(), tracks }),
        ("restart", ClientMessage::RestartIce { request, sdp: "v=0\r\n课".into() }),
        ("state", ClientMessage::State { state }),
        ("mute", ClientMessage::Mute { request, participant: id("CY-S01:4"), kind, muted: true }),
        ("mute-all", ClientMessage::MuteAll { request }),
        ("kick", ClientMessage::Kick { request, participant: id("c1") }),
        ("start", ClientMessage::StartLesson { request }),
        ("end", ClientMessage::EndLesson { request }),
        ("layer", ClientMessage::SelectLayer { request, mid: "4".into(), max_layer: 2 }),
        ("call-on", ClientMessage::CallOn { request, participant: id("c1") }),
        ("release", ClientMessage::ReleaseFloor { request, participant: None }),
        ("lower", ClientMessage::LowerHand { request, participant: Some(id("c1")) }),
        ("mode", ClientMessage::SetMode { request, mode: Mode::Discuss }),
        ("hand-over", ClientMessage::HandOverLead { request, participant: id("c1") }),
        ("wall", ClientMessage::ShowWall { participants: vec![id("c1"), id("c2")] }),
        ("trouble", ClientMessage::SignalTrouble { request, kind: Trouble::CannotSee }),
        ("headcount", ClientMessage::Headcount { request, present: 27 }),
        ("keep_mic", ClientMessage::KeepMic { request, kept: true }),
        ("echo_heard", ClientMessage::EchoHeard),
        ("watch", ClientMessage::Watch { request }),
        ("leave", ClientMessage::Leave),
        ("ping", ClientMessage::Ping { sent: 1_234.5 }),
    ] {
        write("message", name, serde_json::to_string(&message).unwrap());
    }
    write("message", "depth-64", "[".repeat(64));
    write("message", "depth-65", "[".repeat(65));
    let tokens = Tokens::new(&Secret::new(SECRET.to_owned()), 30);
    for (name, role, shown) in [("lead", Role::Lead, "王老师"), ("receiver", Role::Receiver, "东片小学")]
    {
        let (lesson, sub) = (LessonId::new("CY-S01").unwrap(), id("c1"));
        let token = tokens.issue(&lesson, role, shown, &sub, VALID, NOW).unwrap();
        write("token", name, &token);
        let claims = format!(
            "{{\"aud\":\"zhuandi\",\"exp\":{},\"nbf\":{NOW},\"iat\":{NOW},\"lesson\":\"CY-S01\",\
             \"role\":\"{name}\",\"name\":\"{shown}\",\"sub\":\"c1\"}}",
            NOW + 3_600
        );
        write("claims", name, claims);
    }
    write("token", "none", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJhdWQiOiJ6aHVhbmRpIn0.");
}
