//! A storage that lets others run before and after each transaction, as one on a disk does: so that
//! whoever uses it can also die there. Its disk can be full.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use halfopen_billing::storage::{
    Begin, Begun, Claim, Entry, Error, Held, Settled, Sqlite, Standing, Storage,
};
use halfopen_billing::subscription::{Charge, Subscription, SubscriptionId};
use tokio::task::yield_now;

pub(crate) struct Pausing {
    storage: Sqlite,
    pub(crate) is_full: AtomicBool,
}

impl Pausing {
    pub(crate) fn new() -> Self {
        Self { storage: Sqlite::in_memory().unwrap(), is_full: AtomicBool::new(false) }
    }
}

async fn between<T>(work: impl Future<Output = T>) -> T {
    yield_now().await;
    let result = work.await;
    yield_now().await;
    result
}

impl Storage for Pausing {
    async fn add(&self, new: Vec<Subscription>) -> Result<(), Error> {
        between(self.storage.add(new)).await
    }

    async fn begin(&self, run: Begin) -> Result<Begun, Error> {
        between(self.storage.begin(run)).await
    }

    async fn claim(&self, claim: Claim) -> Result<Option<Charge>, Error> {
        between(self.storage.claim(claim)).await
    }

    async fn hold(&self, held: Held) -> Result<bool, Error> {
        between(self.storage.hold(held)).await
    }

    async fn settle(&self, settled: Settled) -> Result<bool, Error> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(Error::Full("no space left on device".to_owned()));
        }
        between(Storage::settle(&self.storage, settled)).await
    }

    async fn end(&self, scheduler: String) -> Result<(), Error> {
        between(self.storage.end(scheduler)).await
    }

    async fn subscriptions(
        &self,
        after: Option<SubscriptionId>,
        limit: u32,
    ) -> Result<Vec<Standing>, Error> {
        between(self.storage.subscriptions(after, limit)).await
    }

    async fn charges(
        &self,
        after: Option<(SubscriptionId, u32)>,
        limit: u32,
    ) -> Result<Vec<Entry>, Error> {
        between(self.storage.charges(after, limit)).await
    }
}
