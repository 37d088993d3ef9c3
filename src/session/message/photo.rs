//! Still photos on the wire, and the pointer on them: what is shown to everybody, what waits for the
//! lead's word, and where she points.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ids::{ParticipantId, PhotoId};

/// The photos that a page knows of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PhotosInfo {
    /// Stands in the place of content until it is taken away.
    pub shown: Option<PhotoInfo>,
    /// For leads: what classrooms sent and nobody has decided about, the oldest first.
    pub waiting: Vec<PhotoInfo>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PhotoInfo {
    pub id: PhotoId,
    /// Path on this server; fetched with the token as `Authorization: Bearer`.
    pub url: String,
    pub from: ParticipantId,
    /// Who sent it, by name.
    pub name: String,
}

/// A place in the content or photo, in parts of its width and height from the upper left, 0–1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub x: f32,
    pub y: f32,
}
