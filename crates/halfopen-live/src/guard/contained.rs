//! A program that is guarded from its beginning, in a cgroup of its own.

use std::io;
use std::process::{Child, Command};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cgroup::{self, Cgroup};
use super::limits::Rules;
use super::{Error, Guard, Mode};
use crate::exit_code::code;

/// A program that runs in a cgroup of its own, which is guarded.
#[derive(Debug)]
pub struct Contained {
    guard: Guard,
    cgroup: cgroup::Child,
    process: Pid,
}

/// Waits for a program.
#[derive(Debug)]
pub struct Waiter {
    program: Child,
}

impl Contained {
    /// Makes a cgroup, guards it and starts the program there. An error of starting it is the
    /// inner one.
    pub fn start(
        rules: &Rules,
        mode: Mode,
        command: &mut Command,
    ) -> Result<io::Result<(Self, Waiter)>, Error> {
        let cgroup = cgroup::Child::make()?;
        let guard = Guard::attach(rules, mode, cgroup.cgroup())?;
        let started = cgroup.start(|| command.spawn())?;
        Ok(started.map(|program| {
            let process = Pid::from_raw(program.id().cast_signed());
            (Self { guard, cgroup, process }, Waiter { program })
        }))
    }

    /// Returns what guards it.
    #[must_use]
    pub const fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Returns where it is.
    #[must_use]
    pub const fn cgroup(&self) -> &Cgroup {
        self.cgroup.cgroup()
    }

    /// Asks the program to end. It must not have been waited for.
    pub fn terminate(&self) {
        // A program that has become another user may not be asked; it goes on.
        let _asked = kill(self.process, Signal::SIGTERM);
    }

    /// Removes the cgroup; tells whether it did. Otherwise processes that the program has left are
    /// still in it, unguarded, and the cgroup goes with the last one of them.
    #[must_use]
    pub fn remove(self) -> bool {
        drop(self.guard);
        self.cgroup.remove()
    }
}

impl Waiter {
    /// Waits for the program's end, and returns its exit code: 128 and the number of the signal if
    /// one killed it.
    pub fn wait(mut self) -> io::Result<u8> {
        self.program.wait().map(code)
    }
}
