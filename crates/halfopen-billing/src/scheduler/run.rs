//! One run, from what is due to its report.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body::Body;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};
use tower_service::Service;

use super::Scheduler;
use super::report::{Answered, Ending, RunReport};
use super::request::{self, BoxError};
use crate::clock::Clock;
use crate::storage::{Begin, Begun, Claim, Error, Held, Scope, Settled, Storage};
use crate::subscription::{Charge, Outcome};

/// How many connections a request under way leaves behind at most: the one that it was sent on, and
/// one that was opened for it and came too late.
const LEFT_EACH: u32 = 2;

/// What a run has come to.
struct Tally {
    /// How many charges it may still begin.
    left: u32,
    charges: Vec<Answered>,
    ending: Ending,
}

impl<S, C, K, B> Scheduler<S, C, K>
where
    S: Storage,
    C: Service<Request<Bytes>, Response = Response<B>, Error: Into<BoxError>, Future: Send>,
    C: Clone + Send + Sync,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    K: Clock,
{
    pub(super) async fn make_run(&self, scope: Scope) -> RunReport {
        let (began, from) = (self.clock.now(), Instant::now());
        let (due, resumed, tally) = match self.storage.begin(self.begin_of(scope, began)).await {
            Ok(Begun::Run { due, resumed }) => {
                let tally = self.charge_all(scope, began).await;
                (due, resumed, self.end(tally).await)
            }
            Ok(Begun::Busy { scheduler, until }) => {
                (0, 0, Tally::empty(Ending::Busy { scheduler, until }))
            }
            Err(error) => (0, 0, Tally::empty(Ending::Failed(error))),
        };
        let Tally { charges, ending, .. } = tally;
        let took = from.elapsed();
        let report = RunReport { scope, began, took, due, resumed, charges, ending };
        log(&report);
        report
    }

    fn begin_of(&self, scope: Scope, now: Timestamp) -> Begin {
        let (scheduler, shared) = (self.config.name.clone(), self.config.shared);
        Begin { scheduler, now, until: now + self.config.lease, scope, shared }
    }

    async fn charge_all(&self, scope: Scope, began: Timestamp) -> Tally {
        let tally = Tally { left: self.config.batch, ..Tally::empty(Ending::Full) };
        let tally = Mutex::new(tally);
        let parallel = self.config.parallel.min(self.config.batch);
        // Where a batch is always full, the other half is for what has waited.
        let new_first = if scope == Scope::Due { self.config.batch / 2 } else { 0 };
        let first = |number| if number < new_first { Scope::New } else { scope };
        // One goes ahead: if the pause killed the connections, the rest need not meet them.
        let ahead = 1 + LEFT_EACH * self.config.parallel;
        self.charge_next([first(0), scope], began, ahead, &tally).await;
        let line = |number| self.charge_one_by_one([first(number), scope], began, &tally);
        join_all((1..=parallel).map(line)).await;
        tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    async fn end(&self, mut tally: Tally) -> Tally {
        let ended = self.storage.end(self.config.name.clone()).await;
        if let (Err(error), false) = (ended, matches!(tally.ending, Ending::Failed(_))) {
            tally.ending = Ending::Failed(error);
        }
        tally
    }

    /// Makes a charge of the first scope if there is one, and then all others of the second.
    async fn charge_one_by_one(
        &self,
        [first, rest]: [Scope; 2],
        due_by: Timestamp,
        tally: &Mutex<Tally>,
    ) {
        let mut goes_on = self.charge_next([first, rest], due_by, 1, tally).await;
        while goes_on {
            goes_on = self.charge_next([rest, rest], due_by, 1, tally).await;
        }
    }

    /// Makes a charge of the first scope, else of the second, and asks for it so many times at most
    /// while there is nothing but silence; tells whether there may be more.
    async fn charge_next(
        &self,
        [first, second]: [Scope; 2],
        due_by: Timestamp,
        asks_max: u32,
        tally: &Mutex<Tally>,
    ) -> bool {
        if !self.may_begin(tally) {
            return false;
        }
        let claimed = match self.claim(first, due_by).await {
            Ok(None) if first != second => self.claim(second, due_by).await,
            claimed => claimed,
        };
        match claimed {
            Ok(Some(charge)) => {
                self.charge(charge, asks_max, tally).await;
                return true;
            }
            Ok(None) => lock(tally).nothing_is_due(),
            Err(error) => lock(tally).ending = Ending::Failed(error),
        }
        false
    }

    async fn claim(&self, scope: Scope, due_by: Timestamp) -> Result<Option<Charge>, Error> {
        let now = self.clock.now();
        let (scheduler, until) = (self.config.name.clone(), now + self.config.lease);
        self.storage.claim(Claim { scheduler, due_by, now, until, scope }).await
    }

    fn may_begin(&self, tally: &Mutex<Tally>) -> bool {
        let mut tally = lock(tally);
        if matches!(tally.ending, Ending::Failed(_)) {
            return false;
        }
        if self.is_stopping() {
            tally.ending = Ending::Stopped;
            return false;
        }
        let left = tally.left.checked_sub(1);
        tally.left = left.unwrap_or(0);
        left.is_some()
    }

    /// Asks for a charge, so many times at most while there is nothing but silence, and writes down
    /// what became of it.
    async fn charge(&self, charge: Charge, asks_max: u32, tally: &Mutex<Tally>) {
        let (asked, from) = (self.clock.now(), Instant::now());
        let mut outcome = self.ask(&charge).await;
        for _ in 1..asks_max {
            if outcome.is_some() || self.is_stopping() || !self.hold(&charge).await {
                break;
            }
            outcome = self.ask(&charge).await;
        }
        let outcome = outcome.unwrap_or_else(|| {
            let reason = format!("no answer within {:?}", self.config.patience);
            Outcome::Unknown { reason }
        });
        let took = from.elapsed();
        let now = self.clock.now();
        let again = now + self.config.backoff.after(&charge.key(), charge.attempt);
        let scheduler = self.config.name.clone();
        let settled =
            Settled { scheduler, charge: charge.clone(), outcome: outcome.clone(), now, again };
        let recorded = self.storage.settle(settled).await;
        tracing::debug!(key = charge.key(), attempt = charge.attempt, ?outcome, ?took, "charge");
        let mut tally = lock(tally);
        let recorded = recorded.unwrap_or_else(|error| {
            tally.ending = Ending::Failed(error);
            false
        });
        tally.charges.push(Answered { charge, outcome, recorded, asked, took });
    }

    /// Asks for a charge, and returns nothing if the client has not even failed in time.
    async fn ask(&self, charge: &Charge) -> Option<Outcome> {
        let asking = request::ask(self.client.clone(), &self.config.payments, charge);
        timeout(self.config.patience, asking).await.ok()
    }

    /// Holds a charge for as long as one more request for it may take. A failure is found again
    /// when the outcome is written down.
    async fn hold(&self, charge: &Charge) -> bool {
        let (scheduler, until) = (self.config.name.clone(), self.clock.now() + self.config.lease);
        let held = Held { scheduler, charge: charge.clone(), until };
        self.storage.hold(held).await.unwrap_or(false)
    }
}

impl Tally {
    fn empty(ending: Ending) -> Self {
        Self { left: 0, charges: Vec::new(), ending }
    }

    fn nothing_is_due(&mut self) {
        if self.ending == Ending::Full {
            self.ending = Ending::Done;
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

fn log(report: &RunReport) {
    let RunReport { due, took, ending, .. } = report;
    let (paid, refused, unknown) = (report.paid(), report.refused(), report.unknown());
    match ending {
        Ending::Failed(error) => {
            tracing::error!(due, paid, refused, unknown, ?took, %error, "run failed");
        }
        Ending::Done | Ending::Full | Ending::Stopped | Ending::Busy { .. } => {
            tracing::info!(due, paid, refused, unknown, ?took, ?ending, "run");
        }
    }
}
