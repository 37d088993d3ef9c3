//! Configuration: defaults < TOML file < environment < flags.
//!
//! Each module owns its section; this file only puts them together. The environment names a key as
//! `ZHUANDI_SECTION__KEY` (lists with commas), a flag as `--set section.key=value`. Unknown keys
//! fail, everything is checked before anything is bound, and secrets print as `***`.
//! `config/zhuandi.toml` documents every key; a test holds it against this code.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use config::{Environment, File, FileFormat};
use serde::{Deserialize, Serialize};

use crate::auth::turn::{IceServers, Turn};
use crate::auth::{AuthConfig, Secret};
use crate::http::HttpConfig;
use crate::http::ops::OpsConfig;
use crate::lesson::LessonConfig;
use crate::media::{Buffers, RedundancyMode, TcpConfig, TcpLimits};
use crate::session::SessionConfig;
use crate::session::message::IceServer;
use crate::telemetry::LogConfig;

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub http: HttpConfig,
    pub ops: OpsConfig,
    pub media: MediaSection,
    pub lesson: LessonConfig,
    pub session: SessionConfig,
    pub auth: AuthConfig,
    pub data: DataConfig,
    pub log: LogConfig,
}

/// `[media]`. The media plane knows no file format, so its section lives here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaSection {
    pub port: u16,
    pub tcp: bool,
    pub tcp_extra_port: u16,
    pub max_tcp_connections: usize,
    pub max_tcp_connections_per_address: usize,
    #[serde(deserialize_with = "list")]
    pub addresses: Vec<String>,
    pub shards: usize,
    pub video_packets: usize,
    pub audio_packets: usize,
    pub socket_buffer_kib: usize,
    pub adapt: bool,
    pub redundancy: RedundancyMode,
    #[serde(deserialize_with = "ice_servers")]
    pub ice_servers: Vec<IceServerConfig>,
    #[serde(deserialize_with = "list")]
    pub turn_urls: Vec<String>,
    pub turn_secret: Secret,
    pub turn_ttl_seconds: u64,
}

/// A STUN or TURN server that clients are told of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IceServerConfig {
    pub urls: Vec<String>,
    pub username: String,
    pub credential: Secret,
}

impl Default for MediaSection {
    fn default() -> Self {
        let Buffers { video_packets, audio_packets, socket_bytes } = Buffers::default();
        let tcp = TcpConfig::default();
        Self {
            port: 7000,
            tcp: tcp.on,
            tcp_extra_port: tcp.extra_port,
            max_tcp_connections: tcp.limits.most,
            max_tcp_connections_per_address: tcp.limits.most_per_address,
            addresses: Vec::new(),
            shards: 1,
            video_packets,
            audio_packets,
            socket_buffer_kib: socket_bytes / 1024,
            adapt: true,
            redundancy: RedundancyMode::default(),
            ice_servers: Vec::new(),
            turn_urls: Vec::new(),
            turn_secret: Secret::default(),
            turn_ttl_seconds: 86_400,
        }
    }
}

impl MediaSection {
    /// The media plane's own form.
    pub fn to_media(&self) -> anyhow::Result<crate::media::MediaConfig> {
        let addresses = self
            .addresses
            .iter()
            .map(|a| a.parse().with_context(|| format!("media.addresses: {a:?} is not an IP address")));
        Ok(crate::media::MediaConfig {
            port: self.port,
            tcp: TcpConfig {
                on: self.tcp,
                extra_port: self.tcp_extra_port,
                extra_port_later: false,
                limits: TcpLimits {
                    most: self.max_tcp_connections,
                    most_per_address: self.max_tcp_connections_per_address,
                    ..TcpLimits::default()
                },
            },
            addresses: addresses.collect::<anyhow::Result<_>>()?,
            shards: self.shards,
            buffers: Buffers {
                video_packets: self.video_packets,
                audio_packets: self.audio_packets,
                socket_bytes: self.socket_buffer_kib * 1024,
            },
            adapt: self.adapt,
            redundancy: self.redundancy,
        })
    }

    /// What clients are told. `unix_now`: seconds since 1970.
    #[must_use]
    pub fn ice_servers_for_clients(&self, unix_now: fn() -> u64) -> IceServers {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let servers = self.ice_servers.iter().map(|server| IceServer {
            urls: server.urls.clone(),
            username: some(&server.username),
            credential: some(server.credential.expose()),
        });
        let turn = (!self.turn_urls.is_empty()).then(|| Turn {
            urls: self.turn_urls.clone(),
            secret: self.turn_secret.clone(),
            valid: Duration::from_secs(self.turn_ttl_seconds),
            unix_now,
        });
        IceServers::new(servers.collect(), turn)
    }

    fn check(&self, problems: &mut Vec<String>) {
        let scheme = |url: &str| ["stun:", "turn:", "turns:"].iter().any(|s| url.starts_with(s));
        let plain = |text: &str| text.bytes().all(|b| (b' '..=b'~').contains(&b));
        for server in &self.ice_servers {
            if server.urls.is_empty() || !server.urls.iter().all(|url| scheme(url) && plain(url)) {
                problems
                    .push("media.ice_servers: each needs urls that begin with stun:, turn: or turns:".into());
            }
            if !plain(&server.username) || !plain(server.credential.expose()) {
                problems.push("media.ice_servers: username and credential must be plain ASCII".into());
            }
        }
        let relay = |url: &String| ["turn:", "turns:"].iter().any(|s| url.starts_with(s)) && plain(url);
        if !self.turn_urls.iter().all(relay) {
            problems.push("media.turn_urls must begin with turn: or turns:".into());
        }
        if self.turn_urls.is_empty() != self.turn_secret.is_empty() {
            problems.push("media.turn_urls and media.turn_secret belong together".into());
        }
        if !(600..=604_800).contains(&self.turn_ttl_seconds) {
            problems.push("media.turn_ttl_seconds must be 600 to 604800".into());
        }
        if let Err(error) = self.to_media() {
            problems.push(error.to_string());
        }
        if !(1..=64).contains(&self.shards) {
            problems.push("media.shards must be 1 to 64".into());
        }
        if !(64..=8192).contains(&self.video_packets) {
            problems.push("media.video_packets must be 64 to 8192".into());
        }
        if !(16..=1024).contains(&self.audio_packets) {
            problems.push("media.audio_packets must be 16 to 1024".into());
        }
        if !(64..=262_144).contains(&self.socket_buffer_kib) {
            problems.push("media.socket_buffer_kib must be 64 to 262144".into());
        }
        let last = |first: u16| usize::from(first) + self.shards;
        if self.port != 0 && last(self.port) > 65_536 {
            problems.push("media.port + media.shards is beyond the last port".into());
        }
        if self.tcp_extra_port != 0 {
            let (first, own) = (usize::from(self.tcp_extra_port), usize::from(self.port));
            if last(self.tcp_extra_port) > 65_536 {
                problems.push("media.tcp_extra_port + media.shards is beyond the last port".into());
            }
            if self.tcp && own != 0 && first < last(self.port) && own < last(self.tcp_extra_port) {
                problems.push("media.tcp_extra_port is one of the media ports already".into());
            }
        }
        if self.max_tcp_connections == 0 || self.max_tcp_connections_per_address == 0 {
            problems.push("media.max_tcp_connections and …_per_address must be at least 1".into());
        }
    }
}

/// `[data]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    pub dir: PathBuf,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { dir: "data".into() }
    }
}

impl Config {
    /// Reads the file (if any), the environment and the `section.key=value` flags, and checks all.
    pub fn load(file: Option<&Path>, flags: &[String]) -> anyhow::Result<Self> {
        let text = match file {
            Some(path) => {
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?
            }
            None => String::new(),
        };
        Self::from_parts(&text, std::env::vars().collect(), flags)
    }

    /// The same from given parts, for tests and embedded defaults.
    pub fn from_parts(
        toml: &str,
        environment: HashMap<String, String>,
        flags: &[String],
    ) -> anyhow::Result<Self> {
        // Other variables of ours (for tools and tests) have no section.
        let ours = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with("ZHUANDI_") && name.contains("__"))
            .collect();
        let environment =
            Environment::with_prefix("ZHUANDI").prefix_separator("_").separator("__").source(Some(ours));
        let mut builder = config::Config::builder()
            .add_source(File::from_str(toml, FileFormat::Toml))
            .add_source(environment);
        for flag in flags {
            let (key, value) = flag
                .split_once('=')
                .with_context(|| format!("--set wants section.key=value, not {flag:?}"))?;
            builder = builder.set_override(key.trim(), value.trim())?;
        }
        let config: Self = builder
            .build()
            .and_then(config::Config::try_deserialize)
            .context("the configuration cannot be read")?;
        config.check()?;
        Ok(config)
    }

    /// Every problem at once, so that nobody fixes them one start at a time.
    fn check(&self) -> anyhow::Result<()> {
        let mut problems = Vec::new();
        self.http.check(&mut problems);
        self.ops.check(&mut problems);
        self.media.check(&mut problems);
        self.lesson.check(&mut problems);
        self.session.check(&mut problems);
        self.auth.check(&mut problems);
        self.log.check(&mut problems);
        if problems.is_empty() {
            return Ok(());
        }
        bail!("the configuration has problems:\n  - {}", problems.join("\n  - "))
    }
}

/// Reads a list of servers, or its JSON (as the environment and flags have it).
fn ice_servers<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<IceServerConfig>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<IceServerConfig>),
        Text(String),
    }
    match Either::deserialize(from)? {
        Either::List(list) => Ok(list),
        Either::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
        Either::Text(text) => serde_json::from_str(&text).map_err(serde::de::Error::custom),
    }
}

/// Reads a list, or one text with commas (as the environment and flags have it).
pub fn list<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Either::deserialize(from)? {
        Either::List(list) => list,
        Either::Text(text) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(str::to_owned).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::ids::ParticipantId;

    const DOCUMENTED: &str = include_str!("../config/zhuandi.toml");

    fn env(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn load(toml: &str, pairs: &[(&str, &str)], flags: &[&str]) -> anyhow::Result<Config> {
        let flags: Vec<String> = flags.iter().map(|f| (*f).to_owned()).collect();
        Config::from_parts(toml, env(pairs), &flags)
    }

    #[test]
    fn the_documented_file_has_every_key_with_its_default() {
        assert_eq!(load(DOCUMENTED, &[], &[]).unwrap(), Config::default());
        let file: serde_json::Value = config::Config::builder()
            .add_source(File::from_str(DOCUMENTED, FileFormat::Toml))
            .build()
            .and_then(config::Config::try_deserialize)
            .unwrap();
        let code = serde_json::to_value(Config::default()).unwrap();
        let keys = |value: &serde_json::Value| -> Vec<String> {
            let sections = value.as_object().unwrap().iter();
            let mut keys: Vec<String> = sections
                .flat_map(|(s, v)| v.as_object().unwrap().keys().map(move |k| format!("{s}.{k}")))
                .collect();
            keys.sort();
            keys
        };
        assert_eq!(keys(&file), keys(&code));
    }

    #[test]
    fn every_documented_key_says_what_it_costs() {
        let mut comment = false;
        for line in DOCUMENTED.lines() {
            if line.contains('=') && !line.starts_with('#') {
                assert!(comment, "no comment above {line:?}");
                comment = false;
            } else if line.starts_with('#') {
                comment = true;
            }
        }
    }

    #[test]
    fn file_then_environment_then_flags() {
        let toml = "[http]\nlisten = \"127.0.0.1:1\"\n[media]\nport = 1\n[ops]\nlisten = \"127.0.0.1:2\"";
        let pairs = [("ZHUANDI_HTTP__LISTEN", "127.0.0.1:3"), ("ZHUANDI_MEDIA__PORT", "3")];
        let config = load(toml, &pairs, &["media.port=5"]).unwrap();
        assert_eq!(config.ops.listen.to_string(), "127.0.0.1:2");
        assert_eq!(config.http.listen.to_string(), "127.0.0.1:3");
        assert_eq!(config.media.port, 5);
    }

    #[test]
    fn the_fixed_environment_names() {
        let secret = "0012345678901234567890123456789012";
        let config = load(
            "",
            &[
                ("ZHUANDI_HTTP__LISTEN", "[::1]:0"),
                ("ZHUANDI_OPS__LISTEN", "127.0.0.1:0"),
                ("ZHUANDI_MEDIA__PORT", "0"),
                ("ZHUANDI_MEDIA__ADDRESSES", "10.0.0.1, 2001:db8::1"),
                ("ZHUANDI_DATA__DIR", "/tmp/x"),
                ("ZHUANDI_AUTH__TOKEN_SECRET", secret),
                ("ZHUANDI_WRITE_TYPES", "1"),
            ],
            &[],
        )
        .unwrap();
        assert_eq!(config.media.addresses, ["10.0.0.1", "2001:db8::1"]);
        assert_eq!(config.auth.token_secret.expose(), secret, "digits stay text");
        assert!(!format!("{config:?}").contains(secret), "secrets do not print");
    }

    #[test]
    fn ice_servers_by_file_and_by_environment() {
        let toml =
            "[[media.ice_servers]]\nurls = [\"turn:box:3478\"]\nusername = \"u\"\ncredential = \"hidden\"";
        let json = r#"[{"urls":["turn:box:3478"],"username":"u","credential":"hidden"}]"#;
        let by_file = load(toml, &[], &[]).unwrap();
        let by_environment = load("", &[("ZHUANDI_MEDIA__ICE_SERVERS", json)], &[]).unwrap();
        assert_eq!(by_file.media, by_environment.media);
        assert!(!format!("{by_file:?}").contains("hidden"), "secrets do not print");
        let me = ParticipantId::new("me").unwrap();
        let told = by_file.media.ice_servers_for_clients(|| 0).told_to(&me);
        assert_eq!((told.len(), told[0].credential.as_deref()), (1, Some("hidden")));
        let pairs = [
            ("ZHUANDI_MEDIA__TURN_URLS", "turn:box:3478, turns:box:443?transport=tcp"),
            ("ZHUANDI_MEDIA__TURN_SECRET", "shared-with-coturn"),
        ];
        let turn = load("", &pairs, &[]).unwrap();
        assert!(!format!("{turn:?}").contains("shared-with-coturn"), "secrets do not print");
        let told = turn.media.ice_servers_for_clients(|| 1_000_000).told_to(&me);
        assert_eq!(told[0].urls, ["turn:box:3478", "turns:box:443?transport=tcp"]);
        assert_eq!(told[0].username.as_deref(), Some("1086400:me"));
    }

    #[test]
    fn every_video_codec_has_its_name() {
        for name in ["vp8", "h264", "vp9", "av1"] {
            let config = load("", &[("ZHUANDI_LESSON__VIDEO_CODEC", name)], &[]).unwrap();
            assert_eq!(serde_json::to_value(config.lesson.video_codec).unwrap(), name);
        }
    }

    #[test]
    fn what_is_refused() {
        for (toml, pairs, flags) in [
            ("[http]\nlisten_on = \"x\"", &[][..], &[][..]),
            ("[nonsense]\nx = 1", &[], &[]),
            ("[http]\nlisten = \"nowhere\"", &[], &[]),
            ("[media]\nshards = 0", &[], &[]),
            ("[media]\nvideo_packets = 1", &[], &[]),
            ("[media]\naudio_packets = 100000", &[], &[]),
            ("[media]\nsocket_buffer_kib = 0", &[], &[]),
            ("[media]\ntcp_extra_port = 7000", &[], &[]),
            ("[media]\nshards = 9\ntcp_extra_port = 6995", &[], &[]),
            ("[media]\nshards = 2\ntcp_extra_port = 65535", &[], &[]),
            ("[media]\nmax_tcp_connections = 0", &[], &[]),
            ("[media]\nredundancy = \"always\"", &[], &[]),
            ("[media]\naddresses = [\"example.org\"]", &[], &[]),
            ("[[media.ice_servers]]\nurls = [\"http://box\"]", &[], &[]),
            ("[[media.ice_servers]]\nurls = []", &[], &[]),
            ("[media]\nturn_urls = [\"stun:box\"]\nturn_secret = \"s\"", &[], &[]),
            ("[media]\nturn_urls = [\"turn:box\"]", &[], &[]),
            ("[media]\nturn_secret = \"s\"", &[], &[]),
            ("[media]\nturn_ttl_seconds = 1", &[], &[]),
            ("[http]\ntls = \"files\"", &[], &[]),
            ("[http]\ntls = \"sometimes\"", &[], &[]),
            ("[auth]\ntoken_secret = \"short\"", &[], &[]),
            ("[lesson]\nvideo_codec = \"theora\"", &[], &[]),
            ("", &[("ZHUANDI_HTTP__LISTENN", "127.0.0.1:1")], &[]),
            ("", &[], &["http.listen"]),
            ("", &[], &["http.nothing=1"]),
        ] {
            assert!(load(toml, pairs, flags).is_err(), "{toml:?} {pairs:?} {flags:?}");
        }
    }

    #[test]
    fn all_problems_are_named_at_once() {
        let error = load("[media]\nshards = 0\n[auth]\ntoken_secret = \"short\"", &[], &[]);
        let text = error.unwrap_err().to_string();
        assert!(text.contains("media.shards") && text.contains("auth.token_secret"), "{text}");
    }
}
