//! The servers that are compared, each as a process of its own with fresh ports and a folder that
//! goes with it. What a configuration does not say is the program's default; logs are at warnings.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use tempfile::TempDir;
use zhuandi::config::Config;

const PATIENCE: Duration = Duration::from_secs(15);
/// Where Debian's package has Janus's modules, by machine.
const MODULES: &str = "/usr/lib";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Zhuandi,
    Janus {
        /// Threads that share the connections; 0, Janus's default: a thread for each connection.
        event_loops: u32,
    },
}

/// A running server; dropping it ends it.
pub struct Server {
    process: Child,
    pub folder: TempDir,
    /// Signalling: WebSocket.
    pub url: String,
    /// What was configured, to make tokens with; zhuandi alone.
    pub config: Option<Config>,
}

impl Server {
    /// Starts it and waits until it takes connections.
    ///
    /// # Errors
    /// When it is not installed or does not start; with the end of its log.
    pub fn start(kind: Kind) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let port = free_tcp_port()?;
        let (mut command, url, config) = match kind {
            Kind::Zhuandi => {
                let set = zhuandi_settings(folder.path(), port)?;
                let config = Config::load(None, &set)?;
                let mut command = Command::new(env!("CARGO_BIN_EXE_zhuandi"));
                command.arg("serve").args(set.iter().flat_map(|s| ["--set", s]));
                (command, format!("ws://127.0.0.1:{port}/ws"), Some(config))
            }
            Kind::Janus { event_loops } => {
                write_janus_configuration(folder.path(), port, event_loops)?;
                let mut command = Command::new("janus");
                command.arg("-F").arg(folder.path()).arg("-C").arg(folder.path().join("janus.jcfg"));
                (command, format!("ws://127.0.0.1:{port}/"), None)
            }
        };
        let log = folder.path().join("log");
        let out = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let name = command.get_program().to_string_lossy().into_owned();
        let process = command.spawn().with_context(|| format!("cannot start {name}; is it installed?"))?;
        let mut this = Self { process, folder, url, config };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let ended = this.process.try_wait()?;
            if ended.is_some() || began.elapsed() > PATIENCE {
                anyhow::bail!("{name} did not start:\n{}", fs::read_to_string(&log).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(this)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Threads that it has now.
    #[must_use]
    pub fn threads(&self) -> usize {
        fs::read_dir(format!("/proc/{}/task", self.pid())).map_or(0, Iterator::count)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn zhuandi_settings(folder: &Path, port: u16) -> anyhow::Result<Vec<String>> {
    let media = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port();
    Ok(vec![
        format!("http.listen=127.0.0.1:{port}"),
        format!("ops.listen=127.0.0.1:{}", free_tcp_port()?),
        format!("media.port={media}"),
        format!("media.addresses={}", own_address()?),
        format!("data.dir={}", folder.display()),
        "log.filter=warn".to_owned(),
    ])
}

/// One room for one publisher; ICE lite on one address, no STUN, no event handlers. Nothing is
/// recorded, no level is read from sound, and the publisher's rate is not limited.
fn write_janus_configuration(folder: &Path, port: u16, event_loops: u32) -> anyhow::Result<()> {
    let modules = janus_modules()?;
    let part = |kind: &str| format!("{modules}/{kind}");
    let others = |kind: &str, used: &str| -> anyhow::Result<String> {
        let names = fs::read_dir(part(kind))?.filter_map(|f| f.ok()?.file_name().into_string().ok());
        let unused: Vec<String> = names.filter(|n| n.ends_with(".so") && !n.contains(used)).collect();
        Ok(unused.join(","))
    };
    let loops = if event_loops > 0 { format!("event_loops = {event_loops}\n") } else { String::new() };
    let main = format!(
        "general: {{\n debug_level = 3\n debug_colors = false\n {loops} configs_folder = \"{}\"\n \
         plugins_folder = \"{}\"\n transports_folder = \"{}\"\n events_folder = \"{}\"\n \
         loggers_folder = \"{}\"\n}}\n\
         nat: {{\n ice_lite = true\n ice_enforce_list = \"{}\"\n ignore_mdns = true\n}}\n\
         plugins: {{ disable = \"{}\" }}\ntransports: {{ disable = \"{}\" }}\n",
        folder.display(),
        part("plugins"),
        part("transports"),
        part("events"),
        part("loggers"),
        own_address()?,
        others("plugins", "videoroom")?,
        others("transports", "websockets")?,
    );
    fs::write(folder.join("janus.jcfg"), main)?;
    let websocket = format!(
        "general: {{\n json = \"compact\"\n ws = true\n ws_port = {port}\n ws_ip = \"127.0.0.1\"\n}}\n"
    );
    fs::write(folder.join("janus.transport.websockets.jcfg"), websocket)?;
    let room = "room-1: {\n publishers = 1\n bitrate = 0\n fir_freq = 0\n audiocodec = \"opus\"\n \
                videocodec = \"vp8\"\n audiolevel_ext = false\n}\n";
    fs::write(folder.join("janus.plugin.videoroom.jcfg"), room)?;
    Ok(())
}

fn janus_modules() -> anyhow::Result<String> {
    let found = fs::read_dir(MODULES)?.filter_map(Result::ok).map(|d| d.path().join("janus"));
    let folder = found.into_iter().find(|d| d.join("plugins").is_dir());
    let folder = folder.with_context(|| format!("no Janus below {MODULES}; apt-get install janus"))?;
    Ok(folder.display().to_string())
}

/// The address of this machine that both servers put into their descriptions: Janus does not gather
/// loopback. What one sends to one's own address does not leave the machine either.
fn own_address() -> anyhow::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // Only asks the kernel for the route; nothing is sent.
    socket
        .connect((Ipv4Addr::new(198, 51, 100, 1), 9))
        .context("this machine has no address but loopback")?;
    Ok(socket.local_addr()?.ip())
}

fn free_tcp_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
