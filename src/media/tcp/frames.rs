//! Frames on a stream (RFC 4571 §2): two bytes of length, then a datagram.
//!
//! What comes in one read is cut in place; only a frame that is not whole yet is kept, so a connection
//! without traffic holds no buffer.

/// Above any datagram of WebRTC: a longer one is nobody's.
pub const LONGEST: usize = 4_096;

/// Why a stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A frame beyond `LONGEST`.
    TooLong,
    /// Whoever takes the frames wants no more of them.
    Refused,
}

/// The reading side of one connection.
#[derive(Default)]
pub struct Frames {
    /// The beginning of a frame, its length included.
    partial: Vec<u8>,
}

impl Frames {
    /// Cuts `bytes` and gives each whole frame to `take`, which says whether it wants more. Empty
    /// frames are keep-alives (RFC 4571 §2 allows them) and given to nobody.
    pub fn read(
        &mut self,
        mut bytes: &mut [u8],
        mut take: impl FnMut(&mut [u8]) -> bool,
    ) -> Result<(), Broken> {
        while !self.partial.is_empty() && !bytes.is_empty() {
            let wanted = wanted(&self.partial)?;
            let missing = wanted - self.partial.len();
            let (now, rest) = bytes.split_at_mut(missing.min(bytes.len()));
            self.partial.extend_from_slice(now);
            bytes = rest;
            if self.partial.len() == wanted && wanted > 2 {
                let more = take(&mut self.partial[2..]);
                self.partial.clear();
                if !more {
                    return Err(Broken::Refused);
                }
            } else if self.partial == [0, 0] {
                self.partial.clear();
            } else {
                // A length that is too much is refused as soon as it is known.
                self::wanted(&self.partial)?;
            }
        }
        while bytes.len() >= 2 {
            let end = wanted(bytes)?;
            if bytes.len() < end {
                break;
            }
            let (frame, rest) = bytes.split_at_mut(end);
            bytes = rest;
            if end > 2 && !take(&mut frame[2..]) {
                return Err(Broken::Refused);
            }
        }
        if !bytes.is_empty() {
            if let Some(header) = bytes.first_chunk::<2>() {
                wanted(header)?;
            }
            self.partial.extend_from_slice(bytes);
        } else if self.partial.is_empty() {
            self.partial = Vec::new();
        }
        Ok(())
    }
}

/// How many bytes the frame has that begins here, as far as it is known: its length first.
fn wanted(begin: &[u8]) -> Result<usize, Broken> {
    let Some(length) = begin.first_chunk::<2>() else {
        return Ok(2);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length > LONGEST { Err(Broken::TooLong) } else { Ok(2 + length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(all: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for frame in all {
            out.extend((frame.len() as u16).to_be_bytes());
            out.extend(*frame);
        }
        out
    }

    /// What comes out when `stream` arrives in pieces of so many bytes.
    fn cut(stream: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut frames = Frames::default();
        let mut out = Vec::new();
        for part in stream.chunks(piece) {
            let mut part = part.to_vec();
            let read = frames.read(&mut part, |frame| {
                out.push(frame.to_vec());
                true
            });
            assert_eq!(read, Ok(()));
        }
        assert!(frames.partial.is_empty());
        out
    }

    #[test]
    fn frames_come_out_whole_however_they_arrive() {
        let long = vec![7; LONGEST];
        let all: [&[u8]; 6] = [b"a", b"", b"hello", &long, b"", b"end"];
        let stream = framed(&all);
        let expected: Vec<Vec<u8>> = all.iter().filter(|f| !f.is_empty()).map(|f| f.to_vec()).collect();
        for piece in (1..20).chain([100, 1_000, 1_460, 4_097, stream.len()]) {
            assert_eq!(cut(&stream, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_frame_that_is_too_long_ends_the_stream_at_its_length() {
        let begin = (LONGEST as u16 + 1).to_be_bytes();
        for pieces in [vec![begin.to_vec()], vec![vec![begin[0]], vec![begin[1]], vec![0]]] {
            let mut frames = Frames::default();
            let mut last = Ok(());
            for mut piece in pieces {
                last = frames.read(&mut piece, |_| true);
            }
            assert_eq!(last, Err(Broken::TooLong));
            assert!(frames.partial.len() <= 2, "nothing of it is kept");
        }
    }

    #[test]
    fn a_refused_frame_is_the_last() {
        for piece in [1, 3, 100] {
            let mut taken = 0;
            let mut frames = Frames::default();
            let mut ended = false;
            for part in framed(&[b"one", b"two", b"three"]).chunks(piece) {
                let mut part = part.to_vec();
                let read = frames.read(&mut part, |frame| {
                    taken += 1;
                    frame != b"two"
                });
                ended |= read == Err(Broken::Refused);
                if ended {
                    break;
                }
            }
            assert!(ended && taken == 2, "pieces of {piece}: {taken}");
        }
    }
}
