//! The command line: `serve`, `demo`, `token`, `load`, `relay`.

mod relay;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use sd_notify::NotifyState;

use crate::app::{App, issue_token, unix_now};
use crate::auth::Claims;
use crate::auth::secret::random_hex;
use crate::bot::{demo, load};
use crate::config::Config;
use crate::ids::{LessonId, ParticipantId};
use crate::session::message::{LessonType, Role};
use crate::telemetry;
use anyhow::Context;

/// The demonstration's lesson.
pub const DEMO_LESSON: &str = "demo";
/// From the signal to the end of the process at most.
const LONGEST_END: Duration = Duration::from_millis(9_500);
const DEMO_TITLE: &str = "示范课 · 声音的产生";

/// zhuandi (专递): a live remote-classroom server.
#[derive(Parser)]
#[command(version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server.
    Serve(ConfigArgs),
    /// Run the server with a lesson that is taught by a synthetic teacher.
    Demo(ConfigArgs),
    /// Join a lesson with many light classrooms, and tell how that went.
    Load(LoadArgs),
    /// Stand between browsers and a server's media port as a bad link would.
    Relay(relay::RelayArgs),
    /// Print a token for a lesson's link; it stands alone on the last line.
    Token(TokenArgs),
}

#[derive(Args)]
struct ConfigArgs {
    /// Configuration file; without one, the defaults and the environment.
    #[arg(long)]
    config: Option<PathBuf>,
    /// One value over file and environment; may be repeated.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Args)]
struct TokenArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Lesson id.
    #[arg(long)]
    lesson: String,
    #[arg(long)]
    role: RoleArg,
    /// Shown name, at most 64 characters.
    #[arg(long)]
    name: String,
    /// How long it is valid: 90s, 45m, 2h, 7d.
    #[arg(long, default_value = "2h", value_parser = parse_ttl)]
    ttl: Duration,
    /// Participant id; a newer connection of the same one replaces the older.
    #[arg(long)]
    sub: Option<String>,
    /// Whose people this is (a school, a county), by which an audience is counted.
    #[arg(long)]
    unit: Option<String>,
    /// What kind of lesson it is, when this lead opens it: delivery, master_teacher, school_online,
    /// co_taught, demo, research, meeting, broadcast.
    #[arg(long = "type", value_name = "TYPE", value_parser = parse_type)]
    lesson_type: Option<LessonType>,
}

#[derive(Args)]
struct LoadArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where the server listens: http://host:port or ws://host:port.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Lesson id; the tokens are made with this configuration's secret.
    #[arg(long, default_value = "load")]
    lesson: String,
    #[arg(long, default_value_t = 30)]
    classrooms: u32,
    /// They look on instead: sound, and the smallest pictures there are.
    #[arg(long)]
    viewers: bool,
    /// Joins per second.
    #[arg(long, default_value_t = 30.0)]
    joins: f64,
    /// Seconds from the first join to the end.
    #[arg(long, default_value_t = 30)]
    duration: u64,
    /// Lead the lesson with a light publisher of so many kbit/s.
    #[arg(long, value_name = "KBPS")]
    teach: Option<u32>,
    /// Classrooms leave after --stay and others come, until so many have joined.
    #[arg(long, value_name = "JOINS")]
    churn: Option<u32>,
    /// Seconds that a classroom stays, with --churn.
    #[arg(long, default_value_t = 2.0)]
    stay: f64,
    /// The server's process id, for its CPU per forwarded packet and its memory.
    #[arg(long)]
    pid: Option<u32>,
    /// Send so many hostile datagrams per second to the media port as well. Only to servers of
    /// your own.
    #[arg(long, value_name = "RATE")]
    hostile: Option<u32>,
    /// Media by TCP, as on networks that let no UDP through.
    #[arg(long)]
    tcp: bool,
    /// The report as JSON on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArg {
    Lead,
    Receiver,
    Observer,
    Admin,
    Companion,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Lead => Self::Lead,
            RoleArg::Receiver => Self::Receiver,
            RoleArg::Observer => Self::Observer,
            RoleArg::Admin => Self::Admin,
            RoleArg::Companion => Self::Companion,
        }
    }
}

impl TokenArgs {
    fn claims(&self) -> anyhow::Result<Claims> {
        let sub = self.sub.clone().unwrap_or_else(|| format!("p-{}", random_hex(8)));
        Ok(Claims {
            lesson: LessonId::new(&self.lesson).context("--lesson")?,
            role: self.role.into(),
            name: self.name.clone(),
            sub: ParticipantId::new(&sub).context("--sub")?,
            unit: self.unit.clone(),
            lesson_type: self.lesson_type,
            expires: unix_now().saturating_add(self.ttl.as_secs()),
        })
    }
}

impl ConfigArgs {
    fn load(&self) -> anyhow::Result<Config> {
        Config::load(self.config.as_deref(), &self.set)
    }
}

/// Does what the command line says; returns when that has ended.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(args) => {
            let app = start(&args).await?;
            tell_supervisor(NotifyState::Ready);
            let ended = stop_signal().await;
            stop(app).await;
            ended
        }
        Command::Demo(args) => {
            let app = start(&args).await?;
            app.reopen_lesson(DEMO_LESSON, DEMO_TITLE)?;
            let ended = tokio::select! {
                ended = stop_signal() => ended,
                failed = demo::run(&app, DEMO_LESSON, DEMO_TITLE) => failed,
            };
            stop(app).await;
            ended
        }
        Command::Load(args) => run_load(args).await,
        Command::Relay(args) => tokio::select! {
            ended = stop_signal() => ended,
            failed = args.run() => failed,
        },
        Command::Token(args) => {
            let config = args.config.load()?;
            std::fs::create_dir_all(&config.data.dir)?;
            let tokens = config.auth.tokens(&config.data.dir)?;
            println!("{}", tokens.sign(args.claims()?, unix_now())?);
            Ok(())
        }
    }
}

async fn run_load(args: LoadArgs) -> anyhow::Result<()> {
    let config = args.config.load()?;
    telemetry::start(&config.log);
    let tokens = config.auth.tokens(&config.data.dir)?;
    let host = args.url.trim_end_matches('/').replacen("http", "ws", 1);
    let plan = load::Plan {
        url: format!("{host}/ws"),
        classrooms: args.classrooms,
        viewers: args.viewers,
        joins: args.joins,
        duration: Duration::from_secs(args.duration),
        teach: args.teach,
        pid: args.pid,
        churn: args
            .churn
            .map(|total| load::Churn { total, stay: Duration::from_secs_f64(args.stay.max(0.0)) }),
        hostile: args.hostile,
        tcp: args.tcp,
    };
    let ttl = plan.duration + Duration::from_secs(600);
    let lesson = args.lesson.clone();
    let issue = move |role, sub: &str| issue_token(&tokens, &lesson, role, sub, Some(sub), ttl);
    let report = load::run(&plan, std::sync::Arc::new(issue), |now| {
        eprint!("\r{:>4.0} s  {} connected  {} packets ", now.at.as_secs_f64(), now.connected, now.packets);
    })
    .await?;
    eprintln!();
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", report.text());
    }
    anyhow::ensure!(report.failed == 0, "{} classrooms could not join", report.failed);
    Ok(())
}

async fn start(args: &ConfigArgs) -> anyhow::Result<App> {
    let config = args.load()?;
    telemetry::start(&config.log);
    App::start(config).await
}

/// Ends the server. Whatever hangs (a disk, a thread) does not keep the process.
async fn stop(app: App) {
    tell_supervisor(NotifyState::Stopping);
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST_END);
        tracing::error!("the server does not end by itself");
        std::process::exit(1);
    });
    app.shutdown().await;
}

/// Tells systemd, if it waits to be told (`Type=notify`).
fn tell_supervisor(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the supervisor cannot be told");
    }
}

/// Returns on SIGTERM and on Ctrl-C.
async fn stop_signal() -> anyhow::Result<()> {
    let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        _ = term.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

/// A word of the protocol.
fn parse_type(text: &str) -> Result<LessonType, String> {
    serde_json::from_value(text.into()).map_err(|_| format!("{text:?} is no type of lesson"))
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration like 90s, 45m, 2h or 7d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    // A hundred years is enough for anybody and cannot overflow a date.
    match number.checked_mul(seconds) {
        Some(total) if (1..=3_153_600_000).contains(&total) => Ok(Duration::from_secs(total)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse_ttl("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_ttl("2h"), Ok(Duration::from_secs(7200)));
        assert_eq!(parse_ttl("7d"), Ok(Duration::from_secs(604_800)));
        for bad in ["", "h", "2", "2x", "-1h", "0s", "99999999999999999999d", "2课"] {
            assert!(parse_ttl(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
