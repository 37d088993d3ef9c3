//! `/api/v1/lessons/{id}/photos`: a still photo into the lesson, and out of it again.
//!
//! `POST` takes an image as its body, from whoever has a seat in the lesson's talk (a lead, a classroom);
//! `GET` gives one to whoever may see it now. What kind of image it is, and how large, is read from its own
//! bytes; the `Content-Type` counts for nothing, and it is served as what it is (`nosniff` stands on every
//! answer). Nothing is decoded here. An upload over a rural line takes a while, so these addresses have
//! more time than others; few bodies are held in memory at once, the others wait.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::auth::secret::random_hex;
use crate::http::error::ApiError;
use crate::http::extract::Bearer;
use crate::http::{HttpState, method_not_allowed};
use crate::ids::{LessonId, ParticipantId, PhotoId};
use crate::lesson::directory::Found;
use crate::lesson::{LessonError, LessonHandle, Member};
use crate::session::errors::Code;
use crate::session::member_of;
use crate::store::photos::{PhotoFormat, Photos};

/// Bytes of a photo.
pub const MAX_PHOTO: usize = 6 << 20;
/// Pixels of its longer side, and of all of it: what a weak board can decode.
pub const MAX_SIDE: usize = 4096;
const MAX_PIXELS: usize = 4096 * 4096;
/// Uploads whose bodies are in memory at once.
const AT_ONCE: usize = 32;
/// A photo over a line of 0.3 Mbit/s.
const TIME: Duration = Duration::from_secs(180);

/// Who sends one now.
type Senders = Arc<Mutex<HashSet<(LessonId, ParticipantId)>>>;
/// What is fetched now: one copy for all who fetch it, however slowly.
type Fetched = Arc<tokio::sync::Mutex<HashMap<PhotoId, (PhotoFormat, Weak<[u8]>)>>>;

/// The files, and who may bring more.
#[derive(Clone)]
pub struct Desk {
    files: Arc<Photos>,
    places: Arc<Semaphore>,
    senders: Senders,
    fetched: Fetched,
}

impl Desk {
    #[must_use]
    pub fn new(files: Arc<Photos>) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { files, places, senders: Senders::default(), fetched: Fetched::default() }
    }

    /// A photo's bytes, shared with whoever fetches it at this time. `None`: it is not there.
    async fn read(
        &self,
        lesson: &LessonId,
        photo: PhotoId,
    ) -> std::io::Result<Option<(PhotoFormat, Arc<[u8]>)>> {
        let mut fetched = self.fetched.lock().await;
        if let Some((format, bytes)) = fetched.get(&photo)
            && let Some(bytes) = bytes.upgrade()
        {
            return Ok(Some((*format, bytes)));
        }
        let (files, of, id) = (Arc::clone(&self.files), lesson.clone(), photo.clone());
        let read = tokio::task::spawn_blocking(move || files.read(&of, &id)).await;
        let read = read.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()))?;
        fetched.retain(|_, (_, bytes)| bytes.strong_count() > 0);
        Ok(read.map(|(format, bytes)| {
            let bytes: Arc<[u8]> = bytes.into();
            fetched.insert(photo, (format, Arc::downgrade(&bytes)));
            (format, bytes)
        }))
    }
}

/// One's turn to send; others of the same person wait until it is over.
struct Turn(Senders, (LessonId, ParticipantId));

impl Turn {
    fn of(senders: &Senders, who: (LessonId, ParticipantId)) -> Option<Self> {
        let free = senders.lock().ok()?.insert(who.clone());
        free.then(|| Self(Arc::clone(senders), who))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Ok(mut senders) = self.0.lock() {
            senders.remove(&self.1);
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added {
    id: PhotoId,
    url: String,
}

pub fn router() -> Router<HttpState> {
    Router::new()
        .route("/api/v1/lessons/{id}/photos", axum::routing::post(add))
        .route("/api/v1/lessons/{id}/photos/{photo}", get(fetch))
        .method_not_allowed_fallback(method_not_allowed)
}

async fn add(
    State(state): State<HttpState>,
    Path(lesson): Path<String>,
    bearer: Bearer,
    request: Request,
) -> Result<Response, ApiError> {
    let language = bearer.language;
    let refused = |code: Code| ApiError::new(code, language);
    let (member, handle) = visitor(&state, &lesson, bearer).map_err(refused)?;
    handle.may_add_photo(member.clone()).await.map_err(|e| refused((&e).into()))?;
    let desk = &state.photos;
    let taking = take(desk, &handle, member, request.into_body());
    let added = tokio::time::timeout(TIME, taking).await.map_err(|_| refused(Code::RequestTimeout))?;
    let added = added.map_err(refused)?;
    let location = HeaderValue::from_str(&added.url);
    let mut response = (StatusCode::CREATED, Json(added)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Reads, checks, keeps, and tells the lesson.
async fn take(desk: &Desk, handle: &LessonHandle, member: Member, body: Body) -> Result<Added, Code> {
    let who = (handle.id().clone(), member.id.clone());
    let _turn = Turn::of(&desk.senders, who).ok_or(Code::RateLimited)?;
    let _place = desk.places.try_acquire().map_err(|_| Code::Busy)?;
    // A body that breaks off has nobody who reads the answer: the limit is the one cause to name.
    let bytes = to_bytes(body, MAX_PHOTO).await.map_err(|_| Code::PhotoTooLarge)?;
    let format = look_at(&bytes)?;
    // To its end, also when nobody waits for it any more: else the file would be nobody's.
    let keeping = keep(Arc::clone(&desk.files), handle.clone(), member, format, bytes);
    tokio::spawn(keeping).await.unwrap_or(Err(Code::StoreUnavailable))
}

async fn keep(
    files: Arc<Photos>,
    handle: LessonHandle,
    member: Member,
    format: PhotoFormat,
    bytes: Bytes,
) -> Result<Added, Code> {
    let id = PhotoId::new(&random_hex(16)).expect("hexadecimal digits are letters of an id");
    let lesson = handle.id().clone();
    let kept = {
        let (lesson, id, files) = (lesson.clone(), id.clone(), Arc::clone(&files));
        tokio::task::spawn_blocking(move || files.write(&lesson, &id, format, &bytes)).await
    };
    if let Err(error) = kept.unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into())) {
        tracing::error!(%error, %lesson, "a photo cannot be kept");
        return Err(Code::StoreUnavailable);
    }
    let (gone, told) = match handle.add_photo(id.clone(), member).await {
        Ok(gone) => (gone, Ok(())),
        Err(error) => (vec![id.clone()], Err(Code::from(&error))),
    };
    if !gone.is_empty() {
        let lesson = lesson.clone();
        let remove = move || gone.iter().for_each(|id| files.remove(&lesson, id));
        // Nobody waits for it.
        drop(tokio::task::spawn_blocking(remove));
    }
    told?;
    Ok(Added { url: format!("/api/v1/lessons/{lesson}/photos/{id}"), id })
}

async fn fetch(
    State(state): State<HttpState>,
    Path((lesson, photo)): Path<(String, String)>,
    bearer: Bearer,
) -> Result<Response, ApiError> {
    let language = bearer.language;
    let refused = |code: Code| ApiError::new(code, language);
    let (member, handle) = visitor(&state, &lesson, bearer).map_err(refused)?;
    let photo = PhotoId::new(&photo).map_err(|_| refused(Code::UnknownPhoto))?;
    // Whoever may not see it is not told that it is there.
    let may = handle.may_see_photo(photo.clone(), member).await.map_err(|e| refused((&e).into()))?;
    if !may {
        return Err(refused(Code::UnknownPhoto));
    }
    match state.photos.read(handle.id(), photo).await {
        Ok(Some((format, bytes))) => {
            let headers = [
                (header::CONTENT_TYPE, format.media_type()),
                // Pupils are in it: for this page alone.
                (header::CACHE_CONTROL, "private, no-store"),
            ];
            Ok((headers, Body::from(Bytes::from_owner(bytes))).into_response())
        }
        Ok(None) => Err(refused(Code::UnknownPhoto)),
        Err(error) => {
            tracing::error!(%error, "a photo cannot be read");
            Err(refused(Code::StoreUnavailable))
        }
    }
}

/// Who asks, and the lesson, if the token is for it and it runs.
fn visitor(state: &HttpState, lesson: &str, bearer: Bearer) -> Result<(Member, LessonHandle), Code> {
    if bearer.claims.lesson.as_str() != lesson {
        return Err(Code::Forbidden);
    }
    let id: LessonId = bearer.claims.lesson.clone();
    match state.sessions.directory.get(&id) {
        Some(Found::Running(handle)) => Ok((member_of(bearer.claims), handle)),
        Some(Found::Ended(_)) => Err((&LessonError::Ended).into()),
        None => Err(Code::UnknownLesson),
    }
}

/// What these bytes are, by themselves.
fn look_at(bytes: &[u8]) -> Result<PhotoFormat, Code> {
    let format = match bytes {
        [0xff, 0xd8, 0xff, ..] => PhotoFormat::Jpeg,
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => PhotoFormat::Png,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => PhotoFormat::Webp,
        _ => return Err(Code::PhotoUnreadable),
    };
    let size = imagesize::blob_size(bytes).map_err(|_| Code::PhotoUnreadable)?;
    let (width, height) = (size.width, size.height);
    if width == 0 || height == 0 {
        return Err(Code::PhotoUnreadable);
    }
    if width.max(height) > MAX_SIDE || width * height > MAX_PIXELS {
        return Err(Code::PhotoTooLarge);
    }
    Ok(format)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of a PNG of this size; nothing here reads further.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut out = vec![0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', 0, 0, 0, 13];
        out.extend_from_slice(b"IHDR");
        out.extend_from_slice(&width.to_be_bytes());
        out.extend_from_slice(&height.to_be_bytes());
        out.extend_from_slice(&[8, 2, 0, 0, 0]);
        out
    }

    /// A JPEG's frame header after the marker of its beginning.
    fn jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8, 0xff, 0xc0, 0, 17, 8];
        out.extend_from_slice(&height.to_be_bytes());
        out.extend_from_slice(&width.to_be_bytes());
        out.extend_from_slice(&[3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1, 0xff, 0xd9]);
        out
    }

    fn webp(width: u32, height: u32) -> Vec<u8> {
        let mut out = b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0".to_vec();
        for side in [width - 1, height - 1] {
            out.extend_from_slice(&side.to_le_bytes()[..3]);
        }
        out
    }

    #[test]
    fn one_of_them_sends_one_at_a_time() {
        let (senders, other) = (Senders::default(), ParticipantId::new("c2").unwrap());
        let c1 = (LessonId::new("math").unwrap(), ParticipantId::new("c1").unwrap());
        let turn = Turn::of(&senders, c1.clone());
        assert!(turn.is_some() && Turn::of(&senders, c1.clone()).is_none());
        assert!(Turn::of(&senders, (c1.0.clone(), other)).is_some(), "others are not kept waiting");
        drop(turn);
        assert!(Turn::of(&senders, c1).is_some(), "and then the next");
    }

    #[tokio::test]
    async fn all_who_fetch_a_photo_share_its_bytes() {
        let data = tempfile::tempdir().unwrap();
        let (lesson, photo) = (LessonId::new("math").unwrap(), PhotoId::new("p1").unwrap());
        let files = Arc::new(Photos::open(data.path()));
        files.write(&lesson, &photo, PhotoFormat::Png, b"bytes").unwrap();
        let desk = Desk::new(Arc::clone(&files));
        let read = || async { desk.read(&lesson, photo.clone()).await.unwrap().unwrap().1 };
        let (first, second) = (read().await, read().await);
        assert!(Arc::ptr_eq(&first, &second));
        let kept = Arc::downgrade(&first);
        drop((first, second));
        assert!(kept.upgrade().is_none(), "kept for nobody");
        assert_eq!(&*read().await, b"bytes");
        files.remove(&lesson, &photo);
        assert!(desk.read(&lesson, PhotoId::new("p2").unwrap()).await.unwrap().is_none());
    }

    #[test]
    fn what_it_is_and_how_large_is_read_from_its_bytes() {
        for (what, bytes, expected) in [
            ("a PNG", png(1920, 1080), Ok(PhotoFormat::Png)),
            ("a JPEG", jpeg(4032, 3024), Ok(PhotoFormat::Jpeg)),
            ("a WebP", webp(800, 600), Ok(PhotoFormat::Webp)),
            ("the largest", png(4096, 4096), Ok(PhotoFormat::Png)),
            ("too wide", png(4097, 10), Err(Code::PhotoTooLarge)),
            ("a bomb", png(0x7fff_ffff, 0x7fff_ffff), Err(Code::PhotoTooLarge)),
            ("no height", png(10, 0), Err(Code::PhotoUnreadable)),
            ("nothing", Vec::new(), Err(Code::PhotoUnreadable)),
            ("a page", b"<html><script>alert(1)</script>".to_vec(), Err(Code::PhotoUnreadable)),
            ("a GIF", b"GIF89a\x10\0\x10\0\0\0\0".to_vec(), Err(Code::PhotoUnreadable)),
            ("a drawing", b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec(), Err(Code::PhotoUnreadable)),
        ] {
            assert_eq!(look_at(&bytes), expected, "{what}");
        }
    }

    #[test]
    fn cut_off_and_flipped_bytes_never_panic() {
        for whole in [png(640, 480), jpeg(640, 480), webp(640, 480)] {
            for cut in 0..whole.len() {
                let _ = look_at(&whole[..cut]);
            }
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut bad = whole.clone();
                    bad[at] ^= 1 << bit;
                    let _ = look_at(&bad);
                }
            }
        }
    }
}
