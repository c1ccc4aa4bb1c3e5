//! The payments that were made, and what each idempotency key stands for.
//!
//! A payment and its key are one row, written in one transaction before anyone is answered. So
//! there is no instant at which a crash leaves a charge that its key does not know, or a key
//! without its charge.

use core::error::Error;
use core::future::Future;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};

use crate::money::Money;

use super::order::{IdempotencyKey, Order, Outcome, Payment};

/// Where payments are written. Clones of the payment module share one.
pub trait Book: Send + Sync + 'static {
    /// Writes a payment under its key, unless the key is taken: then the payment that took it is
    /// returned as it was written.
    ///
    /// When this returns, the payment survives a crash and a loss of power.
    fn settle(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Outcome,
    ) -> impl Future<Output = Result<Settlement, BookError>> + Send;

    /// Returns the payment with the key `name`, else the one with that number.
    fn find(&self, name: &str) -> impl Future<Output = Result<Option<Payment>, BookError>> + Send;

    /// Returns how often each period of each subscription was charged.
    fn charged(&self) -> impl Future<Output = Result<Charged, BookError>> + Send;
}

/// A book outlives the module that writes it, as a database outlives a crash.
impl<B: Book> Book for Arc<B> {
    async fn settle(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Outcome,
    ) -> Result<Settlement, BookError> {
        B::settle(self, key, order, outcome).await
    }

    async fn find(&self, name: &str) -> Result<Option<Payment>, BookError> {
        B::find(self, name).await
    }

    async fn charged(&self) -> Result<Charged, BookError> {
        B::charged(self).await
    }
}

/// How often each (subscription, period) was charged. Those never charged are not in it.
pub type Charged = BTreeMap<(String, String), u64>;

/// What came of writing a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It was written now.
    Written(Payment),
    /// Its key was taken, by this payment.
    Taken(Payment),
}

/// Why a book could not be read or written. The client may ask again with the same key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// SQLite failed.
    #[error("the payments' database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

/// What stands in the database for a payment.
pub(crate) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS payments (
        id           INTEGER PRIMARY KEY,
        key          TEXT    NOT NULL UNIQUE,
        subscription TEXT    NOT NULL,
        period       TEXT    NOT NULL,
        amount       INTEGER NOT NULL CHECK (amount > 0),
        currency     TEXT    NOT NULL,
        charged      INTEGER NOT NULL CHECK (charged IN (0, 1))
    ) STRICT;
";

const COLUMNS: &str = "id, key, subscription, period, amount, currency, charged";

/// A book in SQLite, written by whoever asks.
#[derive(Debug)]
pub struct SqliteBook {
    connection: Mutex<Connection>,
}

impl SqliteBook {
    /// Returns a book in memory, which ends with it.
    pub fn in_memory() -> Result<Self, BookError> {
        Self::new(Connection::open_in_memory()?)
    }

    /// Returns the book in a database, and begins one if there is none.
    pub fn new(connection: Connection) -> Result<Self, BookError> {
        connection.execute_batch(SCHEMA)?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    fn with<T>(
        &self,
        run: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, BookError> {
        // A panic between two statements leaves a transaction that was rolled back as it dropped.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(run(&mut connection)?)
    }
}

impl Book for SqliteBook {
    async fn settle(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Outcome,
    ) -> Result<Settlement, BookError> {
        self.with(|connection| settle(connection, key, order, outcome))
    }

    async fn find(&self, name: &str) -> Result<Option<Payment>, BookError> {
        self.with(|connection| find(connection, name))
    }

    async fn charged(&self) -> Result<Charged, BookError> {
        self.with(|connection| {
            let mut rows = connection.prepare_cached(
                "SELECT subscription, period, count(*) FROM payments WHERE charged = 1
                 GROUP BY subscription, period",
            )?;
            let rows = rows.query_map([], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?;
            rows.collect()
        })
    }
}

fn settle(
    connection: &mut Connection,
    key: &IdempotencyKey,
    order: &Order,
    outcome: Outcome,
) -> rusqlite::Result<Settlement> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let written = transaction
        .prepare_cached(
            "INSERT INTO payments (key, subscription, period, amount, currency, charged)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO NOTHING",
        )?
        .execute(params![
            key.as_str(),
            order.subscription,
            order.period,
            order.price.minor,
            order.price.currency.code(),
            outcome == Outcome::Charged,
        ])?;
    let payment = transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM payments WHERE key = ?1"))?
        .query_row([key.as_str()], payment)?;
    transaction.commit()?;
    Ok(if written == 1 { Settlement::Written(payment) } else { Settlement::Taken(payment) })
}

fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<Payment>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM payments WHERE key = ?1 OR id = ?2 ORDER BY key = ?1 DESC LIMIT 1"
        ))?
        .query_row(params![name, name.parse::<i64>().ok()], payment)
        .optional()
}

fn payment(row: &Row<'_>) -> rusqlite::Result<Payment> {
    let price = Money::new(row.get("amount")?, parsed(row, "currency", str::parse)?);
    let order = Order { subscription: row.get("subscription")?, period: row.get("period")?, price };
    let key = parsed(row, "key", IdempotencyKey::parse)?;
    let outcome = if row.get("charged")? { Outcome::Charged } else { Outcome::Declined };
    Ok(Payment { id: row.get("id")?, key, order, outcome })
}

/// Reads a text of a row that this program wrote, or someone else.
fn parsed<T, E: Error + Send + Sync + 'static>(
    row: &Row<'_>,
    column: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> rusqlite::Result<T> {
    let index = row.as_ref().column_index(column)?;
    let text: String = row.get(index)?;
    parse(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
    })
}
