//! The payment module's side: payments under their keys.

use super::decode::{self, Row};
use super::steps::{Statements, text};
use super::{Error, Postgres, Sqlite, sql};
use crate::payment::book::{Book, Charged, Settlement};
use crate::payment::order::{IdempotencyKey, Order, Outcome, Payment};

/// How often a number is drawn for a payment while others take it first, at most.
const DRAWS_MAX: usize = 100;

impl Book for Sqlite {
    async fn settle(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Outcome,
    ) -> Result<Settlement, Error> {
        let payment = (key.clone(), order.clone(), outcome);
        self.transact(payment, async |inside, (key, order, outcome)| {
            settle(inside, &key, &order, outcome).await
        })
        .await
    }

    async fn find(&self, name: &str) -> Result<Option<Payment>, Error> {
        self.transact(name.to_owned(), async |inside, name| find(inside, &name).await).await
    }

    async fn charged(&self) -> Result<Charged, Error> {
        self.transact((), async |inside, ()| charged(inside).await).await
    }
}

impl Book for Postgres {
    async fn settle(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Outcome,
    ) -> Result<Settlement, Error> {
        let mut session = self.session().await?;
        let mut inside = session.begin().await?;
        let settlement = settle(&mut inside, key, order, outcome).await?;
        inside.commit().await?;
        Ok(settlement)
    }

    async fn find(&self, name: &str) -> Result<Option<Payment>, Error> {
        find(&mut self.session().await?.begin().await?, name).await
    }

    async fn charged(&self) -> Result<Charged, Error> {
        charged(&mut self.session().await?.begin().await?).await
    }
}

async fn settle(
    statements: &mut impl Statements,
    key: &IdempotencyKey,
    order: &Order,
    outcome: Outcome,
) -> Result<Settlement, Error> {
    // Where several modules share a database, another one may take the number in between.
    for _ in 0..DRAWS_MAX {
        let values = vec![
            text(key),
            text(&order.subscription),
            text(&order.period),
            order.price.minor.into(),
            text(order.price.currency),
            i64::from(outcome == Outcome::Charged).into(),
        ];
        let written = statements.change(sql::PAY, values).await? == 1;
        let payment = statements.rows(sql::PAYMENT_OF_KEY, vec![text(key)], payment).await?.pop();
        if let Some(payment) = payment {
            let settlement = if written { Settlement::Written } else { Settlement::Taken };
            return Ok(settlement(payment));
        }
    }
    Err(Error::Failed("others took every number for a payment".to_owned()))
}

async fn find(statements: &mut impl Statements, name: &str) -> Result<Option<Payment>, Error> {
    let by_key = statements.rows(sql::PAYMENT_OF_KEY, vec![text(name)], payment).await?.pop();
    match (by_key, name.parse::<i64>()) {
        (None, Ok(id)) => {
            Ok(statements.rows(sql::PAYMENT_OF_ID, vec![id.into()], payment).await?.pop())
        }
        (found, _) => Ok(found),
    }
}

async fn charged(statements: &mut impl Statements) -> Result<Charged, Error> {
    let rows = statements
        .rows(sql::CHARGED, vec![], |row| {
            let times = row.number(2)?.unsigned_abs();
            Ok(((row.text(0)?, row.text(1)?), times))
        })
        .await?;
    Ok(rows.into_iter().collect())
}

/// Reads the columns `id, key, subscription, period, amount, currency, charged`.
fn payment(row: &dyn Row) -> Result<Payment, Error> {
    let key = row.text(1)?;
    let key = IdempotencyKey::parse(&key).map_err(|error| Error::Row {
        what: format!("a payment of the key {key:?}"),
        reason: error.to_string(),
    })?;
    let price = decode::money(row, 4)?;
    let order = Order { subscription: row.text(2)?, period: row.text(3)?, price };
    let outcome = if row.number(6)? == 1 { Outcome::Charged } else { Outcome::Declined };
    Ok(Payment { id: row.number(0)?.unsigned_abs(), key, order, outcome })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn order(amount: i64) -> Order {
        let json = format!(
            r#"{{"subscription":"s","period":"2026-01","amount":{amount},"currency":"EUR"}}"#
        );
        Order::parse(json.as_bytes()).unwrap()
    }

    fn settle(book: &Sqlite, key: &str, order: &Order) -> Settlement {
        let key = IdempotencyKey::parse(key).unwrap();
        book.settle(&key, order, Outcome::Charged).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn a_payment_is_there_after_the_database_was_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payments.db");
        Sqlite::init(&path).unwrap();
        let written = settle(&Sqlite::open(&path).unwrap(), "k1", &order(990));
        let Settlement::Written(payment) = written else { panic!("{written:?}") };

        let book = Sqlite::open(&path).unwrap();
        assert_eq!(settle(&book, "k1", &order(1)), Settlement::Taken(payment.clone()));
        for name in ["k1", "1"] {
            let found = book.find(name).now_or_never().unwrap().unwrap();
            assert_eq!(found.as_ref(), Some(&payment));
        }
        let charged = book.charged().now_or_never().unwrap().unwrap();
        assert_eq!(charged.into_values().collect::<Vec<u64>>(), [1]);
    }

    #[test]
    fn a_key_that_is_a_number_goes_before_a_payment_of_that_number() {
        let book = Sqlite::in_memory().unwrap();
        settle(&book, "k1", &order(1));
        settle(&book, "1", &order(2));
        let found = book.find("1").now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(found.order.price.minor, 2);
    }
}
