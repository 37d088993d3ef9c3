//! The player model beside Chromium: `make player` runs a board in the browser behind a link, and this
//! with the same link, rate and pictures a second (tests/e2e/player.mjs prints both).

use std::time::Duration;

use zhuandi::bot::link::profiles::find;

use crate::lab::Lab;
use crate::lead::{Coding, Show};

/// `COMPARE="loss5 600 1 1200 15"`: link, seconds, seed, kbit/s and pictures a second of the camera.
#[test]
#[ignore = "`make player` runs it beside a browser"]
fn beside_a_browser() {
    let what = std::env::var("COMPARE").unwrap_or_else(|_| "loss5 300 1 1200 15".to_owned());
    let words: Vec<&str> = what.split(' ').collect();
    let number = |n: usize| words[n].parse::<f64>().expect("a number");
    let fps = number(4).round() as u64;
    let camera = [0.1, 0.33, 1.0].map(|share| Coding { kbps: share * number(3), fps });
    let mut lab = Lab::showing(&Show { camera, content: false }, number(2) as u64);
    lab.classroom(words[0], &find(words[0]).expect("a link of that name"));
    lab.run(number(1));
    let view = lab.view(0, Duration::from_secs(10)..Duration::from_secs_f64(number(1)));
    let (sound, camera) = (view.sound(), view.camera());
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    println!(
        "{}",
        serde_json::json!({
            "concealed": 100.0 * sound.concealed, "frozen": 100.0 * camera.frozen, "freezes": camera.freezes,
            "sound_waits": ms(sound.waited), "camera_waits": ms(camera.waited), "frames": camera.frames,
        })
    );
}
