//! Where media goes: to paths that passed a check, and to the one that the client uses.

use std::net::SocketAddr;

use super::world::World;
use super::{MS, lesson};
use crate::media::transport::rtcp::Compound;

#[test]
fn media_follows_authenticated_checks_and_nothing_else() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(400));
    // A stranger who knows an address and everything but the password.
    let stranger = w.new_address();
    let mut check = w.clients[boards[0]].check(true);
    let last = check.len() - 1;
    check[last - 10] ^= 1;
    w.inject(stranger, &mut check);
    w.inject(stranger, &mut [0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    w.inject(stranger, &mut [0x80; 200]);
    w.exchange();
    assert!(!w.wire.iter().any(|(to, _)| *to == stranger), "no reply to a stranger");
    // NAT rebinding: the next check comes from another port, and media with it.
    w.move_client(boards[0]);
    let moved = w.clients[boards[0]].address;
    w.teach(lead, MS(2_500));
    assert!(w.wire.iter().rev().take(20).any(|(to, p)| *to == moved && p[0] >= 128));
    let before = w.wire.len();
    w.teach(lead, MS(100));
    let media_elsewhere =
        w.wire[before..].iter().any(|(to, p)| p[0] >= 128 && *to != moved && *to != w.clients[lead].address);
    assert!(!media_elsewhere);
}

#[test]
fn a_captured_check_is_answered_again_and_moves_nothing() {
    let (mut w, lead, boards) = lesson(1, 1);
    w.teach(lead, MS(400));
    let mut captured = w.clients[boards[0]].check(true);
    w.inject(w.clients[boards[0]].address, &mut captured.clone());
    let thief = w.new_address();
    let before = w.wire.len();
    // Also when the client itself is quiet for longer than its checks are apart.
    w.clients[boards[0]].silent = true;
    for _ in 0..5 {
        w.inject(thief, &mut captured);
        w.teach(lead, MS(1_000));
    }
    let to_thief: Vec<_> = w.wire[before..].iter().filter(|(to, _)| *to == thief).collect();
    assert!(!to_thief.is_empty() && to_thief.iter().all(|(_, p)| p[0] < 2), "answers to checks alone");
    assert_eq!(media_went_to(&w, lead, before), [w.clients[boards[0]].address]);
}

/// Addresses other than the lead's that media was sent to since `from`.
fn media_went_to(w: &World, lead: usize, from: usize) -> Vec<SocketAddr> {
    let lead = w.clients[lead].address;
    let media = w.wire[from..].iter().filter(|(to, p)| p[0] >= 128 && *to != lead);
    let mut all: Vec<_> = media.map(|(to, _)| *to).collect();
    all.sort();
    all.dedup();
    all
}

/// The client sends RTCP, as browsers do all the time.
fn report(w: &mut World, client: usize) {
    let mut compound = Compound::default();
    compound.picture_loss(1, w.clients[client].slot_ssrc(2));
    w.clients[client].send_rtcp(compound);
    w.exchange();
}

#[test]
fn a_client_that_never_nominates_again_is_followed_when_its_media_moves() {
    let (mut w, lead, boards) = lesson(1, 1);
    let board = boards[0];
    w.teach(lead, MS(400));
    w.clients[board].silent = true;
    let before = w.clients[board].address;
    w.move_client(board);
    let moved = w.clients[board].address;
    // A check that nominates nothing is Firefox's only one in 5 s; it alone may be of a path held ready.
    let mut check = w.clients[board].check(false);
    w.inject(moved, &mut check);
    let start = w.wire.len();
    w.teach(lead, MS(1_000));
    assert_eq!(media_went_to(&w, lead, start), [before]);
    report(&mut w, board);
    let start = w.wire.len();
    w.teach(lead, MS(200));
    assert_eq!(media_went_to(&w, lead, start), [moved]);
}

#[test]
fn media_from_an_address_without_a_check_moves_nothing() {
    let (mut w, lead, boards) = lesson(1, 1);
    let board = boards[0];
    w.teach(lead, MS(400));
    w.clients[board].silent = true;
    let before = w.clients[board].address;
    w.move_client(board);
    w.teach(lead, MS(1_000));
    report(&mut w, board);
    let start = w.wire.len();
    w.teach(lead, MS(1_000));
    assert_eq!(media_went_to(&w, lead, start), [before]);
}

#[test]
fn a_path_held_ready_gets_nothing_while_the_other_one_lives() {
    let (mut w, lead, boards) = lesson(1, 1);
    let board = boards[0];
    let (used, ready) = (w.clients[board].address, w.new_address());
    let start = w.wire.len();
    // The client nominates the path in use every 2 s; stragglers come on the other one.
    for _ in 0..10 {
        let mut check = w.clients[board].check(false);
        w.inject(ready, &mut check);
        w.teach(lead, MS(1_000));
    }
    assert_eq!(media_went_to(&w, lead, start), [used]);
    // Nothing but checks that do not nominate, and none on the path in use: that one is gone.
    w.clients[board].silent = true;
    for _ in 0..4 {
        w.teach(lead, MS(2_000));
        let mut check = w.clients[board].check(false);
        w.inject(ready, &mut check);
    }
    let start = w.wire.len();
    w.teach(lead, MS(200));
    assert_eq!(media_went_to(&w, lead, start), [ready]);
}
