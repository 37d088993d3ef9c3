//! Targets that read datagrams: framed on a stream, who it is for, STUN, the first ClientHello, RTP, payloads, RTCP.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use bytes::BytesMut;

use crate::media::codec::{Codec, Numbers};
use crate::media::demux::Kind;
use crate::media::red::{MAX_BLOCKS, Red, opus_duration};
use crate::media::rtp::{Outgoing, RtpHeader, is_rtcp};
use crate::media::tcp::frames::{Broken, Frames, LONGEST};
use crate::media::transport::CryptoProvider;
use crate::media::transport::crypto_provider;
use crate::media::transport::dtls::{Dtls, DtlsContext, Progress};
use crate::media::transport::ice::{BindingRequest, IceCredentials};
use crate::media::transport::rtcp::{Compound, ReceptionBlock, Said, read};

/// Longest STUN reply: a success with an IPv6 address, integrity and fingerprint has 76 bytes.
const MAX_REPLY: usize = 100;

pub(super) struct Shared {
    pub provider: Arc<dyn CryptoProvider>,
    pub dtls: DtlsContext,
}

/// Made once: a certificate for each input would be most of the work.
pub(super) static SHARED: LazyLock<Shared> = LazyLock::new(|| {
    let provider = crypto_provider().expect("the process has cryptography");
    let dtls = DtlsContext::new(provider.clone()).expect("a self-signed certificate can be made");
    Shared { provider, dtls }
});

/// The two sides of the corpus's checks.
#[must_use]
pub fn credentials() -> (IceCredentials, IceCredentials) {
    let side = |ufrag: &str, pwd: &str| IceCredentials { ufrag: ufrag.into(), pwd: pwd.into() };
    (side("serverUf", "server-password-of-24-chr"), side("clnt", "client-password-of-24-chr"))
}

/// Frames on a stream: the same ones however its bytes arrive.
pub fn stream(input: &[u8]) {
    let cut = |piece: usize| {
        let mut frames = Frames::default();
        let mut all: Vec<Vec<u8>> = Vec::new();
        let mut end: Result<(), Broken> = Ok(());
        for part in input.chunks(piece.max(1)) {
            let take = |frame: &mut [u8]| {
                assert!((1..=LONGEST).contains(&frame.len()));
                all.push(frame.to_vec());
                frame != b"enough"
            };
            end = frames.read(&mut part.to_vec(), take);
            if end.is_err() {
                break;
            }
        }
        (all, end)
    };
    let whole = cut(input.len());
    for piece in [1, 3, 1_460] {
        assert_eq!(cut(piece), whole, "in pieces of {piece}");
    }
}

/// Sorting by the first byte, then STUN as far as a stranger gets.
pub fn demux(input: &[u8]) {
    let kind = Kind::of(input);
    match input.first() {
        None => assert_eq!(kind, Kind::Unknown),
        Some(first) => {
            assert_eq!(kind == Kind::Media, first >> 6 == 2);
            assert_eq!(kind == Kind::Stun, *first < 4);
        }
    }
    if is_rtcp(input) {
        assert!(input.len() >= 8, "its sender's SSRC is there");
    }
    let Some(mut request) = BindingRequest::parse(input) else {
        return;
    };
    assert!(input.len() <= 512 && !request.local_ufrag().contains(':'));
    let ((local, remote), crypto) = (credentials(), SHARED.provider.crypto());
    let Some(_) = request.authenticate(&local, &remote, crypto) else {
        return;
    };
    assert_eq!(request.local_ufrag(), local.ufrag);
    // With another password it must not pass: what let it in was the integrity alone.
    let mut again = BindingRequest::parse(input).expect("it parsed a moment ago");
    let other = IceCredentials { pwd: "another-password-of-24-ch".into(), ..local.clone() };
    assert!(again.authenticate(&other, &remote, crypto).is_none(), "passed with any password");
    for from in ["192.0.2.7:4444", "[2001:db8::7]:4444"] {
        let from: SocketAddr = from.parse().expect("an address");
        for reply in [request.success(from, &local, crypto), request.role_conflict(&local, crypto)] {
            assert!((20..=MAX_REPLY).contains(&reply.len()), "a reply of {} bytes", reply.len());
            assert_eq!(reply[4..20], input[4..20], "cookie and transaction are the request's");
            assert!(BindingRequest::parse(&reply).is_none(), "a reply is no request");
        }
    }
}

/// Datagrams (length-prefixed, see [`datagrams`]) to the handshake of one peer.
pub fn hello(input: &[u8]) {
    let mut dtls = Dtls::new(&SHARED.dtls, [0; 32]);
    let now = Instant::now();
    let (mut taken, mut given) = (0, 0);
    for datagram in datagrams(input) {
        let mut out: Vec<BytesMut> = Vec::new();
        let progress = dtls.read(now, datagram, &mut out);
        assert!(!matches!(progress, Progress::Connected(_)), "nobody proved a certificate");
        taken += datagram.len();
        given += out.iter().map(BytesMut::len).sum::<usize>();
        // The cookie exchange comes first and cannot be guessed: what goes out stays small.
        assert!(given <= 2 * taken + 100, "{given} bytes for {taken}");
        assert!(dtls.held_bytes() <= 96 * 1024, "{} bytes held", dtls.held_bytes());
    }
    let mut out = Vec::new();
    dtls.close(now, &mut out);
    assert!(out.iter().map(BytesMut::len).sum::<usize>() <= 100);
}

/// An input as several datagrams: each stands behind its length (16 bits); the rest is the last.
pub fn datagrams(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if input.is_empty() {
            return None;
        }
        let (head, rest) = input.split_first_chunk::<2>().unwrap_or((&[0xff, 0xff], input));
        let (datagram, rest) = rest.split_at(usize::from(u16::from_be_bytes(*head)).min(rest.len()));
        input = rest;
        Some(datagram)
    })
}

/// Headers and header extensions.
pub fn rtp(input: &[u8]) {
    let Some(header) = RtpHeader::read(input) else {
        return;
    };
    assert!((12..=255).contains(&header.length) && header.length <= input.len());
    let bounds = input.as_ptr_range();
    for id in 0..=15 {
        let Some(data) = header.extension(input, id) else {
            continue;
        };
        assert!((1..=14).contains(&id) && (1..=16).contains(&data.len()));
        let inside = data.as_ptr_range();
        let end = input[..header.length].as_ptr_range().end;
        assert!(inside.start > bounds.start && inside.end <= end, "inside of the header");
    }
    let first = (1..=14).find_map(|id| Some((id, *header.extension(input, id)?.first()?)));
    let other = first.map_or(1, |(id, _)| id % 14 + 1);
    let second = first.map(|(_, value)| (other, u16::from(value) << 8 | u16::from(header.payload_type)));
    let outgoing = Outgoing {
        payload_type: header.payload_type,
        marker: header.marker,
        sequence: header.sequence,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
        extension: first,
        transport_cc: second,
    };
    let mut written = Vec::new();
    let length = outgoing.write(&mut written);
    let again = RtpHeader::read(&written).expect("what we write is RTP");
    assert_eq!(
        (again.length, again.payload_type, again.marker),
        (length, header.payload_type, header.marker)
    );
    assert_eq!(
        (again.sequence, again.timestamp, again.ssrc),
        (header.sequence, header.timestamp, header.ssrc)
    );
    if let Some((id, value)) = first {
        assert_eq!(again.extension(&written, id), Some(&[value][..]));
        assert_eq!(again.extension(&written, other), Some(&[value, header.payload_type][..]));
    }
}

/// Payloads as every codec; the numbers of VP8 and VP9 are patched there and back.
pub fn codec(input: &[u8]) {
    for codec in Codec::ALL {
        let seen = codec.inspect(input);
        assert!(!seen.key_start || !input.is_empty());
        assert_eq!(seen, codec.inspect(input), "the same bytes, the same answer");
        if let Some(numbers) = seen.numbers {
            patched(codec, numbers, input);
        }
    }
    redundancy(input);
}

/// Opus with redundancy, and how long a frame lasts.
fn redundancy(input: &[u8]) {
    if let Some(ticks) = opus_duration(input) {
        assert!((1..=5_760).contains(&ticks), "120 ms at most (RFC 6716 §3.2.5), not {ticks}");
    }
    let Some(red) = Red::read(input, 111) else {
        return;
    };
    assert!(red.primary.end == input.len() && red.primary.start <= red.primary.end);
    let blocks: Vec<_> = red.redundant().collect();
    assert!(blocks.len() <= MAX_BLOCKS);
    assert!(
        blocks.iter().all(|b| b.data.end <= red.primary.start && !b.data.is_empty() && b.offset < 1 << 14)
    );
}

fn patched(codec: Codec, numbers: Numbers, input: &[u8]) {
    let mut payload = input.to_vec();
    numbers.patch(&mut payload, 0x1234, 7);
    assert_eq!(payload.len(), input.len());
    let changed = payload.iter().zip(input).filter(|(a, b)| a != b).count();
    assert!(changed <= 3, "a picture id and a TL0PICIDX at most, not {changed} bytes");
    assert_eq!(codec.inspect(&payload), codec.inspect(input), "still the same kind of payload");
    numbers.patch(&mut payload, 0u16.wrapping_sub(0x1234), 0u8.wrapping_sub(7));
    assert_eq!(payload, input, "there and back");
}

/// Decrypted compound packets.
pub fn rtcp(input: &[u8]) {
    let mut all = Vec::new();
    read(BytesMut::from(input), |said| all.push(said));
    let mut compound = Compound::default();
    for said in &all {
        match said {
            Said::SenderReport { ssrc, ntp, rtp } => compound.sender_report(*ssrc, *ntp, *rtp, 0, 0),
            Said::Reception { ssrc, fraction_lost, total_lost, last_report, delay } => {
                assert!(*total_lost <= 0xff_ffff, "a field of 24 bits");
                let (fraction_lost, total_lost) = (*fraction_lost, *total_lost);
                let (last_report, delay) = (*last_report, *delay);
                let block = ReceptionBlock {
                    ssrc: *ssrc,
                    fraction_lost,
                    total_lost,
                    last_report,
                    delay,
                    ..ReceptionBlock::default()
                };
                compound.receiver_report(1, &[block]);
            }
            Said::Nack { ssrc, sequence_numbers } => {
                assert!(sequence_numbers.len() <= 17 * input.len() / 4, "17 numbers in four bytes at most");
                compound.nack(1, *ssrc, sequence_numbers);
            }
            Said::KeyFrameWanted { ssrc } => compound.picture_loss(1, *ssrc),
            Said::Deliveries(told) => {
                let mut count = 0u16;
                told.each(|_, _| count += 1);
                assert_eq!(count, told.count(), "every packet once");
                assert!(count <= 2048, "bounded, whatever it claims");
            }
            Said::Estimate { .. } => {}
        }
    }
    assert!(all.len() <= input.len() / 8 + 1, "{} things said in {} bytes", all.len(), input.len());
    // Sorted lists of numbers come back as they were; the corpus's hostile ones may repeat.
    let in_order = |s: &Said| match s {
        Said::Nack { sequence_numbers, .. } => {
            !sequence_numbers.is_empty() && sequence_numbers.windows(2).all(|w| w[0] < w[1])
        }
        // Not written again here: arrivals are rounded to steps, and estimates we do not send.
        Said::Deliveries(_) | Said::Estimate { .. } => false,
        _ => true,
    };
    if !all.iter().all(in_order) || compound.is_empty() {
        return;
    }
    let mut again = Vec::new();
    read(compound.finish(), |said| again.push(said));
    assert_eq!(again, all, "what we write says the same");
}
