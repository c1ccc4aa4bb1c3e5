//! The command line of `halfopen measure`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use halfopen_core::time::Duration;

use crate::measure::Target;

/// Finds how long the path to a server remembers an idle connection, from this host, in about that
/// time.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(after_help = MEASURE_HELP)]
pub(crate) struct Measure {
    /// Whom to ask: `http://`, `https://`, `redis://`, `rediss://`, `postgres://`, `mysql://`; or
    /// `tcp://` and `tls://`, which ask TCP itself and send no byte. HOST:PORT is `tcp://`.
    #[arg(value_name = "URL|HOST:PORT")]
    pub(crate) target: Target,
    /// The longest pause that is looked for.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "2h")]
    pub(crate) up_to: Duration,
    /// How exactly the limit is wanted.
    #[arg(long, value_name = "TIME", value_parser = time, default_value = "1s")]
    pub(crate) precision: Duration,
    /// First ask few connections, and learn roughly where the limit is; a second run with the same
    /// `--resume` FILE finds it exactly.
    #[arg(long, conflicts_with = "connections", requires = "resume")]
    pub(crate) coarse: bool,
    /// Open so many connections at most.
    #[arg(long, value_name = "N")]
    pub(crate) connections: Option<u32>,
    /// Open so many a second at most.
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<u32>,
    /// The HTTP request: both are safe to repeat.
    #[arg(long, value_enum, value_name = "METHOD", default_value_t = Method::Head)]
    pub(crate) method: Method,
    /// What is asked for over HTTP, instead of the URL's path.
    #[arg(long, value_name = "PATH")]
    pub(crate) path: Option<String>,
    /// Take any certificate. Without it the system's roots decide.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Connect from this address of this host.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<IpAddr>,
    /// Advise for this HTTP client: one that is known, by its name, or a TOML file.
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: Option<String>,
    /// Print for programs.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the answer to FILE as well, as one page with a picture that needs no network.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Replace a page that is there already.
    #[arg(long)]
    pub(crate) force: bool,
    /// Begin with what FILE knows of the path, if it is there, and keep there what becomes known.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,
    /// Tell the ledger FILE of halfopen's pool, which may be there, what is known then.
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
}

const MEASURE_HELP: &str = "\
Examples:
  halfopen measure https://payments.internal/
  halfopen measure --up-to 10min --client apache-httpclient-4 http://payments.internal:8080/health
  halfopen measure db.internal:5432 --html limit.html
  halfopen measure postgres://me:secret@db.internal/bills --json | jq .limit
  halfopen measure --coarse --resume path.toml https://example.com/
  halfopen reproduce --live nat-resets-next-packet -- \\
    sh -c 'halfopen measure --up-to 30s $HALFOPEN_URL'

Exit code: 0 no limit up to --up-to, 1 a limit, or something that keeps it from being known, 2
failed.
docs/measure.md says how it works, what it costs the server, and what it cannot see.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Method {
    Head,
    Options,
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}
