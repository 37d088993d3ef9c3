//! What a lesson notes, and how that stands in the journal.
//!
//! Every record is absolute (never "one more") and names what it is about by an id that was made
//! with it, so that reading one twice changes nothing. Times come in pairs: the wall clock for people
//! and the lesson's own monotonic clock for durations.
//!
//! In the file a record is a length and a CRC-32 (both 32 bits, little endian; the checksum covers
//! the text) and its JSON text. Whatever does not check ends the file: a torn tail is the rule after
//! a power cut.

use serde::{Deserialize, Serialize};

use crate::ids::{LessonId, ParticipantId};
use crate::session::message::Role;
use crate::store::running::Run;

/// Bytes before each record's text.
const HEAD: usize = 8;
/// The largest record: a segment's first one, with all that runs.
const LARGEST: usize = 64 << 20;

/// A random id, unique for good: 64 bits in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    #[must_use]
    pub fn random() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970 by the wall clock.
    pub at: u64,
    /// Milliseconds on the lesson's clock, which only goes forward and stands while the server does.
    pub ms: u64,
}

/// Why somebody was not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Said goodbye.
    Left,
    /// The connection broke.
    Lost,
    Kicked,
    /// The lesson ended.
    Lesson,
    /// The server stopped, or was stopped.
    Server,
}

impl Ended {
    /// As the database has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Lost => "lost",
            Self::Kicked => "kicked",
            Self::Lesson => "lesson",
            Self::Server => "server",
        }
    }
}

/// What happened. Joins and leaves are told by intervals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    Start,
    /// 下课; with the milliseconds that the lesson was live.
    End {
        ran: u64,
    },
    /// Nobody ever began it.
    Abandon,
    Kick,
    Mute,
    Unmute,
    /// Somebody else leads; nobody when there is no `sub`.
    Lead,
    /// A classroom is called on.
    CallOn,
    ReleaseFloor,
    RaiseHand,
    /// 听课 or 评课; which, in the detail.
    Mode,
    /// The lead is handed to `sub`.
    HandOverLead,
    /// 没听清, 看不清; which, in the detail.
    Trouble,
    /// How many are there, in the detail.
    Headcount,
    /// What kind of lesson it is, in the detail.
    Type,
    /// Brought in from the audience, and sent back there.
    Promote,
    Demote,
    /// A photo came from a classroom; a photo of `sub` was shown to everybody.
    PhotoSent,
    PhotoShown,
    /// How sound and picture were, after the lesson; `good` or `poor`, in the detail.
    RateSound,
    RatePicture,
    /// A classroom sends back what it is sent: `muted`, or only `told`.
    Echo,
}

impl Happened {
    /// As the database has it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End { .. } => "end",
            Self::Abandon => "abandon",
            Self::Kick => "kick",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Lead => "lead",
            Self::CallOn => "call_on",
            Self::ReleaseFloor => "release_floor",
            Self::RaiseHand => "raise_hand",
            Self::Mode => "mode",
            Self::HandOverLead => "hand_over_lead",
            Self::Trouble => "trouble",
            Self::Headcount => "headcount",
            Self::Type => "type",
            Self::Promote => "promote",
            Self::Demote => "demote",
            Self::PhotoSent => "photo_sent",
            Self::PhotoShown => "photo_shown",
            Self::RateSound => "rate_sound",
            Self::RatePicture => "rate_picture",
            Self::Echo => "echo",
        }
    }
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Record {
    /// The first of each segment: its id, and all that ran when it was begun.
    Segment { id: Id, runs: Vec<Run> },
    /// A lesson came into being.
    Run { run: Id, lesson: LessonId, title: String, planned: bool, stamp: Stamp },
    /// The newest of several holds.
    Participant { run: Id, sub: ParticipantId, role: Role, name: String },
    /// Somebody is there.
    Opened { run: Id, id: Id, sub: ParticipantId, stamp: Stamp },
    /// …and is not any more.
    Closed { run: Id, id: Id, stamp: Stamp, ended: Ended },
    Event {
        run: Id,
        id: Id,
        stamp: Stamp,
        what: Happened,
        sub: Option<ParticipantId>,
        by: Option<String>,
        detail: Option<String>,
    },
    /// The lesson runs, and whoever was there still is; `ran` is how long it has been live.
    Beat { run: Id, stamp: Stamp, ran: u64 },
}

/// Appends a record as the file has it.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    let text = serde_json::to_vec(record).expect("records hold only strings and numbers");
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(&text).to_le_bytes());
    out.extend_from_slice(&text);
}

/// The first record of these bytes, and how many bytes it took. `None`: there is no whole one.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(Record, usize)> {
    let length = u32::from_le_bytes(*bytes.first_chunk::<4>()?) as usize;
    let sum = u32::from_le_bytes(*bytes.get(4..)?.first_chunk::<4>()?);
    if length > LARGEST {
        return None;
    }
    let text = bytes.get(HEAD..HEAD + length)?;
    if crc32fast::hash(text) != sum {
        return None;
    }
    Some((serde_json::from_slice(text).ok()?, HEAD + length))
}

/// All whole records of these bytes, and how many bytes they took.
#[must_use]
pub fn decode_all(bytes: &[u8]) -> (Vec<Record>, usize) {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some((record, length)) = decode(&bytes[at..]) {
        records.push(record);
        at += length;
    }
    (records, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(ms: u64) -> Record {
        Record::Beat { run: Id("r".into()), stamp: Stamp { at: 1, ms }, ran: 0 }
    }

    #[test]
    fn whatever_is_cut_off_or_flipped_ends_the_file_there() {
        let mut bytes = Vec::new();
        encode(&beat(1), &mut bytes);
        let first = bytes.len();
        encode(&beat(2), &mut bytes);
        assert_eq!(decode_all(&bytes), (vec![beat(1), beat(2)], bytes.len()));
        for cut in first..bytes.len() {
            assert_eq!(decode_all(&bytes[..cut]), (vec![beat(1)], first), "cut at {cut}");
        }
        for at in first..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 0x10;
            assert_eq!(decode_all(&bad).0, [beat(1)], "flipped at {at}");
        }
        // What a file system leaves where nothing was written.
        bytes.truncate(first);
        bytes.extend_from_slice(&[0; 64]);
        assert_eq!(decode_all(&bytes).0, [beat(1)]);
    }
}
