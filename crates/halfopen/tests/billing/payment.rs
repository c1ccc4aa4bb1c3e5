//! The payment module as a program.

use std::thread;
use std::time::{Duration, Instant};

use halfopen_core::rng::Rng;

use super::service::{Payment, ask, order, pay, stdout};

#[test]
fn payments_are_made_once_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let mut module = Payment::start(folder.path(), &[]);
    let address = module.address.clone();

    assert_eq!(ask(&address, "GET /health HTTP/1.1\r\nhost: p\r\n\r\n").unwrap(), 200);
    assert_eq!(pay(&address, "c1:2026-01", &order("c1")).unwrap(), 201);
    assert_eq!(pay(&address, "c1:2026-01", &order("c1")).unwrap(), 200);
    assert_eq!(pay(&address, "c1:2026-01", &order("c2")).unwrap(), 422);
    assert_eq!(module.terminate(), Some(0));

    let again = Payment::start(folder.path(), &[]);
    assert_eq!(pay(&again.address, "c1:2026-01", &order("c1")).unwrap(), 200, "after a restart");
    drop(again);
    assert_eq!(stdout(folder.path(), &["payments"], 0), "c1  2026-01  1\n");
    let json = stdout(folder.path(), &["payments", "--json"], 0);
    assert_eq!(json, "{\"charged\":1,\"period\":\"2026-01\",\"subscription\":\"c1\"}\n");
}

#[test]
fn a_period_charged_twice_shows_in_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let module = Payment::start(folder.path(), &[]);
    assert_eq!(pay(&module.address, "k1", &order("c1")).unwrap(), 201);
    assert_eq!(pay(&module.address, "k2", &order("c1")).unwrap(), 201);
    assert_eq!(stdout(folder.path(), &["payments"], 1), "c1  2026-01  2\n");
}

#[test]
fn a_module_that_is_asked_to_end_finishes_what_it_has_begun() {
    let folder = tempfile::tempdir().unwrap();
    let mut module = Payment::start(folder.path(), &["--slow-work", "600ms"]);
    let address = module.address.clone();
    let paying = thread::spawn(move || pay(&address, "k1", &order("c1")));
    thread::sleep(Duration::from_millis(200));
    assert_eq!(module.terminate(), Some(0));
    assert_eq!(paying.join().unwrap().unwrap(), 201);
    assert_eq!(stdout(folder.path(), &["payments"], 0), "c1  2026-01  1\n");
}

#[test]
fn asked_twice_it_cuts_requests_off_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut module = Payment::start(folder.path(), &["--slow-work", "60s"]);
    let address = module.address.clone();
    let paying = thread::spawn(move || pay(&address, "k1", &order("c1")));
    thread::sleep(Duration::from_millis(200));
    module.signal();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(module.terminate(), Some(1));
    assert!(paying.join().unwrap().is_err());
    assert_eq!(stdout(folder.path(), &["payments"], 0), "");
}

#[test]
fn a_module_that_is_killed_at_any_instant_neither_loses_nor_doubles_a_charge() {
    const ORDERS: usize = 40;
    const KILLS: usize = 12;
    let seed = 20_260_131;
    let mut rng = Rng::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let slow = ["--slow-work", "50%:0ms..40ms", "--slow-answers", "50%:0ms..40ms"];
    let mut module = Payment::start(folder.path(), &slow);
    let address = module.address.clone();

    thread::scope(|scope| {
        for worker in 0..4 {
            let address = &address;
            scope.spawn(move || {
                for number in (worker..ORDERS).step_by(4) {
                    pay_until_answered(address, &format!("c{number:02}"));
                }
            });
        }
        for _ in 0..KILLS {
            thread::sleep(Duration::from_millis(10 + rng.below(60)));
            module.kill();
            let at = ["--listen", &address];
            module = Payment::start(folder.path(), &[&at[..], &slow[..]].concat());
        }
    });

    let all: Vec<String> = (0..ORDERS).map(|number| format!("c{number:02}  2026-01  1")).collect();
    let listed = stdout(folder.path(), &["payments"], 0);
    assert_eq!(listed.lines().collect::<Vec<_>>(), all, "seed {seed}");
}

fn pay_until_answered(address: &str, subscription: &str) {
    let since = Instant::now();
    while since.elapsed() < Duration::from_mins(1) {
        match pay(address, &format!("{subscription}:2026-01"), &order(subscription)) {
            Ok(201 | 200) => return,
            Ok(409) | Err(_) => thread::sleep(Duration::from_millis(10)),
            Ok(other) => panic!("{subscription} was answered with {other}"),
        }
    }
    panic!("{subscription} was never answered");
}
