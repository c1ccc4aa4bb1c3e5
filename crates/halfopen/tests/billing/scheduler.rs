//! Scheduler and payment module as programs, over loopback.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use halfopen_core::rng::Rng;

use super::bad_input::assert_fails;
use super::service::{Payment, billing, stdout};

const SUBSCRIPTIONS: usize = 30;

/// Adds subscriptions that owe January 2026 and, for the next hundred years, nothing.
fn subscribe(folder: &Path) {
    let list: Vec<String> = (0..SUBSCRIPTIONS)
        .map(|number| {
            let when = r#""cadence":"every 36500d","from":"2026-01-31","zone":"UTC""#;
            format!(r#"{{"id":"c{number:02}","amount":990,"currency":"EUR",{when}}}"#)
        })
        .collect();
    let list = list.join("\n");
    fs::write(folder.join("list.jsonl"), list).unwrap();
    stdout(folder, &["init"], 0);
    stdout(folder, &["subscriptions", "import", "list.jsonl"], 0);
}

fn once(folder: &Path, to: &str, more: &[&str]) -> Child {
    let args = ["scheduler", "--once", "--log", "off", "--to", to, "--again", "1s"];
    let rest = ["--again-most", "1s", "--parallel", "4", "--patience", "2s", "--lease", "3s"];
    let mut command = billing(folder, &[&args[..], &rest[..], more].concat());
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// Asserts that the payment module charged each subscription once, and that the scheduler knows.
#[track_caller]
fn assert_each_charged_once(folder: &Path, what: &str) {
    let made = stdout(folder, &["payments"], 0);
    let lines: Vec<&str> = made.lines().collect();
    assert_eq!(lines.len(), SUBSCRIPTIONS, "{what}: {made}");
    assert!(lines.iter().all(|line| line.ends_with("  1")), "{what}: {made}");
    let known = stdout(folder, &["charges"], 0);
    assert_eq!(known.matches("  paid ").count(), SUBSCRIPTIONS, "{what}: {known}");
}

#[test]
fn what_is_due_is_charged_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    subscribe(folder);
    let module = Payment::start(folder, &["--keep-alive", "180s", "--hint", "timeout=175"]);
    let to = format!("http://{}", module.address);

    let args = ["scheduler", "--once", "--to", &to, "--wire-log", "wire.log", "--ledger", "ledger"];
    let made = stdout(folder, &args, 0);

    assert_eq!(made.lines().count(), SUBSCRIPTIONS);
    assert!(made.contains("c00  ") && made.contains("  9.90 EUR  paid  "), "{made}");
    assert_eq!(stdout(folder, &args, 0), "", "nothing more is due");
    assert_each_charged_once(folder, "two runs");
    let wire = fs::read_to_string(folder.join("wire.log")).unwrap();
    let _ledger = fs::read_to_string(folder.join("ledger")).unwrap();
    assert!(!wire.contains("Exception"), "{wire}");
}

#[test]
fn what_is_declined_shows_in_the_exit_code_and_is_not_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    stdout(folder, &["init"], 0);
    stdout(folder, &["subscriptions", "add", "c1", "--price", "9.13 EUR"], 0);
    let module = Payment::start(folder, &["--decline", "13"]);
    let to = format!("http://{}", module.address);
    let args = ["scheduler", "--once", "--to", &to];
    let made = stdout(folder, &args, 1);
    assert!(made.contains("refused") && made.contains("declined"), "{made}");
    assert_eq!(stdout(folder, &args, 0), "");
    assert_eq!(stdout(folder, &["payments"], 0), "");
}

#[test]
fn a_payment_module_that_is_not_there_costs_nobody_anything() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    subscribe(folder);
    let module = Payment::start(folder, &[]);
    let to = format!("http://{}", module.address);
    drop(module);
    let made = stdout(folder, &["scheduler", "--once", "--to", &to], 1);
    assert!(made.contains("unknown") && made.contains("refused"), "{made}");
    assert_eq!(stdout(folder, &["payments"], 0), "");
}

#[test]
fn a_scheduler_that_is_killed_at_any_instant_charges_everyone_once() {
    let mut killed_at_work = 0;
    for seed in 0..4 {
        let mut rng = Rng::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        subscribe(folder);
        let slow = ["--slow-work", "50%:0ms..20ms", "--slow-answers", "50%:0ms..20ms"];
        let module = Payment::start(folder, &slow);
        let to = format!("http://{}", module.address);
        for _ in 0..6 {
            let mut scheduler = once(folder, &to, &[]);
            thread::sleep(Duration::from_millis(rng.below(120)));
            scheduler.kill().unwrap();
            killed_at_work += u32::from(scheduler.wait().unwrap().code().is_none());
        }
        run_until_all_is_paid(folder, &to);
        assert_each_charged_once(folder, &format!("seed {seed}"));
    }
    assert!(killed_at_work > 0, "every scheduler had ended before it was killed");
}

#[test]
fn a_payment_module_that_is_killed_at_any_instant_charges_everyone_once() {
    let mut unanswered = 0;
    for seed in 0..4 {
        let mut rng = Rng::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        subscribe(folder);
        let slow = ["--slow-work", "50%:0ms..20ms", "--slow-answers", "50%:0ms..20ms"];
        let mut module = Payment::start(folder, &slow);
        let address = module.address.clone();
        let to = format!("http://{address}");
        for _ in 0..6 {
            let mut scheduler = once(folder, &to, &[]);
            thread::sleep(Duration::from_millis(rng.below(120)));
            module.kill();
            thread::sleep(Duration::from_millis(rng.below(20)));
            module = Payment::start(folder, &[&["--listen", &*address][..], &slow[..]].concat());
            unanswered += u32::from(scheduler.wait().unwrap().code() == Some(1));
        }
        run_until_all_is_paid(folder, &to);
        assert_each_charged_once(folder, &format!("seed {seed}"));
    }
    assert!(unanswered > 0, "no scheduler noticed that the module was killed");
}

fn run_until_all_is_paid(folder: &Path, to: &str) {
    for _ in 0..50 {
        assert!(once(folder, to, &[]).wait().unwrap().code().is_some_and(|code| code < 2));
        let charges = stdout(folder, &["charges"], 0);
        if charges.matches("  paid ").count() == SUBSCRIPTIONS {
            return;
        }
        thread::sleep(Duration::from_millis(1050));
    }
    panic!("{}", stdout(folder, &["charges"], 0));
}

#[test]
fn a_scheduler_at_work_ends_in_good_order_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    subscribe(folder);
    let module = Payment::start(folder, &["--slow-work", "100ms"]);
    let to = format!("http://{}", module.address);
    let mut scheduler = once(folder, &to, &[]);
    thread::sleep(Duration::from_millis(250));
    super::service::terminate(&scheduler);
    assert_eq!(scheduler.wait().unwrap().code(), Some(0));
    let charges = stdout(folder, &["charges"], 0);
    let paid = charges.matches("  paid ").count();
    assert!((1..SUBSCRIPTIONS).contains(&paid), "{paid} of {SUBSCRIPTIONS}");
    assert_eq!(charges.matches("  open ").count(), 0, "what had begun was finished: {charges}");
}

#[test]
fn a_scheduler_that_could_never_work_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_fails(folder, &["scheduler"], &["there is no database billing.db", "billing init"]);
    stdout(folder, &["init"], 0);
    for (args, why) in [
        (["--cron", "0 0 31 2 *"], "never fires"),
        (["--cron", "often"], "cannot be read"),
        (["--zone", "Europe/Atlantis"], "no time zone"),
        (["--parallel", "0"], "must be from 1"),
        (["--lease", "1s"], "longer than"),
        (["--to", "payment:8080"], "http://payment:8080/payments"),
        (["--client", "netscape"], "apache-httpclient-4"),
        (["--wire-log", "no/where"], "no/where"),
    ] {
        assert_fails(folder, &["scheduler", args[0], args[1]], &[why]);
    }
}
