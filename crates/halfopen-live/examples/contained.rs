//! Runs a program in a network of its own, where it finds itself as `payment.test`.
//!
//! ```sh
//! cargo run -p halfopen-live --example contained -- getent hosts payment.test
//! ```
//!
//! Without a program it runs a shell. It ends with the program's exit code, or with 2 if it could
//! not start it.

#![expect(clippy::print_stderr, reason = "an example talks to the terminal")]

#[cfg(target_os = "linux")]
mod linux {
    use std::env;
    use std::error::Error;
    use std::net::Ipv4Addr;
    use std::sync::Arc;
    use std::thread;

    use halfopen_live::namespace::{Namespace, become_owner};
    use halfopen_live::program::{Program, Running};
    use nix::sys::signal::{SigSet, Signal};

    pub(super) fn run() -> Result<u8, Box<dyn Error>> {
        become_owner()?;
        // The threads of this process do the same, and the program does not.
        SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM]).thread_block()?;
        let namespace = Namespace::new()?;
        let mut arguments = env::args_os().skip(1);
        let program = arguments.next().map_or_else(Program::shell, Program::new);
        let program = program.args(arguments).host("payment.test", Ipv4Addr::LOCALHOST.into());
        let running = Arc::new(program.start(&namespace)?);
        running.notes().iter().for_each(|note| eprintln!("contained: {note}"));
        let passing = Arc::clone(&running);
        thread::spawn(move || pass_signals(&passing));
        Ok(running.wait().map_err(ToString::to_string)?)
    }

    /// Passes on what asks this process alone to end. The terminal's keys reach the program, too.
    fn pass_signals(running: &Running) {
        let signals = SigSet::from_iter([Signal::SIGTERM]);
        while let Ok(signal) = signals.wait() {
            running.signal(signal as u8);
        }
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    if let Some(code) = halfopen_live::program::become_init() {
        return code;
    }
    let failed = |error| {
        eprintln!("contained: {error}");
        2
    };
    linux::run().unwrap_or_else(failed).into()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("contained: namespaces are Linux's");
}
