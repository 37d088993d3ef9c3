//! The session's loop without a network: a stream of texts, a sink of texts.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{Sink, Stream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::auth::turn::IceServers;
use crate::auth::{Secret, Tokens};
use crate::ids::{LessonId, ParticipantId};
use crate::lesson::{Directory, LessonConfig, Surroundings};
use crate::media::{Media, MediaConfig};
use crate::session::message::{Presence, Role};
use crate::session::{Closing, Incoming, SessionConfig, SessionCounters, SessionParts, run};
use crate::store::Chronicle;
use crate::store::photos::Photos;

const NOW: u64 = 1_800_000_000;

#[tokio::test]
async fn a_reader_that_is_stuck_is_cut_and_keeps_its_seat() {
    let media = Media::start(&MediaConfig::default()).unwrap();
    let (_stop, stopping) = watch::channel(false);
    let data = tempfile::tempdir().unwrap();
    let parts = Arc::new(SessionParts {
        config: SessionConfig::default(),
        tokens: Tokens::new(&Secret::new("s".repeat(32)), 30),
        directory: Directory::new(Surroundings {
            config: LessonConfig::default(),
            media: media.handle.clone(),
            negotiator: media.negotiator.clone(),
            lost_events: Arc::new(AtomicU64::new(0)),
            ice_servers: IceServers::default(),
            chronicle: Chronicle::to_nowhere(),
            photos: Arc::new(Photos::open(data.path())),
        }),
        negotiator: media.negotiator.clone(),
        unix_now: Box::new(|| NOW),
        counters: SessionCounters::default(),
        stopping,
    });
    let (lesson, sub) = (LessonId::new("math").unwrap(), ParticipantId::new("c").unwrap());
    let ttl = Duration::from_secs(60);
    let token = parts.tokens.issue(&lesson, Role::Receiver, "c", &sub, ttl, NOW).unwrap();

    let join = format!(r#"{{"type":"join","version":1,"token":"{token}"}}"#);
    let (tried, mut tries) = mpsc::unbounded_channel();
    let deaf = Deaf { says: vec![Incoming::Text(join)], tried };
    let started = Instant::now();
    let closing = timeout(Duration::from_secs(30), run(Arc::clone(&parts), deaf)).await;
    assert_eq!(closing, Ok(Closing(1013)));
    assert!(started.elapsed() >= Duration::from_secs(10), "slow is not stuck");
    assert!(tries.recv().await.unwrap().contains("welcome"));
    assert_eq!(parts.counters.cut_slow.load(Ordering::Relaxed), 1);
    let overview = parts.directory.open(&lesson, None).unwrap().overview().await.unwrap();
    assert_eq!(overview.participants[0].participant.presence, Presence::Away);
    media.stop();
}

/// It joins and then says nothing, but it is there; what is written to it is never taken.
struct Deaf {
    says: Vec<Incoming>,
    tried: mpsc::UnboundedSender<Arc<str>>,
}

impl Stream for Deaf {
    type Item = Incoming;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Incoming>> {
        self.says.pop().map_or(Poll::Pending, |said| Poll::Ready(Some(said)))
    }
}

impl Sink<Arc<str>> for Deaf {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, text: Arc<str>) -> Result<(), Infallible> {
        let _ = self.tried.send(text);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }
}
