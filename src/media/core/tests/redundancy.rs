//! Sound that comes with redundancy (RED) goes on as plain Opus, with what was lost on the way.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::client::{MID, Rtp};
use super::picture::OPUS;
use super::world::{Offer, World};
use super::{MS, feed};
use crate::media::command::Command;
use crate::media::negotiate::SourceKind;
use crate::media::transport::rtcp::Said;

/// A lead who sends RED, and a board that hears her.
fn lesson() -> (World, usize, usize) {
    let mut w = World::new();
    let lead = w.join_connected(&Offer { red: true, ..Offer::lead(1) });
    let board = w.join_connected(&Offer::board());
    feed(&mut w, board, lead, 2);
    (w, lead, board)
}

/// Says its frame number, behind the first byte of an Opus packet of 20 ms.
fn frame(n: u32) -> Vec<u8> {
    [&[0xf8][..], &n.to_be_bytes()].concat()
}

/// (number in the sequence, time stamp, frame) of what the board heard, relative to the first.
fn heard(w: &World, board: usize) -> Vec<(u16, u32, u32)> {
    let packets = w.received(board, 0);
    let first = packets[0];
    let all = packets.iter().map(|p| {
        assert_eq!(p.payload_type, OPUS, "plain Opus");
        let n = u32::from_be_bytes(p.payload[1..].try_into().expect("one frame alone"));
        (p.sequence.wrapping_sub(first.sequence), p.timestamp.wrapping_sub(first.timestamp), n)
    });
    all.collect()
}

/// Sends `count` frames, 20 ms apart; before frame n a pause of `pause(n)` more (DTX). Gives when
/// each was sent, in ticks.
fn talk(
    w: &mut World,
    lead: usize,
    count: u32,
    mut lost: impl FnMut(u32) -> bool,
    pause: impl Fn(u32) -> u64,
) -> Vec<u32> {
    let begin = w.now;
    let mut times = Vec::new();
    for n in 0..count {
        w.run(MS(pause(n)));
        times.push((w.now - begin).as_millis() as u32 * 48);
        let at = w.now - w.start;
        w.clients[lead].send_red(at, &frame(n), lost(n));
        w.exchange();
        w.run(MS(20));
    }
    times
}

#[test]
fn a_fifth_lost_on_the_way_is_heard_all_the_same() {
    for pauses in [false, true] {
        let (mut w, lead, board) = lesson();
        let mut rng = StdRng::seed_from_u64(20);
        let mut lost = Vec::new();
        let lose = |n: u32| {
            let is = n > 0 && rng.random_ratio(1, 5);
            lost.extend(is.then_some(n));
            is
        };
        let pause = |n: u32| if pauses && n % 7 == 3 { u64::from(n % 5) * 90 } else { 0 };
        let times = talk(&mut w, lead, 1_500, lose, pause);
        let heard = heard(&w, board);
        for (sequence, timestamp, n) in &heard {
            assert_eq!(u32::from(*sequence), *n, "its own number");
            assert_eq!(*timestamp, times[*n as usize], "its own time");
        }
        assert!(heard.is_sorted_by(|a, b| a.2 < b.2), "in order and only once");
        // Three in a row, or two before a long pause, are gone for good.
        let share = 1.0 - (1_500 - heard.len()) as f64 / lost.len() as f64;
        assert!(lost.len() > 250, "{} lost", lost.len());
        assert!(share > if pauses { 0.85 } else { 0.93 }, "{share:.3} of the lost were recovered");
        assert_eq!(w.core.stats.audio_recovered, (heard.len() + lost.len() - 1_500) as u64);
        println!("{} of 1500 lost, {share:.3} recovered, pauses: {pauses}", lost.len());
        // Its sender learns what was lost on the way, or she would stop repeating.
        let said = w.clients[lead].said.iter().filter_map(|s| match s {
            Said::Reception { fraction_lost, .. } if *fraction_lost > 20 => Some(()),
            _ => None,
        });
        assert!(said.count() > 10);
    }
}

#[test]
fn nothing_of_the_time_when_it_was_closed_is_heard_out_of_a_later_packet() {
    let (mut w, lead, board) = lesson();
    let mic = w.source(lead, SourceKind::Mic);
    let gate = |w: &mut World, open: bool| {
        let now = w.now;
        w.core.handle_command(Command::Gate { source: mic, open }, now);
    };
    talk(&mut w, lead, 10, |_| false, |_| 0);
    gate(&mut w, false);
    // The last two of the closed time are lost, and come again in the first packet after it.
    talk(&mut w, lead, 10, |n| n >= 8, |_| 0);
    gate(&mut w, true);
    let before = heard(&w, board).len();
    talk(&mut w, lead, 5, |n| n == 1, |_| 0);
    let after: Vec<u32> = heard(&w, board)[before..].iter().map(|h| h.2).collect();
    assert_eq!(after, [0, 1, 2, 3, 4], "what was lost since then is found");
}

#[test]
fn what_is_no_red_is_counted_and_dropped() {
    let (mut w, lead, board) = lesson();
    talk(&mut w, lead, 5, |_| false, |_| 0);
    let before = heard(&w, board).len();
    for payload in [&[0x80 | OPUS, 0, 0][..], &[0x80 | OPUS, 0xff, 0xff, 0xff, OPUS], &[13, 1]] {
        let client = &mut w.clients[lead];
        let (ssrc, sequence) = (client.ssrc(0), client.next(0));
        let red = Rtp::new(ssrc, super::picture::RED, sequence, payload);
        client.send(&Rtp { timestamp: 9, extensions: &[(MID, b"0")], ..red });
    }
    w.exchange();
    assert_eq!(heard(&w, board).len(), before);
    let peer = w.core.peers.iter().find(|(_, p)| p.traffic.bad > 0).expect("counted").1;
    assert_eq!((peer.traffic.bad, w.core.stats.panics), (3, 0));
}
