//! The command tries which pause has which outcome.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.arg("reproduce").args(args).arg("--sweep").env_remove("CLICOLOR_FORCE");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_incidents_first_request_fails_after_350_seconds() {
    let output = run(&["incident"]);
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output.stdout);
    assert!(text.contains("  0 s – 350 s             reused\n"), "{text}");
    assert!(text.contains("  350 s – 2 h             fails: connection reset\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn what_programs_read_says_where_each_outcome_begins() {
    let output = run(&["pool-cap-saves", "--json", "--method", "GET", "--up-to", "1h"]);
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["method"], &report["up_to_s"]), (&"GET".into(), &3_600.0.into()));
    let kinds: Vec<&Value> =
        report["bands"].as_array().unwrap().iter().map(|band| &band["kind"]).collect();
    assert_eq!(kinds, ["reused", "reopened"]);
}

#[test]
fn a_chart_is_the_same_each_time_and_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (file("first.svg"), file("second.svg"));
    run(&["balancer-fin-first-180", "--svg", &first]);
    run(&["balancer-fin-first-180", "--svg", &second]);
    let chart = fs::read_to_string(&first).unwrap();
    assert_eq!(chart, fs::read_to_string(&second).unwrap());
    for part in ["prefers-color-scheme:dark", ">reopened after a FIN<", ">1 reused<", ">2 h<"] {
        assert!(chart.contains(part), "{part}: {chart}");
    }
    let refused = run(&["incident", "--svg", &first]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("is there already"));
}

#[test]
fn steps_without_end_and_pauses_of_nothing_are_refused() {
    let endless = run(&["incident", "--step", "1ms"]);
    assert_eq!(endless.status.code(), Some(2));
    assert!(text(&endless.stderr).contains("take a longer `--step`"));
    let nothing = run(&["incident", "--up-to", "0s"]);
    assert_eq!(nothing.status.code(), Some(2));
}
