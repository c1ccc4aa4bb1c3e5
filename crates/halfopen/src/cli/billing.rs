//! The command line of `halfopen billing`.

use core::convert::Infallible;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use halfopen_billing::calendar::Cadence;
use halfopen_billing::money::Money;
use halfopen_billing::payment::settings::{Hint, Settings, Slowness};
use halfopen_billing::subscription::SubscriptionId;
use http::Uri;

/// Runs the two services of the outage: a scheduler that charges subscriptions, and the payment
/// module that it asks.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = BILLING_HELP)]
pub(crate) struct Billing {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const BILLING_HELP: &str = "\
Examples:
  halfopen billing payment --init &
  halfopen billing init
  halfopen billing subscriptions add c17 --price '9.90 EUR'
  halfopen billing scheduler --once
  halfopen billing payments

docs/billing.md says why each charge is made exactly once.";

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Init(Init),
    Scheduler(Box<Scheduler>),
    Payment(Box<Payment>),
    Payments(Payments),
    Subscriptions(Subscriptions),
    Charges(Charges),
}

/// Creates a database, for either service.
#[derive(Debug, Args)]
#[command(after_help = INIT_HELP)]
pub(crate) struct Init {
    /// A file, or a server's database: `postgres://user@host/name`.
    #[arg(long, value_name = "DATABASE", default_value = "billing.db")]
    pub(crate) database: Database,
}

const INIT_HELP: &str = "\
Examples:
  halfopen billing init
  halfopen billing init --database /var/lib/billing/billing.db";

/// Runs the payment module: an HTTP service that charges once for each idempotency key.
#[derive(Debug, Args)]
#[command(after_help = PAYMENT_HELP)]
pub(crate) struct Payment {
    /// Where to listen. Port 0 is any that is free; the address is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    /// A file, or a server's database: `postgres://user@host/name`.
    #[arg(long, value_name = "DATABASE", default_value = "payments.db")]
    pub(crate) database: Database,
    /// Create the database if there is none.
    #[arg(long)]
    pub(crate) init: bool,
    /// How long a connection may idle until it is closed.
    #[arg(long, value_name = "TIME|never", default_value = "never")]
    pub(crate) keep_alive: Patience,
    /// What the `Keep-Alive` header of answers says, such as timeout=60 or timeout=60,max=100; it
    /// binds nobody.
    #[arg(long, value_name = "HINT")]
    pub(crate) hint: Option<Hint>,
    /// Close a connection after so many requests.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests_per_connection: Option<u64>,
    /// How long the head of a request may take.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) head_timeout: Duration,
    /// How long the body of a request, or taking its answer, may take.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) body_timeout: Duration,
    /// The longest body of a request.
    #[arg(long, value_name = "BYTES", default_value_t = Settings::default().body_max)]
    pub(crate) body_max: usize,
    /// How many connections are open at one time; others wait.
    #[arg(long, value_name = "N", default_value_t = Settings::default().connections_max)]
    pub(crate) connections_max: usize,
    /// How long requests may go on after SIGTERM or Ctrl-C; a second one ends at once.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) drain_timeout: Duration,
    /// Take so long before a payment is written: 2s, 200ms..2s, 10%:2s.
    #[arg(long, value_name = "SLOWNESS")]
    pub(crate) slow_work: Option<Slowness>,
    /// Take so long after a payment is written, before it is answered.
    #[arg(long, value_name = "SLOWNESS")]
    pub(crate) slow_answers: Option<Slowness>,
    /// Decline amounts that end in these digits.
    #[arg(long, value_name = "DIGITS")]
    pub(crate) decline: Option<u64>,
    /// Where the chance of slowness comes from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

const PAYMENT_HELP: &str = "\
Examples:
  halfopen billing payment --init
  halfopen billing payment --listen 127.0.0.1:0 --keep-alive 180s --hint timeout=175
  halfopen billing payment --slow-answers 10%:200ms..2s --decline 13

  curl -i http://127.0.0.1:8080/payments -H 'Idempotency-Key: c17:2026-01' \\
    -H 'Content-Type: application/json' \\
    -d '{\"subscription\":\"c17\",\"period\":\"2026-01\",\"amount\":990,\"currency\":\"EUR\"}'

Exit code: 0 it was asked to end and did in good order, 1 it cut requests off, 2 failed.
Whatever ends it, no payment that was answered is lost.";

/// Runs the scheduler: charges the subscriptions that are due, each period exactly once.
#[derive(Debug, Args)]
#[command(after_help = SCHEDULER_HELP)]
pub(crate) struct Scheduler {
    /// The payment module: http://host:port, for its /payments, or a whole URL.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) to: Uri,
    /// The database with the subscriptions.
    #[arg(long, value_name = "DATABASE", default_value = "billing.db")]
    pub(crate) database: Database,
    /// Run once, now, and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// When to run: minute, hour, day, month, day of the week.
    #[arg(long, value_name = "LINE", default_value = "*/20 * * * *")]
    pub(crate) cron: String,
    /// The time zone of that, by its IANA name.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) zone: String,
    /// How many charges are under way at the same time.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub(crate) parallel: u32,
    /// How many charges a run makes at most.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) batch: u32,
    /// How long a charge may take until its outcome is unknown and it is asked for again.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// For how long a charge is left to a scheduler that says nothing more.
    #[arg(long, value_name = "TIME", default_value = "2min", value_parser = duration)]
    pub(crate) lease: Duration,
    /// After how long a charge with an unknown outcome is asked for again; twice that the next
    /// time, and so on.
    #[arg(long, value_name = "TIME", default_value = "1min", value_parser = duration)]
    pub(crate) again: Duration,
    /// The longest pause before a charge is asked for again.
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = duration)]
    pub(crate) again_most: Duration,
    /// What the scheduler is called; the same after a restart.
    #[arg(long, value_name = "NAME", default_value = "scheduler")]
    pub(crate) name: String,
    /// Share the work with other schedulers of the database, each with a name of its own.
    #[arg(long)]
    pub(crate) shared: bool,
    /// Keep connections as this client does, such as apache-httpclient-4.
    #[arg(long, value_name = "CLIENT")]
    pub(crate) client: Option<String>,
    /// Keep idle connections for so long at most.
    #[arg(long, value_name = "TIME|never")]
    pub(crate) idle_max: Option<Patience>,
    /// Keep what was learnt of paths in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) ledger: Option<PathBuf>,
    /// Write what goes over the wire to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) wire_log: Option<PathBuf>,
}

const SCHEDULER_HELP: &str = "\
Examples:
  halfopen billing init
  halfopen billing subscriptions add c17 --price '9.90 EUR' --cadence 'every 20m'
  halfopen billing scheduler --once
  halfopen billing scheduler --to http://payment:8080 --cron '*/20 * * * *' --zone Europe/Berlin
  halfopen billing scheduler --client apache-httpclient-4 --idle-max never --wire-log wire.log

Exit code: 0 all that was asked for was paid, 1 something was refused or is to be asked for again,
2 failed. It may be ended at any instant: it goes on where it was.";

/// Says how often each period of each subscription was charged by the payment module.
#[derive(Debug, Args)]
#[command(after_help = PAYMENTS_HELP)]
pub(crate) struct Payments {
    /// The database of the payment module.
    #[arg(long, value_name = "DATABASE", default_value = "payments.db")]
    pub(crate) database: Database,
    /// Print for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

const PAYMENTS_HELP: &str = "\
Examples:
  halfopen billing payments

Exit code: 0 each was charged once, 1 some more often, 2 failed.";

/// Adds and lists who is charged, how much and when.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = SUBSCRIPTIONS_HELP)]
pub(crate) struct Subscriptions {
    #[command(subcommand)]
    pub(crate) verb: SubscriptionsVerb,
}

const SUBSCRIPTIONS_HELP: &str = "\
Examples:
  halfopen billing subscriptions add customer-17 --price '9.90 EUR' --from 2026-01-31
  halfopen billing subscriptions import customers.jsonl
  halfopen billing subscriptions list

A line of a list to import:
  {\"id\":\"customer-17\",\"amount\":990,\"currency\":\"EUR\",\"cadence\":\"monthly\",
   \"from\":\"2026-01-31\",\"zone\":\"Europe/Berlin\"}   (on one line)";

#[derive(Debug, Subcommand)]
pub(crate) enum SubscriptionsVerb {
    /// Add one.
    Add(Add),
    /// Add those of a list, one JSON object a line: all of them or none.
    #[command(after_help = "Examples:\n  halfopen billing subscriptions import customers.jsonl")]
    Import {
        /// The list; `-` is standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The database of the scheduler.
        #[arg(long, value_name = "DATABASE", default_value = "billing.db")]
        database: Database,
    },
    /// List them all.
    #[command(after_help = "Examples:\n  halfopen billing subscriptions list --json")]
    List {
        /// The database of the scheduler.
        #[arg(long, value_name = "DATABASE", default_value = "billing.db")]
        database: Database,
        /// Print for programs, one JSON object a line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
#[command(after_help = ADD_HELP)]
pub(crate) struct Add {
    /// What it is called: letters, digits, `.`, `_` and `-`.
    #[arg(value_name = "ID")]
    pub(crate) id: SubscriptionId,
    /// What a period costs, such as "9.90 EUR".
    #[arg(long, value_name = "MONEY")]
    pub(crate) price: Money,
    /// How often it is due: monthly, yearly, or such as "every 20m".
    #[arg(long, value_name = "CADENCE", default_value = "monthly")]
    pub(crate) cadence: Cadence,
    /// When it is first due, such as 2026-01-31 or 2026-01-31T09:00; now if not given.
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// The time zone in which it is due.
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub(crate) zone: String,
    /// The database of the scheduler.
    #[arg(long, value_name = "DATABASE", default_value = "billing.db")]
    pub(crate) database: Database,
}

const ADD_HELP: &str = "\
Examples:
  halfopen billing subscriptions add c17 --price '9.90 EUR'
  halfopen billing subscriptions add c18 --price '99 EUR' --cadence yearly --from 2026-01-31";

/// Lists what the scheduler asked for, and what came of it.
#[derive(Debug, Args)]
#[command(after_help = CHARGES_HELP)]
pub(crate) struct Charges {
    /// The database of the scheduler.
    #[arg(long, value_name = "DATABASE", default_value = "billing.db")]
    pub(crate) database: Database,
    /// Print for programs, one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

const CHARGES_HELP: &str = "\
Examples:
  halfopen billing charges";

/// Where a service keeps what it must not forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    File(PathBuf),
    Server(String),
}

impl FromStr for Database {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_url = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        Ok(if is_url { Self::Server(text.to_owned()) } else { Self::File(text.into()) })
    }
}

impl fmt::Display for Database {
    /// Leaves a password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(url) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
                let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
                write!(f, "{scheme}://{rest}")
            }
        }
    }
}

/// A time, or no end to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience(pub(crate) Option<Duration>);

impl FromStr for Patience {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "never" { Ok(Self(None)) } else { duration(text).map(|time| Self(Some(time))) }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("no time at all serves nobody".to_owned()) } else { Ok(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_to_nobody() {
        let of = |text: &str| text.parse::<Database>().unwrap().to_string();
        assert_eq!(of("postgres://me:se@cret@db/billing"), "postgres://db/billing");
        assert_eq!(of("postgresql://db/billing"), "postgresql://db/billing");
        assert_eq!(of("some/billing.db"), "some/billing.db");
    }
}
