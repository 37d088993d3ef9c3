//! A server on free ports with a lesson, for tests of this module.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::bot::classroom::classroom;
use crate::bot::clip::ClipName;
use crate::bot::probe::Probe;
use crate::bot::teacher::teacher;
use crate::config::Config;
use crate::ids::ParticipantId;
use crate::session::message::Role;

pub const LESSON: &str = "probed";

pub struct House {
    pub app: App,
    pub url: String,
    pub clock: Instant,
    _data: tempfile::TempDir,
}

impl House {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub async fn open_with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let mut config = Config::default();
        config.http.listen = "127.0.0.1:0".parse().expect("an address");
        config.ops.listen = config.http.listen;
        config.media.port = 0;
        config.media.addresses = vec!["127.0.0.1".into()];
        config.data.dir = data.path().to_owned();
        change(&mut config);
        let app = App::start(config).await.expect("a server");
        let url = format!("ws://{}/ws", app.local_addr());
        Self { app, url, clock: Instant::now(), _data: data }
    }

    pub fn token(&self, role: Role, sub: &str) -> String {
        self.app.issue_token(LESSON, role, sub, Some(sub), Duration::from_secs(600)).expect("a token")
    }

    pub fn teacher(&self, sub: &str, content: bool) -> Probe {
        let token = self.token(Role::Lead, sub);
        Probe::start(teacher(&self.url, Arc::new(move || token.clone()), content, self.clock))
    }

    pub fn classroom(&self, sub: &str, picture: ClipName) -> Probe {
        let token = self.token(Role::Receiver, sub);
        Probe::start(classroom(&self.url, Arc::new(move || token.clone()), picture, self.clock))
    }

    pub fn board(&self, sub: &str) -> Probe {
        Probe::start(Probe::receiver(&self.url, self.token(Role::Receiver, sub)))
    }
}

pub fn id(sub: &str) -> ParticipantId {
    ParticipantId::new(sub).expect("an id")
}

pub const PATIENCE: Duration = Duration::from_secs(15);
