//! The session's loop without a network: a stream of texts, a sink of texts.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::sink::unfold;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::auth::{Secret, Tokens};
use crate::ids::{LessonId, ParticipantId};
use crate::lesson::{Directory, LessonConfig, Surroundings};
use crate::media::{Media, MediaConfig};
use crate::session::message::{Presence, Role};
use crate::session::{Closing, Incoming, SessionConfig, SessionCounters, SessionParts, run};

const NOW: u64 = 1_800_000_000;

#[tokio::test]
async fn a_reader_that_is_stuck_is_cut_and_keeps_its_seat() {
    let media = Media::start(&MediaConfig::default()).unwrap();
    let (_stop, stopping) = watch::channel(false);
    let parts = Arc::new(SessionParts {
        config: SessionConfig::default(),
        tokens: Tokens::new(&Secret::new("s".repeat(32)), 30),
        directory: Directory::new(Surroundings {
            config: LessonConfig::default(),
            media: media.handle.clone(),
            negotiator: media.negotiator.clone(),
            lost_events: Arc::new(AtomicU64::new(0)),
            ice_servers: Arc::default(),
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
    // It joins and then only pings, so it is not silent; what is written to it is never taken.
    let pings = futures_util::stream::pending();
    let reader = Box::pin(futures_util::stream::iter([Incoming::Text(join)]).chain(pings));
    let (tried, mut tries) = mpsc::unbounded_channel();
    let writer = Box::pin(unfold(tried, |tried, text: String| async move {
        let _ = tried.send(text);
        std::future::pending::<Result<_, std::convert::Infallible>>().await
    }));
    let started = Instant::now();
    let closing = timeout(Duration::from_secs(30), run(Arc::clone(&parts), reader, writer)).await;
    assert_eq!(closing, Ok(Closing(1000)));
    assert!(started.elapsed() >= Duration::from_secs(10), "slow is not stuck");
    assert!(tries.recv().await.unwrap().contains("welcome"));
    let overview = parts.directory.open(&lesson).unwrap().overview().await.unwrap();
    assert_eq!(overview.participants[0].participant.presence, Presence::Away);
    media.stop();
}
