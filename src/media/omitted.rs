//! Packets of a stream that were left out on purpose, so that they leave no hole: which of the last
//! 512 numbers, and how many pictures they were.
//!
//! Two bits for each number, whatever share is left out: a subscriber that gets every other picture
//! still takes packets that come more than a second late, each with the offsets of its place. Only
//! the newest numbers are in the window, so the sums up to a number are those up to the end less
//! what lies behind it.

/// 1.7 s of a top layer. As many as there are numbers of which is known whether they were given.
pub const WINDOW: usize = 512;

type Bits = [u64; WINDOW / 64];

#[derive(Clone, Copy, Debug, Default)]
#[repr(C)] // without any left out, nothing is looked at but the sums: they stand with what precedes
pub struct Omitted {
    before_all: Sums,
    /// Bit `number % WINDOW`: it was left out.
    packets: Bits,
    /// The same: it was the first that was left out of a picture.
    pictures: Bits,
}

/// How much was left out before some number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub packets: u64,
    /// Wraps, as picture numbers do.
    pub pictures: u16,
}

impl Omitted {
    #[must_use]
    pub fn none(&self) -> bool {
        self.before_all.packets == 0
    }

    /// The stream goes on: `count` numbers from `from` are new and not left out.
    pub fn go_on(&mut self, from: u64, count: u64) {
        // Without any there is nothing to clear.
        if !self.none() {
            each_word(from, count, |word, mask| {
                self.packets[word] &= !mask;
                self.pictures[word] &= !mask;
            });
        }
    }

    /// The stream goes on with `count` numbers from `from` that are left out.
    pub fn leave_out(&mut self, from: u64, count: u64, picture: bool) {
        self.go_on(from, count);
        each_word(from, count, |word, mask| self.packets[word] |= mask);
        self.before_all.packets += count;
        if picture {
            let at = from as usize % WINDOW;
            self.pictures[at / 64] |= 1 << (at % 64);
            self.before_all.pictures = self.before_all.pictures.wrapping_add(1);
        }
    }

    /// Whether `number` is among those; `next` is the first number that has not come.
    #[must_use]
    pub fn contains(&self, number: u64, next: u64) -> bool {
        let at = number as usize % WINDOW;
        number < next && next - number <= WINDOW as u64 && self.packets[at / 64] >> (at % 64) & 1 != 0
    }

    /// What was left out before `number`. `None`: it was left out itself, or is too old to tell.
    #[must_use]
    pub fn before(&self, number: u64, next: u64) -> Option<Sums> {
        if number >= next || self.none() {
            return Some(self.before_all);
        }
        if next - number > WINDOW as u64 || self.contains(number, next) {
            return None;
        }
        let Sums { mut packets, mut pictures } = self.before_all;
        each_word(number + 1, next - number - 1, |word, mask| {
            packets -= u64::from((self.packets[word] & mask).count_ones());
            pictures = pictures.wrapping_sub((self.pictures[word] & mask).count_ones() as u16);
        });
        Some(Sums { packets, pictures })
    }
}

/// The words, and the bits in each, of `count` numbers from `from`; at most a whole turn of them.
pub(super) fn each_word(from: u64, count: u64, mut work: impl FnMut(usize, u64)) {
    let skipped = count.saturating_sub(WINDOW as u64);
    let mut at = (from + skipped) as usize % WINDOW;
    let mut left = (count - skipped) as usize;
    while left > 0 {
        let bit = at % 64;
        let take = left.min(64 - bit);
        work(at / 64, u64::MAX >> (64 - take) << bit);
        at = (at + take) % WINDOW;
        left -= take;
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    #[test]
    fn sums_are_those_of_the_place() {
        let mut rng = StdRng::seed_from_u64(3);
        for share in [1, 5, 9] {
            let mut o = Omitted::default();
            let mut next = 1_000u64;
            // (number, left out, begins a picture that is left out)
            let mut all: Vec<(u64, bool, bool)> = Vec::new();
            for _ in 0..4_000 {
                let count = rng.random_range(1..4);
                if rng.random_ratio(share, 10) {
                    let picture = rng.random_ratio(1, 2);
                    o.leave_out(next, count, picture);
                    all.extend((0..count).map(|n| (next + n, true, picture && n == 0)));
                } else {
                    o.go_on(next, count);
                    all.extend((0..count).map(|n| (next + n, false, false)));
                }
                next += count;
            }
            let (mut packets, mut pictures) = (0, 0u16);
            for (number, out, picture) in all {
                let found = o.before(number, next);
                let near = next - number <= WINDOW as u64;
                assert_eq!(o.contains(number, next), near && out);
                assert_eq!(found, (near && !out).then_some(Sums { packets, pictures }), "{number} of {next}");
                packets += u64::from(out);
                pictures += u16::from(picture);
            }
            assert_eq!(o.before(next, next), Some(Sums { packets, pictures }));
        }
    }

    #[test]
    fn long_stretches_fill_the_window_and_no_more() {
        let mut o = Omitted::default();
        o.leave_out(7, 10_000, true);
        let all = Some(Sums { packets: 10_000, pictures: 1 });
        assert_eq!(o.before(10_007, 10_007), all);
        assert!(o.contains(10_006, 10_007) && !o.contains(10_007, 10_007) && !o.contains(9_000, 10_007));
        o.go_on(10_007, 10_000);
        assert_eq!(o.before(20_000, 20_007), all);
        assert_eq!(o.before(10_006, 20_007), None, "too old to tell");
        assert_eq!(Omitted::default().before(1, 20_000), Some(Sums::default()));
    }
}
