//! Server CPU per forwarded packet, beside the floor of this machine.
//!
//! `cargo bench --bench fanout -- [N …]` (`make bench`). One publisher sends 1.8 Mbit/s of video in
//! 250 packets a second and sound; N light subscribers take it, with real ICE, DTLS and SRTP, and
//! report every second. Measured is the shard thread's CPU time over the packets that arrived. The
//! floor seals and sends the same sizes in the same bursts with the same sealer and the same
//! socket code to N drained sockets, and nothing else. Runs are interleaved and the median is told.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use zhuandi::bot::load::answer::Answer;
use zhuandi::bot::load::light::{Light, Lines, Shared, offer};
use zhuandi::bot::load::swarm::{Member, Rate, Swarm};
use zhuandi::bot::load::{rate, shared};
use zhuandi::ids::HubId;
use zhuandi::media::command::{Command, LayerIndex, Rank, Route};
use zhuandi::media::negotiate::{Codec, IceCredentials, MediaKind, PeerRequest, SourceKind};
use zhuandi::media::output::{Class, Output, Path};
use zhuandi::media::rtp::Outgoing;
use zhuandi::media::socket::MediaSocket;
use zhuandi::media::transport::srtp::{KeyingMaterial, Profile, keyed};
use zhuandi::media::{Buffers, Media, MediaConfig};
use zhuandi::process::thread_cpu_ns;

const WINDOW: Duration = Duration::from_secs(5);
const SOUND: usize = 80;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let sizes: Vec<usize> = arguments.iter().filter_map(|a| a.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![10, 50, 100, 200, 500] } else { sizes };
    let runs = std::env::var("BENCH_RUNS").ok().and_then(|r| r.parse().ok()).unwrap_or(5);
    let shared = shared().expect("cryptography");
    println!("{:>5} {:>14} {:>14} {:>7} {:>10}", "N", "server µs/pkt", "floor µs/pkt", "ratio", "lost");
    // Sizes take turns within a run, so that a machine that slows down in between slows all of them.
    let mut measured: Vec<Vec<Sample>> = sizes.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for (&n, samples) in sizes.iter().zip(&mut measured) {
            let (server, lost) = server(&shared, n);
            samples.push(Sample { server, floor: floor(&shared, n), lost });
        }
    }
    let rows: Vec<(usize, Sample)> =
        sizes.iter().copied().zip(measured.iter().map(|all| middle(all))).collect();
    for (n, Sample { server, floor, lost }) in &rows {
        println!("{n:>5} {server:>14.2} {floor:>14.2} {:>7.2} {:>9.3}%", server / floor, lost * 100.0);
        figure(
            &format!("fanout_us_per_packet_{n}"),
            *server,
            "µs",
            &format!("floor {floor:.2}, goal 1.5 x at 200"),
            *n < 200 || *server <= 1.5 * floor,
        );
    }
    let row = |wanted: usize| rows.iter().find(|(n, _)| *n == wanted).map(|(_, sample)| sample);
    if let (Some(few), Some(many)) = (row(50), row(500)) {
        let (server, floor) = (many.server / few.server, many.floor / few.floor);
        let above = (server / floor - 1.0) * 100.0;
        println!(
            "from 50 to 500: server x {server:.3}, floor x {floor:.3}: {above:.1} % above the floor's own"
        );
        figure("fanout_growth_above_floor", above, "%", "<= 10", above <= 10.0);
    }
}

/// One measurement: CPU µs per packet of the server and of the floor, and the share lost (0–1).
struct Sample {
    server: f64,
    floor: f64,
    lost: f64,
}

/// The median of each quantity.
fn middle(samples: &[Sample]) -> Sample {
    let median = |of: fn(&Sample) -> f64| {
        let mut all: Vec<f64> = samples.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Sample { server: median(|s| s.server), floor: median(|s| s.floor), lost: median(|s| s.lost) }
}

/// One figure as a JSON line, as all measured figures are kept.
fn figure(name: &str, measured: f64, unit: &str, goal: &str, pass: bool) {
    use std::io::Write;
    let line =
        serde_json::json!({ "name": name, "measured": measured, "unit": unit, "goal": goal, "pass": pass });
    let _ = std::fs::create_dir_all("target/figures");
    let file = std::fs::OpenOptions::new().create(true).append(true).open("target/figures/bench.jsonl");
    if let Ok(mut file) = file {
        let _ = writeln!(file, "{line}");
    }
}

/// CPU µs per packet of the shard with N subscribers, and the share lost.
fn server(shared: &Shared, n: usize) -> (f64, f64) {
    let addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let media = Media::start(&MediaConfig { addresses, ..MediaConfig::default() }).expect("a free port");
    let hub = HubId::next();
    let (_, shard) = media.handle.shard_of(hub);
    shard.send(Command::OpenHub { hub, events: Box::new(|_| {}) }).expect("room in the queue");
    let swarm = Swarm::start("swarm").expect("a thread");
    let mut camera = None;
    let mut mic = None;
    for at in 0..=n {
        let lines = Lines { publish: at == 0, audio: 2, video: 2 };
        let ice = IceCredentials::generate();
        let named = [("0".to_owned(), SourceKind::Mic), ("1".to_owned(), SourceKind::Camera)];
        let sources = named.into_iter().filter(|_| lines.publish).collect();
        let request = PeerRequest { sources, prefer_video: Codec::Vp8 };
        let accepted =
            media.negotiator.accept(0, &offer(shared, &ice, lines), &request).expect("a good offer");
        for source in &accepted.sources {
            let place = if source.kind == SourceKind::Mic { &mut mic } else { &mut camera };
            *place = Some(source.source);
        }
        let peer = accepted.peer;
        let slots = accepted.slots.clone();
        let answer = Answer::parse(&accepted.sdp).expect("our answer");
        let server = answer.server().expect("a candidate");
        shard.send(Command::AddPeer { hub, peer, setup: accepted.setup }).expect("room in the queue");
        if at > 0 {
            let first = |kind| slots.iter().find(|s| s.kind == kind).expect("two of each").slot;
            let routes = [(MediaKind::Audio, mic), (MediaKind::Video, camera)].map(|(kind, source)| Route {
                slot: first(kind),
                source,
                max_layer: LayerIndex::TOP,
                rank: Rank::Lead,
                turn: 1,
            });
            shard.send(Command::Route { peer, routes: routes.to_vec() }).expect("room in the queue");
        }
        let light = Light::new(shared, ice, answer, server, Instant::now());
        swarm.add(Member { light, publish: lines.publish.then(video) });
        if at % 20 == 19 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    while swarm.figures().iter().filter(|f| f.first_packet.is_some()).count() < n {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(1));
    let sums = || {
        let figures = swarm.figures();
        let sum = |of: fn(&zhuandi::bot::load::light::Counts) -> u64| -> u64 {
            figures.iter().map(|f| of(&f.counts)).sum()
        };
        (sum(|c| c.packets), sum(|c| c.expected), thread_cpu_ns("shard-0").expect("the shard runs"))
    };
    let before = sums();
    std::thread::sleep(WINDOW);
    let after = sums();
    swarm.stop();
    media.stop();
    let (packets, expected) = (after.0 - before.0, after.1 - before.1);
    let us = (after.2 - before.2) as f64 / 1000.0 / packets.max(1) as f64;
    (us, expected.saturating_sub(packets) as f64 / expected.max(1) as f64)
}

fn video() -> Rate {
    rate(1_800)
}

/// CPU µs per packet of sealing and sending alone.
fn floor(shared: &Shared, n: usize) -> f64 {
    let ending = Arc::new(AtomicBool::new(false));
    let sockets: Vec<UdpSocket> = (0..n).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a port")).collect();
    let paths: Vec<Path> = sockets
        .iter()
        .map(|s| Path::udp(s.local_addr().expect("bound"), Some(Ipv4Addr::LOCALHOST.into())))
        .collect();
    let drain = drain(sockets, ending.clone());
    let sent = Arc::new(AtomicU64::new(0));
    let cpu = Arc::new(AtomicU64::new(0));
    let (count, used, provider) = (sent.clone(), cpu.clone(), shared.provider.clone());
    let run = move || {
        let exported: Vec<u8> = (0..KeyingMaterial::length(Profile::Gcm128)).map(|i| i as u8).collect();
        let mut sealers: Vec<_> = paths
            .iter()
            .map(|_| {
                let keys = KeyingMaterial::for_server(Profile::Gcm128, &exported).expect("the right length");
                keyed(&keys, provider.crypto()).expect("GCM").0
            })
            .collect();
        let socket = MediaSocket::bind(0, Buffers::default().socket_bytes).expect("a port");
        let rate = video();
        let payload = vec![0xaau8; rate.size];
        let mut out = Output::default();
        let mut index = 1_000u64;
        let started = Instant::now();
        let begun = thread_cpu_ns("floor").expect("this thread");
        let mut step = 0u32;
        while started.elapsed() < WINDOW {
            // 20 ms of sound, and a picture every second time: as the publisher's packets arrive.
            let pictures = if step.is_multiple_of(2) { rate.packets } else { 0 };
            for (path, sealer) in paths.iter().zip(&mut sealers) {
                for n in 0..=pictures {
                    let body = if n == 0 { &payload[..SOUND] } else { &payload[..] };
                    let header = Outgoing {
                        payload_type: 96,
                        marker: false,
                        sequence: (index + n as u64) as u16,
                        timestamp: step,
                        ssrc: 7,
                        extension: None,
                        transport_cc: Some((5, (index + n as u64) as u16)),
                    };
                    let (arena, start) = out.begin();
                    let length = header.write(arena);
                    arena.extend_from_slice(body);
                    sealer.seal_rtp(arena, start, length, index + n as u64);
                    out.commit(start, *path, Class::Video);
                }
            }
            index += pictures as u64 + 1;
            socket.send(&out, 0);
            count.fetch_add(out.len() as u64, Ordering::Relaxed);
            out.clear();
            step += 1;
            let next = started + Duration::from_millis(20) * step;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        used.store(thread_cpu_ns("floor").expect("this thread") - begun, Ordering::Relaxed);
    };
    let thread = std::thread::Builder::new().name("floor".into()).spawn(run).expect("a thread");
    thread.join().expect("the floor holds");
    ending.store(true, Ordering::Relaxed);
    drain.join().expect("the drain runs");
    cpu.load(Ordering::Relaxed) as f64 / 1000.0 / sent.load(Ordering::Relaxed).max(1) as f64
}

/// Reads everything that comes to these sockets and forgets it.
fn drain(sockets: Vec<UdpSocket>, ending: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut poll = mio::Poll::new().expect("epoll");
        let mut all: Vec<mio::net::UdpSocket> = Vec::new();
        for (n, socket) in sockets.into_iter().enumerate() {
            socket.set_nonblocking(true).expect("a socket");
            let mut socket = mio::net::UdpSocket::from_std(socket);
            poll.registry().register(&mut socket, mio::Token(n), mio::Interest::READABLE).expect("epoll");
            all.push(socket);
        }
        let mut events = mio::Events::with_capacity(1024);
        let mut buffer = vec![0; 2048];
        while !ending.load(Ordering::Relaxed) {
            let _ = poll.poll(&mut events, Some(Duration::from_millis(50)));
            for event in &events {
                while all[event.token().0].recv(&mut buffer).is_ok() {}
            }
        }
    })
}
