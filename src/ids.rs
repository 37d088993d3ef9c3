//! Newtyped identifiers shared by every layer.
//!
//! Ids that only live while the process runs (`HubId`, `PeerId`, `SourceId`) are numbers from one
//! process-wide counter, so that no two objects of any kind ever share one. Ids that people and
//! other systems know (`LessonId`, `ParticipantId`) are short checked strings.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use ts_rs::TS;

static NEXT: AtomicU64 = AtomicU64::new(1);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
        #[ts(type = "number")]
        pub struct $name(pub u64);

        impl $name {
            /// A new id, unique in this process.
            #[must_use]
            pub fn next() -> Self {
                Self(NEXT.fetch_add(1, Ordering::Relaxed))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// The media side of one lesson on a shard.
    HubId
);
number_id!(
    /// One WebRTC connection.
    PeerId
);
number_id!(
    /// One WebSocket of a participant; a newer one replaces the older.
    ConnectionId
);
number_id!(
    /// One media stream that a peer sends: a microphone, a camera, content.
    SourceId
);

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 64 characters out of A–Z a–z 0–9 . _ - :")]
pub struct BadId;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
        #[serde(try_from = "String", into = "String")]
        #[ts(type = "string")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and wraps an id: 1–64 characters out of `A–Z a–z 0–9 . _ - :`.
            pub fn new(text: &str) -> Result<Self, BadId> {
                let good = |b: u8| b.is_ascii_alphanumeric() || b"._-:".contains(&b);
                if (1..=64).contains(&text.len()) && text.bytes().all(good) {
                    Ok(Self(text.into()))
                } else {
                    Err(BadId)
                }
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A lesson, as timetables, links and tokens name it.
    LessonId
);
text_id!(
    /// A participant of a lesson: the token's `sub`.
    ParticipantId
);
text_id!(
    /// A photo in a lesson; made here, and not to be guessed.
    PhotoId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_are_checked() {
        assert!(LessonId::new("demo").is_ok());
        assert!(LessonId::new("CY-S01:4.1_a").is_ok());
        for bad in ["", "a b", "课", "a/b", &"x".repeat(65)] {
            assert_eq!(LessonId::new(bad), Err(BadId), "{bad:?}");
        }
    }
}
