//! The only code that knows the `rtc-*` crates: one file for each; `twcc` alone needs none.
//!
//! `ice` answers connectivity checks (rtc-stun), `dtls` does the handshake (rtc-dtls) after `hello`
//! has looked at its first message, `srtp` seals and opens packets (rtc-srtp and rtc-crypto), `sdp`
//! reads offers (rtc-sdp), `rtcp` reads and writes reports (rtc-rtcp). Each can be replaced behind
//! its file.

pub mod dtls;
mod hello;
pub mod ice;
pub mod rtcp;
pub mod sdp;
pub mod srtp;
pub mod twcc;

use std::sync::Arc;

pub(crate) use rtc_crypto::{RTCCrypto as Crypto, RTCCryptoProvider as CryptoProvider};

/// The process's cryptography; made once and shared.
pub fn crypto_provider() -> Result<Arc<dyn CryptoProvider>, rtc_crypto::CryptoError> {
    rtc_crypto::default_provider()
}
