//! The server as a process of its own, and the supervisor that starts it again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use zhuandi::app::issue_token;
use zhuandi::auth::{Secret, Tokens};
use zhuandi::session::message::Role;

use crate::harness::{PATIENCE, SECRET};

/// Ports and data of a server that is started again and again.
pub struct Place {
    pub data: PathBuf,
    pub http: SocketAddr,
    media: u16,
    secret: &'static str,
    _dir: Option<tempfile::TempDir>,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_owned();
        Self { _dir: Some(dir), ..Self::on(&data) }
    }

    /// On a directory of the test's own.
    pub fn on(data: &Path) -> Self {
        // Two in a row, for who follows.
        let media = loop {
            let one = UdpSocket::bind(("::", 0)).unwrap();
            let port = one.local_addr().unwrap().port();
            if port < 65_000 && UdpSocket::bind(("::", port + 1)).is_ok() {
                break port;
            }
        };
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self { data: data.to_owned(), http, media, secret: SECRET, _dir: None }
    }

    /// Starts a server here, with the operations on a port of its own.
    pub fn start(&self, before: &[&str]) -> Process {
        let ops = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let mut words: Vec<&str> = before.to_vec();
        words.push(env!("CARGO_BIN_EXE_zhuandi"));
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("serve");
        for set in [
            format!("http.listen={}", self.http),
            format!("ops.listen={ops}"),
            format!("media.port={}", self.media),
            "media.addresses=127.0.0.1".into(),
            format!("auth.token_secret={}", self.secret),
            format!("data.dir={}", self.data.display()),
        ] {
            command.args(["--set", &set]);
        }
        let log = std::env::temp_dir().join(format!("zhuandi-faults-{}.log", std::process::id()));
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Process { child, http: self.http, ops }
    }

    pub fn token(&self, lesson: &str, role: Role, sub: &str) -> String {
        let tokens = Tokens::new(&Secret::new(self.secret.into()), 30);
        issue_token(&tokens, lesson, role, sub, Some(sub), Duration::from_secs(7200)).unwrap()
    }
}

/// A running server; killed when it is dropped.
pub struct Process {
    child: Child,
    http: SocketAddr,
    pub ops: SocketAddr,
}

impl Process {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it takes connections.
    pub async fn listens(&mut self) {
        let began = Instant::now();
        while TcpStream::connect(self.http).await.is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "the server ended");
            assert!(began.elapsed() < PATIENCE, "it never listens");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// SIGKILL; returns when the process is no more.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for the end; gives the exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
