//! STUN and TURN servers that clients are told of, those of TURN with credentials that end by themselves.
//!
//! The server and its TURN server share a secret; the user name is when it ends and whose it is, and the
//! password its HMAC-SHA1 (draft-uberti-behave-turn-rest-00 §2.2; coturn's `use-auth-secret`). So whoever was
//! in a lesson once cannot use the relay for ever, and its log says whose traffic that was.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::auth::Secret;
use crate::ids::ParticipantId;
use crate::session::message::IceServer;

/// What clients are told. Cheap to clone.
#[derive(Clone, Default)]
pub struct IceServers {
    fixed: Arc<[IceServer]>,
    turn: Option<Arc<Turn>>,
}

/// A TURN server of one's own (or several with one secret).
pub struct Turn {
    /// `turn:` and `turns:` addresses.
    pub urls: Vec<String>,
    pub secret: Secret,
    /// How long credentials can be used to begin. A relay that is in use goes on.
    pub valid: Duration,
    /// Seconds since 1970.
    pub unix_now: fn() -> u64,
}

impl IceServers {
    #[must_use]
    pub fn new(fixed: Arc<[IceServer]>, turn: Option<Turn>) -> Self {
        Self { fixed, turn: turn.map(Arc::new) }
    }

    /// What this participant is told now.
    #[must_use]
    pub fn told_to(&self, participant: &ParticipantId) -> Vec<IceServer> {
        let turn = self.turn.as_ref().map(|turn| turn.told_to(participant));
        self.fixed.iter().cloned().chain(turn).collect()
    }
}

impl Turn {
    fn told_to(&self, participant: &ParticipantId) -> IceServer {
        let username = format!("{}:{participant}", (self.unix_now)() + self.valid.as_secs());
        let credential = password(self.secret.expose(), &username);
        IceServer { urls: self.urls.clone(), username: Some(username), credential: Some(credential) }
    }
}

fn password(secret: &str, username: &str) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length (RFC 2104)");
    mac.update(username.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(secret: &str) -> Turn {
        Turn {
            urls: vec!["turns:relay.example.cn:443?transport=tcp".into()],
            secret: Secret::new(secret.into()),
            valid: Duration::from_secs(3_600),
            unix_now: || 1_800_000_000,
        }
    }

    /// RFC 2202 §3, case 2, in base64.
    #[test]
    fn passwords_are_hmac_sha1() {
        assert_eq!(password("Jefe", "what do ya want for nothing?"), "7/zfauXrL6LSdBbV8YTfnCWafHk=");
    }

    #[test]
    fn each_is_told_credentials_of_its_own_that_end() {
        let stun = IceServer { urls: vec!["stun:box".into()], username: None, credential: None };
        let servers = IceServers::new([stun.clone()].into(), Some(turn("shared")));
        let of = |sub: &str| servers.told_to(&ParticipantId::new(sub).unwrap());
        let (east, west) = (of("east"), of("west"));
        assert_eq!((east.len(), &east[0]), (2, &stun));
        assert_eq!(east[1].username.as_deref(), Some("1800003600:east"));
        assert_eq!(east[1].credential.as_deref(), Some(password("shared", "1800003600:east").as_str()));
        assert_ne!(east[1].credential, west[1].credential);
        let other = IceServers::new(Arc::default(), Some(turn("another")));
        assert_ne!(other.told_to(&ParticipantId::new("east").unwrap())[0].credential, east[1].credential);
        assert!(IceServers::default().told_to(&ParticipantId::new("east").unwrap()).is_empty());
    }
}
