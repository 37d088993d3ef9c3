//! `GET /api/v1/lessons/{id}/attendance`: who was there, of every time that the lesson was held.
//!
//! For administrators, and for a lead of that lesson. JSON, or with `?format=csv` a table for a
//! spreadsheet: UTF-8 with a byte order mark (else Excel reads it by the local code page), CRLF, and
//! no cell that a spreadsheet would take for a formula.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::auth::permissions::{Right, allowed};
use crate::http::HttpState;
use crate::http::error::ApiError;
use crate::http::extract::Bearer;
use crate::ids::LessonId;
use crate::session::errors::{Code, Language};
use crate::session::message::Role;
use crate::store::history::{Attendance, Interval, ParticipantAttendance, RunAttendance};

/// Beijing time, of which all schools' clocks tell.
const OFFSET_MINUTES: i64 = 480;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    #[serde(default)]
    format: Format,
    /// Minutes that the table's times are east of Greenwich.
    offset: Option<i64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    #[default]
    Json,
    Csv,
}

pub async fn get(
    State(state): State<HttpState>,
    bearer: Bearer,
    Path(id): Path<String>,
    wish: Result<Query<Wish>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let refused = |code: Code| ApiError::new(code, bearer.language);
    let claims = &bearer.claims;
    let own = claims.role == Role::Admin || claims.lesson.as_str() == id;
    if !allowed(claims.role, Right::ReadAttendance) || !own {
        return Err(refused(Code::Forbidden));
    }
    let Ok(Query(wish)) = wish else { return Err(refused(Code::BadRequest)) };
    let offset = wish.offset.unwrap_or(OFFSET_MINUTES);
    if !(-840..=840).contains(&offset) {
        return Err(refused(Code::BadRequest));
    }
    let lesson = LessonId::new(&id).map_err(|_| refused(Code::UnknownLesson))?;
    let attendance = state.history.attendance(&lesson).await.map_err(|error| {
        tracing::warn!(%error, "attendance cannot be read");
        refused(Code::StoreUnavailable)
    })?;
    if attendance.runs.is_empty() && state.sessions.directory.get(&lesson).is_none() {
        return Err(refused(Code::UnknownLesson));
    }
    Ok(match wish.format {
        Format::Json => Json(attendance).into_response(),
        Format::Csv => {
            let name = format!("attachment; filename=\"attendance-{}.csv\"", file_name(&lesson));
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, name),
            ];
            (headers, table(&attendance, bearer.language, offset)).into_response()
        }
    })
}

/// A colon is no letter of a file name everywhere.
fn file_name(lesson: &LessonId) -> String {
    lesson.as_str().replace(':', "-")
}

const HEAD_ZH: &[&str] = &[
    "课",
    "开课时间",
    "编号",
    "名称",
    "身份",
    "进入时间",
    "离开时间",
    "在线秒数",
    "其中上课秒数",
    "离开原因",
    "人数",
    "声音",
    "画面",
];
const HEAD_EN: &[&str] = &[
    "Lesson",
    "Started",
    "Id",
    "Name",
    "Role",
    "Came",
    "Left",
    "Seconds present",
    "Of these in lesson",
    "How it ended",
    "Pupils",
    "Sound",
    "Picture",
];

/// One line for each interval.
fn table(attendance: &Attendance, language: Language, offset: i64) -> String {
    let head = match language {
        Language::ZhCn => HEAD_ZH,
        Language::En => HEAD_EN,
    };
    let mut out = String::from("\u{feff}");
    line(&mut out, head.iter().map(|h| (*h).to_owned()));
    for run in &attendance.runs {
        for person in &run.participants {
            for interval in &person.intervals {
                line(&mut out, cells(run, person, interval, language, offset));
            }
        }
    }
    out
}

fn cells(
    run: &RunAttendance,
    person: &ParticipantAttendance,
    interval: &Interval,
    language: Language,
    offset: i64,
) -> impl Iterator<Item = String> {
    let time = |at: Option<i64>| at.map(|at| local_time(at, offset)).unwrap_or_default();
    let seconds = |ms: i64| ((ms + 500) / 1000).to_string();
    [
        run.title.clone(),
        time(run.started_at),
        person.id.clone(),
        person.name.clone(),
        role(&person.role, language).to_owned(),
        time(Some(interval.opened_at)),
        time(interval.closed_at),
        seconds(interval.present_ms),
        seconds(interval.in_lesson_ms),
        ended(interval.ended.as_deref(), language).to_owned(),
        person.headcount.map(|n| n.to_string()).unwrap_or_default(),
        verdict(person.sound.as_deref(), language).to_owned(),
        verdict(person.picture.as_deref(), language).to_owned(),
    ]
    .into_iter()
}

fn verdict(word: Option<&str>, language: Language) -> &'static str {
    match (word, language) {
        (Some("good"), Language::ZhCn) => "清楚",
        (Some("poor"), Language::ZhCn) => "不清楚",
        (Some("good"), Language::En) => "clear",
        (Some("poor"), Language::En) => "not clear",
        _ => "",
    }
}

fn role(role: &str, language: Language) -> &str {
    match (role, language) {
        ("lead", Language::ZhCn) => "主讲",
        ("receiver", Language::ZhCn) => "教室",
        ("observer", Language::ZhCn) => "听课",
        ("lead", Language::En) => "lead",
        ("receiver", Language::En) => "classroom",
        _ => role,
    }
}

fn ended(ended: Option<&str>, language: Language) -> &'static str {
    match (ended, language) {
        (None, Language::ZhCn) => "仍在线",
        (None, Language::En) => "still there",
        (Some("left"), Language::ZhCn) => "主动离开",
        (Some("left"), Language::En) => "left",
        (Some("lost"), Language::ZhCn) => "连接中断",
        (Some("lost"), Language::En) => "connection lost",
        (Some("kicked"), Language::ZhCn) => "被移出",
        (Some("kicked"), Language::En) => "removed",
        (Some("lesson"), Language::ZhCn) => "下课",
        (Some("lesson"), Language::En) => "end of the lesson",
        (Some(_), Language::ZhCn) => "服务器重启",
        (Some(_), Language::En) => "server restarted",
    }
}

/// RFC 4180, with every cell quoted.
fn line(out: &mut String, cells: impl Iterator<Item = String>) {
    for (n, cell) in cells.enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push('"');
        // Whoever may choose a name must not have a spreadsheet compute it.
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            out.push('\'');
        }
        out.push_str(&cell.replace('"', "\"\""));
        out.push('"');
    }
    out.push_str("\r\n");
}

/// `2026-09-01 08:30:05` of milliseconds since 1970, so many minutes east of Greenwich.
fn local_time(at: i64, offset: i64) -> String {
    let seconds = at.div_euclid(1000) + offset * 60;
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The civil calendar from days: eras of 400 years that begin on the 1st of March 0000.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_a_calendar_has_them() {
        for (at, offset, text) in [
            (0, 0, "1970-01-01 00:00:00"),
            (0, 480, "1970-01-01 08:00:00"),
            (951_782_399_999, 0, "2000-02-28 23:59:59"),
            (951_782_400_000, 0, "2000-02-29 00:00:00"),
            (1_709_251_199_000, 0, "2024-02-29 23:59:59"),
            (1_709_251_199_000, 1, "2024-03-01 00:00:59"),
            (1_798_761_599_000, 0, "2026-12-31 23:59:59"),
            (-1, 0, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(local_time(at, offset), text);
        }
    }

    #[test]
    fn a_name_is_a_text_and_never_a_formula() {
        let mut out = String::new();
        line(&mut out, ["=1+1", "他说\"好\"", "a,b\nc", "东片小学"].map(str::to_owned).into_iter());
        assert_eq!(out, "\"'=1+1\",\"他说\"\"好\"\"\",\"a,b\nc\",\"东片小学\"\r\n");
    }
}
