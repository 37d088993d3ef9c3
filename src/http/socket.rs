//! A WebSocket as the session has it: a stream of what came in, a sink of texts.
//!
//! Reads through a piece of the stack and writes from one buffer that is dropped when it is empty, so a
//! connection that waits costs nothing but its task. Pings are answered here. The session's limits on
//! what may wait are in its outbox; here one batch does.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::http::frames::{self, Decoder, Received};
use crate::session::errors::Code;
use crate::session::{Closing, Incoming};

/// Bytes asked of the system at a time.
const READ: usize = 8 * 1024;
/// From here on nothing more is taken before it is written.
const FULL: usize = 32 * 1024;

pub struct Socket<S> {
    io: S,
    decoder: Decoder,
    out: Vec<u8>,
    /// Bytes of `out` that are written.
    written: usize,
    /// Nothing more is read: the client closes, is gone, or …
    over: bool,
    /// … broke the protocol; it is told by this code.
    fault: Option<u16>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// `longest`: of a message, in bytes.
    pub fn new(io: S, longest: usize) -> Self {
        let decoder = Decoder::new(longest);
        Self { io, decoder, out: Vec::new(), written: 0, over: false, fault: None }
    }

    /// Says goodbye and waits for the client's. Closing over unread bytes would make TCP reset the
    /// connection, and the page would lose the reason with it. Set a limit to this.
    pub async fn close(mut self, closing: Closing) {
        frames::write_close(&mut self.out, self.fault.unwrap_or(closing.0));
        if self.flush().await.is_err() {
            return;
        }
        if self.fault.is_none() {
            while self.next().await.is_some() {}
        }
        // After a fault the rest means nothing, but it must be taken all the same.
        let _ = self.io.shutdown().await;
        if self.fault.is_some() {
            let _ = tokio::io::copy(&mut self.io, &mut tokio::io::sink()).await;
        }
    }

    /// Writes what there is; what cannot be written now stays.
    fn write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let n = ready!(Pin::new(&mut self.io).poll_write(cx, &self.out[self.written..]))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += n;
        }
        (self.out, self.written) = (Vec::new(), 0);
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// What the session hears of it. `None`: nothing.
    fn heard(&mut self, received: Received) -> Option<Incoming> {
        Some(match received {
            Received::Text(text) => Incoming::Text(text),
            Received::Binary => Incoming::Unreadable(Code::BadMessage),
            Received::Pong => Incoming::Alive,
            Received::Ping(payload) => {
                // Whoever pings and does not read gets no more of it.
                if self.out.len() - self.written < FULL {
                    frames::write_pong(&mut self.out, &payload);
                }
                Incoming::Alive
            }
            Received::Close => {
                self.over = true;
                return None;
            }
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Socket<S> {
    type Item = Incoming;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let this = &mut *self;
        // A pong, or what was left when the session listened again.
        if !this.out.is_empty()
            && let Poll::Ready(Err(_)) = this.write_out(cx)
        {
            this.over = true;
        }
        loop {
            if this.over {
                return Poll::Ready(None);
            }
            match this.decoder.poll_received() {
                Ok(Some(received)) => {
                    if let Some(incoming) = this.heard(received) {
                        return Poll::Ready(Some(incoming));
                    }
                    continue;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(%error, "a WebSocket is closed");
                    (this.over, this.fault) = (true, Some(error.close_code()));
                    continue;
                }
            }
            let mut space = [MaybeUninit::uninit(); READ];
            let mut space = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut this.io).poll_read(cx, &mut space)) {
                Ok(()) if !space.filled().is_empty() => this.decoder.push(space.filled()),
                Ok(()) | Err(_) => this.over = true,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Arc<str>> for Socket<S> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.len() < FULL { Poll::Ready(Ok(())) } else { self.write_out(cx) }
    }

    fn start_send(mut self: Pin<&mut Self>, text: Arc<str>) -> io::Result<()> {
        frames::write_text(&mut self.out, &text);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write_out(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_out(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    #[tokio::test]
    async fn a_conversation_with_an_independent_client() {
        let (ours, theirs) = tokio::io::duplex(4_096);
        let mut socket = Socket::new(ours, 100_000);
        let client = tokio::spawn(async move {
            let mut client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
            client.send(Message::text("你好")).await.unwrap();
            client.send(Message::Ping(b"p".to_vec().into())).await.unwrap();
            client.send(Message::binary(b"b".to_vec())).await.unwrap();
            let mut got = Vec::new();
            while let Some(Ok(message)) = client.next().await {
                got.push(message);
            }
            got
        });
        assert_eq!(socket.next().await, Some(Incoming::Text("你好".into())));
        assert_eq!(socket.next().await, Some(Incoming::Alive));
        assert_eq!(socket.next().await, Some(Incoming::Unreadable(Code::BadMessage)));
        // Longer than what the pipe holds at a time.
        let long: Arc<str> = "长".repeat(20_000).into();
        socket.send(Arc::clone(&long)).await.unwrap();
        assert_eq!(socket.out.capacity(), 0, "nothing waits, nothing is kept");
        socket.close(Closing(1001)).await;
        let got = client.await.unwrap();
        assert_eq!(got[0], Message::Pong(b"p".to_vec().into()));
        assert_eq!(got[1], Message::text(&*long));
        assert!(matches!(&got[2], Message::Close(Some(f)) if u16::from(f.code) == 1001), "{:?}", got[2]);
    }

    #[tokio::test]
    async fn whoever_breaks_the_protocol_is_told_and_heard_no_more() {
        let (ours, mut theirs) = tokio::io::duplex(4_096);
        let mut socket = Socket::new(ours, 100);
        theirs.write_all(&[0x81, 1, b'x', 0x89, 0x80, 0, 0, 0, 0]).await.unwrap();
        assert_eq!(socket.next().await, None);
        let closed = tokio::spawn(socket.close(Closing(1000)));
        let mut told = [0; 4];
        theirs.read_exact(&mut told).await.unwrap();
        assert_eq!(told, [0x88, 2, 0x03, 0xea], "1002");
        drop(theirs);
        closed.await.unwrap();
    }

    #[tokio::test]
    async fn pings_of_one_who_does_not_read_cost_a_little_memory() {
        let (ours, mut theirs) = tokio::io::duplex(1_024);
        let mut socket = Socket::new(ours, 100);
        let writer = tokio::spawn(async move {
            let ping = [[0x89, 0xe4, 0, 0, 0, 0].as_slice(), &[7; 100]].concat();
            for _ in 0..2_000 {
                theirs.write_all(&ping).await.unwrap();
            }
            theirs
        });
        for _ in 0..2_000 {
            assert_eq!(socket.next().await, Some(Incoming::Alive));
        }
        assert!(socket.out.len() <= FULL + 200, "{}", socket.out.len());
        drop(writer.await.unwrap());
        assert_eq!(socket.next().await, None);
    }
}
