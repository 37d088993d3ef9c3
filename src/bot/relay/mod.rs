//! A bad link for real browsers: a relay in user space with the model of `bot::link` in it, for UDP and,
//! where asked to, for TCP (`stream`).
//!
//! Clients send to the relay's address in place of the server's media port; each client address gets a
//! socket of its own towards the server, so that the server tells them apart. What goes either way
//! passes a [`Link`]. Each client has a link of its own, or all share one (a school's line). One task
//! owns everything; sockets only feed it. Figures can be changed in mid-run by lines of text
//! (`control`), from standard input or over TCP. One seed gives one weather; the packets are as real as
//! their clients and differ from run to run.

pub mod control;
mod stream;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::bot::link::model::Link;
use crate::bot::link::profiles::Profile;
use crate::bot::relay::control::{Directions, Order};
use crate::bot::relay::stream::Streams;

/// Above any datagram of WebRTC.
const DATAGRAM: usize = 2_048;
/// Datagrams that wait for the one task; it is never far behind. More are dropped, as anywhere.
const INBOX: usize = 4_096;
/// Kernel buffers: bursts wait in the model, not here.
const KERNEL_BUFFER: usize = 4 << 20;

/// What to relay.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Where clients send. Port 0: any.
    pub listen: SocketAddr,
    /// The server's media port.
    pub server: SocketAddr,
    pub profile: Profile,
    /// All clients are behind one link.
    pub shared: bool,
    pub seed: u64,
    /// TCP as well: where clients connect, and where that goes.
    pub tcp: Option<(SocketAddr, SocketAddr)>,
    /// Where lines of control are taken over TCP, besides standard input.
    pub control: Option<SocketAddr>,
}

/// A relay that is bound.
pub struct Relay {
    config: RelayConfig,
    front: Arc<UdpSocket>,
    control: Option<TcpListener>,
    tcp: Option<(TcpListener, SocketAddr)>,
}

/// A line of control, and where its answer goes.
type Asked = (String, oneshot::Sender<String>);

impl Relay {
    pub async fn bind(config: RelayConfig) -> std::io::Result<Self> {
        let front = UdpSocket::bind(config.listen).await?;
        enlarge(&front);
        let control = match config.control {
            Some(address) => Some(TcpListener::bind(address).await?),
            None => None,
        };
        let tcp = match config.tcp {
            Some((listen, server)) => Some((TcpListener::bind(listen).await?, server)),
            None => None,
        };
        Ok(Self { config, front: Arc::new(front), control, tcp })
    }

    /// Where clients send.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.front.local_addr()
    }

    /// Where lines of control are taken.
    #[must_use]
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.control.as_ref()?.local_addr().ok()
    }

    /// Where clients connect by TCP.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref()?.0.local_addr().ok()
    }

    /// Relays until it is dropped. `lines`: from standard input, if somebody types.
    pub async fn run(self, lines: Option<mpsc::Receiver<Asked>>) -> anyhow::Result<()> {
        let (asks, mut asked) = mpsc::channel::<Asked>(16);
        if let Some(listener) = self.control {
            tokio::spawn(listen(listener, asks.clone()));
        }
        if let Some(mut lines) = lines {
            let asks = asks.clone();
            tokio::spawn(async move {
                while let Some(line) = lines.recv().await {
                    if asks.send(line).await.is_err() {
                        return;
                    }
                }
            });
        }
        let (inbox, mut arrivals) = mpsc::channel::<(usize, Vec<u8>)>(INBOX);
        let begin = Instant::now();
        let streams = Streams::new(self.config.profile.clone(), self.config.seed, begin);
        if let Some((listener, server)) = self.tcp {
            tokio::spawn(streams.clone().run(listener, server));
        }
        let mut ways = Ways { config: self.config, begin, clients: Vec::new(), links: Vec::new(), streams };
        let mut by_address: HashMap<SocketAddr, usize> = HashMap::new();
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let next = ways.poll_timeout().unwrap_or(Duration::from_secs(3600));
            tokio::select! {
                received = self.front.recv_from(&mut buffer) => {
                    // An error of one client's address (ICMP) is no reason to end.
                    if let Ok((length, from)) = received {
                        let client = match by_address.get(&from) {
                            Some(client) => *client,
                            None => {
                                let client = ways.add(from, &inbox).await?;
                                by_address.insert(from, client);
                                client
                            }
                        };
                        ways.up(client, buffer[..length].to_vec());
                    }
                }
                arrived = arrivals.recv() => {
                    if let Some((client, datagram)) = arrived {
                        ways.down(client, datagram);
                    }
                }
                Some((line, answer)) = asked.recv() => {
                    let _ = answer.send(ways.obey(&line));
                }
                () = sleep_until(ways.begin + next) => {}
            }
            ways.deliver(&self.front);
        }
    }
}

/// A client and its socket towards the server.
struct Client {
    address: SocketAddr,
    back: Arc<UdpSocket>,
    /// Place of its link.
    link: usize,
}

/// Both directions of a link; what it carries knows its client.
struct Pair {
    down: Link<(usize, Vec<u8>)>,
    up: Link<(usize, Vec<u8>)>,
}

struct Ways {
    config: RelayConfig,
    begin: Instant,
    clients: Vec<Client>,
    links: Vec<Pair>,
    streams: Streams,
}

impl Ways {
    fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    async fn add(
        &mut self,
        address: SocketAddr,
        inbox: &mpsc::Sender<(usize, Vec<u8>)>,
    ) -> anyhow::Result<usize> {
        let any: SocketAddr = match self.config.server {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let back = UdpSocket::bind(any).await?;
        enlarge(&back);
        back.connect(self.config.server).await?;
        let back = Arc::new(back);
        let client = self.clients.len();
        tokio::spawn(feed(client, back.clone(), inbox.clone()));
        if self.links.is_empty() || !self.config.shared {
            let seed = self.config.seed + 2 * self.links.len() as u64;
            let Profile { down, up, .. } = &self.config.profile;
            self.links
                .push(Pair { down: Link::new(down.clone(), seed), up: Link::new(up.clone(), seed + 1) });
        }
        self.clients.push(Client { address, back, link: self.links.len() - 1 });
        Ok(client)
    }

    fn up(&mut self, client: usize, datagram: Vec<u8>) {
        let (now, link) = (self.now(), self.clients[client].link);
        self.links[link].up.send(now, datagram.len(), (client, datagram));
    }

    fn down(&mut self, client: usize, datagram: Vec<u8>) {
        let (now, link) = (self.now(), self.clients[client].link);
        self.links[link].down.send(now, datagram.len(), (client, datagram));
    }

    fn poll_timeout(&self) -> Option<Duration> {
        let times = self.links.iter().flat_map(|l| [l.down.poll_timeout(), l.up.poll_timeout()]);
        times.flatten().min()
    }

    /// Sends what has come out. A socket that is full loses it.
    fn deliver(&mut self, front: &UdpSocket) {
        let now = self.now();
        let passes = !self.config.profile.udp_blocked;
        for pair in &mut self.links {
            while let Some((client, datagram)) = pair.up.receive(now) {
                if passes {
                    let _ = self.clients[client].back.try_send(&datagram);
                }
            }
            while let Some((client, datagram)) = pair.down.receive(now) {
                if passes {
                    let _ = front.try_send_to(&datagram, self.clients[client].address);
                }
            }
        }
    }

    fn obey(&mut self, line: &str) -> String {
        let order = match control::parse(line) {
            Ok(order) => order,
            Err(problem) => return format!("error: {problem}"),
        };
        let now = self.now();
        match order {
            Order::Udp(on) => self.config.profile.udp_blocked = !on,
            Order::Figures => return self.figures().to_string(),
            Order::Change(directions, change) => {
                let (down, up) = (directions != Directions::Up, directions != Directions::Down);
                for pair in &mut self.links {
                    if down {
                        pair.down.set(now, change);
                    }
                    if up {
                        pair.up.set(now, change);
                    }
                }
                self.config.profile.change(down, up, change);
                self.streams.change(down, up, change);
            }
            Order::Profile(profile) => {
                for (n, pair) in self.links.iter_mut().enumerate() {
                    let seed = self.config.seed + 2 * n as u64;
                    pair.down.become_another(now, profile.down.clone(), seed);
                    pair.up.become_another(now, profile.up.clone(), seed + 1);
                }
                self.streams.become_another((*profile).clone());
                self.config.profile = *profile;
            }
        }
        "ok".to_owned()
    }

    /// What passed, by link; for scripts.
    fn figures(&self) -> serde_json::Value {
        let way = |link: &Link<(usize, Vec<u8>)>| {
            let t = link.tally();
            serde_json::json!({
                "offered": t.offered, "delivered": t.delivered, "lost": t.lost, "overflowed": t.overflowed,
                "bytes": t.bytes, "queue_ms": link.queueing().as_secs_f64() * 1e3,
            })
        };
        let links = self.links.iter().map(|l| serde_json::json!({ "down": way(&l.down), "up": way(&l.up) }));
        serde_json::json!({ "clients": self.clients.len(), "links": links.collect::<Vec<_>>() })
    }
}

/// Hands on what the server sends to one client.
async fn feed(client: usize, back: Arc<UdpSocket>, inbox: mpsc::Sender<(usize, Vec<u8>)>) {
    let mut buffer = vec![0; DATAGRAM];
    while !inbox.is_closed() {
        if let Ok(length) = back.recv(&mut buffer).await {
            // Full: dropped, as a network would.
            let _ = inbox.try_send((client, buffer[..length].to_vec()));
        }
    }
}

/// Lines of control over TCP: one answer for each.
async fn listen(listener: TcpListener, asks: mpsc::Sender<Asked>) {
    while let Ok((socket, _)) = listener.accept().await {
        let asks = asks.clone();
        tokio::spawn(async move {
            let (reading, mut writing) = socket.into_split();
            let mut lines = BufReader::new(reading).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let (answer, answered) = oneshot::channel();
                if asks.send((line, answer)).await.is_err() {
                    return;
                }
                let Ok(text) = answered.await else {
                    return;
                };
                if writing.write_all(format!("{text}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Lines of standard input, read on a thread of their own so that the program can end meanwhile.
#[must_use]
pub fn typed_lines() -> mpsc::Receiver<Asked> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let (answer, answered) = oneshot::channel();
            let Ok(line) = line else {
                return;
            };
            if sender.blocking_send((line, answer)).is_err() {
                return;
            }
            if let Ok(text) = answered.blocking_recv() {
                println!("{text}");
            }
        }
    });
    receiver
}

fn enlarge(socket: &UdpSocket) {
    // The kernel may give less.
    let socket = socket2::SockRef::from(socket);
    let _ = socket.set_recv_buffer_size(KERNEL_BUFFER);
    let _ = socket.set_send_buffer_size(KERNEL_BUFFER);
}

#[cfg(test)]
#[path = "relay_test.rs"]
mod tests;
