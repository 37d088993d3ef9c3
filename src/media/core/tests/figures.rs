//! What is told once a second agrees with what was sent, lost and received.

use super::*;
use crate::media::command::LayerIndex;
use crate::media::stats::HubStats;
use crate::media::transport::rtcp::ReceptionBlock;

/// The figures since the last call.
fn figures(w: &World) -> Vec<HubStats> {
    let of = |e| match e {
        Event::Stats(stats) => Some(*stats),
        _ => None,
    };
    w.events().into_iter().filter_map(of).collect()
}

#[test]
fn figures_of_a_second_are_of_that_second() {
    let (mut w, lead, boards) = lesson(1, 1);
    let (mic, camera) = (w.source(lead, SourceKind::Mic), w.source(lead, SourceKind::Camera));
    let (lead_id, board_id) = (w.peer(lead), w.peer(boards[0]));
    let say = |w: &mut World, fraction_lost| {
        let blocks = [0, 2].map(|slot| ReceptionBlock {
            ssrc: w.clients[boards[0]].slot_ssrc(slot),
            fraction_lost: if slot == 0 { 0 } else { fraction_lost },
            ..ReceptionBlock::default()
        });
        let mut compound = Compound::default();
        compound.receiver_report(1, &blocks);
        w.clients[boards[0]].send_rtcp(compound);
    };
    w.teach(lead, MS(1_500));
    say(&mut w, 128);
    w.teach(lead, MS(1_500));
    let all = figures(&w);
    assert!(all.len() >= 3);
    let last = all.last().unwrap();
    assert_eq!(last.hub, Some(w.hub));
    let source = |s: &HubStats, id| s.sources.iter().find(|s| s.source == id).unwrap().clone();
    let peer = |s: &HubStats, id| s.peers.iter().find(|p| p.peer == id).unwrap().clone();
    // 25 pictures of 200 bytes, 50 sounds of 5 bytes.
    let pictures = source(last, camera);
    assert!((38..=42).contains(&pictures.kbps), "{} kbit/s", pictures.kbps);
    assert_eq!((pictures.flowing, pictures.top_layer), (true, Some(LayerIndex(0))));
    assert_eq!(pictures.key_frame_requests, u64::from(w.clients[lead].key_requests));
    assert_eq!(source(last, mic).kbps, 2);
    assert_eq!(source(last, mic).level, Some(30));
    assert!((70..=76).contains(&pictures.packets), "{} since the beginning", pictures.packets);
    let board = peer(last, board_id);
    assert_eq!(board.slots.len(), 2, "of those that are fed");
    let slot = &board.slots[1];
    assert_eq!((slot.slot.0, slot.source, slot.layer), (2, camera, Some(LayerIndex(0))));
    assert!((38..=42).contains(&slot.kbps));
    assert!(w.received(boards[0], 2).len().abs_diff(slot.packets as usize) <= 1);
    // Half of the pictures, a third of all packets.
    assert!((0.14..=0.19).contains(&board.loss_down), "{}", board.loss_down);
    // 25 × (12 + 200 + 16) + 50 × (12 + 8 + 5 + 16) bytes, and reports.
    assert!((61..=72).contains(&board.down_kbps), "{}", board.down_kbps);
    assert!(board.up_kbps < 3 && board.connected && board.bad_packets == 0);
    let lead_figures = peer(last, lead_id);
    assert!((61..=80).contains(&lead_figures.up_kbps), "{}", lead_figures.up_kbps);
    assert!(lead_figures.down_kbps < 8, "{}", lead_figures.down_kbps);
    assert!((lead_figures.loss_up, lead_figures.slots.len()) == (0.0, 0));
    // A third of the sound is lost in one second, nothing in the next.
    for n in 0..60 {
        if n % 3 == 0 {
            w.clients[lead].lose_one(0);
        } else {
            let at = w.now - w.start;
            w.clients[lead].send_audio(at);
        }
        w.exchange();
        w.run(MS(20));
    }
    w.teach(lead, MS(2_000));
    let all = figures(&w);
    let losses: Vec<f32> = all.iter().map(|s| peer(s, lead_id).loss_up).collect();
    assert!(losses.iter().any(|l| (0.3..=0.36).contains(l)), "{losses:?}");
    assert_eq!(losses.last(), Some(&0.0), "{losses:?}");
    assert_eq!(source(all.last().unwrap(), mic).lost, 20);
    assert!(all.iter().all(|s| s.sources.len() == 2 && s.peers.len() == 2));
    assert_eq!((w.core.stats.peers, w.core.stats.hubs), (2, 1));
}
