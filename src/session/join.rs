//! The first message of a connection: version, token, seat.

use crate::auth::Claims;
use crate::ids::ConnectionId;
use crate::lesson::outbox::Outbox;
use crate::lesson::{Actor, Member};
use crate::session::dispatch::decode;
use crate::session::errors::{Code, Language};
use crate::session::message::{ClientMessage, PROTOCOL_VERSION};
use crate::session::{Incoming, Session, SessionParts};

/// Checks a `join` and takes the seat; `welcome` is in the outbox afterwards.
pub async fn join<'a>(
    parts: &'a SessionParts,
    first: Incoming,
    connection: ConnectionId,
    outbox: &Outbox,
) -> Result<Session<'a>, (Code, Language)> {
    let text = match first {
        Incoming::Text(text) => text,
        Incoming::Unreadable(code) => return Err((code, Language::default())),
        Incoming::Alive => return Err((Code::JoinFirst, Language::default())),
    };
    let message = decode(&text).map_err(|code| (code, Language::default()))?;
    let ClientMessage::Join { version, token, language } = message else {
        return Err((Code::JoinFirst, Language::default()));
    };
    let language = Language::from_tag(&language);
    let failed = |code: Code| (code, language);
    if version != PROTOCOL_VERSION {
        return Err(failed(Code::UnsupportedVersion));
    }
    let claims = parts.tokens.check(&token, (parts.unix_now)()).map_err(|e| failed(e.into()))?;
    let lesson = claims.lesson.clone();
    let member = member_of(claims);
    let lesson = parts.directory.open(&lesson, member.type_for_new()).map_err(|e| failed(Code::from(&e)))?;
    let actor = Actor { connection, member, outbox: outbox.clone() };
    lesson.join(actor.clone()).await.map_err(|e| failed(Code::from(&e)))?;
    Ok(Session { parts, actor, lesson, language, watching: false })
}

/// Whom a token speaks of.
#[must_use]
pub fn member_of(claims: Claims) -> Member {
    let Claims { sub, name, role, unit, lesson_type, .. } = claims;
    Member { unit, lesson_type, ..Member::new(sub, name, role) }
}
