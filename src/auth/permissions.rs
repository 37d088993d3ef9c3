//! Who may do what: one table of role × right, default deny.
//!
//! Every message of the protocol needs exactly one right (`session::dispatch` maps them), and an
//! offer one more for each kind of source that it sends; WHIP and WHEP are a right each. A pair that the table does not name is
//! forbidden.

use crate::media::negotiate::SourceKind;
use crate::session::message::Role;

/// One thing that somebody may or may not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Take a media connection (offer, ICE restart) and receive on it.
    Connect,
    SendMic,
    SendCamera,
    SendContent,
    SendContentAudio,
    /// Say what one's own page sends and plays.
    OwnState,
    SelectLayer,
    Mute,
    MuteAll,
    Kick,
    StartLesson,
    EndLesson,
    /// Give the floor to a classroom, and take it or a hand away again.
    CallOn,
    ReleaseFloor,
    RaiseHand,
    LowerHand,
    SetMode,
    /// Give the lead away, and take it back.
    HandOverLead,
    /// See who looks on, bring one of them into the lesson, and send one back.
    Promote,
    /// Show a photo to everybody, or put one aside.
    ShowPhoto,
    /// Point at something in the content.
    Point,
    /// Say which page of the wall is looked at.
    ShowWall,
    /// 没听清, 看不清.
    SignalTrouble,
    Headcount,
    /// Ask one's own board to close the room's microphone.
    KeepMic,
    /// Say that one's own loudspeaker gets into one's microphone.
    HearEcho,
    /// Give a phone a token of one's own classroom.
    InviteCompanion,
    /// See all lessons of the server.
    Watch,
    Leave,
    Ping,
    /// Send by WHIP, without a page.
    Publish,
    /// Take by WHEP, each connection as a viewer of its own.
    Play,
    /// The lessons API.
    ManageLessons,
    /// Who was in a lesson: a lead of one's own.
    ReadAttendance,
}

impl Right {
    pub const ALL: [Self; 34] = [
        Self::Connect,
        Self::SendMic,
        Self::SendCamera,
        Self::SendContent,
        Self::SendContentAudio,
        Self::OwnState,
        Self::SelectLayer,
        Self::Mute,
        Self::MuteAll,
        Self::Kick,
        Self::StartLesson,
        Self::EndLesson,
        Self::CallOn,
        Self::ReleaseFloor,
        Self::RaiseHand,
        Self::LowerHand,
        Self::SetMode,
        Self::HandOverLead,
        Self::Promote,
        Self::ShowPhoto,
        Self::Point,
        Self::ShowWall,
        Self::SignalTrouble,
        Self::Headcount,
        Self::KeepMic,
        Self::HearEcho,
        Self::InviteCompanion,
        Self::Watch,
        Self::Leave,
        Self::Ping,
        Self::Publish,
        Self::Play,
        Self::ManageLessons,
        Self::ReadAttendance,
    ];

    /// The right to send this kind of source.
    #[must_use]
    pub fn to_send(kind: SourceKind) -> Self {
        match kind {
            SourceKind::Mic => Self::SendMic,
            SourceKind::Camera => Self::SendCamera,
            SourceKind::Content => Self::SendContent,
            SourceKind::ContentAudio => Self::SendContentAudio,
        }
    }
}

/// The table.
const ALLOWED: &[(Role, &[Right])] = &[
    (
        Role::Lead,
        &[
            Right::Connect,
            Right::SendMic,
            Right::SendCamera,
            Right::SendContent,
            Right::SendContentAudio,
            Right::OwnState,
            Right::SelectLayer,
            Right::Mute,
            Right::MuteAll,
            Right::Kick,
            Right::StartLesson,
            Right::EndLesson,
            Right::CallOn,
            Right::ReleaseFloor,
            Right::LowerHand,
            Right::SetMode,
            Right::HandOverLead,
            Right::Promote,
            Right::ShowPhoto,
            Right::Point,
            Right::ShowWall,
            Right::Leave,
            Right::Ping,
            Right::Publish,
            Right::ReadAttendance,
        ],
    ),
    (
        Role::Receiver,
        &[
            Right::Connect,
            Right::SendMic,
            Right::SendCamera,
            Right::OwnState,
            Right::SelectLayer,
            Right::ReleaseFloor,
            Right::RaiseHand,
            Right::LowerHand,
            Right::SignalTrouble,
            Right::Headcount,
            Right::HearEcho,
            Right::InviteCompanion,
            Right::Leave,
            Right::Ping,
            Right::Publish,
            Right::Play,
        ],
    ),
    // Nothing of an observer is sent to anybody.
    (
        Role::Observer,
        &[Right::Connect, Right::OwnState, Right::SelectLayer, Right::Leave, Right::Ping, Right::Play],
    ),
    // An administrator has no seat and no media, but can end what goes wrong.
    (
        Role::Admin,
        &[
            Right::Mute,
            Right::MuteAll,
            Right::Kick,
            Right::EndLesson,
            Right::Watch,
            Right::Leave,
            Right::Ping,
            Right::ManageLessons,
            Right::ReadAttendance,
        ],
    ),
    // A phone stands for its classroom's people, never for its picture or voice.
    (
        Role::Companion,
        &[
            Right::ReleaseFloor,
            Right::RaiseHand,
            Right::LowerHand,
            Right::SignalTrouble,
            Right::Headcount,
            Right::KeepMic,
            Right::Leave,
            Right::Ping,
        ],
    ),
];

/// What a classroom may besides while it leads (移交主讲): any classroom may teach.
const WHILE_LEADING: &[Right] =
    &[Right::CallOn, Right::SetMode, Right::HandOverLead, Right::Point, Right::ShowWall, Right::MuteAll];

/// Whether the table names this pair.
#[must_use]
pub fn allowed(role: Role, right: Right) -> bool {
    ALLOWED.iter().any(|(r, rights)| *r == role && rights.contains(&right))
}

/// Whether a receiver may do this while it leads, whatever the table says.
#[must_use]
pub fn allowed_to_leading_receiver(right: Right) -> bool {
    WHILE_LEADING.contains(&right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole matrix once more, written as a person would check it: L lead, R receiver,
    /// O observer, A admin, and what a receiver may while it leads (C), beyond R.
    #[test]
    fn the_matrix() {
        let expected = [
            (Right::Connect, "LRO--"),
            (Right::SendMic, "LR---"),
            (Right::SendCamera, "LR---"),
            (Right::SendContent, "L----"),
            (Right::SendContentAudio, "L----"),
            (Right::OwnState, "LRO--"),
            (Right::SelectLayer, "LRO--"),
            (Right::Mute, "L--A-"),
            (Right::MuteAll, "L--AC"),
            (Right::Kick, "L--A-"),
            (Right::StartLesson, "L----"),
            (Right::EndLesson, "L--A-"),
            (Right::CallOn, "L---C"),
            (Right::ReleaseFloor, "LR---"),
            (Right::RaiseHand, "-R---"),
            (Right::LowerHand, "LR---"),
            (Right::SetMode, "L---C"),
            (Right::HandOverLead, "L---C"),
            (Right::Promote, "L----"),
            (Right::ShowPhoto, "L----"),
            (Right::Point, "L---C"),
            (Right::ShowWall, "L---C"),
            (Right::SignalTrouble, "-R---"),
            (Right::Headcount, "-R---"),
            (Right::KeepMic, "-----"),
            (Right::HearEcho, "-R---"),
            (Right::InviteCompanion, "-R---"),
            (Right::Watch, "---A-"),
            (Right::Leave, "LROA-"),
            (Right::Ping, "LROA-"),
            (Right::Publish, "LR---"),
            (Right::Play, "-RO--"),
            (Right::ManageLessons, "---A-"),
            (Right::ReadAttendance, "L--A-"),
        ];
        assert_eq!(expected.map(|(right, _)| right), Right::ALL, "every right has its row");
        let roles = [Role::Lead, Role::Receiver, Role::Observer, Role::Admin];
        for (right, row) in expected {
            for (role, mark) in roles.into_iter().zip(row.chars()) {
                assert_eq!(allowed(role, right), mark != '-', "{role:?} × {right:?}");
            }
            assert_eq!(allowed_to_leading_receiver(right), row.ends_with('C'), "leading × {right:?}");
        }
    }

    /// Default deny: a phone that was lost opens neither media nor anybody else's microphone.
    #[test]
    fn a_companion_may_little() {
        let may: Vec<_> = Right::ALL.into_iter().filter(|right| allowed(Role::Companion, *right)).collect();
        let expected = [
            Right::ReleaseFloor,
            Right::RaiseHand,
            Right::LowerHand,
            Right::SignalTrouble,
            Right::Headcount,
            Right::KeepMic,
            Right::Leave,
            Right::Ping,
        ];
        assert_eq!(may, expected);
    }
}
