//! What senders say of how loud they are (RFC 6464).

use super::client::AUDIO_LEVEL;
use super::*;

#[test]
fn speech_is_told_from_silence_and_a_breath_is_none() {
    let (mut w, lead, _) = lesson(1, 1);
    let mic = w.source(lead, SourceKind::Mic);
    let turns = |w: &World| -> Vec<bool> {
        let of = |e| match e {
            Event::SourceHeard { source, heard } if source == mic => Some(heard),
            _ => None,
        };
        w.events().into_iter().filter_map(of).collect()
    };
    let speak = |w: &mut World, level, time| {
        w.clients[lead].level = level;
        w.teach(lead, time);
    };
    speak(&mut w, 70, MS(1_500));
    turns(&w);
    for (level, time, expected) in
        [(30, 600, &[true][..]), (70, 400, &[]), (30, 400, &[]), (70, 1_500, &[false]), (30, 600, &[true])]
    {
        speak(&mut w, level, MS(time));
        assert_eq!(turns(&w), expected, "{level} for {time} ms");
    }
    // What is closed is heard by nobody, however loud.
    w.core.handle_command(Command::Gate { source: mic, open: false }, w.now);
    speak(&mut w, 30, MS(600));
    assert_eq!(turns(&w), [false]);
}

#[test]
fn the_loudest_of_a_second_is_kept() {
    let (mut w, lead, _) = lesson(1, 1);
    let levels = |w: &World| -> Vec<Option<u8>> {
        let of = |e| match e {
            Event::Stats(s) => {
                s.sources.iter().find(|s| s.source == w.source(lead, SourceKind::Mic)).map(|s| s.level)
            }
            _ => None,
        };
        w.events().into_iter().filter_map(of).collect()
    };
    assert_eq!(AUDIO_LEVEL, 4);
    levels(&w);
    // The highest bit says "voice" (RFC 6464 §3).
    for level in [60, 0x8c, 90] {
        w.clients[lead].level = level;
        w.teach(lead, MS(300));
    }
    w.run(MS(1_000));
    let first = levels(&w);
    assert!(first.contains(&Some(12)), "{first:?}");
    w.clients[lead].level = 100;
    w.teach(lead, MS(1_000));
    w.run(MS(1_100));
    assert_eq!(levels(&w).first(), Some(&Some(100)), "each second for itself");
    w.run(MS(1_000));
    assert_eq!(levels(&w).last(), Some(&None));
}
