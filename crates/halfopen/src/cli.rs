//! The command line.

use anstream::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Reproduces and diagnoses connections that one side, or a box between, has forgotten.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// When to use colour; `auto` is on a terminal and without `NO_COLOR`.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

const EXIT_CODES: &str = "Exit code: 0 nothing found, 1 something found, 2 failed.";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Diagnose(Diagnose),
}

/// Says why connections in a packet capture failed, and which frames show it.
#[derive(Debug, Args)]
#[command(after_help = DIAGNOSE_HELP)]
pub(crate) struct Diagnose {
    /// Captures (pcap or pcapng, also in gzip); `-` is standard input.
    ///
    /// Several files are taken for a rotation if they follow each other in time, and for captures
    /// at different points of the path if they overlap.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<std::path::PathBuf>,
    /// How to print the report.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Short for `--format json`.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Print nothing but errors; the exit code says what was found.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

const DIAGNOSE_HELP: &str = "\
Examples:
  halfopen diagnose client.pcap
  halfopen diagnose --json trace-*.pcap.gz | jq '.paths[] | {server, cause, idle_limit}'
  ssh host tcpdump -w - port 443 | halfopen diagnose -

Exit code: 0 nothing found, 1 something found, 2 failed.
The JSON report is described in docs/report.md.";

impl Diagnose {
    /// Returns how to print the report.
    pub(crate) const fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    pub(crate) const fn choice(self) -> ColorChoice {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
