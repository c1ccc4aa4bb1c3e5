//! Payment modules that share one PostgreSQL database.

use halfopen_billing::payment::book::{Book as _, Settlement};
use halfopen_billing::payment::order::{IdempotencyKey, Order, Outcome};
use halfopen_billing::storage::Postgres;

use crate::server::Server;

const KEYS: usize = 40;

fn order(number: usize) -> Order {
    let rest = r#""period":"2026-01","amount":990,"currency":"EUR""#;
    Order::parse(format!(r#"{{"subscription":"c{number}",{rest}}}"#).as_bytes()).unwrap()
}

/// Writes all payments, and returns the numbers of those that nobody had written.
async fn pay_all(book: Postgres) -> Vec<u64> {
    let mut written = Vec::new();
    for number in 0..KEYS {
        let key = IdempotencyKey::parse(&format!("k{number}")).unwrap();
        match book.settle(&key, &order(number), Outcome::Charged).await.unwrap() {
            Settlement::Written(payment) => written.push(payment.id),
            Settlement::Taken(payment) => assert_eq!(payment.order, order(number)),
        }
    }
    written
}

#[tokio::test]
async fn modules_that_race_for_keys_and_numbers_charge_each_key_once() {
    let server = Server::shared();
    let address = server.create_database().await;
    Postgres::init(&address).await.unwrap();
    let mut modules = tokio::task::JoinSet::new();
    for _ in 0..4 {
        modules.spawn(pay_all(Postgres::open(&address).await.unwrap()));
    }
    let mut written: Vec<u64> = modules.join_all().await.into_iter().flatten().collect();
    written.sort_unstable();
    assert_eq!(written, (1..=KEYS as u64).collect::<Vec<_>>());

    let book = Postgres::open(&address).await.unwrap();
    let charged = book.charged().await.unwrap();
    assert_eq!((charged.len(), charged.values().max()), (KEYS, Some(&1)));
    let payment = book.find("k7").await.unwrap().unwrap();
    assert_eq!(book.find(&payment.id.to_string()).await.unwrap().as_ref(), Some(&payment));
    assert_eq!(book.find("k40").await.unwrap(), None);
}
