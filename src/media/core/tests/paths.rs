//! Where a peer's media goes and when a peer ends: checks, nominations, restarts, handshakes.

use super::client::Client;
use super::*;
use crate::media::negotiate::{IceCredentials, IceRestart};

const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const BINDING_ERROR: [u8; 2] = [0x01, 0x11];

/// First two bytes of all that went to `to`.
fn heads(w: &World, to: std::net::SocketAddr) -> Vec<[u8; 2]> {
    w.wire.iter().filter(|(at, _)| *at == to).map(|(_, p)| [p[0], p[1]]).collect()
}

fn is_media(head: [u8; 2]) -> bool {
    head[0] >= 128
}

fn is_dtls(head: [u8; 2]) -> bool {
    (20..=63).contains(&head[0])
}

fn ends(w: &World) -> Vec<CloseReason> {
    let reason = |e| match e {
        Event::PeerClosed { reason, .. } => Some(reason),
        _ => None,
    };
    w.events().into_iter().filter_map(reason).collect()
}

#[test]
fn a_probe_is_answered_and_moves_nothing() {
    let (mut w, lead, boards) = lesson(1, 1);
    let elsewhere = w.new_address();
    let mut probe = w.clients[boards[0]].check(false);
    w.inject(elsewhere, &mut probe);
    w.teach(lead, MS(200));
    assert_eq!(heads(&w, elsewhere), [BINDING_SUCCESS]);
    assert_eq!(w.received(boards[0], 0).len(), 10);
}

#[test]
fn the_first_path_that_works_will_do_until_one_is_nominated() {
    let mut w = World::new();
    let lead = w.join_connected(&Offer::lead(1));
    let board = w.join(&Offer::board());
    w.clients[board].nominates = false;
    w.run(MS(500));
    assert!(w.clients[board].connected());
    feed(&mut w, board, lead, 2);
    w.teach(lead, MS(200));
    assert_eq!(w.received(board, 0).len(), 10);
}

#[test]
fn a_handshake_is_answered_where_it_comes_from_media_goes_where_it_was_nominated() {
    let mut w = World::new();
    let lead = w.join_connected(&Offer::lead(1));
    let board = w.join(&Offer::board());
    // A first check from elsewhere; the handshake comes from its own address.
    let elsewhere = w.new_address();
    let mut probe = w.clients[board].check(false);
    w.inject(elsewhere, &mut probe);
    w.clients[board].nominates = false;
    w.run(MS(500));
    let home = w.clients[board].address;
    assert!(w.clients[board].connected());
    assert!(heads(&w, home).into_iter().any(is_dtls) && !heads(&w, elsewhere).into_iter().any(is_dtls));
    // A late datagram of the handshake from another address moves nothing.
    w.clients[board].nominates = true;
    w.run(MS(2_100));
    let mut hello = w.sent_by(board).into_iter().rfind(|p| p[0] == 22).unwrap();
    w.wire.clear();
    w.inject(elsewhere, &mut hello);
    feed(&mut w, board, lead, 2);
    w.teach(lead, MS(200));
    assert!(heads(&w, elsewhere).is_empty());
    assert!(heads(&w, home).into_iter().any(is_media));
}

#[test]
fn an_address_counts_only_after_a_check_that_proves_the_password() {
    let (mut w, _, boards) = lesson(1, 1);
    let stranger = w.new_address();
    let dropped = w.core.stats.datagrams_dropped;
    let mut forged = w.clients[boards[0]].check(true);
    let last = forged.len() - 1;
    forged[last - 10] ^= 1;
    let bad = w.core.stats.packets_unauthentic;
    w.inject(stranger, &mut forged);
    assert_eq!(w.core.stats.packets_unauthentic, bad + 1);
    w.inject(stranger, &mut [0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    w.inject(stranger, &mut [0x80; 200]);
    w.inject(stranger, &mut [0x80, 201, 0, 1, 0, 0, 0, 9]);
    assert_eq!(w.core.stats.datagrams_dropped, dropped + 3);
    assert_eq!(w.core.stats.packets_unauthentic, bad + 1, "nobody tried to open them");
}

#[test]
fn a_client_that_claims_our_role_is_told_and_counts_for_nothing() {
    let (mut w, _, boards) = lesson(1, 1);
    w.clients[boards[0]].meek = true;
    let elsewhere = w.new_address();
    let mut check = w.clients[boards[0]].check(true);
    w.inject(elsewhere, &mut check);
    let dropped = w.core.stats.datagrams_dropped;
    w.inject(elsewhere, &mut [0x80; 200]);
    assert_eq!(w.core.stats.datagrams_dropped, dropped + 1, "the address was not learned");
    w.run(MS(29_000));
    assert_eq!(heads(&w, elsewhere), [BINDING_ERROR]);
    assert!(ends(&w).is_empty());
    w.run(MS(3_000));
    assert_eq!(ends(&w), [CloseReason::ConsentLost], "such checks renew no consent");
}

#[test]
fn credentials_before_a_restart_hold_until_the_new_are_used() {
    let (mut w, lead, boards) = lesson(1, 1);
    let board = boards[0];
    let peer = w.peer(board);
    let old = (w.clients[board].setup.as_ref().unwrap().local.clone(), w.clients[board].ice.clone());
    let fresh = || (IceCredentials::generate(), IceCredentials::generate());
    let (first, second) = (fresh(), fresh());
    let restart = |w: &mut World, c: &(IceCredentials, IceCredentials)| {
        let restart = IceRestart { local: c.0.clone(), remote: c.1.clone() };
        w.core.handle_command(Command::RestartIce { peer, restart }, w.now);
    };
    let check = |c: &Client, (theirs, ours): &(_, _), nominate| c.check_as(theirs, ours, nominate);
    assert!(!w.try_check(board, |c| check(c, &first, true)), "not yet known");
    restart(&mut w, &first);
    for nominate in [false, true, true] {
        assert!(w.try_check(board, |c| check(c, &old, nominate)), "the old ones hold");
    }
    assert!(w.try_check(board, |c| check(c, &first, false)), "so do the new");
    assert!(w.try_check(board, |c| check(c, &old, true)), "a probe is no use yet");
    let mixed = (first.0.clone(), old.1.clone());
    assert!(!w.try_check(board, |c| check(c, &mixed, true)), "new and old do not mix");
    assert!(w.try_check(board, |c| check(c, &first, true)));
    assert!(!w.try_check(board, |c| check(c, &old, true)), "now they have ended");
    assert_eq!(w.core.demux.by_ufrag(&old.0.ufrag), None);
    // Two restarts, one after the other: of three pairs the oldest goes.
    restart(&mut w, &second);
    let third = fresh();
    restart(&mut w, &third);
    assert_eq!(w.core.demux.by_ufrag(&first.0.ufrag), None);
    assert!(w.try_check(board, |c| check(c, &second, false)));
    assert!(w.try_check(board, |c| check(c, &third, false)));
    w.core.handle_command(Command::RemovePeer { peer }, w.now);
    for gone in [&second, &third] {
        assert_eq!(w.core.demux.by_ufrag(&gone.0.ufrag), None);
    }
    let lead_ufrag = &w.clients[lead].setup.as_ref().unwrap().local.ufrag;
    assert!(w.core.demux.by_ufrag(lead_ufrag).is_some());
    assert!(!w.try_check(board, |c| check(c, &third, true)), "a peer that is gone answers nobody");
}

#[test]
fn a_handshake_that_does_not_come_to_an_end_ends_the_peer() {
    let mut w = World::new();
    let board = w.join(&Offer::board());
    w.clients[board].hears_dtls = 0;
    w.run(MS(29_900));
    assert!(ends(&w).is_empty());
    w.run(MS(700));
    assert_eq!(ends(&w), [CloseReason::Handshake]);
    assert!(w.core.peers.is_empty());
}

#[test]
fn a_flight_that_was_lost_is_repeated() {
    // The client takes the request for its cookie, or our certificate as well, and loses what follows.
    for hears in [1, 2] {
        let mut w = World::new();
        let board = w.join(&Offer::board());
        w.clients[board].hears_dtls = hears;
        w.run(MS(200));
        let home = w.clients[board].address;
        let count = |w: &World| heads(w, home).into_iter().filter(|h| is_dtls(*h)).count();
        let before = count(&w);
        assert!(before > hears && !w.clients[board].connected());
        w.run(MS(600));
        // After our last flight the client is who repeats.
        assert!(hears == 2 || count(&w) >= before + 2, "{before} datagrams, then {}", count(&w));
        // By now the client repeats its own, which stops the library's timer.
        w.clients[board].hears_dtls = usize::MAX;
        w.run(MS(2_000));
        assert!(w.clients[board].connected(), "heard {hears}");
    }
}

#[test]
fn both_sides_say_goodbye() {
    let (mut w, _, boards) = lesson(1, 2);
    let peer = w.peer(boards[0]);
    w.core.handle_command(Command::RemovePeer { peer }, w.now);
    w.exchange();
    assert!(w.clients[boards[0]].dismissed && !w.clients[boards[1]].dismissed);
    let now = w.now;
    w.clients[boards[1]].leave(now);
    w.exchange();
    assert_eq!(ends(&w), [CloseReason::Removed, CloseReason::Closed]);
    assert_eq!(w.core.peers.len(), 1);
}

#[test]
fn a_hub_that_closes_takes_its_peers_along() {
    let (mut w, lead, boards) = lesson(1, 1);
    let hub = w.hub;
    // Who is there already is not added twice, and nobody to a hub that is not.
    for client in [lead, boards[0]] {
        let (peer, setup) = (w.peer(client), Box::new(w.clients[client].setup.clone().unwrap()));
        w.core.handle_command(Command::AddPeer { hub, peer, setup }, w.now);
    }
    let setup = Box::new(w.clients[lead].setup.clone().unwrap());
    let (peer, nowhere) = (crate::ids::PeerId::next(), crate::ids::HubId::next());
    w.core.handle_command(Command::AddPeer { hub: nowhere, peer, setup }, w.now);
    assert_eq!(w.core.peers.len(), 2);
    w.core.handle_command(Command::CloseHub { hub }, w.now);
    assert_eq!(ends(&w), [CloseReason::Removed, CloseReason::Removed]);
    assert!(w.core.peers.is_empty() && w.core.sources.is_empty() && w.core.hubs.is_empty());
    assert!(w.core.peer_keys.is_empty() && w.core.source_keys.is_empty());
    assert_eq!(w.core.timers.next(), None, "nothing is due for anybody");
}

#[test]
fn a_peer_that_left_is_no_subscriber_and_a_source_that_left_feeds_nobody() {
    let (mut w, lead, boards) = lesson(1, 2);
    w.teach(lead, MS(200));
    let peer = w.peer(boards[0]);
    w.core.handle_command(Command::RemovePeer { peer }, w.now);
    assert!(w.core.sources.iter().all(|(_, s)| s.subscribers.len() == 1));
    let hub = &w.core.hubs[&w.hub];
    assert_eq!(hub.peers.len(), 2);
    // The lead goes with packets under way.
    let at = w.now - w.start;
    w.clients[lead].send_pictures(at);
    let from = w.clients[lead].address;
    for mut datagram in std::mem::take(&mut w.clients[lead].out) {
        w.inject(from, &mut datagram);
    }
    assert!(!w.core.fresh.is_empty());
    let peer = w.peer(lead);
    w.core.handle_command(Command::RemovePeer { peer }, w.now);
    assert!(w.core.fresh.is_empty());
    let (_, board) = w.core.peers.iter().next().unwrap();
    assert!(board.slots.iter().all(|s| s.feed.is_none()));
}
