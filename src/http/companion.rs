//! `POST /api/v1/lessons/{id}/companion`: a token for a phone that shall belong to a classroom.
//!
//! The board asks with its own token and shows the link as a code; whoever scans it can raise the
//! classroom's hand and little more (the role's row in `auth::permissions`). The phone's token is good
//! as long as the board's.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;

use crate::auth::permissions::{Right, allowed};
use crate::http::HttpState;
use crate::http::error::ApiError;
use crate::http::extract::Bearer;
use crate::lesson::directory::Found;
use crate::session::errors::Code;
use crate::session::message::Role;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invitation {
    token: String,
}

/// 201 with the token; 403 for who has no phone of its own, and for any lesson that is not the token's.
pub async fn invite(
    State(state): State<HttpState>,
    Bearer { claims, language }: Bearer,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Invitation>), ApiError> {
    let refused = |code: Code| ApiError::new(code, language);
    let role = match state.sessions.directory.get(&claims.lesson) {
        Some(Found::Running(lesson)) => lesson.role_of(&claims.sub, claims.role),
        _ => claims.role,
    };
    if claims.lesson.as_str() != id || !allowed(role, Right::InviteCompanion) {
        return Err(refused(Code::Forbidden));
    }
    let now = (state.sessions.unix_now)();
    let ttl = Duration::from_secs(claims.expires.saturating_sub(now));
    let tokens = &state.sessions.tokens;
    let token = tokens.issue(&claims.lesson, Role::Companion, &claims.name, &claims.sub, ttl, now);
    // The name came out of a token that was checked, so only signing can have failed.
    let token = token.map_err(|error| {
        tracing::error!(%error, "a companion's token could not be made");
        refused(Code::Busy)
    })?;
    Ok((StatusCode::CREATED, Json(Invitation { token })))
}
