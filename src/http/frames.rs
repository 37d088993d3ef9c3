//! WebSocket frames as a server reads and writes them (RFC 6455), without I/O.
//!
//! Our own because of memory: a library's socket keeps buffers as large as its largest message for as
//! long as it lives, some 40 KiB for each classroom that once got an answer and then waits for the end
//! of the lesson. Here a buffer lives while there are bytes in it.
//!
//! No extension is negotiated, so reserved bits are an error. What is not text is told, but not kept.

use std::ops::Range;

/// The longest payload of a control frame (§5.5).
const MAX_CONTROL: usize = 125;

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Text(String),
    Binary,
    /// To be answered with a pong of the same bytes.
    Ping(Vec<u8>),
    Pong,
    /// The closing handshake begins, or is answered.
    Close,
}

/// Why a connection cannot go on; nothing can be read after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("not as RFC 6455 has it")]
    Protocol,
    #[error("a text is not UTF-8")]
    NotText,
    #[error("longer than the limit")]
    TooLong,
}

impl FrameError {
    /// The code that the connection is closed with (§7.4.1).
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::NotText => 1007,
            Self::TooLong => 1009,
        }
    }
}

/// Bytes in, messages out.
pub struct Decoder {
    /// Read from the socket; what is before `at` is done with.
    input: Vec<u8>,
    at: usize,
    /// The fragments of an unfinished message, and whether it is a text.
    message: Option<(Vec<u8>, bool)>,
    /// Of one message, in bytes.
    longest: usize,
}

impl Decoder {
    #[must_use]
    pub fn new(longest: usize) -> Self {
        Self { input: Vec::new(), at: 0, message: None, longest }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next thing that is complete; `None`: more bytes are needed.
    pub fn poll_received(&mut self) -> Result<Option<Received>, FrameError> {
        while let Some((head, payload)) = self.frame()? {
            self.at = payload.end;
            unmask(&mut self.input[payload.clone()], head.mask);
            if let Some(received) = self.take(&head, payload)? {
                return Ok(Some(received));
            }
        }
        // Nothing complete is left: what has been read goes.
        self.input.drain(..self.at);
        self.at = 0;
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        Ok(None)
    }

    /// Bytes that are kept for later.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.input.capacity() + self.message.as_ref().map_or(0, |(m, _)| m.capacity())
    }

    /// The frame at `at`, when all of it is there.
    fn frame(&self) -> Result<Option<(Head, Range<usize>)>, FrameError> {
        let Some((head, size)) = Head::parse(&self.input[self.at..])? else { return Ok(None) };
        // A frame that is too long is refused at its header.
        let begun = self.message.as_ref().map_or(0, |(m, _)| m.len());
        let length = usize::try_from(head.length).map_err(|_| FrameError::TooLong)?;
        if length > self.longest.saturating_sub(begun) && !head.is_control() {
            return Err(FrameError::TooLong);
        }
        let start = self.at + size;
        let whole = self.input.len() - start >= length;
        Ok(whole.then(|| (head, start..start + length)))
    }

    fn take(&mut self, head: &Head, payload: Range<usize>) -> Result<Option<Received>, FrameError> {
        let payload = &self.input[payload];
        let received = match (head.opcode, self.message.take()) {
            (opcode @ 8..=10, message) => {
                // May stand between the fragments of a message.
                self.message = message;
                match opcode {
                    8 => Received::Close,
                    9 => Received::Ping(payload.to_vec()),
                    _ => Received::Pong,
                }
            }
            (opcode @ 1..=2, None) if head.last => whole(payload.to_vec(), opcode == 1)?,
            (opcode @ 1..=2, None) => {
                self.message = Some((payload.to_vec(), opcode == 1));
                return Ok(None);
            }
            (0, Some((mut message, text))) => {
                message.extend_from_slice(payload);
                if !head.last {
                    self.message = Some((message, text));
                    return Ok(None);
                }
                whole(message, text)?
            }
            // A fragment of nothing, a message within a message, an opcode that nobody defined.
            _ => return Err(FrameError::Protocol),
        };
        Ok(Some(received))
    }
}

fn whole(message: Vec<u8>, text: bool) -> Result<Received, FrameError> {
    if !text {
        return Ok(Received::Binary);
    }
    String::from_utf8(message).map(Received::Text).map_err(|_| FrameError::NotText)
}

struct Head {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    length: u64,
}

impl Head {
    /// With its own length. `None`: not all of it is there.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, FrameError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let (opcode, short) = (first & 15, second & 127);
        let head = |length, mask| Self { last: first & 128 != 0, opcode, mask, length };
        let control = opcode & 8 != 0;
        let legal = !control || (first & 128 != 0 && usize::from(short) <= MAX_CONTROL);
        // A client masks (§5.1); nobody may use the bits of extensions that were not agreed on.
        if first & 0x70 != 0 || second & 128 == 0 || !legal {
            return Err(FrameError::Protocol);
        }
        let (length, rest, size) = match short {
            126 => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (u16::from_be_bytes(*length).into(), rest, 4),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest, 10),
                None => return Ok(None),
            },
            _ => (u64::from(short), rest, 2),
        };
        Ok(rest.first_chunk::<4>().map(|mask| (head(length, *mask), size + 4)))
    }

    fn is_control(&self) -> bool {
        self.opcode & 8 != 0
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let whole = u32::from_ne_bytes(mask);
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ whole).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

/// Appends a text as one frame.
pub fn write_text(out: &mut Vec<u8>, text: &str) {
    write(out, 1, text.as_bytes());
}

/// Appends the answer to a ping.
pub fn write_pong(out: &mut Vec<u8>, payload: &[u8]) {
    write(out, 10, &payload[..payload.len().min(MAX_CONTROL)]);
}

/// Appends a closing frame.
pub fn write_close(out: &mut Vec<u8>, code: u16) {
    write(out, 8, &code.to_be_bytes());
}

/// A server does not mask.
fn write(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.reserve(10 + payload.len());
    out.push(128 | opcode);
    match payload.len() {
        short @ 0..=125 => out.push(short as u8),
        middle @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
    use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameSocket};

    use super::*;

    /// A client's frame as an independent library writes it.
    fn masked(payload: &[u8], opcode: OpCode, last: bool) -> Vec<u8> {
        let mut frame = Frame::message(payload.to_vec(), opcode, last);
        frame.header_mut().mask = Some([1, 200, 3, 77]);
        let mut out = Vec::new();
        frame.format(&mut out).unwrap();
        out
    }

    fn text(t: &str, last: bool) -> Vec<u8> {
        masked(t.as_bytes(), OpCode::Data(Data::Text), last)
    }

    fn rest(t: &[u8], last: bool) -> Vec<u8> {
        masked(t, OpCode::Data(Data::Continue), last)
    }

    fn control(kind: Control, payload: &[u8]) -> Vec<u8> {
        masked(payload, OpCode::Control(kind), true)
    }

    /// Everything that comes out of these bytes, pushed in pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> (Vec<Received>, Option<FrameError>) {
        let mut decoder = Decoder::new(100_000);
        let mut out = Vec::new();
        for part in bytes.chunks(piece) {
            decoder.push(part);
            loop {
                match decoder.poll_received() {
                    Ok(Some(received)) => out.push(received),
                    Ok(None) => break,
                    Err(error) => return (out, Some(error)),
                }
            }
        }
        if out.last() == Some(&Received::Close) {
            assert_eq!(decoder.kept(), 0, "nothing is left, nothing is kept");
        }
        (out, None)
    }

    #[test]
    fn what_a_client_sends_is_read_however_it_is_cut() {
        let long = "主讲".repeat(12_000);
        let (face, tail) = "听课教室".as_bytes().split_at(4);
        let bytes = [
            text("{}", true),
            text(&"x".repeat(126), true),
            text(&long, true),
            masked(face, OpCode::Data(Data::Text), false),
            control(Control::Ping, b"now"),
            rest(&[], false),
            rest(tail, true),
            masked(b"1", OpCode::Data(Data::Binary), true),
            control(Control::Pong, b""),
            control(Control::Close, &[3, 232]),
        ]
        .concat();
        let expected = [
            Received::Text("{}".into()),
            Received::Text("x".repeat(126)),
            Received::Text(long),
            Received::Ping(b"now".to_vec()),
            Received::Text("听课教室".into()),
            Received::Binary,
            Received::Pong,
            Received::Close,
        ];
        for piece in [1, 3, 1_000, bytes.len()] {
            assert_eq!(read(&bytes, piece), (expected.to_vec(), None), "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_not_allowed_ends_the_connection() {
        let unmasked = [0x81, 1, b'x'];
        let mut reserved = text("x", true);
        reserved[0] |= 0x40;
        let mut undefined = text("x", true);
        undefined[0] = 0x83;
        let mut cut_control = control(Control::Ping, b"x");
        cut_control[0] &= 0x7f;
        let fragments =
            [text(&"x".repeat(60_000), false), rest("x".repeat(60_000).as_bytes(), true)].concat();
        let huge = [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        for (name, bytes, error) in [
            ("not masked", unmasked.to_vec(), FrameError::Protocol),
            ("a reserved bit", reserved, FrameError::Protocol),
            ("an undefined opcode", undefined, FrameError::Protocol),
            ("a ping in fragments", cut_control, FrameError::Protocol),
            ("a long ping", masked(&[0; 126], OpCode::Control(Control::Ping), true), FrameError::Protocol),
            ("a fragment of nothing", rest(b"x", true), FrameError::Protocol),
            ("a message in a message", [text("a", false), text("b", true)].concat(), FrameError::Protocol),
            ("not UTF-8", masked(&[0xff], OpCode::Data(Data::Text), true), FrameError::NotText),
            ("too long in one", text(&"x".repeat(100_001), true)[..14].to_vec(), FrameError::TooLong),
            ("too long in fragments", fragments, FrameError::TooLong),
            ("as long as there are numbers", huge.to_vec(), FrameError::TooLong),
        ] {
            assert_eq!(read(&bytes, bytes.len()), (vec![], Some(error)), "{name}");
            assert!((1002..=1009).contains(&error.close_code()));
        }
    }

    #[test]
    fn what_we_write_an_independent_client_reads() {
        let mut out = Vec::new();
        for size in [0, 125, 126, 65_535, 65_536] {
            write_text(&mut out, &"x".repeat(size));
        }
        write_pong(&mut out, b"now");
        write_close(&mut out, 1001);
        let mut socket = FrameSocket::new(std::io::Cursor::new(out));
        for size in [0, 125, 126, 65_535, 65_536] {
            let frame = socket.read(None).unwrap().unwrap();
            assert_eq!((frame.header().opcode, frame.payload().len()), (OpCode::Data(Data::Text), size));
            assert!(frame.header().is_final && frame.header().mask.is_none());
        }
        assert_eq!(socket.read(None).unwrap().unwrap().payload(), b"now");
        let close = socket.read(None).unwrap().unwrap();
        assert_eq!(close.header().opcode, OpCode::Control(Control::Close));
        assert_eq!(close.payload(), 1001_u16.to_be_bytes());
    }
}
