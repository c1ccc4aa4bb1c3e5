//! A setting as a world in which the programs run, die and start again.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use halfopen_billing::calendar::{Cadence, CronLine, Schedule};
use halfopen_billing::money::{Currency, Money};
use halfopen_billing::payment::Module;
use halfopen_billing::scheduler::{Config, Scheduler};
use halfopen_billing::storage::{Sqlite, Storage as _};
use halfopen_billing::subscription::Subscription;
use halfopen_core::hop::Command;
use halfopen_core::rng::Rng;
use halfopen_core::time::Instant;
use halfopen_lab::connect::{SimConnector, SimExecutor};
use halfopen_pool::client::Client;
use halfopen_sim::host::{Host, HostConfig};
use halfopen_sim::net::TcpListener;
use halfopen_sim::world::{self, PathId, World};
use http::{Request, Response};
use http_body::Body;
use hyper_util::rt::TokioTimer;
use jiff::{SignedDuration, Timestamp};
use tower_service::Service;

use crate::brittle::Brittle;
use crate::disk::{Disk, Seen};
use crate::flaw::{Flaw, KeyPerAttempt};
use crate::hops;
use crate::setting::{Disturbance, Setting, Station, Who};

/// When worlds begin: at 2026-01-31T00:00:00Z.
pub(crate) const EPOCH: Timestamp = Timestamp::constant(1_769_817_600, 0);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A world with both programs, and the databases that outlive them.
pub(crate) struct Scene<'a> {
    setting: &'a Setting,
    flaw: Option<Flaw>,
    pub(crate) world: World,
    rng: Rng,
    path: PathId,
    office: Host,
    servers: Vec<(Host, SocketAddr)>,
    /// Who runs.
    is_up: Vec<bool>,
    /// The scheduler's database.
    pub(crate) storage: Arc<Sqlite>,
    /// The payment module's database.
    pub(crate) book: Arc<Sqlite>,
    pub(crate) seen: Arc<Mutex<Seen>>,
    /// By how much the scheduler's clock differs from the world's.
    clock_is_ahead: Arc<Mutex<SignedDuration>>,
    /// The attempts of a client that has another key for each.
    attempts: Arc<AtomicU64>,
}

/// What happens to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Kill { program: usize },
    CutPower { program: usize },
    Start { program: usize },
    SetClock { by: SignedDuration },
}

/// The scheduler's place among the programs; the payment module's hosts come behind it.
const SCHEDULER: usize = 0;

impl<'a> Scene<'a> {
    pub(crate) fn new(setting: &'a Setting, flaw: Option<Flaw>) -> Self {
        let limit = world::Config::LIMIT_MAX;
        let config =
            world::Config { seed: setting.seed, limit, events_max: 0, ..Default::default() };
        let mut world = World::new(config);
        let server = SocketAddr::from(([198, 51, 100, 10], 80));
        let is_balancer = |station: &Station| matches!(station, Station::Balancer { .. });
        let addresses: Vec<SocketAddr> = if setting.path.iter().any(is_balancer) {
            let target = |number| SocketAddr::from(([10, 1, 0, number], 8080));
            (1..).map(target).take(setting.payment.hosts).collect()
        } else {
            vec![server]
        };
        let path = hops::path(&setting.path, (server, &addresses), &mut world);
        let path = world.add_path(path);
        let office = HostConfig::new("office", [IpAddr::from([10, 0, 0, 7])]).inside(path);
        let office = world.add_host(office);
        let servers = addresses.into_iter().enumerate().map(|(index, address)| {
            let host = HostConfig::new(format!("payment-{index}"), [address.ip()]).outside(path);
            (world.add_host(host), address)
        });
        let servers: Vec<_> = servers.collect();
        Self {
            rng: world.fork_rng(),
            is_up: vec![false; 1 + servers.len()],
            setting,
            flaw,
            world,
            path,
            office,
            servers,
            storage: Arc::new(Sqlite::in_memory().unwrap()),
            book: Arc::new(Sqlite::in_memory().unwrap()),
            seen: Arc::default(),
            clock_is_ahead: Arc::default(),
            attempts: Arc::default(),
        }
    }

    /// Lets all happen that the setting has in store.
    pub(crate) fn play(&mut self) -> Result<(), world::Error> {
        let (storage, new) = (Arc::clone(&self.storage), subscriptions(self.setting));
        self.world.run(async move { storage.add(new).await.unwrap() })?;
        for program in 0..self.is_up.len() {
            self.start(program);
        }
        for (at, step) in self.steps() {
            self.world.run_until(Instant::EPOCH + at)?;
            self.take(step);
        }
        self.world.run_until(Instant::EPOCH + self.setting.horizon)?;
        for program in 0..self.is_up.len() {
            self.start(program);
        }
        Ok(())
    }

    /// Returns what happens to programs, and orders what happens on the path.
    fn steps(&mut self) -> Vec<(Duration, Step)> {
        let mut steps = Vec::new();
        for &(at, disturbance) in &self.setting.disturbances {
            let then = Instant::EPOCH + at;
            match disturbance {
                Disturbance::Crash { who, with_power_cut, down } => {
                    let program = match who {
                        Who::Scheduler => SCHEDULER,
                        Who::Payment { host } => 1 + host,
                    };
                    steps.push(if with_power_cut {
                        (at, Step::CutPower { program })
                    } else {
                        (at, Step::Kill { program })
                    });
                    steps.push((at + down, Step::Start { program }));
                }
                Disturbance::Flush { station } => {
                    self.world.command_at(then, self.path, station, Command::Flush);
                }
                Disturbance::Deregister { host: target, down } => {
                    for (station, _) in self.setting.path.iter().enumerate() {
                        let mut order = |at, command| {
                            self.world.command_at(at, self.path, station, command);
                        };
                        order(then, Command::Deregister { target });
                        order(then + down, Command::Register { target });
                    }
                }
                Disturbance::SetClock { by } => steps.push((at, Step::SetClock { by })),
                // Connections know when they are reset.
                Disturbance::Reset { .. } => {}
            }
        }
        steps.sort();
        steps
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Start { program } => self.start(program),
            Step::SetClock { by } => *self.clock_is_ahead.lock().unwrap() += by,
            Step::Kill { program } | Step::CutPower { program } => {
                if self.is_up[program] {
                    self.seen.lock().unwrap().deaths += 1;
                }
                self.is_up[program] = false;
                let host = self.host(program);
                if step == (Step::Kill { program }) { host.kill() } else { host.power_cut() }
            }
        }
    }

    fn host(&self, program: usize) -> &Host {
        program.checked_sub(1).map_or(&self.office, |server| &self.servers[server].0)
    }

    /// Starts a program unless it runs.
    fn start(&mut self, program: usize) {
        if !core::mem::replace(&mut self.is_up[program], true) {
            match program.checked_sub(1) {
                None => self.start_scheduler(),
                Some(server) => self.start_payment(server),
            }
        }
    }

    fn start_payment(&mut self, server: usize) {
        let (host, address) = self.servers[server].clone();
        let book = self.disk(&self.book.clone(), &host);
        let settings = self.setting.payment.settings.clone();
        let module = Module::new(book, settings, self.rng.fork(), Arc::new(|_| ())).unwrap();
        let resets = self.setting.disturbances.iter();
        let resets =
            resets.filter(|(_, it)| matches!(it, Disturbance::Reset { host } if *host == server));
        let resets: Vec<Instant> = resets.map(|&(at, _)| Instant::EPOCH + at).collect();
        host.clone().spawn(async move {
            let listener = TcpListener::bind(address).await.unwrap();
            let accept = move |cx: &mut std::task::Context<'_>| {
                let Poll::Ready((stream, peer)) = listener.poll_accept(cx)? else {
                    return Poll::Pending;
                };
                let now = host.now();
                let next = resets.iter().find(|&&at| at > now);
                let after = next.map(|&at| at.saturating_since(now));
                Poll::Ready(Ok((Brittle::new(stream, after), peer)))
            };
            module.serve(accept).await;
        });
    }

    fn start_scheduler(&mut self) {
        let attempts = Arc::clone(&self.attempts);
        if self.flaw == Some(Flaw::KeyPerAttempt) {
            self.start_scheduler_with(|pool| KeyPerAttempt::new(pool, attempts));
        } else {
            self.start_scheduler_with(|pool| pool);
        }
    }

    fn start_scheduler_with<C, B>(&mut self, client: impl FnOnce(Client) -> C + Send + 'static)
    where
        C: Service<Request<Bytes>, Response = Response<B>, Error: Into<BoxError>, Future: Send>,
        C: Clone + Send + Sync + 'static,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let host = self.office.clone();
        let config = config(self.setting);
        let storage = Arc::new(self.disk(&self.storage.clone(), &host));
        let (policy, seed) = (self.setting.policy.1.clone(), self.rng.bits());
        let clock = {
            let (host, ahead) = (host.clone(), Arc::clone(&self.clock_is_ahead));
            move || EPOCH + host.now().saturating_since(Instant::EPOCH) + *ahead.lock().unwrap()
        };
        self.office.spawn(async move {
            let pool = Client::builder()
                .policy(policy)
                .connector(SimConnector::new(host.clone()))
                .executor(SimExecutor::new(host))
                .timer(TokioTimer::new())
                .wall_clock(clock.clone())
                .seed(seed)
                .build()
                .unwrap();
            let scheduler = Scheduler::new(config, storage, client(pool), clock).unwrap();
            scheduler.run(std::future::pending(), |_| ()).await.unwrap();
        });
    }

    /// Returns a database for one life of a program.
    fn disk(&mut self, database: &Arc<Sqlite>, host: &Host) -> Disk {
        Disk {
            database: Arc::clone(database),
            config: self.setting.disk,
            rng: Mutex::new(self.rng.fork()),
            seen: Arc::clone(&self.seen),
            host: host.clone(),
            flaw: self.flaw,
        }
    }
}

fn config(setting: &Setting) -> Config {
    let settings = &setting.scheduler;
    let calendar = CronLine::parse(settings.cron, "UTC").unwrap();
    let payments = "http://198.51.100.10/payments".parse().unwrap();
    let mut config = Config::new("scheduler", calendar, payments);
    config.parallel = settings.parallel;
    config.batch = settings.batch;
    config.patience = settings.patience;
    config.lease = settings.patience * 4;
    config.backoff = settings.backoff;
    config
}

/// Returns the subscriptions of a setting.
pub(crate) fn subscriptions(setting: &Setting) -> Vec<Subscription> {
    let currency: Currency = "EUR".parse().unwrap();
    let cadence = Cadence::Every(setting.scheduler.cadence);
    let subscription = |(number, &(price, due)): (usize, &(i64, Duration))| {
        let id = format!("s{number:02}").parse().unwrap();
        let schedule = Schedule::new(EPOCH + due, "UTC", cadence).unwrap();
        Subscription::new(id, Money::new(price, currency), schedule).unwrap()
    };
    setting.scheduler.subscriptions.iter().enumerate().map(subscription).collect()
}
