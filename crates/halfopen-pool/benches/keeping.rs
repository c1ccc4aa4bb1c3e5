//! What keeping connections costs: nanoseconds an operation, with as many connections or paths.
//!
//! `cargo bench -p halfopen-pool --bench keeping`

use std::cell::RefCell;

use divan::Bencher;
use divan::counter::ItemsCount;
use halfopen_core::rng::Rng;
use halfopen_core::time::{Duration, Instant};
use halfopen_pool::idle::{Cap, Wire, WireIdle};
use halfopen_pool::ledger::{Ledger, LedgerConfig, Outcome};
use halfopen_pool::name::{ConnectionId, PathName};
use halfopen_pool::policy::{Keep, Limits, Policy, Reuse};
use halfopen_pool::shelf::{Idle, Shelf, Take};
use halfopen_pool::turn::{Asked, Turnstile};
use jiff::Timestamp;

/// Operations in one sample.
const BATCH: usize = 1_000;
const SIZES: [usize; 3] = [100, 10_000, 100_000];
/// Idle connections to each destination.
const EACH: usize = 10;

fn main() {
    divan::main();
}

struct Connection;

impl Wire for Connection {
    fn wire_idle(&self) -> Option<WireIdle> {
        None
    }
}

/// A connection is taken from a random path and put back.
#[divan::bench(args = SIZES)]
fn take_and_put(bencher: Bencher<'_, '_>, connections: usize) {
    let paths = paths(connections / EACH);
    let mut shelf = shelf(&paths, connections);
    let mut now = full(connections);
    let rng = RefCell::new(Rng::new(1));
    let random = || {
        let mut rng = rng.borrow_mut();
        (0..BATCH).map(|_| rng.pick(&paths)).collect::<Vec<_>>()
    };
    bencher.counter(ItemsCount::new(BATCH)).with_inputs(random).bench_local_values(|batch| {
        for path in batch {
            now = now + Duration::from_micros(1);
            let Take::Use(taken) = shelf.take(now, path) else { panic!("nothing is too old") };
            shelf.put(now, Idle { since: now, ..taken.idle }, Cap::NONE);
        }
    });
}

/// All connections reach their limit and are discarded, one by one.
#[divan::bench(args = SIZES, sample_count = 20)]
fn expire(bencher: Bencher<'_, '_>, connections: usize) {
    let paths = paths(connections / EACH);
    bencher
        .counter(ItemsCount::new(connections))
        .with_inputs(|| shelf(&paths, connections))
        .bench_local_values(|mut shelf| {
            let mut discarded = 0;
            while let Some(due) = shelf.poll_timeout() {
                shelf.handle_timeout(due);
                while shelf.poll_output().is_some() {
                    discarded += 1;
                }
            }
            assert_eq!(discarded, connections);
            shelf
        });
}

/// A request gets a turn on a random path and gives it back, while as many have one.
#[divan::bench(args = SIZES)]
fn turn(bencher: Bencher<'_, '_>, in_use: usize) {
    let paths = paths(in_use);
    let mut turns = Turnstile::new(&policy());
    for path in &paths {
        assert_eq!(turns.ask(Instant::EPOCH, path), Asked::Turn);
    }
    let mut rng = Rng::new(1);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            let path = rng.pick(&paths);
            assert_eq!(turns.ask(Instant::EPOCH, path), Asked::Turn);
            turns.done(Instant::EPOCH, path);
        }
    });
}

/// A pause on a random path was survived: what every reuse records.
#[divan::bench(args = SIZES)]
fn survive(bencher: Bencher<'_, '_>, known: usize) {
    record(bencher, known, Outcome::Survived);
}

/// A connection of a random path died.
#[divan::bench(args = SIZES)]
fn die(bencher: Bencher<'_, '_>, known: usize) {
    record(bencher, known, Outcome::ResetOnUse);
}

/// The cap in force on a random path is asked for: what every return does.
#[divan::bench(args = SIZES)]
fn cap(bencher: Bencher<'_, '_>, known: usize) {
    let paths = paths(known);
    let ledger = ledger(&paths);
    let mut rng = Rng::new(1);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        (0..BATCH).filter(|_| ledger.cap(wall(9), rng.pick(&paths)) == Cap::NONE).count()
    });
}

/// A ledger is written and read again.
#[divan::bench(args = SIZES, sample_count = 5)]
fn write_and_read(bencher: Bencher<'_, '_>, known: usize) {
    let ledger = ledger(&paths(known));
    bencher.counter(ItemsCount::new(known)).bench_local(|| {
        let config = LedgerConfig { paths_max: known, ..LedgerConfig::default() };
        Ledger::parse(&ledger.to_text(), wall(9), config).expect("it was just written")
    });
}

fn record(bencher: Bencher<'_, '_>, known: usize, outcome: Outcome) {
    let paths = paths(known);
    let mut ledger = ledger(&paths);
    let mut rng = Rng::new(1);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            let quiet = WireIdle::unprobed(Duration::from_millis(rng.below(1_000_000)));
            divan::black_box(ledger.record(wall(9), rng.pick(&paths), quiet, outcome));
        }
    });
}

fn paths(count: usize) -> Vec<PathName> {
    let name = |path| format!("http://service-{path:06}.internal:8080");
    (0..count).map(|path| PathName::to(&name(path))).collect()
}

fn policy() -> Policy {
    let Policy { reuse, .. } = Policy::default();
    let Reuse::Kept(keep) = reuse else { panic!("the default keeps connections") };
    let reuse = Reuse::Kept(Keep { lifetime: None, ..keep });
    Policy { reuse, limits: Limits::default(), ..Policy::default() }
}

fn shelf(paths: &[PathName], connections: usize) -> Shelf<Connection> {
    let mut shelf = Shelf::new(&policy(), 1);
    for (path, id) in paths.iter().cycle().zip(0..connections as u64) {
        let since = Instant::EPOCH + Duration::from_micros(id);
        let (id, path) = (ConnectionId(id), path.clone());
        let idle = Idle { id, path, since, born: since, hint: None, connection: Connection };
        shelf.put(since, idle, Cap::NONE);
    }
    shelf
}

fn full(connections: usize) -> Instant {
    Instant::EPOCH + Duration::from_micros(connections as u64)
}

fn ledger(paths: &[PathName]) -> Ledger {
    let config = LedgerConfig { paths_max: paths.len(), ..LedgerConfig::default() };
    let mut ledger = Ledger::new(config);
    for path in paths {
        let quiet = WireIdle::unprobed(Duration::from_mins(7));
        ledger.record(wall(0), path, quiet, Outcome::ResetOnUse);
        ledger.record(wall(0), path, WireIdle::unprobed(Duration::from_mins(5)), Outcome::Survived);
    }
    ledger
}

fn wall(seconds: i64) -> Timestamp {
    Timestamp::new(1_800_000_000 + seconds, 0).expect("within range")
}
