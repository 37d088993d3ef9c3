//! Logs and the shape of metrics.
//!
//! Logs go to standard error, one line each, readable alone. Metrics are structs of plain figures
//! whose doc comments are the help texts (`metrics!`); labels never hold a person or a lesson.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// `[log]` of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info,rtc=error,webrtc=error".into() }
    }
}

impl LogConfig {
    /// What is wrong with it, one sentence each.
    pub fn check(&self, problems: &mut Vec<String>) {
        if let Err(error) = EnvFilter::try_new(&self.filter) {
            problems.push(format!("log.filter: {error}"));
        }
    }
}

/// Starts logging for the whole process; a second call changes nothing.
pub fn start(config: &LogConfig) {
    let filter = EnvFilter::try_new(&config.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .try_init();
}

/// Declares a struct of `u64` figures that renders itself in Prometheus' text format. Each field
/// is `/// help` + `counter` or `gauge` + name.
#[macro_export]
macro_rules! metrics {
    ($(#[$meta:meta])* pub struct $name:ident { $(#[doc = $help:literal] $kind:ident $field:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        pub struct $name { $(#[doc = $help] pub $field: u64,)* }

        impl $name {
            /// Prometheus text exposition format 0.0.4.
            #[must_use]
            pub fn render(&self) -> String {
                let mut out = String::new();
                $($crate::telemetry::render_metric(
                    &mut out, stringify!($kind), stringify!($field), $help.trim(), self.$field,
                );)*
                out
            }
        }
    };
}

/// One metric. A counter's name ends in `_total`, as the format's conventions want it.
pub fn render_metric(out: &mut String, kind: &str, field: &str, help: &str, value: u64) {
    let suffix = if kind == "counter" { "_total" } else { "" };
    let name = format!("zhuandi_{field}{suffix}");
    // Writing to a string cannot fail.
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
}

#[cfg(test)]
mod tests {
    metrics! {
        /// For the test.
        pub struct Sample {
            /// Things that are open.
            gauge things_open,
            /// Things since the start.
            counter things,
        }
    }

    #[test]
    fn help_comes_from_the_doc_comment() {
        let text = Sample { things_open: 2, things: 5 }.render();
        assert_eq!(
            text,
            "# HELP zhuandi_things_open Things that are open.\n\
             # TYPE zhuandi_things_open gauge\n\
             zhuandi_things_open 2\n\
             # HELP zhuandi_things_total Things since the start.\n\
             # TYPE zhuandi_things_total counter\n\
             zhuandi_things_total 5\n"
        );
    }
}
