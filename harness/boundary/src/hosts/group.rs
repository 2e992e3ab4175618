//! A program and everything that it starts: looked at, limited and ended together.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What is kept of what a program complains about, bytes.
const SAID_BYTES_MAX: usize = 16 << 10;
/// How old the times of those may be that the leader has started: the process table of a machine is long.
const OTHERS_OLD_MAX: Duration = Duration::from_millis(100);
/// Until what was killed is gone from the process table.
const GONE_SECONDS_MAX: u64 = 10;

/// A running program, leader of a process group of its own.
pub(super) struct Group {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
    is_killed: bool,
    cpu_at_death: f64,
    /// When the others were looked at, and what they took until then, ticks.
    others: Cell<Option<(Instant, u64)>>,
}

/// One line of the process table.
struct Process {
    parent: u32,
    group: u32,
    is_alive: bool,
    cpu_ticks: u64,
}

impl Group {
    /// Starts it; the first bytes of its standard error are kept where that is a pipe.
    pub(super) fn start(command: &mut Command) -> std::io::Result<Self> {
        let mut child = command.process_group(0).spawn()?;
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = child.stderr.take() {
            let said = said.clone();
            std::thread::spawn(move || listen(pipe, &said));
        }
        Ok(Self { child, said, is_killed: false, cpu_at_death: 0.0, others: Cell::new(None) })
    }

    /// The leader, for its pipes.
    pub(super) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The leader's process id, which is the group's.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has complained about so far.
    pub(super) fn said(&self) -> String {
        self.said.lock().map(|said| String::from_utf8_lossy(&said).into_owned()).unwrap_or_default()
    }

    /// Waits a little for the leader to end by itself, then ends the rest. Says how it ended, if it did so by itself.
    pub(super) fn end(&mut self, grace: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + grace;
        let is_alive = |id| table().get(&id).is_some_and(|process| process.is_alive);
        while !self.is_killed && is_alive(self.id()) {
            if Instant::now() > until {
                self.kill();
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        // Waited for already: this is what was kept.
        self.child.wait().ok()
    }

    /// Processor time of all of it, seconds.
    pub(super) fn cpu_seconds(&self) -> f64 {
        if self.is_killed {
            return self.cpu_at_death;
        }
        let others = match self.others.get() {
            Some((looked, ticks)) if looked.elapsed() < OTHERS_OLD_MAX => ticks,
            _ => self.others_ticks(),
        };
        let leader = line(self.id()).map_or(0, |process| process.cpu_ticks);
        (leader + others) as f64 / rustix::param::clock_ticks_per_second().max(1) as f64
    }

    /// What all but the leader took, looked up.
    fn others_ticks(&self) -> u64 {
        let table = table();
        let others = members(&table, self.id()).into_iter().filter(|pid| *pid != self.id());
        let ticks = others.map(|pid| table[&pid].cpu_ticks).sum();
        self.others.set(Some((Instant::now(), ticks)));
        ticks
    }

    /// Resident memory of all of it that belongs to no file, bytes: a browser's processes share most of what is a file's.
    pub(super) fn resident_bytes(&self) -> u64 {
        members(&table(), self.id()).iter().map(|pid| own_bytes(*pid)).sum()
    }

    /// Ends all of it, and comes back when it is gone.
    pub(super) fn kill(&mut self) {
        if self.is_killed {
            return;
        }
        self.others.set(None);
        self.cpu_at_death = self.cpu_seconds();
        self.is_killed = true;
        let until = Instant::now() + Duration::from_secs(GONE_SECONDS_MAX);
        // What was started meanwhile is found the next time round. The leader's own line stays, dead, until it is waited
        // for: its number cannot be another's as long as we look.
        loop {
            let table = table();
            let alive: Vec<u32> = members(&table, self.id()).into_iter().filter(|pid| table[pid].is_alive).collect();
            if alive.is_empty() || Instant::now() > until {
                break;
            }
            if let Some(group) = pid(self.id()) {
                // It may be gone already, and then there is nobody to tell.
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            for process in alive.into_iter().filter_map(pid) {
                let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pid(id: u32) -> Option<rustix::process::Pid> {
    i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw)
}

/// Keeps the beginning of what a program prints; the rest is read and forgotten, so that it is not held up.
fn listen(mut pipe: impl Read, said: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 4096];
    while let Ok(read) = pipe.read(&mut chunk) {
        if read == 0 {
            return;
        }
        if let Ok(mut said) = said.lock() {
            let room = SAID_BYTES_MAX - said.len().min(SAID_BYTES_MAX);
            said.extend_from_slice(&chunk[..read.min(room)]);
        }
    }
}

/// Everything of the group, and everything that one of those has started.
fn members(table: &BTreeMap<u32, Process>, leader: u32) -> BTreeSet<u32> {
    let is_own = |pid: &u32, process: &Process| *pid == leader || process.group == leader;
    let mut members: BTreeSet<u32> =
        table.iter().filter(|(pid, process)| is_own(pid, process)).map(|(pid, _)| *pid).collect();
    loop {
        let children =
            table.iter().filter(|(pid, process)| members.contains(&process.parent) && !members.contains(pid));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        if children.is_empty() {
            return members;
        }
        members.extend(children);
    }
}

fn table() -> BTreeMap<u32, Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, line(pid)?))).collect()
}

fn line(pid: u32) -> Option<Process> {
    process(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads `/proc/PID/stat`, see proc(5).
fn process(stat: &str) -> Option<Process> {
    // The name, in brackets, may hold anything.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    // Its own time, and that of its children that were waited for.
    let cpu_ticks = (11..15).filter_map(number).sum();
    Some(Process {
        parent: number(1)? as u32,
        group: number(2)? as u32,
        is_alive: !matches!(*fields.first()?, "Z" | "X"),
        cpu_ticks,
    })
}

fn own_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    (kib("RssAnon:").unwrap_or(0) + kib("RssShmem:").unwrap_or(0)) << 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    #[test]
    fn names_do_not_disturb_the_table() {
        let line = "42 (a) b (c) S 7 9 9 0 -1 4194560 1 2 0 0 10 20 3 4 20 0 1 0 100 5000 25";
        let process = process(line).unwrap();
        assert_eq!((process.parent, process.group, process.is_alive, process.cpu_ticks), (7, 9, true, 37));
    }

    #[test]
    fn what_left_the_group_is_found_and_ended_too() {
        let script = "setsid sleep 1000 & sleep 1000 & echo ready; wait";
        let mut command = Command::new("sh");
        let mut group = Group::start(command.args(["-c", script]).stdout(Stdio::piped())).unwrap();
        let mut ready = [0; 6];
        group.child().stdout.take().unwrap().read_exact(&mut ready).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while members(&table(), group.id()).len() < 3 {
            assert!(Instant::now() < until, "the children did not start");
        }
        let all = members(&table(), group.id());
        assert!(group.resident_bytes() > 0);
        group.kill();
        // A busy machine takes its time to end a process, and who adopts an orphan to wait for it.
        let is_over = || {
            let left = table();
            all.iter().all(|pid| left.get(pid).is_none_or(|process| !process.is_alive))
        };
        while !is_over() {
            assert!(Instant::now() < until, "{all:?} live on");
        }
    }
}
