//! SDP fragments as WHIP and WHEP clients send them by PATCH (RFC 8840 §9): candidates as they are
//! found, or new ICE credentials.
//!
//! The server is ICE-lite and learns a client's address from its checks, so candidates are checked
//! for their form and forgotten. Credentials stand in the session part or in the m-line that speaks
//! for the bundle; the first ones count. Hand-written, because a fragment is no session description
//! and a parser of those refuses it.

use super::transport::ice::IceCredentials;

/// Bytes of one fragment; browsers send a few hundred.
pub const MAX_FRAGMENT: usize = 64 * 1024;
/// Candidates of one fragment; a computer with many networks has about twenty.
const MAX_CANDIDATES: usize = 200;

/// Why a text is no fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFragment {
    #[error("the fragment is longer than {MAX_FRAGMENT} bytes")]
    TooLarge,
    #[error("the fragment has a line that is not of SDP")]
    Line,
    #[error("the fragment has a candidate that is none, or too many")]
    Candidate,
    #[error("the fragment has half of a pair of ICE credentials, or impossible ones")]
    Credentials,
}

/// What a fragment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The client's credentials: those in use, or new ones for an ICE restart.
    pub ice: Option<IceCredentials>,
    /// How many candidates it names.
    pub candidates: usize,
}

impl Fragment {
    /// Reads and checks a fragment.
    pub fn parse(text: &str) -> Result<Self, BadFragment> {
        if text.len() > MAX_FRAGMENT {
            return Err(BadFragment::TooLarge);
        }
        let (mut ufrag, mut pwd, mut candidates) = (None, None, 0);
        for line in text.lines().map(str::trim_end).filter(|l| !l.is_empty()) {
            let (name, value) = line.split_once('=').ok_or(BadFragment::Line)?;
            if !matches!(name.as_bytes(), [b'a'..=b'z']) {
                return Err(BadFragment::Line);
            }
            if name != "a" {
                continue;
            }
            if let Some(value) = value.strip_prefix("ice-ufrag:") {
                ufrag.get_or_insert(value);
            } else if let Some(value) = value.strip_prefix("ice-pwd:") {
                pwd.get_or_insert(value);
            } else if let Some(value) = value.strip_prefix("candidate:") {
                candidates += 1;
                if candidates > MAX_CANDIDATES || !is_candidate(value) {
                    return Err(BadFragment::Candidate);
                }
            }
        }
        let ice = match (ufrag, pwd) {
            (None, None) => None,
            // RFC 8839 §5.4
            (Some(u), Some(p)) if is_ice_text(u, 4) && is_ice_text(p, 22) => {
                Some(IceCredentials { ufrag: u.to_owned(), pwd: p.to_owned() })
            }
            _ => return Err(BadFragment::Credentials),
        };
        Ok(Self { ice, candidates })
    }
}

fn is_ice_text(text: &str, least: usize) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    (least..=256).contains(&text.len()) && text.bytes().all(good)
}

/// RFC 8839 §5.1: foundation, component, transport, priority, address, port, "typ", type. The
/// address may be a name (mDNS); nobody looks it up.
fn is_candidate(value: &str) -> bool {
    let words: Vec<&str> = value.split(' ').take(8).collect();
    let [foundation, component, transport, priority, address, port, "typ", kind] = words[..] else {
        return false;
    };
    (1..=32).contains(&foundation.len())
        && component.parse::<u16>().is_ok()
        && !transport.is_empty()
        && priority.parse::<u32>().is_ok()
        && (1..=255).contains(&address.len())
        && port.parse::<u16>().is_ok()
        && !kind.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PWD: &str = "0123456789abcdefghijkl";
    const CANDIDATE: &str = "a=candidate:1 1 udp 2130706431 192.0.2.7 4444 typ host generation 0\r\n";

    #[test]
    fn candidates_with_and_without_credentials() {
        let text = format!(
            "a=ice-ufrag:EsAw\r\na=ice-pwd:{PWD}\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n{CANDIDATE}a=end-of-candidates\r\n"
        );
        let read = Fragment::parse(&text).unwrap();
        assert_eq!(read.candidates, 1);
        assert_eq!(read.ice, Some(IceCredentials { ufrag: "EsAw".into(), pwd: PWD.into() }));
        assert_eq!(Fragment::parse(&CANDIDATE.replace('\r', "")).unwrap().ice, None);
        assert_eq!(Fragment::parse("").unwrap(), Fragment { ice: None, candidates: 0 });
        let name = "a=candidate:1 1 UDP 2122252543 0d7ee52e-1f7b.local 53124 typ host";
        assert_eq!(Fragment::parse(name).unwrap().candidates, 1);
    }

    #[test]
    fn what_is_refused() {
        let long = "a=x\r\n".repeat(MAX_FRAGMENT / 5 + 1);
        let many = CANDIDATE.repeat(MAX_CANDIDATES + 1);
        for (text, expected) in [
            (long.as_str(), BadFragment::TooLarge),
            ("hello", BadFragment::Line),
            ("{\"candidate\":\"=\"}", BadFragment::Line),
            ("A=ice-ufrag:EsAw", BadFragment::Line),
            (many.as_str(), BadFragment::Candidate),
            ("a=candidate:", BadFragment::Candidate),
            ("a=candidate:1 1 udp 1 192.0.2.7 99999 typ host", BadFragment::Candidate),
            ("a=candidate:1 1 udp -1 192.0.2.7 9 typ host", BadFragment::Candidate),
            ("a=ice-ufrag:EsAw", BadFragment::Credentials),
            ("a=ice-ufrag:Es\r\na=ice-pwd:0123456789abcdefghijkl", BadFragment::Credentials),
            ("a=ice-ufrag:EsAw\r\na=ice-pwd:short", BadFragment::Credentials),
            ("a=ice-ufrag:Es:w\r\na=ice-pwd:0123456789abcdefghijkl", BadFragment::Credentials),
        ] {
            assert_eq!(Fragment::parse(text), Err(expected), "{text:.60}");
        }
    }

    #[test]
    fn the_first_credentials_count_and_numbers_have_their_limits() {
        let two = format!("a=ice-ufrag:EsAw\na=ice-pwd:{PWD}\na=ice-ufrag:Other\na=ice-pwd:{PWD}x\n");
        let read = Fragment::parse(&two).unwrap();
        assert_eq!(read.ice, Some(IceCredentials { ufrag: "EsAw".into(), pwd: PWD.into() }));
        let priority = |n: u64| format!("a=candidate:1 1 udp {n} 192.0.2.7 9 typ host");
        assert!(Fragment::parse(&priority(u64::from(u32::MAX))).is_ok());
        assert_eq!(Fragment::parse(&priority(1 << 32)), Err(BadFragment::Candidate));
    }
}
