//! The server's side of the handshake against the client's, with a clock that only the test moves.

use super::*;
use crate::media::transport::crypto_provider;

/// Both sides, and the client's first flight.
fn sides() -> (Dtls, DtlsClient, Vec<BytesMut>, Instant) {
    let provider = crypto_provider().unwrap();
    let (config, fingerprint) = DtlsClient::shared(provider.clone()).unwrap();
    let bytes: Vec<u8> = fingerprint.split(':').map(|b| u8::from_str_radix(b, 16).unwrap()).collect();
    let server = Dtls::new(&DtlsContext::new(provider).unwrap(), bytes.try_into().unwrap());
    let mut client = DtlsClient::new(&config);
    let (now, mut first) = (Instant::now(), Vec::new());
    client.connect(now, &mut first);
    (server, client, first, now)
}

/// Carries datagrams to and fro until nobody has one. Whether the server and the client connected.
fn converse(
    server: &mut Dtls,
    client: &mut DtlsClient,
    mut to_server: Vec<BytesMut>,
    now: Instant,
) -> (bool, bool) {
    let mut done = (false, false);
    while !to_server.is_empty() {
        let mut to_client = Vec::new();
        for datagram in std::mem::take(&mut to_server) {
            done.0 |= matches!(server.read(now, &datagram, &mut to_client), Progress::Connected(_));
        }
        for datagram in to_client {
            done.1 |= matches!(client.read(now, &datagram, &mut to_server), Progress::Connected(_));
        }
    }
    done
}

/// A record with a part of the handshake message that `record` has.
fn part(record: &[u8], from: usize, to: usize) -> BytesMut {
    let u24 = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
    let mut out = BytesMut::from(&record[..19]);
    // Each record has its own number.
    out[10] = from as u8;
    out[11..13].copy_from_slice(&(12 + (to - from) as u16).to_be_bytes());
    out.extend_from_slice(&u24(from));
    out.extend_from_slice(&u24(to - from));
    out.extend_from_slice(&record[25 + from..25 + to]);
    out
}

#[test]
fn a_first_hello_in_parts_is_answered_and_after_it_nothing_is_capped() {
    let (mut server, mut client, first, now) = sides();
    let length = first[0].len() - 25;
    let parts = vec![part(&first[0], 0, 40), part(&first[0], 40, length)];
    assert_eq!(converse(&mut server, &mut client, parts, now), (true, true));
    assert_eq!(server.poll_timeout(), None);
    // A client may talk on as long as it likes; what it says is for nobody.
    for _ in 0..100 {
        let mut out = Vec::new();
        let noise = server.read(now, &[23; 1_000], &mut out);
        assert!(matches!(noise, Progress::Nothing) && out.is_empty());
    }
    let mut goodbye = Vec::new();
    client.close(now, &mut goodbye);
    let heard = goodbye.iter().map(|d| server.read(now, d, &mut Vec::new())).last();
    assert!(matches!(heard, Some(Progress::Closed)));
    let again = server.read(now, &first[0], &mut Vec::new());
    assert!(matches!(again, Progress::Nothing), "it is over");
}

#[test]
fn a_handshake_takes_a_bounded_number_of_bytes() {
    let (mut server, _, first, now) = sides();
    let mut out = Vec::new();
    let hello = first[0].len() - 25;
    for n in 0..100 {
        let progress = server.read(now, &part(&first[0], n, n + 1), &mut out);
        assert!(matches!(progress, Progress::Nothing) && out.is_empty());
        // Eight datagrams at most; then the hello begins anew.
        assert!(server.held_bytes() <= 2 * hello + 8 * 26, "{} bytes", server.held_bytes());
    }
    let (mut server, _, first, now) = sides();
    server.read(now, &first[0], &mut out);
    let mut taken = first[0].len();
    let noise = [22; 1_000];
    while let Progress::Nothing = server.read(now, &noise, &mut out) {
        taken += noise.len();
        assert!(taken <= MAX_HANDSHAKE_BYTES);
    }
    assert!(taken + noise.len() > MAX_HANDSHAKE_BYTES);
}

#[test]
fn a_flight_is_repeated_less_and_less_often() {
    let (mut server, mut client, first, now) = sides();
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    server.read(now, &first[0], &mut to_client);
    for datagram in to_client.drain(..) {
        client.read(now, &datagram, &mut to_server);
    }
    let hello = to_server.pop().unwrap();
    server.read(now, &hello, &mut to_client);
    let flight = std::mem::take(&mut to_client);
    // The client repeats its hello, in a record of another number: the flight was lost.
    let mut hello = hello;
    hello[10] += 40;
    server.read(now, &hello, &mut to_client);
    assert!(to_client.is_empty());
    let mut at = Vec::new();
    for ms in 1..10_000 {
        let then = now + Duration::from_millis(ms);
        if server.poll_timeout().is_some_and(|due| due <= then) {
            server.handle_timeout(then, &mut to_client);
            assert!(to_client == flight, "as it was");
            to_client.clear();
            at.push(ms);
        }
    }
    assert_eq!(at, [250, 750, 1_750, 3_750, 7_750]);
    // Late as it is, it serves.
    let answers = {
        let mut out = Vec::new();
        for datagram in &flight {
            client.read(now, datagram, &mut out);
        }
        out
    };
    assert_eq!(converse(&mut server, &mut client, answers, now), (true, true));
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn a_client_whose_hello_was_lost_after_two_requests_for_it_goes_on() {
    let (mut server, mut client, first, now) = sides();
    let mut to_client = Vec::new();
    server.read(now, &first[0], &mut to_client);
    // It repeats its hello before the answer comes, so it is asked for the cookie twice.
    let (mut again, now) = (Vec::new(), now + Duration::from_millis(600));
    client.handle_timeout(now, &mut again);
    server.read(now, &again[0], &mut to_client);
    let mut lost = Vec::new();
    for datagram in &to_client {
        client.read(now, datagram, &mut lost);
    }
    assert!(!lost.is_empty());
    let mut repeated = Vec::new();
    let mut later = now;
    while repeated.is_empty() && later < now + Duration::from_secs(3) {
        later += Duration::from_millis(100);
        client.handle_timeout(later, &mut repeated);
    }
    assert!(!repeated.is_empty(), "nobody would say anything more");
    assert_eq!(converse(&mut server, &mut client, repeated, later), (true, true));
}
