//! What kinds of lessons there are and what each allows: one table, pure.
//!
//! A lesson gets its type where it is made: by the API, by the token of the lead who comes before
//! 上课, or as `lesson.default_type` says. Everything that differs between types stands here; the rest
//! of the server and the pages ask for the rule, never for the type. Where classrooms send nothing,
//! they are part of the audience, and who is brought into the lesson from there is a classroom.

use crate::session::message::{LeadTo, LessonRules, LessonType, Mode, Role, StageLayout};

/// The rules of a type.
#[must_use]
pub fn rules(kind: LessonType) -> LessonRules {
    use LeadTo::{Anybody, Leads};
    use Mode::{Discuss, Listen};
    use StageLayout::{Content, Speaker};
    //                                            mode at 上课, open microphones in a discussion, classrooms
    //                                            send, who may lead, promotes, what is big
    let (mode, most_speaking, classrooms_publish, lead_to, promotes, layout) = match kind {
        // Any classroom may teach; a researcher who looked on may be asked to comment.
        LessonType::Delivery => (Listen, 3, true, Anybody, true, Content),
        // One master teaches all; those who came to learn may be asked.
        LessonType::MasterTeacher => (Listen, 3, true, Leads, true, Content),
        // A school opens its lessons to everybody; nobody is to be seen by strangers.
        LessonType::SchoolOnline => (Listen, 1, false, Leads, false, Content),
        // No permanent lead, and all rooms talk.
        LessonType::CoTaught => (Discuss, 3, true, Anybody, true, Content),
        // Several teachers on stage, many looking on, an expert's comment.
        LessonType::Demo => (Listen, 3, true, Leads, true, Content),
        LessonType::Research => (Discuss, 3, true, Anybody, true, Speaker),
        LessonType::Meeting => (Discuss, 4, true, Anybody, true, Speaker),
        // Everybody watches; a few places may be brought on stage.
        LessonType::Broadcast => (Listen, 1, false, Leads, true, Content),
    };
    LessonRules { mode, most_speaking, classrooms_publish, lead_to, promotes, layout }
}

/// What a token's role comes to in a lesson of these rules.
#[must_use]
pub fn role_in(rules: LessonRules, role: Role, promoted: bool) -> Role {
    match role {
        Role::Receiver if !rules.classrooms_publish && !promoted => Role::Observer,
        Role::Observer if promoted => Role::Receiver,
        role => role,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table once more, as a person of the field would check it: d discussed from the start, open
    /// microphones, c classrooms send, a any classroom may lead, p promotes, s speakers are big.
    #[test]
    fn what_each_type_allows() {
        let expected = [
            (LessonType::Delivery, "3 c a p"),
            (LessonType::MasterTeacher, "3 c p"),
            (LessonType::SchoolOnline, "1"),
            (LessonType::CoTaught, "d 3 c a p"),
            (LessonType::Demo, "3 c p"),
            (LessonType::Research, "d 3 c a p s"),
            (LessonType::Meeting, "d 4 c a p s"),
            (LessonType::Broadcast, "1 p"),
        ];
        for (kind, words) in expected {
            let found = rules(kind);
            let mark = |is: bool, word: &'static str| is.then_some(word.to_owned());
            let told: Vec<String> = [
                mark(found.mode == Mode::Discuss, "d"),
                Some(found.most_speaking.to_string()),
                mark(found.classrooms_publish, "c"),
                mark(found.lead_to == LeadTo::Anybody, "a"),
                mark(found.promotes, "p"),
                mark(found.layout == StageLayout::Speaker, "s"),
            ]
            .into_iter()
            .flatten()
            .collect();
            assert_eq!(told.join(" "), words, "{kind:?}");
            assert!(found.mode == Mode::Listen || found.most_speaking > 1, "{kind:?}: a discussion of one");
            assert!(found.classrooms_publish || found.lead_to == LeadTo::Leads, "{kind:?}: who would lead");
            assert!((1..=4).contains(&found.most_speaking), "{kind:?}: pages have four slots for voices");
        }
    }

    #[test]
    fn what_a_role_comes_to() {
        use Role::{Admin, Lead, Observer, Receiver};
        // Token's role; in a 专递课堂, promoted there; in a 直播, promoted there.
        let expected = [
            (Lead, Lead, Lead, Lead, Lead),
            (Receiver, Receiver, Receiver, Observer, Receiver),
            (Observer, Observer, Receiver, Observer, Receiver),
            (Admin, Admin, Admin, Admin, Admin),
        ];
        let (delivery, broadcast) = (rules(LessonType::Delivery), rules(LessonType::Broadcast));
        for (role, plain, promoted, watching, on_stage) in expected {
            assert_eq!(role_in(delivery, role, false), plain, "{role:?}");
            assert_eq!(role_in(delivery, role, true), promoted, "{role:?}");
            assert_eq!(role_in(broadcast, role, false), watching, "{role:?}");
            assert_eq!(role_in(broadcast, role, true), on_stage, "{role:?}");
        }
    }
}
