//! The bell: a large lesson's boards join at once. Asserts what must hold on any machine; the time
//! is written down as a figure.

use std::io::Write as _;

use tokio::task::JoinSet;
use tokio::time::Instant;
use zhuandi::session::message::Role;

use crate::harness::{Page, Server};

const BOARDS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_boards_join_at_the_bell() {
    let server = Server::start().await;
    let mut lead = server.live("math").await;
    let tokens: Vec<String> =
        (0..BOARDS).map(|n| server.token("math", Role::Receiver, &format!("c{n}"))).collect();
    let address = server.app.http_addr;
    let mut joins = JoinSet::new();
    for token in tokens {
        joins.spawn(async move {
            let started = Instant::now();
            let mut page = Page::connect_to(address, None).await.expect("a socket");
            let welcome = page.join(&token).await;
            assert_eq!(welcome["type"], "welcome", "{welcome}");
            (page, started.elapsed())
        });
    }
    let mut pages = Vec::new();
    let mut times = Vec::new();
    while let Some(joined) = joins.join_next().await {
        let (page, time) = joined.unwrap();
        pages.push(page);
        times.push(time);
    }
    times.sort();
    // The lead knows everybody in the end, though roster entries may be merged on the way.
    let mut seen = std::collections::HashSet::new();
    while seen.len() < BOARDS {
        let news = lead.until_type("participant").await;
        seen.insert(news["participant"]["id"].to_string());
    }
    let p99 = times[BOARDS * 99 / 100].as_millis();
    figure(&format!(
        "{{\"name\":\"signalling p99 of {BOARDS} joins at once\",\"measured\":{p99},\"unit\":\"ms\",\"goal\":3000,\"pass\":{}}}",
        p99 <= 3000
    ));
}

fn figure(line: &str) {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/target/figures");
    std::fs::create_dir_all(dir).unwrap();
    let path = format!("{dir}/it.jsonl");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}
