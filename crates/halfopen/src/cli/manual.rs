//! `halfopen completions` and `halfopen man`.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

/// Prints a script with which a shell completes this command's arguments.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub(crate) struct Completions {
    /// The shell that is to read it.
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  halfopen completions bash > halfopen.bash   then: source halfopen.bash
  halfopen completions bash > ~/.local/share/bash-completion/completions/halfopen
  halfopen completions zsh > \"${fpath[1]}/_halfopen\"
  halfopen completions fish > ~/.config/fish/completions/halfopen.fish";

/// Prints a manual page, or writes all of them to a folder.
#[derive(Debug, Args)]
#[command(after_help = MAN_HELP)]
pub(crate) struct Man {
    /// The verb that it is of, and its own verb if it has any; without it, of the command.
    #[arg(value_name = "VERB")]
    pub(crate) verbs: Vec<String>,
    /// Write the pages of all verbs to this folder, which is made if it is not there.
    #[arg(long, value_name = "DIR", conflicts_with = "verbs")]
    pub(crate) dir: Option<PathBuf>,
    /// Replace pages that are there already.
    #[arg(long, requires = "dir")]
    pub(crate) force: bool,
}

const MAN_HELP: &str = "\
Examples:
  halfopen man diagnose | man -l -
  halfopen man --dir ~/.local/share/man/man1";
