//! What waits for a TCP connection to take it.
//!
//! Frames enter whole and leave in order; a frame that is in is never taken out again, so a receiver
//! never meets half a one. The kernel is kept short (`TCP_NOTSENT_LOWAT`), so that what waits, waits here,
//! and what does not fit is decided here: once the first has waited for `PATIENCE`, new video is
//! refused until the queue is nearly empty, and the browser asks for what is still of use (NACK). Sound and control always
//! enter; a connection that takes not even those has ended.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::time::{Duration, Instant};

use crate::media::output::Class;

/// Video that would come later than this is not sent.
const PATIENCE: Duration = Duration::from_millis(500);
/// After that it enters again when so few bytes wait: one picture's packet or two.
const NEARLY_EMPTY: usize = 4_096;
/// Video may fill so much: 500 ms at 8 Mbit/s.
const VIDEO_MOST: usize = 512 << 10;
/// Sound of a minute. A connection on which so much waits is given up.
const MOST: usize = 1 << 20;
/// A queue that is empty keeps at most this memory.
const KEPT: usize = 64 << 10;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    Queued,
    /// Video that came too late.
    Dropped,
    /// Nothing more fits: the connection is of no use.
    Full,
}

/// The writing side of one connection.
#[derive(Default)]
pub struct Queue {
    bytes: VecDeque<u8>,
    /// Bytes of each frame that are not written yet, and when it came.
    frames: VecDeque<(u32, Instant)>,
    full: bool,
}

impl Queue {
    pub fn push(&mut self, class: Class, datagram: &[u8], now: Instant) -> Entry {
        let size = datagram.len() + 2;
        let Ok(length) = u16::try_from(datagram.len()) else {
            return Entry::Dropped;
        };
        if self.bytes.len() + size > MOST {
            return Entry::Full;
        }
        if class == Class::Video {
            let waits = self
                .frames
                .front()
                .is_some_and(|(_, since)| now.saturating_duration_since(*since) > PATIENCE);
            self.full = match self.full {
                true => self.bytes.len() > NEARLY_EMPTY,
                false => waits || self.bytes.len() + size > VIDEO_MOST,
            };
            if self.full {
                return Entry::Dropped;
            }
        }
        self.bytes.extend(length.to_be_bytes());
        self.bytes.extend(datagram);
        self.frames.push_back((size as u32, now));
        Entry::Queued
    }

    /// Writes what `to` takes now.
    pub fn write(&mut self, to: &mut impl Write) -> io::Result<()> {
        while !self.bytes.is_empty() {
            let (first, second) = self.bytes.as_slices();
            match to.write_vectored(&[IoSlice::new(first), IoSlice::new(second)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written(written),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        if self.bytes.capacity() > KEPT {
            (self.bytes, self.frames) = Default::default();
        }
        Ok(())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn written(&mut self, bytes: usize) {
        self.bytes.drain(..bytes);
        let mut left = bytes as u32;
        while let Some((size, _)) = self.frames.front_mut() {
            if *size > left {
                *size -= left;
                return;
            }
            left -= *size;
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::tcp::frames::Frames;

    /// A connection that takes so many bytes, then blocks.
    struct Pipe {
        room: usize,
        got: Vec<u8>,
    }

    impl Write for Pipe {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(self.room);
            self.room -= taken;
            self.got.extend(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        let take = |f: &mut [u8]| {
            all.push(f.to_vec());
            true
        };
        Frames::default().read(&mut bytes.to_vec(), take).unwrap();
        all
    }

    #[test]
    fn frames_stay_whole_whatever_the_connection_takes() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let mut pipe = Pipe { room: 0, got: Vec::new() };
        for n in 0..200u8 {
            assert_eq!(queue.push(Class::Video, &vec![n; usize::from(n) + 1], now), Entry::Queued);
            pipe.room = usize::from(n) % 90;
            queue.write(&mut pipe).unwrap();
        }
        assert!(!queue.is_empty());
        pipe.room = usize::MAX;
        queue.write(&mut pipe).unwrap();
        assert!(queue.is_empty() && queue.frames.is_empty());
        let got = frames(&pipe.got);
        assert!(got.iter().enumerate().all(|(n, f)| *f == vec![n as u8; n + 1]) && got.len() == 200);
    }

    #[test]
    fn late_video_is_refused_and_sound_never() {
        let (mut queue, begin) = (Queue::default(), Instant::now());
        let mut pipe = Pipe { room: 0, got: Vec::new() };
        let at = |ms| begin + Duration::from_millis(ms);
        let video = [1; 1_000];
        for n in 0..10 {
            assert_eq!(queue.push(Class::Video, &video, at(n * 50)), Entry::Queued);
        }
        assert_eq!(queue.push(Class::Video, &video, at(501)), Entry::Dropped);
        assert_eq!(queue.push(Class::Audio, &[2; 80], at(501)), Entry::Queued);
        assert_eq!(queue.push(Class::Control, &[3; 80], at(501)), Entry::Queued);
        // The oldest has left, and yet too much waits to begin again.
        pipe.room = 2_004;
        queue.write(&mut pipe).unwrap();
        assert_eq!(queue.push(Class::Video, &video, at(510)), Entry::Dropped);
        pipe.room = 6_000;
        queue.write(&mut pipe).unwrap();
        assert_eq!(queue.push(Class::Video, &video, at(520)), Entry::Queued);
        pipe.room = usize::MAX;
        queue.write(&mut pipe).unwrap();
        let kinds: Vec<u8> = frames(&pipe.got).iter().map(|f| f[0]).collect();
        assert_eq!(kinds, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 1]);
    }

    #[test]
    fn a_queue_is_bounded_and_gives_its_memory_back() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let video = (0..10_000).take_while(|_| queue.push(Class::Video, &[1; 1_200], now) == Entry::Queued);
        assert!((400..440).contains(&video.count()));
        let sound = (0..100_000).take_while(|_| queue.push(Class::Audio, &[2; 198], now) == Entry::Queued);
        assert!((2_500..2_700).contains(&sound.count()));
        assert_eq!(queue.push(Class::Control, &[2; 198], now), Entry::Full);
        queue.write(&mut Pipe { room: usize::MAX, got: Vec::new() }).unwrap();
        assert!(queue.is_empty() && queue.bytes.capacity() <= KEPT);
    }
}
