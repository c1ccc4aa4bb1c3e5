//! Opening what a command line names.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use halfopen_billing::storage::{Error, Postgres, Sqlite};

use super::failure::BillingFailure;
use crate::Outcome;
use crate::cli::billing::Database;
use crate::failure::Failure;

/// A database that is open.
pub(super) enum Opened {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

/// Opens a database, whose transactions do not run on this thread.
pub(super) async fn open(database: &Database) -> Result<Opened, BillingFailure> {
    let opened = match database {
        Database::File(path) => {
            try_access(path)?;
            Sqlite::open_on_thread(path).map(Opened::Sqlite)
        }
        Database::Server(url) => {
            Postgres::open(url).await.map(|server| Opened::Postgres(Box::new(server)))
        }
    };
    opened.map_err(|error| failed(database, error))
}

pub(super) async fn create(database: &Database) -> Result<Outcome, BillingFailure> {
    let created = match database {
        Database::File(path) => {
            try_creation(path)?;
            Sqlite::init(path)
        }
        Database::Server(url) => Postgres::init(url).await,
    };
    created.map_err(|error| failed(database, error))?;
    Ok(Outcome::Clear)
}

pub(super) async fn create_if_missing(database: &Database) -> Result<(), BillingFailure> {
    match create(database).await {
        Ok(_) | Err(BillingFailure::File(Error::Present(_))) => Ok(()),
        Err(failure) => Err(failure),
    }
}

pub(super) fn failed(database: &Database, error: Error) -> BillingFailure {
    if matches!(error, Error::Missing(_) | Error::Present(_)) {
        return BillingFailure::File(error);
    }
    BillingFailure::Database { database: database.clone(), error }
}

fn try_creation(path: &Path) -> Result<(), BillingFailure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::read_dir(folder).map_err(|error| Failure::open(folder, error))?;
    }
    let access = |error| BillingFailure::Access { path: path.to_owned(), error };
    match File::create_new(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => created.and_then(|_| fs::remove_file(path)).map_err(access),
    }
}

/// SQLite says of whatever it cannot open that it cannot.
fn try_access(path: &Path) -> Result<(), BillingFailure> {
    match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            Err(Failure::Directory(path.to_owned()).into())
        }
        Err(error) => Err(BillingFailure::Access { path: path.to_owned(), error }),
        Ok(_) => Ok(()),
    }
}
