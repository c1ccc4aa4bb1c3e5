//! What asks this process to end, held so that a program can be told first.

use std::fs;
use std::io;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

const ASKING: [Signal; 3] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM];

/// SIGHUP, SIGINT and SIGTERM, held. They end this process again when this is dropped.
#[derive(Debug)]
pub struct Signals {
    held: SigSet,
    queue: SignalFd,
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its number.
    pub number: u8,
    /// Whether it was sent by the terminal's keys, which all of its foreground hears.
    pub by_keys: bool,
}

impl Signals {
    /// Holds those that this process does not ignore, as under nohup(1).
    ///
    /// Threads hold what the one that started them held: this is called while there is one only.
    pub fn hold() -> io::Result<Self> {
        let ignored = ignored(&fs::read_to_string("/proc/self/status")?);
        let held: SigSet =
            ASKING.into_iter().filter(|&signal| ignored & 1 << (signal as u32 - 1) == 0).collect();
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let queue = SignalFd::with_flags(&held, flags)?;
        held.thread_block()?;
        Ok(Self { held, queue })
    }

    /// Returns the next that has come, if there is one.
    pub fn poll(&self) -> io::Result<Option<Asked>> {
        let signal = self.queue.read_signal()?;
        Ok(signal.map(|signal| Asked {
            number: u8::try_from(signal.ssi_signo).expect("there are 64 signals"),
            // sigaction(2), "The si_code field": the kernel sent it, and no process.
            by_keys: signal.ssi_signo == Signal::SIGINT as u32 && signal.ssi_code > 0,
        }))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // Only a set that is no set is refused.
        let _released = self.held.thread_unblock();
    }
}

/// Reads from `/proc/PID/status` which signals a process ignores: bit 0 is signal 1.
fn ignored(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_read_from_the_status_of_a_process() {
        let hangup = 1 << (Signal::SIGHUP as u32 - 1);
        assert_eq!(ignored("Name:\tsleep\nSigIgn:\t0000000000000001\n"), hangup);
        assert_eq!(ignored("Name:\tsleep\n"), 0);
    }
}
