//! PostgreSQL, for schedulers that share the work.
//!
//! A claim skips the rows that another transaction has locked (`FOR UPDATE SKIP LOCKED`), so that
//! nobody waits for anybody. A scheduler that vanishes in the middle of one – killed, or cut off by
//! a box that forgot its connection – leaves its rows locked until the server gives it up, after
//! half a minute; its leases run out by themselves.
//!
//! The connection is given back at the end of each run, so that none idles for longer than the
//! path to the server remembers. It is not encrypted.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::error::Error as _;

use bytes::BytesMut;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement, Transaction};

use super::decode::Row;
use super::sql::{self, MIGRATIONS};
use super::steps::{self, Statements, Value};
use super::{Begin, Begun, Claim, Entry, Error, Held, Settled, Standing, Storage};
use crate::subscription::{Charge, Subscription, SubscriptionId};

/// For how long the server keeps a transaction, and the locks with it, whose client says nothing.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// How long a connection may take, and how long what was sent may stay unacknowledged, where the
/// connection string does not say.
const PATIENCE: Duration = Duration::from_secs(10);

/// "half": the lock that schedulers take while one of them sets up the tables.
const SETTING_UP: i64 = 0x6861_6c66;

/// A database of a PostgreSQL server.
pub struct Postgres {
    config: Config,
    session: Mutex<Option<Session>>,
}

/// A connection, and the statements that it knows.
pub(super) struct Session {
    client: Client,
    statements: BTreeMap<&'static str, Statement>,
}

impl Postgres {
    /// Sets up the tables in a database, unless they are there.
    ///
    /// `address` is a connection string of libpq's, as in `host=/run/postgresql dbname=billing` or
    /// `postgresql://billing@db/billing`.
    pub async fn init(address: &str) -> Result<(), Error> {
        let config = parse(address)?;
        let mut session = Session::open(&config).await?;
        migrate(&mut session.client).await
    }

    /// Connects to a database whose tables are set up; brings them to the newest version.
    ///
    /// For `address` see [`init`](Self::init).
    pub async fn open(address: &str) -> Result<Self, Error> {
        let config = parse(address)?;
        let mut session = Session::open(&config).await?;
        let (found, known) = (version(&session.client).await?, newest());
        if found > known {
            return Err(Error::TooNew { found, known });
        }
        if found < known {
            migrate(&mut session.client).await?;
        }
        Ok(Self { config, session: Mutex::new(Some(session)) })
    }

    /// Waits for the connection, and opens one if there is none that works.
    pub(super) async fn session(&self) -> Result<MappedMutexGuard<'_, Session>, Error> {
        let mut session = self.session.lock().await;
        if session.as_ref().is_none_or(|session| session.client.is_closed()) {
            *session = Some(Session::open(&self.config).await?);
        }
        MutexGuard::try_map(session, Option::as_mut)
            .map_err(|_| Error::Unreachable("there is no connection".to_owned()))
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Storage for Postgres {
    async fn add(&self, new: Vec<Subscription>) -> Result<(), Error> {
        let mut session = self.session().await?;
        let mut inside = session.begin().await?;
        steps::add(&mut inside, new).await?;
        inside.commit().await
    }

    async fn begin(&self, run: Begin) -> Result<Begun, Error> {
        let mut session = self.session().await?;
        let mut inside = session.begin().await?;
        let begun = steps::begin(&mut inside, run).await?;
        inside.commit().await?;
        Ok(begun)
    }

    async fn claim(&self, claim: Claim) -> Result<Option<Charge>, Error> {
        let mut session = self.session().await?;
        let mut inside = session.begin().await?;
        let charge = steps::claim(&mut inside, claim).await?;
        inside.commit().await?;
        Ok(charge)
    }

    async fn hold(&self, held: Held) -> Result<bool, Error> {
        let mut session = self.session().await?;
        let mut inside = session.begin().await?;
        let is_own = steps::hold(&mut inside, held).await?;
        inside.commit().await?;
        Ok(is_own)
    }

    async fn settle(&self, settled: Settled) -> Result<bool, Error> {
        let mut session = self.session().await?;
        let mut inside = session.begin().await?;
        let is_news = steps::settle(&mut inside, settled).await?;
        inside.commit().await?;
        Ok(is_news)
    }

    async fn end(&self, scheduler: String) -> Result<(), Error> {
        let mut session = self.session().await?;
        let mut inside = session.begin().await?;
        steps::end(&mut inside, scheduler).await?;
        inside.commit().await?;
        drop(session);
        *self.session.lock().await = None;
        Ok(())
    }

    async fn subscriptions(
        &self,
        after: Option<SubscriptionId>,
        limit: u32,
    ) -> Result<Vec<Standing>, Error> {
        let mut session = self.session().await?;
        let mut inside = session.begin().await?;
        steps::subscriptions(&mut inside, after, limit).await
    }

    async fn charges(
        &self,
        after: Option<(SubscriptionId, u32)>,
        limit: u32,
    ) -> Result<Vec<Entry>, Error> {
        let mut session = self.session().await?;
        let mut inside = session.begin().await?;
        steps::charges(&mut inside, after, limit).await
    }
}

impl Session {
    async fn open(config: &Config) -> Result<Self, Error> {
        let (client, connection) = config.connect(NoTls).await.map_err(unreachable)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(error = causes(&error), "the database's connection broke");
            }
        });
        let limit = format!("SET idle_in_transaction_session_timeout = {}", IDLE_MAX.as_millis());
        client.batch_execute(&limit).await.map_err(failure)?;
        Ok(Self { client, statements: BTreeMap::new() })
    }

    pub(super) async fn begin(&mut self) -> Result<Inside<'_>, Error> {
        let Self { client, statements } = self;
        Ok(Inside { transaction: client.transaction().await.map_err(failure)?, statements })
    }
}

/// A transaction of PostgreSQL's, which is rolled back when it is dropped.
pub(super) struct Inside<'a> {
    transaction: Transaction<'a>,
    statements: &'a mut BTreeMap<&'static str, Statement>,
}

impl Inside<'_> {
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.transaction.commit().await.map_err(failure)
    }

    async fn prepare(&mut self, sql: &'static str) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.transaction.prepare(sql).await.map_err(failure)?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

impl Statements for Inside<'_> {
    const FIND: &'static str = sql::FIND_AND_LOCK;

    async fn change(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, Error> {
        let statement = self.prepare(sql).await?;
        let changed = self.transaction.execute_raw(&statement, values).await;
        changed.map_err(failure)
    }

    async fn rows<T: Send>(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
        read: fn(&dyn Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let statement = self.prepare(sql).await?;
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let rows = self.transaction.query(&statement, &values).await.map_err(failure)?;
        rows.iter().map(|row| read(row)).collect()
    }
}

impl ToSql for Value {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Text(text) => text.to_sql(kind, out),
            Self::Number(number) => number.to_sql(kind, out),
            Self::Null => Ok(IsNull::Yes),
        }
    }

    fn accepts(kind: &Type) -> bool {
        <String as ToSql>::accepts(kind) || <i64 as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

impl Row for tokio_postgres::Row {
    fn text(&self, column: usize) -> Result<String, Error> {
        self.try_get(column).map_err(failure)
    }

    fn number(&self, column: usize) -> Result<i64, Error> {
        self.try_get(column).map_err(failure)
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, Error> {
        self.try_get(column).map_err(failure)
    }

    fn optional_number(&self, column: usize) -> Result<Option<i64>, Error> {
        self.try_get(column).map_err(failure)
    }
}

fn parse(address: &str) -> Result<Config, Error> {
    // The string is not repeated: it may hold a password.
    let mut config: Config = address.parse().map_err(|error| {
        Error::Unreachable(format!("its connection string cannot be read: {}", causes(&error)))
    })?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(PATIENCE);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(PATIENCE);
    }
    Ok(config)
}

/// Returns the version of the tables.
async fn version(client: &Client) -> Result<i64, Error> {
    let known = client.query_one("SELECT to_regclass('halfopen_schema') IS NOT NULL", &[]).await;
    if !known.map_err(failure)?.try_get::<_, bool>(0).map_err(failure)? {
        return Err(Error::NotSetUp);
    }
    let version = client.query_one("SELECT max(version) FROM halfopen_schema", &[]).await;
    version.map_err(failure)?.try_get(0).map_err(failure)
}

async fn migrate(client: &mut Client) -> Result<(), Error> {
    let transaction = client.transaction().await.map_err(failure)?;
    let lock = "SELECT pg_advisory_xact_lock($1)";
    transaction.execute(lock, &[&SETTING_UP]).await.map_err(failure)?;
    let table = "CREATE TABLE IF NOT EXISTS halfopen_schema (version BIGINT PRIMARY KEY)";
    transaction.batch_execute(table).await.map_err(failure)?;
    let done = transaction.query_one("SELECT count(*) FROM halfopen_schema", &[]).await;
    let done: i64 = done.map_err(failure)?.try_get(0).map_err(failure)?;
    for (step, number) in MIGRATIONS.iter().zip(1_i64..).filter(|(_, number)| *number > done) {
        transaction.batch_execute(step).await.map_err(failure)?;
        let note = "INSERT INTO halfopen_schema (version) VALUES ($1)";
        transaction.execute(note, &[&number]).await.map_err(failure)?;
    }
    transaction.commit().await.map_err(failure)
}

fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn failure(error: tokio_postgres::Error) -> Error {
    let text = causes(&error);
    match error.code() {
        None => unreachable(error),
        Some(code) if *code == SqlState::DISK_FULL => Error::Full(text),
        Some(code) if [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code) => {
            Error::Corrupt(text)
        }
        Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => Error::Locked,
        Some(_) => Error::Failed(text),
    }
}

fn unreachable(error: tokio_postgres::Error) -> Error {
    Error::Unreachable(causes(&error))
}

fn causes(error: &tokio_postgres::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
