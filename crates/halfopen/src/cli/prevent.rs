//! The command line of `halfopen prevent`.

mod check;
pub(crate) mod guard;

use clap::{Args, Subcommand};

pub(crate) use check::{Check, CheckFormat};

/// Keeps idle connections from being forgotten: before a path is deployed, and for programs that
/// cannot be changed.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = PREVENT_HELP)]
pub(crate) struct Prevent {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const PREVENT_HELP: &str = "\
Examples:
  halfopen prevent check plan.json application.yml path.toml
  sudo halfopen prevent run -- java -jar client.jar
  sudo halfopen prevent attach --systemd billing --profile aws-nat-gateway
  sudo halfopen prevent heal --to payments.internal:443
  sudo halfopen prevent status

docs/check.md says what is checked; docs/prevent.md what the guard does, and where it cannot help.";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Check(Check),
    Run(Box<guard::Run>),
    Attach(Box<guard::Attach>),
    Heal(Box<guard::Heal>),
    Status(guard::Status),
    Detach(guard::Detach),
}
