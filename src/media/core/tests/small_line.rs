//! Subscribers whose line is small: what waits for its turn, and what becomes of it. The line is known by
//! the client's own estimate.

use super::*;
use crate::media::command::Grant;

/// As `lesson(1, 1)`, with pictures of 1 kB and a line of `bits` per second.
fn on_a_line_of(bits: u64) -> (World, usize, usize) {
    let (mut w, lead, boards) = lesson(1, 1);
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
