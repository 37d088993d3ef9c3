//! What a process or one of its threads used, from /proc.

use std::fs;

/// CPU time of all threads of a process, nanoseconds. `None`: no such process, or no /proc.
#[must_use]
pub fn cpu_ns(pid: u32) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    Some(tasks.filter_map(|t| schedstat(&t.ok()?.path().join("schedstat"))).sum())
}

/// CPU time of the thread of this process that has this name, nanoseconds.
#[must_use]
pub fn thread_cpu_ns(name: &str) -> Option<u64> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    tasks.filter_map(Result::ok).find_map(|t| {
        let comm = fs::read_to_string(t.path().join("comm")).ok()?;
        (comm.trim() == name).then(|| schedstat(&t.path().join("schedstat")))?
    })
}

fn schedstat(path: &std::path::Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

/// File descriptors that this process has open. `None`: no /proc.
#[must_use]
pub fn descriptors() -> Option<u64> {
    // One of them is this look itself.
    Some((fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1))
}

/// How many descriptors this process may have open. `None`: no /proc, or as many as it likes.
#[must_use]
pub fn most_descriptors() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|l| l.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Resident memory of a process, bytes.
#[must_use]
pub fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
