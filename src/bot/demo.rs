//! The demonstration lesson: a synthetic teacher and two synthetic classrooms, so that every page
//! lives at once on a computer without a camera.
//!
//! The synthetic teacher steps aside for a human one: while somebody else leads the lesson she is
//! away, and 10 s after the last human lead has gone she comes back. When somebody ends the lesson,
//! it begins anew after the same pause. Participants speak the public protocol over a WebSocket
//! like anybody; only the tokens and the list of who is there come from the server directly.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::bot::classroom::classroom;
use crate::bot::clip::ClipName;
use crate::bot::participant::{self, Ended, Settings, Unobserved};
use crate::bot::teacher::teacher;
use crate::session::message::{Presence, Role};

/// How long after the last human lead the synthetic teacher comes back.
const RETURN: Duration = Duration::from_secs(10);
/// How long links live.
const LINK_LIFE: Duration = Duration::from_hours(12);
/// How often it is looked who leads.
const LOOK: Duration = Duration::from_millis(500);

const TEACHER_SUB: &str = "demo-teacher";
const TEACHER_NAME: &str = "张老师（示范）";
const CLASSROOMS: [(&str, &str, ClipName); 2] = [
    ("demo-east", "东片小学 四(1)班", ClipName::ClassroomEast),
    ("demo-west", "西片小学 四年级", ClipName::ClassroomWest),
];

/// Runs the lesson until the future is dropped; everybody synthetic then leaves.
///
/// # Errors
/// When tokens cannot be issued.
pub async fn run(app: &App, lesson: &str, title: &str) -> anyhow::Result<()> {
    direct(app, lesson, title, RETURN).await
}

/// [`run`] with another pause before the synthetic teacher's return.
async fn direct(app: &App, lesson: &str, title: &str, pause: Duration) -> anyhow::Result<()> {
    let url = websocket_url(app).await?;
    // One clock for all, so that the clips stay in step.
    let clock = Instant::now();
    let cast = Cast { app, lesson, url, clock };
    let mut teacher: Option<Actor> = None;
    let mut classrooms = cast.classrooms()?;
    // Since when nobody but the synthetic teacher leads; long ago at the start.
    let mut unled_since = Some(Instant::now().checked_sub(pause).unwrap_or(clock));
    let mut printed = false;
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let led = cast.is_led_by_a_human().await;
        unled_since = if led { None } else { unled_since.or_else(|| Some(Instant::now())) };
        let alone = unled_since.is_some_and(|since| since.elapsed() >= pause);
        if led && let Some(aside) = teacher.take() {
            tracing::info!("a human teacher is here: the synthetic one steps aside");
            aside.leave().await;
        }
        let ended = classrooms.iter().chain(&teacher).any(Actor::has_ended);
        if ended && alone {
            // Somebody ended the lesson, or sent a synthetic participant away.
            tracing::info!("the demonstration begins anew");
            for actor in classrooms.drain(..).chain(teacher.take()) {
                actor.leave().await;
            }
            app.reopen_lesson(lesson, title)?;
            classrooms = cast.classrooms()?;
        } else if ended && unled_since.is_some() && teacher.as_ref().is_some_and(Actor::has_ended) {
            // Count the pause from here.
            teacher = None;
            unled_since = Some(Instant::now());
        }
        if alone && teacher.is_none() {
            teacher = Some(cast.teacher()?);
        }
        if !printed {
            print_links(app, lesson)?;
            printed = true;
        }
    }
}

/// Where the synthetic participants connect to: the public listener, unless it speaks TLS.
async fn websocket_url(app: &App) -> anyhow::Result<String> {
    let address = if app.tls_addr.is_none() { app.local_addr() } else { app.listen_inside().await? };
    Ok(format!("ws://{address}/ws"))
}

struct Cast<'a> {
    app: &'a App,
    lesson: &'a str,
    url: String,
    clock: Instant,
}

impl Cast<'_> {
    fn teacher(&self) -> anyhow::Result<Actor> {
        let token = self.token(Role::Lead, TEACHER_NAME, TEACHER_SUB)?;
        Ok(Actor::enter(teacher(&self.url, token, true, self.clock)))
    }

    fn classrooms(&self) -> anyhow::Result<Vec<Actor>> {
        CLASSROOMS
            .into_iter()
            .map(|(sub, name, picture)| {
                let token = self.token(Role::Receiver, name, sub)?;
                Ok(Actor::enter(classroom(&self.url, token, picture, self.clock)))
            })
            .collect()
    }

    /// A token that outlives any demonstration.
    fn token(
        &self,
        role: Role,
        name: &str,
        sub: &str,
    ) -> anyhow::Result<Arc<dyn Fn() -> String + Send + Sync>> {
        let life = Duration::from_hours(24 * 365);
        let token = self
            .app
            .issue_token(self.lesson, role, name, Some(sub), life)
            .context("a demonstration token")?;
        Ok(Arc::new(move || token.clone()))
    }

    async fn is_led_by_a_human(&self) -> bool {
        let lessons = self.app.lessons().await;
        let people =
            lessons.iter().filter(|l| l.lesson.id.as_str() == self.lesson).flat_map(|l| &l.participants);
        people
            .map(|p| &p.participant)
            .any(|p| p.role == Role::Lead && p.presence == Presence::Online && p.id.as_str() != TEACHER_SUB)
    }
}

/// A synthetic participant at work; leaves when dropped.
struct Actor {
    stop: watch::Sender<bool>,
    task: JoinHandle<Ended>,
    /// Keeps the queue open; nobody commands a demonstration's participants.
    _commands: mpsc::UnboundedSender<participant::Command>,
}

impl Actor {
    fn enter(settings: Settings) -> Self {
        let (stop, stopping) = watch::channel(false);
        let (commands, queue) = mpsc::unbounded_channel();
        let task = tokio::spawn(participant::run(settings, Arc::new(Unobserved), queue, stopping));
        Self { stop, task, _commands: commands }
    }

    fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    async fn leave(self) {
        self.stop.send_replace(true);
        match self.task.await {
            Ok(ended) => tracing::debug!(?ended, "a synthetic participant has left"),
            Err(error) => tracing::error!(%error, "a synthetic participant failed"),
        }
    }
}

/// One link per role on standard output; the token stands after `#`, which browsers do not send.
fn print_links(app: &App, lesson: &str) -> anyhow::Result<()> {
    // A phone belongs to a classroom: its token names the board's.
    let roles = [
        ("class", Role::Receiver, "南片小学 四年级", "demo-class", "听课教室 board    "),
        ("phone", Role::Companion, "南片小学 四年级", "demo-class", "教室手机 phone    "),
        ("teach", Role::Lead, "主讲老师", "demo-teach", "主讲教师 teacher  "),
        ("observe", Role::Observer, "观摩老师", "demo-observe", "观摩     observer "),
        ("admin", Role::Admin, "管理员", "demo-admin", "管理员   admin    "),
    ];
    let mut out =
        String::from("\n示范课已开始 · A demonstration lesson is live. 打开链接 · Open a link:\n\n");
    for (page, role, name, participant, label) in roles {
        let token = app.issue_token(lesson, role, name, Some(participant), LINK_LIFE)?;
        out.push_str(&format!("  {label} {}/{page}#{token}\n", app.base_url()));
    }
    let token = app.issue_token(lesson, Role::Observer, "WHEP 播放器", Some("demo-whep"), LINK_LIFE)?;
    out.push_str(&format!("\n  WHEP 播放器 player   {}/whep/{lesson}\n  Bearer {token}\n", app.base_url()));
    out.push_str("\nCtrl-C 结束 · ends it.\n");
    // Somebody who closed our output still gets the lesson.
    let _ = std::io::stdout().lock().write_all(out.as_bytes());
    Ok(())
}

#[cfg(test)]
#[path = "demo_test.rs"]
mod tests;
