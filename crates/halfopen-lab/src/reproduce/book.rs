//! The payment module's book, or one that knows no idempotency keys.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use halfopen_billing::payment::book::{Book, Charged, Settlement};
use halfopen_billing::payment::order::{IdempotencyKey, Order, Outcome, Payment};
use halfopen_billing::storage::{Error, Sqlite};

/// A book as a scenario has it. Hosts that share it write clones.
#[derive(Clone)]
pub(super) struct Pages {
    pub(super) sqlite: Arc<Sqlite>,
    /// How many orders were written, each under a key of its own; `None` where keys are heeded.
    written: Option<Arc<AtomicU64>>,
}

impl Pages {
    /// Returns an empty book.
    pub(super) fn new(heeds_keys: bool) -> Result<Self, Error> {
        let written = (!heeds_keys).then(Arc::default);
        Ok(Self { sqlite: Arc::new(Sqlite::in_memory()?), written })
    }
}

impl Book for Pages {
    async fn settle(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Outcome,
    ) -> Result<Settlement, Error> {
        let Some(written) = &self.written else {
            return Book::settle(&self.sqlite, key, order, outcome).await;
        };
        let number = written.fetch_add(1, Ordering::Relaxed);
        let other = IdempotencyKey::parse(&format!("order-{number}")).expect("it is short");
        let (Settlement::Written(payment) | Settlement::Taken(payment)) =
            Book::settle(&self.sqlite, &other, order, outcome).await?;
        Ok(Settlement::Written(Payment { key: key.clone(), ..payment }))
    }

    async fn find(&self, name: &str) -> Result<Option<Payment>, Error> {
        self.sqlite.find(name).await
    }

    async fn charged(&self) -> Result<Charged, Error> {
        Book::charged(&self.sqlite).await
    }
}
