//! The lesson's door to its shard.
//!
//! The shard's queue is bounded and never waited for. What must not get lost (routes, gates,
//! removals) is kept here in order when the queue is full and tried again by the task's timer;
//! what answers somebody (a new peer) fails at once as "busy" instead.

use std::collections::VecDeque;

use crate::lesson::LessonError;
use crate::media::command::Command;
use crate::media::handle::SendError;

/// Sends one command; gives it back when the queue is full. A closure, so that tests can look.
pub type Send = Box<dyn FnMut(Command) -> Result<(), SendError> + core::marker::Send>;

pub struct MediaDoor {
    send: Send,
    waiting: VecDeque<Box<dyn Fn() -> Command + core::marker::Send>>,
}

impl MediaDoor {
    #[must_use]
    pub fn new(send: Send) -> Self {
        Self { send, waiting: VecDeque::new() }
    }

    /// Sends now or never.
    pub fn now(&mut self, command: Command) -> Result<(), LessonError> {
        self.retry();
        if !self.waiting.is_empty() {
            return Err(LessonError::Busy);
        }
        (self.send)(command).map_err(|_| LessonError::Busy)
    }

    /// Sends in order, now or later. `make` can be called again, because a refused command is
    /// consumed by the queue.
    pub fn surely(&mut self, make: impl Fn() -> Command + core::marker::Send + 'static) {
        self.waiting.push_back(Box::new(make));
        self.retry();
    }

    /// Tries again what the queue refused.
    pub fn retry(&mut self) {
        while let Some(make) = self.waiting.front() {
            match (self.send)(make()) {
                Ok(()) => {
                    self.waiting.pop_front();
                }
                Err(SendError::Busy) => return,
                // The media plane has ended: nothing is left to command.
                Err(SendError::Gone) => self.waiting.clear(),
            }
        }
    }

    /// Whether something waits for the queue.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }
}
