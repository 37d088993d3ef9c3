//! `/api/v1/lessons`: create, list, look at, end. For administrators.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::http::HttpState;
use crate::http::error::ApiError;
use crate::http::extract::{Admin, JsonBody};
use crate::ids::LessonId;
use crate::lesson::LessonError;
use crate::lesson::directory::Found;
use crate::session::errors::{Code, Language};
use crate::session::message::{LessonInfo, LessonOverview, LessonType};

/// The longest title, in characters.
const MAX_TITLE: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewLesson {
    id: LessonId,
    title: String,
    /// The usual one, unless it is said.
    lesson_type: Option<LessonType>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Lessons {
    lessons: Vec<LessonInfo>,
}

/// `POST /api/v1/lessons`
pub async fn create(
    State(state): State<HttpState>,
    admin: Admin,
    JsonBody(new): JsonBody<NewLesson>,
) -> Result<(StatusCode, Json<LessonInfo>), ApiError> {
    let title = new.title.trim();
    let good =
        !title.is_empty() && title.chars().count() <= MAX_TITLE && !title.chars().any(char::is_control);
    if !good {
        return Err(ApiError::new(Code::BadRequest, admin.language));
    }
    let refused = refusal(admin.language);
    let handle =
        state.sessions.directory.create(&new.id, title.to_owned(), new.lesson_type).map_err(&refused)?;
    let overview = handle.overview().await.map_err(&refused)?;
    tracing::info!(lesson = %new.id, by = %admin.claims.sub, "lesson created");
    Ok((StatusCode::CREATED, Json(overview.lesson)))
}

/// `GET /api/v1/lessons`: running ones, then those that ended within a day.
pub async fn list(State(state): State<HttpState>, _: Admin) -> Json<Lessons> {
    let directory = &state.sessions.directory;
    let running = directory.overviews().await.into_iter().map(|o| o.lesson);
    Json(Lessons { lessons: running.chain(directory.ended()).collect() })
}

/// `GET /api/v1/lessons/{id}`
pub async fn get(
    State(state): State<HttpState>,
    admin: Admin,
    Path(id): Path<String>,
) -> Result<Json<LessonOverview>, ApiError> {
    let refused = refusal(admin.language);
    match find(&state, &id).map_err(&refused)? {
        Found::Running(handle) => Ok(Json(handle.overview().await.map_err(&refused)?)),
        Found::Ended(lesson) => Ok(Json(LessonOverview { lesson, participants: Vec::new() })),
    }
}

/// `POST /api/v1/lessons/{id}/end`; ending an ended lesson changes nothing.
pub async fn end(
    State(state): State<HttpState>,
    admin: Admin,
    Path(id): Path<String>,
) -> Result<Json<LessonInfo>, ApiError> {
    let refused = refusal(admin.language);
    match find(&state, &id).map_err(&refused)? {
        Found::Running(handle) => {
            let info = handle.end().await.map_err(&refused)?;
            tracing::info!(lesson = %id, by = %admin.claims.sub, "lesson ended by the API");
            Ok(Json(info))
        }
        Found::Ended(info) => Ok(Json(info)),
    }
}

/// A text that is no id names no lesson either.
fn find(state: &HttpState, id: &str) -> Result<Found, LessonError> {
    let id = LessonId::new(id).map_err(|_| LessonError::Unknown)?;
    state.sessions.directory.get(&id).ok_or(LessonError::Unknown)
}

fn refusal(language: Language) -> impl Fn(LessonError) -> ApiError {
    move |error| ApiError::new(Code::from(&error), language)
}
