//! The wire protocol as TypeScript: one generated file, `web/src/client/protocol.gen.ts`.
//!
//! The declarations come from the types of `message.rs` through ts-rs, so client and server cannot
//! drift. `cargo test --release export_types` compares the committed file with the generated text
//! and fails on a difference; with `ZHUANDI_WRITE_TYPES=1` it writes the file instead.

use ts_rs::{Config, TS};

use crate::ids::{LessonId, ParticipantId, PeerId, PhotoId, SourceId};
use crate::media::negotiate::{Codec, MediaKind, SourceKind};
use crate::session::message::{
    AudienceInfo, AudienceUnit, ByeReason, ClassroomLink, ClientMessage, Feed, FloorInfo, IceServer, LeadTo,
    LessonInfo, LessonOverview, LessonRules, LessonState, LessonType, LinkCause, LinkChange, LinkState,
    LinkStats, Mode, OwnState, PROTOCOL_VERSION, Participant, ParticipantOverview, PhotoInfo, PhotosInfo,
    Place, Presence, ReceivedStream, Role, ServerMessage, SlotFeed, SlotMid, SlotPlan, SourceState, Speaker,
    StageLayout, TrackIntent, Trouble, Viewer,
};

/// The whole generated file.
#[must_use]
pub fn typescript() -> String {
    let mut out = String::from(
        "// Generated from src/session/message.rs; do not edit.\n\
         // Write anew: ZHUANDI_WRITE_TYPES=1 cargo test --release export_types\n\n",
    );
    out.push_str(&format!("export const PROTOCOL_VERSION = {PROTOCOL_VERSION};\n"));
    let config = Config::new().with_large_int("number");
    macro_rules! declare {
        ($($ty:ty),* $(,)?) => {
            $(
                out.push('\n');
                if let Some(docs) = <$ty as TS>::docs() {
                    out.push_str(&docs);
                }
                out.push_str("export ");
                // One variant of a union on each line, so that differences read well.
                out.push_str(&<$ty as TS>::decl(&config).replace("} | {", "}\n  | {"));
                out.push('\n');
            )*
        };
    }
    declare!(
        LessonId,
        ParticipantId,
        PeerId,
        PhotoId,
        SourceId,
        SourceKind,
        MediaKind,
        Codec,
        Role,
        ClientMessage,
        TrackIntent,
        OwnState,
        ServerMessage,
        ByeReason,
        LessonState,
        LessonInfo,
        LessonType,
        LessonRules,
        LeadTo,
        StageLayout,
        Mode,
        FloorInfo,
        Speaker,
        Trouble,
        AudienceInfo,
        AudienceUnit,
        Viewer,
        PhotosInfo,
        PhotoInfo,
        Place,
        Presence,
        Participant,
        SourceState,
        SlotPlan,
        SlotMid,
        SlotFeed,
        Feed,
        IceServer,
        LinkStats,
        LinkState,
        LinkCause,
        ClassroomLink,
        LinkChange,
        LessonOverview,
        ParticipantOverview,
        ReceivedStream,
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/src/client/protocol.gen.ts");

    #[test]
    fn export_types() {
        let generated = typescript();
        if std::env::var_os("ZHUANDI_WRITE_TYPES").is_some() {
            std::fs::write(FILE, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(FILE).unwrap_or_default();
        assert!(
            committed == generated,
            "{FILE} is not what the server speaks; run ZHUANDI_WRITE_TYPES=1 cargo test --release export_types"
        );
    }
}
