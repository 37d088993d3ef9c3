//! Every error that a page or an API client can get: stable code, what happened, what to do.
//!
//! One table for both languages and both ways out (WebSocket and HTTP), so that the same trouble
//! reads the same everywhere. Codes never change; texts may. Lower modules have their own small
//! error enums; they are mapped to a code here and nowhere else.

use crate::auth::TokenError;
use crate::lesson::LessonError;
use crate::session::message::ServerMessage;

/// Language of texts that people read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    ZhCn,
    En,
}

impl Language {
    /// From a tag or an `Accept-Language` header: English only when it comes first.
    #[must_use]
    pub fn from_tag(tag: &str) -> Self {
        let first = tag.trim_start().get(..2).unwrap_or_default();
        if first.eq_ignore_ascii_case("en") { Self::En } else { Self::ZhCn }
    }
}

/// A text in every language.
struct Text {
    zh: &'static str,
    en: &'static str,
}

impl Text {
    fn get(&self, language: Language) -> &'static str {
        match language {
            Language::ZhCn => self.zh,
            Language::En => self.en,
        }
    }
}

macro_rules! codes {
    ($($name:ident, $code:literal, $fatal:literal, $zh:literal, $zh_hint:literal, $en:literal, $en_hint:literal;)*) => {
        /// One kind of trouble.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($name),* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable code.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The connection ends with it, and the page does not come back by itself.
            #[must_use]
            pub fn is_fatal(self) -> bool {
                match self { $(Self::$name => $fatal),* }
            }

            /// What happened.
            #[must_use]
            pub fn message(self, language: Language) -> &'static str {
                match self { $(Self::$name => Text { zh: $zh, en: $en }.get(language)),* }
            }

            /// What to do.
            #[must_use]
            pub fn hint(self, language: Language) -> &'static str {
                match self { $(Self::$name => Text { zh: $zh_hint, en: $en_hint }.get(language)),* }
            }
        }
    };
}

codes! {
    TokenExpired, "token_expired", true,
        "进入课堂的链接已过期。", "请向管理员要一个新的链接。",
        "The link to this lesson has expired.", "Ask the administrator for a new link.";
    TokenNotYetValid, "token_not_yet_valid", true,
        "进入课堂的链接还没有到可用时间。", "请到上课时间再打开；如果时间已到，请检查这台电脑的时钟。",
        "The link to this lesson is not valid yet.", "Open it at lesson time; if it is time, check the clock of this computer.";
    TokenForeign, "token_foreign", true,
        "这个链接不是本平台发出的。", "请检查链接是否完整，或向管理员要一个新的链接。",
        "This link was not made for this server.", "Check that the link is complete, or ask the administrator for a new one.";
    TokenInvalid, "token_invalid", true,
        "进入课堂的链接不完整或已损坏。", "请重新复制完整的链接。",
        "The link to this lesson is incomplete or damaged.", "Copy the whole link again.";
    TokenMissing, "token_missing", true,
        "没有提供进入凭证。", "请从管理员发的链接打开。",
        "No token was given.", "Open the link that the administrator sent.";
    Forbidden, "forbidden", false,
        "您的身份不能进行这个操作。", "如需要，请联系主讲教师或管理员。",
        "Your role may not do this.", "If you need it, ask the lead teacher or the administrator.";
    LessonEnded, "lesson_ended", true,
        "这节课已经下课。", "请打开下一节课的链接。",
        "This lesson has ended.", "Open the link of the next lesson.";
    LessonExists, "lesson_exists", false,
        "已有相同编号的课。", "请换一个编号。",
        "A lesson with this id exists.", "Choose another id.";
    UnknownLesson, "unknown_lesson", false,
        "没有找到这节课。", "请检查课的编号。",
        "There is no such lesson.", "Check the lesson's id.";
    LessonFull, "lesson_full", true,
        "课堂人数已满。", "请稍后再试，或联系管理员。",
        "The lesson is full.", "Try again later, or ask the administrator.";
    Kicked, "kicked", true,
        "主讲老师已把这里移出了这节课。", "这节课不能再进入；如果是误操作，请联系主讲老师或管理员。",
        "The lead teacher removed this participant from the lesson.", "It cannot be entered again; if that was a mistake, call the teacher or the administrator.";
    NotLive, "not_live", false,
        "还没有上课。", "上课以后再试。",
        "The lesson has not begun.", "Try again when it has.";
    NotInThisLesson, "not_in_this_lesson", false,
        "这类课不支持这个操作。", "如需要，请换一种课型重新开课。",
        "This type of lesson does not allow that.", "If you need it, hold the lesson as another type.";
    UnknownParticipant, "unknown_participant", false,
        "这个教室已不在课堂里。", "名单更新后再试。",
        "This participant is not in the lesson.", "Try again when the list has been updated.";
    UnknownSlot, "unknown_slot", false,
        "这一路画面不存在。", "请刷新页面。",
        "There is no such picture or media connection.", "Reload the page.";
    UnsupportedVersion, "unsupported_version", true,
        "页面版本与服务器不一致。", "请刷新页面。",
        "The page and the server speak different versions.", "Reload the page.";
    BadMessage, "bad_message", false,
        "服务器看不懂页面发来的内容。", "请刷新页面；如果还是这样，请联系管理员。",
        "The server does not understand a message of this page.", "Reload the page; if it happens again, tell the administrator.";
    MessageTooLarge, "message_too_large", true,
        "页面发来的内容太大。", "请刷新页面。",
        "A message of this page is too large.", "Reload the page.";
    JoinFirst, "join_first", true,
        "还没有进入课堂。", "请刷新页面。",
        "The page has not joined a lesson.", "Reload the page.";
    AlreadyJoined, "already_joined", false,
        "已经在课堂里。", "不需要再次进入。",
        "The page has joined already.", "There is no need to join again.";
    JoinTimeout, "join_timeout", false,
        "进入课堂超时。", "网络可能较慢，正在重新连接。",
        "Joining took too long.", "The network may be slow; the page connects again.";
    Silent, "silent", false,
        "连接长时间没有响应。", "正在重新连接；如果一直这样，请检查网络。",
        "The connection was silent for too long.", "The page connects again; if this goes on, check the network.";
    RateLimited, "rate_limited", true,
        "操作太频繁。", "请稍等片刻，再刷新页面。",
        "Too many messages.", "Wait a moment, then reload the page.";
    Replaced, "replaced", true,
        "同一个链接已在别的窗口打开。", "请使用新打开的窗口。",
        "The same link was opened in another window.", "Use the newer window.";
    Busy, "busy", false,
        "服务器正忙。", "请稍后再试。",
        "The server is busy.", "Try again in a moment.";
    BadSdp, "bad_sdp", false,
        "浏览器的音视频请求有误。", "请刷新页面；如果还是这样，请换用新版 Edge 或 Chrome。",
        "The browser's media offer cannot be read.", "Reload the page; if it happens again, use a current Edge or Chrome.";
    SdpTooLarge, "sdp_too_large", false,
        "浏览器的音视频请求太大。", "请刷新页面。",
        "The browser's media offer is too large.", "Reload the page.";
    TooManyMedia, "too_many_media", false,
        "浏览器请求的音视频路数太多。", "请刷新页面。",
        "The browser's media offer has too many streams.", "Reload the page.";
    NoBundle, "no_bundle", false,
        "这个浏览器不支持合并传输。", "请换用新版 Edge、Chrome 或 Firefox。",
        "This browser cannot bundle media.", "Use a current Edge, Chrome or Firefox.";
    NoFingerprint, "no_fingerprint", false,
        "这个浏览器没有提供加密信息。", "请换用新版 Edge、Chrome 或 Firefox。",
        "This browser did not offer encryption.", "Use a current Edge, Chrome or Firefox.";
    NoCodec, "no_codec", false,
        "这个浏览器没有可用的音视频编码。", "请换用新版 Edge、Chrome 或 Firefox。",
        "This browser shares no codec with the server.", "Use a current Edge, Chrome or Firefox.";
    MediaChanged, "media_changed", false,
        "音视频路数在恢复连接时变了。", "请刷新页面。",
        "The media lines changed in an ICE restart.", "Reload the page.";
    WrongOrigin, "wrong_origin", true,
        "这个网页不属于本平台。", "请从平台的网址打开。",
        "This page does not belong to this server.", "Open the page from the server's own address.";
    UnknownPhoto, "unknown_photo", false,
        "这张照片不在了。", "请重新发一张。",
        "This photo is not there any more.", "Send it again.";
    PhotoTooLarge, "photo_too_large", false,
        "照片太大。", "请缩小到长边 4096 像素、6 MB 以内再发。",
        "The photo is too large.", "Make it smaller: 4096 pixels on the longer side and 6 MB at most.";
    PhotoUnreadable, "photo_unreadable", false,
        "这不是能显示的照片。", "请发 JPEG、PNG 或 WebP 格式的照片。",
        "This is not a photo that can be shown.", "Send a JPEG, PNG or WebP.";
    NotFound, "not_found", false,
        "没有这个地址。", "请检查网址。",
        "There is nothing at this address.", "Check the address.";
    MethodNotAllowed, "method_not_allowed", false,
        "这个地址不支持这种请求方式。", "请查看接口文档。",
        "This address does not take this method.", "See the API's documentation.";
    BadRequest, "bad_request", false,
        "请求的内容有误。", "请对照接口文档检查。",
        "The request cannot be read.", "Check it against the API's documentation.";
    BodyTooLarge, "body_too_large", false,
        "请求的内容太大。", "请缩短后再试。",
        "The request is too large.", "Make it shorter.";
    UnsupportedMediaType, "unsupported_media_type", false,
        "请求的内容类型不对。", "请查看接口文档，使用其中写明的 Content-Type。",
        "The request has the wrong content type.", "Use the Content-Type that the API's documentation names.";
    PreconditionRequired, "precondition_required", false,
        "请求缺少 If-Match。", "请带上服务器给出的 ETag；重启 ICE 时用 \"*\"。",
        "The request has no If-Match.", "Send the ETag that the server gave, or \"*\" to restart ICE.";
    PreconditionFailed, "precondition_failed", false,
        "这个连接已经更新，ETag 过期。", "请使用最新的 ETag。",
        "The ETag is of an earlier state of this connection.", "Use the newest ETag.";
    StoreUnavailable, "store_unavailable", false,
        "上课记录暂时读不到。", "请稍后再试；如果一直这样，请联系管理员。",
        "The records cannot be read at the moment.", "Try again later; if it goes on, tell the administrator.";
    RequestTimeout, "request_timeout", false,
        "请求超时。", "请检查网络后再试。",
        "The request took too long.", "Check the network and try again.";
}

impl From<TokenError> for Code {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired => Self::TokenExpired,
            TokenError::NotYetValid => Self::TokenNotYetValid,
            TokenError::Foreign => Self::TokenForeign,
            TokenError::Invalid => Self::TokenInvalid,
        }
    }
}

impl From<&LessonError> for Code {
    fn from(error: &LessonError) -> Self {
        match error {
            LessonError::Ended => Self::LessonEnded,
            LessonError::Exists => Self::LessonExists,
            LessonError::Unknown => Self::UnknownLesson,
            LessonError::Full => Self::LessonFull,
            LessonError::Kicked => Self::Kicked,
            LessonError::Busy => Self::Busy,
            LessonError::NotLive => Self::NotLive,
            LessonError::NotInThisLesson => Self::NotInThisLesson,
            LessonError::UnknownParticipant => Self::UnknownParticipant,
            LessonError::UnknownSlot => Self::UnknownSlot,
            LessonError::UnknownPhoto => Self::UnknownPhoto,
            LessonError::Replaced => Self::Replaced,
            LessonError::Offer(error) => offer_code(error.code()),
        }
    }
}

/// The media plane names its codes itself.
#[must_use]
pub fn offer_code(code: &str) -> Code {
    let offers = [
        Code::SdpTooLarge,
        Code::TooManyMedia,
        Code::NoBundle,
        Code::NoFingerprint,
        Code::NoCodec,
        Code::MediaChanged,
    ];
    offers.into_iter().find(|c| c.as_str() == code).unwrap_or(Code::BadSdp)
}

/// The `error` message for a page.
#[must_use]
pub fn error_message(code: Code, request: Option<u32>, language: Language) -> ServerMessage {
    ServerMessage::Error {
        request,
        code: code.as_str().to_owned(),
        message: code.message(language).to_owned(),
        hint: code.hint(language).to_owned(),
        fatal: code.is_fatal(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_worded_in_both_languages() {
        let mut seen = HashSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code:?} has the code of another");
            for text in [code.message(Language::ZhCn), code.hint(Language::ZhCn)] {
                assert!(text.ends_with('。') && !text.is_ascii(), "{code:?}: {text}");
            }
            for text in [code.message(Language::En), code.hint(Language::En)] {
                assert!(text.ends_with('.') && text.is_ascii(), "{code:?}: {text}");
            }
        }
    }

    #[test]
    fn chinese_unless_english_comes_first() {
        for (tag, expected) in [
            ("", Language::ZhCn),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::ZhCn),
            ("en", Language::En),
            ("EN-gb,zh", Language::En),
            ("课", Language::ZhCn),
        ] {
            assert_eq!(Language::from_tag(tag), expected, "{tag}");
        }
    }
}
