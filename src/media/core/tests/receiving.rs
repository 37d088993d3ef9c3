//! What is taken from a sender, and what it is told about it.

use std::ops::Range;

use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;

use super::client::{MID, REPAIRED_RID, RID, Rtp, TRANSPORT_CC};
use super::*;
use crate::media::output::Path;

const SOUND: [(u8, &[u8]); 1] = [(MID, b"0")];
const PICTURE: [(u8, &[u8]); 1] = [(MID, b"1")];

/// All packets of one kind in what a client heard, and forgets them.
fn heard<P: Clone + 'static>(w: &mut World, client: usize) -> Vec<P> {
    let heard = std::mem::take(&mut w.clients[client].heard);
    let packets = heard.into_iter().flat_map(|mut c| rtc_rtcp::packet::unmarshal(&mut c).unwrap());
    packets.filter_map(|p| p.as_any().downcast_ref::<P>().cloned()).collect()
}

/// The latest reception report about one of the client's streams.
fn reception(w: &mut World, client: usize, ssrc: u32) -> ReceptionReport {
    let blocks = heard::<ReceiverReport>(w, client).into_iter().flat_map(|r| r.reports);
    blocks.filter(|b| b.ssrc == ssrc).last().expect("a report")
}

fn feedback(w: &mut World, client: usize) -> Vec<TransportLayerCc> {
    heard(w, client)
}

#[test]
fn what_was_not_negotiated_is_not_taken() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(100));
    let before = w.received(boards[0], 0).len() + w.received(boards[0], 2).len();
    let bad = w.core.stats.packets_unauthentic;
    let client = &mut w.clients[lead];
    // Another payload type on a known stream, a stream that says nothing or a wrong name of itself.
    let wrong = [
        Rtp { extensions: &SOUND, ..Rtp::new(client.ssrc(0), 96, client.next(0), b"x") },
        Rtp::new(client.ssrc(0), 97, client.next(0), b"x"),
        Rtp::new(77, 111, 1, b"x"),
        Rtp { extensions: &PICTURE, ..Rtp::new(78, 111, 1, b"x") },
        Rtp { extensions: &[(MID, b"9")], ..Rtp::new(79, 96, 1, b"x") },
        Rtp { extensions: &SOUND, ..Rtp::new(80, 0, 1, b"x") },
    ];
    for packet in &wrong {
        client.send(packet);
    }
    w.exchange();
    assert_eq!(w.received(boards[0], 0).len() + w.received(boards[0], 2).len(), before);
    assert_eq!(w.core.stats.packets_unauthentic - bad, wrong.len() as u64);
    let peer = w.core.peers.iter().find(|(_, p)| !p.sources.is_empty()).unwrap().1;
    assert_eq!(peer.traffic.bad, wrong.len() as u64);
}

#[test]
fn layers_are_told_by_their_rid() {
    let (mut w, lead, boards) = lesson(2, 1);
    w.teach(lead, MS(400));
    let known = w.received(boards[0], 2).len();
    let client = &mut w.clients[lead];
    // Without a rid, or with one that was not offered, nobody knows which layer it is.
    client.send(&Rtp { extensions: &PICTURE, ..Rtp::new(90, 96, 1, b"x") });
    client.send(&Rtp { extensions: &[(MID, b"1"), (RID, b"f")], ..Rtp::new(91, 96, 1, b"x") });
    w.exchange();
    assert_eq!(w.core.stats.packets_unauthentic, 2);
    assert_eq!(w.received(boards[0], 2).len(), known);
}

#[test]
fn padding_is_cut_off_and_leaves_no_hole() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(200));
    let client = &mut w.clients[lead];
    let send = |client: &mut client::Client, payload: &[u8], padding| {
        let sequence = client.next(0);
        let ssrc = client.ssrc(0);
        client.send(&Rtp { extensions: &SOUND, padding, ..Rtp::new(ssrc, 111, sequence, payload) });
    };
    send(client, b"padded", 9);
    send(client, b"", 200);
    send(client, b"sound", 0);
    w.exchange();
    let sound = w.received(boards[0], 0);
    let (padded, last) = (sound[sound.len() - 2], sound[sound.len() - 1]);
    assert_eq!((&padded.payload[..], &last.payload[..]), (&b"padded"[..], &b"sound"[..]));
    assert_eq!(last.sequence, padded.sequence.wrapping_add(1));
}

#[test]
fn padding_that_is_longer_than_the_packet_is_refused() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(100));
    let before = w.received(boards[0], 0).len();
    // The flag is set, and what stands last in the payload counts more than its 4 bytes: into the
    // header, or beyond the whole packet.
    for claimed in [5, 10, 200] {
        let client = &mut w.clients[lead];
        let (ssrc, sequence) = (client.ssrc(0), client.next(0));
        let payload = [1, 1, 1, claimed];
        client.send_flagged(&Rtp { extensions: &SOUND, ..Rtp::new(ssrc, 111, sequence, &payload) });
        let bad = w.core.stats.packets_unauthentic;
        w.exchange();
        assert_eq!(w.core.stats.packets_unauthentic, bad + 1, "{claimed}");
    }
    w.teach(lead, MS(100));
    assert_eq!(w.received(boards[0], 0).len(), before + 5);
    assert_eq!(w.core.stats.panics, 0);
}

#[test]
fn streams_are_counted_only_when_they_are_authentic_and_then_capped() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(100));
    let from = w.clients[lead].address;
    let strangers: Range<u32> = 5_000..5_100;
    for ssrc in strangers {
        let packet = Rtp { extensions: &SOUND, ..Rtp::new(ssrc, 111, 1, b"sound") };
        let mut forged = w.clients[lead].sealed(&packet);
        let last = forged.len() - 1;
        forged[last] ^= 1;
        w.inject(from, &mut forged);
    }
    assert_eq!(w.core.stats.packets_unauthentic, 100);
    let before = w.received(boards[0], 0).len();
    // Two are taken by sound and camera.
    for ssrc in 6_000..6_040 {
        let packet = Rtp { extensions: &SOUND, ..Rtp::new(ssrc, 111, 1, b"sound") };
        w.clients[lead].send(&packet);
        w.exchange();
    }
    assert_eq!(w.received(boards[0], 0).len() - before, 30);
    assert_eq!(w.core.stats.packets_unauthentic, 110);
}

/// The payload of each number of a slot, in order, as a receiver with RTX would have it.
fn repaired(w: &World, board: usize, slot: u8) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = w.received(board, slot).iter().map(|p| (p.sequence, p.payload.clone())).collect();
    all.sort();
    for pair in all.windows(2) {
        assert_eq!(pair[1].0, pair[0].0 + 1, "a hole, or one twice");
    }
    all.into_iter().map(|(_, p)| p).collect()
}

#[test]
fn a_repair_of_the_sender_takes_its_place() {
    // A single stream is known by its MID, a layer by the rid that it repairs.
    for (layers, names) in [(1, &PICTURE[..]), (2, &[(MID, &b"1"[..]), (REPAIRED_RID, &b"q"[..])][..])] {
        let (mut w, lead, boards) = lesson(layers, 1);
        let camera = w.source(lead, SourceKind::Camera);
        w.route(boards[0], 2, Some(camera), 0);
        w.teach(lead, MS(400));
        let at = w.now - w.start;
        w.clients[lead].send_pictures(at);
        let ssrc = w.clients[lead].ssrc(1);
        // The layer's packet is lost on the way …
        let lost = w.clients[lead].last(1);
        let of_layer = |p: &Vec<u8>| p[8..12] == ssrc.to_be_bytes();
        let position = w.clients[lead].out.iter().position(of_layer).unwrap();
        w.clients[lead].out.remove(position);
        w.exchange();
        w.teach(lead, MS(100));
        let asked: Vec<u16> = w.clients[lead]
            .said
            .iter()
            .flat_map(|s| match s {
                Said::Nack { ssrc: s, sequence_numbers } if *s == ssrc => sequence_numbers.clone(),
                _ => Vec::new(),
            })
            .collect();
        assert!(asked.contains(&lost), "{asked:?}");
        // … and comes again, behind an empty probe and one for a packet that is here already.
        let client = &mut w.clients[lead];
        let frame = client.frames() - 2;
        let original = client.picture_of(frame);
        let mut payload = lost.to_be_bytes().to_vec();
        payload.extend(&original);
        let timestamp = client.timestamp(1, 90_000, at);
        let rtx = |sequence, payload| Rtp {
            timestamp,
            marker: true,
            extensions: names,
            ..Rtp::new(4_000, 97, sequence, payload)
        };
        client.send(&rtx(1, &[]));
        client.send(&rtx(2, &[7]));
        client.send(&rtx(3, &payload));
        client.send(&rtx(4, &payload));
        w.exchange();
        let before = w.received(boards[0], 2).len();
        let seen = repaired(&w, boards[0], 2);
        assert_eq!(seen.len(), before);
        let frames: Vec<u32> = w.received(boards[0], 2).iter().map(|p| p.tag().frame).collect();
        assert!(frames.contains(&frame), "layers {layers}: frame {frame} in {frames:?}");
        // Feedback goes in the name of what it sends, not of its repairs.
        assert_eq!(w.core.peers.iter().find_map(|(_, p)| p.any_ssrc()), Some(w.clients[lead].ssrc(0)));
    }
}

#[test]
fn a_repair_before_anything_to_repair_does_nothing() {
    let mut w = World::new();
    let lead = w.join_connected(&Offer::lead(1));
    let packet = Rtp { extensions: &PICTURE, ..Rtp::new(4_000, 97, 1, &[0, 1, 0x90, 0x80]) };
    w.clients[lead].send(&packet);
    w.exchange();
    assert!(w.core.sources.iter().all(|(_, s)| s.layers[0].is_none() && !s.flowing));
    // A report of the repair stream is none of the picture's clock.
    let mut compound = Compound::default();
    compound.sender_report(4_000, 1 << 40, 1, 1, 1);
    w.clients[lead].send_rtcp(compound);
    w.exchange();
    w.teach(lead, MS(40));
    let peer = w.core.peers.iter().next().unwrap().1;
    // A stream whose clock is known has no time while its sender's is not.
    let mut stream = crate::media::clock::StreamClock::new(90_000);
    stream.report(1 << 40, 0);
    assert_eq!(stream.captured(0, &peer.clock), None);
}

#[test]
fn reception_reports_tell_what_came_and_what_did_not() {
    let mut w = World::new();
    let lead = w.join_connected(&Offer::lead(1));
    // The microphone's numbers begin at 65,001 and wrap.
    for n in 0..1_000 {
        if n % 4 == 1 {
            w.clients[lead].lose_one(0);
        } else {
            w.clients[lead].send_audio(w.now - w.start);
        }
        w.exchange();
        w.run(MS(20));
    }
    let mic = w.clients[lead].ssrc(0);
    let report = reception(&mut w, lead, mic);
    assert!((65_950..=66_000).contains(&report.last_sequence_number));
    let expected = report.last_sequence_number - 65_000;
    let off = i64::from(report.total_lost) - i64::from(expected / 4);
    assert!(off.abs() <= 1, "{} of {expected} lost", report.total_lost);
    assert!((60..=68).contains(&report.fraction_lost), "{} of 256 is a quarter", report.fraction_lost);
    assert!(report.jitter <= 1, "all came in time: {}", report.jitter);
    assert_eq!((report.last_sender_report, report.delay), (0, 0), "it sent none");
    // The next second nothing is lost, and packets come up to 10 ms late.
    let at = w.now - w.start;
    w.clients[lead].report(at);
    let ntp = crate::media::clock::micros_to_ntp(at.as_micros() as i64 + w.clients[lead].wall);
    w.exchange();
    for n in 0..100 {
        w.clients[lead].send_audio(w.now - w.start - MS(n % 2 * 10).min(w.now - w.start));
        w.exchange();
        w.run(MS(20));
    }
    let report = reception(&mut w, lead, mic);
    assert_eq!(report.fraction_lost, 0);
    assert!((240..=300).contains(&report.total_lost), "{} since the beginning", report.total_lost);
    // 10 ms at 48 kHz.
    assert!((400..=480).contains(&report.jitter), "{}", report.jitter);
    assert_eq!(report.last_sender_report, (ntp >> 16) as u32);
    let delay = f64::from(report.delay) / 65_536.0;
    assert!((1.0..=2.1).contains(&delay), "{delay} s since its report");
    // A jump of the stream's clock is no jitter.
    w.clients[lead].send_audio(w.now - w.start + MS(3_000));
    w.exchange();
    w.run(MS(1_000));
    let report = reception(&mut w, lead, mic);
    assert!(report.jitter <= 480, "{}", report.jitter);
}

#[test]
fn a_packet_that_overtakes_the_first_counts_from_the_beginning() {
    let mut w = World::new();
    let lead = w.join_connected(&Offer::lead(1));
    let ssrc = w.clients[lead].ssrc(0);
    for sequence in [101u16, 100, 102, 104] {
        w.clients[lead].send(&Rtp { extensions: &SOUND, ..Rtp::new(ssrc, 111, sequence, b"sound") });
    }
    w.exchange();
    w.run(MS(1_100));
    let report = reception(&mut w, lead, ssrc);
    assert_eq!(
        (report.total_lost, report.fraction_lost, report.last_sequence_number),
        (1, 51, 104),
        "one of five"
    );
}

#[test]
fn arrivals_are_fed_back_in_the_name_of_a_stream() {
    let (mut w, lead, _) = lesson(1, 1);
    w.teach(lead, MS(100));
    feedback(&mut w, lead);
    // Numbers count over all streams; 3 gets lost, and 2 has waited 7 ms in the kernel.
    let start = w.now - w.start;
    for number in [65_534u16, 65_535, 0, 1, 2, 4] {
        let client = &mut w.clients[lead];
        let names = [(MID, &b"0"[..]), (TRANSPORT_CC, &number.to_be_bytes()[..])];
        let (ssrc, sequence) = (client.ssrc(0), client.next(0));
        let packet = Rtp { extensions: &names, ..Rtp::new(ssrc, 111, sequence, b"sound") };
        let mut sealed = client.sealed(&packet);
        let from = Path::udp(client.address, None);
        let waited = if number == 2 { MS(7) } else { MS(0) };
        w.core.handle_datagram(&mut sealed, from, waited, w.now);
        w.run(MS(10));
    }
    w.run(MS(100));
    let all = feedback(&mut w, lead);
    let mut arrived: Vec<(u16, i64)> = Vec::new();
    for (n, report) in all.iter().enumerate() {
        assert_eq!(report.media_ssrc, w.clients[lead].ssrc(0));
        assert_eq!(u64::from(report.fb_pkt_count), n as u64);
        let mut at = i64::from(report.reference_time) * 64_000;
        let symbols = report.packet_chunks.iter().flat_map(|c| match c {
            rtc_rtcp::transport_feedbacks::transport_layer_cc::PacketStatusChunk::StatusVectorChunk(v) => {
                v.symbol_list.clone()
            }
            rtc_rtcp::transport_feedbacks::transport_layer_cc::PacketStatusChunk::RunLengthChunk(_) => {
                panic!("we write vectors")
            }
        });
        let mut deltas = report.recv_deltas.iter();
        for (i, symbol) in symbols.take(usize::from(report.packet_status_count)).enumerate() {
            use rtc_rtcp::transport_feedbacks::transport_layer_cc::SymbolTypeTcc::PacketNotReceived;
            if symbol != PacketNotReceived {
                at += deltas.next().unwrap().delta;
                arrived.push((report.base_sequence_number.wrapping_add(i as u16), at));
            }
        }
    }
    let start = start.as_micros() as i64;
    let expected: Vec<(u16, i64)> = [(65_534, 0), (65_535, 10), (0, 20), (1, 30), (2, 33), (4, 50)]
        .map(|(n, ms)| (n, start + ms * 1000))
        .to_vec();
    assert_eq!(arrived, expected);
    assert!(all.len() <= 3, "at most every 50 ms: {}", all.len());
    // Its stream was replaced by another SSRC: that one is named from now on.
    w.clients[lead].tag += 1;
    w.teach(lead, MS(40));
    let peer = w.core.peers.iter().find(|(_, p)| !p.sources.is_empty()).unwrap().1;
    assert_eq!(peer.any_ssrc(), Some(w.clients[lead].ssrc(0)));
}

#[test]
fn a_source_that_goes_silent_is_told_once_and_told_again_when_it_comes_back() {
    let (mut w, lead, _) = lesson(1, 1);
    let mic = w.source(lead, SourceKind::Mic);
    let told = |w: &World| -> Vec<bool> {
        let of = |e| match e {
            Event::SourceFlowing { source } if source == mic => Some(true),
            Event::SourceStalled { source } if source == mic => Some(false),
            _ => None,
        };
        w.events().into_iter().filter_map(of).collect()
    };
    w.run(MS(5_000));
    assert!(told(&w).is_empty(), "what never came has not stalled");
    w.teach(lead, MS(200));
    assert_eq!(told(&w), [true]);
    w.run(MS(2_900));
    assert!(told(&w).is_empty());
    w.run(MS(5_000));
    assert_eq!(told(&w), [false]);
    w.teach(lead, MS(40));
    assert_eq!(told(&w), [true]);
}

#[test]
fn round_trips_and_losses_are_read_from_reception_reports() {
    use crate::media::transport::rtcp::ReceptionBlock;
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(1_500));
    let ssrc = w.clients[boards[0]].slot_ssrc(2);
    let key = w.core.peer_keys[&w.peer(boards[0])];
    let say = |w: &mut World, last_report, delay| {
        let block =
            ReceptionBlock { ssrc, fraction_lost: 64, last_report, delay, ..ReceptionBlock::default() };
        let mut compound = Compound::default();
        compound.receiver_report(1, &[block]);
        w.clients[boards[0]].send_rtcp(compound);
        w.exchange();
    };
    say(&mut w, 0, 0);
    assert_eq!(w.core.peers[key].rtt, None, "no sender report, no round trip");
    assert_eq!(w.core.peers[key].slots[2].fraction_lost, 64);
    let ntp = |at: Duration| (crate::media::clock::micros_to_ntp(at.as_micros() as i64) >> 16) as u32;
    let sent = w.now - w.start;
    w.run(MS(150));
    say(&mut w, ntp(sent), 65_536 / 10);
    let rtt = w.core.peers[key].rtt.unwrap();
    assert!((MS(49)..=MS(51)).contains(&rtt), "150 ms, of which it held it 100: {rtt:?}");
    // A delay that is a bit longer than the whole is nothing, not 18 hours.
    say(&mut w, ntp(sent), 65_536 / 6);
    assert_eq!(w.core.peers[key].rtt, Some(Duration::ZERO));
}

#[test]
fn a_board_that_cannot_decode_gets_a_key_frame_at_most_once_a_second() {
    let (mut w, lead, boards) = lesson(1, 2);
    w.teach(lead, MS(2_500));
    let before = w.clients[lead].key_requests;
    for n in 0..40 {
        let board = boards[n % 2];
        let mut compound = Compound::default();
        compound.picture_loss(1, w.clients[board].slot_ssrc(2));
        compound.picture_loss(1, 12_345);
        w.clients[board].send_rtcp(compound);
        w.teach(lead, MS(40));
        if n == 0 {
            assert_eq!(w.clients[lead].key_requests, before + 1, "at once");
        }
    }
    let asked = w.clients[lead].key_requests - before;
    assert_eq!(asked, 2, "in 1.6 s");
    assert!(pictures(&w, boards[0], 2).len() > 90);
}

#[test]
fn what_is_beyond_repair_is_mended_by_a_key_frame() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(2_000));
    // One packet for good: asked for ten times at most, then a key frame.
    let before = w.clients[lead].key_requests;
    w.clients[lead].lose_one(1);
    w.teach(lead, MS(600));
    assert_eq!(w.clients[lead].key_requests, before);
    w.teach(lead, MS(800));
    assert_eq!(w.clients[lead].key_requests, before + 1);
    // An outage of 300 packets: a key frame without asking for any of them.
    w.teach(lead, MS(1_500));
    w.clients[lead].said.clear();
    for _ in 0..300 {
        w.clients[lead].lose_one(1);
    }
    w.teach(lead, MS(200));
    assert_eq!(w.clients[lead].key_requests, before + 2);
    assert!(!w.clients[lead].said.iter().any(|s| matches!(s, Said::Nack { .. })));
    assert!(w.received(boards[0], 2).len() > 100);
}

#[test]
fn sound_is_not_asked_for_again() {
    let (mut w, lead, _) = lesson(1, 1);
    w.teach(lead, MS(100));
    for _ in 0..5 {
        w.clients[lead].lose_one(0);
    }
    w.teach(lead, MS(400));
    assert!(!w.clients[lead].said.iter().any(|s| matches!(s, Said::Nack { .. })));
    let mic = &w.core.sources[w.core.source_keys[&w.source(lead, SourceKind::Mic)]];
    assert_eq!(mic.layers[0].as_ref().unwrap().missing.lost, 5);
}
