//! Signalling of light clients with Janus's video room: one publisher, many subscribers.
//!
//! The Janus API over WebSocket: requests carry a transaction that comes back in what answers them;
//! a plugin's real answer follows its `ack` as an `event`. A publisher offers and the room answers;
//! to a subscriber the room offers. One session holds all handles, which is the least work for
//! Janus (zhuandi has a WebSocket for each classroom).

use std::time::{Duration, Instant};

use anyhow::Context;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use zhuandi::bot::load::answer::{Answer, accept};
use zhuandi::bot::load::light::{Light, Lines, Shared, offer};
use zhuandi::bot::load::swarm::{Member, Rate, Swarm};
use zhuandi::media::negotiate::IceCredentials;

/// The room that the configuration makes.
const ROOM: u32 = 1;
const PATIENCE: Duration = Duration::from_secs(10);
/// A session without requests ends after 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// One WebSocket with one session.
pub struct Room {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: u64,
    transaction: u64,
    /// The publisher's number in the room.
    feed: Value,
}

impl Room {
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let mut request = url.into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", "janus-protocol".parse()?);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        let mut this = Self { socket, session: 0, transaction: 0, feed: Value::Null };
        let created = this.request(json!({ "janus": "create" })).await?;
        this.session = created["data"]["id"].as_u64().context("no session")?;
        Ok(this)
    }

    /// Adds the publisher.
    pub async fn publish(&mut self, shared: &Shared, swarm: &Swarm, rate: Rate) -> anyhow::Result<()> {
        let began = Instant::now();
        let handle = self.attach().await?;
        let ice = IceCredentials::generate();
        let lines = Lines { publish: true, audio: 0, video: 0, red: false };
        let body = json!({ "request": "joinandconfigure", "room": ROOM, "ptype": "publisher" });
        let jsep = json!({ "type": "offer", "sdp": offer(shared, &ice, lines) });
        let joined = self.message(handle, body, Some(jsep)).await?;
        self.feed = joined["plugindata"]["data"]["id"].clone();
        self.trickled(handle).await?;
        let answer = remote(&joined)?;
        let server = answer.server().context("no candidate in the answer")?;
        let light = Light::new(shared, ice, answer, server, began);
        swarm.add(Member { light, publish: Some(rate) });
        // Before that the room has no such feed to subscribe to.
        self.until(|m| m["janus"] == "webrtcup").await.context("the publisher's connection")?;
        Ok(())
    }

    /// Adds a subscriber of all that the publisher sends.
    pub async fn subscribe(&mut self, shared: &Shared, swarm: &Swarm) -> anyhow::Result<()> {
        let began = Instant::now();
        let handle = self.attach().await?;
        let streams = json!([{ "feed": self.feed }]);
        let body = json!({ "request": "join", "room": ROOM, "ptype": "subscriber", "streams": streams });
        let attached = self.message(handle, body, None).await?;
        let ice = IceCredentials::generate();
        let sdp = accept(shared, &ice, attached["jsep"]["sdp"].as_str().unwrap_or_default());
        let jsep = json!({ "type": "answer", "sdp": sdp });
        let remote = remote(&attached)?;
        self.message(handle, json!({ "request": "start" }), Some(jsep)).await?;
        self.trickled(handle).await?;
        let server = remote.server().context("no candidate in the offer")?;
        let light = Light::new(shared, ice, remote, server, began);
        swarm.add(Member { light, publish: None });
        Ok(())
    }

    /// Reads what comes and keeps the session alive until the end.
    pub async fn stay(mut self, mut ending: watch::Receiver<bool>) {
        let mut alive = tokio::time::interval(KEEP_ALIVE);
        loop {
            tokio::select! {
                _ = ending.changed() => return,
                message = self.socket.next() => if !matches!(message, Some(Ok(_))) { return },
                _ = alive.tick() => {
                    let keep = json!({ "janus": "keepalive", "session_id": self.session, "transaction": "k" });
                    if self.socket.send(Message::text(keep.to_string())).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn attach(&mut self) -> anyhow::Result<u64> {
        let request = json!({ "janus": "attach", "plugin": "janus.plugin.videoroom" });
        self.request(request).await?["data"]["id"].as_u64().context("no handle")
    }

    async fn message(&mut self, handle: u64, body: Value, jsep: Option<Value>) -> anyhow::Result<Value> {
        let mut request = json!({ "janus": "message", "handle_id": handle, "body": body });
        if let Some(jsep) = jsep {
            request["jsep"] = jsep;
        }
        let answer = self.request(request).await?;
        let error = &answer["plugindata"]["data"]["error"];
        anyhow::ensure!(error.is_null(), "the room refused: {error}");
        Ok(answer)
    }

    /// A light client has no candidates to tell: the server learns its address from its checks.
    async fn trickled(&mut self, handle: u64) -> anyhow::Result<()> {
        let done = json!({ "completed": true });
        self.request(json!({ "janus": "trickle", "handle_id": handle, "candidate": done })).await?;
        Ok(())
    }

    /// Sends a request and waits for what really answers it.
    async fn request(&mut self, mut request: Value) -> anyhow::Result<Value> {
        self.transaction += 1;
        let transaction = self.transaction.to_string();
        request["transaction"] = json!(transaction);
        if self.session > 0 {
            request["session_id"] = json!(self.session);
        }
        let kind = request["janus"].clone();
        self.socket.send(Message::text(request.to_string())).await?;
        let real =
            |m: &Value| m["transaction"] == json!(transaction) && (m["janus"] != "ack" || kind != "message");
        let answer = self.until(real).await.with_context(|| format!("{kind}"))?;
        anyhow::ensure!(answer["janus"] != "error", "Janus refused {kind}: {}", answer["error"]);
        Ok(answer)
    }

    /// Reads until a message that is `wanted`.
    async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let read = async {
            loop {
                let message = self.socket.next().await.context("Janus closed the connection")??;
                let Message::Text(text) = message else {
                    continue;
                };
                let message = serde_json::from_str(&text)?;
                if wanted(&message) {
                    return Ok(message);
                }
            }
        };
        timeout(PATIENCE, read).await.context("Janus does not answer")?
    }
}

/// The description that came with an event.
fn remote(event: &Value) -> anyhow::Result<Answer> {
    let sdp = event["jsep"]["sdp"].as_str().context("no description")?;
    if std::env::var_os("COMPARE_SHOW_SDP").is_some() {
        eprintln!("{sdp}");
    }
    Answer::parse(sdp).context("a description that the light client does not understand")
}
