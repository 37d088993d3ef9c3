//! The WebSocket side of a synthetic participant: join, send, receive. See docs/PROTOCOL.md.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::session::message::{ClientMessage, PROTOCOL_VERSION, ServerMessage};

/// How long the server may take for a connection and its welcome.
const PATIENCE: Duration = Duration::from_secs(10);
/// The largest message that is taken.
const LARGEST: usize = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    #[error("WebSocket: {0}")]
    Socket(#[from] Box<tungstenite::Error>),
    #[error("the server does not answer")]
    Silent,
    #[error("the server closed the connection")]
    Closed,
    #[error("a message that the protocol does not know: {0}")]
    Protocol(#[from] serde_json::Error),
    #[error("refused: {message} ({code})")]
    Refused { code: String, message: String, fatal: bool },
}

/// A signalling connection.
pub struct Signal {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_request: u32,
}

impl Signal {
    /// Connects to a `ws://…/ws` address, joins, and gives the welcome (or what came instead of it).
    ///
    /// # Errors
    /// See [`SignalError`]; `Refused` carries the server's error.
    pub async fn join(url: &str, token: &str) -> Result<(Self, ServerMessage), SignalError> {
        let config = tungstenite::protocol::WebSocketConfig::default().max_message_size(Some(LARGEST));
        let connecting = tokio_tungstenite::connect_async_with_config(url, Some(config), true);
        let (socket, _) =
            timeout(PATIENCE, connecting).await.map_err(|_| SignalError::Silent)?.map_err(Box::new)?;
        let mut this = Self { socket, last_request: 0 };
        let join = ClientMessage::Join {
            version: PROTOCOL_VERSION,
            token: token.to_owned(),
            language: "en".to_owned(),
        };
        this.send(&join).await?;
        let first = timeout(PATIENCE, this.next()).await.map_err(|_| SignalError::Silent)??;
        match first {
            ServerMessage::Error { code, message, fatal, .. } => {
                Err(SignalError::Refused { code, message, fatal })
            }
            other => Ok((this, other)),
        }
    }

    /// A number for the next request.
    pub fn next_request(&mut self) -> u32 {
        self.last_request += 1;
        self.last_request
    }

    /// # Errors
    /// When the connection is broken.
    pub async fn send(&mut self, message: &ClientMessage) -> Result<(), SignalError> {
        let text = serde_json::to_string(message)?;
        self.socket.send(Message::text(text)).await.map_err(|e| SignalError::Socket(Box::new(e)))
    }

    /// Waits for the next message. Cancelling loses nothing.
    ///
    /// # Errors
    /// When the connection is broken or the message is not of the protocol.
    pub async fn next(&mut self) -> Result<ServerMessage, SignalError> {
        loop {
            let message = self.socket.next().await.ok_or(SignalError::Closed)?;
            match message.map_err(Box::new)? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(_) => return Err(SignalError::Closed),
                _ => {}
            }
        }
    }
}
