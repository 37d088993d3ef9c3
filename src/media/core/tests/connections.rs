//! Paths by TCP: media moves there and back, and never to a connection that has ended.

use super::world::World;
use super::{MS, lesson};
use crate::media::output::{Path, Via};

/// How each media datagram since `from` travelled that went to this client, without repeats in a row.
fn ways(w: &World, client: usize, from: usize) -> Vec<Via> {
    let lead = w.clients[0].address;
    let media = w.wire[from..].iter().filter(|(to, p)| p[0] >= 128 && *to != lead);
    assert!(w.clients[client].address != lead);
    let mut all: Vec<Via> = media.map(|(to, _)| w.via(*to)).collect();
    all.dedup();
    all
}

#[test]
fn the_latest_nomination_moves_media_to_a_connection_and_back() {
    let (mut w, lead, boards) = lesson(1, 1);
    let board = boards[0];
    w.teach(lead, MS(400));
    let udp = w.clients[board].address;
    let start = w.wire.len();
    w.move_to_connection(board, 1);
    w.teach(lead, MS(2_500));
    assert_eq!(ways(&w, board, start), [Via::Udp, Via::Tcp(1)]);
    // The datagram socket works again: the client nominates there.
    w.clients[board].address = udp;
    let start = w.wire.len();
    w.teach(lead, MS(2_500));
    assert_eq!(ways(&w, board, start), [Via::Tcp(1), Via::Udp]);
}

#[test]
fn nothing_is_sent_on_a_connection_that_has_ended() {
    let (mut w, lead, boards) = lesson(1, 1);
    let board = boards[0];
    w.teach(lead, MS(400));
    w.move_to_connection(board, 1);
    w.teach(lead, MS(2_500));
    let ended = w.path(w.clients[board].address);
    w.clients[board].silent = true;
    w.core.handle_path_closed(ended);
    assert!(!w.core.knows(ended));
    let start = w.wire.len();
    w.teach(lead, MS(1_000));
    assert_eq!(ways(&w, board, start), []);
    // Whatever passes a check next will do, also without a nomination.
    w.move_to_connection(board, 2);
    let mut check = w.clients[board].check(false);
    w.inject(w.clients[board].address, &mut check);
    let had = w.received(board, 2).len();
    let start = w.wire.len();
    w.teach(lead, MS(500));
    assert_eq!(ways(&w, board, start), [Via::Tcp(2)]);
    assert!(w.received(board, 2).len() > had, "the slot goes on");
}

#[test]
fn another_path_s_end_changes_nothing() {
    let (mut w, lead, boards) = lesson(1, 1);
    let board = boards[0];
    w.teach(lead, MS(400));
    let used = w.clients[board].address;
    let held = w.new_connection(7);
    let mut check = w.clients[board].check(false);
    w.inject(held, &mut check);
    assert!(w.core.knows(w.path(held)));
    w.core.handle_path_closed(w.path(held));
    w.core.handle_path_closed(Path { via: Via::Tcp(8), ..w.path(used) });
    let start = w.wire.len();
    w.teach(lead, MS(500));
    assert_eq!(ways(&w, board, start), [Via::Udp]);
}
