//! The scheduler and the payment module in virtual time, over hosts and packets.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use halfopen_billing::calendar::{CronLine, Schedule};
use halfopen_billing::clock::Clock;
use halfopen_billing::payment::Module;
use halfopen_billing::payment::settings::Settings;
use halfopen_billing::scheduler::{Config, Event, RunReport, Scheduler};
use halfopen_billing::storage::{Sqlite, State, Storage as _};
use halfopen_billing::subscription::{self, Subscription};
use halfopen_core::path::Path;
use halfopen_core::rng::Rng;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::net::TcpListener;
use halfopen_sim::world::World;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use caller::Caller;
use pausing::Pausing;

mod caller;
mod crashes;
mod pausing;
mod runs;
mod time;

const MINUTE: Duration = Duration::from_mins(1);

/// When worlds begin: at 00:00:00 UTC.
fn epoch() -> Timestamp {
    "2026-01-31T00:00:00Z".parse().unwrap()
}

/// A scheduler's host and a payment module that reach each other over a path.
struct Scene {
    world: World,
    office: Host,
    server: Host,
    module: Module<Arc<Sqlite>>,
    storage: Arc<Pausing>,
    /// How many connections the scheduler's client keeps that the path has forgotten.
    silent: Arc<AtomicU32>,
    start: Instant,
}

impl Scene {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        Self::over(1, Path::new(Vec::new()), change)
    }

    fn over(seed: u64, path: Path, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let mut world = World::from_seed(seed);
        let path = world.add_path(path);
        let address = |address: &str| [address.parse::<IpAddr>().unwrap()];
        let office = HostConfig::new("office", address("10.0.0.7")).inside(path);
        let server = HostConfig::new("payment", address("10.0.0.8")).outside(path);
        let (office, server) = (world.add_host(office), world.add_host(server));
        let book = Arc::new(Sqlite::in_memory().unwrap());
        let module = Module::new(book, settings, Rng::new(seed), Arc::new(|_| ())).unwrap();
        let storage = Arc::new(Pausing::new());
        let start = world.run(async { Instant::now() }).unwrap();
        let silent = Arc::default();
        let scene = Self { world, office, server, module, storage, silent, start };
        scene.serve();
        scene
    }

    /// Starts the payment module, as an operator does after a crash.
    fn serve(&self) {
        let module = self.module.clone();
        self.server.spawn(async move {
            let listener = TcpListener::bind("0.0.0.0:8080").await.unwrap();
            module.serve(move |cx| listener.poll_accept(cx)).await;
        });
    }

    /// Adds subscriptions of 9.90 € that are first due at a moment of the world's first day.
    fn subscribe(&mut self, ids: &[&str], cadence: &str, due: Duration) {
        let schedule = Schedule::new(epoch() + due, "UTC", cadence.parse().unwrap()).unwrap();
        let price = "9.90 EUR".parse().unwrap();
        let new = |id: &&str| Subscription::new(id.parse().unwrap(), price, schedule.clone());
        let all = ids.iter().map(new).map(Result::unwrap).collect();
        let storage = Arc::clone(&self.storage);
        self.world.run(async move { storage.add(all).await.unwrap() }).unwrap();
    }

    fn clock(&self) -> impl Clock + Clone + 'static {
        let start = self.start;
        move || epoch() + start.elapsed()
    }

    fn now(&mut self) -> Timestamp {
        let clock = self.clock();
        self.world.run(async move { clock.now() }).unwrap()
    }

    fn scheduler(&self, line: &str, change: impl FnOnce(&mut Config)) -> TestScheduler {
        let calendar = CronLine::parse(line, "UTC").unwrap();
        let uri = "http://payment:8080/payments".parse().unwrap();
        let mut config = Config::new("s", calendar, uri);
        change(&mut config);
        let clock: Box<dyn Fn() -> Timestamp + Send + Sync> = {
            let clock = self.clock();
            Box::new(move || clock.now())
        };
        let client = Caller::new(self.office.clone(), Arc::clone(&self.silent));
        Scheduler::new(config, Arc::clone(&self.storage), client, clock).unwrap()
    }

    /// Runs a scheduler for so long, stops it in good order, and returns what it reported.
    fn run_for(&mut self, scheduler: &TestScheduler, time: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        let ran = scheduler.run(async { sleep(time).await }, |event| events.push(event));
        self.world.run(ran).unwrap().unwrap();
        events
    }

    /// Returns how each charge stands at the scheduler.
    fn ledger(&mut self) -> BTreeMap<String, State> {
        let storage = Arc::clone(&self.storage);
        let entries = self.world.run(async move { storage.charges(None, 10_000).await.unwrap() });
        let named = |entry: halfopen_billing::storage::Entry| {
            (subscription::key(&entry.subscription, &entry.name), entry.state)
        };
        entries.unwrap().into_iter().map(named).collect()
    }

    /// Returns how often each period of each subscription was charged at the payment module.
    fn charged(&mut self) -> BTreeMap<String, u64> {
        let module = self.module.clone();
        let charged = self.world.run(async move { module.charged().await.unwrap() }).unwrap();
        charged.into_iter().map(|((id, period), times)| (format!("{id}:{period}"), times)).collect()
    }

    /// Checks that these periods, and no others, are paid, each once, and that both sides say so.
    #[track_caller]
    fn assert_paid_once(&mut self, keys: &[&str], context: &str) {
        let expected: Vec<(String, u64)> = keys.iter().map(|key| ((*key).to_owned(), 1)).collect();
        let charged: Vec<(String, u64)> = self.charged().into_iter().collect();
        assert_eq!(charged, expected, "the payment module's book, {context}");
        let ledger = self.ledger();
        assert!(
            ledger.len() == keys.len()
                && keys.iter().all(|&key| matches!(ledger.get(key), Some(State::Paid { .. }))),
            "the scheduler's ledger, {context}: {ledger:?}"
        );
    }
}

type TestScheduler = Scheduler<Pausing, Caller, Box<dyn Fn() -> Timestamp + Send + Sync>>;

/// Returns the runs among events.
fn runs(events: Vec<Event>) -> Vec<RunReport> {
    let run = |event| match event {
        Event::Ran(report) => Some(report),
        Event::Skipped { .. } => None,
    };
    events.into_iter().filter_map(run).collect()
}
