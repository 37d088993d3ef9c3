//! From a text to its handler: decode, is it allowed, who handles it.

use crate::auth::permissions::Right;
use crate::lesson::{Ask, FloorAsk, PhotoAsk, SignalAsk};
use crate::session::Session;
use crate::session::errors::Code;
use crate::session::handlers;
use crate::session::limits::{MAX_MESSAGE, is_too_deep};
use crate::session::message::{ClientMessage, ServerMessage};

/// Reads one message. Limits come first, so that a hostile text costs one pass over its bytes.
pub fn decode(text: &str) -> Result<ClientMessage, Code> {
    if text.len() > MAX_MESSAGE {
        return Err(Code::MessageTooLarge);
    }
    if is_too_deep(text) {
        return Err(Code::BadMessage);
    }
    serde_json::from_str(text).map_err(|_| Code::BadMessage)
}

/// The right that a message needs, and the request that it belongs to. `None`: a `join`, which is
/// only ever a connection's first message.
#[must_use]
pub fn right_of(message: &ClientMessage) -> Option<(Right, Option<u32>)> {
    Some(match message {
        ClientMessage::Join { .. } => return None,
        ClientMessage::Offer { request, .. } | ClientMessage::RestartIce { request, .. } => {
            (Right::Connect, Some(*request))
        }
        ClientMessage::State { .. } => (Right::OwnState, None),
        ClientMessage::Mute { request, .. } => (Right::Mute, Some(*request)),
        ClientMessage::MuteAll { request } => (Right::MuteAll, Some(*request)),
        ClientMessage::Kick { request, .. } => (Right::Kick, Some(*request)),
        ClientMessage::StartLesson { request } => (Right::StartLesson, Some(*request)),
        ClientMessage::EndLesson { request } => (Right::EndLesson, Some(*request)),
        ClientMessage::SelectLayer { request, .. } => (Right::SelectLayer, Some(*request)),
        ClientMessage::CallOn { request, .. } => (Right::CallOn, Some(*request)),
        ClientMessage::ReleaseFloor { request, .. } => (Right::ReleaseFloor, Some(*request)),
        ClientMessage::RaiseHand { request } => (Right::RaiseHand, Some(*request)),
        ClientMessage::LowerHand { request, .. } => (Right::LowerHand, Some(*request)),
        ClientMessage::SetMode { request, .. } => (Right::SetMode, Some(*request)),
        ClientMessage::HandOverLead { request, .. } => (Right::HandOverLead, Some(*request)),
        ClientMessage::Promote { request, .. } => (Right::Promote, Some(*request)),
        ClientMessage::ListAudience { request } => (Right::Promote, Some(*request)),
        ClientMessage::ShowPhoto { request, .. } | ClientMessage::DropPhoto { request, .. } => {
            (Right::ShowPhoto, Some(*request))
        }
        ClientMessage::Point { .. } => (Right::Point, None),
        ClientMessage::ShowWall { .. } => (Right::ShowWall, None),
        ClientMessage::SignalTrouble { request, .. } => (Right::SignalTrouble, Some(*request)),
        ClientMessage::Headcount { request, .. } => (Right::Headcount, Some(*request)),
        ClientMessage::KeepMic { request, .. } => (Right::KeepMic, Some(*request)),
        ClientMessage::EchoHeard => (Right::HearEcho, None),
        ClientMessage::Watch { request } => (Right::Watch, Some(*request)),
        ClientMessage::Leave => (Right::Leave, None),
        ClientMessage::Ping { .. } => (Right::Ping, None),
    })
}

/// Handles one message of a joined session.
pub(super) async fn dispatch(session: &mut Session<'_>, text: &str) {
    let message = match decode(text) {
        Ok(message) => message,
        Err(code) => return session.refuse(code, request_in(text)),
    };
    let Some((right, request)) = right_of(&message) else {
        return session.refuse(Code::AlreadyJoined, None);
    };
    if !session.may(right) {
        return session.refuse(Code::Forbidden, request);
    }
    match message {
        ClientMessage::Offer { request, sdp, tracks } => {
            handlers::media::offer(session, request, &sdp, tracks).await;
        }
        ClientMessage::RestartIce { request, sdp } => {
            handlers::media::restart_ice(session, request, sdp).await;
        }
        ClientMessage::SelectLayer { request, mid, max_layer } => {
            session.ask(Some(request), Ask::SelectLayer { mid, max_layer }).await;
        }
        ClientMessage::State { state } => session.ask(None, Ask::State { state }).await,
        ClientMessage::Mute { request, participant, kind, muted } => {
            session.ask(Some(request), Ask::Mute { participant, kind, muted }).await;
        }
        ClientMessage::MuteAll { request } => session.ask(Some(request), Ask::MuteAll).await,
        ClientMessage::Kick { request, participant } => {
            session.ask(Some(request), Ask::Kick { participant }).await;
        }
        ClientMessage::StartLesson { request } => session.ask(Some(request), Ask::Start).await,
        ClientMessage::EndLesson { request } => session.ask(Some(request), Ask::End).await,
        ClientMessage::CallOn { request, participant } => {
            handlers::floor::ask(session, request, FloorAsk::CallOn(participant)).await;
        }
        ClientMessage::ReleaseFloor { request, participant } => {
            handlers::floor::release(session, request, participant).await;
        }
        ClientMessage::RaiseHand { request } => {
            handlers::floor::ask(session, request, FloorAsk::Raise).await;
        }
        ClientMessage::LowerHand { request, participant } => {
            handlers::floor::lower(session, request, participant).await;
        }
        ClientMessage::SetMode { request, mode } => {
            handlers::floor::ask(session, request, FloorAsk::SetMode(mode)).await;
        }
        ClientMessage::HandOverLead { request, participant } => {
            handlers::floor::ask(session, request, FloorAsk::HandOver(participant)).await;
        }
        ClientMessage::Promote { request, participant, promoted } => {
            session.ask(Some(request), Ask::Promote { participant, promoted }).await;
        }
        ClientMessage::ListAudience { request } => session.ask(Some(request), Ask::ListAudience).await,
        ClientMessage::ShowPhoto { request, photo } => {
            session.ask(Some(request), Ask::Photo(PhotoAsk::Show(photo))).await;
        }
        ClientMessage::DropPhoto { request, photo } => {
            session.ask(Some(request), Ask::Photo(PhotoAsk::Drop(photo))).await;
        }
        ClientMessage::Point { at } => session.ask(None, Ask::Point(at)).await,
        ClientMessage::ShowWall { participants } => {
            session.ask(None, Ask::Floor(FloorAsk::ShowWall(participants))).await;
        }
        ClientMessage::SignalTrouble { request, kind } => {
            session.ask(Some(request), Ask::Signal(SignalAsk::Trouble(kind))).await;
        }
        ClientMessage::Headcount { request, present } => {
            handlers::signals::headcount(session, request, present).await;
        }
        ClientMessage::KeepMic { request, kept } => {
            session.ask(Some(request), Ask::KeepMic { kept }).await;
        }
        ClientMessage::EchoHeard => session.ask(None, Ask::EchoHeard).await,
        ClientMessage::Watch { request } => handlers::watch::watch(session, request).await,
        ClientMessage::Leave => handlers::leave::leave(session).await,
        ClientMessage::Ping { sent } => session.actor.outbox.push(&ServerMessage::Pong { sent }),
        // Refused above.
        ClientMessage::Join { .. } => {}
    }
}

/// The request number of a message that could not be read otherwise, so that the page can tell
/// which of its requests failed.
fn request_in(text: &str) -> Option<u32> {
    #[derive(serde::Deserialize)]
    struct OnlyRequest {
        request: u32,
    }
    if text.len() > MAX_MESSAGE || is_too_deep(text) {
        return None;
    }
    serde_json::from_str::<OnlyRequest>(text).ok().map(|m| m.request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_types_and_nesting_are_refused() {
        for text in [
            "",
            "null",
            "[]",
            r#"{"type":"nonsense"}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"ping","sent":1,"extra":2}"#,
            r#"{"type":"mute_all","request":-1}"#,
            r#"{"type":"kick","request":1,"participant":"a b"}"#,
            r#"{"type":"state","state":{"mic":true,"camera":true,"content":false,"sound":true,"x":1}}"#,
        ] {
            assert_eq!(decode(text), Err(Code::BadMessage), "{text}");
        }
        assert_eq!(decode(&"[".repeat(100_000)), Err(Code::BadMessage));
        assert_eq!(decode(&" ".repeat(MAX_MESSAGE + 1)), Err(Code::MessageTooLarge));
        assert!(decode(r#"{"type":"ping","sent":1.5}"#).is_ok());
    }

    #[test]
    fn an_unreadable_message_still_names_its_request() {
        assert_eq!(request_in(r#"{"type":"nonsense","request":7}"#), Some(7));
        assert_eq!(request_in("{"), None);
    }
}
