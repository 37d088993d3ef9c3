//! The demonstration's manners, with a shorter pause.

use std::future::Future;

use super::*;
use crate::bot::probe::{Probe, Report};
use crate::bot::test_house::{House, LESSON, PATIENCE, id};
use crate::media::negotiate::SourceKind;
use crate::session::message::{ByeReason, ClientMessage, LessonState};

const PAUSE: Duration = Duration::from_secs(1);

/// Runs `test` beside the demonstration.
async fn beside(house: &House, test: impl Future<Output = ()>) {
    house.app.create_lesson(LESSON, "a demonstration").expect("created");
    tokio::select! {
        failed = direct(&house.app, LESSON, "a demonstration", PAUSE) => panic!("{failed:?}"),
        () = test => {}
    }
}

/// The synthetic teacher is announced and her picture is on the board.
fn taught(report: &Report) -> Option<()> {
    let mid = report.slot_of(&id(TEACHER_SUB), SourceKind::Camera)?;
    (report.slots[&mid].seen.showing?.0 == ClipName::Teacher).then_some(())
}

/// An observer, who knows everybody in the lesson.
fn watching(house: &House, sub: &str) -> Probe {
    let board = Probe::start(Probe::receiver(&house.url, house.token(Role::Observer, sub)));
    board.expect(&id(TEACHER_SUB), SourceKind::Camera, ClipName::Teacher);
    board
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_synthetic_teacher_steps_aside_and_comes_back() {
    let house = House::open().await;
    beside(&house, async {
        let board = watching(&house, "board");
        board.until(PATIENCE, taught).await.expect("a lesson");
        let both =
            |r: &Report| CLASSROOMS.iter().all(|(sub, ..)| r.roster.contains_key(&id(sub))).then_some(());
        board.until(PATIENCE, both).await.expect("two classrooms");

        let human = house.teacher("human", false);
        let aside = |r: &Report| {
            (!r.roster.contains_key(&id(TEACHER_SUB)) && r.roster.contains_key(&id("human"))).then_some(())
        };
        board.until(PATIENCE, aside).await.expect("she makes room");
        board
            .until(PATIENCE, |r| {
                let mid = r.slot_of(&id("human"), SourceKind::Camera)?;
                r.slots[&mid].feed.as_ref()?.since
            })
            .await
            .expect("the human teaches");

        human.leave().await;
        board
            .until(PATIENCE, |r| r.roster.contains_key(&id(TEACHER_SUB)).then_some(()))
            .await
            .expect("she is back");
        board.until(PATIENCE, taught).await.expect("and teaches");
        let report = board.report();
        assert_eq!((report.joins, report.faults()), (1, vec![]));
    })
    .await;
    house.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_demonstration_begins_anew() {
    let house = House::open().await;
    beside(&house, async {
        let board = watching(&house, "board");
        board.until(PATIENCE, taught).await.expect("a lesson");
        let human = house.teacher("human", false);
        human.until(PATIENCE, |r| r.connected_after).await.expect("the human is in");
        assert!(human.send(Box::new(|request| ClientMessage::EndLesson { request })));
        let ended = board.until(PATIENCE, |r| r.ended.clone()).await.expect("the board is told");
        assert_eq!(ended, Ended::Bye(ByeReason::Ended));

        let started = Instant::now();
        let second = loop {
            // Refused until the lesson is there again.
            let second = watching(&house, "second");
            if second
                .until(PATIENCE, |r| {
                    r.joins.gt(&0).then_some(true).or_else(|| r.ended.as_ref().map(|_| false))
                })
                .await
                .expect("an answer")
            {
                break second;
            }
            assert!(started.elapsed() < PATIENCE, "the lesson does not begin anew");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        second.until(PATIENCE, taught).await.expect("a new lesson");
        assert_eq!(second.report().lesson.map(|l| l.state), Some(LessonState::Live));
    })
    .await;
    house.app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_tls_demonstrates_as_well() {
    let house = House::open_with(|config| {
        config.http.tls = crate::http::TlsMode::SelfSigned;
        config.http.tls_listen = config.http.listen;
    })
    .await;
    assert!(house.app.tls_addr.is_some());
    let url = websocket_url(&house.app).await.expect("a listener");
    beside(&house, async {
        let board = Probe::start(Probe::receiver(&url, house.token(Role::Receiver, "board")));
        board.until(PATIENCE, taught).await.expect("a lesson");
    })
    .await;
    house.app.shutdown().await;
}
