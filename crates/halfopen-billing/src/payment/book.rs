//! The payments that were made, and what each idempotency key stands for.
//!
//! A payment and its key are one row, written in one transaction before anyone is answered. So
//! there is no instant at which a crash leaves a charge that its key does not know, or a key
//! without its charge. [`storage`](crate::storage) keeps the rows.

use core::future::Future;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::order::{IdempotencyKey, Order, Outcome, Payment};
use crate::storage::Error;

/// Where payments are written.
pub trait Book: Send + Sync + 'static {
    /// Writes a payment under its key, unless the key is taken: then the payment that took it is
    /// returned as it was written.
    ///
    /// When this returns, the payment survives a crash and a loss of power. If it fails or is
    /// dropped, the payment may have been written: ask again with the same key.
    fn settle(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Outcome,
    ) -> impl Future<Output = Result<Settlement, Error>> + Send;

    /// Returns the payment with the key `name`, else the one with that number.
    fn find(&self, name: &str) -> impl Future<Output = Result<Option<Payment>, Error>> + Send;

    /// Returns how often each period of each subscription was charged.
    fn charged(&self) -> impl Future<Output = Result<Charged, Error>> + Send;
}

/// A book outlives the module that writes it, as a database outlives a crash.
impl<B: Book> Book for Arc<B> {
    async fn settle(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Outcome,
    ) -> Result<Settlement, Error> {
        B::settle(self, key, order, outcome).await
    }

    async fn find(&self, name: &str) -> Result<Option<Payment>, Error> {
        B::find(self, name).await
    }

    async fn charged(&self) -> Result<Charged, Error> {
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
