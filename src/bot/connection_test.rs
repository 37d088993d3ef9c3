//! Two peers of the crate against each other: what a server should find in our offer and packets.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use webrtc::media_stream::track_remote::TrackRemoteEvent;

use super::*;
use crate::bot::clip::{ClipName, VoiceName, video, voice};
use crate::bot::depacketise::FrameBuilder;
use crate::bot::player::{AudioPlayer, VideoPlayer};

fn plan() -> Plan {
    Plan {
        sends: vec![(SourceKind::Mic, 1), (SourceKind::Camera, 3), (SourceKind::Content, 1)],
        audio_slots: 2,
        video_slots: 3,
        codec: Codec::Vp8,
        local: vec!["127.0.0.1:0".into()],
    }
}

#[tokio::test]
async fn the_offer_names_rids_and_slots() {
    let (connection, sdp) = Connection::offer(&plan()).await.expect("an offer");
    let media = MediaLines::all(&sdp);
    assert_eq!(media.len(), 8);
    let kinds: Vec<_> = connection.intents.iter().map(|i| i.kind).collect();
    assert_eq!(kinds, [SourceKind::Mic, SourceKind::Camera, SourceKind::Content]);
    let camera = MediaLines::of(&sdp, &connection.intents[1].mid).expect("the camera's m-line");
    for line in ["a=rid:q send", "a=rid:h send", "a=rid:f send", "a=simulcast:send q;h;f", "a=sendonly"] {
        assert!(camera.0.contains(&line), "{line} in\n{}", camera.0.join("\n"));
    }
    assert!(camera.extension(MID_URI).is_some() && camera.extension(RID_URI).is_some());
    assert_eq!(camera.first_codec().map(|c| c.1), Some(Codec::Vp8));
    assert_eq!(camera.ssrc(), None, "like Chromium, a simulcast m-line names no SSRC");
    assert!(MediaLines::of(&sdp, &connection.intents[0].mid).expect("mic").extension(LEVEL_URI).is_some());
    assert!(media[3..].iter().all(|m| m.0.contains(&"a=recvonly")));
    connection.close().await;
}

/// The other side: the crate's own peer connection, answering.
async fn answer(offer: &str) -> (Arc<dyn PeerConnection>, mpsc::UnboundedReceiver<Happening>, String) {
    let (sender, happenings) = mpsc::unbounded_channel();
    let peer = build(&plan(), sender).await.expect("a peer");
    peer.set_remote_description(RTCSessionDescription::offer(offer.to_owned()).expect("parses"))
        .await
        .expect("taken");
    let answer = peer.create_answer(None).await.expect("an answer");
    peer.set_local_description(answer).await.expect("set");
    // The offering side gets our candidates in the answer, as it does from the server.
    for _ in 0..100 {
        let sdp = peer.local_description().await.expect("set above").sdp;
        if sdp.contains("a=candidate") {
            return (peer, happenings, sdp);
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("no candidate");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_layers_and_the_voice_arrive_and_a_key_frame_request_comes_back() {
    all_arrive(Codec::Vp8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_prefers_the_other_codec_is_followed() {
    all_arrive(Codec::H264).await;
}

async fn all_arrive(codec: Codec) {
    let (mut connection, offer) = Connection::offer(&plan()).await.expect("an offer");
    let (other, mut there, sdp) = answer(&offer).await;
    assert!(sdp.contains("SAVPF 96 102"), "both codecs are offered and answered: {sdp}");
    let sdp = if codec == Codec::H264 { sdp.replace("SAVPF 96 102", "SAVPF 102 96") } else { sdp };
    let mut streams = connection.accept(&sdp).await.expect("accepted");
    assert_eq!(
        streams.iter().map(|s| (s.kind, s.layer)).collect::<Vec<_>>(),
        [
            (SourceKind::Mic, 0),
            (SourceKind::Camera, 0),
            (SourceKind::Camera, 1),
            (SourceKind::Camera, 2),
            (SourceKind::Content, 0),
        ]
    );
    let mut ssrcs: HashSet<u32> = HashSet::new();
    timeout(Duration::from_secs(10), async {
        while let Some(happening) = connection.next().await {
            if matches!(happening, Happening::State(RTCPeerConnectionState::Connected)) {
                return;
            }
        }
        panic!("ended");
    })
    .await
    .expect("connects");

    // Frames that came whole, by (layer of the clip or 99 for voice).
    let (found, mut finds) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(happening) = there.recv().await {
            let Happening::Track(track) = happening else { continue };
            let found = found.clone();
            tokio::spawn(async move {
                let mut builders: HashMap<u32, FrameBuilder> = HashMap::new();
                let mut asked = HashSet::new();
                let audio = track.kind().await == RtpCodecKind::Audio;
                while let Some(event) = track.poll().await {
                    let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
                    if audio {
                        let _ = found.send((99, packet.header.ssrc));
                        continue;
                    }
                    let ssrc = packet.header.ssrc;
                    let builder = builders.entry(ssrc).or_default();
                    // The first packets may be missing while the crate learns the SSRC.
                    if builder.push(codec, &packet.payload).is_err() {
                        *builder = FrameBuilder::default();
                        let _ = builder.push(codec, &packet.payload);
                    }
                    if packet.header.marker && !builder.is_empty() {
                        let frame = builder.take(codec, packet.header.timestamp);
                        if let Some(place) = frame.places.first().filter(|p| p.key) {
                            let layer = if place.name == ClipName::Content { 9 } else { place.layer };
                            let _ = found.send((layer, ssrc));
                            if asked.insert(ssrc) {
                                let pli = PictureLossIndication { sender_ssrc: 0, media_ssrc: ssrc };
                                track.write_rtcp(vec![Box::new(pli)]).await.expect("sent");
                            }
                        }
                    }
                }
            });
        }
    });

    let mut players: Vec<VideoPlayer> = video(ClipName::Teacher, codec)
        .into_iter()
        .chain(video(ClipName::Content, codec))
        .map(VideoPlayer::new)
        .collect();
    let mut talker = AudioPlayer::new(voice(VoiceName::Teacher));
    let mut layers: HashMap<u8, u32> = HashMap::new();
    let mut requests = HashSet::new();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) && (layers.len() < 5 || requests.len() < 4) {
        let now = begin.elapsed();
        let (mic, cameras) = streams.split_at_mut(1);
        for due in talker.poll_packets(now) {
            mic[0].write(&due.data, due.ticks, Some(due.level)).await.expect("sent");
        }
        for (stream, player) in cameras.iter_mut().zip(&mut players) {
            for due in player.poll_frames(now) {
                stream.write(&due.frame.data, due.ticks, None).await.expect("sent");
            }
        }
        while let Ok((layer, ssrc)) = finds.try_recv() {
            *layers.entry(layer).or_default() += 1;
            ssrcs.insert(ssrc);
        }
        while let Ok(happening) = connection.happenings.try_recv() {
            if let Happening::KeyFrameRequest(ssrc) = happening {
                requests.insert(ssrc);
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(layers.len(), 5, "three layers, courseware and voice: {layers:?}");
    assert_eq!(ssrcs.len(), 5);
    assert_eq!(requests.len(), 4, "one request for each video SSRC");
    connection.close().await;
    other.close().await.expect("closed");
}
