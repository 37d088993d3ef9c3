//! The language in which a running relay is told to change: one order a line.
//!
//! ```text
//! [down|up] rate KBIT          [down|up] loss PERCENT [BURST]     [down|up] outage on|off
//! [down|up] delay MS           [down|up] jitter MS [reorder]      udp on|off
//! profile NAME                 figures
//! ```
//!
//! Without a direction an order holds in both. `loss` with a burst length loses in bursts of so many
//! packets in the mean.

use std::time::Duration;

use crate::bot::link::model::{Change, Jitter, Loss};
use crate::bot::link::profiles::{self, Profile};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directions {
    Both,
    Down,
    Up,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    Change(Directions, Change),
    Profile(Box<Profile>),
    /// Whether datagrams pass at all, as a firewall decides.
    Udp(bool),
    /// What has passed so far, as a line of JSON.
    Figures,
}

/// Reads an order; the error says what is wrong with it.
pub fn parse(line: &str) -> Result<Order, String> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let directions = match words.first() {
        Some(&"down") => Directions::Down,
        Some(&"up") => Directions::Up,
        _ => Directions::Both,
    };
    if directions != Directions::Both {
        words.remove(0);
    }
    let change = match words[..] {
        ["figures"] => return Ok(Order::Figures),
        ["udp", "on"] => return Ok(Order::Udp(true)),
        ["udp", "off"] => return Ok(Order::Udp(false)),
        ["profile", name] => {
            let profile = profiles::find(name).ok_or_else(|| format!("there is no profile {name:?}"))?;
            return Ok(Order::Profile(Box::new(profile)));
        }
        ["rate", kbit] => Change::Rate((number(kbit)? * 1e3) as u64),
        ["delay", ms] => Change::Delay(millis(ms)?),
        ["jitter", ms] => Change::Jitter(Jitter::of(millis(ms)?)),
        ["jitter", ms, "reorder"] => Change::Jitter(Jitter { reorders: true, ..Jitter::of(millis(ms)?) }),
        ["loss", percent] => Change::Loss(Loss::Random(share(percent)?)),
        ["loss", percent, burst] => {
            Change::Loss(Loss::Bursty { mean: share(percent)?, burst: number(burst)? })
        }
        ["outage", "on"] => Change::Outage(true),
        ["outage", "off"] => Change::Outage(false),
        _ => {
            return Err(format!(
                "{line:?} is no order: rate, loss, delay, jitter, outage, udp, profile, figures"
            ));
        }
    };
    Ok(Order::Change(directions, change))
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0 && *n <= 1e9);
    number.ok_or_else(|| format!("{text:?} is not a number from 0 on"))
}

fn millis(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs_f64(number(text)? / 1e3))
}

fn share(text: &str) -> Result<f64, String> {
    let percent = number(text)?;
    if percent <= 100.0 { Ok(percent / 100.0) } else { Err(format!("{text:?} is more than 100 percent")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read() {
        let change = |line: &str| match parse(line) {
            Ok(Order::Change(directions, change)) => (directions, change),
            other => panic!("{line}: {other:?}"),
        };
        let ms = Duration::from_millis;
        assert_eq!(change("rate 300"), (Directions::Both, Change::Rate(300_000)));
        assert_eq!(change("down rate 1500.5"), (Directions::Down, Change::Rate(1_500_500)));
        assert_eq!(change("up  delay 20"), (Directions::Up, Change::Delay(ms(20))));
        assert_eq!(change("loss 5"), (Directions::Both, Change::Loss(Loss::Random(0.05))));
        let bursty = Loss::Bursty { mean: 0.08, burst: 6.0 };
        assert_eq!(change("down loss 8 6"), (Directions::Down, Change::Loss(bursty)));
        assert_eq!(change("jitter 40"), (Directions::Both, Change::Jitter(Jitter::of(ms(40)))));
        assert!(matches!(change("jitter 40 reorder").1, Change::Jitter(Jitter { reorders: true, .. })));
        assert_eq!(change("outage on"), (Directions::Both, Change::Outage(true)));
        assert_eq!(change("up outage off"), (Directions::Up, Change::Outage(false)));
        assert!(matches!(parse("profile n3"), Ok(Order::Profile(p)) if p.name == "N3"));
        assert_eq!(parse("figures"), Ok(Order::Figures));
    }

    #[test]
    fn nonsense_is_refused_and_says_why() {
        for line in [
            "",
            "rate",
            "rate x",
            "rate -1",
            "loss 101",
            "outage",
            "udp",
            "down",
            "profile N99",
            "delay NaN",
            "rate 1 2",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("profile N99").unwrap_err().contains("N99"));
    }
}
