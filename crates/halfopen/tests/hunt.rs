//! The command makes a hunt's experiments and says whether what they predict is seen.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use halfopen_lab::hunt::Hunt;
use serde_json::{Value, json};

fn reproduce(args: &[&str]) -> Output {
    let mut command = Command::new(cargo_bin("halfopen"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    command.current_dir(root).arg("reproduce").args(args).env_remove("CLICOLOR_FORCE");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Writes a hunt of its own for one test.
fn hunt(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

/// Returns the text of the hunt that ships up to its first fix.
fn experiments() -> &'static str {
    Hunt::text("incident").unwrap().split("[[fix]]").next().unwrap()
}

#[test]
fn the_incidents_hunt_is_told_like_this() {
    let output = reproduce(&["--hunt"]);
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stdout);
    let wide: Vec<&str> = told.lines().filter(|line| line.chars().count() > 100).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    let table = told.split("side by side\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/hunt.md")).unwrap();
    assert!(page.contains(table), "docs/hunt.md shows another table than\n{table}");
    insta::assert_snapshot!(told);
}

#[test]
fn the_incidents_numbers_are_there_for_programs() {
    let output = reproduce(&["--hunt", "incident", "--json"]);
    let hunt: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seen = |step: usize, term: &str| &hunt["experiments"][step - 1]["seen"][term];
    assert_eq!(hunt["predictions_held"], true);
    assert_eq!(hunt["suspects_left"], json!(["nat"]));
    assert_eq!(seen(2, "logged"), &json!([10, 9, 9]));
    assert_eq!(seen(3, "fin-after"), &json!(180.0));
    assert_eq!(seen(4, "fin-after"), &json!(300.0));
    assert_eq!(seen(5, "sockets"), "ESTABLISHED");
    assert_eq!(seen(5, "fin-after"), &Value::Null);
    assert_eq!(seen(6, "forgot-after"), &json!(350.0));
    assert_eq!(seen(6, "idle-timeouts"), 3);
    assert_eq!(hunt["experiments"][2]["changed"][0]["before"], "\"1800s\"");
    assert_eq!(hunt["before"]["costs"]["failures"], 71);
    assert_eq!(hunt["before"]["seen"]["failures"], 2);
    assert_eq!(hunt["before"]["costs"]["extra_p99_ms"], 1.1);
    let fixes = hunt["fixes"].as_array().unwrap();
    assert_eq!(fixes.len(), 12);
    let doubled = fixes.iter().filter(|fix| fix["costs"]["duplicates"] != 0);
    let doubled: Vec<&str> = doubled.map(|fix| fix["title"].as_str().unwrap()).collect();
    assert_eq!(doubled, ["retry without keys, on a slow day"]);
}

#[test]
fn a_prediction_that_fails_shows_in_the_text_and_in_the_exit_code() {
    let wrong = experiments().replace("fin-after = \"300s\"", "fin-after = \"301s\"");
    assert_ne!(wrong, experiments());
    let (_folder, path) = hunt(&wrong);
    let output = reproduce(&["--hunt", &path]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stdout);
    assert!(told.contains("FAILED: 300.0 s was seen"), "{told}");
    assert!(told.contains("1 of 33 predictions failed."), "{told}");
}

#[test]
fn a_hunt_over_another_scenario_sees_that_one() {
    let output = reproduce(&["incident-balancer-180", "--hunt", "--json"]);
    let hunt: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(hunt["scenario"], "incident-balancer-180");
    assert_eq!(hunt["before"]["seen"]["fin-after"], 180.0);
}

#[test]
fn a_mistake_in_a_hunt_is_shown_where_it_stands() {
    let bad = [
        ("hypothesis =", "hypothesys =", "unknown field `hypothesys`"),
        ("fin-after = \"180s\"", "fin-after = 180", "a duration with its unit"),
        ("{ path.alb.idle-timeout = \"180s\" }", "{ path.alb.idle = \"180s\" }", "`idle`"),
    ];
    for (right, wrong, why) in bad {
        let (_folder, path) = hunt(&experiments().replacen(right, wrong, 1));
        let output = reproduce(&["--hunt", &path]);
        let told = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{told}");
        for part in [why, "mine.toml:", wrong] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
}

#[test]
fn a_hunt_that_is_not_there_is_named() {
    for (name, why) in [
        ("incidnt", "there is no hunt `incidnt`"),
        ("nowhere.toml", "there is no file `nowhere.toml`"),
        ("hunts", "`hunts` is a directory"),
    ] {
        let output = reproduce(&["--hunt", name]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(why), "{output:?}");
    }
}
