//! Media by TCP at the real port: a client that has nothing else, its way back to UDP, and strangers.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep, timeout};
use zhuandi::fuzz::insider::Insider;
use zhuandi::media::negotiate::IceCredentials;
use zhuandi::media::rtp::Outgoing;
use zhuandi::media::transport::crypto_provider;
use zhuandi::media::transport::ice::nominating_check;
use zhuandi::session::message::Role;

use crate::harness::{PATIENCE, Page, Server};

/// How a client's datagrams travel.
enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

impl Wire {
    async fn udp(to: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(to).await.unwrap();
        Self::Udp(socket)
    }

    async fn tcp(to: SocketAddr) -> Self {
        Self::Tcp(TcpStream::connect(to).await.unwrap(), Vec::new())
    }

    async fn send(&mut self, datagram: &[u8]) {
        match self {
            Self::Udp(socket) => drop(socket.send(datagram).await),
            Self::Tcp(stream, _) => {
                let length = (datagram.len() as u16).to_be_bytes();
                // The server may have closed already; the test then sees that it did.
                let _ = stream.write_all(&[&length[..], datagram].concat()).await;
            }
        }
    }

    /// The next datagram within `time`; an empty one: the connection was closed.
    async fn next(&mut self, time: Duration) -> Option<Vec<u8>> {
        let mut buffer = [0; 4_096];
        match self {
            Self::Udp(socket) => {
                let length = timeout(time, socket.recv(&mut buffer)).await.ok()?.ok()?;
                Some(buffer[..length].to_vec())
            }
            Self::Tcp(stream, rest) => loop {
                if let Some(length) = rest.first_chunk::<2>() {
                    let end = 2 + usize::from(u16::from_be_bytes(*length));
                    if rest.len() >= end {
                        return Some(rest.drain(..end).skip(2).collect());
                    }
                }
                match timeout(time, stream.read(&mut buffer)).await.ok()? {
                    Ok(0) | Err(_) => return Some(Vec::new()),
                    Ok(length) => rest.extend(&buffer[..length]),
                }
            },
        }
    }
}

/// A client of the lesson that speaks by hand.
struct Client {
    page: Page,
    insider: Insider,
    wire: Wire,
    server: SocketAddr,
    sdp: String,
}

impl Client {
    async fn join(server: &Server, role: Role, sub: &str, by_tcp: bool) -> Self {
        let mut page = server.page("math", role, sub).await;
        let mut insider = Insider::new(false);
        let tracks = json!([{ "mid": "0", "kind": "mic" }, { "mid": "1", "kind": "camera" }]);
        let offer = json!({ "type": "offer", "sdp": insider.offer(), "tracks": tracks });
        let answer = page.reply(offer).await;
        let sdp = answer["sdp"].as_str().unwrap().to_owned();
        let value = |key: &str| sdp.lines().find_map(|l| l.strip_prefix(key)).unwrap().to_owned();
        insider.theirs = Some(IceCredentials { ufrag: value("a=ice-ufrag:"), pwd: value("a=ice-pwd:") });
        let to = ([127, 0, 0, 1], server.app.media_ports[0]).into();
        let wire = if by_tcp { Wire::tcp(to).await } else { Wire::udp(to).await };
        Self { page, insider, wire, server: to, sdp }
    }

    async fn run(&mut self, time: Duration, done: impl Fn(&Insider) -> bool) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until && !done(&self.insider) {
            self.insider.tick(Instant::now().into_std());
            for datagram in std::mem::take(&mut self.insider.out) {
                self.wire.send(&datagram).await;
            }
            if let Some(mut datagram) = self.wire.next(Duration::from_millis(20)).await {
                self.insider.handle(&mut datagram, Instant::now().into_std());
            }
        }
        done(&self.insider)
    }

    /// Nominates another wire; gives the old one.
    async fn move_to(&mut self, wire: Wire) -> Wire {
        let before = std::mem::replace(&mut self.wire, wire);
        let check = self.insider.check();
        self.wire.send(&check).await;
        before
    }

    async fn connect(&mut self) {
        assert!(self.run(PATIENCE, Insider::connected).await, "it connects");
    }

    async fn say(&mut self, sequence: u16) {
        let timestamp = u32::from(sequence) * 960;
        let mut sound = Vec::new();
        let extension = None;
        let (payload_type, marker, ssrc, transport_cc) = (111, false, 7, None);
        Outgoing { payload_type, marker, sequence, timestamp, ssrc, extension, transport_cc }
            .write(&mut sound);
        sound[0] |= 0x10;
        sound.extend([0xbe, 0xde, 0, 1, 0x10, b'0', 0, 0]);
        sound.extend(b"sound");
        let sealed = self.insider.seal_rtp(&sound).unwrap();
        self.wire.send(&sealed).await;
    }
}

/// Whether the board hears the lead on the wire that it has now.
async fn hears(lead: &mut Client, board: &mut Client, from: u16) -> bool {
    let had = board.insider.media;
    for n in 0..300 {
        lead.say(from + n).await;
        if board.run(Duration::from_millis(60), |i| i.media > had).await {
            return true;
        }
    }
    false
}

async fn lesson(lead_by_tcp: bool) -> (Server, Client, Client) {
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
