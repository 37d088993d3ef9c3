//! What a subscriber gets: which source by which turn, reports, joins, repair, numbers.

use std::net::SocketAddr;

use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::SourceDescription;

use super::client::{AUDIO_LEVEL, MID, ORIENTATION, Packet, Rtp};
use super::*;
use crate::media::negotiate::Codec;
use crate::media::output::{Class, Output};

fn key_of(w: &World, client: usize) -> usize {
    w.core.peer_keys[&w.peer(client)]
}

/// The slots that began to flow: (slot, turn).
fn flowing(w: &World) -> Vec<(u8, u32)> {
    let of = |e| match e {
        Event::SlotFlowing { slot, turn, .. } => Some((slot.0, turn)),
        _ => None,
    };
    w.events().into_iter().filter_map(of).collect()
}

/// A board that comes and is fed, and is given no time for more than its handshake.
fn late_board(w: &mut World, lead: usize) -> usize {
    let late = w.join_connected(&Offer::board());
    feed(w, late, lead, 2);
    late
}

#[test]
fn each_assignment_is_announced_with_its_own_turn() {
    let (mut w, lead, boards) = lesson(1, 1);
    let id = w.source(lead, SourceKind::Camera);
    let camera = Some(id);
    w.teach(lead, MS(200));
    flowing(&w);
    w.route_turn(boards[0], 2, camera, 2, 7);
    w.teach(lead, MS(1_200));
    assert_eq!(flowing(&w), [(2, 7)]);
    w.route_turn(boards[0], 2, camera, 1, 7);
    w.teach(lead, MS(200));
    assert!(flowing(&w).is_empty(), "the same again changes nothing");
    w.route_turn(boards[0], 2, None, 2, 8);
    w.teach(lead, MS(200));
    assert!(flowing(&w).is_empty());
    let before = w.received(boards[0], 2).len();
    w.teach(lead, MS(200));
    assert_eq!(w.received(boards[0], 2).len(), before, "a slot that nobody feeds is silent");
    w.route_turn(boards[0], 2, camera, 2, 9);
    w.teach(lead, MS(1_200));
    assert_eq!(flowing(&w), [(2, 9)]);
    let source = &w.core.sources[w.core.source_keys[&id]];
    assert_eq!(source.subscribers.len(), 1);
}

#[test]
fn a_slot_takes_only_what_it_can_show() {
    let mut w = World::new();
    // A lead with receiving lines of her own, and a board that knows another codec.
    let lead = w.join_connected(&Offer::lead(1));
    let board = w.join_connected(&Offer { shows: Some(Codec::H264), ..Offer::board() });
    let (mic, camera) = (w.source(lead, SourceKind::Mic), w.source(lead, SourceKind::Camera));
    w.route(lead, 0, Some(mic), 2);
    w.route(lead, 2, Some(camera), 2);
    w.route(board, 0, Some(camera), 2);
    w.route(board, 2, Some(camera), 2);
    w.route(board, 3, Some(mic), 2);
    w.teach(lead, MS(400));
    assert!(w.clients[lead].received.is_empty() && w.clients[board].received.is_empty());
    assert_eq!((w.core.sources.len(), w.core.stats.panics), (2, 0));
    assert!(w.core.sources.iter().all(|(_, s)| s.subscribers.is_empty()));
    assert_eq!(w.clients[lead].key_requests, 0, "nobody could use one");
    assert!(!w.core.peers[key_of(&w, board)].slots[2].takes(Codec::Vp8));
}

#[test]
fn a_group_of_pictures_that_is_old_or_large_or_has_a_hole_is_not_replayed() {
    // (how long since the key frame, what spoils it, whether the joiner gets it at once)
    for (age, lost, gets) in [(1_600, false, true), (2_400, false, false), (1_000, true, false)] {
        let (mut w, lead, _) = lesson(1, 1);
        w.teach(lead, MS(100));
        w.clients[lead].stubborn = true;
        w.teach(lead, MS(age - 100));
        if lost {
            w.clients[lead].lose_one(1);
            w.teach(lead, MS(40));
        }
        let late = late_board(&mut w, lead);
        assert_eq!(!w.received(late, 2).is_empty(), gets, "{age} ms, hole: {lost}");
    }
    let (mut w, lead, _) = lesson(1, 1);
    w.teach(lead, MS(100));
    w.clients[lead].stubborn = true;
    // 1.1 kB each: 250 kB are passed after 227 pictures.
    w.clients[lead].picture_bytes = 1_100;
    for _ in 0..240 {
        let at = w.now - w.start;
        w.clients[lead].send_pictures(at);
        w.exchange();
        w.run(MS(5));
    }
    let late = late_board(&mut w, lead);
    assert!(w.received(late, 2).is_empty());
}

#[test]
fn what_is_replayed_ends_where_the_present_begins() {
    let (mut w, lead, _) = lesson(1, 1);
    w.teach(lead, MS(800));
    w.clients[lead].stubborn = true;
    flowing(&w);
    let late = late_board(&mut w, lead);
    assert_eq!(flowing(&w), [(2, 0)], "announced at once");
    let times: Vec<u32> = pictures(&w, late, 2).iter().map(|(_, t)| *t).collect();
    assert!(times.windows(2).all(|t| t[1].wrapping_sub(t[0]) == 90), "1 ms apart: {times:?}");
    let last = *times.last().unwrap();
    w.teach(lead, MS(40));
    let (_, next) = pictures(&w, late, 2)[times.len()];
    let gap = next.wrapping_sub(last) / 90;
    assert!((20..=400).contains(&gap), "{gap} ms to the first that was not replayed");
    // Sound is never replayed.
    assert_eq!(w.received(late, 0).len(), 2);
}

#[test]
fn a_board_that_connects_late_begins_where_the_others_are() {
    // Fed before its handshake is done, while packets are under way.
    let (mut w, lead, _) = lesson(1, 1);
    w.teach(lead, MS(400));
    w.clients[lead].stubborn = true;
    let late = w.join(&Offer::board());
    feed(&mut w, late, lead, 2);
    while !w.clients[late].connected() {
        w.run(MS(5));
        let at = w.now - w.start;
        w.clients[lead].send_pictures(at);
        let from = w.clients[lead].address;
        // They lie in the core when the board's next datagram arrives.
        for mut datagram in std::mem::take(&mut w.clients[lead].out) {
            w.inject(from, &mut datagram);
        }
    }
    w.exchange();
    let connected = |e: &Event| matches!(e, Event::PeerConnected { peer } if *peer == w.peer(late));
    assert!(w.events().iter().any(connected));
    let seen = pictures(&w, late, 2);
    assert!(seen.len() > 8, "{} pictures", seen.len());
    w.run(MS(5));
    w.teach(lead, MS(200));
    assert_eq!(pictures(&w, late, 2).len(), seen.len() + 5);
}

#[test]
fn a_board_that_connects_when_nothing_can_be_replayed_makes_us_ask() {
    let (mut w, lead, _) = lesson(1, 1);
    w.teach(lead, MS(3_000));
    let before = w.clients[lead].key_requests;
    let late = w.join(&Offer::board());
    feed(&mut w, late, lead, 2);
    assert_eq!(w.clients[lead].key_requests, before, "not for one that has no keys yet");
    while !w.clients[late].connected() {
        w.run(MS(5));
    }
    assert_eq!(w.clients[lead].key_requests, before + 1);
}

#[test]
fn sender_reports_tell_the_server_s_clock_at_once_after_a_switch() {
    let (mut w, lead, _) = lesson(1, 1);
    w.teach(lead, MS(1_000));
    let at = w.now - w.start;
    w.clients[lead].report(at);
    w.exchange();
    // Its picture is replayed to the late one, the sound begins with the next packet.
    let boards = [late_board(&mut w, lead)];
    w.teach(lead, MS(40));
    let (audio, video) = (w.clients[boards[0]].slot_ssrc(0), w.clients[boards[0]].slot_ssrc(2));
    let reports = |w: &mut World| -> Vec<(Vec<SenderReport>, Vec<u32>)> {
        let heard = std::mem::take(&mut w.clients[boards[0]].heard);
        let mut out = Vec::new();
        for mut compound in heard {
            let all = rtc_rtcp::packet::unmarshal(&mut compound).unwrap();
            let sr = all.iter().filter_map(|p| p.as_any().downcast_ref::<SenderReport>().cloned());
            let names = all.iter().filter_map(|p| p.as_any().downcast_ref::<SourceDescription>());
            let named = names.flat_map(|s| s.chunks.iter().map(|c| c.source)).collect();
            out.push((sr.collect(), named));
        }
        out
    };
    let first = reports(&mut w);
    let told: Vec<u32> = first.iter().flat_map(|(sr, _)| sr.iter().map(|r| r.ssrc)).collect();
    assert!(told.contains(&audio) && told.contains(&video), "within 40 ms: {told:?}");
    w.teach(lead, MS(2_000));
    let later = reports(&mut w);
    let count = later.iter().flat_map(|(sr, _)| sr).filter(|r| r.ssrc == video).count();
    assert_eq!(count, 2, "once a second from then on");
    let mut most = 0;
    for (sr, named) in &later {
        for report in sr {
            assert!(named.contains(&report.ssrc), "each under the server's name");
            let ntp = crate::media::clock::ntp_to_micros(report.ntp_time);
            let now = crate::media::clock::ntp_to_micros(crate::media::clock::micros_to_ntp(
                (w.now - w.start).as_micros() as i64,
            ));
            assert!((0..=2_100_000).contains(&(now - ntp)), "{} µs ago", now - ntp);
            if report.ssrc == audio {
                assert_eq!(report.octet_count, 5 * report.packet_count, "payload alone");
                most = most.max(report.packet_count);
            }
        }
    }
    assert!((50..=103).contains(&most), "{most} packets");
}

#[test]
fn the_forwarded_extensions_and_the_first_word_of_a_talker() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.clients[lead].level = 0x91;
    w.teach(lead, MS(100));
    let sound: Vec<&Packet> = w.received(boards[0], 0);
    assert!(sound.iter().all(|p| p.extension == Some((AUDIO_LEVEL, 0x91)) && p.payload_type == 111));
    assert!(sound[0].marker && !sound[1].marker, "a talk spurt begins");
    assert!(w.received(boards[0], 2).iter().all(|p| p.marker && p.extension.is_none()));
    let client = &mut w.clients[lead];
    let picture = client.picture_of(client.frames() + 1);
    let (ssrc, sequence) = (client.ssrc(1), client.next(1));
    let turned = Rtp {
        timestamp: 1_000_100_000,
        extensions: &[(MID, b"1"), (ORIENTATION, &[2])],
        ..Rtp::new(ssrc, 96, sequence, &picture)
    };
    client.send(&turned);
    w.exchange();
    assert_eq!(w.received(boards[0], 2).last().unwrap().extension, Some((ORIENTATION, 2)));
}

#[test]
fn every_datagram_says_what_it_is() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(400));
    let last = w.received(boards[0], 2).last().map(|p| (p.ssrc, p.sequence)).unwrap();
    let mut compound = Compound::default();
    compound.nack(1, last.0, &[last.1]);
    w.clients[boards[0]].send_rtcp(compound);
    w.exchange();
    let (audio, video) = (w.clients[boards[0]].slot_ssrc(0), w.clients[boards[0]].slot_ssrc(2));
    let mut seen = [0; 4];
    for ((_, p), class) in w.wire.iter().zip(&w.classes) {
        let ssrc = p.get(8..12).map(|s| u32::from_be_bytes(s.try_into().unwrap()));
        let media = p[0] >= 128 && !crate::media::rtp::is_rtcp(p);
        let (nth, expected) = match ssrc {
            Some(s) if media && s == audio => (0, Class::Audio),
            Some(s) if media && s == video => (1, Class::Video),
            Some(s) if media && s == video + 1 => (2, Class::Video),
            _ => (3, Class::Control),
        };
        assert_eq!(*class, expected);
        seen[nth] += 1;
    }
    assert!(seen.iter().all(|n| *n > 0), "{seen:?}");
}

#[test]
fn a_repair_has_the_time_and_the_numbers_of_what_was_sent() {
    let (mut w, lead, boards) = lesson(3, 1);
    let camera = Some(w.source(lead, SourceKind::Camera));
    w.teach(lead, MS(1_500));
    // After switches the numbers of the slot are no longer those of any layer.
    for layer in [0, 2] {
        w.route(boards[0], 2, camera, layer);
        w.teach(lead, MS(1_200));
    }
    let sent: Vec<Packet> = w.received(boards[0], 2).into_iter().rev().take(6).cloned().collect();
    let mut compound = Compound::default();
    let numbers: Vec<u16> = sent.iter().rev().map(|p| p.sequence).collect();
    compound.nack(1, sent[0].ssrc, &numbers);
    compound.nack(1, sent[0].ssrc + 1, &numbers);
    w.clients[boards[0]].send_rtcp(compound);
    let before = w.core.stats.retransmitted;
    w.exchange();
    let rtx = w.clients[boards[0]].received.iter().filter(|p| p.ssrc == sent[0].ssrc + 1);
    let rtx: Vec<Packet> = rtx.cloned().collect();
    assert_eq!(rtx.len(), sent.len());
    assert_eq!(w.core.stats.retransmitted - before, sent.len() as u64);
    assert_eq!(w.core.stats.nacks_in, sent.len() as u64, "the repair stream is not repaired");
    for (n, (again, first)) in rtx.iter().zip(sent.iter().rev()).enumerate() {
        assert_eq!(again.payload[..2], first.sequence.to_be_bytes());
        assert_eq!(again.payload[2..], first.payload);
        assert_eq!((again.timestamp, again.marker), (first.timestamp, first.marker));
        assert_eq!((again.payload_type, again.sequence), (97, rtx[0].sequence + n as u16));
    }
}

#[test]
fn numbers_go_on_beyond_65_535() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(100));
    let mut before = w.received(boards[0], 0).last().unwrap().sequence;
    for _ in 0..660 {
        w.clients[boards[0]].received.clear();
        for _ in 0..100 {
            let at = w.now - w.start;
            w.clients[lead].send_audio(at);
        }
        w.exchange();
        w.wire.clear();
        let got = w.received(boards[0], 0);
        assert_eq!(got.len(), 100);
        for packet in got {
            assert_eq!(packet.sequence, before.wrapping_add(1));
            before = packet.sequence;
        }
    }
    assert!(before < 5_000, "it went round: {before}");
    // And so does the repair stream, which begins anew in each slot.
    w.teach(lead, MS(100));
    let mut before = None;
    for _ in 0..660 {
        w.clients[boards[0]].received.clear();
        let at = w.now - w.start;
        for _ in 0..100 {
            w.clients[lead].send_pictures(at);
        }
        w.exchange();
        let numbers: Vec<u16> = w.received(boards[0], 2).iter().map(|p| p.sequence).collect();
        let mut compound = Compound::default();
        let ssrc = w.clients[boards[0]].slot_ssrc(2);
        compound.nack(1, ssrc, &numbers);
        w.clients[boards[0]].send_rtcp(compound);
        w.exchange();
        w.wire.clear();
        for packet in w.clients[boards[0]].received.iter().filter(|p| p.ssrc == ssrc + 1) {
            let expected = before.map_or(packet.sequence, |b: u16| b.wrapping_add(1));
            assert_eq!(packet.sequence, expected);
            before = Some(packet.sequence);
        }
    }
    assert!(before.unwrap() < 5_000, "it went round, too: {before:?}");
}

#[test]
fn a_source_that_was_closed_asks_for_a_key_frame_when_it_opens_and_never_while_closed() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(2_000));
    let camera = w.source(lead, SourceKind::Camera);
    let gate = |w: &mut World, open| {
        w.core.handle_command(Command::Gate { source: camera, open }, w.now);
        w.exchange();
    };
    let before = w.clients[lead].key_requests;
    // What waits in the core when it closes is not sent any more.
    let seen = w.received(boards[0], 2).len();
    let at = w.now - w.start;
    w.clients[lead].send_pictures(at);
    let from = w.clients[lead].address;
    for mut datagram in std::mem::take(&mut w.clients[lead].out) {
        w.inject(from, &mut datagram);
    }
    gate(&mut w, false);
    assert_eq!(w.received(boards[0], 2).len(), seen);
    let late = w.join_connected(&Offer::board());
    feed(&mut w, late, lead, 2);
    w.clients[lead].ask_for_key();
    w.teach(lead, MS(2_000));
    assert_eq!(w.clients[lead].key_requests, before);
    // There is a group of pictures now, of the closed time.
    w.route_turn(late, 2, Some(camera), 2, 1);
    assert!(w.received(late, 2).is_empty());
    gate(&mut w, true);
    assert_eq!(w.clients[lead].key_requests, before + 1, "at once");
    gate(&mut w, true);
    w.teach(lead, MS(200));
    assert!(pictures(&w, boards[0], 2).len() > 48 && pictures(&w, late, 2).len() > 3);
    assert_eq!(w.clients[lead].key_requests, before + 1);
}

#[test]
fn a_layer_that_begins_anew_disturbs_nobody_who_gets_another() {
    let (mut w, lead, boards) = lesson(2, 2);
    let camera = Some(w.source(lead, SourceKind::Camera));
    w.route(boards[0], 2, camera, 0);
    w.teach(lead, MS(2_500));
    let layer = |w: &World, n: usize| w.core.peers[key_of(w, boards[n])].slots[2].layer();
    assert_eq!((layer(&w, 0), layer(&w, 1)), (Some(0), Some(1)));
    let client = &mut w.clients[lead];
    let picture = client.picture_of(client.frames() + 1);
    client.send(&Rtp {
        extensions: &[(MID, b"1"), (super::client::RID, b"h")],
        ..Rtp::new(9_999, 96, 1, &picture)
    });
    w.exchange();
    assert_eq!((layer(&w, 0), layer(&w, 1)), (Some(0), None));
}

#[test]
fn a_better_layer_that_is_not_allowed_is_not_sent_and_the_least_is_better_than_none() {
    let (mut w, lead, boards) = lesson(3, 1);
    let camera = Some(w.source(lead, SourceKind::Camera));
    w.route(boards[0], 2, camera, 0);
    w.teach(lead, MS(1_500));
    w.clients[lead].layers_from = 1;
    w.teach(lead, MS(2_500));
    let last = pictures(&w, boards[0], 2).last().unwrap().0;
    assert_eq!((last.layer, last.frame), (1, w.clients[lead].frames()));
}

#[test]
fn a_full_output_is_handed_on_before_the_next_subscriber() {
    let (mut w, lead, boards) = lesson(1, 10);
    w.teach(lead, MS(100));
    let heard = |w: &World| boards.iter().map(|b| w.received(*b, 0).len()).collect::<Vec<_>>();
    let before = heard(&w);
    let client = &mut w.clients[lead];
    for _ in 0..20 {
        let (ssrc, sequence) = (client.ssrc(0), client.next(0));
        let sound = Rtp { extensions: &[(MID, b"0")], ..Rtp::new(ssrc, 111, sequence, &[7; 1_000]) };
        client.send(&sound);
    }
    let from = client.address;
    for mut datagram in std::mem::take(&mut client.out) {
        w.inject(from, &mut datagram);
    }
    let mut sent: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
    let mut portions = 0;
    let mut keep = |out: &mut Output| {
        assert!(out.bytes() < 160 * 1024, "{} bytes at once", out.bytes());
        portions += 1;
        for (datagram, bytes) in (0..out.len()).map(|n| out.get(n)) {
            sent.push((datagram.path.remote, bytes.to_vec()));
        }
        out.clear();
    };
    w.core.flush_to(w.now, |out, _| keep(out));
    keep(&mut w.core.out);
    assert_eq!(portions, 2, "200 packets of a kilobyte");
    for (to, bytes) in sent {
        let board = w.clients.iter_mut().find(|c| c.address == to).unwrap();
        board.receive(&bytes, w.now);
    }
    let more: Vec<_> = heard(&w).iter().zip(&before).map(|(now, before)| now - before).collect();
    assert_eq!(more, [20; 10], "each once");
}

/// The board says that of the transport-wide numbers from `first` on none came but the last, which has just
/// been sent. How many packets go again for that.
fn lose_from(w: &mut World, board: usize, first: u16) -> u64 {
    let before = w.core.stats.retransmitted;
    let next = w.core.peers[key_of(w, board)].deliveries.number();
    let mut arrivals = vec![None; usize::from(next.wrapping_sub(first))];
    *arrivals.last_mut().unwrap() = Some(1);
    let mut compound = Compound::default();
    compound.transport_feedback(1, w.clients[board].slot_ssrc(2), 0, first, &arrivals);
    w.clients[board].send_rtcp(compound);
    w.exchange();
    w.core.stats.retransmitted - before
}

#[test]
fn pictures_that_did_not_come_go_again_unasked_and_so_do_their_copies() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(1_000));
    let number = |w: &World| w.core.peers[key_of(w, boards[0])].deliveries.number();
    let (first, heard, seen) = (number(&w), w.received(boards[0], 0).len(), w.received(boards[0], 2).len());
    w.teach(lead, MS(200));
    let sound = w.received(boards[0], 0).len() - heard;
    let pictures = (w.received(boards[0], 2).len() - seen) as u64;
    assert!(sound > 5 && pictures > 3, "{sound} {pictures}");
    // The last to leave was a picture or a sound.
    let again = lose_from(&mut w, boards[0], first);
    assert!(again == pictures || again == pictures - 1, "{again} of {pictures}, and no sound");
    let copies = number(&w).wrapping_sub(again as u16);
    w.run(MS(50));
    let more = lose_from(&mut w, boards[0], copies);
    assert!(more == again || more == again - 1, "{more} copies of {again}");
}

#[test]
fn repairs_that_there_was_no_room_for_go_with_the_next_feedback() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.core.adapt = true;
    w.teach(lead, MS(1_000));
    let key = key_of(&w, boards[0]);
    let number = |w: &World| w.core.peers[key].deliveries.number();
    let first = number(&w);
    w.teach(lead, MS(200));
    w.core.peers[key].share.line = 100_000.0;
    let at = w.core.micros(w.now);
    while w.core.peers[key].share.may_repair(at, 100) {}
    let none = lose_from(&mut w, boards[0], first);
    let owed = w.core.peers[key].owed.len() as u64;
    assert!(none == 0 && owed > 2, "{none} of {owed}");
    let silent = number(&w);
    w.run(MS(1_500));
    w.teach(lead, MS(40));
    assert!(lose_from(&mut w, boards[0], silent) >= owed);
    assert!(w.core.peers[key].owed.is_empty());
}
