//! What strangers and peers can do to a handshake.

use super::*;
use crate::media::transport::hello::tests::{fragment, hello_body};

/// A server that has shaken hands with a client; with `lose` the server's last flight, which is
/// given, did not arrive.
fn connected(lose: bool) -> (Dtls, DtlsClient, Vec<BytesMut>) {
    let provider = crate::media::transport::crypto_provider().unwrap();
    let (config, text) = DtlsClient::shared(provider.clone()).unwrap();
    let bytes = text.split(':').map(|b| u8::from_str_radix(b, 16).unwrap()).collect::<Vec<_>>();
    let mut server = Dtls::new(&DtlsContext::new(provider).unwrap(), bytes.try_into().unwrap());
    let mut client = DtlsClient::new(&config);
    let (now, mut there) = (Instant::now(), Vec::new());
    client.connect(now, &mut there);
    loop {
        let mut back = Vec::new();
        for datagram in std::mem::take(&mut there) {
            server.read(now, &datagram, &mut back);
        }
        let connected = matches!(server.state, State::Running { connected: true, .. });
        if connected && lose {
            return (server, client, back);
        }
        for datagram in back {
            client.read(now, &datagram, &mut there);
        }
        if connected {
            return (server, client, Vec::new());
        }
    }
}

/// One record of `fragments` pieces of `size` bytes of a message that never ends.
fn pieces(sequence: u32, fragments: usize, size: usize) -> Vec<u8> {
    let u24 = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
    let body: Vec<u8> = (0..fragments)
        .flat_map(|n| {
            let at = if size == 0 { 0 } else { sequence as usize * fragments * size + n * size };
            [&[11][..], &u24(0xff_ffff), &[0, 6], &u24(at), &u24(size), &vec![7; size]].concat()
        })
        .collect();
    let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0];
    record.extend(sequence.to_be_bytes());
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

#[test]
fn fragments_after_the_handshake_are_nobody_s() {
    // The library would keep them all, the empty ones beyond its own limit, and answer.
    for size in [0, 1] {
        let (mut server, mut client, _) = connected(false);
        let now = Instant::now();
        let mut out = Vec::new();
        for n in 0..2_000 {
            server.read(now, &pieces(1_000 + n, 100, size), &mut out);
        }
        assert!(out.is_empty(), "no reply to plaintext");
        let mut goodbye = Vec::new();
        client.close(now, &mut goodbye);
        let end = goodbye.iter().map(|d| server.read(now, d, &mut out));
        assert!(end.into_iter().any(|p| matches!(p, Progress::Closed)), "it still hears its client");
    }
}

#[test]
fn fragments_before_the_end_are_capped_and_end_nothing_but_this_handshake() {
    let provider = crate::media::transport::crypto_provider().unwrap();
    let (config, _) = DtlsClient::shared(provider.clone()).unwrap();
    let context = DtlsContext::new(provider).unwrap();
    for size in [0, 1] {
        let mut server = Dtls::new(&context, [0; 32]);
        let (now, mut hello, mut out) = (Instant::now(), Vec::new(), Vec::new());
        DtlsClient::new(&config).connect(now, &mut hello);
        server.read(now, &hello[0], &mut out);
        let failed = (0..200)
            .any(|n| matches!(server.read(now, &pieces(n + 9, 100, size), &mut out), Progress::Failed));
        assert!(failed && server.held_bytes() == 0);
    }
}

#[test]
fn fragments_that_are_not_there_and_too_many_of_them_are_dropped() {
    let fragment = |claimed: u8, body: usize| {
        let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 12 + body as u8];
        record.extend([16, 0, 0, 100, 0, 1, 0, 0, 0, 0, 0, claimed]);
        record.resize(25 + body, 7);
        record
    };
    let mut taken = Taken::default();
    assert!(wanted_records(&fragment(1, 0), false, &mut taken).is_empty(), "it claims a byte and has none");
    assert!(wanted_records(&fragment(1, 0)[..20], false, &mut taken).is_empty());
    let one = fragment(1, 1);
    let passed = (0..1_000).filter(|_| !wanted_records(&one, false, &mut taken).is_empty()).count();
    assert!((200..=MAX_RECORDS).contains(&passed), "{passed}");
}

#[test]
fn a_last_flight_that_was_lost_is_sent_again() {
    let (mut server, mut client, lost) = connected(true);
    assert!(!lost.is_empty());
    let (now, mut there, mut back, mut none) =
        (Instant::now() + Duration::from_secs(1), Vec::new(), Vec::new(), Vec::new());
    client.handle_timeout(now, &mut there);
    for datagram in &there {
        server.read(now, datagram, &mut back);
    }
    let done = back.iter().any(|d| matches!(client.read(now, d, &mut none), Progress::Connected(_)));
    assert!(done, "the client is through with {} datagrams", back.len());
}

#[test]
fn nonsense_before_the_hello_does_not_end_it() {
    let provider = crate::media::transport::crypto_provider().unwrap();
    let (config, _) = DtlsClient::shared(provider.clone()).unwrap();
    let mut server = Dtls::new(&DtlsContext::new(provider).unwrap(), [0; 32]);
    let (now, mut hello, mut out) = (Instant::now(), Vec::new(), Vec::new());
    DtlsClient::new(&config).connect(now, &mut hello);
    let body = hello_body(&[7]);
    for n in 0..100 {
        // Empty fragments, the same half again and again, other lengths in turn.
        let half = fragment(&body, 0, 1 + n % 40);
        for datagram in [fragment(&[], 0, 0), half.clone(), half] {
            let progress = server.read(now, &datagram, &mut out);
            assert!(matches!(progress, Progress::Nothing));
            assert!(server.held_bytes() < 24 * 1024, "{}", server.held_bytes());
        }
    }
    server.read(now, &hello[0], &mut out);
    assert!(!out.is_empty(), "the honest hello is answered");
}
