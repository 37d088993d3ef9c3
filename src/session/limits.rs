//! What a socket may send: size, nesting, rate.

use tokio::time::Instant;

/// Bytes of one message.
pub const MAX_MESSAGE: usize = 512 * 1024;
/// Bytes of one SDP.
pub const MAX_SDP: usize = 256 * 1024;
/// Nesting of a JSON message; the protocol needs 4.
pub const MAX_DEPTH: usize = 64;
/// Tracks that one offer may name.
pub const MAX_TRACKS: usize = 40;
/// Messages that may come at once before the rate counts.
const BURST: f64 = 100.0;

/// Whether the text nests deeper than `MAX_DEPTH`. Looks at brackets outside strings only, so it
/// says nothing about whether the text is JSON at all.
#[must_use]
pub fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Places of a pointer in a second, beside all other messages.
pub const POINTS: u32 = 20;

/// Whether this text says where somebody points. Before it is read: a place too many is dropped, not an
/// error. As pages write it; whoever writes it otherwise is counted like everything else.
#[must_use]
pub fn is_point(text: &str) -> bool {
    text.starts_with("{\"type\":\"point\",")
}

/// A token bucket.
pub struct Rate {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Rate {
    #[must_use]
    pub fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: per_second.into(), left: BURST, at: now }
    }

    /// Takes one; `false` when there is none left.
    pub fn take(&mut self, now: Instant) -> bool {
        let earned = (now - self.at).as_secs_f64() * self.per_second;
        self.at = now;
        self.left = (self.left + earned).min(BURST);
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn depth_counts_brackets_outside_strings() {
        assert!(!is_too_deep(&"[".repeat(MAX_DEPTH)));
        assert!(is_too_deep(&"[".repeat(MAX_DEPTH + 1)));
        assert!(!is_too_deep(&format!("{{\"a\":\"{}\"}}", "[".repeat(1000))));
        assert!(!is_too_deep(&format!("\"\\\"{}\"", "[".repeat(1000))));
        assert!(!is_too_deep(&"[]".repeat(1000)));
    }

    #[test]
    fn a_burst_is_free_and_then_the_rate_counts() {
        let start = Instant::now();
        let mut rate = Rate::new(20, start);
        assert!((0..100).all(|_| rate.take(start)));
        assert!(!rate.take(start));
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| rate.take(later)).count(), 20);
    }
}
