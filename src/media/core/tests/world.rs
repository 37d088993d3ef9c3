//! A small world for tests: the core, clients on the same crates, a clock that only tests move.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::ids::{HubId, PeerId, SourceId};
use crate::media::command::{Command, Event, LayerIndex, Rank, Route, SlotIndex};
use crate::media::core::Core;
use crate::media::core::tests::client::{Client, Packet};
use crate::media::negotiate::{Accepted, Codec, Negotiator, PeerRequest, SourceKind};
use crate::media::output::{Class, Path, Via};
use crate::media::transport::crypto_provider;
use crate::media::transport::dtls::DtlsContext;

/// What a test client offers.
#[derive(Clone)]
pub struct Offer {
    pub sources: Vec<(SourceKind, usize)>,
    pub audio: usize,
    pub video: usize,
    /// Of its pictures.
    pub codec: Codec,
    /// Sound with redundancy first.
    pub red: bool,
    /// Take sound with redundancy.
    pub hears_red: bool,
    /// Offer AES-CM alone.
    pub old_cipher: bool,
    /// Name another certificate's fingerprint in the offer.
    pub lie: bool,
    /// The one video codec that it can show; `None`: all.
    pub shows: Option<Codec>,
}

impl Offer {
    pub fn board() -> Self {
        Self {
            sources: Vec::new(),
            audio: 2,
            video: 2,
            codec: Codec::Vp8,
            red: false,
            hears_red: false,
            old_cipher: false,
            lie: false,
            shows: None,
        }
    }

    /// A lead with microphone and a camera of `layers` layers.
    pub fn lead(layers: usize) -> Self {
        let sources = vec![(SourceKind::Mic, 1), (SourceKind::Camera, layers)];
        Self { sources, ..Self::board() }
    }
}

pub struct World {
    pub core: Core,
    pub now: Instant,
    pub start: Instant,
    pub hub: HubId,
    pub clients: Vec<Client>,
    pub negotiator: Negotiator,
    /// Everything the core sent, for checks over all of it.
    pub wire: Vec<(SocketAddr, Vec<u8>)>,
    /// What each of them was, for a socket that is full.
    pub classes: Vec<Class>,
    /// Everything but media that clients sent: (who, what).
    sent: Vec<(usize, Vec<u8>)>,
    by_address: HashMap<SocketAddr, usize>,
    events: Arc<Mutex<Vec<Event>>>,
    next_port: u16,
    /// Addresses that are connections, and their numbers.
    connections: HashMap<SocketAddr, u32>,
}

impl World {
    pub fn new() -> Self {
        let provider = crypto_provider().unwrap();
        let dtls = DtlsContext::new(provider.clone()).unwrap();
        let now = Instant::now();
        let mut core = Core::new(provider, dtls.clone(), now);
        // Its clients tell nothing of their lines; tests/sim has those that do.
        core.adapt = false;
        let hub = HubId::next();
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = events.clone();
        let take = move |event| sink.lock().unwrap().push(event);
        core.handle_command(Command::OpenHub { hub, events: Box::new(take) }, now);
        let addresses: Arc<[IpAddr]> = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)].into();
        let negotiator = Negotiator::new(dtls, addresses, vec![7000].into());
        Self {
            core,
            now,
            start: now,
            hub,
            clients: Vec::new(),
            negotiator,
            wire: Vec::new(),
            classes: Vec::new(),
            sent: Vec::new(),
            by_address: HashMap::new(),
            events,
            next_port: 20_000,
            connections: HashMap::new(),
        }
    }

    /// A client offers, is answered and added; returns its index. Time does not move.
    pub fn join(&mut self, offer: &Offer) -> usize {
        let mut client = Client::new(offer, self.now);
        let request = PeerRequest { sources: client.named_sources(), prefer_video: offer.codec };
        let accepted: Accepted =
            self.negotiator.accept(0, &client.offer_sdp(), &request).expect("a good offer");
        client.accept(&accepted);
        let command = Command::AddPeer { hub: self.hub, peer: accepted.peer, setup: accepted.setup };
        self.core.handle_command(command, self.now);
        client.address = self.new_address();
        self.by_address.insert(client.address, self.clients.len());
        self.clients.push(client);
        self.clients.len() - 1
    }

    pub fn new_address(&mut self) -> SocketAddr {
        self.next_port += 1;
        ([127, 0, 0, 1], self.next_port).into()
    }

    /// The client's packets come from somewhere else from now on.
    pub fn move_client(&mut self, client: usize) {
        let address = self.new_address();
        self.clients[client].address = address;
        self.by_address.insert(address, client);
    }

    /// Sends a check of a client from a new address. Whether it is answered with success.
    pub fn try_check(&mut self, client: usize, make: impl Fn(&Client) -> Vec<u8>) -> bool {
        let mut check = make(&self.clients[client]);
        let from = self.new_address();
        self.inject(from, &mut check);
        self.exchange();
        self.wire.iter().any(|(to, p)| *to == from && p[..2] == [1, 1])
    }

    /// Everything but media that a client sent.
    pub fn sent_by(&self, client: usize) -> Vec<Vec<u8>> {
        let of = |(from, p): &(usize, Vec<u8>)| (*from == client).then(|| p.clone());
        self.sent.iter().filter_map(of).collect()
    }

    /// Joins and runs until it is connected.
    pub fn join_connected(&mut self, offer: &Offer) -> usize {
        let client = self.join(offer);
        for _ in 0..100 {
            if self.clients[client].connected() {
                return client;
            }
            self.run(Duration::from_millis(10));
        }
        panic!("client {client} did not connect");
    }

    pub fn peer(&self, client: usize) -> PeerId {
        self.clients[client].peer.unwrap()
    }

    pub fn source(&self, client: usize, kind: SourceKind) -> SourceId {
        let client = &self.clients[client];
        client.sources.iter().find(|s| s.kind == kind).unwrap().source
    }

    /// Feeds slot `slot` of a client.
    pub fn route(&mut self, client: usize, slot: u8, source: Option<SourceId>, max_layer: u8) {
        self.route_turn(client, slot, source, max_layer, 0);
    }

    pub fn route_turn(
        &mut self,
        client: usize,
        slot: u8,
        source: Option<SourceId>,
        max_layer: u8,
        turn: u32,
    ) {
        let route =
            Route { slot: SlotIndex(slot), source, max_layer: LayerIndex(max_layer), turn, rank: Rank::Lead };
        let peer = self.peer(client);
        self.core.handle_command(Command::Route { peer, routes: vec![route] }, self.now);
        self.exchange();
    }

    /// Moves the clock in steps of 5 ms, with all that follows.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(5);
            for client in &mut self.clients {
                client.tick(self.now);
            }
            self.exchange();
            if self.core.poll_timeout() <= self.now {
                self.core.handle_timeout(self.now);
            }
            self.exchange();
        }
    }

    /// Delivers everything that is under way.
    pub fn exchange(&mut self) {
        loop {
            let mut moved = false;
            for at in 0..self.clients.len() {
                let from = self.clients[at].address;
                for mut datagram in std::mem::take(&mut self.clients[at].out) {
                    moved = true;
                    // Media is not kept: the lesson may be long.
                    if datagram[0] < 128 {
                        self.sent.push((at, datagram.clone()));
                    }
                    self.inject(from, &mut datagram);
                }
            }
            self.core.flush(self.now);
            let out = std::mem::take(&mut self.core.out);
            for n in 0..out.len() {
                moved = true;
                let (datagram, bytes) = out.get(n);
                let to = datagram.path.remote;
                self.wire.push((to, bytes.to_vec()));
                self.classes.push(datagram.class);
                if let Some(client) = self.by_address.get(&to).copied() {
                    // What goes to an address that the client has left is lost.
                    if self.clients[client].address == to {
                        self.clients[client].receive(bytes, self.now);
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// A datagram from anywhere.
    pub fn inject(&mut self, from: SocketAddr, datagram: &mut [u8]) {
        self.core.handle_datagram(datagram, self.path(from), Duration::ZERO, self.now);
    }

    /// An address that is a TCP connection with this number.
    pub fn new_connection(&mut self, number: u32) -> SocketAddr {
        let address = self.new_address();
        self.connections.insert(address, number);
        address
    }

    /// The client's packets come on a new connection from now on.
    pub fn move_to_connection(&mut self, client: usize, number: u32) {
        let address = self.new_connection(number);
        self.clients[client].address = address;
        self.by_address.insert(address, client);
    }

    pub fn via(&self, address: SocketAddr) -> Via {
        self.connections.get(&address).map_or(Via::Udp, |n| Via::Tcp(*n))
    }

    pub fn path(&self, remote: SocketAddr) -> Path {
        Path { remote, local: None, via: self.via(remote) }
    }

    /// Runs `time`, a picture of every layer of the camera each 40 ms and sound each 20 ms.
    pub fn teach(&mut self, lead: usize, time: Duration) {
        let steps = time.as_millis() / 20;
        for step in 0..steps {
            self.clients[lead].send_audio(self.now - self.start);
            if step % 2 == 0 {
                self.clients[lead].send_pictures(self.now - self.start);
            }
            self.exchange();
            self.run(Duration::from_millis(20));
        }
    }

    pub fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().unwrap())
    }

    /// Media packets that a client got on one of its slots, in order of arrival.
    pub fn received(&self, client: usize, slot: u8) -> Vec<&Packet> {
        let client = &self.clients[client];
        let ssrc = client.slot_ssrc(slot);
        client.received.iter().filter(|p| p.ssrc == ssrc).collect()
    }
}
