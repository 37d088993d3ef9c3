//! HTTP by hand: what a test sends is what goes out.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The stable code of an error.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// One request on a connection of its own, its body JSON. `headers` are whole lines.
pub async fn request(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    let json = (!body.is_empty()).then_some("Content-Type: application/json");
    let headers: Vec<&str> = headers.iter().copied().chain(json).collect();
    send(to, method, path, &headers, body).await
}

/// The same with whatever body the headers say.
pub async fn send(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
    send_bytes(to, method, path, headers, body.as_bytes()).await
}

/// The same with a body that is no text.
pub async fn send_bytes(to: SocketAddr, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    let exchange = async {
        let mut stream = TcpStream::connect(to).await.unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    };
    Answer::parse(&timeout(PATIENCE, exchange).await.expect("the server answers"))
}
