//! The command line of `halfopen prevent`.

pub(crate) mod guard;

use clap::{Args, Subcommand};

/// Keeps idle connections from being forgotten, for programs that cannot be changed.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = PREVENT_HELP)]
pub(crate) struct Prevent {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const PREVENT_HELP: &str = "\
Examples:
  sudo halfopen prevent run -- java -jar client.jar
  sudo halfopen prevent attach --systemd billing --profile aws-nat-gateway
  sudo halfopen prevent heal --to payments.internal:443
  sudo halfopen prevent status

docs/prevent.md says what the guard does, and where it cannot help.";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Run(Box<guard::Run>),
    Attach(Box<guard::Attach>),
    Heal(Box<guard::Heal>),
    Status(guard::Status),
    Detach(guard::Detach),
}
