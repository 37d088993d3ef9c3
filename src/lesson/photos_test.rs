//! Photos: who is told of them, who may fetch them, what makes room for what.

use super::*;
use crate::lesson::Ask;
use crate::lesson::lesson_test::{Page, Scene, VP8};

fn photo(n: u32) -> PhotoId {
    PhotoId::new(&format!("p{n}")).unwrap()
}

fn show(n: u32) -> Ask {
    Ask::Photo(PhotoAsk::Show(Some(photo(n))))
}

/// What a page was told of photos at last: what is shown, then what waits.
async fn told(page: &Page) -> Option<String> {
    let word = |m: &ServerMessage| match m {
        ServerMessage::Photos { photos } => {
            let shown = photos.shown.as_ref().map_or("-", |p| p.id.as_str()).to_owned();
            let waiting = photos.waiting.iter().map(|p| format!(" {} of {}", p.id, p.name));
            Some(waiting.fold(shown, |all, one| all + &one))
        }
        _ => None,
    };
    page.read().await.iter().rev().find_map(word)
}

#[tokio::test]
async fn a_classrooms_photo_waits_for_the_lead_and_is_nobody_elses_before() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let (a, b) = (scene.join(Role::Receiver, "a"), scene.join(Role::Receiver, "b"));
    let early = scene.lesson.add_photo(&photo(1), &a.actor.member, scene.now);
    assert!(matches!(early, Err(LessonError::NotLive)), "{early:?}");
    scene.ask(&lead, Ask::Start).unwrap();
    scene.lesson.add_photo(&photo(1), &a.actor.member, scene.now).unwrap();
    assert_eq!(told(&lead).await.unwrap(), "- p1 of a");
    assert_eq!(told(&b).await.as_deref(), Some("-"), "no word of what waits");
    let may = |scene: &Scene, page: &Page| scene.lesson.may_see_photo(&photo(1), &page.actor.member);
    assert!(may(&scene, &lead) && may(&scene, &a) && !may(&scene, &b));

    scene.ask(&lead, show(1)).unwrap();
    assert_eq!(told(&b).await.unwrap(), "p1");
    assert_eq!(told(&lead).await.unwrap(), "p1", "it does not wait any more");
    assert!(may(&scene, &b));
    let late = scene.join(Role::Observer, "o");
    assert_eq!(told(&late).await.unwrap(), "p1", "who joins late as well");

    scene.ask(&lead, Ask::Photo(PhotoAsk::Show(None))).unwrap();
    assert_eq!(told(&b).await.unwrap(), "-");
    assert!(!may(&scene, &b));
    let unknown = scene.ask(&lead, show(9));
    assert!(matches!(unknown, Err(LessonError::UnknownPhoto)), "{unknown:?}");
    scene.media.stop();
}

#[tokio::test]
async fn put_aside_it_is_not_asked_about_again_and_observers_send_none() {
    let mut scene = Scene::new(VP8);
    let lead = scene.join(Role::Lead, "t");
    let (a, o) = (scene.join(Role::Receiver, "a"), scene.join(Role::Observer, "o"));
    scene.ask(&lead, Ask::Start).unwrap();
    scene.lesson.add_photo(&photo(1), &a.actor.member, scene.now).unwrap();
    scene.ask(&lead, Ask::Photo(PhotoAsk::Drop(photo(1)))).unwrap();
    assert_eq!(told(&lead).await.unwrap(), "-");
    let watching = scene.lesson.add_photo(&photo(2), &o.actor.member, scene.now);
    assert!(matches!(watching, Err(LessonError::NotInThisLesson)), "{watching:?}");
    scene.lesson.kick(&a.actor.member.id, scene.now);
    let kicked = scene.lesson.add_photo(&photo(3), &a.actor.member, scene.now);
    assert!(matches!(kicked, Err(LessonError::Kicked)), "{kicked:?}");
    scene.media.stop();
}

#[test]
fn one_of_them_sends_not_without_end() {
    let (mut photos, c1) = (Photos::default(), ParticipantId::new("c1").unwrap());
    assert_eq!((0..1_000).take_while(|_| photos.count(&c1).is_ok()).count(), usize::from(OF_ONE));
    assert!(photos.count(&ParticipantId::new("c2").unwrap()).is_ok(), "others go on");
}

#[test]
fn old_ones_make_room_and_what_is_shown_never() {
    let mut photos = Photos::default();
    let of = |n: u32, from: &str, waits| Photo {
        id: photo(n),
        from: ParticipantId::new(from).unwrap(),
        name: from.into(),
        waits,
    };
    assert_eq!(photos.add(of(0, "t", false)), []);
    photos.shown = Some(photo(0));
    assert_eq!(photos.add(of(1, "a", true)), []);
    assert_eq!(photos.add(of(2, "a", true)), []);
    assert_eq!(photos.add(of(3, "a", true)), [photo(1)], "two of one classroom");
    assert_eq!(photos.add(of(4, "b", true)), []);
    for n in 5..=24 {
        assert_eq!(photos.add(of(n, "t", false)), [], "{n}");
    }
    assert_eq!(photos.kept.len(), KEPT);
    assert_eq!(photos.add(of(25, "t", false)), [photo(2)]);
    assert!(photos.get(&photo(0)).is_some());
}
