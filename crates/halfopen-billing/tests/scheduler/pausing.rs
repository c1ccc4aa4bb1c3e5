//! A storage that lets others run before and after each transaction, as one on a disk does: so that
//! whoever uses it can also die there.

use std::future::Future;

use halfopen_billing::storage::{
    Begin, Begun, Claim, Entry, Error, Settled, Sqlite, Standing, Storage,
};
use halfopen_billing::subscription::{Charge, Subscription, SubscriptionId};
use tokio::task::yield_now;

pub(crate) struct Pausing(pub(crate) Sqlite);

async fn between<T>(work: impl Future<Output = T>) -> T {
    yield_now().await;
    let result = work.await;
    yield_now().await;
    result
}

impl Storage for Pausing {
    async fn add(&self, new: Vec<Subscription>) -> Result<(), Error> {
        between(self.0.add(new)).await
    }

    async fn begin(&self, run: Begin) -> Result<Begun, Error> {
        between(self.0.begin(run)).await
    }

    async fn claim(&self, claim: Claim) -> Result<Option<Charge>, Error> {
        between(self.0.claim(claim)).await
    }

    async fn settle(&self, settled: Settled) -> Result<bool, Error> {
        between(Storage::settle(&self.0, settled)).await
    }

    async fn end(&self, scheduler: String) -> Result<(), Error> {
        between(self.0.end(scheduler)).await
    }

    async fn subscriptions(
        &self,
        after: Option<SubscriptionId>,
        limit: u32,
    ) -> Result<Vec<Standing>, Error> {
        between(self.0.subscriptions(after, limit)).await
    }

    async fn charges(
        &self,
        after: Option<(SubscriptionId, u32)>,
        limit: u32,
    ) -> Result<Vec<Entry>, Error> {
        between(self.0.charges(after, limit)).await
    }
}
