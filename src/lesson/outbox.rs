//! What waits to be written to one participant's socket.
//!
//! A lesson never waits for a reader: it pushes here and goes on. State that only matters in its
//! newest form (somebody's coming, change or going, link figures, the lesson, slot feeds) replaces
//! its older copy, so a slow reader falls behind in time but not in size. Such state is bounded by
//! what there is of it, one item for each participant, so it does not count as messages: a large
//! lecture that comes in one moment must not cut off everybody who is there. What grows beyond
//! `MAX_MESSAGES` of the others, or beyond `MAX_BYTES` in all, marks the box as overflowed, and the
//! session that drains it closes. A broadcast is encoded once and shared.
//!
//! News of other people may wait a moment (`may_wait`), until something else comes: an observer knows
//! everybody, and would be woken for every step of 300 boards that join at the bell.
//!
//! A seat without a page (WHIP, WHEP) has a box that keeps nothing but the goodbye.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::ids::{ParticipantId, PeerId};
use crate::session::message::{ByeReason, ServerMessage, SlotFeed, Trouble};

/// A reader with more waiting messages than this, those that merge not counted, is cut off.
pub const MAX_MESSAGES: usize = 256;
/// A reader with more waiting bytes than this is cut off.
pub const MAX_BYTES: usize = 1 << 20;

/// Above this a reader is behind, and what may be left out is.
const IDLE_BYTES: usize = 4096;

/// How long news of others waits for more of its kind.
const GATHER: Duration = Duration::from_millis(500);

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
    key: Option<Arc<Key>>,
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
        Self { key: Key::of(message).map(Arc::new), text: text.into(), closes }
    }
}

/// Messages with the same key replace each other.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// The roster entry, or that it has gone.
    Participant(ParticipantId),
    Lesson,
    Link,
    Links,
    Overview,
    Slots(PeerId),
    Floor,
    Heard,
    Audience,
    Photos,
    Pointer,
    Trouble(ParticipantId, Trouble),
}

impl Key {
    fn of(message: &ServerMessage) -> Option<Self> {
        match message {
            ServerMessage::Participant { participant } => Some(Self::Participant(participant.id.clone())),
            ServerMessage::ParticipantLeft { id } => Some(Self::Participant(id.clone())),
            ServerMessage::Lesson { .. } => Some(Self::Lesson),
            ServerMessage::Link { .. } => Some(Self::Link),
            ServerMessage::Links { .. } => Some(Self::Links),
            ServerMessage::Overview { .. } => Some(Self::Overview),
            ServerMessage::Floor { .. } => Some(Self::Floor),
            ServerMessage::Heard { .. } => Some(Self::Heard),
            ServerMessage::Audience { .. } => Some(Self::Audience),
            ServerMessage::Photos { .. } => Some(Self::Photos),
            ServerMessage::Pointer { .. } => Some(Self::Pointer),
            ServerMessage::Trouble { participant, kind } => Some(Self::Trouble(participant.clone(), *kind)),
            ServerMessage::Slots { peer, .. } => Some(Self::Slots(*peer)),
            _ => None,
        }
    }
}

struct Item {
    key: Option<Arc<Key>>,
    text: Arc<str>,
    /// Kept for merging with a later message about the same peer.
    slots: Vec<SlotFeed>,
}

#[derive(Default)]
struct Queue {
    /// By the order of adding.
    items: BTreeMap<u64, Item>,
    /// Where the item with this key waits.
    places: HashMap<Arc<Key>, u64>,
    next: u64,
    bytes: usize,
    close: Option<Option<ByeReason>>,
    overflowed: bool,
    /// Whose page this is, if news of others may wait.
    patient: Option<ParticipantId>,
    /// When what waits is handed out. `None`: nothing waits.
    due: Option<Instant>,
    /// The reader's last word.
    heard: Option<Instant>,
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

    /// News of everybody but `own` may wait from now on.
    pub fn may_wait(&self, own: ParticipantId) {
        self.lock().patient = Some(own);
    }

    /// The reader has said something: the other direction's only trace here, for whoever has to know how
    /// long a connection has been silent.
    pub fn note_heard(&self, at: Instant) {
        self.lock().heard = Some(at);
    }

    #[must_use]
    pub fn last_heard(&self) -> Option<Instant> {
        self.lock().heard
    }

    /// Adds a message. Never waits; after a message that closes the connection nothing is added.
    pub fn push(&self, message: &ServerMessage) {
        if self.0.goodbye_only && !matches!(message, ServerMessage::Bye { .. }) {
            return;
        }
        let mut queue = self.lock();
        let sooner = if let ServerMessage::Slots { peer, slots } = message {
            let merged = queue.take_slots(*peer, slots);
            let whole = ServerMessage::Slots { peer: *peer, slots: merged.clone() };
            queue.add(&Encoded::new(&whole), merged)
        } else {
            queue.add(&Encoded::new(message), Vec::new())
        };
        drop(queue);
        self.wake(sooner);
    }

    /// Adds a broadcast. Not for `slots`, which are one page's own.
    pub fn push_encoded(&self, message: &Encoded) {
        if self.0.goodbye_only && message.closes.is_none() {
            return;
        }
        let sooner = self.lock().add(message, Vec::new());
        self.wake(sooner);
    }

    /// Adds what is soon said again (a pointer), unless more waits already than a reader in time leaves.
    pub fn push_if_idle(&self, message: &Encoded) {
        if self.0.goodbye_only {
            return;
        }
        let mut queue = self.lock();
        if queue.bytes <= IDLE_BYTES {
            let sooner = queue.add(message, Vec::new());
            drop(queue);
            self.wake(sooner);
        }
    }

    /// Whether both are the same box.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The reader sleeps until what waits is due; it is woken only when that has become sooner.
    fn wake(&self, sooner: bool) {
        if sooner {
            self.0.ready.notify_one();
        }
    }

    /// The next thing to write; waits for one. After `Close` or `Overflow` the connection ends.
    /// Safe to drop at any moment: nothing is lost.
    pub async fn next(&self) -> Outgoing {
        loop {
            let due = self.lock().due;
            if due.is_some_and(|due| due <= Instant::now())
                && let Some(out) = self.take()
            {
                return out;
            }
            let ready = self.0.ready.notified();
            match due {
                // Elapsed or woken: the loop looks again.
                Some(due) => drop(timeout_at(due, ready).await),
                None => ready.await,
            }
        }
    }

    /// What waits, whether it is due or not: for one who is writing already.
    #[must_use]
    pub fn take(&self) -> Option<Outgoing> {
        let mut queue = self.lock();
        if queue.overflowed {
            return Some(Outgoing::Overflow);
        }
        if let Some(item) = queue.pop() {
            return Some(Outgoing::Text(item.text));
        }
        queue.close.map(Outgoing::Close)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// `true`: something is due sooner than before.
    fn add(&mut self, message: &Encoded, slots: Vec<SlotFeed>) -> bool {
        if self.close.is_some() || self.overflowed {
            return false;
        }
        if let Some(key) = &message.key {
            self.remove(key);
            self.places.insert(key.clone(), self.next);
        }
        self.bytes += message.text.len();
        let item = Item { key: message.key.clone(), text: Arc::clone(&message.text), slots };
        self.items.insert(self.next, item);
        self.next += 1;
        self.close = message.closes;
        let now = Instant::now();
        let waits = match (&self.patient, message.key.as_deref()) {
            (Some(own), Some(Key::Participant(id))) => id != own,
            _ => false,
        };
        // What was due before stays due; what cannot wait takes all before it along.
        let due = if waits { now + GATHER } else { now };
        let sooner = self.due.is_none_or(|before| due < before);
        if sooner {
            self.due = Some(due);
        }
        if self.items.len() - self.places.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            self.overflowed = true;
            self.items = BTreeMap::new();
            self.places = HashMap::new();
            self.due = Some(now);
            return true;
        }
        sooner
    }

    fn pop(&mut self) -> Option<Item> {
        let (_, item) = self.items.pop_first()?;
        if self.items.is_empty() && self.close.is_none() {
            self.due = None;
        }
        if let Some(key) = &item.key {
            self.places.remove(key);
        }
        self.bytes -= item.text.len();
        Some(item)
    }

    /// Takes a waiting `slots` message of this peer out and lays the newer feeds over it.
    fn take_slots(&mut self, peer: PeerId, newer: &[SlotFeed]) -> Vec<SlotFeed> {
        let mut merged = self.remove(&Key::Slots(peer)).map_or_else(Vec::new, |item| item.slots);
        merged.retain(|old| newer.iter().all(|new| new.mid != old.mid));
        merged.extend_from_slice(newer);
        merged
    }

    fn remove(&mut self, key: &Key) -> Option<Item> {
        let item = self.items.remove(&self.places.remove(key)?)?;
        self.bytes -= item.text.len();
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::message::{LinkStats, OwnState, Participant, Presence, Role};

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
    async fn who_came_and_went_is_one_word_and_a_full_box_of_news_is_in_order() {
        let outbox = Outbox::new();
        let id = |n: u32| ParticipantId::new(&format!("c{n}")).unwrap();
        let left = |n| ServerMessage::ParticipantLeft { id: id(n) };
        let came = |n| ServerMessage::Participant {
            participant: Participant {
                id: id(n),
                name: "东片小学".into(),
                role: Role::Receiver,
                presence: Presence::Online,
                state: OwnState::default(),
                muted: Vec::new(),
                sources: Vec::new(),
                headcount: None,
                promoted: false,
            },
        };
        let last = MAX_MESSAGES as u32 + 200;
        for n in 0..=last {
            outbox.push(&left(n));
            outbox.push_encoded(&Encoded::new(&came(n)));
            outbox.push(&left(n));
        }
        outbox.push(&came(0));
        for n in (1..=last).chain([0]) {
            let Outgoing::Text(text) = outbox.next().await else { panic!("a text") };
            let kind = if n == 0 { "\"participant\"" } else { "\"participant_left\"" };
            assert!(text.contains(kind) && text.contains(&format!("\"c{n}\"")), "{n}: {text}");
        }
        outbox.push(&ServerMessage::Done { request: 1 });
        assert!(matches!(outbox.next().await, Outgoing::Text(text) if text.contains("done")));
        let long = ServerMessage::Renew { reason: "x".repeat(MAX_BYTES) };
        outbox.push(&long);
        assert_eq!(outbox.next().await, Outgoing::Overflow, "bytes are bounded all the same");
    }

    #[tokio::test]
    async fn news_of_others_gathers_and_all_else_goes_at_once() {
        let left = |n: u32| {
            let id = ParticipantId::new(&format!("c{n}")).unwrap();
            ServerMessage::ParticipantLeft { id }
        };
        let outbox = Outbox::new();
        let due = || outbox.lock().due;
        outbox.may_wait(ParticipantId::new("c0").unwrap());
        outbox.push(&left(0));
        assert!(due().unwrap() <= Instant::now(), "one's own entry");
        assert!(matches!(outbox.next().await, Outgoing::Text(_)));
        assert_eq!(due(), None);
        let before = Instant::now();
        outbox.push(&left(1));
        let first = due().unwrap();
        assert!(first >= before + GATHER);
        outbox.push(&left(2));
        assert_eq!(due(), Some(first), "nothing waits longer than that");
        assert!(matches!(outbox.next().await, Outgoing::Text(text) if text.contains("c1")));
        assert!(Instant::now() >= first, "it was waited for");
        assert!(matches!(outbox.next().await, Outgoing::Text(text) if text.contains("c2")));
        outbox.push(&left(3));
        outbox.push(&ServerMessage::Done { request: 1 });
        assert!(due().unwrap() <= Instant::now(), "news before an answer goes with it");
        assert!(matches!(outbox.next().await, Outgoing::Text(text) if text.contains("c3")), "in order");
        assert!(matches!(outbox.next().await, Outgoing::Text(text) if text.contains("done")));
    }

    #[tokio::test]
    async fn a_reader_that_sleeps_over_news_is_woken_by_what_cannot_wait() {
        let outbox = Outbox::new();
        outbox.may_wait(ParticipantId::new("c0").unwrap());
        let waiting = outbox.clone();
        let reader = tokio::spawn(async move { (waiting.next().await, waiting.next().await) });
        tokio::task::yield_now().await;
        let id = ParticipantId::new("c1").unwrap();
        outbox.push(&ServerMessage::ParticipantLeft { id });
        tokio::time::sleep(GATHER / 10).await;
        assert!(!reader.is_finished(), "the news gathers");
        let due = outbox.lock().due.unwrap();
        outbox.push(&ServerMessage::Done { request: 1 });
        let (first, second) = reader.await.unwrap();
        assert!(Instant::now() < due, "before the news was due by itself");
        assert!(matches!(first, Outgoing::Text(text) if text.contains("c1")));
        assert!(matches!(second, Outgoing::Text(text) if text.contains("done")));
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
    async fn a_pointer_is_the_newest_one_and_the_first_to_be_left_out() {
        use crate::session::message::Place;
        let at = |x| Encoded::new(&ServerMessage::Pointer { at: Some(Place { x, y: 0.5 }) });
        let outbox = Outbox::new();
        for n in 0..100_u8 {
            outbox.push_if_idle(&at(f32::from(n)));
        }
        assert!(matches!(outbox.next().await, Outgoing::Text(text) if text.contains("99")));
        // Somebody who reads slowly has other things waiting.
        outbox.push(&ServerMessage::Renew { reason: "x".repeat(IDLE_BYTES) });
        outbox.push_if_idle(&at(1.0));
        assert!(matches!(outbox.next().await, Outgoing::Text(text) if text.contains("renew")));
        assert_eq!(outbox.take(), None);
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
