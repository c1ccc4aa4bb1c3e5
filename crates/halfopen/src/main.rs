//! The halfopen command.
//!
//! It holds what only a command has: arguments, files, terminals and exit codes. What it says is
//! worked out in the libraries.

mod billing;
mod cli;
mod diagnose;
mod failure;
mod log;
mod manual;
mod measure;
mod new_file;
mod output;
mod prevent;
mod profiles;
mod report;
mod reproduce;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Verb};
use crate::failure::Failure;

/// What a verb found, as its exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing is wrong.
    Clear,
    /// Something is.
    Found,
    /// What the program said that was run.
    #[cfg(target_os = "linux")]
    Program(u8),
}

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    if let Some(code) =
        [halfopen_live::program::become_init, halfopen_live::guard::cgroup::become_caretaker]
            .iter()
            .find_map(|become_other| become_other())
    {
        return code;
    }
    let cli = Cli::parse();
    cli.color.choice().write_global();
    output::keep_quiet(cli.quiet);
    log::begin(cli.log);
    let outcome = match cli.verb {
        Verb::Diagnose(order) => diagnose::run(&order),
        Verb::Reproduce(order) => reproduce::run(&order),
        Verb::Prevent(order) => prevent::run(&order),
        Verb::Profiles(order) => profiles::run(&order),
        Verb::Measure(order) => measure::run(&order),
        Verb::Billing(order) => billing::run(&order).map_err(Failure::from),
        Verb::Completions(order) => manual::completions(&order),
        Verb::Man(order) => manual::pages(&order),
    };
    match outcome {
        Ok(Outcome::Clear) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::from(1),
        #[cfg(target_os = "linux")]
        Ok(Outcome::Program(code)) => ExitCode::from(code),
        Err(failure) => {
            output::complain(&failure);
            ExitCode::from(2)
        }
    }
}
