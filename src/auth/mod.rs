//! Who somebody is (`tokens`) and what they may do (`permissions`); what they prove to a TURN server
//! (`turn`).
//!
//! A token is the only proof of identity: signed by this server or by the district's platform with
//! the same secret. It names the lesson, the role and the participant; nothing else is asked.

use std::path::Path;

use serde::{Deserialize, Serialize};

pub mod permissions;
pub mod secret;
pub mod tokens;
pub mod turn;

pub use secret::Secret;
pub use tokens::{Claims, TokenError, Tokens};

/// `[auth]` of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    pub token_secret: Secret,
    pub leeway_seconds: u64,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self { token_secret: Secret::default(), leeway_seconds: 30 }
    }
}

impl AuthConfig {
    /// What is wrong with it, one sentence each.
    pub fn check(&self, problems: &mut Vec<String>) {
        if !self.token_secret.is_empty() && self.token_secret.expose().len() < secret::MIN_LENGTH {
            problems.push(format!(
                "auth.token_secret must have at least {} characters, or be empty to be generated",
                secret::MIN_LENGTH
            ));
        }
        if self.leeway_seconds > 300 {
            problems.push("auth.leeway_seconds must be at most 300".into());
        }
    }

    /// The signer and checker of tokens, with the configured secret or the one kept in `data`.
    pub fn tokens(&self, data: &Path) -> std::io::Result<Tokens> {
        let secret = if self.token_secret.is_empty() {
            secret::load_or_create(&data.join("token_secret"))?
        } else {
            self.token_secret.clone()
        };
        Ok(Tokens::new(&secret, self.leeway_seconds))
    }
}
