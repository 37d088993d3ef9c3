//! Connections by WHIP and WHEP once they exist: where they are kept, PATCH and DELETE.
//!
//! A resource is a seat in a lesson without a page (`lesson::attached`). Its address holds 192
//! random bits, and its requests need a token of the same participant besides; whatever does not
//! fit answers 404, so that nobody learns which resources there are. It ends with `DELETE`, with
//! its media connection, or by the lesson (kicked, replaced, ended), and is unknown from then on.
//!
//! The entity tag stands for the ICE session (RFC 9725 §4.3.1): an ICE restart makes a new one.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::auth::secret::random_hex;
use crate::http::HttpState;
use crate::http::endpoint::{Protocol, has_type, read_text};
use crate::http::error::ApiError;
use crate::http::extract::Bearer;
use crate::http::server::{ConnectionGuard, Connections};
use crate::ids::{ConnectionId, ParticipantId};
use crate::lesson::outbox::{Outbox, Outgoing};
use crate::lesson::{Gone, LessonHandle};
use crate::media::negotiate::{Fragment, IceCredentials, MAX_FRAGMENT};
use crate::session::errors::Code;

/// Content type of trickled candidates and ICE restarts (RFC 8840 §9).
pub(super) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Random bytes in a resource's address.
const ADDRESS_BYTES: usize = 24;

/// One connection.
pub(super) struct Resource {
    pub protocol: Protocol,
    pub lesson: LessonHandle,
    /// The participant of the token that made it.
    pub owner: ParticipantId,
    pub connection: ConnectionId,
    /// Locked over a whole PATCH: the tag that was compared is the one that is replaced.
    pub ice: tokio::sync::Mutex<IceSession>,
    #[allow(dead_code, reason = "held for its Drop")]
    pub place: ConnectionGuard,
}

pub(super) struct IceSession {
    pub tag: String,
    pub remote: IceCredentials,
}

impl IceSession {
    #[must_use]
    pub fn new(remote: IceCredentials) -> Self {
        Self { tag: format!("\"{}\"", random_hex(8)), remote }
    }
}

/// All connections of this server; clones are the same ones.
#[derive(Clone)]
pub struct Resources {
    open: Arc<Mutex<HashMap<String, Arc<Resource>>>>,
    /// Limits in all and by address, as for connections to the listener.
    pub(super) places: Arc<Connections>,
}

impl Resources {
    #[must_use]
    pub fn new(max: usize, max_per_address: usize) -> Self {
        Self { open: Arc::default(), places: Arc::new(Connections::new(max, max_per_address)) }
    }

    /// How many are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many were refused for lack of a place.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.places.refused.load(Ordering::Relaxed)
    }

    /// Keeps a connection until its seat's goodbye. Gives the name in its address.
    pub(super) fn keep(&self, resource: Resource, goodbye: Outbox) -> String {
        let name = random_hex(ADDRESS_BYTES);
        self.lock().insert(name.clone(), Arc::new(resource));
        let (all, own) = (self.clone(), name.clone());
        tokio::spawn(async move {
            while let Outgoing::Text(_) = goodbye.next().await {}
            all.lock().remove(&own);
        });
        name
    }

    /// The caller's own resource with this name.
    fn find(&self, protocol: Protocol, lesson: &str, name: &str, caller: &Bearer) -> Option<Arc<Resource>> {
        let found = self.lock().get(name).cloned()?;
        let own = found.protocol == protocol
            && found.lesson.id().as_str() == lesson
            && found.lesson.id() == &caller.claims.lesson
            && found.owner == caller.claims.sub;
        own.then_some(found)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Resource>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `PATCH`: trickled candidates, or an ICE restart (RFC 9725 §4.3).
pub(super) async fn patch(
    protocol: Protocol,
    State(state): State<HttpState>,
    Path((lesson, name)): Path<(String, String)>,
    caller: Bearer,
    request: Request,
) -> Result<Response, ApiError> {
    let refused = |code: Code| ApiError::new(code, caller.language);
    let find = || state.resources.find(protocol, &lesson, &name, &caller);
    let resource = find().ok_or_else(|| refused(Code::NotFound))?;
    if !has_type(request.headers(), FRAGMENT) {
        let mut response = refused(Code::UnsupportedMediaType).into_response();
        response.headers_mut().insert("accept-patch", header::HeaderValue::from_static(FRAGMENT));
        return Ok(response);
    }
    let wanted = if_match(request.headers()).ok_or_else(|| refused(Code::PreconditionRequired))?;
    let text = read_text(request, MAX_FRAGMENT).await.map_err(refused)?;
    let fragment = Fragment::parse(&text).map_err(|error| {
        tracing::debug!(%error, "fragment refused");
        refused(Code::BadSdp)
    })?;
    let mut ice = resource.ice.lock().await;
    if !wanted.iter().any(|tag| tag == "*" || *tag == ice.tag) {
        return Err(refused(Code::PreconditionFailed));
    }
    let Some(remote) = fragment.ice.filter(|credentials| *credentials != ice.remote) else {
        // Candidates: the server learns addresses from checks and needs none of them.
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let answer = resource.lesson.restart_attached(resource.connection, remote.clone()).await;
    // A seat that went meanwhile is a resource that is not there.
    let answer = answer.map_err(|error| match Code::from(&error) {
        Code::Busy => refused(Code::Busy),
        _ => refused(Code::NotFound),
    })?;
    *ice = IceSession::new(remote);
    let headers = [(header::CONTENT_TYPE, FRAGMENT), (header::ETAG, ice.tag.as_str())];
    Ok((StatusCode::OK, headers, answer).into_response())
}

/// `DELETE`: the seat is given up.
pub(super) async fn delete(
    protocol: Protocol,
    State(state): State<HttpState>,
    Path((lesson, name)): Path<(String, String)>,
    caller: Bearer,
) -> Result<StatusCode, ApiError> {
    let found = state.resources.find(protocol, &lesson, &name, &caller);
    let resource = found.ok_or_else(|| ApiError::new(Code::NotFound, caller.language))?;
    // Gone for the next request already, whenever the lesson comes to it.
    state.resources.lock().remove(&name);
    resource.lesson.gone(resource.connection, Gone::Left).await;
    Ok(StatusCode::OK)
}

/// The tags of `If-Match`; `None` without one. Weak tags never match (RFC 9110 §13.1.1).
fn if_match(headers: &HeaderMap) -> Option<Vec<String>> {
    let all: Vec<_> = headers.get_all(header::IF_MATCH).iter().filter_map(|v| v.to_str().ok()).collect();
    let tags = all.iter().flat_map(|v| v.split(',')).map(|tag| tag.trim().to_owned());
    (!all.is_empty()).then(|| tags.collect())
}
