//! What a process takes, as Linux tells while it runs (proc(5)).

use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a process is looked at. Its last moments go unseen.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// The kernel counts processor time in units of a hundredth of a second (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What a process took.
pub(crate) struct Run {
    pub(crate) wall: Duration,
    /// In user mode and in the kernel.
    pub(crate) processor: Duration,
    /// The most memory that was resident.
    pub(crate) peak_kb: u64,
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> io::Result<Run> {
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let folder = format!("/proc/{}", child.id());
    let (mut ticks, mut peak_kb) = (0, 0);
    let status = loop {
        ticks = fs::read_to_string(format!("{folder}/stat")).map_or(ticks, |s| ticks_of(&s));
        let status = fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
        peak_kb = peak_of(&status).unwrap_or(peak_kb);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        thread::sleep(LOOK_EVERY);
    };
    if !status.success() {
        return Err(io::Error::other(format!("{command:?} ended with {status}")));
    }
    Ok(Run { wall: started.elapsed(), processor: TICK * ticks, peak_kb })
}

/// Reads the fourteenth and the fifteenth field; the second may hold blanks.
fn ticks_of(stat: &str) -> u32 {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<u32>().ok()).sum()
}

fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
