//! Errors of the HTTP interface: `{code, message, hint}` and the status that fits.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::session::errors::{Code, Language};

/// An error on its way out, in the reader's language.
#[derive(Debug)]
pub struct ApiError {
    code: Code,
    language: Language,
}

impl ApiError {
    #[must_use]
    pub fn new(code: Code, language: Language) -> Self {
        Self { code, language }
    }
}

#[derive(Serialize)]
struct Body {
    code: &'static str,
    message: &'static str,
    hint: &'static str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            code: self.code.as_str(),
            message: self.code.message(self.language),
            hint: self.code.hint(self.language),
        };
        let status = status(self.code);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            // RFC 6750 §3
            let challenge = if self.code == Code::TokenMissing {
                "Bearer realm=\"zhuandi\""
            } else {
                "Bearer realm=\"zhuandi\", error=\"invalid_token\""
            };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// The status of a code.
#[must_use]
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::TokenExpired
        | Code::TokenNotYetValid
        | Code::TokenForeign
        | Code::TokenInvalid
        | Code::TokenMissing => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::NotInThisLesson | Code::Kicked | Code::WrongOrigin => StatusCode::FORBIDDEN,
        Code::UnknownLesson
        | Code::UnknownParticipant
        | Code::UnknownPhoto
        | Code::UnknownSlot
        | Code::NotFound => StatusCode::NOT_FOUND,
        Code::LessonExists | Code::LessonEnded | Code::NotLive | Code::Replaced | Code::AlreadyJoined => {
            StatusCode::CONFLICT
        }
        Code::LessonFull | Code::Busy | Code::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::BodyTooLarge | Code::MessageTooLarge | Code::PhotoTooLarge | Code::SdpTooLarge => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Code::RequestTimeout | Code::JoinTimeout | Code::Silent => StatusCode::REQUEST_TIMEOUT,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::PhotoUnreadable | Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::BadMessage
        | Code::BadRequest
        | Code::BadSdp
        | Code::JoinFirst
        | Code::MediaChanged
        | Code::NoBundle
        | Code::NoCodec
        | Code::NoFingerprint
        | Code::TooManyMedia
        | Code::UnsupportedVersion => StatusCode::BAD_REQUEST,
    }
}
