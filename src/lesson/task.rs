//! The loop of one lesson: requests, media events, figures and time come in; `Lesson` decides.
//!
//! Order within a turn: one input, then whatever else waits already (up to a budget), then one
//! `settle`, so that a burst of joins costs one plan and one roster entry each. Events use a
//! bounded queue by `try_send`; a full one loses events, which is counted and logged, because a
//! lesson that is thousands of events behind has lost its purpose already. Figures are last-value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::auth::turn::IceServers;
use crate::ids::{HubId, LessonId};
use crate::lesson::directory::{Directory, Outcome};
use crate::lesson::lesson::{Lesson, MakeSink, Parts};
use crate::lesson::media::MediaDoor;
use crate::lesson::standing::Standing;
use crate::lesson::{LessonConfig, LessonHandle, REQUESTS, Request};
use crate::media::command::{Event, EventSink};
use crate::media::handle::MediaHandle;
use crate::media::negotiate::Negotiator;
use crate::media::stats::HubStats;
use crate::session::message::{LessonState, LessonType};
use crate::store::photos::Photos;
use crate::store::{Chronicle, Run};

/// Media events that may wait; enough for 1000 peers that connect in the same moment.
const EVENTS: usize = 16_384;
/// Inputs taken before everybody is told what changed.
const BUDGET: usize = 256;
const TICK: Duration = Duration::from_secs(1);
/// How soon commands that the shard's queue refused are tried again.
const RETRY: Duration = Duration::from_millis(50);
/// An ended lesson waits at most this long for its last commands to leave.
const LAST_COMMANDS: Duration = Duration::from_secs(5);

/// What every lesson of this server needs.
#[derive(Clone)]
pub struct Surroundings {
    pub config: LessonConfig,
    pub media: MediaHandle,
    pub negotiator: Negotiator,
    /// Told to every page that joins.
    pub ice_servers: IceServers,
    /// Media events lost because a lesson was too slow, all lessons together.
    pub lost_events: Arc<AtomicU64>,
    /// What is to be remembered.
    pub chronicle: Chronicle,
    /// The files of photos, which go with their lesson.
    pub photos: Arc<Photos>,
}

/// Starts the task and returns the way to it.
pub(super) fn start(
    around: &Surroundings,
    directory: Directory,
    id: LessonId,
    title: String,
    kind: LessonType,
    planned: bool,
    resumed: Option<Run>,
) -> LessonHandle {
    let hub = HubId::next();
    let (shard, door) = around.media.shard_of(hub);
    let door = door.clone();
    let (requests, requests_in) = mpsc::channel(REQUESTS);
    let (events, events_in) = mpsc::channel(EVENTS);
    let (figures, figures_in) = watch::channel(None);
    let (codec, codec_out) = watch::channel(around.config.video_codec.into());
    let (standing, standing_out) = watch::channel(Standing::default());
    let lesson = Lesson::new(
        Parts {
            id: id.clone(),
            title,
            kind,
            planned,
            config: around.config.clone(),
            hub,
            media: MediaDoor::new(Box::new(move |command| door.send(command))),
            negotiator: around.negotiator.clone(),
            ice_servers: around.ice_servers.clone(),
            make_sink: make_sink(events, figures, Arc::clone(&around.lost_events)),
            codec,
            standing,
            chronicle: around.chronicle.clone(),
            resumed,
        },
        Instant::now(),
    );
    let photos = Arc::clone(&around.photos);
    let task = Task { lesson, photos, requests: requests_in, events: events_in, figures: figures_in };
    tokio::spawn(async move { task.run(&directory).await });
    LessonHandle { id, shard, requests, codec: codec_out, standing: standing_out }
}

type Figures = Arc<HubStats>;

fn make_sink(
    events: mpsc::Sender<Event>,
    figures: watch::Sender<Option<Figures>>,
    lost: Arc<AtomicU64>,
) -> MakeSink {
    let figures = Arc::new(figures);
    Box::new(move || -> EventSink {
        let (events, figures, lost) = (events.clone(), Arc::clone(&figures), Arc::clone(&lost));
        Box::new(move |event| match event {
            Event::Stats(stats) => {
                figures.send_replace(Some(Arc::new(*stats)));
            }
            other => {
                if events.try_send(other).is_err() {
                    lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
    })
}

struct Task {
    // Owned.
    lesson: Lesson,
    // In.
    requests: mpsc::Receiver<Request>,
    events: mpsc::Receiver<Event>,
    figures: watch::Receiver<Option<Figures>>,
    // Out.
    photos: Arc<Photos>,
}

impl Task {
    async fn run(mut self, directory: &Directory) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tracing::info!(lesson = %self.lesson.id, "lesson opened");
        loop {
            let deadline = self.lesson.next_deadline();
            tokio::select! {
                Some(event) = self.events.recv() => self.lesson.handle_event(event),
                Some(request) = self.requests.recv() => self.take(request),
                Ok(()) = self.figures.changed() => self.take_figures(),
                _ = tick.tick() => self.lesson.handle_tick(Instant::now()),
                () = tokio::time::sleep(RETRY), if self.lesson.media.is_behind() => {
                    self.lesson.media.retry();
                }
                // `settle` below does what is due.
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
            }
            for _ in 0..BUDGET {
                if let Ok(event) = self.events.try_recv() {
                    self.lesson.handle_event(event);
                } else if let Ok(request) = self.requests.try_recv() {
                    self.take(request);
                } else {
                    break;
                }
            }
            let now = Instant::now();
            self.lesson.settle(now);
            if self.lesson.state == LessonState::Ended {
                let last = self.lesson.attendance.last_page(now);
                directory.closed(&self.lesson.id, Outcome::Ended(self.lesson.info(now), last));
                break;
            }
            if self.lesson.is_abandoned(now) {
                directory.closed(&self.lesson.id, Outcome::Abandoned);
                // Whoever found it a moment ago is told that it is gone, and the next one opens a
                // new lesson with this id.
                self.lesson.handle_abandoned(now);
                break;
            }
        }
        tracing::info!(lesson = %self.lesson.id, "lesson closed");
        let (photos, id) = (Arc::clone(&self.photos), self.lesson.id.clone());
        // Nobody waits for a disk.
        drop(tokio::task::spawn_blocking(move || photos.remove_lesson(&id)));
        self.finish().await;
    }

    /// Refuses what still waits, and sees the last commands off.
    async fn finish(mut self) {
        self.requests.close();
        while let Ok(request) = self.requests.try_recv() {
            self.take(request);
        }
        let until = Instant::now() + LAST_COMMANDS;
        while self.lesson.media.is_behind() && Instant::now() < until {
            tokio::time::sleep(RETRY).await;
            self.lesson.media.retry();
        }
    }

    fn take_figures(&mut self) {
        let figures = self.figures.borrow_and_update().clone();
        if let Some(figures) = figures {
            self.lesson.handle_stats((*figures).clone());
        }
    }

    /// Replies may find nobody: a session that ended does not wait any more.
    fn take(&mut self, request: Request) {
        let now = Instant::now();
        match request {
            Request::Join { actor, reply } => {
                let _ = reply.send(self.lesson.handle_join(actor, now));
            }
            Request::Ask { actor, request, ask, reply } => {
                let _ = reply.send(self.lesson.handle_ask(&actor, request, ask, now));
            }
            Request::Attach { actor, attachment, accepted, preferred, reply } => {
                let _ = reply.send(self.lesson.handle_attach(&actor, attachment, *accepted, preferred, now));
            }
            Request::RestartAttached { connection, remote, reply } => {
                let _ = reply.send(self.lesson.handle_restart_attached(connection, remote));
            }
            Request::Gone { connection, how } => self.lesson.handle_gone(connection, how, now),
            Request::Rate { sub, rating, reply } => {
                let _ = reply.send(self.lesson.rated(&sub, rating, now));
            }
            Request::MayAddPhoto { member, reply } => {
                let _ = reply.send(self.lesson.may_add_photo(&member));
            }
            Request::AddPhoto { id, member, reply } => {
                let _ = reply.send(self.lesson.add_photo(&id, &member, now));
            }
            Request::MaySeePhoto { id, member, reply } => {
                let _ = reply.send(self.lesson.may_see_photo(&id, &member));
            }
            Request::Overview { reply } => {
                let _ = reply.send(self.lesson.overview(now));
            }
            Request::End { reply } => {
                self.lesson.handle_end(now);
                let _ = reply.send(Ok(self.lesson.info(now)));
            }
            Request::HandOver { reply } => {
                self.lesson.handle_hand_over(now);
                let _ = reply.send(());
            }
            Request::Shutdown { reply } => {
                self.lesson.handle_shutdown();
                let _ = reply.send(());
            }
        }
    }
}
