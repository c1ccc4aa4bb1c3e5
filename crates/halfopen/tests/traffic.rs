//! The command counts how often traffic meets a forgotten flow.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use assert_cmd::cargo::cargo_bin;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("halfopen"));
    command.args(["reproduce", "--traffic"]).args(args).env_remove("CLICOLOR_FORCE");
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A file for one test.
fn file(bytes: &[u8]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("arrivals");
    fs::write(&path, bytes).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

#[track_caller]
fn assert_fails(args: &[&str], why: &str) {
    let output = run(args);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{output:?}");
    assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
}

const INCIDENT: &str = "cron:*/20 * * * * x10";

#[test]
fn the_incidents_cron_line_is_told_like_this() {
    let output = run(&[INCIDENT, "--for", "1d", "--cap", "60s,300s,none"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn a_steady_pool_of_two_is_spared() {
    let output = run(&["60/min", "--for", "30min", "--max-connections", "2", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json = json(&output);
    assert_eq!((&json["spared"], &json["caps"][0]["met"]), (&Value::Bool(true), &Value::from(0)));
    assert!(json["why"].as_str().unwrap().starts_with("Spared: requests pause for"), "{json}");
}

#[test]
fn without_a_cap_one_below_the_limit_is_tried() {
    let json = json(&run(&[INCIDENT, "--for", "2h", "--json"]));
    let caps = json["caps"].as_array().unwrap();
    assert_eq!((caps[0]["met"].as_u64(), caps[1]["met"].as_u64()), (Some(5), Some(0)));
    assert_eq!((&caps[1]["cap"], caps.len()), (&Value::from("315 s"), 2));
    assert!(json["why"].as_str().unwrap().ends_with("With a cap of 315 s none fails."), "{json}");
}

#[test]
fn times_come_from_a_file_or_from_standard_input_and_in_gzip() {
    let times = b"1200\nlunch\n0\n1201\n";
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(times).unwrap();
    let gzip = encoder.finish().unwrap();
    let (_folder, path) = file(&gzip);
    let from_file = json(&run(&[&path, "--json"]));
    let record = &from_file["record"];
    assert_eq!((&record["unreadable"], &record["unsorted"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(record["examples"][0]["line"], 2);
    assert_eq!(from_file["caps"][0]["met"], 1);

    let mut child =
        command(&["-", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(times).unwrap();
    let from_stdin = json(&child.wait_with_output().unwrap());
    assert_eq!(from_stdin["caps"], from_file["caps"]);
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let args = ["20/h", "--for", "1d", "--seed", "3", "--runs", "2"];
    assert_eq!(run(&args).stdout, run(&args).stdout);
}

#[test]
fn what_is_no_traffic_is_refused() {
    let (_empty, empty) = file(b"");
    let (_garbage, garbage) = file(b"\x00\xff\nnonsense\n");
    let (_cut, cut) = file(&[0x1f, 0x8b, 8, 0, 0, 0]);
    assert_fails(&[&empty], "it is empty");
    assert_fails(&[&garbage], "none of its 2 lines has a time; line 1: not UTF-8");
    assert_fails(&[&cut], "cannot be read to its end");
    assert_fails(&["0/s"], "nothing ever arrives");
    assert_fails(&["1e12/s"], "is not from 0 to 1000 in a second");
    assert_fails(&["1000/s"], "more than 50000000 requests");
    assert_fails(&["cron:0 0 31 2 *"], "never fires");
    assert_fails(&["cron:0 3 1 7 *"], "no request arrives in 604800 s");
    assert_fails(&["5 per second"], "neither a rate nor a cron line, and there is no such file");
    assert_fails(&["."], "is a directory");
    assert_fails(&["5/s", "--cap", "0s"], "a cap of no time keeps no connection");
    assert_fails(&["5/s", "--for", "never"], "invalid value 'never'");
    assert_fails(&["1/day", "--for", "1000d"], "lasts longer than 730 days");
}
