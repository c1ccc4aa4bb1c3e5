//! SQLite, for one scheduler.
//!
//! A transaction that was committed survives a power cut: the log is written ahead (WAL) and synced
//! at every commit (`synchronous = FULL`). One program at a time writes; a second one waits for
//! it, and gives up with [`Error::Locked`].

use core::fmt;
use core::future::{Future, ready};
use core::time::Duration;
use std::path::Path;

use futures_util::FutureExt as _;
use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use self::turn::Turn;
use super::decode::Row;
use super::sql::MIGRATIONS;
use super::steps::{self, Statements, Value};
use super::{Begin, Begun, Claim, Entry, Error, Held, Settled, Standing, Storage};
use crate::subscription::{Charge, Subscription, SubscriptionId};

mod turn;

/// "half", so that another program's database is not taken for one of this.
const APPLICATION: i64 = 0x6861_6c66;

/// How long a transaction waits for another program's.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database in a file or in memory.
///
/// Where the caller's thread must not wait for a disk, as outside of a simulation, take
/// [`open_on_thread`](Self::open_on_thread).
pub struct Sqlite {
    turn: Turn,
}

impl Sqlite {
    /// Creates a database file, which must not be there yet.
    pub fn init(path: &Path) -> Result<(), Error> {
        if path.exists() {
            return Err(Error::Present(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failure)?;
        prepare(&connection)?;
        migrate(&mut connection)
    }

    /// Opens a database file whose transactions run on the caller's thread.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { turn: Turn::here(open(path)?) })
    }

    /// Opens a database file whose transactions run on a thread of their own.
    pub fn open_on_thread(path: &Path) -> Result<Self, Error> {
        Ok(Self { turn: Turn::on_thread(open(path)?)? })
    }

    /// Returns an empty database that ends with this value. Its transactions run on the caller's
    /// thread.
    pub fn in_memory() -> Result<Self, Error> {
        let mut connection = Connection::open_in_memory().map_err(failure)?;
        prepare(&connection)?;
        migrate(&mut connection)?;
        Ok(Self { turn: Turn::here(connection) })
    }

    /// Runs a transaction, and commits it unless it fails.
    pub(super) async fn transact<I, T>(
        &self,
        input: I,
        work: impl AsyncFnOnce(&mut Inside<'_>, I) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error>
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let turn = self.turn.take(move |connection| {
            // Beginning with a read and going on to write would fail where somebody else wrote in
            // between.
            let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
            let mut inside = Inside(begun.map_err(failure)?);
            let result = work(&mut inside, input).now_or_never();
            let result = result.expect("a statement of SQLite's is done when it returns")?;
            inside.0.commit().map_err(failure)?;
            Ok(result)
        });
        turn.await
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").finish_non_exhaustive()
    }
}

impl Storage for Sqlite {
    async fn add(&self, new: Vec<Subscription>) -> Result<(), Error> {
        self.transact(new, async |inside, new| steps::add(inside, new).await).await
    }

    async fn begin(&self, run: Begin) -> Result<Begun, Error> {
        self.transact(run, async |inside, run| steps::begin(inside, run).await).await
    }

    async fn claim(&self, claim: Claim) -> Result<Option<Charge>, Error> {
        self.transact(claim, async |inside, claim| steps::claim(inside, claim).await).await
    }

    async fn hold(&self, held: Held) -> Result<bool, Error> {
        self.transact(held, async |inside, held| steps::hold(inside, held).await).await
    }

    async fn settle(&self, settled: Settled) -> Result<bool, Error> {
        self.transact(settled, async |inside, settled| steps::settle(inside, settled).await).await
    }

    async fn end(&self, scheduler: String) -> Result<(), Error> {
        self.transact(scheduler, async |inside, name| steps::end(inside, name).await).await
    }

    async fn subscriptions(
        &self,
        after: Option<SubscriptionId>,
        limit: u32,
    ) -> Result<Vec<Standing>, Error> {
        self.transact((after, limit), async |inside, (after, limit)| {
            steps::subscriptions(inside, after, limit).await
        })
        .await
    }

    async fn charges(
        &self,
        after: Option<(SubscriptionId, u32)>,
        limit: u32,
    ) -> Result<Vec<Entry>, Error> {
        self.transact((after, limit), async |inside, (after, limit)| {
            steps::charges(inside, after, limit).await
        })
        .await
    }
}

/// A transaction of SQLite's.
pub(super) struct Inside<'a>(Transaction<'a>);

impl Inside<'_> {
    fn change_now(&self, sql: &str, values: Vec<Value>) -> rusqlite::Result<u64> {
        let mut statement = self.0.prepare_cached(sql)?;
        statement.execute(rusqlite::params_from_iter(values)).map(|rows| rows as u64)
    }

    fn rows_now<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        read: fn(&dyn Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut statement = self.0.prepare_cached(sql).map_err(failure)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(failure)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(failure)? {
            all.push(read(row)?);
        }
        Ok(all)
    }
}

impl Statements for Inside<'_> {
    const FIND: &'static str = super::sql::FIND;

    fn change(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<u64, Error>> + Send {
        ready(self.change_now(sql, values).map_err(failure))
    }

    fn rows<T: Send>(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
        read: fn(&dyn Row) -> Result<T, Error>,
    ) -> impl Future<Output = Result<Vec<T>, Error>> + Send {
        ready(self.rows_now(sql, values, read))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Number(number) => number.to_sql(),
            Self::Null => rusqlite::types::Null.to_sql(),
        }
    }
}

impl Row for rusqlite::Row<'_> {
    fn text(&self, column: usize) -> Result<String, Error> {
        self.get(column).map_err(failure)
    }

    fn number(&self, column: usize) -> Result<i64, Error> {
        self.get(column).map_err(failure)
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, Error> {
        self.get(column).map_err(failure)
    }

    fn optional_number(&self, column: usize) -> Result<Option<i64>, Error> {
        self.get(column).map_err(failure)
    }
}

fn open(path: &Path) -> Result<Connection, Error> {
    if !path.exists() {
        return Err(Error::Missing(path.to_owned()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failure)?;
    connection.busy_timeout(PATIENCE).map_err(failure)?;
    let found = version(&connection)?;
    prepare(&connection)?;
    let check = "PRAGMA integrity_check(1)";
    let problem: String = connection.query_row(check, [], |row| row.get(0)).map_err(failure)?;
    if problem != "ok" {
        return Err(Error::Corrupt(problem));
    }
    if found < newest() {
        migrate(&mut connection)?;
    }
    Ok(connection)
}

/// Returns the version of a database's tables, if they are this program's.
fn version(connection: &Connection) -> Result<i64, Error> {
    if pragma(connection, "application_id")? != APPLICATION {
        return Err(Error::Foreign);
    }
    let (found, known) = (pragma(connection, "user_version")?, newest());
    if found > known {
        return Err(Error::TooNew { found, known });
    }
    Ok(found)
}

fn prepare(connection: &Connection) -> Result<(), Error> {
    connection.busy_timeout(PATIENCE).map_err(failure)?;
    for (name, value) in [("journal_mode", "WAL"), ("synchronous", "FULL"), ("foreign_keys", "ON")]
    {
        connection.pragma_update(None, name, value).map_err(failure)?;
    }
    Ok(())
}

fn migrate(connection: &mut Connection) -> Result<(), Error> {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = begun.map_err(failure)?;
    let done = usize::try_from(pragma(&transaction, "user_version")?).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(step).map_err(failure)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION).map_err(failure)?;
    transaction.pragma_update(None, "user_version", newest()).map_err(failure)?;
    transaction.commit().map_err(failure)
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, Error> {
    connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failure)
}

fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn failure(error: rusqlite::Error) -> Error {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupt(text),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked,
        Some(ErrorCode::DiskFull) => Error::Full(text),
        _ => Error::Failed(text),
    }
}

#[cfg(test)]
mod tests;
