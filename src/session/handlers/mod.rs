//! One file per message family that does more than ask the lesson.

use crate::auth::permissions::{Right, allowed, allowed_to_leading_receiver};
use crate::lesson::Ask;
use crate::session::Session;
use crate::session::errors::Code;
use crate::session::message::Role;

pub mod floor;
pub mod leave;
pub mod media;
pub mod signals;
pub mod watch;

impl Session<'_> {
    /// Whether this session's participant may do this now. A classroom that leads may more than others.
    pub(super) fn may(&self, right: Right) -> bool {
        let member = &self.actor.member;
        let role = self.role();
        let leads = || role == Role::Receiver && self.lesson.is_led_by(&member.id);
        allowed(role, right) || allowed_to_leading_receiver(right) && leads()
    }

    /// What this session's participant is in the lesson now.
    pub(super) fn role(&self) -> Role {
        let member = &self.actor.member;
        self.lesson.role_of(&member.id, member.asked)
    }

    /// Asks the lesson; what it refuses is worded for the page.
    pub(super) async fn ask(&self, request: Option<u32>, ask: Ask) {
        if let Err(error) = self.lesson.ask(self.actor.clone(), request, ask).await {
            self.refuse(Code::from(&error), request);
        }
    }
}
