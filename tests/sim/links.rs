//! The long table: ten minutes of lesson on each of the schools' links, and each fault by itself,
//! every figure beside its goal.
//!
//! `make links` prints it as Markdown (also target/figures/links.md) and writes each figure that has a
//! goal to target/figures/links.jsonl. It judges nothing: goals that are missed stand in bold.

use std::fmt::Write as _;
use std::time::Duration;

use zhuandi::bot::link::profiles::{Profile, all};

use crate::lab::{Lab, View};
use crate::meter::Kind;
use crate::player::log::Span;

/// Two seconds after joining everything has begun.
const SETTLED: f64 = 4.0;
/// What returns within this time after an outage is no fault of the server.
const RETURN: f64 = 5.0;

/// What is run, and what is wanted of it.
struct Row {
    link: Profile,
    seconds: f64,
    outages: Vec<(f64, f64)>,
    goals: Vec<Goal>,
}

struct Goal {
    name: &'static str,
    unit: &'static str,
    limit: Limit,
    measure: Measure,
}

#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

type Measure = Box<dyn Fn(&Run) -> f64>;

/// A row that was run.
struct Run {
    lab: Lab,
    seconds: f64,
    outages: Vec<(f64, f64)>,
}

impl Run {
    /// The whole lesson, without its outages.
    fn whole(&self) -> View<'_> {
        let without: Vec<Span> = self.outages.iter().map(|(from, to)| s(*from)..s(to + RETURN)).collect();
        self.between(SETTLED, self.seconds).without(&without)
    }

    fn between(&self, from: f64, to: f64) -> View<'_> {
        self.lab.view(0, s(from)..s(to))
    }

    /// From the first picture on, which `came` so long after joining.
    fn begun(&self, came: Option<Duration>) -> View<'_> {
        self.between(SETTLED.max(2.0 + reaches(came)), self.seconds)
    }

    fn since_joining(&self) -> View<'_> {
        self.between(2.0, self.seconds)
    }
}

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
#[ignore = "minutes of work; `make links` runs it"]
fn the_table() {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let only = std::env::var("LINK").ok();
    let mut table = String::from(HEAD);
    let mut lines = String::new();
    for row in rows().into_iter().filter(|r| only.as_ref().is_none_or(|only| only == r.link.name)) {
        if row.link.udp_blocked {
            let _ = writeln!(
                table,
                "| {} {} | media by TCP is not simulated (`make faults-paths` has it in Chromium) |{}",
                row.link.name,
                row.link.meaning,
                " |".repeat(8)
            );
            continue;
        }
        let mut lab = Lab::new(seed);
        lab.classroom(row.link.name, &row.link);
        lab.run(row.seconds);
        let run = Run { lab, seconds: row.seconds, outages: row.outages };
        let figures: Vec<Figure> = row.goals.iter().map(|goal| Figure::of(goal, &run)).collect();
        for figure in &figures {
            let _ = writeln!(lines, "{}", figure.json(row.link.name, seed));
        }
        let _ = writeln!(table, "{}", line(&row.link, &run, &figures));
        eprintln!("{}", run.whole().line());
    }
    println!("{table}");
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/figures");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("links.md"), &table).unwrap();
    std::fs::write(folder.join("links.jsonl"), &lines).unwrap();
}

fn rows() -> Vec<Row> {
    all().into_iter().map(row).collect()
}

fn row(link: Profile) -> Row {
    let sound =
        |share: f64| at_most("sound concealed", "%", 100.0 * share, |r| 100.0 * r.whole().sound().concealed);
    let frozen =
        |share: f64| at_most("camera frozen", "%", 100.0 * share, |r| 100.0 * r.whole().camera().frozen);
    let layer = |n: usize, share: f64| {
        at_least(["", "360p or better", "top layer"][n], "% of the time", 100.0 * share, move |r| {
            100.0 * r.whole().camera().layers[n..].iter().sum::<f64>()
        })
    };
    let legible = || {
        at_most("longest without a page", "s", 2.0, |r| {
            r.begun(r.since_joining().content_reaches(0)).content().longest_gap.as_secs_f64()
        })
    };
    let back = |times: &[(f64, f64)]| {
        let times = times.to_vec();
        at_most("back after an outage", "s", 5.0, move |r| {
            let after =
                |to: f64| r.between(to, to + 60.0).camera_reaches(0).map_or(60.0, |t| t.as_secs_f64());
            times.iter().map(|(_, to)| after(*to)).fold(0.0, f64::max)
        })
    };
    let mut outages = Vec::new();
    let mut seconds = 180.0;
    let goals = match link.name {
        "N1" => vec![
            sound(0.001),
            frozen(0.0),
            at_most("top layer after joining", "s", 2.0, |r| reaches(r.since_joining().camera_reaches(2))),
            at_most("content after joining", "s", 1.0, |r| reaches(r.since_joining().content_reaches(0))),
        ],
        "N2" => vec![sound(0.005), frozen(0.005), layer(2, 0.95), legible()],
        "N3" => vec![sound(0.02), frozen(0.02), layer(1, 0.95), legible()],
        "N4" => vec![
            sound(0.05),
            frozen(0.05),
            at_least("any picture", "% of the time", 90.0, |r| 100.0 * r.whole().camera().alive),
            at_least("pages a second", "", 1.0, |r| {
                r.whole().content().frames as f64 / (r.seconds - SETTLED)
            }),
        ],
        "N6" => vec![sound(0.01), frozen(0.01), layer(2, 0.95), legible()],
        "N7" => {
            outages = vec![(240.0, 270.0)];
            vec![sound(0.02), frozen(0.02), back(&outages)]
        }
        "N8" => vec![
            sound(0.05),
            at_most("content behind", "s", 2.0, |r| r.whole().content().delay.as_secs_f64()),
            legible(),
        ],
        "loss5" | "burst5" => vec![frozen(0.005)],
        "loss10" | "burst10" => vec![frozen(0.02)],
        "loss20" | "burst20" => vec![frozen(0.05)],
        "loss30" | "burst30" => vec![
            sound(0.15),
            at_most("longest without a picture", "s", 3.0, |r| {
                r.begun(r.since_joining().camera_reaches(0)).camera().longest_gap.as_secs_f64()
            }),
            at_most("picture after joining", "s", 10.0, |r| reaches(r.since_joining().camera_reaches(0))),
        ],
        "step" => {
            seconds = 210.0;
            step_goals()
        }
        "jitter200" => vec![
            frozen(0.02),
            at_most("repair overhead", "%", 10.0, |r| {
                let kbps = r.whole().kbps();
                100.0 * kbps[Kind::Repair as usize] / kbps.iter().sum::<f64>()
            }),
            at_most("sound behind", "s", 1.0, |r| r.whole().sound().delay.as_secs_f64()),
            at_most("camera behind", "s", 1.0, |r| r.whole().camera().delay.as_secs_f64()),
        ],
        "outage" => {
            outages = vec![(60.0, 90.0)];
            vec![back(&outages)]
        }
        _ => vec![sound(0.02), legible()],
    };
    if link.name.starts_with('N') {
        seconds = 600.0;
    }
    Row { link, seconds, outages, goals }
}

/// The link falls to 300 kbit/s at 60 s and rises again at 150 s.
fn step_goals() -> Vec<Goal> {
    const FALLS: f64 = 60.0;
    const RISES: f64 = 150.0;
    const LIMIT: f64 = 330.0;
    vec![
        at_most("sent from 3 s after the fall on", "kbit/s", LIMIT, |r| {
            r.between(FALLS + 3.0, RISES).most_kbps()
        }),
        at_most("time to adapt", "s", 3.0, |r| {
            let seconds = r.between(FALLS, RISES).by_second();
            seconds.iter().rposition(|kbps| *kbps > LIMIT).map_or(0.0, |n| n as f64 + 1.0)
        }),
        at_most("longest without content", "s", 2.0, |r| {
            r.between(FALLS, RISES).content().longest_gap.as_secs_f64()
        }),
        at_most("longest without camera", "s", 2.0, |r| {
            r.between(FALLS, RISES).camera().longest_gap.as_secs_f64()
        }),
        at_most("sound concealed", "%", 5.0, |r| 100.0 * r.between(FALLS, RISES).sound().concealed),
        at_most("queue from 5 s after the fall on", "ms", 500.0, |r| {
            r.between(FALLS + 5.0, RISES).queue().as_secs_f64() * 1e3
        }),
        at_most("time to return", "s", 15.0, |r| reaches(r.between(RISES, r.seconds).camera_reaches(2))),
    ]
}

/// A minute stands for never.
fn reaches(after: Option<Duration>) -> f64 {
    after.map_or(60.0, |t| t.as_secs_f64())
}

fn at_most(
    name: &'static str,
    unit: &'static str,
    limit: f64,
    measure: impl Fn(&Run) -> f64 + 'static,
) -> Goal {
    Goal { name, unit, limit: Limit::AtMost(limit), measure: Box::new(measure) }
}

fn at_least(
    name: &'static str,
    unit: &'static str,
    limit: f64,
    measure: impl Fn(&Run) -> f64 + 'static,
) -> Goal {
    Goal { name, unit, limit: Limit::AtLeast(limit), measure: Box::new(measure) }
}

struct Figure {
    name: &'static str,
    unit: &'static str,
    measured: f64,
    goal: String,
    pass: bool,
}

impl Figure {
    fn of(goal: &Goal, run: &Run) -> Self {
        let measured = ((goal.measure)(run) * 1000.0).round() / 1000.0;
        let (sign, limit, pass) = match goal.limit {
            Limit::AtMost(limit) => ("<=", limit, measured <= limit),
            Limit::AtLeast(limit) => (">=", limit, measured >= limit),
        };
        let goal_text = format!("{sign} {}", (limit * 1000.0).round() / 1000.0);
        Self { name: goal.name, unit: goal.unit, measured, goal: goal_text, pass }
    }

    fn json(&self, link: &str, seed: u64) -> serde_json::Value {
        let Self { name, unit, measured, goal, pass } = self;
        serde_json::json!({
            "name": format!("{link}: {name}"), "fault": link, "seed": seed, "measured": measured,
            "unit": unit, "goal": goal, "pass": pass,
        })
    }

    fn text(&self) -> String {
        let Self { name, unit, measured, goal, pass } = self;
        let goal = goal.replace("<=", "≤").replace(">=", "≥");
        let text = format!("{name} {measured:.2} {unit} ({goal})");
        if *pass { text } else { format!("**{text}**") }
    }
}

const HEAD: &str = "\
| link | against its goals | sound: concealed %, longest gap ms | camera: frozen %, longest gap s | \
content: longest gap s | camera layers q h f, % of the time; changes/min | sent kbit/s: sound camera content repair red | \
behind ms: sound camera content | longest queue ms | joined again |
|---|---|---|---|---|---|---|---|---|---|
";

fn line(link: &Profile, run: &Run, figures: &[Figure]) -> String {
    let view = run.whole();
    let (sound, camera, content) = (view.sound(), view.camera(), view.content());
    let kbps = view.kbps();
    let of = |kind: Kind| kbps[kind as usize];
    let ms = |d: Duration| d.as_millis();
    let goals: Vec<String> = figures.iter().map(Figure::text).collect();
    let [q, h, f] = camera.layers.map(|l| 100.0 * l);
    format!(
        "| {} {} | {} | {:.2}, {} | {:.2}, {:.1} | {:.1} | {q:.0} {h:.0} {f:.0}; {:.1} | {:.0} {:.0} {:.0} {:.0} {:.0} | {} {} {} | {} | {} |",
        link.name,
        link.meaning,
        goals.join("; "),
        100.0 * sound.concealed,
        ms(sound.longest_gap),
        100.0 * camera.frozen,
        camera.longest_gap.as_secs_f64(),
        content.longest_gap.as_secs_f64(),
        camera.changes as f64 / (run.seconds / 60.0),
        of(Kind::Sound),
        of(Kind::Camera),
        of(Kind::Content),
        of(Kind::Repair),
        view.redundant_kbps(run.seconds),
        ms(sound.delay),
        ms(camera.delay),
        ms(content.delay),
        ms(view.queue()),
        view.rejoins(),
    )
}
