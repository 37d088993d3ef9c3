//! Who may import whom (docs/ARCHITECTURE.md): a house stays a house when its stairs go one way.

use std::fs;
use std::path::Path;

/// A part of the crate, and the parts that it may name. `session::message` is the vocabulary of the
/// wire and stands below everything but `ids` and the media plane's plain types.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("ids", &[]),
    ("media", &["ids"]),
    ("telemetry", &[]),
    ("process", &[]),
    ("auth", &["ids", "session::message", "media::negotiate"]),
    ("session::message", &["ids", "media::negotiate"]),
    ("session::typescript", &["ids", "media::negotiate", "session"]),
    ("store", &["ids", "session::message"]),
    ("watchdog", &[]),
    (
        "lesson",
        &[
            "ids",
            "auth::turn",
            "session::message",
            "media::negotiate",
            "media::command",
            "media::handle",
            "media::stats",
            "store",
        ],
    ),
    ("session", &["ids", "auth", "lesson", "media::negotiate"]),
    (
        "http",
        &[
            "ids",
            "auth",
            "lesson",
            "session",
            "media::handle",
            "media::negotiate",
            "config::list",
            "metrics",
            "process",
            "store",
            "telemetry",
            "watchdog",
        ],
    ),
    (
        "config",
        &[
            "ids",
            "auth",
            "http",
            "lesson",
            "session",
            "media::MediaConfig",
            "media::TcpConfig",
            "media::TcpLimits",
            "media::Buffers",
            "media::RedundancyMode",
            "telemetry",
        ],
    ),
    ("app", &["ids", "auth", "config", "http", "lesson", "process", "session", "store", "media", "watchdog"]),
    ("fuzz", &["ids", "auth", "http::frames", "media", "session"]),
    ("bot::load", &["ids", "bot", "fuzz::mutate", "media", "process", "session::message"]),
    ("bot", &["ids", "app", "cli", "media::negotiate", "media::command", "session::message"]),
    ("cli", &["ids", "app", "auth", "bot", "config", "session::message", "telemetry"]),
];

/// Crates that the media plane must not know: it has no runtime, no web framework, no database.
const NOT_IN_MEDIA: &[&str] = &["tokio::", "axum::", "sqlx::", "hyper::"];

#[test]
fn imports_go_downwards_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&source, &mut files);
    assert!(files.len() > 30, "the sources are here");
    let mut wrong = Vec::new();
    for file in &files {
        let module = module_of(&source, file);
        // Tests in files of their own, and what they share, may build what they need.
        let last = module.rsplit("::").next().unwrap_or_default();
        if last.ends_with("_test") || last.starts_with("test_") {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        let Some((part, allowed)) = rule_for(&module) else {
            if !["lib", "main"].contains(&module.as_str()) {
                wrong.push(format!("{module} belongs to no part"));
            }
            continue;
        };
        for named in named_by(&text) {
            let own = starts_with_path(&named, part) || part.starts_with(&format!("{named}::"));
            if !own && !allowed.iter().any(|a| starts_with_path(&named, a)) {
                wrong.push(format!("{module} names {named}"));
            }
        }
        if part == "media" {
            for name in NOT_IN_MEDIA.iter().filter(|name| text.contains(**name)) {
                wrong.push(format!("{module} uses {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "against the direction:\n  {}", wrong.join("\n  "));
}

#[test]
fn the_check_sees_what_it_must() {
    let text =
        "use crate::a::{b::C, d};\nlet x = crate::e::f();\nuse crate::{g, h::I};\n// crate::comment::x\n";
    assert_eq!(named_by(text), ["a::b::C", "a::d", "e::f", "g", "h::I"]);
    assert!(starts_with_path("a::b", "a") && !starts_with_path("ab", "a"));
    assert_eq!(rule_for("session::message").unwrap().0, "session::message");
    assert_eq!(rule_for("session::handlers::media").unwrap().0, "session");
}

/// The longest part that the module belongs to.
fn rule_for(module: &str) -> Option<(&'static str, &'static [&'static str])> {
    let parts = MAY_NAME.iter().filter(|(part, _)| starts_with_path(module, part));
    parts.max_by_key(|(part, _)| part.len()).copied()
}

/// Every path after `crate::`, with groups taken apart. Comments are left out; tests may name
/// what they like only inside their own part, as everybody.
fn named_by(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut out = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` in a macro names the same part as its user.
        let before = code[..at].chars().last();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        expand("", &code[at + "crate::".len()..], &mut out);
    }
    out
}

/// Reads one path or one group of them.
fn expand(prefix: &str, text: &str, out: &mut Vec<String>) {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let head = text[..end].trim_end_matches(':');
    let path = if prefix.is_empty() { head.to_owned() } else { format!("{prefix}::{head}") };
    let path = path.trim_end_matches(':').to_owned();
    let Some(rest) = text[end..].strip_prefix('{') else {
        out.push(path);
        return;
    };
    let (mut depth, mut start) = (0_usize, 0);
    for (i, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let item = rest[start..i].trim();
                if !item.is_empty() {
                    expand(&path, item, out);
                }
                start = i + 1;
                if c == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}

fn starts_with_path(path: &str, prefix: &str) -> bool {
    path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with("::"))
}

fn module_of(source: &Path, file: &Path) -> String {
    let path = file.strip_prefix(source).unwrap().with_extension("");
    let parts: Vec<_> = path.iter().map(|p| p.to_str().unwrap()).filter(|p| *p != "mod").collect();
    parts.join("::")
}

fn collect(dir: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}
