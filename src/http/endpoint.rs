//! What WHIP (RFC 9725) and WHEP (its sibling for players) have in common: addresses, preflight,
//! and the way from a POST with an offer to a connection.
//!
//! `whip` and `whep` say what their clients send and take; `resource` has what comes after the
//! answer. Every answer can be read by pages from elsewhere: the token is the only key here, no
//! cookie, so there is nothing that a foreign page could borrow. A token of another lesson and a
//! lesson that cannot be are refused alike.

use std::net::SocketAddr;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, options};

use crate::auth::Claims;
use crate::auth::permissions::{Right, allowed};
use crate::http::error::ApiError;
use crate::http::extract::Bearer;
use crate::http::resource::{self, FRAGMENT, IceSession, Resource};
use crate::http::{HttpState, method_not_allowed, whep, whip};
use crate::ids::{ConnectionId, ParticipantId};
use crate::lesson::outbox::Outbox;
use crate::lesson::{Actor, Attachment, Member};
use crate::media::negotiate::{Accepted, PeerRequest, SourceKind};
use crate::session::errors::{Code, Language, offer_code};
use crate::session::limits::MAX_SDP;
use crate::session::message::IceServer;

const SDP: &str = "application/sdp";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Whip,
    Whep,
}

impl Protocol {
    fn path(self) -> &'static str {
        match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        }
    }

    fn right(self) -> Right {
        match self {
            Self::Whip => Right::Publish,
            Self::Whep => Right::Play,
        }
    }
}

/// The addresses of both protocols.
pub fn router() -> Router<HttpState> {
    routes(Protocol::Whip, options(preflight).post(whip::publish))
        .merge(routes(Protocol::Whep, options(preflight).post(whep::play)))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(open_to_pages))
}

fn routes(protocol: Protocol, endpoint: MethodRouter<HttpState>) -> Router<HttpState> {
    let resource = options(preflight)
        .patch(move |state, path, caller, request| resource::patch(protocol, state, path, caller, request))
        .delete(move |state, path, caller| resource::delete(protocol, state, path, caller));
    let path = protocol.path();
    Router::new()
        .route(&format!("/{path}/{{lesson}}"), endpoint)
        .route(&format!("/{path}/{{lesson}}/{{resource}}"), resource)
}

/// Needs no token, because a browser sends none with its preflight request; whoever asks with one is
/// told the ICE servers before any offer.
async fn preflight(State(state): State<HttpState>, caller: Result<Bearer, ApiError>) -> Response {
    let headers = [
        ("accept-post", SDP),
        ("accept-patch", FRAGMENT),
        ("access-control-allow-methods", "OPTIONS, POST, PATCH, DELETE"),
        // `ETag`: a published client sends it with PATCH where If-Match is meant.
        ("access-control-allow-headers", "Authorization, Content-Type, If-Match, ETag, Accept-Language"),
        ("access-control-max-age", "86400"),
    ];
    let mut response = (StatusCode::NO_CONTENT, headers).into_response();
    if let Ok(caller) = caller {
        tell_ice_servers(&state, &caller.claims.sub, &mut response);
    }
    response
}

fn tell_ice_servers(state: &HttpState, participant: &ParticipantId, response: &mut Response) {
    for link in state.ice_servers.told_to(participant).iter().flat_map(links) {
        response.headers_mut().append(header::LINK, link);
    }
}

async fn open_to_pages(request: Request, next: Next) -> Response {
    let posted = request.method() == Method::POST;
    let mut response = next.run(request).await;
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After"),
    );
    if posted && status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        headers.insert("accept-post", HeaderValue::from_static(SDP));
    }
    response
}

/// Somebody who may use this address.
pub(super) struct Visitor {
    pub claims: Claims,
    language: Language,
    protocol: Protocol,
    state: HttpState,
    address: SocketAddr,
}

impl Visitor {
    /// Checks that the token is for this lesson and for this protocol.
    pub fn admit(
        protocol: Protocol,
        state: HttpState,
        lesson: &str,
        caller: Bearer,
        address: SocketAddr,
    ) -> Result<Self, ApiError> {
        let Bearer { claims, language } = caller;
        if claims.lesson.as_str() != lesson || !allowed(claims.role, protocol.right()) {
            return Err(ApiError::new(Code::Forbidden, language));
        }
        Ok(Self { claims, language, protocol, state, address })
    }

    pub fn refusal(&self, code: Code) -> ApiError {
        ApiError::new(code, self.language)
    }

    /// The offer in a request's body.
    pub async fn offer(&self, request: Request) -> Result<String, ApiError> {
        if !has_type(request.headers(), SDP) {
            return Err(self.refusal(Code::UnsupportedMediaType));
        }
        read_text(request, MAX_SDP).await.map_err(|code| self.refusal(code))
    }

    /// Answers the offer and takes a seat: 201 with the answer and the resource's address.
    pub async fn connect(self, offer: &str, seat: Seat) -> Result<Response, ApiError> {
        let resources = &self.state.resources;
        let place = resources.places.admit(self.address.ip().to_canonical());
        let place = place.ok_or_else(|| self.refusal(Code::Busy))?;
        let sessions = &self.state.sessions;
        let lesson = sessions
            .directory
            .open(&self.claims.lesson, seat.member.type_for_new())
            .map_err(|e| self.refusal((&e).into()))?;
        let preferred = lesson.codec();
        let wanted = PeerRequest { sources: seat.tracks, prefer_video: preferred };
        let mut accepted = sessions.negotiator.accept(lesson.shard(), offer, &wanted).map_err(|error| {
            tracing::debug!(%error, "offer refused");
            self.refusal(offer_code(error.code()))
        })?;
        if !is_useful(seat.attachment, &accepted) {
            return Err(self.refusal(Code::NoCodec));
        }
        let answer = std::mem::take(&mut accepted.sdp);
        let ice = IceSession::new(accepted.setup.remote.clone());
        let tag = ice.tag.clone();
        let connection = ConnectionId::next();
        let outbox = Outbox::goodbye_only();
        let actor = Actor { connection, member: seat.member, outbox: outbox.clone() };
        let attached = lesson.attach(actor, seat.attachment, accepted, preferred).await;
        attached.map_err(|e| self.refusal((&e).into()))?;
        let resource = Resource {
            protocol: self.protocol,
            lesson,
            owner: self.claims.sub.clone(),
            connection,
            ice: tokio::sync::Mutex::new(ice),
            place,
        };
        let name = resources.keep(resource, outbox);
        let location = format!("/{}/{}/{name}", self.protocol.path(), self.claims.lesson);
        let headers = [
            (header::CONTENT_TYPE, SDP),
            (header::LOCATION, location.as_str()),
            (header::ETAG, tag.as_str()),
            (header::HeaderName::from_static("accept-patch"), FRAGMENT),
        ];
        let mut response = (StatusCode::CREATED, headers, answer).into_response();
        tell_ice_servers(&self.state, &self.claims.sub, &mut response);
        Ok(response)
    }
}

/// Who takes a seat, and what they send.
pub(super) struct Seat {
    pub member: Member,
    pub attachment: Attachment,
    /// mid → kind
    pub tracks: Vec<(String, SourceKind)>,
}

/// An offer may be answered and yet hold nothing to send or to take.
fn is_useful(attachment: Attachment, accepted: &Accepted) -> bool {
    match attachment {
        Attachment::Publisher => !accepted.sources.is_empty(),
        Attachment::Player => !accepted.slots.is_empty(),
    }
}

/// Whether the body is said to be of this type; parameters count for nothing.
pub(super) fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(wanted)
}

/// A body of at most `most` bytes.
pub(super) async fn read_text(request: Request, most: usize) -> Result<String, Code> {
    // A body that breaks off has nobody who reads the answer: the limit is the one cause to name.
    let bytes = to_bytes(request.into_body(), most).await.map_err(|_| Code::SdpTooLarge)?;
    String::from_utf8(bytes.into()).map_err(|_| Code::BadSdp)
}

/// RFC 9725 §4.6: one `Link` for each address of a STUN or TURN server.
fn links(server: &IceServer) -> Vec<HeaderValue> {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut rest = String::from("rel=\"ice-server\"");
    if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
        rest.push_str(&format!(
            "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
            quoted(username),
            quoted(credential)
        ));
    }
    // What no header can hold is refused when the configuration is checked.
    server.urls.iter().filter_map(|url| HeaderValue::from_str(&format!("<{url}>; {rest}")).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        for (said, expected) in [
            ("application/sdp", true),
            ("Application/SDP; charset=utf-8", true),
            ("application/json", false),
            ("application/sdpx", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(said));
            assert_eq!(has_type(&headers, SDP), expected, "{said}");
        }
        assert!(!has_type(&HeaderMap::new(), SDP));
    }

    #[test]
    fn links_name_each_address_with_its_credentials() {
        let server = IceServer {
            urls: vec!["turn:box:3478?transport=udp".into(), "turns:box:443?transport=tcp".into()],
            username: Some("u\"1".into()),
            credential: Some("p\\w".into()),
        };
        let expected = "<turn:box:3478?transport=udp>; rel=\"ice-server\"; username=\"u\\\"1\"; \
                        credential=\"p\\\\w\"; credential-type=\"password\"";
        let made = links(&server);
        assert_eq!(made.len(), 2);
        assert_eq!(made[0], expected);
        let stun = IceServer { urls: vec!["stun:box:3478".into()], username: None, credential: None };
        assert_eq!(links(&stun)[0], "<stun:box:3478>; rel=\"ice-server\"");
    }
}
