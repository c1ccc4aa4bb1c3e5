//! Why a service could not do what it was asked, and what to do about it.

use std::io;
use std::path::PathBuf;

use halfopen_billing::payment::settings::InvalidSettings;
use halfopen_billing::{calendar, scheduler, storage, subscription};
use halfopen_core::client::Client;
use halfopen_pool::client::BuildError;
use jiff::Timestamp;

use crate::cli::billing::Database;
use crate::failure::Failure;

/// Why a service could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BillingFailure {
    #[error("cannot begin: {0}")]
    Runtime(io::Error),
    #[error("{database}: {error}")]
    Database { database: Database, error: storage::Error },
    #[error("{0}")]
    File(storage::Error),
    #[error("cannot read and write `{}`: {error}", path.display())]
    Access { path: PathBuf, error: io::Error },
    #[error("cannot listen at {address}: {error}")]
    Listen { address: String, error: io::Error },
    #[error("{0}")]
    Settings(#[from] InvalidSettings),
    #[error("{0}")]
    Scheduler(#[from] scheduler::InvalidConfig),
    #[error("another scheduler is at work: {scheduler}, until {until} unless it takes longer")]
    Busy { scheduler: String, until: Timestamp },
    #[error("{0}")]
    Pool(#[from] BuildError),
    #[error("there is no client `{0}`")]
    Client(String),
    #[error("cannot write `{}`: {error}", path.display())]
    WireLog { path: PathBuf, error: io::Error },
    #[error("{0}")]
    Calendar(#[from] calendar::Error),
    #[error("{0}")]
    Subscription(#[from] subscription::Error),
    #[error("{0:?} is no time: write 2026-01-31, 2026-01-31T09:00 or 2026-01-31T09:00:00Z")]
    Time(String),
    #[error("cannot read `{file}`: {error}")]
    Read { file: String, error: io::Error },
    #[error("{file}, line {line}: {reason}")]
    Line { file: String, line: usize, reason: String },
    #[error(transparent)]
    Output(#[from] Box<Failure>),
}

impl From<Failure> for BillingFailure {
    fn from(failure: Failure) -> Self {
        Self::Output(Box::new(failure))
    }
}

impl BillingFailure {
    /// Returns what the user can do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::File(storage::Error::Missing(path)) => {
                Some(format!("halfopen billing init --database {}", path.display()))
            }
            Self::Database { database, error: storage::Error::NotSetUp } => {
                Some(format!("halfopen billing init --database {database}"))
            }
            Self::Access { .. } => Some(
                "whoever runs the service must own the database, and be able to write beside it"
                    .to_owned(),
            ),
            Self::Client(_) => {
                let names: Vec<&str> = Client::names().collect();
                Some(format!("these ship: {}", names.join(", ")))
            }
            Self::Listen { error, .. } => hint_for_address(error.kind()).map(str::to_owned),
            Self::Output(failure) => failure.hint(),
            Self::Runtime(_)
            | Self::File(_)
            | Self::Database { .. }
            | Self::Settings(_)
            | Self::Scheduler(_)
            | Self::Busy { .. }
            | Self::Pool(_)
            | Self::WireLog { .. }
            | Self::Calendar(_)
            | Self::Subscription(_)
            | Self::Time(_)
            | Self::Read { .. }
            | Self::Line { .. } => None,
        }
    }
}

fn hint_for_address(kind: io::ErrorKind) -> Option<&'static str> {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, InvalidInput, PermissionDenied};
    [
        (
            AddrInUse,
            "another program listens there: name another port with --listen, or port 0 for any \
             that is free",
        ),
        (AddrNotAvailable, "this machine has no such address: name one of its own with --listen"),
        (PermissionDenied, "ports below 1024 are root's: name a higher one with --listen"),
        (InvalidInput, "write an address and a port, such as --listen 127.0.0.1:8080"),
    ]
    .into_iter()
    .find_map(|(of, hint)| (of == kind).then_some(hint))
}
