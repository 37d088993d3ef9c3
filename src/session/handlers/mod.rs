//! One file per message family that does more than ask the lesson.

use crate::lesson::Ask;
use crate::session::Session;
use crate::session::errors::Code;

pub mod leave;
pub mod media;
pub mod watch;

impl Session<'_> {
    /// Asks the lesson; what it refuses is worded for the page.
    pub(super) async fn ask(&self, request: Option<u32>, ask: Ask) {
        if let Err(error) = self.lesson.ask(self.actor.clone(), request, ask).await {
            self.refuse(Code::from(&error), request);
        }
    }
}
