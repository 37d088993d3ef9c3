//! The whole server: every part, built in the one right order.
//!
//! `start` returns when all listeners are bound, so whoever has an `App` can connect to it.
//! Order: data directory → tokens → media (its ports) → lessons → listeners. Stopping goes the
//! other way round: no new connections, every page is told, media ends, threads join.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::auth::secret::random_hex;
use crate::config::Config;
use crate::http::ops::OpsState;
use crate::http::resource::Resources;
use crate::http::server::{Connections, serve};
use crate::http::tls::{self, Authority};
use crate::http::{HttpConfig, HttpState, TlsMode, ca, ops, router};
use crate::ids::{LessonId, ParticipantId};
use crate::lesson::{Directory, LessonError, Surroundings};
use crate::media::{self, Media};
use crate::session::message::{LessonOverview, Role};
use crate::session::{SessionCounters, SessionParts};

/// How long pages have to take their goodbye.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long the media threads have to end.
const MEDIA_END: Duration = Duration::from_secs(3);

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
    media: Media,
    stop: watch::Sender<bool>,
    alive: mpsc::Receiver<()>,
    listeners: Vec<JoinHandle<()>>,
}

impl App {
    /// Builds and binds everything.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let data = &config.data.dir;
        std::fs::create_dir_all(data)
            .with_context(|| format!("cannot make the data directory {}", data.display()))?;
        let tokens = config.auth.tokens(data).context("the token secret cannot be kept")?;
        let media = Media::start(&config.media.to_media()?).context("the media plane cannot start")?;
        let media_ports = media.ports().to_vec();
        let (stop, stopping) = watch::channel(false);
        let lost_events = Arc::new(AtomicU64::new(0));
        let ice_servers = config.media.ice_servers_for_clients(unix_now);
        let directory = Directory::new(Surroundings {
            config: config.lesson.clone(),
            media: media.handle.clone(),
            negotiator: media.negotiator.clone(),
            ice_servers: ice_servers.clone(),
            lost_events: Arc::clone(&lost_events),
        });
        let sessions = Arc::new(SessionParts {
            config: config.session.clone(),
            tokens,
            directory,
            negotiator: media.negotiator.clone(),
            unix_now: Box::new(unix_now),
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
            ice_servers,
            alive,
        });

        let plain = bind(http.listen).await?;
        let http_addr = plain.local_addr()?;
        let mut listeners = Vec::new();
        let mut tls_addr = None;
        let inside_pages = pages.clone();
        let on_plain = match secure(http, &config)? {
            None => pages,
            Some((acceptor, certificate)) => {
                let secure = bind(http.tls_listen).await?;
                let address = secure.local_addr()?;
                tls_addr = Some(address);
                let (limits, stopping) = (Arc::clone(&connections), stopping.clone());
                listeners.push(tokio::spawn(serve(secure, Some(acceptor), pages, limits, stopping)));
                ca::router(address.port(), certificate)
            }
        };
        let limits = Arc::clone(&connections);
        listeners.push(tokio::spawn(serve(plain, None, on_plain, limits, stopping.clone())));

        let inside = bind(config.ops.listen).await?;
        let ops_addr = inside.local_addr()?;
        let state = OpsState {
            sessions: Arc::clone(&sessions),
            connections,
            resources,
            media: media.handle.clone(),
            lost_events,
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
        self.sessions.directory.create(&id, title.to_owned())?;
        Ok(())
    }

    /// Opens one more plain listener, on loopback, for clients inside this process: they need no
    /// certificate, whatever the public listener speaks. It ends with the server.
    pub async fn listen_inside(&self) -> anyhow::Result<SocketAddr> {
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
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

    /// Says goodbye to every page and ends everything; at most about ten seconds.
    pub async fn shutdown(mut self) {
        tracing::info!("stopping");
        self.stop.send_replace(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
        // Ends when the last WebSocket has dropped its end.
        if timeout(GOODBYE, self.alive.recv()).await.is_err() {
            tracing::warn!("some pages did not take their goodbye in time");
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
    // A clock before 1970 makes every token "not yet valid", which is what it is.
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
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
