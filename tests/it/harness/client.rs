//! A client that speaks media by hand, by UDP or TCP, beside a page's messages.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};
use zhuandi::fuzz::insider::Insider;
use zhuandi::media::negotiate::IceCredentials;
use zhuandi::media::rtp::Outgoing;
use zhuandi::session::message::Role;

use super::{PATIENCE, Page, Server};

/// How a client's datagrams travel.
pub enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

impl Wire {
    pub async fn udp(to: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(to).await.unwrap();
        Self::Udp(socket)
    }

    pub async fn tcp(to: SocketAddr) -> Self {
        Self::Tcp(TcpStream::connect(to).await.unwrap(), Vec::new())
    }

    pub async fn send(&mut self, datagram: &[u8]) {
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
    pub async fn next(&mut self, time: Duration) -> Option<Vec<u8>> {
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
pub struct Client {
    pub page: Page,
    pub welcome: Value,
    pub insider: Insider,
    pub wire: Wire,
    pub server: SocketAddr,
    /// The answer.
    pub sdp: String,
}

impl Client {
    pub async fn join(server: &Server, role: Role, sub: &str, by_tcp: bool) -> Self {
        let mut page = Page::connect(&server.app).await;
        let welcome = page.join(&server.token("math", role, sub)).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        let mut insider = Insider::new(false);
        let tracks = json!([{ "mid": "0", "kind": "mic" }, { "mid": "1", "kind": "camera" }]);
        let offer = json!({ "type": "offer", "sdp": insider.offer(), "tracks": tracks });
        let answer = page.reply(offer).await;
        let sdp = answer["sdp"].as_str().unwrap().to_owned();
        let value = |key: &str| sdp.lines().find_map(|l| l.strip_prefix(key)).unwrap().to_owned();
        insider.theirs = Some(IceCredentials { ufrag: value("a=ice-ufrag:"), pwd: value("a=ice-pwd:") });
        let to = ([127, 0, 0, 1], server.app.media_ports[0]).into();
        let wire = if by_tcp { Wire::tcp(to).await } else { Wire::udp(to).await };
        Self { page, welcome, insider, wire, server: to, sdp }
    }

    pub async fn run(&mut self, time: Duration, done: impl Fn(&Insider) -> bool) -> bool {
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
    pub async fn move_to(&mut self, wire: Wire) -> Wire {
        let before = std::mem::replace(&mut self.wire, wire);
        let check = self.insider.check();
        self.wire.send(&check).await;
        before
    }

    pub async fn connect(&mut self) {
        assert!(self.run(PATIENCE, Insider::connected).await, "it connects");
    }

    pub async fn say(&mut self, sequence: u16) {
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
pub async fn hears(lead: &mut Client, board: &mut Client, from: u16) -> bool {
    let had = board.insider.media;
    for n in 0..300 {
        lead.say(from + n).await;
        if board.run(Duration::from_millis(60), |i| i.media > had).await {
            return true;
        }
    }
    false
}
