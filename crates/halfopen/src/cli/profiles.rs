//! The arguments of looking products up.

use clap::{Args, Subcommand};
use jiff::civil::Date;

/// Lists, shows and searches what is known of products: every number with its source, its date and
/// how sure it is.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = HELP)]
pub(crate) struct Profiles {
    #[command(subcommand)]
    pub(crate) what: Look,
    /// Print for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

const HELP: &str = "\
Examples:
  halfopen profiles list
  halfopen profiles show aws-nat-gateway
  halfopen profiles search keepalive azure
  halfopen profiles check

Exit code: 0 found, of `check` that no source is older than a year; 1 not so; 2 failed.";

#[derive(Debug, Subcommand)]
pub(crate) enum Look {
    /// Names boxes and balancers, clients, servers, and products of which only timers are known.
    #[command(after_help = "Examples:\n  halfopen profiles list")]
    List,
    /// Shows all that is known of a product.
    #[command(after_help = "Examples:\n  halfopen profiles show aws-nat-gateway")]
    Show {
        /// Its name, as `list` has it.
        name: String,
    },
    /// Finds values by words that stand in a product's name or title, a value's key, setting, note
    /// or source; all of the words must.
    #[command(after_help = "Examples:\n  halfopen profiles search keepalive azure")]
    Search {
        /// What to look for; case does not count.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Says which values were read more than a year ago, so that somebody reads them again.
    #[command(after_help = "Examples:\n  halfopen profiles check")]
    Check {
        /// The day to count from.
        #[arg(long, value_name = "DATE", default_value_t = today())]
        today: Date,
    },
}

fn today() -> Date {
    jiff::Zoned::now().date()
}
