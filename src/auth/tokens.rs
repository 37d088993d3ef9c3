//! Tokens: JWT (RFC 7519), HS256 alone.
//!
//! The library checks the signature and the one algorithm; the claims are checked here, because
//! the rules are stricter than its own: every claim is known, times are whole numbers, the
//! audience is one string. Order matters: nothing is said about a token whose signature is wrong.

use std::collections::HashSet;
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::auth::Secret;
use crate::ids::{LessonId, ParticipantId};
use crate::session::message::{LessonType, Role};

/// The audience of every token of ours.
pub const AUDIENCE: &str = "zhuandi";
/// The longest display name, in characters.
pub const MAX_NAME: usize = 64;
/// The longest token that is looked at; ours have about 400 characters.
const MAX_TOKEN: usize = 4096;

/// What a checked token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub lesson: LessonId,
    pub role: Role,
    pub name: String,
    pub sub: ParticipantId,
    /// Whose people this is: a school, a county.
    pub unit: Option<String>,
    /// What kind of lesson it is, when this one opens it.
    pub lesson_type: Option<LessonType>,
    /// Seconds since 1970 (UTC).
    pub expires: u64,
}

/// Why a token is refused. Codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token was not made for this server")]
    Foreign,
    #[error("this is not a token")]
    Invalid,
}

impl TokenError {
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::Foreign => "token_foreign",
            Self::Invalid => "token_invalid",
        }
    }
}

/// Why a token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error("a name has 1 to {MAX_NAME} characters and no control characters")]
    BadName,
    #[error("signing failed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// The claims on the wire. `iat` is accepted because common issuers always write it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    aud: String,
    exp: u64,
    nbf: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    lesson: LessonId,
    role: Role,
    name: String,
    sub: ParticipantId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lesson_type: Option<LessonType>,
}

/// Makes and checks tokens.
pub struct Tokens {
    sign: EncodingKey,
    check: DecodingKey,
    validation: Validation,
    leeway: u64,
}

impl Tokens {
    #[must_use]
    pub fn new(secret: &Secret, leeway_seconds: u64) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // All claims are checked below.
        validation.required_spec_claims = HashSet::new();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self {
            sign: EncodingKey::from_secret(secret.expose().as_bytes()),
            check: DecodingKey::from_secret(secret.expose().as_bytes()),
            validation,
            leeway: leeway_seconds,
        }
    }

    /// A token that is valid from `now` (seconds since 1970) for `ttl`.
    pub fn issue(
        &self,
        lesson: &LessonId,
        role: Role,
        name: &str,
        sub: &ParticipantId,
        ttl: Duration,
        now: u64,
    ) -> Result<String, IssueError> {
        let (lesson, name, sub) = (lesson.clone(), name.to_owned(), sub.clone());
        let expires = now.saturating_add(ttl.as_secs());
        self.sign(Claims { lesson, role, name, sub, unit: None, lesson_type: None, expires }, now)
    }

    /// A token that says all of this, valid from `now`.
    pub fn sign(&self, claims: Claims, now: u64) -> Result<String, IssueError> {
        let Claims { lesson, role, name, sub, unit, lesson_type, expires: exp } = claims;
        if !is_good_name(&name) || !unit.as_deref().is_none_or(is_good_name) {
            return Err(IssueError::BadName);
        }
        let aud = AUDIENCE.into();
        let wire = Wire { aud, exp, nbf: now, iat: None, lesson, role, name, sub, unit, lesson_type };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &wire, &self.sign)?)
    }

    /// Checks a token at `now` (seconds since 1970).
    pub fn check(&self, token: &str, now: u64) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Invalid);
        }
        let wire = jsonwebtoken::decode::<Wire>(token, &self.check, &self.validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature => TokenError::Foreign,
                _ => TokenError::Invalid,
            })?
            .claims;
        if wire.aud != AUDIENCE {
            return Err(TokenError::Foreign);
        }
        if now > wire.exp.saturating_add(self.leeway) {
            return Err(TokenError::Expired);
        }
        if now.saturating_add(self.leeway) < wire.nbf {
            return Err(TokenError::NotYetValid);
        }
        if !is_good_name(&wire.name) || !wire.unit.as_deref().is_none_or(is_good_name) {
            return Err(TokenError::Invalid);
        }
        let Wire { lesson, role, name, sub, unit, lesson_type, exp: expires, .. } = wire;
        Ok(Claims { lesson, role, name, sub, unit, lesson_type, expires })
    }
}

/// 1 to 64 characters, none of which steers a terminal or hides in a line.
fn is_good_name(name: &str) -> bool {
    let shown = !name.trim().is_empty() && !name.chars().any(char::is_control);
    shown && name.chars().count() <= MAX_NAME
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NOW: u64 = 1_800_000_000;
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn tokens() -> Tokens {
        Tokens::new(&Secret::new(SECRET.into()), 30)
    }

    fn good() -> Value {
        json!({ "aud": "zhuandi", "exp": NOW + 60, "nbf": NOW - 60, "lesson": "demo",
                "role": "receiver", "name": "东片小学 四(1)", "sub": "c1" })
    }

    fn signed(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).unwrap()
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = good();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    #[test]
    fn what_is_issued_is_accepted() {
        let (lesson, sub) = (LessonId::new("demo").unwrap(), ParticipantId::new("c1").unwrap());
        let ttl = Duration::from_secs(60);
        let token = tokens().issue(&lesson, Role::Lead, "老师", &sub, ttl, NOW).unwrap();
        let claims = tokens().check(&token, NOW + 59).unwrap();
        assert_eq!((claims.role, claims.name.as_str(), claims.sub), (Role::Lead, "老师", sub));
        assert_eq!(tokens().check(&token, NOW + 91), Err(TokenError::Expired));
    }

    #[test]
    fn a_name_that_would_be_refused_is_not_signed() {
        let (lesson, sub) = (LessonId::new("demo").unwrap(), ParticipantId::new("c1").unwrap());
        let long = "课".repeat(MAX_NAME + 1);
        let made = tokens().issue(&lesson, Role::Lead, &long, &sub, Duration::from_secs(60), NOW);
        assert!(matches!(made, Err(IssueError::BadName)));
    }

    #[test]
    fn bad_tokens_each_with_their_code() {
        let ours = |claims: &Value| signed(claims, Algorithm::HS256, SECRET);
        let none = {
            // {"alg":"none","typ":"JWT"} and the good claims, without a signature.
            let good = ours(&good());
            let claims = good.split('.').nth(1).unwrap().to_owned();
            format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{claims}.")
        };
        let table: Vec<(&str, String, &str)> = vec![
            ("empty", String::new(), "token_invalid"),
            ("garbage", "a.b.c".into(), "token_invalid"),
            ("huge", "a".repeat(5000), "token_invalid"),
            ("alg none", none, "token_invalid"),
            ("another algorithm", signed(&good(), Algorithm::HS512, SECRET), "token_invalid"),
            ("foreign secret", signed(&good(), Algorithm::HS256, &"x".repeat(32)), "token_foreign"),
            ("foreign audience", ours(&with("aud", json!("other"))), "token_foreign"),
            ("list of audiences", ours(&with("aud", json!(["zhuandi"]))), "token_invalid"),
            ("no audience", ours(&without("aud")), "token_invalid"),
            ("expired", ours(&with("exp", json!(NOW - 31))), "token_expired"),
            ("exp as text", ours(&with("exp", json!((NOW + 60).to_string()))), "token_invalid"),
            ("exp with a fraction", ours(&with("exp", json!(1.8e9 + 60.5))), "token_invalid"),
            ("negative exp", ours(&with("exp", json!(-1))), "token_invalid"),
            ("no exp", ours(&without("exp")), "token_invalid"),
            ("too early", ours(&with("nbf", json!(NOW + 31))), "token_not_yet_valid"),
            ("nbf as text", ours(&with("nbf", json!("0"))), "token_invalid"),
            ("no nbf", ours(&without("nbf")), "token_invalid"),
            ("unknown claim", ours(&with("admin", json!(true))), "token_invalid"),
            ("unknown role", ours(&with("role", json!("root"))), "token_invalid"),
            ("unknown type", ours(&with("lesson_type", json!("party"))), "token_invalid"),
            ("blank unit", ours(&with("unit", json!(" "))), "token_invalid"),
            ("long name", ours(&with("name", json!("课".repeat(65)))), "token_invalid"),
            ("blank name", ours(&with("name", json!("  "))), "token_invalid"),
            ("name with a line break", ours(&with("name", json!("a\nb"))), "token_invalid"),
            ("bad lesson id", ours(&with("lesson", json!("a/b"))), "token_invalid"),
        ];
        for (what, token, code) in table {
            let refused = tokens().check(&token, NOW).expect_err(what);
            assert_eq!(refused.code(), code, "{what}");
        }
        assert!(tokens().check(&ours(&good()), NOW).is_ok());
        assert!(tokens().check(&ours(&with("iat", json!(NOW))), NOW).is_ok());
        let typed = tokens().check(&ours(&with("lesson_type", json!("co_taught"))), NOW).unwrap();
        assert_eq!((typed.lesson_type, typed.unit), (Some(LessonType::CoTaught), None));
        let of_a_unit = tokens().check(&ours(&with("unit", json!("示例县001"))), NOW).unwrap();
        assert_eq!(of_a_unit.unit.as_deref(), Some("示例县001"));
    }
}
