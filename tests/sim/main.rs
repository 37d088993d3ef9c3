//! The media plane on bad links: the real core, modelled links and players, a clock that only the
//! tests move. `world` puts them together, `lead` and `classroom` are who takes part, `player` says
//! what a board would show; `lab` lets scenarios read like a protocol, `scenarios` are the short ones
//! of `make test`, `links` the long table of `make links`.

mod classroom;
mod lead;
mod meter;
mod player;
mod station;
mod world;

use std::time::Duration;

#[test]
fn smoke() {
    let s = Duration::from_secs;
    let p = zhuandi::bot::link::profiles::find("N1").unwrap();
    let mut w = world::World::new((world::good(), world::good()), 1);
    w.join("a", (p.down, p.up));
    w.run_until(s(30));
    let c = &w.classrooms[0];
    let span = s(4)..s(30);
    println!("{:?}", player::log::sound(&c.sound.log, &span, &[]));
    println!("{:?}", player::log::picture(&c.camera.log, &span, &[]));
    println!("{:?}", player::log::picture(&c.content.log, &span, &[]));
    println!("{:?} {:?}", c.station.meter.kbps(&span), c.station.light.counts());
    println!(
        "{:?} {:?} key frames {:?}",
        c.station.light.connected, c.station.light.first_key_frame, w.lead.key_frames
    );
}
