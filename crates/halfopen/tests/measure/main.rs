//! The command measures real paths: through gateways that forget, to servers with timers of their
//! own, and to servers that cannot be measured.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod failures;
mod lab;
#[path = "../live/namespace.rs"]
#[allow(dead_code, reason = "the tests of watching use all of it")]
mod namespace;
mod paths;
mod servers;

use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

/// Prepares the command.
fn halfopen(arguments: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.arg("measure").args(arguments).env_remove("CLICOLOR_FORCE");
    command
}

/// Reads an answer for programs.
fn answer(output: &Output) -> Value {
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let schema = include_str!("../../../../docs/measure.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let errors: Vec<String> = schema.iter_errors(&answer).map(|it| it.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    answer
}

/// Checks that a limit was found to the second, and how it shows.
fn check(what: &str, answer: &Value, limit: f64, mechanism: &str, culprit: &str) {
    let seconds = |field: &str| answer["limit"][field].as_f64().unwrap_or(f64::NAN);
    let (survived, died) = (seconds("survived_s"), seconds("died_s"));
    let shown = format!("{what}: {answer:#}");
    assert_eq!(answer["outcome"], "limit", "{shown}");
    // The machine's naps and the time on the way blur both ends of the bracket.
    assert!((limit - 1.0..limit + 0.3).contains(&survived), "survived {survived}, {shown}");
    assert!((limit - 0.3..limit + 1.0).contains(&died), "died of {died}, {shown}");
    assert_eq!(answer["mechanism"], mechanism, "{shown}");
    assert_eq!(answer["culprit"], culprit, "{shown}");
}
