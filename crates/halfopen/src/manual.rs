//! Manual pages and completions, from the one table of arguments.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_mangen::Man as Page;

use crate::Outcome;
use crate::cli::Cli;
use crate::cli::manual::{Completions, Man};
use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::output;

/// Prints what a shell reads to complete arguments.
pub(crate) fn completions(order: &Completions) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(order.shell, &mut Cli::command(), "halfopen", &mut script);
    print(script)
}

/// Prints one manual page, or writes all.
pub(crate) fn pages(order: &Man) -> Result<Outcome, Failure> {
    let command = built();
    if let Some(dir) = &order.dir {
        fs::create_dir_all(dir).map_err(|error| Failure::Save { path: dir.clone(), error })?;
        write_all(&command, dir, order.force)?;
        return Ok(Outcome::Clear);
    }
    let mut of = &command;
    for verb in &order.verbs {
        of = of.find_subcommand(verb).ok_or_else(|| Failure::NoVerb(verb.clone()))?;
    }
    print(page(of).map_err(Failure::Write)?)
}

const SOURCE: &str = concat!("halfopen ", env!("CARGO_PKG_VERSION"));

/// Returns the command with its verbs named in full: `halfopen-billing-payment`.
fn built() -> Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// Renders a page as roff.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    Page::new(command.clone())
        .title(name)
        .source(SOURCE)
        .manual("halfopen manual")
        .render(&mut text)?;
    Ok(text)
}

/// Writes the page of a command and of each verb below it.
fn write_all(command: &Command, dir: &Path, replace: bool) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let text = page(command).map_err(Failure::Write)?;
    let mut file = NewFile::create(&dir.join(format!("{name}.1")), replace)?;
    file.write_all(&text).map_err(|error| file.failed(error))?;
    file.finish()?;
    command.get_subcommands().try_for_each(|verb| write_all(verb, dir, replace))
}

fn print(text: Vec<u8>) -> Result<Outcome, Failure> {
    output::print(&String::from_utf8_lossy(&text))?;
    Ok(Outcome::Clear)
}
