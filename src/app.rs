//! The whole server: every part, built in the one right order.
//!
//! `start` returns when all listeners are bound, so whoever has an `App` can connect to it.
//! Order: data directory and its lock → memory → tokens → media (its ports) → lessons, those of an
//! earlier process too → listeners. Stopping: what is to be remembered is written and the lock given
//! back, then no new connections, every page is told, media ends, threads join.
//!
//! Two servers on one data directory are an upgrade: the newer one waits for the lock, which the
//! older one gives back as its first act when it is told to stop. The newer one then takes up the
//! lessons and binds the listeners as the older one leaves them; on the media port the older one
//! goes on until its pages have moved, so the newer one takes the next free block of ports.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::auth::secret::random_hex;
use crate::config::Config;
use crate::http::ops::OpsState;
use crate::http::resource::Resources;
use crate::http::server::{Connections, serve};
use crate::http::tls::{self, Authority};
use crate::http::{Desk, HttpConfig, HttpState, TlsMode, ca, ops, router};
use crate::ids::{LessonId, ParticipantId};
use crate::lesson::{Directory, LessonError, Surroundings};
use crate::media::{self, Media, MediaConfig, MediaError};
use crate::process;
use crate::session::message::{LessonOverview, Role};
use crate::session::{SessionCounters, SessionParts};
use crate::store::photos::Photos;
use crate::store::{self, Memory, WallClock};
use crate::watchdog::{self, Watchdog, Watched};

/// How long lessons and the journal have to note what is to be remembered, each.
const HAND_OVER: Duration = Duration::from_millis(1_500);
/// How long pages have to take their goodbye and to move, since the beginning of the end.
const GOODBYE: Duration = Duration::from_millis(5_500);
/// How long the media threads have to end.
const MEDIA_END: Duration = Duration::from_secs(2);
/// How long a successor waits for the lock, and then for the ports.
const TAKE_OVER: Duration = Duration::from_secs(60);
const PORTS: Duration = Duration::from_secs(10);

/// A running server.
pub struct App {
    /// The plain listener: pages, or redirects when TLS is on.
    pub http_addr: SocketAddr,
    /// The secure listener, when TLS is on.
    pub tls_addr: Option<SocketAddr>,
    pub ops_addr: SocketAddr,
    /// UDP ports, by shard.
    pub media_ports: Vec<u16>,
    sessions: Arc<SessionParts>,
    pages: axum::Router,
    data: PathBuf,
    memory: Arc<Memory>,
    _watchdog: Arc<Watchdog>,
    media: Media,
    stop: watch::Sender<bool>,
    alive: mpsc::Receiver<()>,
    listeners: Vec<JoinHandle<()>>,
}

impl App {
    /// Builds and binds everything.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        Self::start_with(config, Arc::new(unix_ms)).await
    }

    /// The same by another wall clock (milliseconds since 1970).
    pub async fn start_with(config: Config, wall: WallClock) -> anyhow::Result<Self> {
        let data = &config.data.dir;
        std::fs::create_dir_all(data)
            .with_context(|| format!("cannot make the data directory {}", data.display()))?;
        let lock = store::take_lock(data, TAKE_OVER).await.context("the journal cannot be opened")?;
        let (lock, follows) =
            lock.with_context(|| format!("another server runs on {} and does not end", data.display()))?;
        let tokens = config.auth.tokens(data).context("the token secret cannot be kept")?;
        let (memory, runs) =
            Memory::open(data, lock, wall.clone()).context("the journal cannot be opened")?;
        let memory = Arc::new(memory);
        let media = start_media(config.media.to_media()?, follows).await?;
        let media_ports = media.ports().to_vec();
        let (stop, stopping) = watch::channel(false);
        let photos = Arc::new(Photos::open(data));
        let lost_events = Arc::new(AtomicU64::new(0));
        let ice_servers = config.media.ice_servers_for_clients(unix_now);
        let directory = Directory::new(Surroundings {
            config: config.lesson.clone(),
            media: media.handle.clone(),
            negotiator: media.negotiator.clone(),
            ice_servers: ice_servers.clone(),
            lost_events: Arc::clone(&lost_events),
            chronicle: memory.chronicle().clone(),
            photos: Arc::clone(&photos),
        });
        directory.resume(runs);
        let sessions = Arc::new(SessionParts {
            config: config.session.clone(),
            tokens,
            directory,
            negotiator: media.negotiator.clone(),
            unix_now: Box::new(move || wall() / 1000),
            counters: SessionCounters::default(),
            stopping: stopping.clone(),
        });
        let http = &config.http;
        let connections = Arc::new(Connections::new(http.max_connections, http.max_connections_per_address));
        let resources = Resources::new(http.max_connections, http.max_connections_per_address);
        let (alive, alive_out) = mpsc::channel(1);
        let pages = router(HttpState {
            sessions: Arc::clone(&sessions),
            allowed_origins: http.allowed_origins.clone().into(),
            resources: resources.clone(),
            history: memory.history().clone(),
            photos: Desk::new(photos),
            ice_servers,
            alive,
        });

        let patience = if follows { PORTS } else { Duration::ZERO };
        let plain = bind(http.listen, patience).await?;
        let http_addr = plain.local_addr()?;
        let mut listeners = Vec::new();
        let mut tls_addr = None;
        let inside_pages = pages.clone();
        let on_plain = match secure(http, &config)? {
            None => pages,
            Some((acceptor, certificate)) => {
                let secure = bind(http.tls_listen, patience).await?;
                let address = secure.local_addr()?;
                tls_addr = Some(address);
                let (limits, stopping) = (Arc::clone(&connections), stopping.clone());
                listeners.push(tokio::spawn(serve(secure, Some(acceptor), pages, limits, stopping)));
                ca::router(address.port(), certificate)
            }
        };
        let limits = Arc::clone(&connections);
        listeners.push(tokio::spawn(serve(plain, None, on_plain, limits, stopping.clone())));

        let watchdog = Arc::new(watch(&media, config.ops.watchdog_seconds)?);
        let inside = bind(config.ops.listen, patience).await?;
        let ops_addr = inside.local_addr()?;
        let state = OpsState {
            sessions: Arc::clone(&sessions),
            connections,
            resources,
            media: media.handle.clone(),
            lost_events,
            memory: Arc::clone(&memory),
            watchdog: Arc::clone(&watchdog),
        };
        // Never short of places because the public is: limits of its own.
        let limits = Arc::new(Connections::new(256, 256));
        listeners.push(tokio::spawn(serve(inside, None, ops::router(state), limits, stopping)));

        tracing::info!(%http_addr, ?tls_addr, %ops_addr, ?media_ports, "zhuandi is running");
        Ok(Self {
            http_addr,
            tls_addr,
            ops_addr,
            media_ports,
            sessions,
            pages: inside_pages,
            data: data.clone(),
            memory,
            _watchdog: watchdog,
            media,
            stop,
            alive: alive_out,
            listeners,
        })
    }

    /// Where a browser on this computer opens the pages, without a slash at the end.
    #[must_use]
    pub fn base_url(&self) -> String {
        match self.tls_addr {
            Some(address) => format!("https://localhost:{}", address.port()),
            None => match self.http_addr.ip() {
                ip if ip.is_unspecified() || ip.is_loopback() => {
                    format!("http://localhost:{}", self.http_addr.port())
                }
                _ => format!("http://{}", self.http_addr),
            },
        }
    }

    /// The address that a client in this process connects to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        let mut address = self.tls_addr.unwrap_or(self.http_addr);
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        address
    }

    /// Makes a planned lesson.
    pub fn create_lesson(&self, id: &str, title: &str) -> anyhow::Result<()> {
        let id = LessonId::new(id)?;
        self.sessions.directory.create(&id, title.to_owned(), None)?;
        Ok(())
    }

    /// Opens one more plain listener, on loopback, for clients inside this process: they need no
    /// certificate, whatever the public listener speaks. It ends with the server.
    pub async fn listen_inside(&self) -> anyhow::Result<SocketAddr> {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Duration::ZERO).await?;
        let address = listener.local_addr()?;
        let limits = Arc::new(Connections::new(256, 256));
        tokio::spawn(serve(listener, None, self.pages.clone(), limits, self.stop.subscribe()));
        Ok(address)
    }

    /// The lessons that run now, with their people.
    pub async fn lessons(&self) -> Vec<LessonOverview> {
        self.sessions.directory.overviews().await
    }

    /// Makes a planned lesson in the place of an ended one.
    pub fn reopen_lesson(&self, id: &str, title: &str) -> anyhow::Result<()> {
        self.sessions.directory.forget_ended(&LessonId::new(id)?);
        match self.create_lesson(id, title) {
            // It runs: nothing to reopen.
            Err(error) if matches!(error.downcast_ref(), Some(LessonError::Exists)) => Ok(()),
            other => other,
        }
    }

    /// A token for this server. Without `sub`, for a participant of its own.
    pub fn issue_token(
        &self,
        lesson: &str,
        role: Role,
        name: &str,
        sub: Option<&str>,
        ttl: Duration,
    ) -> anyhow::Result<String> {
        issue_token(&self.sessions.tokens, lesson, role, name, sub, ttl)
    }

    /// Waits until all that was noted so far is in the database; `false`: that takes too long.
    pub async fn remembered(&self, most: Duration) -> bool {
        self.memory.history().caught_up(most).await
    }

    /// Says goodbye to every page and ends everything; at most about nine seconds, whatever the disk
    /// and the database do.
    pub async fn shutdown(mut self) {
        tracing::info!("stopping");
        let began = Instant::now();
        if timeout(HAND_OVER, self.sessions.directory.hand_over()).await.is_err() {
            tracing::error!("some lessons did not tell how they stand");
        }
        let memory = Arc::clone(&self.memory);
        let closed = tokio::task::spawn_blocking(move || memory.close(HAND_OVER));
        let _ = timeout(HAND_OVER * 2, closed).await;
        self.stop.send_replace(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
        drop(self.pages);
        // Ends when the last WebSocket has dropped its end.
        if timeout_at(began + GOODBYE, self.alive.recv()).await.is_err() {
            tracing::warn!("some pages did not take their goodbye in time");
        }
        if store::has_successor(&self.data) {
            tracing::info!("a successor is there; media goes on until the pages have moved");
            let peers = || self.media.handle.shards().iter().map(|s| s.stats().peers).sum::<u64>();
            while peers() > 0 && Instant::now() < began + GOODBYE {
                sleep(Duration::from_millis(50)).await;
            }
        }
        let _ = timeout(Duration::from_secs(1), self.sessions.directory.shutdown()).await;
        let media = self.media;
        let ended = tokio::task::spawn_blocking(move || media.stop());
        if timeout(MEDIA_END, ended).await.is_err() {
            tracing::error!("the media threads did not end in time");
        }
    }
}

/// Signs a token with the given signer; see `App::issue_token`.
pub fn issue_token(
    tokens: &crate::auth::Tokens,
    lesson: &str,
    role: Role,
    name: &str,
    sub: Option<&str>,
    ttl: Duration,
) -> anyhow::Result<String> {
    let lesson = LessonId::new(lesson).context("--lesson")?;
    let sub = match sub {
        Some(sub) => ParticipantId::new(sub).context("--sub")?,
        None => ParticipantId::new(&format!("p-{}", random_hex(8)))?,
    };
    Ok(tokens.issue(&lesson, role, name, &sub, ttl, unix_now())?)
}

/// Seconds since 1970 by the system's clock.
#[must_use]
pub fn unix_now() -> u64 {
    unix_ms() / 1000
}

/// Milliseconds since 1970 by the system's clock.
#[must_use]
pub fn unix_ms() -> u64 {
    // A clock before 1970 makes every token "not yet valid", which is what it is.
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}

/// Binds; while the address is still another's, tries again until `patience` is over.
async fn bind(address: SocketAddr, patience: Duration) -> anyhow::Result<TcpListener> {
    let until = Instant::now() + patience;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < until => {
                sleep(Duration::from_millis(10)).await;
            }
            bound => return bound.with_context(|| format!("cannot listen on {address}")),
        }
    }
}

/// Starts the media plane. Who follows another server leaves it its ports until its pages have moved,
/// and takes the block after them, and the extra port when that is free.
async fn start_media(mut config: MediaConfig, follows: bool) -> anyhow::Result<Media> {
    if let Some(most) = process::most_descriptors() {
        // The other half is for pages, the database and the rest.
        config.tcp.limits = config.tcp.limits.within(most / 2, config.shards);
    }
    // The old server keeps the extra port while its media goes on; waiting for it would break the lesson.
    config.tcp.extra_port_later = follows;
    let mut next = config.clone();
    next.port = config.port.saturating_add(config.shards.max(1) as u16);
    let until = Instant::now() + PORTS;
    loop {
        for config in [&config, &next] {
            match Media::start(config) {
                Err(MediaError::Bind { error, .. } | MediaError::BindTcp { error, .. })
                    if follows && error.kind() == ErrorKind::AddrInUse && Instant::now() < until => {}
                started => return started.context("the media plane cannot start"),
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Watches every media thread and the runtime; `seconds`: 0 ends no process.
fn watch(media: &Media, seconds: u32) -> anyhow::Result<Watchdog> {
    let runtime = Arc::new(AtomicU64::new(1));
    let turns = Arc::downgrade(&runtime);
    tokio::spawn(async move {
        let mut tick = tokio::time::interval(watchdog::LOOK / 2);
        while let Some(turns) = turns.upgrade() {
            turns.fetch_add(1, Ordering::Relaxed);
            drop(turns);
            tick.tick().await;
        }
    });
    let shards = media.handle.shards().iter().enumerate();
    let mut all: Vec<Watched> =
        shards.map(|(n, shard)| Watched { name: format!("shard-{n}"), turns: shard.turns() }).collect();
    all.push(Watched { name: "runtime".into(), turns: runtime });
    let looks = seconds * (1000 / watchdog::LOOK.as_millis() as u32);
    Watchdog::start(all, looks, watchdog::LOOK, watchdog::end_process).context("the watchdog cannot start")
}

/// The acceptor, and the authority's certificate when it is our own.
fn secure(http: &HttpConfig, config: &Config) -> anyhow::Result<Option<(TlsAcceptor, Option<Arc<str>>)>> {
    Ok(match http.tls {
        TlsMode::Off => None,
        TlsMode::Files => Some((tls::from_files(&http.tls_cert, &http.tls_key)?, None)),
        TlsMode::SelfSigned => {
            let authority = Authority::load_or_create(&config.data.dir, SystemTime::now())?;
            let certificate: Arc<str> = authority.certificate_pem().into();
            let acceptor = tls::self_signed(authority, certificate_names(config), SystemTime::now)?;
            Some((acceptor, Some(certificate)))
        }
    })
}

/// What a browser may have typed to get here.
fn certificate_names(config: &Config) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(config.http.tls_names.iter().cloned());
    names.extend(config.media.addresses.iter().cloned());
    let listen = config.http.tls_listen.ip();
    if !listen.is_unspecified() {
        names.push(listen.to_string());
    }
    names.extend(media::own_addresses().into_iter().map(|a| a.to_string()));
    if let Ok(name) = std::fs::read_to_string("/etc/hostname") {
        let name = name.trim();
        if !name.is_empty() && name.is_ascii() {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names.dedup();
    names
}
