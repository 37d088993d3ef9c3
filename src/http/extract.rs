//! What handlers take from a request: the reader's language, an administrator, a JSON body.

use std::convert::Infallible;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::auth::Claims;
use crate::auth::permissions::{Right, allowed};
use crate::http::HttpState;
use crate::http::error::ApiError;
use crate::session::errors::{Code, Language};

/// The language that the reader asked for.
pub struct Reader(pub Language);

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(language_of(parts)))
    }
}

/// Somebody who may manage lessons, by `Authorization: Bearer`.
pub struct Admin {
    pub claims: Claims,
    pub language: Language,
}

impl FromRequestParts<HttpState> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, ApiError> {
        let language = language_of(parts);
        let refused = |code: Code| ApiError::new(code, language);
        let claims = bearer(parts, state).map_err(refused)?;
        if !allowed(claims.role, Right::ManageLessons) {
            return Err(refused(Code::Forbidden));
        }
        Ok(Self { claims, language })
    }
}

/// Whoever has a token, by `Authorization: Bearer` (RFC 6750 §2.1). What they may do is asked later.
pub struct Bearer {
    pub claims: Claims,
    pub language: Language,
}

impl FromRequestParts<HttpState> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, ApiError> {
        let language = language_of(parts);
        let claims = bearer(parts, state).map_err(|code| ApiError::new(code, language))?;
        Ok(Self { claims, language })
    }
}

fn bearer(parts: &Parts, state: &HttpState) -> Result<Claims, Code> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let (scheme, token) = header.and_then(|v| v.split_once(' ')).ok_or(Code::TokenMissing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Code::TokenMissing);
    }
    Ok(state.sessions.tokens.check(token.trim(), (state.sessions.unix_now)())?)
}

/// A JSON body; what is wrong with one becomes an error of ours.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<HttpState> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, ApiError> {
        let language = request
            .headers()
            .get(ACCEPT_LANGUAGE)
            .and_then(|v| v.to_str().ok())
            .map_or_else(Language::default, Language::from_tag);
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::BytesRejection(e)) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(ApiError::new(Code::BodyTooLarge, language))
            }
            Err(_) => Err(ApiError::new(Code::BadRequest, language)),
        }
    }
}

fn language_of(parts: &Parts) -> Language {
    let header = parts.headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
    header.map_or_else(Language::default, Language::from_tag)
}
