//! The command line.

pub(crate) mod billing;
#[cfg(feature = "parquet")]
pub(crate) mod evidence;
mod lab;
mod live;
pub(crate) mod manual;
pub(crate) mod measure;
pub(crate) mod prevent;
pub(crate) mod profiles;
mod sweep;
mod traffic;

use std::path::PathBuf;

use anstream::ColorChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};

use lab::Lab;
pub(crate) use lab::Who;
use live::Live;
pub(crate) use sweep::Sweep;
use traffic::Traffic;

/// Reproduces and diagnoses connections that one side, or a box between, has forgotten.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// When to use colour; `auto` is on a terminal and without `NO_COLOR`.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Print nothing but errors; the exit code says what was found.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// How much services and what watches tell on standard error.
    #[arg(long, global = true, value_enum, value_name = "LEVEL", default_value_t = Log::Info)]
    pub(crate) log: Log,
}

const HELP: &str = "\
Examples:
  halfopen diagnose client.pcap    why did connections in this capture fail?
  halfopen diagnose incident/      the same from captures, logs and socket tables together
  halfopen reproduce               run the outage that this project started from
  halfopen reproduce --list        what else can be run
  halfopen prevent check deploy/   which timers of a configuration will cost requests?
  halfopen profiles list           which products are known, and from where
  sudo halfopen prevent run -- CMD keep idle connections of a program alive, unchanged
  halfopen measure https://a.test  how long does the path remember an idle connection?
  halfopen billing payment --init  the payment module of the outage, on real sockets";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Diagnose(Diagnose),
    Reproduce(Reproduce),
    Prevent(prevent::Prevent),
    Profiles(profiles::Profiles),
    Measure(measure::Measure),
    Billing(billing::Billing),
    Completions(manual::Completions),
    Man(manual::Man),
}

/// Says why connections failed, from captures and logs, and which frames and lines show it.
#[derive(Debug, Args)]
#[command(after_help = DIAGNOSE_HELP)]
pub(crate) struct Diagnose {
    /// Captures, logs, socket tables (also in gzip), or folders of them; `-` is standard input.
    ///
    /// What a file is, its content says. Several captures are taken for a rotation if they follow
    /// each other in time, and for captures at different points of the path if they overlap.
    #[arg(required_unless_present_any = ["forms", "interface"], value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Read FILE as a log of the form FORM, whatever it looks like.
    #[arg(long = "form", value_name = "FORM=FILE", value_parser = form_of)]
    pub(crate) forms: Vec<(String, PathBuf)>,
    /// Advise for this HTTP client: one that is known, by its name, or a TOML file. Without it, for
    /// the one that names itself in requests or logs.
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: Option<String>,
    /// Read logs of programs (`--form log=FILE`) by the patterns of this TOML file as well:
    /// docs/logs.md.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) pattern: Option<PathBuf>,
    /// How to print the report.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Short for `--format json`.
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// Write the report to FILE as well, as one page with pictures that needs no network.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write the capture to FILE as well, as pcapng with the verdict in comments on its frames.
    ///
    /// Wireshark shows them in place, and ends of connections by name. There must be one capture.
    #[arg(long, value_name = "FILE")]
    pub(crate) annotate: Option<PathBuf>,
    /// Replace files that are there already.
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) live: Live,
    #[cfg(feature = "parquet")]
    #[command(flatten)]
    pub(crate) learning: evidence::Learning,
}

/// Reads `FORM=FILE`.
fn form_of(text: &str) -> Result<(String, PathBuf), String> {
    let (form, file) = text.split_once('=').ok_or("it is like `ss=sockets.txt`")?;
    Ok((form.to_owned(), file.into()))
}

const DIAGNOSE_HELP: &str = "\
Examples:
  halfopen diagnose client.pcap
  halfopen diagnose client.pcap client.log alb-logs/ ss.txt
  halfopen diagnose --json trace-*.pcap.gz | jq '.paths[] | {server, cause, idle_limit}'
  halfopen diagnose client.pcap --html report.html
  halfopen diagnose --format markdown client.pcap | gh issue create --title resets -F -
  ssh host tcpdump -w - port 443 | halfopen diagnose -
  sudo halfopen diagnose --interface eth0 --filter-port 443 --listen 127.0.0.1:9464
  halfopen diagnose client.pcap --evidence h1.parquet --host h1 --label zone=a
  halfopen diagnose evidence/*.parquet --same-path zone

Exit code: 0 nothing found, 1 something found, 2 failed.
The JSON report is described in docs/report.md, watching in docs/live.md.";

impl Diagnose {
    /// Returns how to print the report.
    pub(crate) const fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

/// Runs a scenario in virtual time, and diagnoses what its client sees.
#[derive(Debug, Args)]
#[command(after_help = REPRODUCE_HELP)]
pub(crate) struct Reproduce {
    /// A scenario that ships, by its name, or a TOML file; `incident` if there is none.
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: Option<String>,
    /// Name the scenarios that ship.
    #[arg(long, conflicts_with_all = ["scenario", "seed", "captures", "json"])]
    pub(crate) list: bool,
    /// Where all chance comes from, instead of the scenario's own seed.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Write a capture of each place on the path to this folder; no file is overwritten.
    #[arg(long, visible_alias = "capture", value_name = "DIR")]
    pub(crate) captures: Option<PathBuf>,
    /// Print for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// Make the experiments of a hunt, and hold its fixes side by side: one that ships, by its
    /// name, or a TOML file; `incident` if there is none. SCENARIO stands in for the hunt's own.
    #[arg(long, value_name = "HUNT", num_args = 0..=1, default_missing_value = "incident")]
    #[arg(conflicts_with_all = ["list", "captures", "traffic"])]
    pub(crate) hunt: Option<String>,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
    #[command(flatten)]
    pub(crate) sweep: Sweep,
    #[command(flatten)]
    pub(crate) lab: Lab,
}

const REPRODUCE_HELP: &str = "\
Examples:
  halfopen reproduce
  halfopen reproduce firewall-drops-silently
  halfopen reproduce my-path.toml --seed 7 --captures run7
  halfopen reproduce --hunt
  halfopen reproduce --traffic 'cron:*/20 * * * * x10' --cap 60s,300s,none
  halfopen reproduce my-path.toml --sweep --method GET --svg pauses.svg
  halfopen reproduce --live incident --capture run7
  halfopen reproduce --live nat-resets-next-packet -- sh -c 'curl -s $HALFOPEN_URL'
  halfopen reproduce --live --every-way -- python3 my_client.py

Exit code: 0 the diagnosis says what happened and what the scenario expects, or all that a hunt
predicts was seen, or no request of a sweep or of a client that is tried fails; 1
not so; 2 failed.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For an issue tracker.
    Markdown,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Log {
    /// Nothing.
    Off,
    /// What needs an operator.
    Error,
    /// What a colleague would want to know.
    Info,
    /// Each connection too.
    Debug,
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
