//! Slots that get some of the pictures: VP8's temporal layers.

use std::collections::HashMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::client::Packet;
use super::world::{Offer, World};
use super::{MS, feed};
use crate::media::transport::rtcp::Compound;

/// As Chromium's encoder has three layers: (TID, Y).
const THREE: &[(u8, bool)] =
    &[(0, false), (2, true), (1, true), (2, false), (0, false), (2, false), (1, false), (2, false)];

/// A lead whose camera has one size in three temporal layers, with at most `packets` packets a picture,
/// and a board.
fn lesson(packets: u8) -> (World, usize, usize) {
    let mut w = World::new();
    let lead = w.join_connected(&Offer::lead(1));
    w.clients[lead].pattern = THREE;
    w.clients[lead].most_packets = packets;
    let board = w.join_connected(&Offer::board());
    (w, lead, board)
}

fn limit(w: &mut World, board: usize, highest: u8) {
    let key = w.core.peer_keys[&w.peer(board)];
    w.core.peers[key].slots[2].max_temporal = highest;
}

/// Packets of the picture slot in the order of their numbers, which are extended here.
fn by_number(w: &World, board: usize) -> Vec<(u64, Packet)> {
    let mut highest = 1 << 16;
    let mut all: Vec<(u64, Packet)> = Vec::new();
    for p in w.received(board, 2) {
        let ext = crate::media::transport::srtp::extend(highest, p.sequence).unwrap();
        highest = highest.max(ext);
        all.push((ext, p.clone()));
    }
    all.sort_by_key(|(ext, _)| *ext);
    let twice = all.windows(2).any(|pair| pair[0].0 == pair[1].0);
    assert!(!twice, "a number was given twice");
    all
}

/// What a decoder and its jitter buffer need: PictureIDs without a hole, TL0PICIDX that counts the base,
/// and every picture that another one may need. Gives the TIDs in order.
fn decode(w: &World, lead: usize, board: usize) -> Vec<u8> {
    let made = &w.clients[lead].made;
    let mut tids = Vec::new();
    let mut shown: Vec<u32> = Vec::new();
    let mut numbers: Option<(u16, u8)> = None;
    for (_, p) in by_number(w, board) {
        let tag = p.tag();
        if shown.last() == Some(&tag.frame) {
            assert_eq!(tag.numbers, numbers, "one picture, one id");
            continue;
        }
        let (tid, sync, key) = made[tag.frame as usize - 1];
        let (id, tl0) = tag.numbers.unwrap();
        if let Some((id_before, tl0_before)) = numbers {
            assert_eq!(id.wrapping_sub(id_before) & 0x7fff, 1, "ids go on at {tag:?}");
            assert_eq!(tl0.wrapping_sub(tl0_before), u8::from(tid == 0), "TL0PICIDX at {tag:?}");
        }
        numbers = Some((id, tl0));
        // The newest picture of each layer that it may need was shown.
        let needed = |layer: u8| (1..tag.frame).rev().find(|f| made[*f as usize - 1].0 == layer);
        let layers = if sync { 0..=0 } else { 0..=tid };
        for frame in layers.filter(|_| !key).filter_map(needed) {
            assert!(shown.contains(&frame), "{tag:?} of layer {tid} needs picture {frame}");
        }
        shown.push(tag.frame);
        tids.push(tid);
    }
    tids
}

#[test]
fn fewer_pictures_and_each_can_be_decoded() {
    let (mut w, lead, board) = lesson(1);
    feed(&mut w, board, lead, 0);
    let mut rng = StdRng::seed_from_u64(4);
    w.teach(lead, MS(400));
    for n in 0..150 {
        let highest = rng.random_range(0..4);
        limit(&mut w, board, highest);
        let before = w.received(board, 2).len();
        if n % 40 == 39 {
            w.clients[lead].ask_for_key();
        }
        w.teach(lead, MS(40) * rng.random_range(1..40));
        let tids = decode(&w, lead, board);
        assert!(tids[before..].iter().all(|t| *t <= highest), "{highest}: {:?}", &tids[before..]);
        for pair in by_number(&w, board).windows(2) {
            assert_eq!(pair[1].0, pair[0].0 + 1, "a hole in the numbers");
        }
    }
    // A limit that stays is reached: all, half and a quarter of the pictures, without a key frame.
    for (highest, expected) in [(3, 48), (0, 12), (1, 24), (2, 48)] {
        limit(&mut w, board, highest);
        w.teach(lead, MS(800));
        let before = w.received(board, 2).len();
        w.teach(lead, MS(1_920));
        assert_eq!(w.received(board, 2).len() - before, expected, "up to {highest}");
    }
    decode(&w, lead, board);
}

#[test]
fn what_is_lost_or_late_on_the_way_keeps_its_place() {
    for (seed, packets) in [(1, 1), (2, 1), (3, 3), (4, 7), (5, 2)] {
        let (mut w, lead, board) = lesson(packets);
        let mut rng = StdRng::seed_from_u64(seed);
        feed(&mut w, board, lead, 2);
        w.teach(lead, MS(2_000));
        let from = w.clients[lead].address;
        // Held back on the way: (pictures to wait, datagram).
        let mut held: Vec<(u32, Vec<u8>)> = Vec::new();
        for n in 0..1_500 {
            if n % 25 == 0 {
                limit(&mut w, board, rng.random_range(0..3));
            }
            let at = w.now - w.start;
            w.clients[lead].send_pictures(at);
            let mut out = std::mem::take(&mut w.clients[lead].out);
            for (wait, late) in std::mem::take(&mut held) {
                if wait == 0 {
                    out.push(late);
                } else {
                    held.push((wait - 1, late));
                }
            }
            if out.len() > 1 && rng.random_ratio(1, 10) {
                let at = rng.random_range(1..out.len());
                out.swap(at - 1, at);
            }
            for mut datagram in out {
                if rng.random_ratio(1, 20) {
                    held.push((rng.random_range(0..6), datagram));
                } else {
                    w.inject(from, &mut datagram);
                    // Each for itself, or several in one turn.
                    if rng.random_ratio(1, 2) {
                        w.exchange();
                    }
                }
            }
            w.exchange();
            w.run(MS(40));
        }
        // One picture has one id and one id one picture, in the same order.
        let all = by_number(&w, board);
        let mut before: Option<(u32, u16)> = None;
        let mut holes = 0;
        for pair in all.windows(2) {
            holes += pair[1].0 - pair[0].0 - 1;
        }
        for (_, p) in &all {
            let (frame, (id, _)) = (p.tag().frame, p.tag().numbers.unwrap());
            if let Some((frame_before, id_before)) = before {
                let step = id.wrapping_sub(id_before) & 0x7fff;
                assert_eq!(frame > frame_before, step > 0, "{frame} after {frame_before}, id {step} on");
                assert!(frame >= frame_before && step <= frame as u16, "{frame} after {frame_before}");
            }
            before = Some((frame, id));
        }
        let sent = all.len();
        assert!(sent > 700, "{sent}");
        // What is missing for good was of pictures that are left out, next to another missing one.
        assert!(holes * 100 <= sent as u64, "{holes} holes in {sent}");
        println!("{packets} packets a picture: {sent} sent, {holes} holes");
    }
}

#[test]
fn a_repair_has_the_picture_id_that_was_sent() {
    let (mut w, lead, board) = lesson(1);
    feed(&mut w, board, lead, 0);
    w.teach(lead, MS(400));
    for highest in [1, 0, 2, 1, 0, 3, 1] {
        limit(&mut w, board, highest);
        w.teach(lead, MS(1_000));
    }
    let sent: HashMap<u16, Vec<u8>> =
        w.received(board, 2).iter().map(|p| (p.sequence, p.payload.clone())).collect();
    let ssrc = w.clients[board].slot_ssrc(2);
    let mut numbers: Vec<u16> = sent.keys().copied().collect();
    numbers.sort_unstable();
    let mut compound = Compound::default();
    compound.nack(1, ssrc, &numbers);
    w.clients[board].send_rtcp(compound);
    w.exchange();
    let again: Vec<&Packet> = w.clients[board].received.iter().filter(|p| p.ssrc == ssrc + 1).collect();
    assert_eq!(again.len(), sent.len());
    for p in again {
        let (number, payload) = p.payload.split_first_chunk::<2>().unwrap();
        assert_eq!(sent[&u16::from_be_bytes(*number)], payload);
    }
}

#[test]
fn a_joiner_on_a_slow_line_gets_a_short_group_of_pictures() {
    let (mut w, lead, board) = lesson(1);
    feed(&mut w, board, lead, 0);
    w.teach(lead, MS(1_200));
    let late = w.join_connected(&Offer::board());
    limit(&mut w, late, 0);
    feed(&mut w, late, lead, 0);
    let all = w.clients[lead].made.len();
    let tids = decode(&w, lead, late);
    assert!(tids.iter().all(|t| *t == 0) && (all / 4..=all / 4 + 1).contains(&tids.len()), "{}", tids.len());
    limit(&mut w, late, 2);
    w.teach(lead, MS(1_200));
    assert!(decode(&w, lead, late).contains(&2));
}
