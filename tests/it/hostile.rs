//! Hostile datagrams at the real media port: what gets no reply, what leaves no trace, and that an
//! honest client in the same lesson notices nothing.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep, timeout};
use zhuandi::bot::load::hostile::Hostile;
use zhuandi::fuzz::insider::Insider;
use zhuandi::media::negotiate::IceCredentials;
use zhuandi::media::rtp::Outgoing;
use zhuandi::media::transport::crypto_provider;
use zhuandi::media::transport::ice::nominating_check;
use zhuandi::process::resident;
use zhuandi::session::message::Role;

use crate::harness::{PATIENCE, Page, Server, request};

/// A client of the lesson that speaks to the port by hand.
struct Peer {
    page: Page,
    insider: Insider,
    socket: UdpSocket,
    server: SocketAddr,
}

impl Peer {
    /// Joins and is answered; nothing has been sent to the media port yet.
    async fn answered(server: &Server, role: Role, sub: &str) -> Self {
        let page = server.page("math", role, sub).await;
        Self::offer(server, page, |sdp| sdp).await
    }

    async fn offer(server: &Server, mut page: Page, change: impl Fn(String) -> String) -> Self {
        let mut insider = Insider::new(false);
        let tracks = json!([{ "mid": "0", "kind": "mic" }, { "mid": "1", "kind": "camera" }]);
        let offer = json!({ "type": "offer", "sdp": change(insider.offer()), "tracks": tracks });
        let answer = page.reply(offer).await;
        assert_eq!(answer["type"], "answer", "{answer}");
        let sdp = answer["sdp"].as_str().unwrap();
        let value = |key: &str| sdp.lines().find_map(|l| l.strip_prefix(key)).unwrap().to_owned();
        insider.theirs = Some(IceCredentials { ufrag: value("a=ice-ufrag:"), pwd: value("a=ice-pwd:") });
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let media = ([127, 0, 0, 1], server.app.media_ports[0]).into();
        Self { page, insider, socket, server: media }
    }

    async fn connected(server: &Server, role: Role, sub: &str) -> Self {
        let mut peer = Self::answered(server, role, sub).await;
        assert!(peer.connect().await, "{sub} connects");
        peer
    }

    /// Sends what waits and takes what comes, for this long or until `done`.
    async fn run(&mut self, time: Duration, done: impl Fn(&Insider) -> bool) -> bool {
        let until = Instant::now() + time;
        let mut buffer = [0; 2_048];
        while Instant::now() < until {
            self.insider.tick(Instant::now().into_std());
            for datagram in std::mem::take(&mut self.insider.out) {
                self.socket.send_to(&datagram, self.server).await.unwrap();
            }
            if done(&self.insider) {
                return true;
            }
            let wait = timeout(Duration::from_millis(50), self.socket.recv_from(&mut buffer));
            if let Ok(Ok((length, _))) = wait.await {
                self.insider.handle(&mut buffer[..length], Instant::now().into_std());
            }
        }
        done(&self.insider)
    }

    async fn connect(&mut self) -> bool {
        self.run(PATIENCE, Insider::connected).await
    }

    async fn send(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.server).await.unwrap();
    }

    /// Sound of its microphone, sealed.
    fn sound(&mut self, sequence: u16) -> Vec<u8> {
        let seal = self.insider.seal_rtp(&rtp(111, 7, sequence, "0", b"sound"));
        seal.expect("it is connected")
    }
}

/// A packet that names its m-line.
fn rtp(payload_type: u8, ssrc: u32, sequence: u16, mid: &str, payload: &[u8]) -> Vec<u8> {
    let timestamp = u32::from(sequence) * 960;
    let mut out = Vec::new();
    Outgoing { payload_type, marker: false, sequence, timestamp, ssrc, extension: None, transport_cc: None }
        .write(&mut out);
    out[0] |= 0x10;
    out.extend([0xbe, 0xde, 0, 1, 0x10, mid.as_bytes()[0], 0, 0]);
    out.extend(payload);
    out
}

/// Sends from an address of its own; whether anything came back.
async fn answered(to: SocketAddr, datagrams: &[Vec<u8>]) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for datagram in datagrams {
        socket.send_to(datagram, to).await.unwrap();
    }
    timeout(Duration::from_millis(300), socket.recv(&mut [0; 2_048])).await.is_ok()
}

async fn metric(server: &Server, name: &str) -> u64 {
    let all = request(server.app.ops_addr, "GET", "/metrics", &[], "").await.body;
    let line = all.lines().find_map(|l| l.strip_prefix(&format!("zhuandi_{name} ")));
    line.unwrap_or_else(|| panic!("{name} in {all}")).parse().unwrap()
}

/// A lesson with a lead and a board who are connected; the board hears the lead.
async fn lesson() -> (Server, Peer, Peer) {
    let server = Server::start().await;
    let mut lead = Peer::connected(&server, Role::Lead, "lead").await;
    lead.page.ask(json!({ "type": "start_lesson" })).await;
    lead.page.send(json!({ "type": "state", "state": { "mic": true, "camera": true, "content": false, "sound": true } })).await;
    let mut board = Peer::connected(&server, Role::Receiver, "board").await;
    let fed = |m: &Value| {
        m["type"] == "slots"
            && m["slots"].as_array().is_some_and(|s| s.iter().any(|s| s["feed"]["participant"] == "lead"))
    };
    board.page.until(fed).await;
    assert!(hears(&mut lead, &mut board, 1).await, "the lesson flows");
    (server, lead, board)
}

/// Whether the board gets what the lead says now.
async fn hears(lead: &mut Peer, board: &mut Peer, from: u16) -> bool {
    let had = board.insider.media;
    for n in 0..300 {
        let sound = lead.sound(from + n);
        lead.send(&sound).await;
        if board.run(Duration::from_millis(60), |i| i.media > had).await {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn strangers_get_no_reply_and_leave_no_trace() {
    let server = Server::start().await;
    let mut peer = Peer::answered(&server, Role::Receiver, "c1").await;
    let provider = crypto_provider().unwrap();
    let (ours, theirs) = (peer.insider.ours.clone(), peer.insider.theirs.clone().unwrap());
    let good = nominating_check(&ours, &theirs, provider.crypto());
    let wrong = IceCredentials { pwd: "not-the-password-of-it-24".into(), ..theirs.clone() };
    let other = IceCredentials { ufrag: "elsewhere".into(), ..ours.clone() };
    // Everything but integrity and fingerprint: 24 and 8 bytes.
    let mut bare = good[..good.len() - 32].to_vec();
    bare[3] -= 32;
    let mut broken = good.clone();
    *broken.last_mut().unwrap() ^= 1;
    peer.insider.begin_handshake(Instant::now().into_std());
    let hello = std::mem::take(&mut peer.insider.out);
    let kinds: [(&str, Vec<Vec<u8>>); 7] = [
        ("no integrity", vec![bare]),
        ("a wrong password", vec![nominating_check(&ours, &wrong, provider.crypto())]),
        ("a foreign user fragment", vec![nominating_check(&other, &theirs, provider.crypto())]),
        ("an unknown one", vec![nominating_check(&ours, &IceCredentials::generate(), provider.crypto())]),
        ("a broken fingerprint", vec![broken]),
        ("DTLS before ICE", hello.clone()),
        ("media", vec![rtp(111, 7, 1, "0", b"x"), vec![0x80, 201, 0, 1, 0, 0, 0, 9]]),
    ];
    for (what, datagrams) in &kinds {
        assert!(!answered(peer.server, datagrams).await, "{what} was answered");
    }
    // After a stranger's hello, the honest client's own finds an untouched server.
    let known = async { while !answered(peer.server, std::slice::from_ref(&good)).await {} };
    timeout(PATIENCE, known).await.expect("a good check is answered");
    let mut honest = Peer::answered(&server, Role::Receiver, "c1-again").await;
    honest.send(&[22; 40]).await;
    assert!(!answered(honest.server, &hello).await);
    assert!(honest.connect().await);
    assert_eq!(metric(&server, "media_panics_total").await, 0);
}

#[tokio::test]
async fn a_fingerprint_is_compared_and_may_not_be_missing() {
    let server = Server::start().await;
    let page = server.page("math", Role::Receiver, "liar").await;
    let mut liar = Peer::offer(&server, page, |sdp| {
        let at = sdp.find("sha-256 ").unwrap() + 8;
        let digit = if &sdp[at..=at] == "0" { "1" } else { "0" };
        format!("{}{digit}{}", &sdp[..at], &sdp[at + 1..])
    })
    .await;
    // It may believe that it is in; the server has closed.
    liar.run(Duration::from_secs(1), Insider::connected).await;
    let sealed = liar.insider.connected().then(|| liar.sound(1));
    for datagram in sealed.into_iter().chain([liar.insider.check()]) {
        assert!(!answered(liar.server, &[datagram]).await, "nobody is there any more");
    }
    let gone = async {
        while metric(&server, "media_peers").await != 0 {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the peer is closed");
    let mut page = server.page("math", Role::Receiver, "nobody").await;
    let sdp: String = Insider::new(false)
        .offer()
        .lines()
        .filter(|l| !l.starts_with("a=fingerprint"))
        .map(|l| format!("{l}\r\n"))
        .collect();
    let refused = page.reply(json!({ "type": "offer", "sdp": sdp, "tracks": [] })).await;
    assert_eq!(refused["code"], "no_fingerprint");
}

#[tokio::test]
async fn forged_and_replayed_media_is_counted_and_used_nowhere() {
    let (server, mut lead, mut board) = lesson().await;
    let bad = metric(&server, "media_packets_unauthentic_total").await;
    // What is still under way from the beginning.
    board.run(Duration::from_millis(500), |_| false).await;
    let heard = board.insider.media;
    let replayed = lead.sound(500);
    lead.send(&replayed).await;
    assert!(board.run(PATIENCE, |i| i.media == heard + 1).await, "one new packet");
    for n in 0..100 {
        lead.send(&replayed).await;
        let mut forged = lead.sound(600 + n);
        *forged.last_mut().unwrap() ^= 1;
        lead.send(&forged).await;
        let mut report = lead.insider.seal_rtcp(&[0x80, 201, 0, 1, 0, 0, 0, 9]).unwrap();
        *report.last_mut().unwrap() ^= 1;
        lead.send(&report).await;
        // On a line that only receives, of a codec that its line has not, of a line that is not.
        for odd in [rtp(111, 77, n, "2", b"x"), rtp(96, 78, n, "0", b"x"), rtp(111, 79, n, "9", b"x")] {
            let sealed = lead.insider.seal_rtp(&odd).unwrap();
            lead.send(&sealed).await;
        }
    }
    board.run(Duration::from_millis(500), |_| false).await;
    assert_eq!(board.insider.media, heard + 1, "nothing of it was forwarded");
    assert_eq!(board.insider.wrong, 0);
    let counted = async {
        while metric(&server, "media_packets_unauthentic_total").await < bad + 550 {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, counted).await.expect("it is counted");
    assert!(hears(&mut lead, &mut board, 900).await, "and the lesson goes on");
}

#[tokio::test]
async fn a_foreign_address_never_gets_what_is_another_s() {
    let (server, mut lead, mut board) = lesson().await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    // Packets that are authentic in themselves, from where no check has come.
    let theirs = lead.insider.theirs.clone().unwrap();
    let provider = crypto_provider().unwrap();
    let guess = IceCredentials { pwd: "a-guess-of-the-password-4".into(), ..theirs };
    for n in 0..50 {
        let check = nominating_check(&lead.insider.ours, &guess, provider.crypto());
        for datagram in [check, lead.sound(2_000 + n), vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]] {
            stranger.send_to(&datagram, lead.server).await.unwrap();
        }
    }
    assert!(hears(&mut lead, &mut board, 3_000).await);
    let came = timeout(Duration::from_millis(300), stranger.recv(&mut [0; 2_048])).await;
    assert!(came.is_err(), "the stranger got something");
    assert_eq!(metric(&server, "media_panics_total").await, 0);
}

#[tokio::test]
async fn a_peer_with_two_thousand_sources_is_capped() {
    let (server, mut lead, mut board) = lesson().await;
    let before = resident(std::process::id()).unwrap();
    for n in 0..2_000u32 {
        let packet = board.insider.seal_rtp(&rtp(111, 10_000 + n, n as u16, "0", b"x")).unwrap();
        let report = [&[0x80, 201, 0, 1][..], &(20_000 + n).to_be_bytes()].concat();
        let report = board.insider.seal_rtcp(&report).unwrap();
        board.send(&packet).await;
        board.send(&report).await;
        if n % 50 == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
    // Datagrams above any size, and handshake fragments of nothing and of too much.
    let fragment = |body: &[u8]| {
        [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 9, 9, 9][..], &(body.len() as u16).to_be_bytes(), body].concat()
    };
    let empty = fragment(&[[11, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0]; 100].concat());
    let huge = fragment(&[&[11, 0xff, 0xff, 0xff, 0, 9, 0, 0, 0, 0, 4, 0][..], &[7; 1_024]].concat());
    for _ in 0..2_000 {
        board.send(&empty).await;
        board.send(&huge).await;
    }
    for size in [1_501, 9_000, 65_507] {
        board.send(&vec![0x80; size]).await;
        board.send(&vec![22; size]).await;
        board.send(&vec![0; size]).await;
    }
    assert!(hears(&mut lead, &mut board, 1_000).await, "the lesson goes on");
    let grown = resident(std::process::id()).unwrap().saturating_sub(before);
    println!("{grown} bytes more");
    // Other tests grow in this process too; two thousand audio rings alone would be 320 MB, and what
    // the library would have kept of the fragments more.
    assert!(grown < 250 << 20, "{grown} bytes more");
    assert_eq!(metric(&server, "media_panics_total").await, 0);
}

#[tokio::test]
async fn a_flood_of_strangers_leaves_the_lesson_alone() {
    let (server, mut lead, mut board) = lesson().await;
    let before = resident(std::process::id()).unwrap();
    let flood = Hostile::start(lead.server, 50_000, 7, crypto_provider().unwrap()).unwrap();
    let until = Instant::now() + Duration::from_secs(3);
    let (mut said, heard) = (0, board.insider.media);
    while Instant::now() < until {
        let sound = lead.sound(4_000 + said);
        lead.send(&sound).await;
        said += 1;
        board.run(Duration::from_millis(20), |_| false).await;
    }
    board.run(Duration::from_millis(200), |_| false).await;
    let got = board.insider.media - heard;
    let figures = flood.stop();
    let grown = resident(std::process::id()).unwrap().saturating_sub(before);
    println!("{figures:?}; {got} of {said} heard; {grown} bytes more");
    assert_eq!(figures.answered, 0);
    // How many get through is a figure of the machine; that it goes on is not.
    assert!(got > 0 && board.insider.wrong == 0);
    assert!(grown < 250 << 20, "{grown} bytes more");
    assert_eq!(metric(&server, "media_panics_total").await, 0);
    assert!(hears(&mut lead, &mut board, 9_000).await);
}
