//! The scheduler: at each tick of a cron line it charges the subscriptions that are due, each
//! exactly once.
//!
//! * A **tick** begins a **run**, unless the one before is still under way: then the tick is
//!   skipped, and that is reported. Ticks that were missed – the scheduler was down, the clock was
//!   put forward – are not made up for: the next run finds by its due date all that is due.
//! * A run takes what has been due for longest first, [`batch`](Config::batch) charges at most,
//!   [`parallel`](Config::parallel) at a time. But one goes ahead, and it begins with charges
//!   never asked for: the first requests of a run meet the connections that the path has forgotten
//!   since the last one, those beside them may wait for these in vain, and a charge that failed so
//!   must not be among them in every run. While there is nothing but silence, the one that goes
//!   ahead is asked for again, as often as there may be such connections: a failure is over at
//!   once, but those who wait in parallel for silent ones could be the same in every run.
//! * A charge is written down before it is asked for and after it was answered, and is asked for
//!   with the same [idempotency key](crate::subscription::key) until the answer is final: paid or
//!   refused. All else – a reset, silence, a 5xx – leaves it open, to be asked for again by a later
//!   run, after a while that doubles from attempt to attempt, less up to half of it by chance: the
//!   runs that a charge is in and those that meet what the path has forgotten may not keep in step.
//! * What a crash left open is asked for by the first run after the start, which does not wait for
//!   a tick.
//!
//! So the scheduler's future may be dropped at any await, and no charge is lost. That none is made
//! twice is the payment module's part: it knows the keys.

use core::fmt;
use core::future::pending;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _};
use http::{Request, Response};
use http_body::Body;
use jiff::Timestamp;
use tokio::time::sleep;
use tower_service::Service;

pub use config::{Backoff, Config, InvalidConfig};
pub use report::{Answered, Ending, Event, RunReport};

use self::request::BoxError;
use crate::clock::Clock;
use crate::storage::{Scope, Storage};

mod config;
mod report;
mod request;
mod run;

/// For how long a clock that may be set is trusted before it is looked at again.
const NAP: Duration = Duration::from_mins(1);

/// Charges the subscriptions in a storage, through an HTTP client, by a clock.
///
/// The client is any service of tower's that is always ready, such as `halfopen_pool`'s.
pub struct Scheduler<S, C, K> {
    config: Config,
    storage: Arc<S>,
    client: C,
    clock: K,
    /// Set once: no further charge is claimed.
    stopping: AtomicBool,
}

impl<S, C, K, B> Scheduler<S, C, K>
where
    S: Storage,
    C: Service<Request<Bytes>, Response = Response<B>, Error: Into<BoxError>, Future: Send>,
    C: Clone + Send + Sync,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    K: Clock,
{
    /// Returns a scheduler, unless its configuration makes no sense or its cron line never fires.
    pub fn new(
        config: Config,
        storage: Arc<S>,
        client: C,
        clock: K,
    ) -> Result<Self, InvalidConfig> {
        config.check(clock.now())?;
        Ok(Self { config, storage, client, clock, stopping: AtomicBool::new(false) })
    }

    /// Asks for what is open, then runs at every tick until `stop` is done; then finishes the run
    /// that is under way.
    ///
    /// Fails if the cron line has no further tick.
    pub async fn run(
        &self,
        stop: impl Future<Output = ()>,
        mut observe: impl FnMut(Event),
    ) -> Result<(), crate::calendar::Error> {
        let mut stop = pin!(stop);
        let mut since = self.clock.now();
        let mut run = Some(self.begin(Scope::Open));
        while run.is_some() || !self.is_stopping() {
            tokio::select! {
                biased;
                report = ended(&mut run) => observe(Event::Ran(report)),
                () = &mut stop, if !self.is_stopping() => self.stop(),
                tick = self.tick(&mut since), if !self.is_stopping() => {
                    let at = tick?;
                    if run.is_none() {
                        run = Some(self.begin(Scope::Due));
                    } else {
                        tracing::warn!(%at, "a run is still under way: tick skipped");
                        observe(Event::Skipped { at });
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs once, now.
    pub async fn run_once(&self, scope: Scope) -> RunReport {
        self.make_run(scope).await
    }

    /// Lets no further charge begin, now or later: [`run_once`](Self::run_once) returns when those
    /// that are under way have their outcomes. [`run`](Self::run) has a signal of its own.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn begin(&self, scope: Scope) -> BoxFuture<'_, RunReport> {
        self.run_once(scope).boxed()
    }

    /// Waits for the first tick after `since`, which moves on to it.
    ///
    /// tokio's time and the clock need not agree: the clock is asked again after every nap, and if
    /// it was put back, ticks count from there.
    async fn tick(&self, since: &mut Timestamp) -> Result<Timestamp, crate::calendar::Error> {
        loop {
            let now = self.clock.now();
            *since = now.min(*since);
            let next = self.config.calendar.next_after(*since)?;
            if next <= now {
                *since = now;
                return Ok(next);
            }
            let wait = now.duration_until(next).unsigned_abs();
            sleep(self.clock.sleep_for(wait).min(NAP)).await;
        }
    }
}

/// Waits for the end of a run, or for ever if there is none.
async fn ended(run: &mut Option<BoxFuture<'_, RunReport>>) -> RunReport {
    let report = match run {
        Some(run) => run.await,
        None => pending().await,
    };
    *run = None;
    report
}

impl<S, C, K> fmt::Debug for Scheduler<S, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler").field("config", &self.config).finish_non_exhaustive()
    }
}
