use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use halfopen_core::hop::{Hop, Output};
use halfopen_core::wire::Packet;
use tokio::time::sleep;

use super::*;
use crate::net::{TcpListener, TcpStream};

type Log = Arc<Mutex<Vec<(&'static str, u64)>>>;

fn note(log: &Log, who: &'static str, at: Instant) {
    log.lock().unwrap_or_else(PoisonError::into_inner).push((who, at.as_nanos()));
}

/// A hop that has something to do at given times and notes when it was told to.
#[derive(Debug)]
struct Ticker {
    due: Vec<Instant>,
    log: Log,
}

impl Hop for Ticker {
    fn handle_packet(&mut self, _now: Instant, _side: Side, _packet: Packet) {}

    fn handle_timeout(&mut self, now: Instant) {
        let due = self.due.extract_if(.., |due| *due <= now).count();
        (0..due).for_each(|_| note(&self.log, "hop", now));
    }

    fn poll_output(&mut self) -> Option<Output> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due.iter().min().copied()
    }
}

fn world_with_ticker(nanos: &[u64]) -> (World, Log) {
    let mut world = World::from_seed(1);
    let log = Log::default();
    let due = nanos.iter().copied().map(Instant::from_nanos).collect();
    world.add_path(Path::new(vec![Box::new(Ticker { due, log: Arc::clone(&log) })]));
    (world, log)
}

#[test]
fn hops_are_told_the_nanosecond_and_sleepers_the_millisecond_in_order() {
    let times = [1, 999_999, 1_000_000, 1_373_001, 2_999_999, 350_000_000_001];
    let (mut world, log) = world_with_ticker(&times);
    let start = world.shared.start();
    let log_of_sleepers = Arc::clone(&log);
    world
        .run(async move {
            for nanos in [1_000_000, 1_400_000, 3_000_000, 350_000_000_000, 350_000_999_999] {
                tokio::time::sleep_until(start + Duration::from_nanos(nanos)).await;
                note(&log_of_sleepers, "sleeper", crate::clock::now(start));
            }
        })
        .unwrap();
    let expected = [
        ("hop", 1),
        ("hop", 999_999),
        ("sleeper", 1_000_000),
        ("hop", 1_000_000),
        ("hop", 1_373_001),
        ("sleeper", 2_000_000),
        ("hop", 2_999_999),
        ("sleeper", 3_000_000),
        ("sleeper", 350_000_000_000),
        ("hop", 350_000_000_001),
        ("sleeper", 350_001_000_000),
    ];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[test]
fn no_time_passes_while_a_task_can_run() {
    let (mut world, _) = world_with_ticker(&[1]);
    let start = world.shared.start();
    let (first, mut previous) = tokio::sync::oneshot::channel();
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let (next, waiting) = tokio::sync::oneshot::channel();
            let woken = core::mem::replace(&mut previous, waiting);
            world.runtime.spawn(async move {
                woken.await.unwrap();
                next.send(()).unwrap();
                crate::clock::now(start)
            })
        })
        .collect();
    first.send(()).unwrap();
    let last = world.run(async {
        previous.await.unwrap();
        let mut last = Instant::EPOCH;
        for task in tasks {
            last = task.await.unwrap();
        }
        last
    });
    assert_eq!(last.unwrap(), Instant::EPOCH);
}

#[test]
fn a_run_until_an_instant_does_what_is_due_then_and_no_more() {
    let (mut world, log) = world_with_ticker(&[1_500_000, 1_500_001]);
    world.run_until(Instant::from_nanos(1_500_000)).unwrap();
    assert_eq!(*log.lock().unwrap(), [("hop", 1_500_000)]);
    assert_eq!(world.now(), Instant::from_nanos(1_500_000));
    world.run_until(Instant::from_nanos(2_000_000)).unwrap();
    assert_eq!(log.lock().unwrap().len(), 2);
    world.run_until(Instant::EPOCH).unwrap();
    assert_eq!(world.now(), Instant::from_nanos(2_000_000));
}

#[test]
fn a_program_that_waits_for_nothing_ends_at_the_limit_with_an_error() {
    let mut world = World::new(Config { seed: 7, ..Config::default() });
    let error = world.run(pending::<()>()).unwrap_err();
    let limit = Config::default().limit;
    assert_eq!(error, Error::Unfinished { seed: 7, limit, active: Instant::EPOCH });
    assert!(error.to_string().contains("seed 7"), "{error}");
}

#[test]
fn a_limit_of_two_years_is_within_the_reach_of_the_timers() {
    let mut world = World::new(Config { limit: Config::LIMIT_MAX, ..Config::default() });
    assert!(world.run(pending::<()>()).is_err());
    assert_eq!(world.now(), Instant::EPOCH + Config::LIMIT_MAX);
}

#[test]
fn a_world_goes_on_where_its_last_run_ended() {
    let mut world = World::from_seed(1);
    world.run(async { sleep(Duration::from_secs(5)).await }).unwrap();
    world.run(async { sleep(Duration::from_secs(5)).await }).unwrap();
    assert_eq!(world.now(), Instant::EPOCH + Duration::from_secs(10));
}

#[test]
fn a_command_reaches_its_hop_at_its_time() {
    #[derive(Debug)]
    struct Commanded(Log);
    impl Hop for Commanded {
        fn handle_packet(&mut self, _now: Instant, _side: Side, _packet: Packet) {}
        fn handle_timeout(&mut self, _now: Instant) {}
        fn poll_output(&mut self) -> Option<Output> {
            None
        }
        fn poll_timeout(&self) -> Option<Instant> {
            None
        }
        fn handle_command(&mut self, now: Instant, _command: Command) {
            note(&self.0, "flushed", now);
        }
    }
    let mut world = World::from_seed(1);
    let log = Log::default();
    let path = world.add_path(Path::new(vec![Box::new(Commanded(Arc::clone(&log)))]));
    world.command_at(Instant::from_nanos(1_234_567), path, 0, Command::Flush);
    world.run_until(Instant::from_nanos(2_000_000)).unwrap();
    assert_eq!(*log.lock().unwrap(), [("flushed", 1_234_567)]);
}

#[test]
fn a_world_that_is_dropped_frees_everything_that_stood_in_it() {
    let mut world = World::from_seed(1);
    let address: IpAddr = [10, 0, 0, 1].into();
    let host = world.add_host(HostConfig::new("host", [address]));
    let connected = Arc::new(AtomicBool::new(false));
    let connected_in_program = Arc::clone(&connected);
    host.spawn(async move {
        let listener = TcpListener::bind((address, 80)).await.unwrap();
        let stream = TcpStream::connect((address, 80)).await.unwrap();
        let accepted = listener.accept().await.unwrap();
        connected_in_program.store(true, Ordering::Relaxed);
        // Nobody else connects.
        listener.accept().await.unwrap();
        drop((stream, accepted));
    });
    world.run_until(Instant::EPOCH + Duration::from_secs(1)).unwrap();
    assert!(connected.load(Ordering::Relaxed));
    let stage = Arc::downgrade(&world.shared);
    drop((world, host));
    assert!(stage.upgrade().is_none());
}
