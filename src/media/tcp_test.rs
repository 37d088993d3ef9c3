//! Real connections on loopback, with a clock that only the test moves.

use std::io::Write;
use std::net::TcpStream as Client;
use std::time::Duration;

use mio::{Events, Poll};

use super::*;
use crate::media::output::Class;

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);
/// Begins like a check.
const CHECK: &[u8] = &[0, 1, 0, 0, 9];

/// A TCP side with a poll of its own.
struct House {
    tcp: TcpMedia,
    poll: Poll,
    now: Instant,
    got: Vec<(Path, Vec<u8>)>,
}

impl House {
    fn new(limits: TcpLimits) -> Self {
        let mut tcp = TcpMedia::bind(&[0], limits).unwrap();
        let poll = Poll::new().unwrap();
        tcp.register(poll.registry()).unwrap();
        Self { tcp, poll, now: Instant::now(), got: Vec::new() }
    }

    fn connect(&mut self) -> Client {
        let client = Client::connect((Ipv4Addr::LOCALHOST, self.tcp.ports().iter().next().unwrap())).unwrap();
        client.set_read_timeout(Some(10 * SECOND)).unwrap();
        let known = self.tcp.stats.accepted;
        self.until(|h| h.tcp.stats.accepted > known);
        client
    }

    /// Turns of the shard until something holds. Every datagram that begins like `CHECK` is a good one.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !done(self) {
            self.turn(MS(5));
            assert!(began.elapsed() < 20 * SECOND, "it never happened; got {:?}", self.got);
        }
    }

    fn turn(&mut self, wait: Duration) {
        let mut events = Events::with_capacity(64);
        self.poll.poll(&mut events, Some(wait)).unwrap();
        for event in &events {
            self.tcp.note(event.token(), event.is_readable(), event.is_writable());
        }
        let got = &mut self.got;
        self.tcp.receive(self.poll.registry(), self.now, |datagram, path| {
            got.push((path, datagram.to_vec()));
            datagram.starts_with(CHECK) || got.iter().any(|(p, d)| *p == path && d.starts_with(CHECK))
        });
        self.tcp.flush(self.poll.registry());
    }

    fn send(&mut self, path: Path, all: &[(Class, &[u8])]) {
        let mut out = Output::default();
        for (class, bytes) in all {
            out.push(path, *class, bytes);
        }
        self.tcp.push(&out, self.now);
        self.tcp.flush(self.poll.registry());
    }

    fn sweep(&mut self, later: Duration) {
        self.now += later;
        self.tcp.sweep(self.poll.registry(), self.now, |_| true);
    }

    /// A client that has proved its password.
    fn proven(&mut self) -> (Client, Path) {
        let mut client = self.connect();
        say(&mut client, CHECK);
        let had = self.got.len();
        self.until(|h| h.got.len() > had);
        (client, self.got[had].0)
    }
}

fn say(client: &mut Client, frame: &[u8]) {
    let length = (frame.len() as u16).to_be_bytes();
    client.write_all(&[&length[..], frame].concat()).unwrap();
}

/// The next frame; `None`: the connection was closed.
fn hear(client: &mut Client) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    client.read_exact(&mut length).ok()?;
    let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
    client.read_exact(&mut frame).ok()?;
    Some(frame)
}

#[test]
fn datagrams_go_both_ways_and_the_end_is_told() {
    let mut house = House::new(TcpLimits::default());
    let (mut client, path) = house.proven();
    assert_eq!(path.remote, client.local_addr().unwrap());
    assert_eq!(path.local, Some(Ipv4Addr::LOCALHOST.into()));
    say(&mut client, &[0x80; 1_200]);
    house.until(|h| h.got.len() == 2);
    assert_eq!(house.got[1], (path, vec![0x80; 1_200]));
    house.send(path, &[(Class::Control, b"answer"), (Class::Video, &[7; 1_200])]);
    assert_eq!(hear(&mut client).unwrap(), b"answer");
    assert_eq!(hear(&mut client).unwrap(), [7; 1_200]);
    // Another connection is another path, whatever its number in the list.
    drop(client);
    house.until(|h| h.tcp.stats.open == 0);
    assert_eq!((house.tcp.poll_closed(), house.tcp.poll_closed()), (Some(path), None));
    let (mut other, other_path) = house.proven();
    assert_ne!(other_path.via, path.via);
    house.send(path, &[(Class::Audio, b"for the first")]);
    house.send(other_path, &[(Class::Audio, b"for the second")]);
    assert_eq!(hear(&mut other).unwrap(), b"for the second");
}

#[test]
fn who_proves_nothing_is_closed() {
    let mut house = House::new(TcpLimits::default());
    // At once: what is no check, and a frame that is too long.
    for bad in [&[0, 3, 22, 0xfe, 0xfd][..], &[0, 2, 0x80, 0], &[0x7f, 0xff, 0, 1], b"GET / HTTP/1.1\r\n\r\n"]
    {
        let mut client = house.connect();
        client.write_all(bad).unwrap();
        house.until(|h| h.tcp.stats.open == 0);
        assert_eq!(hear(&mut client), None);
    }
    assert!(house.got.is_empty(), "{:?}", house.got);
    // After five seconds: silence, a frame byte by byte, checks that are wrong.
    let (mut silent, mut slow, mut wrong) = (house.connect(), house.connect(), house.connect());
    for second in 0..5 {
        assert_eq!(house.tcp.stats.open, 3, "after {second} s");
        slow.write_all(&[0]).unwrap();
        say(&mut wrong, &[0, 1, 0, 0, 8]);
        house.until(|h| h.got.len() > second);
        house.sweep(SECOND);
    }
    assert_eq!((house.tcp.stats.open, house.tcp.stats.expelled), (0, 7));
    for client in [&mut silent, &mut slow, &mut wrong] {
        assert_eq!(hear(client), None);
    }
}

#[test]
fn who_falls_silent_or_lost_its_peer_is_closed() {
    let mut house = House::new(TcpLimits::default());
    let (_silent, silent_path) = house.proven();
    let (mut speaking, path) = house.proven();
    for _ in 0..10 {
        let had = house.got.len();
        say(&mut speaking, &[0x80, 1]);
        house.until(|h| h.got.len() > had);
        house.sweep(7 * SECOND);
    }
    assert_eq!((house.tcp.stats.open, house.tcp.poll_closed()), (1, Some(silent_path)));
    let now = house.now;
    house.tcp.sweep(house.poll.registry(), now, |p| p != path);
    assert_eq!((house.tcp.stats.open, house.tcp.poll_closed()), (0, Some(path)));
    assert_eq!(hear(&mut speaking), None);
}

#[test]
fn strangers_go_for_newer_ones_and_who_proved_something_stays() {
    let few = TcpLimits { most: 2, most_per_address: 9, unproven: 3, unproven_per_address: 9 };
    let by_address = TcpLimits { most: 9, most_per_address: 2, unproven: 9, unproven_per_address: 3 };
    for limits in [few, by_address] {
        let mut house = House::new(limits);
        let (mut honest, path) = house.proven();
        let mut strangers: Vec<Client> = (0..20).map(|_| house.connect()).collect();
        assert_eq!((house.tcp.stats.open, house.tcp.stats.displaced), (4, 17));
        assert_eq!(hear(&mut strangers[16]), None, "the oldest went");
        // The newest are still here, and one of them has a password.
        say(&mut strangers[17], CHECK);
        house.until(|h| h.got.len() == 2);
        let late = house.got[1].0;
        house.send(late, &[(Class::Audio, b"welcome")]);
        assert_eq!(hear(&mut strangers[17]).unwrap(), b"welcome");
        // A third with a password finds no place, and the strangers' is not taken from it.
        say(&mut strangers[18], CHECK);
        house.until(|h| h.tcp.stats.refused == 1);
        assert_eq!(hear(&mut strangers[18]), None);
        house.send(path, &[(Class::Audio, b"still here")]);
        assert_eq!(hear(&mut honest).unwrap(), b"still here");
        assert_eq!(house.tcp.stats.open, 3, "two and a stranger");
        drop(honest);
        house.until(|h| h.tcp.stats.open == 2);
        say(&mut strangers[19], CHECK);
        house.until(|h| h.got.len() == 4);
        house.send(house.got[3].0, &[(Class::Audio, b"a place is free again")]);
        assert!(hear(&mut strangers[19]).is_some());
    }
}

#[test]
fn who_reads_nothing_keeps_sound_and_loses_video() {
    let mut house = House::new(TcpLimits::default());
    let (mut client, path) = house.proven();
    let mut sent = Vec::new();
    // The kernel takes some megabytes before it blocks.
    for n in 0..20_000u32 {
        house.now += MS(1);
        let video = [&n.to_be_bytes()[..], &[1; 1_196]].concat();
        let sound = [&n.to_be_bytes()[..], &[2; 6]].concat();
        let dropped = house.tcp.stats.dropped;
        house.send(path, &[(Class::Video, &video)]);
        if house.tcp.stats.dropped == dropped {
            sent.push(video);
        }
        if n % 20 == 0 {
            house.send(path, &[(Class::Audio, &sound)]);
            sent.push(sound);
        }
    }
    let dropped = house.tcp.stats.dropped;
    assert!(dropped > 5_000, "{dropped}");
    let reader = std::thread::spawn(move || {
        let mut heard = Vec::new();
        while let Some(frame) = hear(&mut client) {
            if frame == b"end" {
                break;
            }
            heard.push(frame);
        }
        heard
    });
    house.until(|h| h.tcp.streams.values().all(|s| s.queue.is_empty()));
    house.send(path, &[(Class::Control, b"end")]);
    let heard = reader.join().unwrap();
    assert!(heard == sent, "{} of {} came, in order and whole", heard.len(), sent.len());
}

#[test]
fn one_who_floods_does_not_keep_the_others_waiting() {
    let mut house = House::new(TcpLimits::default());
    let ((mut loud, loud_path), (mut quiet, quiet_path)) = (house.proven(), house.proven());
    let flood = std::thread::spawn(move || {
        let frame = [&[4, 176][..], &[0x80; 1_200]].concat();
        let all = frame.repeat(2_000);
        loud.write_all(&all).map(|()| loud)
    });
    let from = |h: &House, path| h.got.iter().filter(|(p, _)| *p == path).count();
    house.until(|h| from(h, loud_path) > 100);
    say(&mut quiet, b"\x80a word");
    house.until(|h| from(h, quiet_path) == 2);
    house.until(|h| from(h, loud_path) == 2_001);
    assert!(flood.join().unwrap().is_ok());
}

#[test]
fn a_port_that_another_server_has_is_taken_when_that_one_leaves_it() {
    let first = TcpMedia::bind(&[0], TcpLimits::default()).unwrap();
    let port = first.ports().iter().next().unwrap();
    let mut house = House::new(TcpLimits::default());
    house.tcp.bind_late(port);
    let told = house.tcp.ports();
    house.sweep(SECOND);
    assert_eq!(told.iter().count(), 1, "not ours yet, so it is not named");
    drop(first);
    house.sweep(SECOND);
    assert_eq!(told.iter().nth(1), Some(port));
    let mut client = Client::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    say(&mut client, CHECK);
    house.until(|h| h.got.len() == 1);
    house.sweep(SECOND);
    assert_eq!(told.iter().count(), 2, "once");
}
