//! A database that takes its time and fails now and then, so that a program can die before a
//! transaction is committed, and after that before it hears of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use halfopen_billing::payment::book::{Book, Charged, Settlement};
use halfopen_billing::payment::order::{IdempotencyKey, Order, Outcome as Paid, Payment};
use halfopen_billing::storage::{
    Begin, Begun, Claim, Entry, Error, Held, Settled, Sqlite, Standing, Storage,
};
use halfopen_billing::subscription::{Charge, Outcome, Subscription, SubscriptionId};
use halfopen_core::rng::Rng;
use halfopen_sim::host::Host;
use tokio::time::sleep;

use crate::flaw::{self, Flaw};
use crate::setting;

/// A database as one life of a program sees it.
pub(crate) struct Disk {
    pub(crate) database: Arc<Sqlite>,
    pub(crate) config: setting::Disk,
    pub(crate) rng: Mutex<Rng>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// Whose it is.
    pub(crate) host: Host,
    pub(crate) flaw: Option<Flaw>,
}

/// What was seen at the databases, apart from what they hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How often a period of a subscription was charged: rows that were written, as counted when
    /// they were.
    pub(crate) charged: Charged,
    /// Orders that came again after they were written.
    pub(crate) replays: u64,
    /// Charges that a scheduler had left open when it died.
    pub(crate) resumed: u64,
    /// Outcomes that the scheduler did not know.
    pub(crate) unknown: u64,
    /// Periods that were settled.
    pub(crate) settled: u64,
    /// How often programs died.
    pub(crate) deaths: u64,
}

impl Disk {
    /// Runs a transaction.
    async fn transact<T>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        let (before, after, fails_before, fails_after) = self.draw();
        pass(before).await;
        if fails_before {
            return Err(Error::Locked);
        }
        let result = work.await?;
        pass(after).await;
        if fails_after {
            return Err(Error::Unreachable("it answered no more".to_owned()));
        }
        Ok(result)
    }

    fn draw(&self) -> (Duration, Duration, bool, bool) {
        let setting::Disk { slowness, failures } = self.config;
        let mut rng = self.rng.lock().unwrap();
        let most = u64::try_from(slowness.as_micros()).unwrap() + 1;
        let mut slow = || Duration::from_micros(rng.below(most));
        let (before, after) = (slow(), slow());
        (before, after, rng.chance(failures), rng.chance(failures))
    }

    fn see(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
    }

    /// Writes a payment as the module that ships does, or as its flaw has it.
    async fn write(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Paid,
    ) -> Result<Settlement, Error> {
        match self.flaw {
            Some(Flaw::KeyIgnored) => {
                let number = self.rng.lock().unwrap().bits();
                let other = IdempotencyKey::parse(&flaw::another(key.as_str(), number)).unwrap();
                let written = Book::settle(&*self.database, &other, order, outcome).await?;
                let (Settlement::Written(payment) | Settlement::Taken(payment)) = written;
                Ok(Settlement::Written(Payment { key: key.clone(), ..payment }))
            }
            Some(Flaw::AnsweredBeforeWritten) => {
                let (database, seen) = (Arc::clone(&self.database), Arc::clone(&self.seen));
                let payment = Payment { id: 0, key: key.clone(), order: order.clone(), outcome };
                let late = payment.clone();
                self.host.spawn(async move {
                    sleep(Duration::from_secs(20)).await;
                    let Payment { key, order, outcome, .. } = late;
                    let written = Book::settle(&*database, &key, &order, outcome).await.unwrap();
                    count(&mut seen.lock().unwrap(), &written);
                });
                Ok(Settlement::Taken(payment))
            }
            Some(
                Flaw::KeyPerAttempt
                | Flaw::PaidBeforeAsked
                | Flaw::UnknownIsFinal
                | Flaw::OpenIsForgotten,
            )
            | None => Book::settle(&*self.database, key, order, outcome).await,
        }
    }

    async fn settle_now(&self, mut settled: Settled) -> Result<bool, Error> {
        if let Outcome::Unknown { reason } = &settled.outcome {
            self.see(|seen| seen.unknown += 1);
            if self.flaw == Some(Flaw::UnknownIsFinal) {
                settled.outcome = Outcome::Refused { reason: reason.clone() };
            }
        } else {
            self.see(|seen| seen.settled += 1);
        }
        Storage::settle(&*self.database, settled).await
    }

    async fn claim_now(&self, claim: Claim) -> Result<Option<Charge>, Error> {
        let (scheduler, now, again) = (claim.scheduler.clone(), claim.now, claim.until);
        let claimed = self.database.claim(claim).await?;
        let is_forgotten = |charge: &Charge| match self.flaw {
            Some(Flaw::PaidBeforeAsked) => true,
            Some(Flaw::OpenIsForgotten) => charge.attempt > 1,
            Some(
                Flaw::KeyIgnored
                | Flaw::KeyPerAttempt
                | Flaw::UnknownIsFinal
                | Flaw::AnsweredBeforeWritten,
            )
            | None => false,
        };
        if let Some(charge) = claimed.clone().filter(is_forgotten) {
            let outcome = Outcome::Paid { payment: "0".to_owned() };
            let settled = Settled { scheduler, charge, outcome, now, again };
            Storage::settle(&*self.database, settled).await?;
        }
        Ok(claimed)
    }
}

/// Counts a payment that was written, or a replay.
fn count(seen: &mut Seen, settlement: &Settlement) {
    match settlement {
        Settlement::Written(Payment { order, outcome: Paid::Charged, .. }) => {
            let of = (order.subscription.clone(), order.period.clone());
            *seen.charged.entry(of).or_default() += 1;
        }
        Settlement::Written(_) => {}
        Settlement::Taken(_) => seen.replays += 1,
    }
}

async fn pass(time: Duration) {
    if !time.is_zero() {
        sleep(time).await;
    }
}

impl Book for Disk {
    async fn settle(
        &self,
        key: &IdempotencyKey,
        order: &Order,
        outcome: Paid,
    ) -> Result<Settlement, Error> {
        self.transact(async {
            let settlement = self.write(key, order, outcome).await?;
            self.see(|seen| count(seen, &settlement));
            Ok(settlement)
        })
        .await
    }

    async fn find(&self, name: &str) -> Result<Option<Payment>, Error> {
        self.transact(self.database.find(name)).await
    }

    async fn charged(&self) -> Result<BTreeMap<(String, String), u64>, Error> {
        self.transact(self.database.charged()).await
    }
}

impl Storage for Disk {
    async fn add(&self, new: Vec<Subscription>) -> Result<(), Error> {
        self.transact(self.database.add(new)).await
    }

    async fn begin(&self, run: Begin) -> Result<Begun, Error> {
        self.transact(async {
            let begun = self.database.begin(run).await?;
            if let Begun::Run { resumed, .. } = begun {
                self.see(|seen| seen.resumed += resumed);
            }
            Ok(begun)
        })
        .await
    }

    async fn claim(&self, claim: Claim) -> Result<Option<Charge>, Error> {
        self.transact(self.claim_now(claim)).await
    }

    async fn hold(&self, held: Held) -> Result<bool, Error> {
        self.transact(self.database.hold(held)).await
    }

    async fn settle(&self, settled: Settled) -> Result<bool, Error> {
        self.transact(self.settle_now(settled)).await
    }

    async fn end(&self, scheduler: String) -> Result<(), Error> {
        self.transact(self.database.end(scheduler)).await
    }

    async fn subscriptions(
        &self,
        after: Option<SubscriptionId>,
        limit: u32,
    ) -> Result<Vec<Standing>, Error> {
        self.transact(self.database.subscriptions(after, limit)).await
    }

    async fn charges(
        &self,
        after: Option<(SubscriptionId, u32)>,
        limit: u32,
    ) -> Result<Vec<Entry>, Error> {
        self.transact(self.database.charges(after, limit)).await
    }
}
