//! `leave`: the seat is given up at once, not kept.

use crate::lesson::Gone;
use crate::session::Session;
use crate::session::message::{ByeReason, ServerMessage};

pub async fn leave(session: &Session<'_>) {
    session.lesson.gone(session.actor.connection, Gone::Left).await;
    // The lesson says goodbye to a seat; an administrator has none. A second goodbye is dropped.
    session.actor.outbox.push(&ServerMessage::Bye { reason: ByeReason::Left });
}
