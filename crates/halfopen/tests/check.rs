//! `halfopen prevent check` and `halfopen profiles`, as a user runs them.

#![expect(clippy::unwrap_used, reason = "the command runs, and writes text")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

fn halfopen(arguments: &[&str]) -> Command {
    let mut command = Command::cargo_bin("halfopen").unwrap();
    command.args(arguments);
    command
}

/// Runs the command in a folder, and returns its exit code and what it wrote to its two outputs.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = halfopen(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn incident(which: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../halfopen-check/tests/incident");
    tests.join(which)
}

#[test]
fn the_incident_is_shown_with_its_line_its_source_and_its_fix() {
    let files = ["prevent", "check", "plan.json", "application.yml", "path.toml"];
    let (code, stdout, stderr) = run(&incident("found"), &files);
    assert_eq!((code, &*stderr), (1, ""), "{stdout}");
    let document =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/check.md"));
    assert!(document.unwrap().contains(&stdout), "docs/check.md shows another text than\n{stdout}");
    let (code, stdout, _) = run(&incident("fixed"), &["prevent", "check", "."]);
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.starts_with("Nothing found: 3 documents, 1 connection judged"), "{stdout}");
}

#[test]
fn programs_get_json_and_code_hosts_sarif() {
    let (code, json, _) = run(&incident("found"), &["prevent", "check", "--json", "."]);
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(code, 1);
    assert_eq!(report["findings"][0]["rule"], "pool-outlives-box");
    assert_eq!(report["findings"][0]["place"]["line"], 6);
    let (code, sarif, _) = run(&incident("found"), &["prevent", "check", "--format", "sarif", "."]);
    let log: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!((code, &log["version"]), (1, &"2.1.0".into()));
    let (code, nothing, _) = run(&incident("found"), &["prevent", "check", "-q", "."]);
    assert_eq!((code, &*nothing), (1, ""));
}

#[test]
fn what_cannot_be_read_is_shown_in_its_text() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "spring:\n  x: [\n").unwrap();
    let (code, stdout, stderr) = run(folder.path(), &["prevent", "check", "a.yaml"]);
    assert_eq!((code, &*stdout), (2, ""));
    assert!(stderr.contains("a.yaml"), "{stderr}");
    let (code, _, stderr) = run(folder.path(), &["prevent", "check", "."]);
    assert_eq!(code, 2, "a folder without anything to check");
    assert!(stderr.contains("passed over") && stderr.contains("docs/check.md"), "{stderr}");
    fs::write(folder.path().join("path.toml"), "[[path]]\nname = \"p\"\npart = [{}]\n").unwrap();
    let (code, _, stderr) = run(folder.path(), &["prevent", "check", "path.toml"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("a part is one of"), "{stderr}");
    let (code, _, stderr) = run(folder.path(), &["prevent", "check", "absent.json"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("there is no file"), "{stderr}");
}

#[test]
fn products_are_listed_shown_and_searched_with_their_sources() {
    let here = Path::new(".");
    let (code, list, _) = run(here, &["profiles", "list"]);
    assert_eq!(code, 0);
    for name in ["aws-nat-gateway", "apache-httpclient-4", "node-http-server", "hikaricp"] {
        assert!(list.contains(name), "{list}");
    }
    let (code, shown, _) = run(here, &["profiles", "show", "aws-nat-gateway"]);
    assert_eq!(code, 0);
    for text in ["timers.tcp-established", "350s", "documented, read 2026-04-13: https://"] {
        assert!(shown.contains(text), "{shown}");
    }
    let (code, json, _) = run(here, &["profiles", "search", "azure", "idle", "--json"]);
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(code, 0);
    assert!(!found.as_array().unwrap().is_empty());
    assert_eq!(run(here, &["profiles", "search", "no-such-thing"]).0, 1);
    let (code, _, stderr) = run(here, &["profiles", "show", "no-such-thing"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("profiles list"), "{stderr}");
}

#[test]
fn values_that_were_read_long_ago_are_named() {
    let here = Path::new(".");
    let (code, old, _) = run(here, &["profiles", "check", "--today", "2026-11-22"]);
    assert_eq!(code, 1, "{old}");
    assert!(old.contains("sheets/azure-firewall.toml forgets.after"), "{old}");
    assert!(!old.contains("aws-nat-gateway"), "{old}");
    let (code, text, _) = run(here, &["profiles", "check", "--today", "2024-01-01"]);
    assert_eq!((code, &*text), (0, "No source was read more than a year ago.\n"));
}
