//! All lessons of this server by id.
//!
//! The one shared map of the human side: locked for look-ups only, never across a wait. Ended
//! lessons stay as tombstones for a day, so that a late page learns `lesson_ended` instead of
//! opening the lesson anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::LessonId;
use crate::lesson::rating::LastPage;
use crate::lesson::task::{self, Surroundings};
use crate::lesson::{LessonError, LessonHandle, kinds};
use crate::session::message::{LessonInfo, LessonOverview, LessonState, LessonType};
use crate::store::{Chronicle, Run, RunState};

/// How long an ended lesson refuses joins with its own word.
const REMEMBERED: Duration = Duration::from_hours(24);
/// Above this many ended lessons the oldest are forgotten earlier.
const MAX_REMEMBERED: usize = 10_000;

/// How a lesson's task ended.
pub(super) enum Outcome {
    Ended(LessonInfo, LastPage),
    Abandoned,
}

pub(super) enum Entry {
    Running(LessonHandle),
    Ended { info: LessonInfo, at: Instant, last: LastPage },
}

#[derive(Clone)]
pub struct Directory {
    entries: Arc<Mutex<HashMap<LessonId, Entry>>>,
    around: Arc<Surroundings>,
}

/// What `get` finds.
pub enum Found {
    Running(LessonHandle),
    Ended(LessonInfo),
}

impl Directory {
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self { entries: Arc::default(), around: Arc::new(around) }
    }

    /// The running lesson with this id; one that is on no timetable comes into being here, as the type
    /// that is asked for or the usual one.
    pub fn open(&self, id: &LessonId, kind: Option<LessonType>) -> Result<LessonHandle, LessonError> {
        let mut entries = self.lock();
        match entries.get(id) {
            Some(Entry::Running(handle)) if !handle.requests.is_closed() => Ok(handle.clone()),
            Some(Entry::Ended { .. }) => Err(LessonError::Ended),
            _ => self.add(&mut entries, id, id.to_string(), kind, false, None),
        }
    }

    /// Takes up the lessons of an earlier process, those that have ended as tombstones.
    pub fn resume(&self, runs: Vec<Run>) {
        let mut entries = self.lock();
        let wall = self.around.chronicle.wall_ms();
        for run in runs {
            let id = run.lesson.clone();
            if run.state == RunState::Ended {
                let ago = Duration::from_millis(wall.saturating_sub(run.seen.at));
                let at = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
                let info = LessonInfo {
                    id: id.clone(),
                    title: run.title,
                    state: LessonState::Ended,
                    running_seconds: u32::try_from(run.ran / 1000).unwrap_or(u32::MAX),
                    lesson_type: run.kind,
                    rules: kinds::rules(run.kind),
                    leads: None,
                };
                let last = LastPage::new(run.run, run.seen.ms);
                entries.insert(id, Entry::Ended { info, at, last });
                continue;
            }
            let (title, planned) = (run.title.clone(), run.planned);
            tracing::info!(lesson = %id, ran_ms = run.ran, "lesson taken up again");
            if let Err(error) = self.add(&mut entries, &id, title, None, planned, Some(run)) {
                tracing::error!(lesson = %id, %error, "a lesson cannot be taken up again");
            }
        }
    }

    /// Notes of all lessons what a successor of this server needs to know.
    pub async fn hand_over(&self) {
        for handle in self.running() {
            handle.hand_over().await;
        }
    }

    /// Makes a planned lesson.
    pub fn create(
        &self,
        id: &LessonId,
        title: String,
        kind: Option<LessonType>,
    ) -> Result<LessonHandle, LessonError> {
        let mut entries = self.lock();
        if entries.contains_key(id) {
            return Err(LessonError::Exists);
        }
        self.add(&mut entries, id, title, kind, true, None)
    }

    #[must_use]
    pub fn get(&self, id: &LessonId) -> Option<Found> {
        match self.lock().get(id)? {
            Entry::Running(handle) => Some(Found::Running(handle.clone())),
            Entry::Ended { info, .. } => Some(Found::Ended(info.clone())),
        }
    }

    /// All running lessons with their people, by id.
    pub async fn overviews(&self) -> Vec<LessonOverview> {
        let mut out = Vec::new();
        for handle in self.running() {
            // One that ended meanwhile is not a lesson of now.
            out.extend(handle.overview().await.ok());
        }
        out.sort_by(|a, b| a.lesson.id.cmp(&b.lesson.id));
        out
    }

    /// Lessons that ended within the last day, by id.
    #[must_use]
    pub fn ended(&self) -> Vec<LessonInfo> {
        let entries = self.lock();
        let mut out: Vec<_> = entries
            .values()
            .filter_map(|e| match e {
                Entry::Ended { info, .. } => Some(info.clone()),
                Entry::Running(_) => None,
            })
            .collect();
        out.sort_by(|a, b| a.id.cmp(&b.id));
        out
    }

    /// Frees the id of an ended lesson at once.
    pub fn forget_ended(&self, id: &LessonId) {
        let mut entries = self.lock();
        if matches!(entries.get(id), Some(Entry::Ended { .. })) {
            entries.remove(id);
        }
    }

    /// How many lessons run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().values().filter(|e| matches!(e, Entry::Running(_))).count()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the media of all lessons because the server stops.
    pub async fn shutdown(&self) {
        for handle in self.running() {
            handle.shutdown().await;
        }
    }

    pub(super) fn closed(&self, id: &LessonId, outcome: Outcome) {
        let mut entries = self.lock();
        match outcome {
            Outcome::Abandoned => {
                entries.remove(id);
            }
            Outcome::Ended(info, last) => {
                entries.insert(id.clone(), Entry::Ended { info, at: Instant::now(), last });
                forget_old(&mut entries, Instant::now());
            }
        }
    }

    fn running(&self) -> Vec<LessonHandle> {
        let entries = self.lock();
        let running = entries.values().filter_map(|e| match e {
            Entry::Running(handle) => Some(handle.clone()),
            Entry::Ended { .. } => None,
        });
        running.collect()
    }

    fn add(
        &self,
        entries: &mut HashMap<LessonId, Entry>,
        id: &LessonId,
        title: String,
        kind: Option<LessonType>,
        planned: bool,
        resumed: Option<Run>,
    ) -> Result<LessonHandle, LessonError> {
        let running = entries.values().filter(|e| matches!(e, Entry::Running(_))).count();
        if running >= self.around.config.max_lessons {
            return Err(LessonError::Full);
        }
        let kind = kind.unwrap_or(self.around.config.default_type);
        let handle = task::start(&self.around, self.clone(), id.clone(), title, kind, planned, resumed);
        entries.insert(id.clone(), Entry::Running(handle.clone()));
        Ok(handle)
    }

    pub(super) fn chronicle(&self) -> &Chronicle {
        &self.around.chronicle
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<LessonId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_old(entries: &mut HashMap<LessonId, Entry>, now: Instant) {
    entries.retain(|_, e| match e {
        Entry::Ended { at, .. } => now - *at < REMEMBERED,
        Entry::Running(_) => true,
    });
    let mut ended: Vec<(Instant, LessonId)> = entries
        .iter()
        .filter_map(|(id, e)| match e {
            Entry::Ended { at, .. } => Some((*at, id.clone())),
            Entry::Running(_) => None,
        })
        .collect();
    if ended.len() > MAX_REMEMBERED {
        ended.sort();
        for (_, id) in ended.drain(..ended.len() - MAX_REMEMBERED) {
            entries.remove(&id);
        }
    }
}
