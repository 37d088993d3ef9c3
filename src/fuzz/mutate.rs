//! Seeded mutation of bytes: the same seed gives the same inputs on every machine.
//!
//! No coverage is measured. What makes the inputs reach deep is the corpus they start from and the
//! targets that repair what a mutation breaks on purpose (checksums, seals), not this file.

/// xorshift64*: small, fast, good enough to choose what to break.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // Zero is the one state that never changes; neighbouring seeds must not begin alike.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 up to but not including `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.number() >> 16) as usize % end }
    }

    pub fn byte(&mut self) -> u8 {
        (self.number() >> 32) as u8
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.byte()).collect()
    }

    /// One of a list that is not empty.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// A changed copy of `input`, at most `longest` bytes. `other` lends a part now and then.
    pub fn mutate(&mut self, input: &[u8], other: &[u8], longest: usize) -> Vec<u8> {
        let mut out = input.to_vec();
        for _ in 0..=self.below(4) {
            self.step(&mut out, other);
        }
        out.truncate(longest);
        out
    }

    fn step(&mut self, out: &mut Vec<u8>, other: &[u8]) {
        /// Where lengths and counters turn over.
        const EDGES: [u8; 9] = [0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0xfe, 0xff];
        let at = self.below(out.len());
        let scale = self.below(7);
        let length = 1 + self.below(1 << scale);
        let end = (at + length).min(out.len());
        match self.below(11) {
            0 | 1 if !out.is_empty() => out[at] ^= 1 << self.below(8),
            2 if !out.is_empty() => out[at] = *self.pick(&EDGES),
            3 if out.len() - at >= 2 => {
                let (a, b) = (*self.pick(&EDGES), *self.pick(&EDGES));
                out[at..at + 2].copy_from_slice(&[a, b]);
            }
            4 => drop(out.drain(at..end)),
            5 => {
                let noise = self.bytes(length);
                out.splice(at..at, noise);
            }
            6 => {
                let copy = out[at..end].to_vec();
                let times = 1 + self.below(4);
                for _ in 0..times {
                    out.splice(at..at, copy.iter().copied());
                }
            }
            7 => {
                let from = self.below(other.len());
                let to = (from + length).min(other.len());
                out.splice(at..end, other[from..to].iter().copied());
            }
            8 => out.truncate(at),
            9 => self.change_number(out, at),
            _ => {
                let value = *self.pick(&EDGES);
                out[at..end].fill(value);
            }
        }
    }

    /// Text formats carry their numbers in digits.
    fn change_number(&mut self, out: &mut Vec<u8>, at: usize) {
        const NUMBERS: [&str; 9] =
            ["0", "-1", "1", "127", "128", "255", "65536", "4294967296", "99999999999999999999"];
        let digit = |b: &u8| b.is_ascii_digit();
        let Some(from) = out[at..].iter().position(digit).map(|n| at + n) else {
            return;
        };
        let to = out[from..].iter().position(|b| !digit(b)).map_or(out.len(), |n| from + n);
        let number = *self.pick(&NUMBERS);
        out.splice(from..to, number.bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_they_differ() {
        let run = |seed| {
            let mut random = Random::new(seed);
            (0..2_000).map(|_| random.mutate(b"a=mid:17\r\n", b"other", 64)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let all: std::collections::HashSet<Vec<u8>> = run(1).into_iter().collect();
        assert!(all.len() > 1_500, "{} different", all.len());
        assert!(all.iter().all(|i| i.len() <= 64));
        let mut random = Random::new(3);
        assert!((0..1_000).all(|_| random.mutate(b"", b"", 9).len() <= 9), "nothing is an input too");
    }
}
