//! ICE-lite responder (RFC 8445 §2.5) on rtc-stun.
//!
//! A peer is known by the user fragment that its answer carried. Every check that proves the
//! password is answered at once; the latest authenticated USE-CANDIDATE wins and moves the media,
//! which is all that NAT rebinding or a change of network needs. There is no pair state and no
//! timer: liveness is the time of the last authenticated check (RFC 7675). What is not
//! authenticated gets no reply and leaves no trace.

use std::net::SocketAddr;

use rand::RngExt;
use rtc_stun::attributes::{
    ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_MESSAGE_INTEGRITY, ATTR_USE_CANDIDATE, ATTR_USERNAME,
    AttrType,
};
use rtc_stun::error_code::{CODE_ROLE_CONFLICT, ErrorCodeAttribute};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Getter, Message, Setter, TransactionId,
};
use rtc_stun::textattrs::Username;
use rtc_stun::xoraddr::XorMappedAddress;

use super::Crypto;

/// Longest binding request that is looked at: far above what browsers send (about 150 bytes).
const MAX_REQUEST: usize = 512;

/// User fragment and password of one side (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

impl IceCredentials {
    /// Fresh local credentials: 48 bits of user fragment (it is the demultiplexing key) and
    /// 144 bits of password.
    #[must_use]
    pub fn generate() -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut rng = rand::rng();
        let mut text =
            |n: usize| -> String { (0..n).map(|_| char::from(ALPHABET[rng.random_range(0..64)])).collect() };
        Self { ufrag: text(8), pwd: text(24) }
    }
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// A binding request that parses and names a user fragment, not yet believed.
pub struct BindingRequest {
    message: Message,
    username: String,
}

/// What an authenticated check asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The path works.
    Probe,
    /// Send media here from now on.
    Nominate,
    /// The client thinks it is the controlled side; answered with 487.
    RoleConflict,
}

impl BindingRequest {
    /// Takes a datagram whose first byte is 0–3. `None`: not a binding request for us.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        if datagram.len() > MAX_REQUEST {
            return None;
        }
        let mut message = Message { raw: datagram.to_vec(), ..Message::default() };
        message.decode().ok()?;
        if message.typ != BINDING_REQUEST {
            return None;
        }
        let mut username = Username::new(ATTR_USERNAME, String::new());
        username.get_from(&message).ok()?;
        Some(Self { message, username: username.text })
    }

    /// Our user fragment, as the client names it.
    #[must_use]
    pub fn local_ufrag(&self) -> &str {
        self.username.split(':').next().unwrap_or_default()
    }

    /// Checks USERNAME, MESSAGE-INTEGRITY and, where present, FINGERPRINT. Attributes that stand
    /// behind MESSAGE-INTEGRITY are not covered by it and count for nothing (RFC 8489 §14.5), so a
    /// USERNAME there is none.
    #[must_use]
    pub fn authenticate(
        &mut self,
        local: &IceCredentials,
        remote: &IceCredentials,
        crypto: &dyn Crypto,
    ) -> Option<Check> {
        let (ours, theirs) = self.username.split_once(':')?;
        if ours != local.ufrag || theirs != remote.ufrag || !self.protected(ATTR_USERNAME) {
            return None;
        }
        MessageIntegrity::check(&mut self.message, local.pwd.as_bytes(), crypto).ok()?;
        if self.message.contains(rtc_stun::attributes::ATTR_FINGERPRINT) {
            FINGERPRINT.check(&self.message).ok()?;
        }
        Some(if self.protected(ATTR_ICE_CONTROLLED) {
            Check::RoleConflict
        } else if self.protected(ATTR_USE_CANDIDATE) {
            Check::Nominate
        } else {
            Check::Probe
        })
    }

    fn protected(&self, wanted: AttrType) -> bool {
        self.message
            .attributes
            .0
            .iter()
            .take_while(|a| a.typ != ATTR_MESSAGE_INTEGRITY)
            .any(|a| a.typ == wanted)
    }

    /// The success response for an authenticated check from `from`.
    #[must_use]
    pub fn success(&self, from: SocketAddr, local: &IceCredentials, crypto: &dyn Crypto) -> Vec<u8> {
        let address = XorMappedAddress { ip: from.ip(), port: from.port() };
        self.reply(&[Box::new(BINDING_SUCCESS), Box::new(address)], local, crypto)
    }

    /// 487: we are lite and so always controlled (RFC 8445 §7.3.1.1).
    #[must_use]
    pub fn role_conflict(&self, local: &IceCredentials, crypto: &dyn Crypto) -> Vec<u8> {
        let error = ErrorCodeAttribute { code: CODE_ROLE_CONFLICT, reason: b"Role Conflict".to_vec() };
        self.reply(&[Box::new(BINDING_ERROR), Box::new(error)], local, crypto)
    }

    fn reply(&self, head: &[Box<dyn Setter + '_>], local: &IceCredentials, crypto: &dyn Crypto) -> Vec<u8> {
        let mut out = Message::new();
        let id: Box<dyn Setter> = Box::new(TransactionId(self.message.transaction_id.0));
        let tail: [Box<dyn Setter + '_>; 2] = [
            Box::new(MessageIntegrity::new_short_term_integrity_with_provider(local.pwd.clone(), crypto)),
            Box::new(FINGERPRINT),
        ];
        let built = id
            .add_to(&mut out)
            .and_then(|()| head.iter().try_for_each(|s| s.add_to(&mut out)))
            .and_then(|()| {
                out.write_header();
                tail.iter().try_for_each(|s| s.add_to(&mut out))
            });
        match built {
            Ok(()) => out.raw,
            // Only a missing HMAC could fail here; no reply is the safe answer.
            Err(_) => Vec::new(),
        }
    }
}

/// Checks that were believed lately. Whoever captures one can send it again from anywhere, and it is
/// authentic: it is answered, as a repeated request has to be (RFC 8489 §6.3.1), but moves nothing.
///
/// Only the last ones are kept: browsers check every 2.5–6 s, so what is older than these is a minute
/// old, and the client's next nomination undoes what it moved.
#[derive(Default)]
pub struct RecentChecks {
    ids: [[u8; 12]; RECENT],
    noted: usize,
}

/// Transaction ids kept for each peer.
const RECENT: usize = 16;

impl RecentChecks {
    /// Notes an authenticated check. `false`: it is known already.
    pub fn note(&mut self, request: &BindingRequest) -> bool {
        let id = request.message.transaction_id.0;
        if self.ids[..self.noted.min(RECENT)].contains(&id) {
            return false;
        }
        self.ids[self.noted % RECENT] = id;
        self.noted += 1;
        true
    }
}

/// The client's side, for synthetic participants: a check that nominates its path at once.
#[must_use]
pub fn nominating_check(ours: &IceCredentials, theirs: &IceCredentials, crypto: &dyn Crypto) -> Vec<u8> {
    let mut m = Message::new();
    if m.new_transaction_id().is_err() {
        return Vec::new();
    }
    m.set_type(BINDING_REQUEST);
    m.write_header();
    let name = format!("{}:{}", theirs.ufrag, ours.ufrag);
    let named = Username::new(ATTR_USERNAME, name).add_to(&mut m);
    m.add(ATTR_ICE_CONTROLLING, &[1; 8]);
    m.add(ATTR_USE_CANDIDATE, &[]);
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(theirs.pwd.clone(), crypto);
    let built = named.and_then(|()| integrity.add_to(&mut m)).and_then(|()| FINGERPRINT.add_to(&mut m));
    built.map_or_else(|_| Vec::new(), |()| m.raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::transport::crypto_provider;

    fn credentials(n: &str) -> IceCredentials {
        IceCredentials { ufrag: format!("ufrag{n}"), pwd: format!("password-of-side-{n}") }
    }

    fn request(attributes: &[AttrType], pwd: &str, behind: &[AttrType]) -> Vec<u8> {
        let provider = crypto_provider().unwrap();
        let mut m = Message::new();
        m.new_transaction_id().unwrap();
        m.set_type(BINDING_REQUEST);
        m.write_header();
        Username::new(ATTR_USERNAME, "ufragL:ufragR".into()).add_to(&mut m).unwrap();
        for a in attributes {
            let empty = *a == ATTR_USE_CANDIDATE;
            m.add(*a, if empty { &[] } else { &[0; 8] });
        }
        MessageIntegrity::new_short_term_integrity_with_provider(pwd.into(), provider.crypto())
            .add_to(&mut m)
            .unwrap();
        for a in behind {
            m.add(*a, &[]);
        }
        FINGERPRINT.add_to(&mut m).unwrap();
        m.raw
    }

    fn check(datagram: &[u8]) -> Option<Check> {
        let provider = crypto_provider().unwrap();
        BindingRequest::parse(datagram)?.authenticate(&credentials("L"), &credentials("R"), provider.crypto())
    }

    #[test]
    fn authenticated_checks_say_what_they_want() {
        let pwd = credentials("L").pwd;
        let controlling = ATTR_ICE_CONTROLLING;
        assert_eq!(check(&request(&[controlling], &pwd, &[])), Some(Check::Probe));
        assert_eq!(check(&request(&[controlling, ATTR_USE_CANDIDATE], &pwd, &[])), Some(Check::Nominate));
        assert_eq!(check(&request(&[ATTR_ICE_CONTROLLED], &pwd, &[])), Some(Check::RoleConflict));
    }

    #[test]
    fn what_stands_behind_the_integrity_counts_for_nothing() {
        let pwd = credentials("L").pwd;
        assert_eq!(check(&request(&[], &pwd, &[ATTR_USE_CANDIDATE])), Some(Check::Probe));
    }

    #[test]
    fn a_name_that_stands_behind_the_integrity_is_none() {
        let provider = crypto_provider().unwrap();
        let name = || Username::new(ATTR_USERNAME, "ufragL:ufragR".into());
        let mut m = Message::new();
        m.new_transaction_id().unwrap();
        m.set_type(BINDING_REQUEST);
        m.write_header();
        let pwd = credentials("L").pwd;
        let integrity = MessageIntegrity::new_short_term_integrity_with_provider(pwd, provider.crypto());
        m.add(ATTR_USE_CANDIDATE, &[]);
        integrity.add_to(&mut m).unwrap();
        name().add_to(&mut m).unwrap();
        FINGERPRINT.add_to(&mut m).unwrap();
        assert!(BindingRequest::parse(&m.raw).is_some());
        assert_eq!(check(&m.raw), None);
    }

    #[test]
    fn a_repeated_check_is_known_for_a_while() {
        let new = || BindingRequest::parse(&request(&[], &credentials("L").pwd, &[])).unwrap();
        let mut recent = RecentChecks::default();
        let all: Vec<_> = (0..=RECENT).map(|_| new()).collect();
        for check in &all[..RECENT] {
            assert!(recent.note(check));
            assert!(!recent.note(check));
        }
        assert!(!recent.note(&all[0]));
        assert!(recent.note(&all[RECENT]));
        assert!(recent.note(&all[0]), "the oldest is forgotten");
    }

    #[test]
    fn wrong_password_and_mutations_are_refused() {
        assert_eq!(check(&request(&[], "another password", &[])), None);
        let good = request(&[ATTR_USE_CANDIDATE], &credentials("L").pwd, &[]);
        // Everything up to the integrity's last byte is covered, and so is the fingerprint's
        // value; only the fingerprint's own head may be made into something unknown.
        let head_of_fingerprint = good.len() - 8..good.len() - 4;
        for i in (0..good.len()).filter(|i| !head_of_fingerprint.contains(i)) {
            let mut bad = good.clone();
            bad[i] ^= 0x40;
            assert_eq!(check(&bad), None, "byte {i}");
        }
    }

    #[test]
    fn replies_prove_our_password_and_tell_the_address() {
        let provider = crypto_provider().unwrap();
        let local = credentials("L");
        let request = BindingRequest::parse(&request(&[], &local.pwd, &[])).unwrap();
        for from in ["192.0.2.7:4444", "[2001:db8::7]:4444"] {
            let from: SocketAddr = from.parse().unwrap();
            let raw = request.success(from, &local, provider.crypto());
            let mut reply = Message { raw, ..Message::default() };
            reply.decode().unwrap();
            assert_eq!(reply.typ, BINDING_SUCCESS);
            assert_eq!(reply.transaction_id.0, request.message.transaction_id.0);
            MessageIntegrity::check(&mut reply, local.pwd.as_bytes(), provider.crypto()).unwrap();
            FINGERPRINT.check(&reply).unwrap();
            let mut mapped = XorMappedAddress::default();
            mapped.get_from(&reply).unwrap();
            assert_eq!((mapped.ip, mapped.port), (from.ip(), from.port()));
        }
        let raw = request.role_conflict(&local, provider.crypto());
        let mut reply = Message { raw, ..Message::default() };
        reply.decode().unwrap();
        assert_eq!(reply.typ, BINDING_ERROR);
        let mut error = ErrorCodeAttribute::default();
        error.get_from(&reply).unwrap();
        assert!(error.code == CODE_ROLE_CONFLICT);
        MessageIntegrity::check(&mut reply, local.pwd.as_bytes(), provider.crypto()).unwrap();
    }

    #[test]
    fn what_is_not_for_us_is_not_looked_at() {
        let pwd = credentials("L").pwd;
        let provider = crypto_provider().unwrap();
        let good = request(&[], &pwd, &[]);
        for (local, remote, right) in [("L", "R", true), ("L", "X", false), ("X", "R", false)] {
            let mut parsed = BindingRequest::parse(&good).unwrap();
            assert_eq!(parsed.local_ufrag(), "ufragL");
            let local = IceCredentials { pwd: pwd.clone(), ..credentials(local) };
            let checked = parsed.authenticate(&local, &credentials(remote), provider.crypto());
            assert_eq!(checked.is_some(), right, "{local:?}");
        }
        // Another method or class, and a request far beyond what anybody sends.
        let mut indication = good.clone();
        indication[1] = 0x11;
        assert!(BindingRequest::parse(&indication).is_none());
        let many = vec![rtc_stun::attributes::ATTR_SOFTWARE; 40];
        assert!(request(&many, &pwd, &[]).len() > MAX_REQUEST);
        assert!(BindingRequest::parse(&request(&many, &pwd, &[])).is_none());
        assert!(BindingRequest::parse(&request(&many[..20], &pwd, &[])).is_some());
    }

    #[test]
    fn our_own_credentials_are_long_enough_and_each_time_others() {
        let all: Vec<IceCredentials> = (0..50).map(|_| IceCredentials::generate()).collect();
        for c in &all {
            assert_eq!((c.ufrag.len(), c.pwd.len()), (8, 24));
            let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
            assert!(c.ufrag.bytes().chain(c.pwd.bytes()).all(legal));
        }
        let names: std::collections::HashSet<&str> = all.iter().map(|c| c.ufrag.as_str()).collect();
        assert_eq!(names.len(), 50);
        assert!(!format!("{:?}", all[0]).contains(&all[0].pwd), "no password in a log");
    }
}
