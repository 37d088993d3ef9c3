//! The human side of a lesson: who is there, who may be heard, what everybody sees.
//!
//! One task per lesson owns all of it (`task`), the `directory` finds or makes it, and everybody
//! else holds a `LessonHandle`. Sessions wait for the lesson (waiting is allowed downwards); the
//! lesson never waits for a session: it pushes into the session's `Outbox`. Media events come in
//! by `try_send`, statistics as last value.
//!
//! Reading order: `kinds` (what each type of lesson allows, pure), `roster` (seats, pure), `plan`
//! (which source feeds which slot, pure), `lesson` (what happens on each message, no clock and no I/O
//! of its own), `peers` (media connections and their handover), `people` (mute, kick), `standing` (what
//! a role comes to), `info` (what is told of the whole), `floor` (who may speak, pure), `speaking`
//! (what that does), `signals` (complaints), `heard` (whose voice it is), `echo_guard` (what is done
//! about a room that sends back what it was sent), `events` (what is worth keeping), `known`
//! (who is told of whom), `audience` (who looks on, counted), `feeds` (from the plan to the slots),
//! `attached` (seats without a page), `companion` (phones of a classroom), `attendance` (who was there,
//! for the record), `task` (the loop).

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::ids::{ConnectionId, LessonId, ParticipantId, PhotoId};
use crate::media::negotiate::{Accepted, Codec, IceCredentials, NegotiateError, SourceKind};
use crate::session::message::{LessonInfo, LessonOverview, OwnState, Place, Role};

mod attached;
mod attendance;
mod audience;
mod companion;
pub mod config;
pub mod directory;
mod echo_guard;
mod events;
mod feeds;
mod floor;
mod heard;
mod info;
pub mod kinds;
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
mod photos;
pub mod plan;
mod rating;
pub mod roster;
mod signals;
mod spaced;
mod speaking;
mod standing;
mod task;

pub use attached::Attachment;
pub use config::LessonConfig;
pub use directory::Directory;
pub use photos::PhotoAsk;
pub use rating::Rating;
pub use roster::Member;
pub use signals::SignalAsk;
pub use speaking::FloorAsk;
use standing::Standing;
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
    #[error("this type of lesson does not allow it")]
    NotInThisLesson,
    #[error("nobody here has this id")]
    UnknownParticipant,
    #[error("there is no such photo")]
    UnknownPhoto,
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
    Promote {
        participant: ParticipantId,
        promoted: bool,
    },
    ListAudience,
    Photo(PhotoAsk),
    Point(Option<Place>),
    Kick {
        participant: ParticipantId,
    },
    Start,
    End,
    SelectLayer {
        mid: String,
        max_layer: u8,
    },
    /// Of a companion, to its classroom's page.
    KeepMic {
        kept: bool,
    },
    EchoHeard,
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
    Rate {
        sub: ParticipantId,
        rating: Rating,
        reply: Reply<()>,
    },
    MayAddPhoto {
        member: Member,
        reply: Reply<()>,
    },
    AddPhoto {
        id: PhotoId,
        member: Member,
        reply: Reply<Vec<PhotoId>>,
    },
    MaySeePhoto {
        id: PhotoId,
        member: Member,
        reply: oneshot::Sender<bool>,
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
    standing: watch::Receiver<Standing>,
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
        self.standing.borrow().leads.as_ref() == Some(id)
    }

    /// What a token's role comes to in this lesson, now.
    #[must_use]
    pub fn role_of(&self, id: &ParticipantId, asked: Role) -> Role {
        self.standing.borrow().role_of(id, asked)
    }

    /// Takes the participant's seat and pushes `welcome`. An older connection of the same
    /// participant is replaced. Admins and companions get a `welcome`, but no seat.
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

    /// What a classroom says of the lesson.
    pub async fn rate(&self, sub: ParticipantId, rating: Rating) -> Result<(), LessonError> {
        self.call(|reply| Request::Rate { sub, rating, reply }).await?
    }

    /// Whether this one may send a photo now.
    pub async fn may_add_photo(&self, member: Member) -> Result<(), LessonError> {
        self.call(|reply| Request::MayAddPhoto { member, reply }).await?
    }

    /// A photo has come, and its file is there. Gives those whose files are of no use any more.
    pub async fn add_photo(&self, id: PhotoId, member: Member) -> Result<Vec<PhotoId>, LessonError> {
        self.call(|reply| Request::AddPhoto { id, member, reply }).await?
    }

    pub async fn may_see_photo(&self, id: PhotoId, member: Member) -> Result<bool, LessonError> {
        self.call(|reply| Request::MaySeePhoto { id, member, reply }).await
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
    !matches!(role, Role::Admin | Role::Companion)
}
