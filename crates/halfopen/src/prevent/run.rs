//! `halfopen prevent run`: a program that is guarded from its beginning.

use std::io;
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::thread;

use halfopen_live::guard::contained::Contained;
use halfopen_live::privileges;
use tokio::sync::oneshot;

use super::GuardFailure;
use super::report::Report;
use super::rules::{mode, rules};
use super::watch::{listen, watch};
use crate::Outcome;
use crate::billing::signal::Ending;
use crate::cli::prevent::guard::Run;
use crate::output;

pub(super) fn run(order: &Run) -> Result<Outcome, GuardFailure> {
    // Clap asks for a command.
    let (program, arguments) = order.command.split_first().expect("there is a command");
    let (rules, mode) = (rules(&order.rules)?, mode(&order.rules));
    let listener = order.listen.map(listen).transpose()?;
    let mut command = Command::new(program);
    command.args(arguments);
    if order.json {
        // What is for programs goes to standard output, and nothing else does.
        let talk = io::stderr().as_fd().try_clone_to_owned().map_err(GuardFailure::Runtime)?;
        command.stdout(Stdio::from(talk));
    }
    let failed = |error| GuardFailure::Program { program: program.clone(), error };
    let (contained, waiter) = Contained::start(&rules, mode, &mut command)?.map_err(failed)?;
    privileges::give_up("root")?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(GuardFailure::Runtime)?;
    let mut ending = runtime.block_on(async { Ending::listen() }).map_err(GuardFailure::Runtime)?;
    let (ended, mut end) = oneshot::channel();
    thread::spawn(move || drop(ended.send(waiter.wait())));
    let mut code = None;
    let waiting = async {
        loop {
            tokio::select! {
                biased;
                ended = &mut end => return code = Some(ended),
                // The terminal's Ctrl-C reaches the program by itself; once more does no harm.
                () = ending.asked() => contained.terminate(),
            }
        }
    };
    runtime.block_on(watch(contained.guard(), listener, false, waiting));
    let report = Report::new(contained.guard(), contained.cgroup().path(), &rules, mode)?;
    if order.json {
        output::print_line(report.json().trim_end()).map_err(GuardFailure::Write)?;
    } else {
        output::remark(&format!("halfopen: {}", report.text().trim_end()));
    }
    if !contained.remove() {
        output::remark("halfopen: processes that the program has left are not guarded any more");
    }
    let code = code.and_then(Result::ok).unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()));
    code.map(Outcome::Program).map_err(GuardFailure::Lost)
}
