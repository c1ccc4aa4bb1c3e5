//! Servers that are not there, not set up, or gone in between.

use halfopen_billing::storage::{Error, Postgres, Storage as _};

use crate::server::Server;

#[tokio::test]
async fn a_database_without_tables_says_how_to_create_them() {
    let server = Server::shared();
    let address = server.create_database().await;
    let error = Postgres::open(&address).await.unwrap_err();
    assert_eq!(error, Error::NotSetUp);
    assert!(error.to_string().contains("`init`"));

    Postgres::init(&address).await.unwrap();
    Postgres::init(&address).await.expect("a second one changes nothing");
    assert_eq!(Postgres::open(&address).await.unwrap().charges(None, 1).await, Ok(vec![]));
}

#[tokio::test]
async fn schedulers_that_set_up_a_database_at_the_same_time_set_it_up_once() {
    let server = Server::shared();
    let address = server.create_database().await;
    let (one, other) = tokio::join!(Postgres::init(&address), Postgres::init(&address));
    assert_eq!((one, other), (Ok(()), Ok(())));
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let server = Server::shared();
    let address = server.create_database().await;
    Postgres::init(&address).await.unwrap();
    let (_, database) = address.rsplit_once('=').unwrap();
    server.execute(database, "INSERT INTO halfopen_schema (version) VALUES (99)").await;
    let error = Postgres::open(&address).await.unwrap_err();
    assert!(matches!(error, Error::TooNew { found: 99, .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named_without_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("host={} password=secret dbname=billing", folder.path().display());
    for address in [address.as_str(), "password=secret host", "port=x password=secret"] {
        let error = Postgres::open(address).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_connection_that_broke_is_replaced() {
    let server = Server::shared();
    let address = server.create_database().await;
    Postgres::init(&address).await.unwrap();
    let storage = Postgres::open(&address).await.unwrap();
    let (_, database) = address.rsplit_once('=').unwrap();
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    server.execute(database, end_all).await;
    let mut failures = 0;
    while storage.charges(None, 1).await.is_err() {
        failures += 1;
        assert!(failures < 3, "a new connection is opened after the failure of the old one");
    }
}
