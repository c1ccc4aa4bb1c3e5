//! Schedulers that share the work of one PostgreSQL database, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use halfopen_billing::calendar::{CronLine, Schedule};
use halfopen_billing::payment::Module;
use halfopen_billing::payment::settings::Settings;
use halfopen_billing::scheduler::{Config, Ending, RunReport, Scheduler};
use halfopen_billing::storage::{Postgres, Scope, Sqlite, State, Storage as _};
use halfopen_billing::subscription::Subscription;
use halfopen_core::rng::Rng;
use halfopen_pool::client::Client;
use http::Uri;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::server::Server;

const SUBSCRIPTIONS: usize = 1000;

/// A payment module on a port of its own, and a database with subscriptions that are due.
struct Scene {
    _server: Arc<Server>,
    address: String,
    payments: Uri,
    module: Module<Arc<Sqlite>>,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::shared();
        let address = server.create_database().await;
        Postgres::init(&address).await.unwrap();
        let storage = Postgres::open(&address).await.unwrap();
        storage.add((0..SUBSCRIPTIONS).map(due).collect()).await.unwrap();

        let book = Arc::new(Sqlite::in_memory().unwrap());
        let settings = Settings::default();
        let module = Module::new(book, settings, Rng::new(1), Arc::new(|_| ())).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let payments = format!("http://{}/payments", listener.local_addr().unwrap());
        let serving = module.clone();
        tokio::spawn(async move { serving.serve(move |cx| listener.poll_accept(cx)).await });
        Self { _server: server, address, payments: payments.parse().unwrap(), module }
    }

    async fn scheduler(
        &self,
        name: &str,
    ) -> Scheduler<Postgres, Client, impl Fn() -> Timestamp + use<>> {
        let calendar = CronLine::parse("* * * * *", "UTC").unwrap();
        let mut config = Config::new(name, calendar, self.payments.clone());
        (config.shared, config.parallel) = (true, 8);
        (config.patience, config.lease) = (Duration::from_secs(1), Duration::from_secs(3));
        let storage = Arc::new(Postgres::open(&self.address).await.unwrap());
        let client = Client::builder().build().unwrap();
        Scheduler::new(config, storage, client, Timestamp::now).unwrap()
    }

    /// Checks that each subscription is paid once, and that both sides say so.
    async fn assert_all_paid_once(&self) {
        let charged = self.module.charged().await.unwrap();
        assert_eq!(charged.len(), SUBSCRIPTIONS);
        assert!(charged.values().all(|&times| times == 1), "{charged:?}");
        let storage = Postgres::open(&self.address).await.unwrap();
        let ledger = storage.charges(None, 10_000).await.unwrap();
        let paid = ledger.iter().filter(|entry| matches!(entry.state, State::Paid { .. })).count();
        assert_eq!((ledger.len(), paid), (SUBSCRIPTIONS, SUBSCRIPTIONS));
    }
}

fn due(number: usize) -> Subscription {
    let anchor = Timestamp::now() - Duration::from_hours(1);
    let schedule = Schedule::new(anchor, "UTC", "monthly".parse().unwrap()).unwrap();
    let id = format!("s{number:04}").parse().unwrap();
    Subscription::new(id, "9.90 EUR".parse().unwrap(), schedule).unwrap()
}

fn paid(report: &RunReport) -> usize {
    assert_eq!(report.ending, Ending::Done, "{report:?}");
    assert_eq!(report.paid(), report.charges.len(), "{report:?}");
    report.paid()
}

#[tokio::test]
async fn two_schedulers_share_a_thousand_subscriptions_and_double_none() {
    let scene = Scene::new().await;
    let (one, other) = (scene.scheduler("one").await, scene.scheduler("other").await);
    let (one, other) = tokio::join!(one.run_once(Scope::Due), other.run_once(Scope::Due));
    let (one, other) = (paid(&one), paid(&other));
    assert_eq!(one + other, SUBSCRIPTIONS, "each is claimed by one of them");
    assert!(one > 0 && other > 0, "{one} and {other}: both work");
    scene.assert_all_paid_once().await;
}

#[tokio::test]
async fn what_a_dead_scheduler_held_is_taken_over_when_its_leases_are_over() {
    let scene = Scene::new().await;
    let dying = scene.scheduler("dying").await;
    let mut half = tokio::spawn(async move { dying.run_once(Scope::Due).await });
    while scene.module.charged().await.unwrap().len() < SUBSCRIPTIONS / 4 {
        sleep(Duration::from_millis(5)).await;
    }
    half.abort();
    assert!((&mut half).await.unwrap_err().is_cancelled(), "it died on the way");

    let heir = scene.scheduler("heir").await;
    let begun = Instant::now();
    let mut taken = paid(&heir.run_once(Scope::Due).await);
    let storage = Postgres::open(&scene.address).await.unwrap();
    let open = |entries: Vec<_>| {
        let is_open =
            |entry: &halfopen_billing::storage::Entry| matches!(entry.state, State::Open { .. });
        entries.iter().filter(|entry| is_open(entry)).count()
    };
    let held = open(storage.charges(None, 10_000).await.unwrap());
    while open(storage.charges(None, 10_000).await.unwrap()) > 0 {
        assert!(begun.elapsed() < Duration::from_mins(1), "leases of three seconds are over");
        sleep(Duration::from_millis(100)).await;
        taken += paid(&heir.run_once(Scope::Due).await);
    }
    assert!(taken > SUBSCRIPTIONS / 2 && held <= 8, "{taken} taken, {held} were held");
    scene.assert_all_paid_once().await;
}
