//! From the plan to the slots: only differences become routes and `slots` messages.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::ids::{ParticipantId, PeerId};
use crate::lesson::lesson::Lesson;
use crate::lesson::plan::{Assignment, Common, SeatNumber, Senders, Viewer, plan};
use crate::lesson::roster::{Fed, Peer, Seat};
use crate::lesson::{Actor, LessonError};
use crate::media::command::{Command, LayerIndex, Rank, Route, SlotIndex};
use crate::session::message::{LessonState, Role, ServerMessage};
use crate::store::record::Happened;

/// What one peer's new plan changes.
#[derive(Default)]
struct Difference {
    routes: Vec<Route>,
    /// Slots that show somebody else now.
    told: Vec<SlotIndex>,
}

/// What is shown in a lesson, as its plans and its people know it. Changes with `settle` alone.
#[derive(Default)]
pub struct Show {
    /// Seats that send something open.
    pub senders: Senders,
    common: Common,
    /// Of whom classrooms hear.
    pub public: BTreeSet<SeatNumber>,
}

impl Lesson {
    /// Sends what changed since the last time: roster entries, the floor, who leads, routes and slots.
    /// In this order, so that a page knows whom it is told of, as long as it is shown anything of them.
    pub fn settle(&mut self, now: Instant) {
        self.do_what_is_due(now);
        self.end_late_handovers(now);
        self.keep_attendance(now);
        let replan = std::mem::take(&mut self.replan) || !self.stale.is_empty();
        let before = self.lead;
        if replan {
            self.lead = self.roster.lead(before, self.chosen_lead);
            if self.lead != before {
                self.lead_moved(before);
            }
        }
        let stale = std::mem::take(&mut self.stale);
        for number in &stale {
            match self.roster.by_number(*number).and_then(Seat::sender_view) {
                Some(view) => self.show.senders.insert(*number, view),
                None => self.show.senders.remove(number),
            };
        }
        let vanished = self.tell_people(&stale);
        self.tell_floor();
        if self.lead != before {
            self.tell_lead(before, now);
        }
        if replan {
            self.apply_plan(&stale);
        }
        self.tell_vanished(&vanished);
        if let Some(seat) = before.filter(|_| self.lead != before) {
            self.forget_others(seat);
        }
        self.tell_heard();
    }

    /// Whoever led is gone: somebody else does from now on.
    pub(super) fn replace_lead(&mut self, now: Instant) {
        let before = self.lead;
        self.lead = self.roster.lead(before, self.chosen_lead);
        if self.lead != before {
            self.lead_moved(before);
            self.tell_lead(before, now);
        }
    }

    /// Tells everybody that somebody else leads than before.
    fn tell_lead(&mut self, before: Option<SeatNumber>, now: Instant) {
        self.tell_standing();
        if let Some(seat) = self.lead {
            self.introduce_others(seat);
        }
        self.broadcast(&ServerMessage::Lesson { lesson: self.info(now) });
        let who = self.lead.and_then(|n| self.roster.by_number(n)).map(|seat| &seat.member.id);
        self.attendance.happened(Happened::Lead, who, None, None, now);
        // The one knows the whole queue from now on, the other its own place alone.
        for seat in before.into_iter().chain(self.lead).filter_map(|n| self.roster.by_number(n)) {
            seat.push(&ServerMessage::Floor { floor: self.floor_for(seat) });
        }
    }

    /// Tells a page what feeds some of its slots.
    pub(super) fn tell_slots(&self, participant: &ParticipantId, peer: PeerId, slots: &[SlotIndex]) {
        let Some(seat) = self.roster.get(participant) else { return };
        let Some(found) = seat.peers().find(|p| p.id == peer) else { return };
        let slots: Vec<_> = slots.iter().filter_map(|slot| self.roster.slot_feed(found, *slot)).collect();
        if !slots.is_empty() {
            seat.push(&ServerMessage::Slots { peer, slots });
        }
    }

    /// What a page may have missed of a peer that it kept over a broken connection: every slot, and
    /// the layers that are of use.
    pub(super) fn repeat(&self, actor: &Actor, peer: PeerId) {
        let seat = self.roster.get(&actor.member.id);
        let Some(found) = seat.and_then(|s| s.peers().find(|p| p.id == peer)) else { return };
        let feeds = found.slots.iter().filter_map(|s| self.roster.slot_feed(found, s.slot));
        actor.outbox.push(&ServerMessage::Slots { peer, slots: feeds.collect() });
        for message in found.sources.iter().filter_map(|s| s.layers(peer)) {
            actor.outbox.push(&message);
        }
    }

    /// A page's own wish for one of its slots; it ends when the slot gets another source.
    pub(super) fn select_layer(
        &mut self,
        id: &ParticipantId,
        mid: &str,
        max_layer: u8,
    ) -> Result<(), LessonError> {
        let seat = self.roster.get_mut(id).ok_or(LessonError::UnknownParticipant)?;
        let number = seat.number;
        let peer = seat.peers_mut().last().ok_or(LessonError::UnknownSlot)?;
        let slot = peer.slot_by_mid(mid).ok_or(LessonError::UnknownSlot)?.slot;
        let layer = LayerIndex(max_layer.min(LayerIndex::TOP.0));
        if let Some(source) = peer.feeds.get(&slot).map(|fed| fed.assignment.source) {
            peer.wishes.insert(slot, (source, layer));
            self.stale.insert(number);
        }
        Ok(())
    }

    /// Plans anew for whom anything may be different: everybody when what all see is, else the stale
    /// seats, and those whose wall has everybody on it.
    fn apply_plan(&mut self, stale: &BTreeSet<SeatNumber>) {
        // Before 上课 nobody is shown to anybody.
        let live = self.state == LessonState::Live;
        let nobody = Senders::new();
        let senders = if live { &self.show.senders } else { &nobody };
        let common = Common::new(self.lead, self.floor.stage(), senders).laid_out(self.rules.layout);
        let common = common.beside_photo(self.shows_photo());
        let all = common != self.show.common;
        let mut plans = Vec::new();
        for seat in self.roster.iter() {
            let role = seat.member.role;
            let teaches = role == Role::Lead || Some(seat.number) == self.lead;
            if !(all || teaches || stale.contains(&seat.number)) {
                continue;
            }
            let viewer = Viewer { seat: seat.number, role, wall: seat.wall.as_deref() };
            for peer in seat.peers() {
                let new = plan(&common, senders, viewer, &peer.view());
                plans.push((seat.number, peer.id, new));
            }
        }
        self.show.common = common;
        for (seat, peer, new) in plans {
            self.apply_to_peer(seat, peer, &new);
        }
    }

    fn apply_to_peer(&mut self, seat: SeatNumber, id: PeerId, new: &[Assignment]) {
        let Some(seat) = self.roster.by_number_mut(seat) else { return };
        let participant = seat.member.id.clone();
        let Some(peer) = seat.peer_mut(id) else { return };
        let difference = peer.apply(new);
        if !difference.routes.is_empty() {
            let routes = difference.routes;
            self.media.surely(move || Command::Route { peer: id, routes: routes.clone() });
        }
        self.tell_slots(&participant, id, &difference.told);
    }
}

impl Peer {
    /// Takes a new plan over and says what is different.
    fn apply(&mut self, new: &[Assignment]) -> Difference {
        let mut out = Difference::default();
        for slot in self.slots.iter().map(|s| s.slot) {
            let mut wanted = new.iter().find(|a| a.slot == slot).copied();
            if let (Some(a), Some((source, layer))) = (&mut wanted, self.wishes.get(&slot))
                && a.source == *source
            {
                a.max_layer = *layer;
            }
            let had = self.feeds.get(&slot).map(|fed| fed.assignment);
            if had == wanted {
                continue;
            }
            let fed =
                self.feeds.get(&slot).filter(|fed| wanted.is_some_and(|a| a.source == fed.assignment.source));
            let next_turn = || {
                self.turns += 1;
                self.turns
            };
            let turn = fed.map_or_else(next_turn, |fed| fed.turn);
            out.routes.push(Route {
                turn,
                slot,
                source: wanted.map(|a| a.source),
                max_layer: wanted.map_or(LayerIndex::TOP, |a| a.max_layer),
                rank: wanted.map_or(Rank::Lead, |a| a.rank),
            });
            if had.map(|a| a.source) != wanted.map(|a| a.source) {
                out.told.push(slot);
                self.wishes.remove(&slot);
            }
            match wanted {
                None => {
                    self.feeds.remove(&slot);
                }
                Some(assignment) if had.is_some_and(|a| a.source == assignment.source) => {
                    if let Some(fed) = self.feeds.get_mut(&slot) {
                        fed.assignment = assignment;
                    }
                }
                Some(assignment) => {
                    self.feeds.insert(slot, Fed { assignment, since: None, turn });
                }
            }
        }
        out
    }
}
