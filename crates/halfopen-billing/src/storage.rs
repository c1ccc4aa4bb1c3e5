//! Where subscriptions and their charges are kept, so that each charge is made exactly once.
//!
//! A charge is two transactions with a request between them. The first [claims](Storage::claim) it:
//! it takes a lease on the subscription and writes down the intention. The second
//! [settles](Storage::settle) it: it writes down the outcome, and moves the subscription on to its
//! next period. Whoever dies in between leaves an open charge behind, which is claimed again – with
//! the same key – when its lease is over, or when the same scheduler begins its next run. So a
//! period is never skipped, and that it is never paid twice rests on the key alone.
//!
//! The invariant: a subscription has one open charge at most, and its `period` moves on only in the
//! transaction that makes that charge final.
//!
//! [`Sqlite`] is for one scheduler, [`Postgres`] for several that share the work. Both run the same
//! statements. All times are the callers': schedulers that share work need clocks that agree to a
//! fraction of a lease.

use core::future::Future;
use std::path::PathBuf;

use jiff::Timestamp;

pub use postgres::Postgres;
pub use sqlite::Sqlite;

use crate::money::Money;
use crate::subscription::{Charge, Outcome, Subscription, SubscriptionId};

mod book;
mod decode;
mod postgres;
mod sql;
mod sqlite;
mod steps;

/// What keeps subscriptions and charges.
///
/// Every call is one transaction: it happened or it did not. A call whose future is dropped may
/// have happened. A row that this program did not write makes [`claim`](Self::claim) fail, and so
/// every run, until somebody repairs it: where money is concerned, one bad row puts all in doubt.
pub trait Storage: Send + Sync {
    /// Adds subscriptions, all or none of them.
    fn add(&self, new: Vec<Subscription>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Begins a run: what this scheduler held and did not settle is free to be claimed again.
    fn begin(&self, run: Begin) -> impl Future<Output = Result<Begun, Error>> + Send;

    /// Claims the charge that has been due for longest, unless none is.
    fn claim(&self, claim: Claim) -> impl Future<Output = Result<Option<Charge>, Error>> + Send;

    /// Holds a claimed charge for longer; tells whether it still was this scheduler's.
    fn hold(&self, held: Held) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Writes down what became of a charge; tells whether that was news.
    ///
    /// It is none if somebody else settled the charge after this scheduler's lease on it was over.
    fn settle(&self, settled: Settled) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Ends a run of `scheduler`.
    fn end(&self, scheduler: String) -> impl Future<Output = Result<(), Error>> + Send;

    /// Lists at most `limit` subscriptions by name, beginning behind `after`.
    fn subscriptions(
        &self,
        after: Option<SubscriptionId>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Standing>, Error>> + Send;

    /// Lists at most `limit` charges by subscription and period, beginning behind `after`.
    fn charges(
        &self,
        after: Option<(SubscriptionId, u32)>,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Entry>, Error>> + Send;
}

/// A run that is to begin.
#[derive(Clone, Debug)]
pub struct Begin {
    /// Who runs. No two schedulers that run at the same time have the same name.
    pub scheduler: String,
    /// What time it is.
    pub now: Timestamp,
    /// When others may think that it died.
    pub until: Timestamp,
    /// Which charges it is about.
    pub scope: Scope,
    /// Whether others may run at the same time.
    pub shared: bool,
}

/// Which charges a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those that are due, open or new.
    Due,
    /// Those that are due and were never asked for.
    New,
    /// Those that are open: asked for before, with no outcome known.
    Open,
}

/// What a run found when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It may go on.
    Run {
        /// How many subscriptions are due and free.
        due: u64,
        /// How many charges this scheduler had left without an outcome.
        resumed: u64,
    },
    /// Another scheduler's run is under way.
    Busy {
        /// Whose.
        scheduler: String,
        /// Until when at least.
        until: Timestamp,
    },
}

/// A wish for work.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Who wants it.
    pub scheduler: String,
    /// Only what was due by then.
    pub due_by: Timestamp,
    /// What time it is.
    pub now: Timestamp,
    /// When others may think that it died and claim the same.
    pub until: Timestamp,
    /// Which charges.
    pub scope: Scope,
}

/// A charge that takes longer.
#[derive(Clone, Debug)]
pub struct Held {
    /// Who claimed it.
    pub scheduler: String,
    /// Which charge.
    pub charge: Charge,
    /// When others may think that it died and claim the same.
    pub until: Timestamp,
}

/// What became of a charge.
#[derive(Clone, Debug)]
pub struct Settled {
    /// Who made the request.
    pub scheduler: String,
    /// Which charge.
    pub charge: Charge,
    /// What became of it.
    pub outcome: Outcome,
    /// What time it is.
    pub now: Timestamp,
    /// When to ask again, if the outcome is unknown.
    pub again: Timestamp,
}

/// How a subscription stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The subscription.
    pub subscription: Subscription,
    /// The period that it owes next.
    pub period: u32,
    /// When it is claimed at the earliest: when that period is due, or when an open charge for it
    /// is to be repeated.
    pub wake: Timestamp,
    /// How often the period was asked for.
    pub attempts: u32,
}

/// A charge as it was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub subscription: SubscriptionId,
    /// The period's number.
    pub period: u32,
    /// The period's name.
    pub name: String,
    /// How much.
    pub amount: Money,
    /// How it stands.
    pub state: State,
    /// How often it was asked for.
    pub attempts: u32,
    /// When it was first meant to be asked for.
    pub intended: Timestamp,
}

/// How a charge stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was asked for and no outcome is known.
    Open {
        /// What is known of the last attempt that ended.
        reason: Option<String>,
    },
    /// It was paid.
    Paid {
        /// What the payment module calls the payment.
        payment: String,
        /// When that was written down.
        at: Timestamp,
    },
    /// It was refused.
    Refused {
        /// Why.
        reason: String,
        /// When that was written down.
        at: Timestamp,
    },
}

/// Why storage cannot do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such database file.
    #[error("there is no database {}; create it with `init`", .0.display())]
    Missing(PathBuf),
    /// There is such a file already.
    #[error("{} is there already and is left as it is", .0.display())]
    Present(PathBuf),
    /// The server's database is not set up.
    #[error("the database has no tables of this program; create them with `init`")]
    NotSetUp,
    /// It is damaged, or no database.
    #[error("the database is damaged or none: {0}; restore it from a backup")]
    Corrupt(String),
    /// It is another program's.
    #[error("the database belongs to another program")]
    Foreign,
    /// A newer version of this program wrote it.
    #[error("the database has version {found}, this program knows {known}; use a newer program")]
    TooNew {
        /// The database's version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// Another program holds it for too long.
    #[error("the database is locked by another program; stop that, or try again")]
    Locked,
    /// There is no room.
    #[error("the database cannot grow: {0}; make room on its disk")]
    Full(String),
    /// The server cannot be reached, or the connection to it broke.
    #[error("the database server cannot be reached: {0}")]
    Unreachable(String),
    /// There is such a subscription already.
    #[error("subscription {0} is there already")]
    Duplicate(SubscriptionId),
    /// A row holds what this program did not write.
    #[error("the database holds {what}: {reason}")]
    Row {
        /// What it holds.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Anything else that the database said.
    #[error("the database failed: {0}")]
    Failed(String),
}
