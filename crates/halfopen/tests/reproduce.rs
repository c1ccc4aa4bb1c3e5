//! The command reproduces what it says, and its diagnosis of it is the truth.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use halfopen_core::scenario::Scenario;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn reproduce(args: &[&str]) -> Output {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.current_dir(root()).arg("reproduce").args(args).env_remove("CLICOLOR_FORCE");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Writes a scenario of its own for one test.
fn scenario(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

#[track_caller]
fn assert_fails(args: &[&str], why: &[&str]) {
    let output = reproduce(args);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(text(&output.stdout), "");
    for why in why {
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}

#[test]
fn the_blind_verdict_on_every_scenario_is_the_truth() {
    for name in Scenario::names() {
        let output = reproduce(&["--json", name]);
        let trial: Value = serde_json::from_slice(&output.stdout).unwrap();
        let said = |who: &str| trial[who].to_string();
        assert_eq!(
            (output.status.code(), &trial["verdict_is_true"]),
            (Some(0), &Value::Bool(true)),
            "{name}: verdict {}, truth {}, expected {}",
            said("verdict"),
            said("truth"),
            said("expected")
        );
    }
}

#[test]
fn two_boxes_on_one_path_are_told_apart() {
    let trial: Value = serde_json::from_slice(&reproduce(&["--json", "two-boxes"]).stdout).unwrap();
    let path = &trial["report"]["paths"][0];
    let limits = path["limits"].as_array().unwrap();
    let shown: Vec<_> =
        limits.iter().map(|it| (it["shows"].as_str(), it["met_s"].as_f64())).collect();
    let [(Some("reset-on-reuse"), Some(reset)), (Some("silent-drop"), Some(silent))] = shown[..]
    else {
        panic!("{shown:?}")
    };
    // The requests before them took 45 ms.
    assert!((299.0..300.0).contains(&reset) && (429.0..430.0).contains(&silent), "{shown:?}");
    let fits = |limit: &Value, product: &str| {
        limit["fits"].as_array().unwrap().iter().any(|fit| fit["name"] == product)
    };
    assert!(fits(&limits[0], "azure-nat-gateway") && fits(&limits[1], "aws-network-firewall"));
    let suspects = path["suspects"].as_array().unwrap();
    let stands = |who| {
        suspects.iter().find(|it| it["suspect"] == who).unwrap()["standing"].as_str().unwrap()
    };
    assert_eq!((stands("gateway-idle"), stands("firewall")), ("confirmed", "possible"));
    assert!(path["because"].as_str().unwrap().contains("1 more ended otherwise (silent-drop)"));
}

#[test]
fn loss_hides_no_request_from_the_diagnosis() {
    for seed in 1..=20 {
        let output = reproduce(&["--json", "packet-loss", "--seed", &seed.to_string()]);
        let trial: Value = serde_json::from_slice(&output.stdout).unwrap();
        let counted = &trial["report"]["paths"][0]["requests"];
        assert_eq!(counted, &trial["requests"], "seed {seed}");
    }
}

#[test]
fn without_a_name_the_incident_runs() {
    insta::assert_snapshot!(text(&reproduce(&[]).stdout));
}

#[test]
fn a_silent_firewall_is_told_like_this() {
    insta::assert_snapshot!(text(&reproduce(&["firewall-drops-silently"]).stdout));
}

#[test]
fn the_scenarios_that_ship_are_listed() {
    let output = reproduce(&["--list"]);
    for name in Scenario::names() {
        assert!(text(&output.stdout).contains(name), "{name}");
    }
}

#[test]
fn captures_are_written_once_and_can_be_diagnosed() {
    let folder = tempfile::tempdir().unwrap();
    let captures = folder.path().join("run").to_str().unwrap().to_owned();
    assert_eq!(reproduce(&["incident", "--captures", &captures]).status.code(), Some(0));
    let client = format!("{captures}/0-client.pcapng");
    let diagnosis =
        Command::new(cargo_bin("halfopen")).args(["diagnose", "--json", &client]).output().unwrap();
    let report: Value = serde_json::from_slice(&diagnosis.stdout).unwrap();
    assert_eq!(report["paths"][0]["cause"], "idle-expiry");
    assert_eq!(report["paths"][0]["failures"], 2);

    let log = |name: &str| fs::read_to_string(format!("{captures}/{name}")).unwrap();
    assert_eq!(log("balancer-access.log").lines().count(), 28);
    assert_eq!(log("balancer-connections.log").lines().count(), 3);
    assert!(log("sockets.txt").contains("ESTABLISHED"));
    assert!(log("client-wire.log").contains("connection reset by peer"));
    assert!(log("scheduler.log").contains("9 paid, 0 refused, 1 unknown"));
    assert_eq!(log("payment.log").matches("answered 201").count(), 28);
    let metrics: Value = serde_json::from_str(&log("gateway-metrics.json")).unwrap();
    assert_eq!(metrics[0]["IdleTimeoutCount"], 3);

    let before = fs::read(&client).unwrap();
    assert_fails(&["table-flushed", "--captures", &captures], &["is there already"]);
    assert_eq!(fs::read(&client).unwrap(), before);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let run = || reproduce(&["packet-loss", "--seed", "7"]).stdout;
    assert_eq!(run(), run());
}

#[test]
fn a_verdict_that_is_not_what_was_expected_shows_in_the_exit_code() {
    let incident = Scenario::text("incident").unwrap();
    let (_folder, path) = scenario(&incident.replace("failures = 2", "failures = 3"));
    let output = reproduce(&[&path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("not what the scenario expects"));
}

#[test]
fn what_nothing_confirms_is_said_to_be_assumed() {
    let output = reproduce(&["--json", "incident"]);
    let trial: Value = serde_json::from_slice(&output.stdout).unwrap();
    let keys: Vec<&str> =
        trial["assumed"].as_array().unwrap().iter().filter_map(|it| it["key"].as_str()).collect();
    assert!(keys.contains(&"on-orphan.outside"), "{keys:?}");
    assert!(!keys.contains(&"timers.tcp-established") && !keys.contains(&"timers.udp"), "{keys:?}");
    assert_eq!(trial["assumed"][0]["profile"], "aws-nat-gateway");
}

#[test]
fn a_verdict_that_is_not_sure_is_not_called_wrong() {
    let silent = Scenario::text("firewall-drops-silently").unwrap();
    let (_folder, path) = scenario(&silent.replace("read-timeout = \"10s\"\n", ""));
    let output = reproduce(&[&path]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("The verdict leaves the truth open."));
}

#[test]
fn an_unknown_key_is_shown_where_it_stands() {
    let incident = Scenario::text("nat-resets-next-packet").unwrap();
    let (_folder, path) = scenario(&incident.replace("requests = 2", "request = 2"));
    assert_fails(&[&path], &["unknown field `request`", "mine.toml:", "request = 2"]);
}

#[test]
fn a_bad_number_is_shown_where_it_stands() {
    let incident = Scenario::text("nat-resets-next-packet").unwrap();
    let (_folder, path) = scenario(&incident.replace("requests = 2", "requests = 0"));
    assert_fails(&[&path], &["0 is not from 1 to", "mine.toml:", "requests = 0"]);
}

#[test]
fn a_scenario_that_is_not_there_is_named() {
    assert_fails(&["incidnt"], &["there is no scenario `incidnt`", "--list"]);
    assert_fails(&["nowhere.toml"], &["there is no file `nowhere.toml`"]);
    assert_fails(&["scenarios"], &["`scenarios` is a directory"]);
}
