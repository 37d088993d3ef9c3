//! What a load run tells: on a terminal while it runs, as JSON at the end.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::bot::load::Plan;
use crate::bot::load::delay::DelaySpread;
use crate::bot::load::hostile::HostileFigures;
use crate::bot::load::swarm::Figures;
use crate::process;

/// All classrooms at one moment.
#[derive(Clone, Debug)]
pub struct Reading {
    pub at: Duration,
    pub connected: u32,
    pub packets: u64,
    pub bytes: u64,
    pub expected: u64,
    own_cpu: u64,
    server_cpu: Option<u64>,
    pub server_memory: Option<u64>,
}

impl Reading {
    /// `first`: how many of the figures are not classrooms.
    #[must_use]
    pub fn take(figures: &[Figures], first: usize, pid: Option<u32>, started: Instant) -> Self {
        let classrooms = &figures[first.min(figures.len())..];
        let sum = |of: fn(&Figures) -> u64| classrooms.iter().map(of).sum();
        Self {
            at: started.elapsed(),
            connected: classrooms.iter().filter(|f| f.connected.is_some()).count() as u32,
            packets: sum(|f| f.counts.packets),
            bytes: sum(|f| f.counts.bytes),
            expected: sum(|f| f.counts.expected),
            own_cpu: process::cpu_ns(std::process::id()).unwrap_or(0),
            server_cpu: pid.and_then(process::cpu_ns),
            server_memory: pid.and_then(process::resident),
        }
    }
}

/// What a run was measured by.
pub struct Readings {
    /// Before the first join.
    pub before: Reading,
    /// When everybody was in.
    pub window: Option<Reading>,
    pub cycles: Option<Cycles>,
    pub last: Reading,
}

/// Joins and leaves between two readings of a full house, the first after the warm-up.
pub struct Cycles {
    pub count: u32,
    pub warm: Reading,
    pub end: Reading,
}

/// Median, 95th percentile and largest of some durations, ms.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spread {
    pub p50: u64,
    pub p95: u64,
    pub max: u64,
}

impl Spread {
    #[must_use]
    pub fn of(durations: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut all: Vec<u64> = durations.map(|d| d.as_millis() as u64).collect();
        all.sort_unstable();
        let at = |share: usize| all.get((all.len() * share / 100).min(all.len().saturating_sub(1))).copied();
        Some(Self { p50: at(50)?, p95: at(95)?, max: *all.last()? })
    }
}

/// The end of a run. Rates are over the window in which all classrooms were there.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub classrooms: u32,
    pub connected: u32,
    pub failed: u32,
    /// From the first byte of signalling to the end of the DTLS handshake.
    pub join_ms: Option<Spread>,
    pub first_packet_ms: Option<Spread>,
    pub first_key_frame_ms: Option<Spread>,
    /// From the publisher to the classrooms, when this process is both.
    pub delay_ms: Option<DelaySpread>,
    pub expected: u64,
    pub received: u64,
    pub lost: u64,
    pub lost_share: f64,
    pub repaired: u64,
    pub nacked: u64,
    pub unauthentic: u64,
    pub window_s: f64,
    pub kbps_per_classroom: f64,
    /// Cores that this process used.
    pub own_cores: f64,
    pub server: Option<ServerFigures>,
    /// With `--hostile`: in the same window.
    pub hostile: Option<HostileFigures>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ServerFigures {
    pub cores: f64,
    /// CPU time of the whole server process for each packet that reached a classroom, µs.
    pub us_per_packet: f64,
    pub memory_bytes: u64,
    /// At the beginning of the window.
    pub memory_bytes_before: u64,
    /// Resident memory beyond that before the first join, for each classroom, bytes.
    pub memory_per_classroom: i64,
    /// CPU time from the first join until everybody was in, for each, ms; what was forwarded
    /// meanwhile is in it.
    pub cpu_ms_per_join: Option<f64>,
    /// Resident memory that each join and leave left behind after the warm-up, bytes.
    pub memory_per_cycle: Option<f64>,
}

impl Report {
    #[must_use]
    pub fn new(
        plan: &Plan,
        figures: &[Figures],
        failed: u32,
        readings: &Readings,
        delay_ms: Option<DelaySpread>,
    ) -> Self {
        let last = &readings.last;
        let sum = |of: fn(&Figures) -> u64| -> u64 { figures.iter().map(of).sum() };
        let (expected, packets) = (sum(|f| f.counts.expected), sum(|f| f.counts.packets));
        let lost = expected.saturating_sub(packets);
        let from = readings.window.as_ref().unwrap_or(last);
        let seconds = (last.at - from.at).as_secs_f64();
        let per = |part: f64| if seconds > 0.0 { part / seconds } else { 0.0 };
        let server = last.server_cpu.zip(from.server_cpu).map(|(end, begin)| {
            let cpu = (end - begin) as f64;
            let memory = last.server_memory.unwrap_or(0);
            let grown = memory as i64 - readings.before.server_memory.unwrap_or(0) as i64;
            let joined = |w: &Reading| Some((w.server_cpu? - readings.before.server_cpu?) as f64);
            let left = |c: &Cycles| {
                let grown = c.end.server_memory? as i64 - c.warm.server_memory? as i64;
                Some(grown as f64 / f64::from(c.count.max(1)))
            };
            ServerFigures {
                cores: per(cpu / 1e9),
                us_per_packet: cpu / 1000.0 / (last.packets - from.packets).max(1) as f64,
                memory_bytes: memory,
                memory_bytes_before: from.server_memory.unwrap_or(0),
                memory_per_classroom: grown / i64::from(last.connected.max(1)),
                cpu_ms_per_join: readings
                    .window
                    .as_ref()
                    .and_then(|w| Some(joined(w)? / 1e6 / f64::from(w.connected.max(1)))),
                memory_per_cycle: readings.cycles.as_ref().and_then(left),
            }
        });
        Self {
            classrooms: plan.classrooms,
            connected: last.connected,
            failed,
            join_ms: Spread::of(figures.iter().filter_map(|f| f.connected)),
            first_packet_ms: Spread::of(figures.iter().filter_map(|f| f.first_packet)),
            first_key_frame_ms: Spread::of(figures.iter().filter_map(|f| f.first_key_frame)),
            delay_ms,
            expected,
            received: packets,
            lost,
            lost_share: lost as f64 / expected.max(1) as f64,
            repaired: sum(|f| f.counts.repaired),
            nacked: sum(|f| f.counts.nacked),
            unauthentic: sum(|f| f.counts.unauthentic),
            window_s: seconds,
            kbps_per_classroom: per((last.bytes - from.bytes) as f64 * 8.0 / 1000.0)
                / f64::from(last.connected.max(1)),
            own_cores: per((last.own_cpu - from.own_cpu) as f64 / 1e9),
            server,
            hostile: None,
        }
    }

    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let spread = |s: &Option<Spread>| {
            s.map_or("–".to_owned(), |s| format!("p50 {} · p95 {} · max {} ms", s.p50, s.p95, s.max))
        };
        let mut out = format!(
            "classrooms   {} of {} connected, {} failed\n\
             join         {}\nfirst packet {}\nkey frame    {}\n\
             packets      {} of {} received, {:.3} % lost, {} repaired\n\
             rate         {:.0} kbit/s per classroom over {:.0} s\n\
             this process {:.2} cores\n",
            self.connected,
            self.classrooms,
            self.failed,
            spread(&self.join_ms),
            spread(&self.first_packet_ms),
            spread(&self.first_key_frame_ms),
            self.received,
            self.expected,
            self.lost_share * 100.0,
            self.repaired,
            self.kbps_per_classroom,
            self.window_s,
            self.own_cores,
        );
        if let Some(d) = &self.delay_ms {
            out.push_str(&format!(
                "delay        p50 {:.1} · p95 {:.1} · max {:.1} ms\n",
                d.p50, d.p95, d.max
            ));
        }
        if let Some(s) = &self.server {
            out.push_str(&format!(
                "server       {:.3} cores, {:.2} µs per forwarded packet, {} KiB per classroom\n",
                s.cores,
                s.us_per_packet,
                s.memory_per_classroom / 1024
            ));
            if let Some(ms) = s.cpu_ms_per_join {
                out.push_str(&format!("             {ms:.2} ms of CPU per join\n"));
            }
            if let Some(bytes) = s.memory_per_cycle {
                out.push_str(&format!("             {bytes:.0} bytes left by each join and leave\n"));
            }
        }
        if let Some(h) = &self.hostile {
            out.push_str(&format!(
                "hostile      {} sent, {:.0} per second, {} answered, {} not taken by the socket\n",
                h.sent, h.per_second, h.answered, h.refused
            ));
        }
        out
    }
}
