//! WHEP (draft-ietf-wish-whep): a player watches a lesson without our signalling.
//!
//! Each connection is a viewer of its own, also several with one token: its seat has a fresh id
//! that tells nothing of the resource's address. One video m-line shows content while it is on and
//! the lead otherwise; of two the first shows the lead, the second content. The first audio m-line
//! is the lead's microphone. What feeds a slot changes without any message: a player has no names
//! to show under a picture.

use std::net::SocketAddr;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use crate::auth::secret::random_hex;
use crate::http::HttpState;
use crate::http::endpoint::{Protocol, Seat, Visitor};
use crate::http::error::ApiError;
use crate::http::extract::Bearer;
use crate::ids::ParticipantId;
use crate::lesson::{Attachment, Member};
use crate::session::member_of;

/// `POST /whep/{lesson}`
pub(super) async fn play(
    State(state): State<HttpState>,
    Extension(address): Extension<SocketAddr>,
    Path(lesson): Path<String>,
    caller: Bearer,
    request: Request,
) -> Result<Response, ApiError> {
    let visitor = Visitor::admit(Protocol::Whep, state, &lesson, caller, address)?;
    let offer = visitor.offer(request).await?;
    let id = ParticipantId::new(&format!("whep-{}", random_hex(8))).expect("hexadecimal is good in an id");
    let member = Member { id, ..member_of(visitor.claims.clone()) };
    visitor.connect(&offer, Seat { member, attachment: Attachment::Player, tracks: Vec::new() }).await
}
