//! A page as the server sees it: a WebSocket and the messages on it.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};
use zhuandi::app::App;

use super::PATIENCE;

pub struct Page {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    request: u32,
    /// Code of the close frame, when one came.
    pub closed: Option<u16>,
}

impl Page {
    pub async fn connect(app: &App) -> Self {
        Self::connect_from(app, None).await.unwrap()
    }

    /// With an `Origin`, as browsers send it. A refusal is the HTTP status.
    pub async fn connect_from(app: &App, origin: Option<&str>) -> Result<Self, u16> {
        Self::connect_to(app.http_addr, origin).await
    }

    pub async fn connect_to(to: SocketAddr, origin: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{to}/ws").into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        match timeout(PATIENCE, connect_async(request)).await.expect("the server answers") {
            Ok((socket, _)) => Ok(Self { socket, request: 0, closed: None }),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Takes little at a time from the network, so that a server soon notices when it reads nothing.
    pub async fn connect_with_small_buffer(to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let stream = socket.connect(to).await.unwrap();
        let url = format!("ws://{to}/ws");
        let (socket, _) = client_async(url, MaybeTlsStream::Plain(stream)).await.unwrap();
        Self { socket, request: 0, closed: None }
    }

    /// Sends `join`; gives the answer, whatever it is.
    pub async fn join(&mut self, token: &str) -> Value {
        self.send(json!({ "type": "join", "version": 1, "token": token, "language": "en" })).await;
        self.next().await.expect("an answer to join")
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: String) {
        // The server may have closed already; the test then sees that it did.
        let _ = self.socket.send(Message::text(text)).await;
    }

    /// Sends a request with a number of its own.
    pub async fn request(&mut self, mut message: Value) -> u32 {
        self.request += 1;
        message["request"] = json!(self.request);
        self.send(message).await;
        self.request
    }

    /// Sends a request and gives its reply (`done`, `answer` or `error`); news on the way is dropped.
    pub async fn reply(&mut self, message: Value) -> Value {
        let number = self.request(message).await;
        self.until(|m| m["request"] == json!(number)).await
    }

    /// Sends a request that must succeed.
    pub async fn ask(&mut self, message: Value) {
        let reply = self.reply(message.clone()).await;
        assert_eq!(reply["type"], "done", "{message} got {reply}");
    }

    /// The next message; `None` when the connection has ended.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("something comes") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    self.closed = frame.map(|f| f.code.into());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The next message for which `wanted` holds.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        loop {
            let Some(message) = self.next().await else { panic!("closed after {seen:?}") };
            if wanted(&message) {
                return message;
            }
            seen.push(message);
        }
    }

    /// The next message of this type.
    pub async fn until_type(&mut self, kind: &str) -> Value {
        self.until(|m| m["type"] == kind).await
    }

    /// The next roster entry of this participant for which `wanted` holds.
    pub async fn until_participant(&mut self, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let message = self
            .until(|m| {
                m["type"] == "participant" && m["participant"]["id"] == id && wanted(&m["participant"])
            })
            .await;
        message["participant"].clone()
    }

    /// Waits for the end; gives the last message before it.
    pub async fn until_closed(&mut self) -> Option<Value> {
        let mut last = None;
        while let Some(message) = self.next().await {
            last = Some(message);
        }
        last
    }

    /// Breaks the connection without a goodbye, as a power cut does.
    pub fn cut(self) {
        drop(self.socket);
    }
}
