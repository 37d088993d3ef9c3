//! A server of one's own, and clients for it.

mod client;
mod http;
mod page;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub use client::{Client, Wire, hears};
pub use http::{Answer, request, send, send_bytes};
pub use page::Page;
use tempfile::TempDir;
use zhuandi::app::{App, unix_ms};
use zhuandi::config::Config;
use zhuandi::session::message::Role;
use zhuandi::store::WallClock;

/// Longer than anything here takes on a busy machine; a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const SECRET: &str = "a secret for tests, long enough to be one";

pub struct Server {
    pub app: App,
    /// Removed with the server.
    pub data: TempDir,
}

impl Server {
    pub async fn start() -> Self {
        Self::with("", &[]).await
    }

    /// With a configuration file and `section.key=value` flags of the test's own.
    pub async fn with(toml: &str, flags: &[&str]) -> Self {
        Self::on(tempfile::tempdir().unwrap(), toml, flags, Arc::new(unix_ms)).await
    }

    /// The same on the data of an earlier one, and by a wall clock of the test's own.
    pub async fn on(data: TempDir, toml: &str, flags: &[&str], wall: WallClock) -> Self {
        let mut all: Vec<String> = vec![
            "http.listen=127.0.0.1:0".into(),
            "http.tls_listen=127.0.0.1:0".into(),
            "ops.listen=127.0.0.1:0".into(),
            "media.port=0".into(),
            "media.addresses=127.0.0.1".into(),
            format!("auth.token_secret={SECRET}"),
            format!("data.dir={}", data.path().display()),
        ];
        all.extend(flags.iter().map(|f| (*f).to_owned()));
        let config = Config::from_parts(toml, HashMap::new(), &all).unwrap();
        Self { app: App::start_with(config, wall).await.unwrap(), data }
    }

    /// A token for participant `sub`, named like its id.
    pub fn token(&self, lesson: &str, role: Role, sub: &str) -> String {
        self.app.issue_token(lesson, role, sub, Some(sub), Duration::from_secs(600)).unwrap()
    }

    /// A joined page, its welcome taken.
    pub async fn page(&self, lesson: &str, role: Role, sub: &str) -> Page {
        let mut page = Page::connect(&self.app).await;
        let welcome = page.join(&self.token(lesson, role, sub)).await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        page
    }

    /// A lesson that is live: its lead's page.
    pub async fn live(&self, lesson: &str) -> Page {
        let mut lead = self.page(lesson, Role::Lead, "lead").await;
        lead.ask(serde_json::json!({ "type": "start_lesson" })).await;
        lead
    }
}
