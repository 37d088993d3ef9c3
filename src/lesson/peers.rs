//! Media connections of the seats: offered, connected, handed over, closed.
//!
//! A newer peer replaces the older one of its seat without a gap for the others: when it connects
//! it takes the older one's place, but the older one stays (`Seat::older`) and feeds each kind that
//! the newer one does not send yet. It goes when all of them flow, when its page closes it, or
//! `HANDOVER` after the newer one has connected.
//!
//! Events carry no time: a handover's time begins with the `settle` after it.

use std::time::Duration;

use tokio::time::Instant;

use crate::ids::{PeerId, SourceId};
use crate::lesson::lesson::Lesson;
use crate::lesson::roster::Peer;
use crate::lesson::{Actor, LessonError};
use crate::media::command::{CloseReason, Command, SlotIndex};
use crate::media::negotiate::{Accepted, Codec};
use crate::session::message::{Role, ServerMessage};

/// How long an older peer may feed what its successor does not send.
const HANDOVER: Duration = Duration::from_secs(2);

/// An older peer that still feeds.
pub struct Handover {
    older: PeerId,
    /// `None` until the first `settle`.
    until: Option<Instant>,
}

impl Lesson {
    pub(super) fn add_peer(
        &mut self,
        actor: &Actor,
        request: Option<u32>,
        mut accepted: Accepted,
        preferred: Codec,
    ) -> Result<(), LessonError> {
        if actor.member.role == Role::Observer && !accepted.sources.is_empty() {
            return Err(LessonError::NotInThisLesson);
        }
        self.open_hub()?;
        let sdp = std::mem::take(&mut accepted.sdp);
        let (peer, setup) = Peer::new(accepted);
        let seat = self.roster.get_mut(&actor.member.id).ok_or(LessonError::UnknownParticipant)?;
        self.media.now(Command::AddPeer { hub: self.hub, peer: peer.id, setup })?;
        for source in &peer.sources {
            if seat.closed.contains(&source.info.kind) {
                let source = source.info.source;
                self.media.surely(move || Command::Gate { source, open: false });
            }
        }
        let answer = ServerMessage::Answer {
            request: request.unwrap_or_default(),
            peer: peer.id,
            sdp,
            slots: peer.slot_mids(),
        };
        let fallback = fallback(self.running, &peer.decodes);
        let old_codec = preferred != self.running && peer.sent_video().any(|codec| codec != self.running);
        self.stale.insert(seat.number);
        let older = self.roster.add_peer(&actor.member.id, peer);
        actor.outbox.push(&answer);
        if let Some(older) = older {
            self.remove_peer(older.id);
        }
        if let Some(codec) = fallback {
            self.change_codec(codec);
        } else if old_codec {
            actor.outbox.push(&renew("codec_changed"));
        }
        Ok(())
    }

    /// Everybody who sends another codec makes a new peer.
    fn change_codec(&mut self, codec: Codec) {
        self.running = codec;
        self.codec.send_replace(codec);
        for seat in self.roster.iter() {
            if seat.peers().any(|p| p.sent_video().any(|sent| sent != codec)) {
                seat.push(&renew("codec_changed"));
            }
        }
    }

    pub(super) fn restart_ice(
        &mut self,
        actor: &Actor,
        request: Option<u32>,
        sdp: &str,
    ) -> Result<(), LessonError> {
        let seat = self.roster.get_mut(&actor.member.id).ok_or(LessonError::UnknownParticipant)?;
        // A page speaks of its newest peer.
        let peer = if seat.pending.is_some() { &mut seat.pending } else { &mut seat.current };
        let peer = peer.as_mut().ok_or(LessonError::UnknownSlot)?;
        let (sdp, answer, restart) = self.negotiator.restart(&peer.answer, sdp)?;
        self.media.now(Command::RestartIce { peer: peer.id, restart })?;
        peer.answer = answer;
        actor.outbox.push(&ServerMessage::Answer {
            request: request.unwrap_or_default(),
            peer: peer.id,
            sdp,
            slots: peer.slot_mids(),
        });
        Ok(())
    }

    pub(super) fn peer_connected(&mut self, id: PeerId) {
        let Some(seat) = self.roster.by_peer_mut(id) else { return };
        if seat.pending.as_ref().is_none_or(|p| p.id != id) {
            return;
        }
        let before = std::mem::replace(&mut seat.current, seat.pending.take());
        let gone = std::mem::replace(&mut seat.older, before);
        let gone = gone.into_iter().chain(if seat.hands_over() { None } else { seat.older.take() });
        let gone: Vec<_> = gone.map(|peer| peer.id).collect();
        if let Some(older) = &seat.older {
            self.handovers.push(Handover { older: older.id, until: None });
        }
        self.changed.insert(seat.member.id.clone());
        self.stale.insert(seat.number);
        self.due.extend(seat.due_when_connected(id));
        for peer in gone {
            self.remove_peer(peer);
        }
    }

    pub(super) fn peer_closed(&mut self, id: PeerId, reason: CloseReason) {
        let Some(seat) = self.roster.by_peer_mut(id) else { return };
        self.stale.insert(seat.number);
        if seat.older.as_ref().is_some_and(|p| p.id == id) {
            // Its page needs it no more, or it was broken: the newer one is there.
            seat.older = None;
            self.roster.forget_peer(id);
            return;
        }
        if seat.pending.as_ref().is_some_and(|p| p.id == id) {
            seat.pending = None;
        } else {
            // What still works goes on.
            seat.current = seat.older.take();
            // Of one that was silent for 30 s its page knows nothing yet.
            if reason != CloseReason::ConsentLost {
                seat.connects_since = Instant::now();
            }
        }
        // A page that closed its peer itself knows, and one that waits for a newer peer has one.
        let asked = matches!(reason, CloseReason::Removed | CloseReason::Closed);
        if !asked && seat.pending.is_none() {
            seat.push(&renew("media_lost"));
        }
        self.due.extend(seat.due_when_closed(id));
        self.changed.insert(seat.member.id.clone());
        self.roster.forget_peer(id);
    }

    pub(super) fn source_flows(&mut self, id: SourceId, flowing: bool) {
        let Some(seat) = self.roster.by_source_mut(id) else { return };
        for source in seat.peers_mut().flat_map(|p| &mut p.sources) {
            if source.info.source == id {
                source.flowing = flowing;
            }
        }
        self.changed.insert(seat.member.id.clone());
        let Some(older) = seat.older.as_ref().map(|p| p.id) else { return };
        self.stale.insert(seat.number);
        if !seat.hands_over() {
            self.end_handover(older);
        }
    }

    /// When the next handover has taken long enough; `settle` then ends it.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.handovers.iter().filter_map(|h| h.until).min()
    }

    /// Ends the handovers whose time is over; those that are new have their time from now on.
    pub(super) fn end_late_handovers(&mut self, now: Instant) {
        let mut late = Vec::new();
        self.handovers.retain_mut(|handover| {
            let over = *handover.until.get_or_insert(now + HANDOVER) <= now;
            if over {
                late.push(handover.older);
            }
            !over
        });
        for older in late {
            self.end_handover(older);
        }
    }

    /// The older peer goes, if it is still there.
    fn end_handover(&mut self, older: PeerId) {
        let Some(seat) = self.roster.by_peer_mut(older) else { return };
        if seat.older.take_if(|p| p.id == older).is_some() {
            self.stale.insert(seat.number);
            self.remove_peer(older);
        }
    }

    pub(super) fn slot_flows(&mut self, id: PeerId, slot: SlotIndex, fed_by: (SourceId, u32), since: u32) {
        let Some(seat) = self.roster.by_peer_mut(id) else { return };
        let participant = seat.member.id.clone();
        let Some(fed) = seat.peer_mut(id).and_then(|p| p.feeds.get_mut(&slot)) else { return };
        if (fed.assignment.source, fed.turn) != fed_by {
            return;
        }
        fed.since = Some(since);
        self.tell_slots(&participant, id, &[slot]);
    }

    pub(super) fn remove_peer(&mut self, peer: PeerId) {
        self.roster.forget_peer(peer);
        self.media.surely(move || Command::RemovePeer { peer });
    }
}

/// The codec that a lesson moves to for somebody who cannot decode what runs: VP8, or H.264 where
/// there is no VP8. It never moves back, so it moves twice at most.
fn fallback(running: Codec, decodes: &[Codec]) -> Option<Codec> {
    let open = match running {
        Codec::Vp9 | Codec::Av1 => &[Codec::Vp8, Codec::H264][..],
        Codec::H264 => &[Codec::Vp8],
        Codec::Vp8 | Codec::Opus => &[],
    };
    // Who decodes nothing takes no video at all.
    let cannot_follow = !decodes.is_empty() && !decodes.contains(&running);
    open.iter().copied().find(|c| cannot_follow && decodes.contains(c))
}

fn renew(reason: &str) -> ServerMessage {
    ServerMessage::Renew { reason: reason.to_owned() }
}

#[cfg(test)]
#[path = "peers_test.rs"]
mod tests;
