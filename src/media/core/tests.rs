//! The core against simulated clients, with a clock that only the test moves.

mod client;
mod connections;
mod figures;
mod loudness;
mod moves;
mod paths;
mod picture;
mod receiving;
mod redundancy;
mod repeat;
mod sending;
mod small_line;
mod temporal;
mod world;

use std::collections::HashMap;
use std::time::Duration;

use picture::Tag;
use world::{Offer, World};

use crate::media::command::{CloseReason, Command, Event};
use crate::media::negotiate::{Codec, SourceKind};
use crate::media::transport::rtcp::{Compound, Said};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A lead who teaches, and boards that are fed with her camera (slot 2) and microphone (slot 0).
fn lesson(layers: usize, boards: usize) -> (World, usize, Vec<usize>) {
    lesson_in(Codec::Vp8, layers, boards)
}

fn lesson_in(codec: Codec, layers: usize, boards: usize) -> (World, usize, Vec<usize>) {
    let mut w = World::new();
    let lead = w.join_connected(&Offer { codec, ..Offer::lead(layers) });
    w.clients[lead].tag = 1;
    let boards: Vec<usize> = (0..boards).map(|_| w.join_connected(&Offer::board())).collect();
    for board in &boards {
        feed(&mut w, *board, lead, 2);
    }
    (w, lead, boards)
}

fn feed(w: &mut World, board: usize, lead: usize, max_layer: u8) {
    let (mic, camera) = (w.source(lead, SourceKind::Mic), w.source(lead, SourceKind::Camera));
    w.route(board, 0, Some(mic), 2);
    w.route(board, 2, Some(camera), max_layer);
}

/// Checks what a decoder needs: numbers without holes, whole pictures in order, each beginning of
/// a layer or a source a key frame, time stamps that only grow. Returns the pictures.
fn pictures(w: &World, client: usize, slot: u8) -> Vec<(Tag, u32)> {
    let packets = w.received(client, slot);
    let mut out: Vec<(Tag, u32)> = Vec::new();
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "a hole in the numbers");
    }
    for p in &packets {
        let tag = p.tag();
        match out.last() {
            Some((before, timestamp)) if tag.packet != 0 => {
                assert_eq!((tag.packet, tag.frame), (before.packet + 1, before.frame));
                assert_eq!((tag.client, tag.layer), (before.client, before.layer));
                assert_eq!(p.timestamp, *timestamp, "one picture, one time stamp");
            }
            Some((before, timestamp)) => {
                assert_eq!(before.packet + 1, before.of, "the picture before was whole");
                let step = p.timestamp.wrapping_sub(*timestamp) as i32;
                assert!(step > 0, "time stamps grow, not by {step}");
                let same = (tag.client, tag.layer) == (before.client, before.layer);
                assert!(same || tag.key, "{tag:?} begins without a key frame after {before:?}");
                if let (Some((id, tl0)), Some(before)) = (tag.numbers, before.numbers) {
                    let id = id.wrapping_sub(before.0) & 0x7fff;
                    assert!(!same || id == u16::from(tag.layer) + 1, "picture id jumps by {id}");
                    assert!(same || id == 1, "picture id goes on after a switch, not by {id}");
                    assert_eq!(tl0.wrapping_sub(before.1), 1, "TL0PICIDX goes on");
                }
            }
            None => assert!(tag.key && tag.packet == 0, "begins with a key frame"),
        }
        match out.last_mut() {
            Some(last) if tag.packet != 0 => last.0.packet = tag.packet,
            _ => out.push((tag, p.timestamp)),
        }
    }
    out
}

#[test]
fn a_lesson_flows() {
    let ciphers = [(true, Codec::Vp8)].into_iter();
    for (old_cipher, codec) in ciphers.chain(Codec::VIDEO.map(|codec| (false, codec))) {
        let mut w = World::new();
        let lead = w.join_connected(&Offer { codec, old_cipher, ..Offer::lead(3) });
        let board = w.join_connected(&Offer { old_cipher, ..Offer::board() });
        feed(&mut w, board, lead, 2);
        w.teach(lead, MS(2_000));
        let seen = pictures(&w, board, 2);
        assert!(seen.len() >= 48, "{} of 50 pictures", seen.len());
        // The first picture comes before the better layers are known to flow; then the best.
        assert_eq!(seen.last().unwrap().0.layer, 2);
        assert_eq!(w.received(board, 0).len(), 100, "all the sound");
        assert!(w.received(board, 0).iter().all(|p| p.payload == b"sound"));
        let flowing = |e: &Event| matches!(e, Event::SlotFlowing { .. });
        assert_eq!(w.events().iter().filter(|e| flowing(e)).count(), 2);
    }
}

#[test]
fn layers_switch_a_hundred_times_without_a_broken_picture() {
    for codec in Codec::VIDEO {
        let (mut w, lead, boards) = lesson_in(codec, 3, 1);
        w.teach(lead, MS(400));
        let camera = w.source(lead, SourceKind::Camera);
        let layer = |w: &World| pictures(w, boards[0], 2).last().unwrap().0.layer;
        for n in 0..100u64 {
            let before = layer(&w);
            let wanted = (before + 1 + (n % 2) as u8) % 3;
            w.route(boards[0], 2, Some(camera), wanted);
            // One key-frame request a second is all she gets.
            w.teach(lead, MS(1_080));
            assert_eq!(layer(&w), wanted, "switch {n} in {codec:?}");
            assert_ne!(before, wanted);
        }
    }
}

#[test]
fn pictures_are_never_shown_under_a_wrong_name() {
    let mut w = World::new();
    // Each sends another codec: a slot changes with the source.
    let codecs = [Codec::Vp8, Codec::Vp9, Codec::Av1];
    let leads = codecs.map(|codec| w.join_connected(&Offer { codec, ..Offer::lead(2) }));
    for (n, lead) in leads.iter().enumerate() {
        w.clients[*lead].tag = n as u8 + 1;
    }
    let board = w.join_connected(&Offer::board());
    let by_source: HashMap<_, u8> =
        leads.iter().map(|l| (w.source(*l, SourceKind::Camera), w.clients[*l].tag)).collect();
    // What the page believes: from which time stamp on whose picture it is.
    let mut believed: Vec<(u32, u8)> = Vec::new();
    for n in 0..60 {
        let lead = leads[n * 7 % 3];
        let camera = w.source(lead, SourceKind::Camera);
        w.route(board, 2, Some(camera), (n % 2) as u8);
        for _ in 0..10 {
            for l in &leads {
                let at = w.now - w.start;
                w.clients[*l].send_pictures(at);
            }
            w.exchange();
            w.run(MS(40));
        }
        for event in w.events() {
            if let Event::SlotFlowing { source, rtp_timestamp, slot, .. } = event
                && slot.0 == 2
            {
                believed.push((rtp_timestamp, by_source[&source]));
            }
        }
    }
    let seen = pictures(&w, board, 2);
    assert!(seen.len() > 400);
    for (tag, timestamp) in &seen {
        let from = believed.iter().rev().find(|(t, _)| timestamp.wrapping_sub(*t) as i32 >= 0);
        assert_eq!(from.map(|f| f.1), Some(tag.client), "{tag:?} at {timestamp}");
    }
    let owners: std::collections::HashSet<u8> = seen.iter().map(|(t, _)| t.client).collect();
    assert_eq!(owners.len(), 3);
}

#[test]
fn twenty_boards_at_the_bell_cost_two_key_frames_at_most() {
    for codec in Codec::VIDEO {
        let (mut w, lead, _) = lesson_in(codec, 3, 1);
        w.teach(lead, MS(3_000));
        let before = w.clients[lead].key_requests;
        let mut boards = Vec::new();
        for _ in 0..20 {
            let board = w.join(&Offer::board());
            feed(&mut w, board, lead, 2);
            boards.push(board);
            w.teach(lead, MS(40));
        }
        w.teach(lead, MS(1_200));
        let asked = w.clients[lead].key_requests - before;
        assert!(asked <= 2, "{asked} key-frame requests in {codec:?}");
        for board in boards {
            assert!(pictures(&w, board, 2).len() > 20);
        }
    }
}

#[test]
fn a_joiner_gets_the_running_group_of_pictures_at_once() {
    for codec in Codec::VIDEO {
        let (mut w, lead, _) = lesson_in(codec, 1, 1);
        w.teach(lead, MS(800));
        w.clients[lead].stubborn = true;
        let before = w.clients[lead].key_requests;
        let late = w.join_connected(&Offer::board());
        feed(&mut w, late, lead, 2);
        let seen = pictures(&w, late, 2);
        assert!(seen.len() >= 15, "the group so far, at once: {} in {codec:?}", seen.len());
        w.teach(lead, MS(400));
        let all = pictures(&w, late, 2);
        assert!(all.len() > seen.len() && all[0].0.key);
        assert_eq!(w.clients[lead].key_requests, before, "she was not asked");
    }
}

#[test]
fn lost_packets_are_asked_for_and_found_again() {
    for codec in Codec::VIDEO {
        let (mut w, lead, boards) = lesson_in(codec, 1, 1);
        w.teach(lead, MS(400));
        // On the way from the lead: the hole stays visible, and she is asked.
        w.clients[lead].lose_one(1);
        w.teach(lead, MS(100));
        let nack = |s: &Said| matches!(s, Said::Nack { .. });
        assert!(w.clients[lead].said.iter().any(nack));
        // On the way to the board: answered on the RTX stream with the right payload.
        let packets = w.received(boards[0], 2);
        let lost = packets[packets.len() - 3].clone();
        let mut compound = Compound::default();
        compound.nack(1, lost.ssrc, &[lost.sequence]);
        w.clients[boards[0]].send_rtcp(compound);
        w.exchange();
        let all = w.clients[boards[0]].received.iter();
        let rtx: Vec<_> = all.filter(|p| p.ssrc == lost.ssrc + 1).collect();
        assert_eq!(rtx.len(), 1);
        assert_eq!(rtx[0].payload_type, picture::names(codec).1);
        assert_eq!(rtx[0].payload[..2], lost.sequence.to_be_bytes());
        assert_eq!(rtx[0].payload[2..], lost.payload);
        assert_eq!(rtx[0].timestamp, lost.timestamp);
    }
}

#[test]
fn no_packet_index_is_sealed_twice_with_different_bytes() {
    let (mut w, lead, boards) = lesson(3, 2);
    let camera = w.source(lead, SourceKind::Camera);
    for n in 0..30u16 {
        w.teach(lead, MS(200));
        w.route(boards[0], 2, (n % 5 != 0).then_some(camera), (n % 3) as u8);
        for board in &boards {
            // Asking for everything, again and again, also for what never was.
            let Some(last) = w.received(*board, 2).last().map(|p| (p.ssrc, p.sequence)) else {
                continue;
            };
            let numbers: Vec<u16> = (0..64).map(|i| last.1.wrapping_sub(60 - i)).collect();
            for _ in 0..3 {
                let mut compound = Compound::default();
                compound.nack(1, last.0, &numbers);
                w.clients[*board].send_rtcp(compound);
                w.run(MS(20));
            }
        }
    }
    let mut seen: HashMap<(std::net::SocketAddr, u32, u16), Vec<u8>> = HashMap::new();
    let mut media = 0;
    for (to, p) in &w.wire {
        if !(128..=191).contains(&p[0]) || crate::media::rtp::is_rtcp(p) {
            continue;
        }
        media += 1;
        let h = crate::media::rtp::RtpHeader::read(p).unwrap();
        let before = seen.insert((*to, h.ssrc, h.sequence), p.clone());
        assert!(before.is_none_or(|b| b == *p), "{} {} sealed twice", h.ssrc, h.sequence);
    }
    assert!(media > 1_000);
}

#[test]
fn the_certificate_of_the_offer_or_nothing() {
    let mut w = World::new();
    let liar = w.join(&Offer { lie: true, ..Offer::lead(1) });
    w.run(MS(1_000));
    let events = w.events();
    let closed = |e: &Event| {
        matches!(e, Event::PeerClosed { reason: CloseReason::Fingerprint, peer }
            if *peer == w.peer(liar))
    };
    assert!(events.iter().any(closed), "{events:?}");
    assert!(!events.iter().any(|e| matches!(e, Event::PeerConnected { .. })));
    assert_eq!(w.core.peers.len(), 0);
}

#[test]
fn consent_that_is_not_renewed_ends_the_peer_and_nothing_stays() {
    let (mut w, lead, boards) = lesson(2, 1);
    w.clients[boards[0]].silent = true;
    w.run(MS(29_000));
    assert_eq!(w.core.peers.len(), 2);
    w.run(MS(2_500));
    let gone = |e: &Event| matches!(e, Event::PeerClosed { reason: CloseReason::ConsentLost, .. });
    assert!(w.events().iter().any(gone));
    assert_eq!(w.core.peers.len(), 1);
    let peer = w.peer(lead);
    w.core.handle_command(Command::RemovePeer { peer }, w.now);
    let (core, now) = (&mut w.core, w.now);
    core.handle_command(Command::CloseHub { hub: w.hub }, now);
    assert!(core.peers.is_empty() && core.sources.is_empty() && core.hubs.is_empty());
    assert!(core.peer_keys.is_empty() && core.source_keys.is_empty());
}

#[test]
fn a_closed_source_is_heard_by_nobody_until_it_is_opened() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(200));
    let mic = w.source(lead, SourceKind::Mic);
    w.core.handle_command(Command::Gate { source: mic, open: false }, w.now);
    let before = w.received(boards[0], 0).len();
    w.teach(lead, MS(200));
    assert_eq!(w.received(boards[0], 0).len(), before);
    w.core.handle_command(Command::Gate { source: mic, open: true }, w.now);
    w.teach(lead, MS(200));
    assert_eq!(w.received(boards[0], 0).len(), before + 10);
}

#[test]
fn lips_stay_in_sync_across_switches_and_drift() {
    let mut w = World::new();
    let leads: Vec<usize> = (0..2).map(|_| w.join_connected(&Offer::lead(1))).collect();
    for (n, lead) in leads.iter().enumerate() {
        let client = &mut w.clients[*lead];
        client.tag = n as u8 + 1;
        client.ppm = if n == 0 { 50 } else { -50 };
        client.wall = n as i64 * 5_000_000_000;
    }
    let board = w.join_connected(&Offer::board());
    let (audio, video) = (w.clients[board].slot_ssrc(0), w.clients[board].slot_ssrc(2));
    // 45 minutes in steps of 15 s, a switch of the lead's picture in each.
    for step in 0..180 {
        let lead = leads[step % 2];
        feed(&mut w, board, lead, 2);
        for second in 0..15 {
            for l in &leads {
                let at = w.now - w.start;
                w.clients[*l].report(at);
                w.clients[*l].send_audio(at);
                w.clients[*l].send_pictures(at);
            }
            w.exchange();
            w.run(MS(if second == 0 { 100 } else { 1_000 }));
        }
        // A flash and a beep now, as the board would line them up from the latest reports.
        let at = w.now - w.start;
        w.clients[board].received.clear();
        w.clients[lead].send_audio(at);
        w.clients[lead].send_pictures(at);
        w.exchange();
        let presented = |ssrc: u32, rate: f64| {
            let said = w.clients[board].said.iter().rev().find_map(|s| match s {
                Said::SenderReport { ssrc: s, ntp, rtp } if *s == ssrc => Some((*ntp, *rtp)),
                _ => None,
            });
            let (ntp, rtp) = said.expect("a sender report");
            let packet = w.clients[board].received.iter().find(|p| p.ssrc == ssrc).unwrap();
            let ticks = packet.timestamp.wrapping_sub(rtp) as i32;
            ntp as f64 / 4_294_967_296.0 + f64::from(ticks) / rate
        };
        let apart = (presented(audio, 48_000.0) - presented(video, 90_000.0)) * 1000.0;
        assert!(apart.abs() <= 80.0, "step {step}: {apart:.1} ms apart");
        w.clients[board].said.clear();
        w.wire.clear();
    }
}

#[test]
fn a_layer_that_its_sender_switches_off_is_replaced() {
    let (mut w, lead, boards) = lesson(3, 1);
    w.teach(lead, MS(2_000));
    assert_eq!(pictures(&w, boards[0], 2).last().unwrap().0.layer, 2);
    w.clients[lead].layers_on = 2;
    w.teach(lead, MS(2_500));
    assert_eq!(pictures(&w, boards[0], 2).last().unwrap().0.layer, 1);
    w.clients[lead].layers_on = 3;
    w.teach(lead, MS(2_500));
    assert_eq!(pictures(&w, boards[0], 2).last().unwrap().0.layer, 2);
}

#[test]
fn a_panic_in_one_peer_ends_that_peer_alone() {
    let (mut w, lead, boards) = lesson(1, 3);
    w.teach(lead, MS(200));
    let peer = w.peer(boards[1]);
    let key = w.core.peer_keys[&peer];
    w.core.peers[key].slots[2].panic_next = true;
    w.teach(lead, MS(400));
    let ended: Vec<_> = w
        .events()
        .into_iter()
        .filter_map(|e| match e {
            Event::PeerClosed { peer, reason } => Some((peer, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [(peer, CloseReason::Panicked)]);
    assert_eq!(w.core.stats.panics, 1);
    for board in [boards[0], boards[2]] {
        assert_eq!(w.received(board, 0).len(), 30, "the others heard everything");
    }
}

#[test]
fn a_layer_that_nobody_gets_may_lose_packets_in_peace() {
    let (mut w, lead, boards) = lesson(3, 1);
    w.teach(lead, MS(2_000));
    let camera = w.source(lead, SourceKind::Camera);
    w.route(boards[0], 2, Some(camera), 0);
    w.teach(lead, MS(2_000));
    assert_eq!(pictures(&w, boards[0], 2).last().unwrap().0.layer, 0);
    let before = w.clients[lead].key_requests;
    // The best layer loses for good, then its sender switches it off.
    w.clients[lead].lose_one(3);
    w.teach(lead, MS(1_500));
    w.clients[lead].layers_on = 1;
    w.teach(lead, MS(5_000));
    assert_eq!(w.clients[lead].key_requests, before, "she was left alone");
}

#[test]
fn nothing_of_the_time_when_it_was_closed_is_shown() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(400));
    let camera = w.source(lead, SourceKind::Camera);
    w.core.handle_command(Command::Gate { source: camera, open: false }, w.now);
    let last_open = pictures(&w, boards[0], 2).last().unwrap().0.frame;
    w.clients[lead].ask_for_key();
    w.teach(lead, MS(400));
    // Somebody who comes just now, and the board that was there.
    w.core.handle_command(Command::Gate { source: camera, open: true }, w.now);
    let opened = w.clients[lead].frames();
    let late = w.join_connected(&Offer::board());
    feed(&mut w, late, lead, 2);
    w.teach(lead, MS(1_200));
    for (board, until) in [(boards[0], last_open), (late, 0)] {
        let seen = pictures(&w, board, 2);
        assert!(seen.len() > 10);
        let closed = seen.iter().find(|(t, _)| t.frame > until && t.frame <= opened);
        assert_eq!(closed, None, "a picture of the closed time");
    }
}

#[test]
fn a_sender_that_changes_its_ssrc_breaks_nothing_and_cannot_go_back() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(400));
    for _ in 0..3 {
        w.clients[lead].tag += 1;
        w.teach(lead, MS(1_200));
    }
    let seen = pictures(&w, boards[0], 2);
    let owners: std::collections::HashSet<u8> = seen.iter().map(|(t, _)| t.client).collect();
    assert_eq!(owners.len(), 4, "every one of them was seen");
    let sound = w.received(boards[0], 0).len();
    assert!(sound > 190, "{sound} packets of sound");
    w.clients[lead].tag = 1;
    let before = seen.len();
    w.teach(lead, MS(400));
    assert_eq!(pictures(&w, boards[0], 2).len(), before, "a stream that was replaced stays away");
}

#[test]
fn forged_reports_leave_no_trace() {
    let (mut w, lead, _) = lesson(1, 1);
    w.teach(lead, MS(200));
    let from = w.clients[lead].address;
    let bad = w.core.stats.packets_unauthentic;
    for n in 0..200u32 {
        let mut forged = vec![0x80, 201, 0, 12];
        forged.extend(n.to_be_bytes());
        forged.resize(52, 7);
        w.inject(from, &mut forged);
    }
    assert_eq!(w.core.stats.packets_unauthentic - bad, 200);
    w.teach(lead, MS(200));
    assert!(w.core.peers.iter().all(|(_, p)| p.keys.as_ref().unwrap().1.reporters() <= 2));
}
