//! `watch`: the administrator's view of all lessons, once a second from here on.

use crate::session::Session;
use crate::session::message::ServerMessage;

pub async fn watch(session: &mut Session<'_>, request: u32) {
    session.watching = true;
    session.actor.outbox.push(&ServerMessage::Done { request });
    session.push_overview().await;
}
