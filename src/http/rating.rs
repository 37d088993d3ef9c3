//! `POST /api/v1/lessons/{lesson}/rating`: what a classroom says of a lesson that is over.
//!
//! The socket of a lesson ends with it, and people answer after that, so this goes by HTTP: with the
//! token that the board has anyway, for as long as an ended lesson is known (a day). Each answer is a tap
//! of its own and may come again; the newest holds. Attendance tells them.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;

use crate::auth::permissions::{Right, allowed};
use crate::http::HttpState;
use crate::http::error::ApiError;
use crate::http::extract::{Bearer, JsonBody};
use crate::lesson::Rating;
use crate::session::errors::Code;

/// More pupils than any room holds.
const MOST_PUPILS: u16 = 999;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Said {
    headcount: Option<u16>,
    sound: Option<Verdict>,
    picture: Option<Verdict>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    Poor,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Poor => "poor",
        }
    }
}

pub async fn rate(
    State(state): State<HttpState>,
    bearer: Bearer,
    Path(id): Path<String>,
    JsonBody(said): JsonBody<Said>,
) -> Result<StatusCode, ApiError> {
    let refused = |code: Code| ApiError::new(code, bearer.language);
    let claims = &bearer.claims;
    if claims.lesson.as_str() != id || !allowed(claims.role, Right::Headcount) {
        return Err(refused(Code::Forbidden));
    }
    if said.headcount.is_some_and(|n| n > MOST_PUPILS) {
        return Err(refused(Code::BadRequest));
    }
    let rating = Rating {
        headcount: said.headcount,
        sound: said.sound.map(Verdict::word),
        picture: said.picture.map(Verdict::word),
    };
    let rated = state.sessions.directory.rate(&claims.lesson, &claims.sub, rating).await;
    rated.map_err(|error| refused((&error).into()))?;
    Ok(StatusCode::NO_CONTENT)
}
