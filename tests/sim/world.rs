//! A lesson in which only the test moves the clock: the real core, a lead and classrooms, each at the
//! end of a modelled link.
//!
//! Time goes from one thing that happens to the next: a packet leaves a link, a timer of the core is
//! due, a frame is taken. Nothing is rounded, so a pacer in the core is seen as finely as it paces.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use zhuandi::bot::link::model::{Link, LinkConfig, Queue};
use zhuandi::bot::link::profiles::limited;
use zhuandi::bot::load;
use zhuandi::bot::load::answer::Answer;
use zhuandi::bot::load::light::{Light, Shared, Track, offer_tracks};
use zhuandi::ids::{HubId, SourceId};
use zhuandi::media::command::{Command, Event, LayerIndex, Rank, Route, SlotIndex};
use zhuandi::media::core::Core;
use zhuandi::media::negotiate::{Codec, IceCredentials, Negotiator, PeerRequest};
use zhuandi::media::output::Path;
use zhuandi::media::transport::crypto_provider;
use zhuandi::media::transport::dtls::DtlsContext;

use crate::classroom::{AUDIO_SLOTS, CAMERA_SLOT, CONTENT_SLOT, Classroom, OWN_MIC, VIDEO_SLOTS};
use crate::lead::{Lead, Show, TRACKS};
use crate::station::{Joined, Station, weight};

/// A timer of the core that is not moved on by being handled is looked at again after this.
const CORE_STEP: Duration = Duration::from_micros(100);

pub struct World {
    pub core: Core,
    start: Instant,
    pub now: Duration,
    hub: HubId,
    negotiator: Negotiator,
    shared: Shared,
    pub lead: Lead,
    pub lead_station: Station,
    /// Microphone, camera, content.
    pub sources: Vec<SourceId>,
    pub classrooms: Vec<Classroom>,
    /// A line that some classrooms share, before their own.
    pub trunk: Option<Trunk>,
    events: Arc<Mutex<Vec<Event>>>,
    core_due: Duration,
    next_port: u16,
    seed: u64,
}

/// Both directions of a shared line; what it carries knows its classroom.
pub struct Trunk {
    pub down: Link<(usize, Vec<u8>)>,
    up: Link<(usize, Vec<u8>)>,
}

/// A good line: 50 Mbit/s, 5 ms.
pub fn good() -> LinkConfig {
    limited(50_000_000, Queue::Time(Duration::from_millis(200)), Duration::from_millis(5))
}

impl World {
    /// A lead who teaches over `lead`'s (down, up) link; two seconds have passed and she is connected.
    pub fn new(lead: (LinkConfig, LinkConfig), show: &Show, seed: u64) -> Self {
        let provider = crypto_provider().unwrap();
        let dtls = DtlsContext::new(provider.clone()).unwrap();
        let start = Instant::now();
        let mut core = Core::new(provider, dtls.clone(), start);
        let hub = HubId::next();
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = events.clone();
        let take = move |event| {
            if !matches!(event, Event::Stats(_)) {
                sink.lock().unwrap().push(event);
            }
        };
        core.handle_command(Command::OpenHub { hub, events: Box::new(take) }, start);
        let addresses: Arc<[IpAddr]> = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)].into();
        let negotiator = Negotiator::new(dtls, addresses, vec![7000].into());
        let shared = load::shared().unwrap();
        let mut next_port = 20_000;
        let now = Duration::ZERO;
        let mut joining = Joining { core: &mut core, hub, negotiator: &negotiator, shared: &shared };
        let (joined, sources) = joining.join(TRACKS, &mut next_port, start);
        let mut world = Self {
            core,
            start,
            now,
            hub,
            negotiator,
            shared,
            lead: Lead::new(now, show),
            lead_station: Station::new("lead", joined, lead, seed, now),
            sources,
            classrooms: Vec::new(),
            trunk: None,
            events,
            core_due: Duration::ZERO,
            next_port,
            seed,
        };
        world.run_until(Duration::from_secs(2));
        world
    }

    /// A classroom joins: it gets the lead's sound, camera and content.
    pub fn join(&mut self, name: &str, link: (LinkConfig, LinkConfig)) -> usize {
        let joined = self.joined();
        self.seed += 1;
        let station = Station::new(name, joined, link, self.seed, self.now);
        self.classrooms.push(Classroom::new(station, self.now));
        let at = self.classrooms.len() - 1;
        self.feed(at);
        at
    }

    /// From now on, classrooms that join `behind` it share this line.
    pub fn share(&mut self, (down, up): (LinkConfig, LinkConfig)) {
        self.trunk = Some(Trunk { down: Link::new(down, self.seed), up: Link::new(up, self.seed + 1) });
    }

    pub fn run_until(&mut self, end: Duration) {
        loop {
            let next = self.next_time();
            if next > end {
                break;
            }
            self.now = next.max(self.now);
            self.step();
        }
        self.now = self.now.max(end);
    }

    fn joined(&mut self) -> Joined {
        let at = self.start + self.now;
        let Self { core, hub, negotiator, shared, next_port, .. } = self;
        Joining { core, hub: *hub, negotiator, shared }.join(OWN_MIC, next_port, at).0
    }

    /// Camera and content are fed at their best; what of it goes out is the core's to decide.
    fn feed(&mut self, classroom: usize) {
        let peer = self.classrooms[classroom].station.peer;
        let slots = [0, CAMERA_SLOT, CONTENT_SLOT];
        let routes = slots.into_iter().zip(&self.sources).map(|(slot, source)| route(slot, *source));
        let command = Command::Route { peer, routes: routes.collect() };
        self.core.handle_command(command, self.start + self.now);
    }

    fn next_time(&self) -> Duration {
        let stations = self.classrooms.iter().map(|c| c.station.poll_timeout());
        let core = self.core.poll_timeout().saturating_duration_since(self.start);
        let trunk = self.trunk.iter().flat_map(|t| [t.down.poll_timeout(), t.up.poll_timeout()]);
        stations
            .chain(trunk.flatten())
            .chain([self.lead_station.poll_timeout(), self.lead.poll_timeout(), core.max(self.core_due)])
            .min()
            .expect("there are some")
    }

    fn step(&mut self) {
        let (now, at) = (self.now, self.start + self.now);
        for (sender, mut datagram) in self.arrived(now) {
            let from = Path::udp(sender, None);
            self.core.handle_datagram(&mut datagram, from, Duration::ZERO, at);
        }
        if self.core.poll_timeout() <= at {
            self.core.handle_timeout(at);
            self.core_due = now + CORE_STEP;
        }
        self.core.flush(at);
        let out = std::mem::take(&mut self.core.out);
        for n in 0..out.len() {
            let (datagram, bytes) = out.get(n);
            let to = datagram.path.remote;
            if self.lead_station.address == to {
                self.lead_station.sent(bytes, now);
            }
            // What goes to an address that somebody has left is lost.
            let Some(room) = self.classrooms.iter().position(|c| c.station.address == to) else {
                continue;
            };
            let station = &mut self.classrooms[room].station;
            match self.trunk.as_mut().filter(|_| station.behind) {
                Some(trunk) => {
                    station.count(bytes, now);
                    trunk.down.send(now, weight(bytes), (room, bytes.to_vec()));
                }
                None => station.sent(bytes, now),
            }
        }
        while let Some((room, bytes)) = self.trunk.as_mut().and_then(|t| t.down.receive(now)) {
            self.classrooms[room].station.down.send(now, weight(&bytes), bytes);
        }
        if self.lead.poll_timeout() <= now {
            self.lead.handle_timeout(now, self.start, &mut self.lead_station.light);
        }
        self.lead_station.run(now, self.start);
        self.lead_station.send(now);
        for classroom in &mut self.classrooms {
            classroom.run(now, self.start);
        }
        self.see_who_was_lost();
    }

    /// What has come to the server.
    fn arrived(&mut self, now: Duration) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some(datagram) = self.lead_station.up.receive(now) {
            all.push((self.lead_station.address, datagram));
        }
        for (room, classroom) in self.classrooms.iter_mut().enumerate() {
            let station = &mut classroom.station;
            while let Some(datagram) = station.up.receive(now) {
                match self.trunk.as_mut().filter(|_| station.behind) {
                    Some(trunk) => {
                        trunk.up.send(now, weight(&datagram), (room, datagram));
                    }
                    None => all.push((station.address, datagram)),
                }
            }
        }
        while let Some((room, datagram)) = self.trunk.as_mut().and_then(|t| t.up.receive(now)) {
            all.push((self.classrooms[room].station.address, datagram));
        }
        all
    }

    /// A page whose connection was given up asks for another as soon as its WebSocket gets through:
    /// here, a second after the link is back.
    fn see_who_was_lost(&mut self) {
        const AGAIN: Duration = Duration::from_secs(1);
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        for event in events {
            if let Event::PeerClosed { peer, .. } = event {
                for classroom in self.classrooms.iter_mut().filter(|c| c.station.peer == peer) {
                    classroom.lost = Some(self.now);
                }
            }
        }
        for at in 0..self.classrooms.len() {
            let classroom = &mut self.classrooms[at];
            let Some(since) = classroom.lost else {
                continue;
            };
            if classroom.station.down.is_out() || classroom.station.up.is_out() {
                classroom.lost = Some(self.now);
            } else if self.now - since >= AGAIN {
                let joined = self.joined();
                self.classrooms[at].station.rejoin(joined);
                self.classrooms[at].begin_anew();
                self.feed(at);
            }
        }
    }
}

/// The one place where routes are made.
fn route(slot: u8, source: SourceId) -> Route {
    let rank = if slot == CONTENT_SLOT { Rank::Content } else { Rank::Lead };
    Route { slot: SlotIndex(slot), source: Some(source), max_layer: LayerIndex::TOP, rank, turn: 1 }
}

/// What joining takes; signalling itself is not simulated, it takes no time here.
struct Joining<'a> {
    core: &'a mut Core,
    hub: HubId,
    negotiator: &'a Negotiator,
    shared: &'a Shared,
}

impl Joining<'_> {
    /// The lead, who sends everything, or a classroom; and its sources.
    fn join(&mut self, tracks: &[Track], next_port: &mut u16, now: Instant) -> (Joined, Vec<SourceId>) {
        let ice = IceCredentials::generate();
        let (audio, video) = if tracks.len() < 2 { (AUDIO_SLOTS, VIDEO_SLOTS) } else { (0, 0) };
        let sources = tracks.iter().enumerate().map(|(mid, t)| (mid.to_string(), t.kind)).collect();
        let request = PeerRequest { sources, prefer_video: Codec::Vp8 };
        let offer = offer_tracks(self.shared, &ice, tracks, audio, video);
        let accepted = self.negotiator.accept(0, &offer, &request).expect("a good offer");
        let answer = Answer::parse(&accepted.sdp).expect("our answer");
        let server = answer.server().expect("a candidate");
        let sources = accepted.sources.iter().map(|s| s.source).collect();
        let peer = accepted.peer;
        self.core.handle_command(Command::AddPeer { hub: self.hub, peer, setup: accepted.setup }, now);
        let light = Light::new(self.shared, ice, answer.clone(), server, now).sending(tracks);
        *next_port += 1;
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, *next_port).into();
        (Joined { light, answer, peer, address }, sources)
    }
}
