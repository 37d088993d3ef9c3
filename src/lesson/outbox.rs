//! What waits to be written to one participant's socket.
//!
//! A lesson never waits for a reader: it pushes here and goes on. State that only matters in its
//! newest form (a roster entry, link figures, the lesson, slot feeds) replaces its older copy, so
//! a slow reader falls behind in time but not in size. What still grows beyond `MAX_MESSAGES` or
//! `MAX_BYTES` marks the box as overflowed, and the session that drains it closes. A broadcast is
//! encoded once and shared.
//!
//! A seat without a page (WHIP, WHEP) has a box that keeps nothing but the goodbye.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ids::{ParticipantId, PeerId};
use crate::session::message::{ByeReason, ServerMessage, SlotFeed};

/// A reader with more waiting messages than this is cut off.
pub const MAX_MESSAGES: usize = 256;
/// A reader with more waiting bytes than this is cut off.
pub const MAX_BYTES: usize = 1 << 20;

/// What `Outbox::next` yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    Text(Arc<str>),
    /// Everything before it has been taken; the connection closes now. `None`: after a fatal error.
    Close(Option<ByeReason>),
    /// The reader was too slow.
    Overflow,
}

/// A message encoded once, for many outboxes.
#[derive(Clone)]
pub struct Encoded {
    key: Option<Key>,
    text: Arc<str>,
    closes: Option<Option<ByeReason>>,
}

impl Encoded {
    #[must_use]
    pub fn new(message: &ServerMessage) -> Self {
        let text = serde_json::to_string(message).expect("messages hold only strings and numbers");
        let closes = match message {
            ServerMessage::Bye { reason } => Some(Some(*reason)),
            ServerMessage::Error { fatal: true, .. } => Some(None),
            _ => None,
        };
        Self { key: Key::of(message), text: text.into(), closes }
    }
}

/// Messages with the same key replace each other.
#[derive(Clone, PartialEq, Eq)]
enum Key {
    Participant(ParticipantId),
    Lesson,
    Link,
    Overview,
    Slots(PeerId),
}

impl Key {
    fn of(message: &ServerMessage) -> Option<Self> {
        match message {
            ServerMessage::Participant { participant } => Some(Self::Participant(participant.id.clone())),
            ServerMessage::Lesson { .. } => Some(Self::Lesson),
            ServerMessage::Link { .. } => Some(Self::Link),
            ServerMessage::Overview { .. } => Some(Self::Overview),
            ServerMessage::Slots { peer, .. } => Some(Self::Slots(*peer)),
            _ => None,
        }
    }
}

struct Item {
    key: Option<Key>,
    text: Arc<str>,
    /// Kept for merging with a later message about the same peer.
    slots: Vec<SlotFeed>,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    bytes: usize,
    close: Option<Option<ByeReason>>,
    overflowed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    ready: Notify,
    /// Nobody reads news here.
    goodbye_only: bool,
}

/// Both ends of the box; clones are the same box.
#[derive(Clone, Default)]
pub struct Outbox(Arc<Shared>);

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Outbox")
    }
}

impl Outbox {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A box for a seat without a page: only `bye` is kept.
    #[must_use]
    pub fn goodbye_only() -> Self {
        Self(Arc::new(Shared { goodbye_only: true, ..Shared::default() }))
    }

    /// Adds a message. Never waits; after a message that closes the connection nothing is added.
    pub fn push(&self, message: &ServerMessage) {
        if self.0.goodbye_only && !matches!(message, ServerMessage::Bye { .. }) {
            return;
        }
        let mut queue = self.lock();
        if let ServerMessage::Slots { peer, slots } = message {
            let merged = queue.take_slots(*peer, slots);
            let whole = ServerMessage::Slots { peer: *peer, slots: merged.clone() };
            queue.add(&Encoded::new(&whole), merged);
        } else {
            queue.add(&Encoded::new(message), Vec::new());
        }
        drop(queue);
        self.0.ready.notify_one();
    }

    /// Adds a broadcast. Not for `slots`, which are one page's own.
    pub fn push_encoded(&self, message: &Encoded) {
        if self.0.goodbye_only && message.closes.is_none() {
            return;
        }
        self.lock().add(message, Vec::new());
        self.0.ready.notify_one();
    }

    /// The next thing to write; waits for one. After `Close` or `Overflow` the connection ends.
    /// Safe to drop at any moment: nothing is lost.
    pub async fn next(&self) -> Outgoing {
        loop {
            if let Some(out) = self.take() {
                return out;
            }
            self.0.ready.notified().await;
        }
    }

    fn take(&self) -> Option<Outgoing> {
        let mut queue = self.lock();
        if queue.overflowed {
            return Some(Outgoing::Overflow);
        }
        if let Some(item) = queue.items.pop_front() {
            queue.bytes -= item.text.len();
            return Some(Outgoing::Text(item.text));
        }
        queue.close.map(Outgoing::Close)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn add(&mut self, message: &Encoded, slots: Vec<SlotFeed>) {
        if self.close.is_some() || self.overflowed {
            return;
        }
        if let Some(key) = &message.key {
            self.remove(key);
        }
        self.bytes += message.text.len();
        self.items.push_back(Item { key: message.key.clone(), text: Arc::clone(&message.text), slots });
        self.close = message.closes;
        if self.items.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            self.overflowed = true;
            self.items = VecDeque::new();
        }
    }

    /// Takes a waiting `slots` message of this peer out and lays the newer feeds over it.
    fn take_slots(&mut self, peer: PeerId, newer: &[SlotFeed]) -> Vec<SlotFeed> {
        let mut merged = self.remove(&Key::Slots(peer)).map_or_else(Vec::new, |item| item.slots);
        merged.retain(|old| newer.iter().all(|new| new.mid != old.mid));
        merged.extend_from_slice(newer);
        merged
    }

    fn remove(&mut self, key: &Key) -> Option<Item> {
        let at = self.items.iter().position(|item| item.key.as_ref() == Some(key))?;
        let item = self.items.remove(at)?;
        self.bytes -= item.text.len();
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::message::LinkStats;

    fn link(down_kbps: u32) -> ServerMessage {
        ServerMessage::Link { link: LinkStats { down_kbps, ..LinkStats::default() } }
    }

    fn slot(mid: &str) -> SlotFeed {
        SlotFeed { mid: mid.into(), feed: None }
    }

    #[tokio::test]
    async fn newer_state_replaces_older_and_answers_stay() {
        let outbox = Outbox::new();
        outbox.push(&link(1));
        outbox.push(&ServerMessage::Done { request: 7 });
        outbox.push(&link(2));
        let Outgoing::Text(first) = outbox.next().await else { panic!("a text") };
        assert!(first.contains("\"done\""), "{first}");
        let Outgoing::Text(second) = outbox.next().await else { panic!("a text") };
        assert!(second.contains("\"downKbps\":2"), "{second}");
    }

    #[tokio::test]
    async fn slot_feeds_merge_by_mid() {
        let outbox = Outbox::new();
        let peer = PeerId(1);
        outbox.push(&ServerMessage::Slots { peer, slots: vec![slot("1"), slot("2")] });
        outbox.push(&ServerMessage::Slots { peer, slots: vec![slot("2"), slot("3")] });
        let Outgoing::Text(text) = outbox.next().await else { panic!("a text") };
        for mid in ["1", "2", "3"] {
            assert_eq!(text.matches(&format!("\"mid\":\"{mid}\"")).count(), 1, "{text}");
        }
    }

    #[tokio::test]
    async fn a_slow_reader_overflows_and_state_alone_never_does() {
        let outbox = Outbox::new();
        for n in 0..10_000 {
            outbox.push(&link(n));
        }
        assert!(matches!(outbox.next().await, Outgoing::Text(_)));
        for request in 0..=MAX_MESSAGES as u32 {
            outbox.push(&ServerMessage::Done { request });
        }
        assert_eq!(outbox.next().await, Outgoing::Overflow);
    }

    #[tokio::test]
    async fn a_seat_without_a_page_hears_only_the_goodbye() {
        let outbox = Outbox::goodbye_only();
        for request in 0..=MAX_MESSAGES as u32 {
            outbox.push(&ServerMessage::Done { request });
            outbox.push_encoded(&Encoded::new(&link(request)));
        }
        outbox.push_encoded(&Encoded::new(&ServerMessage::Bye { reason: ByeReason::Ended }));
        assert!(matches!(outbox.next().await, Outgoing::Text(text) if text.contains("bye")));
        assert_eq!(outbox.next().await, Outgoing::Close(Some(ByeReason::Ended)));
    }

    #[tokio::test]
    async fn nothing_follows_a_bye() {
        let outbox = Outbox::new();
        outbox.push(&ServerMessage::Bye { reason: ByeReason::Kicked });
        outbox.push(&ServerMessage::Done { request: 1 });
        assert!(matches!(outbox.next().await, Outgoing::Text(_)));
        assert_eq!(outbox.next().await, Outgoing::Close(Some(ByeReason::Kicked)));
    }
}
