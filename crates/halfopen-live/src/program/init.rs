//! The first process of a process namespace (`pid_namespaces(7)`).
//!
//! It hears from the process outside by a socket: each byte is a signal for the program, and the
//! end is its own end. What it has to say it says there, in lines.

use core::fmt::Display;
use std::env;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{self, Command, ExitCode};
use std::thread;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{Pid, tcsetpgrp};

use super::{INIT, names};
use crate::namespace::Error;
use crate::sys::inherit;

/// Begins a line on what the program has to do without.
pub(super) const NOTE: &str = "note";
/// Begins a line that says why the program cannot be started.
pub(super) const FAILED: &str = "failed";
/// The program shares the process group of whoever starts it.
pub(super) const PLAIN: &str = "plain";
/// The program gets the terminal for a process group of its own.
pub(super) const TERMINAL: &str = "terminal";

/// Is init if this process was started to be that: runs a [`Program`](super::Program), and returns
/// the code for `main` to end with. Anyone else gets `None`, and goes on.
///
/// `main` calls this before anything else.
pub fn become_init() -> Option<ExitCode> {
    let mut arguments = env::args_os();
    if arguments.next()? != INIT {
        return None;
    }
    let order = Order::parse(arguments);
    Some(order.and_then(|order| order.run().ok()).map_or(ExitCode::from(2), ExitCode::from))
}

/// What init is told by its arguments.
struct Order {
    lifeline: UnixStream,
    terminal: bool,
    hosts: String,
    program: Command,
    name: OsString,
}

impl Order {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let socket = arguments.next()?.to_str()?.parse().ok()?;
        let lifeline = inherit::take(socket).ok()?.into();
        let terminal = arguments.next()? == TERMINAL;
        let hosts = arguments.next()?.into_string().ok()?;
        let name = arguments.next()?;
        let mut program = Command::new(&name);
        program.args(arguments);
        Some(Self { lifeline, terminal, hosts, program, name })
    }

    /// Runs the program to its end.
    fn run(mut self) -> io::Result<u8> {
        set_pdeathsig(Signal::SIGKILL)?;
        // What a thread of ours leaves for another to hear is the program's to hear.
        SigSet::empty().thread_set_mask()?;
        let started = names::replace(&self.hosts).and_then(|()| {
            if let Err(error) = names::renew_processes() {
                self.say(NOTE, error);
            }
            self.start()
        });
        let program = match started {
            Ok(program) => program,
            Err(error) => {
                self.say(FAILED, error);
                return Ok(2);
            }
        };
        self.lifeline.write_all(b"started\n")?;
        let lifeline = self.lifeline;
        thread::spawn(move || pass_signals(lifeline, program));
        await_end(program)
    }

    fn start(&mut self) -> Result<Pid, Error> {
        if self.terminal {
            self.program.process_group(0);
        }
        let failed = |error| Error::new(format!("start {}", self.name.display()), error);
        let program = self.program.spawn().map_err(failed)?;
        let program = Pid::from_raw(program.id().cast_signed());
        if self.terminal {
            let give = || {
                tcsetpgrp(io::stdin(), program)?;
                // A shell that looked too early has stopped itself.
                killpg(program, Signal::SIGCONT)
            };
            give().map_err(|error| Error::new("give the terminal away", error))?;
        }
        Ok(program)
    }

    fn say(&mut self, what: &str, why: impl Display) {
        // Whoever does not listen any more has gone, and so will init.
        let _heard = writeln!(self.lifeline, "{what} {why}");
    }
}

/// Sends the program what signals come, until whoever sends them has gone.
fn pass_signals(mut lifeline: UnixStream, program: Pid) {
    let mut number = [0];
    while matches!(lifeline.read(&mut number), Ok(1)) {
        if let Ok(signal) = Signal::try_from(i32::from(number[0])) {
            // A program that has ended is not waited for elsewhere: init ends with it.
            let _sent = kill(program, signal);
        }
    }
    process::exit(128 + Signal::SIGKILL as i32);
}

/// Waits for all that ends in here, until the program does, and returns its code.
fn await_end(program: Pid) -> io::Result<u8> {
    loop {
        let code = match wait() {
            Ok(WaitStatus::Exited(who, code)) if who == program => code,
            Ok(WaitStatus::Signaled(who, signal, _)) if who == program => 128 + signal as i32,
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        return u8::try_from(code).map_err(io::Error::other);
    }
}
