//! Sound that repeats itself to boards whose lines lose packets.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::client::{MID, Packet, Rtp};
use super::picture::{OPUS, RED};
use super::world::{Offer, World};
use super::{MS, feed};
use crate::media::command::Command;
use crate::media::negotiate::{Codec, SourceKind};
use crate::media::red::Red;
use crate::media::redundancy::{Redundancy, RedundancyMode};

/// A lead who speaks, and a board that can take RED.
fn lesson() -> (World, usize, usize) {
    let mut w = World::new();
    let lead = w.join_connected(&Offer::lead(1));
    w.clients[lead].tag = 1;
    let board = w.join_connected(&Offer { hears_red: true, ..Offer::board() });
    w.clients[board].tells = true;
    feed(&mut w, board, lead, 2);
    (w, lead, board)
}

/// A frame of sound that says its number, from anybody's microphone.
fn say(w: &mut World, lead: usize, n: u32) {
    let at = w.now - w.start;
    let client = &mut w.clients[lead];
    let (ssrc, sequence, timestamp) = (client.ssrc(0), client.next(0), client.timestamp(0, 48_000, at));
    let frame = [&[0xf8, client.tag][..], &n.to_be_bytes(), &[7; 74]].concat();
    client.send(&Rtp { timestamp, extensions: &[(MID, b"0")], ..Rtp::new(ssrc, OPUS, sequence, &frame) });
    w.exchange();
    w.run(MS(20));
}

/// The frames in a packet as (time stamp, who, number), its own last.
fn frames(p: &Packet) -> Vec<(u32, u8, u32)> {
    let read = |timestamp: u32, data: &[u8]| {
        (timestamp, data[1], u32::from_be_bytes([data[2], data[3], data[4], data[5]]))
    };
    if p.payload_type == OPUS {
        return vec![read(p.timestamp, &p.payload)];
    }
    assert_eq!(p.payload_type, RED);
    let red = Red::read(&p.payload, OPUS).unwrap();
    let block =
        |b: &crate::media::red::Block| read(p.timestamp.wrapping_sub(b.offset), &p.payload[b.data.clone()]);
    let mut all: Vec<_> = red.redundant().map(block).collect();
    all.reverse();
    all.push(read(p.timestamp, &p.payload[red.primary.clone()]));
    all
}

/// Everything that a board can play, by its time.
fn heard(w: &World, board: usize) -> BTreeMap<u32, (u8, u32)> {
    let mut all = BTreeMap::new();
    for p in w.received(board, 0) {
        for (timestamp, who, n) in frames(p) {
            let same = *all.entry(timestamp).or_insert((who, n));
            assert_eq!(same, (who, n), "one frame at one time");
        }
    }
    all
}

fn redundancy(w: &World, board: usize) -> Redundancy {
    w.core.peers[w.core.peer_keys[&w.peer(board)]].slots[0].redundancy
}

#[test]
fn what_a_line_loses_at_random_is_heard_all_the_same() {
    for (loss, most) in [(0.0, 0.0), (0.1, 0.02), (0.2, 0.02), (0.3, 0.03)] {
        for mode in [RedundancyMode::Auto, RedundancyMode::Off] {
            let (mut w, lead, board) = lesson();
            w.core.redundancy = mode;
            let mut rng = StdRng::seed_from_u64(11);
            w.clients[board].loses = Some(Box::new(move || rng.random_bool(loss)));
            // The first seconds are those in which the loss is learnt.
            (0..200).for_each(|n| say(&mut w, lead, n));
            w.clients[board].received.clear();
            w.wire.clear();
            let count = 3_000;
            (200..200 + count).for_each(|n| say(&mut w, lead, n));
            let heard = heard(&w, board).into_values().filter(|(_, n)| *n >= 200).count();
            let gone = 1.0 - heard as f64 / f64::from(count);
            let bytes: usize = w.wire.iter().map(|(_, p)| p.len()).sum();
            println!("{loss} lost, {mode:?}: {gone:.4} gone, {} kbit/s", bytes * 8 / 60_000);
            match mode {
                RedundancyMode::Auto => assert!(gone <= most, "{gone} gone of {loss}"),
                RedundancyMode::Off => assert!((gone - loss).abs() < 0.03, "{gone} gone of {loss}"),
            }
            let reds = w.received(board, 0).iter().filter(|p| p.payload_type == RED).count();
            assert_eq!(reds > 0, loss > 0.0 && mode == RedundancyMode::Auto);
            assert_eq!(w.core.stats.audio_repeated_bytes > 0, reds > 0);
        }
    }
}

#[test]
fn bursts_are_bridged_by_copies_that_stand_apart() {
    let (mut w, lead, board) = lesson();
    let mut rng = StdRng::seed_from_u64(12);
    // 8 %, two and a half packets at a time.
    let mut lost = false;
    let line = move || {
        lost = rng.random_bool(if lost { 0.6 } else { 0.035 });
        lost
    };
    w.clients[board].loses = Some(Box::new(line));
    (0..400).for_each(|n| say(&mut w, lead, n));
    let apart = redundancy(&w, board).distances().next();
    assert_eq!(apart, Some(2), "{:?}", redundancy(&w, board));
    (400..3_000).for_each(|n| say(&mut w, lead, n));
    let gone = 2_600 - heard(&w, board).into_values().filter(|(_, n)| *n >= 400).count();
    assert!(gone < 60, "{gone} of 2600, which lost 208");
}

#[test]
fn a_good_line_and_a_client_without_red_get_plain_opus() {
    let (mut w, lead, board) = lesson();
    let plain = w.join_connected(&Offer::board());
    feed(&mut w, plain, lead, 2);
    for client in [board, plain] {
        w.clients[client].tells = true;
    }
    let mut rng = StdRng::seed_from_u64(13);
    w.clients[plain].loses = Some(Box::new(move || rng.random_bool(0.2)));
    (0..300).for_each(|n| say(&mut w, lead, n));
    for client in [board, plain] {
        assert!(w.received(client, 0).iter().all(|p| p.payload_type == OPUS));
    }
    let slot = &w.clients[plain].setup.as_ref().unwrap().slots[0];
    assert_eq!(slot.codecs[Codec::Opus.index()].unwrap().red, None);
    // A line that gets good again is left alone after ten good seconds; those of before are forgotten in as many.
    let mut rng = StdRng::seed_from_u64(14);
    w.clients[board].loses = Some(Box::new(move || rng.random_bool(0.1)));
    (300..450).for_each(|n| say(&mut w, lead, n));
    assert_ne!(redundancy(&w, board), Redundancy::NONE);
    w.clients[board].loses = None;
    (450..1_600).for_each(|n| say(&mut w, lead, n));
    assert_eq!(redundancy(&w, board), Redundancy::NONE);
}

#[test]
fn nobody_hears_again_what_was_not_meant_for_this_slot_or_this_time() {
    let (mut w, lead, board) = lesson();
    let other = w.join_connected(&Offer::lead(1));
    w.clients[other].tag = 2;
    let key = w.core.peer_keys[&w.peer(board)];
    let mics = [lead, other].map(|l| w.source(l, SourceKind::Mic));
    w.core.redundancy = RedundancyMode::Off;
    w.core.peers[key].slots[0].redundancy = Redundancy::new(3, 1);
    let mut n = 0;
    let mut meant: Vec<(u8, u32)> = Vec::new();
    let mut rng = StdRng::seed_from_u64(15);
    let (mut fed, mut open) = (0, true);
    for _ in 0..200 {
        match rng.random_range(0..4) {
            0 => {
                fed = 1 - fed;
                w.route_turn(board, 0, Some(mics[fed]), 2, n);
                // Another source is open until it is closed.
                w.core.handle_command(Command::Gate { source: mics[fed], open: true }, w.now);
                open = true;
            }
            1 => {
                open = !open;
                w.core.handle_command(Command::Gate { source: mics[fed], open }, w.now);
            }
            // The same source, fed anew.
            2 => w.route_turn(board, 0, Some(mics[fed]), 2, n),
            _ => {}
        }
        for _ in 0..rng.random_range(1..6) {
            n += 1;
            // Both speak; one of them is heard.
            say(&mut w, other, n);
            say(&mut w, lead, n);
            if open {
                meant.push((fed as u8 + 1, n));
            }
        }
    }
    let mut blocks = 0;
    for p in w.received(board, 0) {
        let all = frames(p);
        blocks += all.len() - 1;
        let (_, speaker, newest) = *all.last().unwrap();
        for (_, who, number) in &all {
            assert!(meant.contains(&(*who, *number)), "{who} said {number}, which was not for this slot");
            assert_eq!(*who, speaker);
            assert!(*number + 3 >= newest);
        }
    }
    assert!(blocks > 400, "{blocks}");
    // What was said before the slot got its source, or before it was opened, is nobody's.
    let firsts = w.received(board, 0);
    let begun = firsts.windows(2).filter(|p| frames(p[1]).len() == 1).count();
    assert!(begun > 40, "{begun} times it began anew");
}
