use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn subscription(id: &str) -> Subscription {
    let cadence = "monthly".parse().unwrap();
    let anchor = jiff::Timestamp::UNIX_EPOCH;
    let schedule = crate::calendar::Schedule::new(anchor, "UTC", cadence).unwrap();
    Subscription::new(id.parse().unwrap(), "1.00 EUR".parse().unwrap(), schedule).unwrap()
}

#[test]
fn a_database_is_created_only_when_that_was_asked_for() {
    let folder = folder();
    let file = folder.path().join("billing.db");
    assert_eq!(Sqlite::open(&file).unwrap_err(), Error::Missing(file.clone()));
    assert!(!file.exists());
    Sqlite::init(&file).unwrap();
    assert_eq!(Sqlite::init(&file).unwrap_err(), Error::Present(file.clone()));
    Sqlite::open(&file).unwrap();
}

#[test]
fn what_is_no_database_or_a_damaged_one_is_refused() {
    let folder = folder();
    let file = folder.path().join("billing.db");
    std::fs::write(
        &file,
        "not a database, and longer than its header of one hundred bytes ".repeat(9),
    )
    .unwrap();
    assert!(matches!(Sqlite::open(&file).unwrap_err(), Error::Corrupt(_)));

    let damaged = folder.path().join("damaged.db");
    Sqlite::init(&damaged).unwrap();
    let mut bytes = std::fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    std::fs::write(&damaged, bytes).unwrap();
    assert!(matches!(Sqlite::open(&damaged).unwrap_err(), Error::Corrupt(_)));

    let cut = folder.path().join("cut.db");
    Sqlite::init(&cut).unwrap();
    let bytes = std::fs::read(&cut).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    assert!(matches!(Sqlite::open(&cut).unwrap_err(), Error::Corrupt(_)));
}

#[test]
fn another_programs_database_and_a_newer_one_are_left_alone() {
    let folder = folder();
    let file = folder.path().join("other.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    assert_eq!(Sqlite::open(&file).unwrap_err(), Error::Foreign);

    let newer = folder.path().join("newer.db");
    Sqlite::init(&newer).unwrap();
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let known = newest();
    assert_eq!(Sqlite::open(&newer).unwrap_err(), Error::TooNew { found: 99, known });
}

#[tokio::test]
async fn a_database_that_another_program_holds_is_locked_and_unharmed() {
    let folder = folder();
    let file = folder.path().join("billing.db");
    Sqlite::init(&file).unwrap();
    let storage = Sqlite::open(&file).unwrap();
    storage
        .turn
        .take(|connection| connection.busy_timeout(Duration::ZERO).map_err(failure))
        .await
        .unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(storage.add(vec![subscription("a")]).await, Err(Error::Locked));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(storage.add(vec![subscription("a")]).await, Ok(()));
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_loses_nothing() {
    let storage = Sqlite::in_memory().unwrap();
    storage.add(vec![subscription("first")]).await.unwrap();
    let limit = |connection: &mut Connection| {
        let pages = pragma(connection, "page_count")?;
        connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .map_err(failure)
    };
    storage.turn.take(limit).await.unwrap();
    let many = (0..1000).map(|at| subscription(&format!("s{at}"))).collect();
    assert!(matches!(storage.add(many).await.unwrap_err(), Error::Full(_)));
    let all = storage.subscriptions(None, 10).await.unwrap();
    assert_eq!(all.len(), 1, "all or none");
}

#[tokio::test]
async fn money_is_synced_at_every_commit() {
    let folder = folder();
    let file = folder.path().join("billing.db");
    Sqlite::init(&file).unwrap();
    let storage = Sqlite::open_on_thread(&file).unwrap();
    let read = |connection: &mut Connection| {
        let journal = connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
        Ok((pragma(connection, "synchronous")?, journal.map_err(failure)?))
    };
    let (synchronous, journal): (i64, String) = storage.turn.take(read).await.unwrap();
    assert_eq!((synchronous, journal.as_str()), (2, "wal"), "2 is FULL");
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let folder = folder();
    let file = folder.path().join("billing.db");
    Sqlite::init(&file).unwrap();
    Sqlite::open_on_thread(&file).unwrap().add(vec![subscription("a")]).await.unwrap();
    let all = Sqlite::open(&file).unwrap().subscriptions(None, 10).await.unwrap();
    assert_eq!(all[0].subscription, subscription("a"));
}

#[tokio::test]
async fn a_row_that_somebody_edited_is_named() {
    let storage = Sqlite::in_memory().unwrap();
    storage.add(vec![subscription("a")]).await.unwrap();
    let edit = |connection: &mut Connection| {
        connection.execute("UPDATE subscription SET cadence = 'weekly'", []).map_err(failure)
    };
    storage.turn.take(edit).await.unwrap();
    let error = storage.subscriptions(None, 10).await.unwrap_err().to_string();
    assert!(error.contains("subscription a") && error.contains("weekly"), "{error}");
}
