//! WHIP and WHEP: what their answers say, and real media from the one to the other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::RTCPeerConnectionState;
use zhuandi::bot::clip::{ClipName, VoiceName, video, voice};
use zhuandi::bot::connection::{Connection, Happening, Outgoing, Plan};
use zhuandi::bot::player::{AudioPlayer, VideoPlayer};
use zhuandi::bot::probe::Probe;
use zhuandi::bot::stream_check::{Seen, StreamCheck};
use zhuandi::bot::teacher::teacher;
use zhuandi::media::negotiate::{Codec, SourceKind};
use zhuandi::session::message::{ClientMessage, OwnState, Role};

use crate::harness::{Answer, PATIENCE, Server, request, send};

const SDP: &str = "Content-Type: application/sdp";
const FRAGMENT: &str = "Content-Type: application/trickle-ice-sdpfrag";
const NEW_ICE: &str = "a=ice-ufrag:fresh123\r\na=ice-pwd:0123456789abcdefghijklmn\r\n\
                       m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n";
const CANDIDATE: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
                         a=candidate:1 1 udp 2130706431 192.0.2.7 4444 typ host\r\n";

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// A request with a token and an SDP body.
async fn post(to: SocketAddr, path: &str, token: &str, sdp: &str) -> Answer {
    send(to, "POST", path, &[&bearer(token), SDP], sdp).await
}

async fn patch(to: SocketAddr, path: &str, token: &str, tag: &str, fragment: &str) -> Answer {
    send(to, "PATCH", path, &[&bearer(token), FRAGMENT, &format!("If-Match: {tag}")], fragment).await
}

/// What a publisher or a player offers.
fn plan(sends: &[(SourceKind, usize)], audio: usize, video: usize, codec: Codec) -> Plan {
    Plan {
        sends: sends.to_vec(),
        audio_slots: audio,
        video_slots: video,
        codec,
        local: vec!["127.0.0.1:0".into()],
    }
}

const TEACHER: &[(SourceKind, usize)] = &[(SourceKind::Mic, 1), (SourceKind::Camera, 1)];

/// A connection that was answered, with its resource.
struct Client {
    connection: Connection,
    streams: Vec<Outgoing>,
    to: SocketAddr,
    token: String,
    location: String,
    report: (mpsc::UnboundedSender<Seen>, mpsc::UnboundedReceiver<Seen>),
}

impl Client {
    /// `only`: the one video codec that is offered.
    async fn open(server: &Server, protocol: &str, token: String, plan: &Plan, only: Option<Codec>) -> Self {
        let to = server.app.http_addr;
        let (mut connection, mut offer) = Connection::offer(plan).await.unwrap();
        if let Some(codec) = only {
            offer = without_other_codec(&offer, codec);
        }
        let answer = post(to, &format!("/{protocol}/math"), &token, &offer).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let streams = connection.accept(&answer.body).await.unwrap();
        let location = answer.header("location").unwrap().to_owned();
        Self { connection, streams, to, token, location, report: mpsc::unbounded_channel() }
    }

    async fn play(server: &Server, video: usize) -> Self {
        let token = server.token("math", Role::Observer, "viewer");
        Self::open(server, "whep", token, &plan(&[], 1, video, Codec::Vp8), None).await
    }

    async fn delete(&self) -> u16 {
        send(self.to, "DELETE", &self.location, &[&bearer(&self.token)], "").await.status
    }

    async fn connected(&mut self) {
        loop {
            match timeout(PATIENCE, self.connection.next()).await.expect("connects") {
                Some(Happening::State(RTCPeerConnectionState::Connected)) => return,
                Some(_) => {}
                None => panic!("the connection has ended"),
            }
        }
    }

    /// Sends the teacher's voice and picture, and what is asked for, until dropped.
    async fn teach(mut self) {
        self.connected().await;
        let began = Instant::now();
        let mut voice = AudioPlayer::new(voice(VoiceName::Teacher));
        let codec = self.streams.iter().find(|s| s.kind == SourceKind::Camera).unwrap().codec;
        let mut picture = VideoPlayer::new(video(ClipName::Teacher, codec).remove(0));
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    let now = began.elapsed();
                    for stream in &mut self.streams {
                        if stream.kind == SourceKind::Mic {
                            for due in voice.poll_packets(now) {
                                stream.write(&due.data, due.ticks, Some(due.level)).await.unwrap();
                            }
                        } else {
                            for due in picture.poll_frames(now) {
                                stream.write(&due.frame.data, due.ticks, None).await.unwrap();
                            }
                        }
                    }
                }
                Some(happening) = self.connection.next() => {
                    if let Happening::KeyFrameRequest(_) = happening {
                        picture.handle_key_frame_request();
                    }
                }
            }
        }
    }

    /// Plays until each of these pictures was seen, one after the other or beside each other, and
    /// the teacher's voice was heard. What is wrong with a stream is a panic.
    async fn watch(&mut self, pictures: &[ClipName]) {
        let playing = async {
            let mut left = pictures.to_vec();
            let mut heard = false;
            while !left.is_empty() || !heard {
                tokio::select! {
                    Some(happening) = self.connection.next() => {
                        if let Happening::Track(track) = happening {
                            tokio::spawn(check(track, self.report.0.clone()));
                        }
                    }
                    Some(seen) = self.report.1.recv() => {
                        assert_eq!(seen.faults, Vec::<String>::new());
                        heard |= seen.voices.contains_key(&VoiceName::Teacher);
                        left.retain(|clip| seen.showing.is_none_or(|(shown, _)| shown != *clip));
                    }
                }
            }
        };
        timeout(PATIENCE, playing).await.expect("every picture, and the voice");
    }
}

/// Checks one stream and tells after every frame what was seen.
async fn check(track: Arc<dyn TrackRemote>, report: mpsc::UnboundedSender<Seen>) {
    let mut check: Option<StreamCheck> = None;
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
        let header = &packet.header;
        let codec = match header.payload_type {
            111 => Codec::Opus,
            96 => Codec::Vp8,
            _ => Codec::H264,
        };
        let check = check.get_or_insert_with(|| StreamCheck::new(codec, Some(1000)));
        let (payload, now) = (packet.payload.clone(), Instant::now());
        let frames =
            check.handle_packet(header.sequence_number, header.timestamp, header.marker, payload, now);
        if check.needs_key_frame() {
            // The beginning was missed; see `Seen::missed_start`.
            let pli = PictureLossIndication { sender_ssrc: 0, media_ssrc: header.ssrc };
            let _ = track.write_rtcp(vec![Box::new(pli)]).await;
        }
        if !frames.is_empty() && report.send(check.seen().clone()).is_err() {
            return;
        }
    }
}

/// An offer of nobody who would connect.
async fn offer_of(plan: &Plan) -> String {
    Connection::offer(plan).await.unwrap().1
}

#[tokio::test]
async fn what_is_refused_and_how() {
    let server = Server::start().await;
    let to = server.app.http_addr;
    let (lead, receiver) =
        (server.token("math", Role::Lead, "t1"), server.token("math", Role::Receiver, "c1"));
    let (observer, admin) =
        (server.token("math", Role::Observer, "o1"), server.token("math", Role::Admin, "a1"));
    let elsewhere = server.token("music", Role::Lead, "t1");
    let publisher = offer_of(&plan(TEACHER, 0, 0, Codec::Vp8)).await;
    let player = offer_of(&plan(&[], 1, 1, Codec::Vp8)).await;
    let nothing = publisher.replace("a=sendonly", "a=inactive");
    let large = "x".repeat(256 * 1024 + 1);
    let unbundled = publisher.replace("a=group:BUNDLE", "a=group:LS");
    let table: &[(&str, &str, &str, &str, &str, u16, &str)] = &[
        ("whip", "math", "", SDP, &publisher, 401, "token_missing"),
        ("whip", "math", "x.y.z", SDP, &publisher, 401, "token_invalid"),
        ("whep", "math", "", SDP, &player, 401, "token_missing"),
        ("whip", "math", &elsewhere, SDP, &publisher, 403, "forbidden"),
        ("whip", "nowhere", &lead, SDP, &publisher, 403, "forbidden"),
        ("whip", "%20", &lead, SDP, &publisher, 403, "forbidden"),
        ("whip", "math", &observer, SDP, &publisher, 403, "forbidden"),
        ("whip", "math", &admin, SDP, &publisher, 403, "forbidden"),
        ("whep", "math", &lead, SDP, &player, 403, "forbidden"),
        ("whep", "math", &admin, SDP, &player, 403, "forbidden"),
        ("whip", "math", &lead, "Content-Type: application/json", &publisher, 415, "unsupported_media_type"),
        ("whep", "math", &observer, "X: y", &player, 415, "unsupported_media_type"),
        ("whip", "math", &lead, SDP, &large, 413, "sdp_too_large"),
        ("whip", "math", &lead, SDP, "v=0", 400, "bad_sdp"),
        ("whip", "math", &lead, SDP, "", 400, "bad_sdp"),
        ("whip", "math", &lead, SDP, &unbundled, 400, "no_bundle"),
        ("whip", "math", &receiver, SDP, &nothing, 400, "no_codec"),
        ("whip", "math", &receiver, SDP, &player, 400, "no_codec"),
        ("whep", "math", &observer, SDP, &publisher, 400, "no_codec"),
    ];
    for (protocol, lesson, token, kind, body, status, code) in table {
        let authorization = if token.is_empty() { "Y: z".to_owned() } else { bearer(token) };
        let path = format!("/{protocol}/{lesson}");
        let answer = send(to, "POST", &path, &[&authorization, kind, "Accept-Language: en"], body).await;
        let what = format!("{protocol} {lesson} {kind} {body:.40}: {answer:?}");
        assert_eq!((answer.status, answer.code().as_str()), (*status, *code), "{what}");
        assert!(answer.json()["hint"].as_str().unwrap().is_ascii(), "{what}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{what}");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        assert_eq!(challenge.starts_with("Bearer"), *status == 401, "{what}");
        assert_eq!(answer.header("accept-post"), (*status == 415).then_some("application/sdp"), "{what}");
    }
    for path in ["/whip/math", "/whep/math", "/whip/math/x", "/whep/math/x"] {
        let refused = send(to, "PUT", path, &[], "").await;
        assert_eq!((refused.status, refused.code().as_str()), (405, "method_not_allowed"), "{path}");
        assert!(refused.header("allow").is_some_and(|a| a.contains("OPTIONS")), "{refused:?}");
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
        let preflight = send(to, "OPTIONS", path, &["Origin: https://elsewhere.example"], "").await;
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("accept-post"), Some("application/sdp"));
        assert_eq!(preflight.header("accept-patch"), Some("application/trickle-ice-sdpfrag"));
        assert!(preflight.header("access-control-allow-methods").unwrap().contains("PATCH"));
        assert!(preflight.header("access-control-allow-headers").unwrap().contains("If-Match"));
    }
}

#[tokio::test]
async fn a_resource_from_its_first_answer_to_its_end() {
    let toml = "[[media.ice_servers]]\nurls = [\"turn:relay:3478\"]\nusername = \"u\"\ncredential = \"p\"";
    let server = Server::with(toml, &[]).await;
    let to = server.app.http_addr;
    let token = server.token("math", Role::Lead, "t1");
    let offer = offer_of(&plan(TEACHER, 0, 0, Codec::Vp8)).await;
    let created = post(to, "/whip/math", &token, &offer).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.header("content-type"), Some("application/sdp"));
    assert_eq!(
        created.header("link"),
        Some(
            "<turn:relay:3478>; rel=\"ice-server\"; username=\"u\"; credential=\"p\"; credential-type=\"password\""
        )
    );
    let asked = send(to, "OPTIONS", "/whip/math", &[&bearer(&token)], "").await;
    assert_eq!(asked.header("link"), created.header("link"), "before the offer as well");
    assert_eq!(send(to, "OPTIONS", "/whip/math", &[], "").await.header("link"), None);
    let exposed = created.header("access-control-expose-headers").unwrap();
    assert!(["Location", "ETag", "Link"].iter().all(|h| exposed.contains(h)), "{exposed}");
    let path = created.header("location").unwrap().to_owned();
    let name = path.strip_prefix("/whip/math/").unwrap();
    assert!(name.len() * 4 >= 128 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{name}");
    let tag = created.header("etag").unwrap().to_owned();
    assert!(created.body.contains("a=ice-lite") && !created.body.contains(name));

    // Who may.
    let other = server.token("math", Role::Lead, "t2");
    let elsewhere = server.token("music", Role::Lead, "t1");
    for (method, path, token) in [
        ("DELETE", path.as_str(), other.as_str()),
        ("DELETE", &path, &elsewhere),
        ("DELETE", &path.replace("whip", "whep"), &token),
        ("DELETE", &path.replace("math", "music"), &token),
        ("DELETE", &format!("{path}0"), &token),
        ("PATCH", &path, &other),
    ] {
        let answer = send(to, method, path, &[&bearer(token), FRAGMENT, "If-Match: *"], NEW_ICE).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{method} {path}");
    }
    assert_eq!(send(to, "DELETE", &path, &[], "").await.status, 401);

    // Trickle.
    let trickled = patch(to, &path, &token, &tag, CANDIDATE).await;
    assert_eq!((trickled.status, trickled.body.as_str(), trickled.header("etag")), (204, "", None));
    let wild = patch(to, &path, &token, "*", CANDIDATE).await;
    assert_eq!(wild.status, 204, "no new credentials, no restart");
    let bad = patch(to, &path, &token, &tag, "a=candidate:nonsense\r\n").await;
    assert_eq!((bad.status, bad.code().as_str()), (400, "bad_sdp"));
    let untagged = send(to, "PATCH", &path, &[&bearer(&token), FRAGMENT], CANDIDATE).await;
    assert_eq!((untagged.status, untagged.code().as_str()), (428, "precondition_required"));
    for stale in ["\"0000\"", "W/\"0000\""] {
        let refused = patch(to, &path, &token, stale, CANDIDATE).await;
        assert_eq!((refused.status, refused.code().as_str()), (412, "precondition_failed"));
    }
    let typed = send(to, "PATCH", &path, &[&bearer(&token), SDP, "If-Match: *"], &offer).await;
    assert_eq!((typed.status, typed.code().as_str()), (415, "unsupported_media_type"));
    assert_eq!(typed.header("accept-patch"), Some("application/trickle-ice-sdpfrag"));
    let large = "a=x\r\n".repeat(20_000);
    assert_eq!(patch(to, &path, &token, &tag, &large).await.status, 413);

    // ICE restart.
    let restarted = patch(to, &path, &token, "*", NEW_ICE).await;
    assert_eq!(restarted.status, 200, "{restarted:?}");
    assert_eq!(restarted.header("content-type"), Some("application/trickle-ice-sdpfrag"));
    let new_tag = restarted.header("etag").unwrap();
    assert_ne!(new_tag, tag);
    let line = |text: &str, key: &str| {
        let found = text.lines().find_map(|l| l.strip_prefix(key));
        found.unwrap_or_else(|| panic!("{key} in {text}")).to_owned()
    };
    for key in ["a=ice-ufrag:", "a=ice-pwd:"] {
        assert_ne!(line(&restarted.body, key), line(&created.body, key));
    }
    assert_eq!(line(&restarted.body, "a=candidate:"), line(&created.body, "a=candidate:"));
    assert_eq!(line(&restarted.body, "a=mid:"), line(&created.body, "a=mid:"));
    assert!(restarted.body.starts_with("a=ice-lite\r\na=group:BUNDLE "), "{}", restarted.body);
    assert_eq!(patch(to, &path, &token, &tag, CANDIDATE).await.status, 412, "the old tag is stale");
    assert_eq!(patch(to, &path, &token, new_tag, &format!("{NEW_ICE}{CANDIDATE}")).await.status, 204);

    // The end.
    assert_eq!(send(to, "DELETE", &path, &[&bearer(&token)], "").await.status, 200);
    assert_eq!(send(to, "DELETE", &path, &[&bearer(&token)], "").await.status, 404);
    assert_eq!(patch(to, &path, &token, "*", NEW_ICE).await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whip_lead_teaches_pages_and_players_in_vp8() {
    taught_in(Codec::Vp8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whip_lead_teaches_pages_and_players_in_h264() {
    taught_in(Codec::H264).await;
}

async fn taught_in(codec: Codec) {
    // An encoder that has only this codec decides, whatever the lesson would prefer.
    let server = Server::with("", &["lesson.video_codec=h264"]).await;
    let mut board = server.page("math", Role::Observer, "board").await;
    let lead = server.token("math", Role::Lead, "obs");
    let teacher = Client::open(&server, "whip", lead, &plan(TEACHER, 0, 0, codec), Some(codec)).await;
    let teaching = tokio::spawn(teacher.teach());
    let live = board.until(|m| m["type"] == "lesson" && m["lesson"]["state"] == "live").await;
    assert_eq!(live["lesson"]["id"], "math", "her publishing is her 上课");
    let seat =
        board.until_participant("obs", |p| p["sources"].as_array().is_some_and(|s| s.len() == 2)).await;
    assert_eq!((&seat["presence"], &seat["state"]["camera"]), (&json!("online"), &json!(true)));

    let mut player = Client::play(&server, 1).await;
    player.watch(&[ClipName::Teacher]).await;
    // One of the audience: in nobody's roster, so an administrator is asked.
    let viewer = viewer_in(&server).await.expect("it looks on");
    assert_eq!(viewer["role"], "observer");
    assert_ne!(viewer["id"], "viewer", "a viewer of its own, not the token's participant");
    assert!(!player.location.contains(viewer["id"].as_str().unwrap().strip_prefix("whep-").unwrap()));

    assert_eq!(player.delete().await, 200);
    assert_eq!(viewer_in(&server).await, None, "gone at once");
    teaching.abort();
}

/// Whoever is called `viewer` in the lesson.
async fn viewer_in(server: &Server) -> Option<Value> {
    let bearer = format!("Authorization: Bearer {}", server.token("math", Role::Admin, "a1"));
    let lesson = request(server.app.http_addr, "GET", "/api/v1/lessons/math", &[&bearer], "").await.json();
    let people = lesson["participants"].as_array()?;
    people.iter().map(|p| p["participant"].clone()).find(|p| p["name"] == "viewer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_player_with_one_picture_gets_content_while_there_is_some() {
    let server = Server::start().await;
    let url = format!("ws://{}/ws", server.app.http_addr);
    let token = server.token("math", Role::Lead, "lead");
    let lead = Probe::start(teacher(&url, Arc::new(move || token.clone()), true, Instant::now()));
    let mut one = Client::play(&server, 1).await;
    let mut two = Client::play(&server, 2).await;
    two.watch(&[ClipName::Teacher, ClipName::Content]).await;
    let content = |content| OwnState { mic: true, camera: true, content, sound: true, ..OwnState::default() };
    for (on, shown) in [(true, ClipName::Content), (false, ClipName::Teacher), (true, ClipName::Content)] {
        lead.send(Box::new(move |_| ClientMessage::State { state: content(on) }));
        one.watch(&[shown]).await;
    }
    assert_eq!((one.delete().await, two.delete().await), (200, 200));
    server.app.shutdown().await;
}

#[tokio::test]
async fn the_lesson_ends_resources_and_frees_their_places() {
    let flags = ["http.max_connections_per_address=200", "http.max_connections=200"];
    let server = Server::with("", &flags).await;
    let to = server.app.http_addr;
    let mut lead = server.live("math").await;
    let token = server.token("math", Role::Receiver, "c1");
    let offer = offer_of(&plan(&[], 1, 1, Codec::Vp8)).await;
    let mut paths = Vec::new();
    for _ in 0..200 {
        let created = post(to, "/whep/math", &token, &offer).await;
        assert_eq!(created.status, 201, "{created:?}");
        paths.push(created.header("location").unwrap().to_owned());
    }
    let full = post(to, "/whep/math", &token, &offer).await;
    assert_eq!((full.status, full.code().as_str(), full.header("retry-after")), (503, "busy", Some("5")));
    let metrics = send(server.app.ops_addr, "GET", "/metrics", &[], "").await.body;
    assert!(metrics.contains("zhuandi_resources_open 200\n"), "{metrics}");
    assert!(metrics.contains("zhuandi_resources_refused_total 1\n"), "{metrics}");
    let delete = async |path: &str| send(to, "DELETE", path, &[&bearer(&token)], "").await.status;
    assert_eq!(delete(&paths[0]).await, 200);
    assert_eq!(post(to, "/whep/math", &token, &offer).await.status, 201, "a place is free again");

    // The goodbye is on its way to each of them.
    let gone = async |path: &str| {
        let asking = async {
            while send(to, "PATCH", path, &[&bearer(&token), FRAGMENT], "").await.status != 404 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, asking).await.expect("the resource has ended");
    };
    let mut seats = Vec::new();
    while seats.len() < 2 {
        seats.push(lead.until(|m| m["participant"]["name"] == "c1").await["participant"]["id"].clone());
    }
    lead.ask(json!({ "type": "kick", "participant": seats[1] })).await;
    gone(&paths[1]).await;
    lead.ask(json!({ "type": "end_lesson" })).await;
    lead.until_closed().await;
    gone(&paths[199]).await;
    let late = post(to, "/whep/math", &token, &offer).await;
    assert_eq!((late.status, late.code().as_str()), (409, "lesson_ended"));
}

/// Leaves one video codec in an offer.
fn without_other_codec(offer: &str, codec: Codec) -> String {
    let (kept, dropped) = if codec == Codec::Vp8 { ("96", "102") } else { ("102", "96") };
    let lines = offer.lines().filter(|l| {
        let of = |key: &str| l.strip_prefix(key).is_some_and(|r| r.split(' ').next() == Some(dropped));
        !["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"].into_iter().any(of)
    });
    let lines = lines.map(|l| match l.strip_prefix("m=video ") {
        Some(_) => l.split(' ').filter(|w| *w != dropped).collect::<Vec<_>>().join(" "),
        None => l.to_owned(),
    });
    let text: String = lines.map(|l| l + "\r\n").collect();
    assert!(text.contains(&format!("SAVPF {kept}\r\n")), "{text}");
    text
}
