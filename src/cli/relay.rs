//! `zhuandi relay`: which link, between whom.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::bot::link::model::{Jitter, LinkConfig, Loss, Queue, Rate};
use crate::bot::link::profiles::{self, Profile, clean};
use crate::bot::relay::{Relay, RelayConfig, typed_lines};

#[derive(Args)]
pub struct RelayArgs {
    /// Where browsers send in place of the server's media port. Port 0: any; the first line tells it.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The server's media port.
    #[arg(long, default_value = "127.0.0.1:7000")]
    server: SocketAddr,
    /// N1 to N8, loss5 to loss30, burst5 to burst30, step, jitter200, outage, thin. Without one, a link
    /// that does nothing.
    #[arg(long)]
    profile: Option<String>,
    /// kbit/s towards the browsers.
    #[arg(long)]
    down: Option<u64>,
    /// kbit/s towards the server.
    #[arg(long)]
    up: Option<u64>,
    /// Milliseconds each way.
    #[arg(long)]
    delay: Option<u64>,
    /// Milliseconds by which the delay varies, either way.
    #[arg(long)]
    jitter: Option<u64>,
    /// Packets may overtake each other.
    #[arg(long, requires = "jitter")]
    reorder: bool,
    /// Percent that is lost, each way.
    #[arg(long)]
    loss: Option<f64>,
    /// Packets that are lost together, in the mean.
    #[arg(long, requires = "loss")]
    burst: Option<f64>,
    /// Milliseconds that packets wait at most before a rate.
    #[arg(long)]
    queue: Option<u64>,
    /// All browsers are behind one line; otherwise each has its own.
    #[arg(long)]
    shared: bool,
    /// Another number is another weather.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Relay TCP as well, from here (its line of output tells the port) …
    #[arg(long, requires = "tcp_server")]
    tcp_listen: Option<SocketAddr>,
    /// … to here: the server's pages or its media port.
    #[arg(long, requires = "tcp_listen")]
    tcp_server: Option<SocketAddr>,
    /// Take orders here too, a line each (as on standard input): `down rate 300`, `loss 5`,
    /// `outage on`, `udp off`, `profile N3`, `figures`.
    #[arg(long)]
    control: Option<SocketAddr>,
}

impl RelayArgs {
    /// Relays until the program ends. The first line of output is where; TCP and orders have theirs.
    pub async fn run(self) -> anyhow::Result<()> {
        let profile = self.profile()?;
        let (name, server) = (profile.name, self.server);
        let Self { listen, shared, seed, control, .. } = self;
        let tcp = self.tcp_listen.zip(self.tcp_server);
        let relay = Relay::bind(RelayConfig { listen, server, profile, shared, seed, tcp, control }).await?;
        println!("relay {} -> {server} {name}", relay.address()?);
        if let (Some(at), Some((_, to))) = (relay.tcp_address(), tcp) {
            println!("tcp {at} -> {to}");
        }
        if let Some(control) = relay.control_address() {
            println!("control {control}");
        }
        relay.run(Some(typed_lines())).await
    }

    fn profile(&self) -> anyhow::Result<Profile> {
        let mut profile = match &self.profile {
            Some(name) => {
                profiles::find(name).ok_or_else(|| anyhow::anyhow!("there is no profile {name:?}"))?
            }
            None => Profile {
                name: "custom",
                meaning: "by its own figures",
                down: clean(Duration::ZERO),
                up: clean(Duration::ZERO),
                udp_blocked: false,
            },
        };
        self.refine(&mut profile.down, self.down);
        self.refine(&mut profile.up, self.up);
        Ok(profile)
    }

    fn refine(&self, way: &mut LinkConfig, kbps: Option<u64>) {
        let ms = Duration::from_millis;
        if let Some(kbps) = kbps {
            let queue = way.rate.map_or(Queue::Time(ms(300)), |r| r.queue);
            way.rate = Some(Rate { bits: (1_000 * kbps).max(1_000), queue });
        }
        if let (Some(queue), Some(rate)) = (self.queue, &mut way.rate) {
            rate.queue = Queue::Time(ms(queue));
        }
        if let Some(delay) = self.delay {
            way.delay = ms(delay);
        }
        if let Some(jitter) = self.jitter {
            way.jitter = Jitter { reorders: self.reorder, ..Jitter::of(ms(jitter)) };
        }
        if let Some(percent) = self.loss {
            let mean = (percent / 100.0).clamp(0.0, 1.0);
            way.loss = self.burst.map_or(Loss::Random(mean), |burst| Loss::Bursty { mean, burst });
        }
    }
}
