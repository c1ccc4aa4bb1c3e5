//! The cast of the incident: the scheduler and the payment module, as they ship, on the stage.

use core::fmt::Display;
use core::future::pending;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use halfopen_billing::calendar::{Cadence, CronLine, Schedule};
use halfopen_billing::clock::Clock as _;
use halfopen_billing::money::{Currency, Money};
use halfopen_billing::payment::event::{self as payment_event, Closing, EventKind};
use halfopen_billing::payment::settings::{Hint, Settings, Slowness};
use halfopen_billing::payment::{IDEMPOTENCY_KEY, Module};
use halfopen_billing::scheduler::{self, Config, Scheduler};
use halfopen_billing::storage::{Scope, Sqlite, Storage as _};
use halfopen_billing::subscription::Subscription;
use halfopen_core::rng::Rng;
use halfopen_core::scenario::{self, Asks, Scenario};
use halfopen_core::speed::Speed;
use halfopen_core::time::{Duration, Instant};
use halfopen_pool::client::{Builder, Client};
use halfopen_pool::error::Error as PoolError;
use http::{Request, Response};
use http_body_util::Full;
use tower_service::Service;

use crate::reproduce::Error;
use crate::reproduce::accounts::Accounts;
use crate::reproduce::book::Pages;
use crate::reproduce::calendar::Calendar;
use crate::reproduce::client::outcome;
use crate::reproduce::far_end::{Act, Deed};
use crate::reproduce::log::Log;
use crate::reproduce::machine::{Clock, Listener, Machine};
use crate::reproduce::pool::timestamp;

/// What a subscription costs. Nothing depends on it.
const PRICE: i64 = 990;

/// The scheduler, ready to be started.
pub(super) struct Billing {
    config: Config,
    subscriptions: Vec<Subscription>,
    storage: Arc<Sqlite>,
    calendar: Calendar,
}

impl Billing {
    /// Returns a scheduler with an empty database that asks the payment module at `server`.
    pub(super) fn new(
        scenario: &scenario::Scheduler,
        server: SocketAddr,
        calendar: Calendar,
        speed: Speed,
    ) -> Result<Self, Error> {
        let cron = CronLine::parse(&scenario.cron, &scenario.zone).map_err(billing)?;
        cron.next_after(calendar.now()).map_err(billing)?;
        let payments = format!("http://{server}/payments").parse().map_err(billing)?;
        let mut config = Config::new("scheduler", cron, payments);
        (config.batch, config.parallel) = (scenario.batch, scenario.parallel);
        config.patience = speed.patience(config.patience);
        // The lease is of the calendar, patience of the clock.
        config.lease = config.lease.max(config.patience.saturating_mul(speed.get()) * 2);
        Ok(Self {
            config,
            subscriptions: subscriptions(scenario, &calendar)?,
            storage: Arc::new(Sqlite::in_memory().map_err(billing)?),
            calendar,
        })
    }

    /// Starts it on `machine`, with requests that go over the pool that `pool` builds.
    pub(super) fn start(
        self,
        machine: &impl Machine,
        pool: Builder,
        accounts: Accounts,
        reports: Log<scheduler::Event>,
    ) {
        let Self { config, subscriptions, storage, calendar } = self;
        machine.start(async move {
            // The pool's clock begins with it, so it is built while the machine runs.
            let pool = pool.build().expect("a connector, a timer and an executor are given");
            storage.add(subscriptions).await.expect("an empty database takes what is new");
            let client = Accounted { pool, accounts: accounts.clone() };
            let scheduler = Scheduler::new(config, storage, client, calendar);
            let scheduler = scheduler.expect("the scenario and the cron line were checked");
            let observe = |event: scheduler::Event| {
                if matches!(&event, scheduler::Event::Ran(run) if run.scope == Scope::Due) {
                    accounts.next_burst();
                }
                reports.push(event);
            };
            // Where the cron line ends, the pool stays as it is until the run is over.
            let _ended = scheduler.run(pending(), observe).await;
            pending::<()>().await;
        });
    }
}

/// Returns subscriptions that are due when the run starts, and again and again.
fn subscriptions(
    scenario: &scenario::Scheduler,
    calendar: &Calendar,
) -> Result<Vec<Subscription>, Error> {
    let currency: Currency = "EUR".parse().map_err(billing)?;
    let cadence: Cadence = scenario.cadence.parse().map_err(billing)?;
    let anchor = calendar.began();
    let subscription = |number: u32| {
        let id = format!("customer-{number:05}").parse().map_err(billing)?;
        let schedule = Schedule::new(anchor, &scenario.zone, cadence).map_err(billing)?;
        Subscription::new(id, Money::new(PRICE, currency), schedule).map_err(billing)
    };
    (1..=scenario.subscriptions).map(subscription).collect()
}

/// Returns when the requests of a run begin: those of each burst, or those of each of a
/// scheduler's ticks; no more than ten thousand, and none of a cron line that makes no sense.
#[must_use]
pub fn starts(scenario: &Scenario) -> Vec<Duration> {
    const MOST: usize = 10_000;
    let scheduler = match &scenario.client.asks {
        Asks::Bursts(bursts) => return bursts.starts.clone(),
        Asks::Scheduler(scheduler) => scheduler,
    };
    let Ok(cron) = CronLine::parse(&scheduler.cron, &scheduler.zone) else { return Vec::new() };
    let begin = timestamp(scenario.starts_at, Instant::EPOCH);
    let mut tick = begin;
    let ticks = core::iter::from_fn(|| {
        tick = cron.next_after(tick).ok()?;
        Some(scenario.speed.timer(begin.duration_until(tick).unsigned_abs()))
    });
    ticks.take_while(|&start| start < scenario.length).take(MOST).collect()
}

fn billing(why: impl Display) -> Error {
    Error::Billing(why.to_string())
}

/// The pool, with an account of each request that the scheduler sends.
#[derive(Clone)]
struct Accounted {
    pool: Client,
    accounts: Accounts,
}

type Answer = Result<Response<Full<Bytes>>, PoolError>;

impl Service<Request<Bytes>> for Accounted {
    type Response = Response<Full<Bytes>>;
    type Error = PoolError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PoolError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let Self { pool, accounts } = self.clone();
        Box::pin(async move {
            let key = request.headers().get(IDEMPOTENCY_KEY).and_then(|key| key.to_str().ok());
            let names = accounts.next(key.map(|key| key.trim_matches('"').to_owned()));
            let asking = async {
                let (head, body) = pool.send(request).await?.into_parts();
                Ok(Response::from_parts(head, Full::new(body.bytes().await?)))
            };
            let (place, answer) = accounts.of(names, asking).await;
            accounts.close(place, outcome(&answer));
            answer
        })
    }
}

/// The payment module on one or several hosts with one book.
pub(super) struct Payments {
    settings: Settings,
    pub(super) book: Pages,
}

impl Payments {
    /// Returns a payment module with an empty book.
    pub(super) fn new(scenario: &scenario::Payment) -> Result<Self, Error> {
        let mut settings = Settings::default();
        settings.keep_alive = scenario.keep_alive;
        settings.hint = scenario.hint.map(|hint| Hint { timeout: hint.as_secs(), max: None });
        settings.work = Slowness::always(scenario.answers_after);
        if let Some(slow) = scenario.slow {
            settings.answer = Slowness { chance: slow.share, least: slow.least, most: slow.most };
        }
        settings.check().map_err(billing)?;
        Ok(Self { settings, book: Pages::new(scenario.heeds_keys).map_err(billing)? })
    }

    /// Returns the module of one host.
    pub(super) fn module(&self, rng: Rng, witness: Witness) -> Result<Module<Pages>, Error> {
        let witness = Mutex::new(witness);
        let observer = move |event| {
            witness.lock().unwrap_or_else(PoisonError::into_inner).see(event);
        };
        let settings = self.settings.clone();
        let module = Module::new(self.book.clone(), settings, rng, Arc::new(observer));
        module.map_err(billing)
    }
}

/// Serves the connections that `listener` accepts.
pub(super) async fn serve(module: Module<Pages>, listener: impl Listener) {
    module.serve(move |cx| listener.poll_accept(cx)).await;
}

/// Writes down what a payment module does, in the far end's words and in its own.
pub(super) struct Witness {
    host: String,
    clock: Clock,
    accounts: Accounts,
    deeds: Log<Deed>,
    log: Option<Log<PaymentEntry>>,
    connections: BTreeMap<u64, Connection>,
}

/// A line of a payment module's log.
#[derive(Clone, Debug)]
pub struct PaymentEntry {
    /// When.
    pub at: Instant,
    /// On which host.
    pub host: String,
    /// What.
    pub event: payment_event::Event,
}

/// A connection of a payment module.
struct Connection {
    accepted: Instant,
    /// The number of its last payment; `None` before the first, as with health checks.
    number: Option<u32>,
    answers: bool,
}

impl Witness {
    /// Returns a witness of a module on `machine`.
    pub(super) fn new(
        machine: &impl Machine,
        accounts: Accounts,
        deeds: Log<Deed>,
        log: Option<Log<PaymentEntry>>,
    ) -> Self {
        let (host, clock) = (machine.name().to_owned(), machine.clock());
        Self { host, clock, accounts, deeds, log, connections: BTreeMap::new() }
    }

    fn see(&mut self, event: payment_event::Event) {
        let (at, peer) = (self.clock.now(), event.peer);
        let connection = self.connections.entry(event.connection);
        let connection =
            connection.or_insert(Connection { accepted: at, number: None, answers: false });
        let act = match &event.kind {
            EventKind::Received { key, .. } => {
                let number = key.as_ref().map(|key| self.accounts.number_of(key.as_str()));
                connection.answers = number.is_some();
                if connection.number.is_none() && number.is_some() {
                    let accepted = Deed { at: connection.accepted, peer, act: Act::Accepted };
                    self.deeds.push(accepted);
                }
                connection.number = number.or(connection.number);
                number.map(Act::Received)
            }
            EventKind::Answered { .. } if connection.answers => {
                connection.number.map(Act::Answered)
            }
            EventKind::Closed { why, .. } => {
                let paid = connection.number.is_some();
                self.connections.remove(&event.connection);
                closing(*why).filter(|_| paid)
            }
            EventKind::Accepted | EventKind::Answered { .. } | EventKind::Failed { .. } | _ => None,
        };
        if let Some(act) = act {
            self.deeds.push(Deed { at, peer, act });
        }
        if let Some(log) = &self.log {
            log.push(PaymentEntry { at, host: self.host.clone(), event });
        }
    }
}

const fn closing(why: Closing) -> Option<Act> {
    match why {
        Closing::Client => Some(Act::ClosedToo),
        Closing::Idle => Some(Act::ClosedIdle),
        Closing::Broken(_) => Some(Act::Broken),
        Closing::SlowHead
        | Closing::SlowReader
        | Closing::Finished
        | Closing::Malformed
        | Closing::Draining => None,
    }
}
