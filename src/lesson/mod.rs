//! The human side of a lesson: who is there, who may be heard, what everybody sees.
//!
//! One task per lesson owns all of it (`task`), the `directory` finds or makes it, and everybody
//! else holds a `LessonHandle`. Sessions wait for the lesson (waiting is allowed downwards); the
//! lesson never waits for a session: it pushes into the session's `Outbox`. Media events come in
//! by `try_send`, statistics as last value.
//!
//! Reading order: `roster` (seats, pure), `plan` (which source feeds which slot, pure), `lesson`
//! (what happens on each message, no clock and no I/O of its own), `peers` (media connections and
//! their handover), `people` (mute, kick), `floor` (who may speak, pure), `speaking` (what that does),
//! `signals` (complaints), `heard` (whose voice it is), `echo` (does a room send back what it was sent, pure),
//! `echo_guard` (what that does), `events` (what is worth keeping), `known` (who is
//! told of whom), `feeds` (from the plan to the slots), `attached` (seats without a page), `attendance`
//! (who was there, for the record), `task` (the loop).

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::ids::{ConnectionId, LessonId, ParticipantId};
use crate::media::negotiate::{Accepted, Codec, IceCredentials, NegotiateError, SourceKind};
use crate::session::message::{LessonInfo, LessonOverview, OwnState, Role};

mod attached;
mod attendance;
pub mod config;
pub mod directory;
mod echo;
#[cfg(test)]
mod echo_cases;
mod echo_guard;
mod events;
mod feeds;
mod floor;
mod heard;
mod known;
#[allow(clippy::module_inception)]
mod lesson;
#[cfg(test)]
mod lesson_test;
mod link;
mod media;
pub mod outbox;
mod peers;
mod people;
pub mod plan;
pub mod roster;
mod signals;
mod speaking;
mod task;

pub use attached::Attachment;
pub use config::LessonConfig;
pub use directory::Directory;
pub use roster::Member;
pub use signals::SignalAsk;
pub use speaking::FloorAsk;
pub use task::Surroundings;

use outbox::Outbox;

/// Requests that may wait for a lesson; a session whose request finds this full waits.
const REQUESTS: usize = 1024;

/// Why a lesson refuses.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    #[error("the lesson has ended")]
    Ended,
    #[error("a lesson with this id exists")]
    Exists,
    #[error("no such lesson")]
    Unknown,
    #[error("the lesson or the server is full")]
    Full,
    #[error("this participant was removed from the lesson")]
    Kicked,
    #[error("the media plane is busy")]
    Busy,
    #[error("the lesson has not begun")]
    NotLive,
    #[error("nobody here has this id")]
    UnknownParticipant,
    #[error("this connection has no such slot or no media")]
    UnknownSlot,
    #[error("a newer connection speaks for this participant")]
    Replaced,
    #[error("{0}")]
    Offer(#[from] NegotiateError),
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Actor {
    pub connection: ConnectionId,
    pub member: Member,
    pub outbox: Outbox,
}

/// What a connected participant may ask of the lesson. Rights are checked before.
#[derive(Debug)]
pub enum Ask {
    /// `preferred` is the codec that the answer was made for.
    AddPeer {
        accepted: Box<Accepted>,
        preferred: Codec,
    },
    RestartIce {
        sdp: String,
    },
    State {
        state: OwnState,
    },
    Mute {
        participant: ParticipantId,
        kind: SourceKind,
        muted: bool,
    },
    MuteAll,
    Floor(FloorAsk),
    Signal(SignalAsk),
    Kick {
        participant: ParticipantId,
    },
    Start,
    End,
    SelectLayer {
        mid: String,
        max_layer: u8,
    },
}

/// How a connection went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// For good: the seat is given up.
    Left,
    /// Broken: the seat is kept for a while.
    Broken,
    /// The same, found out by silence: the last that was heard of it is a while ago.
    Silent { heard: Instant },
}

type Reply<T> = oneshot::Sender<Result<T, LessonError>>;

enum Request {
    Join {
        actor: Actor,
        reply: Reply<()>,
    },
    /// Success is told by the lesson itself through the outbox (so that replies and news keep
    /// their order); an error goes back for the session to word.
    Ask {
        actor: Actor,
        request: Option<u32>,
        ask: Ask,
        reply: Reply<()>,
    },
    /// A seat without a page, and its media in the same step.
    Attach {
        actor: Actor,
        attachment: Attachment,
        accepted: Box<Accepted>,
        preferred: Codec,
        reply: Reply<()>,
    },
    RestartAttached {
        connection: ConnectionId,
        remote: IceCredentials,
        reply: Reply<String>,
    },
    Gone {
        connection: ConnectionId,
        how: Gone,
    },
    Overview {
        reply: oneshot::Sender<LessonOverview>,
    },
    End {
        reply: Reply<LessonInfo>,
    },
    HandOver {
        reply: oneshot::Sender<()>,
    },
    Shutdown {
        reply: oneshot::Sender<()>,
    },
}

/// A running lesson; cheap to clone.
#[derive(Clone)]
pub struct LessonHandle {
    id: LessonId,
    shard: usize,
    requests: mpsc::Sender<Request>,
    codec: watch::Receiver<Codec>,
    leads: watch::Receiver<Option<ParticipantId>>,
}

impl LessonHandle {
    #[must_use]
    pub fn id(&self) -> &LessonId {
        &self.id
    }

    /// The shard that offers for this lesson are answered for.
    #[must_use]
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// The video codec that senders shall use now.
    #[must_use]
    pub fn codec(&self) -> Codec {
        *self.codec.borrow()
    }

    /// Whether this participant leads now, whatever its role.
    #[must_use]
    pub fn is_led_by(&self, id: &ParticipantId) -> bool {
        self.leads.borrow().as_ref() == Some(id)
    }

    /// Takes the participant's seat and pushes `welcome`. An older connection of the same
    /// participant is replaced. Admins get a `welcome`, but no seat.
    pub async fn join(&self, actor: Actor) -> Result<(), LessonError> {
        self.call(|reply| Request::Join { actor, reply }).await?
    }

    /// Asks something; the lesson pushes `done` or `answer` itself.
    pub async fn ask(&self, actor: Actor, request: Option<u32>, ask: Ask) -> Result<(), LessonError> {
        self.call(|reply| Request::Ask { actor, request, ask, reply }).await?
    }

    /// Takes a seat for somebody without a page, with the media connection that it lives by. An
    /// older connection of the same participant is replaced. The actor's outbox gets the goodbye
    /// when the lesson has no place for it any more.
    pub async fn attach(
        &self,
        actor: Actor,
        attachment: Attachment,
        accepted: Accepted,
        preferred: Codec,
    ) -> Result<(), LessonError> {
        let accepted = Box::new(accepted);
        self.call(|reply| Request::Attach { actor, attachment, accepted, preferred, reply }).await?
    }

    /// ICE restart of an attached media connection, by new credentials alone (RFC 9725 §4.3.3).
    /// Gives the SDP fragment for the client.
    pub async fn restart_attached(
        &self,
        connection: ConnectionId,
        remote: IceCredentials,
    ) -> Result<String, LessonError> {
        self.call(|reply| Request::RestartAttached { connection, remote, reply }).await?
    }

    /// Tells that a connection is no more.
    pub async fn gone(&self, connection: ConnectionId, how: Gone) {
        // A lesson that has ended has no seats to give up.
        let _ = self.requests.send(Request::Gone { connection, how }).await;
    }

    pub async fn overview(&self) -> Result<LessonOverview, LessonError> {
        self.call(|reply| Request::Overview { reply }).await
    }

    /// 下课 from outside the lesson.
    pub async fn end(&self) -> Result<LessonInfo, LessonError> {
        self.call(|reply| Request::End { reply }).await?
    }

    /// Notes all that a successor of this server needs to know.
    async fn hand_over(&self) {
        let _ = self.call(|reply| Request::HandOver { reply }).await;
    }

    /// Ends the media of the lesson because the server stops; the sessions say goodbye.
    async fn shutdown(&self) {
        let _ = self.call(|reply| Request::Shutdown { reply }).await;
    }

    /// The task answers everything it takes; when it is gone, the lesson has ended.
    async fn call<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, LessonError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| LessonError::Ended)?;
        answer.await.map_err(|_| LessonError::Ended)
    }
}

/// Which roles have a seat.
fn seated(role: Role) -> bool {
    role != Role::Admin
}
