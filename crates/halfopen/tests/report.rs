//! What `diagnose` prints of real captures: for programs by the schema, for people as kept.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn diagnose(args: &[&str]) -> String {
    let output = Command::new(cargo_bin("halfopen"))
        .current_dir(root())
        .arg("diagnose")
        .args(args)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the schema with every object closed, so that a field that it does not describe fails.
fn closed_schema() -> Value {
    fn close(schema: &mut Value) {
        match schema {
            Value::Object(map) => {
                if map.get("type") == Some(&"object".into()) {
                    map.insert("additionalProperties".to_owned(), false.into());
                }
                map.values_mut().for_each(close);
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let text = fs::read_to_string(root().join("docs/report.schema.json")).unwrap();
    let mut schema = serde_json::from_str(&text).unwrap();
    close(&mut schema);
    schema
}

#[test]
fn the_report_of_every_capture_matches_the_schema() {
    let validator = jsonschema::validator_for(&closed_schema()).unwrap();
    let mut captures = 0;
    for entry in fs::read_dir(root().join("captures")).unwrap() {
        let capture = entry.unwrap().path().join("client.pcap");
        if !capture.exists() {
            continue;
        }
        let far = capture.with_file_name("server-side.pcap.gz");
        let mut args = vec!["--json", capture.to_str().unwrap()];
        args.extend(far.exists().then(|| far.to_str().unwrap()));
        let report = diagnose(&args);
        let report: Value = serde_json::from_str(&report).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&report)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{capture:?}: {errors:#?}\n{report:#}");
        captures += 1;
    }
    assert!(captures > 0, "there are captures to try");
}

#[test]
fn the_schema_knows_every_word() {
    use halfopen_core::cause::{Cause, Culprit, Finding, Harm, Mechanism};

    fn words(schema: &Value) -> Vec<&str> {
        schema["enum"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
    }
    fn same<T: Copy>(schema: &Value, all: &[T], word: fn(T) -> &'static str) {
        let mut known = words(schema);
        let mut all: Vec<&str> = all.iter().map(|&item| word(item)).collect();
        known.sort_unstable();
        all.sort_unstable();
        assert_eq!(known, all);
    }

    let schema = closed_schema();
    let defs = &schema["$defs"];
    same(&defs["path"]["properties"]["cause"], Cause::ALL, Cause::as_str);
    same(&defs["path"]["properties"]["mechanism"], Mechanism::ALL, Mechanism::as_str);
    same(&defs["flow"]["properties"]["finding"], Finding::ALL, Finding::as_str);
    same(&defs["culprit"], Culprit::ALL, Culprit::as_str);
    same(&defs["harm"], Harm::ALL, Harm::as_str);
}

#[test]
fn the_incident_reads_like_this() {
    insta::assert_snapshot!(diagnose(&[
        "captures/incident-nat350-alb1800-resttemplate/client.pcap"
    ]));
}

#[test]
fn a_bracketed_limit_reads_like_this() {
    insta::assert_snapshot!(diagnose(&["captures/bracket-nat350-requests/client.pcap"]));
}

#[test]
fn a_silent_firewall_reads_like_this() {
    insta::assert_snapshot!(diagnose(&["captures/silent30-go/client.pcap"]));
}

#[test]
fn a_lost_table_reads_like_this() {
    insta::assert_snapshot!(diagnose(&["captures/state-loss-nat-flush-resttemplate/client.pcap"]));
}

#[test]
fn a_healthy_path_reads_like_this() {
    insta::assert_snapshot!(diagnose(&["captures/healthy-warm-requests/client.pcap"]));
}

#[test]
fn two_captures_read_like_this() {
    insta::assert_snapshot!(diagnose(&[
        "captures/incident-nat350-alb1800-resttemplate/client.pcap",
        "captures/bracket-nat350-requests/client.pcap",
    ]));
}

#[test]
fn both_sides_of_a_box_read_like_this() {
    insta::assert_snapshot!(diagnose(&[
        "captures/bracket-nat350-requests/client.pcap",
        "captures/bracket-nat350-requests/server-side.pcap.gz",
        "captures/bracket-nat350-requests/client.log.gz",
    ]));
}

#[test]
fn an_issue_tracker_is_told_this() {
    insta::assert_snapshot!(diagnose(&[
        "--format",
        "markdown",
        "captures/bracket-nat350-requests/client.pcap",
        "captures/healthy-warm-requests/client.pcap",
    ]));
}
