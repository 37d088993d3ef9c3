//! What classrooms say besides speaking.

use crate::lesson::{Ask, SignalAsk};
use crate::session::Session;
use crate::session::errors::Code;

/// More pupils than any room holds.
const MOST_PUPILS: u16 = 999;

pub async fn headcount(session: &Session<'_>, request: u32, present: u16) {
    if present > MOST_PUPILS {
        return session.refuse(Code::BadMessage, Some(request));
    }
    session.ask(Some(request), Ask::Signal(SignalAsk::Headcount(present))).await;
}
