//! Media by TCP at the real port: a client that has nothing else, its way back to UDP, and strangers.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use zhuandi::media::negotiate::IceCredentials;
use zhuandi::media::transport::crypto_provider;
use zhuandi::media::transport::ice::nominating_check;
use zhuandi::session::message::Role;

use crate::harness::{Client, PATIENCE, Server, Wire, hears};

/// A running lesson of two: the lead, and a board by TCP that is fed by her.
pub async fn lesson(lead_by_tcp: bool) -> (Server, Client, Client) {
    let server = Server::start().await;
    let mut lead = Client::join(&server, Role::Lead, "lead", lead_by_tcp).await;
    lead.connect().await;
    lead.page.ask(json!({ "type": "start_lesson" })).await;
    lead.page.send(json!({ "type": "state", "state": { "mic": true, "camera": true, "content": false, "sound": true } })).await;
    let mut board = Client::join(&server, Role::Receiver, "board", true).await;
    board.connect().await;
    let fed = |m: &Value| {
        m["type"] == "slots"
            && m["slots"].as_array().is_some_and(|s| s.iter().any(|s| s["feed"]["participant"] == "lead"))
    };
    board.page.until(fed).await;
    (server, lead, board)
}

#[tokio::test]
async fn a_lesson_by_tcp_alone() {
    let (server, mut lead, mut board) = lesson(true).await;
    let port = server.app.media_ports[0];
    let candidate = format!(" 127.0.0.1 {port} typ host tcptype passive");
    assert_eq!(board.sdp.matches(&candidate).count(), 1, "{}", board.sdp);
    assert!(hears(&mut lead, &mut board, 1).await);
    assert_eq!(board.insider.wrong, 0);
    // The connection breaks; the next one takes its place, with the same keys.
    let next = Wire::tcp(board.server).await;
    board.move_to(next).await;
    assert!(hears(&mut lead, &mut board, 1_000).await);
    assert_eq!((board.insider.wrong, lead.insider.wrong), (0, 0));
}

#[tokio::test]
async fn media_goes_to_udp_and_back_with_the_nomination() {
    let (_server, mut lead, mut board) = lesson(false).await;
    assert!(hears(&mut lead, &mut board, 1).await);
    let udp = Wire::udp(board.server).await;
    let mut tcp = board.move_to(udp).await;
    assert!(hears(&mut lead, &mut board, 1_000).await, "by UDP");
    // The connection is still open; nothing comes on it.
    while tcp.next(Duration::from_millis(200)).await.is_some_and(|d| !d.is_empty()) {}
    lead.say(3_000).await;
    assert_eq!(tcp.next(Duration::from_millis(300)).await, None);
    board.move_to(tcp).await;
    assert!(hears(&mut lead, &mut board, 4_000).await, "by TCP again");
    assert_eq!(board.insider.wrong, 0);
}

#[tokio::test]
async fn strangers_get_nothing_by_tcp_either() {
    let server = Server::start().await;
    let client = Client::join(&server, Role::Receiver, "c1", false).await;
    let provider = crypto_provider().unwrap();
    let (ours, theirs) = (client.insider.ours.clone(), client.insider.theirs.clone().unwrap());
    let good = nominating_check(&ours, &theirs, provider.crypto());
    let wrong = IceCredentials { pwd: "not-the-password-of-it-24".into(), ..theirs.clone() };
    let unknown = IceCredentials::generate();
    // Such checks are not answered; whatever is no check ends the connection.
    for stranger in [&wrong, &unknown] {
        let mut wire = Wire::tcp(client.server).await;
        wire.send(&nominating_check(&ours, stranger, provider.crypto())).await;
        assert_eq!(wire.next(Duration::from_millis(200)).await, None);
        wire.send(&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]).await;
        assert_eq!(wire.next(PATIENCE).await, Some(Vec::new()), "closed");
    }
    for bad in [&[0x80; 40][..], &[22; 40], b"GET / HTTP/1.1", &[0; 4_097]] {
        let mut wire = Wire::tcp(client.server).await;
        wire.send(bad).await;
        assert_eq!(wire.next(PATIENCE).await, Some(Vec::new()), "closed");
    }
    let mut honest = Wire::tcp(client.server).await;
    let answered = async {
        loop {
            honest.send(&good).await;
            match honest.next(Duration::from_millis(200)).await {
                Some(reply) => return reply,
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let reply = timeout(PATIENCE, answered).await.expect("a good check is answered");
    assert_eq!(reply[..2], [1, 1]);
}

#[tokio::test]
async fn who_has_a_password_gets_in_while_strangers_hold_all_that_they_can() {
    let server = Server::start().await;
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], server.app.media_ports[0]));
    let mut strangers = Vec::new();
    for _ in 0..300 {
        strangers.push(TcpStream::connect(to).await.unwrap());
    }
    let gone = |stranger: &TcpStream| match stranger.try_read(&mut [0]) {
        Ok(_) => true,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    };
    let full = async {
        while !strangers.iter().any(gone) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(4), full).await.expect("not all of them have a place");
    // Whoever had to go comes again, at once.
    let keep = tokio::spawn(async move {
        loop {
            for stranger in strangers.iter_mut().filter(|s| gone(s)).take(5) {
                *stranger = TcpStream::connect(to).await.unwrap();
            }
            sleep(Duration::from_millis(10)).await;
        }
    });
    for sub in ["c1", "c2", "c3"] {
        let mut connected = false;
        // A page begins anew as well, should a busy machine have kept its check back.
        for _ in 0..3 {
            let mut client = Client::join(&server, Role::Receiver, sub, true).await;
            connected |= client.run(Duration::from_secs(2), |i| i.connected()).await;
            if connected {
                break;
            }
        }
        assert!(connected, "{sub} finds no place");
    }
    keep.abort();
}
