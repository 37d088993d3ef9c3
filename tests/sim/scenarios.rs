//! Short scenarios, a lesson's minute each: what must hold on every commit.

use std::time::Duration;

use zhuandi::bot::link::profiles::find;

use crate::lab::Lab;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn on(link: &str) -> Lab {
    let mut lab = Lab::new(1);
    lab.classroom(link, &find(link).expect("a link of that name"));
    lab
}

/// Prints a minute of every link: `cargo test --release --test sim every_link -- --ignored --nocapture`.
#[test]
#[ignore = "a look at all links at once, for whoever tunes; it judges nothing"]
fn every_link() {
    let only = std::env::var("LINK").ok();
    for profile in zhuandi::bot::link::profiles::all() {
        if only.as_ref().is_some_and(|only| only != profile.name) {
            continue;
        }
        let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
        let mut lab = Lab::new(seed);
        lab.classroom(profile.name, &profile);
        lab.run(60.0);
        println!("{}", lab.view(0, Duration::from_secs(4)..Duration::from_secs(60)).line());
    }
}

#[test]
fn a_good_link_has_everything_soon_and_whole() {
    let mut lab = on("N1");
    lab.between(2.0, 30.0)
        .expect("the top layer within 2 s", |v| v.camera_reaches(2).is_some_and(|t| t <= MS(2_000)))
        .expect("content within 1 s", |v| v.content_reaches(0).is_some_and(|t| t <= MS(1_000)));
    lab.between(5.0, 30.0)
        .expect("sound is whole", |v| v.sound().concealed <= 0.001)
        .expect("pictures are never still", |v| v.camera().frozen == 0.0 && v.content().frozen == 0.0)
        .expect("nothing is sent twice", |v| v.kbps()[crate::meter::Kind::Repair as usize] < 30.0)
        .expect("and it is live", |v| v.camera().delay < MS(150) && v.sound().delay < MS(150));
    lab.run(30.0);
}
