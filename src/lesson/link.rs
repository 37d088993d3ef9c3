//! A participant's link in the lesson's words: what its line does to its pictures, and why.
//!
//! The media plane decides what a line carries and says every change with its reason. Here they become
//! the state that pages put into words, and the history that an administrator reads when a classroom
//! complains. What no subscriber can use is told to the page that sends it, which switches it off.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::{PeerId, SourceId};
use crate::lesson::Actor;
use crate::lesson::lesson::Lesson;
use crate::lesson::outbox::Encoded;
use crate::lesson::roster::{Peer, Seat, Source};
use crate::media::command::{ALL_TEMPORAL, Grant, LayerIndex, SlotIndex, Why};
use crate::media::negotiate::{MediaKind, SourceKind};
use crate::media::stats::{Condition, PeerStats, SlotStats};
use crate::session::message::{
    ClassroomLink, LinkCause, LinkChange, LinkState, LinkStats, Role, ServerMessage,
};

/// A lesson of a bad line has a change or two a minute.
const KEPT: usize = 100;
/// Of these the administrator's page shows so many.
const SHOWN: usize = 8;
/// A page joins in a second on a good line; its first way is given up after 8 s.
const CONNECTING: Duration = Duration::from_secs(10);
/// Losses that are heard and seen.
const LOSSY: f32 = 0.05;

/// What happened to one slot, and when.
#[derive(Clone, Debug)]
pub struct Changed {
    at: Instant,
    kind: SourceKind,
    granted: Grant,
    why: Why,
}

/// The changes of one seat, oldest first.
#[derive(Default)]
pub struct LinkHistory {
    changes: VecDeque<Changed>,
    /// Why something was taken away last.
    cause: Option<LinkCause>,
}

impl LinkHistory {
    fn note(&mut self, changed: Changed) {
        match changed.why {
            Why::Room => {}
            Why::Demand => {
                self.cause.get_or_insert(LinkCause::Slow);
            }
            Why::Congestion | Why::Backlog => self.cause = Some(LinkCause::Slow),
            Why::Loss => self.cause = Some(LinkCause::Loss),
            Why::Silence => self.cause = Some(LinkCause::Silent),
        }
        if self.changes.len() == KEPT {
            self.changes.pop_front();
        }
        self.changes.push_back(changed);
    }

    /// The newest ones, newest first.
    #[must_use]
    pub fn shown(&self, now: Instant) -> Vec<LinkChange> {
        let one = |c: &Changed| LinkChange {
            seconds_ago: (now - c.at).as_secs() as u32,
            kind: c.kind,
            layer: match c.granted {
                Grant::Layer(layer, _) => Some(layer.0),
                Grant::Paused => None,
            },
            cause: match c.why {
                Why::Room => LinkCause::Room,
                Why::Congestion | Why::Demand | Why::Backlog => LinkCause::Slow,
                Why::Loss => LinkCause::Loss,
                Why::Silence => LinkCause::Silent,
            },
        };
        self.changes.iter().rev().take(SHOWN).map(one).collect()
    }
}

impl Lesson {
    /// What a subscriber's line carries of one slot has changed.
    pub(super) fn slot_granted(&mut self, id: PeerId, slot: SlotIndex, granted: Grant, why: Why) {
        let Some(seat) = self.roster.by_peer_mut(id) else { return };
        let participant = seat.member.id.clone();
        let Some(peer) = seat.peer_mut(id) else { return };
        let turned =
            if granted == Grant::Paused { peer.paused.insert(slot) } else { peer.paused.remove(&slot) };
        let Some(kind) = peer.feeds.get(&slot).map(|fed| fed.assignment.wanted.1) else { return };
        seat.link_history.note(Changed { at: Instant::now(), kind, granted, why });
        if turned {
            self.tell_slots(&participant, id, &[slot]);
        }
    }

    /// Tells a page which layers of its own source are of use.
    pub(super) fn layers_wanted(&mut self, id: SourceId, layers: u8) {
        let Some(seat) = self.roster.by_source_mut(id) else { return };
        let mut told = None;
        for peer in seat.peers_mut() {
            if let Some(source) = peer.sources.iter_mut().find(|s| s.info.source == id) {
                source.wanted = Some(layers);
                told = source.layers(peer.id);
            }
        }
        if let Some(message) = told {
            seat.push(&message);
        }
    }

    /// Tells the leads which classrooms have a bad line, when that is not what they know.
    pub(super) fn links_changed(&mut self) {
        let now = Instant::now();
        let links: Vec<_> = self.roster.iter().filter_map(|seat| seat.bad_link(now)).collect();
        if links != self.links {
            self.links = links;
            let encoded = Encoded::new(&ServerMessage::Links { links: self.links.clone() });
            for seat in self.roster.iter().filter(|s| s.member.role == Role::Lead) {
                seat.push_encoded(&encoded);
            }
        }
    }

    /// The same to a lead who has just joined and believes that all lines are good.
    pub(super) fn tell_links(&self, actor: &Actor) {
        if actor.member.role == Role::Lead && !self.links.is_empty() {
            actor.outbox.push(&ServerMessage::Links { links: self.links.clone() });
        }
    }
}

impl Source {
    /// Which layers are of use, as its page is told; `None` before anything is known of that.
    #[must_use]
    pub fn layers(&self, peer: PeerId) -> Option<ServerMessage> {
        let wanted = self.wanted?;
        let layers = (0..8).filter(|n| wanted & 1 << n != 0).collect();
        Some(ServerMessage::Layers { peer, source: self.info.source, kind: self.info.kind, layers })
    }
}

impl Seat {
    /// A classroom's line that does something to what it gets. One that is there and has no media
    /// connection is never good: nobody may believe that it hears.
    fn bad_link(&self, now: Instant) -> Option<ClassroomLink> {
        let participant = self.member.id.clone();
        let (state, cause) = match (self.link(), &self.current) {
            // Nothing comes back: of a page that came back, this may be its last connection's.
            (Some(link), _) if link.state != LinkState::Silent => (link.state, link.cause),
            (Some(_), _) => self.before_media(now),
            (None, None) if self.away_since.is_none() => self.before_media(now),
            (None, _) => return None,
        };
        let is_told = self.member.role == Role::Receiver && state != LinkState::Good;
        is_told.then_some(ClassroomLink { participant, state, cause })
    }

    /// A page that has just come makes its connection; one that has not made it for long does not.
    fn before_media(&self, now: Instant) -> (LinkState, Option<LinkCause>) {
        if now - self.connects_since < CONNECTING {
            return (LinkState::Connecting, None);
        }
        (LinkState::Silent, Some(LinkCause::Silent))
    }

    /// Figures and state of the link, when a peer is connected and has some.
    #[must_use]
    pub fn link(&self) -> Option<LinkStats> {
        let peer = self.current.as_ref()?;
        let stats = peer.stats.as_ref()?;
        let cause = self.link_history.cause;
        let (state, cause) =
            judge(&pictures(peer, stats), stats.fresh, stats.condition, stats.loss_down, cause);
        Some(LinkStats {
            down_kbps: stats.down_kbps,
            up_kbps: stats.up_kbps,
            rtt_ms: stats.rtt_ms,
            loss_down: stats.loss_down,
            loss_up: stats.loss_up,
            line_kbps: stats.line_kbps,
            waits_ms: stats.standing_ms,
            state,
            cause,
        })
    }
}

/// One picture of a subscriber.
struct Picture {
    granted: Grant,
    /// The highest layer that its source sends, and that the plan would give.
    best: Option<LayerIndex>,
    max: LayerIndex,
}

impl Picture {
    fn is_less(&self) -> bool {
        let wanted = self.best.map_or(LayerIndex(0), |best| best.min(self.max));
        match self.granted {
            Grant::Paused => true,
            Grant::Layer(layer, temporal) => layer < wanted || temporal < ALL_TEMPORAL,
        }
    }
}

fn pictures(peer: &Peer, stats: &PeerStats) -> Vec<Picture> {
    let one = |s: &SlotStats| {
        let is_video = peer.slots.iter().any(|i| i.slot == s.slot && i.kind == MediaKind::Video);
        let max = peer.feeds.get(&s.slot).filter(|_| is_video)?.assignment.max_layer;
        Some(Picture { granted: s.granted, best: s.best, max })
    };
    stats.slots.iter().filter_map(one).collect()
}

/// The worst that holds, and what brought it about.
fn judge(
    pictures: &[Picture],
    fresh: bool,
    condition: Condition,
    loss: f32,
    cause: Option<LinkCause>,
) -> (LinkState, Option<LinkCause>) {
    let cause = Some(cause.unwrap_or(LinkCause::Slow));
    if condition == Condition::Silent {
        (LinkState::Silent, Some(LinkCause::Silent))
    } else if !fresh && !pictures.is_empty() && pictures.iter().all(|p| p.granted == Grant::Paused) {
        (LinkState::SoundOnly, cause)
    } else if !fresh && pictures.iter().any(Picture::is_less) {
        (LinkState::Reduced, cause)
    } else if loss >= LOSSY {
        (LinkState::Lossy, Some(LinkCause::Loss))
    } else {
        (LinkState::Good, None)
    }
}

#[cfg(test)]
#[path = "link_test.rs"]
mod tests;
