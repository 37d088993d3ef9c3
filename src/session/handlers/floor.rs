//! Who may speak: `call_on`, `release_floor`, hands, mode, lead.
//!
//! Whose floor or hand it is decides the right: one's own, or anybody's (`Right::CallOn`).

use crate::auth::permissions::Right;
use crate::ids::ParticipantId;
use crate::lesson::{Ask, FloorAsk};
use crate::session::Session;
use crate::session::errors::Code;

pub async fn ask(session: &Session<'_>, request: u32, ask: FloorAsk) {
    session.ask(Some(request), Ask::Floor(ask)).await;
}

/// Without a name: everybody's, or one's own for who cannot call on others.
pub async fn release(session: &Session<'_>, request: u32, participant: Option<ParticipantId>) {
    let own = &session.actor.member.id;
    let whose = match participant {
        None if session.may(Right::CallOn) => None,
        None => Some(own.clone()),
        Some(id) if id == *own || session.may(Right::CallOn) => Some(id),
        Some(_) => return session.refuse(Code::Forbidden, Some(request)),
    };
    ask(session, request, FloorAsk::Release(whose)).await;
}

/// Without a name: one's own.
pub async fn lower(session: &Session<'_>, request: u32, participant: Option<ParticipantId>) {
    let own = &session.actor.member.id;
    let id = participant.unwrap_or_else(|| own.clone());
    if id != *own && !session.may(Right::CallOn) {
        return session.refuse(Code::Forbidden, Some(request));
    }
    ask(session, request, FloorAsk::Lower(id)).await;
}
