//! The command runs scenarios on real packets, with its own client and with any other.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

/// Runs a scenario of 15 minutes in three seconds.
const FAST: [&str; 3] = ["nat-resets-next-packet", "--speed", "300"];

fn live(args: &[&str]) -> Output {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.args(["reproduce", "--live"]).args(args).env_remove("CLICOLOR_FORCE");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Returns the names of the files in a folder, in order.
fn files(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_verdict_on_real_packets_is_the_truth_and_the_captures_can_be_diagnosed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let output = live(&[&FAST[..], &["--json", "--capture", path]].concat());
    let trial: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{trial:#}");
    assert_eq!(trial["verdict_is_true"], true);
    assert_eq!(trial["live"]["speed"], 300);
    assert!(trial["live"]["packets"].as_u64() > Some(10), "{trial:#}");
    let wanted = ["0-client.pcapng", "1-far-end.pcapng", "client-wire.log"];
    assert_eq!(files(&folder), [&wanted[..], &["gateway-metrics.json", "sockets.txt"]].concat());
    let mut again = Command::new(cargo_bin("halfopen"));
    let again = again.arg("diagnose").arg(folder.path().join("0-client.pcapng")).output().unwrap();
    assert!(text(&again.stdout).contains("reset-on-reuse"), "{again:?}");
}

#[test]
fn a_program_finds_the_service_and_its_exit_code_is_passed_on() {
    let script = "exec 3<>/dev/tcp/payment.test/80 || exit 1
        printf 'POST /pay HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 1\\r\\n\\r\\nx' >&3
        head -1 <&3; echo \"$HALFOPEN_URL after $HALFOPEN_PAUSE_S s\"; exit 7";
    let output = live(&[&FAST[..], &["--", "bash", "-c", script]].concat());
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    assert!(said.contains("http://payment.test/pay after 1.4 s"), "{said}");
    assert!(said.contains("far-end"), "{said}");
}

#[test]
fn with_json_standard_output_is_for_the_report_alone() {
    let output = live(&[&FAST[..], &["--json", "--", "echo", "hello"]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let trial: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(trial["scenario"], "nat-resets-next-packet");
    assert!(text(&output.stderr).contains("hello"), "{output:?}");
}

#[test]
fn a_program_that_is_not_there_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let output = live(&[&FAST[..], &["--capture", path, "--", "no-such-program"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("no-such-program"), "{output:?}");
    assert_eq!(files(&folder), [""; 0]);
}

#[test]
fn no_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("1-far-end.pcapng"), "mine").unwrap();
    let output = live(&[&FAST[..], &["--capture", folder.path().to_str().unwrap()]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("is there already"), "{output:?}");
    assert_eq!(files(&folder), ["1-far-end.pcapng"]);
}

#[test]
fn a_speed_that_changes_who_forgets_first_is_refused_with_the_largest() {
    let output = live(&["keepalive-saves", "--speed", "400"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(text(&output.stderr).contains("the largest speed is 349"), "{output:?}");
}
