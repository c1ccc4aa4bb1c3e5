//! The user's program in the client's network, in place of the scenario's own client.

use core::sync::atomic::{AtomicBool, Ordering};
use std::fs::File;
use std::io::{self, BufWriter};
use std::os::fd::AsFd as _;
use std::thread;

use halfopen_core::scenario::{Answers, Asks, Scenario};
use halfopen_core::time::{Duration, Instant};
use halfopen_lab::reproduce::live::{Lab, SERVER, starts};
use halfopen_live::program::{Program, Running, Signals};

use super::status::Beside;
use super::{LabFailure, unless};
use crate::cli::Reproduce;
use crate::output;

/// The name under which the program finds the service.
const NAME: &str = "payment.test";

/// Returns the program that the user wants to run, if any. By its environment it knows the
/// scenario.
pub(super) fn program(order: &Reproduce, scenario: &Scenario) -> Option<Program> {
    let program = match order.lab.command.split_first() {
        Some((name, arguments)) => Program::new(name).args(arguments),
        None if order.lab.shell => Program::shell(),
        None => return None,
    };
    let program = program.host(NAME, SERVER.ip());
    // What is for programs goes to standard output, and nothing else does.
    let program = match io::stderr().as_fd().try_clone_to_owned() {
        Ok(talk) if order.json => program.stdout(talk),
        Ok(_) | Err(_) => program,
    };
    let set = |program: Program, (name, value): (&str, String)| program.env(name, value);
    Some(environment(scenario).into_iter().fold(program, set))
}

/// Returns what a program may want to know of a scenario.
fn environment(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let path = match scenario.answers {
        Answers::FarEnd(_) => "pay",
        Answers::Payment(_) => "payments",
    };
    let requests = match &scenario.client.asks {
        Asks::Bursts(bursts) => bursts.requests,
        Asks::Scheduler(scheduler) => scheduler.subscriptions.min(scheduler.batch),
    };
    let starts = starts(scenario);
    let pauses = starts.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    let seconds = |time: Duration| time.as_secs_f64().to_string();
    vec![
        ("HALFOPEN_URL", format!("http://{NAME}/{path}")),
        ("HALFOPEN_SPEED", scenario.speed.get().to_string()),
        ("HALFOPEN_REQUESTS", requests.to_string()),
        ("HALFOPEN_BURSTS", starts.len().to_string()),
        ("HALFOPEN_PAUSE_S", seconds(pauses.max().unwrap_or_default())),
    ]
}

/// Runs the program to its end, and returns its exit code: 128 and the signal's number if one
/// asked this process to end.
pub(super) fn run(
    program: Program,
    lab: &mut Lab<BufWriter<File>>,
    signals: &Signals,
    mut shown: Beside,
) -> Result<u8, LabFailure> {
    let running = program.start(lab.client()).map_err(LabFailure::Program)?;
    for note in running.notes() {
        output::remark(note);
    }
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let code = running.wait();
            ended.store(true, Ordering::Release);
            code
        });
        let mut farewell = Farewell::default();
        lab.run(None, |now, status| {
            shown.show(now, status);
            farewell.pass_on(now, signals, &running);
            unless(ended.load(Ordering::Acquire))
        });
        let code = waiting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let code = code.map_err(|error| LabFailure::Waiting(error.to_string()))?;
        Ok(farewell.signal.map_or(code, |signal| 128 + signal))
    })
}

/// What the program has from being told to end until it is killed.
const PATIENCE: Duration = Duration::from_secs(5);
/// kill(2).
const SIGKILL: u8 = 9;

/// The end of the program, if this process is asked to end.
#[derive(Debug, Default)]
struct Farewell {
    /// By which signal.
    signal: Option<u8>,
    /// When the program is killed.
    until: Option<Instant>,
}

impl Farewell {
    /// Passes on what has come. What the terminal's keys send, the program hears by itself, and
    /// may take for something else.
    fn pass_on(&mut self, now: Instant, signals: &Signals, running: &Running) {
        while let Ok(Some(asked)) = signals.poll() {
            if asked.by_keys {
                continue;
            }
            if self.signal.is_some() {
                self.until = Some(now);
                continue;
            }
            running.signal(asked.number);
            (self.signal, self.until) = (Some(asked.number), Some(now + PATIENCE));
            output::remark("asked to end: the program has 5 s to end; once more kills it");
        }
        if self.until.is_some_and(|until| until <= now) {
            running.signal(SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_how_long_to_pause() {
        let told = |name: &str, variable: &str| {
            let scenario = Scenario::shipped(name).unwrap();
            let set = environment(&scenario);
            set.into_iter().find(|(name, _)| *name == variable).unwrap().1
        };
        assert_eq!(told("nat-resets-next-packet", "HALFOPEN_PAUSE_S"), "420");
        assert_eq!(told("nat-resets-next-packet", "HALFOPEN_URL"), "http://payment.test/pay");
        assert_eq!(told("incident", "HALFOPEN_PAUSE_S"), "1200");
        assert_eq!(told("incident", "HALFOPEN_BURSTS"), "3");
        assert_eq!(told("slow-response", "HALFOPEN_PAUSE_S"), "0");
    }
}
