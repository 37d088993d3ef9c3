//! Offers: the one way of a page into the media plane.
//!
//! The SDP work is done here, in the session's task, so that a thousand joins at the bell run
//! beside each other; the lesson only takes the result.

use crate::auth::permissions::{Right, allowed};
use crate::lesson::Ask;
use crate::media::negotiate::PeerRequest;
use crate::session::Session;
use crate::session::errors::{Code, offer_code};
use crate::session::limits::{MAX_SDP, MAX_TRACKS};
use crate::session::message::TrackIntent;

pub async fn offer(session: &Session<'_>, request: u32, sdp: &str, tracks: Vec<TrackIntent>) {
    let role = session.role();
    if tracks.iter().any(|track| !allowed(role, Right::to_send(track.kind))) {
        return session.refuse(Code::Forbidden, Some(request));
    }
    if sdp.len() > MAX_SDP {
        return session.refuse(Code::SdpTooLarge, Some(request));
    }
    if tracks.len() > MAX_TRACKS {
        return session.refuse(Code::TooManyMedia, Some(request));
    }
    if names_one_twice(&tracks) {
        return session.refuse(Code::BadMessage, Some(request));
    }
    let preferred = session.lesson.codec();
    let wanted = PeerRequest {
        sources: tracks.into_iter().map(|track| (track.mid, track.kind)).collect(),
        prefer_video: preferred,
    };
    match session.parts.negotiator.accept(session.lesson.shard(), sdp, &wanted) {
        Ok(accepted) => {
            let ask = Ask::AddPeer { accepted: Box::new(accepted), preferred };
            session.ask(Some(request), ask).await;
        }
        Err(error) => {
            tracing::debug!(%error, "offer refused");
            session.refuse(offer_code(error.code()), Some(request));
        }
    }
}

pub async fn restart_ice(session: &Session<'_>, request: u32, sdp: String) {
    if sdp.len() > MAX_SDP {
        return session.refuse(Code::SdpTooLarge, Some(request));
    }
    session.ask(Some(request), Ask::RestartIce { sdp }).await;
}

/// A page has one microphone, one camera and one content, each on its own m-line.
fn names_one_twice(tracks: &[TrackIntent]) -> bool {
    tracks.iter().enumerate().any(|(i, track)| {
        tracks[..i].iter().any(|before| before.kind == track.kind || before.mid == track.mid)
    })
}
