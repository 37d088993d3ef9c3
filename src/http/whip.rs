//! WHIP (RFC 9725): an encoder, OBS or any page publishes into a lesson without our signalling.
//!
//! The publisher takes the seat of its token's participant, as that participant's page would; a
//! newer connection of either sort replaces the older. The first audio that it sends is the
//! microphone, the first video the camera. A lead who publishes begins the lesson.

use std::net::SocketAddr;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use crate::auth::permissions::{Right, allowed};
use crate::http::HttpState;
use crate::http::endpoint::{Protocol, Seat, Visitor};
use crate::http::error::ApiError;
use crate::http::extract::Bearer;
use crate::lesson::Attachment;
use crate::media::negotiate::tracks_of_publisher;
use crate::session::errors::{Code, offer_code};
use crate::session::member_of;

/// `POST /whip/{lesson}`
pub(super) async fn publish(
    State(state): State<HttpState>,
    Extension(address): Extension<SocketAddr>,
    Path(lesson): Path<String>,
    caller: Bearer,
    request: Request,
) -> Result<Response, ApiError> {
    let visitor = Visitor::admit(Protocol::Whip, state, &lesson, caller, address)?;
    let offer = visitor.offer(request).await?;
    let tracks = tracks_of_publisher(&offer).map_err(|e| visitor.refusal(offer_code(e.code())))?;
    let claims = visitor.claims.clone();
    if !tracks.iter().all(|(_, kind)| allowed(claims.role, Right::to_send(*kind))) {
        return Err(visitor.refusal(Code::Forbidden));
    }
    let member = member_of(claims);
    visitor.connect(&offer, Seat { member, attachment: Attachment::Publisher, tracks }).await
}
