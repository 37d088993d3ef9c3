//! Subscribers whose line is small: what waits for its turn, and what becomes of it. The line is known by
//! the client's own estimate.

use super::*;
use crate::media::command::Grant;

/// As `lesson(1, 1)`, with pictures of 1 kB and a line of `bits` per second.
fn on_a_line_of(bits: u64) -> (World, usize, usize) {
    in_codec(Codec::Vp8, bits)
}

fn in_codec(codec: Codec, bits: u64) -> (World, usize, usize) {
    let (mut w, lead, boards) = lesson_in(codec, 1, 1);
    w.core.adapt = true;
    w.clients[lead].picture_bytes = 1_000;
    w.clients[lead].most_packets = 1;
    w.clients[lead].stubborn = true;
    let key = key_of(&w, boards[0]);
    w.core.peers[key].told_most = Some(bits as f64);
    w.core.line_estimated(key, bits, w.now);
    (w, lead, boards[0])
}

fn key_of(w: &World, client: usize) -> usize {
    w.core.peer_keys[&w.peer(client)]
}

fn waits(w: &World, board: usize) -> bool {
    !w.core.peers[key_of(w, board)].pacer.is_empty()
}

/// A key frame of sixty packets comes: a second of the line and more.
fn send_a_large_key_frame(w: &mut World, lead: usize, board: usize) {
    const PACKETS: u8 = 60;
    // A picture has one packet more than the rest of its number.
    while (w.clients[lead].frames() + 1) % u32::from(PACKETS) != u32::from(PACKETS) - 1 {
        w.teach(lead, MS(40));
    }
    w.clients[lead].most_packets = PACKETS;
    w.clients[lead].ask_for_key();
    // Nothing of it leaves at once.
    let key = key_of(w, board);
    w.core.peers[key].pacer.spent(20_000);
    let at = w.now - w.start;
    w.clients[lead].send_pictures(at);
    w.exchange();
    w.clients[lead].most_packets = 1;
    assert!(waits(w, board));
}

/// The newest key frame of sixty packets came with all of them, and what came has no hole in its numbers.
fn assert_key_frame_is_whole(w: &World, board: usize) {
    let packets = w.received(board, 2);
    let newest = packets.iter().map(|p| p.tag()).filter(|t| t.key && t.of == 60).map(|t| t.frame).max();
    let of_it = packets.iter().map(|p| p.tag()).filter(|t| Some(t.frame) == newest);
    assert_eq!(of_it.map(|t| t.packet).collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "{:?}", pair[1].tag());
    }
}

fn lose_picture(w: &mut World, board: usize) {
    let mut compound = Compound::default();
    compound.picture_loss(1, w.clients[board].slot_ssrc(2));
    w.clients[board].send_rtcp(compound);
    w.exchange();
}

#[test]
fn what_waits_of_a_source_that_is_closed_is_not_shown() {
    for closes in [true, false] {
        let (mut w, lead, board) = on_a_line_of(400_000);
        w.teach(lead, MS(1_000));
        let source = w.source(lead, SourceKind::Camera);
        // Fed anew, so that the key frame is to begin a layer.
        w.route(board, 2, None, 2);
        w.route(board, 2, Some(source), 2);
        send_a_large_key_frame(&mut w, lead, board);
        let before = w.received(board, 2).len();
        if closes {
            w.core.handle_command(Command::Gate { source, open: false }, w.now);
        }
        w.run(MS(1_000));
        assert_eq!(w.received(board, 2).len() == before, closes);
    }
}

#[test]
fn another_source_is_not_held_to_the_temporal_limit_of_the_one_before() {
    let (mut w, lead, board) = on_a_line_of(10_000_000);
    w.teach(lead, MS(400));
    let key = key_of(&w, board);
    w.core.share_out(key, w.now, None);
    w.core.peers[key].slots[2].max_temporal = 0;
    w.core.share_out(key, w.now, None);
    assert_eq!(w.core.peers[key].slots[2].max_temporal, crate::media::command::ALL_TEMPORAL);
}

#[test]
fn a_key_frame_that_waits_comes_whole_whatever_comes_behind_it() {
    for codec in Codec::VIDEO {
        for (begins, twice) in [(true, false), (true, true), (false, false), (false, true)] {
            let (mut w, lead, board) = in_codec(codec, 400_000);
            w.teach(lead, MS(1_000));
            if begins {
                let source = w.source(lead, SourceKind::Camera);
                w.route(board, 2, None, 2);
                w.route(board, 2, Some(source), 2);
            }
            send_a_large_key_frame(&mut w, lead, board);
            if twice {
                // Somebody else has asked, and nothing of the first has left.
                send_a_large_key_frame(&mut w, lead, board);
            }
            w.run(MS(5_000));
            assert!(!waits(&w, board));
            assert_key_frame_is_whole(&w, board);
        }
    }
}

#[test]
fn what_waits_before_a_key_frame_is_forgotten_and_leaves_no_hole() {
    let (mut w, lead, board) = on_a_line_of(400_000);
    w.teach(lead, MS(1_000));
    let key = key_of(&w, board);
    while (w.clients[lead].frames() + 1) % 60 != 56 {
        w.teach(lead, MS(40));
    }
    w.clients[lead].most_packets = 8;
    w.core.peers[key].pacer.spent(20_000);
    w.teach(lead, MS(120));
    assert!(waits(&w, board), "some pictures wait");
    send_a_large_key_frame(&mut w, lead, board);
    w.run(MS(5_000));
    assert_key_frame_is_whole(&w, board);
    assert_eq!(w.core.peers[key].slots[2].layer(), Some(0), "and it flows");
}

#[test]
fn the_first_packet_of_a_key_frame_may_come_last() {
    let (mut w, lead, board) = on_a_line_of(400_000);
    w.teach(lead, MS(1_000));
    let asked = w.clients[lead].key_requests;
    let key = key_of(&w, board);
    send_a_large_key_frame(&mut w, lead, board);
    // As if it came again by its repair stream.
    let source = w.core.source_keys[&w.source(lead, SourceKind::Camera)];
    let first = w.core.sources[source].layers[0].as_ref().and_then(|l| l.ring.key_start()).expect("one");
    let waiting = w.core.peers[key].pacer.delay();
    w.core.fresh.push(crate::media::core::Fresh { source, layer: 0, ext: first.ext });
    w.core.flush(w.now);
    assert!(w.core.peers[key].pacer.delay() >= waiting, "what had come of it waits on");
    w.run(MS(5_000));
    assert_eq!(w.clients[lead].key_requests, asked);
}

#[test]
fn a_key_frame_that_waits_is_not_asked_for_again() {
    let (mut w, lead, board) = on_a_line_of(400_000);
    w.teach(lead, MS(1_000));
    send_a_large_key_frame(&mut w, lead, board);
    w.run(MS(300));
    let asked = w.clients[lead].key_requests;
    lose_picture(&mut w, board);
    w.run(MS(100));
    assert_eq!(w.clients[lead].key_requests, asked, "it is on its way");
    w.run(MS(3_000));
    assert!(!waits(&w, board));
    lose_picture(&mut w, board);
    w.run(MS(100));
    assert_eq!(w.clients[lead].key_requests, asked + 1);
}

#[test]
fn what_a_guess_had_no_room_for_comes_with_the_first_measurement() {
    let (mut w, lead, board) = on_a_line_of(400_000);
    let key = key_of(&w, board);
    let granted = |w: &World| w.core.peers[key].slots[2].granted;
    w.clients[lead].most_packets = 12;
    w.teach(lead, MS(1_500));
    w.core.share_out(key, w.now, None);
    assert_eq!(granted(&w), Grant::Paused, "one quality only, and too much for the guess");
    // A train has come through.
    (0..500).for_each(|_| w.core.peers[key].deliveries.line.lean(10_000_000.0));
    w.core.line_moved(key, false, w.now);
    w.core.share_out(key, w.now, None);
    assert_ne!(granted(&w), Grant::Paused, "nothing has shown that it is too much");
}
